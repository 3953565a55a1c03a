"""A pack of cells in series: open-circuit voltage, resistance, charge counting, warmth. Deterministic by seed."""

from __future__ import annotations

import math
import random
from itertools import pairwise

from .personality import Personality

STEP = 10.0
"""s of the longest step: nothing in the pack changes faster."""
DAY = 3600.0
"""s of the load's cycle: an hour of discharge and charge shows everything within a coffee."""
START = 0.55
"""Part of the cycle at which a pack begins: it has just begun to discharge."""
FULL, EMPTY = 0.995, 0.02
"""State of charge of the fullest and of the emptiest cell that ends a charge and a discharge."""
IMBALANCE = 0.008
"""State of charge by which cells differ."""
OFFSET = 0.0015
"""V by which the inputs of a BMS differ."""
AMBIENT = 21.0
"""°C."""
HEAT_CAPACITY = 900.0
"""J/K of one cell and the air that it warms: LFP has about 1000 J/(kg K)."""
COOLING = 0.35
"""W/K from one cell to the room."""

CURVES: dict[str, tuple[tuple[float, float], ...]] = {
    "lfp": ((0.0, 2.80), (0.05, 3.10), (0.10, 3.20), (0.30, 3.27), (0.60, 3.31), (0.90, 3.34), (0.97, 3.37), (1, 3.45)),
    "nmc": ((0.0, 3.00), (0.05, 3.35), (0.10, 3.45), (0.30, 3.60), (0.60, 3.80), (0.80, 3.98), (0.90, 4.07), (1, 4.18)),
    "lto": ((0.0, 1.90), (0.05, 2.10), (0.10, 2.15), (0.50, 2.25), (0.90, 2.40), (1, 2.60)),
}
"""Open-circuit voltage (V) over state of charge, as data sheets of common cells draw it at 25 °C."""


class Pack:
    """N cells with small differences. All state is here; `advance` moves it on. Current > 0 charges."""

    def __init__(self, personality: Personality, *, soc: float = 0.65, seed: int = 1) -> None:
        spread = random.Random(seed)
        self.personality = personality
        self.capacities = [personality.capacity * spread.gauss(1.0, 0.005) for _ in range(personality.cells)]
        self.resistances = [spread.gauss(0.08, 0.004) / personality.capacity for _ in range(personality.cells)]
        imbalance = [spread.gauss(0, IMBALANCE) for _ in range(personality.cells)]
        mean = sum(imbalance) / len(imbalance)
        self.charges = [
            capacity * min(1.0, max(0.0, soc + difference - mean))
            for capacity, difference in zip(self.capacities, imbalance, strict=True)
        ]
        self.offsets = [spread.gauss(0, OFFSET) for _ in range(personality.cells)]
        self.temperature = AMBIENT + 2.0
        self.clock = 0.0
        self.charged = 12.5 * personality.capacity
        self.discharged = 12.4 * personality.capacity
        self.charge_time = 0.0
        self.discharge_time = 0.0
        self.charge_on = self.discharge_on = True

    @property
    def soc(self) -> float:
        """0 to 1, of the whole pack."""
        return sum(self.charges) / sum(self.capacities)

    def _socs(self) -> list[float]:
        return [charge / capacity for charge, capacity in zip(self.charges, self.capacities, strict=True)]

    @property
    def current(self) -> float:
        """A. A slow swing of load and charger, with the ripple of a household; 0 while a switch blocks it."""
        swing = math.sin(2 * math.pi * (self.clock / DAY + START)) + 0.08 * math.sin(2 * math.pi * self.clock / 47)
        current = self.personality.current * swing
        if current > 0:
            allowed = self.charge_on and max(self._socs()) < FULL
        else:
            allowed = self.discharge_on and min(self._socs()) > EMPTY
        return current if allowed else 0.0

    def voltages(self) -> list[float]:
        """V at the terminals of every cell."""
        current = self.current
        curve = CURVES[self.personality.chemistry]
        return [
            open_circuit_voltage(curve, charge / capacity) + current * resistance + offset
            for charge, capacity, resistance, offset in zip(
                self.charges, self.capacities, self.resistances, self.offsets, strict=True
            )
        ]

    def advance(self, clock: float) -> None:
        """Move on to `clock`, seconds since the beginning; going back is ignored."""
        while self.clock < clock:
            self._step(min(STEP, clock - self.clock))

    def _step(self, seconds: float) -> None:
        current = self.current
        amp_hours = current * seconds / 3600
        self.charges = [
            min(capacity, max(0.0, charge + amp_hours))
            for charge, capacity in zip(self.charges, self.capacities, strict=True)
        ]
        heat = current**2 * self.resistances[0]
        self.temperature += (heat - COOLING * (self.temperature - AMBIENT)) * seconds / HEAT_CAPACITY
        if current > 0:
            self.charged += amp_hours
            self.charge_time += seconds
        elif current < 0:
            self.discharged -= amp_hours
            self.discharge_time += seconds
        self.clock += seconds


def open_circuit_voltage(curve: tuple[tuple[float, float], ...], soc: float) -> float:
    """V at a state of charge between 0 and 1; straight lines between the points of the curve."""
    for (low, low_voltage), (high, high_voltage) in pairwise(curve):
        if soc <= high:
            return low_voltage + (high_voltage - low_voltage) * (soc - low) / (high - low)
    return curve[-1][1]
