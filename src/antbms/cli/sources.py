"""What `antbms decode` is given: recordings, Bluetooth logs, raw bytes, lines of hex; from files, arguments, input."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import Literal

from msgspec import Struct

from ..capture import Chunk, read_chunks
from ..errors import FileError, UsageError

BLOCK = 65536
LOOK = 4096
"""Bytes of a first line that are enough to tell what follows."""

BTSNOOP = b"btsnoop\0"

_BETWEEN = re.compile(r"0x|\\x|[\s,;:.\-]", re.IGNORECASE)
_HEX = re.compile(r"(?:[0-9A-F]{2})+", re.IGNORECASE)
_TEXT = re.compile(rb"[\x20-\x7e\s\x80-\xff]*")


class Source(Struct, frozen=True):
    """A stream of chunks. battery: a name for its snapshots; None where there is no file."""

    name: str
    battery: str | None
    chunks: Iterator[Chunk]


def from_argument(text: str, stdin: Callable[[], BufferedReader], note: Callable[[str], None]) -> Source:
    """A file; else, if the text is hex, its bytes; `-` is standard input. `note` is told of damage in a log.

    A file is opened when its first chunk is taken: `FileError` is raised then.
    """
    if text == "-":
        return Source("standard input", None, _chunks(stdin(), "standard input", note))
    path = Path(text)
    if not path.exists() and _bytes(text):
        return from_hex(text)
    return Source(text, path.stem, _file_chunks(path, note))


def from_hex(text: str) -> Source:
    """The bytes that `text` spells, with or without blanks, `0x`, commas. Raises `UsageError`."""
    data = _bytes(text)
    if not data:
        raise UsageError(f"{text!r} is not hex", 'Write bytes as in --hex "7E A1 11 00 …"')
    return Source("--hex", None, iter([Chunk(_direction(text), data)]))


def _file_chunks(path: Path, note: Callable[[str], None]) -> Iterator[Chunk]:
    try:
        with path.open("rb") as file:
            yield from _chunks(file, str(path), note)
    except OSError as error:
        raise FileError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def _chunks(file: BufferedReader, name: str, note: Callable[[str], None]) -> Iterator[Chunk]:
    """The chunks of a recording, a Bluetooth log, of lines of hex, or of raw bytes: the beginning tells."""
    if file.peek(len(BTSNOOP)).startswith(BTSNOOP):
        from ..capture.btsnoop import read_btsnoop

        yield from read_btsnoop(file, name, lambda damage: note(f"{name}: {damage}"))
        return
    head, first = _comments(file)
    if first.lstrip()[:1] in (b"<", b">") and _TEXT.fullmatch(first):
        yield from read_chunks(_lines([*head, first], file), name)
    elif _bytes(first.decode("ascii", "replace")):
        yield from _hex_lines(_lines([*head, first], file), name)
    elif data := b"".join((*head, first)):
        while data:
            yield Chunk("?", data)
            data = file.read(BLOCK)


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
        data = _bytes(line)
        if not data:
            raise FileError(f"{name}: line {number} is not hex: {line.strip()[:40]!r}")
        yield Chunk(_direction(line), data, line=number)


def _bytes(text: str) -> bytes:
    """The bytes that a text spells; none if it is no hex."""
    digits = _BETWEEN.sub("", text.strip().lstrip("<>"))
    return bytes.fromhex(digits) if _HEX.fullmatch(digits) else b""


def _direction(text: str) -> Literal[">", "<", "?"]:
    first = text.lstrip()[:1]
    return ">" if first == ">" else "<" if first == "<" else "?"
