"""Values in words, for people: as many digits as the catalogue says, seconds as days and hours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from rich.cells import cell_len, set_cell_size

from ..model import QUANTITIES, Alarm, Doubt, Quantity, Snapshot

NONE = "–"
"""What stands for a value that is not known."""
FEW = 4
"""Doubted values of one quantity that are printed; the picture and the JSON have all."""

IDLE, CHARGING, DISCHARGING = "idle", "charging", "discharging"
AT_REST = 0.05
"""A. A current below this may be an error of its measurement: it says nothing about the direction."""

_SPANS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def number(row: Quantity, value: Any) -> str:
    """The value alone. Currents and powers bear their sign, for it tells which way the energy goes."""
    if value is None:
        return NONE
    if isinstance(value, bool) or not isinstance(value, float | int) or row.digits is None:
        return str(value)
    sign = "+" if row.name in ("current", "power") and value > 0 else ""
    return f"{sign}{value:.{row.digits}f}"


def amount(row: Quantity, value: Any) -> tuple[str, str]:
    """Number and unit; a long time as a number of its largest unit, and the rest."""
    if row.unit == "s" and isinstance(value, int | float):
        count, _, rest = duration(value).partition(" ")
        return count, rest
    return number(row, value), row.unit if value is not None else ""


def phrase(row: Quantity, value: Any) -> str:
    """Value and unit as one text."""
    return " ".join(filter(None, amount(row, value)))


def direction(current: float | None) -> str | None:
    """What the sign of a current (A) means; None if there is none."""
    if current is None:
        return None
    return IDLE if abs(current) < AT_REST else CHARGING if current > 0 else DISCHARGING


def state_of(snapshot: Snapshot) -> str | None:
    """The state as the device words it; of those that do not say it, what the current means. For views only."""
    return snapshot.state if snapshot.state is not None else direction(snapshot.current)


def times(count: int) -> str:
    """How often: `once`, `3 times`."""
    return "once" if count == 1 else f"{count} times"


def several(count: int, word: str) -> str:
    """`1 doubt`, `2 doubts`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def middle(text: str, width: int, dots: str = "…") -> str:
    """The text, or its beginning and end, if it is longer than `width` letters: both tell one name from another."""
    if cell_len(text) <= width:
        return text
    room = max(width - len(dots), 0)
    end = set_cell_size(text[::-1], room // 2)[::-1]
    return f"{set_cell_size(text, room - room // 2).rstrip()}{dots}{end.lstrip()}"


def duration(seconds: float) -> str:
    """`1 d 5 h`: the two largest units."""
    rest, words = int(seconds), list[str]()
    for size, unit in _SPANS:
        count, rest = divmod(rest, size)
        if count or words:
            words.append(f"{count} {unit}")
    return " ".join(words[:2]) or "0 s"


def exactly(seconds: float) -> str:
    """`737 d 9 h 20 min`: all units that are not 0, so that two whole seconds never have the same words."""
    rest, words = abs(round(seconds)), list[str]()
    for size, unit in _SPANS:
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count} {unit}")
    return ("-" if seconds < 0 else "") + (" ".join(words) or "0 s")


def clock(moment: datetime) -> str:
    """Date and time of this place, with its distance from UTC."""
    local = moment.astimezone()
    return f"{local:%Y-%m-%d %H:%M:%S} UTC" if not local.utcoffset() else local.isoformat(" ", "seconds")


def by_severity(alarms: Iterable[Alarm]) -> list[Alarm]:
    """Protections first, since they say what the battery does not do now; else in their order."""
    return sorted(alarms, key=lambda alarm: alarm.severity != "protection")


def doubt_texts(doubts: Iterable[Doubt]) -> Iterator[str]:
    """What is doubted, what came, and why; members of one quantity with one reason share a line."""
    groups: dict[tuple[str, str], list[Doubt]] = {}
    for doubt in doubts:
        groups.setdefault((doubt.quantity.partition(".")[0], doubt.reason), []).append(doubt)
    for (name, reason), members in groups.items():
        row = QUANTITIES.get(name, Quantity(name, name))
        parts = ", ".join(doubt.quantity.partition(".")[2] for doubt in members)
        came = ", ".join(_reported(row, doubt) for doubt in members[:FEW]) + (" …" if len(members) > FEW else "")
        yield f"{row.label}{' ' if parts else ''}{parts}: {came} reported; {reason}"


def _reported(row: Quantity, doubt: Doubt) -> str:
    came = doubt.reported
    return phrase(row, came) if isinstance(came, float | int) else str(came)
