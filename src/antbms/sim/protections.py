"""What a BMS watches: one row a protection or warning, and the clockwork that trips and lets go."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

from msgspec import Struct

from .thresholds import Thresholds


class Measured(IntEnum):
    """What the BMS compares with its limits; the order is that of the list handed to `Watch.step`."""

    HIGHEST_CELL = 0
    LOWEST_CELL = 1
    PACK = 2
    SPREAD = 3
    HOTTEST = 4
    COLDEST = 5
    MOSFET = 6
    CHARGE_CURRENT = 7
    DISCHARGE_CURRENT = 8
    SURGE = 9
    """A, the highest current out of the pack within the step."""
    LOOSE_WIRE = 10
    """1 while an input of the cells is open."""
    CHARGE_LEAK = 11
    """A into the pack although its switch is off."""
    DISCHARGE_LEAK = 12
    SOC = 13


Opens = Literal["charge", "discharge", "both", ""]


class Rule(Struct, frozen=True):
    """One protection, or a warning where it opens nothing.

    name: as in `Thresholds` (with `_recovery`, `_release`, `_delay`), and in the protocols' counters. word: what the
    protocols' tables of bits call it, `also` another name of it. reason: what their tables of MOSFET codes call it
    if not the same. below: trips under its limit, not above it. limit: a fixed one, where no threshold rules.
    """

    name: str
    word: str
    of: Measured
    opens: Opens = ""
    reason: str = ""
    also: str = ""
    below: bool = False
    limit: float | None = None


_M = Measured

PROTECTIONS: tuple[Rule, ...] = (
    Rule("short_circuit", "short circuit", _M.SURGE, "discharge"),
    Rule("charge_stuck", "charge MOSFET abnormal", _M.CHARGE_LEAK, "charge", "MOSFET abnormal",
         also="charge MOSFET broken?", limit=0.5),
    Rule("discharge_stuck", "discharge MOSFET abnormal", _M.DISCHARGE_LEAK, "discharge", "MOSFET abnormal",
         also="discharge MOSFET broken?", limit=0.5),
    Rule("loose_wire", "balance wire loose", _M.LOOSE_WIRE, "both", limit=0.5),
    Rule("cell_overvoltage", "cell overvoltage", _M.HIGHEST_CELL, "charge"),
    Rule("cell_undervoltage", "cell undervoltage", _M.LOWEST_CELL, "discharge", below=True),
    Rule("pack_overvoltage", "pack overvoltage", _M.PACK, "charge"),
    Rule("pack_undervoltage", "pack undervoltage", _M.PACK, "discharge", below=True),
    Rule("charge_overcurrent", "charge overcurrent", _M.CHARGE_CURRENT, "charge", "overcurrent"),
    Rule("discharge_overcurrent", "discharge overcurrent", _M.DISCHARGE_CURRENT, "discharge", "overcurrent"),
    Rule("charge_hot", "hot while charging", _M.HOTTEST, "charge", "battery hot"),
    Rule("discharge_hot", "hot while discharging", _M.HOTTEST, "discharge", "battery hot"),
    Rule("charge_cold", "cold while charging", _M.COLDEST, "charge", "cold", below=True),
    Rule("discharge_cold", "cold while discharging", _M.COLDEST, "discharge", "cold", below=True),
    Rule("mosfet_hot", "MOSFET hot", _M.MOSFET, "both"),
    Rule("cell_difference", "cell difference", _M.SPREAD, "both"),
)  # fmt: skip
"""The first active one that opens a switch gives the reason why it is off."""

WARNINGS: tuple[Rule, ...] = (
    *(
        Rule(row.name, row.word, row.of, below=row.below)
        for row in PROTECTIONS
        if row.limit is None and row.name != "short_circuit"
    ),
    Rule("soc_low", "SOC low level 1", _M.SOC, also="low capacity", below=True),
    Rule("soc_very_low", "SOC low level 2", _M.SOC, below=True),
)


class Watch:
    """The clockwork of one rule. `active` is what the status shows; `count` how often it has tripped."""

    __slots__ = ("_delay", "_limit", "_quiet", "_recovery", "_release", "_sign", "_since", "active", "count", "rule")

    def __init__(self, rule: Rule, thresholds: Thresholds, *, warning: bool = False) -> None:
        self.rule = rule
        self.active = False
        self.count = 0
        self._since = self._quiet = 0.0
        self.set(thresholds, warning=warning)

    def set(self, thresholds: Thresholds, *, warning: bool = False) -> None:
        """Take limits and delays over."""
        rule = self.rule
        self._sign = -1.0 if rule.below else 1.0
        name = f"{rule.name}_warning" if warning and rule.of is not Measured.SOC else rule.name
        limit = getattr(thresholds, name) if rule.limit is None else rule.limit
        recovery, delay, release = limit, 0.0, 0.0
        if not warning:
            recovery = getattr(thresholds, f"{rule.name}_recovery", limit)
            delay = getattr(thresholds, f"{rule.name}_delay", 0.0)
            release = getattr(thresholds, f"{rule.name}_release", 0.0)
        self._limit, self._recovery = limit * self._sign, recovery * self._sign
        self._delay, self._release = delay, release

    def step(self, value: float, seconds: float) -> bool:
        """Whether it changed, given what is measured now and for how long that has been so."""
        value *= self._sign
        if not self.active:
            if value <= self._limit:
                self._since = 0.0
                return False
            self._since += seconds
            if self._since < self._delay:
                return False
            self.active, self._quiet = True, 0.0
            self.count += 1
            return True
        if value > self._recovery:
            self._quiet = 0.0
            return False
        self._quiet += seconds
        if self._quiet < self._release:
            return False
        self.active, self._since = False, 0.0
        return True
