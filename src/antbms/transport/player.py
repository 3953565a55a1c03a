"""Plays what a simulated device answers, each piece at its time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from ..sim import Piece
from ..timing import Timing


class Player:
    """deliver: given bytes that arrive now, or None when the link ends now. It may call `stop`."""

    def __init__(self, deliver: Callable[[bytes | None], None], timing: Timing) -> None:
        self._deliver = deliver
        self._timing = timing
        self._coming: deque[Piece] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def play(self, pieces: Iterable[Piece]) -> None:
        """Deliver pieces, which are in the order of time; those that are due now at once."""
        self._coming.extend(pieces)
        if self._timer is None:
            self._next()

    def stop(self) -> None:
        """Forget what has not been delivered."""
        self._coming.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next(self) -> None:
        self._timer = None
        while self._coming and self._coming[0].at <= self._timing.monotonic():
            self._deliver(self._coming.popleft().data)
        if self._coming:
            wait = self._coming[0].at - self._timing.monotonic()
            self._timer = asyncio.get_running_loop().call_later(wait, self._next)
