"""Why Bluetooth LE could not be opened, or ended, in words, with the way out on each platform.

Two steps, both tables: an exception becomes a cause, and a cause becomes a sentence and its hints. bleak's exceptions
are known by name here: it may be what is missing.
"""

from __future__ import annotations

from typing import Final, Literal

from ..errors import LinkLost, OpenError
from .bluetooth_hints import DENIED, SHARED_HINTS
from .failures import Hints, chain, first_fit, hints_of, names, open_error

Cause = Literal[
    "library",
    "off",
    "no adapter",
    "wrong adapter",
    "classic only",
    "old",
    "permission",
    "daemon",
    "no bus",
    "open",
    "busy",
    "pairing",
    "no service",
    "away",
    "refuses",
    "timeout",
    "other",
]


class NoConnection(Exception):
    """A device is there (`args[0]` says how it is heard), but no connection came about; the cause says why."""


class NoService(Exception):
    """A connected device has none of the services that are known; `args[0]` lists those it has."""


class AlreadyOpen(Exception):
    """A device is open in this process: a second link would take the answers of the first."""


_DENIED: Final = DENIED + r"|\[WinError (5|-2147024891)\]"

_CAUSES: Final[tuple[tuple[str, str, Cause], ...]] = (
    # The class of the exception, or the reason that it gives; what was said, a pattern; the cause.
    ("ImportError", "", "library"),
    ("POWERED_OFF", "", "off"),
    ("NO_BLUETOOTH", "", "no adapter"),
    ("NO_BLE_CENTRAL_ROLE", "", "classic only"),
    ("DENIED_BY_USER", "", "permission"),
    ("DENIED_BY_SYSTEM", "", "permission"),
    ("DENIED_BY_UNKNOWN", "", "permission"),
    ("AlreadyOpen", "", "open"),
    ("NoService", "", "no service"),
    ("BleakGATTProtocolError", r"Insufficient (Auth|Encryption)", "pairing"),
    ("BleakDBusError", r"NotPermitted.*paired|Authentication(Failed|Rejected|Canceled|Timeout)", "pairing"),
    ("BleakError", r"Access Denied", "pairing"),  # Windows
    ("Exception", _DENIED, "permission"),
    ("BleakDBusError", r"ServiceUnknown|NameHasNoOwner|NoReply|Disconnected", "daemon"),
    ("BleakDBusError", r"NotReady|not-powered|NotPowered", "off"),
    ("BleakDBusError", r"InProgress|Busy", "busy"),
    ("BleakError", r"adapter '.*' not found", "wrong adapter"),
    ("BleakError", r"Is Bluetooth turned on", "off"),  # Windows
    ("BleakError", r"requires BlueZ", "old"),
    ("BleakDeviceNotFoundError", "", "away"),
    ("NoConnection", "", "refuses"),
    ("FileNotFoundError", "", "no bus"),
    ("ConnectionRefusedError", "", "no bus"),
    ("TimeoutError", "", "timeout"),
)
"""The first row that fits, in this order, for an exception or for one behind it."""

_SENTENCES: Final[dict[Cause, str]] = {
    "library": "support for Bluetooth LE is not installed ({detail})",
    "off": "Bluetooth is switched off",
    "no adapter": "this computer has no Bluetooth adapter",
    "wrong adapter": "there is no such Bluetooth adapter ({detail})",
    "classic only": "this computer's Bluetooth adapter knows no Bluetooth LE",
    "old": "the system's Bluetooth service is too old ({detail})",
    "permission": "no permission to use Bluetooth",
    "daemon": "the system's Bluetooth service is not running",
    "no bus": "D-Bus cannot be reached ({detail})",
    "open": "is open already in this program",
    "busy": "the Bluetooth adapter is busy with another program",
    "pairing": "the device wants to be paired first ({detail})",
    "no service": "has no service of a known kind, only {detail}",
    "away": "was heard, and went away before it could be connected",
    "refuses": "{heard}, but cannot be connected: {detail}",
    "timeout": "Bluetooth did not get ready within {seconds:.0f} s",
    "other": "cannot be opened: {detail}",
}

