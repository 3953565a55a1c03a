"""What a battery is known by in the state folder, however its address was typed.

Notes outlive a restart of the computer, so the most stable of several names is taken: the battery's own Bluetooth
address; for a USB port the name in /dev/serial/by-id, which stays when /dev/ttyUSB0 becomes /dev/ttyUSB1. Other links
are kept as typed: who makes a link of his own means it to be stable. Hosts are not looked up: what they stand for may
change.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from .transport import Address

BY_ID = Path("/dev/serial/by-id")
PORTS = {"esphome": 6053}
"""Scheme → the port where none is given."""
PORT_OPTIONS = ("port_name", "port_instance", "port_serial_number")
"""Of esphome: which of the host's serial ports it is."""
LOCAL = ("localhost", "127.0.0.1", "::1")
_BLUETOOTH = re.compile(r"[0-9A-F]{2}([:-]?[0-9A-F]{2}){5}", re.IGNORECASE)
_COM = re.compile(r"(?:\\\\[.?]\\)?(COM\d+):?", re.IGNORECASE)


def identity(own: str | None, where: Address | None, name: str, links: Mapping[str, str]) -> str:
    """The key of a battery. own: its Bluetooth address, if it is known; where: the address it is open by, else `name`.

    links: real path of a serial port → its most stable name.
    """
    if own is not None:
        return _bluetooth(own)
    if where is None:
        return name
    match where.scheme:
        case "serial":
            return _port(where.target, links)
        case "rfcomm" | "ble":
            return _bluetooth(where.target)
        case "socket" | "rfc2217" | "esphome":
            return _host(where)
    return where.text


def stable_links(folder: Path = BY_ID) -> dict[str, str]:
    """Real path of a serial port → its name in /dev/serial/by-id, where the system has that."""
    links: dict[str, str] = {}
    with suppress(OSError):
        for link in sorted(folder.iterdir()):
            links[os.path.realpath(link)] = str(link)
    return links


def _bluetooth(text: str) -> str:
    """AA:BB:CC:DD:EE:FF, as it is written on the device; the identifiers of macOS in capitals; other names as typed."""
    if not _BLUETOOTH.fullmatch(text):
        return text.upper() if re.fullmatch(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", text) else text
    digits = re.sub("[:-]", "", text).upper()
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def _port(target: str, links: Mapping[str, str]) -> str:
    """COM5 in capitals; what is the same port by its most stable name; anything else as typed, made absolute."""
    if match := _COM.fullmatch(target):
        return match[1].upper()
    path = str(Path(target).absolute())
    if known := links.get(os.path.realpath(path)):
        return known
    return path.replace("/dev/tty.", "/dev/cu.", 1)  # macOS has two names of each port


def _host(where: Address) -> str:
    """host:port in small letters, the address of this computer as localhost; whatever is spoken on it."""
    parts = urlsplit(f"//{where.target}")
    host = (parts.hostname or "").rstrip(".").lower()
    with suppress(ValueError):
        host = str(ip_address(host))
    if host in LOCAL:
        host = "localhost"
    which = [f"{key}={where.options[key]}" for key in PORT_OPTIONS if key in where.options]
    return ",".join([f"{host}:{parts.port or PORTS.get(where.scheme, 0)}", *which])
