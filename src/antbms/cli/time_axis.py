"""The axis of time below a chart: round times of this place."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import MAXYEAR, datetime, timedelta
from math import ceil

LABEL = 9
"""Columns that the time of a tick needs, with room around it."""
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
"""s between ticks within a day; above it, days, months and years."""
DAY = 86400


def time_ticks(start: datetime, end: datetime, width: int) -> list[tuple[int, str]]:
    """Letters at which a round local time lies, and its text: hours, dates or months."""
    seconds = (end - start).total_seconds()
    most = max(1, width // LABEL)
    first = start.astimezone().replace(tzinfo=None)
    step = next((step for step in STEPS if seconds / step <= most), None)
    found: list[tuple[int, str]] = []
    for moment in _days(first, seconds / DAY / most) if step is None else _within(first, step):
        at = (moment.astimezone() - start).total_seconds() / seconds
        if at >= 1:
            break
        if at >= 0:
            found.append((int(at * width), _tick_text(moment, step)))
    return found


def _within(first: datetime, step: int) -> Iterator[datetime]:
    """Every `step` s of local time from midnight on."""
    moment = first.replace(hour=0, minute=0, second=0, microsecond=0)
    moment += timedelta(seconds=(first - moment) // timedelta(seconds=step) * step)
    while True:
        yield moment
        moment += timedelta(seconds=step)


def _days(first: datetime, least: float) -> Iterator[datetime]:
    """Midnights that are at least so many days apart: of days, Mondays, first days of months or of years."""
    moment = first.replace(hour=0, minute=0, second=0, microsecond=0)
    if least <= 14:
        days = next(days for days in (1, 2, 7, 14) if days >= least)
        moment -= timedelta(days=moment.toordinal() % days)
        while True:
            yield moment
            moment += timedelta(days=days)
    months = next((months for months in (1, 2, 3, 6) if months * 30 >= least), 12 * ceil(least / 365))
    year, month = moment.year, (moment.month - 1) // months * months if months < 12 else 0
    while year + month // 12 < MAXYEAR:
        yield datetime(year + month // 12, month % 12 + 1, 1)  # noqa: DTZ001 - local time, as `first` is
        month += months


def _tick_text(moment: datetime, step: int | None) -> str:
    if step is None:
        return f"{moment:%Y-%m}" if moment.day == 1 and moment.month in (1, 7) else f"{moment:%m-%d}"
    if not (moment.hour or moment.minute or moment.second):
        return f"{moment:%m-%d}"
    return f"{moment:%H:%M:%S}" if step < 60 else f"{moment:%H:%M}"
