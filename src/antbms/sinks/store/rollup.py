"""Roll-ups: what many snapshots come to. Pure folds over rows of the store.

A bucket is a minute or an hour of one battery. Buckets merge, in any order and with the same result, so an hour is made
of minutes, and a late row goes into what is there. Sums are integers: no mean drifts however often it is merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec
from msgspec import Struct

from ...model import QUANTITIES, Alarm, Flag, Kind
from .layout import HOUR, MINUTE, Layout
from .rows import Words, pack, read, unpack, unpack_cells, words_from, write


class Stat(Struct, frozen=True, gc=False):
    """Of the values that were known: how many, the lowest, their sum, the highest."""

    count: int
    low: float
    total: float
    high: float

    @property
    def mean(self) -> float:
        return self.total / self.count

    def merged(self, other: Stat) -> Stat:
        return Stat(
            self.count + other.count,
            min(self.low, other.low),
            self.total + other.total,
            max(self.high, other.high),
        )


class Bucket(Struct):
    """A minute or an hour. start: ms since 1970; last: ms from there to the newest snapshot in it.

    stats: of measurements, cells (`cells.1` …), temperatures (`temperatures.t1` …) and numeric details, in the integers
    of the store; details as they are. values: counters and other details, the last that was known. words: the last,
    with all alarms and flags that occurred. balancing: the cells that were balanced at any time. A late snapshot
    changes what is last only if it is the newest.
    """

    start: int
    count: int
    last: int
    words: Words
    balancing: int
    stats: dict[str, Stat]
    values: dict[str, Any]


def fold(layout: Layout, rows: Sequence[Sequence[Any]]) -> Bucket:
    """The bucket of the minute of `rows` of `raw` (with the text of their words in place of the number), by time."""
    parts = [_fold(layout, text, list(group)) for text, group in groupby(rows, key=lambda row: row[2])]
    bucket = parts[0]
    for part in parts[1:]:
        bucket = merge(bucket, part)
    return bucket


def minutes(layout: Layout, rows: Iterable[Sequence[Any]]) -> Iterable[Bucket]:
    """The buckets of rows in the order of their times."""
    for _, group in groupby(rows, key=lambda row: row[1] // MINUTE):
        yield fold(layout, list(group))


def merge(one: Bucket, two: Bucket) -> Bucket:
    """Both in one, which begins where the first does."""
    older, newer = (one, two) if one.start + one.last <= two.start + two.last else (two, one)
    stats = dict(one.stats)
    for name, stat in two.stats.items():
        known = stats.get(name)
        stats[name] = stat if known is None else known.merged(stat)
    return Bucket(
        one.start,
        one.count + two.count,
        newer.start + newer.last - one.start,
        _merged_words(older.words, newer.words),
        one.balancing | two.balancing,
        stats,
        older.values | newer.values,
    )


def hour_of(bucket: Bucket) -> Bucket:
    """A minute as the beginning of its hour."""
    start = bucket.start // HOUR * HOUR
    return msgspec.structs.replace(bucket, start=start, last=bucket.start + bucket.last - start)


def _fold(layout: Layout, text: str, rows: list[Sequence[Any]]) -> Bucket:
    """Of rows with the same words: their columns lie below each other."""
    words = words_from(text)
    _, times, _, cells, heats, balancing, details, _, *numbers = zip(*rows, strict=True)
    stats: dict[str, Stat] = {}
    values: dict[str, Any] = {}
    for column, items in zip(layout.columns, numbers, strict=True):
        if column.counter:
            _last(values, column.name, items)
        else:
            _measure(stats, column.name, items)
    bases = numbers[layout.columns.index(layout.by_name["cell_min"])]
    voltages = zip(*(unpack_cells(packed, base or 0) for packed, base in zip(cells, bases, strict=True)), strict=True)
    for number, items in enumerate(voltages, 1):
        _measure(stats, f"cells.{number}", items)
    for name, items in zip(words.temperatures, zip(*map(unpack, heats), strict=True), strict=True):
        _measure(stats, f"temperatures.{name}", items)
    for name, items in zip(words.details, zip(*map(read, details), strict=True), strict=True):
        if measured(name) and all(item is None or isinstance(item, int | float) for item in items):
            _measure(stats, name, items)
        else:
            _last(values, name, items)
    mask = 0
    for bits in balancing:
        mask |= bits
    start = times[0] // MINUTE * MINUTE
    return Bucket(start, len(rows), times[-1] - start, words, mask, stats, values)


def measured(name: str) -> bool:
    """Whether a detail goes up and down, so that its mean says something."""
    row = QUANTITIES.get(name)
    return row is not None and row.kind is Kind.MEASUREMENT and row.digits is not None


def _measure(stats: dict[str, Stat], name: str, items: Sequence[Any]) -> None:
    known = items if None not in items else [item for item in items if item is not None]
    if known:
        stats[name] = Stat(len(known), min(known), sum(known), max(known))


def _last(values: dict[str, Any], name: str, items: Sequence[Any]) -> None:
    for item in reversed(items):
        if item is not None:
            values[name] = item
            return


def _merged_words(older: Words, newer: Words) -> Words:
    """The newer words, with the names, alarms and flags of both."""
    if older == newer:
        return newer
    alarms: dict[str, Alarm] = {alarm.code: alarm for alarm in (*older.alarms, *newer.alarms)}
    flags: dict[str, Flag] = {flag.code: flag for flag in (*older.flags, *newer.flags)}
    by_code = itemgetter(0)
    return msgspec.structs.replace(
        newer,
        cells=max(older.cells, newer.cells),
        temperatures=tuple(dict.fromkeys((*older.temperatures, *newer.temperatures))),
        details=tuple(dict.fromkeys((*older.details, *newer.details))),
        alarms=tuple(alarm for _, alarm in sorted(alarms.items(), key=by_code)),
        flags=tuple(flag for _, flag in sorted(flags.items(), key=by_code)),
    )


def bucket_row(layout: Layout, battery: int, words: int, bucket: Bucket) -> tuple[Any, ...]:
    """A row of `minute` or `hour`, in the order of `layout.rollup`."""
    stats, count, names = bucket.stats, bucket.count, bucket.words
    numbers: list[Any] = []
    for column in layout.columns:
        if column.counter:
            numbers.append(bucket.values.get(column.name))
            continue
        stat = stats.get(column.name)
        numbers += (
            (None, None, None, None)
            if stat is None
            else (stat.low, stat.total, stat.high, None if stat.count == count else stat.count)
        )
    lowest = stats.get("cell_min")
    base = int(lowest.low) if lowest else 0
    details = [_digest(stats[name], count, 0) if name in stats else bucket.values.get(name) for name in names.details]
    return (
        battery,
        bucket.start,
        count,
        bucket.last,
        words,
        pack([_digest(stats.get(f"cells.{number}"), count, base) for number in range(1, names.cells + 1)]),
        pack([_digest(stats.get(f"temperatures.{name}"), count, 0) for name in names.temperatures]),
        bucket.balancing,
        write(details),
        *numbers,
    )


def bucket_from(layout: Layout, text: str, row: Sequence[Any]) -> Bucket:
    """The bucket of a row of `minute` or `hour`; text: its words."""
    words = words_from(text)
    _, start, count, last, _, cells, heats, balancing, details, *numbers = row
    stats: dict[str, Stat] = {}
    values: dict[str, Any] = {}
    items = iter(numbers)
    for column in layout.columns:
        if column.counter:
            value = next(items)
            if value is not None:
                values[column.name] = value
            continue
        low, total, high, known = next(items), next(items), next(items), next(items)
        if low is not None:
            stats[column.name] = Stat(count if known is None else known, low, total, high)
    base = int(stats["cell_min"].low) if "cell_min" in stats else 0
    _undigest(stats, count, base, ((f"cells.{number}", item) for number, item in enumerate(unpack(cells), 1)))
    _undigest(stats, count, 0, zip((f"temperatures.{name}" for name in words.temperatures), unpack(heats), strict=True))
    for name, item in zip(words.details, read(details), strict=True):
        if measured(name) and not isinstance(item, str):
            _undigest(stats, count, 0, ((name, item),))
        elif item is not None:
            values[name] = item
    return Bucket(start, count, last, words, balancing, stats, values)


def _digest(stat: Stat | None, count: int, base: int) -> Any:
    """Few bytes: the value above `base` if there was but one, else [lowest, range, sum above the lowest, known]."""
    if stat is None:
        return None
    low, width = stat.low - base, _short(stat.high - stat.low)
    if not width and stat.count == count:
        return low
    rest = _short(stat.total - stat.low * stat.count)
    return [low, width, rest] if stat.count == count else [low, width, rest, stat.count]


def _short(number: float) -> float:
    """Without the noise of floats, which details may be; integers stay as they are."""
    return round(number, 6)


def stat_of(item: Any, count: int, base: int) -> Stat:
    """The statistics of what `_digest` made, in a row of `count` snapshots."""
    if not isinstance(item, list):
        low = item + base
        return Stat(count, low, low * count, low)
    low, width, rest, known = item if len(item) == 4 else (*item, count)
    low += base
    return Stat(known, low, low * known + rest, low + width)


def _undigest(stats: dict[str, Stat], count: int, base: int, items: Iterable[tuple[str, Any]]) -> None:
    for name, item in items:
        if item is not None:
            stats[name] = stat_of(item, count, base)


class Part:
    """Where one value of several lies: `cells.3`, `temperatures.t1`, or a detail."""

    def __init__(self, name: str) -> None:
        group, dot, part = name.partition(".")
        self.column = group if dot else "details"
        self._part = part if dot else name
        self.unpack: Callable[[Any], list[Any]] = unpack if dot else read

    def place(self, words: Words) -> int | None:
        """Its place in the packed values of rows with these words, if they have it."""
        if self.column == "cells":
            return int(self._part) - 1 if 0 < int(self._part) <= words.cells else None
        names = words.temperatures if self.column == "temperatures" else words.details
        return names.index(self._part) if self._part in names else None
