"""The serial ports of this computer, and which of them are Bluetooth.

Windows tells that only in its registry, where a paired device's serial service is a node

    HKLM\\SYSTEM\\CurrentControlSet\\Enum\\BTHENUM\\{00001101-0000-1000-8000-00805f9b34fb}_…\\<instance>

whose `Device Parameters\\PortName` is the COM port, and whose instance ends in `&<address>_<suffix>`; address
000000000000 marks the incoming port, on which a battery never answers. Nodes outlive their ports, so only those count
which `HKLM\\HARDWARE\\DEVICEMAP\\SERIALCOMM` has now. Device names: `BTHPORT\\Parameters\\Devices\\<address>\\Name`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from serialx import SerialPortInfo

Kind = Literal["bluetooth outgoing", "usb", "built-in", "other", "bluetooth incoming"]

KINDS: Final[tuple[Kind, ...]] = ("bluetooth outgoing", "usb", "built-in", "other", "bluetooth incoming")
"""In the order in which a battery is likely to be found there."""


class Port(Struct, frozen=True, kw_only=True):
    """A serial port. `device` is what to type; `link` is a name that survives replugging (Linux, USB).

    `name` and `address` are those of the Bluetooth device behind it, where known.
    """

    device: str
    description: str
    kind: Kind
    name: str | None = None
    address: str | None = None
    manufacturer: str | None = None
    serial_number: str | None = None
    link: str | None = None


Tree = Mapping[str, Any]
"""A registry key: values by name, and subkeys as further trees."""

_SPP: Final = "{00001101-0000-1000-8000-00805f9b34fb}"
_INSTANCE: Final = re.compile(r"&([0-9A-F]{12})_[0-9A-F]+", re.IGNORECASE)
_ENUM: Final = r"SYSTEM\CurrentControlSet\Enum\BTHENUM"
_DEVICES: Final = r"SYSTEM\CurrentControlSet\Services\BTHPORT\Parameters\Devices"
_LIVE: Final = r"HARDWARE\DEVICEMAP\SERIALCOMM"
_BUILT_IN: Final = re.compile(r"/dev/(tty(S|AMA|THS|mxc|SAC)\d+|cu\.(debug-console|wlan-debug))")


def list_ports() -> list[Port]:
    """All serial ports, the likeliest first. Reads the system's lists and opens nothing."""
    from serialx import list_serial_ports

    ports = [described(info) for info in list_serial_ports()]
    if sys.platform == "win32":
        ports = windows_ports(ports, registry(_ENUM, 3), registry(_DEVICES, 1), registry(_LIVE, 0))
    elif sys.platform == "linux":
        ports += rfcomm_ports()
    return sorted(ports, key=lambda port: (KINDS.index(port.kind), _natural(port.device)))


def same_port(one: str, other: str) -> bool:
    r"""Whether two names mean one port: `com5`, `COM5` and `\\.\COM5` do."""
    return one.upper().removeprefix("\\\\.\\") == other.upper().removeprefix("\\\\.\\")


def described(info: SerialPortInfo) -> Port:
    """What serialx knows about a port."""
    device = info.resolved_device
    words = [word for word in (info.product, info.interface_description) if word]
    return Port(
        device=device,
        description=" - ".join(dict.fromkeys(words)) or re.split(r"[\\/]", device)[-1],
        kind=_kind(info),
        manufacturer=info.manufacturer or None,
        serial_number=info.serial_number or None,
        link=info.device if info.device != device else None,
    )


def _kind(info: SerialPortInfo) -> Kind:
    if info.vid is not None:
        return "usb"
    if "Bluetooth-Incoming" in info.resolved_device:  # macOS
        return "bluetooth incoming"
    return "built-in" if _BUILT_IN.fullmatch(info.resolved_device) else "other"


def rfcomm_ports(dev: Path = Path("/dev"), tty: Path = Path("/sys/class/tty")) -> list[Port]:
    """Linux: ports made by `rfcomm bind`, which no list of serial ports has."""
    return [
        Port(
            device=str(path),
            description="Bluetooth serial port",
            kind="bluetooth outgoing",
            address=_read(tty / path.name / "address"),
        )
        for path in dev.glob("rfcomm[0-9]*")
    ]


def windows_ports(ports: Iterable[Port], bthenum: Tree, devices: Tree, serialcomm: Tree) -> list[Port]:
    """`ports`, completed by what three trees of the registry say. Works on any platform."""
    live = {str(name) for name in serialcomm.values()}
    found = {name: Port(device=name, description="Serial port", kind="other") for name in live}
    found |= {port.device: port for port in ports}
    names = {address.upper(): name for address, key in devices.items() if (name := _device_name(key))}
    for port in _bluetooth_ports(bthenum):
        if port.device in found:
            name = names.get((port.address or "").replace(":", ""))
            found[port.device] = replace(port, name=name)
    return list(found.values())


def _bluetooth_ports(bthenum: Tree) -> Iterable[Port]:
    for service, instances in bthenum.items():
        if not service.lower().startswith(_SPP) or not isinstance(instances, Mapping):
            continue
        for instance, key in instances.items():
            device = _value(key, "Device Parameters", "PortName")
            match = _INSTANCE.search(instance)
            if device is None or match is None:
                continue
            outgoing = int(match[1], 16) != 0
            yield Port(
                device=str(device),
                description="Bluetooth serial port",
                kind="bluetooth outgoing" if outgoing else "bluetooth incoming",
                address=":".join(re.findall("..", match[1].upper())) if outgoing else None,
            )


def _device_name(key: object) -> str | None:
    name = _value(key, "Name")
    if isinstance(name, bytes):
        name = name.split(b"\0")[0].decode("utf-8", "replace")
    return str(name) if name else None


def _value(tree: object, *path: str) -> object:
    for step in path:
        tree = tree.get(step) if isinstance(tree, Mapping) else None
    return tree


def registry(path: str, depth: int) -> dict[str, Any]:
    """A key below HKEY_LOCAL_MACHINE with its subkeys down to `depth`; what may not be read is left out."""
    if sys.platform != "win32":
        return {}
    import winreg

    tree: dict[str, Any] = {}
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:
            subkeys, values, _ = winreg.QueryInfoKey(key)
            for index in range(values):
                name, value, _ = winreg.EnumValue(key, index)
                tree[name] = value
            names = [winreg.EnumKey(key, index) for index in range(subkeys)] if depth else []
    except OSError:
        return tree
    return tree | {name: registry(rf"{path}\{name}", depth - 1) for name in names}


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except OSError:
        return None


def _natural(text: str) -> list[tuple[int, str]]:
    """COM9 before COM10."""
    return [(int(digits or 0), other) for digits, other in re.findall(r"(\d+)|(\D+)", text)]
