"""A quantity over time as letters: a line of means within the band from the lowest to the highest value.

Braille has two by four dots a letter; where it cannot be shown, `*` stands for the mean and `:` for the band.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import ceil, floor, log10
from statistics import median

from msgspec import Struct
from rich.text import Text

DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Bits of a braille letter: left and right column, from the top."""
BLANK = 0x2800
LETTERS = "⣿⡇"
"""Some of what is needed to draw, to see whether it can be shown."""
FRAME = ("┤", "│", "└", "┬", "─")
"""A tick of the scale, its rule, the corner, a tick of the time, its rule."""
PLAIN_FRAME = ("+", "|", "+", "+", "-")
TICKS = 4
"""Steps of the scale at most."""
APART = 3.0
"""A gap is where so many times the usual distance lies between two points."""


class Span(Struct, frozen=True):
    """The values of a stretch of time: where it lies on the axis (0 to 1), lowest, mean and highest."""

    at: float
    low: float
    mean: float
    high: float


class Scale(Struct, frozen=True):
    """An axis of values from `low` to `high`, with labels at `ticks`."""

    low: float
    high: float
    step: float

    @property
    def ticks(self) -> list[float]:
        return [self.low + self.step * number for number in range(round((self.high - self.low) / self.step) + 1)]

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)


def scale_for(lowest: float, highest: float, finest: float) -> Scale:
    """Round numbers around all values; `finest` is the smallest step that means something."""
    wanted = max((highest - lowest) / TICKS, finest)
    power = 10.0 ** floor(log10(wanted) + 1e-9)
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= wanted * 0.999)
    low, high = floor(lowest / step + 1e-9) * step, ceil(highest / step - 1e-9) * step
    return Scale(low, high, step) if high > low else Scale(low - step, high + step, step)


def columns_of(width: int, labels: int, plain: bool) -> int:
    """Stretches of time that a chart of `width` letters shows; labels: letters of the widest number."""
    return (1 if plain else 2) * max(8, width - labels - 2)


def chart(
    spans: Sequence[Span],
    scale: Scale,
    *,
    width: int,
    height: int,
    margin: int,
    label: Callable[[float], str],
    times: Callable[[int], Sequence[tuple[int, str]]],
    plain: bool,
) -> Iterator[Text]:
    """Lines of `width` letters: `height` of them for the picture, two for the axis of time.

    margin: letters left of the scale. label: the text of a number of the scale. times: letter of a tick and its text,
    for so many letters.
    """
    texts = {round((1 - scale.share(tick)) * (height - 1)): label(tick) for tick in scale.ticks}
    room = max(8, width - margin - 2)
    tick, rule, corner, mark, line = PLAIN_FRAME if plain else FRAME
    rows = (_letters if plain else _braille)(spans, scale, room, height)
    for number, row in enumerate(rows):
        text = texts.get(number)
        axis = f"{text or '':>{margin}} {tick if text else rule}"
        yield Text.assemble((axis, "dim"), (row.rstrip(), "cyan"))
    marks = dict(times(room))
    yield Text(f"{'':>{margin}} {corner}{''.join(mark if at in marks else line for at in range(room))}", "dim")
    yield Text(_labels(marks, margin + 2, width), "dim")


def _labels(marks: dict[int, str], offset: int, width: int) -> str:
    text = ""
    for at, label in sorted(marks.items()):
        start = max(0, min(offset + at - len(label) // 2, width - len(label)))
        if not text or start > len(text):
            text = f"{text:<{start}}{label}"
    return text


def _braille(spans: Sequence[Span], scale: Scale, width: int, height: int) -> list[str]:
    """The band as every second dot, so that the line stands out."""
    cells = [[0] * width for _ in range(height)]
    for x, top, bottom in _band(spans, scale, width * 2, height * 4):
        for y in range(top, bottom + 1):
            if (x + y) % 2 == 0:
                cells[y // 4][x // 2] |= DOTS[x % 2][y % 4]
    for x, top, bottom in _means(spans, scale, width * 2, height * 4):
        for y in range(top, bottom + 1):
            cells[y // 4][x // 2] |= DOTS[x % 2][y % 4]
    return ["".join(chr(BLANK + bits) if bits else " " for bits in row) for row in cells]


def _letters(spans: Sequence[Span], scale: Scale, width: int, height: int) -> list[str]:
    cells = [[" "] * width for _ in range(height)]
    for letter, strokes in ((":", _band), ("*", _means)):
        for x, top, bottom in strokes(spans, scale, width, height):
            for y in range(top, bottom + 1):
                cells[y][x] = letter
    return ["".join(row) for row in cells]


def _band(spans: Sequence[Span], scale: Scale, width: int, height: int) -> Iterator[tuple[int, int, int]]:
    """Column, top and bottom of the band from the lowest to the highest values, without holes but at gaps."""
    reach = _reach(spans)
    ends = [(span.at, _x(span.at, width), _y(scale, span.high, height), _y(scale, span.low, height)) for span in spans]
    yield from ((x, top, bottom) for _, x, top, bottom in ends)
    for (at, x1, top1, bottom1), (next_at, x2, top2, bottom2) in pairwise(ends):
        if next_at - at <= reach:
            for x in range(x1 + 1, x2):
                share = (x - x1) / (x2 - x1)
                yield x, round(top1 + (top2 - top1) * share), round(bottom1 + (bottom2 - bottom1) * share)


def _means(spans: Sequence[Span], scale: Scale, width: int, height: int) -> Iterator[tuple[int, int, int]]:
    """The same of the line from mean to mean."""
    reach = _reach(spans)
    dots = [(span.at, _x(span.at, width), _y(scale, span.mean, height)) for span in spans]
    yield from ((x, y, y) for _, x, y in dots)
    for (at, x, y), (next_at, next_x, next_y) in pairwise(dots):
        if next_at - at <= reach:
            yield from _line(x, y, next_x, next_y)


def _line(x1: int, y1: int, x2: int, y2: int) -> Iterator[tuple[int, int, int]]:
    """From one dot to another, without holes: each column reaches to the one before."""
    last = y1
    for x in range(x1 + 1, x2 + 1):
        y = round(y1 + (y2 - y1) * (x - x1) / (x2 - x1))
        yield x, min(y, last + 1) if y > last else y, max(y, last - 1) if y < last else y
        last = y


def _reach(spans: Sequence[Span]) -> float:
    """How far apart two points may be that a line joins."""
    apart = [two.at - one.at for one, two in pairwise(spans)]
    return median(apart) * APART if apart else 0.0


def _x(at: float, width: int) -> int:
    return min(width - 1, max(0, int(at * width)))


def _y(scale: Scale, value: float, height: int) -> int:
    return min(height - 1, max(0, round((1 - scale.share(value)) * (height - 1))))
