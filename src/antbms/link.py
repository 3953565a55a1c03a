"""One open pipe and one conversation over it: requests, answers, silence, the search for the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from msgspec import Struct

from .errors import AntbmsError, NoAnswer, PasswordNeeded
from .protocol import MODULES, Dialect, dialect, jbd
from .protocol.framing import Frame
from .protocol.jbd.login import LOCK_REQUEST, is_locked
from .protocol.login import Login
from .protocol.packet import Medium, Packet, Request
from .protocol.session import Session
from .silence import Heard, explain, heard
from .timing import Timing
from .transport import Address, Pipe

LOOKS = 4
"""Turns of the event loop after which a link that has something to read has been read: asyncio hands bytes on within
two, and on Windows within three."""
PASSWORD_HINT = ("Next: put it into an environment variable, and name that with -o password_env=NAME.",)


class LinkStats(Struct, frozen=True):
    """What crossed the link since it was opened. rejected: reason → gaps in the stream; stale: nobody asked; probes:
    requests of the search for the protocol that were not answered, and are no `requests`: most are for other devices.
    """

    requests: int
    answers: int
    stale: int
    rejected: dict[str, int]
    probes: int = 0


class Reply(Struct, frozen=True):
    """The answer to a request; when it was complete, by the wall clock and by the monotonic clock (s)."""

    request: Request
    frame: Frame
    time: datetime
    at: float


class Link:
    """Asks one thing at a time. Not to be used by two tasks at once."""

    def __init__(self, pipe: Pipe, name: str, timing: Timing, where: Address | None = None) -> None:
        self.pipe = pipe
        self.name = name
        self.where = where
        self._timing = timing
        self._session = Session(shape for known in MODULES for shape in dialect(known).SHAPES)
        self._unsettled = False  # bytes of an earlier exchange may still come
        self._quiet_since = timing.monotonic() - 1.0
        self._last: tuple[Request, ...] = ()
        self._requests = self._answers = self._probes = 0

    @property
    def stats(self) -> LinkStats:
        """The counters, as they are now."""
        session = self._session
        return LinkStats(self._requests, self._answers, session.stale, dict(session.rejected), self._probes)

    @property
    def instead(self) -> Heard | None:
        """What came instead of an answer to the last request; None if nothing came at all."""
        return heard(self._session)

    def no_answer(self, how_often: str, request: str, instead: Heard | None) -> NoAnswer:
        """The error to raise when asking for `request` was given up; how_often: begins with what did not come."""
        what, hints = explain(self.name, self.where, request, instead)
        return NoAnswer(f"{self.name}: {how_often}; {what}", *hints)

    async def ask(
        self,
        requests: tuple[Request, ...],
        *,
        patience: float,
        pause: float = 0.0,
        late: tuple[Request, ...] = (),
        secret: bool = False,
    ) -> Reply:
        """Send once, and wait `patience` s for the answer. Several requests are alternatives.

        `pause` s are left since the exchange before, if that was another one. `secret`: the bytes belong in no log.
        Raises `NoAnswer`, `LinkLost`.
        Cancelled, it leaves nothing behind: the next request first waits for silence.
        """
        if self._unsettled and (answer := await self.drain(late)):
            return self._reply(answer, more=True)
        if requests != self._last and self.pipe.medium is not Medium.MEMORY:
            await asyncio.sleep(self._quiet_since + pause - self._timing.monotonic())
        await self._clear()
        self._unsettled, self._last = True, requests
        self._requests += 1
        answer = await self._exchange(requests, patience, late, secret)
        if answer is None:
            raise NoAnswer(f"{self.name}: no valid answer to {requests[0].name}")
        return self._reply(answer, more=len(requests) > 1)  # an alternative that was not answered yet may still be

    async def probe(
        self,
        requests: tuple[Request, ...],
        *,
        patience: float,
        pause: float = 0.0,
        late: tuple[Request, ...] = (),
        secret: bool = False,
    ) -> Reply:
        """As `ask`, for the search for the protocol: that it is not answered tells nothing about the link."""
        try:
            return await self.ask(requests, patience=patience, pause=pause, late=late, secret=secret)
        except NoAnswer:
            self._requests -= 1
            self._probes += 1
            raise

    async def login(self, exchange: Login, *, patience: float, unpack: Callable[[Frame], Packet]) -> None:
        """Run an exchange that gives a password; each of its requests is sent once. Raises what it raises."""
        request = next(exchange, None)
        while request is not None:
            try:
                reply = await self.ask((request,), patience=patience, secret=True)
            except NoAnswer:
                once = f"no valid answer to a password, which is given only once ({patience:.1f} s)"
                raise self.no_answer(once, "the password", self.instead) from None
            try:
                request = exchange.send(unpack(reply.frame))
            except StopIteration:
                return
            except AntbmsError as error:
                raise type(error)(f"{self.name}: {error}", *error.hints) from None

    async def drain(self, late: tuple[Request, ...] = ()) -> tuple[Request, Frame] | None:
        """Read until nothing has come for a while, so that what comes next is an answer to what is asked next.

        An answer to one of the earlier requests `late` ends it before that.
        """
        self._session.give_up()
        self._session.welcome(late)
        try:
            async with asyncio.timeout(self._timing.drain):
                while data := await self._read_within(self._timing.silence):
                    if answer := self._session.receive(data):
                        return answer
        except TimeoutError:
            pass  # a device that never stops: the match of function and register must do
        self._unsettled = False
        return self._session.give_up()

    async def _clear(self) -> None:
        """Take away what has come since the last exchange: it cannot answer what is asked now, but would look so.

        An answer that comes twice, or one to another program, would else be taken for the next, and each after it for
        the one that follows: all readings would be late by one, for ever. What has come of such an answer in part is
        dropped as well, so that its rest, which may come after the request, makes nothing whole. If this process was
        busy meanwhile, all that may still lie in the system's buffer: so the event loop first looks there.
        """
        for _ in range(LOOKS):
            await asyncio.sleep(0)
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                while True:
                    self._session.receive(await self.pipe.read())
        self._session.give_up()

    def _reply(self, answer: tuple[Request, Frame], *, more: bool) -> Reply:
        """more: whether further answers may come."""
        self._answers += 1
        self._unsettled = more
        self._quiet_since = self._timing.monotonic()
        return Reply(*answer, time=self._timing.now(), at=self._quiet_since)

    async def _exchange(
        self, requests: tuple[Request, ...], patience: float, late: tuple[Request, ...], secret: bool
    ) -> tuple[Request, Frame] | None:
        await self.pipe.write(self._session.send(*requests, late=late), secret=secret)
        try:
            async with asyncio.timeout(self._at_most(patience)):
                while True:
                    if answer := self._session.receive(await self.pipe.read()):
                        return answer
        except TimeoutError:
            return self._session.give_up()

    def _at_most(self, seconds: float) -> float:
        """How long it makes sense to wait on this medium."""
        return min(seconds, self._timing.memory) if self.pipe.medium is Medium.MEMORY else seconds

    async def _read_within(self, seconds: float) -> bytes:
        """What came; nothing if nothing did."""
        try:
            async with asyncio.timeout(self._at_most(seconds)):
                return await self.pipe.read()
        except TimeoutError:
            return b""


async def detect(link: Link, timing: Timing, *, change_baud: bool, password: str | None = None) -> Reply:
    """The answer to the first probe that is answered; its protocol is that of the device. Only reads.

    A `jbd` Bluetooth module that is locked answers no probe; where one is expected, it is unlocked with the password.
    Raises `NoAnswer` if none answers in two rounds, `LinkLost`, and for a locked module `Refused`, `WrongPassword`.
    """
    try:
        return await _search(link, timing, change_baud=change_baud)
    except NoAnswer:
        if link.pipe.expects != jbd.NAME or not await _is_locked(link, timing):
            raise
    if password is None:
        raise PasswordNeeded(f"{link.name}: the battery's Bluetooth module wants its password", *PASSWORD_HINT)
    exchange = jbd.login(password, None, link.pipe.address, link.pipe.medium)
    await link.login(exchange, patience=timing.probe_second, unpack=jbd.unpack)
    return await link.ask(jbd.STATUS[0], patience=timing.probe_second, pause=jbd.PAUSE)


async def _is_locked(link: Link, timing: Timing) -> bool:
    """Whether there is a `jbd` Bluetooth module that wants a password."""
    try:
        reply = await link.probe((LOCK_REQUEST,), patience=timing.probe_first, secret=True)
    except NoAnswer:
        return False
    return is_locked(jbd.unpack(reply.frame))


async def _search(link: Link, timing: Timing, *, change_baud: bool) -> Reply:
    """Ask for the status in every protocol, twice."""
    start = timing.monotonic()
    names = sorted(MODULES, key=lambda name: name != link.pipe.expects)
    probes = {name: _alternatives(dialect(name), link.pipe.medium) for name in names}
    every = tuple(request for requests in probes.values() for request in requests)
    instead: Heard | None = None
    for patience in (timing.probe_first, timing.probe_second):
        for name, requests in probes.items():
            if change_baud:
                await link.pipe.set_baud(dialect(name).BAUD)
            try:
                found = await link.probe(requests, patience=patience, pause=timing.silence, late=every)
            except NoAnswer:
                instead = link.instead or instead
                continue
            found = await _prefer_ant(link, timing, found)
            if change_baud:  # a late answer may come after the speed was changed again
                await link.pipe.set_baud(dialect(found.frame.protocol).BAUD)
            return found
    seconds = timing.monotonic() - start
    raise link.no_answer(f"no protocol answered in 2 rounds ({seconds:.1f} s)", "status", instead)


def _alternatives(spoken: Dialect, medium: Medium) -> tuple[Request, ...]:
    return tuple(request for request in spoken.STATUS[0] if request.fits(medium))


async def _prefer_ant(link: Link, timing: Timing, found: Reply) -> Reply:
    """A 2021 board may answer `ant-legacy` as well: ask `ant` once more, its answer says more."""
    if found.frame.protocol == "ant-legacy":
        probes = _alternatives(dialect("ant"), link.pipe.medium)
        with suppress(NoAnswer):
            return await link.probe(probes, patience=timing.probe_first, pause=timing.silence)
    return found
