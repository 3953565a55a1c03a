"""Fits a picture to the height of a screen: what matters least gets denser, or goes, first."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from rich.console import Console, Group, RenderableType
from rich.segment import Segment, SegmentLines
from rich.text import Text

MORE = Text(" more: a higher window", "dim", no_wrap=True, overflow="crop")


class Part(NamedTuple):
    """A piece of the picture. variants: the roomiest first; None takes no line. Parts of one name shrink together."""

    name: str
    variants: tuple[RenderableType | None, ...]


class Step(NamedTuple):
    """All parts of this name take their next variant; hides: something can then be seen nowhere."""

    name: str
    hides: bool = False


def fit(parts: Sequence[Part], steps: Sequence[Step], width: int, rows: int | None) -> RenderableType:
    """The parts below each other in at most so many rows (None: as they are), by as few of the steps as will do.

    Steps are taken in their order. If they hide something, or are not enough, a line says that there is more.
    """
    if rows is None:
        return Group(*(part.variants[0] for part in parts if part.variants[0] is not None))
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)

    @cache
    def height(index: int, level: int) -> int:
        drawn = parts[index].variants[level]
        return len(console.render_lines(drawn)) if drawn is not None else 0

    def chosen(levels: Counter[str]) -> list[tuple[int, int]]:
        return [(index, min(levels[part.name], len(part.variants) - 1)) for index, part in enumerate(parts)]

    def fits(taken: Sequence[Step]) -> bool:
        levels = Counter(step.name for step in taken)
        return sum(height(*one) for one in chosen(levels)) + any(step.hides for step in taken) <= rows

    taken: list[Step] = []
    for step in steps:
        if fits(taken):
            break
        taken.append(step)
    for index in reversed(range(len(taken))):  # a later step may have made room for what an earlier one took
        without = taken[:index] + taken[index + 1 :]
        if fits(without):
            taken = without
    levels = Counter(step.name for step in taken)
    drawn = [variant for index, level in chosen(levels) if (variant := parts[index].variants[level]) is not None]
    if not fits(taken):
        return Group(_First(drawn, rows - 1), MORE)
    return Group(*drawn, *[MORE] * any(step.hides for step in taken))


class _First:
    """The first rows of what is drawn."""

    def __init__(self, drawn: Sequence[RenderableType], rows: int) -> None:
        self._drawn = drawn
        self._rows = rows

    def __rich_console__(self, console: Console, options: object) -> list[SegmentLines]:
        lines: list[list[Segment]] = console.render_lines(Group(*self._drawn))
        return [SegmentLines(lines[: max(0, self._rows)], new_lines=True)]
