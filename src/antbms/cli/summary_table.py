"""A summary drawn for people: a table for each device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from .bars import Style
from .drawing import SIDE
from .flow import flow
from .summary import PAUSE, Link
from .wording import duration

MINUTE, TENTH = 60.0, 0.1


def draw_links(links: Sequence[Link], width: int, style: Style) -> RenderableType:
    """One below the other; of a phone's other devices, its headphones for example, only the addresses."""
    others = [link for link in links if link.device and not link.frames]
    blocks = [block for link in links if link not in others for block in _link(link, width, style)]
    if others:
        names = (Text(link.device or "") for link in others)
        blocks.append(Padding(flow([Text("no valid frame from", "dim"), *names], width - 2 * SIDE[1]), SIDE))
    return Group(*blocks)


def _link(link: Link, width: int, style: Style) -> Iterator[RenderableType]:
    inner = width - 2 * SIDE[1]
    span = Text("" if link.duration is None else _span(link.duration), "dim")
    room = inner - span.cell_len - 2
    name = link.source if len(link.source) <= room else f"…{link.source[1 - room :]}"  # a path ends with what tells
    yield Padding(Text.assemble((name.ljust(room + 2), "bold"), span), SIDE)
    if link.device:
        yield Padding(Text(link.device), SIDE)
    yield Rule(style="dim", characters=style.line)
    yield Padding(_messages(link), SIDE)
    if remarks := list(_remarks(link)):
        yield Padding(flow(remarks, inner), (1, SIDE[1], 0, SIDE[1]))
    yield ""


def _messages(link: Link) -> Table:
    """A row for each message, and for each reason why bytes are none."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", show_edge=False)
    table.add_column("", style="cyan", no_wrap=True)
    table.add_column("Message")
    for name in ("Frames", "Answered", "Median", "p99", "Max"):
        table.add_column(name, justify="right", no_wrap=True)
    for (direction, protocol, message), count in link.frames.items():
        answers = _answers(link, protocol, message) if direction == ">" else ()
        table.add_row(direction, Text.assemble((f"{protocol} ", "dim"), message), str(count), *answers)
    for reason, count in link.rejected.most_common():
        table.add_row("", Text(f"rejected: {reason}", "red"), Text(str(count), "red"))
    if not link.frames and not link.rejected:
        table.add_row("", Text("nothing", "dim"), "0")
    return table


def _answers(link: Link, protocol: str, message: str) -> Iterator[Text]:
    times = link.exchanges.times.get((protocol, message))
    if times is None:  # a request that nothing is known to answer
        return
    yield Text(str(times.answered), "" if times.answered >= times.asked else "yellow")
    for share in (0.5, 0.99, 1.0):
        reached = times.reached(share)
        yield Text("" if reached is None else f"{1000 * reached:.0f} ms")


def _remarks(link: Link) -> Iterator[Text]:
    if link.silence >= TENTH:
        since = Text(f" (from {link.silent_since:.1f} s)", "dim")
        yield Text.assemble(("longest silence ", "dim"), f"{link.silence:.1f} s", since)
        pauses = f"{link.pauses or 'no'} pause{'' if link.pauses == 1 else 's'}"
        yield Text.assemble(pauses, (f" above {PAUSE:g} s", "dim"))


def _span(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < MINUTE else duration(seconds)
