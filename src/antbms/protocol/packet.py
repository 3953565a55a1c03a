"""A frame taken apart, and its explanation field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Literal

from msgspec import Struct

from ..errors import FrameError
from .framing import Frame
from .layout import REST, Compiled, Fields, Layout, Row

BYTES = Layout("<", (Row(0, "B", "values", count=REST),))
"""Data whose meaning is not known."""

Direction = Literal[">", "<", "?"]
"""To the battery, from the battery, not to be told from the frame alone."""


class Medium(Enum):
    """What lies between us and the battery, as far as the address tells; it decides how detection asks."""

    WIRE = "wire"
    """UART, RS485: the baud rate matters."""
    BLUETOOTH = "bluetooth"
    """BLE or classic: the baud rate is irrelevant."""
    UNKNOWN = "unknown"
    """A COM port or a socket may be either."""
    MEMORY = "memory"
    """In this process: nothing needs a pause."""


class Packet(Struct, frozen=True, gc=False):
    """One frame taken apart without loss: `pack` makes the same bytes of it again.

    message: its name (`status`, `counters`, `write request` …). envelope: function, register and so on, raw.
    data: as on the wire, from byte `start` of the frame; layout: its rows, as far as they are known.
    whole: False if the data is shorter than the message needs; then it is plain bytes.
    """

    protocol: str
    message: str
    direction: Direction
    envelope: Fields
    layout: Compiled
    data: bytes
    start: int
    whole: bool = True

    @property
    def fields(self) -> Fields:
        """The data by row name, raw; made anew at each call."""
        return self.layout.unpack(self.data)

    @property
    def tail(self) -> bytes:
        """What comes after the last known row."""
        return self.data[self.layout.size :]


class Request(Struct, frozen=True):
    """What is sent, and how the answers to it begin (function and register, so that a late one is not mistaken).

    medium: set where a request makes sense on one medium only.
    """

    name: str
    raw: bytes
    answers: tuple[bytes, ...]
    medium: Medium | None = None

    def fits(self, medium: Medium) -> bool:
        """Whether it makes sense to send this over `medium`; memory counts as Bluetooth."""
        if medium is Medium.MEMORY:
            medium = Medium.BLUETOOTH
        return self.medium is None or medium in (self.medium, Medium.UNKNOWN)


class Message(Struct, frozen=True):
    """One row of a protocol's table of messages: its name, and the layout of its data."""

    name: str
    direction: Direction
    layout: Layout


class Explained(Struct, frozen=True):
    """One field of a frame: where, the bytes, and what they mean. `text` has words where the number has some.

    is_number: the number is an address or the like; words stand beside it, not in its place.
    """

    offset: int
    raw: bytes
    name: str
    value: Any
    unit: str = ""
    text: str = ""
    is_number: bool = False


def packet(frame: Frame, message: Message, envelope: Fields, start: int, length: int) -> Packet:
    """Take apart the `length` bytes of data at `start` of a frame."""
    data = frame.raw[start : start + length]
    whole = True
    try:
        layout = message.layout.compiled(data)
    except FrameError:
        layout, whole = BYTES.compiled(data), False
    return Packet(frame.protocol, message.name, message.direction, envelope, layout, data, start, whole)


def build(protocol: str, message: Message, envelope: Fields, fields: Fields, start: int) -> Packet:
    """A packet of these fields: arrays as long as they are, optional rows where they are given."""
    layout = message.layout.compiled_for(fields)
    return Packet(protocol, message.name, message.direction, envelope, layout, layout.pack(fields), start)


def explain_data(packet: Packet, raw: bytes) -> Iterator[Explained]:
    """The fields of the data, in the order of the wire; arrays item by item (`cells.1` …)."""
    fields = packet.fields
    end = packet.start
    for offset, size, row in packet.layout.spans():
        at, end = packet.start + offset, packet.start + offset + size
        value = fields[row.name]
        if not row.is_array:
            yield _explain(row, row.name, at, raw[at:end], value)
            continue
        step = size // len(value) if value else 0
        for number, item in enumerate(value):
            here = at + number * step
            yield _explain(row, f"{row.name}.{number + 1}", here, raw[here : here + step], item)
    if packet.tail:
        yield Explained(end, packet.tail, "tail", packet.tail.hex(" ").upper(), "", "not known")


def values(explained: Iterator[Explained]) -> dict[str, Any]:
    """Name → value (words where a code has some), arrays gathered into lists: the JSON of a message.

    A number that is an address or the like stays a number; its words come as `NAME_name`.
    """
    record: dict[str, Any] = {}
    for field in explained:
        name, _, number = field.name.partition(".")
        value = field.value if field.is_number else field.text or field.value
        if number.isdecimal():
            record.setdefault(name, []).append(value)
        else:
            record[field.name] = value
            if field.is_number and field.text:
                record[f"{field.name}_name"] = field.text
    return record


def bit_numbers(mask: int, first: int = 0) -> tuple[int, ...]:
    """The numbers of the bits that are set, lowest first; the lowest bit has the number `first`."""
    numbers = []
    while mask:
        lowest = mask & -mask
        numbers.append(lowest.bit_length() - 1 + first)
        mask ^= lowest
    return tuple(numbers)


def ascii_text(raw: bytes) -> str:
    """A string of the wire: up to the first NUL, unprintable bytes as `?`, without blanks around."""
    text = raw.split(b"\0", 1)[0].decode("ascii", "replace")
    return "".join(c if c.isprintable() and c.isascii() else "?" for c in text).strip()


def name_of(code: int, codes: Mapping[int, str]) -> str:
    """The word for a code; an unknown one by its number."""
    return codes.get(code) or f"unknown {code}"


def _explain(row: Row, name: str, at: int, raw: bytes, value: Any) -> Explained:
    if isinstance(value, bytes):
        return Explained(at, raw, name, ascii_text(value))
    if row.mask:
        value &= row.mask
    if row.codes:
        return Explained(at, raw, name, value, "", name_of(value, row.codes))
    if row.bits:
        words = (row.bits.get(bit) or f"bit {bit}" for bit in bit_numbers(value))
        return Explained(at, raw, name, value, "", ", ".join(words) or "none")
    return Explained(at, raw, name, value / row.divisor + 0.0 if row.divisor else value, row.unit)
