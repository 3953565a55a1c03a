"""Values over time as a line of small bars."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from .bars import LINES, Style

LETTERS = "▁▂▃▄▅▆▇█"
PLAIN = "_.:-=+*#"
BELOW = 0.4
"""Part of the spare height that is below: half would be the border of two letters."""
LONGEST = 4096
"""Values that are kept: more than an hour at one a second."""


class Trend:
    """The latest values of one quantity. span: what the whole height of the bars means at least, so that noise stays
    flat."""

    def __init__(self, span: float) -> None:
        self._span = span
        self._values: deque[float | None] = deque(maxlen=LONGEST)

    def add(self, value: float | None) -> None:
        """The next value; None where it is not known."""
        self._values.append(value)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def ends(self) -> tuple[float, float] | None:
        """The lowest and the highest of them."""
        known = [value for value in self._values if value is not None]
        return (min(known), max(known)) if known else None

    def draw(self, width: int, style: Style) -> str:
        """All of them, at most `width` letters: each letter stands for 1, 2, 4 … values, and shows their mean."""
        size = 1
        while -(-len(self._values) // size) > width:
            size *= 2
        values = list(self._values)
        return spark([_mean(values[at : at + size]) for at in range(0, len(values), size)], self._span, style)


def spark(values: Sequence[float | None], span: float, style: Style = LINES) -> str:
    """A letter a value; a space where there is none."""
    letters = LETTERS if style is LINES else PLAIN
    known = [value for value in values if value is not None]
    if not known:
        return " " * len(values)
    low, high = min(known), max(known)
    room = max(span, high - low)
    bottom = low - BELOW * (room - (high - low))
    top = len(letters) - 1
    return "".join(" " if value is None else letters[round((value - bottom) / room * top)] for value in values)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
