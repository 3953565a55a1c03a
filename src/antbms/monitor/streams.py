"""Writing to a standard stream from a thread, so that a program that does not read holds nothing but its own lines.

Not through the stream's own buffer: a thread that hangs in it keeps its lock, and the interpreter could not end.
"""

from __future__ import annotations

import io
import os
from typing import Any, TextIO


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
