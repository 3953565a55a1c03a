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
from collections.abc import Callable, Iterable, Iterator
from string import hexdigits
from typing import Literal

from msgspec import Struct

from ..errors import FileError

Direction = Literal[">", "<", "?"]
"""`>` to the battery, `<` from it, `?` not recorded."""

_DIRECTIONS: dict[str, Direction] = {">": ">", "<": "<"}
_TIME = re.compile(r"#.*\bt=(\d+(?:\.\d+)?)")


class Chunk(Struct, frozen=True, gc=False):
    """Bytes that crossed the link together. `at` in s since the start, None where not recorded.

    line: in the file, from 1; 0 where there are no lines. source: in Bluetooth logs "device, channel", else empty.
    """

    direction: Direction
    data: bytes
    at: float | None = None
    line: int = 0
    source: str = ""


def device_of(source: str) -> str:
    """The device of a source: its address, or the number of its connection; empty outside Bluetooth logs."""
    return source.partition(",")[0]


class BadLine(Struct, frozen=True):
    """A line of text, from 1, that is no part of a recording; `reason` says what is wrong with it, as its predicate."""

    number: int
    reason: str


OnBadLine = Callable[[BadLine], object]


def refuse(name: str) -> OnBadLine:
    """What to do with a bad line where nothing may be missing: raise `FileError`."""

    def stop(bad: BadLine) -> None:
        raise FileError(
            f"{name}: line {bad.number} {bad.reason}",
            "Next: antbms decode --help explains the format.",
        )

    return stop


def odd_digits(text: str) -> int:
    """How many hex digits a text has if it has nothing else and their number is odd; else 0."""
    digits = "".join(text.split())
    return len(digits) if len(digits) % 2 and not set(digits) - set(hexdigits) else 0


def read_chunks(lines: Iterable[str], on_bad: OnBadLine) -> Iterator[Chunk]:
    """The chunks of a text recording; a line that is none is told, and passed over."""
    at: float | None = None
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if direction := _DIRECTIONS.get(text[:1]):
            try:
                data = bytes.fromhex(text[1:])
            except ValueError:
                data = b""
            if data:
                yield Chunk(direction, data, at, number)
                continue
        elif text.startswith("#"):
            if match := _TIME.match(text):
                at = float(match[1])
            continue
        if text and odd_digits(text[1:]) and text[:1] in _DIRECTIONS:
            on_bad(BadLine(number, "has an odd number of hex digits"))
        elif text:
            on_bad(BadLine(number, "is neither '> ' nor '< ' with hex bytes, nor a comment"))


def write_chunk(chunk: Chunk) -> str:
    """The lines of a chunk, with its time."""
    head = "" if chunk.at is None else f"# t={chunk.at:.3f}\n"
    return f"{head}{chunk.direction} {chunk.data.hex(' ').upper()}\n"


def comment_line(text: str) -> str:
    """A comment; line ends in the text become blanks."""
    return f"# {' '.join(text.split())}\n"
