"""The envelopes of `ant-legacy`: six bytes in both directions (ant-legacy.md §1), and the status of 140 (§2)."""

from __future__ import annotations

from ..framing import Flaw, Shape, sum_flaw
from ..layout import Fields

NAME = "ant-legacy"
STATUS_HEAD = b"\xaa\x55\xaa\xff"
STATUS_SIZE = 140
DATA_SIZE = STATUS_SIZE - 6
BLUETOOTH, READ, WRITE = 0xDB, 0x5A, 0xA5
"""Heads of the short frames; each stands twice."""
SHORT_SIZE = 6


def inspect_status(data: bytes) -> int | Flaw:
    """See `Shape.inspect`, for the status."""
    if len(data) < STATUS_SIZE:
        return STATUS_SIZE
    got, expected = int.from_bytes(data[138:140], "big"), sum(data[4:138]) & 0xFFFF
    return STATUS_SIZE if got == expected else sum_flaw(got, expected)


def inspect_short(data: bytes) -> int | Flaw:
    """See `Shape.inspect`, for the frames of six bytes."""
    if len(data) < SHORT_SIZE:
        return SHORT_SIZE
    got, expected = data[5], sum(data[2:5]) & 0xFF
    return SHORT_SIZE if got == expected else sum_flaw(got, expected, 2)


SHAPES = (
    Shape(NAME, STATUS_HEAD, inspect_status),
    *(Shape(NAME, bytes((head, head)), inspect_short) for head in (BLUETOOTH, READ, WRITE)),
)


def short_frame(head: int, address: int, value: int = 0) -> bytes:
    """A frame of six bytes; `value` is 16 bits, most significant byte first."""
    body = bytes((address,)) + value.to_bytes(2, "big")
    return bytes((head, head)) + body + bytes((sum(body) & 0xFF,))


def open_short(raw: bytes) -> Fields:
    """head, address and value of a valid short frame."""
    return {"head": raw[0], "address": raw[2], "value": int.from_bytes(raw[3:5], "big")}


def close_status(data: bytes) -> bytes:
    """The whole status frame of its 134 bytes of data."""
    return STATUS_HEAD + data + (sum(data) & 0xFFFF).to_bytes(2, "big")
