"""What is connected to the pack: a charger, and things that draw current. All are functions of the clock and the pack.

A load is asked at every step for the current that it would make flow, A, > 0 into the pack. Whether the BMS lets it
flow is not its business. What is random about it comes from the seed and the time, never from when it is asked.
"""

from __future__ import annotations

import math
import random
from typing import Protocol

from .pack import Pack

HOUR, DAY = 3600.0, 86400.0
SETTLED = 60.0
"""s below its tail current after which a charger has done."""


class Load(Protocol):
    """Anything that draws or feeds current."""

    @property
    def charger(self) -> Charger | None:
        """The charger that belongs to it, if any."""

    def current(self, clock: float, pack: Pack, seconds: float) -> float:
        """A for the step of `seconds` that begins at `clock`."""


class Charger:
    """Constant current, then constant voltage, until the current falls below `tail`; begins again at `restart`.

    A and V; `tail` is a twentieth of the capacity, as data sheets of cells define the end of a charge.
    """

    def __init__(self, pack: Pack, current: float) -> None:
        cells, chemistry = len(pack.charges), pack.chemistry
        self.highest = current
        self.voltage = chemistry.charged * cells
        self.restart = chemistry.resting * cells
        self.tail = sum(pack.capacities) / cells / 20
        self.done = False
        self._settled = 0.0

    def current(self, pack: Pack, seconds: float, offered: float | None = None) -> float:
        """A that it gives now; at most `offered`, where its source has no more."""
        if self.done:
            self.done = pack.voltage > self.restart
            return 0.0
        most = self.highest if offered is None else min(self.highest, offered)
        if pack.voltage + 0.02 * self.voltage < self.voltage and pack.current <= 0:
            return most  # far from the limit, there is nothing to be worked out
        held = pack.current_at(self.voltage, seconds)
        self._settled = self._settled + seconds if held < self.tail else 0.0
        self.done = self._settled >= SETTLED
        return max(0.0, min(most, held))


class Constant:
    """A lamp: draws the same current until the pack's voltage is too low for it, and then no more."""

    def __init__(self, pack: Pack, current: float) -> None:
        self.charger: Charger | None = None
        self._current = current
        self._lowest = pack.chemistry.empty * len(pack.charges)
        self._out = False

    def current(self, clock: float, pack: Pack, seconds: float) -> float:
        self._out = self._out or pack.voltage < self._lowest
        return 0.0 if self._out else -self._current


class Charging:
    """A charger, and nothing else."""

    def __init__(self, pack: Pack, current: float) -> None:
        self.charger = Charger(pack, current)

    def current(self, clock: float, pack: Pack, seconds: float) -> float:
        return self.charger.current(pack, seconds)


class Cycle:
    """A capacity tester: discharges, rests, charges, rests, and so on."""

    REST, PATIENCE = 600.0, 30.0

    def __init__(self, pack: Pack, current: float) -> None:
        self._current = current
        self.charger = Charger(pack, current)
        self._lowest = pack.chemistry.empty * len(pack.charges)
        self._charging = False
        self._resting = self._blocked = 0.0

    def current(self, clock: float, pack: Pack, seconds: float) -> float:
        if self._resting > 0:
            self._resting -= seconds
            return 0.0
        if self._charging:
            given = self.charger.current(pack, seconds)
            if self.charger.done:
                self._turn()
            return given
        if pack.voltage < self._lowest or self._cut_off(pack, seconds):
            self._turn()
            return 0.0
        return -self._current

    def _cut_off(self, pack: Pack, seconds: float) -> bool:
        """Whether the BMS has ended the discharge: the tester sees no current where it wants one."""
        self._blocked = 0.0 if pack.current else self._blocked + seconds
        return self._blocked > self.PATIENCE

    def _turn(self) -> None:
        self._charging, self._resting, self._blocked = not self._charging, self.REST, 0.0
        self.charger.done = False


class Ride:
    """An electric bicycle: an hour on the road, a quarter of an hour's stop, then the charger until the next ride."""

    ROAD, STOP, PERIOD = 1 * HOUR, 0.25 * HOUR, 4 * HOUR

    def __init__(self, pack: Pack, current: float, seed: int) -> None:
        chance = random.Random(f"ride {seed}")
        self._current = current
        self.charger = Charger(pack, min(current, sum(pack.capacities) / len(pack.capacities) / 4))
        self._lowest = pack.chemistry.empty * len(pack.charges)
        self._hills = [chance.uniform(0.1, 0.6) for _ in range(64)]
        self._bumps = [chance.gauss(0, 0.06) for _ in range(997)]
        self._lights = [chance.random() < 0.3 for _ in range(128)]

    def current(self, clock: float, pack: Pack, seconds: float) -> float:
        within = clock % self.PERIOD
        if within >= self.ROAD + self.STOP:
            return self.charger.current(pack, seconds)
        self.charger.done = False
        if within >= self.ROAD or pack.voltage < self._lowest:
            return 0.0
        return -self._current * self._effort(clock)

    def _effort(self, clock: float) -> float:
        """Share of the highest current; below 0 where the motor brakes."""
        stretch, within = divmod(clock, 75.0)
        number = int(stretch)
        hill, ahead = self._hills[number % 64], self._hills[(number + 1) % 64]
        if self._lights[number % 128] and within < 32:
            if within < 6:
                return -0.12  # brakes before the lights
            return 0.0 if within < 24 else 0.9  # stands, then sets off
        pull = hill + (ahead - hill) * within / 75.0 + self._bumps[int(clock) % 997]
        return max(0.0, pull)


