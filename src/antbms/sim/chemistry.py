"""What cells are made of: curves and parameters of three chemistries, as data, with their sources.

All parameters that depend on the size of a cell are given for 1 Ah: Ω·Ah, J/(K·Ah), W/(K·Ah). Curves and numbers are
rounded by hand: they make cells that are plausible, not a model of one product. What no source is named for is assumed.

Sources: Safari and Delacourt 2011 (J. Electrochem. Soc. 158, A562: LFP/graphite, open-circuit voltage);
Chen et al. 2020 (J. Electrochem. Soc. 167, 080534: NMC 811/graphite, open-circuit voltage); Toshiba's data sheets of
SCiB cells (LTO: 1.5 to 2.7 V, nominal 2.3 V); Forgez et al. 2010 (J. Power Sources 195, 2961: LFP, change of voltage
with temperature, heat capacity); Viswanathan et al. 2010 (J. Power Sources 195, 3720: the same for other electrodes);
Hu, Li and Peng 2012 (J. Power Sources 198, 359: resistance and one RC pair are enough for a BMS); Smith et al. 2011
(J. Electrochem. Soc. 158, A447: coulombic efficiency). Heat is balanced as in Bernardi et al. 1985
(J. Electrochem. Soc. 132, 5).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

from msgspec import Struct

ROOM = 298.15
"""K; all parameters hold at this temperature."""
STEPS = 1000
"""Points of a resampled curve for a state of charge from 0 to 1."""

Points = tuple[tuple[float, float], ...]


class Chemistry(Struct, frozen=True, kw_only=True):
    """Parameters of a cell at 25 °C.

    curve: state of charge (0 to 1, a little more and less at the ends: overcharged, overdischarged) and V at rest.
    ends: how much stronger the RC pair is near empty and near full, where diffusion is slow; 1 between.
    entropy: V/K by which that voltage changes with temperature. resistance and relaxation: Ω·Ah at once and of the
    RC pair; relaxation_time: s. activation: K, how steeply both fall with temperature. efficiency: share of a charge
    that is stored. self_discharge: A per Ah. heat_capacity: J/(K·Ah); cooling: W/(K·Ah) to the air around the pack.
    nominal, charged, resting, empty: V a cell; charged is where a charger holds it, resting where it begins again,
    empty where a load gives up.
    """

    name: str
    curve: Points
    ends: Points
    entropy: float
    resistance: float
    relaxation: float
    relaxation_time: float
    activation: float
    efficiency: float
    self_discharge: float
    heat_capacity: float
    cooling: float
    nominal: float
    charged: float
    resting: float
    empty: float


MONTH = 720.0
"""h."""

_ROWS = (
    Chemistry(
        name="lfp",
        curve=(
            *((-0.02, 0.0), (0.0, 2.68), (0.01, 2.92), (0.02, 3.02), (0.05, 3.13), (0.10, 3.20), (0.15, 3.220)),
            *((0.20, 3.245), (0.30, 3.282), (0.40, 3.291), (0.60, 3.297), (0.66, 3.312), (0.71, 3.328)),
            *((0.80, 3.332), (0.90, 3.334), (0.96, 3.338), (0.985, 3.350), (1.0, 3.40), (1.01, 3.52), (1.03, 4.20)),
        ),
        ends=(
            (-0.02, 8.0),
            (0.03, 3.0),
            (0.10, 1.0),
            (0.93, 1.0),
            (0.97, 3.0),
            (0.985, 9.0),
            (1.0, 25.0),
            (1.03, 60.0),
        ),
        entropy=0.00005,
        resistance=0.090,
        relaxation=0.060,
        relaxation_time=180.0,
        activation=2500.0,
        efficiency=0.9985,
        self_discharge=0.02 / MONTH,
        heat_capacity=20.0,
        cooling=0.0018,
        nominal=3.2,
        charged=3.45,
        resting=3.33,
        empty=2.70,
    ),
    Chemistry(
        name="nmc",
        curve=(
            *((-0.02, 0.0), (0.0, 2.80), (0.02, 3.05), (0.05, 3.25), (0.10, 3.38), (0.20, 3.52), (0.30, 3.60)),
            *((0.40, 3.67), (0.50, 3.74), (0.60, 3.84), (0.70, 3.93), (0.80, 4.02), (0.90, 4.09), (0.95, 4.12)),
            *((1.0, 4.19), (1.03, 4.30), (1.06, 4.60)),
        ),
        ends=((-0.02, 6.0), (0.05, 2.5), (0.15, 1.0), (0.90, 1.0), (1.0, 1.5), (1.06, 3.0)),
        entropy=-0.0001,
        resistance=0.100,
        relaxation=0.050,
        relaxation_time=120.0,
        activation=3000.0,
        efficiency=0.9985,
        self_discharge=0.02 / MONTH,
        heat_capacity=13.0,
        cooling=0.0025,
        nominal=3.7,
        charged=4.15,
        resting=4.05,
        empty=3.10,
    ),
    Chemistry(
        name="lto",
        curve=(
            *((-0.02, 0.0), (0.0, 1.80), (0.02, 2.00), (0.05, 2.09), (0.10, 2.14), (0.20, 2.18), (0.30, 2.21)),
            *((0.40, 2.24), (0.50, 2.27), (0.60, 2.31), (0.70, 2.36), (0.80, 2.42), (0.90, 2.50), (0.95, 2.56)),
            *((1.0, 2.68), (1.02, 2.80), (1.04, 3.10)),
        ),
        ends=((-0.02, 6.0), (0.05, 2.5), (0.15, 1.0), (0.90, 1.0), (1.0, 3.0), (1.04, 8.0)),
        entropy=-0.00005,
        resistance=0.020,
        relaxation=0.012,
        relaxation_time=60.0,
        activation=2000.0,
        efficiency=0.999,
        self_discharge=0.01 / MONTH,
        heat_capacity=25.0,
        cooling=0.003,
        nominal=2.3,
        charged=2.65,
        resting=2.50,
        empty=2.00,
    ),
)

CHEMISTRIES: dict[str, Chemistry] = {row.name: row for row in _ROWS}


class Curve:
    """The open-circuit voltage of a cell, resampled so that a look-up is one index.

    `volts[i] + (x - i) * slopes[i]` is the voltage at `x = (soc - low) * STEPS`, `i` its whole part. `ends` are the
    factors of the RC pair at the same points; within `flat` they are 1.
    """

    def __init__(self, points: Points, ends: Points) -> None:
        self.low, self.high = points[0][0], points[-1][0]
        places = [self.low + number / STEPS for number in range(round((self.high - self.low) * STEPS) + 1)]
        self.volts = [_between(points, place) for place in places]
        self.slopes = [after - before for before, after in pairwise(self.volts)] + [0.0]
        self.ends = [_between(ends, place) for place in places] + [ends[-1][1]]
        middle = [soc for soc, factor in ends if factor == 1.0]
        self.flat = middle[0], middle[-1]

    def voltage(self, soc: float) -> float:
        """V at a state of charge; outside the curve that of its end."""
        place = min(max(0.0, (soc - self.low) * STEPS), len(self.volts) - 1)
        return self.volts[int(place)] + (place - int(place)) * self.slopes[int(place)]

    def energy(self, soc: float) -> float:
        """Wh that 1 Ah of capacity holds at a state of charge, above the lower end of the curve."""
        place = (soc - self.low) * STEPS
        whole = int(place)
        area = sum(self.volts[:whole]) + sum(self.slopes[:whole]) / 2
        return (area + (place - whole) * (self.volts[whole] + self.voltage(soc)) / 2) / STEPS


@lru_cache
def curve_of(chemistry: Chemistry) -> Curve:
    """The resampled curve of a chemistry, made once."""
    return Curve(chemistry.curve, chemistry.ends)


def _between(points: Points, soc: float) -> float:
    for (low, low_voltage), (high, high_voltage) in pairwise(points):
        if soc <= high:
            return low_voltage + (high_voltage - low_voltage) * (soc - low) / (high - low)
    return points[-1][1]
