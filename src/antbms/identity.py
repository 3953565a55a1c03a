"""What a battery is known by in the state folder, however its address was typed.

Notes outlive a restart of the computer, so the most stable of several names is taken: the battery's own Bluetooth
address; for a USB port the name in /dev/serial/by-id, which stays when /dev/ttyUSB0 becomes /dev/ttyUSB1. Other links
are kept as typed: who makes a link of his own means it to be stable. Hosts are not looked up: what they stand for may
change.

Such a name is that of a link: adapters without a serial number of their own share one, and any adapter can be put to
another battery. So a note also holds what the battery says it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from .model import DeviceInfo
from .transport import Address

BY_ID = Path("/dev/serial/by-id")
PORTS = {"esphome": 6053}
"""Scheme → the port where none is given."""
PORT_OPTIONS = ("port_name", "port_instance", "port_serial_number")
"""Of esphome: which of the host's serial ports it is."""
CHIP = "chip"
"""What a device is that has a number of its own; all else can be the same in two."""
CELLS = "number of cells"
"""What a device is that can be changed by a setting."""
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


def is_own(own: str | None, where: Address | None) -> bool:
    """Whether the key of a battery is its own, and not that of a link to it."""
    return own is not None or (where is not None and where.scheme in ("rfcomm", "sim", "replay"))


def signs(info: DeviceInfo, chips: Iterable[bytes]) -> dict[str, str]:
    """What a device says it is, for a note: word → value. chips: its numbers, if it tells them."""
    told = {
        "model": info.model,
        "software": info.software,
        "production date": info.produced,
        "pack id": info.pack_id,
        "serial number": info.serial,
        CELLS: info.cells,
        CHIP: " ".join(chip.hex() for chip in chips if len(set(chip)) > 1),
    }
    return {word: str(value) for word, value in told.items() if value}


def difference(noted: Mapping[str, str], here: Mapping[str, str]) -> str:
    """In what the device here differs from the one of a note, or does not say what that said; nothing if it is alike.

    So an answer that is lost never makes two devices alike.
    """
    words = (word for word in compared(noted, here) if noted[word] != here.get(word))
    return "; ".join(f"{word} {noted[word]}, here {here.get(word, 'not told')}" for word in words)


def is_open(noted: Mapping[str, str], here: Mapping[str, str]) -> bool:
    """Whether they differ only in what is not told here: to ask again may help."""
    words = compared(noted, here)
    return any(word not in here for word in words) and all(here.get(word, noted[word]) == noted[word] for word in words)


def compared(noted: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """What is compared. The number of the chip decides alone: names may be changed, and software renewed."""
    return [CHIP] if CHIP in noted and CHIP in here else list(noted)


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
