"""Items one after the other, with dots between them, broken between items only."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

DOT = " · "


def flow(items: Iterable[Text], width: int) -> Text:
    """One text of as many lines as are needed. An item that is longer than a line is left to be wrapped."""
    text, used = Text(), 0
    for item in items:
        if used and used + len(DOT) + item.cell_len > width:
            text.append("\n")
            used = 0
        elif used:
            text.append(DOT, "dim")
            used += len(DOT)
        text.append_text(item)
        used += item.cell_len
    return text
