"""Fits a picture to the height of a screen: what matters least gets denser, or goes, first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.segment import Segment, SegmentLines
from rich.text import Text

MORE = Text(" more: a higher window", "dim", no_wrap=True, overflow="crop")

Lines = list[list[Segment]]


class Part(NamedTuple):
    """A piece of the picture. variants: the roomiest first; None takes no line. Parts of one name shrink together."""

    name: str
    variants: tuple[RenderableType | None, ...]


class Step(NamedTuple):
    """All parts of this name take their next variant; hides: something can then be seen nowhere."""

    name: str
    hides: bool = False


def fit(parts: Sequence[Part], steps: Sequence[Step], rows: int | None) -> RenderableType:
    """The parts below each other in at most so many rows (None: as they are), by as few of the steps as will do.

    Steps are taken in their order. If they hide something, or are not enough, a line says that there is more.
    """
    if rows is None:
        return Group(*(part.variants[0] for part in parts if part.variants[0] is not None))
    return _Fitted(parts, steps, rows)


class _Fitted:
    """Is fitted when it is shown: then the lines whose number is counted are those that are printed, and nothing is
    rendered twice."""

    def __init__(self, parts: Sequence[Part], steps: Sequence[Step], rows: int) -> None:
        self._parts = parts
        self._steps = steps
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[SegmentLines]:
        options = options.reset_height()

        @cache
        def rendered(index: int, level: int) -> Lines:
            drawn = self._parts[index].variants[level]
            return console.render_lines(drawn, options, pad=False) if drawn is not None else []

        def lines(taken: Sequence[Step]) -> Lines:
            levels = Counter(step.name for step in taken)
            return [
                line
                for index, part in enumerate(self._parts)
                for line in rendered(index, min(levels[part.name], len(part.variants) - 1))
            ]

        yield SegmentLines(self._fitted(lines, console.render_lines(MORE, options)), new_lines=True)

    def _fitted(self, lines: Callable[[Sequence[Step]], Lines], more: Lines) -> Lines:
        """Of the lines that are left after steps, those after as few as will do, and what says that there is more."""

        def whole(taken: Sequence[Step]) -> Lines:
            return lines(taken) + (more if any(step.hides for step in taken) else [])

        taken: list[Step] = []
        for step in self._steps:
            if len(whole(taken)) <= self._rows:
                break
            taken.append(step)
        for index in reversed(range(len(taken))):  # a later step may have made room for what an earlier one took
            without = taken[:index] + taken[index + 1 :]
            if len(whole(without)) <= self._rows:
                taken = without
        shown = whole(taken)
        return shown if len(shown) <= self._rows else lines(taken)[: max(0, self._rows - 1)] + more
