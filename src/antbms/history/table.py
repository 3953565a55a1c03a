"""The rows of a store as they are: readings, minutes and hours, and the columns of a table of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from ..model import Snapshot
from ..model.flat import flatten
from ..sinks.store.query import reading
from ..sinks.store.rollup_record import Rollup, all_words, blank_rollup, blank_snapshot, record_of
from ..sinks.store.rows import milliseconds, words_from
from ..sinks.store.spans import beginning
from .names import number_of, quantity_row
from .records import Point, Resolution


def snapshots(store: Path, battery: str, start: datetime, end: datetime) -> Iterator[Snapshot]:
    """The snapshots from `start` until before `end` as they were read, by time. Memory stays flat."""
    with reading(store) as reader:
        yield from reader.snapshots(battery, number_of(reader, battery), milliseconds(start), milliseconds(end))


def rollups(
    store: Path, battery: str, start: datetime, end: datetime, resolution: Literal["minute", "hour"]
) -> Iterator[Rollup]:
    """The minutes or hours that begin from `start` until before `end`, by time, and whole; also the very first one, if
    all of its readings are in the span. Memory stays flat."""
    with reading(store) as reader:
        number = number_of(reader, battery)
        first = beginning(reader, number, milliseconds(start), resolution)
        for bucket in reader.buckets(number, first, milliseconds(end), resolution):
            yield record_of(reader.layout, battery, resolution, bucket)


def columns(store: Path, names: Sequence[str], resolution: Resolution) -> list[str]:
    """The columns of a table of these batteries: of all cells, sensors and details that occur with them."""
    with reading(store) as reader:
        numbers = [number_of(reader, name) for name in names]
        words = all_words(words_from(text) for number in numbers for text in reader.words(number))
        if resolution == "raw":
            return list(flatten(blank_snapshot(words)))
        return list(blank_rollup(words, [column.name for column in reader.layout.columns if column.counter]).flatten())


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
