"""`replay:FILE`: recorded traffic that answers like the battery it was taken from."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path

from msgspec import Struct

from ..capture import Chunk, device_of, read_capture
from ..errors import FileError, LinkLost
from ..protocol import MODULES, dialect, framer
from ..protocol.framing import Frame
from .base import Medium

WAITING = 8
"""Requests back that an answer is still looked for: the vendor's application sends three before it waits."""

STATUS_HEADS = tuple(
    head for name in MODULES for step in dialect(name).STATUS for request in step for head in request.answers
)
"""How answers begin that hold (a part of) a snapshot."""


class Exchange(Struct):
    """A recorded request: how its answers begin (empty where that is not known), and the chunks that answered it."""

    heads: tuple[bytes, ...]
    chunks: list[bytes] = []

    def waits_for(self, data: bytes) -> bool:
        """Whether `data` begins the answer that has not come yet."""
        return not self.chunks and bool(self.heads) and data.startswith(self.heads)


class Replay:
    """A request that the recording holds is answered as recorded, the next time that it occurs. Any other takes the
    next answer of its family: the recorded frame that begins as its answers do. When the answers of a request that
    had some are used up, the link is lost; one that has none gets silence."""

    medium = Medium.MEMORY
    expects: str | None = None
    address: str | None = None

    def __init__(self, path: Path) -> None:
        if path.is_char_device():  # /dev/zero never ends
            raise FileError(f"{path}: is a device, not a recording")
        chunks = _of_one_device(list(read_capture(path)))
        self._path = path
        self._exchanges = _exchanges(chunks)
        self._frames = deque(_answers(chunks))
        self._answered: set[tuple[bytes, ...]] = set()
        self._ready: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._lost = False

    async def read(self) -> bytes:
        await asyncio.sleep(0)  # an answer that is there at once must not keep others from running
        while not self._ready:
            if self._lost:
                raise self._end()
            self._wake.clear()
            await self._wake.wait()
        return self._ready.popleft()

    async def write(self, data: bytes, *, secret: bool = False) -> None:
        if self._lost:
            raise self._end()
        for request in _requests(data):
            if request in self._exchanges:
                self._play(self._exchanges[request])
            else:
                self._answer(_answers_to(request))
        self._wake.set()

    async def set_baud(self, baud: int) -> None:
        """There is no wire."""

    async def close(self) -> None:
        self._lost = True
        self._wake.set()

    def _end(self) -> LinkLost:
        return LinkLost(
            f"replay:{self._path}: the recording ends here",
            "Each request takes the answer that it got then, and all of them are used up.",
            f"Next: antbms decode {self._path}   shows what it holds.",
        )

    def _play(self, rest: deque[Exchange]) -> None:
        """The chunks that answered a request when it occurred next."""
        if rest:
            self._ready += rest.popleft().chunks
        else:
            self._lost = True

    def _answer(self, heads: tuple[bytes, ...]) -> None:
        """The next recorded frame that begins with one of the heads."""
        for frame in self._frames:
            if heads and frame.raw.startswith(heads):
                self._frames.remove(frame)
                self._answered.add(heads)
                self._ready.append(frame.raw)
                return
        self._lost = heads in self._answered


def _of_one_device(chunks: list[Chunk]) -> list[Chunk]:
    """A phone's log may hold several devices: the chunks of the first that tells its status. All, if none does."""
    devices: dict[str, list[Chunk]] = {}
    for chunk in chunks:
        devices.setdefault(device_of(chunk.source), []).append(chunk)
    told = (those for those in devices.values() if any(frame.raw.startswith(STATUS_HEADS) for frame in _answers(those)))
    return next(told, chunks)


def _exchanges(chunks: list[Chunk]) -> dict[bytes, deque[Exchange]]:
    """Request → its exchanges, in the order of the recording.

    A chunk belongs to the latest request that still waits for such an answer (of several sent together, to the first),
    else where the chunk before it belongs.
    """
    exchanges: dict[bytes, deque[Exchange]] = {}
    sent: deque[list[Exchange]] = deque(maxlen=WAITING)
    current = Exchange(())
    for chunk in chunks:
        if chunk.direction == ">":
            requests = _requests(chunk.data)
            sent.append([Exchange(_answers_to(request)) for request in requests])
            for request, current in zip(requests, sent[-1], strict=True):
                exchanges.setdefault(request, deque()).append(current)
        else:
            waiting = (exchange for together in reversed(sent) for exchange in together)
            current = next((exchange for exchange in waiting if exchange.waits_for(chunk.data)), current)
            current.chunks.append(chunk.data)
    return exchanges


def _answers(chunks: list[Chunk]) -> list[Frame]:
    """Every valid frame from the battery."""
    stream = framer()
    items = [item for chunk in chunks if chunk.direction != ">" for item in stream.feed(chunk.data)]
    return [item for item in (*items, *stream.flush()) if isinstance(item, Frame)]


def _requests(data: bytes) -> list[bytes]:
    """The frames in what was sent: several requests may go out together."""
    stream = framer()
    return [item.raw for item in (*stream.feed(data), *stream.flush())]


def _answers_to(request: bytes) -> tuple[bytes, ...]:
    """How the answers to one of our reading requests begin; empty for any other."""
    for name in MODULES:
        spoken = dialect(name)
        for known in (*(r for step in spoken.STATUS for r in step), *spoken.INFO, spoken.COUNTERS):
            if known is not None and known.raw == request:
                return known.answers
    return ()
