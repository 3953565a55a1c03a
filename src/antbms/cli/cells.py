"""The cells of a pack as bars."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..model import QUANTITIES, Snapshot
from .bars import Style, bar, window
from .flow import flow
from .wording import number, phrase

ROW = QUANTITIES["cells"]
COLUMN = 32
"""Letters that a column of cells needs at least."""
PER_COLUMN = 6
"""Cells that stay in one column, even if more columns would fit."""
WIDEST_BAR = 40
BEFORE = len("32 3.541 ")
LOWEST, HIGHEST, BALANCING = "lowest", "highest", "balancing"
_COLOURS = {LOWEST: "yellow", HIGHEST: "green", BALANCING: "cyan"}


def draw_cells(snapshot: Snapshot, width: int, style: Style) -> Iterator[RenderableType]:
    """A line of extremes, a bar a cell in as many columns as fit, and what the bars mean. Nothing without cells."""
    count = len(snapshot.cells)
    if not count:
        return
    columns = max(1, min(width // COLUMN, -(-count // PER_COLUMN)))
    rows = -(-count // columns)
    marks = _marks(snapshot)
    room = width // columns - BEFORE - 3 - max(map(len, marks))
    known = [cell for cell in snapshot.cells if cell is not None]
    ends = window(min(known), max(known)) if known else (0.0, 5.0)
    drawn = [_cell(snapshot, index, marks[index], ends, max(4, min(WIDEST_BAR, room)), style) for index in range(count)]
    grid = Table.grid(padding=(0, 2, 0, 0))
    for row in range(rows):
        grid.add_row(*drawn[row::rows])
    scale = Text(f"{' ' * BEFORE}bars: {number(ROW, ends[0])} to {phrase(ROW, ends[1])}", "dim")
    yield Group(_caption(snapshot, width), grid, scale, "")


def _caption(snapshot: Snapshot, width: int) -> Text:
    rows = (QUANTITIES[name] for name in ("cell_min", "cell_max", "cell_spread"))
    return flow(
        (Text.assemble((f"{row.label} ", "dim"), phrase(row, getattr(snapshot, row.name))) for row in rows), width
    )


def _marks(snapshot: Snapshot) -> list[str]:
    """A word for the first lowest and the first highest cell, and for all that are being balanced."""
    marks = [""] * len(snapshot.cells)
    known = [cell for cell in snapshot.cells if cell is not None]
    if known and min(known) < max(known):
        marks[snapshot.cells.index(min(known))] = LOWEST
        marks[snapshot.cells.index(max(known))] = HIGHEST
    for cell in snapshot.balancing:
        if 1 <= cell <= len(marks):
            marks[cell - 1] = f"{marks[cell - 1]} {BALANCING}".lstrip()
    return marks


def _cell(snapshot: Snapshot, index: int, mark: str, ends: tuple[float, float], width: int, style: Style) -> Text:
    value = snapshot.cells[index]
    head = (f"{index + 1:>2} ", "dim")
    if value is None:
        came = next((doubt.reported for doubt in snapshot.doubts if doubt.quantity == f"cells.{index + 1}"), None)
        return Text.assemble(head, (f"{number(ROW, came)} doubted", "bold magenta"))
    low, high = ends
    filled, rest = bar((value - low) / (high - low), width, style)
    colour = next((_COLOURS[word] for word in reversed(mark.split())), "blue")
    text = (f"{number(ROW, value)} ", "bold" if mark else "")
    return Text.assemble(
        head, text, (filled, colour), (rest, "dim"), (f" {mark}" if mark else "", colour), no_wrap=True
    )
