"""The Bluetooth protocols of a log, from HCI packets to the bytes that an app wrote or read.

    ACL packet → L2CAP packet (whole at last) → ATT, on channel 4 → value of an attribute
                                              → RFCOMM, on a channel opened for it → data of a DLCI

Everything else that a phone logs is passed over in silence. Bluetooth Core 5.4: volume 4 part E (HCI), volume 3
part A (L2CAP), part F (ATT); RFCOMM 1.2 with GSM 07.10.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from fastcrc.crc8 import rohc

SIGNALLING, ATT, DYNAMIC = 0x0001, 0x0004, 0x0040
"""Channels of L2CAP; those that are opened on demand have numbers from DYNAMIC."""

CONNECT, CONNECTED = 0x02, 0x03
"""Signals of L2CAP: a channel is asked for, and granted."""

RFCOMM = 3
"""The PSM for which an RFCOMM channel is opened."""

CONTROL = 0
"""The DLCI on which RFCOMM talks about the others."""

WRITE_REQUEST, WRITE_COMMAND, NOTIFICATION, INDICATION = 0x12, 0x52, 0x1B, 0x1D
VALUES = {WRITE_REQUEST, WRITE_COMMAND, NOTIFICATION, INDICATION}
"""ATT packets that carry the value of one attribute: opcode, handle, value."""

SUBSCRIPTIONS = {b"\0\0", b"\1\0", b"\2\0", b"\3\0"}
"""What is written to turn notifications and indications on or off: no data."""

FRAMES = {0xEF: (0,), 0xFF: (1, 0)}
"""Control byte of RFCOMM frames with data → bytes of credits that may be in front of the data."""

CONTINUED = 1
"""ACL packets that continue an L2CAP packet have this in bits 12 and 13 of their handle."""

LE_EVENT = 0x3E
EVENTS = {0x03: (2, 5), 0x05: (2, 0), 0x3E01: (3, 8), 0x3E0A: (3, 8), 0x3E29: (3, 8)}
"""Events by which connections come (classic; LE, in three forms) and go (05): where the status is, with the handle
behind it, and where the address is, if there is one. An LE event has a second code, which is appended here."""

ENDLESS = "a packet whose end is missing"

Carried = tuple[str, bytes]
"""Source and data."""

_SIGNAL = Struct("<BxH")
_CONNECT = Struct("<HH")
_CONNECTED = Struct("<HHH")
_ATTRIBUTE = Struct("<BH")


class Link:
    """What is known of one connection."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.partial: dict[bool, bytes] = {}
        """L2CAP packets of which more must come, by direction (whether sent)."""
        self.asked: dict[tuple[bool, int], int] = {}
        """Channels that were asked for: (whether sent, the asking side's number) → PSM."""
        self.opened: dict[tuple[bool, int], int] = {}
        """Channels that were granted: (whether sent, number in the packets of that direction) → PSM."""
        self.sources: dict[tuple[str, int], str] = {}

    def source(self, name: str, number: int) -> str:
        """The source of data on a channel: one string for all its chunks."""
        if not (source := self.sources.get((name, number))):
            digits = f"0x{number:04X}" if name == "ATT" else str(number)
            source = self.sources[name, number] = f"{self.device}, {name} {digits}"
        return source

    def signal(self, packet: bytes, sent: bool) -> None:
        """Take note of channels that are opened."""
        at = 4
        while at + 4 <= len(packet):
            code, length = _SIGNAL.unpack_from(packet, at)
            body = packet[at + 4 : at + 4 + length]
            at += 4 + length
            if code == CONNECT and len(body) >= 4:
                psm, number = _CONNECT.unpack_from(body)
                self.asked[sent, number] = psm
            elif code == CONNECTED and len(body) >= 8:
                granted, number, result = _CONNECTED.unpack_from(body)
                if result == 0 and (not sent, number) in self.asked:
                    psm = self.asked.pop((not sent, number))
                    self.opened[not sent, granted] = self.opened[sent, number] = psm


class Links:
    """All connections of a log. `complain` is called with the number of bytes that are lost, and why."""

    def __init__(self, complain: Callable[[int, str], object]) -> None:
        self._complain = complain
        self._links: dict[int, Link] = {}

    def event(self, packet: bytes) -> None:
        """Take note of connections that come and go."""
        code = packet[0] << 8 | packet[2] if packet[0] == LE_EVENT and len(packet) > 2 else packet[0]
        status, address = EVENTS.get(code, (0, 0))
        if status and len(packet) >= address + 6 and packet[status] == 0:
            handle = int.from_bytes(packet[status + 1 : status + 3], "little") & 0xFFF
            self._drop(self._links.pop(handle, None))
            if address:
                self._links[handle] = Link(packet[address : address + 6][::-1].hex(":").upper())

    def acl(self, packet: bytes, sent: bool) -> Carried | None:
        """What a packet carries or completes, if it is data."""
        head = packet[0] | packet[1] << 8
        link = self._links.get(head & 0xFFF)
        if not link:
            link = self._links[head & 0xFFF] = Link(f"connection 0x{head & 0xFFF:04X}")
        begun = link.partial.pop(sent, None)
        whole = packet[4:]
        if head >> 12 & 3 != CONTINUED:
            if begun is not None:
                self._complain(len(begun), ENDLESS)
        elif begun is not None:
            whole = begun + whole
        else:
            self._complain(len(whole), "a packet whose beginning is missing")
            return None
        length = 4 + int.from_bytes(whole[:2], "little")
        if len(whole) < length:
            link.partial[sent] = whole
            return None
        if len(whole) > length:
            self._complain(len(whole), "a packet longer than it says")
            return None
        channel = whole[2] | whole[3] << 8
        if channel == ATT:
            return _attribute(link, whole[4:])
        if channel >= DYNAMIC:
            return self._rfcomm(link, whole[4:], link.opened.get((sent, channel)))
        if channel == SIGNALLING:
            link.signal(whole, sent)
        return None

    def end(self) -> None:
        """No more packets will come."""
        for link in self._links.values():
            self._drop(link)

    def _rfcomm(self, link: Link, frame: bytes, psm: int | None) -> Carried | None:
        """The data of a frame. A log may begin after the channel was opened: then the frame's checksum must tell."""
        if psm not in (RFCOMM, None) or len(frame) < 4 or frame[1] not in FRAMES or frame[0] >> 2 == CONTROL:
            return None
        start, length = (3, frame[2] >> 1) if frame[2] & 1 else (4, frame[2] >> 1 | frame[3] << 7)
        credit = len(frame) - start - length - 1
        if credit not in FRAMES[frame[1]] or frame[-1] != rohc(frame[:2]) ^ 0xFF:
            if psm == RFCOMM:
                self._complain(len(frame), "a broken RFCOMM frame")
            return None
        return (link.source("RFCOMM", frame[0] >> 2), frame[start + credit : -1]) if length else None

    def _drop(self, link: Link | None) -> None:
        for begun in link.partial.values() if link else ():
            self._complain(len(begun), ENDLESS)


def _attribute(link: Link, packet: bytes) -> Carried | None:
    """The value that an ATT packet writes or notifies."""
    if len(packet) < 4 or packet[0] not in VALUES:
        return None
    code, handle = _ATTRIBUTE.unpack_from(packet)
    value = packet[3:]
    if code == WRITE_REQUEST and value in SUBSCRIPTIONS:
        return None
    return link.source("ATT", handle), value
