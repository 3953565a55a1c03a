"""A snapshot drawn for people. Labels, units and digits come from the catalogue; only the drawing is ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from ..model import QUANTITIES, Kind, Quantity, Snapshot
from .bars import LINES, Style, bar
from .cells import draw_cells
from .drawing import NARROWEST, SIDE, put
from .flow import flow
from .wording import IDLE, amount, by_severity, clock, direction, doubt_texts, phrase

GAP = 4
"""Columns between what is measured and what is counted."""

_ELSEWHERE = ("soc", "cells", "cell_min", "cell_max", "cell_spread", "temperatures")
"""Quantities that are no line of the two sheets: they have a place of their own."""
_ALWAYS = ("voltage", "current")
_SEVERITY = {"protection": "bold white on red", "warning": "black on yellow", "doubt": "bold white on magenta"}


class Line(NamedTuple):
    """A line of a sheet."""

    label: str
    number: str
    unit: str
    remark: str


def show(snapshot: Snapshot) -> None:
    """Print the picture on standard output, in colour on a terminal."""
    put(lambda width, style: picture(snapshot, width, style), narrowest=NARROWEST)


def picture(snapshot: Snapshot, width: int, style: Style = LINES) -> RenderableType:
    """All of a snapshot, `width` columns wide."""
    inner = width - 2 * SIDE[1]
    rule = Rule(style="dim", characters=style.line)
    blocks = (
        _header(snapshot, inner),
        rule,
        *_troubles(snapshot),
        _quantities(snapshot, inner, style),
        *draw_cells(snapshot, inner, style),
        _words(snapshot, inner),
    )
    return Group(*(block if block is rule else Padding(block, SIDE) for block in blocks))


def _header(snapshot: Snapshot, width: int) -> RenderableType:
    who = Text.assemble((snapshot.battery, "bold"), "  ", (snapshot.protocol, "cyan"))
    if snapshot.state is not None:
        who.append(f"  {snapshot.state}")
    time = Text(clock(snapshot.time), "dim")
    if who.cell_len + 2 + time.cell_len > width:
        return Group(who, time)
    return Text.assemble(who, " " * (width - who.cell_len - time.cell_len), time)


def _troubles(snapshot: Snapshot) -> Iterator[RenderableType]:
    """Alarms and doubts, before anything else."""
    if (sheet := troubles(snapshot)) is not None:
        yield Group(sheet, "")


def troubles(snapshot: Snapshot, most: int | None = None, *, codes: bool = True) -> RenderableType | None:
    """Alarms, with their codes, and doubts, a line each, if there are any, what is severest first; most: of these, the
    rest is counted."""
    doubts = [("doubt", Text(text, "magenta")) for text in doubt_texts(snapshot.doubts)]
    alarms = [
        (alarm.severity, Text.assemble((alarm.text, "bold"), (f"  {alarm.code}" * codes, "dim")))
        for alarm in by_severity(snapshot.alarms)
    ]
    lines = [*alarms, *doubts]
    if not lines:
        return None
    sheet = Table.grid(padding=(0, 2, 0, 0))
    for word, text in lines[:most]:
        sheet.add_row(Text(f" {word.upper()} ", _SEVERITY[word]), text)
    left = len(lines) - len(lines[:most])
    return Group(sheet, Text(f" and {left} more", "bold red")) if left else sheet


def _quantities(snapshot: Snapshot, width: int, style: Style) -> RenderableType:
    """The charge as a gauge; what is measured on the left, what is counted on the right."""
    measured, counted = list(_lines(snapshot, Kind.MEASUREMENT)), list(_lines(snapshot, Kind.COUNTER))
    top: list[RenderableType] = [gauge(snapshot, width, style), ""]
    if not counted or _breadth(measured) + GAP + _breadth(counted) > width:
        return Group(*top, _sheet([*measured, *counted], "bold"), "")
    both = Table.grid(padding=(0, GAP, 0, 0))
    both.add_row(_sheet(measured, "bold"), _sheet(counted, ""))
    return Group(*top, both, "")


def gauge(snapshot: Snapshot, width: int, style: Style) -> Text:
    """The state of charge as a bar."""
    row, soc = QUANTITIES["soc"], snapshot.soc
    text = Text.assemble((f"{row.label}  ", "dim"), (phrase(row, soc), "bold"), "  ", no_wrap=True)
    if soc is None:
        return text.append(_doubted(snapshot, row), "bold magenta")
    colour = "red" if soc < 10 else "yellow" if soc < 25 else "green"
    filled, rest = bar(soc / 100, max(4, width - text.cell_len), style)
    return text.append(filled, colour).append(rest, "dim")


def _lines(snapshot: Snapshot, kind: Kind) -> Iterator[Line]:
    """The single values of a kind that are worth a line."""
    for row in QUANTITIES.values():
        if row.detail or row.kind is not kind or row.name in _ELSEWHERE:
            continue
        value = getattr(snapshot, row.name)
        remark = _direction(snapshot) if row.name == "current" else "" if value is not None else _doubted(snapshot, row)
        if value is not None or remark or row.name in _ALWAYS:
            yield Line(row.label, *amount(row, value), remark)


def _direction(snapshot: Snapshot) -> str:
    """What the sign of the current means, unless the device says it."""
    word = direction(snapshot.current)
    return "" if word in (IDLE, snapshot.state) else word or ""


def _doubted(snapshot: Snapshot, row: Quantity) -> str:
    return "doubted" if any(doubt.quantity == row.name for doubt in snapshot.doubts) else ""


def _breadth(lines: list[Line]) -> int:
    """Columns that a sheet takes."""
    return sum(max(len(line[part]) for line in lines) + 1 for part in range(4)) if lines else 0


def _sheet(lines: Iterable[Line], style: str) -> Table:
    sheet = Table.grid(padding=(0, 1, 0, 0))
    sheet.add_column(style="dim", no_wrap=True)
    sheet.add_column(justify="right", no_wrap=True, style=style)
    sheet.add_column(no_wrap=True)
    sheet.add_column(no_wrap=True)
    colours = {"charging": "green", "discharging": "yellow", "doubted": "bold magenta"}
    for line in lines:
        sheet.add_row(line.label, line.number, line.unit, Text(line.remark, colours.get(line.remark, "")))
    return sheet


def _words(snapshot: Snapshot, width: int) -> RenderableType:
    """Temperatures, switches, alarms, flags and details: a label and a flowing text each."""
    blocks = [
        (QUANTITIES["temperatures"].label, list(temperatures(snapshot))),
        (QUANTITIES["switches"].label, list(switches(snapshot))),
        (QUANTITIES["alarms"].label, [] if snapshot.alarms else [Text("none", "green")]),
        (QUANTITIES["flags"].label, [Text(flag.text, "dim") for flag in snapshot.flags]),
        ("Details", list(_details(snapshot))),
    ]
    margin = max(len(label) for label, _ in blocks) + 2
    lines = Table.grid(padding=(0, 2, 0, 0))
    lines.add_column(style="dim", no_wrap=True, width=margin - 2)
    for label, items in blocks:
        if items:
            lines.add_row(label, flow(items, width - margin))
    return lines


def temperatures(snapshot: Snapshot) -> Iterator[Text]:
    """Each sensor."""
    row = QUANTITIES["temperatures"]
    doubted = {doubt.quantity for doubt in snapshot.doubts}
    for name, value in snapshot.temperatures.items():
        bad = f"{row.name}.{name}" in doubted
        text = ("doubted", "bold magenta") if bad else (phrase(row, value), "dim" if value is None else "")
        yield Text.assemble((f"{name} ", "dim"), text)


def switches(snapshot: Snapshot) -> Iterator[Text]:
    """Each switch, and why it is so."""
    for name, switch in snapshot.switches.items():
        word = {True: "on", False: "off", None: "unknown"}[switch.on]
        colour = {True: "green", False: "", None: "magenta"}[switch.on]
        reason = f" ({switch.reason})" if switch.reason != word else ""
        yield Text.assemble((f"{name} ", "dim"), (word, colour), reason)


def _details(snapshot: Snapshot) -> Iterator[Text]:
    """What few people need; the permission level is one of these."""
    values = ({"level": snapshot.level} if snapshot.level is not None else {}) | snapshot.details
    for name, value in values.items():
        row = QUANTITIES.get(name, Quantity(name, name))
        yield Text(f"{row.label[:1].lower()}{row.label[1:]} {phrase(row, value)}", "dim")
