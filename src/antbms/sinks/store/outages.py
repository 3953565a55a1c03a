"""Outages in the store: each is one row, from the last reading before it to the first one after it.

What ends an outage is that the battery was read, whatever time it was then: the order of events counts, not the clock.
A watch says that a battery is offline at once, and again at least every ten minutes. All that it says until it reads
again is of one outage, also if the monitor is started anew meanwhile; only if nobody had watched for longer than
`UNWATCHED` before that start, the outage is known to have lasted until it was last stated, and another one begins.

When the clock was set meanwhile: `since` and `until` are told by the clock as it went when the outage was last stated.
So the row may move, once or often, but it stays as long as the outage is known to have lasted. A monitor that is
started anew knows of no beginning, so what it tells follows what was known before. A reading tells where the outage
ended if it comes no later than `UNWATCHED` after the last statement, by the clock; else nobody watched in between, or
the clock was set, and the outage is known to have lasted until it was last stated.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from typing import NamedTuple

from ...model import Offline
from .layout import MINUTE
from .rows import milliseconds

UNWATCHED = 15 * MINUTE
"""ms after the last statement: what comes later tells nothing of where an outage ended (`Timing.remind` is 10 min)."""
SAME = 1000
"""ms by which the beginning may be told differently while the clock is not set: it drifts, and is adjusted."""
REMEMBERED = 10_000
"""Statements that are kept in mind: those of ten of the largest batches."""


class _Open(NamedTuple):
    since: int
    until: int


class _Said(NamedTuple):
    row: _Open
    earlier: int
    """ms by which the outage began before what is told: an earlier run of the monitor knew of it."""


class Run:
    """What one run of a monitor knows of outages beside their rows. It changes only with what is committed."""

    def __init__(self) -> None:
        self.said: dict[int, _Said] = {}
        """Battery → what was stored last of an outage that goes on."""
        self.statements: dict[Offline, None] = {}
        """What is stored, oldest first: if it comes again, it tells nothing new."""


class Outages:
    """Those that have not ended, within one transaction. Times in ms since 1970. What comes again changes nothing."""

    def __init__(self, link: sqlite3.Connection, run: Run) -> None:
        self._link = link
        self._run = run
        self._said = dict(run.said)
        self._new: dict[Offline, None] = {}
        self._open: dict[int, list[_Open]] = defaultdict(list)
        """The last one goes on. Others were left by versions that took it for another one when the clock was set."""
        for battery, *row in link.execute("SELECT battery, since, until FROM offline WHERE ended = 0 ORDER BY until"):
            self._open[battery].append(_Open(*row))

    def committed(self) -> None:
        """The transaction has ended well."""
        self._run.said = self._said
        self._run.statements.update(self._new)
        if len(self._run.statements) > REMEMBERED:
            self._run.statements = dict.fromkeys(list(self._run.statements)[-REMEMBERED:])

    def read(self, battery: int, time: int) -> None:
        """The battery was read at `time`, for the first time that this comes."""
        for row in self._open.pop(battery, ()):
            self._end(battery, row, time if 0 <= time - row.until <= UNWATCHED else row.until)
        self._said.pop(battery, None)

    def stated(self, battery: int, statement: Offline) -> None:
        """The battery cannot be read."""
        if statement in self._run.statements or statement in self._new:
            return
        self._new[statement] = None
        since, time = milliseconds(statement.since), milliseconds(statement.time)
        time = max(since, time)
        begin, earlier = since, 0
        rows = self._open.pop(battery, [])
        for older in rows[:-1]:
            self._end(battery, older, older.until)
        if rows:
            row = rows[-1]
            known = self._earlier(battery, row, since, time)
            if known is None:
                self._end(battery, row, row.until)
            else:
                begin, earlier = since - known, known
                if abs(begin - row.since) <= SAME:
                    begin = row.since
                self._link.execute("DELETE FROM offline WHERE battery = ? AND since = ?", (battery, row.since))
        stored = self._store(battery, begin, time, statement.reason)
        self._open[battery] = [stored]
        self._said[battery] = _Said(stored, earlier)

    def _earlier(self, battery: int, row: _Open, since: int, time: int) -> int | None:
        """By how many ms the outage of a row began before what is told now. None: it is another outage."""
        said = self._said.get(battery)
        if said is not None and said.row == row and time - since >= row.until - row.since - said.earlier - SAME:
            return said.earlier
        if since > row.until + UNWATCHED:
            return None
        if time < row.until:  # the clock was set back, and by how much nobody knows
            return row.until - row.since
        return max(0, since - row.since)

    def _store(self, battery: int, since: int, until: int, reason: str) -> _Open:
        """A row that is open. If one has its beginning already, as after the clock was set back, the next free one."""
        sql = "INSERT OR IGNORE INTO offline VALUES (?, ?, ?, ?, 0)"
        while not self._link.execute(sql, (battery, since, max(since, until), reason)).rowcount:
            since += 1
        return _Open(since, max(since, until))

    def _end(self, battery: int, row: _Open, until: int) -> None:
        self._link.execute(
            "UPDATE offline SET until = ?, ended = 1 WHERE battery = ? AND since = ?", (until, battery, row.since)
        )
