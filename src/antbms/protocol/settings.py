"""Settings, switches and commands of a battery as rows; and from raw values to values in units, to text, and back.

A row says all that there is to say of a thing: the tables of the protocols (`ant/settings.py` …) hold nothing but rows.
The same thing has the same name in every protocol. Magnitudes are positive in every protocol.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from struct import Struct as Packer
from struct import calcsize
from typing import Literal, TypeVar
from unicodedata import normalize

from msgspec import Struct

from ..errors import UsageError
from ..model.events import Value
from .packet import Explained, Request, ascii_text, bit_numbers

Order = Literal["<", ">"]
"""Of the bytes on the wire."""

Raw = int | bytes
"""As on the wire: an integer, or the bytes of a text."""

LARGEST = 10**12
"""In any unit: more than any register holds."""
SANITY = "sanity"
"""Limits that no source gives: they only keep out what cannot be meant."""
UNPROVED = "unproved"


class Danger(Enum):
    """What it takes to write a setting."""

    PLAIN = "plain"
    """Its limits are checked, as for all."""
    DANGEROUS = "dangerous"
    """The caller must say that it is meant."""
    SHOWN = "shown only"
    """Never written."""
    SECRET = "secret"
    """Neither read, nor shown, nor written."""


class Setting(Struct, frozen=True, kw_only=True):
    """One stored parameter.

    address: of its register. type: a letter of `struct`, or `32s` for a text; `B` for one byte of a register.
    value = (raw - zero) / divisor, in `unit`; a negative divisor turns the sign of the wire round.
    low, high: the values that may be written, in `unit`; limits: where they come from.
    part: which byte of a register it is, where two settings share one. words_swapped: a 32-bit value whose low word
    has the lower address although bytes are in the other order (ant-legacy). number: of the same parameter where a
    protocol has a second way to read it (jbd FA).
    codes, bits: words for the values of an enumeration, for the bits of a mask. date: packed as year, month, day.
    missing: the raw value that says that the device does not have it.
    usual: read when nobody asks for it by name. restored: given back from a backup; not what the device counts itself.
    source: the recording that proves the row; `unproved` where there is none.
    """

    name: str
    label: str
    address: int
    type: str = "H"
    divisor: int = 1
    zero: int = 0
    unit: str = ""
    low: float = 0
    high: float = 65535
    limits: str = SANITY
    group: str = "other"
    danger: Danger = Danger.PLAIN
    codes: Mapping[int, str] = {}
    bits: Mapping[int, str] = {}
    date: bool = False
    part: Literal["", "high", "low"] = ""
    words_swapped: bool = False
    number: int | None = None
    missing: int | None = None
    usual: bool = True
    restored: bool = True
    source: str = UNPROVED

    @property
    def size(self) -> int:
        """Bytes of its register: a part has the two of the register that it shares."""
        return 2 if self.part else calcsize(f"<{self.type}")

    @property
    def is_text(self) -> bool:
        """Whether the value is a string."""
        return self.type.endswith("s")

    @property
    def digits(self) -> int:
        """Decimal places of its value."""
        return len(str(abs(self.divisor))) - 1

    @property
    def step(self) -> float:
        """The distance of two values that can be set, in `unit`."""
        return 1 / abs(self.divisor)


class Shows(Enum):
    """When the status of a battery shows the state of a switch."""

    ALWAYS = "always"
    NEVER = "never"
    ACTIVE = "while active"
    """Only "on", and only while it does something; "off" may mean that it waits."""


class Switch(Struct, frozen=True, kw_only=True):
    """Something that is on or off. together: all the switches that one write sets; toggles: a write turns it round.

    risk: what turning it off may do to others, one sentence: a person is asked twice (ant.md §12).

    lock: the flag of the status that says that a command holds at least one of `together` off. Without it, one that is
    off while a protection is active is held by that, and meant to be on.
    """

    name: str
    text: str
    shows: Shows = Shows.ALWAYS
    toggles: bool = False
    together: tuple[str, ...] = ()
    lock: str = ""
    risk: str = ""
    source: str = UNPROVED


NO_SUPPLY = (
    "Everything that the battery feeds loses its supply: a vehicle that moves, an inverter, perhaps this computer."
)
NO_CHARGING = "A charger or an inverter that runs, or a vehicle that brakes, cannot feed the battery any longer."
"""Risks of turning discharge or charge off, whatever the protocol."""


class Command(Struct, frozen=True, kw_only=True):
    """Something that a battery does when told.

    text: one sentence. dangerous: the caller must say that it is meant. at_rest: only without current.
    ends: the battery goes away with it, so that nothing more is asked.
    """

    name: str
    text: str
    request: Request
    dangerous: bool = False
    at_rest: bool = False
    ends: bool = False
    source: str = UNPROVED


class Page(Struct, frozen=True):
    """Read requests, and the settings that their answers hold together. More than one only for a value in two words."""

    requests: tuple[Request, ...]
    rows: tuple[Setting, ...]


class Factory(Struct, frozen=True):
    """The requests of a mode outside of which settings can be neither read nor written.

    leave: without saving, for after a failure. keep: saves what was written, and zeroes the protection counters.
    """

    enter: Request
    leave: Request
    keep: Request


def value_of(setting: Setting, raw: Raw) -> Value:
    """A raw value in its unit: float; int where there is no scale; str for texts, dates and known codes."""
    if isinstance(raw, bytes):
        return ascii_text(raw)
    if setting.date:
        return _date_text(raw)
    if setting.codes:
        return setting.codes.get(raw, raw)
    if setting.divisor == 1:
        return raw - setting.zero
    return round((raw - setting.zero) / setting.divisor, setting.digits) + 0.0


def raw_of(setting: Setting, value: Value) -> int:
    """The raw value of a value in its unit: the inverse of `value_of`.

    Raises `UsageError` for what the register cannot hold, or cannot hold exactly. The limits are another matter.
    """
    if isinstance(value, str) and setting.codes:
        known = {word: code for code, word in setting.codes.items()}
        if value not in known:
            raise UsageError(f"{setting.name}: {value!r} is none of {', '.join(known)}")
        return known[value]
    if isinstance(value, str | bool) or value is None:
        raise UsageError(f"{setting.name}: {value!r} is no number")
    exact = value * setting.divisor + setting.zero
    if not abs(exact) < 2**40:
        raise UsageError(f"{setting.name}: {value!r} is no number that it can hold")
    raw = round(exact)
    if abs(exact - raw) > 1e-6 * max(1.0, abs(exact)):
        raise UsageError(f"{setting.name}: {value:g} {setting.unit} is between its steps of {_plain(setting.step)}")
    low, high = bounds(setting.type)
    if not low <= raw <= high or raw == setting.missing:
        raise UsageError(f"{setting.name}: {format_value(setting, value)} does not fit into its register")
    return raw


def check_limits(setting: Setting, value: Value) -> None:
    """Raise `UsageError` unless a number lies within the limits of its row."""
    if isinstance(value, int | float) and not setting.low <= value <= setting.high:
        low, high = (format_value(setting, limit) for limit in (setting.low, setting.high))
        raise UsageError(f"{setting.name}: {format_value(setting, value)} is not from {low} to {high}")


def bounds(letter: str) -> tuple[int, int]:
    """The smallest and the largest integer of a `struct` letter."""
    bits = 8 * calcsize(f"<{letter}")
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if letter.islower() else (0, (1 << bits) - 1)


_UNITS: dict[str, dict[str, str]] = {
    "V": {"V": "1", "mV": "0.001", "kV": "1000"},
    "A": {"A": "1", "mA": "0.001"},
    "Ah": {"Ah": "1", "mAh": "0.001"},
    "°C": dict.fromkeys(("°C", "C", "degC"), "1"),
    "s": {"s": "1", "ms": "0.001", "us": "0.000001", "\u03bcs": "0.000001", "min": "60", "h": "3600"},
    "min": {"min": "1", "h": "60"},
    "h": {"h": "1"},
    "Ω": {"Ω": "1", "ohm": "1", "mΩ": "0.001", "mohm": "0.001"},
    "%": {"%": "1"},
    "mm": {"mm": "1", "cm": "10", "m": "1000"},
}
"""Unit of a row → units that are understood in its place, and how much of it each is. Letters as NFKC writes them."""
_LETTERS = re.compile(r"(.*?)\s*([^\W\d_]*|%|°C)", re.DOTALL)
"""A number, and what comes behind it."""


def parse_value(setting: Setting, text: str) -> Value:
    """What a user wrote: `3.65`, `3650mV`, `-10 °C`, `2 s`, `lfp`, `0x0006`, names of bits with commas between them.

    Hexadecimal is for raw values, masks and codes: with a unit or a scale nobody could tell the raw value from the
    quantity. Raises `UsageError`.
    """
    text = normalize("NFKC", text.strip())
    if setting.is_text:
        return text
    if (words := _from_words(setting, text)) is not None:
        return words
    match = _LETTERS.fullmatch(text)
    number, unit = match.groups() if match else (text, "")
    factors = _UNITS.get(setting.unit, {})
    if unit and unit not in factors:
        expected = f"in {setting.unit}, as in {setting.name}={format_value(setting, setting.high).replace(' ', '')}"
        raise UsageError(f"{setting.name}: {text!r} is no value {expected if setting.unit else 'without a unit'}")
    try:
        value = Decimal(number.replace(",", ".") if number.count(",") == 1 else number) * Decimal(
            factors.get(unit, "1")
        )
    except ArithmeticError:
        allowed = [*setting.codes.values(), *setting.bits.values()]
        hint = (f"It knows: {', '.join(allowed)}.",) if allowed else ()
        raise UsageError(f"{setting.name}: {text!r} is no number", *hint) from None
    if not value.is_finite() or abs(value) > LARGEST:
        raise UsageError(f"{setting.name}: {text!r} is no number that it can hold")
    return int(value) if value == value.to_integral_value() and setting.divisor == 1 else float(value)


def format_value(setting: Setting, value: Value) -> str:
    """A value for people: with the digits of its step, and its unit; a mask as hex, with the words of its bits."""
    if value is None:
        return "–"
    if isinstance(value, str | bool):
        return str(value)
    if setting.codes:
        return f"unknown {value}"
    if setting.bits:
        words = (setting.bits.get(bit) or f"bit {bit}" for bit in bit_numbers(int(value)))
        return f"0x{int(value):04X} ({', '.join(words) or 'none'})"
    return f"{value:.{setting.digits}f} {setting.unit}".rstrip()


def _from_words(setting: Setting, text: str) -> Value:
    """A code by its word, a mask by the words of its bits; hexadecimal; None for anything else."""
    known = {word.casefold(): code for code, word in setting.codes.items()}
    if text.casefold() in known:
        return setting.codes[known[text.casefold()]]
    bits = {word.casefold(): 1 << bit for bit, word in setting.bits.items()} | {"none": 0}
    names = [name.strip().casefold() for name in text.split(",")]
    if setting.bits and all(name in bits for name in names):
        return sum({bits[name] for name in names})
    if text[:2].casefold() == "0x":
        try:
            raw = int(text, 16)
        except ValueError:
            return None
        if setting.unit or setting.divisor != 1 or setting.zero:
            unit = setting.unit or "its own scale"
            raise UsageError(f"{setting.name}: {text!r} could be a raw value: write a number in {unit}, without 0x")
        return value_of(setting, raw) if setting.codes else raw
    return None


def _date_text(raw: int) -> Value:
    """year 2000 + bits 9 to 15, month bits 5 to 8, day bits 0 to 4; the number where that is no date."""
    try:
        return date(2000 + (raw >> 9), raw >> 5 & 15, raw & 31).isoformat()
    except ValueError:
        return raw


def _plain(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".")


R = TypeVar("R", Setting, Switch, Command)


def table(*rows: R) -> Mapping[str, R]:
    """Rows by name. Names are unique."""
    by_name = {row.name: row for row in rows}
    assert len(by_name) == len(rows), [row.name for row in rows if by_name[row.name] is not row]
    return by_name


def by_group(rows: Mapping[str, Setting]) -> list[Setting]:
    """The rows of a group together, groups and rows in the order in which they first stand."""
    groups = list(dict.fromkeys(row.group for row in rows.values()))
    return sorted(rows.values(), key=lambda row: groups.index(row.group))


def take(order: Order, rows: Iterable[Setting], start: int, data: bytes) -> Iterator[tuple[Setting, Raw]]:
    """The raw value of every row that lies in `data`, the bytes from address `start` (counted in bytes) on."""
    for row in rows:
        at = row.address - start
        if at >= 0 and at + row.size <= len(data):
            yield row, unpack_raw(order, row, data[at : at + row.size])


def unpack_raw(order: Order, row: Setting, register: bytes) -> Raw:
    """The raw value of a row, from the bytes of its register."""
    if row.part:
        return register[0] if (row.part == "high") == (order == ">") else register[1]
    if row.words_swapped:
        register = register[2:] + register[:2]
    raw: Raw = Packer(order + row.type).unpack(register)[0]
    return raw


def pack_raw(order: Order, row: Setting, raw: int, register: bytes = b"\0\0") -> bytes:
    """The bytes of a register: the inverse of `unpack_raw`. `register`: as it is now, where a row is a part of it."""
    if row.part:
        first = (row.part == "high") == (order == ">")
        return bytes((raw, register[1])) if first else bytes((register[0], raw))
    data = Packer(order + row.type).pack(raw)
    return data[2:] + data[:2] if row.words_swapped else data


def explain_setting(row: Setting, raw: Raw, at: int, data: bytes) -> Explained:
    """A setting as a field of a frame, at byte `at` of it."""
    value = value_of(row, raw)
    if isinstance(raw, int) and raw == row.missing:
        return Explained(at, data, row.name, raw, "", "not available")
    if row.codes or row.bits:
        return Explained(at, data, row.name, raw, "", format_value(row, value))
    return Explained(at, data, row.name, value, row.unit)
