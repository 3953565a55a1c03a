"""One battery for ever: readings at a steady pace, and being offline as data.

    async for event in antbms.watch("COM5", every=1.0):
        ...                                     # a Snapshot, or Offline(since, reason)

A link that fails is mended in steps (`mending`); between them it waits, longer each time.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any, Final, TypeVar

from .battery import Battery, open_battery
from .errors import AntbmsError, LinkError, UsageError, WrongPassword
from .mending import CONNECTING, MendedLink
from .model import DeviceInfo, Event, Offline, Snapshot
from .protocol import dialect
from .timing import DEFAULT, Past, Timing
from .transport import parse_address

T = TypeVar("T")

DOUBLINGS: Final = 10
PAUSED: Final = "paused"

_VARIABLE: Final = re.compile(r"\S*\d\S*")
"""Words of a reason that change without its meaning: seconds, checksums, counts."""


class Watch:
    """A watched battery: iterating over it gives a `Snapshot` every `every` s, or `Offline`. `antbms.watch` is this.

    A reading that comes late takes the place of those that it made impossible; the pace stays. `Offline` comes when
    the battery cannot be read, again when the reason changes, and else every `Timing.remind` s. Other arguments are
    those of `antbms.open`; chance: a seeded generator, for tests of the waits.

    Raises `UsageError` for an address or option that means nothing. Troubles of the link are never raised. Iterating
    raises `WrongPassword`, since a wrong one is not tried again; and until the first reading what waiting does not
    mend: `UsageError`, `FileError`, `Refused`. It is iterated over once; to end it, leave the loop, or call `close`.
    All its methods may be used by other tasks meanwhile.
    """

    def __init__(
        self,
        address: str,
        every: float = 1.0,
        *,
        name: str | None = None,
        protocol: str | None = None,
        options: Mapping[str, str] | None = None,
        timing: Timing = DEFAULT,
        password: str | None = None,
        on_note: Callable[[str], None] | None = None,
        chance: Random | None = None,
    ) -> None:
        if not (math.isfinite(every) and every > 0):
            raise UsageError(f"every={every:g}: is no number of seconds above 0")
        where = parse_address(address, options)
        self.name = name or where.text
        self.info: DeviceInfo | None = None
        """Who the battery is: asked after its first reading, and again if it was offline and the link is new. If it
        does not say, it is asked again after a minute, and then ever more seldom."""
        self.next_try: float | None = None
        """After a failure: when it is tried again, on `Timing.monotonic`. None while it is tried or read."""
        opening = partial(
            open_battery, address, options=options, timing=timing, password=password, name=name, on_note=on_note
        )
        self._link = MendedLink(self.name, opening, dialect(protocol).NAME if protocol is not None else None, timing)
        self._every = every
        self._timing = timing
        self._chance = chance or Random()
        self._wake = asyncio.Event()
        self._poll: asyncio.Task[Snapshot] | None = None
        self._iterated = self._paused = self._closed = False
        self._has_read = self._asks_who = False
        self._ask_at, self._ask_wait = -math.inf, timing.who_least
        self._since: Past | None = None
        self._said: tuple[str, float] | None = None

    @property
    def online(self) -> bool:
        """Whether the latest reading succeeded."""
        return self._has_read and not self._link.failures and not self._paused

    @property
    def error(self) -> AntbmsError | None:
        """Why it is offline, with hints; None while it is read, and while it is paused."""
        return None if self._paused else self._link.error

    @property
    def failures(self) -> int:
        """Attempts in a row that failed; 0 while it is read."""
        return self._link.failures

    @property
    def took(self) -> float:
        """s that the latest reading took."""
        return self._link.took

    @property
    def protocol(self) -> str | None:
        """What the battery speaks; None until that is known."""
        return self._link.protocol

    @property
    def counters(self) -> dict[str, int]:
        """What crossed the link since watching began, over all its openings; no number ever falls.

        `requests`, `answers`, `stale` (answers that nobody waited for), `probes` (unanswered ones of the search for the
        protocol, which are no `requests`), `opens`, `losses`, `rejected.REASON`.
        """
        return self._link.counters

    def __aiter__(self) -> AsyncIterator[Event]:
        if self._iterated:
            raise RuntimeError("a Watch can be iterated over once")
        self._iterated = True
        return self._events()

    async def do(self, work: Callable[[Battery], Awaitable[T]]) -> T:
        """Run `work` with the open battery, between two readings. Raises what it raises.

        `LinkError` with the reason if the battery is offline, and `NoAnswer` if it takes longer than `Timing.work`.
        """
        return await self._link.do(work)

    async def pause(self) -> None:
        """Close the link, so that another program or the phone may use it; returns when it is closed.

        The loop gets `Offline` with the reason "paused", once in a while again, and nothing else until `release`.
        """
        self._paused = True
        self._interrupt()
        await self._link.let_go()

    def release(self) -> None:
        """Go on after `pause`, at once."""
        self._paused = False
        self._wake.set()

    async def close(self) -> None:
        """Close the link, and end the loop. Never raises."""
        self._closed = True
        self._interrupt()
        await self._link.close()

    # ---- the loop

    async def _events(self) -> AsyncIterator[Event]:
        try:
            start, turn = self._timing.monotonic(), 0  # the reading that is made now is due at turn * every
            self._since = Past(self._timing.now(), self._timing)
            while True:
                self._wake.clear()
                if self._closed:
                    return
                if self._paused:
                    if event := self._say(PAUSED):
                        yield event
                    await self._rest(self._timing.remind)
                    self._link.failures = turn = 0
                    continue
                poll = self._poll = asyncio.create_task(self._link.read())
                try:
                    await asyncio.wait({poll}, timeout=self._timing.grace)
                    if not poll.done():
                        if not self._link.is_open and self._said is None and (event := self._say(self._connecting)):
                            yield event
                        await asyncio.wait({poll})
                finally:
                    await _ended(poll)
                if poll.cancelled():  # by pause or close
                    continue
                if error := poll.exception():
                    if (event := self._say(self._trouble(error))) is not None:
                        yield event
                    wait = self._back_off()
                    self.next_try = self._timing.monotonic() + wait
                    await self._rest(wait)
                    self.next_try = None
                    continue
                snapshot, was_offline = poll.result(), self._said is not None
                self._has_read, self._said = True, None
                self._since = Past(snapshot.time, self._timing)
                yield snapshot
                self._asks_who |= self._link.is_new and (was_offline or self.info is None)
                self._link.is_new = False
                if self._asks_who and self._timing.monotonic() >= self._ask_at:
                    await self._ask_who()
                passed = self._timing.monotonic() - start
                turn = max(turn, math.floor(passed / self._every)) + 1  # a coarse clock wakes a little too early
                await self._rest(turn * self._every - passed)
        finally:
            await self.close()

    async def _rest(self, seconds: float) -> None:
        """Wait, unless somebody calls."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()

    def _interrupt(self) -> None:
        if self._poll is not None:
            self._poll.cancel()
        self._wake.set()

    async def _ask_who(self) -> None:
        """Read who the battery is. If that fails, the next reading tells why, and it is asked again much later."""
        if self._paused or not self._link.is_open:
            return
        try:
            async with asyncio.timeout(self._timing.watchdog):
                self.info = await self._link.do(Battery.info)
            self._asks_who, self._ask_wait = False, self._timing.who_least
        except (AntbmsError, TimeoutError):
            self._ask_at = self._timing.monotonic() + self._ask_wait
            self._ask_wait = min(2 * self._ask_wait, self._timing.who_most)

    # ---- words

    @property
    def _connecting(self) -> str:
        return f"connecting again: {self._link.reason}" if self._has_read else CONNECTING

    def _trouble(self, error: BaseException) -> str:
        """The reason of being offline. Raises what watching cannot mend: a mistake of ours, a wrong password, and,
        before the first reading, what is wrong with the address or the options."""
        if not isinstance(error, AntbmsError) or isinstance(error, WrongPassword):
            raise error
        if not isinstance(error, LinkError) and not self._has_read:
            raise error
        self._link.error = error
        return error.reason

    def _say(self, reason: str) -> Offline | None:
        """An event, unless the same was said not long ago."""
        kind, now = _VARIABLE.sub("#", reason.partition(";")[0]), self._timing.monotonic()
        self._link.reason = reason
        if self._said is not None and self._said[0] == kind and now - self._said[1] < self._timing.remind:
            return None
        self._said = kind, now
        time = self._timing.now()
        since = self._since.time(time) if self._since is not None else time
        return Offline(time=time, battery=self.name, since=since, reason=reason)

    def _back_off(self) -> float:
        """s to wait after a failure: twice as long each time, and not the same for several batteries."""
        least, most = self._timing.backoff_least, self._timing.backoff_most
        usual = least * 2.0 ** min(self._link.failures - 1, DOUBLINGS)
        return max(least, min(most, usual * self._chance.uniform(0.75, 1.25)))


async def _ended(task: asyncio.Task[Any]) -> None:
    """Cancel a task, and wait for its end."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
