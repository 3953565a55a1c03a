"""A pipe that writes down everything that crosses another one."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from .._version import __version__
from ..capture import Chunk, comment_line, write_chunk
from ..capture.text import Direction
from ..errors import FileError
from ..model.records import timestamp
from ..protocol import MODULES, dialect
from ..protocol.framing import Flaw
from ..timing import Timing
from .base import Medium, Pipe

SECRETS = {
    head: next(shape for shape in dialect(name).SHAPES if head.startswith(shape.head))
    for name in MODULES
    for head in dialect(name).SECRETS
}
"""How frames begin that are left out of a recording even if nobody said that they are secret → their shape."""
_FIND = re.compile(b"|".join(map(re.escape, SECRETS)), re.DOTALL)
_PARTIAL = max(map(len, SECRETS)) - 1


class Screen:
    """Looks for secret frames in what goes one way, however it is cut into chunks.

    strict: what only begins like one counts as well. Not for what is received: any bytes may stand there.
    """

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._rest = b""  # the beginning of a secret frame, or of its head

    def touches(self, data: bytes) -> bool:
        """Whether a secret frame begins, goes on or ends in `data`, the next chunk."""
        stream = self._rest + data
        keep, found = max(0, len(stream) - _PARTIAL), False
        for match in _FIND.finditer(stream):
            verdict = SECRETS[match.group()].inspect(stream[match.start() :])
            if isinstance(verdict, Flaw):
                found |= self._strict or verdict.reason != "junk"  # one broken bit does not make it public
            else:
                found = True
                if match.start() + verdict > len(stream):
                    keep = min(keep, match.start())
        self._rest = stream[keep:]
        return found


class Tape:
    """Writes down what crosses a link. A secret exchange, its answer included, is replaced by a comment: what is
    received counts as secret until something else is sent, and later if it shows by itself."""

    def __init__(self, file: TextIO, timing: Timing, title: str) -> None:
        self._file = file
        self._title = title
        self._monotonic = timing.monotonic
        self._start = timing.monotonic()
        self._secret = False
        self._left_out = False
        self._sent, self._received = Screen(strict=True), Screen(strict=False)
        self._write(comment_line(f"antbms {__version__}, {title}, {timestamp(timing.now())}"))
        self._write(comment_line("t = seconds since the recording began; one line a chunk, as it crossed the link"))

    def received(self, data: bytes) -> None:
        """Note what came from the battery. Raises `FileError`, as all that writes does."""
        shows = self._received.touches(data)
        self._note("<", data, secret=self._secret or shows)

    def sent(self, data: bytes, *, secret: bool = False) -> bool:
        """Note what goes to the battery; returns whether it is secret, which may show by itself."""
        shows = self._sent.touches(data)
        self._secret = secret or shows
        self._note(">", data, secret=self._secret)
        return self._secret

    def remark(self, text: str) -> None:
        """Note something that is no traffic."""
        self._write(comment_line(f"t={self._now():.3f} {text}"))

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):  # what could not be written was told when it happened
            self._file.close()

    def _now(self) -> float:
        return self._monotonic() - self._start

    def _note(self, direction: Direction, data: bytes, *, secret: bool) -> None:
        if not secret:
            self._write(write_chunk(Chunk(direction, data, self._now())))
        elif not self._left_out:
            self.remark("a secret exchange was left out here")
        self._left_out = secret

    def _write(self, text: str) -> None:
        """Raises `FileError`, for example if the disk is full."""
        try:
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise FileError(f"{self._title}: the recording cannot go on: {reason}") from error


class Recorder:
    """Wraps a pipe; what crosses it goes on tape."""

    def __init__(self, pipe: Pipe, file: TextIO, timing: Timing, title: str) -> None:
        self._pipe = pipe
        self._tape = Tape(file, timing, title)

    @property
    def medium(self) -> Medium:
        return self._pipe.medium

    @property
    def expects(self) -> str | None:
        return self._pipe.expects

    @property
    def address(self) -> str | None:
        return self._pipe.address

    async def read(self) -> bytes:
        data = await self._pipe.read()
        self._tape.received(data)
        return data

    async def write(self, data: bytes, *, secret: bool = False) -> None:
        secret = self._tape.sent(data, secret=secret)
        await self._pipe.write(data, secret=secret)

    async def set_baud(self, baud: int) -> None:
        self._tape.remark(f"{baud} baud")
        await self._pipe.set_baud(baud)

    async def close(self) -> None:
        self._tape.close()
        await self._pipe.close()


def record_to(path: Path, pipe: Pipe, timing: Timing, title: str) -> Recorder:
    """Record a pipe into a new file; `title` is its address, as it may be shown. Raises `FileError`."""
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
