"""Quantities over time, as pure folds over events: energy and charge in and out, time to full and to empty.

**Energy and charge** are areas under power and current by the trapezoid rule. Between two readings the value is taken
to change evenly; where it changes its sign, what lies before counts for one direction and what lies after for the
other. An interval counts only if both of its ends are known and not doubted, it is no longer than the gap (`gap_of`),
and the battery was not offline within it. What is not counted is missing, never guessed.

How long an interval was is told by a clock that nobody sets, where there is one: the wall clock of a small computer may
be put right by an hour between two readings. Events that were kept have their times only; there an interval counts only
if the clock did not go back.
"""

from __future__ import annotations

import math
from datetime import datetime
from operator import add
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import astuple, replace

from .model import Event, Snapshot

GAPS: Final = 3.0
"""× the interval between readings: one lost reading, or a link that is opened anew, is bridged."""
SHORTEST_GAP: Final = 10.0
"""s."""
SMOOTH: Final = 120.0
"""s over which the current is averaged for the times to full and to empty: a kettle must not make them jump."""
LONGEST: Final = 360_000
"""s (100 h): above this, a time to full or to empty says no more than that it is far away."""
DIGITS: Final = 3
"""Of totals, where they are published."""

_NEEDED: Final = frozenset({"voltage", "current", "power", "state"})
"""A doubt about one of these, also about which way the current flows, and the reading does not count."""


class Totals(Struct, frozen=True, gc=False):
    """What went in and out since counting began: energy in kWh, charge in Ah. Never falls."""

    energy_charged: float = 0.0
    energy_discharged: float = 0.0
    charge_in: float = 0.0
    charge_out: float = 0.0

    def __add__(self, more: Totals) -> Totals:
        return Totals(*map(add, astuple(self), astuple(more)))


class Sample(Struct, frozen=True, gc=False):
    """The end of an interval: power in W, current in A, > 0 charges; at: s on a steady clock, None where not known."""

    time: datetime
    at: float | None
    power: float
    current: float


class Flow(Struct, frozen=True, gc=False):
    """The state of the fold. last: the reading before, if an interval can begin there; mean: A, smoothed."""

    totals: Totals = Totals()
    last: Sample | None = None
    mean: float | None = None


def gap_of(every: float) -> float:
    """The longest interval (s) that counts, where a reading is wanted every so many s."""
    return max(GAPS * every, SHORTEST_GAP)


def step(flow: Flow, event: Event, gap: float, at: float | None = None) -> Flow:
    """The state after one more event; at: when it came, in s on a steady clock (`Timing.monotonic`), if that is known.

    Where both ends of an interval have it, their wall clock is not looked at.
    """
    sample = _sample(event, at)
    if sample is None:
        return Flow(flow.totals)
    before = flow.last
    seconds = _between(before, sample) if before else 0.0
    if before is None or not 0 < seconds <= gap:
        return Flow(flow.totals, sample, sample.current)
    hours, totals = seconds / 3600, flow.totals
    energy_in, energy_out = areas(before.power, sample.power, hours / 1000)
    charge_in, charge_out = areas(before.current, sample.current, hours)
    mean = before.current if flow.mean is None else flow.mean
    return Flow(
        Totals(
            totals.energy_charged + energy_in,
            totals.energy_discharged + energy_out,
            totals.charge_in + charge_in,
            totals.charge_out + charge_out,
        ),
        sample,
        mean + (sample.current - mean) * -math.expm1(-seconds / SMOOTH),
    )


def areas(first: float, last: float, width: float) -> tuple[float, float]:
    """What lies above and below zero under a straight line, both as positive numbers."""
    if first >= 0 and last >= 0:
        return (first + last) / 2 * width, 0.0
    if first <= 0 and last <= 0:
        return 0.0, -(first + last) / 2 * width
    share = first / (first - last)  # of the width, until the line crosses zero
    near, far = abs(first) * share * width / 2, abs(last) * (1 - share) * width / 2
    return (near, far) if first > 0 else (far, near)


def times(snapshot: Snapshot, mean: float | None) -> tuple[int | None, int | None]:
    """s until it is full, and until it is empty, at the smoothed current (A); None where that means nothing."""
    full = snapshot.details.get("full_capacity") or snapshot.capacity
    left = snapshot.remaining
    if left is None and full is not None and snapshot.soc is not None:
        left = full * snapshot.soc / 100
    if full is None or left is None or mean is None:
        return None, None
    return (_time(full - left, mean), None) if mean > 0 else (None, _time(left, -mean))


def with_derived(snapshot: Snapshot, totals: Totals | None, mean: float | None) -> Snapshot:
    """The snapshot with these quantities as further details; what the device itself reports stays.

    totals: None where they are not known now.
    """
    to_full, to_empty = times(snapshot, mean)
    derived: dict[str, Any] = {
        name: None if totals is None else round(getattr(totals, name), DIGITS) for name in Totals.__struct_fields__
    }
    derived |= {"time_to_full": to_full, "time_to_empty": to_empty}
    return replace(snapshot, details=derived | snapshot.details)


def _between(before: Sample, after: Sample) -> float:
    if before.at is not None and after.at is not None:
        return after.at - before.at
    return (after.time - before.time).total_seconds()


def _sample(event: Event, at: float | None) -> Sample | None:
    if not isinstance(event, Snapshot) or event.power is None or event.current is None:
        return None
    if event.doubts and any(doubt.quantity in _NEEDED for doubt in event.doubts):
        return None
    return Sample(event.time, at, event.power, event.current)


def _time(charge: float, current: float) -> int | None:
    seconds = max(charge, 0.0) * 3600 / current if current else math.inf
    return round(seconds) if seconds <= LONGEST else None
