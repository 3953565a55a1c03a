"""A decoded frame as a listing for people: offset, bytes, name, value, unit, words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from click import style

from ..protocol.packet import Explained
from .decoded import Decoded, Piece, Refused

PER_LINE = 8
"""Bytes of a line."""
SHOWN = 64
"""Bytes that are shown of what is refused."""


def listing(piece: Decoded | Refused, battery: str | None) -> str:
    """A title, and a line a field; or what was wrong, and the bytes. `battery` has no meaning here."""
    return "\n".join((*(_refused(piece) if isinstance(piece, Refused) else _decoded(piece)), "", ""))


def _decoded(frame: Decoded) -> Iterator[str]:
    """Arrays take several values a line."""
    yield _title(frame, style(frame.title, bold=True), size(len(frame.raw)))
    for group in _grouped(frame.fields()):
        yield from _field_lines(group)


def _refused(piece: Refused) -> Iterator[str]:
    raw = piece.raw
    yield _title(piece, style(f"rejected: {piece.reason}", fg="red", bold=True), size(len(raw)), piece.detail)
    for at in range(0, min(len(raw), SHOWN), 2 * PER_LINE):
        yield _line(at, raw[at : min(at + 2 * PER_LINE, SHOWN)])
    if len(raw) > SHOWN:
        yield style(f"        … {len(raw) - SHOWN} more", dim=True)


def size(count: int) -> str:
    """So many bytes, in words."""
    return f"{count} byte{'' if count == 1 else 's'}"


def _title(piece: Piece, *words: str) -> str:
    time = "" if piece.at is None else style(f"{piece.at:.3f} s", dim=True)
    source = style(piece.source, dim=True) if piece.source else ""
    return "  ".join(filter(None, (style(piece.direction, fg="cyan", bold=True), time, *words, source)))


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
