"""When a BMS acts: one plain record, with defaults by chemistry."""

from __future__ import annotations

from msgspec import Struct

from .chemistry import Chemistry


class Thresholds(Struct, kw_only=True):
    """V, A, °C, s. A protection acts when its value has been beyond the limit for its delay, and lets go at its
    recovery; overcurrents and a short circuit let go after their `_release`. A warning lets go at once.

    Mutable: a device's memory may fill it in while the battery runs. Limits of the pack are for the whole pack.
    """

    cell_overvoltage: float
    cell_overvoltage_recovery: float
    cell_overvoltage_warning: float
    cell_overvoltage_delay: float = 2.0
    cell_undervoltage: float
    cell_undervoltage_recovery: float
    cell_undervoltage_warning: float
    cell_undervoltage_delay: float = 4.0
    pack_overvoltage: float
    pack_overvoltage_recovery: float
    pack_overvoltage_warning: float
    pack_overvoltage_delay: float = 2.0
    pack_undervoltage: float
    pack_undervoltage_recovery: float
    pack_undervoltage_warning: float
    pack_undervoltage_delay: float = 4.0
    cell_difference: float = 0.8
    cell_difference_recovery: float = 0.5
    cell_difference_warning: float = 0.5
    cell_difference_delay: float = 5.0
    charge_hot: float = 55.0
    charge_hot_recovery: float = 50.0
    charge_hot_warning: float = 50.0
    discharge_hot: float = 65.0
    discharge_hot_recovery: float = 55.0
    discharge_hot_warning: float = 60.0
    mosfet_hot: float = 95.0
    mosfet_hot_recovery: float = 75.0
    mosfet_hot_warning: float = 85.0
    charge_cold: float
    charge_cold_recovery: float
    charge_cold_warning: float
    discharge_cold: float
    discharge_cold_recovery: float
    discharge_cold_warning: float
    charge_hot_delay: float = 2.0
    charge_cold_delay: float = 2.0
    discharge_hot_delay: float = 2.0
    discharge_cold_delay: float = 2.0
    mosfet_hot_delay: float = 2.0
    charge_overcurrent: float
    charge_overcurrent_warning: float
    charge_overcurrent_delay: float = 10.0
    charge_overcurrent_release: float = 30.0
    discharge_overcurrent: float
    discharge_overcurrent_warning: float
    discharge_overcurrent_delay: float = 10.0
    discharge_overcurrent_release: float = 30.0
    short_circuit: float
    """A; acts within the step, as a board's comparator does within microseconds."""
    short_circuit_release: float = 60.0
    soc_low: float = 15.0
    """%."""
    soc_very_low: float = 5.0
    balance_start: float
    """V of the highest cell from which cells are balanced."""
    balance_difference: float = 0.010
    """V between the highest and the lowest cell that begins balancing."""
    balance_stop: float = 0.005
    """V above the lowest cell down to which cells are drained."""
    balance_resistance: float = 25.0
    """Ω across a cell that is drained: about 0.14 A of an LFP cell."""
    full_voltage: float
    """V of the pack, above which a current below `full_current` means full."""
    full_current: float
    full_delay: float = 30.0


class _Cell(Struct, frozen=True):
    """V a cell, and °C while it is charged: limit, recovery, warning. Within what data sheets of such cells allow."""

    overvoltage: tuple[float, float, float]
    undervoltage: tuple[float, float, float]
    cold: tuple[float, float, float]
    balance_start: float


_CELLS = {
    "lfp": _Cell((3.65, 3.45, 3.60), (2.60, 2.95, 2.80), (0.0, 5.0, 3.0), 3.40),
    "nmc": _Cell((4.25, 4.15, 4.22), (2.90, 3.20, 3.10), (0.0, 5.0, 3.0), 4.00),
    "lto": _Cell((2.80, 2.65, 2.75), (1.80, 2.05, 1.95), (-30.0, -25.0, -27.0), 2.45),
}
_LEVELS = ("", "_recovery", "_warning")
COLDER = 20.0
"""K below the limit of charging down to which cells may be discharged."""


def default_thresholds(chemistry: Chemistry, cells: int, capacity: float, current: float) -> Thresholds:
    """What a maker would set for such cells. capacity: Ah; current: A that the owner draws or charges at most.

    A pack's limits are those of its cells, times their number (4s-sp04s034-config: 3.65 and 14.60 V, 2.50 and 10.00 V).
    """
    cell = _CELLS[chemistry.name]
    levels = {
        "cell_overvoltage": cell.overvoltage,
        "cell_undervoltage": cell.undervoltage,
        "pack_overvoltage": tuple(volts * cells for volts in cell.overvoltage),
        "pack_undervoltage": tuple(volts * cells for volts in cell.undervoltage),
        "charge_cold": cell.cold,
        "discharge_cold": tuple(warmth - COLDER for warmth in cell.cold),
    }
    limits = {
        name + level: value for name, values in levels.items() for level, value in zip(_LEVELS, values, strict=True)
    }
    return Thresholds(
        **limits,
        charge_overcurrent=1.3 * current,
        charge_overcurrent_warning=1.15 * current,
        discharge_overcurrent=1.6 * current,
        discharge_overcurrent_warning=1.4 * current,
        short_circuit=8.0 * current,
        balance_start=cell.balance_start,
        full_voltage=(chemistry.charged - 0.02) * cells,
        full_current=capacity / 20,
    )
