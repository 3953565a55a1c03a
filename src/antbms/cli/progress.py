"""What goes on now, in a line of standard error that only a person sees and that does not stay."""

from __future__ import annotations

import shutil
import sys

import click


class Progress:
    """Call it with each new text; `note` prints a remark that stays."""

    def __init__(self) -> None:
        self._shown = 0

    def __call__(self, text: str) -> None:
        if sys.stderr.isatty():
            self.clear()
            text = f"{text} …"[: shutil.get_terminal_size().columns - 1]
            click.echo(text, nl=False, err=True)
            self._shown = len(text)

    def note(self, text: str) -> None:
        self.clear()
        click.echo(f"antbms: {text}", err=True)

    def clear(self) -> None:
        if self._shown:
            click.echo(f"\r{' ' * self._shown}\r", nl=False, err=True)
        self._shown = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()
