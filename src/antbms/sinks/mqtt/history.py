"""The history of all batteries: every reading reaches the broker at least once, in order, with its own time."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress

from ...errors import SinkError
from ...model import Snapshot
from ...model.records import timestamp
from ...timing import Timing
from ...worker import Worker
from .config import Config
from .connection import WINDOW, Connection
from .spool import Reading, Spool
from .topics import Topics

log = logging.getLogger(__name__)

Key = tuple[str, str]
"""Battery and time of a reading."""

BITE = 200
"""Readings that are taken from the disk at once."""


class History:
    """A reading is safe when the broker has acknowledged it, or when it waits on the disk.

    While none of a battery waits there, its readings go straight to the broker: a healthy connection writes nothing
    to the disk. What is not acknowledged within `Timing.broker_soon` is written. The order is kept for each battery:
    one whose topic the broker refuses does not hold up the others. After a loss, at most the readings in flight
    (`WINDOW`) are sent a second time.
    """

    def __init__(
        self,
        config: Config,
        topics: Topics,
        timing: Timing,
        spool: Spool,
        worker: Worker,
        on_refusal: Callable[[Connection, str, str], None],
        on_file: Callable[[SinkError | None], None],
    ) -> None:
        self._broker = config.broker
        self._topics = topics
        self._timing = timing
        self._spool = spool
        self._worker = worker
        self._on_refusal = on_refusal
        self._on_file = on_file
        self._waits = asyncio.Event()
        self._receipts: dict[Key, asyncio.Future[str]] = {}  # of what nobody has seen arrive yet
        self._delivered: dict[Key, Reading] = {}  # what the broker has, and the file could not forget yet
        self._arrived: set[Key] = set()  # of readings that come again, because others with them could not be kept
        self._refused: dict[str, float] = {}  # batteries, and when they are tried again
        self._refusals: dict[str, int] = {}  # in a row
        self._proven: set[str] = set()  # batteries of which the broker took a reading in this connection

    def wake(self) -> None:
        """Look at the file again."""
        self._waits.set()

    async def keep(self, snapshots: Sequence[Snapshot], connection: Connection | None) -> None:
        """Make readings safe, soon. Raises `SinkError` if they can be neither delivered nor kept."""
        readings = [Reading(one.battery, timestamp(one.time), one.to_json().encode()) for one in snapshots]
        left = {_key(one): one for one in readings if _key(one) not in self._arrived}

        async def arrived(some: Iterable[Reading]) -> None:
            for one in some:
                left.pop(_key(one), None)

        try:
            if connection is not None:
                behind = {battery for battery in {one.battery for one in readings} if self._is_behind(battery)}
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._timing.broker_soon):
                        await self._deliver(connection, [r for r in left.values() if r.battery not in behind], arrived)
        finally:
            if left:  # also when this is cancelled in the middle
                try:
                    await self._worker.run(lambda: self._append(tuple(left.values())))
                except SinkError:
                    self._arrived.update(_key(one) for one in readings if _key(one) not in left)
                    raise
                finally:
                    self._waits.set()
        self._arrived.clear()

    async def drain(self, connection: Connection) -> None:
        """Deliver what waits, now and later, until the connection is lost. Trouble with the file is told."""
        self._proven.clear()
        while not connection.is_over:
            self._waits.clear()
            try:
                if self._delivered:
                    await self._forget(())
                while self._spool.waiting > len(self._delivered) and await self._drain_some(connection):
                    pass
            except SinkError as error:
                self._on_file(error)
            # What is refused, by the broker or the disk, is tried again later: asking at once would change nothing.
            pause = self._timing.broker_most if self._spool.waiting else None
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._waits.wait()

    async def _drain_some(self, connection: Connection) -> bool:
        """Deliver the oldest that wait, and forget them. Whether there may be more to do."""
        refused = [battery for battery in list(self._refused) if self._is_refused(battery)]
        count = BITE + len(self._delivered)
        found = await self._worker.run(lambda: self._spool.first(count, refused))
        readings = [one for one in found if _key(one) not in self._delivered]
        await self._deliver(connection, readings, self._forget)
        return bool(readings) and not connection.is_over

    async def _forget(self, readings: Iterable[Reading]) -> None:
        """Remove from the file what the broker has; what cannot be removed now is not sent again."""
        # While the file is at work all of them count as waiting: so no newer reading can overtake one.
        known, self._delivered = {**self._delivered, **{_key(one): one for one in readings}}, {}
        try:
            await self._worker.run(lambda: self._spool.remove(tuple(known.values())))
        except SinkError as error:
            self._delivered = known
            self._on_file(error)
        else:
            self._on_file(None)

    async def _deliver(
        self,
        connection: Connection,
        readings: Iterable[Reading],
        on_arrival: Callable[[Iterable[Reading]], Awaitable[None]],
    ) -> None:
        """Publish readings in their order; what has arrived is given to `on_arrival`.

        At most `WINDOW` are in flight, or have arrived and are not yet forgotten: so many may come twice. Of a battery
        whose topic is refused no more is sent.
        """
        flight: deque[tuple[Reading, asyncio.Future[str]]] = deque()
        rest = deque(readings)
        while flight or rest:
            self._fill(connection, flight, rest)
            if not flight:
                return
            if not flight[0][1].done():
                await asyncio.wait((flight[0][1],))  # which leaves the receipt alone when this is cancelled
            arrived = []
            while flight and flight[0][1].done():
                one, receipt = flight.popleft()
                self._receipts.pop(_key(one), None)
                if not (problem := receipt.result()):
                    self._proven.add(one.battery)
                    self._refusals.pop(one.battery, None)
                    arrived.append(one)
                elif problem != connection.ended:
                    self._refuse(one.battery)
                    self._on_refusal(connection, self._topics.of(one.battery, "history"), problem)
            if arrived:
                await on_arrival(arrived)
            if connection.is_over:
                return

    def _fill(
        self, connection: Connection, flight: deque[tuple[Reading, asyncio.Future[str]]], rest: deque[Reading]
    ) -> None:
        """Publish what has room. A battery's first reading goes alone: mosquitto 2.0 hangs up after a refusal."""
        trying = {one.battery for one, _ in flight} - self._proven
        held = []
        while rest and len(flight) < WINDOW:
            one = rest.popleft()
            if one.battery in trying:
                held.append(one)
            elif not self._is_refused(one.battery):
                flight.append((one, self._publish(connection, one)))
                if one.battery not in self._proven:
                    trying.add(one.battery)
        rest.extendleft(reversed(held))

    def _publish(self, connection: Connection, one: Reading) -> asyncio.Future[str]:
        """Send a reading, unless it is under way already, or has arrived while nobody looked."""
        receipt = self._receipts.get(_key(one))
        if receipt is None or (receipt.done() and receipt.result()):
            receipt = self._receipts[_key(one)] = connection.publish(
                self._topics.of(one.battery, "history"), one.payload
            )
        return receipt

    def _refuse(self, battery: str) -> None:
        """Leave it alone for a while, longer each time, also in the next connection: the refusal may cost this one."""
        self._proven.discard(battery)
        times = self._refusals[battery] = self._refusals.get(battery, 0) + 1
        self._refused[battery] = self._timing.monotonic() + self._timing.broker_most * 2.0 ** min(times - 1, 6)

    def _is_refused(self, battery: str) -> bool:
        if battery in self._refused and self._timing.monotonic() >= self._refused[battery]:
            del self._refused[battery]
        return battery in self._refused

    def _is_behind(self, battery: str) -> bool:
        """Whether readings of it wait on the disk that the broker has not got."""
        return self._spool.of[battery] > sum(one.battery == battery for one in self._delivered.values())

    def _append(self, readings: Sequence[Reading]) -> None:
        if dropped := self._spool.append(readings, self._timing.now()):
            log.warning(
                "%s: the oldest %d readings that waited were dropped (%d in all)",
                self._broker,
                dropped,
                self._spool.dropped,
            )


def _key(reading: Reading) -> Key:
    return reading.battery, reading.time
