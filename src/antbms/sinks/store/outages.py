"""Outages in the store: each is one row, from the last reading before it to the first one after it.

A watch says that a battery is offline at once, and again at least every ten minutes. So an outage ends with the first
reading. If that comes long after the last statement, nobody watched in between, or the clock was set: then all that is
known is where it was last stated. A monitor that is started anew meanwhile, or a clock that is adjusted, tells another
beginning; without a reading in between it is the same outage nevertheless.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from typing import NamedTuple

from .layout import MINUTE

UNWATCHED = 15 * MINUTE
"""ms after the last statement: what comes later tells nothing of where an outage ended (`Timing.remind` is 10 min)."""
SAME = 1000
"""ms by which the beginning of one that has ended may differ, if it is told again."""


CORRECTED = 10_000
"""ms by which the beginning of one that goes on may be told earlier, after the clock was set back a little."""


class _Open(NamedTuple):
    since: int
    until: int


class Outages:
    """Those that have not ended, within one transaction. Times in ms since 1970. What comes again changes nothing."""

    def __init__(self, link: sqlite3.Connection) -> None:
        self._link = link
        self._open: dict[int, list[_Open]] = defaultdict(list)
        for battery, since, until in link.execute("SELECT battery, since, until FROM offline WHERE ended = 0"):
            self._open[battery].append(_Open(since, until))

    def read(self, battery: int, time: int) -> None:
        """The battery was read at `time`, which ends an outage that was stated before."""
        if battery in self._open:
            for row in [row for row in self._open[battery] if row.since < time and row.until <= time]:
                self._end(battery, row, time)

    def stated(self, battery: int, since: int, until: int, reason: str) -> None:
        """The battery could not be read since `since`, and still not at `until`."""
        until = max(since, until)  # the clock may have been set back in between
        since = next((row.since for row in self._open[battery] if since < row.since <= since + CORRECTED), since)
        known = self._link.execute(
            "SELECT since, until, ended FROM offline WHERE battery = ? AND since <= ? ORDER BY since DESC LIMIT 1",
            (battery, since + SAME),
        ).fetchone()
        if known is None or _latest(*known) < since:
            for row in [row for row in self._open[battery] if row.since < since]:
                self._end(battery, row, max(row.until, since))
        else:
            since = known[0]
            if until < known[1] or (until == known[1] and known[2]):
                return
            self._open[battery] = [row for row in self._open[battery] if row.since != since]
        self._link.execute("INSERT OR REPLACE INTO offline VALUES (?, ?, ?, ?, 0)", (battery, since, until, reason))
        self._open[battery].append(_Open(since, until))

    def _end(self, battery: int, row: _Open, time: int) -> None:
        until = time if time - row.until <= UNWATCHED else row.until
        self._link.execute(
            "UPDATE offline SET until = ?, ended = 1 WHERE battery = ? AND since = ?", (until, battery, row.since)
        )
        self._open[battery].remove(row)


def _latest(since: int, until: int, ended: int) -> int:
    """The latest beginning that may be told of an outage."""
    return max(since + SAME, until - SAME) if ended else until + UNWATCHED
