"""What is derived for one battery of the monitor: folded over its readings, published from what is committed."""

from __future__ import annotations

from ..derive import Flow, gap_of, step, with_derived
from ..ledger import Ledger
from ..model import Event, Snapshot
from ..timing import Timing


class Meter:
    """Adds derived quantities to the readings of one battery."""

    def __init__(self, name: str, every: float, ledger: Ledger, timing: Timing) -> None:
        self._name = name
        self._timing = timing
        self._gap = gap_of(every)
        self._ledger = ledger
        self._flow = Flow()  # what was counted before is the ledger's

    def __call__(self, event: Event) -> Event:
        before, self._flow = self._flow.totals, step(self._flow, event, self._gap, self._timing.monotonic())
        if self._flow.totals is not before:
            self._ledger.put(self._name, self._flow.totals)
        if not isinstance(event, Snapshot):
            return event
        return with_derived(event, self._ledger.committed(self._name), self._flow.mean)
