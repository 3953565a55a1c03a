"""Moments as people write them: ISO dates and times, and so much before now.

2026-11-22            a day: its beginning for --from, its end for --to
2026-11-22 05:00      a time of this place; with Z or +01:00 at its end, of that zone
05:00, 05:00:30       the last time that it was so late: today, or yesterday if it would lie in the future
-24h, 2 days ago      before now: s, min, h, d, w, y, or the whole words
now, today, yesterday
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from ..errors import UsageError

_UNITS = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600}
_UNITS |= {"d": 86400, "day": 86400, "w": 604800, "week": 604800, "y": 31536000, "year": 31536000}
_AGO = re.compile(r"-?\s*(\d+(?:\.\d+)?)\s*([a-z]+?)s?(\s+ago)?")
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+?)s?")
_DAY = re.compile(r"\d{4}-?\d\d-?\d\d")
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
_DAYS = {"today": 0, "yesterday": 1}


def moment_of(text: str, now: datetime, *, is_end: bool = False) -> datetime:
    """The aware time that `text` means; is_end: a day means its end. Raises `UsageError`."""
    words = text.strip().lower()
    if words == "now":
        return now
    if words in _DAYS:
        day = now.astimezone().date() - timedelta(days=_DAYS[words])
        return _midnight(day.isoformat(), is_end)
    try:
        if _DAY.fullmatch(words):
            return _midnight(words, is_end)
        if (ago := _AGO.fullmatch(words)) and (ago[2] in _UNITS or f"{ago[2]}s" in _UNITS):
            return now - timedelta(seconds=float(ago[1]) * _UNITS.get(ago[2], 1))
        if found := _TIME.fullmatch(words):
            return _latest(int(found[1]), int(found[2]), int(found[3] or 0), now)
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(
            f"{text!r}: is no time", "Write 2026-11-22, '2026-11-22 05:00', 05:00, -24h, '2 days ago', today or now."
        ) from error


def is_relative(text: str) -> bool:
    """Whether a time is told by its distance from now: `-10min`, `2 days ago`."""
    found = _AGO.fullmatch(text.strip().lower())
    return found is not None and found[2] in _UNITS


def is_time_of_day(text: str) -> bool:
    """Whether it is a time without a day: `05:00`."""
    return _TIME.fullmatch(text.strip()) is not None


def seconds_of(text: str) -> float:
    """A length of time: `90s`, `15min`, `15m`, `1 day`. Raises `UsageError` unless it is above 0 and a day at most."""
    found = _LENGTH.fullmatch(text.strip().lower())
    seconds = float(found[1]) * (_UNITS | {"m": 60}).get(found[2], 0) if found else 0.0
    if not 0 < seconds <= _UNITS["day"]:
        raise UsageError(f"{text!r}: is no length of time up to a day", "Write 90s, 15min or 2h.")
    return seconds


def _midnight(day: str, is_end: bool) -> datetime:
    """The first moment of a day of this place, or of the day after it."""
    moment = datetime.fromisoformat(day)
    return (moment + timedelta(days=1) if is_end else moment).astimezone()


def _latest(hour: int, minute: int, second: int, now: datetime) -> datetime:
    """The last time at or before `now` at which the clocks of this place showed that."""
    local = now.astimezone().replace(tzinfo=None)
    moment = local.replace(hour=hour, minute=minute, second=second, microsecond=0)
    return (moment if moment <= local else moment - timedelta(days=1)).astimezone()
