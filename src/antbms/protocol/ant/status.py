"""The status of `ant` (ant.md §3): its rows, and its way to the snapshot and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from ...model import Alarm, Flag, Snapshot
from ..doubts import examine
from ..layout import KEPT, Compiled, Fields, Layout, Reader, Row, View
from ..packet import Packet, bit_numbers, name_of
from . import words
from .frame import NAME

NO_SENSOR = -40
"""°C that stand for "no sensor" (8s-100ah-batmon: both inputs open)."""
CELL_MASK = 0x1FFF
"""The cell's millivolts; the three bits above are error flags."""
FUNCTION = 0x11

STATUS = Layout(
    "<",
    (
        Row(0, "B", "level"),
        Row(1, "B", "state", codes=words.STATES, source="22s-80ah-24bhub"),
        Row(2, "B", "sensor_count"),
        Row(3, "B", "cell_count"),
        Row(4, "Q", "protection", bits=words.PROTECTION.words),
        Row(12, "Q", "warning", bits=words.WARNING.words),
        Row(20, "Q", "push"),
        Row(28, "H", "cells", 1000, "V", count="cell_count", mask=CELL_MASK),
        Row("28+2N", "h", "temperatures", 1, "°C", count="sensor_count"),
        Row("B+0", "h", "mosfet_temperature", 1, "°C"),
        Row("B+2", "h", "balancer_temperature", 1, "°C"),
        Row("B+4", "H", "voltage", 100, "V"),
        Row("B+6", "h", "current", -10, "A", source="22s-80ah-24bhub: +2 A on the wire while remaining Ah fall"),
        Row("B+8", "H", "soc", 1, "%"),
        Row("B+10", "H", "soh", 1, "%"),
        Row("B+12", "B", "discharge_code", codes=words.DISCHARGE, source="22s-80ah-24bhub: commands 1 and 3"),
        Row("B+13", "B", "charge_code", codes=words.CHARGE, source="22s-80ah-24bhub: command 6"),
        Row("B+14", "B", "balancer_code", codes=words.BALANCER),
        Row("B+15", "B", "board_type"),
        Row("B+16", "I", "capacity", 1_000_000, "Ah"),
        Row("B+20", "I", "remaining", 1_000_000, "Ah"),
        Row("B+24", "I", "throughput", 1000, "Ah"),
        Row("B+28", "i", "power", -1, "W", source="20s-45ah-22pha1: same sign as the current"),
        Row("B+32", "I", "uptime", 0, "s"),
        Row("B+36", "I", "balancing"),
        Row("B+40", "H", "cell_max", 1000, "V"),
        Row("B+42", "H", "cell_max_number"),
        Row("B+44", "H", "cell_min", 1000, "V"),
        Row("B+46", "H", "cell_min_number"),
        Row("B+48", "H", "cell_spread", 1000, "V"),
        Row("B+50", "H", "cell_average", 1000, "V"),
        Row("B+52", "h", "drain_source_voltage", 10, "V"),
        Row("B+54", "H", "discharge_gate_voltage", 10, "V"),
        Row("B+56", "H", "charge_gate_voltage", 10, "V"),
        Row("B+58", "H", "comparator"),
        Row("B+60", "H", "chemistry", codes=words.CHEMISTRIES),
        Row("B+62", "I", "discharged", 1000, "Ah"),
        Row("B+66", "I", "charged", 1000, "Ah"),
        Row("B+70", "I", "discharge_time", 0, "s"),
        Row("B+74", "I", "charge_time", 0, "s"),
    ),
    optional=(
        Row("B+78", "I", "charge_duration", 0, "s"),
        Row("B+82", "I", "since_charge", 0, "s"),
        Row("B+86", "H", "minutes_to_full", 0, "min"),
        Row("B+88", "H", "minutes_to_empty", 0, "min"),
        Row("B+90", "h", "fast_current", -10, "A"),
        Row("B+92", "H", "licence_hours", 0, "h", source="unproved: the vendor's documents"),
        Row("B+94", "H", "sampling_fault", source="unproved: the vendor's documents"),
        Row("B+96", "H", "charger_voltage", 10, "V", source="unproved: the vendor's documents"),
        Row("B+98", "H", "charger_current", 10, "A", source="unproved: the vendor's documents"),
        Row("B+100", "H", "charger_state", source="unproved: the vendor's documents"),
    ),
)

_MINUTES = (("minutes_to_full", "time_to_full"), ("minutes_to_empty", "time_to_empty"))

