"""Every message of `jbd`: what a frame is called, how its data is laid out, and how requests are made."""

from __future__ import annotations

from collections.abc import Iterator

from ..framing import Frame
from ..layout import REST, Fields, Layout, Row
from ..packet import (
    BYTES,
    Direction,
    Explained,
    Message,
    Packet,
    Request,
    ascii_text,
    build,
    explain_data,
    name_of,
    packet,
)
from ..settings import Setting, explain_setting, unpack_raw
from . import settings, words
from .frame import HEAD, NAME, READ, WRITE, close_envelope, open_envelope
from .status import BASIC, BASIC_REGISTER, CELLS, CELLS_REGISTER

HEAD_SIZE = 4
MODEL_REGISTER, COUNTERS_REGISTER, PARAMETERS_REGISTER = 0x05, 0xAA, 0xFA

_NOTHING = Layout(">", ())
_WORDS = Layout(">", (Row(0, "H", "values", count=REST),))
_PARAMETERS = Layout(">", (Row(0, "H", "first"), Row(2, "B", "count"), Row(3, "H", "values", count=REST)))
COUNTERS = Layout(
    ">",
    tuple(
        Row(2 * number, "H", name)
        for number, name in enumerate(
            (
                "short_circuit",
                "charge_overcurrent",
                "discharge_overcurrent",
                "cell_overvoltage",
                "cell_undervoltage",
                "charge_hot",
                "charge_cold",
                "discharge_hot",
                "discharge_cold",
                "pack_overvoltage",
                "pack_undervoltage",
            )
        )
    ),
    optional=(Row(22, "H", "restarts", source="4s-sp04s034-readout: length 24"),),
)

ANSWERS: dict[int, Message] = {
    0x00: Message("factory mode answer", "<", _WORDS),
    0x01: Message("end of factory mode answer", "<", _WORDS),
    BASIC_REGISTER: Message("status", "<", BASIC),
    CELLS_REGISTER: Message("cells", "<", CELLS),
    MODEL_REGISTER: Message("model", "<", Layout(">", (Row(0, "B", "model", count=REST),))),
    0x06: Message("password answer", "<", BYTES),
    0x07: Message("password change answer", "<", BYTES),
    0x09: Message("password removal answer", "<", BYTES),
    0x0A: Message("operation answer", "<", _WORDS),
    0xA0: Message("maker", "<", BYTES),
    0xA1: Message("device name", "<", BYTES),
    0xA2: Message("barcode", "<", BYTES),
    COUNTERS_REGISTER: Message("counters", "<", COUNTERS),
    0xE1: Message("switch answer", "<", _WORDS),
    PARAMETERS_REGISTER: Message("parameters", "<", _PARAMETERS),
}
WRITES: dict[int, Message] = {
    0x00: Message("factory mode request", ">", _WORDS),
    0x01: Message("end of factory mode request", ">", _WORDS),
    0x06: Message("password request", ">", BYTES),
    0x07: Message("password change request", ">", BYTES),
    0x09: Message("password removal request", ">", BYTES),
    0x0A: Message("operation request", ">", _WORDS),
    0xE1: Message("switch request", ">", _WORDS),
}
READS: dict[int, Message] = {
    0x00: Message("chip type request", ">", _NOTHING),
    BASIC_REGISTER: Message("status request", ">", _NOTHING),
    CELLS_REGISTER: Message("cells request", ">", _NOTHING),
    MODEL_REGISTER: Message("model request", ">", _NOTHING),
    COUNTERS_REGISTER: Message("counters request", ">", _NOTHING),
    PARAMETERS_REGISTER: Message("parameters request", ">", Layout(">", (Row(0, "H", "first"), Row(2, "B", "count")))),
}
"""By register; any other is a setting (`setting`, `setting request`, `write request`)."""

_STRINGS = ("maker", "device name", "barcode")


def unpack(frame: Frame) -> Packet:
    """Take a frame apart."""
    envelope, length = open_envelope(frame.raw), frame.raw[3]
    return packet(frame, _message(envelope, length), envelope, HEAD_SIZE, length)


def pack(packet: Packet) -> bytes:
    """The frame of a packet: the exact inverse of `unpack`."""
    return close_envelope(packet.envelope, packet.data)


def answer(register: int, fields: Fields, status: int = 0) -> Packet:
    """An answer of these fields, for the device's side."""
    envelope: Fields = {"register": register, "status": status}
    return build(NAME, _message(envelope, 0), envelope, fields, HEAD_SIZE)


