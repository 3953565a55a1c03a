"""The list of ports: the registry of Windows as data, Linux's files in a directory of ours."""

import os
from pathlib import Path
from typing import Any

from serialx import SerialPortInfo

from antbms.transport.ports import KINDS, Port, described, list_ports, registry, rfcomm_ports, same_port, windows_ports

SPP = "{00001101-0000-1000-8000-00805F9B34FB}"


def node(port: str) -> dict[str, Any]:
    return {"FriendlyName": f"Standard Serial over Bluetooth link ({port})", "Device Parameters": {"PortName": port}}


BTHENUM: dict[str, Any] = {
    f"{SPP}_LOCALMFG&0000": {"7&1D2C0D1B&0&000000000000_00000000": node("COM4")},
    f"{SPP.lower()}_VID&00010057_PID&0001": {
        "8&31d1a2b&0&a1b2c3d4e5f6_C00000000": node("COM5"),
        "8&31d1a2b&0&A1B2C3D4E5F7_C00000000": node("COM9"),  # unpaired long ago: the node stays, the port is gone
        "8&31d1a2b&0&A1B2C3D4E5F8_C00000000": {"Device Parameters": {}},
        "8&31d1a2b&0": node("COM5"),
    },
    "{0000110B-0000-1000-8000-00805F9B34FB}_LOCALMFG&0002": {"7&1&0&C4B301AABBCC_C00000000": node("COM6")},
    "Dev_A1B2C3D4E5F6": {"8&31d1a2b&0&BLUETOOTHDEVICE_A1B2C3D4E5F6": {"FriendlyName": "ANT-BLE16ZMUB"}},
    "a value, not a key": 1,
}
DEVICES: dict[str, Any] = {
    "a1b2c3d4e5f6": {"Name": "ANT-Ü16".encode() + b"\0junk", "COD": 0x1F00},
    "000000000001": {"COD": 1},
    "a value, not a key": 1,
}
SERIALCOMM = {r"\Device\BthModem0": "COM5", r"\Device\BthModem1": "COM4", r"\Device\Serial0": "COM1"}


def test_windows_tells_bluetooth_ports_apart() -> None:
    usb = Port(device="COM3", description="USB-SERIAL CH340", kind="usb")
    listed = [usb, Port(device="COM4", description="COM4", kind="other")]
    ports = {port.device: port for port in windows_ports(listed, BTHENUM, DEVICES, SERIALCOMM)}
    assert ports.keys() == {"COM1", "COM3", "COM4", "COM5"}
    assert ports["COM3"] is usb
    assert (ports["COM1"].kind, ports["COM1"].address) == ("other", None)
    assert (ports["COM4"].kind, ports["COM4"].address, ports["COM4"].name) == ("bluetooth incoming", None, None)
    outgoing = ports["COM5"]
    assert (outgoing.kind, outgoing.address, outgoing.name) == ("bluetooth outgoing", "A1:B2:C3:D4:E5:F6", "ANT-Ü16")


def test_windows_without_any_registry_keeps_what_is_listed() -> None:
    listed = [Port(device="COM4", description="x", kind="other")]
    assert windows_ports(listed, {}, {}, {}) == listed
    assert registry("SOFTWARE", 0) == {} or os.name == "nt"


def info(device: str, **known: Any) -> SerialPortInfo:
    unknown = (
        "vid",
        "pid",
        "serial_number",
        "manufacturer",
        "product",
        "bcd_device",
        "interface_description",
        "interface_num",
    )
    fields: dict[str, Any] = {"device": device, "resolved_device": device, **dict.fromkeys(unknown), **known}
    return SerialPortInfo(**fields)


def test_described() -> None:
    port = described(
        info(
            "/dev/serial/by-id/usb-1a86-if00",
            resolved_device="/dev/ttyUSB0",
            vid=0x1A86,
            product="USB Serial",
            manufacturer="QinHeng",
        )
    )
    assert port == Port(
        device="/dev/ttyUSB0",
        description="USB Serial",
        kind="usb",
        manufacturer="QinHeng",
        link="/dev/serial/by-id/usb-1a86-if00",
    )
    assert described(info("COM3", vid=1, product="CH340", interface_description="CH340")).description == "CH340"
    assert described(info("/dev/ttyS0")).kind == "built-in"
    assert described(info("/dev/cu.Bluetooth-Incoming-Port")).kind == "bluetooth incoming"
    assert described(info("/dev/cu.ANT-BMS")) == Port(device="/dev/cu.ANT-BMS", description="cu.ANT-BMS", kind="other")


def test_linux_lists_bound_rfcomm_ports(tmp_path: Path) -> None:
    for name in ("rfcomm0", "rfcomm12", "ttyUSB0", "rfcommx"):
        (tmp_path / name).touch()
    (tmp_path / "tty" / "rfcomm0").mkdir(parents=True)
    (tmp_path / "tty" / "rfcomm0" / "address").write_text("AA:BB:CC:DD:EE:FF\n")
    ports = sorted(rfcomm_ports(tmp_path, tmp_path / "tty"), key=lambda port: port.device)
    assert [(Path(port.device).name, port.address) for port in ports] == [
        ("rfcomm0", "AA:BB:CC:DD:EE:FF"),
        ("rfcomm12", None),
    ]
    assert {port.kind for port in ports} == {"bluetooth outgoing"}


def test_the_likeliest_port_comes_first(monkeypatch: Any) -> None:
    ports = [info("/dev/ttyUSB10", vid=1), info("/dev/ttyUSB9", vid=1), info("/dev/odd"), info("/dev/ttyS0")]
    monkeypatch.setattr("serialx.list_serial_ports", lambda: ports)
    listed = [port for port in list_ports() if not port.device.startswith("/dev/rfcomm")]
    assert [port.device for port in listed] == ["/dev/ttyUSB9", "/dev/ttyUSB10", "/dev/ttyS0", "/dev/odd"]
    assert {port.kind for port in listed} <= set(KINDS)


def test_this_computer_can_be_listed() -> None:
    assert all(port.device and port.description for port in list_ports())


def test_same_port() -> None:
    assert same_port("com5", r"\\.\COM5")
    assert not same_port("COM5", "COM55")
