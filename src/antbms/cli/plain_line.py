"""An event as one line of text, for terminals on which nothing can be drawn anew."""

from __future__ import annotations

import re
import textwrap
from shutil import get_terminal_size

from ..model import QUANTITIES, Event, Offline
from .wording import by_severity, doubt_texts, phrase, state_of

HARD = "\N{NO-BREAK SPACE}"
SHOWN = ("soc", "voltage", "current", "power")


def plain_line(event: Event, width: int | None = None) -> str:
    """When, which battery, and what it says, or why it says nothing; by default as wide as the terminal.

    What is wider goes on below, so that the terminal breaks no number.
    """
    parts = [f"{event.time.astimezone():%Y-%m-%d %H:%M:%S}", event.battery]
    if isinstance(event, Offline):
        parts.append(f"offline: {event.reason}")
    else:
        parts += [phrase(QUANTITIES[name], getattr(event, name)) for name in SHOWN]
        parts.append(state_of(event) or "")
        parts += [f"{alarm.severity.upper()} {alarm.text}" for alarm in by_severity(event.alarms)]
        parts += [f"DOUBT {text}" for text in doubt_texts(event.doubts)]
    return _broken("  ".join(filter(None, parts)), (width or get_terminal_size().columns) - 1)


def _broken(line: str, width: int) -> str:
    """Between words; a number stays with its unit."""
    held = re.sub(r"(?<=\d) (?=\S)", HARD, line)
    lines = textwrap.wrap(held, max(width, 20), subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines).replace(HARD, " ")
