"""What recorded traffic is, told by its beginning: a recording, a Bluetooth log, lines of hex, or raw bytes.

A file is read once, from its beginning to its end, in blocks or lines: it may be larger than memory, or a pipe.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FileError
from .text import Chunk, Direction, read_chunks

if TYPE_CHECKING:
    from .btsnoop import Damage

Report = Callable[["Damage"], object]
"""Told of every part of a Bluetooth log that could not be read."""

BLOCK = 65536
"""Bytes of raw traffic that are read at once."""
LOOK = 4096
"""Bytes of a first line that are enough to tell what follows."""
BTSNOOP = b"btsnoop\0"

_BETWEEN = re.compile(r"0x|\\x|[\s,;:.\-]", re.IGNORECASE)
_HEX = re.compile(r"(?:[0-9A-F]{2})+", re.IGNORECASE)
_TEXT = re.compile(rb"[\x20-\x7e\s\x80-\xff]*")


def read_capture(path: Path, report: Report | None = None) -> Iterator[Chunk]:
    """The chunks of a file, whatever of the four it is.

    Raises `FileError` if the file is missing, unreadable, or a recording with a line that is none.
    """
    try:
        with path.open("rb") as file:
            yield from read_stream(file, str(path), report)
    except OSError as error:
        raise FileError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def read_stream(file: BufferedReader, name: str, report: Report | None = None) -> Iterator[Chunk]:
    """The chunks of an open file, which messages call `name`; as they come, if it is a pipe."""
    if file.peek(len(BTSNOOP)).startswith(BTSNOOP):
        from .btsnoop import read_btsnoop

        yield from read_btsnoop(file, name, report)
        return
    head, first = _comments(file)
    if first.lstrip()[:1] in (b"<", b">") and _TEXT.fullmatch(first):
        yield from read_chunks(_lines([*head, first], file), name)
    elif parse_hex(first.decode("ascii", "replace")):
        yield from _hex_lines(_lines([*head, first], file), name)
    elif first:
        data = b"".join((*head, first))
        while data:
            yield Chunk("?", data)
            data = file.read(BLOCK)


def parse_hex(text: str) -> bytes:
    """The bytes that a text spells, with or without blanks, `0x`, commas, a direction; none if it is no hex."""
    digits = _BETWEEN.sub("", text.strip().lstrip("<>"))
    return bytes.fromhex(digits) if _HEX.fullmatch(digits) else b""


def direction_of(text: str) -> Direction:
    """What the first letter of a line of hex says."""
    first = text.lstrip()[:1]
    return ">" if first == ">" else "<" if first == "<" else "?"


def _comments(file: BufferedReader) -> tuple[list[bytes], bytes]:
    """The comments and empty lines at the beginning, and the first line after them, or its beginning."""
    head: list[bytes] = []
    while (first := file.readline(LOOK)) and first.lstrip()[:1] in (b"", b"#") and _TEXT.fullmatch(first):
        head.append(first if first.endswith(b"\n") else first + file.readline())
    return head, first


def _lines(head: list[bytes], file: BufferedReader) -> Iterator[str]:
    if not head[-1].endswith(b"\n"):
        head[-1] += file.readline()
    return (line.decode("utf-8", "replace") for line in chain(head, file))


def _hex_lines(lines: Iterable[str], name: str) -> Iterator[Chunk]:
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        data = parse_hex(line)
        if not data:
            raise FileError(f"{name}: line {number} is not hex: {line.strip()[:40]!r}")
        yield Chunk(direction_of(line), data, line=number)
