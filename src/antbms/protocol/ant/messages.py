"""Every message of `ant`: what a frame is called, how its data is laid out, and how requests are made."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from ..framing import Frame
from ..layout import REST, Fields, Layout, Row
from ..packet import BYTES, Explained, Message, Packet, Request, ascii_text, build, explain_data, name_of, packet
from ..settings import explain_setting, format_value, unpack_raw, value_of
from . import login, settings, words
from .frame import BARE, COMMAND, NAME, Segment, close_envelope, segments
from .status import STATUS

HEAD_SIZE = 6
COMMAND_ANSWER = 0x61
REGISTER_MESSAGES = ("settings", "write request", "write answer")
"""Their data are registers of settings."""
STRINGS = (620, 32)
"""Address and length of the hardware and software version."""
PACK_ID = (262, 32)
STATUS_LENGTH = 0xBE
"""What old applications ask for; firmware may answer longer requests in two parts (ant.md §1)."""

_NOTHING = Layout("<", ())
_WORDS = Layout("<", (Row(0, "H", "values", count=REST),))
COUNTERS = Layout(
    "<",
    tuple(
        Row(2 * number, "H", name)
        for number, name in enumerate(
            (
                "cell_overvoltage",
                "pack_overvoltage",
                "cell_undervoltage",
                "pack_undervoltage",
                "cell_difference",
                "charge_hot",
                "discharge_hot",
                "mosfet_hot",
                "charge_cold",
                "discharge_cold",
                "charge_overcurrent",
                "discharge_overcurrent",
                "short_circuit",
                "charges",
                "cycles",
                "low_voltage_shutdowns",
                "current_abnormal",
                "manual_resets",
                "watchdog_resets",
                "abnormal_resets",
            )
        )
    ),
)

MESSAGES: dict[tuple[int, int | None], Message] = {
    (0x01, None): Message("status request", ">", _NOTHING),
    (0x02, None): Message("settings request", ">", _NOTHING),
    (0x03, None): Message("log request", ">", _NOTHING),
    (0x04, None): Message("identity request", ">", _NOTHING),
    (0x05, None): Message("counters request", ">", _NOTHING),
    (0x11, None): Message("status", "<", STATUS),
    (0x12, None): Message("settings", "<", _WORDS),
    (0x12, 262): Message("pack id", "<", Layout("<", (Row(0, "32s", "pack_id"),))),
    (0x12, 528): Message("boot version", "<", Layout("<", (Row(0, "16s", "boot"),))),
    (0x12, 620): Message("versions", "<", Layout("<", (Row(0, "16s", "hardware"), Row(16, "16s", "software")))),
    (0x13, None): Message("log", "<", BYTES),
    (0x14, 0x0000): Message("chip id", "<", BYTES),
    (0x14, 0x1000): Message("system id", "<", BYTES),
    (0x14, 0x1200): Message("unique code", "<", BYTES),
    (0x14, None): Message("identity", "<", BYTES),
    (0x15, None): Message("counters", "<", COUNTERS),
    (0x22, None): Message("write request", ">", _WORDS),
    (0x23, None): Message("password request", ">", Layout("<", (Row(0, "B", "password", count=REST),))),
    (0x42, None): Message("write answer", "<", _WORDS),
    (0x43, None): Message("password answer", "<", Layout("<", (Row(0, "H", "level"),))),
    (0x51, None): Message("command request", ">", BYTES),
    (0x61, None): Message("command answer", "<", Layout("<", (Row(0, "H", "result", codes=words.COMMAND_RESULTS),))),
}
"""By function and register; register None stands for every other. Functions that are not here are `unknown`."""

_UNKNOWN = Message("unknown", "?", BYTES)


def unpack(frame: Frame) -> Packet:
    """Take a frame apart."""
    raw = frame.raw
    function, register, length = raw[2], raw[3] | raw[4] << 8, raw[5]
    envelope: Fields = {"function": function, "register": register}
    if function < BARE:
        envelope["wanted"], length = length, 0
    elif len(raw) > length + 10:
        envelope["segments"] = segments(raw, length + 8)
    return packet(frame, _message(function, register), envelope, HEAD_SIZE, length)


def pack(packet: Packet) -> bytes:
    """The frame of a packet: the exact inverse of `unpack`."""
    return close_envelope(packet.envelope, packet.data)


def answer(function: int, register: int, fields: Fields, segments: tuple[Segment, ...] = ()) -> Packet:
    """A packet of these fields, for the device's side."""
    envelope: Fields = {"function": function, "register": register}
    if segments:
        envelope["segments"] = segments
    return build(NAME, _message(function, register), envelope, fields, HEAD_SIZE)


