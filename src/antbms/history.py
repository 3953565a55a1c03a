"""What a store knows, for programs: `batteries`, `series`, `rows`, `outages`, `snapshots`, `rollups`.

Every function opens the file for reading only, asks, and closes it again. It works while a monitor writes, from any
thread, and blocks: in asyncio, call it through `asyncio.to_thread`. Times are aware; those that come back are UTC.
All raise `FileError` if the file is missing, damaged or none of ours, and `UsageError` for what is not in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from difflib import get_close_matches
from itertools import pairwise
from math import isclose
from pathlib import Path
from statistics import median
from typing import Literal, cast

from msgspec import Struct

from .errors import UsageError
from .model import QUANTITIES, Kind, Offline, Quantity, Snapshot
from .model.flat import flatten
from .sinks.store.layout import ROLLUPS, scale_of
from .sinks.store.narrow import Ask, find, last_before
from .sinks.store.outages import UNWATCHED
from .sinks.store.query import Reader, Slots, reading
from .sinks.store.rollup_record import Rollup, Statistic, all_words, blank_rollup, blank_snapshot, record_of
from .sinks.store.rows import Words, milliseconds, moment, words_from
from .sinks.store.spans import asking, beginning, cut, finer, first_of, readings_of, round_step, suitable

__all__ = [
    "POINTS",
    "RESOLUTIONS",
    "Outage",
    "Place",
    "Point",
    "Resolution",
    "Rollup",
    "Series",
    "Statistic",
    "Stored",
    "batteries",
    "change",
    "columns",
    "outages",
    "places",
    "quantity_row",
    "rollups",
    "rows",
    "series",
    "snapshots",
]

Resolution = Literal["raw", "minute", "hour"]
RESOLUTIONS: dict[Resolution, int] = {"raw": 1, "minute": ROLLUPS["minute"], "hour": ROLLUPS["hour"]}
"""Finest first, and the ms of one row."""
POINTS = 500
"""Points of a series, unless said otherwise: about what a chart can show."""
MISSED = 3.0
"""Readings that must be missing in a row before that is a gap: a poll may come late."""

EXACT = 100
"""A counter that is not known at the ends of a span, but within one part of so many, is known well enough."""


class Stored(Struct, frozen=True):
    """A battery of a store.

    first, last: of all that is known of it, as exactly as it is still known: where readings are gone, `first` is the
    beginning of their minute or hour. raw_since: the oldest snapshot that is still kept as it was read.
    quantities: what can be drawn of it, in the order of the catalogue: `voltage`, `cells.1`, `temperatures.t1` …
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


def batteries(store: Path) -> list[Stored]:
    """The batteries of a store, by name."""
    with reading(store) as reader:
        return [_stored(reader, name, number) for name, number in reader.batteries().items()]


