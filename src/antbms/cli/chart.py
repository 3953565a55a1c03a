"""A quantity over time as letters: a line of means within the band from the lowest to the highest value.

Braille has two by four dots a letter; where it cannot be shown, `*` stands for the mean and `:` for the band.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import ceil, floor, log10

from msgspec import Struct
from rich.text import Text

DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Bits of a braille letter: left and right column, from the top."""
BLANK = 0x2800
LETTERS = "⣿⡇"
"""Some of what is needed to draw, to see whether it can be shown."""
FRAME = ("┤", "│", "└", "┬", "─", "░")
"""A tick of the scale, its rule, the corner, a tick of the time, its rule, and the same where there is a gap."""
PLAIN_FRAME = ("+", "|", "+", "+", "-", "x")
TICKS = 4
"""Steps of the scale at most."""
OFF = 0.34
"""Lines by which the text of a tick may be off its place; others have none, so that none stands at a wrong place."""
CROWDED = 3
"""One letter of so many may be left out for gaps that are shorter than a letter; more would hide the values."""

Joined = Callable[[float, float], bool]
"""Whether a line leads from a point at one place to the next point."""


class Span(Struct, frozen=True):
    """The values of a stretch of time: where it lies on the axis (0 to 1), lowest, mean and highest."""

    at: float
    low: float
    mean: float
    high: float


class Gap(Struct, frozen=True):
    """A stretch (0 to 1) that is known to have no values; text: what is written there, the first that has room."""

    start: float
    end: float
    texts: tuple[str, ...] = ()


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
    reach: float = 1.0,
    gaps: Sequence[Gap] = (),
) -> Iterator[Text]:
    """Lines of `width` letters: `height` of them for the picture, two for the axis of time.

    margin: letters left of the scale. label: the text of a number of the scale. times: letter of a tick and its text,
    for so many letters. reach: how far apart two points are that a line joins (0 to 1). Each gap breaks the line, and
    is marked on the axis of time, however short it is.
    """
    places = {tick: (1 - scale.share(tick)) * (height - 1) for tick in scale.ticks}
    texts = {round(at): label(tick) for tick, at in places.items() if abs(at - round(at)) <= OFF}
    room = max(8, width - margin - 2)
    tick, rule, corner, mark, line, away = PLAIN_FRAME if plain else FRAME
    rows = (_letters if plain else _braille)(
        spans, scale, room, height, lambda one, two: _joined(one, two, reach, gaps)
    )
    blank = _blank(spans, gaps, room)
    words = dict(_words(gaps, room))
    for number, row in enumerate(rows):
        text = texts.get(number)
        axis = f"{text or '':>{margin}} {tick if text else rule}"
        left = "".join(" " if at in blank else letter for at, letter in enumerate(row))
        if words and number == height // 2:
            drawn = Text.assemble(*((words[at], "dim") if at in words else (left[at], "cyan") for at in range(room)))
            drawn.rstrip()
        else:
            drawn = Text(left.rstrip(), "cyan")
        yield Text.assemble((axis, "dim"), drawn)
    marks = dict(times(room))
    missing = {at for gap in gaps for at in _letters_of(gap, room)}
    below = "".join(away if at in missing else mark if at in marks else line for at in range(room))
    yield Text(f"{'':>{margin}} {corner}{below}", "dim")
    yield Text(_labels(marks, margin + 2, width), "dim")


def _joined(one: float, two: float, reach: float, gaps: Sequence[Gap]) -> bool:
    """Whether a line leads from one point to the next."""
    return two - one <= reach and not any(one < gap.end and gap.start < two for gap in gaps)


def _letters_of(gap: Gap, room: int) -> range:
    """The letters that lie in a gap as a whole; of a short one, the letter in which its middle lies."""
    first, last = ceil(gap.start * room - 1e-9), floor(gap.end * room + 1e-9)
    if first >= last:
        first = min(room - 1, max(0, int((gap.start + gap.end) / 2 * room)))
        last = first + 1
    return range(max(0, first), min(room, last))


