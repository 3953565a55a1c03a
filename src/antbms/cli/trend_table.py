"""What a watched battery says now, with the trend of each value."""

from __future__ import annotations

from collections.abc import Collection

from rich.table import Table
from rich.text import Text

from ..model import QUANTITIES, Event, Quantity, Snapshot
from .bars import Style
from .flow import flow
from .trends import Trend
from .wording import number, phrase

SPANS = {"voltage": 0.1, "current": 1.0, "power": 20.0, "cell_spread": 0.005, "warmest": 2.0}
"""What is drawn over time → the least span of it that fills the height, in its unit."""
NEEDED = ("voltage", "current", "power")
"""What stands nowhere else."""
LABELS = {"warmest": ("Warmest", "temperatures")}
"""Label, and row of the catalogue, of what is no quantity itself."""
LEAST = 8
"""Letters of a trend at least."""


class Trends:
    """The trends of one battery's quantities."""

    def __init__(self) -> None:
        self._trends = {name: Trend(span) for name, span in SPANS.items()}

    def add(self, event: Event) -> None:
        """The next reading, or a gap."""
        for name, trend in self._trends.items():
            trend.add(_value(event, name) if isinstance(event, Snapshot) else None)

    def table(self, snapshot: Snapshot, width: int, style: Style, names: Collection[str] = tuple(SPANS)) -> Table:
        """A row each: what it is now; its trend, and between which values, as far as there is room for them."""
        rows = {}
        for name in names:
            ends, (label, row) = self._trends[name].ends, _labelled(name)
            if name in NEEDED or ends is not None:
                between = f"{number(row, ends[0])} to {number(row, ends[1])}" if ends is not None else ""
                rows[name] = (label, number(row, _value(snapshot, name)), row.unit, between)
        before = sum(max(len(row[part]) for row in rows.values()) + 1 for part in range(3))
        after = 1 + max(len(row[3]) for row in rows.values())
        room = width - before - after
        has_ends = room >= LEAST
        if not has_ends:
            room = width - before - 1
        table = Table.grid(padding=(0, 1, 0, 0))
        for column in ({"style": "dim"}, {"justify": "right", "style": "bold"}, {}, {}, {"style": "dim"}):
            table.add_column(no_wrap=True, **column)  # type: ignore[arg-type]
        for name, (label, value, unit, between) in rows.items():
            line = self._trends[name].draw(room, style).ljust(room) if room >= LEAST else ""
            table.add_row(label, value, unit, Text(line, "cyan"), between if has_ends else "")
        return table

    def line(self, snapshot: Snapshot, width: int, names: Collection[str] = NEEDED) -> Text:
        """Only what these are now, in as few lines as will do."""
        items = [(_labelled(name)[0], phrase(_labelled(name)[1], _value(snapshot, name))) for name in names]
        return flow((Text.assemble((f"{label} ", "dim"), (value, "bold")) for label, value in items), width)


def _labelled(name: str) -> tuple[str, Quantity]:
    label, row = LABELS.get(name, ("", name))
    return label or QUANTITIES[row].label, QUANTITIES[row]


def _value(snapshot: Snapshot, name: str) -> float | None:
    if name != "warmest":
        value: float | None = getattr(snapshot, name)
        return value
    return max((value for value in snapshot.temperatures.values() if value is not None), default=None)
