"""One battery of the monitor: watched for ever, whatever goes wrong with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from msgspec.structs import replace

from ..battery import Battery
from ..config import BatteryConfig
from ..errors import AntbmsError, LinkError, UsageError, WrongPassword
from ..model import DeviceInfo, Event, Offline, Outcome, Snapshot
from ..model.records import timestamp
from ..sinks.base import Control
from ..timing import Past, Timing
from ..watching import Watch

log = logging.getLogger("antbms.monitor")


class Watched:
    """A `Source`: a battery that is watched. `put` gets its events."""

    def __init__(
        self, name: str, config: BatteryConfig, every: float, timing: Timing, put: Callable[[Event], None]
    ) -> None:
        self.name = name
        self.control: Control | None = self._control if config.allow_control else None
        self.online: bool | None = None
        """None until the first event."""
        self.readings = 0
        self._config = config
        self._every = every
        self._timing = timing
        self._put = put
        self._before: dict[str, int] = {}
        self._info: DeviceInfo | None = None
        self._since: Past | None = None  # the last reading, or the first attempt if there was none
        self._noted: set[str] = set()
        self._told = ""  # what ended watching, the last time that it was said
        self._watch: Watch | None = None
        self._paused: datetime | None = None  # until then
        self._pausing: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    @property
    def info(self) -> DeviceInfo | None:
        """Who it is; None until it has been read once."""
        return (self._watch and self._watch.info) or self._info

    @property
    def counters(self) -> dict[str, int]:
        """As `Watch.counters`, since the monitor began."""
        now = self._watch.counters if self._watch is not None else {}
        return {key: self._before.get(key, 0) + now.get(key, 0) for key in {**self._before, **now}}

    def pause(self, until: datetime | None) -> None:
        """Let go of the battery until then; None: take it up again. Takes no time, however often it is called."""
        if until == self._paused:
            return
        self._paused = until
        if until is None:
            self._say(logging.INFO, "the pause is over")
            if self._watch is not None:
                self._watch.release()
        else:
            self._say(logging.INFO, f"paused until {timestamp(until)}; antbms release ends it")
            self._let_go()

    async def run(self, delay: float) -> None:
        """Watch, beginning after `delay` s. Ends only when cancelled."""
        await asyncio.sleep(delay)
        reason = await self._follow_on()
        while True:  # as a watch does, so that everybody knows how long it has been offline
            self._fail(reason)
            await asyncio.sleep(self._timing.remind)

    async def _follow_on(self) -> str:
        """Watch, again after each failure, until the password is wrong; in words."""
        while True:
            try:
                await self._follow()
            except WrongPassword as error:
                self._say(logging.ERROR, f"{error.reason}; it is not tried again before a restart", *error.hints)
                return error.reason
            except Exception as error:  # noqa: BLE001 - also a mistake of ours must not end the others
                if isinstance(error, AntbmsError):
                    reason, hints, cause = error.reason, error.hints, None
                else:
                    reason, hints, cause = f"unexpected {type(error).__name__}: {error}", (), error
                if reason != self._told:
                    self._say(logging.ERROR, reason, *hints, error=cause)
                self._told = reason
                self._fail(reason)
            await asyncio.sleep(self._timing.backoff_most)

    async def _follow(self) -> None:
        config = self._config
        if self._since is None:
            self._since = Past(self._timing.now(), self._timing)
        watch = self._watch = Watch(
            config.address,
            self._every,
            name=self.name,
            protocol=config.protocol,
            options=config.all_options(),
            timing=self._timing,
            on_note=self._note,
        )
        try:
            if self._paused is not None:
                self._let_go()
            async for event in watch:
                self._take(event, watch)
        finally:
            if self._pausing is not None:
                self._pausing.cancel()
            await watch.close()
            self._info, self._before, self._watch = self.info, self.counters, None

    def _note(self, text: str) -> None:
        """A remark of the battery's link, once: links are opened again and again."""
        if text not in self._noted:
            self._noted.add(text)
            self._say(logging.INFO, text)

    def _let_go(self) -> None:
        if self._watch is not None:
            self._pausing = asyncio.create_task(self._watch.pause())

    def _take(self, event: Event, watch: Watch) -> None:
        if isinstance(event, Snapshot):
            self.readings += 1
            self._since, self._told = Past(event.time, self._timing), ""
            if not self.online:
                self._say(logging.INFO, f"online: {event.protocol}")
            self.online = True
        else:
            self.online = False
            self._say(logging.WARNING, f"offline: {event.reason}", *(watch.error.hints if watch.error else ()))
            event = self._dated(event)
        self._put(event)

    def _fail(self, reason: str) -> None:
        self.online = False
        time = self._timing.now()
        self._put(self._dated(Offline(time=time, battery=self.name, since=time, reason=reason)))

    def _dated(self, event: Offline) -> Offline:
        """With the beginning that all statements of one outage have: a watch that is begun anew knows of none."""
        since = self._since.time(event.time) if self._since is not None else event.since
        return replace(event, since=since)

    async def _control(self, what: str, name: str, on: bool | None, until: float | None = None) -> Outcome:
        """Change the battery, between two readings. Every call and its outcome are in the log.

        Waiting for the link may take minutes. Who gave the command has gone on by then, so it is not sent any more.
        """
        words = " ".join(filter(None, (what, name, {True: "on", False: "off", None: ""}[on])))
        self._say(logging.INFO, f"asked to change: {words}")
        last = self._timing.monotonic() + self._timing.command if until is None else until

        def change(battery: Battery) -> Awaitable[Outcome]:
            if what == "switch" and on is not None:
                return battery.switch(name, on, until=last)
            if what == "command":
                return battery.command(name, until=last)
            raise UsageError(f"{self.name}: {words} is no change of a battery")

        try:
            if self._watch is None:
                raise LinkError(f"{self.name}: it is not watched now")
            async with self._turn:
                outcome = await self._watch.do(change)
        except AntbmsError as error:
            self._say(logging.WARNING, f"not changed ({words}): {error.reason}", *error.hints)
            raise
        self._say(logging.INFO, f"changed ({words}): {outcome.text}")
        return outcome

    def _say(self, level: int, text: str, *hints: str, error: Exception | None = None) -> None:
        lines = "\n  ".join((text.removeprefix(f"{self.name}: "), *hints))
        log.log(level, "%s: %s", self.name, lines, extra={"battery": self.name}, exc_info=error)
