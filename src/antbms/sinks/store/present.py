"""The time that removal goes by: a clock that is wrong for a while must not remove what cannot be read again.

The store keeps a time of its own beside its rows. It follows the wall clock, but only so fast, in either direction: in
an hour of work, by a day. A minute in 2038 thus costs 24 minutes of the oldest readings, and a computer that was off
for two weeks removes what became old meanwhile within 14 hours.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

from .layout import MINUTE
from .rows import milliseconds

FASTER = 24
"""So many times as fast as time goes by."""
LOOK = 10 * MINUTE
"""ms: if more have passed since the last look, the rest counts once only."""
UNSET = milliseconds(datetime(2026, 1, 1, tzinfo=UTC))
"""An earlier time, before there were such stores, is that of a clock which has not been set yet."""


def advance(link: sqlite3.Connection, now: int, elapsed: int) -> int:
    """Let the store's time follow `now`, and return the earlier of both. elapsed: ms of a steady clock since last time.

    Within the transaction of the caller. The first time of a new store is that of its first look.
    """
    row = link.execute("SELECT time FROM present").fetchone()
    if now < UNSET:
        return now
    time = now if row is None else followed(row[0], now, elapsed)
    link.execute("INSERT OR REPLACE INTO present VALUES (1, ?)", (time,))
    return min(time, now)


def followed(time: int, now: int, elapsed: int) -> int:
    """The store's time after `elapsed` more ms."""
    room = elapsed + (FASTER - 1) * min(elapsed, LOOK)
    return min(max(now, time - room), time + room)