# Names as on the wire: see `View`.
_SCALARS = View(
    *("level", "state", "protection", "warning", "voltage", "current", "soc", "soh"),
    *("discharge_code", "charge_code", "balancer_code", "board_type", "capacity", "remaining", "throughput", "power"),
    *("uptime", "balancing", "cell_max", "cell_min", "drain_source_voltage", "discharge_gate_voltage"),
    *("charge_gate_voltage", "comparator", "chemistry", "discharged", "charged", "discharge_time", "charge_time"),
)
_CELLS = View("cells")
_SENSORS = View("temperatures", "mosfet_temperature", "balancer_temperature")
_TAIL = View(
    *("charge_duration", "since_charge", "minutes_to_full", "minutes_to_empty", "fast_current", "licence_hours"),
    *("sampling_fault", "charger_voltage", "charger_current", "charger_state"),
)

VOLTAGE, CURRENT, POWER, CELL = STATUS.divisors("voltage", "current", "power", "cells")
CAPACITY, REMAINING, THROUGHPUT, DISCHARGED, CHARGED = STATUS.divisors(
    "capacity", "remaining", "throughput", "discharged", "charged"
)
DRAIN, DISCHARGE_GATE, CHARGE_GATE = STATUS.divisors(
    "drain_source_voltage", "discharge_gate_voltage", "charge_gate_voltage"
)


@lru_cache(maxsize=KEPT)
def _readers(layout: Compiled) -> tuple[Reader, Reader, Reader]:
    return _SCALARS.reader(layout), _CELLS.reader(layout), _SENSORS.reader(layout)


def to_snapshot(packet: Packet, *, time: datetime, battery: str) -> Snapshot:
    """The contract of one status answer."""
    data = packet.data
    read_scalars, read_cells, read_sensors = _readers(packet.layout)
    scalars = read_scalars(data)
    level, state_code, protection, warning, voltage, current, soc, soh = scalars[:8]
    discharge_code, charge_code, balancer_code, board_type, capacity, remaining, throughput, power = scalars[8:16]
    uptime, balancing_word, highest, lowest, drain, discharge_gate, charge_gate, comparator = scalars[16:24]
    chemistry, discharged, charged, discharge_time, charge_time = scalars[24:]
    volts, amperes = voltage / VOLTAGE, current / CURRENT or 0.0  # no -0.0
    state = words.STATES.get(state_code) or name_of(state_code, words.STATES)
    known = examine(
        [(cell & CELL_MASK) / CELL for cell in read_cells(data)],
        volts,
        amperes,
        float(soc),
        _temperatures(read_sensors(data)),
        state,
        (power / POWER, highest / CELL, lowest / CELL),
    )
    balancing = _balanced_cells(board_type, balancing_word)
    protections, protection_flags = words.PROTECTION.split(protection)
    warnings, warning_flags = words.WARNING.split(warning)
    details = {
        "chemistry": words.CHEMISTRIES.get(chemistry) or name_of(chemistry, words.CHEMISTRIES),
        "board_type": board_type,
        "drain_source_voltage": drain / DRAIN,
        "discharge_gate_voltage": discharge_gate / DISCHARGE_GATE,
        "charge_gate_voltage": charge_gate / CHARGE_GATE,
        "comparator": comparator,
    }
    if board_type in words.ACTIVE_BALANCERS or len(packet.layout.rows) > STATUS.required:
        details |= _more_details(packet, board_type, balancing_word)
    return Snapshot(
        time=time,
        battery=battery,
        protocol=NAME,
        level=level,
        voltage=known.voltage,
        current=amperes,
        power=known.power,
        soc=known.soc,
        soh=float(soh),
        state=state,
        capacity=round(capacity / CAPACITY, 3),
        remaining=round(remaining / REMAINING, 3),
        throughput=throughput / THROUGHPUT,
        charged=charged / CHARGED,
        discharged=discharged / DISCHARGED,
        uptime=uptime,
        charge_time=charge_time,
        discharge_time=discharge_time,
        cells=known.cells,
        cell_min=known.cell_min,
        cell_max=known.cell_max,
        cell_spread=known.cell_spread,
        balancing=balancing,
        temperatures=known.temperatures,
        switches={
            "charge": words.CHARGE_SWITCH[charge_code],
            "discharge": words.DISCHARGE_SWITCH[discharge_code],
            "balance": words.BALANCE_SWITCH[bool(warning & words.BALANCING_BITS or balancing)][balancer_code],
        },
        alarms=protections + warnings,
        flags=protection_flags + warning_flags,
        details=details,
        doubts=known.doubts,
    )


