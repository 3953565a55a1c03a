"""Why classic Bluetooth could not be opened, or ended, in words, with the way out on each platform.

Two steps, both tables: an exception becomes a cause, and a cause becomes a sentence and its hints. aio-rfcomm's
exceptions are known by name here: it may be what is missing.
"""

from __future__ import annotations

from typing import Final, Literal

from ..errors import LinkLost, OpenError
from .bluetooth_hints import DENIED, SHARED_HINTS
from .failures import Hints, chain, first_fit, hints_of, names, open_error

Cause = Literal[
    "unpaired",
    "away",
    "no service",
    "no channel",
    "refused",
    "off",
    "blocked",
    "no adapter",
    "daemon",
    "no bus",
    "permission",
    "unsupported",
    "library",
    "busy",
    "claimed",
    "open",
    "elsewhere",
    "no sockets",
    "timeout",
    "other",
]


class NotPaired(Exception):
    """A device could not be opened, and the system does not know it."""


class AlreadyOpen(Exception):
    """A device is open in this process; a second opening would hang on Linux and fail elsewhere."""


_CAUSES: Final[tuple[tuple[str, str, Cause], ...]] = (
    # The class of the exception or the reason that it gives; what the system said, a pattern; the cause.
    ("ImportError", "", "library"),
    ("TimeoutError", "", "timeout"),
    ("NotPaired", "", "unpaired"),
    ("AlreadyOpen", "", "open"),
    ("BluetoothAlreadyOpenError", "", "elsewhere"),
    ("MissingUsageDescriptionError", "", "permission"),
    ("NOT_ALLOWED", "", "permission"),
    ("AWAITING_PERMISSION", "", "permission"),
    ("SWITCHED_OFF", "rfkill", "blocked"),
    ("SWITCHED_OFF", "", "off"),
    ("NO_ADAPTER", "", "no adapter"),
    ("SERVICE_UNAVAILABLE", DENIED, "permission"),
    ("SERVICE_UNAVAILABLE", "", "daemon"),
    ("UNSUPPORTED", DENIED, "permission"),
    ("UNSUPPORTED", "system bus", "no bus"),
    ("UNSUPPORTED", "", "unsupported"),
    ("EOFError", "", "no bus"),  # the bus hangs up, on a user whom it does not want
    ("DeviceNotFoundError", "", "away"),
    ("ServiceNotFoundError", "refused channel", "no channel"),
    ("ServiceNotFoundError", "", "no service"),
    ("UnsupportedOperationError", "socket support", "no sockets"),
    ("UnsupportedOperationError", "", "busy"),  # macOS: one channel a device
    ("ConnectionFailedError", "already claimed", "claimed"),
    ("ConnectionFailedError", r"InProgress|busy|already-connected|\[Errno 16\]|WinError 10048", "busy"),
    ("ConnectionFailedError", "not-powered|NotPowered|NotReady", "off"),
    # EACCES: the pairing failed or is gone. BlueZ has no name for that one, and says br-connection-unknown.
    ("ConnectionFailedError", r"refused|[Kk]ey.?[Mm]issing|Auth|unknown|\[Errno (13|111)\]|WinError 10013", "refused"),
    ("ConnectionFailedError", DENIED, "permission"),
    ("ConnectionFailedError", r"timeout|aborted|\[Errno (104|110|113)\]|WinError 10060", "away"),
    ("OSError", r"\[Errno 9[37]\]|WinError 10047", "unsupported"),  # the kernel has no such sockets
)
"""The first row that fits, in this order."""

_SENTENCES: Final[dict[Cause, str]] = {
    "unpaired": "is not paired with this computer",
    "away": "the device does not answer",
    "no service": "the device has no serial port service (SPP)",
    "no channel": "nothing on the device listens on that channel",
    "refused": "the device refused the connection, or its pairing is no longer valid ({detail})",
    "off": "Bluetooth is switched off",
    "blocked": "Bluetooth is blocked (airplane mode or rfkill)",
    "no adapter": "this computer has no Bluetooth adapter",
    "daemon": "the system's Bluetooth service is not running",
    "no bus": "D-Bus, which leads to Bluetooth, cannot be reached ({detail})",
    "permission": "no permission to use Bluetooth",
    "unsupported": "this system has no classic Bluetooth",
    "library": "support for classic Bluetooth is not installed ({detail})",
    "busy": "the device is in use by another program, or still being released",
    "claimed": "another program on this computer has a Bluetooth serial port open",
    "open": "is open already in this program",
    "elsewhere": "Bluetooth is open already in another thread or part of this program",
    "no sockets": "this Python cannot open a channel by its number",
    "timeout": "opening it took longer than {seconds:.0f} s",
    "other": "cannot be opened: {detail}",
}

