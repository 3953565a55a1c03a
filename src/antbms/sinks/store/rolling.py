"""Keeps the roll-ups of a store: within the transactions of the writer, by the rule that its head comment tells."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import json

from .layout import HOUR, MINUTE, Layout
from .rollup import Bucket, bucket_from, bucket_row, hour_of, merge, minutes
from .rows import words_text

LONGEST = 60 * MINUTE
"""ms that are rolled up in one transaction: after a long stop there may be more."""
MOST = 20_000
"""Snapshots that are counted anew, at most: those of five hours in which a clock was ahead."""


class Rolling:
    """The roll-ups of an open database. number: the number of words, which are stored when they are new."""

    def __init__(self, link: sqlite3.Connection, layout: Layout, number: Callable[[str], int]) -> None:
        self._link = link
        self._layout = layout
        self._number = number
        self._texted = ", ".join("words.text" if name == "words" else f"raw.{name}" for name in layout.raw)
        self._replace = (
            f"INSERT OR REPLACE INTO {{}} ({', '.join(layout.rollup)}) VALUES ({', '.join('?' * len(layout.rollup))})"
        )

    def go_on(self, battery: int, end: int) -> int:
        """Count in what is before `end`, and say how far that went."""
        rolled, oldest = self._link.execute(
            "SELECT rolled, (SELECT min(time) FROM raw WHERE battery = battery.id AND time >= rolled)"
            " FROM battery WHERE id = ?",
            (battery,),
        ).fetchone()
        first = end if oldest is None else oldest // MINUTE * MINUTE
        until = min(end, first + LONGEST)
        if until > rolled:
            self._count_in(battery, self._read("raw.time >= ? AND raw.time < ?", battery, rolled, until))
            self._link.execute("UPDATE battery SET rolled = ? WHERE id = ?", (until, battery))
        return until

    def come_late(self, battery: int, times: Sequence[int]) -> None:
        """Count in rows that were stored just now, before `rolled`."""
        text = json.encode(times).decode()
        self._count_in(battery, self._read("raw.time IN (SELECT value FROM json_each(?))", battery, text))

    def set_back(self, battery: int, rolled: int, to: int) -> int | None:
        """Take out what is rolled up from the minute `to` on, and return up to where it is rolled up then.

        None, and nothing is changed, if that is much, or cannot be counted in again since snapshots were removed.
        """
        hour = to // HOUR * HOUR
        snapshots = self._total("SELECT 1 AS count FROM raw", battery, to, rolled)
        if snapshots > MOST or snapshots != self._total("SELECT count FROM minute", battery, to, rolled):
            return None
        kept = self._buckets("minute", battery, hour, to)
        whole = snapshots + sum(bucket.count for bucket in kept)
        if whole != self._total("SELECT count FROM hour", battery, hour, rolled):
            return None
        for table, start in (("minute", to), ("hour", hour)):
            self._link.execute(f"DELETE FROM {table} WHERE battery = ? AND time >= ?", (battery, start))
        for bucket in kept:
            self._merge_into("hour", battery, hour_of(bucket))
        self._link.execute("UPDATE battery SET rolled = ? WHERE id = ?", (to, battery))
        return to

    def _total(self, counts: str, battery: int, start: int, end: int) -> int:
        """The sum of `count` over a stretch, or of its beginning, if that is more than `MOST` rows."""
        within = f"{counts} WHERE battery = ? AND time >= ? AND time < ? LIMIT {MOST + 1}"
        (total,) = self._link.execute(f"SELECT sum(count) FROM ({within})", (battery, start, end)).fetchone()
        return total or 0

    def _read(self, which: str, battery: int, *times: int | str) -> list[Any]:
        """Rows of `raw` with the text of their words, by time."""
        return self._link.execute(
            f"SELECT {self._texted} FROM raw JOIN words ON words.id = raw.words"
            f" WHERE raw.battery = ? AND {which} ORDER BY raw.time",
            (battery, *times),
        ).fetchall()

    def _buckets(self, table: str, battery: int, start: int, end: int) -> list[Bucket]:
        columns = ", ".join("words.text" if name == "words" else f"{table}.{name}" for name in self._layout.rollup)
        rows = self._link.execute(
            f"SELECT {columns} FROM {table} JOIN words ON words.id = {table}.words"
            f" WHERE {table}.battery = ? AND {table}.time >= ? AND {table}.time < ?",
            (battery, start, end),
        )
        return [bucket_from(self._layout, row[4], row) for row in rows]

    def _count_in(self, battery: int, rows: Sequence[Sequence[Any]]) -> None:
        """Merge rows, which are in no roll-up yet."""
        hours: dict[int, Bucket] = {}
        for minute in minutes(self._layout, rows):
            self._merge_into("minute", battery, minute)
            hour = hour_of(minute)
            known = hours.get(hour.start)
            hours[hour.start] = hour if known is None else merge(known, hour)
        for hour in hours.values():
            self._merge_into("hour", battery, hour)

    def _merge_into(self, table: str, battery: int, bucket: Bucket) -> None:
        for known in self._buckets(table, battery, bucket.start, bucket.start + 1):
            bucket = merge(known, bucket)
        words = self._number(words_text(bucket.words))
        self._link.execute(self._replace.format(table), bucket_row(self._layout, battery, words, bucket))
