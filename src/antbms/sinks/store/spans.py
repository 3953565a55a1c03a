"""Spans of time and the rows of a store: where they begin, which rows suit them, and how they are cut. Times are ms."""

from __future__ import annotations

from functools import partial

from .layout import HOUR, MINUTE
from .narrow import LENGTHS, Ask
from .query import Reader, Slots

SECOND = 1000
DAY = 24 * HOUR
_SECONDS, _HOURS = (1, 2, 5, 10, 15, 30), (1, 2, 3, 6, 12)
ROUND = (*(SECOND * n for n in _SECONDS), *(MINUTE * n for n in _SECONDS), *(HOUR * n for n in _HOURS))
"""Round stretches; above them, whole days."""


def asking(reader: Reader, battery: int, name: str) -> Ask:
    """The question for a quantity by the number of its battery."""
    column = reader.layout.by_name.get(name)
    return partial(reader.slots, battery, column) if column else partial(reader.part_slots, battery, name)


def readings_of(reader: Reader, battery: int, start: int, end: int, table: str) -> int:
    """How many readings rows have; of those with a voltage, which every battery reports."""
    slots = reader.slots(battery, reader.layout.by_name["voltage"], start, end, end - start, table)
    return sum(stat.count for stat in slots.values())


def first_of(reader: Reader, battery: int) -> int | None:
    """The first reading, as exactly as it is known: if the readings are gone, the beginning of their minute or hour."""
    first, length = None, 0
    for table in reversed(LENGTHS):
        span = reader.bounds(battery, table)
        if span and (first is None or span[0] < first + length):
            first, length = span[0], LENGTHS[table]
    return first


def beginning(reader: Reader, battery: int, start: int, table: str) -> int:
    """Where rows begin that have readings since `start` only. The very first row may begin before its first reading."""
    first = first_of(reader, battery)
    return start // LENGTHS[table] * LENGTHS[table] if first is not None and start <= first else start


def suitable(reader: Reader, battery: int, start: int, step: int) -> str:
    """The coarsest rows that are no longer than a step; coarser ones where those are gone for the beginning."""
    names = list(LENGTHS)
    wanted = [name for name, length in LENGTHS.items() if length <= step][-1]
    while wanted != names[-1]:
        coarser = names[names.index(wanted) + 1]
        own, other = reader.bounds(battery, wanted), reader.bounds(battery, coarser)
        length = LENGTHS[coarser]
        if other is None or (own is not None and not (other[0] < own[0] // length * length and start < own[0])):
            break
        wanted = coarser
    return wanted


def round_step(start: int, end: int, points: int) -> int:
    """The shortest round stretch of which at most so many (at least 2) touch the span."""
    whole = range(DAY, end - start + 2 * DAY, DAY)
    steps: tuple[int, ...] = (*ROUND, *whole)
    return next(step for step in steps if (end - 1) // step - start // step < points)


def cut(ask: Ask, origin: int, start: int, end: int, step: int, table: str) -> Slots:
    """Stretches counted from `origin`, of rows from `start` on: the first stretch may be a shorter one."""
    whole = min(origin + step, end)
    if origin == start:
        return ask(start, end, step, table)
    found = dict(ask(start, whole, whole - start, table))
    if whole < end:
        found |= {slot + 1: stat for slot, stat in ask(whole, end, step, table).items()}
    return found


def finer(table: str) -> list[str]:
    """A table and those that are finer, coarse first."""
    names = list(LENGTHS)
    return names[names.index(table) :: -1]
