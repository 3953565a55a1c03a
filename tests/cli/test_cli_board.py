"""The monitor's table on a terminal: what it shows, and that it shows the latest."""

import asyncio
import io
import sys
from collections.abc import Callable

import pytest
from cli_data import TIME, snapshot

from antbms.cli.shown import Board
from antbms.model import Offline


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_came_last_is_shown_soon_and_how_long_a_battery_is_away_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr("antbms.cli.shown.REFRESH", 0.02)

    async def shown(text: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not text():  # noqa: ASYNC110  a thread draws
                await asyncio.sleep(0.01)

    async def main() -> None:
        board = Board(["garage", "shed"])
        await board.take([snapshot()])
        await shown(lambda: "13.25 V" in terminal.getvalue())
        assert "connecting" in terminal.getvalue()
        await board.take([snapshot()])
        await board.take([Offline(time=TIME, battery="garage", since=TIME, reason="no answer")])
        await shown(lambda: "no answer" in terminal.getvalue())
        count = len(terminal.getvalue())
        await shown(lambda: len(terminal.getvalue()) > count)
        await board.close()
        count = len(terminal.getvalue())
        await asyncio.sleep(0.1)
        assert len(terminal.getvalue()) == count

    asyncio.run(main())