class Solar:
    """A day of a house with solar cells on its roof. The battery is a little small for it: some nights it runs empty.

    All powers are shares of the pack's nominal energy in an hour, so that a day fits every pack. `hour` is the time
    of day (h) at which the clock begins.
    """

    SUNRISE, SUNSET = 6.0, 20.0
    PEAK = 0.44
    CLOUD = 240.0
    """s from one sky to the next."""
    HABITS = (
        (0.0, 24.0, 0.038),
        (6.5, 8.0, 0.05),
        (11.8, 12.6, 0.10),
        (17.5, 22.8, 0.095),
        (18.5, 19.3, 0.15),
    )
    """Hours from, to, and the share that this takes: standby, breakfast, cooking, evening, dinner."""
    HUM = 150.0
    """s in which what runs changes a little."""
    FRIDGE = (2400.0, 780.0, 0.010)
    """s from start to start, s that it runs, share."""
    KETTLE, KETTLE_TIME, KETTLE_SHARE = 0.035, 240.0, 0.13
    """Chance of it in a slot while people are awake, s, share."""

    def __init__(self, pack: Pack, current: float, seed: int, hour: float) -> None:
        chance = random.Random(f"sun {seed}")
        self._energy = pack.chemistry.nominal * sum(pack.capacities)
        self._current = current
        self.charger = Charger(pack, current)
        self._lowest = pack.chemistry.empty * len(pack.charges)
        self._begin = hour * HOUR
        clear = [chance.random() for _ in range(64)]
        self._sky = [clear[number // 16] for number in range(1024)]
        self._sky = [1 - (0.75 * chance.random() if chance.random() > 0.35 + 0.6 * sky else 0.06 * chance.random())
                     for sky in self._sky]  # fmt: skip
        self._kettle = [chance.random() < self.KETTLE for _ in range(1009)]
        self._hum = [chance.uniform(0.8, 1.25) for _ in range(991)]
        self._out = False

    def current(self, clock: float, pack: Pack, seconds: float) -> float:
        clock += self._begin
        power = (self._sun(clock) - self._house(clock)) * self._energy
        if clock % DAY < seconds:
            self.charger.done = False
        offered = power / pack.voltage if pack.voltage > 1 else 0.0
        if offered > 0:
            self._out = False
            return self.charger.current(pack, seconds, offered)
        self._out = self._out or pack.voltage < self._lowest
        return 0.0 if self._out else max(offered, -2 * self._current)

    def _sun(self, clock: float) -> float:
        hour = clock / HOUR % 24
        if not self.SUNRISE < hour < self.SUNSET:
            return 0.0
        height = math.sin(math.pi * (hour - self.SUNRISE) / (self.SUNSET - self.SUNRISE))
        slot, within = divmod(clock, self.CLOUD)
        now, then = self._sky[int(slot) % 1024], self._sky[int(slot + 1) % 1024]
        share: float = height**1.4  # clear mornings are hazy
        return self.PEAK * share * (now + (then - now) * within / self.CLOUD)

    def _house(self, clock: float) -> float:
        hour = clock / HOUR % 24
        taken = 0.0
        for begin, end, share in self.HABITS:
            if begin <= hour < end:
                taken += share
        slot, within = divmod(clock, self.HUM)
        now, then = self._hum[int(slot) % 991], self._hum[int(slot + 1) % 991]
        taken *= now + (then - now) * within / self.HUM
        every, runs, share = self.FRIDGE
        if clock % every < runs:
            taken += share
        if 6.5 < hour < 23 and self._kettle[int(clock / self.KETTLE_TIME) % 1009]:
            taken += self.KETTLE_SHARE
        return taken


def warmth(hour: float, mean: float, swing: float) -> float:
    """°C of the air at an hour of the day: warmest at three in the afternoon."""
    return mean + swing * math.cos(2 * math.pi * (hour - 15) / 24)


LOADS: dict[str, str] = {
    "solar": "a house with solar cells on its roof, day and night",
    "ride": "an electric bicycle: an hour's ride, a stop, the charger",
    "cycle": "a capacity tester: discharges, rests, charges, rests",
    "constant": "the same current all the time, until the battery is empty",
    "charge": "a charger, until the battery is full",
}
"""Name and what it is, for help and documents."""


def make_load(name: str, pack: Pack, *, current: float, seed: int, hour: float) -> Load:
    """A load of `LOADS`. current: A that the owner draws or charges at most; hour: time of day when it begins."""
    match name:
        case "solar":
            return Solar(pack, current, seed, hour)
        case "ride":
            return Ride(pack, current, seed)
        case "cycle":
            return Cycle(pack, current)
        case "constant":
            return Constant(pack, current / 2)
    return Charging(pack, current)
