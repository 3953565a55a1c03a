"""An event as one line of text, for terminals on which nothing can be drawn anew."""

from __future__ import annotations

from ..model import QUANTITIES, Event, Offline
from .wording import doubt_texts, phrase, state_of

SHOWN = ("soc", "voltage", "current", "power")


def plain_line(event: Event) -> str:
    """When, which battery, and what it says, or why it says nothing."""
    parts = [f"{event.time.astimezone():%Y-%m-%d %H:%M:%S}", event.battery]
    if isinstance(event, Offline):
        parts.append(f"offline: {event.reason}")
    else:
        parts += [phrase(QUANTITIES[name], getattr(event, name)) for name in SHOWN]
        parts.append(state_of(event) or "")
        parts += [f"{alarm.severity.upper()} {alarm.text}" for alarm in event.alarms]
        parts += [f"DOUBT {text}" for text in doubt_texts(event.doubts)]
    return "  ".join(filter(None, parts))
