"""A pipe that writes down everything that crosses another one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TextIO

from .._version import __version__
from ..capture import Chunk, comment_line, write_chunk
from ..errors import FileError
from ..model.records import timestamp
from ..protocol import MODULES, dialect
from ..timing import Timing
from .base import Medium, Pipe

SECRETS = tuple(head for name in MODULES for head in dialect(name).SECRETS)
"""What begins like this is left out of a recording even if nobody said that it is secret."""


class Recorder:
    """Wraps a pipe. A secret exchange, its answer included, is replaced by a comment: what is read counts as secret
    until something else is written."""

    def __init__(self, pipe: Pipe, file: TextIO, timing: Timing, title: str) -> None:
        self._pipe = pipe
        self._file = file
        self._title = title
        self._monotonic = timing.monotonic
        self._start = timing.monotonic()
        self._secret = False
        self._write(comment_line(f"antbms {__version__}, {title}, {timestamp(timing.now())}"))
        self._write(comment_line("t = seconds since the recording began; one line a chunk, as it crossed the link"))

    @property
    def medium(self) -> Medium:
        return self._pipe.medium

    @property
    def address(self) -> str | None:
        return self._pipe.address

    async def read(self) -> bytes:
        data = await self._pipe.read()
        if not self._secret:
            self._note(Chunk("<", data, self._now()))
        return data

    async def write(self, data: bytes, *, secret: bool = False) -> None:
        secret = secret or any(head in data for head in SECRETS)
        if not secret:
            self._note(Chunk(">", data, self._now()))
        elif not self._secret:
            self._write(comment_line(f"t={self._now():.3f} a secret exchange was left out here"))
        self._secret = secret
        await self._pipe.write(data, secret=secret)

    async def set_baud(self, baud: int) -> None:
        self._write(comment_line(f"t={self._now():.3f} {baud} baud"))
        await self._pipe.set_baud(baud)

    async def close(self) -> None:
        with suppress(OSError):  # what could not be written was told when it happened
            self._file.close()
        await self._pipe.close()

    def _now(self) -> float:
        return self._monotonic() - self._start

    def _note(self, chunk: Chunk) -> None:
        self._write(write_chunk(chunk))

    def _write(self, text: str) -> None:
        """Raises `FileError`, for example if the disk is full."""
        try:
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise FileError(f"{self._title}: the recording cannot go on: {reason}") from error


def record_to(path: Path, pipe: Pipe, timing: Timing, title: str) -> Recorder:
    """Record a pipe into a new file. Raises `FileError`."""
    file = open_record(path)
    try:
        return Recorder(pipe, file, timing, title)
    except FileError:
        with suppress(OSError):
            file.close()
        raise


def open_record(path: Path) -> TextIO:
    """A new file to record into. Raises `FileError` if it cannot be made, or is there already."""
    try:
        return path.open("x", encoding="utf-8", newline="\n")
    except FileExistsError:
        raise FileError(f"{path}: is there already", "Next: choose another name, or remove it.") from None
    except OSError as error:
        raise FileError(f"{path}: {(error.strerror or str(error)).lower()}") from error
