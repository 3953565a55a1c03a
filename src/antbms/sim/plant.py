"""What a board's firmware may do to the battery behind it. Names are those of the settings; V, A, Ah, °C, s, %."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import asdict, replace

from ..model import Snapshot
from .bms import Switch
from .chemistry import CHEMISTRIES
from .personality import Personality
from .reading import read
from .rig import Rig
from .thresholds import Thresholds, default_thresholds

CALLED = {"soc_warning": "soc_low", "soc_warning_2": "soc_very_low", "balance_difference_stop": "balance_stop"}
"""Setting → threshold, where they have different names."""


class Plant:
    """A battery as its board's firmware sees it; knows no protocol."""

    def __init__(self, rig: Rig, personality: Personality) -> None:
        self._rig = rig
        self._personality = personality

    def snapshot(self) -> Snapshot:
        """What the BMS would say now."""
        return read(self._rig.bms, self._personality)

    def limits_for(self, chemistry: str) -> dict[str, float]:
        """The thresholds that a maker would set for such cells."""
        mine = self._personality
        return asdict(default_thresholds(CHEMISTRIES[chemistry], mine.cells, mine.capacity, mine.current))

    def use(self, settings: Mapping[str, float]) -> None:
        """Act by these settings from now on; those that the BMS does not know have no meaning."""
        bms = self._rig.bms
        known = {CALLED.get(name, name): value for name, value in settings.items()}
        changed = {name: value for name, value in known.items() if name in Thresholds.__struct_fields__}
        bms.set_thresholds(replace(bms.thresholds, **changed))
        bms.capacity = settings.get("capacity") or bms.capacity

    def asked(self, switch: Switch) -> bool:
        """What the owner wants of a switch, whatever protections make of it."""
        return self._rig.bms.asked[switch]

    def switch(self, switch: Switch, on: bool) -> None:
        """As the owner commands."""
        self._rig.bms.switch(switch, on)

    def counters(self) -> dict[str, int]:
        """How often each protection has acted, by the names of the protocols' counters; a missing one is 0."""
        return self._rig.bms.counters

    def clear(self, what: str) -> None:
        """Set a life total (`charged`, `discharged`, `charge_time`, `discharge_time`, `uptime`) or `counters` to 0."""
        if what == "counters":
            self._rig.bms.clear_counters()
        else:
            setattr(self._rig.bms, what, 0.0)

    def set_remaining(self, amp_hours: float) -> None:
        """Believe another state of charge."""
        bms = self._rig.bms
        bms.remaining = min(max(0.0, amp_hours), bms.capacity)
