"""What works and what does not: this computer, then a battery, step by step until the first failure.

A step ends as `ok`, `failed` (with the cause and the way out of the error that stopped it) or `skipped`: not needed
here, or not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from msgspec import Struct

from ..errors import AntbmsError

Outcome = Literal["ok", "failed", "skipped"]


class Step(Struct):
    """One thing that was looked at. part: of what; private: what in its texts tells who the user is.

    Bluetooth addresses need not be named as private.
    """

    part: str
    name: str
    outcome: Outcome = "ok"
    text: str = ""
    hints: tuple[str, ...] = ()
    private: tuple[str, ...] = ()

    def says(self, text: str, *private: str | None) -> None:
        """All is well, and so it is."""
        self.text, self.private = text, tuple(filter(None, private))

    def skips(self, text: str, *hints: str) -> None:
        """It does not matter here, or cannot be known."""
        self.outcome, self.text, self.hints = "skipped", text, hints


class Report:
    """Tells each step when it begins and when it ends.

    part: what is looked at now; failure: the error of the first step that failed.
    """

    def __init__(self, on_begin: Callable[[str], None], on_end: Callable[[Step], None]) -> None:
        self.part = ""
        self.failure: AntbmsError | None = None
        self._on_begin = on_begin
        self._on_end = on_end

    @contextmanager
    def step(self, name: str, *, needed: bool = True) -> Iterator[Step]:
        """A step that fails if its block raises an error of ours; one that is not needed is skipped then.

        The error ends here, so that the next step can follow: see `failure`.
        """
        step = Step(self.part, name)
        self._on_begin(name)
        try:
            yield step
        except AntbmsError as error:
            step.outcome = "failed" if needed else "skipped"
            step.text, step.hints = error.reason, error.hints
            if needed and self.failure is None:
                self.failure = error
        self._on_end(step)
