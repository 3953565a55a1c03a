"""The status of `ant-legacy` (ant-legacy.md §2): its rows, and its way to the snapshot and back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ...model import Snapshot
from ..doubts import examine
from ..layout import Fields, Layout, Row, View
from ..packet import Packet, bit_numbers
from . import words
from .frame import NAME

NO_SENSOR = -40
INPUTS = 32
"""Cells that the frame has room for."""
SENSORS = 4

STATUS = Layout(
    ">",
    (
        Row(4, "H", "voltage", 10, "V"),
        Row(6, "H", "cells", 1000, "V", count=INPUTS),
        Row(70, "i", "current", -10, "A", source="14s-170ah-model2019: +8 A on the wire while remaining Ah fall"),
        Row(74, "B", "soc", 1, "%"),
        Row(75, "I", "capacity", 1_000_000, "Ah"),
        Row(79, "I", "remaining", 1_000_000, "Ah"),
        Row(83, "I", "throughput", 1000, "Ah"),
        Row(87, "I", "uptime", 0, "s"),
        Row(91, "h", "mosfet_temperature", 1, "°C", source="the vendor's application labels it"),
        Row(93, "h", "balancer_temperature", 1, "°C"),
        Row(95, "h", "temperatures", 1, "°C", count=SENSORS),
        Row(103, "B", "charge_code", codes=words.CHARGE),
        Row(104, "B", "discharge_code", codes=words.DISCHARGE),
        Row(105, "B", "balancer_code", codes=words.BALANCER),
        Row(106, "H", "tire_length", 0, "mm"),
        Row(108, "H", "wheel_pulses"),
        Row(110, "B", "relay"),
        Row(111, "i", "power", -1, "W"),
        Row(115, "B", "cell_max_input", source="8s-50ah-issue1: an input of the board, not a cell number"),
        Row(116, "H", "cell_max", 1000, "V"),
        Row(118, "B", "cell_min_input"),
        Row(119, "H", "cell_min", 1000, "V"),
        Row(121, "H", "cell_average", 1000, "V"),
        Row(123, "B", "cell_count"),
        Row(124, "H", "drain_source_raw"),
        Row(126, "H", "discharge_gate_voltage", 10, "V"),
        Row(128, "H", "charge_gate_voltage", 10, "V"),
        Row(130, "H", "comparator"),
        Row(132, "I", "balancing"),
        Row(136, "H", "log_word"),
    ),
)


# Names as on the wire: see `View`.
_CELLS = View("cells")
_SENSORS = View("mosfet_temperature", "balancer_temperature", "temperatures")
_CODES = View("uptime", "charge_code", "discharge_code", "balancer_code", "cell_count", "balancing")
_SCALED = View("voltage", "current", "soc", "capacity", "remaining", "throughput", "power", "cell_max", "cell_min")
_DETAILS = View(
    "tire_length", "wheel_pulses", "relay", "discharge_gate_voltage", "charge_gate_voltage", "comparator", "log_word"
)


def to_snapshot(packet: Packet, *, time: datetime, battery: str) -> Snapshot:
    """The contract of one status answer."""
    layout, data = packet.layout, packet.data
    uptime, charge_code, discharge_code, balancer_code, cell_count, balancing = _CODES.raw(layout, data)
    voltage, current, soc, capacity, remaining, throughput, power, high, low = _SCALED.scaled(layout, data)
    current += 0.0  # 0 / -10 is -0.0
    cells = [cell / 1000 for cell in _CELLS.raw(layout, data)[:cell_count]]
    mosfet, balancer, *sensors = _SENSORS.raw(layout, data)
    temperatures = {f"t{number}": _sensor(raw) for number, raw in enumerate(sensors, 1)}
    temperatures |= {"mosfet": _sensor(mosfet), "balancer": _sensor(balancer)}
    known = examine(cells, voltage, current, soc, temperatures, None, (power, high, low))
    return Snapshot(
        time=time,
        battery=battery,
        protocol=NAME,
        voltage=known.voltage,
        current=current,
        power=known.power,
        soc=known.soc,
        capacity=round(capacity, 3) or None,  # 0 on boards that keep it in parameters 31 and 32
        remaining=round(remaining, 3),
        throughput=throughput,
        uptime=uptime,
        cells=known.cells,
        cell_min=known.cell_min,
        cell_max=known.cell_max,
        cell_spread=known.cell_spread,
        balancing=bit_numbers(balancing, first=1),
        temperatures=known.temperatures,
        switches={
            "charge": words.CHARGE_SWITCH[charge_code],
            "discharge": words.DISCHARGE_SWITCH[discharge_code],
            "balance": words.BALANCE_SWITCH[balancer_code],
        },
        alarms=words.alarms(charge_code, discharge_code),
        details=_DETAILS.named(layout, data),
        doubts=known.doubts,
    )


def from_snapshot(snapshot: Snapshot) -> Fields:
    """The fields of a status that says what `snapshot` says: the inverse of `to_snapshot` on values of the wire's grid.

    Quantities that the snapshot does not know become 0.
    """
    details, temperatures, switches = snapshot.details, snapshot.temperatures, snapshot.switches
    cells = [round((cell or 0.0) * 1000) for cell in snapshot.cells]
    lowest, highest = min(cells, default=0), max(cells, default=0)
    reported: dict[str, Any] = {
        "cells": (*cells, *(0 for _ in range(INPUTS - len(cells)))),
        "mosfet_temperature": _raw_sensor(temperatures.get("mosfet")),
        "balancer_temperature": _raw_sensor(temperatures.get("balancer")),
        "temperatures": tuple(_raw_sensor(temperatures.get(f"t{number + 1}")) for number in range(SENSORS)),
        "charge_code": switches["charge"].code,
        "discharge_code": switches["discharge"].code,
        "balancer_code": switches["balance"].code,
        "cell_max_input": cells.index(highest) + 1 if cells else 0,
        "cell_min_input": cells.index(lowest) + 1 if cells else 0,
        "cell_max": highest / 1000,
        "cell_min": lowest / 1000,
        "cell_average": sum(cells) / len(cells) / 1000 if cells else 0.0,
        "cell_count": len(cells),
        "balancing": sum(1 << number - 1 for number in snapshot.balancing),
    }
    fields: Fields = {}
    for row in STATUS.rows:
        value = reported.get(row.name, getattr(snapshot, row.name, details.get(row.name)))
        fields[row.name] = value if row.is_array else round((value or 0) * (row.divisor or 1))
    return fields


def _sensor(raw: int) -> float | None:
    return None if raw == NO_SENSOR else float(raw)


def _raw_sensor(value: float | None) -> int:
    return NO_SENSOR if value is None else round(value)
