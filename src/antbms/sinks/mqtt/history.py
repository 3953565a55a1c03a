"""The history of all batteries: every reading reaches the broker at least once, in order, with its own time."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from ...model import Snapshot
from ...model.records import timestamp
from ...timing import Timing
from ..worker import Worker
from .config import Config
from .connection import WINDOW, Connection
from .spool import Reading, Spool
from .topics import Topics

log = logging.getLogger(__name__)

BITE = 200
"""Readings that are taken from the disk at once: new ones wait while these are delivered."""


class History:
    """A reading is safe when the broker has acknowledged it, or when it waits on the disk.

    While none waits there, readings go straight to the broker: a healthy connection writes nothing to the disk. After
    a loss, at most the readings in flight (`WINDOW`) are sent a second time.
    """

    def __init__(
        self,
        config: Config,
        topics: Topics,
        timing: Timing,
        spool: Spool,
        worker: Worker,
        on_refusal: Callable[[Connection, str, str], None],
    ) -> None:
        self._broker = config.broker
        self._topics = topics
        self._timing = timing
        self._spool = spool
        self._worker = worker
        self._on_refusal = on_refusal
        self._lock = asyncio.Lock()
        self._waits = asyncio.Event()

    async def keep(self, snapshots: Sequence[Snapshot], connection: Connection | None) -> None:
        """Make readings safe. Raises `SinkError` if they can be neither delivered nor kept."""
        readings = deque(Reading(one.battery, timestamp(one.time), one.to_json().encode()) for one in snapshots)
        async with self._lock:
            try:
                if connection is not None and not self._spool.waiting:
                    await self._deliver(connection, readings)
            finally:
                if readings:  # also when this is cancelled in the middle
                    await self._worker.run(lambda: self._append(tuple(readings)))
                    self._waits.set()

    async def drain(self, connection: Connection) -> None:
        """Deliver what waits, now and later, until the connection is lost. Raises `SinkError` for the file."""
        while not connection.is_over:
            self._waits.clear()
            while self._spool.waiting and await self._drain_some(connection):
                pass
            if self._spool.waiting and not connection.is_over:  # refused: asking at once would change nothing
                await asyncio.sleep(self._timing.broker_most)
            else:
                await self._waits.wait()

    async def _drain_some(self, connection: Connection) -> bool:
        """Deliver the oldest that wait, and forget them. Whether the broker took all of them."""
        async with self._lock:
            left = deque(await self._worker.run(lambda: self._spool.first(BITE)))
            await self._deliver(connection, left, self._forget)
        return not left

    async def _forget(self, readings: Sequence[Reading]) -> None:
        await self._worker.run(lambda: self._spool.remove(readings))

    async def _deliver(
        self,
        connection: Connection,
        readings: deque[Reading],
        forget: Callable[[Sequence[Reading]], Awaitable[None]] | None = None,
    ) -> None:
        """Publish readings in their order; what has arrived leaves the queue, and is given to `forget`.

        At most `WINDOW` are in flight, or have arrived and are not yet forgotten: so many may come twice.
        """
        flight: deque[asyncio.Future[str]] = deque()
        rest = deque(readings)
        while readings:
            while rest and len(flight) < WINDOW:
                one = rest.popleft()
                flight.append(connection.publish(self._topics.of(one.battery, "history"), one.payload))
            if problem := await flight[0]:
                self._on_refusal(connection, self._topics.of(readings[0].battery, "history"), problem)
                return
            arrived = []
            while flight and flight[0].done() and not flight[0].result():
                flight.popleft()
                arrived.append(readings.popleft())
            if forget is not None:
                await forget(arrived)

    def _append(self, readings: Sequence[Reading]) -> None:
        if dropped := self._spool.append(readings, self._timing.now()):
            log.warning(
                "%s: the oldest %d readings that waited were dropped (%d in all)",
                self._broker,
                dropped,
                self._spool.dropped,
            )
