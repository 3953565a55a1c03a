"""Ctrl-C, SIGTERM, Ctrl-Break and the end of the terminal as a wish to stop, on every platform."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from .main import INTERRUPTED

SIGNALS = ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP")


class Stop(asyncio.Event):
    """Set by the first signal; `number` says by which."""

    number: int | None = None

    @property
    def status(self) -> int:
        """The exit status after it."""
        return INTERRUPTED if self.number == signal.SIGINT else 0


@contextmanager
def stopping() -> Iterator[Stop]:
    """What becomes of signals while a loop runs: the first sets the event, a second one acts as it always does.

    By `signal.signal` and not by the loop, for the loop of Windows has no handlers.
    """
    loop, stop = asyncio.get_running_loop(), Stop()
    known = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in known}
    if sys.platform != "win32" and before[signal.SIGHUP] is signal.SIG_IGN:  # it was begun by nohup
        del before[signal.SIGHUP]

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def on_signal(number: int, _: FrameType | None) -> None:
        stop.number = number
        restore()
        loop.call_soon_threadsafe(stop.set)

    for number in before:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        restore()
