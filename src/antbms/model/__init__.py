"""The words of the project as typed records: what a battery is, apart from any protocol."""

from .catalogue import QUANTITIES, Kind, Quantity
from .events import Event, Offline, Outcome
from .records import Alarm, DeviceInfo, Doubt, Flag, Snapshot, SwitchState

__all__ = [
    "QUANTITIES",
    "Alarm",
    "DeviceInfo",
    "Doubt",
    "Event",
    "Flag",
    "Kind",
    "Offline",
    "Outcome",
    "Quantity",
    "Snapshot",
    "SwitchState",
]
