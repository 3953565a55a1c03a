"""What recorded traffic is, told by its beginning: a recording, a Bluetooth log, lines of hex, or raw bytes.

A file is read once, from its beginning to its end, in blocks or lines: it may be larger than memory, or a pipe.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from io import BufferedReader, RawIOBase
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FileError
from .text import BadLine, Chunk, Direction, OnBadLine, odd_digits, read_chunks, refuse

if TYPE_CHECKING:
    from .btsnoop import Damage

Report = Callable[["Damage | BadLine"], object]
"""Told of every part of a Bluetooth log, and every line of text, that could not be read."""

BLOCK = 65536
"""Bytes of raw traffic that are read at once."""
LOOK = 4096
"""Bytes of a first line that are enough to tell what follows."""
BTSNOOP = b"btsnoop\0"
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""How text begins that Windows' PowerShell writes with `>`."""

_BETWEEN = re.compile(r"0x|\\x|[\s,;:.\-]", re.IGNORECASE)
_HEX = re.compile(r"(?:[0-9A-F]{2})+", re.IGNORECASE)
_CHUNK = re.compile(rb"^[<>] (?:[0-9A-F]{2} )*[0-9A-F]{2}\s*$", re.MULTILINE)
"""A line of a recording, as we write it: also behind a first line that is spoilt."""
_TEXT = re.compile(rb"[\x20-\x7e\s\x80-\xff]*")


def read_capture(path: Path, report: Report | None = None) -> Iterator[Chunk]:
    """The chunks of a file, whatever of the four it is.

    Raises `FileError` if the file is missing or unreadable, and, unless `report` is there to be told, at a line of a
    recording that is none.
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
    file = _plain_text(file)
    on_bad = report or refuse(name)
    head, first = _comments(file)
    if _TEXT.fullmatch(first) and (first.lstrip()[:1] in (b"<", b">") or _CHUNK.search(file.peek(LOOK))):
        yield from read_chunks(_lines([*head, first], file), on_bad)
    elif parse_hex(first.decode("ascii", "replace")):
        yield from _hex_lines(_lines([*head, first], file), on_bad)
    elif first:
        data = b"".join((*head, first))
        while data:
            yield Chunk("?", data)
            data = file.read(BLOCK)


def parse_hex(text: str) -> bytes:
    """The bytes that a text spells, with or without blanks, `0x`, commas, a direction; none if it is no hex."""
    digits = _BETWEEN.sub("", text.strip().lstrip("<>"))
    return bytes.fromhex(digits) if _HEX.fullmatch(digits) else b""


def hex_problem(text: str) -> str:
    """What is wrong with a text that is no hex, as its predicate."""
    count = odd_digits(_BETWEEN.sub("", text.strip().lstrip("<>")))
    return f"has an odd number of hex digits ({count})" if count else "is not hex"


def direction_of(text: str) -> Direction:
    """What the first letter of a line of hex says."""
    first = text.lstrip()[:1]
    return ">" if first == ">" else "<" if first == "<" else "?"


class _Recoded(RawIOBase):
    """Text of another encoding as UTF-8."""

    def __init__(self, file: BufferedReader, encoding: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        room = memoryview(buffer).cast("B")
        while not self._ready:
            data = self._file.read1(BLOCK)
            self._ready = self._decoder.decode(data, final=not data).encode("utf-8", "replace")
            if not data:
                break
        part, self._ready = self._ready[: len(room)], self._ready[len(room) :]
        room[: len(part)] = part
        return len(part)


def _plain_text(file: BufferedReader) -> BufferedReader:
    """The file without the mark of a Unicode encoding at its beginning, and as UTF-8."""
    start = file.peek(4)
    if start.startswith(codecs.BOM_UTF8):
        file.read(len(codecs.BOM_UTF8))
    elif start.startswith(UTF16) and b"\0" in start[2:4]:  # traffic may begin with such bytes as well
        return BufferedReader(_Recoded(file, "utf-16"))
    return file


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


def _hex_lines(lines: Iterable[str], on_bad: OnBadLine) -> Iterator[Chunk]:
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if data := parse_hex(line):
            yield Chunk(direction_of(line), data, line=number)
        else:
            on_bad(BadLine(number, hex_problem(line)))
