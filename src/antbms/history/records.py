"""What `antbms.history` answers with."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Literal

from msgspec import Struct

from ..model import Offline, Quantity
from ..sinks.store.layout import ROLLUPS
from ..sinks.store.outages import UNWATCHED

Resolution = Literal["raw", "minute", "hour"]
RESOLUTIONS: dict[Resolution, int] = {"raw": 1, "minute": ROLLUPS["minute"], "hour": ROLLUPS["hour"]}
"""Finest first, and the ms of one row."""
MISSED = 3.0
"""Readings that must be missing in a row before that is a gap: a poll may come late."""


class Stored(Struct, frozen=True):
    """A battery of a store.

    protocol: of its newest reading. first, last: of all that is known of it, as exactly as it is still known: where
    readings are gone, `first` is the beginning of their minute or hour. raw_since: the oldest snapshot that is still
    kept as it was read. quantities: what can be drawn of it, at any time, in the order of the catalogue: `voltage`,
    `cells.1`, `temperatures.t1` …
    """

    name: str
    protocol: str | None
    first: datetime | None
    last: datetime | None
    raw_since: datetime | None
    quantities: tuple[str, ...]


class Point(Struct, frozen=True, gc=False):
    """What a quantity came to in a stretch of time that begins at `time`, in the unit of the catalogue.

    Of counters, and of numbers that are a state, all three are the last value. count: of the snapshots that had one.
    """

    time: datetime
    min: float
    mean: float
    max: float
    count: int


class Series(Struct, frozen=True):
    """A quantity over time. Stretches without a value have no point: gaps are gaps.

    row: the quantity in the catalogue (label, unit, digits). step: length of a stretch. resolution: of the rows that
    were asked, which is the finest that holds the whole span, unless said otherwise. readings: how many there are.
    """

    battery: str
    quantity: str
    row: Quantity
    start: datetime
    end: datetime
    step: timedelta
    resolution: Resolution
    points: tuple[Point, ...]
    readings: int

    @property
    def pace(self) -> timedelta:
        """About how far apart the readings are, where there are any."""
        if len(self.points) < 2:
            return self.step
        apart = median((two.time - one.time).total_seconds() for one, two in pairwise(self.points))
        return timedelta(seconds=apart / max(1.0, self.readings / len(self.points)))

    @property
    def reach(self) -> timedelta:
        """How far apart two points may lie that belong together: what is further apart has readings missing between."""
        return max(self.step * 1.5, self.pace * MISSED)


class Place(Struct, frozen=True):
    """A row of a store: when it begins, and how long it is. That of a reading is 0 long: it was then."""

    time: datetime
    length: timedelta


class Outage(Offline, frozen=True, kw_only=True):
    """A battery could not be read, from its last reading before (`since`) to the next one (`time`).

    ended: False if there was no reading since; then it was last said to be offline at `time`.
    """

    ended: bool

    def goes_on(self, now: datetime) -> bool:
        """Whether the battery is offline still: so it was said not long before `now`, and somebody watches."""
        return not self.ended and self.time <= now <= self.time + timedelta(milliseconds=UNWATCHED)
