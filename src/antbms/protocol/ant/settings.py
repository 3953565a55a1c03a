"""The settings of `ant` (ant.md §7, §12): rows by byte address, and the pages that they are read in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..settings import Danger, Setting, table
from . import words
from .login import PASSWORDS

PAGE = "16s-280ah-16zmub"
PC_TOOL = "14s-pc-tool"
WRITTEN = f"{PAGE}: read and written"
BALANCE_PAGE = "16znub-balance-page"
STATUS = "status of the same quantity"
OTHER_MEANING = "before some firmware the administrator's password lies here"

NONE_16, NONE_32 = 0xFFFF, 0xFFFFFFFF


def _row(address: int, name: str, label: str, **rest: Any) -> Setting:
    """A register of 16 bits. FFFF says that the board has none, except where the value can be negative."""
    signed = rest.get("type", "H").islower()
    usual: dict[str, Any] = {"address": address, "name": name, "label": label, "missing": None if signed else NONE_16}
    return Setting(**usual | rest)


def _pair(address: int, name: str, label: str, source: str = PAGE, **rest: Any) -> Iterator[Setting]:
    """A threshold, and the value at which its effect ends, which has the next register."""
    yield _row(address, name, label, source=source, **rest)
    yield _row(address + 2, f"{name}_recovery", f"{label}, recovery", source=source, **rest)


def _cell(group: str) -> dict[str, Any]:
    return {"divisor": 1000, "unit": "V", "low": 0.5, "high": 5.0, "group": group}


def _pack(group: str) -> dict[str, Any]:
    return {"divisor": 10, "unit": "V", "low": 2.0, "high": 200.0, "group": group}


def _difference(group: str) -> dict[str, Any]:
    return {"divisor": 1000, "unit": "V", "low": 0.001, "high": 2.0, "group": group}


def _temperature(name: str, group: str) -> dict[str, Any]:
    """Cells: what no cell stands is not meant (sanity); 150 °C is what MOSFETs stand."""
    low, high = -30 if name == "charge_cold" else -40, 150 if name == "mosfet_hot" else 85
    return {"type": "h", "unit": "°C", "low": low, "high": high, "group": group, "source": "unproved"}


def _current(group: str) -> dict[str, Any]:
    return {"divisor": 10, "unit": "A", "low": 0.1, "high": 2000.0, "group": group}


def _seconds(address: int, name: str, label: str, **rest: Any) -> Setting:
    return _row(address, name, label, **{"unit": "s", "low": 0, "high": 3600} | rest)


def _shown(address: int, name: str, label: str, **rest: Any) -> Setting:
    return _row(address, name, label, danger=Danger.SHOWN, **rest)


def _dangerous(address: int, name: str, label: str, **rest: Any) -> Setting:
    return _row(address, name, label, danger=Danger.DANGEROUS, **rest)


def _text(address: int, name: str, label: str, size: int) -> Setting:
    return _shown(address, name, label, type=f"{size}s", group="identity", missing=None)


_TEMPERATURES = (
    ("charge_hot", "Hot while charging"),
    ("discharge_hot", "Hot while discharging"),
    ("mosfet_hot", "MOSFET hot"),
    ("charge_cold", "Cold while charging"),
    ("discharge_cold", "Cold while discharging"),
)
_AMP_HOURS: dict[str, Any] = {
    "type": "I",
    "divisor": 1_000_000,
    "unit": "Ah",
    "low": 0.1,
    "high": 4000.0,
    "group": "battery",
    "missing": NONE_32,
}

SETTINGS: Mapping[str, Setting] = table(
    *_pair(0, "cell_overvoltage", "Cell overvoltage", source=WRITTEN, **_cell("cell voltage")),
    *_pair(4, "cell_overvoltage_2", "Cell overvoltage level 2", **_cell("cell voltage")),
    *_pair(8, "pack_overvoltage", "Pack overvoltage", **_pack("pack voltage")),
    *_pair(12, "cell_undervoltage", "Cell undervoltage", **_cell("cell voltage")),
    *_pair(16, "cell_undervoltage_2", "Cell undervoltage level 2", **_cell("cell voltage")),
    *_pair(20, "pack_undervoltage", "Pack undervoltage", **_pack("pack voltage")),
    *_pair(24, "cell_difference", "Cell difference", **_difference("cell voltage")),
    *_pair(32, "cell_overvoltage_warning", "Cell overvoltage warning", **_cell("warnings")),
    *_pair(36, "pack_overvoltage_warning", "Pack overvoltage warning", **_pack("warnings")),
    *_pair(40, "cell_undervoltage_warning", "Cell undervoltage warning", **_cell("warnings")),
    *_pair(44, "pack_undervoltage_warning", "Pack undervoltage warning", **_pack("warnings")),
    *_pair(48, "cell_difference_warning", "Cell difference warning", **_difference("warnings")),
    *(
        row
        for number, (name, label) in enumerate(_TEMPERATURES)
        for row in _pair(56 + 4 * number, name, label, **_temperature(name, "temperature"))
    ),
    *(
        row
        for number, (name, label) in enumerate(_TEMPERATURES)
        for row in _pair(80 + 4 * number, f"{name}_warning", f"{label}, warning", **_temperature(name, "warnings"))
    ),
    _row(104, "charge_overcurrent", "Charge overcurrent", **_current("current")),
    _seconds(106, "charge_overcurrent_delay", "Charge overcurrent, delay", high=300, group="current"),
    _row(108, "discharge_overcurrent", "Discharge overcurrent", **_current("current")),
    _seconds(110, "discharge_overcurrent_delay", "Discharge overcurrent, delay", high=300, group="current"),
    _row(112, "discharge_overcurrent_2", "Discharge overcurrent level 2", **_current("current")),
    _seconds(
        114, "discharge_overcurrent_2_delay", "Discharge overcurrent level 2, delay",
        divisor=1000, high=60.0, group="current",
    ),
    _row(116, "short_circuit", "Short circuit", unit="A", low=1, high=10000, group="current"),
    _seconds(118, "short_circuit_delay", "Short circuit, delay", divisor=1_000_000, high=0.06, group="current"),
    *_pair(124, "charge_overcurrent_warning", "Charge overcurrent warning", source="unproved", **_current("warnings")),
    *_pair(
        128, "discharge_overcurrent_warning", "Discharge overcurrent warning",
        source="unproved", **_current("warnings"),
    ),
    _row(132, "soc_warning", "SOC low warning level 1", unit="%", high=100, group="warnings"),
    _row(134, "soc_warning_2", "SOC low warning level 2", unit="%", high=100, group="warnings"),
    _row(140, "balance_limit", "Balancing: limit voltage", source=BALANCE_PAGE, **_cell("balancing")),
    _row(142, "balance_start", "Balancing: start voltage", source=BALANCE_PAGE, **_cell("balancing")),
    _row(144, "balance_difference", "Balancing: start difference", source=BALANCE_PAGE, **_difference("balancing")),
    _row(146, "balance_difference_stop", "Balancing: stop difference", source=BALANCE_PAGE, **_difference("balancing")),
    _dangerous(148, "balance_current_raw", "Balancing: current, unknown unit", group="balancing", source=BALANCE_PAGE),
    _row(150, "balance_charge_current", "Balancing: charge current", source=BALANCE_PAGE, **_current("balancing")),
    _dangerous(152, "chemistry", "Cell chemistry", codes=words.CHEMISTRIES, group="battery", source=f"codes: {STATUS}"),
    _dangerous(154, "cell_count", "Number of cells", low=1, high=32, group="battery"),
    _row(
        156, "undervoltage_compensation", "Undervoltage compensation",
        divisor=10_000, unit="Ω", high=1.0, group="battery",
    ),
    _row(158, "shutdown_voltage", "Shutdown cell voltage", **_cell("cell voltage")),
    _row(160, "requested_charge_current", "Requested charge current", **_current("current")),
    _row(162, "capacity", "Capacity", **_AMP_HOURS, source=f"unit: {STATUS}"),
    _row(166, "remaining", "Remaining capacity", **_AMP_HOURS | {"low": 0.0}, restored=False, source=f"unit: {STATUS}"),
    _shown(170, "throughput", "Throughput", **_AMP_HOURS),
    *(
        _row(174 + 2 * step, f"cell_voltage_at_{100 - 10 * step}", f"Cell voltage at {100 - 10 * step} %",
             **_cell("soc"))
        for step in range(11)
    ),
    _dangerous(196, "soc_method", "SOC method, raw", group="soc"),
    *(
        _row(
            198 + 2 * cell, f"wire_resistance_{cell + 1}", f"Wire resistance of cell {cell + 1}",
            divisor=10_000, unit="Ω", high=1.0, group="wires",
        )
        for cell in range(32)
    ),
    _text(262, "pack_id", "Pack id", 32),
    _dangerous(298, "current_range", "Range of the current sensor", **_current("calibration")),
    _seconds(300, "standby_delay", "Standby delay", high=65534, group="board"),
    _shown(302, "bluetooth_address", "Bluetooth address code", group="board"),
    _row(304, "idle_consumption", "Idle consumption, unknown unit", divisor=10, high=6553.4, group="board"),
    _dangerous(306, "sensor_mask", "Temperature sensors", bits={n: f"t{n + 1}" for n in range(8)}, group="board"),
    _row(308, "start_current", "Start current", unit="A", high=1000, group="current"),
    _dangerous(310, "reference_voltage", "Reference voltage", divisor=1000, unit="V", high=10.0, group="calibration"),
    _dangerous(312, "pack_voltage_factor", "Pack voltage factor, raw", group="calibration"),
    _row(316, "no_discharge_time", "Time without discharge", unit="min", group="board"),
    _row(318, "no_charge_time", "Time without charge", unit="min", group="board"),
    _row(320, "discharge_time_allowed", "Allowed discharge time", unit="min", group="board"),
    _row(322, "charge_time_allowed", "Allowed charge time", unit="min", group="board"),
    _dangerous(324, "jumpers_1", "Jumpers 1, raw", group="board"),
    _dangerous(326, "jumpers_2", "Jumpers 2, raw", group="board"),
    _row(328, "switch_off_delay", "Switch-off delay", unit="h", group="board"),
    *(
        _row(
            address, f"password_{address}", f"Password at {address}",
            type=f"{size}s", danger=Danger.SECRET, group="passwords", missing=None,
        )
        for address, size in ((330, 8), (338, 8), (346, 8), (354, 8), (362, 12))
    ),
    *(
        _row(address, name, label, danger=Danger.SECRET, group="passwords", limits=OTHER_MEANING, unit=unit)
        for address, name, label, unit in (
            (374, "administrator_374", "Administrator's password, bytes 1 and 2", ""),
            (376, "administrator_376", "Administrator's password, bytes 3 and 4", ""),
            (378, "tire_length", "Tire length", "mm"),
            (380, "wheel_pulses", "Pulses a turn", ""),
            (382, "slaves", "Number of slaves", ""),
            (384, "regeneration_limit", "Regeneration limit", ""),
        )
    ),
    *(
        _shown(address, f"register_{address}", label, group="board")
        for address, label in (
            (386, "Discharge limit?, raw"),
            (388, "Precharge time?, raw"),
            (390, "Precharge share?, raw"),
            *((address, "Unknown, raw") for address in range(392, 408, 2)),
        )
    ),
    *(
        _dangerous(592 + 2 * port, f"baud_{port + 1}", f"Baud rate of serial port {port + 1}, raw", group="links")
        for port in range(4)
    ),
    _dangerous(600, "can_rate", "CAN rate in kbit/s", group="links"),
    *(_shown(address, f"register_{address}", "Function bits or calibration, raw", group="board")
      for address in range(602, 620, 2)),
    _text(528, "boot_version", "Boot version", 16),
    _text(620, "hardware", "Hardware version", 16),
    _text(636, "software", "Software version", 16),
    _dangerous(700, "factory_short_circuit", "Factory short circuit", unit="A", group="calibration"),
    _dangerous(
        702, "factory_short_circuit_delay", "Factory short circuit, delay",
        divisor=1_000_000, unit="s", high=0.065534, group="calibration",
    ),
    _shown(704, "modbus_address", "Modbus address", group="links"),
    _shown(706, "ant_address", "ANT address", group="links"),
    _dangerous(784, "vehicle_protocol", "Vehicle protocol, raw", group="links"),
    _dangerous(786, "inverter_protocol", "Inverter protocol, raw", group="links"),
)  # fmt: skip
"""By name. Addresses are byte addresses; units, limits and danger as ant.md §7 and §12 say."""

PAGES = (
    (0, 52), (56, 44), (104, 32), (140, 12), (152, 142), (298, 32), (386, 22), (528, 16), (592, 28), (620, 32),
    (700, 8), (784, 4),
)  # fmt: skip
"""Address and length of the pages: as the vendor's, without the registers that hold passwords (330 to 385)."""
assert all(address + length <= PASSWORDS.start or address >= PASSWORDS.stop for address, length in PAGES)


def rows_at(address: int, length: int) -> tuple[Setting, ...]:
    """The rows whose registers lie in these bytes, without secrets."""
    return tuple(
        row
        for row in SETTINGS.values()
        if address <= row.address and row.address + row.size <= address + length and row.danger is not Danger.SECRET
    )


def name_at(address: int) -> str:
    """The name of the setting at an address; empty where there is none."""
    return next((row.name for row in SETTINGS.values() if row.address == address), "")
