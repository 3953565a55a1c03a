"""The status of `jbd`, in two answers: 03 basic information, 04 cells (jbd.md §2); to the snapshot and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from msgspec.structs import asdict

from ...model import Alarm, Flag, Snapshot, SwitchState
from ..doubts import examine
from ..layout import REST, Fields, Layout, Row, View
from ..packet import Packet, bit_numbers
from . import words
from .frame import NAME

BASIC_REGISTER, CELLS_REGISTER = 0x03, 0x04
TOGETHER = 0.3
"""s between the two answers up to which cells and pack voltage are compared."""
KELVIN = 2731
"""Raw value of 0 °C: the wire counts 0.1 K."""

BASIC = Layout(
    ">",
    (
        Row(0, "H", "voltage", 100, "V"),
        Row(
            2,
            "h",
            "current",
            100,
            "A",
            source="4s-discharging-issue14; 4s-sp04s034-ffaa-auth: remaining falls at -0.5 A",
        ),
        Row(4, "H", "remaining", 100, "Ah"),
        Row(6, "H", "capacity", 100, "Ah"),
        Row(8, "H", "cycles"),
        Row(10, "H", "produced"),
        Row(12, "H", "balancing_low", source="unproved: no recording balances"),
        Row(14, "H", "balancing_high", source="unproved: word order as in the documents"),
        Row(16, "H", "protection", bits=words.PROTECTION.words),
        Row(18, "B", "software"),
        Row(19, "B", "soc", 1, "%"),
        Row(20, "B", "mosfets", bits={0: "charge on", 1: "discharge on"} | dict(words.MOSFETS.words)),
        Row(21, "B", "cell_count"),
        Row(22, "B", "sensor_count"),
        Row(23, "H", "temperatures", 0, "0.1 K", count="sensor_count"),
    ),
    optional=(
        Row("23+2n", "B", "humidity", 0, "%", source="4s-chins-300ah"),
        Row("+1", "H", "warning", bits=words.WARNING.words),
        Row("+3", "H", "full_capacity", 100, "Ah"),
        Row("+5", "H", "remaining_again", 100, "Ah"),
        Row("+7", "H", "balance_current", 1000, "A"),
    ),
)
CELLS = Layout(">", (Row(0, "H", "cells", 1000, "V", count=REST),))

_SMALL = ("current", "remaining", "capacity", "full_capacity", "remaining_again")
"""Quantities whose unit grows tenfold with LARGE_UNITS."""


# Names as on the wire: see `View`.
_WORDS = View("cycles", "balancing_low", "balancing_high", "protection", "mosfets")
_TEMPERATURES = View("temperatures")
_CELLS = View("cells")
_SCALED = View("voltage", "current", "remaining", "capacity", "soc")
_WARNING = View("warning")
_DETAILS = View("humidity", "full_capacity", "balance_current")


def to_snapshot(packets: Sequence[Packet], *, time: datetime, battery: str, apart: float = 0.0) -> Snapshot:
    """The contract of a 03 answer, a 04 answer or both; a half that is missing leaves its quantities None.

    `apart` is the time in s between the two.
    """
    by_name = {packet.message: packet for packet in packets}
    voltages = by_name.get("cells")
    cells = [raw / 1000 for raw in _CELLS.raw(voltages.layout, voltages.data)] if voltages else []
    basic = _basic(by_name["status"]) if "status" in by_name else {}
    measured = {name: basic.pop(name, None) for name in ("voltage", "soc", "temperatures")}
    known = examine(cells, current=basic.get("current"), compare_sum=apart <= TOGETHER, **measured)
    return Snapshot(time=time, battery=battery, protocol=NAME, **basic, **asdict(known))


def from_snapshot(snapshot: Snapshot) -> tuple[Fields, Fields]:
    """The fields of the 03 and the 04 answer that say what `snapshot` says: the inverse of `to_snapshot`.

    `produced` and `software`, which no snapshot knows, are 0. The tail is there if `details` has its `humidity`.
    """
    details, switches = snapshot.details, snapshot.switches
    marks: list[Alarm | Flag] = [*snapshot.alarms, *snapshot.flags]
    balancing = sum(1 << number - 1 for number in snapshot.balancing)
    mosfets = words.MOSFETS.mask(marks)
    mosfets |= words.CHARGE_BIT if switches["charge"].on else 0
    mosfets |= words.DISCHARGE_BIT if switches["discharge"].on else 0
    reported: dict[str, Any] = {
        "produced": 0,
        "software": 0,
        "balancing_low": balancing & 0xFFFF,
        "balancing_high": balancing >> 16,
        "protection": words.PROTECTION.mask(marks),
        "mosfets": mosfets,
        "cell_count": len(snapshot.cells),
        "sensor_count": len(snapshot.temperatures),
        "temperatures": tuple(round((item or 0.0) * 10) + KELVIN for item in snapshot.temperatures.values()),
        "warning": words.WARNING.mask(marks),
        "remaining_again": snapshot.remaining,
    }
    rows = BASIC.rows if "humidity" in details else BASIC.rows[: BASIC.required]
    basic: Fields = {}
    for row in rows:
        value = reported.get(row.name, getattr(snapshot, row.name, details.get(row.name)))
        divisor = (row.divisor or 1) / (10 if mosfets & words.LARGE_UNITS and row.name in _SMALL else 1)
        basic[row.name] = value if row.is_array else round((value or 0) * divisor)
    return basic, {"cells": tuple(round((cell or 0.0) * 1000) for cell in snapshot.cells)}


def production_date(raw: int) -> date | None:
    """The day in a date word; None if it is no day."""
    try:
        return date(2000 + (raw >> 9), raw >> 5 & 15, raw & 31)
    except ValueError:
        return None


def _basic(packet: Packet) -> dict[str, Any]:
    """The fields of `Snapshot` that a 03 answer holds, not examined yet."""
    layout, data = packet.layout, packet.data
    cycles, balancing_low, balancing_high, protection, mosfets = _WORDS.raw(layout, data)
    voltage, current, remaining, capacity, soc = _SCALED.scaled(layout, data)
    temperatures = _TEMPERATURES.raw(layout, data)
    details = _DETAILS.named(layout, data)
    (warning,) = _WARNING.raw(layout, data) or (0,)
    if mosfets & words.LARGE_UNITS:
        current, capacity, remaining = (round(value * 10, 1) for value in (current, capacity, remaining))
        details |= {name: round(details[name] * 10, 1) for name in _SMALL if name in details}
    protections, flags = words.PROTECTION.split(protection)
    warnings, _ = words.WARNING.split(warning)
    mosfet_alarms, mosfet_flags = words.MOSFETS.split(mosfets & ~(words.CHARGE_BIT | words.DISCHARGE_BIT))
    return {
        "voltage": voltage,
        "current": current,
        "soc": soc,
        "capacity": capacity,
        "remaining": remaining,
        "cycles": cycles,
        "balancing": bit_numbers(balancing_low | balancing_high << 16, first=1),
        "temperatures": {f"t{n}": (raw - KELVIN) / 10 for n, raw in enumerate(temperatures, 1)},
        "switches": {
            "charge": _switch(mosfets & words.CHARGE_BIT),
            "discharge": _switch(mosfets & words.DISCHARGE_BIT),
        },
        "alarms": protections + warnings + mosfet_alarms,
        "flags": flags + mosfet_flags,
        "details": details,
    }


def _switch(bit: int) -> SwitchState:
    """The protocol has no codes: a switch is on or off."""
    return SwitchState(bool(bit), None, "on" if bit else "off")
