"""The live view draws no more than is needed: nothing twice, and not more often than something is new."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cli_data import snapshot
from rich.console import Console, ConsoleOptions
from rich.text import Text

import virtual_time
from antbms.cli import live as live_view
from antbms.cli.fitting import Part, Step, fit


class Counted:
    """So many lines. How often they were rendered is counted."""

    def __init__(self, name: str, lines: int, rendered: Counter[str]) -> None:
        self._name, self._lines, self._rendered = name, lines, rendered

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        self._rendered[self._name] += 1
        yield Text("\n".join([self._name] * self._lines))


@pytest.mark.parametrize(("rows", "shown"), [(7, "aaaabb"), (5, "aabb"), (3, "abb"), (2, "ab"), (1, " ")])
def test_each_part_is_rendered_once(rows: int, shown: str) -> None:
    rendered: Counter[str] = Counter()
    parts = [
        Part("a", (Counted("a4", 4, rendered), Counted("a2", 2, rendered), Counted("a1", 1, rendered))),
        Part("b", (Counted("b2", 2, rendered), Counted("b1", 1, rendered), None)),
    ]
    steps = [Step("a"), Step("a"), Step("b"), Step("b", hides=True)]
    console = Console(width=40, height=20, color_system=None)
    with console.capture() as captured:
        console.print(fit(parts, steps, rows))
    assert "".join(line[0] for line in captured.get().splitlines()) == shown
    assert set(rendered.values()) == {1}


class FakeSession:
    """Draws nothing."""

    has_begun = False

    def add(self, event: Any) -> None: ...

    def draw(self, *_: Any) -> str:
        return ""


def pictures(of: Callable[[Callable[[Any], None]], Any], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When something is drawn, in s since the beginning, while events come as `of` shows them."""
    moments: list[float] = []
    began = 0.0

    @contextmanager
    def screen(*_: Any) -> Iterator[Callable[[], None]]:
        yield lambda: moments.append(round(virtual_time.now() - began, 3))

    monkeypatch.setattr(live_view, "screen", screen)

    async def main() -> None:
        nonlocal began
        began = virtual_time.now()
        with live_view.live(FakeSession()) as show:  # type: ignore[arg-type]
            await of(show)
        await asyncio.sleep(0)  # the task that draws ends

    virtual_time.run(main())
    return moments


def test_a_reading_a_second_is_a_picture_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    async def readings(show: Callable[[Any], None]) -> None:
        for _ in range(60):
            await asyncio.sleep(1.0)
            show(snapshot())

    assert len(pictures(readings, monkeypatch)) <= 61


def test_when_nothing_comes_times_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def readings(show: Callable[[Any], None]) -> None:
        await asyncio.sleep(0.25)
        show(snapshot())
        await asyncio.sleep(5)

    assert pictures(readings, monkeypatch) == [0.25, 2.0, 3.0, 4.0, 5.0]
