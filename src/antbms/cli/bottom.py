"""A picture at the bottom of the terminal, below all that is printed meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TextIO, cast

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType, Segment, SegmentLines

from ..monitor.streams import Direct
from .bars import LINES, PLAIN, Style
from .drawing import WIDEST
from .screen import can_show

Draw = Callable[[int, Style, int], RenderableType]


def bottom(draw: Draw, widest: int = WIDEST) -> Live:
    """What `draw` makes for a width, a style and a number of rows; to be started, refreshed and stopped, from any
    thread."""
    return live_on(Console(file=cast(TextIO, Direct(sys.stdout)), highlight=False, emoji=False), draw, widest)


def live_on(console: Console, draw: Draw, widest: int) -> Live:
    """The same on a console that nothing else is shown on."""
    style = LINES if can_show(LINES.full + LINES.parts + LINES.rest) and not console.legacy_windows else PLAIN
    broken = _Broken(console)
    console.push_render_hook(broken)
    return Live(
        get_renderable=lambda: broken.noted(draw(min(console.width, widest), style, console.height)),
        console=console,
        auto_refresh=False,
    )


class _Broken(RenderHook):
    """A terminal that gets narrower breaks the lines of the picture, which then takes more rows than `Live` wipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._widths: list[int] = []

    def noted(self, drawn: RenderableType) -> RenderableType:
        """The same; the widths of its lines are known then."""
        return _Noted(drawn, self._widths)

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """`Live` puts the way to the top of the picture before these; the rest of that way."""
        rows = sum(max(0, width - 1) // self._console.width for width in self._widths)
        return [Control(*((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)) * rows), *renderables]


class _Noted:
    """Writes down the widths of its lines whenever it is shown."""

    def __init__(self, drawn: RenderableType, widths: list[int]) -> None:
        self._drawn = drawn
        self._widths = widths

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[SegmentLines]:
        lines = console.render_lines(self._drawn, options, pad=False)
        self._widths[:] = map(Segment.get_line_length, lines)
        yield SegmentLines(lines, new_lines=True)
