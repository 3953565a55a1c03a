"""The latest of many batteries as a table: a line a battery, at any width. Numbers are shown whole or not at all."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from ..model import QUANTITIES, Event, Offline, Snapshot
from .bars import Style, bar
from .wording import by_severity, duration, middle, phrase, several, state_of

COLUMNS = ("soc", "gauge", "voltage", "current", "power", "cell_spread", "state")
LABELS = {"soc": "Charge", "gauge": "", "cell_spread": "Spread", "state": ""}
"""Where that of the catalogue would be long."""
GAUGE = 10
GAP = 2
LONG, SHORT = 20, 12
"""Letters that are left of a name before columns go, and then."""
DROPPED = ("gauge", "cell_spread", "power")
"""Columns that go first, in this order."""
DROPPED_LAST = ("state", "voltage", "current")
"""Columns that go next; what is wrong stays, below the line."""
INDENT = 2


class Layout(NamedTuple):
    """Widths: of the names, and of each column that is shown."""

    name: int
    columns: dict[str, int]


def draw(
    latest: Mapping[str, Event | None], now: datetime, width: int, style: Style, rows: int | None = None
) -> RenderableType:
    """The table, in at most so many rows; then those with the worst troubles come first.

    Values of a battery that cannot be read are not shown: they would look as if they were of now.
    """
    layout = _layout(latest, width)
    head = [f"{'Battery':{layout.name}}"]
    for name, space in layout.columns.items():
        label = LABELS.get(name, QUANTITIES[name].label if name in QUANTITIES else "")
        head.append(label.ljust(space) if name == "state" else label.rjust(space))
    lines = [Text((" " * GAP).join(head), "dim", no_wrap=True)]
    entries = {name: list(_entry(name, event, now, layout, width, style)) for name, event in latest.items()}
    if rows is None or sum(map(len, entries.values())) < rows:
        return Group(*lines, *(line for entry in entries.values() for line in entry))
    shown = 0
    for name in sorted(entries, key=lambda name: _rank(latest[name])):
        if len(lines) + len(entries[name]) >= rows:
            break
        lines += entries[name]
        shown += 1
    return Group(*lines, Text(f"and {len(entries) - shown} more: a higher window", "dim"))


def _layout(latest: Mapping[str, Event | None], width: int) -> Layout:
    """As many columns as fit, and names as long as can be."""
    snapshots = [event for event in latest.values() if isinstance(event, Snapshot)]
    widths = {
        name: max([len(LABELS.get(name, name)), *(_cell(event, name, None).cell_len for event in snapshots)])
        for name in COLUMNS
    }
    longest = max([len("Battery"), *(Text(name).cell_len for name in latest)])
    gone: list[str] = []
    room = 0
    for least, drop in (
        (longest, None), (LONG, None), *((LONG, name) for name in DROPPED),
        (SHORT, None), *((SHORT, name) for name in DROPPED_LAST),
    ):  # fmt: skip
        gone += [drop] if drop else []
        room = width - sum(space + GAP for name, space in widths.items() if name not in gone)
        if room >= min(least, longest):
            break
    columns = {name: space for name, space in widths.items() if name not in gone}
    return Layout(max(1, min(room, longest)), columns)


def _entry(name: str, event: Event | None, now: datetime, layout: Layout, width: int, style: Style) -> Iterator[Text]:
    """The line of a battery, and what did not fit into it below."""
    line = Text(middle(name, layout.name, style.dots), "bold", no_wrap=True)
    line = Text.assemble(line, " " * (layout.name - line.cell_len), no_wrap=True)
    if isinstance(event, Snapshot):
        remark, colour = _remark(event)
        for column, space in layout.columns.items():
            cell = _cell(event, column, style)
            before, after = (0, 0) if column == "state" else (space - cell.cell_len, 0)
            if not (column == "state" and remark):
                line.append(" " * (GAP + before)).append_text(cell).append(" " * after)
    elif isinstance(event, Offline):
        away = duration(max(0.0, (now - event.since).total_seconds()))
        remark, colour = f"offline for {away}: {event.reason}", "red"
    else:
        remark, colour = "connecting", "yellow"
    if remark and line.cell_len + GAP + Text(remark).cell_len <= width:
        yield Text.assemble(line, " " * GAP, (remark, colour), no_wrap=True)
        return
    yield line
    for below in textwrap.wrap(remark, max(1, width - INDENT)):
        yield Text.assemble(" " * INDENT, (below, colour), no_wrap=True)


def _cell(snapshot: Snapshot, column: str, style: Style | None) -> Text:
    if column == "state":
        return Text(state_of(snapshot) or "", "dim")
    if column == "gauge":
        filled, rest = bar((snapshot.soc or 0) / 100, GAUGE, style) if style is not None else ("", " " * GAUGE)
        return Text.assemble((filled, "green"), (rest, "dim"))
    return Text(phrase(QUANTITIES[column], getattr(snapshot, column)))


def _remark(snapshot: Snapshot) -> tuple[str, str]:
    """What is wrong, in place of the state; and its colour."""
    if snapshot.alarms:
        return ", ".join(dict.fromkeys(alarm.text for alarm in by_severity(snapshot.alarms))), "bold red"
    return (several(len(snapshot.doubts), "doubt"), "magenta") if snapshot.doubts else ("", "")


def _rank(event: Event | None) -> int:
    """How early it is shown: protections; what cannot be read; warnings; doubts; all is well."""
    if not isinstance(event, Snapshot):
        return 1
    if event.alarms:
        return 0 if any(alarm.severity == "protection" for alarm in event.alarms) else 2
    return 3 if event.doubts else 4
