"""What a store knows, drawn for people: a chart a quantity, and a table of figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from ..history import Outage, Point, Series, Stored
from ..model import Kind
from .bars import Style
from .chart import LETTERS, Span, chart, columns_of, scale_for
from .drawing import SIDE, put
from .paper import Column, table
from .screen import can_show
from .time_axis import time_ticks
from .wording import clock, duration, phrase

WIDEST = 160
"""Columns of a chart at most."""
PIPED = 80
HEIGHTS = {1: 12, 2: 9, 3: 7}
"""Charts → lines of each; more of them have the least."""
LEAST = 5
LABELS = 9
"""Letters left of the scale at least, so that it is known how many points there is room for."""
OUTAGES = 3
"""Outages that are told one by one."""

Ask = Callable[[int], Sequence[Series]]


def show(
    stored: Stored,
    ask: Ask,
    start: datetime,
    end: datetime,
    outages: Sequence[Outage],
    now: datetime,
    counted: datetime,
) -> bool:
    """Print the charts of what `ask` finds for so many points; False if there is nothing to draw.

    counted: up to when outages count; the last one may have begun with the last reading.
    """
    drawn = False
    offline = list(_offline(outages, start, counted, now))

    def draw(width: int, style: Style) -> RenderableType:
        nonlocal drawn
        plain = not can_show(LETTERS)
        found = ask(columns_of(width - 2 * SIDE[1], LABELS, plain))
        drawn = any(series.points for series in found)
        return Group(*_blocks(stored, found, start, end, offline, width, style, plain)) if drawn else Text()

    put(draw, widest=WIDEST, piped=PIPED)
    return drawn


def _blocks(
    stored: Stored,
    found: Sequence[Series],
    start: datetime,
    end: datetime,
    offline: Sequence[str],
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
    margin = max(LABELS, *(_margin(series) for series in found if series.points))
    for series in found:
        yield Padding(Group(*_chart(series, start, end, inner, height, margin, plain)), SIDE)
    yield rule
    yield Padding(_figures(found, inner), SIDE)
    if offline:
        yield Padding(Text("\n".join(("", *offline)), "dim"), SIDE)


def _label(series: Series, value: float, digits: int) -> str:
    return f"{value:.{digits}f} {series.row.unit}".rstrip()


def _title(series: Series) -> str:
    part = series.quantity.partition(".")[2]
    return f"{series.row.label} {part}".rstrip()


def _scale(series: Series) -> tuple[float, float, float]:
    low, high = min(point.min for point in series.points), max(point.max for point in series.points)
    return low, high, float(10 ** -(series.row.digits or 0))


def _labels(series: Series) -> Callable[[float], str]:
    """Texts of the scale, with as many decimals as its steps need."""
    step = scale_for(*_scale(series)).step
    digits = next(
        (digits for digits in range(4) if abs(round(step, digits) - step) < step / 100), series.row.digits or 0
    )
    return lambda value: _label(series, value + 0.0 if abs(value) > step / 2 else 0.0, digits)


def _margin(series: Series) -> int:
    label = _labels(series)
    return max(len(label(tick)) for tick in scale_for(*_scale(series)).ticks)


def _chart(
    series: Series, start: datetime, end: datetime, width: int, height: int, margin: int, plain: bool
) -> Iterator[Text]:
    yield Text(_title(series), "bold")
    if not series.points:
        yield Text("no values", "dim")
        yield Text()
        return
    whole = (end - start).total_seconds()
    half = series.step / 2
    spans = [
        Span(min(1.0, (point.time + half - start).total_seconds() / whole), point.min, point.mean, point.max)
        for point in series.points
    ]
    yield from chart(
        spans,
        scale_for(*_scale(series)),
        width=width,
        height=height,
        margin=margin,
        label=_labels(series),
        times=lambda room: time_ticks(start, end, room),
        plain=plain,
    )


def _figures(found: Sequence[Series], width: int) -> RenderableType:
    """Lowest, mean, highest and last of each quantity; when they were, as exact as the points are."""
    full = [series for series in found if series.points]
    lows = [min(series.points, key=lambda point: point.min) for series in full]
    highs = [max(series.points, key=lambda point: point.max) for series in full]

    def values(numbers: Sequence[float | None]) -> list[Text]:
        return [Text(phrase(series.row, value)) for series, value in zip(full, numbers, strict=True)]

    counts = [series.row.kind is not Kind.MEASUREMENT for series in full]
    means = [
        Text() if counts[number] else text for number, text in enumerate(values([_mean(series) for series in full]))
    ]
    ends = values([series.points[-1].max for series in full])
    columns = [
        Column("Quantity", [Text(_title(series)) for series in full]),
        Column("Lowest", values([point.min for point in lows]), right=True),
        Column("at", _times(full, lows), True),
        Column("Highest", values([point.max for point in highs]), right=True),
        Column("at", _times(full, highs), True),
        Column("Last", [text if counts[number] else Text() for number, text in enumerate(ends)], right=True),
    ]
    return table(columns, Column("Mean", means), width)


def _times(found: Sequence[Series], points: Sequence[Point]) -> list[Text]:
    return [Text(_brief(point.time, series.step), "dim") for point, series in zip(points, found, strict=True)]


def _mean(series: Series) -> float:
    """Over all readings, not over all stretches."""
    return sum(point.mean * point.count for point in series.points) / sum(point.count for point in series.points)


def _brief(moment: datetime, step: timedelta) -> str:
    """Local time, to the minute: a stretch begins there."""
    local = moment.astimezone()
    return f"{local:%m-%d %H:%M:%S}" if step < timedelta(minutes=1) else f"{local:%m-%d %H:%M}"


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
    if not outages[-1].ended and pairs[-1] not in longest:
        longest[-1] = pairs[-1]
    for outage, until in sorted(longest, key=lambda pair: pair[0].since):
        text = "" if outage.ended else " so far" if outage.goes_on(now) else " at least"
        yield f"  {clock(outage.since)}, {duration((until - outage.since).total_seconds())}{text}: {outage.reason}"


def show_list(known: Sequence[Stored]) -> None:
    """Print the batteries of a store."""

    def times(moments: Sequence[datetime | None]) -> list[Text]:
        return [Text(clock(moment) if moment else "") for moment in moments]

    columns = [
        Column("Battery", [Text(stored.name, "bold") for stored in known]),
        Column("Protocol", [Text(stored.protocol or "") for stored in known]),
        Column("First", times([stored.first for stored in known])),
        Column("Every reading since", times([stored.raw_since for stored in known]), True),
    ]
    last = Column("Last", times([stored.last for stored in known]))
    put(lambda width, _: table(columns, last, width), widest=WIDEST, piped=WIDEST)
