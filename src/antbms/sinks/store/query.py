"""Questions to a store that is open for reading. Blocking; an answer is of one moment, also while a monitor writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from ...model import Snapshot
from .cells import VALUE, usual_form
from .layout import ROLLUPS, Column, Layout
from .open import open_to_read, read_error
from .rollup import Bucket, Part, Stat, bucket_from, hour_of, measured, merge, minutes, stat_of
from .rows import snapshot_from, words_from

PAGE = 2000
"""Rows that are read at once, at least two. Between pages nothing is held: a slow reader stops no writer."""

Slots = dict[int, Stat]
"""Number of a stretch of time → what its values come to, in the integers of the store."""


@contextmanager
def reading(file: Path) -> Iterator[Reader]:
    """The store, open for reading. Raises `FileError`, also for what goes wrong inside the block."""
    link = open_to_read(file)
    try:
        yield Reader(link)
    except sqlite3.Error as error:
        raise read_error(file, error) from error
    finally:
        link.close()


class Reader:
    """An open store. Times are ms since 1970; stretches begin at `start` and end before `end`."""

    def __init__(self, link: sqlite3.Connection) -> None:
        self._link = link
        self.layout = Layout.of(link)

    def batteries(self) -> dict[str, int]:
        """Name → number, by name."""
        return dict(self._link.execute("SELECT name, id FROM battery ORDER BY name"))

    def bounds(self, battery: int, table: str) -> tuple[int, int] | None:
        """The first and last time of a table's rows, the last one as of its newest snapshot."""
        late = "" if table == "raw" else " + last"
        sql = "SELECT time{late} FROM {table} WHERE battery = ? ORDER BY time{order} LIMIT 1"
        first = self._link.execute(sql.format(late="", table=table, order=""), (battery,)).fetchone()
        last = self._link.execute(sql.format(late=late, table=table, order=" DESC"), (battery,)).fetchone()
        return (first[0], last[0]) if first else None

    def words(self, battery: int) -> list[str]:
        """All words that occur with a battery, in the order in which they came up."""
        sql = "SELECT text FROM words WHERE id IN (SELECT DISTINCT words FROM {0} WHERE battery = ?1{1}) ORDER BY id"
        parts = " UNION SELECT DISTINCT words FROM minute WHERE battery = ?1"
        parts += " UNION SELECT DISTINCT words FROM hour WHERE battery = ?1"
        return [text for (text,) in self._link.execute(sql.format("raw", parts), (battery,))]

    def newest_words(self, battery: int) -> str | None:
        """The words of the newest snapshot, or of the newest hour."""
        for table in ("raw", "hour"):
            row = self._link.execute(
                f"SELECT text FROM {table} JOIN words ON words.id = words WHERE battery = ? ORDER BY time DESC LIMIT 1",
                (battery,),
            ).fetchone()
            if row is not None:
                return str(row[0])
        return None

    def words_within(self, battery: int, start: int, end: int) -> list[str]:
        """All words that occur in a stretch, in whose hours everything is that is rolled up: an hour that touches it
        counts whole. It costs a millisecond a year."""
        rows = self._link.execute(
            "SELECT text FROM words WHERE id IN"
            " (SELECT words FROM hour WHERE battery = :battery AND time >= :hour AND time < :end UNION"
            " SELECT words FROM raw WHERE battery = :battery AND time >= :since AND time < :end) ORDER BY id",
            {
                "battery": battery,
                "hour": start // ROLLUPS["hour"] * ROLLUPS["hour"],
                "since": max(start, self._rolled(battery)),
                "end": end,
            },
        )
        return [text for (text,) in rows]

    def offline(self, battery: int, start: int, end: int) -> list[tuple[int, int, str, int]]:
        """Since, until, reason, and whether they are over, of the outages that touch a stretch."""
        return self._link.execute(
            "SELECT since, until, reason, ended FROM offline"
            " WHERE battery = ? AND since < ? AND (until >= ? OR NOT ended) ORDER BY since",
            (battery, end, start),
        ).fetchall()

    def snapshots(self, name: str, battery: int, start: int, end: int) -> Iterator[Snapshot]:
        """The snapshots of a stretch, by time."""
        columns = ", ".join("words.text" if column == "words" else f"raw.{column}" for column in self.layout.raw)
        sql = (
            f"SELECT {columns} FROM raw JOIN words ON words.id = raw.words"
            " WHERE raw.battery = ? AND raw.time >= ? AND raw.time < ? ORDER BY raw.time LIMIT ?"
        )
        while rows := self._link.execute(sql, (battery, start, end, PAGE)).fetchall():
            yield from (snapshot_from(self.layout, name, row[2], row) for row in rows)
            start = rows[-1][1] + 1

    def buckets(self, battery: int, start: int, end: int, table: str) -> Iterator[Bucket]:
        """The minutes or hours that begin in a stretch, whole, with the snapshots that are in no roll-up yet."""
        start, end = (next_row(time, table) for time in (start, end))
        columns = ", ".join("words.text" if name == "words" else f"{table}.{name}" for name in self.layout.rollup)
        sql = (
            f"SELECT {columns} FROM {table} JOIN words ON words.id = {table}.words"
            f" WHERE {table}.battery = ? AND {table}.time >= ? AND {table}.time < ? ORDER BY {table}.time LIMIT ?"
        )
        rest: dict[int, Bucket] | None = None
        while rest is None:
            with self._one_moment():
                rows = self._link.execute(sql, (battery, start, end, PAGE)).fetchall()
                if len(rows) < PAGE:
                    rest = self._not_rolled_up(battery, start, end, table)
            if rest is None:
                start = rows.pop()[1]  # the last one may get what is in no roll-up yet: it begins the next page
            for row in rows:
                bucket = bucket_from(self.layout, row[4], row)
                more = rest.pop(bucket.start, None) if rest else None
                yield bucket if more is None else merge(bucket, more)
        yield from rest.values()

    def slots(self, battery: int, column: Column, start: int, end: int, width: int, table: str) -> Slots:
        """What a column comes to in each stretch of `width` ms, counted from `start`; of counters the last value.

        A minute or an hour counts whole, where it begins; one that began before `start` not at all.
        """
        span = _span(battery, start, end, width)
        found: Slots = {}
        with self._one_moment():
            if table != "raw":
                found = self._each(_rollup_sql(column, table), span)
                span["since"] = max(next_row(start, table), self._rolled(battery))
            newest = self._each(_raw_sql(column), span)
        return _joined(found, newest, last=column.counter)

    def part_slots(self, battery: int, name: str, start: int, end: int, width: int, table: str) -> Slots:
        """The same of one cell (`cells.3`), one temperature or one detail."""
        part, last = Part(name), "." not in name and not measured(name)
        span = _span(battery, start, end, width)
        found: Slots = {}
        with self._one_moment():
            if table != "raw":
                found = _collected(self._items(part, _part_of_rollups(part, table), span), last=last)
                span["since"] = max(next_row(start, table), self._rolled(battery))
            if part.column == "cells":
                newest = self._cell_slots(part, span)
            else:
                newest = _collected(self._items(part, _part_of_raw(part), span), last=last)
        return _joined(found, newest, last=last)

    def _cell_slots(self, part: Part, span: _Values) -> Slots:
        """A cell in snapshots: by SQLite where they have the form of the first one, and row by row elsewhere."""
        first = f"SELECT text FROM words WHERE id = (SELECT words FROM raw {_WHERE} ORDER BY time LIMIT 1)"
        words = next((words_from(text) for (text,) in self._link.execute(first, span)), None)
        place = part.place(words) if words is not None else None
        if words is None or place is None:
            return _collected(self._items(part, _part_of_raw(part), span), last=False)
        usual = span | usual_form(words.cells, place + 1)
        found = self._each(_USUAL_CELL, usual)
        (rows,) = self._link.execute(f"SELECT count(*) FROM raw {_WHERE}", span).fetchone()
        if rows > sum(stat.count for stat in found.values()):
            others = self._items(part, _part_of_raw(part, f"AND {VALUE} IS NULL"), usual)
            found = _joined(found, _collected(others, last=False), last=False)
        return found

    def _each(self, sql: str, span: _Values) -> Slots:
        """One question a stretch: so SQLite sorts nothing, and a day of snapshots takes half the time."""
        found: Slots = {}
        first, since, end, width = (span[name] for name in ("start", "since", "end", "width"))
        for slot in range((since - first) // width, -((first - end) // width)):
            begin = first + slot * width
            within = span | {"since": max(since, begin), "end": min(end, begin + width)}
            row = self._link.execute(sql, within).fetchone()
            if row and row[0]:
                found[slot] = Stat(*row)
        return found

    def _items(self, part: Part, sql: str, values: _Values) -> Iterator[tuple[int, Stat]]:
        """Slot and statistics of a part of rows."""
        texts = self._link.execute("SELECT id, text FROM words")
        places = {number: part.place(words_from(text)) for number, text in texts}
        unpack, is_cell = part.unpack, part.column == "cells"
        for slot, words, packed, base, count in self._link.execute(sql, values):
            place = places[words]
            item = None if place is None or packed is None else unpack(packed)[place]
            if isinstance(item, int | float | list):
                yield slot, stat_of(item, count, (base or 0) if is_cell else 0)

    def _not_rolled_up(self, battery: int, start: int, end: int, table: str) -> dict[int, Bucket]:
        """The buckets of snapshots that are in no roll-up yet, by start."""
        columns = ", ".join("words.text" if name == "words" else f"raw.{name}" for name in self.layout.raw)
        since = max(self._rolled(battery), start)
        rows: Iterable[Sequence[Any]] = self._link.execute(
            f"SELECT {columns} FROM raw JOIN words ON words.id = raw.words"
            " WHERE raw.battery = ? AND raw.time >= ? AND raw.time < ? ORDER BY raw.time",
            (battery, since, end),
        )
        found = list(minutes(self.layout, rows))
        if table == "minute":
            return {bucket.start: bucket for bucket in found}
        hours: dict[int, Bucket] = {}
        for start, group in groupby(map(hour_of, found), key=lambda bucket: bucket.start):
            for bucket in group:
                hours[start] = merge(hours[start], bucket) if start in hours else bucket
        return hours

    def _rolled(self, battery: int) -> int:
        (rolled,) = self._link.execute("SELECT rolled FROM battery WHERE id = ?", (battery,)).fetchone()
        return int(rolled)

    @contextmanager
    def _one_moment(self) -> Iterator[None]:
        self._link.execute("BEGIN")
        try:
            yield
        finally:
            self._link.execute("ROLLBACK")


def next_row(time: int, table: str) -> int:
    """The beginning of the first minute or hour that begins at `time` or later."""
    length = ROLLUPS[table]
    return -(-time // length) * length


_Values = dict[str, Any]
"""Parameters of SQL by name."""

_SLOT = "(time - :start) / :width"
_WHERE = "WHERE battery = :battery AND time >= :since AND time < :end"

_USUAL_CELL = (
    "SELECT count(value), min(value), sum(value), max(value)"
    # The limit keeps SQLite from working the value out anew for each of the four.
    f" FROM (SELECT {VALUE} AS value FROM raw {_WHERE} LIMIT -1)"
)


def _span(battery: int, start: int, end: int, width: int) -> _Values:
    """Rows from `since` until before `end`, in stretches of `width` ms from `start`."""
    return {"battery": battery, "start": start, "since": start, "end": end, "width": width}


def _part_of_raw(part: Part, which: str = "") -> str:
    """Slot, words, packed values, lowest cell and count of rows that are alike; those with the newest come last."""
    base = "cell_min" if part.column == "cells" else "NULL"
    return (
        f"SELECT {_SLOT}, words, {part.column}, {base}, count(*) FROM raw {_WHERE} {which}"
        " GROUP BY 1, 2, 3, 4 ORDER BY max(time)"
    )


def _part_of_rollups(part: Part, table: str) -> str:
    return f"SELECT {_SLOT}, words, {part.column}, cell_min_min, count FROM {table} {_WHERE} ORDER BY time"


def _raw_sql(column: Column) -> str:
    name = column.name
    if column.counter:
        return _last_sql(name, "raw")
    return f"SELECT count({name}), min({name}), sum({name}), max({name}) FROM raw {_WHERE}"


def _rollup_sql(column: Column, table: str) -> str:
    name = column.name
    if column.counter:
        return _last_sql(name, table)
    return (
        f"SELECT sum(coalesce({name}_count, count)), min({name}_min), sum({name}_sum), max({name}_max)"
        f" FROM {table} {_WHERE} AND {name}_sum NOT NULL"
    )


def _last_sql(name: str, table: str) -> str:
    return f"SELECT 1, {name}, {name}, {name} FROM {table} {_WHERE} AND {name} NOT NULL ORDER BY time DESC LIMIT 1"


def _collected(items: Iterable[tuple[int, Stat]], *, last: bool) -> Slots:
    found: Slots = {}
    for slot, stat in items:
        known = found.get(slot)
        found[slot] = stat if known is None or last else known.merged(stat)
    return found


def _joined(older: Slots, newer: Slots, *, last: bool) -> Slots:
    for slot, stat in newer.items():
        known = older.get(slot)
        older[slot] = stat if known is None or last else known.merged(stat)
    return older
