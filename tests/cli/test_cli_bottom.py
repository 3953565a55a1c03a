"""The picture below the log, on a terminal that breaks lines anew when it gets narrower, as most do."""

import io
import re
from typing import Any

import pytest
from rich.console import Console, Group
from rich.text import Text

from antbms.cli.bottom import live_on

TOKENS = re.compile(r"\x1b\[\??[\d;]*[A-Za-z]|[^\x1b]")


class Terminal(io.StringIO):
    """What is on it: rows, and whether each goes on in the next."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
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
    def lines(self) -> list[str]:
        """Without empty ones at the end."""
        return "\n".join(row.rstrip() for row in self._rows).rstrip("\n").split("\n")


def picture(width: int, style: Any, rows: int) -> Group:
    return Group(Text("Battery", no_wrap=True), *(Text(f"{name:-<{width}}", no_wrap=True) for name in ("a", "b")))


def drawn(width: int) -> list[str]:
    return ["Battery", f"{'a':-<{width}}", f"{'b':-<{width}}"]


@pytest.mark.parametrize("logs", [False, True])
def test_nothing_is_left_of_the_picture_of_a_wider_terminal(logs: bool) -> None:
    terminal = Terminal(100)
    console = Console(file=terminal, width=100, height=20, force_terminal=True, legacy_windows=False)
    live = live_on(console, picture, 100)
    live.start()
    said = ["online"]
    console.print("online")
    for width in (100, 60, 45, 10, 90, 30, 100):
        terminal.resize(width)
        console.size = (width, 20)  # type: ignore[assignment]
        if logs:
            console.print(f"now {width}")
            said.append(f"now {width}")
        live.refresh()
        assert terminal.lines == [*said, *drawn(width)]
    live.stop()
    assert terminal.lines == [*said, *drawn(100)]
