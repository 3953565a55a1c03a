"""What a store knows, for programs: `batteries`, `series`, `outages`, `snapshots`, `rollups`.

Every function opens the file for reading only, asks, and closes it again. It works while a monitor writes, from any
thread, and blocks: in asyncio, call it through `asyncio.to_thread`. Times are aware; those that come back are UTC.
All raise `FileError` if the file is missing, damaged or none of ours, and `UsageError` for what is not in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from msgspec import Struct

from .errors import UsageError
from .model import QUANTITIES, Offline, Quantity, Snapshot
from .model.flat import flatten
from .sinks.store.layout import ROLLUPS, scale_of
from .sinks.store.outages import UNWATCHED
from .sinks.store.query import Reader, reading
from .sinks.store.rollup_record import Rollup, Statistic, all_words, blank_rollup, blank_snapshot, record_of
from .sinks.store.rows import Words, milliseconds, moment, words_from

__all__ = [
    "POINTS",
    "RESOLUTIONS",
    "Outage",
    "Point",
    "Resolution",
    "Rollup",
    "Series",
    "Statistic",
    "Stored",
    "batteries",
    "columns",
    "floor",
    "outages",
    "quantity_row",
    "rollups",
    "series",
    "snapshots",
]

Resolution = Literal["raw", "minute", "hour"]
RESOLUTIONS: dict[Resolution, int] = {"raw": 1, "minute": ROLLUPS["minute"], "hour": ROLLUPS["hour"]}
"""Finest first, and the ms of one row."""
POINTS = 500
"""Points of a series, unless said otherwise: about what a chart can show."""


class Stored(Struct, frozen=True):
    """A battery of a store.

    first, last: of all that is known of it; raw_since: the oldest snapshot that is still kept as it was read.
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
    were asked, which is the finest that holds the whole span, unless said otherwise.
    """

    battery: str
    quantity: str
    row: Quantity
    start: datetime
    end: datetime
    step: timedelta
    resolution: Resolution
    points: tuple[Point, ...]


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
) -> Series:
    """A quantity from `start` until before `end`, in at most `points` stretches of equal length.

    quantity: as in `Stored.quantities`. resolution: None takes the finest rows that are no more than needed, and that
    are still kept for the whole span. A stretch is never shorter than one row.
    """
    with reading(store) as reader:
        number = _number(reader, battery)
        row = quantity_row(quantity)
        first, last = milliseconds(start), milliseconds(end)
        if last <= first:
            raise UsageError(f"from {start.isoformat()} to {end.isoformat()}: the end is not after the beginning")
        step = max(1, -(-(last - first) // max(1, points)))
        chosen = resolution or _suitable(reader, number, first, step)
        step = max(step, RESOLUTIONS[chosen])
        name = quantity.removeprefix("details.")
        column = reader.layout.by_name.get(name)
        if column is not None:
            slots = reader.slots(number, column, first, last, step, chosen)
        else:
            slots = reader.part_slots(number, name, first, last, step, chosen)
        scale = scale_of(reader.layout, name)
        found = tuple(
            Point(moment(first + slot * step), stat.low / scale, stat.mean / scale, stat.high / scale, stat.count)
            for slot, stat in sorted(slots.items())
        )
    return Series(battery, name, row, start, end, timedelta(milliseconds=step), chosen, found)


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
    """The minutes or hours that begin from `start` until before `end`, by time, and whole. Memory stays flat."""
    with reading(store) as reader:
        number = _number(reader, battery)
        for bucket in reader.buckets(number, milliseconds(start), milliseconds(end), resolution):
            yield record_of(reader.layout, battery, resolution, bucket)


def columns(store: Path, names: Sequence[str], resolution: Resolution) -> list[str]:
    """The columns of a table of these batteries: of all cells, sensors and details that occur with them."""
    with reading(store) as reader:
        numbers = [_number(reader, name) for name in names]
        words = all_words(words_from(text) for number in numbers for text in reader.words(number))
        if resolution == "raw":
            return list(flatten(blank_snapshot(words)))
        return list(blank_rollup(words, [column.name for column in reader.layout.columns if column.counter]).flatten())


def floor(time: datetime, resolution: Resolution) -> datetime:
    """The beginning of the row that `time` lies in."""
    length = RESOLUTIONS[resolution]
    return moment(milliseconds(time) // length * length)


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
    raw, text = spans["raw"], reader.newest_words(number)
    words = words_from(text) if text else None
    return Stored(
        name,
        words.protocol if words else None,
        moment(min(first for first, _ in known)) if known else None,
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


def _suitable(reader: Reader, battery: int, start: int, step: int) -> Resolution:
    """The coarsest rows that are no longer than a step; coarser ones where those are gone for the beginning."""
    wanted = [name for name, length in RESOLUTIONS.items() if length <= step][-1]
    names = list(RESOLUTIONS)
    while wanted != "hour":
        coarser = names[names.index(wanted) + 1]
        own, other = reader.bounds(battery, wanted), reader.bounds(battery, coarser)
        length = RESOLUTIONS[coarser]
        if other is not None and (own is None or (other[0] < own[0] // length * length and start < own[0])):
            wanted = coarser
            continue
        break
    return wanted
