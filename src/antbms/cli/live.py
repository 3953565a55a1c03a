"""The live view of a battery: what it says now, how that changed, and how good the link is."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.styled import Styled
from rich.table import Table
from rich.text import Text

from ..derive import Flow, gap_of, step, times
from ..model import QUANTITIES, Event, Offline, Snapshot
from ..timing import DEFAULT, Timing
from ..watching import Watch
from .bars import LINES, Style
from .cells import draw_cells
from .drawing import SIDE, put, screen
from .flow import flow
from .picture import gauge, switches, temperatures, troubles
from .trends import Trend
from .wording import clock, duration, number

TRENDS = {"voltage": 0.1, "current": 1.0, "power": 20.0, "cell_spread": 0.005, "warmest": 2.0}
"""What is drawn over time → the least span of it that fills the height, in its unit."""
LABELS = {"warmest": ("Warmest", "temperatures")}
"""Label, and row of the catalogue, of what is no quantity itself."""
RECENT = 60
"""Readings over which their rate is taken."""


class Session:
    """What has been seen of one battery since watching began. `watch` tells about the link."""

    def __init__(self, watch: Watch, every: float, notes: Sequence[str] = (), timing: Timing = DEFAULT) -> None:
        self.watch = watch
        self.notes = notes
        """Remarks; the latest is shown at the bottom."""
        self._timing = timing
        self._gap = gap_of(every)
        self._every = every
        self._flow = Flow()
        self._snapshot: Snapshot | None = None
        self._offline: Offline | None = None
        self._times: deque[float] = deque(maxlen=RECENT)
        self._trends = {name: Trend(span) for name, span in TRENDS.items()}

    def add(self, event: Event) -> None:
        """One more event."""
        at = self._timing.monotonic()
        self._flow = step(self._flow, event, self._gap, at)
        if isinstance(event, Offline):
            self._offline = event
            for trend in self._trends.values():
                trend.add(None)
            return
        self._offline, self._snapshot = None, event
        self._times.append(at)
        for name, trend in self._trends.items():
            trend.add(_warmest(event) if name == "warmest" else getattr(event, name))

    def draw(self, width: int, style: Style = LINES) -> RenderableType:
        """All of it, `width` columns wide. What is old is dim."""
        inner = width - 2 * SIDE[1]
        rule = Rule(style="dim", characters=style.line)
        blocks: list[RenderableType] = [self._head(inner), rule, *self._trouble()]
        if self._snapshot is not None:
            values = Group(*self._values(self._snapshot, inner, style))
            blocks.append(Styled(values, "dim") if self._offline else values)
        blocks.append(self._link(inner))
        return Group(*(block if block is rule else Padding(block, SIDE) for block in blocks))

    def _head(self, width: int) -> RenderableType:
        watch, snapshot = self.watch, self._snapshot
        left = Text.assemble((watch.name, "bold"), "  ", (watch.protocol or "", "cyan"))
        if snapshot is not None and snapshot.state is not None and not self._offline:
            left.append(f"  {snapshot.state}")
        if watch.info is not None and watch.info.model:
            left.append(f"  {watch.info.model}", "dim")
        if self._offline:
            seconds = (self._timing.now() - self._offline.since).total_seconds()
            right = Text(f" OFFLINE for {duration(seconds)} ", "bold white on red")
        elif snapshot is not None:
            right = Text(clock(snapshot.time), "dim")
        else:
            right = Text("connecting", "yellow")
        left.truncate(max(0, width - right.cell_len - 2), overflow="ellipsis")
        return Text.assemble(left, " " * (width - left.cell_len - right.cell_len), right)

    def _trouble(self) -> Iterator[RenderableType]:
        if self._offline:
            hints = self.watch.error.hints if self.watch.error is not None else ()
            yield Group(Text(self._offline.reason, "red"), *(Text(f"  {hint}", "dim") for hint in hints), "")

    def _values(self, snapshot: Snapshot, width: int, style: Style) -> Iterator[RenderableType]:
        yield from troubles(snapshot, width)
        yield gauge(snapshot, width, style)
        yield ""
        yield self._trend_table(width, style)
        yield ""
        yield from draw_cells(snapshot, width, style)
        words = Table.grid(padding=(0, 2, 0, 0))
        words.add_column(style="dim", no_wrap=True)
        for label, items in (
            ("Temperatures", list(temperatures(snapshot))),
            ("Switches", list(switches(snapshot))),
            ("Alarms", [] if snapshot.alarms else [Text("none", "green")]),
            ("Since then", list(self._counted(snapshot))),
        ):
            if items:
                words.add_row(label, flow(items, width - len("Temperatures") - 2))
        yield words

    def _trend_table(self, width: int, style: Style) -> Table:
        table = Table.grid(padding=(0, 1, 0, 0))
        for column in ({"style": "dim"}, {"justify": "right", "style": "bold"}, {}, {}, {"style": "dim"}):
            table.add_column(no_wrap=True, **column)  # type: ignore[arg-type]
        room = max(10, width - 46)
        for name, trend in self._trends.items():
            label, row_name = LABELS.get(name, (QUANTITIES[name].label if name in QUANTITIES else name, name))
            row, snapshot = QUANTITIES[row_name], self._snapshot
            if trend.ends is None or snapshot is None:
                continue
            value = _warmest(snapshot) if name == "warmest" else getattr(snapshot, name)
            low, high = (number(row, end) for end in trend.ends)
            line = Text(trend.draw(room, style).ljust(room), "cyan")
            table.add_row(label, number(row, value), row.unit, line, f"{low} to {high}")
        return table

    def _counted(self, snapshot: Snapshot) -> Iterator[Text]:
        """What went in and out, and how long it will last; a time that the device reports itself stands first."""
        totals = self._flow.totals
        for word, energy, charge in (
            ("in", totals.energy_charged, totals.charge_in),
            ("out", totals.energy_discharged, totals.charge_out),
        ):
            if charge >= 0.001:
                yield Text.assemble((f"{word} ", "dim"), f"{charge:.3f} Ah, {1000 * energy:.1f} Wh")
        for name, ours in zip(("time_to_full", "time_to_empty"), times(snapshot, self._flow.mean), strict=True):
            seconds = snapshot.details.get(name, ours)
            if seconds:
                yield Text.assemble((f"{QUANTITIES[name].label.lower()} ", "dim"), duration(seconds))

    def _link(self, width: int) -> RenderableType:
        """How often and how quickly it answers, and what went wrong."""
        items = []
        if len(self._times) > 1:
            seconds = (self._times[-1] - self._times[0]) / (len(self._times) - 1)
            pace = f"every {seconds:.1f} s" if seconds >= 1.05 or self._every > 1 else f"{1 / seconds:.1f} a second"
            items.append(Text(f"readings {pace}"))
            items.append(Text(f"answered in {self.watch.took:.2f} s"))
        items += [Text(text, "yellow" if is_bad else "") for text, is_bad in quality(self.watch.counters)]
        items += [Text(note, "dim") for note in self.notes[-1:]]
        return Group("", Text.assemble(("Link  ", "dim"), flow(items, width - 6)))


def quality(counters: Mapping[str, int]) -> Iterator[tuple[str, bool]]:
    """Counters of a link in words, and whether each tells of a trouble."""
    asked, answered = counters["requests"], counters["answers"]
    if asked:
        yield f"{answered} of {asked} requests answered ({answered / asked:.0%})", answered < 0.9 * asked
    if counters["losses"]:
        yield f"lost {counters['losses']} times", True
    rejected = {name.partition(".")[2]: count for name, count in counters.items() if name.startswith("rejected.")}
    if rejected:
        yield "rejected: " + ", ".join(f"{reason} {count}" for reason, count in rejected.items()), True
    if counters["stale"]:
        yield f"{counters['stale']} answers too late", True


def _warmest(snapshot: Snapshot) -> float | None:
    return max((value for value in snapshot.temperatures.values() if value is not None), default=None)


@contextmanager
def live(session: Session) -> Iterator[Callable[[Event], None]]:
    """Shows the session on the terminal while the block runs; at the end its last picture stays there."""
    try:
        with screen(session.draw) as refresh:

            async def tick() -> None:
                while True:
                    await asyncio.sleep(1.0)
                    refresh()

            def show(event: Event) -> None:
                session.add(event)
                refresh()

            ticking = asyncio.create_task(tick())
            try:
                yield show
            finally:
                ticking.cancel()
    finally:
        put(session.draw)
