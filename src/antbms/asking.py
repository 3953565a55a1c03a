"""One conversation with a battery whose protocol is known: reads are retried, writes are sent once."""

from __future__ import annotations

import asyncio
from datetime import datetime

from msgspec import Struct

from .errors import NoAnswer, PasswordNeeded, Refused
from .link import Link, Reply
from .model import Snapshot
from .protocol import Dialect
from .protocol.packet import Packet, Request
from .silence import Heard, unknown
from .timing import Timing

FRESH = 1.0
"""s for which the answer that detection got counts as the answer to the first request."""


PASSWORD_HINTS = ("Next: give the password, in an environment variable: -o password_env=NAME",)


class NotThere(Refused):
    """The battery says that it does not have what was asked for."""


class Answer(Struct, frozen=True):
    """A packet; when it was complete, by the wall clock and by the monotonic clock (s)."""

    packet: Packet
    time: datetime
    at: float


class Asker:
    """What a battery is asked through. `lock` is held by whoever asks: one exchange at a time."""

    def __init__(self, link: Link, spoken: Dialect, timing: Timing, found: Reply | None = None) -> None:
        self.link = link
        self.spoken = spoken
        self.timing = timing
        self.lock = asyncio.Lock()
        # The alternative of the first status request that this device seems to answer, and its latest answer.
        self._answered = found.request if found else None
        self._status = self._usable(self._answer(found)) if found else None
        self._is_new = self._status is not None  # nobody has seen that answer yet

    @property
    def name(self) -> str:
        """What the battery is called in messages."""
        return self.link.name

    async def snapshot(self) -> Snapshot:
        """The state of the battery now. Raises `NoAnswer`, `LinkLost`, `Refused`."""
        first, *others = self.spoken.STATUS
        answers = [await self._first_status(first), *[await self.ask(step) for step in others]]
        apart = answers[-1].at - answers[0].at
        packets = [answer.packet for answer in answers]
        return self.spoken.to_snapshot(packets, time=answers[0].time, battery=self.name, apart=apart)

    async def status(self) -> Packet:
        """The latest answer to the first status request; asked for if there is none yet."""
        return (self._status or await self.ask(self.spoken.STATUS[0])).packet

    def refused(self, packet: Packet, what: str, level: int | None = None) -> Refused:
        """The error for an answer that says no."""
        line = f"{self.name}: the battery refused {what}: {self.spoken.failure(packet)}"
        if not self.spoken.wants_password(packet):
            return NotThere(line) if self.spoken.lacks(packet) else Refused(line)
        rights = f" (permission level {level})" if level is not None else ""
        return PasswordNeeded(line + rights, *PASSWORD_HINTS)

    async def write(self, request: Request) -> Packet:
        """Send a request that changes something, once, and wait for its acknowledgement, which may be a refusal.

        Raises `NoAnswer` if none came, `LinkLost`: then nobody knows what became of it.
        """
        patience = self.timing.answer or self.spoken.WRITE_PATIENCE
        reply = await self.link.ask((request,), patience=patience, pause=self.spoken.PAUSE)
        return self.spoken.unpack(reply.frame)

    async def _first_status(self, alternatives: tuple[Request, ...]) -> Answer:
        """The first status answer: that of detection, if it is fresh and new; else it is asked for."""
        is_new, self._is_new = self._is_new, False
        if self._status and is_new and self.timing.monotonic() - self._status.at <= FRESH:
            return self._status
        return await self.ask(alternatives)

    async def ask(
        self, alternatives: tuple[Request, ...], *, tries: int | None = None, patience: float | None = None
    ) -> Answer:
        """A read request: asked again until it is answered, `tries` times at most, by default `Timing.tries`.

        patience: s for each. Raises `NoAnswer`, `LinkLost`, `Refused`, `PasswordNeeded`.
        """
        start = self.timing.monotonic()
        tries = tries or self.timing.tries
        patience = self.timing.answer or patience or self.spoken.PATIENCE
        instead: Heard | None = None
        for _ in range(tries):
            try:
                answer = await self._try(alternatives, patience)
            except NoAnswer:
                instead = self.link.instead or instead
                self._take_turns(alternatives)
                continue
            packet = answer.packet
            if self.spoken.failure(packet):
                raise self.refused(packet, f"to tell its {alternatives[0].name}")
            if packet.whole:
                return answer
            instead = unknown(f"a valid frame that is too short for {packet.message}")
        how_often = f"no valid answer in {tries} tries ({self.timing.monotonic() - start:.1f} s)"
        raise self.link.no_answer(how_often, alternatives[0].name, instead)

    async def _try(self, alternatives: tuple[Request, ...], patience: float) -> Answer:
        if self._answered in alternatives:
            alternatives = (self._answered,)
        else:
            alternatives = tuple(request for request in alternatives if request.fits(self.link.pipe.medium))
        reply = await self.link.ask(alternatives, patience=patience, pause=self.spoken.PAUSE)
        answer = self._answer(reply)
        if reply.request in self.spoken.STATUS[0]:
            self._answered = reply.request
            self._status = self._usable(answer) or self._status
        return answer

    def _take_turns(self, alternatives: tuple[Request, ...]) -> None:
        """Of alternatives that were sent together nobody knows which was answered: if one is not, try the next."""
        fitting = [request for request in alternatives if request.fits(self.link.pipe.medium)]
        if self._answered in fitting:
            self._answered = fitting[(fitting.index(self._answered) + 1) % len(fitting)]

    def _usable(self, answer: Answer) -> Answer | None:
        """The answer, unless it is a refusal, or too short."""
        return answer if answer.packet.whole and not self.spoken.failure(answer.packet) else None

    def _answer(self, reply: Reply) -> Answer:
        return Answer(self.spoken.unpack(reply.frame), reply.time, reply.at)
