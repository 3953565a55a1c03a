"""The envelopes of `jbd`: `DD` frames of the board (jbd.md §1) and `FF AA` frames of its Bluetooth module (§6)."""

from __future__ import annotations

from ..framing import Flaw, Shape, sum_flaw
from ..layout import Fields
from . import words

NAME = "jbd"
HEAD = b"\xdd"
END = 0x77
READ, WRITE = 0xA5, 0x5A
MODULE_HEAD = b"\xff\xaa"
MODULE_LONGEST = 32
"""Bytes of data in a module frame at most: the longest known has 15. Keeps junk from being waited for."""


def checksum(body: bytes) -> int:
    """Of register, length and data in requests; of status, length and data in answers."""
    return -sum(body) & 0xFFFF


def inspect(data: bytes) -> int | Flaw:
    """See `Shape.inspect`, for `DD` frames."""
    there = len(data)
    if there < 4:
        return 4
    is_answer = data[1] not in (READ, WRITE)
    if is_answer and data[2] not in words.STATUS:
        return Flaw("junk", f"status {data[2]:02x} is none")
    size = 7 + data[3]
    if there < size:
        return size
    if data[size - 1] != END:
        return Flaw("trailer", f"ends with {data[size - 1]:02x}, expected 77")
    got, expected = int.from_bytes(data[size - 3 : size - 1], "big"), checksum(data[2 : size - 3])
    if got != expected and not (is_answer and _may_lack_checksum(data, got)):
        return sum_flaw(got, expected)
    return size


def _may_lack_checksum(data: bytes, got: int) -> bool:
    """One board sends its refusals with checksum 0000 (error-answer)."""
    return data[2] != 0 and data[3] == 0 and got == 0


def inspect_module(data: bytes) -> int | Flaw:
    """See `Shape.inspect`, for `FF AA` frames."""
    there = len(data)
    if there < 4:
        return 4
    if data[2] not in words.MODULE_COMMANDS or data[3] > MODULE_LONGEST:
        return Flaw("junk", f"module command {data[2]:02x} with {data[3]} bytes is none")
    size = 5 + data[3]
    if there < size:
        return size
    got, expected = data[size - 1], sum(data[2 : size - 1]) & 0xFF
    return size if got == expected else sum_flaw(got, expected, 2)


SHAPES = (Shape(NAME, HEAD, inspect), Shape(NAME, MODULE_HEAD, inspect_module))


def open_envelope(raw: bytes) -> Fields:
    """The envelope of a valid frame.

    register; action (requests), status (answers), or command (module frames); checksum only where it is not the
    computed one.
    """
    if raw.startswith(MODULE_HEAD):
        return {"command": raw[2]}
    if raw[1] in (READ, WRITE):
        return {"action": raw[1], "register": raw[2]}
    envelope: Fields = {"register": raw[1], "status": raw[2]}
    if raw[2] and (got := int.from_bytes(raw[-3:-1], "big")) != checksum(raw[2:-3]):
        envelope["checksum"] = got
    return envelope


def close_envelope(envelope: Fields, data: bytes = b"") -> bytes:
    """A whole frame of the envelope and the data: the inverse of `open_envelope`."""
    if "command" in envelope:
        body = bytes((envelope["command"], len(data))) + data
        return MODULE_HEAD + body + bytes((sum(body) & 0xFF,))
    if "action" in envelope:
        first, body = envelope["action"], bytes((envelope["register"], len(data))) + data
    else:
        first, body = envelope["register"], bytes((envelope["status"], len(data))) + data
    total: int = envelope.get("checksum", checksum(body))
    return HEAD + bytes((first,)) + body + total.to_bytes(2, "big") + bytes((END,))