def from_snapshot(snapshot: Snapshot) -> Fields:
    """The fields of a status that says what `snapshot` says: the inverse of `to_snapshot` on values of the wire's grid.

    Quantities that the snapshot does not know become 0. Optional rows are there if their quantity is in `details`.
    """
    details, cells, temperatures = snapshot.details, snapshot.cells, snapshot.temperatures
    switches = snapshot.switches
    marks: list[Alarm | Flag] = [*snapshot.alarms, *snapshot.flags]
    sensors = [name for name in temperatures if name.startswith("t")]
    known = [cell for cell in cells if cell is not None]
    lowest, highest = min(known, default=0.0), max(known, default=0.0)
    reported: dict[str, Any] = {
        "level": snapshot.level,
        "state": _code_of(snapshot.state, words.STATES),
        "sensor_count": len(sensors),
        "cell_count": len(cells),
        "protection": words.PROTECTION.mask(marks),
        "warning": words.WARNING.mask(marks),
        "mosfet_temperature": _raw_sensor(temperatures.get("mosfet")),
        "balancer_temperature": _raw_sensor(temperatures.get("balancer")),
        "discharge_code": switches["discharge"].code,
        "charge_code": switches["charge"].code,
        "balancer_code": switches["balance"].code,
        "uptime": snapshot.uptime,
        "balancing": _balancing_word(snapshot),
        "cell_max_number": cells.index(highest) + 1 if known else 0,
        "cell_min_number": cells.index(lowest) + 1 if known else 0,
        "cell_average": sum(known) / len(known) if known else 0.0,
        "cell_max": highest,
        "cell_min": lowest,
        "cell_spread": highest - lowest,
        "chemistry": _code_of(details.get("chemistry"), words.CHEMISTRIES),
    }
    return (
        {
            "cells": tuple(round((cell or 0.0) * 1000) for cell in cells),
            "temperatures": tuple(_raw_sensor(temperatures[name]) for name in sensors),
        }
        | {
            row.name: _raw(row, reported.get(row.name, getattr(snapshot, row.name, details.get(row.name))))
            for row in STATUS.rows[: STATUS.required]
            if not row.is_array
        }
        | _tail_from(details)
    )


def _temperatures(raw: Sequence[int]) -> dict[str, float | None]:
    """Raw sensors, the MOSFETs' and the balancer's last."""
    values = [None if item == NO_SENSOR else item / 1 for item in raw]
    return dict(zip(_sensor_names(len(values)), values))  # noqa: B905  # made to the same length


@lru_cache
def _sensor_names(count: int) -> tuple[str, ...]:
    return (*(f"t{number}" for number in range(1, count - 1)), "mosfet", "balancer")


def _more_details(packet: Packet, board_type: int, balancing_word: int) -> dict[str, Any]:
    """Those of longer frames, and of boards that balance actively."""
    details = _TAIL.named(packet.layout, packet.data)
    for minutes, seconds in _MINUTES:
        if minutes in details:
            details[seconds] = details.pop(minutes) * 60
    if divisor := words.ACTIVE_BALANCERS.get(board_type):
        word = balancing_word.to_bytes(4, "little")
        details["balancer_fault"] = word[0]
        details["balance_current"] = int.from_bytes(word[1:2], signed=True) / divisor
        details["line_resistance"] = word[2] / 100_000
    return details


def _balanced_cells(board_type: int, word: int) -> tuple[int, ...]:
    """Cell numbers: bits of a mask, or the index in the highest byte on boards that balance actively (unproved)."""
    if board_type in words.ACTIVE_BALANCERS:
        return (word >> 24,) if word >> 24 else ()
    return bit_numbers(word, first=1)


def _balancing_word(snapshot: Snapshot) -> int:
    details = snapshot.details
    if (divisor := words.ACTIVE_BALANCERS.get(details.get("board_type", 0))) is None:
        return sum(1 << number - 1 for number in snapshot.balancing)
    index = snapshot.balancing[0] if snapshot.balancing else 0
    current = round(details["balance_current"] * divisor) & 0xFF
    resistance = round(details["line_resistance"] * 100_000)
    return int.from_bytes((details["balancer_fault"], current, resistance, index), "little")


def _tail_from(details: dict[str, Any]) -> Fields:
    """The optional rows whose quantities are known, as far as they follow each other without a gap."""
    known = details | {minutes: details[seconds] // 60 for minutes, seconds in _MINUTES if seconds in details}
    fields: Fields = {}
    for row in STATUS.rows[STATUS.required :]:
        if row.name not in known:
            break
        fields[row.name] = _raw(row, known[row.name])
    return fields


def _raw(row: Row, value: float | None) -> int:
    return round((value or 0) * (row.divisor or 1))


def _raw_sensor(value: float | None) -> int:
    return NO_SENSOR if value is None else round(value)


def _code_of(word: str | None, codes: dict[int, str]) -> int:
    """The code of a word; `unknown 7` is 7; 0 where there is none."""
    if word is None:
        return 0
    known = {text: code for code, text in codes.items()}
    return known[word] if word in known else int(word.rpartition(" ")[2])
