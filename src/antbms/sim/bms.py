"""The BMS on top of the pack: it measures, counts, balances, and opens its switches. It knows no protocol."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Literal

from .pack import Pack
from .protections import PROTECTIONS, WARNINGS, Rule, Watch
from .thresholds import Thresholds

OFFSET = 0.0015
"""V by which the inputs of a BMS differ (standard deviation, assumed)."""
BLIND = 0.05
"""A below which the current reads zero and is not counted: one reason why a counted state of charge drifts."""
RUN_TIME = 4_000_000.0
"""s that the board has been on before the simulation began."""
SENSOR_STEP = 0.05
"""Share of the pack's warmth that every further sensor sees less of: it lies nearer to the edge."""
MOSFET_RISE, MOSFET_TIME = 40.0, 150.0
"""K at the highest current that the owner draws, and the s in which it comes about (assumed)."""
DIODE = 1.5
"""How much more a MOSFET warms at that current while only its diode conducts (assumed)."""
BALANCER_RISE = 12.0
"""K while cells are drained (assumed)."""
LOOSE = 0.35
"""V that the cell below an open wire seems to have; the one above it seems to have the rest of both."""

Switch = Literal["charge", "discharge", "balance"]
BY_COMMAND = "off by command"


class Bms:
    """What the board sees and does. Current > 0 charges.

    capacity: Ah, nominal. current: A that the owner draws or charges at most. known: the rules that this board has.
    open_sensor: °C that an unplugged sensor reads; None where the board sees that there is none, and goes by the rest.

    cells, current, temperatures, mosfet, balancer: as measured. remaining (Ah) is counted from what flows, set right
    at both ends, and drifts between. charged, discharged (Ah), uptime, charge_time, discharge_time (s): life totals.
    loose, unplugged, stuck: faults. loose is the number of the wire above that cell, unplugged are numbers of sensors,
    all from 0; stuck are switches that do not open any more.
    """

    def __init__(
        self,
        pack: Pack,
        thresholds: Thresholds,
        *,
        capacity: float,
        current: float,
        sensors: int,
        known: Iterable[Rule],
        open_sensor: float | None = None,
        seed: int = 1,
    ) -> None:
        spread = random.Random(f"inputs {seed}")
        known = set(known)
        self.thresholds = thresholds
        self.capacity = capacity
        self._rated = current
        self._sensors = sensors
        self._open_sensor = open_sensor
        self._offsets = [spread.gauss(0, OFFSET) for _ in pack.charges]
        self.protections = [Watch(rule, thresholds) for rule in PROTECTIONS if rule in known]
        self.warnings = [Watch(rule, thresholds, warning=True) for rule in WARNINGS if rule in known]
        self.asked: dict[Switch, bool] = {"charge": True, "discharge": True, "balance": True}
        self.loose: int | None = None
        self.unplugged: set[int] = set()
        self.stuck: set[Switch] = set()
        self.remaining = pack.soc * capacity
        self.charged, self.discharged = 12.5 * capacity, 12.4 * capacity
        self.cycled = self.discharged
        self.uptime = RUN_TIME
        self.charge_time, self.discharge_time = RUN_TIME / 5, RUN_TIME / 4
        self.current = 0.0
        self.charges = 0
        self.full = False
        self.balancing: tuple[int, ...] = ()
        self._full_for = self._rise = 0.0
        self._opened: set[str] = set()
        self._measure(pack)

    @property
    def soc(self) -> float:
        """0 to 1, as counted."""
        return self.remaining / self.capacity

    @property
    def cycles(self) -> int:
        """Times that the nominal capacity was drawn."""
        return int(self.cycled / self.capacity)

    @property
    def counters(self) -> dict[str, int]:
        """How often each protection has tripped, charges and cycles: by the names of the protocols' counters."""
        counts = {watch.rule.name: watch.count for watch in self.protections}
        return counts | {"charges": self.charges, "cycles": self.cycles}

    def is_on(self, switch: Literal["charge", "discharge"]) -> bool:
        """Whether the BMS has it closed."""
        return self.asked[switch] and switch not in self._opened

    def conducts(self, current: float) -> bool:
        """Whether a current can flow; against an open switch it cannot, unless that is stuck."""
        switch: Literal["charge", "discharge"] = "charge" if current > 0 else "discharge"
        return switch in self.stuck or self.is_on(switch)

    def reason(self, switch: Literal["charge", "discharge"]) -> str | None:
        """Why it is off: that of the first protection that opens it, or `off by command`. None if it is on."""
        for watch in self.protections:
            if watch.active and watch.rule.opens in (switch, "both"):
                return watch.rule.reason or watch.rule.word
        return None if self.asked[switch] else BY_COMMAND

    def switch(self, switch: Switch, on: bool) -> None:
        """As its owner commands. A protection stays above that: what it holds open goes on when it lets go."""
        self.asked[switch] = on
        if switch == "balance" and not on:
            self.balancing = ()

    def set_thresholds(self, thresholds: Thresholds) -> None:
        """Take over other limits; what is active stays so until it recovers by them."""
        self.thresholds = thresholds
        for watch in self.protections:
            watch.set(thresholds)
        for watch in self.warnings:
            watch.set(thresholds, warning=True)

    def clear_counters(self) -> None:
        """Of the protections, and that of charges."""
        self.charges = 0
        for watch in self.protections:
            watch.count = 0

    def step(self, pack: Pack, seconds: float, surge: float = 0.0) -> None:
        """Look at the pack after a step of `seconds`. surge: A that flowed out for a moment within it."""
        self.uptime += seconds
        self.current = current = pack.current if abs(pack.current) >= BLIND else 0.0
        self._heat_up(current, seconds)
        self._measure(pack)
        self._count(current, seconds)
        cells = self.cells
        high, low = max(cells), min(cells)
        seen = [item for item in self.temperatures if item is not None]
        measured = (
            high,
            low,
            pack.voltage,
            high - low,
            max(seen, default=20.0),
            min(seen, default=20.0),
            self.mosfet,
            current,
            -current,
            surge or -current,
            0.0 if self.loose is None else 1.0,
            0.0 if self.is_on("charge") else current,
            0.0 if self.is_on("discharge") else -current,
            100 * self.soc,
        )
        changed = False
        for watch in self.protections:
            if watch.step(measured[watch.rule.of], seconds):
                changed = True
                if watch.rule.name == "cell_undervoltage" and watch.active:
                    self.remaining = 0.0  # what is empty is empty, whatever was counted
        for watch in self.warnings:
            watch.step(measured[watch.rule.of], seconds)
        if changed:
            self._opened = {
                switch
                for watch in self.protections
                if watch.active
                for switch in (("charge", "discharge") if watch.rule.opens == "both" else (watch.rule.opens,))
            }
        self._find_full(pack.voltage, current, seconds)
        if high >= self.thresholds.balance_start or self.balancing:
            self._balance(high, low, current)

    def _measure(self, pack: Pack) -> None:
        self.cells = [volts + offset for volts, offset in zip(pack.voltages, self._offsets, strict=True)]
        if min(self.cells) < 0:
            self.cells = [max(0.0, volts) for volts in self.cells]  # an input sees no cell that is reversed
        if self.loose is not None:
            both = self.cells[self.loose] + self.cells[self.loose + 1]
            self.cells[self.loose], self.cells[self.loose + 1] = LOOSE, both - LOOSE
        warmth = pack.temperature - pack.ambient
        self.temperatures: list[float | None] = [
            pack.ambient + warmth * (1 - SENSOR_STEP * number) for number in range(self._sensors)
        ]
        for number in self.unplugged:
            self.temperatures[number] = self._open_sensor
        self.mosfet = pack.temperature + self._rise
        self.balancer = pack.temperature + 1.0 + (BALANCER_RISE if self.balancing else 0.0)

    def _heat_up(self, current: float, seconds: float) -> None:
        """A current against an open switch flows through its diode, which warms more than a closed MOSFET."""
        share = abs(current) / self._rated
        through_diode = not self.is_on("charge" if current < 0 else "discharge")
        rise = MOSFET_RISE * (DIODE * share if through_diode else share**2)
        self._rise += (rise - self._rise) * min(1.0, seconds / MOSFET_TIME)

    def _count(self, current: float, seconds: float) -> None:
        amp_hours = current * seconds / 3600
        self.remaining = min(max(0.0, self.remaining + amp_hours), self.capacity)
        if current > 0:
            self.charged += amp_hours
            self.charge_time += seconds
        elif current < 0:
            self.discharged -= amp_hours
            self.cycled -= amp_hours
            self.discharge_time += seconds

    def _find_full(self, voltage: float, current: float, seconds: float) -> None:
        limits = self.thresholds
        if 0 < current < limits.full_current and voltage >= limits.full_voltage:
            self._full_for += seconds
            if self._full_for >= limits.full_delay and not self.full:
                self.full, self.remaining = True, self.capacity
                self.charges += 1
            return
        self._full_for = 0.0
        self.full = self.full and self.soc > 0.97

    def _balance(self, high: float, low: float, current: float) -> None:
        """Drain the cells that lead, while the pack is not being discharged (22s-80ah-24bhub: it pauses then)."""
        limits = self.thresholds
        least = limits.balance_stop if self.balancing else limits.balance_difference
        if not self.asked["balance"] or current < 0 or high < limits.balance_start or high - low <= least:
            self.balancing = ()
            return
        self.balancing = tuple(number for number, volts in enumerate(self.cells) if volts > low + limits.balance_stop)
