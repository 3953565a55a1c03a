"""The truth: cells in series, what flows through them, what they keep, and how warm they get."""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Iterable

from .chemistry import ROOM, STEPS, Chemistry, curve_of

KELVIN = 273.15
CAPACITY_SPREAD, RESISTANCE_SPREAD, LEAK_SPREAD = 0.005, 0.05, 0.3
"""Relative standard deviations from cell to cell, of a pack that was matched when it was new (assumed)."""
IMBALANCE = 0.003
"""State of charge by which cells differ at the beginning (standard deviation, assumed)."""
SHORT_WIRE = 0.002
"""Ω."""
RUNAWAY = 150.0
"""°C at which the model ends: a real cell vents and burns before."""
DOUBLING = 10.0
"""K of warmth that double the self-discharge: the usual rule of thumb."""


class Pack:
    """N cells in series, each with its own capacity, resistance, self-discharge and charge. Current > 0 charges.

    A step is exact for the RC pairs and second-order for the energy. As the same current flows through all cells,
    their RC pairs differ by a factor only: one `diffusion` (A) stands for all of them.

    charged, discharged (Ah), energy_in, energy_out (Wh): what passed the terminals. heat, bled (Wh): what the cells
    became warm of, and what balancing burnt beside them. leaked, drained, spoilt (Ah, of all cells): self-discharge,
    what balancing took, and charge that went into side reactions because a cell was beyond the ends of its curve.
    """

    def __init__(
        self, chemistry: Chemistry, cells: int, capacity: float, *, soc: float, seed: int, ambient: float = 21.0
    ) -> None:
        spread = random.Random(seed)
        self.chemistry = chemistry
        self.capacities = [capacity * _around(spread, CAPACITY_SPREAD) for _ in range(cells)]
        self.resistances = [chemistry.resistance / capacity * _around(spread, RESISTANCE_SPREAD) for _ in range(cells)]
        self.leaks = [chemistry.self_discharge * capacity * _around(spread, LEAK_SPREAD) for _ in range(cells)]
        imbalance = [spread.gauss(0, IMBALANCE) for _ in range(cells)]
        mean = sum(imbalance) / cells
        self.charges = [
            held * min(1.0, max(0.0, soc + difference - mean))
            for held, difference in zip(self.capacities, imbalance, strict=True)
        ]
        self.ambient = ambient
        self.temperature = ambient + 1.0
        self.current = self.diffusion = 0.0
        self.charged = self.discharged = self.energy_in = self.energy_out = self.heat = self.bled = 0.0
        self.leaked = self.drained = self.spoilt = 0.0
        self._ends: list[float] | None = None
        self.changed()

    def changed(self) -> None:
        """Take over what was changed from outside in capacities, resistances, charges or temperature."""
        self._curve = curve_of(self.chemistry)
        self._scales = [STEPS / held for held in self.capacities]
        self._top = min(self.capacities) * self._curve.high
        self._bottom = min(self.capacities) * self._curve.low
        self._resistance = sum(self.resistances)
        self._share = self.chemistry.relaxation / self.chemistry.resistance
        low, high = self._curve.flat
        self._flat = max(self.capacities) * low, min(self.capacities) * high
        self._leak = sum(self.leaks) / len(self.leaks)
        self._size = sum(self.capacities)
        self._resting = self._open_circuit()
        self._find_ends()
        self._under_load()
        self._in_pairs = self._relaxing_energy()

    @property
    def soc(self) -> float:
        """0 to 1, of the whole pack."""
        return sum(self.charges) / sum(self.capacities)

    @property
    def socs(self) -> list[float]:
        """0 to 1 a cell, a little beyond where it is overcharged or overdischarged."""
        return [charge / held for charge, held in zip(self.charges, self.capacities, strict=True)]

    @property
    def energy(self) -> float:
        """Wh held by cells and RC pairs, above the lower end of the curve.

        It is enthalpy: with the voltage's change with temperature, heat comes and goes as well, and is counted as such.
        """
        offset = -ROOM * self.chemistry.entropy
        cells = sum(
            held * (self._curve.energy(soc) + offset * soc)
            for held, soc in zip(self.capacities, self.socs, strict=True)
        )
        return cells + self._in_pairs

    @property
    def short_circuit_current(self) -> float:
        """A through a short wire across the terminals."""
        return self.voltage / (self._warmed * self._resistance + SHORT_WIRE)

    def current_at(self, voltage: float, seconds: float) -> float:
        """A that bring the pack to `voltage` at the end of a step of `seconds`: what a charger finds by itself."""
        fade = math.exp(-seconds / self.chemistry.relaxation_time)
        relaxation = self._warmed * self._relaxation
        offset = self._entropy_offset() * len(self.charges)
        slope = sum(
            self._curve.slopes[int((charge * scale) - self._curve.low * STEPS)] * scale
            for charge, scale in zip(self.charges, self._scales, strict=True)
        )
        inner = self._warmed * self._resistance + (1 - fade) * relaxation + slope * seconds / 3600
        return (voltage - sum(self._resting) - offset - fade * self.diffusion * relaxation) / inner

    def step(self, current: float, seconds: float, bleeding: Iterable[int] = (), bleeder: float = 1.0) -> None:
        """Let `current` (A) flow for `seconds`; the cells `bleeding` (from 0) lie at a resistor of `bleeder` Ω."""
        chemistry, hours = self.chemistry, seconds / 3600
        stored = current * hours * (chemistry.efficiency if current > 0 else 1.0)
        leaking = hours * 2.0 ** ((self.temperature - 25.0) / DOUBLING)
        before = sum(self._resting)
        for number in bleeding:
            drawn = self.voltages[number] / bleeder * hours
            self.charges[number] -= drawn
            self.drained += drawn
            self.bled += self._resting[number] * drawn
        charges = [charge + stored - leak * leaking for charge, leak in zip(self.charges, self.leaks, strict=True)]
        self.charges = charges
        self.leaked += leaking * self._leak * len(charges)
        heat = 0.0
        if max(charges) > self._top or min(charges) < self._bottom:
            heat = self._spoil()
        self._resting = self._open_circuit()
        self._find_ends()
        mean = (before + sum(self._resting)) / 2

        fade = math.exp(-seconds / chemistry.relaxation_time)
        diffusion = self.diffusion
        self.diffusion = current + (diffusion - current) * fade
        average = current + (diffusion - current) * (1 - fade) * chemistry.relaxation_time / seconds
        pairs = self._warmed * self._relaxation * average * current * hours
        offset = self._entropy_offset() * len(charges)
        energy = current * hours * (mean + offset + current * self._warmed * self._resistance) + pairs
        heat += current * current * hours * self._warmed * self._resistance
        heat += pairs - (self._relaxing_energy() - self._in_pairs)
        self._in_pairs = self._relaxing_energy()
        heat += current * hours * (self.temperature + KELVIN) * chemistry.entropy * len(charges)
        heat += mean * leaking * self._leak
        if current > 0:
            heat += (current * hours - stored) * mean
            self.charged += current * hours
            self.energy_in += energy
        else:
            self.discharged -= current * hours
            self.energy_out -= energy
        self._warm(heat, seconds)
        self.current = current
        self._under_load()

    def _open_circuit(self) -> list[float]:
        """V of every cell at rest and 25 °C."""
        volts, slopes, low = self._curve.volts, self._curve.slopes, self._curve.low * STEPS
        return [
            volts[whole := int(place := charge * scale - low)] + (place - whole) * slopes[whole]
            for charge, scale in zip(self.charges, self._scales, strict=True)
        ]

    def _find_ends(self) -> None:
        """The factors of the RC pairs, and the resistance (Ω, at 25 °C) of all of them together."""
        if min(self.charges) >= self._flat[0] and max(self.charges) <= self._flat[1]:
            self._ends = None
            self._relaxation = self._share * self._resistance
            return
        table, low = self._curve.ends, self._curve.low * STEPS
        self._ends = [
            table[whole := int(place := charge * scale - low)] * (1 - (place - whole))
            + table[whole + 1] * (place - whole)
            for charge, scale in zip(self.charges, self._scales, strict=True)
        ]
        self._relaxation = self._share * sum(map(operator.mul, self._ends, self.resistances))

    def _under_load(self) -> None:
        """`voltages` (V, of every cell at its terminals) and `voltage` (V, of the pack) for the present current."""
        self._warmed = math.exp(self.chemistry.activation * (1 / (self.temperature + KELVIN) - 1 / ROOM))
        drop, pair = self.current * self._warmed, self._share * self.diffusion * self._warmed
        offset = self._entropy_offset()
        if self._ends is None:
            drop += pair
            self.voltages = [
                rest + offset + drop * resistance
                for rest, resistance in zip(self._resting, self.resistances, strict=True)
            ]
        else:
            self.voltages = [
                rest + offset + (drop + pair * end) * resistance
                for rest, resistance, end in zip(self._resting, self.resistances, self._ends, strict=True)
            ]
        self.voltage = sum(self.voltages)

    def _entropy_offset(self) -> float:
        return self.chemistry.entropy * (self.temperature + KELVIN - ROOM)

    def _relaxing_energy(self) -> float:
        """Wh in the RC pairs. What they have more near empty and full is lost at once, and not held."""
        hours = self.chemistry.relaxation_time / 3600
        return hours * self._warmed * self._share * self._resistance * self.diffusion**2 / 2

    def _warm(self, heat: float, seconds: float) -> None:
        """Cells are one body: `heat` (Wh) comes in, the air around takes it away."""
        chemistry, size = self.chemistry, self._size
        self.heat += heat
        cooled = chemistry.cooling * size * (self.temperature - self.ambient) * seconds
        warmer = self.temperature + (heat * 3600 - cooled) / (chemistry.heat_capacity * size)
        self.temperature = min(warmer, RUNAWAY)

    def _spoil(self) -> float:
        """Keep all cells within their curve; the Wh of charge that they could not take or give."""
        heat = 0.0
        for number, (charge, held) in enumerate(zip(self.charges, self.capacities, strict=True)):
            kept = min(max(charge, held * self._curve.low), held * self._curve.high)
            self.charges[number] = kept
            self.spoilt += abs(charge - kept)
            heat += abs(charge - kept) * self._resting[number]
        return heat


def _around(spread: random.Random, deviation: float) -> float:
    """A factor near 1, never further off than three deviations."""
    return min(max(spread.gauss(1.0, deviation), 1 - 3 * deviation), 1 + 3 * deviation)
