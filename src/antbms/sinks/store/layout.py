"""The tables of the store, derived from the catalogue.

    battery   one row a battery: its number, its name, and up to where its readings are rolled up
    quantity  which columns there are, and the decimals that their integers stand for
    words     what seldom changes in a snapshot (state, switches, alarms, names of sensors), once each, as JSON
    raw       one row a snapshot
    minute    one row a minute: min, max, sum of measurements, the last of counters
    hour      the same of hours
    offline   one row an outage; ended: it is over, and nothing changes it any more
    present   one row: the time that removal goes by, see present.py

Times are integers: ms since 1970, UTC. A quantity is an integer too: `voltage` 5298 with `digits` 2 is 52.98 V, which
is exact and takes two bytes in place of eight. The views `raw_values`, `minute_values` and `hour_values` show plain
numbers, for people with a database browser.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from msgspec import Struct

from ...model import QUANTITIES, Kind, Quantity

APPLICATION = 0x414E5442
"""`ANTB` in the header of the file: the database is ours."""

GROUPS = ("cells", "temperatures")
"""Quantities with several numbers: packed into one column."""
CELL_SCALE = 10 ** (QUANTITIES["cells"].digits or 0)
HEAT_SCALE = 10 ** (QUANTITIES["temperatures"].digits or 0)

MINUTE = 60_000
HOUR = 3_600_000
ROLLUPS = {"minute": MINUTE, "hour": HOUR}
"""Table of roll-ups → ms of one row."""

FIRST = """
CREATE TABLE battery (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, rolled INTEGER NOT NULL DEFAULT 0);
CREATE TABLE quantity (name TEXT PRIMARY KEY, digits INTEGER NOT NULL, counter INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE words (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE raw (battery INTEGER NOT NULL, time INTEGER NOT NULL, words INTEGER NOT NULL,
    cells BLOB, temperatures BLOB, balancing INTEGER NOT NULL, details TEXT, doubts TEXT,
    PRIMARY KEY (battery, time)) WITHOUT ROWID;
CREATE TABLE minute (battery INTEGER NOT NULL, time INTEGER NOT NULL, count INTEGER NOT NULL, last INTEGER NOT NULL,
    words INTEGER NOT NULL, cells BLOB, temperatures BLOB, balancing INTEGER NOT NULL, details TEXT,
    PRIMARY KEY (battery, time)) WITHOUT ROWID;
CREATE TABLE hour (battery INTEGER NOT NULL, time INTEGER NOT NULL, count INTEGER NOT NULL, last INTEGER NOT NULL,
    words INTEGER NOT NULL, cells BLOB, temperatures BLOB, balancing INTEGER NOT NULL, details TEXT,
    PRIMARY KEY (battery, time)) WITHOUT ROWID;
CREATE TABLE offline (battery INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (battery, since)) WITHOUT ROWID;
"""
"""The tables of version 1; the columns of quantities are added from the catalogue."""

OUTAGES = """
ALTER TABLE offline ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
CREATE INDEX offline_open ON offline (battery, since) WHERE ended = 0;
UPDATE offline SET until = max(since, until);
UPDATE offline SET ended = 1, until = coalesce((SELECT min(time) FROM raw WHERE raw.battery = offline.battery
        AND raw.time > offline.since AND raw.time BETWEEN offline.until AND offline.until + 900000), until)
    WHERE EXISTS (SELECT 1 FROM raw WHERE raw.battery = offline.battery AND raw.time > max(since, until - 1))
    OR EXISTS (SELECT 1 FROM hour WHERE hour.battery = offline.battery AND hour.time > until)
    OR EXISTS (SELECT 1 FROM offline AS later WHERE later.battery = offline.battery AND later.since > offline.since);
CREATE TABLE present (id INTEGER PRIMARY KEY CHECK (id = 1), time INTEGER NOT NULL);
INSERT INTO present SELECT 1, max(time) FROM raw HAVING max(time) IS NOT NULL;
"""
"""Version 2: outages end with the next reading, also those that are there; and removal has a time of its own."""

MIGRATIONS: tuple[str, ...] = (FIRST, OUTAGES)
"""What leads from each version to the next, from 0 (an empty file) on. Columns of quantities need no step."""
VERSION = len(MIGRATIONS)

AS_NOW: dict[int, str] = {
    1: """
CREATE TEMP VIEW offline AS
WITH told AS (SELECT battery, since, max(since, until) AS until, reason FROM main.offline),
known AS (SELECT battery, since, until, reason,
    EXISTS (SELECT 1 FROM raw WHERE raw.battery = told.battery AND raw.time > max(since, until - 1))
    OR EXISTS (SELECT 1 FROM hour WHERE hour.battery = told.battery AND hour.time > until)
    OR EXISTS (SELECT 1 FROM main.offline AS later WHERE later.battery = told.battery AND later.since > told.since)
        AS ended FROM told)
SELECT battery, since, iif(ended, coalesce((SELECT min(time) FROM raw WHERE raw.battery = known.battery
    AND raw.time > since AND raw.time BETWEEN until AND until + 900000), until), until) AS until, reason, ended
FROM known
"""
}
"""Version → SQL that shows a file of it as one of this version, to a connection that only reads: what differs for
readers is in temporary views, which SQLite takes before the tables of the same name. A test holds that they show what
the step of `MIGRATIONS` makes."""


_RAW = ("battery", "time", "words", "cells", "temperatures", "balancing", "details", "doubts")
_ROLLUP = ("battery", "time", "count", "last", "words", "cells", "temperatures", "balancing", "details")


class Column(Struct, frozen=True):
    """A column of a quantity: value × scale is what it holds."""

    name: str
    digits: int
    counter: bool

    @property
    def scale(self) -> int:
        scale: int = 10**self.digits
        return scale

    @property
    def rollup(self) -> tuple[str, ...]:
        """Its columns in roll-ups. A measurement's count is NULL where every snapshot of the row has a value."""
        name = self.name
        return (name,) if self.counter else (f"{name}_min", f"{name}_sum", f"{name}_max", f"{name}_count")


class Layout:
    """The columns of one file, as its own table `quantity` tells them: digits never change under stored numbers."""

    def __init__(self, columns: Iterable[Column]) -> None:
        self.columns = tuple(columns)
        self.by_name = {column.name: column for column in self.columns}
        self.raw = (*_RAW, *(column.name for column in self.columns))
        self.rollup = (*_ROLLUP, *(name for column in self.columns for name in column.rollup))

    @classmethod
    def of(cls, link: sqlite3.Connection) -> Layout:
        """As the file has it."""
        rows = link.execute("SELECT name, digits, counter FROM quantity ORDER BY name").fetchall()
        return cls(Column(name, digits, bool(counter)) for name, digits, counter in rows)


def scale_of(layout: Layout, name: str) -> int:
    """What the integers of a quantity are divided by."""
    if name in layout.by_name:
        return layout.by_name[name].scale
    groups: dict[str, int] = {"cells": CELL_SCALE, "temperatures": HEAT_SCALE}
    return groups.get(name.partition(".")[0], 1)


def stored(row: Quantity) -> bool:
    """Whether a quantity of the catalogue has columns of its own: one number, which every battery may report."""
    return not row.detail and row.digits is not None and row.kind is not Kind.STATE and row.name not in GROUPS


def missing(link: sqlite3.Connection) -> list[Quantity]:
    """The quantities of the catalogue that the file has no columns for."""
    known = {name for (name,) in link.execute("SELECT name FROM quantity")}
    return [row for row in QUANTITIES.values() if stored(row) and row.name not in known]


def additions(rows: Iterable[Quantity]) -> Iterator[str]:
    """SQL that adds columns of quantities, and makes the views anew."""
    for row in rows:
        column = Column(row.name, row.digits or 0, row.kind is Kind.COUNTER)
        yield f"INSERT INTO quantity VALUES ('{column.name}', {column.digits}, {int(column.counter)})"
        yield f"ALTER TABLE raw ADD COLUMN {column.name} INTEGER"
        for table in ROLLUPS:
            yield from (f"ALTER TABLE {table} ADD COLUMN {name} INTEGER" for name in column.rollup)


def views(layout: Layout) -> Iterator[str]:
    """SQL that makes the views for people."""
    when = "strftime('%Y-%m-%dT%H:%M:%fZ', {0}.time / 1000.0, 'unixepoch') AS time"
    yield from (f"DROP VIEW IF EXISTS {table}_values" for table in ("raw", *ROLLUPS))
    values = (f"raw.{column.name} / {column.scale}.0 AS {column.name}" for column in layout.columns)
    yield _view("raw", (when.format("raw"), *values, "words.text AS words"))
    for table in ROLLUPS:
        numbers = (number for column in layout.columns for number in _numbers(table, column))
        yield _view(table, (when.format(table), f"{table}.count", *numbers, "words.text AS words"))


def _numbers(table: str, column: Column) -> Iterator[str]:
    name, scale = f"{table}.{column.name}", f"{column.scale}.0"
    if column.counter:
        yield f"{name} / {scale} AS {column.name}"
        return
    yield f"{name}_min / {scale} AS {column.name}_min"
    yield f"{name}_sum / {scale} / coalesce({name}_count, {table}.count) AS {column.name}_mean"
    yield f"{name}_max / {scale} AS {column.name}_max"


def _view(table: str, columns: Iterable[str]) -> str:
    return (
        f"CREATE VIEW {table}_values AS SELECT battery.name AS battery, {', '.join(columns)} FROM {table} "
        f"JOIN battery ON battery.id = {table}.battery JOIN words ON words.id = {table}.words"
    )
