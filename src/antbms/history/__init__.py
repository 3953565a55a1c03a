"""What a store knows, for programs: `batteries`, `quantities`, `series`, `rows`, `outages`, `snapshots`, `rollups`.

Every function opens the file for reading only, asks, and closes it again. It works while a monitor writes, from any
thread, and blocks: in asyncio, call it through `asyncio.to_thread`. Times are aware; those that come back are UTC.
All raise `FileError` if the file is missing, damaged or none of ours, and `UsageError` for what is not in it.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from ..sinks.store.query import Reader, reading
from ..sinks.store.rollup_record import Rollup, Statistic, all_words
from ..sinks.store.rows import milliseconds, moment, words_from
from ..sinks.store.spans import first_of
from .curves import POINTS, change, places, series
from .names import number_of, quantities_of, quantity_row
from .records import RESOLUTIONS, Outage, Place, Point, Resolution, Series, Stored
from .table import columns, rollups, rows, snapshots

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
    "quantities",
    "quantity_row",
    "rollups",
    "rows",
    "series",
    "snapshots",
]


def batteries(store: Path) -> list[Stored]:
    """The batteries of a store, by name."""
    with reading(store) as reader:
        return [_stored(reader, name, number) for name, number in reader.batteries().items()]


def quantities(store: Path, battery: str, start: datetime, end: datetime) -> tuple[str, ...]:
    """What can be drawn of a battery from `start` until before `end`, to the hour: as `Stored.quantities`."""
    with reading(store) as reader:
        return _quantities(reader, number_of(reader, battery), milliseconds(start), milliseconds(end))


def outages(store: Path, battery: str, start: datetime, end: datetime) -> list[Outage]:
    """When a battery could not be read, by time: outages that touch the span, and one that has not ended."""
    with reading(store) as reader:
        rows = reader.offline(number_of(reader, battery), milliseconds(start), milliseconds(end))
    return [
        Outage(time=moment(until), battery=battery, since=moment(since), reason=reason, ended=bool(ended))
        for since, until, reason, ended in rows
    ]


def _stored(reader: Reader, name: str, number: int) -> Stored:
    spans = {table: reader.bounds(number, table) for table in RESOLUTIONS}
    known = [span for span in spans.values() if span]
    everything = (min(first for first, _ in known), max(last for _, last in known) + 1) if known else (0, 0)
    raw, text, first = spans["raw"], reader.newest_words(number), first_of(reader, number)
    words = words_from(text) if text else None
    return Stored(
        name,
        words.protocol if words else None,
        moment(first) if first is not None else None,
        moment(max(last for _, last in known)) if known else None,
        moment(raw[0]) if raw else None,
        _quantities(reader, number, *everything),
    )


def _quantities(reader: Reader, number: int, start: int, end: int) -> tuple[str, ...]:
    """A battery may be replaced by a smaller one: what it reports now is not all that the store has of it."""
    texts = reader.words_within(number, start, end)
    return tuple(quantities_of(reader, all_words(map(words_from, texts)))) if texts else ()
