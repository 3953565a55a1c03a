"""How `jbd` is changed (jbd.md §3 to §6, §9): switches, commands, factory mode, and the exchanges of its settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..packet import Packet, Request
from ..settings import (
    NO_CHARGING,
    NO_SUPPLY,
    Command,
    Danger,
    Factory,
    Page,
    Raw,
    Setting,
    Switch,
    pack_raw,
    table,
    unpack_raw,
)
from . import words
from .frame import HEAD, READ, WRITE, close_envelope
from .messages import PARAMETERS_REGISTER, read_request
from .settings import SETTINGS, with_large_units

REGISTER_PATIENCE = 0.7
"""s for a register: 0.19 s at most in 4s-sp04s034-config."""
WRITE_PATIENCE = 2.0
"""s for an acknowledgement: the slowest answer in the recordings took 1.6 s."""
SAVE: Request | None = None
"""Leaving factory mode does it."""
MOST_NUMBERS = 95
"""Parameters that one FA request may ask for."""


def write_request(name: str, register: int, data: bytes) -> Request:
    """A write: the board repeats the register, with a status."""
    frame = close_envelope({"action": WRITE, "register": register}, data)
    return Request(name, frame, (HEAD + bytes((register,)),))


CONFIG = "4s-sp04s034-config"
FACTORY: Factory | None = Factory(
    enter=write_request("factory mode", 0x00, b"\x56\x78"),
    leave=write_request("end of factory mode", 0x01, b"\x00\x00"),
    keep=write_request("end of factory mode, saving", 0x01, b"\x28\x28"),
)
"""4s-sp04s034-config: enter and leave. No recording saves."""

BOTH = ("charge", "discharge")
LOCK = "protection.12"
"""Set while E1 holds a switch off (4s-sp04s034-switches)."""
SWITCHES: Mapping[str, Switch] = table(
    Switch(
        name="charge",
        text="lets the battery be charged",
        risk=NO_CHARGING,
        together=BOTH,
        lock=LOCK,
        source="4s-sp04s034-switches",
    ),
    Switch(
        name="discharge",
        text="lets the battery be discharged",
        risk=NO_SUPPLY,
        together=BOTH,
        lock=LOCK,
        source="4s-sp04s034-switches",
    ),
)


def _operation(number: int, name: str, text: str, *, dangerous: bool = False, ends: bool = False,
               source: str = "unproved") -> Command:  # fmt: skip
    """Register 0A of V11 boards; older ones refuse it, or say nothing."""
    request = write_request(name, 0x0A, bytes((number, 0)))
    return Command(name=name, text=text, request=request, dangerous=dangerous, ends=ends, source=source)


COMMANDS: Mapping[str, Command] = table(
    _operation(3, "restart", "Restarts the board.", ends=True),
    _operation(2, "clear_history", "Clears the history."),
    _operation(4, "clear_protection", "Ends the protections that are active."),
    _operation(1, "reset_capacity", "Sets the remaining capacity anew.", dangerous=True,
               source="v11-document-examples"),
    _operation(5, "sleep", "Lets the board sleep.", dangerous=True, ends=True),
    _operation(6, "power_off", "Switches the board off: only a charger wakes it.", dangerous=True, ends=True),
    _operation(8, "shipping_mode", "Puts the board into shipping mode: only a charger wakes it.", dangerous=True,
               ends=True),
)  # fmt: skip
"""V11 documents only; no recording of a board."""


def switch_request(name: str, on: bool, shown: Mapping[str, bool | None]) -> Request:
    """One write sets both switches: the other keeps the state that `shown` has for it. A set bit switches off.

    Raises `KeyError` if `shown` lacks the other one.
    """
    wanted = {other: shown[other] for other in BOTH if other != name} | {name: on}
    mask = 0 if wanted["charge"] else words.CHARGE_BIT
    mask |= 0 if wanted["discharge"] else words.DISCHARGE_BIT
    return write_request(f"{name} {'on' if on else 'off'}", 0xE1, bytes((0, mask)))


def settings_for(status: Packet) -> Mapping[str, Setting]:
    """The rows that mean something for a device with this status: its cells and sensors, in its units."""
    fields = status.fields
    last = {
        "cell_calibration": SETTINGS["cell_calibration_1"].address + fields["cell_count"],
        "sensor_calibration": SETTINGS["sensor_calibration_1"].address + fields["sensor_count"],
    }
    rows = {
        name: row for name, row in SETTINGS.items() if row.address < last.get(name.rpartition("_")[0], row.address + 1)
    }
    if fields["mosfets"] & words.LARGE_UNITS:
        rows = {name: with_large_units(row) for name, row in rows.items()}
    return rows


def hidden(status: Packet) -> str | None:
    """This protocol has no levels."""
    return None


def pages(rows: Iterable[Setting], *, factory: bool = False) -> list[Page]:
    """How to read these settings in factory mode: one request a register. Outside of it: FA, for those that it has."""
    wanted = [row for row in rows if row.danger is not Danger.SECRET]
    return _register_pages(wanted) if factory else _numbered_pages(wanted)


def _register_pages(rows: Iterable[Setting]) -> list[Page]:
    by_register: dict[int, list[Setting]] = {}
    for row in rows:
        by_register.setdefault(row.address, []).append(row)
    return [Page((read_request(there[0].name, address),), tuple(there)) for address, there in by_register.items()]


def _numbered_pages(rows: Iterable[Setting]) -> list[Page]:
    """Blocks of neighbouring numbers."""
    found: list[tuple[int, list[Setting]]] = []
    for row in sorted((row for row in rows if row.number is not None), key=lambda row: row.number or 0):
        assert row.number is not None
        if not found or row.number - found[-1][0] >= MOST_NUMBERS or row.number > (found[-1][1][-1].number or 0) + 8:
            found.append((row.number, []))
        found[-1][1].append(row)
    return [
        Page((_numbers_request(first, (there[-1].number or 0) - first + 1),), tuple(there)) for first, there in found
    ]


def _numbers_request(first: int, count: int) -> Request:
    data = first.to_bytes(2, "big") + bytes((count,))
    frame = close_envelope({"action": READ, "register": PARAMETERS_REGISTER}, data)
    return Request("settings", frame, (HEAD + bytes((PARAMETERS_REGISTER,)),))


def raws(page: Page, packets: Sequence[Packet]) -> dict[str, Raw]:
    """The raw values in the answer to a page."""
    (packet,) = packets
    if packet.message != "parameters":
        size = len(packet.data)
        return {
            row.name: packet.data[1 : 1 + packet.data[0]] if row.is_text else unpack_raw(">", row, packet.data)
            for row in page.rows
            if (size if row.is_text else size == row.size)
        }
    first, data = packet.fields["first"], packet.data[3:]
    return {
        row.name: unpack_raw(">", row, data[at : at + 2])
        for row in page.rows
        if row.number is not None and 0 <= (at := 2 * (row.number - first)) <= len(data) - 2
    }


def write_requests(row: Setting, raw: int, register: bytes = b"") -> tuple[Request, ...]:
    """One frame, in factory mode. `register`: as it is now, where the row is a part of it."""
    return (write_request(f"write of {row.name}", row.address, pack_raw(">", row, raw, register)),)


def lacks(packet: Packet) -> bool:
    """80: no such command. Not 81, which says that factory mode was left, or a register is locked (jbd.md §1)."""
    return bool(packet.envelope.get("status", 0) == words.UNKNOWN)


def wants_password(packet: Packet) -> bool:
    """Whether a refusal is for want of a password: 83 says so, and 81 when factory mode is refused (error-answer)."""
    status, register = packet.envelope.get("status", 0), packet.envelope.get("register")
    return status == words.PASSWORD_NEEDED or (status == words.DENIED and register == 0x00)


def turned(packet: Packet) -> bool | None:
    """An acknowledgement names no state."""
    return None
