"""Writes to the store: one transaction a batch, roll-ups, and the removal of what is old. Blocking; for one thread.

The rule of roll-ups: every snapshot before `battery.rolled` is in them, none from there on is. It holds after every
commit, so a crash leaves nothing half counted. Usually a minute is rolled up when the next begins; a snapshot that
comes late, before `rolled`, is merged in the transaction that stores it.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import json

from ...model import Event, Snapshot
from .layout import MINUTE, Layout
from .outages import Outages
from .present import advance
from .rollup import Bucket, bucket_from, bucket_row, hour_of, merge, minutes
from .rows import milliseconds, raw_row, words_of, words_text

AT_ONCE = 100
"""Batteries that are rolled up after a batch: many of them shall not delay the next batch."""
LONGEST = 60 * MINUTE
"""ms that are rolled up in one transaction: after a long stop there may be more."""
BITE = 1000
"""Old rows that are removed after a batch, at most; and twice the rows that came."""
REMEMBERED = 10_000
"""Words whose numbers are kept in mind."""


_REMOVE = """
DELETE FROM {table} WHERE battery = :battery AND time < coalesce(
    (SELECT time FROM {table} WHERE battery = :battery AND time < :end ORDER BY time LIMIT 1 OFFSET :most), :end)
"""


class Writer:
    """An open database. After any error it must be closed, and another one opened: what it remembers may be wrong."""

    def __init__(self, link: sqlite3.Connection) -> None:
        self._link = link
        self._layout = layout = Layout.of(link)
        self._words: dict[str, int] = {}
        self._due: dict[int, int] = {}
        """Battery → the minute (ms) before which it has snapshots that are not rolled up."""
        self._insert = _insert("raw", layout.raw)
        self._texted = ", ".join("words.text" if name == "words" else f"raw.{name}" for name in layout.raw)
        for battery, rolled, newest in link.execute(
            "SELECT id, rolled, (SELECT max(time) FROM raw WHERE battery = battery.id) FROM battery"
        ).fetchall():
            self._note_due(battery, rolled, newest)

    def close(self) -> None:
        self._link.close()

    def write(self, events: Sequence[Event]) -> None:
        """Commit events; those that are there already are left as they are. Raises `sqlite3.Error`."""
        with _Transaction(self._link):
            batteries = self._batteries(events)
            outages = Outages(self._link)
            rows: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
            for event in events:
                battery, time = batteries[event.battery][0], milliseconds(event.time)
                if isinstance(event, Snapshot):
                    rows[battery].append(self._row(battery, event))
                    outages.read(battery, time)
                else:
                    outages.stated(battery, milliseconds(event.since), time, event.reason)
            for battery, rolled in batteries.values():
                if battery in rows:
                    self._store(battery, rolled, rows[battery])

    def roll_up(self) -> None:
        """Roll up the minutes that are over, of some batteries. Raises `sqlite3.Error`."""
        some = dict(list(self._due.items())[:AT_ONCE])
        if not some:
            return
        with _Transaction(self._link):
            reached = {battery: self._roll_up(battery, end) for battery, end in some.items()}
        for battery, until in reached.items():
            if until >= some[battery]:
                del self._due[battery]

    def _roll_up(self, battery: int, end: int) -> int:
        """Count in what is before `end`, and say how far that went."""
        rolled, oldest = self._link.execute(
            "SELECT rolled, (SELECT min(time) FROM raw WHERE battery = battery.id AND time >= rolled)"
            " FROM battery WHERE id = ?",
            (battery,),
        ).fetchone()
        first = end if oldest is None else oldest // MINUTE * MINUTE
        until = min(end, first + LONGEST)
        if until > rolled:
            self._merge(battery, self._read("raw.time >= ? AND raw.time < ?", battery, rolled, until))
            self._link.execute("UPDATE battery SET rolled = ? WHERE id = ?", (until, battery))
        return until

    def remove(self, now: int, elapsed: int, kept: int, minutes_kept: int | None, most: int) -> bool:
        """Remove snapshots that are older than `kept` and rolled up, and minutes likewise, up to `most` rows.

        now: by the wall clock; elapsed: by a steady clock since the last call. All in ms; None is for ever.
        Returns whether there may be more. Raises `sqlite3.Error`.
        """
        left = most
        with _Transaction(self._link):
            present = advance(self._link, now, elapsed)
            before = present - kept
            minutes_before = None if minutes_kept is None else present - minutes_kept
            for battery, rolled in self._link.execute("SELECT id, rolled FROM battery").fetchall():
                for table, end in (("raw", min(before, rolled)), ("minute", minutes_before)):
                    if end is not None and left > 0:
                        sql = _REMOVE.format(table=table)
                        left -= self._link.execute(sql, {"battery": battery, "end": end, "most": left}).rowcount
        return left <= 0

    def _batteries(self, events: Iterable[Event]) -> dict[str, tuple[int, int]]:
        """Name → number and `rolled`, as they are now: another program may write to this file too."""
        known = {name: (number, rolled) for number, name, rolled in self._link.execute("SELECT * FROM battery")}
        for name in {event.battery for event in events} - known.keys():
            known[name] = (self._link.execute("INSERT INTO battery (name) VALUES (?)", (name,)).lastrowid or 0, 0)
        return known

    def _row(self, battery: int, snapshot: Snapshot) -> tuple[Any, ...]:
        return raw_row(self._layout, battery, self._number(words_text(words_of(snapshot))), snapshot)

    def _number(self, text: str) -> int:
        """The number of words, which are stored when they are new."""
        number = self._words.get(text)
        if number is None:
            if len(self._words) >= REMEMBERED:
                self._words.clear()
            self._link.execute("INSERT OR IGNORE INTO words (text) VALUES (?)", (text,))
            number = self._words[text] = self._link.execute("SELECT id FROM words WHERE text = ?", (text,)).fetchone()[
                0
            ]
        return number

    def _store(self, battery: int, rolled: int, rows: list[tuple[Any, ...]]) -> None:
        self._link.executemany(self._insert, [row for row in rows if row[1] >= rolled])
        late = [row[1] for row in rows if row[1] < rolled and self._link.execute(self._insert, row).rowcount]
        if late:
            times = json.encode(late).decode()
            self._merge(battery, self._read("raw.time IN (SELECT value FROM json_each(?))", battery, times))
        self._note_due(battery, rolled, max(row[1] for row in rows))

    def _note_due(self, battery: int, rolled: int, newest: int | None) -> None:
        end = (newest or 0) // MINUTE * MINUTE
        if end > max(rolled, self._due.get(battery, 0)):
            self._due[battery] = end

    def _read(self, which: str, battery: int, *times: int | str) -> list[Any]:
        """Rows of `raw` with the text of their words, by time."""
        return self._link.execute(
            f"SELECT {self._texted} FROM raw JOIN words ON words.id = raw.words"
            f" WHERE raw.battery = ? AND {which} ORDER BY raw.time",
            (battery, *times),
        ).fetchall()

    def _merge(self, battery: int, rows: Sequence[Sequence[Any]]) -> None:
        """Count rows in, which are in no roll-up yet."""
        hours: dict[int, Bucket] = {}
        for minute in minutes(self._layout, rows):
            self._merge_into("minute", battery, minute)
            hour = hour_of(minute)
            known = hours.get(hour.start)
            hours[hour.start] = hour if known is None else merge(known, hour)
        for hour in hours.values():
            self._merge_into("hour", battery, hour)

    def _merge_into(self, table: str, battery: int, bucket: Bucket) -> None:
        columns = ", ".join("words.text" if name == "words" else f"{table}.{name}" for name in self._layout.rollup)
        row = self._link.execute(
            f"SELECT {columns} FROM {table} JOIN words ON words.id = {table}.words"
            f" WHERE {table}.battery = ? AND {table}.time = ?",
            (battery, bucket.start),
        ).fetchone()
        if row is not None:
            bucket = merge(bucket_from(self._layout, row[4], row), bucket)
        words = self._number(words_text(bucket.words))
        self._link.execute(
            _insert(table, self._layout.rollup, "REPLACE"), bucket_row(self._layout, battery, words, bucket)
        )


class _Transaction:
    """All or nothing; begun as a writer, so that it never fails half way for want of the lock."""

    def __init__(self, link: sqlite3.Connection) -> None:
        self._link = link

    def __enter__(self) -> None:
        self._link.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._link.execute("COMMIT")
        elif self._link.in_transaction:
            self._link.execute("ROLLBACK")


def _insert(table: str, columns: Sequence[str], otherwise: str = "IGNORE") -> str:
    return f"INSERT OR {otherwise} INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
