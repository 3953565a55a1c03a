"""Builds Bluetooth logs as an Android phone writes them."""

import io
import struct

from fastcrc.crc8 import rohc

from antbms.capture import Chunk
from antbms.capture.btsnoop import MAGIC, Damage, read_btsnoop

BATTERY, OTHER = "A4:C1:37:04:2D:BE", "11:22:33:44:55:66"
REQUEST = bytes.fromhex("DD A5 03 00 FF FD 77")
SENT, RECEIVED = False, True


def read(log: bytes) -> tuple[list[Chunk], list[Damage]]:
    damage: list[Damage] = []
    return list(read_btsnoop(io.BytesIO(log), "test.log", damage.append)), damage


class Log:
    """Builds a log; each packet 1 ms after the one before it."""

    def __init__(self, datalink: int = 1002) -> None:
        self.raw = bytearray(MAGIC + struct.pack(">II", 1, datalink))
        self._h4 = datalink == 1002
        self._time = 0x00E2_0000_0000_0000

    def packet(self, kind: int, body: bytes, received: bool, whole: int = 0) -> None:
        packet = bytes([kind]) * self._h4 + body
        flags = received | (kind in (1, 4)) << 1
        self.raw += struct.pack(">IIIIq", whole or len(packet), len(packet), flags, 0, self._time) + packet
        self._time += 1000

    def event(self, code: int, body: bytes) -> None:
        self.packet(4, bytes([code, len(body)]) + body, RECEIVED)

    def acl(self, handle: int, data: bytes, received: bool, *, first: int = 2) -> None:
        self.packet(2, struct.pack("<HH", handle | first << 12, len(data)) + data, received)

    def l2cap(self, handle: int, channel: int, data: bytes, received: bool, size: int = 1000) -> None:
        """One packet, in fragments of `size` bytes."""
        whole = struct.pack("<HH", len(data), channel) + data
        for at in range(0, len(whole), size):
            self.acl(handle, whole[at : at + size], received, first=1 if at else 2 * received)

    def att(self, handle: int, code: int, attribute: int, value: bytes, received: bool, size: int = 1000) -> None:
        self.l2cap(handle, 4, struct.pack("<BH", code, attribute) + value, received, size)

    def connect(self, handle: int, address: str, form: int, status: int = 0) -> None:
        raw = bytes.fromhex(address.replace(":", ""))[::-1]
        if form == 0x03:
            self.event(0x03, struct.pack("<BH", status, handle) + raw + b"\1\0")
        else:
            self.event(0x3E, struct.pack("<BBHBB", form, status, handle, 0, 0) + raw + bytes(20))

    def open(self, handle: int, psm: int, ours: int, theirs: int, result: int = 0) -> None:
        """The phone opens a channel."""
        self.l2cap(handle, 1, struct.pack("<BBHHH", 2, 7, 4, psm, ours), SENT)
        self.l2cap(handle, 1, struct.pack("<BBHHHHH", 3, 7, 8, theirs, ours, result, 0), RECEIVED)

    def read(self) -> tuple[list[tuple[str, str, bytes]], list[str]]:
        chunks, damage = read(bytes(self.raw))
        return [(chunk.source, chunk.direction, chunk.data) for chunk in chunks], [piece.reason for piece in damage]


def uih(dlci: int, data: bytes, credits: int | None = None) -> bytes:
    """An RFCOMM frame with data."""
    head = bytes([dlci << 2 | 3, 0xEF if credits is None else 0xFF])
    length = bytes([len(data) << 1 | 1]) if len(data) < 128 else struct.pack("<H", len(data) << 1)
    return head + length + (b"" if credits is None else bytes([credits])) + data + bytes([rohc(head) ^ 0xFF])
