"""Lines of a label and a flowing text each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from .flow import flow

MARGIN = len("Temperatures") + 2
"""Columns of the labels."""
NARROW = 50
"""Columns below which labels have no column of their own."""


def labelled(rows: Sequence[tuple[str, Sequence[Text]]], width: int, *, dense: bool = False) -> RenderableType | None:
    """A line, or as many as are needed, for each row that has items; dense: all of them in as few lines as will do."""
    filled = [(label, items) for label, items in rows if items]
    if not filled:
        return None
    if dense:
        return flow((item for label, items in filled for item in _led(label, items)), width)
    if width < NARROW:
        return Text("\n").join(flow(_led(label, items), width) for label, items in filled)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True, width=MARGIN - 2)
    for label, items in filled:
        table.add_row(label, flow(items, width - MARGIN))
    return table


def _led(label: str, items: Sequence[Text]) -> list[Text]:
    """The items, the first behind the label."""
    return [Text.assemble((f"{label}  ", "dim"), items[0]), *items[1:]]
