"""Names of batteries and quantities in a store, and what is said of those that are not in it."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from ..errors import UsageError
from ..model import QUANTITIES, Quantity
from ..sinks.store.query import Reader
from ..sinks.store.rows import Words


def number_of(reader: Reader, battery: str) -> int:
    """The number of a battery. Raises `UsageError`."""
    known = reader.batteries()
    if battery in known:
        return known[battery]
    near = get_close_matches(battery, known, 1)
    names = f"In this store: {', '.join(known) or 'none'}."
    raise UsageError(
        f"{battery}: there is no such battery in this store", *((f"Did you mean {near[0]}?",) if near else ()), names
    )


def quantity_row(name: str) -> Quantity:
    """The row of the catalogue that a name of `Stored.quantities` belongs to. Raises `UsageError`."""
    group, dot, part = name.removeprefix("details.").partition(".")
    row = QUANTITIES.get(group)
    if row is None:
        near = get_close_matches(group, QUANTITIES, 1)
        raise UsageError(
            f"{name}: there is no such quantity",
            f"Did you mean {near[0]}?" if near else "Known: see docs/reference.md.",
        )
    if row.digits is None or row.name == "level":
        raise UsageError(f"{name}: is words, and has no chart", "Next: antbms export has it.")
    parts = row.name in ("cells", "temperatures")
    if parts != bool(dot) or (row.name == "cells" and not part.isdecimal()):
        hint = f"Write {row.name}.{'1' if row.name == 'cells' else 'mosfet'}" if parts else f"Write {row.name}"
        raise UsageError(f"{name}: {'is several values' if parts and not dot else 'there is no such quantity'}", hint)
    return row


def quantities_of(reader: Reader, words: Words) -> Iterator[str]:
    """What can be drawn of a battery with these words."""
    for row in QUANTITIES.values():
        if row.name == "cells":
            yield from (f"cells.{number}" for number in range(1, words.cells + 1))
        elif row.name == "temperatures":
            yield from (f"temperatures.{name}" for name in words.temperatures)
        elif row.name in reader.layout.by_name or (row.detail and row.digits is not None and row.name in words.details):
            yield row.name
