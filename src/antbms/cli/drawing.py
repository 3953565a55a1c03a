"""Prints what is drawn: in colour on a terminal, as plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from .bars import LINES, PLAIN, Style
from .screen import can_show

if TYPE_CHECKING:
    from rich.live import Live

WIDEST = 100
"""Columns; a wider picture is harder to read."""
NARROWEST = 56
"""Columns below which numbers would be cut off: half a number is a wrong one."""
NARROWEST_LIVE = 30
"""The same of the live view, which puts more below each other."""
NARROWEST_BOARD = 16
"""And of the monitor's table, which leaves columns out."""
TOO_NARROW = Text("window too narrow", "yellow", no_wrap=True, overflow="crop")
SIDE = (0, 1)
"""Margins above and below, left and right."""

Draw = Callable[[int, Style, int], RenderableType]
"""Makes a picture for a width, a style of lines and a number of rows."""


def put(
    draw: Callable[[int, Style], RenderableType], *, narrowest: int = 1, widest: int = WIDEST, piped: int | None = None
) -> None:
    """Print on standard output what `draw` makes for a width and a style of lines.

    narrowest: columns that it needs; a terminal with less breaks the lines by itself. widest: columns at most.
    piped: columns of what is no terminal; by default as on a terminal of usual size.
    """
    console = Console(highlight=False, emoji=False)
    style = _style(console)
    if not console.is_terminal and piped is not None:
        console = Console(highlight=False, emoji=False, width=piped)
    elif console.width < narrowest:
        console = Console(highlight=False, emoji=False, width=narrowest)
    width = min(console.width, widest)
    drawn = draw(width, style)
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
def screen(draw: Draw, narrowest: int = 1, widest: int = WIDEST) -> Iterator[Callable[[], None]]:
    """The whole terminal, which shows what `draw` makes for a width, a style and a number of rows, again whenever the
    function that is yielded is called.

    narrowest: columns that it needs; a terminal with less shows a line that says so.
    """
    from rich.live import Live

    console = Console(highlight=False, emoji=False)
    with Live(
        get_renderable=_anew(draw, console, narrowest, widest), console=console, screen=True, auto_refresh=False
    ) as shown:
        try:
            yield shown.refresh
        finally:  # where there is no second screen, what follows would begin behind this picture and the `^C`
            console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))


def bottom(draw: Draw, narrowest: int = 1, widest: int = WIDEST) -> Live:
    """The same at the bottom of the terminal, below all that is printed meanwhile; to be started, refreshed and
    stopped, from any thread.

    Some terminals that get narrower break the lines of the picture, which then takes more rows than are wiped: the rest
    stays. Others crop them; to wipe more would wipe lines of the log there. The cursor stands in an empty line below:
    the `^C` that a terminal shows would break the last line of a picture that is as wide as the window.
    """
    from rich.live import Live

    from ..monitor.streams import Direct

    console = Console(file=cast(TextIO, Direct(sys.stdout)), highlight=False, emoji=False)
    anew = _anew(draw, console, narrowest, widest)
    live: Live | None = None  # while it is made

    def picture() -> RenderableType:
        return Group(anew(), Text()) if live is not None and live.is_started else anew()

    live = Live(get_renderable=picture, console=console, auto_refresh=False)
    return live


def _anew(draw: Draw, console: Console, narrowest: int, widest: int) -> Callable[[], RenderableType]:
    """Draws for the size that the terminal has then."""
    style = _style(console)

    def picture() -> RenderableType:
        if console.width < narrowest:
            return TOO_NARROW
        width = min(console.width, widest)
        return Constrain(draw(width, style, console.height), width)

    return picture


def _style(console: Console) -> Style:
    """The lines that can be shown."""
    return LINES if can_show(LINES.full + LINES.parts + LINES.rest) and not console.legacy_windows else PLAIN
