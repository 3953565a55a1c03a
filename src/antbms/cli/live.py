"""The live view of a battery: what it says now, how that changed, and how good the link is."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.styled import Styled
from rich.text import Text

from ..derive import Flow, gap_of, step, times
from ..model import QUANTITIES, Event, Offline, Snapshot
from ..timing import DEFAULT, Past, Timing
from ..watching import Watch
from .bars import LINES, Style
from .cells import caption, cell_bars, cell_numbers, range_of, scale, short_caption
from .drawing import NARROWEST_LIVE, SIDE, put, screen
from .fitting import Part, Step, fit
from .labelled import labelled
from .picture import gauge, switches, temperatures, troubles
from .quality import attempts, pace, quality
from .trend_table import NEEDED, Trends
from .wording import clock, duration, middle, state_of

RECENT = 60
"""Readings over which their rate is taken."""
FEW = 3
"""Alarms and doubts that are shown where there is no room for all."""
TICK = 1.0
"""s between two pictures when nothing comes. A second picture of what was just drawn would double the cost."""
HOW_TO_END = Text("Ctrl-C ends", "dim")
LEAST_NAME = 8
"""Letters that are left of a name."""
STEPS = (
    Step("trends"),  # without what stands elsewhere as well
    Step("gap"),
    Step("cells"),  # in more columns
    Step("rule"),
    Step("words"),  # in fewer lines
    Step("link"),  # without the remark
    Step("troubles"),  # without their codes
    Step("cells"),  # without bars
    Step("hints", hides=True),
    Step("trends", hides=True),  # in one line
    Step("since", hides=True),
    Step("link", hides=True),
    Step("words", hides=True),  # without temperatures
    Step("trends", hides=True),  # without the power
    Step("cells", hides=True),  # only the extremes
    Step("troubles", hides=True),  # only some
    Step("words", hides=True),
)
"""What a low window does without, in this order."""


class Session:
    """What has been seen of one battery since watching began. `watch` tells about the link.

    notes: remarks, of which the latest is shown. status: what else is done with the readings, in words.
    """

    def __init__(
        self,
        watch: Watch,
        every: float,
        notes: Sequence[str] = (),
        status: Callable[[], str] = str,
        timing: Timing = DEFAULT,
    ) -> None:
        self.watch = watch
        self._notes = notes
        self._status = status
        self._timing = timing
        self._gap = gap_of(every)
        self._every = every
        self._flow = Flow()
        self._snapshot: Snapshot | None = None
        self._offline: Offline | None = None
        self._since = Past(timing.now(), timing)  # of being offline; it does not change if the clock is set
        self._times: deque[float] = deque(maxlen=RECENT)
        self._trends = Trends()

    def add(self, event: Event) -> None:
        """One more event."""
        at = self._timing.monotonic()
        self._flow = step(self._flow, event, self._gap, at)
        self._trends.add(event)
        if isinstance(event, Offline):
            self._offline, self._since = event, Past(event.since, self._timing)
            self._times.clear()  # a pause is no slow reading
            return
        self._offline, self._snapshot = None, event
        self._times.append(at)

    @property
    def has_begun(self) -> bool:
        """Whether anything is known yet."""
        return self._snapshot is not None or self._offline is not None

    def draw(self, width: int, style: Style = LINES, rows: int | None = None) -> RenderableType:
        """All of it, `width` columns wide; of what does not fit into so many rows, what matters most. Old is dim."""
        inner = width - 2 * SIDE[1]
        parts = [Part("head", (self._head(inner, style),)), *self._trouble()]
        if self._snapshot is not None:
            values = self._values(self._snapshot, inner, style)
            parts += [_styled(part, "dim") for part in values] if self._offline else values
        parts += self._link(inner)
        parts = [Part(name, tuple(one and Padding(one, SIDE) for one in variants)) for name, variants in parts]
        told = HOW_TO_END if rows is not None else ""  # not in the last picture
        rule = Part("rule", (Rule(told, style="dim", characters=style.line, align="right"), None))
        return fit([parts[0], rule, *parts[1:]], STEPS, rows)

    def _head(self, width: int, style: Style) -> Text:
        """Who, and how it is; a narrow window leaves out the model, then the date, then letters of the name."""
        watch, snapshot = self.watch, self._snapshot
        words = [(watch.protocol or "", "cyan")]
        if self._offline:
            now = self._timing.now()
            away = duration((now - self._since.time(now)).total_seconds())
            right = [Text(f" OFFLINE for {away} ", "bold white on red")]
        elif snapshot is not None:
            words.append((state_of(snapshot) or "", ""))
            time = clock(snapshot.time)
            right = [Text(time, "dim"), Text(time.split()[1][: len("00:00:00")], "dim")]
        else:
            right = [Text("connecting", "yellow")]
        model = (watch.info.model if watch.info is not None else None) or ""
        left, end, room = Text(), right[0], width
        for told, end in product(([*words, (model, "dim")], words), right):
            left = Text.assemble(*((f"  {word}", colour) for word, colour in told if word))
            room = width - left.cell_len - end.cell_len - 2
            if room >= min(len(watch.name), 2 * LEAST_NAME):
                break
        head = Text.assemble((middle(watch.name, max(LEAST_NAME, room), style.dots), "bold"), left)
        if head.cell_len + end.cell_len + 1 > width:
            return Text("\n").join([head, end])
        return Text.assemble(head, " " * (width - head.cell_len - end.cell_len), end)

    def _trouble(self) -> Iterator[Part]:
        if self._offline:
            hints = self.watch.error.hints if self.watch.error is not None else ()
            yield Part("reason", (Text(self._offline.reason, "red"),))
            if hints:
                yield Part("hints", (Padding(Text("\n".join(hints), "dim"), (0, 0, 0, 2)), None))
            if self._snapshot is not None:
                yield _gap()

    def _values(self, snapshot: Snapshot, width: int, style: Style) -> list[Part]:
        parts = []
        if (sheet := troubles(snapshot)) is not None:
            short = troubles(snapshot, codes=False)
            parts += [Part("troubles", (sheet, short, troubles(snapshot, FEW, codes=False))), _gap()]
        trends = self._trends
        parts += [
            Part("gauge", (gauge(snapshot, width, style),)),
            _gap(),
            Part(
                "trends",
                (
                    trends.table(snapshot, width, style),
                    trends.table(snapshot, width, style, NEEDED),
                    trends.line(snapshot, width),
                    trends.line(snapshot, width, NEEDED[:2]),
                ),
            ),
            _gap(),
        ]
        if snapshot.cells:
            extremes, which = caption(snapshot, width), short_caption(snapshot)
            wide = Group(extremes, cell_bars(snapshot, width, style))
            dense = Group(which, cell_bars(snapshot, width, style, words=False))
            parts += [
                Part("cells", (wide, dense, Group(which, cell_numbers(snapshot, width)), range_of(snapshot))),
                Part("gap", (scale(snapshot), None)),
                _gap(),
            ]
        heat, on_off = list(temperatures(snapshot)), list(switches(snapshot))
        none = [] if snapshot.alarms else [Text("none", "green")]
        fewer = [("Switches", on_off), ("Alarms", none)]
        parts.append(
            Part(
                "words",
                (
                    labelled([("Temperatures", heat), *fewer], width),
                    labelled([("Temperatures", heat), *fewer], width, dense=True),
                    labelled(fewer, width, dense=True),
                    None,
                ),
            )
        )
        since = labelled([("Since then", list(self._counted(snapshot)))], width)
        return [*parts, Part("since", (since, None))]

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

    def _link(self, width: int) -> list[Part]:
        """How often and how quickly it answers, what went wrong, and when it is tried again."""
        now = self._timing.monotonic()
        if self._offline or self._snapshot is None:
            first = list(attempts(self.watch, now))
        else:
            first = list(pace(self._times, self._every, self.watch.took))
        found = list(quality(self.watch.counters))
        items = [Text(text) for text in first] + [Text(text, "yellow" if is_bad else "") for text, is_bad in found]
        status = [Text(text, "dim") for text in (self._status(),) if text]
        notes = [Text(note, "dim") for note in self._notes[-1:]]
        if not (items or status or notes):
            return []
        most = [Text(text) for text in first[:2]] if self._offline else items[len(first) : len(first) + 1]
        variants = (
            labelled([("Link", [*items, *status, *notes])], width),
            labelled([("Link", [*items, *status])], width),
            labelled([("Link", [*most, *status])], width, dense=True),
        )
        return [_gap(), Part("link", variants)]


def _gap() -> Part:
    return Part("gap", (Text(), None))


def _styled(part: Part, style: str) -> Part:
    return Part(part.name, tuple(one and Styled(one, style) for one in part.variants))


@contextmanager
def live(session: Session) -> Iterator[Callable[[Event], None]]:
    """Shows the session on the terminal while the block runs; at the end its last picture stays there."""
    try:
        with screen(session.draw, NARROWEST_LIVE) as refresh:
            is_new = False

            async def tick() -> None:
                """Times go on, and windows change their size, also when nothing comes."""
                nonlocal is_new
                while True:
                    is_new = False
                    await asyncio.sleep(TICK)
                    if not is_new:
                        refresh()

            def show(event: Event) -> None:
                nonlocal is_new
                session.add(event)
                refresh()
                is_new = True

            ticking = asyncio.create_task(tick())
            try:
                yield show
            finally:
                ticking.cancel()
    finally:
        if session.has_begun:
            put(session.draw, narrowest=NARROWEST_LIVE)
