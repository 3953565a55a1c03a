"""What is in recorded traffic, by device: frames, what was refused, how long answers took, and silence. Flat memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from ..capture import Chunk, device_of
from .decoded import Decoded, Refused, pieces
from .exchanges import Exchanges
from .sources import Source

PAUSE = 2.0
"""s of silence from which on it is counted as a pause."""

Kind = tuple[str, str, str]
"""Direction, protocol, message."""


class Link:
    """What is counted of one device of one source. `device` is None where the source does not tell devices apart."""

    def __init__(self, source: str, device: str | None) -> None:
        self.source = source
        self.device = device
        self.frames: Counter[Kind] = Counter()
        self.rejected: Counter[str] = Counter()
        self.exchanges = Exchanges()
        self.duration: float | None = None
        self.silence = 0.0
        self.silent_since = 0.0
        self.pauses = 0
        self._last: float | None = None

    def heard(self, at: float | None) -> None:
        """Bytes crossed the link. Where the time goes back another recording begins: that is no silence."""
        if at is None:
            return
        if self._last is None:
            self.duration = 0.0
        elif (step := at - self._last) > 0:
            self.duration = (self.duration or 0.0) + step
            self.pauses += step > PAUSE
            if step > self.silence:
                self.silence, self.silent_since = step, self._last
        self._last = at

    def add(self, piece: Decoded | Refused) -> None:
        """Count a frame, or what is none."""
        if isinstance(piece, Refused):
            self.rejected[piece.reason] += 1
        else:
            self.frames[piece.direction, piece.packet.protocol, piece.message] += 1
            self.exchanges.add(piece)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; times in s."""
        return {
            "source": self.source,
            "device": self.device,
            "frames": self.frames.total(),
            "rejected": dict(self.rejected),
            "duration": _rounded(self.duration),
            "silence": None if self.duration is None else _rounded(self.silence),
            "silent_since": None if self.duration is None else _rounded(self.silent_since),
            "pauses": self.pauses,
            "messages": [
                {"direction": direction, "protocol": protocol, "message": message, "frames": count}
                for (direction, protocol, message), count in self.frames.items()
            ],
            "answers": [
                {"protocol": protocol, "request": message, "asked": times.asked, "answered": times.answered}
                | {"median": times.reached(0.5), "p99": times.reached(0.99), "max": times.reached(1)}
                for (protocol, message), times in self.exchanges.times.items()
            ],
        }


def summarize(source: Source, protocols: Sequence[str]) -> list[Link]:
    """The devices of a source, in the order in which they appear."""
    links: dict[str, Link] = {}

    def link(channel: str) -> Link:
        """Also noted under the channel's name, which then needs no taking apart."""
        if (known := links.get(channel)) is None:
            device = device_of(channel) or None
            known = next((link for link in links.values() if link.device == device), None)
            known = links[channel] = known or Link(source.name, device)
        return known

    def heard() -> Iterator[Chunk]:
        for chunk in source.chunks:
            link(chunk.source).heard(chunk.at)
            yield chunk

    for piece in pieces(heard(), protocols):
        link(piece.source).add(piece)
    return list(dict.fromkeys(links.values()))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
