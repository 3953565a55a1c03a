"""Tables on standard output: on a terminal in its width and colours, elsewhere plain, and a line a row, for grep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .bars import Style
from .drawing import put
from .flow import DOT, flow

ENDLESS = 10_000
"""Columns of what is no terminal."""
GAP = 2
ROOM = 20
"""Columns that the last column needs to stand beside the others."""
INDENT = "  "


class Column(NamedTuple):
    """A column of a table. first_to_go: it is left out where room is short. joins: it says more about the column
    before it."""

    heading: str
    cells: Sequence[Text]
    first_to_go: bool = False
    right: bool = False
    joins: bool = False

    @property
    def width(self) -> int:
        return max(len(self.heading), *(cell.cell_len for cell in self.cells)) + GAP


def show(draw: Callable[[int, Style], Iterable[RenderableType]]) -> None:
    """Print what `draw` makes of the width and of the letters for bars."""
    put(lambda width, style: Group(*draw(width, style)), widest=ENDLESS, piped=ENDLESS)


def table(columns: Iterable[Column], last: Column, width: int) -> Table:
    """Columns under their headings, those that are empty left out; only texts of the last may take several lines.

    Where there is no room for it at the side, it goes below the first column.
    """
    used = [column for column in columns if any(column.cells)]
    if _room(used, last, width) < 0:
        used = [column for column in used if not column.first_to_go]
    beside = _room(used, last, width) >= 0
    drawn = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim")
    for number, column in enumerate(used):
        folds = not beside and number == 0
        drawn.add_column(
            column.heading, no_wrap=not folds, overflow="fold", justify="right" if column.right else "left"
        )
    if beside:
        drawn.add_column(last.heading, overflow="fold")
    for *cells, about in zip(*(column.cells for column in used), last.cells, strict=True):
        if beside:
            drawn.add_row(*cells, about)
        else:
            first, *others = cells
            drawn.add_row(Text("\n" + INDENT).join((first, about)) if about else first, *others)
    return drawn


def figures(columns: Sequence[Column], width: int) -> RenderableType:
    """Columns under their headings; where there is no room for all, lines: the first cell of a row, and below it the
    others behind their headings. Nothing is left out, and nothing broken that fits into a line."""
    if sum(column.width for column in columns if any(column.cells)) <= width:
        return table(columns[:-1], columns[-1], width)
    lines: list[RenderableType] = []
    for first, *cells in zip(*(column.cells for column in columns), strict=True):
        items: list[Text] = []
        for column, cell in zip(columns[1:], cells, strict=True):
            if cell:
                named = Text.assemble((f"{column.heading.lower()} ", "dim"), cell)
                items.append(Text.assemble(items.pop(), " ", named) if column.joins and items else named)
        lines += [first, Padding(flow(items, width - len(INDENT)), (0, 0, 0, len(INDENT)))]
    return Group(*lines)


def _room(columns: Iterable[Column], last: Column, width: int) -> int:
    """Columns of the terminal that are left."""
    return width - sum(column.width for column in columns) - min(ROOM, last.width)


def joined(*texts: Text) -> Text:
    """Texts with dots between them, without those that are empty."""
    result = Text()
    for text in filter(None, texts):
        result = Text.assemble(result, (DOT if result else "", "dim"), text)
    return result
