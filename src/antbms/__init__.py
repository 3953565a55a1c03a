"""Read, watch and switch batteries with an ANT (or JBD) battery management system.

    async with antbms.open("COM5") as battery:      # protocol found by itself
        info = await battery.info()
        snapshot = await battery.read()

Everything is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .battery import Battery
    from .battery import open_battery as open
    from .discovery import Found, discover
    from .errors import (
        AntbmsError,
        FileError,
        FrameError,
        LinkError,
        LinkLost,
        NoAnswer,
        OpenError,
        PasswordNeeded,
        Refused,
        SinkError,
        Unconfirmed,
        UsageError,
        WrongPassword,
    )
    from .model import (
        QUANTITIES,
        Alarm,
        DeviceInfo,
        Doubt,
        Event,
        Flag,
        Offline,
        Outcome,
        Quantity,
        Snapshot,
        SwitchState,
    )
    from .timing import Timing
    from .watching import Watch
    from .watching import Watch as watch

_HOMES = {
    "Battery": "battery",
    "Found": "discovery",
    "Timing": "timing",
    "Watch": "watching",
    "watch": "watching:Watch",
    "discover": "discovery",
    "open": "battery:open_battery",
    **dict.fromkeys(
        (
            "AntbmsError",
            "FileError",
            "FrameError",
            "LinkError",
            "LinkLost",
            "NoAnswer",
            "OpenError",
            "PasswordNeeded",
            "Refused",
            "SinkError",
            "Unconfirmed",
            "UsageError",
            "WrongPassword",
        ),
        "errors",
    ),
    **dict.fromkeys(
        (
            "QUANTITIES",
            "Alarm",
            "DeviceInfo",
            "Doubt",
            "Event",
            "Flag",
            "Offline",
            "Outcome",
            "Quantity",
            "Snapshot",
            "SwitchState",
        ),
        "model",
    ),
}
"""Public name → the module that holds it (`module:name` where the name differs)."""

__all__ = [
    "QUANTITIES",
    "Alarm",
    "AntbmsError",
    "Battery",
    "DeviceInfo",
    "Doubt",
    "Event",
    "FileError",
    "Flag",
    "Found",
    "FrameError",
    "LinkError",
    "LinkLost",
    "NoAnswer",
    "Offline",
    "OpenError",
    "Outcome",
    "PasswordNeeded",
    "Quantity",
    "Refused",
    "SinkError",
    "Snapshot",
    "SwitchState",
    "Timing",
    "Unconfirmed",
    "UsageError",
    "Watch",
    "WrongPassword",
    "__version__",
    "discover",
    "open",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(f".{module}", __name__), attribute or name)
