"""From a stretch of time to the row in it that is looked for: from coarse rows to finer ones, stretch by stretch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .layout import HOUR, MINUTE
from .query import Slots

LENGTHS = {"raw": 1, "minute": MINUTE, "hour": HOUR}
"""ms of a row of each table."""
PARTS = 32
"""Stretches of one step: each is a question."""

Ask = Callable[[int, int, int, str], Slots]
"""Start, end, width and table → what a quantity comes to in each stretch of so many ms."""
Pick = Callable[[Slots], int | None]
"""The stretch that has what is looked for, if one has."""


class Row(NamedTuple):
    """A row that was found: when it begins, how many ms long it is, and its newest value in integers of the store."""

    time: int
    length: int
    value: float


def find(ask: Ask, start: int, end: int, limit: int, tables: Sequence[str], pick: Pick) -> Row | None:
    """The row from `start` until before `end` that `pick` leads to; of the last of `tables` (coarse first) that has it.

    limit: where the span as a whole ends; the readings of the last row may lie beyond `end`. Rows of finer tables may
    be gone already; then it is known as exactly as those that are left say.
    """
    found = None
    begin, before = start, end
    for table in tables:
        length = LENGTHS[table]
        place = _narrowed(ask, begin, before, table, pick)
        if place is not None:
            time, value = place
            found = Row(time, length, value)
            begin, before = max(start, time), min(limit, time + length)
    return found


def last_before(ask: Ask, time: int, since: int) -> float | None:
    """The newest value from `since` until before `time`; of roll-ups, only those that are over by then."""
    for table, length in LENGTHS.items():
        end = time - length + 1
        if end > since:
            slots = ask(since, end, end - since, table)
            if slots:
                return slots[0].high
    return None


def _narrowed(ask: Ask, start: int, end: int, table: str, pick: Pick) -> tuple[int, float] | None:
    """The beginning of the row that has what is looked for, and the value there."""
    length = LENGTHS[table]
    start = -(-start // length) * length
    while start < end:
        width = -(-max(1, -(-(end - start) // PARTS)) // length) * length
        slots = ask(start, end, width, table)
        slot = pick(slots)
        if slot is None:
            return None
        if width == length:
            return start + slot * width, slots[slot].high
        start += slot * width
        end = min(end, start + width)
    return None
