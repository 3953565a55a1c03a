"""Readings as CSV or JSON lines, a file a battery, in a folder; full files get another name and new ones are begun.

logs/garage.csv                      what is written now
logs/garage.20261122T050030Z.csv     what was full, or had other columns, at that time
"""

from __future__ import annotations

import errno
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from ..csv_lines import append, columns_in, csv_text, fixed, is_torn
from ..errors import SinkError
from ..model import Event, Snapshot
from ..model.flat import Cell, as_text, flatten
from ..timing import Timing
from ..worker import Worker
from .base import Sources

MEGABYTE = 1_000_000
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)
"""Names that Windows keeps for itself."""
_STRANGE = re.compile(r"[^\w.-]+")

_Key = tuple[str, datetime, type[Event]]


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[files]`.

    folder: where they are; it is made if it is not there. megabytes: a file that would grow beyond is ended. daily: so
    is that of yesterday (local time). keep: ended files of each battery that are kept; without it all are.
    Lines of JSON tell as well when a battery is offline; CSV has readings only.
    """

    folder: str
    format: Literal["csv", "jsonl"] = "csv"
    megabytes: Annotated[float, Meta(gt=0)] = 100.0
    daily: bool = False
    keep: Annotated[int, Meta(ge=1)] | None = None


def make(config: Config, sources: Sources, timing: Timing) -> Files:
    """The sink of the section `[files]`."""
    return Files(config)


class Files:
    """A sink: when `take` returns, all lines are with the system, each once."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._folder = Path(config.folder).expanduser()
        self._worker = Worker("antbms-files")
        self._logs: dict[str, Log] = {}
        self._written: set[_Key] = set()
        """Events of the last batch that are in the files: they come again if it failed, or was given up."""

    pace = 0.0

    async def take(self, events: Sequence[Event]) -> None:
        """Append events. Raises `SinkError`; what is written by then is not written again."""
        await self._worker.run(lambda: self._take(events))

    async def close(self) -> None:
        """Nothing is held open."""
        self._worker.stop()

    def _take(self, events: Sequence[Event]) -> None:
        by_battery: dict[str, list[Event]] = {}
        for event in events:
            if _key(event) not in self._written:
                by_battery.setdefault(event.battery, []).append(event)
        for battery, group in by_battery.items():
            log = self._log(battery)
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                for done in log.append(group):
                    self._written.update(map(_key, done))
            except OSError as error:
                raise _in_words(log.path, error) from error
        self._written = set(map(_key, events))

    def _log(self, battery: str) -> Log:
        log = self._logs.get(battery)
        if log is None:
            taken = [known.path.name.casefold() for known in self._logs.values()]
            path = self._folder / f"{file_name(battery)}.{self._config.format}"
            if path.name.casefold() in taken:
                path = self._folder / f"{file_name(battery, is_taken=True)}.{self._config.format}"
            log = self._logs[battery] = Log(path, self._config)
        return log


class Log:
    """The file of one battery. It is open only while it is written to, so others may move or remove it."""

    def __init__(self, path: Path, config: Config) -> None:
        self.path = path
        self._is_csv = config.format == "csv"
        self._limit = config.megabytes * MEGABYTE
        self._is_daily = config.daily
        self._keep = config.keep
        self._size = -1
        self._is_torn = False
        self._day: date | None = None
        self._columns: list[str] = []

    def append(self, events: Sequence[Event]) -> Iterator[list[Event]]:
        """Write events, and yield those that are written. Raises `OSError`."""
        self._look()
        done: list[Event] = []
        text = bytearray()
        for event in events:
            columns = self._needed(event)
            line = self._line(event, columns)
            if self._is_over(event, self._size + len(text), len(line), columns):
                self._write(text)
                yield done
                done, text = [], bytearray()
                self._end(event.time)
            if line and not self._size and not text and self._is_csv:
                text += _csv(columns)
            if line:
                self._columns = columns
                self._day = _day(event.time)
            text += line
            done.append(event)
        self._write(text)
        yield done

    def _look(self) -> None:
        """Learn what is in the file, unless it is as we left it. A line that was torn is ended when more is written."""
        try:
            state = self.path.stat()
        except FileNotFoundError:
            self._size, self._columns, self._day, self._is_torn = 0, [], None, False
            return
        if state.st_size == self._size:
            return
        self._day = _day(datetime.fromtimestamp(state.st_mtime, UTC))
        with self.path.open("rb") as file:
            self._columns = columns_in(file) if self._is_csv else []
            self._is_torn = is_torn(file)
            self._size = file.tell()

    def _needed(self, event: Event) -> list[str]:
        """The columns for an event: those of the file if they have room for it, else what the next file shall have.

        A detail that is not always reported stays a column, so that it does not begin a file each time.
        """
        if not self._is_csv or not isinstance(event, Snapshot):
            return self._columns
        row = flatten(event)
        if list(fixed(row)) == list(fixed(self._columns)):
            known = set(self._columns)
            if known.issuperset(row):
                return self._columns
            return [*row, *(name for name in self._columns if name not in row)]
        return list(row)

    def _is_over(self, event: Event, size: int, more: int, columns: list[str]) -> bool:
        """Whether a line must not go into this file, which has `size` bytes by then."""
        if not size:
            return False
        too_long = size + more > self._limit
        is_old = self._is_daily and self._day is not None and _day(event.time) > self._day
        return too_long or is_old or columns != self._columns

    def _line(self, event: Event, columns: Iterable[str]) -> bytes:
        if not self._is_csv:
            return f"{event.to_json()}\n".encode()
        if not isinstance(event, Snapshot):
            return b""
        row: dict[str, Cell] = flatten(event)
        return _csv(as_text(row.get(name)) for name in columns)

    def _write(self, text: bytearray) -> None:
        """All of it or nothing."""
        if text:
            self._size = append(self.path, b"\n" + text if self._is_torn else bytes(text))
            self._is_torn = False

    def _end(self, now: datetime) -> None:
        """Give the file another name, and remove the oldest of those that are too many."""
        stem, ending = self.path.stem, self.path.suffix
        if self._size > 0:
            other = self.path.with_name(f"{stem}.{now:%Y%m%dT%H%M%SZ}{ending}")
            number = 1
            while other.exists():
                number += 1
                other = self.path.with_name(f"{stem}.{now:%Y%m%dT%H%M%SZ}-{number}{ending}")
            self.path.replace(other)
        self._size, self._columns, self._day, self._is_torn = 0, [], None, False
        if self._keep is not None:
            pattern = re.compile(rf"{re.escape(stem)}\.(\d{{8}}T\d{{6}}Z)(?:-(\d+))?{re.escape(ending)}")
            ended = [(found[1], int(found[2] or 1), path) for path in self.path.parent.iterdir()
                     if (found := pattern.fullmatch(path.name))]  # fmt: skip
            for *_, path in sorted(ended)[: -self._keep]:
                path.unlink()


def file_name(battery: str, *, is_taken: bool = False) -> str:
    """A name that every system accepts; other batteries that would have the same one get a number of their own."""
    name = _STRANGE.sub("_", battery).strip("._")[:80] or "battery"
    if name == battery and not _RESERVED.fullmatch(name.partition(".")[0]) and not is_taken:
        return name
    return f"{name}-{zlib.crc32(battery.encode('utf-8', 'surrogatepass')):08x}"


def _key(event: Event) -> _Key:
    return event.battery, event.time, type(event)


def _csv(values: Iterable[str]) -> bytes:
    return csv_text([values]).encode("utf-8", "replace")


def _day(moment: datetime) -> date:
    return moment.astimezone().date()


def _in_words(path: Path, error: OSError) -> SinkError:
    wait = "Readings wait in memory until then; the oldest go when that is full."
    if error.errno == errno.ENOSPC:
        return SinkError(f"{path}: the disk is full", f"Next: make room on it. {wait}")
    reason = (error.strerror or str(error)).lower()
    return SinkError(
        f"{error.filename or path}: {reason}", f"Next: look at the folder, and who may write there. {wait}"
    )
