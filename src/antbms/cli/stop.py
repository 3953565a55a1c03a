"""Ctrl-C, SIGTERM and Ctrl-Break as a wish to stop, on every platform."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = ("SIGINT", "SIGTERM", "SIGBREAK")


class Stop(asyncio.Event):
    """Set by the first signal; `number` says by which."""

    number: int | None = None


@contextmanager
def stopping() -> Iterator[Stop]:
    """What becomes of signals while a loop runs: the first sets the event, a second one acts as it always does.

    By `signal.signal` and not by the loop, for the loop of Windows has no handlers.
    """
    loop, stop = asyncio.get_running_loop(), Stop()
    known = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in known}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def on_signal(number: int, _: FrameType | None) -> None:
        stop.number = number
        restore()
        loop.call_soon_threadsafe(stop.set)

    for number in known:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        restore()
