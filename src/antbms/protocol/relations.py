"""What settings must be to each other, whatever the protocol: relations, chemistry, and an order to write them in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..errors import MEANT, UsageError
from ..model.events import Value
from .settings import Setting, format_value

CHEMISTRIES: Mapping[str, tuple[float, float]] = {
    "lfp": (1.8, 3.8),
    "nmc": (2.3, 4.4),
    "lto": (1.2, 3.0),
    "sodium": (1.3, 4.2),
    "lmfp": (2.0, 4.4),
}
"""V a cell: no threshold of a cell of this kind is meant to lie outside (sanity; the recorded boards lie inside).

The highest of a kind lies below what `chemistry_of` takes for the next one: no allowed write changes what is guessed.
"""
CHIP_MARGIN = 0.2
"""V by which the limits of the chip itself may lie further out (4s-sp04s034-config: 3.90 V for LFP)."""

_CELL_NAMES = ("cell_overvoltage", "cell_undervoltage", "hardware_", "balance_limit", "balance_start", "shutdown_")
_PACK_NAMES = ("pack_overvoltage", "pack_undervoltage")

GUESSED_BY = "cell_overvoltage"
"""Tells the chemistry of a battery that does not report it."""
CURVE = "cell_voltage_at_"
"""How names of points of the curve begin by which boards guess the charge: no protection depends on them, and many
boards have every second one only."""

_UPPER_FIRST = ("overvoltage", "hot", "difference", "overcurrent", "warning")
_FIXED = (
    ("cell_overvoltage", "cell_overvoltage_2"),
    ("cell_overvoltage", "hardware_overvoltage"),
    ("cell_undervoltage_2", "cell_undervoltage"),
    ("hardware_undervoltage", "cell_undervoltage"),
    ("cell_undervoltage_recovery", "cell_overvoltage_recovery"),
    ("pack_undervoltage_recovery", "pack_overvoltage_recovery"),
    ("cell_undervoltage", "cell_overvoltage"),
    ("pack_undervoltage", "pack_overvoltage"),
    ("charge_cold_recovery", "charge_hot_recovery"),
    ("discharge_cold_recovery", "discharge_hot_recovery"),
    ("discharge_overcurrent", "discharge_overcurrent_2"),
    ("balance_difference_stop", "balance_difference"),
    *((f"cell_voltage_at_{share}", f"cell_voltage_at_{share + 10}") for share in range(0, 100, 10)),
    *((f"cell_voltage_at_{share}", f"cell_voltage_at_{share + 20}") for share in range(0, 100, 20)),
)


def relations(names: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Pairs of names that are there: the value of the first must not lie above that of the second.

    Equal is allowed: boards leave the factory so (16s-280ah-16zmub: pack undervoltage and its recovery).
    """
    for name in names:
        base = name.removesuffix("_recovery")
        if base != name and base in names:
            under = "undervoltage" in base or "cold" in base
            yield (base, name) if under else (name, base)
    yield from (pair for pair in _FIXED if pair[0] in names and pair[1] in names)


def check_relations(rows: Mapping[str, Setting], values: Mapping[str, Value], changed: Mapping[str, object]) -> None:
    """Raise `UsageError` if a relation that a change takes part in does not hold in `values`, the complete set."""
    for lower, upper in relations(values):
        if (lower in changed or upper in changed) and not _holds(values, lower, upper):
            low, high = (f"{name} = {format_value(rows[name], values[name])}" for name in (lower, upper))
            raise UsageError(
                f"{low} would lie above {high}",
                f"{lower} must not be more than {upper}. Next: set both in one command.",
            )


def in_safe_order(old: Mapping[str, Value], new: Mapping[str, Value]) -> list[str]:
    """The names of `new`, in an order in which no relation that holds is broken after any single write.

    There always is one if `new` keeps the relations: what rises is written from the top, what falls from the bottom.
    """
    now, pending, order = dict(old), list(new), list[str]()
    pairs = list(relations(now | dict(new)))
    while pending:
        name = next((name for name in pending if _is_safe(now, name, new[name], pairs)), pending[0])
        pending.remove(name)
        order.append(name)
        now[name] = new[name]
    return order


def chemistry_of(reported: str | None, values: Mapping[str, Value]) -> tuple[str, bool] | None:
    """The chemistry, and whether the battery says it; else what its present cell overvoltage looks like; or None."""
    if reported is not None and reported in CHEMISTRIES:
        return reported, True
    limit = values.get(GUESSED_BY)
    if not isinstance(limit, int | float):
        return None
    return ("lto" if limit < 3.1 else "lfp" if limit < 3.95 else "nmc"), False


def check_chemistry(
    rows: Mapping[str, Setting], changed: Mapping[str, Value], chemistry: tuple[str, bool] | None, cells: int | None
) -> None:
    """Raise `UsageError` if a changed threshold cannot be meant for cells of this kind."""
    if chemistry is None:
        return
    kind, is_reported = chemistry
    low, high = CHEMISTRIES[kind]
    for name, value in changed.items():
        if not isinstance(value, int | float):
            continue
        number = 1 if name.startswith(_CELL_NAMES) else cells if name.startswith(_PACK_NAMES) else None
        if not number or rows[name].unit != "V":
            continue
        margin = CHIP_MARGIN if name.startswith("hardware_") else 0.0
        least, most = low * number - margin, high * number + margin
        if not least <= value <= most:
            why = f"the battery says {kind}" if is_reported else f"by its cell overvoltage this is {kind}"
            raise UsageError(
                f"{name} = {format_value(rows[name], value)} is not for {kind} cells: "
                f"{least:.2f} to {most:.2f} V ({why})",
                MEANT,
            )


def _holds(values: Mapping[str, Value], lower: str, upper: str) -> bool:
    low, high = values[lower], values[upper]
    return not (isinstance(low, int | float) and isinstance(high, int | float)) or low <= high


def _is_safe(now: Mapping[str, Value], name: str, value: Value, pairs: Sequence[tuple[str, str]]) -> bool:
    then = {**now, name: value}
    mine = [pair for pair in pairs if name in pair and pair[0] in now and pair[1] in now]
    return all(_holds(then, *pair) or not _holds(now, *pair) for pair in mine)
