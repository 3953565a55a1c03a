"""Why a serial port, socket or proxy could not be opened, in words, with the way out on each platform.

Two steps, both tables: an exception becomes a cause, and a cause becomes a sentence and its hints.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from ..errors import LinkLost, OpenError
from ..extras import how_to_install
from .address import Address
from .failures import Hints, Values, hints_of, open_error
from .ports import Port

Cause = Literal[
    "missing",
    "busy",
    "permission",
    "directory",
    "not serial",
    "away",
    "host",
    "refused",
    "unreachable",
    "timeout",
    "extra",
    "other",
]

_BY_ERRNO: Final[dict[int, Cause]] = {
    errno.ENOENT: "missing",
    errno.ENXIO: "missing",
    errno.ENODEV: "missing",
    errno.ENOTDIR: "missing",
    errno.EBUSY: "busy",
    errno.EACCES: "permission",
    errno.EPERM: "permission",
    errno.EISDIR: "directory",
    errno.ENOTTY: "not serial",
    errno.EHOSTDOWN: "away",
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.ETIMEDOUT: "timeout",
}

_BY_WINERROR: Final[dict[int, Cause]] = {
    2: "missing",  # ERROR_FILE_NOT_FOUND
    3: "missing",  # ERROR_PATH_NOT_FOUND
    123: "missing",  # ERROR_INVALID_NAME
    433: "missing",  # ERROR_NO_SUCH_DEVICE
    5: "busy",  # ERROR_ACCESS_DENIED: Windows says so when another program has the port
    32: "busy",  # ERROR_SHARING_VIOLATION
    170: "busy",  # ERROR_BUSY
    1: "not serial",  # ERROR_INVALID_FUNCTION: a file, a printer
    87: "not serial",  # ERROR_INVALID_PARAMETER
    21: "away",  # ERROR_NOT_READY
    31: "away",  # ERROR_GEN_FAILURE
    121: "away",  # ERROR_SEM_TIMEOUT: the usual one for a Bluetooth port whose device is off
    1167: "away",  # ERROR_DEVICE_NOT_CONNECTED
    1168: "away",  # ERROR_NOT_FOUND: an outgoing port whose device is no longer paired
    1256: "away",  # ERROR_HOST_DOWN
    1225: "refused",  # ERROR_CONNECTION_REFUSED
    1231: "unreachable",  # ERROR_NETWORK_UNREACHABLE
    1232: "unreachable",  # ERROR_HOST_UNREACHABLE
}

_SENTENCES: Final[dict[Cause, str]] = {
    "missing": "there is no such port",
    "busy": "the port is in use by {holder}",
    "permission": "no permission to open the port",
    "directory": "is a directory, not a port",
    "not serial": "is not a serial port",
    "away": "the device behind the port does not answer",
    "host": "unknown host",
    "refused": "connection refused",
    "unreachable": "the host or its network cannot be reached",
    "timeout": "opening it took longer than {seconds:.0f} s",
    "extra": "support for esphome:// is not installed",
    "other": "cannot be opened: {detail}",
}

_FIND_COM: Final = (
    "Which COM number: antbms scan, or Settings > Bluetooth > More Bluetooth settings > COM Ports: the *outgoing* one.",
    "The battery must be paired first; without pairing there is no port.",
)
_WAKE: Final = "Is the battery on, in range, and not connected to a phone app?"
_PLUGGED: Final = "Is the adapter still plugged in?"
_BRIDGE: Final = "Is the bridge still on, and no other program using it? Many serve one client at a time."
_OUTGOING: Final = "Use the *outgoing* port, not the incoming one: antbms scan tells them apart."

_HINTS: Final[Hints] = {
    ("missing", "win32"): ("{ports}", *_FIND_COM),
    ("missing", "linux"): ("{ports}", "A USB adapter is /dev/ttyUSB0 or /dev/ttyACM0: is it plugged in?"),
    ("missing", "darwin"): ("{ports}", "On macOS a port is /dev/cu.*, not /dev/tty.*; antbms scan lists them."),
    ("directory", ""): ("{ports}",),
    ("not serial", ""): ("{ports}", "A recording is read with replay:{target}"),
    ("busy", ""): ("Close the program that uses it (another antbms, a terminal, a monitor), then try again.",),
    ("busy", "win32"): ("Only one program can have a COM port: close the BMS tool or terminal that has it.",),
    ("permission", ""): ("Ask the administrator of this computer for access to {target}.",),
    ("permission", "linux"): ("sudo usermod -aG {group} $USER   then log out and in again",),
    ("away", ""): (_WAKE,),
    ("away", "win32"): (_WAKE, _OUTGOING, "If it was removed from the Bluetooth devices, pair it again."),
    ("host", ""): ("Check the spelling of the host, or use its IP address.",),
    ("refused", ""): ("Is the bridge running, and is this its port? Many serve one client at a time.",),
    ("unreachable", ""): ("Is the bridge on, and in this network?",),
    ("timeout", ""): ("Is it on, and in range or in this network?",),
    ("timeout", "win32"): (_WAKE, _OUTGOING),
    ("extra", ""): how_to_install("esphome"),
}

_WRONG_NAMES: Final = (
    ("win32", r"/dev/.*", "On Windows a port is COM and a number."),
    ("linux", r"COM\d+|\\\\.*", "COM ports are Windows names; here it is /dev/ttyUSB0 or rfcomm:AA:BB:CC:DD:EE:FF."),
    ("darwin", r"COM\d+|\\\\.*", "COM ports are Windows names; here it is /dev/cu.NAME."),
)

_NETWORK: Final[dict[str, str]] = {
    "rfc2217": "Does it speak RFC 2217 (ser2net: telnet(rfc2217))? A plain TCP port is socket://{target}",
    "socket": "",
    "esphome": "Is {target} an ESPHome device with serial_proxy, and its API key right (-o key_env=NAME)?",
}


def explain(address: Address, exc: BaseException, seconds: float, platform: str, ports: Iterable[Port]) -> OpenError:
    """The error to raise for `exc`, which came `seconds` after the start; `ports` are those which exist."""
    cause = cause_of(exc, platform)
    values: Values = {
        "target": lambda: address.target,
        "seconds": lambda: seconds,
        "detail": lambda: str(exc) or type(exc).__name__,
        "holder": lambda: (holder(address.target) if platform == "linux" else None) or "another program",
        "group": lambda: _group(address.target),
        "ports": lambda: _listed(ports),
    }
    return open_error(address.text, _SENTENCES[cause], _hints(address, cause, platform), values)


def lost(address: Address, exc: BaseException | None) -> LinkLost:
    """The error for a link that was open and ended with `exc`; None: it ended in order, or nobody said why."""
    if address.scheme == "serial" and getattr(exc, "errno", errno.EIO) in (errno.EIO, errno.ENXIO, errno.EBADF):
        reason, hint = "the port went away (unplugged, or out of range)", f"{_PLUGGED} {_WAKE}"
    elif exc is None:
        reason, hint = "the other side closed the connection", _BRIDGE
    else:
        reason, hint = str(exc) or type(exc).__name__, _PLUGGED if address.scheme == "serial" else _BRIDGE
    return LinkLost(f"{address.text}: link lost: {reason}", hint)


def cause_of(exc: BaseException, platform: str) -> Cause:
    """What `exc` means, by its class or number; asyncio sometimes hides the number in its text."""
    if isinstance(exc, socket.gaierror):
        return "host"
    if isinstance(exc, TimeoutError):  # is an OSError, often without a number
        return "timeout"
    if type(exc).__name__ == "UnknownUriScheme":  # serialx leaves the scheme out if aioesphomeapi is missing
        return "extra"
    if platform == "win32" and (code := _number(exc, "winerror", r"\[WinError (\d+)\]")) in _BY_WINERROR:
        return _BY_WINERROR[code]
    return _BY_ERRNO.get(_number(exc, "errno", r"\[Errno (\d+)\]"), "other")


def _number(exc: BaseException, attribute: str, pattern: str) -> int:
    number = getattr(exc, attribute, None)
    if isinstance(number, int):
        return number
    match = re.search(pattern, str(exc))
    return int(match[1]) if match else 0


def _hints(address: Address, cause: Cause, platform: str) -> Iterable[str]:
    if address.scheme == "serial":
        for name, pattern, hint in _WRONG_NAMES:
            if cause == "missing" and name == platform and re.fullmatch(pattern, address.target):
                yield hint
    elif cause in ("timeout", "other"):
        yield _NETWORK[address.scheme]
        platform = ""
    yield from hints_of(_HINTS, cause, platform)


def _listed(ports: Iterable[Port], most: int = 6) -> str:
    found = [f"{port.device} ({port.name or port.description}, {port.kind})" for port in ports]
    more = [f"and {len(found) - most} more"] if len(found) > most else []
    return "Ports here: " + ", ".join(found[:most] + more) if found else "This computer has no serial port now."


def _group(path: str) -> str:
    """The group that owns the port: dialout on Debian, uucp on Arch; never root, which nobody should join."""
    group = "root"
    if sys.platform != "win32":
        with suppress(OSError, KeyError):
            group = Path(path).group()
    return "dialout" if group == "root" else group


def holder(path: str) -> str | None:
    """Linux: the program that has `path` open, as far as this user may see; a scan of /proc."""
    device = os.path.realpath(path)
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) == device:
                process = link.parent.parent
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
        except OSError:  # gone meanwhile, or another user's
            continue
    return None