def explain(packet: Packet, raw: bytes) -> Iterator[Explained]:
    """Every field of a frame, in the order of the wire, checksum left out."""
    envelope = packet.envelope
    if "command" in envelope:
        yield Explained(2, raw[2:3], "command", raw[2], "", name_of(raw[2], words.MODULE_COMMANDS), True)
    elif "action" in envelope:
        yield Explained(1, raw[1:2], "action", raw[1], "", "read" if raw[1] == READ else "write")
        yield Explained(2, raw[2:3], "register", raw[2], "", _register_name(packet), True)
    else:
        yield Explained(1, raw[1:2], "register", raw[1], "", _register_name(packet), True)
        yield Explained(2, raw[2:3], "status", raw[2], "", name_of(raw[2], words.STATUS))
    yield Explained(3, raw[3:4], "length", raw[3], "bytes")
    if (words_of_text := text(packet)) is not None:
        yield Explained(HEAD_SIZE, raw[HEAD_SIZE : HEAD_SIZE + raw[3]], packet.message.replace(" ", "_"), words_of_text)
    elif packet.message == "parameters" and packet.whole:
        yield from _explain_parameters(packet)
    elif packet.message in ("setting", "write request") and (rows := settings.rows_at(envelope["register"])):
        yield from _explain_register(packet, rows)
    else:
        yield from explain_data(packet, raw)


def _register_name(packet: Packet) -> str:
    """What the register is: the settings in it, or the message that it makes."""
    return " and ".join(row.name for row in settings.rows_at(packet.envelope["register"])) or packet.message


def _explain_register(packet: Packet, rows: tuple[Setting, ...]) -> Iterator[Explained]:
    """The settings of a register, scaled; where it has not their length, as it is."""
    data = packet.data
    if any(row.size != len(data) for row in rows):
        if data:
            yield Explained(packet.start, data, "values", data.hex(" ").upper())
        return
    for row in rows:
        at, size = (int(row.part == "low"), 1) if row.part else (0, len(data))
        yield explain_setting(row, unpack_raw(">", row, data), packet.start + at, data[at : at + size])


def _explain_parameters(packet: Packet) -> Iterator[Explained]:
    """The parameters of an FA answer by name, scaled; `parameter N` where no row knows it."""
    fields, start = packet.fields, packet.start
    yield Explained(start, packet.data[:2], "first", fields["first"])
    yield Explained(start + 2, packet.data[2:3], "count", fields["count"])
    for step, raw in enumerate(fields["values"]):
        at, number = 3 + 2 * step, fields["first"] + step
        piece = packet.data[at : at + 2]
        if row := settings.row_numbered(number):
            yield explain_setting(row, unpack_raw(">", row, piece), start + at, piece)
        else:
            yield Explained(start + at, piece, f"parameter {number}", raw)


def text(packet: Packet) -> str | None:
    """The string of an answer that holds one; the registers A0 to A2 begin with its length. None elsewhere."""
    if packet.message == "model":
        return ascii_text(bytes(packet.fields["model"]))
    if packet.message in _STRINGS and (raw := bytes(packet.fields["values"])):
        return ascii_text(raw[1 : 1 + raw[0]])
    return None


def failure(packet: Packet) -> str | None:
    """Why the board refused, None if it did not."""
    status = packet.envelope.get("status", 0)
    return name_of(status, words.STATUS) if status else None


def read_request(name: str, register: int) -> Request:
    """A request that changes nothing."""
    return Request(name, close_envelope({"action": READ, "register": register}), (HEAD + bytes((register,)),))


BASIC_REQUEST = read_request("status", BASIC_REGISTER)
CELLS_REQUEST = read_request("cells", CELLS_REGISTER)
MODEL_REQUEST = read_request("model", MODEL_REGISTER)
COUNTERS_REQUEST = read_request("counters", COUNTERS_REGISTER)


def _message(envelope: Fields, length: int) -> Message:
    if "command" in envelope:
        # Every answer of the module has one byte, no request has.
        direction: Direction = "<" if length == 1 else ">"
        return Message(f"module {name_of(envelope['command'], words.MODULE_COMMANDS)}", direction, BYTES)
    register = envelope["register"]
    if envelope.get("action") == READ:
        return READS.get(register) or Message("setting request", ">", BYTES)
    if envelope.get("action") == WRITE:
        return WRITES.get(register) or Message("write request", ">", _WORDS)
    if envelope["status"]:
        return Message("refusal", "<", BYTES)
    return ANSWERS.get(register) or Message("setting", "<", _WORDS)
