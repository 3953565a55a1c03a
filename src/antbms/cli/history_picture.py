"""What a store knows, drawn for people: a chart a quantity, and a table of figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Column as GridColumn
from rich.table import Table
from rich.text import Text

from ..history import Outage, Place, Series, Stored, change, places
from ..model import Kind
from .bars import Style
from .chart import LETTERS, TICKS, Gap, Scale, Span, chart, columns_of, scale_for
from .drawing import SIDE, put
from .paper import Column, figures
from .screen import can_show
from .time_axis import time_ticks
from .wording import clock, duration, exactly, phrase

WIDEST = 160
"""Columns of a chart at most."""
PIPED = 80
HEIGHTS = {1: 13, 2: 9, 3: 7}
"""Charts → lines of each; more of them have the least."""
LEAST = 5
MANY = 4
"""Charts below each other; more of them stand side by side, where there is room."""
SMALL = 38
"""Columns of a chart that stands beside others, at least."""
BETWEEN = 2
"""Columns between two of them."""
LABELS = 9
"""Letters left of the scale at least, so that it is known how many points there is room for."""
OUTAGES = 3
"""Outages that are told one by one."""
MEMBERS = {"cells": "Cell", "temperatures": "Temperature"}
"""Quantities with several values → what one of them is called. They share a scale, so that they can be compared."""
STEPS = (*(unit * n for unit in (1, 60) for n in (1, 2, 5, 10, 15, 30)), *(3600 * n for n in (1, 2, 3, 6, 12)))
"""s: steps of a scale of times, below whole days."""
DAY = timedelta(days=1)
YEAR = timedelta(days=365)

Ask = Callable[[int], Sequence[Series]]


def show(
    file: Path,
    stored: Stored,
    ask: Ask,
    charts: int,
    start: datetime,
    end: datetime,
    outages: Sequence[Outage],
    now: datetime,
    counted: datetime,
) -> bool:
    """Print the charts, so many, of what `ask` finds for so many points; False if there is nothing to draw.

    counted: up to when outages count; the last one may have begun with the last reading.
    """
    drawn = False
    offline = list(_offline(outages, start, counted, now))
    gaps = [_gap(outage, start, end, now) for outage in outages]

    def draw(width: int, style: Style) -> RenderableType:
        nonlocal drawn
        plain = not can_show(LETTERS)
        found = ask(columns_of(_size(charts, width - 2 * SIDE[1])[1], LABELS, plain))
        drawn = any(series.points for series in found)
        if not drawn:
            return Text()
        return Group(*_blocks(file, stored, found, start, end, offline, gaps, width, style, plain))

    put(draw, widest=WIDEST, piped=PIPED)
    return drawn


def _blocks(
    file: Path,
    stored: Stored,
    found: Sequence[Series],
    start: datetime,
    end: datetime,
    offline: Sequence[str],
    gaps: Sequence[Gap],
    width: int,
    style: Style,
    plain: bool,
) -> Iterator[RenderableType]:
    inner = width - 2 * SIDE[1]
    rule = Rule(style="dim", characters=style.line)
    rows = ", ".join(dict.fromkeys(f"{series.resolution} rows" for series in found))
    head = Text.assemble((stored.name, "bold"), "  ", (stored.protocol or "", "cyan"), (f"  {rows}", "dim"))
    yield Padding(head, SIDE)
    yield Padding(Text(f"{clock(start)} to {clock(end)}", "dim"), SIDE)
    yield rule
    height = HEIGHTS.get(len(found), LEAST)
    scales = _scales(found)
    margin = max(LABELS, *(_margin(series, scales[series.quantity]) for series in found if series.points))
    beside, size = _size(len(found), inner)
    grid = Table.grid(
        *(GridColumn(width=size, no_wrap=True) for _ in range(beside)), padding=(0, BETWEEN, 0, 0), pad_edge=False
    )
    for line in range(0, len(found), beside):
        cells = []
        for series in found[line : line + beside]:
            scale = scales.get(series.quantity)
            lines = _chart(series, scale, start, end, size, height, margin, plain, gaps) if scale else _nothing()
            cells.append(Group(Text(_title(series), "bold"), *lines))
        grid.add_row(*cells)
    yield Padding(grid, SIDE)
    yield rule
    full = [series for series in found if series.points]
    measured = [series for series in full if series.row.kind is Kind.MEASUREMENT]
    counted = [series for series in full if series.row.kind is not Kind.MEASUREMENT]
    tables = [_figures(file, measured, end - start, inner)] if measured else []
    tables += [_counts(file, counted, inner)] if counted else []
    yield Padding(Group(*tables), SIDE)
    if offline:
        yield Text()
        for told in offline:
            words = told.lstrip()
            indent = len(told) - len(words)
            yield Padding(Text(words, "dim"), (0, SIDE[1], 0, SIDE[1] + indent))


def _size(charts: int, width: int) -> tuple[int, int]:
    """How many charts stand side by side, and the columns of each."""
    beside = max(1, min(charts, (width + BETWEEN) // (SMALL + BETWEEN))) if charts > MANY else 1
    return beside, (width + BETWEEN) // beside - BETWEEN


def _label(series: Series, value: float, digits: int) -> str:
    return exactly(value) if series.row.unit == "s" else f"{value:.{digits}f} {series.row.unit}".rstrip()


def _title(series: Series) -> str:
    group, _, part = series.quantity.partition(".")
    return f"{MEMBERS[group]} {part}" if group in MEMBERS and part else series.row.label


def _scales(found: Sequence[Series]) -> dict[str, Scale]:
    """Quantity → its scale, the same for all members of a group."""
    groups: dict[str, list[Series]] = {}
    for series in found:
        if series.points:
            groups.setdefault(series.quantity.partition(".")[0], []).append(series)
    return {
        series.quantity: _scale(
            series,
            min(point.min for one in members for point in one.points),
            max(point.max for one in members for point in one.points),
        )
        for members in groups.values()
        for series in members
    }


def _scale(series: Series, lowest: float, highest: float) -> Scale:
    """Round numbers around all values; of times, round numbers of days, hours, minutes or seconds."""
    if series.row.unit != "s":
        return scale_for(lowest, highest, float(10 ** -(series.row.digits or 0)))
    unit = next((step for step in STEPS if step * TICKS >= highest - lowest), 86_400)
    scale = scale_for(lowest / unit, highest / unit, 1.0)
    return Scale(scale.low * unit, scale.high * unit, scale.step * unit)


def _labels(series: Series, scale: Scale) -> Callable[[float], str]:
    """Texts of the scale, with as many decimals as its steps need."""
    step = scale.step
    digits = next(
        (digits for digits in range(4) if abs(round(step, digits) - step) < step / 100), series.row.digits or 0
    )
    return lambda value: _label(series, value + 0.0 if abs(value) > step / 2 else 0.0, digits)


def _margin(series: Series, scale: Scale) -> int:
    label = _labels(series, scale)
    return max(len(label(tick)) for tick in scale.ticks)


def _nothing() -> Iterator[Text]:
    yield Text("no values", "dim")
    yield Text()


def _chart(
    series: Series,
    scale: Scale,
    start: datetime,
    end: datetime,
    width: int,
    height: int,
    margin: int,
    plain: bool,
    gaps: Sequence[Gap],
) -> Iterator[Text]:
    half = series.step / 2
    spans = [Span(_share(point.time + half, start, end), point.min, point.mean, point.max) for point in series.points]
    yield from chart(
        spans,
        scale,
        width=width,
        height=height,
        margin=margin,
        label=_labels(series, scale),
        times=lambda room: time_ticks(start, end, room),
        plain=plain,
        reach=series.reach / (end - start),
        gaps=gaps,
    )


def _share(moment: datetime, start: datetime, end: datetime) -> float:
    return min(1.0, max(0.0, (moment - start) / (end - start)))


def _gap(outage: Outage, start: datetime, end: datetime, now: datetime) -> Gap:
    """Where an outage lies. One that goes on lasts until now, and says so."""
    if not outage.goes_on(now):
        return Gap(_share(outage.since, start, end), _share(outage.time, start, end))
    since = f"{outage.since.astimezone():{'%H:%M' if now - outage.since < DAY else '%m-%d %H:%M'}}"
    return Gap(_share(outage.since, start, end), _share(now, start, end), (f"offline since {since}", "offline"))


def _figures(file: Path, found: Sequence[Series], span: timedelta, width: int) -> RenderableType:
    """Lowest, highest and mean of measurements; when they were, as exactly as the store knows and has room."""
    moments = [places(file, series) for series in found]

    def values(numbers: Sequence[float]) -> list[Text]:
        return [Text(phrase(series.row, value)) for series, value in zip(found, numbers, strict=True)]

    def times(which: int) -> list[Text]:
        return [Text(_brief(pair[which], span) if pair else "", "dim") for pair in moments]

    columns = [
        Column("Quantity", [Text(_title(series)) for series in found]),
        Column("Lowest", values([min(point.min for point in series.points) for series in found]), right=True),
        Column("at", times(0), joins=True),
        Column("Highest", values([max(point.max for point in series.points) for series in found]), right=True),
        Column("at", times(1), joins=True),
        Column("Mean", values([_mean(series) for series in found])),
    ]
    return figures(columns, width)


def _counts(file: Path, found: Sequence[Series], width: int) -> RenderableType:
    """By how much counters grew, and the last values of counters and states: they have no mean."""
    grown = [change(file, series) for series in found]
    texts = [Text("" if by is None else phrase(series.row, by)) for series, by in zip(found, grown, strict=True)]
    columns = [
        Column("Quantity", [Text(_title(series)) for series in found]),
        Column("Last", [Text(phrase(series.row, series.points[-1].max)) for series in found], right=True),
        Column("In this span" if any(texts) else "", texts),
    ]
    return figures(columns, width)


def _mean(series: Series) -> float:
    """Over all readings, not over all stretches."""
    return sum(point.mean * point.count for point in series.points) / sum(point.count for point in series.points)


def _brief(place: Place, span: timedelta) -> str:
    """When a row was, in local time: of a reading its second, of a minute the minute, of an hour about its middle.

    Within a day, the time alone says which one is meant; over a longer span, seconds give way to the day.
    """
    local = (place.time + place.length / 2).astimezone()
    if span > YEAR:
        return f"{local:%Y-%m-%d}"
    about = "~" if place.length > timedelta(minutes=1) else ""
    if span > DAY:
        return f"{local:%m-%d} {about}{local:%H:%M}"
    return f"{local:%H:%M}" if place.length else f"{local:%H:%M:%S}"


def _offline(outages: Sequence[Outage], start: datetime, end: datetime, now: datetime) -> Iterator[str]:
    """How often it could not be read, and the longest of these. An outage that goes on lasts until now, if somebody
    still watches; else it is known that it lasted until it was last stated."""
    if not outages:
        return
    untils = [now if outage.goes_on(now) else outage.time for outage in outages]
    pairs = list(zip(outages, untils, strict=True))
    whole = sum(max(0.0, (min(until, end) - max(outage.since, start)).total_seconds()) for outage, until in pairs)
    times = "once" if len(outages) == 1 else f"{len(outages)} times"
    yield f"Offline {times}, {duration(whole)} in all"
    longest = sorted(pairs, key=lambda pair: pair[0].since - pair[1])[:OUTAGES]
    open_ones = [pair for pair in pairs if not pair[0].ended]
    if open_ones and open_ones[-1] not in longest:
        longest[-1] = open_ones[-1]
    for outage, until in sorted(longest, key=lambda pair: pair[0].since):
        yield f"  {clock(outage.since)}, {_lasted(outage, until, now)}: {outage.reason}"


def _lasted(outage: Outage, until: datetime, now: datetime) -> str:
    """How long, as far as it is known."""
    seconds = (until - outage.since).total_seconds()
    if outage.ended:
        return duration(seconds)
    if outage.goes_on(now):
        return f"{duration(seconds)} so far"
    lasted = f"{duration(seconds)} at least" if seconds >= 1 else "nobody knows how long"
    same_day = outage.since.astimezone().date() == until.astimezone().date()
    return f"{lasted}; nothing is known after {until.astimezone():{'%H:%M' if same_day else '%Y-%m-%d %H:%M'}}"


def show_list(known: Sequence[Stored]) -> None:
    """Print the batteries of a store."""

    def times(moments: Sequence[datetime | None]) -> list[Text]:
        return [Text(clock(moment) if moment else "") for moment in moments]

    columns = [
        Column("Battery", [Text(stored.name, "bold") for stored in known]),
        Column("Protocol", [Text(stored.protocol or "") for stored in known]),
        Column("First", times([stored.first for stored in known])),
        Column("Every reading since", times([stored.raw_since for stored in known])),
        Column("Last", times([stored.last for stored in known])),
    ]
    put(lambda width, _: figures(columns, width), widest=WIDEST, piped=WIDEST)