_WAKE: Final = "Is the battery on, in range, and not connected to a phone app?"
_PIN: Final = "The PIN is often 1234 or 0000."
_SCAN: Final = "Is the address right? antbms scan lists the devices in reach."
_BLE: Final = "A battery with Bluetooth LE only has the address ble:{device}"
_UNPAIR: Final = "If nothing helps, remove it from the Bluetooth devices and pair it again."
_CLOSE: Final = "Close the program that uses it (another antbms, a terminal, a monitor), then try again."

_HINTS: Final[Hints] = SHARED_HINTS | {
    ("unpaired", "linux"): (
        "bluetoothctl   then: scan on, pair {device}, trust {device}",
        _PIN,
        _SCAN,
    ),
    ("unpaired", "win32"): ("Settings > Bluetooth & devices > Add device", _PIN, _SCAN),
    ("unpaired", "darwin"): ("System Settings > Bluetooth, and Connect beside the device", _PIN, _SCAN),
    ("away", ""): (_WAKE, _UNPAIR),
    ("no service", ""): (_BLE, "antbms scan shows which kind a device is.", _UNPAIR),
    ("no channel", ""): ("Leave out -o channel: the device then tells the number itself.",),
    ("refused", ""): (_WAKE, _UNPAIR),
    ("refused", "linux"): (_WAKE, "bluetoothctl remove {device}   then pair and trust it again", _PIN),
    ("off", "linux"): ("bluetoothctl power on",),
    ("blocked", ""): ("rfkill unblock bluetooth   then: bluetoothctl power on",),
    ("daemon", "win32"): ("Start the Bluetooth Support Service (services.msc).",),
    ("unsupported", ""): ("Use a serial port, or a bridge in the network: socket://host:port",),
    ("library", ""): ("pip install aio-rfcomm",),
    ("busy", ""): (_CLOSE,),
    ("claimed", ""): (
        "Linux lends serial ports by service to one program at a time.",
        "Beside it: -o channel=1",
        _CLOSE,
    ),
    ("elsewhere", ""): ("aio-rfcomm allows one open_bluetooth() in a process: use one event loop for all batteries.",),
    ("no sockets", ""): ("Leave out -o channel, or use the Python of your distribution.",),
    ("timeout", ""): (_WAKE,),
    ("timeout", "darwin"): (_WAKE, "Does macOS ask whether antbms may use Bluetooth?"),
}

_ENDS: Final[dict[Cause, str]] = {
    "off": "Bluetooth was switched off",
    "blocked": "Bluetooth was switched off",
    "no adapter": "the Bluetooth adapter is gone",
    "daemon": "the system's Bluetooth service stopped",
    "permission": "the permission to use Bluetooth was withdrawn",
}


def explain(name: str, device: str, exc: BaseException, seconds: float, platform: str) -> OpenError:
    """The error to raise for `exc`, which came `seconds` after the start.

    name: what the user typed; device: its Bluetooth address.
    """
    cause = cause_of(exc)
    *_, root = chain(exc)
    values = {
        "device": lambda: device,
        "seconds": lambda: seconds,
        "detail": lambda: str(root) or type(root).__name__,
    }
    return open_error(name, _SENTENCES[cause], hints_of(_HINTS, cause, platform), values)


def lost(name: str, exc: BaseException) -> LinkLost:
    """The error for a link that was open and ended with `exc`."""
    reason = _ENDS.get(cause_of(exc), "the battery hung up, or is out of range")
    return LinkLost(f"{name}: link lost: {reason}", _WAKE)


def cause_of(exc: BaseException) -> Cause:
    """What `exc` means, by its class or reason, and by what it and the errors behind it say."""
    said = " ".join(f"{getattr(error, 'type', '')} {error}" for error in chain(exc))
    return first_fit(_CAUSES, {*names(exc)}, said, "other")
