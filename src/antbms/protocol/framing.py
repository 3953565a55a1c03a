"""From a stream of bytes to whole, verified frames: any chunking, junk in between, lost pieces.

The stream is divided without a rest: what is no frame comes out as `Rejected`, with the reason. A frame is complete
when its own length says so, never by its last byte; one whose checksum or trailer is wrong is given up byte by byte,
so that a good frame inside or behind it is found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from msgspec import Struct

from ..errors import FrameError

Reason = Literal["junk", "checksum", "trailer", "truncated"]

LONGEST = 1024
"""Bytes that are looked at for one frame: an ant frame with two full segments has 795."""

GAP = 4096
"""Rejected bytes that are kept together at most: bounds the memory that garbage can take."""


class Flaw(Struct, frozen=True):
    """Why bytes are no frame; `detail` has the numbers."""

    reason: Reason
    detail: str


class Frame(Struct, frozen=True, gc=False):
    """One whole, verified frame and the protocol that it belongs to. Only this module makes them."""

    protocol: str
    raw: bytes


class Rejected(Struct, frozen=True):
    """Bytes between frames, and what was wrong with the first candidate in them."""

    raw: bytes
    reason: Reason
    detail: str

    def __str__(self) -> str:
        return f"{len(self.raw)} bytes, {self.detail}"


class Shape(Struct, frozen=True):
    """How frames of one kind begin, and how to look at one.

    inspect: given bytes that begin with `head`, returns the length of the frame if they hold a whole and valid one;
    a number larger than their length if more are needed to tell; a `Flaw` if they cannot become one.
    """

    protocol: str
    head: bytes
    inspect: Callable[[bytes], int | Flaw]


def sum_flaw(got: int, expected: int, digits: int = 4) -> Flaw:
    """The flaw of a wrong checksum."""
    return Flaw("checksum", f"checksum {got:0{digits}x}, expected {expected:0{digits}x}")


def whole_frame(raw: bytes, shapes: Iterable[Shape]) -> Frame:
    """The frame that `raw` is. Raises `FrameError` with the reason unless it is exactly one valid frame."""
    problem = "no frame begins in them"
    for shape in shapes:
        if raw.startswith(shape.head):
            verdict = shape.inspect(raw)
            if verdict == len(raw):
                return Frame(shape.protocol, raw)
            problem = verdict.detail if isinstance(verdict, Flaw) else f"a frame of {verdict} bytes begins in them"
    raise FrameError(f"{len(raw)} bytes, {problem}")


class Framer:
    """Feed it chunks, take frames."""

    def __init__(self, shapes: Iterable[Shape]) -> None:
        self._shapes = {shape.head: shape for shape in shapes}
        self._find = re.compile(b"|".join(map(re.escape, self._shapes)), re.DOTALL).search
        self._partial = max(map(len, self._shapes)) - 1
        self._buffer = bytearray()
        self._at = 0  # nothing before it can begin a frame
        self._shape: Shape | None = None  # of the candidate that begins there
        self._need = 1  # length of the buffer from which looking again is worth it
        self._flaw: Flaw | None = None

    def feed(self, data: bytes) -> Sequence[Frame | Rejected]:
        """All that `data` completes, in the order of the stream."""
        buffer = self._buffer
        buffer += data
        return self._scan(final=False) if len(buffer) >= self._need else ()

    def flush(self) -> Sequence[Frame | Rejected]:
        """No more bytes will come for now: give up waiting for the rest of a frame."""
        return self._scan(final=True)

    def _scan(self, *, final: bool) -> list[Frame | Rejected]:
        buffer = self._buffer
        items: list[Frame | Rejected] = []
        while buffer and (shape := self._shape or self._candidate()):
            at = self._at
            there = bytes(buffer[at : at + LONGEST])
            verdict = shape.inspect(there)
            if isinstance(verdict, int):
                if verdict <= len(there):
                    if at:
                        self._reject(at, items)
                    items.append(Frame(shape.protocol, there[:verdict]))
                    del buffer[:verdict]
                    self._at, self._shape, self._flaw = 0, None, None
                    continue
                if not final:
                    if at > GAP:
                        self._reject(at, items)
                    self._need = self._at + verdict
                    return items
                verdict = Flaw("truncated", f"{len(there)} of at least {verdict} bytes")
            self._flaw = self._flaw or verdict
            self._at, self._shape = at + 1, None
        self._at = len(buffer) if final else max(self._at, len(buffer) - self._partial)
        if (final and buffer) or self._at > GAP:
            self._reject(self._at, items)
        self._need = len(buffer) + 1
        return items

    def _candidate(self) -> Shape | None:
        """The shape of the next candidate; it and its place are kept until it is accepted or given up."""
        if match := self._find(self._buffer, self._at):
            self._at, self._shape = match.start(), self._shapes[match.group()]
        return self._shape

    def _reject(self, end: int, items: list[Frame | Rejected]) -> None:
        """Move the first `end` bytes from the buffer to the items."""
        flaw = self._flaw or Flaw("junk", "no frame begins in them")
        items.append(Rejected(bytes(self._buffer[:end]), flaw.reason, flaw.detail))
        del self._buffer[:end]
        self._at, self._flaw = 0, None
