"""What cannot be right is doubted here, and what is computed from reported values is computed here.

Used by every protocol, so that a doubt means the same everywhere. A doubted value becomes `None`; the doubt keeps
what was reported.
"""

from __future__ import annotations

from msgspec import Struct

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


class Examined(Struct, frozen=True, gc=False):
    """What is left of the reported values, and what is computed from them; fields of `Snapshot`."""

    voltage: float | None
    power: float | None
    soc: float | None
    cells: Cells
    cell_min: float | None
    cell_max: float | None
    cell_spread: float | None
    temperatures: Temperatures
    doubts: Doubts


def examine(
    cells: list[float],
    voltage: float | None = None,
    current: float | None = None,
    soc: float | None = None,
    temperatures: Temperatures | None = None,
    state: str | None = None,
    reported: tuple[float, float, float] | None = None,
    *,
    compare_sum: bool = True,
) -> Examined:
    """Doubt what cannot be right, and compute power and the extremes of the cells.

    V, A (> 0 charges), %, °C. reported: power (W), highest and lowest cell (V) as the device computed them; they serve
    only to raise doubts. compare_sum: whether cells and voltage were taken at the same moment.
    A cell that is doubted may have anything from 0 V to the highest that a cell can have: only a pack voltage below or
    above all of these is doubted (16s-sp25s003-empty: 0 V beside 15 cells of 3.6 V).
    """
    doubts: list[Doubt] = []
    good_cells: Cells = tuple(cells)
    ordered = sorted(cells)
    if ordered and (ordered[0] < CELL_RANGE[0] or ordered[-1] > CELL_RANGE[1]):
        good_cells = _doubt_cells(cells, doubts)
        ordered = [cell for cell in ordered if CELL_RANGE[0] <= cell <= CELL_RANGE[1]]
    lowest, highest, spread = None, None, None
    if ordered:
        lowest, highest = ordered[0], ordered[-1]
        spread = round((highest - lowest) * 1000) / 1000  # faster than round(…, 3)
    power = None if voltage is None or current is None else round(voltage * current, 1) + 0.0
    if reported is not None:
        _compare(reported, (power, highest, lowest), doubts)
    total, unknown = sum(ordered), len(cells) - len(ordered)
    tolerance = SUM_TOLERANCE * (voltage or 0.0)
    if (
        cells
        and compare_sum
        and voltage is not None
        and not -tolerance <= voltage - total <= CELL_RANGE[1] * unknown + tolerance
    ):
        reason = f"the {'known ' if unknown else ''}cells add up to {total:.2f} V"
        doubts += (Doubt("voltage", voltage, reason), Doubt("power", power, reason))
        voltage = power = None
    if soc is not None and not SOC_RANGE[0] <= soc <= SOC_RANGE[1]:
        doubts.append(Doubt("soc", soc, "outside 0 to 100 %"))
        soc = None
    if state in _CONTRARY and current is not None and current * _CONTRARY[state][0] > STATE_CURRENT:
        doubts.append(Doubt("state", state, f"{current:g} A is {_CONTRARY[state][1]}"))
    warm = _good_temperatures(temperatures or {}, doubts)
    return Examined(voltage, power, soc, good_cells, lowest, highest, spread, warm, tuple(doubts))


def _doubt_cells(cells: list[float], doubts: list[Doubt]) -> Cells:
    low, high = CELL_RANGE
    good = tuple(cell if low <= cell <= high else None for cell in cells)
    doubts += (
        Doubt(f"cells.{number}", cell, f"outside {low:g} to {high:g} V")
        for number, cell in enumerate(cells, 1)
        if good[number - 1] is None
    )
    return good


def _good_temperatures(temperatures: Temperatures, doubts: list[Doubt]) -> Temperatures:
    low, high = TEMPERATURE_RANGE
    bad = [name for name, value in temperatures.items() if value is not None and not low <= value <= high]
    if not bad:
        return temperatures
    doubts += (Doubt(f"temperatures.{name}", temperatures[name], f"outside {low:g} to {high:g} °C") for name in bad)
    return temperatures | dict.fromkeys(bad)


def _compare(
    reported: tuple[float, float, float], computed: tuple[float | None, float | None, float | None], doubts: list[Doubt]
) -> None:
    """Doubt what the device computed itself where it is far from what its own measurements give."""
    their_power, their_highest, their_lowest = reported
    power, highest, lowest = computed
    limit, share = POWER_TOLERANCE
    if power is not None and abs(their_power - power) > max(limit, share * abs(power)):
        doubts.append(Doubt("power", their_power + 0.0, f"voltage × current is {power:g} W"))
    if lowest is not None and abs(their_lowest - lowest) > EXTREME_TOLERANCE:
        doubts.append(Doubt("cell_min", their_lowest, f"the lowest of the cells is {lowest:g} V"))
    if highest is not None and abs(their_highest - highest) > EXTREME_TOLERANCE:
        doubts.append(Doubt("cell_max", their_highest, f"the highest of the cells is {highest:g} V"))
