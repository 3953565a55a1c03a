"""What is drawn anew shows whole numbers at every width, or that the window is too narrow: half a number is wrong."""

import asyncio
import io
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
from cli_data import ALARMED, DOUBTED, OFFLINE, TIME, FakeWatch, snapshot
from msgspec.structs import replace

import virtual_time
from antbms.cli import live as live_view
from antbms.cli.live import Session
from antbms.cli.shown import Board
from antbms.timing import Timing

HEAVY = snapshot(
    voltage=1065.35,
    current=-1234.56,
    power=-123456.7,
    soc=100.0,
    cells=tuple(3.3 + number / 1000 for number in range(32)),
    state="discharging",
    balancing=(30, 31),
)
CASES = {"usual": snapshot(soc=65.0), "heavy": HEAVY, "alarm": ALARMED, "doubt": DOUBTED, "off": OFFLINE}
WIDE = 200
ROWS = (60, 24, 7)
CONTROL = re.compile(r"\x1b\[\??[\d;]*[A-Za-z]")
NUMBER = re.compile(r"\d+(?:\.\d*)?")
LEFT_OUT = re.compile(r"and \d+\s+more")


class Terminal(io.StringIO):
    """Of a size."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, width: int, rows: int) -> None:
        super().__init__()
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("LINES", str(rows))
        monkeypatch.setattr(sys, "stdout", self)

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        return CONTROL.sub("", self.getvalue())


def watched(monkeypatch: pytest.MonkeyPatch, event: Any, width: int, rows: int) -> list[str]:
    """The live view, as it is on the terminal, and what stays there at the end."""
    terminal = Terminal(monkeypatch, width, rows)
    timing = Timing(now=lambda: TIME, monotonic=lambda: moment)
    moment = 100.0
    session = Session(FakeWatch(), 1.0, timing=timing)  # type: ignore[arg-type]
    session.add(snapshot(soc=65.0))
    moment += 1.0

    async def main() -> None:
        with live_view.live(session) as show:
            show(event)
        await asyncio.sleep(0)  # the task that draws ends

    virtual_time.run(main())
    return terminal.text.splitlines()


def monitored(monkeypatch: pytest.MonkeyPatch, event: Any, width: int, rows: int) -> list[str]:
    """The monitor's table."""
    terminal = Terminal(monkeypatch, width, rows)
    monkeypatch.setattr("antbms.cli.shown.Worker", lambda _: virtual_time.AtOnce("test"))
    board = Board(["garage", "a-long-name"], Timing(now=lambda: TIME, monotonic=lambda: 100.0))

    async def main() -> None:
        await board.take([replace(event, battery="garage"), snapshot(battery="a-long-name", soc=65.0)])
        await asyncio.sleep(0.1)
        await board.close()

    virtual_time.run(main())
    return terminal.text.splitlines()


def numbers(lines: list[str]) -> set[str]:
    return set(NUMBER.findall(LEFT_OUT.sub("", "\n".join(lines))))


@pytest.mark.parametrize("show", [watched, monitored])
@pytest.mark.parametrize("case", CASES)
def test_no_number_is_cut_in_any_window(
    monkeypatch: pytest.MonkeyPatch, show: Callable[..., list[str]], case: str
) -> None:
    event = CASES[case]
    whole = set().union(*(numbers(show(monkeypatch, event, WIDE, rows)) for rows in ROWS))
    for width in range(1, 41):
        for rows in ROWS[1:]:
            lines = show(monkeypatch, event, width, rows)
            assert numbers(lines) <= whole, (width, rows)
            is_told = any(line.startswith("window too narrow"[:width]) for line in lines)
            assert is_told or numbers(lines) or rows < 24, (width, rows)
