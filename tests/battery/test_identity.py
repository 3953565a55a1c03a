"""What a battery is known by: one key, however its address was typed."""

import os
from pathlib import Path

import pytest

from antbms.identity import identity, stable_links
from antbms.transport import parse_address

LINKS = {"/dev/ttyUSB0": "/dev/serial/by-id/usb-FTDI_A1"}


def key(text: str, own: str | None = None, **options: str) -> str:
    return identity(own, parse_address(text, options), text, LINKS)


SAME = [
    ("COM5", ["com5", "COM5:", "\\\\.\\COM5", " com5 ", "COM5?baud=9600"]),
    ("AA:BB:CC:DD:EE:0F", ["rfcomm:aa:bb:cc:dd:ee:0f", "ble:AA-BB-CC-DD-EE-0F", "rfcomm:AA:BB:CC:DD:EE:0F?channel=2"]),
    ("localhost:4000", ["socket://127.0.0.1:4000", "rfc2217://LOCALHOST:4000", "socket://[::1]:4000"]),
    ("garage.lan:4000", ["socket://Garage.LAN:4000", "socket://garage.lan.:4000"]),
    ("fe80::1:4000", ["socket://[FE80:0::1]:4000"]),
    ("box:6053,port_name=BMS", ["esphome://Box/?port_name=BMS", "esphome://box:6053?port_name=BMS"]),
    ("/dev/serial/by-id/usb-FTDI_A1", ["/dev/ttyUSB0", "/dev/../dev/ttyUSB0"]),
    ("/dev/ttyAMA0", ["/dev/ttyAMA0", "/dev//ttyAMA0"]),
    ("/dev/cu.usbserial-1", ["/dev/tty.usbserial-1", "/dev/cu.usbserial-1"]),
    ("ble:ANT-BLE16ZMUB", ["ble:ANT-BLE16ZMUB"]),
]


@pytest.mark.parametrize(("wanted", "typed"), [(wanted, text) for wanted, texts in SAME for text in texts])
def test_names_of_one_battery(wanted: str, typed: str) -> None:
    if wanted.startswith("/dev") and os.name == "nt":
        pytest.skip("device files")
    assert key(typed) == wanted.removeprefix("ble:")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("COM5", "COM6"),
        ("socket://host:4000", "socket://host:4001"),
        ("esphome://box/?port_name=a", "esphome://box/?port_name=b"),
        ("ble:Garage", "ble:garage"),
        ("/dev/ttyUSB0", "/dev/ttyUSB1"),
        ("sim:jbd", "sim:ant"),
    ],
)
def test_names_of_two(one: str, other: str) -> None:
    assert key(one) != key(other)


@pytest.mark.parametrize("own", ["a5:c2:37:00:00:01", "A5-C2-37-00-00-01", "A5C237000001"])
def test_the_own_address_of_a_battery_comes_first(own: str) -> None:
    assert key("COM5", own=own) == key("ble:Garage", own=own) == "A5:C2:37:00:00:01"


def test_what_macos_calls_a_device() -> None:
    assert key("ble:x", own="7c9e6679-7425-40de-944b-e07fc1f90ae7") == "7C9E6679-7425-40DE-944B-E07FC1F90AE7"


@pytest.mark.skipif(os.name == "nt", reason="symbolic links")
def test_links_by_id_and_links_of_ones_own(tmp_path: Path) -> None:
    port, folder = tmp_path / "ttyUSB7", tmp_path / "by-id"
    port.touch()
    folder.mkdir()
    (folder / "usb-1").symlink_to(port)
    (tmp_path / "bms").symlink_to(port)
    links = stable_links(folder)
    assert links == {os.path.realpath(port): str(folder / "usb-1")}
    for name in (port, folder / "usb-1", tmp_path / "bms"):
        assert identity(None, parse_address(str(name)), "", links) == str(folder / "usb-1")
    assert identity(None, parse_address(str(tmp_path / "bms")), "", {}) == str(tmp_path / "bms")
    assert stable_links(tmp_path / "none") == {}
