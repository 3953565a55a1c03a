"""From chunks to decoded frames, and a decoded frame as JSON or as a table for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from click import style
from msgspec import Struct

from ..capture import Chunk
from ..protocol import Dialect, dialect, framer
from ..protocol.framing import Frame, Framer, Rejected
from ..protocol.packet import Direction, Explained, Packet, values

UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""A recording has seconds since its start only; a snapshot's time is printed as null."""
PER_LINE = 8
"""Bytes of a line."""
SHOWN = 64
"""Bytes that are shown of what is refused."""


class Item(Struct, frozen=True):
    """A piece of the stream: a frame, or what is none. `at`: when its last byte came, in s."""

    direction: Direction
    at: float | None
    piece: Frame | Rejected


def items(chunks: Iterable[Chunk], protocols: Sequence[str]) -> Iterator[Item]:
    """All pieces of a stream; each direction of each link is put together for itself, for they may overlap."""
    framers: dict[tuple[Direction, str], Framer] = {}
    at: float | None = None
    for chunk in chunks:
        stream, at = (chunk.direction, chunk.source), chunk.at
        if stream not in framers:
            framers[stream] = framer(protocols)
        for piece in framers[stream].feed(chunk.data):
            yield Item(chunk.direction, at, piece)
    for (direction, _), rest in framers.items():
        for piece in rest.flush():
            yield Item(direction, at, piece)


class Decoded(Struct, frozen=True):
    """A frame, taken apart."""

    direction: Direction
    at: float | None
    raw: bytes
    packet: Packet
    spoken: Dialect

    @property
    def title(self) -> str:
        """Protocol and message."""
        short = "" if self.packet.whole else " (too short)"
        return f"{self.packet.protocol} {self.packet.message}{short}"

    def fields(self) -> Iterator[Explained]:
        """Its explanation."""
        return self.spoken.explain(self.packet, self.raw)


def decode(item: Item, frame: Frame) -> Decoded:
    """Take the frame of an item apart."""
    spoken = dialect(frame.protocol)
    packet = spoken.unpack(frame)
    direction = packet.direction if item.direction == "?" else item.direction
    return Decoded(direction, item.at, frame.raw, packet, spoken)


def frame_record(decoded: Decoded, battery: str | None) -> dict[str, Any]:
    """The JSON of a frame: a snapshot if it is (a part of) a status, else its values under its own name."""
    packet, spoken = decoded.packet, decoded.spoken
    record = _head(decoded.raw, decoded.direction, decoded.at)
    record |= {"protocol": packet.protocol, "message": packet.message}
    status = {request.name for step in spoken.STATUS for request in step}
    if packet.whole and packet.direction == "<" and packet.message in status:
        snapshot = spoken.to_snapshot([packet], time=UNKNOWN_TIME, battery=battery or "").to_dict()
        return record | {"snapshot": snapshot | {"time": None, "battery": battery}}
    return record | {packet.message.replace(" ", "_"): values(decoded.fields())}


def rejected_record(item: Item, piece: Rejected) -> dict[str, Any]:
    """The JSON of what is no frame: no values."""
    return _head(piece.raw, item.direction, item.at) | {"rejected": piece.reason, "detail": piece.detail}


def _head(raw: bytes, direction: str, at: float | None) -> dict[str, Any]:
    return {"frame": raw.hex(" ").upper(), "direction": direction, "at": at}


def frame_lines(decoded: Decoded) -> Iterator[str]:
    """A title, and a line a field: offset, bytes, name, value, unit, words. Arrays take several values a line."""
    yield _title(decoded.direction, decoded.at, style(decoded.title, bold=True), _size(decoded.raw))
    for group in _grouped(decoded.fields()):
        yield from _field_lines(group)
    yield ""


def rejected_lines(item: Item, piece: Rejected) -> Iterator[str]:
    """What was wrong, and the bytes."""
    title = style(f"rejected: {piece.reason}", fg="red", bold=True)
    yield _title(item.direction, item.at, title, _size(piece.raw), piece.detail)
    for at in range(0, min(len(piece.raw), SHOWN), 2 * PER_LINE):
        yield _line(at, piece.raw[at : min(at + 2 * PER_LINE, SHOWN)])
    if len(piece.raw) > SHOWN:
        yield style(f"        … {len(piece.raw) - SHOWN} more", dim=True)
    yield ""


def _size(raw: bytes) -> str:
    return f"{len(raw)} byte{'' if len(raw) == 1 else 's'}"


def _title(direction: str, at: float | None, *words: str) -> str:
    time = "" if at is None else style(f"{at:.3f} s", dim=True)
    return "  ".join(filter(None, (style(direction, fg="cyan", bold=True), time, *words)))


def _grouped(fields: Iterable[Explained]) -> Iterator[list[Explained]]:
    """Single fields alone; items of an array as many as a line holds."""
    group: list[Explained] = []
    for field in fields:
        name, _, number = field.name.partition(".")
        together = group and number and group[-1].name.partition(".")[0] == name and not (field.text or group[-1].text)
        if not together or sum(len(member.raw) for member in group) + len(field.raw) > PER_LINE:
            if group:
                yield group
            group = []
        group.append(field)
    if group:
        yield group


def _field_lines(group: list[Explained]) -> Iterator[str]:
    first, last = group[0], group[-1]
    raw = b"".join(field.raw for field in group)
    name = first.name.replace(".", " ")
    if len(group) > 1:
        name += f"–{last.name.partition('.')[2]}"
    value = " ".join(_aligned([field.value for field in group]))
    if len(raw) > PER_LINE and value == raw.hex(" ").upper():
        value = ""  # bytes that mean nothing to us stand in their column
    yield _line(first.offset, raw[:PER_LINE], name, value, first.unit, first.text)
    for at in range(PER_LINE, len(raw), PER_LINE):
        yield _line(first.offset + at, raw[at : at + PER_LINE])


def _aligned(found: list[Any]) -> Iterator[str]:
    """Values of one line with the same number of decimals: 3.33 beside 3.331 is 3.330."""
    digits = max((len(str(value).partition(".")[2]) for value in found if isinstance(value, float)), default=0)
    for value in found:
        yield f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def _line(offset: int, raw: bytes, name: str = "", value: str = "", unit: str = "", text: str = "") -> str:
    known = f"  {name:<24}  {value} {unit}".rstrip() if name else ""
    column = f"{raw.hex(' ').upper():<23}" if name else raw.hex(" ").upper()
    words = style(f"  {text}", fg="green") if text else ""
    return style(f"{offset:>6}  {column}", dim=True) + known + words