def _blank(spans: Sequence[Span], gaps: Sequence[Gap], room: int) -> set[int]:
    """Letters that are left out, so that gaps are seen."""
    long = {at for gap in gaps if (gap.end - gap.start) * room >= 1 for at in _letters_of(gap, room)}
    short = {at for gap in gaps for at in _letters_of(gap, room)} - long
    used = {_x(span.at, room) for span in spans}
    return long | short if len(short & used) * CROWDED <= len(used) else long


def _words(gaps: Sequence[Gap], room: int) -> Iterator[tuple[int, str]]:
    """Letters of the texts of gaps, by place, where they fit."""
    for gap in gaps:
        letters = _letters_of(gap, room)
        text = next((text for text in gap.texts if len(text) + 2 <= len(letters)), "")
        first = letters.start + (len(letters) - len(text)) // 2
        yield from enumerate(text, first)


def _labels(marks: dict[int, str], offset: int, width: int) -> str:
    text = ""
    for at, label in sorted(marks.items()):
        start = max(0, min(offset + at - len(label) // 2, width - len(label)))
        if not text or start > len(text):
            text = f"{text:<{start}}{label}"
    return text


def _braille(spans: Sequence[Span], scale: Scale, width: int, height: int, joined: Joined) -> list[str]:
    """The band as every second dot, so that the line stands out."""
    cells = [[0] * width for _ in range(height)]
    for x, top, bottom in _band(spans, scale, width * 2, height * 4, joined):
        for y in range(top, bottom + 1):
            if (x + y) % 2 == 0:
                cells[y // 4][x // 2] |= DOTS[x % 2][y % 4]
    for x, top, bottom in _means(spans, scale, width * 2, height * 4, joined):
        for y in range(top, bottom + 1):
            cells[y // 4][x // 2] |= DOTS[x % 2][y % 4]
    return ["".join(chr(BLANK + bits) if bits else " " for bits in row) for row in cells]


def _letters(spans: Sequence[Span], scale: Scale, width: int, height: int, joined: Joined) -> list[str]:
    cells = [[" "] * width for _ in range(height)]
    for letter, strokes in ((":", _band), ("*", _means)):
        for x, top, bottom in strokes(spans, scale, width, height, joined):
            for y in range(top, bottom + 1):
                cells[y][x] = letter
    return ["".join(row) for row in cells]


def _band(
    spans: Sequence[Span], scale: Scale, width: int, height: int, joined: Joined
) -> Iterator[tuple[int, int, int]]:
    """Column, top and bottom of the band from the lowest to the highest values, without holes but at gaps."""
    ends = [(span.at, _x(span.at, width), _y(scale, span.high, height), _y(scale, span.low, height)) for span in spans]
    yield from ((x, top, bottom) for _, x, top, bottom in ends)
    for (at, x1, top1, bottom1), (next_at, x2, top2, bottom2) in pairwise(ends):
        if joined(at, next_at):
            for x in range(x1 + 1, x2):
                share = (x - x1) / (x2 - x1)
                yield x, round(top1 + (top2 - top1) * share), round(bottom1 + (bottom2 - bottom1) * share)


def _means(
    spans: Sequence[Span], scale: Scale, width: int, height: int, joined: Joined
) -> Iterator[tuple[int, int, int]]:
    """The same of the line from mean to mean."""
    dots = [(span.at, _x(span.at, width), _y(scale, span.mean, height)) for span in spans]
    yield from ((x, y, y) for _, x, y in dots)
    for (at, x, y), (next_at, next_x, next_y) in pairwise(dots):
        if joined(at, next_at):
            yield from _line(x, y, next_x, next_y)


def _line(x1: int, y1: int, x2: int, y2: int) -> Iterator[tuple[int, int, int]]:
    """From one dot to another, without holes: each column reaches to the one before."""
    last = y1
    for x in range(x1 + 1, x2 + 1):
        y = round(y1 + (y2 - y1) * (x - x1) / (x2 - x1))
        yield x, min(y, last + 1) if y > last else y, max(y, last - 1) if y < last else y
        last = y


def _x(at: float, width: int) -> int:
    return min(width - 1, max(0, int(at * width)))


def _y(scale: Scale, value: float, height: int) -> int:
    return min(height - 1, max(0, round((1 - scale.share(value)) * (height - 1))))
