"""Ctrl-C, SIGTERM, Ctrl-Break and the end of the terminal as a wish to stop, on every platform."""

from __future__ import annotations

import asyncio
import atexit
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from .main import INTERRUPTED

SIGNALS = ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP")
SAME: Final = 1.0
"""s after a signal in which others are the same wish: timeout(1) and managers of services send it to the process and
again to its group, and a terminal that ends sends two. Nobody has seen within it that the first was in vain."""


class Stop(asyncio.Event):
    """Set by the first signal; `number` says by which."""

    number: int | None = None

    @property
    def status(self) -> int:
        """The exit status after it."""
        return INTERRUPTED if self.number == signal.SIGINT else 0


@contextmanager
def stopping(monotonic: Callable[[], float] = time.monotonic) -> Iterator[Stop]:
    """What becomes of signals while a loop runs: the first sets the event, one more than `SAME` s later acts as it
    always does. So it stays behind this context after a signal, while the program ends. monotonic: a clock in s.

    By `signal.signal` and not by the loop, for the loop of Windows has no handlers.
    """
    loop, stop = asyncio.get_running_loop(), Stop()
    known = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in known}
    if sys.platform != "win32" and before[signal.SIGHUP] is signal.SIG_IGN:  # it was begun by nohup
        del before[signal.SIGHUP]
    first = 0.0

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def on_signal(number: int, _: FrameType | None) -> None:
        nonlocal first
        if stop.number is None:
            stop.number, first = number, monotonic()
            loop.call_soon_threadsafe(stop.set)
        elif monotonic() - first >= SAME:
            restore()
            signal.raise_signal(number)

    def ignore() -> None:
        for number in before:
            if signal.getsignal(number) is on_signal:
                signal.signal(number, signal.SIG_IGN)

    for number in before:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        if stop.number is None:
            restore()
        else:
            atexit.register(ignore)  # Python drops its handlers some 20 ms before its process is gone
