"""Prints what is drawn: in colour on a terminal, as plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.constrain import Constrain

from .bars import LINES, PLAIN, Style
from .screen import can_show

WIDEST = 100
"""Columns; a wider picture is harder to read."""
NARROWEST = 56
"""Columns below which numbers would be cut off: half a number is a wrong one."""
SIDE = (0, 1)
"""Margins above and below, left and right."""


def put(
    draw: Callable[[int, Style], RenderableType], *, narrowest: int = 1, widest: int = WIDEST, piped: int | None = None
) -> None:
    """Print on standard output what `draw` makes for a width and a style of lines.

    narrowest: columns that it needs; a terminal with less breaks the lines by itself. widest: columns at most.
    piped: columns of what is no terminal; by default as on a terminal of usual size.
    """
    console = Console(highlight=False, emoji=False)
    lines = can_show(LINES.full + LINES.parts + LINES.rest) and not console.legacy_windows
    if not console.is_terminal and piped is not None:
        console = Console(highlight=False, emoji=False, width=piped)
    elif console.width < narrowest:
        console = Console(highlight=False, emoji=False, width=narrowest)
    width = min(console.width, widest)
    drawn = draw(width, LINES if lines else PLAIN)
    if console.legacy_windows:  # its colours are no part of the text
        console.print(drawn, width=width)
        return
    with console.capture() as text:
        console.print(drawn, width=width)
    console.file.write("".join(f"{line.rstrip()}\n" for line in text.get().splitlines()))
    console.file.flush()  # what goes wrong is told here, not lost at the end


def is_screen() -> bool:
    """Whether standard output is a terminal on which something can be drawn anew."""
    return sys.stdout.isatty() and not Console().is_dumb_terminal


@contextmanager
def screen(draw: Callable[[int, Style, int], RenderableType], widest: int = WIDEST) -> Iterator[Callable[[], None]]:
    """The whole terminal, which shows what `draw` makes for a width, a style and a number of rows, again whenever the
    function that is yielded is called."""
    from rich.live import Live

    console = Console(highlight=False, emoji=False)
    style = LINES if can_show(LINES.full + LINES.parts + LINES.rest) and not console.legacy_windows else PLAIN

    def picture() -> RenderableType:
        width = min(console.width, widest)
        return Constrain(draw(width, style, console.height), width)

    with Live(get_renderable=picture, console=console, screen=True, auto_refresh=False) as shown:
        yield shown.refresh
