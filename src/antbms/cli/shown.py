"""What a monitor without sinks does with readings: on a terminal a line a battery, elsewhere a line of JSON each."""

from __future__ import annotations

import asyncio
import errno
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..errors import SinkError
from ..model import QUANTITIES, Event, Offline, Snapshot
from ..monitor.streams import write
from ..sinks.base import Sink
from ..sinks.worker import Worker
from ..timing import DEFAULT, Timing

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.text import Text

    from .bars import Style

REFRESH = 0.5
"""s between two pictures."""


def shown(names: Iterable[str], on_gone: Callable[[], None]) -> Sink:
    """A sink that shows readings as it fits where they go. on_gone: called when nobody reads them any longer."""
    return Board(names) if sys.stdout.isatty() else Lines(on_gone)


class Lines:
    """A line of JSON an event. A thread writes them: a program that does not read holds no battery."""

    def __init__(self, on_gone: Callable[[], None]) -> None:
        self._on_gone = on_gone
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
        write(sys.stdout, "".join(f"{event.to_json()}\n" for event in events if id(event) not in written))
        self._before = events


class Board:
    """The latest of each battery as a line of a table, which stays at the bottom of the terminal, below the log.

    A thread draws: a terminal that shows nothing more (Ctrl-S) holds no battery.
    """

    pace = 0.0

    def __init__(self, names: Iterable[str], timing: Timing = DEFAULT) -> None:
        self._latest: dict[str, Event | None] = dict.fromkeys(names)
        self._timing = timing
        self._worker = Worker("antbms-output")
        self._drawing: asyncio.Task[None] | None = None
        self._live: Live | None = None

    async def take(self, events: Sequence[Event]) -> None:
        self._latest = self._latest | {event.battery: event for event in events}
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
            from .drawing import bottom

            self._live = bottom(lambda width, style: draw(self._latest, self._timing.now(), width, style))
            self._live.start()
        self._live.refresh()

    def _end(self) -> None:
        if self._live is not None:
            self._live.refresh()
            self._live.stop()


def draw(latest: Mapping[str, Event | None], now: datetime, width: int, style: Style) -> RenderableType:
    """The table. Values of a battery that cannot be read are not shown: they would look as if they were of now."""
    from rich.table import Table
    from rich.text import Text

    from .bars import bar
    from .wording import duration, phrase

    rows = [QUANTITIES[name] for name in ("voltage", "current", "power", "cell_spread")]
    gauge = 10 if width >= 90 else 0
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", width=width)
    table.add_column("Battery", no_wrap=True, max_width=20)
    table.add_column("Charge", no_wrap=True, justify="right")
    if gauge:
        table.add_column("", no_wrap=True)
    for row in rows:
        table.add_column(row.label.removeprefix("Cell ").capitalize(), no_wrap=True, justify="right")
    table.add_column("", ratio=1, overflow="ellipsis", no_wrap=True)
    for name, event in latest.items():
        cells: list[Text] = [Text(name, "bold")]
        if isinstance(event, Snapshot):
            soc = event.soc
            filled, rest = bar((soc or 0) / 100, gauge, style) if gauge else ("", "")
            cells.append(Text(phrase(QUANTITIES["soc"], soc)))
            cells += [Text.assemble((filled, "green"), (rest, "dim"))] * bool(gauge)
            cells += [Text(phrase(row, getattr(event, row.name))) for row in rows]
            cells.append(_remark(event))
        else:
            cells += [Text("–", "dim")] * (1 + bool(gauge) + len(rows))
            if isinstance(event, Offline):
                away = duration((now - event.since).total_seconds())
                cells.append(Text(f"offline: {event.reason} ({away})", "red"))
            else:
                cells.append(Text("connecting", "yellow"))
        table.add_row(*cells)
    return table


def _remark(snapshot: Snapshot) -> Text:
    from rich.text import Text

    if snapshot.alarms:
        return Text(", ".join(alarm.text for alarm in snapshot.alarms), "bold red")
    if snapshot.doubts:
        return Text(f"{len(snapshot.doubts)} doubts", "magenta")
    return Text(snapshot.state or "", "dim")
