"""The envelope of `ant` (ant.md §1): head, function, register, length, data, CRC, segments, trailer."""

from __future__ import annotations

from struct import pack, unpack_from

import fastcrc

from ..framing import Flaw, Shape, sum_flaw
from ..layout import Fields

NAME = "ant"
HEAD = b"\x7e\xa1"
TRAILER = b"\xaa\x55"
BARE = 0x10
"""Functions below it are read requests: no data, the length byte says how many bytes are wanted."""
COMMAND = 0x51
SEGMENT_FUNCTIONS = (0xFE, 0xFF)
SEGMENTS = 2
"""Segments behind one frame at most: one is described and recorded; a second costs nothing to allow."""

Segment = tuple[int, int, bytes]
"""Function, register and data of a segment, which has no head of its own."""

_crc = fastcrc.crc16.modbus


def inspect(data: bytes) -> int | Flaw:
    """See `Shape.inspect`. The frame is complete by its lengths; every CRC and the trailer are verified."""
    there = len(data)
    if there < 6:
        return 6
    size = 0 if data[2] < BARE else data[5]
    end = 8 + size
    if there < end + 2:
        return end + 2
    if (flaw := _crc_flaw(data, 1, end)) is not None:
        return flaw
    if data[end : end + 2] == TRAILER:
        return end + 2
    for _ in range(SEGMENTS if data[2] >= BARE else 0):
        if data[end] not in SEGMENT_FUNCTIONS:
            break
        if there < end + 8:
            return end + 8
        start, end = end, end + 6 + data[end + 3]
        if there < end + 2:
            return end + 2
        if (flaw := _crc_flaw(data, start, end)) is not None:
            return flaw
        if data[end : end + 2] == TRAILER:
            return end + 2
    return Flaw("trailer", f"ends with {data[end : end + 2].hex(' ')}, expected aa 55")


SHAPES = (Shape(NAME, HEAD, inspect),)


def segments(raw: bytes, end: int) -> tuple[Segment, ...]:
    """The segments behind the first CRC of a valid frame, which ends at `end`."""
    found = []
    while end < len(raw) - 2:
        kind, code, size = unpack_from("<BHB", raw, end)
        found.append((kind, code, raw[end + 4 : end + 4 + size]))
        end += 6 + size
    return tuple(found)


def close_envelope(envelope: Fields, data: bytes = b"") -> bytes:
    """A whole frame.

    envelope: function, register, wanted (bare frames: how many bytes are asked for), segments.
    """
    length = envelope["wanted"] if envelope["function"] < BARE else len(data)
    body = pack("<BBHB", HEAD[1], envelope["function"], envelope["register"], length) + data
    frame = HEAD[:1] + body + _crc_bytes(body)
    for kind, code, content in envelope.get("segments", ()):
        segment = pack("<BHB", kind, code, len(content)) + content
        frame += segment + _crc_bytes(segment)
    return frame + TRAILER


def _crc_bytes(body: bytes) -> bytes:
    return pack("<H", _crc(body))


def _crc_flaw(data: bytes, start: int, end: int) -> Flaw | None:
    """Whether the CRC in the last two bytes of data[start:end] is that of the rest."""
    got, expected = data[end - 2] | data[end - 1] << 8, _crc(data[start : end - 2])
    return None if got == expected else sum_flaw(got, expected)
