"""The text format of recordings: one line a chunk, `> ` to the battery, `< ` from it, hex bytes, `#` comments.

    # protocol: ant
    # t=2.431
    > 7E A1 01 00 00 BE 18 55 AA 55
    # t=2.573
    < 7E A1 11 00 00 8E 05 01

A comment `t=` gives the time in seconds since the start for the lines after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from msgspec import Struct

from ..errors import FileError

BLOCK = 65536
"""Bytes of a raw file that are read at once."""

_TIME = re.compile(r"#.*\bt=(\d+(?:\.\d+)?)")


class Chunk(Struct, frozen=True):
    """Bytes that crossed the link together. `at` in s since the start, None where not recorded.

    direction: `>` to the battery, `<` from it, `?` in raw files. line: in the file, from 1; 0 in raw files.
    """

    direction: Literal[">", "<", "?"]
    data: bytes
    at: float | None = None
    line: int = 0
    source: str = ""  # in Bluetooth logs: "device, channel"


def read_chunks(lines: Iterable[str], name: str) -> Iterator[Chunk]:
    """The chunks of a text recording. Raises `FileError`, naming the line, at one that is none."""
    at: float | None = None
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.startswith("#"):
            if match := _TIME.match(text):
                at = float(match[1])
        elif text:
            direction = text[0]
            try:
                data = bytes.fromhex(text[1:])
            except ValueError:
                data = b""
            if direction == ">" and data:
                yield Chunk(">", data, at, number)
            elif direction == "<" and data:
                yield Chunk("<", data, at, number)
            else:
                raise FileError(
                    f"{name}: line {number} is neither '> ' nor '< ' with hex bytes, nor a comment",
                    "Next: antbms decode --help explains the format.",
                )


def read_capture(path: Path) -> Iterator[Chunk]:
    """The chunks of a file: a text recording, or raw bytes as one stream of unknown direction.

    Raises `FileError` if the file is missing, unreadable or no recording.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(BLOCK)
            if _is_text(raw):
                with path.open(encoding="utf-8", errors="replace") as lines:
                    yield from read_chunks(lines, str(path))
                return
            while raw:
                yield Chunk("?", raw)
                raw = file.read(BLOCK)
    except OSError as error:
        raise FileError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def write_chunk(chunk: Chunk) -> str:
    """The lines of a chunk, with its time."""
    head = "" if chunk.at is None else f"# t={chunk.at:.3f}\n"
    return f"{head}{chunk.direction} {chunk.data.hex(' ').upper()}\n"


def comment_line(text: str) -> str:
    """A comment; line ends in the text become blanks."""
    return f"# {' '.join(text.split())}\n"


def _is_text(raw: bytes) -> bool:
    """Whether the file's beginning is that of a text recording: every line of it starts as one may."""
    lines = raw.decode("utf-8", "replace").splitlines()
    return all(not line.strip() or line.lstrip()[0] in "#<>" for line in lines[:3]) and bool(lines)
