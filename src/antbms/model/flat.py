"""A snapshot as one row of a table: names of columns, and plain values. For CSV, SQL and their like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .records import Snapshot

Cell = float | int | str | bool | None
"""What a column of a row can hold."""


def flatten(snapshot: Snapshot) -> dict[str, Cell]:
    """Column → value, in the order of the contract.

    Scalars keep their name. `cells` become `cell_1` …, `temperatures` `temperature_mosfet` …; of a switch,
    `switch_charge` says whether it is on and `switch_charge_reason` why; a detail keeps its name. Lists of words
    (`balancing`, `alarms`, `flags`, `doubts`) are joined by `;`, an alarm as `protection.1 cell overvoltage`.
    """
    return flatten_record(snapshot.to_dict())


def flatten_record(record: Mapping[str, Any]) -> dict[str, Cell]:
    """The same of `Snapshot.to_dict()`, or of a record with the same keys."""
    row: dict[str, Cell] = {}
    for key, value in record.items():
        match key:
            case "cells":
                row |= {f"cell_{number}": cell for number, cell in enumerate(value, 1)}
            case "temperatures":
                row |= {f"temperature_{name}": item for name, item in value.items()}
            case "switches":
                for name, switch in value.items():
                    row |= {f"switch_{name}": switch["on"], f"switch_{name}_reason": switch["reason"]}
            case "details":
                row |= value
            case "balancing":
                row[key] = ";".join(map(str, value))
            case "alarms" | "flags":
                row[key] = ";".join(f"{item['code']} {item['text']}" for item in value)
            case "doubts":
                row[key] = ";".join(_doubt(item) for item in value)
            case _:
                row[key] = value
    return row


def as_text(value: Cell) -> str:
    """A value as a script wants it: `true` and `false`, nothing for None, numbers as in JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _doubt(doubt: dict[str, Any]) -> str:
    return f"{doubt['quantity']} {as_text(doubt['reported'])}: {doubt['reason']}"
