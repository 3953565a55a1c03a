"""The monitor's table on a terminal: what it shows, and that it shows the latest."""

import asyncio
import io
import sys
from collections.abc import Callable

import pytest
from cli_data import TIME, snapshot

import patience
from antbms.cli.shown import Board, Lines, shown
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

    patience.run(main())


@pytest.mark.parametrize("has_sinks", [True, False])
def test_a_terminal_gets_the_table_whatever_sinks_there_are(monkeypatch: pytest.MonkeyPatch, has_sinks: bool) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert isinstance(shown(["garage"], print, has_sinks), Board)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(shown(["garage"], print, has_sinks), Lines)
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    assert (shown(["garage"], print, has_sinks) is None) == has_sinks
    monkeypatch.delenv("NOTIFY_SOCKET")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert (shown(["garage"], print, has_sinks) is None) == has_sinks


def test_on_a_dumb_terminal_readings_are_lines_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)

    async def main() -> None:
        sink = shown(["garage"], print, has_sinks=True)
        assert sink is not None
        await sink.take([snapshot(), Offline(time=TIME, battery="garage", since=TIME, reason="no answer")])
        await sink.close()

    patience.run(main())
    first, second = terminal.getvalue().splitlines()
    assert "13.25 V" in first
    assert second.endswith("garage  offline: no answer")
