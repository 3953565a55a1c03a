"""The settings of `jbd` (jbd.md §4, §9): rows by EEPROM register, and their numbers in FA where they have one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from ..settings import Danger, Setting, table
from .status import KELVIN

READ = "4s-sp04s034-config: read"
WRITTEN = "4s-sp04s034-switches: read and written"
FIRST_NUMBERED = 0x10
NUMBERED = range(FIRST_NUMBERED, FIRST_NUMBERED + 42)
"""Registers whose FA number is their address less FIRST_NUMBERED."""
LATER_NUMBERS = {0x40 + step: 104 + step for step in range(8)}
"""Register → FA number, for those further up."""


def _row(address: int, name: str, label: str, **rest: Any) -> Setting:
    number = address - FIRST_NUMBERED if address in NUMBERED else LATER_NUMBERS.get(address)
    if rest.get("part"):
        number = None  # FA has the delays one by one, in an order that no source gives
    usual: dict[str, Any] = {"address": address, "name": name, "label": label, "number": number, "source": READ}
    return Setting(**usual | rest)


def _pair(address: int, name: str, label: str, **rest: Any) -> Iterator[Setting]:
    """Trip and release, which has the next register."""
    yield _row(address, name, label, **rest)
    yield _row(address + 1, f"{name}_recovery", f"{label}, recovery", **rest)


def _delays(address: int, high: tuple[str, str], low: tuple[str, str], group: str) -> Iterator[Setting]:
    """Two times of one byte each that share a register."""
    for (name, label), part in ((high, "high"), (low, "low")):
        yield _row(address, name, label, type="B", part=part, unit="s", high=255, group=group)


_CELL: dict[str, Any] = {"divisor": 1000, "unit": "V", "low": 0.5, "high": 5.0, "group": "cell voltage"}
_SOC = _CELL | {"group": "soc"}
_PACK: dict[str, Any] = {"divisor": 100, "unit": "V", "low": 2.0, "high": 200.0, "group": "pack voltage"}
_CURRENT: dict[str, Any] = {"type": "h", "divisor": 100, "unit": "A", "low": 0.1, "high": 327.67, "group": "current"}
_CAPACITY: dict[str, Any] = {"divisor": 100, "unit": "Ah", "low": 0.1, "high": 655.35, "group": "battery"}
_TEMPERATURE: dict[str, Any] = {
    "divisor": 10,
    "zero": KELVIN,
    "unit": "°C",
    "low": -40.0,
    "high": 85.0,
    "group": "temperature",
}
_CALIBRATION: dict[str, Any] = {"danger": Danger.SHOWN, "group": "calibration", "usual": False, "source": "unproved"}
_DANGEROUS: dict[str, Any] = {"danger": Danger.DANGEROUS}
_TEXT: dict[str, Any] = {"type": "31s", "danger": Danger.SHOWN, "group": "identity"}

FUNCTIONS = {
    0: "switch",
    1: "load detection",
    2: "balance",
    3: "balance only while charging",
    4: "LED",
    5: "LED count",
}
"""Bits of register 2D; from bit 6 on the sources disagree. Bit 2: 4s-sp04s034-switches.

