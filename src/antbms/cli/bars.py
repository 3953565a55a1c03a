"""Bars of text, and the window of volts in which the cells of a pack are shown."""

from __future__ import annotations

from math import ceil, floor

from msgspec import Struct

WINDOWS = (50, 100, 200, 500, 1000, 2000, 5000)
"""Widths in mV. A pack in balance stays calm: 1 mV is 2 % of the smallest window."""
MARGIN = 0.1
"""Share of the window that the bar of the lowest cell has at least."""


class Style(Struct, frozen=True):
    """What bars are made of: the whole letter, and letters for its parts, smallest first; what rules are, and what
    stands for letters that are left out.
    """

    full: str
    parts: str
    rest: str
    line: str
    dots: str


LINES = Style("━", "╸", "─", "─", "…")
PLAIN = Style("#", "", ".", "-", "..")


def window(lowest: float, highest: float) -> tuple[float, float]:
    """The volts at which bars of cells begin and end: round numbers around the lowest and highest cell."""
    low, high = floor(lowest * 1000), ceil(highest * 1000)
    for width in WINDOWS:
        grid = width // 5
        end = max(ceil(high / grid) * grid, width)
        if end - width + MARGIN * width <= low:
            return (end - width) / 1000, end / 1000
    return 0.0, max(5.0, float(ceil(highest)))


def bar(share: float, width: int, style: Style) -> tuple[str, str]:
    """The filled part of a bar and the rest of it; `share` from 0 to 1. Anything above 0 leaves a trace."""
    steps = len(style.parts) + 1
    filled = round(min(max(share, 0.0), 1.0) * width * steps)
    if share > 0:
        filled = max(filled, 1)
    whole, part = divmod(filled, steps)
    text = style.full * whole + (style.parts[part - 1] if part else "")
    return text, style.rest * (width - len(text))
