"""Which answer belongs to which request, and how long it took: by function and register, as the protocols have them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable
from math import ceil

from msgspec import Struct

from ..protocol.ant_legacy.frame import BLUETOOTH, READ, WRITE
from ..protocol.packet import Packet
from .decoded import Decoded

LATEST = 10.0
"""s after which a frame is no answer to a request any more."""

TOGETHER = 0.3
"""s within which requests of one kind are sent together; one that is sent later repeats them."""
MOST = 8
"""Requests of one kind that are kept while they wait."""

_ANT = {0x10 + function: function for function in range(0x01, 0x06)} | {0x42: 0x22, 0x43: 0x23, 0x61: 0x51}
"""Function of an answer → of its request."""
_STATUS: Hashable = ("ant-legacy", "status")

Name = tuple[str, str]
"""Protocol and message of a request."""


class Times:
    """How often something was asked and answered. Times are counted by the millisecond: no list of them grows."""

    def __init__(self) -> None:
        self.asked = self.answered = 0
        self._milliseconds: Counter[int] = Counter()

    def add(self, seconds: float | None) -> None:
        """An answer has come."""
        self.answered += 1
        if seconds is not None:
            self._milliseconds[round(seconds * 1000)] += 1

    def reached(self, share: float) -> float | None:
        """The time within which this share of the answers came: 0.5 is the median, 1 the maximum. None without any."""
        rest = ceil(share * self._milliseconds.total())
        for time in sorted(self._milliseconds):
            rest -= self._milliseconds[time]
            if rest <= 0:
                return time / 1000
        return None


class Waiting:
    """Requests of one kind that were sent and not answered yet: applications may send several at once."""

    def __init__(self, times: Times) -> None:
        self.times = times
        self.sent: deque[float | None] = deque(maxlen=MOST)

    def ask(self, at: float | None) -> None:
        """One more. If it does not follow closely, it is another try, and those before it are lost."""
        if self.sent and self.sent[-1] is not None and at is not None and not 0 <= at - self.sent[-1] <= TOGETHER:
            self.sent.clear()
        self.times.asked += 1
        self.sent.append(at)

    def answer(self, at: float | None) -> None:
        """The answer to the first of them."""
        start = self.sent.popleft()
        seconds = None if start is None or at is None else at - start
        if seconds is None or 0 <= seconds <= LATEST:
            self.times.add(seconds)


class Exchanges:
    """The conversation with one device."""

    def __init__(self) -> None:
        self.times: dict[Name, Times] = {}
        self._waiting: dict[Hashable, Waiting] = {}

    def add(self, frame: Decoded) -> None:
        """Take note of the next frame."""
        packet = frame.packet
        key = _key(packet)
        waiting = self._waiting.get(key)
        if frame.direction == ">":
            if waiting is None:
                times = self.times.setdefault((packet.protocol, packet.message), Times())
                waiting = self._waiting[key] = Waiting(times)
            waiting.ask(frame.at)
            return
        if packet.message == "refusal" and isinstance(key, Write):  # it does not say of what
            waiting = next(
                (known for key, known in self._waiting.items() if isinstance(key, Write) and known.sent), None
            )
        if waiting is not None and waiting.sent:
            waiting.answer(frame.at)


class Write(Struct, frozen=True):
    """What a write of `ant-legacy` and its echo have in common."""

    address: int


def _key(packet: Packet) -> Hashable:
    """What a request and its answer have in common."""
    envelope = packet.envelope
    if packet.protocol == "ant":
        function = envelope["function"]
        return "ant", _ANT.get(function, function), envelope["register"]
    if packet.protocol == "jbd":
        return "jbd", "command" in envelope, envelope.get("command", envelope.get("register"))
    if not envelope or envelope["head"] == BLUETOOTH or (envelope["head"], envelope["address"]) == (READ, 0):
        return _STATUS
    return Write(envelope["address"]) if envelope["head"] == WRITE else ("ant-legacy", envelope["address"])
