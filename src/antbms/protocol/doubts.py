"""What cannot be right is doubted here, and what is computed from reported values is computed here.

Used by every protocol, so that a doubt means the same everywhere. A doubted value becomes `None`; the doubt keeps
what was reported.
"""

from __future__ import annotations

from ..model import Doubt

CELL_RANGE = (0.5, 5.0)
"""V; no chemistry of the catalogue leaves it, an unwired input does."""
TEMPERATURE_RANGE = (-40.0, 150.0)
"""°C; the sensors' own range."""
SOC_RANGE = (0.0, 100.0)
SUM_TOLERANCE = 0.02
"""Cells and pack voltage are measured apart: they agree within 0.5 % in every recording of a whole pack."""
STATE_CURRENT = 0.5
"""A; a state that contradicts a larger current is doubted."""
POWER_TOLERANCE = (100.0, 0.5)
"""W and share: the device averages otherwise than we do; one legacy board is known to report 9999 W at 0 A."""
EXTREME_TOLERANCE = 0.05
"""V between the device's highest or lowest cell and that of its cells."""

_CONTRARY = {"charging": (-1, "discharging"), "discharging": (1, "charging")}

Cells = tuple[float | None, ...]
Temperatures = dict[str, float | None]
Doubts = tuple[Doubt, ...]


def examine_cells(cells: list[float]) -> tuple[Cells, float | None, float | None, float | None, Doubts]:
    """The cells (V), those out of range as None; the lowest, the highest, their difference; the doubts."""
    if not cells:
        return (), None, None, None, ()
    low, high = CELL_RANGE
    ordered = sorted(cells)
    good: Cells = tuple(cells)
    doubts: Doubts = ()
    if ordered[0] < low or ordered[-1] > high:
        good, doubts = _doubt_cells(cells)
        ordered = [cell for cell in ordered if low <= cell <= high]
        if not ordered:
            return good, None, None, None, doubts
    lowest, highest = ordered[0], ordered[-1]
    return good, lowest, highest, round((highest - lowest) * 1000) / 1000, doubts


def examine_power(
    voltage: float, current: float, cells: list[float], *, compare_sum: bool = True
) -> tuple[float | None, float | None, Doubts]:
    """Voltage (V) and power (W), both None if the cells do not add up to the voltage; the doubts.

    compare_sum: whether cells and voltage were taken at the same moment.
    """
    power = round(voltage * current, 1) + 0.0
    if not cells or not compare_sum or abs((total := sum(cells)) - voltage) <= SUM_TOLERANCE * voltage:
        return voltage, power, ()
    reason = f"the cells add up to {total:.2f} V"
    return None, None, (Doubt("voltage", voltage, reason), Doubt("power", power, reason))


def examine_rest(
    current: float, soc: float, temperatures: Temperatures, state: str | None = None
) -> tuple[float | None, Temperatures, Doubts]:
    """State of charge (%) and temperatures (°C), those out of range as None; the doubts, also of the state."""
    coldest, hottest = TEMPERATURE_RANGE
    bad = [name for name, value in temperatures.items() if value is not None and not coldest <= value <= hottest]
    if not bad and SOC_RANGE[0] <= soc <= SOC_RANGE[1] and state not in _CONTRARY:
        return soc, temperatures, ()
    doubts = [Doubt(f"temperatures.{name}", temperatures[name], "outside -40 to 150 °C") for name in bad]
    charge: float | None = soc
    if not SOC_RANGE[0] <= soc <= SOC_RANGE[1]:
        doubts.append(Doubt("soc", soc, "outside 0 to 100 %"))
        charge = None
    sign, contrary = _CONTRARY.get(state or "", (0, ""))
    if current * sign > STATE_CURRENT:
        doubts.append(Doubt("state", state, f"{current:g} A is {contrary}"))
    return charge, temperatures | dict.fromkeys(bad), tuple(doubts)


def compare(
    reported: tuple[float, float, float], power: float | None, lowest: float | None, highest: float | None
) -> Doubts:
    """The doubts of what the device computed itself (power in W, lowest and highest cell in V), beside ours."""
    their_power, their_lowest, their_highest = reported
    limit, share = POWER_TOLERANCE
    doubts: Doubts = ()
    if power is not None and abs(their_power - power) > max(limit, share * abs(power)):
        doubts += (Doubt("power", their_power + 0.0, f"voltage × current is {power:g} W"),)
    if lowest is not None and abs(their_lowest - lowest) > EXTREME_TOLERANCE:
        doubts += (Doubt("cell_min", their_lowest, f"the lowest of the cells is {lowest:g} V"),)
    if highest is not None and abs(their_highest - highest) > EXTREME_TOLERANCE:
        doubts += (Doubt("cell_max", their_highest, f"the highest of the cells is {highest:g} V"),)
    return doubts


def _doubt_cells(cells: list[float]) -> tuple[Cells, Doubts]:
    low, high = CELL_RANGE
    good = tuple(cell if low <= cell <= high else None for cell in cells)
    doubts = (
        Doubt(f"cells.{number}", cell, f"outside {low:g} to {high:g} V")
        for number, cell in enumerate(cells, 1)
        if good[number - 1] is None
    )
    return good, tuple(doubts)
