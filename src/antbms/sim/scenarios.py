"""What can be wrong with a battery, by name: one row each. Several can be given, they add up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from ..errors import UsageError
from .load import HOUR
from .reading import LONG, WORD
from .rig import Rig

LONGEST = 4 * HOUR
"""s of the simulation's time that a scenario may take to show itself before the first reading."""
PATIENCE = 60.0
"""s that the others get when one shows: a load in which one shows may hide another."""
SHORTED = 300.0
"""s that the wire lies across the terminals."""


class Scenario(Struct, frozen=True, kw_only=True):
    """A fault. `text` is one sentence for its user. `prepare` makes it.

    soc (%) and load: where it shows best; what the user asks for goes before them. shown: the battery runs until
    this holds before it can be read; None where there is nothing to wait for.
    """

    name: str
    text: str
    prepare: Callable[[Rig], None]
    soc: float | None = None
    load: str | None = None
    shown: Callable[[Rig], bool] | None = None
    passing: bool = False
    """It begins when all others show, because it does not last."""
    cells: int = 1
    """The fewest that it needs."""


def _active(*names: str) -> Callable[[Rig], bool]:
    return lambda rig: any(watch.active and watch.rule.name in names for watch in rig.bms.protections)


def _middle(rig: Rig) -> int:
    return len(rig.pack.charges) // 2


def _imbalance(rig: Rig) -> None:
    pack, cell = rig.pack, _middle(rig)
    pack.charges[cell] = min(pack.charges[cell] + 0.05 * pack.capacities[cell], pack.capacities[cell])
    pack.changed()


def _weak_cell(rig: Rig) -> None:
    """It has been charged with the others: from full, it lacks what they lack."""
    pack, cell = rig.pack, _middle(rig)
    missing = pack.capacities[cell] - pack.charges[cell]
    pack.capacities[cell] *= 0.7
    pack.charges[cell] = max(pack.capacities[cell] - missing, 0.02 * pack.capacities[cell])
    pack.resistances[cell] *= 3
    pack.changed()


def _overvoltage(rig: Rig) -> None:
    if (charger := rig.load.charger) is not None:
        charger.voltage = (rig.bms.thresholds.cell_overvoltage + 0.1) * len(rig.pack.charges)
        charger.tail = 0.0


def _cold_charge(rig: Rig) -> None:
    rig.mean = rig.pack.ambient = rig.pack.temperature = rig.bms.thresholds.charge_cold - 8.0
    rig.pack.changed()


def _short_circuit(rig: Rig) -> None:
    rig.short_until = rig.clock + SHORTED


def _loose_wire(rig: Rig) -> None:
    rig.bms.loose = _middle(rig) - 1


def _unplugged_sensor(rig: Rig) -> None:
    rig.bms.unplugged.add(len(rig.bms.temperatures) - 1)


def _stuck_mosfet(rig: Rig) -> None:
    rig.bms.stuck.add("discharge")
    rig.bms.switch("discharge", False)


def _soc_jump(rig: Rig) -> None:
    rig.bms.remaining = 0.8 * rig.pack.soc * rig.bms.capacity


def _roll_over(rig: Rig) -> None:
    bms, mah = rig.bms, LONG / 1000
    bms.charged = bms.discharged = mah - 0.02
    bms.cycled = WORD * bms.capacity - 0.02
    bms.uptime = bms.charge_time = bms.discharge_time = LONG - 60.0


_ROWS = (
    Scenario(
        name="imbalance",
        text="one cell is 5 % fuller than the others: it ends the charge early, and balancing drains it",
        prepare=_imbalance,
        soc=92.0,
        load="charge",
        shown=lambda rig: bool(rig.bms.balancing),
        cells=2,
    ),
    Scenario(
        name="weak-cell",
        text="one cell has lost 30 % of its capacity and its resistance has tripled: it ends the discharge early",
        prepare=_weak_cell,
        soc=35.0,
        load="constant",
        shown=_active("cell_undervoltage"),
        cells=2,
    ),
    Scenario(
        name="overvoltage",
        text="the charger is set too high: at the end of the charge a cell goes beyond its limit",
        prepare=_overvoltage,
        soc=97.0,
        load="charge",
        shown=_active("cell_overvoltage", "pack_overvoltage"),
    ),
    Scenario(
        name="cold-charge",
        text="a charger is connected, but the cells are too cold to be charged",
        prepare=_cold_charge,
        load="charge",
        shown=_active("charge_cold"),
    ),
    Scenario(
        name="short-circuit",
        text="a wire lies across the terminals for five minutes",
        prepare=_short_circuit,
        passing=True,
        shown=_active("short_circuit"),
    ),
    Scenario(
        name="loose-wire",
        text="a balance wire has come off: the cell below it seems empty, the one above it much too full",
        prepare=_loose_wire,
        shown=_active("loose_wire", "cell_undervoltage"),
        cells=2,
    ),
    Scenario(
        name="unplugged-sensor",
        text="the last temperature sensor is not plugged in",
        prepare=_unplugged_sensor,
    ),
    Scenario(
        name="stuck-mosfet",
        text="the discharge MOSFET was switched off by command, but it has failed closed: current still flows",
        prepare=_stuck_mosfet,
        load="constant",
        shown=_active("discharge_stuck"),
    ),
    Scenario(
        name="soc-jump",
        text="the counted state of charge is much too low: when the battery is full, it jumps to 100 %",
        prepare=_soc_jump,
        passing=True,
        soc=90.0,
        load="charge",
    ),
    Scenario(
        name="roll-over",
        text="life totals are about to run over the end of their counters, and begin again at 0",
        prepare=_roll_over,
        passing=True,
    ),
)

SCENARIOS: dict[str, Scenario] = {row.name: row for row in _ROWS}


def scenarios_of(names: str, cells: int) -> list[Scenario]:
    """Those of a comma-separated list, each once, in its order. Raises `UsageError` for one that is none."""
    wanted = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    for name in wanted:
        if name not in SCENARIOS:
            raise UsageError(f"scenario={name}: there is no such scenario", f"There are: {', '.join(SCENARIOS)}.")
        if cells < SCENARIOS[name].cells:
            raise UsageError(f"scenario={name}: needs at least {SCENARIOS[name].cells} cells")
    return [SCENARIOS[name] for name in wanted]


def apply(rig: Rig, scenarios: Sequence[Scenario]) -> None:
    """Make them happen, and run until one of them shows, and a little longer for the others."""
    for passing in (False, True):
        chosen = [scenario for scenario in scenarios if scenario.passing is passing]
        for scenario in chosen:
            scenario.prepare(rig)
        waiting = [scenario.shown for scenario in chosen if scenario.shown]
        end = rig.clock + LONGEST
        while waiting and rig.clock < end:
            rig.step()
            left = [shown for shown in waiting if not shown(rig)]
            if len(left) < len(waiting):
                waiting, end = left, min(end, rig.clock + PATIENCE)
