"""The file of totals: what has been counted is not lost, nor counted twice, whenever the power goes.

Only what the file holds is published. So a counter that somebody has seen never goes back.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from msgspec import Struct

from .derive import Totals
from .errors import FileError, UsageError
from .locks import hold
from .timing import Timing

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
    it, and `FileError` if it cannot be read. A file that makes no sense is kept aside, and said.
    """

    def __init__(self, path: Path | None, timing: Timing) -> None:
        self._path = path
        self._timing = timing
        self._lock: BinaryIO | None = None
        self._committed: dict[str, Totals] = {}
        self._dirty = self._fails = False
        self._latest: dict[str, Totals] = {}
        self._writing = asyncio.Lock()

    def __enter__(self) -> Ledger:
        if self._path is not None:
            try:
                with _in_words(self._path):
                    self._path.parent.mkdir(parents=True, exist_ok=True)
                    self._lock = _locked(self._path)
                    self._committed = _read(self._path, self._timing.now())
            except BaseException:
                self.__exit__()
                raise
        self._latest = dict(self._committed)
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def committed(self, name: str) -> Totals:
        """What the file holds: this may be published."""
        return self._committed.get(name, NOTHING)

    def put(self, name: str, totals: Totals) -> None:
        """Note what has been counted; it is written with the next commit."""
        self._latest[name] = totals
        if self._path is None:
            self._committed[name] = totals
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
            await self._commit()

    async def _commit(self) -> None:
        if not self._dirty or self._path is None:
            return
        latest, self._dirty = dict(self._latest), False
        try:
            await asyncio.to_thread(_write, self._path, latest)
        except OSError as error:
            self._dirty = True
            if not self._fails:
                reason = (error.strerror or str(error)).lower()
                log.warning("totals: %s: not written: %s; counters of energy stand still", self._path, reason)
            self._fails = True
            return
        if self._fails:
            log.info("totals: %s: written again", self._path)
        self._committed, self._fails = latest, False


def _read(path: Path, now: datetime) -> dict[str, Totals]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return {}
    try:
        version = msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).get("version", msgspec.Raw(b"0"))
        if int(bytes(version)) > VERSION:
            raise UsageError(f"{path}: was written by a newer version of antbms", "Next: update, or name another file.")
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
            'Next: end it, or give this one a file of its own: state = "…" in [monitor].',
        )
    return file


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileError(
            f"{path}: {(error.strerror or str(error)).lower()}",
            'Next: name a file that can be written: state = "…" in [monitor].',
        ) from error
