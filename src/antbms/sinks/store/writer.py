"""Writes to the store: one transaction a batch, roll-ups, and the removal of what is old. Blocking; for one thread.

The rule of roll-ups: every snapshot before `battery.rolled` is in them, none from there on is. It holds after every
commit, so a crash leaves nothing half counted. Usually a minute is rolled up when the next begins; a snapshot that
comes late, before `rolled`, is merged in the transaction that stores it. After a clock was ahead for a while all would
come late, which costs ten times as much: so `rolled` is set back, if it lies far ahead of all that comes.

The rule of snapshots: each is stored once, however often it comes. A row is known by its battery and its time; of two
different snapshots of one millisecond, as after a clock was set back, the later one moves on to the next free one.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from ...model import Event, Offline, Snapshot
from .layout import MINUTE, Layout
from .outages import Outages, Run
from .present import advance
from .rolling import Rolling
from .rows import milliseconds, raw_row, words_of, words_text

AT_ONCE = 100
"""Batteries that are rolled up after a batch: many of them shall not delay the next batch."""
AHEAD = 10 * MINUTE
"""ms by which `rolled` may lie ahead of what comes."""
BITE = 1000
"""Old rows that are removed after a batch, at most; and twice the rows that came."""
REMEMBERED = 10_000
"""Words whose numbers are kept in mind."""


_REMOVE = """
DELETE FROM {table} WHERE battery = :battery AND time < coalesce(
    (SELECT time FROM {table} WHERE battery = :battery AND time < :end ORDER BY time LIMIT 1 OFFSET :most), :end)
"""


class Writer:
    """An open database. After any error it must be closed, and another one opened: what it remembers may be wrong.

    run: what is known of outages, which outlasts it.
    """

    def __init__(self, link: sqlite3.Connection, run: Run) -> None:
        self._link = link
        self._run = run
        self._layout = layout = Layout.of(link)
        self._words: dict[str, int] = {}
        self._due: dict[int, int] = {}
        """Battery → the minute (ms) before which it has snapshots that are not rolled up."""
        self._refused: dict[int, int] = {}
        """Battery → what could not be set back: it is not tried again."""
        self._rolling = Rolling(link, layout, self._number)
        columns = ", ".join(layout.raw)
        self._insert = f"INSERT OR IGNORE INTO raw ({columns}) VALUES ({', '.join('?' * len(layout.raw))})"
        self._stored = f"SELECT {columns} FROM raw WHERE battery = ? AND time = ?"
        for battery, rolled, newest in link.execute(
            "SELECT id, rolled, (SELECT max(time) FROM raw WHERE battery = battery.id) FROM battery"
        ).fetchall():
            self._note_due(battery, rolled, newest)

    def close(self) -> None:
        self._link.close()

    def leave(self) -> None:
        """Close a file that has lost its name. Its journal has kept the name, and would be taken for one of the file
        that gets it next; so it is emptied first, into the lost file."""
        try:
            self._link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._link.close()

    def write(self, events: Sequence[Event]) -> None:
        """Commit events; those that are there already are left as they are. Raises `sqlite3.Error`."""
        with _Transaction(self._link):
            batteries = self._batteries(events)
            rows: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
            for event in events:
                if isinstance(event, Snapshot):
                    battery = batteries[event.battery][0]
                    rows[battery].append(self._row(battery, event))
            are_new = {
                battery: iter(self._store(battery, rolled, rows[battery]))
                for battery, rolled in batteries.values()
                if battery in rows
            }
            outages = Outages(self._link, self._run)
            for event in events:
                battery = batteries[event.battery][0]
                if isinstance(event, Offline):
                    outages.stated(battery, event)
                elif next(are_new[battery]):
                    outages.read(battery, milliseconds(event.time))
        outages.committed()

    def roll_up(self) -> None:
        """Roll up the minutes that are over, of some batteries. Raises `sqlite3.Error`."""
        some = dict(list(self._due.items())[:AT_ONCE])
        if not some:
            return
        with _Transaction(self._link):
            reached = {battery: self._rolling.go_on(battery, end) for battery, end in some.items()}
        for battery, until in reached.items():
            if until >= some[battery]:
                del self._due[battery]

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

    def _store(self, battery: int, rolled: int, rows: list[tuple[Any, ...]]) -> list[bool]:
        """Store rows, and return which of them were not there already."""
        times = [row[1] for row in rows]
        if max(times) < rolled - AHEAD and self._refused.get(battery) != rolled:
            back = self._rolling.set_back(battery, rolled, min(times) // MINUTE * MINUTE)
            if back is None:
                self._refused[battery] = rolled
            else:
                rolled = back
                self._due.pop(battery, None)
        stored = list(map(self._place, rows))
        if late := [time for time in stored if time is not None and time < rolled]:
            self._rolling.come_late(battery, late)
        self._note_due(battery, rolled, max(times))
        return [time is not None for time in stored]

    def _place(self, row: tuple[Any, ...]) -> int | None:
        """Store a row, and return its time; None if it is there already."""
        while not self._link.execute(self._insert, row).rowcount:
            if self._link.execute(self._stored, row[:2]).fetchone() == row:
                return None
            row = (row[0], row[1] + 1, *row[2:])
        time: int = row[1]
        return time

    def _note_due(self, battery: int, rolled: int, newest: int | None) -> None:
        end = (newest or 0) // MINUTE * MINUTE
        if end > max(rolled, self._due.get(battery, 0)):
            self._due[battery] = end


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
