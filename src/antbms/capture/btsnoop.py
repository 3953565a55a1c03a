"""Bluetooth logs of Android phones (`btsnoop_hci.log`): what apps and devices said to each other, as chunks.

A log is a file header and records: a header each, and one HCI packet as the phone's Bluetooth chip saw it. This module
finds the records, also behind damage; `btsnoop_link` takes the packets apart. The file is read once, in blocks.

No library fits a base install: `btsnoop-parser` holds the log in memory, is untyped, stops at damage and misreads
datalink 1001; bumble, scapy and pyshark are a whole stack, GPL-2 and Wireshark (looked up in November 2026).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

from msgspec import Struct

from ..errors import FileError
from .btsnoop_link import Links
from .text import Chunk

MAGIC = b"btsnoop\0"
BLOCK = 1 << 18
"""Bytes that are read at once."""

LONGEST = 1 + 4 + 0xFFFF
"""Bytes of the longest HCI packet: an ACL packet with its kind in front."""

H1, H4 = 1001, 1002
"""Datalinks: bare HCI packets, whose kind is in the record's flags; packets with their kind in front, as on a UART."""

COMMAND, ACL, SCO, EVENT, ISO = range(1, 6)

ENOUGH = 24 + LONGEST + 24
"""Bytes that hold any record and the next one's header."""

_RECORD = struct.Struct(">4xII4xq")
"""Length of the packet, flags, time in µs. Left out: its length before the logger cut it; packets dropped so far."""

_HEADER = re.compile(rb"\0[\0\1]..\0[\0\1]..\0\0\0[\0-\3]....\0[\xD0-\xFF]", re.DOTALL)
"""What a record's header looks like; only to find the next one behind damage. The year is 1860 or later."""

_SIZES = {COMMAND: (3, 2, 0xFF), ACL: (4, 2, 0xFFFF), SCO: (3, 2, 0xFF), EVENT: (2, 1, 0xFF), ISO: (4, 2, 0x3FFF)}
"""Kind → bytes of its header, where in it the length of the rest is, mask of that length."""
_NONE = (LONGEST + 1, 0, 0)  # fits no record

_H1_KINDS = (ACL, ACL, COMMAND, EVENT)
"""By the two bits of the flags: 1 received, 2 command or event."""


class Damage(Struct, frozen=True):
    """A part of a log that could not be read: `size` bytes at `offset` (of the record in which that was found out)."""

    offset: int
    size: int
    reason: str

    def __str__(self) -> str:
        return f"byte {self.offset}: {self.size} bytes, {self.reason}"


def is_btsnoop(head: bytes) -> bool:
    """Whether a file that begins with `head` is a btsnoop log."""
    return head.startswith(MAGIC)


def read_btsnoop(file: BinaryIO, name: str, report: Callable[[Damage], object] | None = None) -> Iterator[Chunk]:
    """What crossed the links of a log, in its order: ATT writes, notifications and indications, and RFCOMM data.

    `>` was sent by the phone. `at` is in s since the first chunk of the log, whatever its source. `source` is the
    device's address (the connection's handle if the log does not tell it), a comma, and the channel:
    `A4:C1:37:04:2D:BE, ATT 0x0015` or `connection 0x0002, RFCOMM 2`, which are attribute handle and DLCI.
    Damage does not end the reading: `report` is called with each, in the order of the file.
    Raises `FileError` if the file is no such log.
    """
    head = file.read(16)
    if len(head) < 16 or not is_btsnoop(head):
        raise FileError(f"{name}: no btsnoop log")
    datalink = int.from_bytes(head[12:])
    if datalink not in (H1, H4):
        raise FileError(
            f"{name}: a btsnoop log of datalink {datalink}; only {H1} and {H4} can be read",
            "Next: take the log on an Android phone (developer options, Bluetooth HCI snoop log).",
        )
    offset = 16
    start: int | None = None
    tell = report or (lambda damage: None)
    links = Links(lambda size, reason: tell(Damage(offset, size, reason)))
    for offset, kind, sent, time, packet in _records(file, datalink, tell):  # noqa: B007, the lambda reads `offset`
        if kind == ACL:
            if carried := links.acl(packet, sent):
                if start is None:
                    start = time
                source, data = carried
                yield Chunk(">" if sent else "<", data, (time - start) / 1e6, source=source)
        elif kind == EVENT:
            links.event(packet)
    links.end()


def _records(
    file: BinaryIO, datalink: int, report: Callable[[Damage], object]
) -> Iterator[tuple[int, int, bool, int, bytes]]:
    """Offset, kind, whether sent, time and packet of every record whose packet is as long as it says itself."""
    buffer, base, at, more = b"", 16, 0, True  # base: where in the file the buffer begins; at: where we are in it
    lost, cut = -1, False  # since which offset nothing could be read; whether the file's end may be why
    while True:
        if more and len(buffer) - at < ENOUGH:
            block = file.read(BLOCK)
            buffer, base, at, more = buffer[at:] + block, base + at, 0, bool(block)
            continue
        end, body, after = len(buffer), at + 24, at + 24
        if at == end:
            break
        if body < end:
            length, flags, time = _RECORD.unpack_from(buffer, at)
            after = body + length
            kind, start = (buffer[body], body + 1) if datalink == H4 else (_H1_KINDS[flags & 3], body)
            size, where, mask = _SIZES.get(kind, _NONE)
            rest = int.from_bytes(buffer[start + where : start + where + 2], "little") & mask
            if start + size + rest == after <= end:
                if lost >= 0:
                    report(Damage(lost, base + at - lost, "no record"))
                    lost = -1
                yield base + at, kind, not flags & 1, time, buffer[start:after]
                at = after
                continue
        if lost < 0:
            if flaw := _flaw(buffer, at):
                report(Damage(base + at, after - at, flaw))
                at = after
                continue
            lost, cut = base + at, body >= end or (after > end and _HEADER.match(buffer, at) is not None)
        found = _HEADER.search(buffer, at + 1)
        at = found.start() if found else end - 23 if more else end  # a header may begin in the last 23 bytes
    if lost >= 0:
        report(Damage(lost, base + at - lost, "an incomplete record at the end" if cut else "no record"))


def _flaw(buffer: bytes, at: int) -> str | None:
    """What is wrong with the packet of the record at `at`; None if the record itself is not to be trusted."""
    if not _HEADER.match(buffer, at):
        return None
    original, included = struct.unpack_from(">II", buffer, at)
    after = at + 24 + included
    if not 0 < included <= original or not (after == len(buffer) or _HEADER.match(buffer, after)):
        return None
    return "a packet that the logger cut short" if included < original else "a packet of no known kind or length"