def explain(packet: Packet, raw: bytes) -> Iterator[Explained]:
    """Every field of a frame, in the order of the wire, checksums left out."""
    function, register = packet.envelope["function"], packet.envelope["register"]
    yield Explained(2, raw[2:3], "function", function, "", packet.message, True)
    yield Explained(3, raw[3:5], "register", register, "", _register_name(function, register), True)
    if function < BARE:
        yield Explained(5, raw[5:6], "wanted", raw[5], "bytes")
        return
    yield Explained(5, raw[5:6], "length", raw[5], "bytes")
    yield from _explain_settings(packet) if packet.message in REGISTER_MESSAGES else explain_data(packet, raw)
    at = HEAD_SIZE + raw[5] + 2
    for kind, code, content in packet.envelope.get("segments", ()):
        name = words.SEGMENTS[kind]
        text = name_of(code & 0xFF, words.RESULTS) if kind == 0xFF else ""
        yield Explained(at, raw[at : at + 3], name, code, "", text)
        if content:
            yield Explained(at + 4, content, f"{name} data", content.hex(" ").upper())
        at += 6 + len(content)


def _register_name(function: int, register: int) -> str:
    if function in (COMMAND, COMMAND_ANSWER):
        return words.COMMANDS.get(register, "")
    return settings.name_at(register) if function in (0x02, 0x12, 0x22, 0x42) else ""


def _explain_settings(packet: Packet) -> Iterator[Explained]:
    """Every register by the name of its setting, scaled; `register.N` where no row knows it."""
    start, data, at = packet.envelope["register"], packet.data, 0
    rows = {row.address: row for row in settings.rows_at(start, len(data))}
    while at < len(data):
        row = rows.get(start + at)
        piece = data[at : at + (row.size if row else 2)]
        here = packet.start + at
        if row:
            yield explain_setting(row, unpack_raw("<", row, piece), here, piece)
        elif start + at in login.PASSWORDS:
            yield Explained(here, piece, f"register {start + at}", "not shown")
        else:
            yield Explained(here, piece, f"register {start + at}", int.from_bytes(piece, "little"))
        at += len(piece)


def read_request(name: str, function: int, register: int, wanted: int) -> Request:
    """A request that changes nothing; `wanted` is a number of bytes."""
    raw = close_envelope({"function": function, "register": register, "wanted": wanted})
    return Request(name, raw, (raw[:2] + bytes((function + 0x10,)) + raw[3:5],))


STATUS_REQUEST = read_request("status", 0x01, 0, STATUS_LENGTH)
VERSIONS_REQUEST = read_request("versions", 0x02, *STRINGS)
PACK_ID_REQUEST = read_request("pack id", 0x02, *PACK_ID)
CHIP_ID_REQUEST = read_request("chip id", 0x04, 0, 12)
COUNTERS_REQUEST = read_request("counters", 0x05, 0, 2 * len(COUNTERS.rows))


def failure(packet: Packet) -> str | None:
    """Why the board refused, None if it did not.

    The FF segment tells for 12 and 42, the data for 61; for 43 the level that the board now grants is the answer,
    whatever its segment says (20s-113ah-24cbub).
    """
    function = packet.envelope["function"]
    if function == COMMAND_ANSWER:
        if not packet.whole:
            return "an answer without a result"
        code = packet.fields["result"]
        return None if code == words.DONE else name_of(code, words.COMMAND_RESULTS)
    for code, content in _results(packet):
        if code not in words.SUCCESSES:
            return name_of(code, words.RESULTS) + _limit(code, content)
    return None


def is_refused_by_level(packet: Packet) -> bool:
    """Whether the answer says that the permission level is too low."""
    if packet.envelope["function"] == COMMAND_ANSWER:
        return packet.fields.get("result") == words.COMMAND_NO_PERMISSION
    return any(code == words.NO_PERMISSION for code, _ in _results(packet))


def is_out_of_range(packet: Packet) -> bool:
    """Whether the answer to reading or writing says that the board does not have the address."""
    return any(code == words.OUT_OF_RANGE for code, _ in _results(packet))


def _results(packet: Packet) -> list[tuple[int, bytes]]:
    """Code and data of the FF segments behind an answer to reading or writing."""
    if packet.envelope["function"] not in (0x12, 0x42):
        return []
    return [(code & 0xFF, content) for kind, code, content in packet.envelope.get("segments", ()) if kind == 0xFF]


def _limit(code: int, content: bytes) -> str:
    """The limit that a value broke, in its unit: the segment holds the address and the limit."""
    if code not in words.LIMITS or len(content) != 4:
        return ""
    address, limit = int.from_bytes(content[:2], "little"), content[2:]
    row = next(iter(settings.rows_at(address, 2)), None)
    if row is None:
        return f" {int.from_bytes(limit, 'little')} of register {address}"
    return f" {format_value(row, value_of(row, unpack_raw('<', row, limit)))} of {row.name}"


def text(packet: Packet, name: str) -> str | None:
    """A string field; None if it is empty or not readable (FF everywhere below permission level 2)."""
    raw = packet.fields.get(name, b"")
    return ascii_text(raw) or None if raw.strip(b"\xff") else None


@lru_cache
def _message(function: int, register: int) -> Message:
    return MESSAGES.get((function, register)) or MESSAGES.get((function, None)) or _UNKNOWN
