"""Quantities over time: in stretches for charts, where their extremes were, and how much a counter grew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from math import isclose
from pathlib import Path
from typing import cast

from ..errors import UsageError
from ..model import Kind
from ..sinks.store.layout import scale_of
from ..sinks.store.narrow import Ask, find, last_before
from ..sinks.store.query import Slots, reading
from ..sinks.store.rows import milliseconds, moment
from ..sinks.store.spans import asking, beginning, cut, finer, readings_of, round_step, suitable
from .names import number_of, quantity_row
from .records import MISSED, RESOLUTIONS, Place, Point, Resolution, Series

POINTS = 500
"""Points of a series, unless said otherwise: about what a chart can show."""
EXACT = 100
"""A counter that is not known at the ends of a span, but within one part of so many, is known well enough."""


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
        number = number_of(reader, battery)
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


@contextmanager
def _within(store: Path, series: Series) -> Iterator[tuple[Ask, int]]:
    """The store, with the question for the quantity of a series and the scale of its integers."""
    with reading(store) as reader:
        ask = asking(reader, number_of(reader, series.battery), series.quantity)
        yield ask, scale_of(reader.layout, series.quantity)
