"""Readings that wait for the broker, on disk; and what has been announced there, so that it can be taken back.

Blocking, and for one thread at a time.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from msgspec import Struct

from ...errors import SinkError
from ...model.records import timestamp

VERSION = 1
ROW = 120
"""Bytes that a waiting reading takes besides its own."""

_SCHEMA = """
CREATE TABLE reading (
    id INTEGER PRIMARY KEY, battery TEXT NOT NULL, time TEXT NOT NULL, payload BLOB NOT NULL, UNIQUE (battery, time)
);
CREATE TABLE announced (battery TEXT PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE count (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""


class Reading(Struct, frozen=True, gc=False):
    """One reading as it is published. battery and time (of the contract) are unique together."""

    battery: str
    time: str
    payload: bytes


class Announced(Struct, frozen=True):
    """What the broker has been told of a battery.

    device: its id in Home Assistant; None if it was not announced there. parts: what it has (`home_assistant.parts`).
    components: id of each entity → its platform. payload: the message.
    """

    device: str | None = None
    parts: tuple[str, ...] = ()
    components: dict[str, str] = {}
    payload: str = ""


class Spool:
    """The file. Bounded: what is older than `most_days`, or beyond `most_bytes`, is dropped, oldest first."""

    def __init__(self, path: Path, most_bytes: float, most_days: float) -> None:
        self.path = path
        self.waiting = 0
        self.of: Counter[str] = Counter()
        """How many wait of each battery."""
        self.dropped = 0
        self._bytes = 0
        self._most_bytes = most_bytes
        self._most_age = timedelta(days=most_days)
        self._base: sqlite3.Connection | None = None
        self._closed = SinkError(f"mqtt: {path} is not open")

    @property
    def is_open(self) -> bool:
        """Whether readings can be kept."""
        return self._base is not None

    def open(self, now: datetime) -> str | None:
        """Open or make the file. A file that is damaged is put aside; then the answer says so. Raises `SinkError`."""
        try:
            try:
                self._open()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                self.close()
                aside = self.path.with_name(f"{self.path.name}.damaged-{now:%Y%m%dT%H%M%S}")
                self.path.replace(aside)
                self._open()
                return f"{self.path} is damaged ({error}); it was renamed to {aside.name}, and a new one begun"
        except (sqlite3.Error, OSError) as error:
            self.close()
            self._closed = self._trouble(error)
            raise self._closed from error
        return None

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._base = base = sqlite3.connect(self.path, timeout=1.0, isolation_level=None, check_same_thread=False)
        base.execute("PRAGMA locking_mode = EXCLUSIVE")  # two programs on one file would send everything twice
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = NORMAL")
        base.execute("PRAGMA journal_size_limit = 1000000")
        base.execute("BEGIN IMMEDIATE")
        version = base.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            for statement in _SCHEMA.split(";"):
                base.execute(statement)
            base.execute(f"PRAGMA user_version = {VERSION}")
        elif version != VERSION:
            raise sqlite3.OperationalError(f"it was made by a newer antbms (version {version})")
        base.execute("COMMIT")
        rows = base.execute("SELECT battery, count(*), sum(length(payload)) FROM reading GROUP BY battery").fetchall()
        self.of = Counter({battery: count for battery, count, _ in rows})
        self.waiting = self.of.total()
        self._bytes = sum(size for *_, size in rows) + ROW * self.waiting
        dropped = base.execute("SELECT value FROM count WHERE name = 'dropped'").fetchone()
        self.dropped = dropped[0] if dropped else 0

    def append(self, readings: Sequence[Reading], now: datetime) -> int:
        """Keep readings; those that wait already are not kept twice. How many old ones had to be dropped for them.

        Raises `SinkError`: then none of them is kept.
        """
        before = self.waiting, self.of.copy(), self._bytes, self.dropped
        base = self._connection
        try:
            with _Transaction(base):
                for one in readings:
                    done = base.execute(
                        "INSERT OR IGNORE INTO reading (battery, time, payload) VALUES (?, ?, ?)",
                        (one.battery, one.time, one.payload),
                    )
                    self.waiting += done.rowcount
                    self.of[one.battery] += done.rowcount
                    self._bytes += done.rowcount * (len(one.payload) + ROW)
                return self._trim(base, timestamp(now - self._most_age))
        except sqlite3.Error as error:
            self.waiting, self.of, self._bytes, self.dropped = before
            raise self._trouble(error) from error

    def _trim(self, base: sqlite3.Connection, oldest: str) -> int:
        """Drop what is too old or too much. Readings lie in the order in which they came."""
        last, count = 0, 0
        rows = base.execute("SELECT id, battery, time, length(payload) FROM reading ORDER BY id")
        for number, battery, time, size in rows:
            if time >= oldest and self._bytes <= self._most_bytes:
                break
            last, count = number, count + 1
            self._bytes -= size + ROW
            self.of[battery] -= 1
        if count:
            base.execute("DELETE FROM reading WHERE id <= ?", (last,))
            self.waiting -= count
            self.dropped += count
            base.execute("INSERT OR REPLACE INTO count VALUES ('dropped', ?)", (self.dropped,))
        return count

    def first(self, count: int, without: Collection[str] = ()) -> list[Reading]:
        """The oldest that wait, oldest first; none of the batteries `without`. Raises `SinkError`."""
        marks = ", ".join("?" * len(without))
        try:
            rows = self._connection.execute(
                f"SELECT battery, time, payload FROM reading WHERE battery NOT IN ({marks}) ORDER BY id LIMIT ?",
                (*without, count),
            ).fetchall()
        except sqlite3.Error as error:
            raise self._trouble(error) from error
        return [Reading(*row) for row in rows]

    def remove(self, readings: Sequence[Reading]) -> None:
        """Forget readings, because the broker has them. Raises `SinkError`."""
        base = self._connection
        gone: Counter[str] = Counter()
        size = 0
        try:
            with _Transaction(base):
                for one in readings:
                    done = base.execute("DELETE FROM reading WHERE battery = ? AND time = ?", (one.battery, one.time))
                    gone[one.battery] += done.rowcount
                    size += done.rowcount * (len(one.payload) + ROW)
        except sqlite3.Error as error:
            raise self._trouble(error) from error
        self.waiting -= gone.total()
        self.of.subtract(gone)
        self._bytes -= size

    def announced(self) -> dict[str, Announced]:
        """What has been announced of each battery, those of former configurations included. Raises `SinkError`."""
        try:
            rows = self._connection.execute("SELECT battery, record FROM announced").fetchall()
            return {battery: msgspec.json.decode(record, type=Announced) for battery, record in rows}
        except (sqlite3.Error, msgspec.DecodeError) as error:
            raise self._trouble(error) from error

    def announce(self, battery: str, record: Announced | None) -> None:
        """Remember what has been announced of a battery; None: nothing any more. Raises `SinkError`."""
        try:
            if record is None:
                self._connection.execute("DELETE FROM announced WHERE battery = ?", (battery,))
            else:
                self._connection.execute(
                    "INSERT OR REPLACE INTO announced VALUES (?, ?)", (battery, msgspec.json.encode(record))
                )
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    def close(self) -> None:
        """Close the file. Never raises."""
        if self._base is not None:
            self._base.close()
            self._base = None

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._base is None:
            raise self._closed
        return self._base

    def _trouble(self, error: Exception) -> SinkError:
        hint = (
            "Next: is another antbms running with the same configuration?"
            if "locked" in str(error)
            else "Next: is there space left, and may this user write there? `file` under [mqtt] names another place."
        )
        return SinkError(f"mqtt: readings cannot be kept in {self.path}: {error}", hint)


class _Transaction:
    """All or nothing."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base

    def __enter__(self) -> None:
        self._base.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._base.execute("COMMIT")
        finally:
            if self._base.in_transaction:
                self._base.execute("ROLLBACK")
