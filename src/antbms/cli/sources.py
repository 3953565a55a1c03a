"""What `antbms decode` is given: files, standard input, hex as an argument; and what in them could not be read."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, cast

from msgspec import Struct

from ..capture import Chunk, read_stream
from ..capture.source import Report, direction_of, hex_problem, parse_hex
from ..capture.text import BadLine
from ..errors import FileError, UsageError, shown

if TYPE_CHECKING:
    from ..capture.btsnoop import Damage

WRITE_HEX = 'Write bytes as in --hex "7E A1 11 00 …"'
BYTE = re.compile(r"(?:0x)?[0-9A-F]{2},?", re.IGNORECASE)

Watch = Callable[[Iterator[Chunk], BufferedReader], Iterator[Chunk]]
"""Hands on the chunks of a file, and looks how far it has been read."""


LISTED = 8
"""Numbers of bad lines that are told."""


class Loss(Struct):
    """Parts of a Bluetooth log that were lost for the same reason: how many, how large, where the first was."""

    count: int
    bytes: int
    first: int


class Source(Struct, frozen=True):
    """A stream of chunks. battery: a name for its snapshots; None where there is no file.

    live: it may be waited for: what it brings is shown at once. lost: by reason, and bad: lines that are no part of a
    recording, by reason; complete when the chunks are used up.
    """

    name: str
    battery: str | None
    chunks: Iterator[Chunk]
    live: bool = False
    lost: dict[str, Loss] = {}
    bad: dict[str, list[int]] = {}

    def losses(self) -> Iterator[str]:
        """A line for each reason."""
        for reason, numbers in self.bad.items():
            more = f" and {len(numbers) - LISTED} more" if len(numbers) > LISTED else ""
            listed = ", ".join(map(str, numbers[:LISTED]))
            which = f"line {listed}" if len(numbers) == 1 else f"lines {listed}{more}: each"
            yield f"{self.name}: {which} {reason}"
        for reason, loss in self.lost.items():
            size = f"{loss.bytes} byte{'' if loss.bytes == 1 else 's'}"
            if loss.count == 1:
                yield f"{self.name}: byte {loss.first}: {size}, {reason}"
            else:
                yield f"{self.name}: {loss.count} × {reason}: {size}, the first at byte {loss.first}"


def from_argument(text: str, watch: Watch) -> Source:
    """A file; else, if the text is hex, its bytes; `-` is standard input.

    A file is opened when its first chunk is taken: `FileError` is raised then.
    """
    lost: dict[str, Loss] = {}
    bad: dict[str, list[int]] = {}
    report = _into(lost, bad)
    if text == "-":
        return Source("standard input", None, read_stream(_stdin(), "standard input", report), True, lost, bad)
    if not text:
        raise UsageError("decode: the name of a file is empty", WRITE_HEX)
    path = Path(text)
    if not path.exists():
        if parse_hex(text):
            return from_hex(text)
        if "odd" in (problem := hex_problem(text)):
            raise UsageError(f"{text!r} is no file, and as hex it {problem}", WRITE_HEX)
    return Source(shown(text), shown(path.stem), _file_chunks(path, watch, report), lost=lost, bad=bad)


def are_bytes(words: Sequence[str]) -> bool:
    """Whether these arguments are the bytes of one text of hex that somebody forgot to quote."""
    return len(words) > 1 and all(BYTE.fullmatch(word) and not Path(word).exists() for word in words)


def from_hex(text: str) -> Source:
    """The bytes that `text` spells. Raises `UsageError`."""
    data = parse_hex(text)
    if not data:
        raise UsageError(f"{text!r} {hex_problem(text)}", WRITE_HEX)
    return Source("--hex", None, iter([Chunk(direction_of(text), data)]))


def _stdin() -> BufferedReader:
    stdin = cast(BufferedReader, sys.stdin.buffer)
    return stdin if hasattr(stdin, "peek") else BufferedReader(stdin)


def _file_chunks(path: Path, watch: Watch, report: Report) -> Iterator[Chunk]:
    try:
        with path.open("rb") as file:
            yield from watch(read_stream(file, str(path), report), file)
    except OSError as error:
        raise FileError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def _into(lost: dict[str, Loss], bad: dict[str, list[int]]) -> Report:
    def add(damage: Damage | BadLine) -> None:
        if isinstance(damage, BadLine):
            bad.setdefault(damage.reason, []).append(damage.number)
            return
        loss = lost.setdefault(damage.reason, Loss(0, 0, damage.offset))
        loss.count += 1
        loss.bytes += damage.size

    return add
