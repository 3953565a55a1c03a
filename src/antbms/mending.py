"""The link to one battery, which is opened when it is needed, and mended in steps when it fails.

The read is tried again (`Battery.read` does, and once more with the next reading), then the link is opened anew, then
the protocol is searched anew as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import Final, Protocol, TypeVar

from .battery import Battery
from .errors import AntbmsError, LinkError, LinkLost, NoAnswer, OpenError
from .link import LinkStats
from .model import Snapshot
from .timing import Timing

T = TypeVar("T")

REOPEN: Final = 2
"""Failures in a row after which a link is opened anew, even if it looks open."""
RESCAN: Final = 5
"""Failures in a row after which the protocol is searched anew, unless the caller named it."""
STUCK: Final = 10
"""× `Timing.open`: opening ends after this. It includes the wait for others that use the same adapter."""
CONNECTING: Final = "still connecting"


class Opening(Protocol):
    """Opens the battery: `antbms.open` with all but the protocol."""

    def __call__(self, *, protocol: str | None) -> AbstractAsyncContextManager[Battery]:
        """The open battery."""


class MendedLink:
    """One at a time uses the battery: several tasks wait for each other. protocol: as given; None is searched."""

    def __init__(self, name: str, opening: Opening, protocol: str | None, timing: Timing) -> None:
        self.protocol = protocol
        """What the battery speaks; None until that is known."""
        self.failures = 0
        """Readings in a row that failed."""
        self.is_new = False
        """Whether nothing was read over this link yet."""
        self.took = 0.0
        """s that the latest reading took."""
        self.error: AntbmsError | None = None
        """Why the battery cannot be read, with hints; None while it can."""
        self.reason = CONNECTING
        """The same in words."""
        self._name = name
        self._opening = opening
        self._given = protocol
        self._timing = timing
        self._lock = asyncio.Lock()  # held by whoever uses the battery, or opens or closes it
        self._stack = AsyncExitStack()
        self._battery: Battery | None = None
        self._counted = {"requests": 0, "answers": 0, "stale": 0, "probes": 0, "opens": 0, "losses": 0}

    @property
    def is_open(self) -> bool:
        """Whether there is a link now."""
        return self._battery is not None

    @property
    def counters(self) -> dict[str, int]:
        """What crossed the links, over all openings; as `Watch.counters`."""
        return _add(self._counted, self._battery.stats) if self._battery else dict(self._counted)

    async def read(self) -> Snapshot:
        """One reading. A link that was good and is lost is opened anew at once: some modules end an idle one."""
        async with self._lock:
            was_good = self._battery is not None and self.failures == 0
            try:
                try:
                    snapshot = await self._attempt()
                except LinkLost as error:
                    await self._lost(error)
                    if not was_good:
                        raise
                    snapshot = await self._attempt()
            except AntbmsError as error:
                await self._failed(error)
                raise
            self.failures, self.error = 0, None
            return snapshot

    async def do(self, work: Callable[[Battery], Awaitable[T]]) -> T:
        """Run `work` with the open battery. `LinkError` with the reason if it is not open, `NoAnswer` if it takes
        longer than `Timing.work`; then the link is closed."""
        if self._battery is not None:
            async with self._lock:
                if self._battery is not None:
                    return await self._limited(work(self._battery))
        raise LinkError(f"{self._name}: {self.reason}")

    async def let_go(self) -> None:
        """Close the link, when nobody uses it any more; what crossed it stays counted."""
        async with self._lock:
            await self._let_go()

    async def close(self) -> None:
        """Close the link. Work that is being done may end in order; if it does not, its link is closed below it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timing.close / 2):
                await self._lock.acquire()
                self._lock.release()
        await self._let_go()

    async def _attempt(self) -> Snapshot:
        battery = self._battery or await self._open()
        start, limit = self._timing.monotonic(), asyncio.timeout(self._timing.watchdog)
        try:
            async with limit:
                snapshot = await battery.read()
        except TimeoutError:
            if not limit.expired():
                raise
            seconds = self._timing.watchdog
            raise LinkLost(f"{self._name}: the link looks open and is dead: nothing moved for {seconds:g} s") from None
        self.took = self._timing.monotonic() - start
        return snapshot

    async def _open(self) -> Battery:
        stack, seconds = AsyncExitStack(), STUCK * self._timing.open
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                battery = await stack.enter_async_context(self._opening(protocol=self.protocol))
        except TimeoutError:
            if not limit.expired():
                raise
            raise OpenError(f"{self._name}: opening did not end within {seconds:g} s") from None
        self._stack, self._battery, self.protocol, self.is_new = stack, battery, battery.protocol, True
        self._counted["opens"] += 1
        return battery

    async def _failed(self, error: AntbmsError) -> None:
        """One step further in mending."""
        self.failures += 1
        if isinstance(error, LinkLost):
            await self._lost(error)
        if self.failures >= REOPEN:
            await self._let_go()
        if self.failures >= RESCAN:
            self.protocol = self._given

    async def _lost(self, error: LinkLost) -> None:
        if self._battery is not None:
            self._counted["losses"] += 1
        self.error, self.reason = error, error.reason
        await self._let_go()

    async def _let_go(self) -> None:
        battery, self._battery = self._battery, None
        stack, self._stack = self._stack, AsyncExitStack()
        if battery is not None:
            self._counted = _add(self._counted, battery.stats)
        await stack.aclose()

    async def _limited(self, work: Awaitable[T]) -> T:
        limit = asyncio.timeout(self._timing.work)
        try:
            async with limit:
                return await work
        except TimeoutError:
            if not limit.expired():
                raise
            await self._let_go()
            raise NoAnswer(f"{self._name}: not done within {self._timing.work:g} s; the link is opened anew") from None


def _add(counted: Mapping[str, int], stats: LinkStats) -> dict[str, int]:
    """Counters with those of a link that was opened since."""
    total = dict(counted)
    link = {"requests": stats.requests, "answers": stats.answers, "stale": stats.stale, "probes": stats.probes}
    for name, count in (*link.items(), *((f"rejected.{reason}", n) for reason, n in stats.rejected.items())):
        total[name] = total.get(name, 0) + count
    return total