_PHONE: Final = "Is a phone app or another computer connected to it? A battery serves one at a time."
_NEAR: Final = "Go nearer: below about -85 dBm a connection often fails."
_ADAPTERS: Final = "bluetoothctl list   shows the adapters; the first is hci0"

_HINTS: Final[Hints] = SHARED_HINTS | {
    ("library", ""): ("pip install bleak",),
    ("off", "linux"): ("bluetoothctl power on   (if blocked: rfkill unblock bluetooth)",),
    ("wrong adapter", ""): (_ADAPTERS,),
    ("classic only", ""): ("A battery with classic Bluetooth has the address rfcomm:AA:BB:CC:DD:EE:FF",),
    ("old", ""): ("Update the system: BlueZ 5.55 is of 2020.",),
    ("busy", ""): ("Close the program that scans or connects, or wait for it, then try again.",),
    ("busy", "linux"): ("Close the program that scans or connects, or: sudo systemctl restart bluetooth",),
    ("pairing", "linux"): ("bluetoothctl   then: scan le, pair {id}, trust {id}",),
    ("pairing", "win32"): ("Settings > Bluetooth & devices > Add device",),
    ("pairing", "darwin"): ("macOS asks for the PIN when it is needed: confirm, then try again.",),
    ("no service", ""): (
        "Is it a battery? If so: antbms services {name}   and attach what it prints to a report.",
    ),
    ("away", ""): (_PHONE, _NEAR),
    ("refuses", ""): (_PHONE, _NEAR),
    ("refuses", "linux"): (_PHONE, _NEAR, "If it never works: bluetoothctl remove {id}   forgets what went wrong."),
    ("timeout", ""): ("Switch Bluetooth off and on.",),
    ("timeout", "darwin"): ("Does macOS ask whether antbms may use Bluetooth?", "Switch Bluetooth off and on."),
}  # fmt: skip


def explain(name: str, exc: BaseException, seconds: float, platform: str, device: str = "ADDRESS") -> OpenError:
    """The error to raise for `exc`, which came `seconds` after the start.

    name: what the user typed; device: what the system calls the device.
    """
    cause = cause_of(exc)
    *_, root = chain(exc)
    values = {
        "name": lambda: name,
        "id": lambda: device,
        "heard": lambda: next((str(error) for error in chain(exc) if isinstance(error, NoConnection)), ""),
        "seconds": lambda: seconds,
        "detail": lambda: _said(root) or _UNSAID.get(type(root).__name__, type(root).__name__),
    }
    return open_error(name, _SENTENCES[cause], hints_of(_HINTS, cause, platform), values)


_UNSAID: Final = {"TimeoutError": "it does not answer"}
"""For exceptions without a text."""


def lost(name: str, exc: BaseException | None = None) -> LinkLost:
    """The error for a link that was open and ended; `exc`: what a write met while the link was still there."""
    reason = "the battery hung up, or is out of range" if exc is None else _said(exc) or type(exc).__name__
    return LinkLost(f"{name}: link lost: {reason}", _PHONE, _NEAR)


def cause_of(exc: BaseException) -> Cause:
    """What `exc` means, by its class or reason, and by what it and the errors behind it say."""
    errors = list(chain(exc))
    known = {name for error in errors for name in names(error)}
    return first_fit(_CAUSES, known, " ".join(map(_said, errors)), "other")


def _said(error: BaseException) -> str:
    """The text of an exception; many of bleak's hold a code beside it."""
    if type(error).__name__ == "BleakDBusError":
        return str(error)
    texts = [item for item in error.args if isinstance(item, str)]
    return texts[-1] if texts and not isinstance(error, OSError) else str(error)
