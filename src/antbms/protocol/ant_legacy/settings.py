"""The settings of `ant-legacy` (ant-legacy.md §4, §8). No recording holds the answer to a parameter: all unproved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..settings import Danger, Setting, table

MISSING = 0xFFFF
"""A parameter that the board does not have, or does not show."""
TWO_FRAMES = range(31, 37)
"""Values of 32 bits take two writes: a link that drops between them leaves a value that is neither old nor new."""


def _row(address: int, name: str, label: str, **rest: Any) -> Setting:
    missing = -1 if rest.get("type", "H") == "h" else MISSING
    usual: dict[str, Any] = {"address": address, "name": name, "label": label, "missing": missing}
    return Setting(**usual | rest)


def _temperature(address: int, name: str, label: str) -> Iterator[Setting]:
    """Threshold and recovery."""
    low, high = -30 if name == "charge_cold" else -40, 150 if name == "mosfet_hot" else 85  # as for ant
    rest: dict[str, Any] = {"type": "h", "unit": "°C", "low": low, "high": high, "group": "temperature"}
    yield _row(address, name, label, **rest)
    yield _row(address + 1, f"{name}_recovery", f"{label}, recovery", **rest)


def _cell(group: str) -> dict[str, Any]:
    return {"divisor": 1000, "unit": "V", "low": 0.5, "high": 5.0, "group": group}


_PACK: dict[str, Any] = {"divisor": 10, "unit": "V", "low": 2.0, "high": 200.0, "group": "pack voltage"}
_DIFFERENCE: dict[str, Any] = {"divisor": 1000, "unit": "V", "low": 0.001, "high": 2.0}
_CURRENT: dict[str, Any] = {"divisor": 10, "unit": "A", "low": 0.1, "high": 2000.0, "group": "current"}
_SECONDS: dict[str, Any] = {"unit": "s", "high": 300, "group": "current"}
_TWO_FRAMES: dict[str, Any] = {
    "type": "I",
    "words_swapped": True,
    "divisor": 1_000_000,
    "unit": "Ah",
    "high": 4000.0,
    "group": "battery",
    "missing": 0xFFFFFFFF,
    "restored": False,
}
_CALIBRATION: dict[str, Any] = {"group": "calibration", "danger": Danger.DANGEROUS}
_SHOWN: dict[str, Any] = {"group": "board", "danger": Danger.SHOWN}

SETTINGS: Mapping[str, Setting] = table(
    _row(3, "cell_overvoltage", "Cell overvoltage", **_cell("cell voltage")),
    _row(5, "cell_overvoltage_recovery", "Cell overvoltage, recovery", **_cell("cell voltage")),
    _row(4, "cell_undervoltage", "Cell undervoltage", **_cell("cell voltage")),
    _row(6, "cell_undervoltage_recovery", "Cell undervoltage, recovery", **_cell("cell voltage")),
    _row(44, "cell_difference", "Cell difference", **_DIFFERENCE, group="cell voltage"),
    _row(7, "pack_overvoltage", "Pack overvoltage", **_PACK),
    _row(8, "pack_undervoltage", "Pack undervoltage", **_PACK),
    _row(1, "cell_overvoltage_warning", "Cell overvoltage warning", **_cell("warnings")),
    _row(2, "cell_undervoltage_warning", "Cell undervoltage warning", **_cell("warnings")),
    _row(9, "charge_overcurrent", "Charge overcurrent", **_CURRENT),
    _row(10, "charge_overcurrent_delay", "Charge overcurrent, delay", **_SECONDS),
    _row(11, "discharge_overcurrent", "Discharge overcurrent", **_CURRENT),
    _row(12, "discharge_overcurrent_delay", "Discharge overcurrent, delay", **_SECONDS),
    _row(20, "short_circuit", "Short circuit", unit="A", low=1, high=10000, group="current"),
    _row(
        21, "short_circuit_delay", "Short circuit, delay", divisor=1_000_000, unit="s", high=0.065534, group="current"
    ),
    _row(19, "start_current", "Start current", unit="A", high=1000, group="current"),
    *_temperature(25, "charge_hot", "Hot while charging"),
    *_temperature(27, "discharge_hot", "Hot while discharging"),
    *_temperature(29, "mosfet_hot", "MOSFET hot"),
    *_temperature(37, "charge_cold", "Cold while charging"),
    *_temperature(39, "discharge_cold", "Cold while discharging"),
    _row(13, "balance_limit", "Balancing: limit voltage", **_cell("balancing")),
    _row(14, "balance_start", "Balancing: start voltage", **_cell("balancing")),
    _row(15, "balance_difference", "Balancing: start difference", **_DIFFERENCE, group="balancing"),
    _row(16, "balance_current", "Balancing: current", divisor=100, unit="A", low=0.01, high=0.28,
         limits="ant-legacy.md §4", group="balancing"),
    _row(31, "capacity", "Capacity", **_TWO_FRAMES, danger=Danger.DANGEROUS),
    _row(33, "remaining", "Remaining capacity", **_TWO_FRAMES, danger=Danger.DANGEROUS),
    _row(35, "throughput", "Throughput", **_TWO_FRAMES, danger=Danger.SHOWN),
    _row(24, "cell_count", "Number of cells", low=1, high=32, group="battery", danger=Danger.DANGEROUS),
    *(
        _row(50 + cell, f"wire_resistance_{cell}", f"Wire resistance of cell {cell}",
             divisor=10_000, unit="Ω", high=1.0, group="wires")
        for cell in range(1, 25)
    ),
    _row(22, "standby_delay", "Standby delay", unit="s", high=65534, group="board"),
    _row(41, "tire_length", "Tire length", unit="mm", high=10000, group="board"),
    _row(42, "wheel_pulses", "Pulses a turn", high=1000, group="board"),
    _row(90, "device_id", "Device id, raw", **_SHOWN),
    _row(100, "run_time", "Run time, raw", **_SHOWN, restored=False),
    _row(17, "reference_voltage", "Reference voltage", divisor=1000, unit="V", high=10.0, **_CALIBRATION),
    _row(18, "current_range", "Range of the current sensor", **_CURRENT | _CALIBRATION),
    _row(23, "pack_voltage_factor", "Pack voltage factor, raw", **_CALIBRATION),
    *(
        _row(address, f"password_{address}", f"Password, register {address}", group="passwords", danger=Danger.SECRET)
        for address in range(102, 106)
    ),
)  # fmt: skip
"""By name, in the order in which they are shown."""


def row_at(address: int) -> Setting | None:
    """The row of a register; of a value of 32 bits its low word."""
    return next((row for row in SETTINGS.values() if row.address == address), None)
