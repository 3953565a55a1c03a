"""`replay:FILE`: a recording that answers like the battery it was taken from."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path

from msgspec import Struct

from ..capture import Chunk, read_capture
from ..errors import LinkLost
from ..protocol import MODULES, dialect, framer
from ..protocol.framing import Frame
from .base import Medium


class Exchange(Struct, frozen=True):
    """A recorded request (empty where the recording holds none) and what came until the next one."""

    request: bytes
    answers: tuple[bytes, ...]


class Replay:
    """A request that the recording holds is answered as recorded, the next time that it occurs. Any other takes the
    next answer of its family: the recorded frame that begins as its answers do. When the answers of a request that
    had some are used up, the link is lost; one that has none gets silence."""

    medium = Medium.MEMORY
    address: str | None = None

    def __init__(self, path: Path) -> None:
        chunks = list(read_capture(path))
        self._path = path
        self._exchanges = _exchanges(chunks)
        self._known = {exchange.request for exchange in self._exchanges}
        self._next = 0
        self._frames = deque(_answers(chunks))
        self._answered: set[tuple[bytes, ...]] = set()
        self._ready: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._lost = False

    async def read(self) -> bytes:
        while not self._ready:
            if self._lost:
                raise LinkLost(f"replay:{self._path}: the recording ends here")
            self._wake.clear()
            await self._wake.wait()
        return self._ready.popleft()

    async def write(self, data: bytes, *, secret: bool = False) -> None:
        if self._lost:
            raise LinkLost(f"replay:{self._path}: the recording ends here")
        for request in _requests(data):
            if request in self._known:
                self._play(request)
            else:
                self._answer(_answers_to(request))
        self._wake.set()

    async def set_baud(self, baud: int) -> None:
        """There is no wire."""

    async def close(self) -> None:
        self._lost = True
        self._wake.set()

    def _play(self, request: bytes) -> None:
        """The chunks that followed this request when it occurred next."""
        for place in range(self._next, len(self._exchanges)):
            if self._exchanges[place].request == request:
                self._next = place + 1
                self._ready += self._exchanges[place].answers
                return
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


def _exchanges(chunks: list[Chunk]) -> list[Exchange]:
    exchanges: list[Exchange] = []
    request: bytes | None = None
    answers: list[bytes] = []
    for chunk in chunks:
        if chunk.direction == "<":
            answers.append(chunk.data)
        elif chunk.direction == ">":
            if request is not None:
                exchanges.append(Exchange(request, tuple(answers)))
            request, answers = chunk.data, []
    if request is not None:
        exchanges.append(Exchange(request, tuple(answers)))
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
