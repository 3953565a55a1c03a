"""One client's conversation with a device."""

from __future__ import annotations

from collections.abc import Callable

from ..protocol.framing import Frame, Framer

FORGETS = 0.1
"""s of silence after which a board forgets half a request."""


class Line:
    """Puts together the requests of one client; half a request of another one does not spoil them.

    answer: given a whole request and the clock (s), what the device answers.
    """

    def __init__(self, framer: Framer, answer: Callable[[Frame, float], bytes]) -> None:
        self._framer = framer
        self._answer = answer
        self._heard = 0.0

    def receive(self, data: bytes, clock: float) -> bytes:
        """The answers to all requests that `data` completes, as a board sends them: one after the other."""
        if clock - self._heard > FORGETS:
            self._framer.flush()
        self._heard = clock
        requests = [item for item in self._framer.feed(data) if isinstance(item, Frame)]
        return b"".join(self._answer(frame, clock) for frame in requests)
