"""The way to one sink: a bounded queue and a task of its own, so that no sink touches anything else."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from ..errors import AntbmsError
from ..model import Event
from ..sinks.base import Sink
from ..timing import Timing

BATCH = 1000
"""Events that a sink gets at once, at most."""
SUSPECTS = 3
"""Events in a row that are dropped because the sink cannot digest them; then it is the sink that is broken."""
CLOSING = 3.0
"""s that a sink has to close, by its contract."""
SHORTEST_CLOSING = 1.0
"""s of these that are left to a sink which takes events until then."""
AGAIN = 0.5
"""s in which a sink must take something then; and one that was interrupted is offered the rest of its queue again."""

log = logging.getLogger("antbms.monitor")


class Lane:
    """What waits for a sink. When it is full the oldest event goes, and is counted."""

    def __init__(self, name: str, sink: Sink, timing: Timing, size: int) -> None:
        self.name = name
        self.taken = 0
        """Events that are safe with the sink."""
        self.dropped = 0
        """Events that found no room, or that the sink cannot digest."""
        self._sink = sink
        self._pace = sink.pace
        self._timing = timing
        self._size = size
        self._queue: deque[Event] = deque()
        self._more = asyncio.Event()
        self._enough = asyncio.Event()  # waits, so that gathering more is of no use
        self._hurries = False
        self._ending = asyncio.Event()
        self._failures = 0  # in a row
        self._most = BATCH
        self._indigestible = 0  # in a row
        self._narrows = False  # down to what the sink cannot digest
        self._dropped_before = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Events that the sink has not got yet."""
        return len(self._queue)

    def put(self, event: Event) -> None:
        """Add an event; takes no time."""
        self._queue.append(event)
        self._trim()
        self._more.set()
        if len(self._queue) >= min(BATCH, self._size / 2):
            self._enough.set()

    def start(self) -> None:
        """Begin to hand over."""
        self._task = asyncio.create_task(self._run(), name=self.name)
        self._task.add_done_callback(self._ended)

    def hurry(self) -> None:
        """From now on hand over without pauses: the end is near."""
        self._hurries = True
        self._enough.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log(logging.CRITICAL, "gets no readings any more: a mistake of ours", error)

    async def close(self, seconds: float) -> None:
        """Hand over what waits, and close the sink, within so many s. Never raises."""
        self.hurry()
        self._ending.set()
        self._more.set()
        start = self._timing.monotonic()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=max(0.0, seconds - CLOSING))
            await self._while_it_takes(self._task, start + seconds - SHORTEST_CLOSING)
            self._task.cancel()
            if (await asyncio.wait({self._task}, timeout=AGAIN))[0] and self._queue:
                await self._offer_again()
        closing = asyncio.ensure_future(self._sink.close())
        try:
            left = seconds - (self._timing.monotonic() - start)
            if not (await asyncio.wait({closing}, timeout=max(0.0, left)))[0]:
                self._log(logging.WARNING, f"did not close within {CLOSING:g} s")
            elif error := closing.exception():
                self._log(logging.ERROR, "closing failed", error)
        finally:
            closing.cancel()
        if self._queue:
            self._log(logging.WARNING, f"{len(self._queue)} events are lost that it did not take")

    async def _while_it_takes(self, task: asyncio.Task[None], end: float) -> None:
        """Wait for a task that hands over, until `end` at the latest, unless nothing is taken any more."""
        before = -1
        while not task.done() and before != self.taken and (left := end - self._timing.monotonic()) > 0:
            before = self.taken
            await asyncio.wait({task}, timeout=min(AGAIN, left))

    async def _offer_again(self) -> None:
        """A sink may have kept what it was interrupted with, and may now take the rest without waiting."""
        offer = asyncio.ensure_future(self._hand_over_all())
        await asyncio.wait({offer}, timeout=AGAIN)
        offer.cancel()
        await asyncio.wait({offer}, timeout=AGAIN)

    async def _hand_over_all(self) -> None:
        while self._queue and await self._hand_over():
            pass

    # ---- the task

    async def _run(self) -> None:
        while not (self._ending.is_set() and (not self._queue or self._failures)):
            if not self._queue:
                self._more.clear()
                await self._more.wait()
            elif not await self._hand_over():
                if not self._narrows:
                    await _rest(self._back_off(), self._ending)
            elif not self._queue:
                await self._gather()

    async def _gather(self) -> None:
        """Let events gather for as long as the sink likes, unless many come."""
        if not self._hurries:
            self._enough.clear()
            await _rest(self._pace, self._enough)

    def _back_off(self) -> float:
        """s to wait after a failure, longer each time."""
        least, most = self._timing.backoff_least, self._timing.backoff_most
        return min(most, least * 2.0 ** min(self._failures - 1, 10))

    async def _hand_over(self) -> bool:
        """Give the sink the oldest events. If it does not take them, they wait on, and all is as before."""
        batch = [self._queue.popleft() for _ in range(min(self._most, len(self._queue)))]
        slow = asyncio.get_running_loop().call_later(self._timing.sink_slow, self._is_slow)
        limit = asyncio.timeout(self._timing.sink)
        try:
            async with limit:
                await self._sink.take(batch)
        except BaseException as error:
            self._queue.extendleft(reversed(batch))
            self._trim()
            if not isinstance(error, Exception):
                raise
            self._failed(error, batch, hung=limit.expired())
            return False
        finally:
            slow.cancel()
        self.taken += len(batch)
        self._most = min(BATCH, 2 * self._most)
        self._indigestible = 0
        if self._failures:
            lost = self.dropped - self._dropped_before
            self._log(logging.INFO, f"takes readings again; {lost} events were dropped meanwhile")
            self._failures = 0
        return True

    def _failed(self, error: Exception, batch: Sequence[Event], *, hung: bool) -> None:
        """Say it once. What no sink should raise comes from one of the events: they are tried fewer at a time, and
        the one that always fails is dropped."""
        self._failures += 1
        expected = isinstance(error, AntbmsError) or hung
        suspected = not expected and self._indigestible < SUSPECTS
        self._narrows = suspected and (len(batch) > 1 or self._failures > 1)
        if self._narrows and len(batch) == 1:
            if self._queue and self._queue[0] is batch[0]:
                self._queue.popleft()
                self.dropped += 1
            self._indigestible += 1
            self._log(logging.ERROR, f"cannot digest what came at {batch[0].time}: it is dropped", error)
        elif not expected:
            self._most = max(1, len(batch) // 2)
        if self._failures == 1:
            self._dropped_before = self.dropped
            if hung:
                text = f"took nothing for {self._timing.sink:g} s"
            elif isinstance(error, AntbmsError):
                text = "\n  ".join((str(error).removeprefix(f"{self.name}: "), *error.hints))
            else:
                text = f"unexpected {type(error).__name__}: {error}"
            self._log(
                logging.WARNING,
                f"takes no readings now; up to {self._size} events wait: {text}",
                None if expected else error,
            )

    def _is_slow(self) -> None:
        self._log(logging.WARNING, f"has taken nothing for {self._timing.sink_slow:g} s; events wait")

    def _trim(self) -> None:
        while len(self._queue) > self._size:
            self._queue.popleft()
            self.dropped += 1

    def _log(self, level: int, text: str, error: BaseException | None = None) -> None:
        log.log(level, "%s: %s", self.name, text, extra={"sink": self.name}, exc_info=error)


async def _rest(seconds: float, unless: asyncio.Event) -> None:
    """Wait so long, or until the event."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await unless.wait()
