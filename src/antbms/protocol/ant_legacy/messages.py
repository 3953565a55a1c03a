"""Every message of `ant-legacy`: what a frame is called, and how requests are made."""

from __future__ import annotations

from collections.abc import Iterator

from ..framing import Frame
from ..layout import Fields, Layout
from ..packet import Explained, Medium, Message, Packet, Request, build, explain_data, packet
from ..settings import Danger, explain_setting, unpack_raw
from . import settings, words
from .frame import (
    BLUETOOTH,
    DATA_SIZE,
    NAME,
    READ,
    SHORT_SIZE,
    STATUS_HEAD,
    WRITE,
    close_status,
    open_short,
    short_frame,
)
from .status import STATUS

REFUSAL = 0xF5
KEEP_ALIVE = 0xFF
DISPLAY = 0x01
"""Address of the DB DB frame that switches the display's screen: no probe, and never sent."""

_STATUS = Message("status", "<", STATUS)
_NOTHING = Layout(">", ())


def unpack(frame: Frame) -> Packet:
    """Take a frame apart."""
    if frame.raw.startswith(STATUS_HEAD):
        return packet(frame, _STATUS, {}, len(STATUS_HEAD), DATA_SIZE)
    envelope = open_short(frame.raw)
    return packet(frame, _short_message(envelope), envelope, SHORT_SIZE, 0)


def pack(packet: Packet) -> bytes:
    """The frame of a packet: the exact inverse of `unpack`."""
    if envelope := packet.envelope:
        return short_frame(envelope["head"], envelope["address"], envelope["value"])
    return close_status(packet.data)


def status_answer(fields: Fields) -> Packet:
    """A status of these fields, for the device's side."""
    return build(NAME, _STATUS, {}, fields, len(STATUS_HEAD))


def refusal() -> Packet:
    """The answer to a write without the password, for the device's side."""
    envelope: Fields = {"head": WRITE, "address": REFUSAL, "value": 1}
    return build(NAME, _short_message(envelope), envelope, {}, SHORT_SIZE)


def explain(packet: Packet, raw: bytes) -> Iterator[Explained]:
    """Every field of a frame, in the order of the wire, checksum left out."""
    envelope = packet.envelope
    if not envelope:
        yield from explain_data(packet, raw)
        return
    head, address, value = envelope["head"], envelope["address"], envelope["value"]
    row = settings.row_at(address) if head != BLUETOOTH else None
    word = words.ADDRESSES.get(address, "") if head == WRITE else ""
    yield Explained(0, raw[:2], "head", head, "", packet.message, True)
    yield Explained(2, raw[2:3], "address", address, "", row.name if row else word, True)
    if head == READ and value == settings.MISSING:
        yield Explained(3, raw[3:5], "value", value, "", "not available")
    elif row is None or row.size > 2 or (head == READ and value == 0):  # a read request and its answer look the same
        yield Explained(3, raw[3:5], "value", value)
    elif row.danger is Danger.SECRET:
        yield Explained(3, raw[3:5], "value", "not shown")
    else:
        yield explain_setting(row, unpack_raw(">", row, raw[3:5]), 3, raw[3:5])


def failure(packet: Packet) -> str | None:
    """Why the board refused, None if it did not."""
    return "password needed" if packet.message == "refusal" else None


def _short_message(envelope: Fields) -> Message:
    """Requests and their echoes are the same bytes: the direction is often not to be told."""
    head, address, value = envelope["head"], envelope["address"], envelope["value"]
    if head in (BLUETOOTH, READ) and address == 0:
        return Message("status request", ">", _NOTHING)
    if head == BLUETOOTH:
        return Message("display request" if address == DISPLAY else "unknown", ">", _NOTHING)
    if head == READ:
        return Message("keep-alive" if address == KEEP_ALIVE else "parameter", "?", _NOTHING)
    if address == REFUSAL and value == 1:
        return Message("refusal", "<", _NOTHING)
    return Message("write", "?", _NOTHING)


BLUETOOTH_STATUS = Request("status", short_frame(BLUETOOTH, 0), (STATUS_HEAD,), Medium.BLUETOOTH)
WIRE_STATUS = Request("status", short_frame(READ, 0), (STATUS_HEAD,), Medium.WIRE)
