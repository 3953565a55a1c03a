"""The picture below the log, on terminals of both kinds that get narrower: they break lines anew, or crop them."""

import io
import re
import sys
from typing import Any

import pytest
from rich.console import Group
from rich.text import Text

from antbms.cli.drawing import bottom, screen

TOKENS = re.compile(r"\x1b\[\??[\d;]*[A-Za-z]|[^\x1b]")


class Terminal(io.StringIO):
    """What is on it: rows, and whether each goes on in the next. crops: as xterm, PuTTY and the Linux console do."""

    def __init__(self, width: int, *, crops: bool) -> None:
        super().__init__()
        self.width = width
        self._crops = crops
        self._rows = [""]
        self._goes_on = [False]
        self._row = self._column = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for token in TOKENS.findall(text):
            self._take(token)
        return len(text)

    def _take(self, token: str) -> None:
        if token == "\n":
            self._next(goes_on=False)
        elif token == "\r":
            self._column = 0
        elif token.endswith("A") and token.startswith("\x1b"):
            self._row = max(0, self._row - int(token[2:-1]))
        elif token == "\x1b[2K":
            self._rows[self._row], self._goes_on[self._row] = "", False
        elif not token.startswith("\x1b"):
            if self._column == self.width:
                self._next(goes_on=True)
            row = self._rows[self._row].ljust(self._column)
            self._rows[self._row] = row[: self._column] + token + row[self._column + 1 :]
            self._column += 1

    def _next(self, *, goes_on: bool) -> None:
        self._goes_on[self._row] = goes_on
        self._row, self._column = self._row + 1, 0
        if self._row == len(self._rows):
            self._rows.append("")
            self._goes_on.append(False)

    def resize(self, width: int) -> None:
        """The cursor stays with the letter that it stands on."""
        if self._crops:
            self.width, self._column = width, min(self._column, width - 1)
            self._rows = [row[:width] for row in self._rows]
            return
        old, ends, cursor, column = self._rows, self._goes_on, self._row, self._column
        self.width, self._rows, self._goes_on, self._row, self._column = width, [""], [False], 0, 0
        place = (0, 0)
        for number, (row, goes_on) in enumerate(zip(old, ends, strict=True)):
            self.write(row[:column] if number == cursor else row)
            if number == cursor:
                place = self._row, self._column
                self.write(row[column:])
            if not goes_on and number + 1 < len(old):
                self.write("\n")
        self._row, self._column = place

    @property
    def text(self) -> str:
        """Rows that go on are one line."""
        return "".join(row if goes_on else f"{row}\n" for row, goes_on in zip(self._rows, self._goes_on, strict=True))

    @property
    def lines(self) -> list[str]:
        """Without empty ones at the end."""
        return "\n".join(row.rstrip() for row in self._rows).rstrip("\n").split("\n")


def picture(width: int, style: Any, rows: int) -> Group:
    return Group(Text("Battery", no_wrap=True), *(Text(f"{name:-<{width}}", no_wrap=True) for name in ("a", "b")))


def drawn(width: int) -> list[str]:
    return ["Battery", f"{'a':-<{width}}", f"{'b':-<{width}}"]


WIDTHS = (100, 60, 25, 45, 10, 90, 99, 30, 100)


@pytest.mark.parametrize("crops", [False, True], ids=["breaks", "crops"])
@pytest.mark.parametrize("logs", [False, True], ids=["quiet", "logs"])
@pytest.mark.parametrize("widths", [WIDTHS, WIDTHS[::-1], (60, 25), (25, 60)], ids=str)
def test_no_line_of_the_log_is_lost_when_the_width_changes(
    monkeypatch: pytest.MonkeyPatch, widths: tuple[int, ...], logs: bool, crops: bool
) -> None:
    terminal = Terminal(widths[0], crops=crops)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", terminal)
    live = bottom(picture)
    live.console.legacy_windows = False
    live.console.size = (widths[0], 40)  # type: ignore[assignment]
    live.start()
    said = [f"warning {number}" for number in range(8)]
    for line in said:
        live.console.print(line)
    for width in widths:
        terminal.resize(width)
        live.console.size = (width, 40)  # type: ignore[assignment]
        if logs:
            live.console.print(f"now {width}")
            said.append(f"now {width}")
        live.refresh()
        assert re.findall(r"warning \d|now \d+", terminal.text) == said
        assert terminal.lines[-3:] == drawn(width)
        if crops:  # the others keep rows of a picture that took more than it was drawn in
            assert terminal.lines == [*said, *drawn(width)]
    live.stop()
    assert terminal.lines[-3:] == drawn(widths[-1])


ECHO = "^C"
"""Is put where the cursor stands when Ctrl-C is pressed."""


@pytest.mark.parametrize("width", [100, 60, 30])
def test_ctrl_c_leaves_no_trace_in_a_picture_that_is_as_wide_as_the_window(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    terminal = Terminal(width, crops=True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", terminal)
    live = bottom(picture)
    live.console.legacy_windows = False
    live.console.size = (width, 40)  # type: ignore[assignment]
    live.console.print("a warning")
    live.start()
    for _ in range(3):
        live.refresh()
        terminal.write(ECHO)
    live.stop()
    terminal.write("stopped")
    assert terminal.lines == ["a warning", *drawn(width), "stopped"]


@pytest.mark.skipif(sys.platform == "win32", reason="its old console has other commands")
def test_ctrl_c_stays_not_before_what_follows_where_there_is_no_second_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(80, crops=True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", terminal)
    with screen(picture):
        terminal.write(ECHO)
    terminal.write("the last picture")
    assert terminal.lines == ["the last picture"]