Dangerous: bit 12 makes currents and capacities ten times as large on V11 boards.
"""

SETTINGS: Mapping[str, Setting] = table(
    *_pair(0x24, "cell_overvoltage", "Cell overvoltage", **_CELL),
    *_pair(0x26, "cell_undervoltage", "Cell undervoltage", **_CELL),
    *_delays(
        0x3D,
        ("cell_undervoltage_delay", "Cell undervoltage, delay"),
        ("cell_overvoltage_delay", "Cell overvoltage, delay"),
        "cell voltage",
    ),
    _row(0x36, "hardware_overvoltage", "Cell overvoltage of the chip", **_CELL),
    _row(0x37, "hardware_undervoltage", "Cell undervoltage of the chip", **_CELL),
    *_pair(0x20, "pack_overvoltage", "Pack overvoltage", **_PACK),
    *_pair(0x22, "pack_undervoltage", "Pack undervoltage", **_PACK),
    *_delays(
        0x3C,
        ("pack_undervoltage_delay", "Pack undervoltage, delay"),
        ("pack_overvoltage_delay", "Pack overvoltage, delay"),
        "pack voltage",
    ),
    *_pair(0x18, "charge_hot", "Hot while charging", **_TEMPERATURE),
    *_pair(0x1A, "charge_cold", "Cold while charging", **_TEMPERATURE | {"low": -30.0}),
    *_pair(0x1C, "discharge_hot", "Hot while discharging", **_TEMPERATURE),
    *_pair(0x1E, "discharge_cold", "Cold while discharging", **_TEMPERATURE),
    *_delays(
        0x3A,
        ("charge_cold_delay", "Cold while charging, delay"),
        ("charge_hot_delay", "Hot while charging, delay"),
        "temperature",
    ),
    *_delays(
        0x3B,
        ("discharge_cold_delay", "Cold while discharging, delay"),
        ("discharge_hot_delay", "Hot while discharging, delay"),
        "temperature",
    ),
    _row(0x28, "charge_overcurrent", "Charge overcurrent", **_CURRENT),
    _row(0x29, "discharge_overcurrent", "Discharge overcurrent", **_CURRENT | {"divisor": -100}),
    *_delays(
        0x3E,
        ("charge_overcurrent_delay", "Charge overcurrent, delay"),
        ("charge_overcurrent_release", "Charge overcurrent, time to release"),
        "current",
    ),
    *_delays(
        0x3F,
        ("discharge_overcurrent_delay", "Discharge overcurrent, delay"),
        ("discharge_overcurrent_release", "Discharge overcurrent, time to release"),
        "current",
    ),
    _row(0x38, "short_circuit_raw", "Short circuit and second overcurrent, packed", group="current", **_DANGEROUS),
    _row(0x39, "short_circuit_delays_raw", "Delays of the chip, packed", group="current", **_DANGEROUS),
    _row(0x2A, "balance_start", "Balancing: start voltage", **_CELL | {"group": "balancing"}),
    _row(
        0x2B, "balance_difference", "Balancing: start difference",
        **_CELL | {"group": "balancing", "low": 0.001, "high": 2.0},
    ),
    _row(0x10, "capacity", "Capacity", **_CAPACITY),
    _row(0x11, "cycle_capacity", "Capacity of a cycle", **_CAPACITY),
    _row(0xE0, "remaining", "Remaining capacity", **_CAPACITY | {"low": 0.0}, restored=False, source="unproved"),
    _row(0x14, "self_discharge", "Self-discharge", divisor=10, unit="%", high=100.0, group="battery"),
    _row(0x12, "cell_voltage_at_100", "Cell voltage at 100 %", **_SOC),
    _row(0x47, "cell_voltage_at_100_2", "Cell voltage at 100 %, second table", **_SOC, source="unproved"),
    *(
        _row(address, f"cell_voltage_at_{share}", f"Cell voltage at {share} %", **_SOC,
             source=READ if address < 0x40 else "unproved")
        for address, share in (
            (0x42, 90), (0x32, 80), (0x43, 70), (0x33, 60), (0x44, 50), (0x34, 40), (0x45, 30), (0x35, 20),
            (0x46, 10), (0x13, 0),
        )
    ),
    _row(0x2D, "functions", "Functions", bits=FUNCTIONS, group="board", source=WRITTEN, **_DANGEROUS),
    _row(
        0x2E, "sensor_mask", "Temperature sensors", bits={n: f"t{n + 1}" for n in range(8)}, group="board",
        source="4s-sp04s034-switches: read", **_DANGEROUS,
    ),
    _row(0x2F, "cell_count", "Number of cells", low=1, high=32, group="battery", **_DANGEROUS),
    _row(0x30, "mosfet_delay", "MOSFET control time", unit="s", high=3600, group="board"),
    _row(0x31, "led_time", "LED time", unit="s", high=3600, group="board", source="unproved"),
    _row(0x40, "gps_off_voltage", "GPS off, voltage", divisor=1000, unit="V", high=65.0, group="board",
         source="unproved"),
    _row(0x41, "gps_off_delay", "GPS off, delay", unit="s", high=3600, group="board", source="unproved"),
    _row(0x15, "produced", "Production date", date=True, group="identity", danger=Danger.SHOWN),
    _row(0x16, "serial", "Serial number", group="identity", danger=Danger.SHOWN),
    _row(0x17, "cycles", "Cycles", group="battery", danger=Danger.SHOWN),
    _row(0xA0, "maker", "Maker", **_TEXT),
    _row(0xA1, "device_name", "Device name", **_TEXT),
    _row(0xA2, "barcode", "Barcode", **_TEXT),
    _row(0x2C, "shunt", "Shunt", divisor=10_000, unit="Ω", high=1.0, group="calibration", **_DANGEROUS),
    _row(0xAD, "current_calibration_idle", "Calibration of the current, idle", **_CALIBRATION),
    _row(0xAE, "current_calibration_charge", "Calibration of the current, charging", **_CALIBRATION),
    _row(0xAF, "current_calibration_discharge", "Calibration of the current, discharging", **_CALIBRATION),
    *(
        _row(0xB0 + cell, f"cell_calibration_{cell + 1}", f"Calibration of cell {cell + 1}",
             divisor=1000, unit="V", **_CALIBRATION)
        for cell in range(32)
    ),
    *(
        _row(0xD0 + sensor, f"sensor_calibration_{sensor + 1}", f"Calibration of sensor {sensor + 1}",
             divisor=10, zero=KELVIN, unit="°C", **_CALIBRATION)
        for sensor in range(8)
    ),
)  # fmt: skip
"""By name, in the order in which they are shown."""

TENFOLD = ("capacity", "cycle_capacity", "remaining", "charge_overcurrent", "discharge_overcurrent")
"""Rows whose unit grows tenfold with the large units of V11 boards; that of the shunt shrinks. Unproved."""


def with_large_units(row: Setting) -> Setting:
    """The row as it is on a board that counts 100 mA and 100 mAh, and 0.01 mΩ."""
    if row.name in TENFOLD:
        sign = -1 if row.divisor < 0 else 1
        return replace(row, divisor=sign * 10, high=row.high * 10)
    return replace(row, divisor=100_000) if row.name == "shunt" else row


def rows_at(address: int) -> tuple[Setting, ...]:
    """The rows of a register: one, or the two that share it."""
    return tuple(row for row in SETTINGS.values() if row.address == address)


def row_numbered(number: int) -> Setting | None:
    """The row of an FA number."""
    return next((row for row in SETTINGS.values() if row.number == number), None)
