"""What a monitor shows of its readings: on a terminal a line a battery, else, without sinks, a line of JSON each."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..errors import SinkError
from ..model import Event, Offline
from ..monitor.streams import write
from ..sinks.base import Sink
from ..timing import DEFAULT, Past, Timing
from ..worker import Worker

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from .bars import Style

REFRESH = 0.5
"""s between two pictures."""
LOG = 3
"""Rows that are left: to the log above the table, and an empty one below."""


def shown(names: Iterable[str], on_gone: Callable[[], None], has_sinks: bool) -> Sink | None:
    """A sink that shows readings as it fits where they go; on a terminal also if there are others.

    on_gone: called when nobody reads them any longer. A service has a log and no reader, whatever its output is.
    """
    from .drawing import is_screen

    if "NOTIFY_SOCKET" not in os.environ:
        if is_screen():
            return Board(names)
        if sys.stdout.isatty():
            from .plain_line import plain_line

            return Lines(on_gone, plain_line)
    return None if has_sinks else Lines(on_gone)


class Lines:
    """A line an event, of JSON if not told otherwise. A thread writes them: a program that does not read holds no
    battery."""

    def __init__(
        self, on_gone: Callable[[], None], text: Callable[[Event], str] = lambda event: event.to_json()
    ) -> None:
        self._on_gone = on_gone
        self._text = text
        self._worker = Worker("antbms-output")
        self._before: Sequence[Event] = ()

    pace = 0.0

    async def take(self, events: Sequence[Event]) -> None:
        try:
            await self._worker.run(lambda: self._write(events))
        except OSError as error:
            if isinstance(error, BrokenPipeError) or (sys.platform == "win32" and error.errno == errno.EINVAL):
                self._on_gone()
                return
            raise SinkError(f"output: {(error.strerror or str(error)).lower()}") from error

    async def close(self) -> None:
        self._worker.stop()

    def _write(self, events: Sequence[Event]) -> None:
        """Events come again when writing took too long for the monitor; then it went on here, and they are written."""
        written = set(map(id, self._before))
        write(sys.stdout, "".join(f"{self._text(event)}\n" for event in events if id(event) not in written))
        self._before = events


class Board:
    """The latest of each battery as a line of a table, which stays at the bottom of the terminal, below the log.

    A thread draws: a terminal that shows nothing more (Ctrl-S) holds no battery.
    """

    pace = 0.0

    def __init__(self, names: Iterable[str], timing: Timing = DEFAULT) -> None:
        self._latest: dict[str, Event | None] = dict.fromkeys(names)
        self._away: dict[str, Past] = {}  # since when; it does not change if the clock is set
        self._timing = timing
        self._worker = Worker("antbms-output")
        self._drawing: asyncio.Task[None] | None = None
        self._live: Live | None = None

    async def take(self, events: Sequence[Event]) -> None:
        away = {event.battery: Past(event.since, self._timing) for event in events if isinstance(event, Offline)}
        self._away, self._latest = self._away | away, self._latest | {event.battery: event for event in events}
        if self._drawing is None:
            self._drawing = asyncio.create_task(self._keep_drawing())
        elif self._drawing.done():
            self._drawing.result()  # raises what ended it

    async def close(self) -> None:
        if self._drawing is not None:
            self._drawing.cancel()
            await asyncio.wait({self._drawing})
        try:
            await self._worker.run(self._end)
        finally:
            self._worker.stop()

    async def _keep_drawing(self) -> None:
        """Also when nothing comes: how long a battery has been away is part of the picture."""
        while True:
            await self._worker.run(self._draw)
            await asyncio.sleep(REFRESH)

    def _draw(self) -> None:
        if self._live is None:
            from .drawing import NARROWEST_BOARD, bottom

            self._live = bottom(self.picture, NARROWEST_BOARD)
            self._live.start()
        self._live.refresh()

    def picture(self, width: int, style: Style, rows: int) -> RenderableType:
        """The table as it is now, in so many columns and rows."""
        from .board import draw

        now = self._timing.now()
        latest = {
            name: replace(event, since=self._away[name].time(now)) if isinstance(event, Offline) else event
            for name, event in self._latest.items()
        }
        return draw(latest, now, width, style, rows - LOG)

    def _end(self) -> None:
        if self._live is not None:
            self._live.refresh()
            self._live.stop()