def series(
    store: Path,
    battery: str,
    quantity: str,
    start: datetime,
    end: datetime,
    *,
    resolution: Resolution | None = None,
    points: int = POINTS,
    aligned: bool = False,
) -> Series:
    """A quantity from `start` until before `end`, in at most `points` stretches of equal length.

    quantity: as in `Stored.quantities`. resolution: None takes the finest rows that are no more than needed, and that
    are still kept for the whole span. A stretch is never shorter than one row. aligned: stretches are round, and begin
    at whole seconds, minutes, hours or days (UTC); the first one may begin before `start`, but has nothing of it.
    """
    with reading(store) as reader:
        number = _number(reader, battery)
        row = quantity_row(quantity)
        first, last = milliseconds(start), milliseconds(end)
        if last <= first:
            raise UsageError(f"from {start.isoformat()} to {end.isoformat()}: the end is not after the beginning")
        step = max(1, -(-(last - first) // max(1, points)))
        if aligned:
            step = round_step(first, last, max(2, points))
        chosen = resolution or cast(Resolution, suitable(reader, number, first, step))
        step = max(step, RESOLUTIONS[chosen])
        first = beginning(reader, number, first, chosen)
        name = quantity.removeprefix("details.")
        ask, scale = asking(reader, number, name), scale_of(reader.layout, name)
        origin = first // step * step if aligned else first
        slots = cut(ask, origin, first, last, step, chosen)
        found = tuple(
            Point(moment(origin + slot * step), stat.low / scale, stat.mean / scale, stat.high / scale, stat.count)
            for slot, stat in sorted(slots.items())
        )
        start = moment(origin) if origin < milliseconds(start) else start
        readings = sum(point.count for point in found)
        if row.kind is not Kind.MEASUREMENT and found:
            readings = readings_of(reader, number, first, last, chosen)
    return Series(battery, name, row, start, end, timedelta(milliseconds=step), chosen, found, readings)


def places(store: Path, series: Series) -> tuple[Place, Place] | None:
    """Where the lowest and the highest value of a series were, the first time: as exactly as the store still knows."""
    if not series.points:
        return None
    lowest = min(series.points, key=lambda point: point.min)
    highest = max(series.points, key=lambda point: point.max)
    with _within(store, series) as (ask, scale):

        def place(point: Point, value: float, *, low: bool) -> Place:
            def pick(slots: Slots) -> int | None:
                alike = (
                    slot
                    for slot, stat in slots.items()
                    if isclose((stat.low if low else stat.high) / scale, value, rel_tol=1e-9, abs_tol=1e-6)
                )
                return min(alike, default=None)

            begin = max(milliseconds(point.time), milliseconds(series.start))
            until = min(milliseconds(point.time + series.step), milliseconds(series.end))
            row = find(ask, begin, until, milliseconds(series.end), finer(series.resolution), pick)
            if row is None:  # it was removed between two questions
                return Place(point.time, series.step)
            return Place(moment(row.time), timedelta(milliseconds=row.length if row.length > 1 else 0))

        return place(lowest, lowest.min, low=True), place(highest, highest.max, low=False)


def change(store: Path, series: Series) -> float | None:
    """How much a counter grew from the beginning to the end of a series.

    None if that is not known: there is no reading near the beginning or the end of the span, the counter went back, or
    the quantity is no counter. A gap in the middle does no harm: the battery counts on.
    """
    if series.row.kind is not Kind.COUNTER or not series.points:
        return None
    start, end = milliseconds(series.start), milliseconds(series.end)
    row = RESOLUTIONS[series.resolution]
    margin = max((end - start) // EXACT, 2 * row, int(series.pace.total_seconds() * 1000 * MISSED))
    with _within(store, series) as (ask, scale):
        first = last_before(ask, start + 1, start - margin)
        if first is None:
            found = find(
                ask,
                start,
                min(end, start + margin),
                end,
                finer(series.resolution),
                lambda slots: min(slots, default=None),
            )
            first = found.value if found else None
        last = last_before(ask, end, max(start, end - margin))
    if first is None or last is None:
        return None
    values = [first / scale, *(point.max for point in series.points[:-1]), last / scale]
    return values[-1] - values[0] if all(one <= two for one, two in pairwise(values)) else None


def rows(
    store: Path, battery: str, quantities: Sequence[str], start: datetime, end: datetime, resolution: Resolution
) -> Iterator[tuple[str, Point]]:
    """What the rows of a store say of some quantities, by time: readings at their own times, or minutes or hours.

    Minutes and hours are those that `rollups` has. Memory stays flat.
    """
    names = [name.removeprefix("details.") for name in quantities]
    for name in names:
        quantity_row(name)
    if resolution == "raw":
        for snapshot in snapshots(store, battery, start, end):
            for name in names:
                value = _value(snapshot, name)
                if value is not None:
                    yield name, Point(snapshot.time, value, value, value, 1)
        return
    for rollup in rollups(store, battery, start, end, resolution):
        for name in names:
            stat, last = rollup.measurements.get(name), rollup.values.get(name)
            if stat is not None:
                yield name, Point(rollup.time, stat.min, stat.mean, stat.max, stat.count)
            elif isinstance(last, int | float):
                yield name, Point(rollup.time, last, last, last, rollup.count)


def outages(store: Path, battery: str, start: datetime, end: datetime) -> list[Outage]:
    """When a battery could not be read, by time: outages that touch the span, and one that has not ended."""
    with reading(store) as reader:
        rows = reader.offline(_number(reader, battery), milliseconds(start), milliseconds(end))
    return [
        Outage(time=moment(until), battery=battery, since=moment(since), reason=reason, ended=bool(ended))
        for since, until, reason, ended in rows
    ]


def snapshots(store: Path, battery: str, start: datetime, end: datetime) -> Iterator[Snapshot]:
    """The snapshots from `start` until before `end` as they were read, by time. Memory stays flat."""
    with reading(store) as reader:
        yield from reader.snapshots(battery, _number(reader, battery), milliseconds(start), milliseconds(end))


def rollups(
    store: Path, battery: str, start: datetime, end: datetime, resolution: Literal["minute", "hour"]
) -> Iterator[Rollup]:
    """The minutes or hours that begin from `start` until before `end`, by time, and whole; also the very first one, if
    all of its readings are in the span. Memory stays flat."""
    with reading(store) as reader:
        number = _number(reader, battery)
        first = beginning(reader, number, milliseconds(start), resolution)
        for bucket in reader.buckets(number, first, milliseconds(end), resolution):
            yield record_of(reader.layout, battery, resolution, bucket)


def columns(store: Path, names: Sequence[str], resolution: Resolution) -> list[str]:
    """The columns of a table of these batteries: of all cells, sensors and details that occur with them."""
    with reading(store) as reader:
        numbers = [_number(reader, name) for name in names]
        words = all_words(words_from(text) for number in numbers for text in reader.words(number))
        if resolution == "raw":
            return list(flatten(blank_snapshot(words)))
        return list(blank_rollup(words, [column.name for column in reader.layout.columns if column.counter]).flatten())


def quantity_row(name: str) -> Quantity:
    """The row of the catalogue that a name of `Stored.quantities` belongs to. Raises `UsageError`."""
    group, dot, part = name.removeprefix("details.").partition(".")
    row = QUANTITIES.get(group)
    if row is None:
        near = get_close_matches(group, QUANTITIES, 1)
        raise UsageError(
            f"{name}: there is no such quantity",
            f"Did you mean {near[0]}?" if near else "Known: see docs/reference.md.",
        )
    if row.digits is None or row.name == "level":
        raise UsageError(f"{name}: is words, and has no chart", "Next: antbms export has it.")
    parts = row.name in ("cells", "temperatures")
    if parts != bool(dot) or (row.name == "cells" and not part.isdecimal()):
        hint = f"Write {row.name}.{'1' if row.name == 'cells' else 'mosfet'}" if parts else f"Write {row.name}"
        raise UsageError(f"{name}: {'is several values' if parts and not dot else 'there is no such quantity'}", hint)
    return row


def _stored(reader: Reader, name: str, number: int) -> Stored:
    spans = {table: reader.bounds(number, table) for table in RESOLUTIONS}
    known = [span for span in spans.values() if span]
    raw, text, first = spans["raw"], reader.newest_words(number), first_of(reader, number)
    words = words_from(text) if text else None
    return Stored(
        name,
        words.protocol if words else None,
        moment(first) if first is not None else None,
        moment(max(last for _, last in known)) if known else None,
        moment(raw[0]) if raw else None,
        tuple(_quantities(reader, words)) if words else (),
    )


def _quantities(reader: Reader, words: Words) -> Iterator[str]:
    for row in QUANTITIES.values():
        if row.name == "cells":
            yield from (f"cells.{number}" for number in range(1, words.cells + 1))
        elif row.name == "temperatures":
            yield from (f"temperatures.{name}" for name in words.temperatures)
        elif row.name in reader.layout.by_name or (row.detail and row.digits is not None and row.name in words.details):
            yield row.name


def _number(reader: Reader, battery: str) -> int:
    known = reader.batteries()
    if battery in known:
        return known[battery]
    near = get_close_matches(battery, known, 1)
    names = f"In this store: {', '.join(known) or 'none'}."
    raise UsageError(
        f"{battery}: there is no such battery in this store", *((f"Did you mean {near[0]}?",) if near else ()), names
    )


@contextmanager
def _within(store: Path, series: Series) -> Iterator[tuple[Ask, int]]:
    """The store, with the question for the quantity of a series and the scale of its integers."""
    with reading(store) as reader:
        ask = asking(reader, _number(reader, series.battery), series.quantity)
        yield ask, scale_of(reader.layout, series.quantity)


def _value(snapshot: Snapshot, name: str) -> float | None:
    """The number of a quantity in a reading, if it has one."""
    group, dot, part = name.partition(".")
    found: object
    if group == "cells":
        place = int(part)
        found = snapshot.cells[place - 1] if 0 < place <= len(snapshot.cells) else None
    elif dot:
        found = snapshot.temperatures.get(part)
    elif name in Snapshot.__struct_fields__:
        found = getattr(snapshot, name)
    else:
        found = snapshot.details.get(name)
    return found if isinstance(found, int | float) else None
