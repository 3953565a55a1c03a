"""The cells of a pack as bars, or as numbers where there is little room."""

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
NARROW_COLUMN = 20
"""Letters of a column without words."""
BEFORE = len("32 3.541 ")
GAP = 2
"""Letters between two columns."""
LOWEST, HIGHEST, BALANCING = "lowest", "highest", "balancing"
_COLOURS = {LOWEST: "yellow", HIGHEST: "green", BALANCING: "cyan"}


def draw_cells(snapshot: Snapshot, width: int, style: Style) -> Iterator[RenderableType]:
    """A line of extremes, a bar a cell in as many columns as fit, and what the bars mean. Nothing without cells."""
    if snapshot.cells:
        yield Group(caption(snapshot, width), cell_bars(snapshot, width, style), scale(snapshot), "")


def caption(snapshot: Snapshot, width: int) -> Text:
    """The extremes."""
    rows = (QUANTITIES[name] for name in ("cell_min", "cell_max", "cell_spread"))
    items = [Text.assemble((f"{row.label} ", "dim"), phrase(row, getattr(snapshot, row.name))) for row in rows]
    return flow(items, width)


def range_of(snapshot: Snapshot) -> Text:
    """The extremes in as few letters as will do."""
    low, high = number(ROW, snapshot.cell_min), phrase(ROW, snapshot.cell_max)
    spread = phrase(QUANTITIES["cell_spread"], snapshot.cell_spread)
    return Text.assemble(("Cells ", "dim"), f"{low} to {high}", (", spread ", "dim"), spread)


def short_caption(snapshot: Snapshot) -> Text:
    """The numbers of the cells that are remarkable, and the spread, for where the cells are shown without words."""
    words = [
        f"{word} {index}"
        for word in (LOWEST, HIGHEST)
        for index, mark in enumerate(_marks(snapshot), 1)
        if word in mark.split()
    ]
    words.append(f"spread {phrase(QUANTITIES['cell_spread'], snapshot.cell_spread)}")
    if snapshot.balancing:
        words.append(f"{BALANCING} {', '.join(map(str, snapshot.balancing))}")
    return Text(", ".join(words), "dim")


def cell_bars(snapshot: Snapshot, width: int, style: Style, *, words: bool = True) -> Table:
    """A bar a cell. words: what is remarkable stands behind it; without, there is room for more columns."""
    count, marks = len(snapshot.cells), _marks(snapshot)
    columns = min(width // COLUMN, -(-count // PER_COLUMN)) if words else min((width + GAP) // NARROW_COLUMN, count)
    columns = max(1, columns)
    room = width // columns - BEFORE - 3 - (max(map(len, marks)) if words else 0)
    ends = _ends(snapshot)
    room = max(4, min(WIDEST_BAR, room))
    return _columns(
        [_cell(snapshot, index, mark, ends, room, style, words=words) for index, mark in enumerate(marks)], columns
    )


def cell_numbers(snapshot: Snapshot, width: int) -> Table:
    """Only the voltages, in as many columns as fit."""
    marks = _marks(snapshot)
    cells = [_cell(snapshot, index, mark) for index, mark in enumerate(marks)]
    broadest = max(cell.cell_len for cell in cells)
    return _columns(cells, max(1, (width + GAP) // (broadest + GAP)))


def scale(snapshot: Snapshot) -> Text:
    """What the bars mean."""
    low, high = _ends(snapshot)
    return Text(f"{' ' * BEFORE}bars: {number(ROW, low)} to {phrase(ROW, high)}", "dim")


def _columns(cells: list[Text], columns: int) -> Table:
    rows = -(-len(cells) // columns)
    grid = Table.grid(padding=(0, GAP, 0, 0))
    for row in range(rows):
        grid.add_row(*cells[row::rows])
    return grid


def _ends(snapshot: Snapshot) -> tuple[float, float]:
    known = [cell for cell in snapshot.cells if cell is not None]
    return window(min(known), max(known)) if known else (0.0, 5.0)


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


def _cell(
    snapshot: Snapshot,
    index: int,
    mark: str,
    ends: tuple[float, float] | None = None,
    width: int = 0,
    style: Style | None = None,
    *,
    words: bool = False,
) -> Text:
    """Number and voltage; a bar within `ends`, if they are given, and the mark, if words are wanted."""
    value = snapshot.cells[index]
    text = Text.assemble((f"{index + 1:>2} ", "dim"), no_wrap=True)
    if value is None:
        came = next((doubt.reported for doubt in snapshot.doubts if doubt.quantity == f"cells.{index + 1}"), None)
        return text.append(f"{number(ROW, came)} doubted", "bold magenta")
    colour = next((_COLOURS[word] for word in reversed(mark.split())), "blue")
    text.append(number(ROW, value), ("bold" if ends else colour) if mark else "")
    if ends is not None and style is not None:
        low, high = ends
        filled, rest = bar((value - low) / (high - low), width, style)
        text.append(" ").append(filled, colour).append(rest, "dim")
    return text.append(f" {mark}" if mark and words else "", colour)
