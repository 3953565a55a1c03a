"""The store: all readings in one SQLite file, raw for some days, as roll-ups of minutes and hours for ever."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from ...errors import FileError, SinkError
from ...model import Event
from ...timing import Timing
from ...worker import Worker
from ..base import Sources
from .layout import HOUR
from .open import check_file, open_to_write
from .outages import Run
from .rows import MILLISECOND, milliseconds
from .trouble import is_damage, is_foreign, move_aside, trouble_of
from .writer import BITE, Writer

REMOVAL = 60.0
"""s from one look for old rows to the next, as soon as there are none left."""
OFFERED = 600.0
"""s without removal after something came that is old already: it may come again, and must be known then."""

DAY = 24 * HOUR

_Days = Annotated[float, Meta(gt=0, le=36_500)]


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[store]`.

    file: the database; it is made if it is not there. raw_days: so long every snapshot is kept as it was read.
    minute_days: so long the roll-ups of minutes are kept; without it for ever, as those of hours always are.
    """

    file: Annotated[str, Meta(min_length=1)]
    raw_days: _Days = 7.0
    minute_days: _Days | None = None


def make(config: Config, sources: Sources, timing: Timing) -> Store:
    """The sink of the section `[store]`."""
    return Store(config, timing)


def trouble(config: Config) -> FileError | None:
    """Why it can never write to the file that is there, if it cannot. Nothing changes."""
    try:
        check_file(Path(config.file).expanduser())
    except FileError as error:
        return error
    return None


class Store:
    """A sink: every event is on the disk when `take` returns, and is stored exactly once however often it comes."""

    def __init__(self, config: Config, timing: Timing) -> None:
        self._file = Path(config.file).expanduser()
        self.pace = timing.store_pace
        self._config = config
        self._timing = timing
        self._worker = Worker("antbms-store")
        self._writer: Writer | None = None
        self._opened: tuple[int, int] | None = None
        self._run = Run()
        self._looked = self._next_removal = timing.monotonic()

    async def take(self, events: Sequence[Event]) -> None:
        """Commit events in one transaction. Raises `SinkError`; then all of them may come again."""
        await self._worker.run(lambda: self._take(events))

    async def close(self) -> None:
        """Nothing is held: what was taken is on the disk."""
        try:
            await self._worker.run(self._drop)
        finally:
            self._worker.stop()

    def _take(self, events: Sequence[Event]) -> None:
        try:
            if self._writer is not None and self._identity() != self._opened:
                with suppress(sqlite3.Error):
                    self._writer.leave()
                raise SinkError(
                    f"{self._file}: was moved, replaced or deleted while it was open; it is opened anew",
                    "Nothing need be done. What was stored before is in the file that was moved.",
                )
            if self._writer is None:
                link = open_to_write(self._file, self._timing.lock)
                before, self._opened = self._opened, self._identity()
                if self._opened != before:  # another file knows nothing of what was stored
                    self._run = Run()
                self._writer = Writer(link, self._run)
            self._writer.write(events)
            self._tidy(self._writer, events)
        except sqlite3.Error as error:
            self._drop()
            raise self._met(error) from error
        except BaseException:
            self._drop()
            raise

    def _identity(self) -> tuple[int, int] | None:
        """Of the file that has the name now: SQLite would go on writing to one that has lost it."""
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _tidy(self, writer: Writer, events: Sequence[Event]) -> None:
        """Roll up what is over, and remove some of what is old."""
        writer.roll_up()
        now, days = self._timing.monotonic(), self._config.minute_days
        kept = timedelta(days=self._config.raw_days)
        if events and min(event.time for event in events) < self._timing.now() - kept:
            self._next_removal = now + OFFERED
        if now < self._next_removal:
            return
        more = writer.remove(
            milliseconds(self._timing.now()),
            int((now - self._looked) * 1000),
            kept // MILLISECOND,
            None if days is None else int(days * DAY),
            max(BITE, 2 * len(events)),
        )
        self._looked = now
        if not more:
            self._next_removal = now + REMOVAL

    def _met(self, error: sqlite3.Error) -> SinkError:
        """What is said of an error. A damaged file is moved aside, so that the next try begins a new one."""
        if is_damage(error, self._file):
            try:
                kept = move_aside(self._file, self._timing.now())
            except OSError as refused:
                reason = (refused.strerror or str(refused)).lower()
                return SinkError(
                    f"{self._file}: is damaged ({error}), and cannot be renamed: {reason}",
                    "Next: end what holds the file, and move it away. Readings wait in memory until then.",
                )
            return SinkError(
                f"{self._file}: was damaged ({error}); it is kept as {kept.name}, and a new file is begun",
                f"Nothing need be done. What can be saved of it: sqlite3 {kept.name} .recover | sqlite3 saved.db",
            )
        if is_foreign(error):
            return SinkError(f"{self._file}: this file is no database", "Next: choose another file.")
        trouble = trouble_of(error, self._file)
        return SinkError(f"{self._file}: {trouble.text}", trouble.hint)

    def _drop(self) -> None:
        """Close the database, whatever state it is in."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(sqlite3.Error):
                writer.close()
