"""From chunks to decoded frames, and a decoded frame as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any, cast

from msgspec import Struct
from msgspec.json import encode

from ..capture import Chunk
from ..protocol import Dialect, dialect, framer
from ..protocol.framing import Frame, Rejected
from ..protocol.packet import Direction, Explained, Packet, values

NO_TIME = cast(datetime, None)
"""A recording has seconds since its start only: the time of its snapshots is null."""


class Piece(Struct, frozen=True):
    """Bytes of a stream that belong together. `at`: when the last of them came, in s.

    source: the device and channel that carried them, empty where not known.
    """

    direction: Direction
    at: float | None
    source: str
    raw: bytes


class Decoded(Piece, frozen=True):
    """A frame, taken apart."""

    packet: Packet
    spoken: Dialect

    @property
    def message(self) -> str:
        """Its name, and whether it is shorter than it must be."""
        return self.packet.message if self.packet.whole else f"{self.packet.message} (too short)"

    @property
    def title(self) -> str:
        """Protocol and message."""
        return f"{self.packet.protocol} {self.message}"

    def fields(self) -> Iterator[Explained]:
        """Its explanation."""
        return self.spoken.explain(self.packet, self.raw)


class Refused(Piece, frozen=True):
    """What is no frame, and why."""

    reason: str
    detail: str


class Stream:
    """What crosses a channel in one direction."""

    def __init__(self, chunk: Chunk, protocols: Sequence[str]) -> None:
        self._direction = chunk.direction
        self._source = chunk.source
        self._at = chunk.at
        self._framer = framer(protocols)

    def feed(self, chunk: Chunk) -> Iterator[Decoded | Refused]:
        """What a chunk completes."""
        self._at = chunk.at
        return map(self._piece, self._framer.feed(chunk.data))

    def flush(self) -> Iterator[Decoded | Refused]:
        """What is left at the end."""
        return map(self._piece, self._framer.flush())

    def _piece(self, item: Frame | Rejected) -> Decoded | Refused:
        if isinstance(item, Rejected):
            return Refused(self._direction, self._at, self._source, item.raw, item.reason, item.detail)
        spoken, _ = _spoken(item.protocol)
        packet = spoken.unpack(item)
        direction = packet.direction if self._direction == "?" else self._direction
        return Decoded(direction, self._at, self._source, item.raw, packet, spoken)


def pieces(chunks: Iterable[Chunk], protocols: Sequence[str]) -> Iterator[Decoded | Refused]:
    """All pieces; each direction of each channel is put together for itself, for they may overlap."""
    streams: dict[tuple[Direction, str], Stream] = {}
    for chunk in chunks:
        key = chunk.direction, chunk.source
        stream = streams.get(key)
        if stream is None:
            stream = streams[key] = Stream(chunk, protocols)
        yield from stream.feed(chunk)
    for stream in streams.values():
        yield from stream.flush()


def json_line(piece: Decoded | Refused, battery: str | None) -> str:
    """A line: a snapshot if the frame is (a part of) a status, else its values under its own name, or why it is none.

    battery: the name for its snapshots.
    """
    record: dict[str, Any] = {"frame": piece.raw.hex(" ").upper(), "direction": piece.direction, "at": piece.at}
    if piece.source:
        record["source"] = piece.source
    if isinstance(piece, Refused):
        record |= {"rejected": piece.reason, "detail": piece.detail}
    else:
        packet, (spoken, states) = piece.packet, _spoken(piece.packet.protocol)
        record |= {"protocol": packet.protocol, "message": packet.message}
        if packet.whole and packet.direction == "<" and packet.message in states:
            record["snapshot"] = spoken.to_snapshot([packet], time=NO_TIME, battery=cast(str, battery))
        else:
            record[packet.message.replace(" ", "_")] = values(piece.fields())
    return f"{encode(record).decode()}\n"


@cache
def _spoken(protocol: str) -> tuple[Dialect, frozenset[str]]:
    """The module of a protocol, and the messages that hold a snapshot."""
    spoken = dialect(protocol)
    return spoken, frozenset(request.name for step in spoken.STATUS for request in step)
