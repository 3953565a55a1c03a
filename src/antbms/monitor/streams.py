"""Writing to a standard stream from a thread, so that a program that does not read holds nothing but its own lines.

Not through the stream's own buffer: a thread that hangs in it keeps its lock, and the interpreter could not end.
"""

from __future__ import annotations

import io
import os
from typing import Any, TextIO


class Direct(io.TextIOBase):
    """A standard stream for libraries that write to a file by themselves: `write` without its buffer."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        write(self._stream, text)
        return len(text)


def write(stream: TextIO, text: str) -> None:
    """Write all of `text`, whose lines end in `\\n`. Waits for whoever reads. Raises `OSError`."""
    if not isinstance(stream, io.TextIOWrapper):  # what takes its place, for a live picture
        stream.write(text)
        stream.flush()
        return
    raw: Any = getattr(stream.buffer, "raw", stream.buffer)
    rest = text.replace("\n", os.linesep).encode(stream.encoding, stream.errors or "strict")
    while rest:
        count = raw.write(rest)
        if count is None:
            raise BlockingIOError("whoever reads does not keep up")
        rest = rest[count:]
