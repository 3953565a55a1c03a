"""The file of totals: what has been counted is not lost, nor counted twice, whenever the power goes.

Only what the file holds is published. So a counter that somebody has seen never goes back.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from msgspec import Struct

from .derive import Totals
from .errors import FileError, UsageError
from .locks import hold
from .timing import Timing
from .worker import Worker

VERSION: Final = 1
NOTHING: Final = Totals()

log = logging.getLogger("antbms.monitor")


class Pages(Struct, frozen=True):
    """What the file holds, as JSON. batteries: totals by name."""

    version: int
    batteries: dict[str, Totals]


class Ledger:
    """Totals by battery; a context that holds the file. path: None keeps them in memory only.

    One program at a time may use a file: entering raises `UsageError` if another one does, or if a newer version wrote
    it. A file that cannot be used now, as on a card that is read-only, is said, and tried again with every commit.
    Until then it is not known what was counted before, so no totals are. A file that makes no sense is kept aside, and
    said.
    """

    def __init__(self, path: Path | None, timing: Timing) -> None:
        self._path = path
        self._timing = timing
        self._lock: BinaryIO | None = None  # with it, the file is ours
        self._base: dict[str, Totals] = {}  # what the file held before
        self._counted: dict[str, Totals] = {}  # since then
        self._committed: dict[str, Totals] = {}
        self._dirty = False
        self._told = ""  # why it cannot be written, the last time that it was said
        self._writing = asyncio.Lock()
        self._worker = Worker("antbms-totals")

    def __enter__(self) -> Ledger:
        if self._path is not None:
            try:
                self._begin(*_opened(self._path, self._timing.now()))
            except OSError as error:
                self._fail(error)
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.stop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def committed(self, name: str) -> Totals | None:
        """What the file holds: this may be published. None while that is not known."""
        if self._path is not None and self._lock is None:
            return None
        return self._committed.get(name, NOTHING)

    def put(self, name: str, counted: Totals) -> None:
        """Note what has been counted since the beginning of this ledger; it is written with the next commit."""
        self._counted[name] = counted
        if self._path is None:
            self._committed[name] = counted
        else:
            self._dirty = True

    async def run(self) -> None:
        """Write every `Timing.commit` s what has changed. A disk that is full or away is said once, and tried again."""
        while True:
            await asyncio.sleep(self._timing.commit)
            await self.commit()

    async def commit(self) -> None:
        """Write now, if anything has changed; not to be cancelled, as a thread would go on to write.

        Never raises for a file that cannot be written.
        """
        async with self._writing:
            if self._path is None:
                return
            try:
                await self._commit(self._path)
            except (OSError, UsageError) as error:
                self._fail(error)

    async def _commit(self, path: Path) -> None:
        if self._lock is None:
            self._begin(*await self._worker.run(partial(_opened, path, self._timing.now())))
        if not self._dirty:
            return
        ours = {name: self._base.get(name, NOTHING) + counted for name, counted in self._counted.items()}
        latest, self._dirty = self._base | ours, False
        try:
            await self._worker.run(partial(_write, path, latest))
        except OSError:
            self._dirty = True
            raise
        self._committed = latest
        if self._told:
            log.info("totals: %s: written again", path)
            self._told = ""

    def _begin(self, lock: BinaryIO, batteries: dict[str, Totals]) -> None:
        self._lock, self._base, self._committed = lock, batteries, batteries

    def _fail(self, error: OSError | UsageError) -> None:
        told = _in_words(error, self._path) if isinstance(error, OSError) else error
        if told.reason != self._told:
            state = "are not published" if self._lock is None else "stand still"
            lines = "\n  ".join((f"{told}; counters of energy {state} until it can be written", *told.hints))
            log.warning("totals: %s", lines)
        self._told = told.reason


def check(path: Path) -> None:
    """Whether a monitor can count into this file, without touching it; another one may do so now.

    Raises `UsageError` for what a monitor does not begin with, and `FileError` for what it goes on without counters.
    """
    try:
        with suppress(FileNotFoundError):
            _check_version(path, path.read_bytes())
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, "cannot be written")
    except OSError as error:
        raise _in_words(error, path) from error


def _opened(path: Path, now: datetime) -> tuple[BinaryIO, dict[str, Totals]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _locked(path)
    try:
        return lock, _read(path, now)
    except BaseException:
        lock.close()
        raise


def _read(path: Path, now: datetime) -> dict[str, Totals]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return {}
    _check_version(path, raw)
    try:
        pages = msgspec.json.decode(raw, type=Pages)
        if all(_is_sane(totals) for totals in pages.batteries.values()):
            return pages.batteries
        problem = "numbers that cannot be totals"
    except (msgspec.MsgspecError, ValueError) as error:
        problem = str(error)
    aside = path.with_name(f"{path.name}.corrupt-{now:%Y%m%dT%H%M%S}")
    path.replace(aside)
    log.error("totals: %s: makes no sense (%s): kept as %s; counting begins at 0", path, problem, aside.name)
    return {}


def _check_version(path: Path, raw: bytes) -> None:
    with suppress(msgspec.MsgspecError, ValueError):  # what makes no sense is of no version
        version = msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).get("version", msgspec.Raw(b"0"))
        if int(bytes(version)) > VERSION:
            raise UsageError(f"{path}: was written by a newer version of antbms", "Next: update, or name another file.")


def _is_sane(totals: Totals) -> bool:
    return all(math.isfinite(value) and value >= 0 for value in msgspec.structs.astuple(totals))


def _write(path: Path, batteries: Mapping[str, Totals]) -> None:
    """Whole, or not at all: a new file is on the disk before it takes the place of the old one."""
    new = path.with_name(f"{path.name}.new")
    with new.open("wb") as file:
        file.write(msgspec.json.encode(Pages(VERSION, dict(batteries))))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    if sys.platform != "win32":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _locked(path: Path) -> BinaryIO:
    """A file beside it that the system holds for this process, and lets go however the process ends."""
    file = hold(path.with_name(f"{path.name}.lock"))
    if file is None:
        raise UsageError(
            f"{path}: another monitor counts into this file",
            'Next: end it, or give this one another file: state = "…" in [monitor]; without a configuration, another'
            " --store FILE.",
        )
    return file


def _in_words(error: OSError, path: Path | None) -> FileError:
    return FileError(
        f"{path}: {(error.strerror or str(error)).lower()}",
        'Next: name a file that can be written: state = "…" in [monitor]; without a configuration, another --store'
        " FILE.",
    )
