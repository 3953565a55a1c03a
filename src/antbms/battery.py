"""One open battery: what it says now, and who it is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from .errors import NoAnswer, Refused, UsageError
from .link import Link, LinkStats, Reply, detect
from .model import DeviceInfo, Snapshot
from .protocol import Dialect, dialect
from .protocol.packet import Packet, Request
from .silence import Heard, unknown
from .timing import DEFAULT, Timing
from .transport import Medium, open_pipe, parse_address

FIRST_BAUD = 19200
"""Of a wire whose protocol is not known yet: detection begins with the ANT families."""


FRESH = 1.0
"""s for which the answer that detection got counts as the answer to the first request."""


class Answer(Struct, frozen=True):
    """A packet; when it was complete, by the wall clock and by the monotonic clock (s)."""

    packet: Packet
    time: datetime
    at: float


class Battery:
    """One battery behind an open link. Made by `antbms.open`.

    Its methods may be called from several tasks: they wait for each other, one request is in flight at a time.
    """

    def __init__(self, link: Link, spoken: Dialect, timing: Timing, found: Reply | None = None) -> None:
        self._link = link
        self._spoken = spoken
        self._timing = timing
        self._lock = asyncio.Lock()
        # The alternative of the first status request that this device seems to answer, and its latest answer.
        self._answered = found.request if found else None
        self._status = self._usable(self._answer(found)) if found else None
        self._is_new = self._status is not None  # nobody has seen that answer yet

    @property
    def name(self) -> str:
        """What the battery is called in records and messages: by default its address."""
        return self._link.name

    @property
    def protocol(self) -> str:
        """`ant`, `ant-legacy` or `jbd`."""
        return self._spoken.NAME

    @property
    def stats(self) -> LinkStats:
        """What crossed the link since it was opened."""
        return self._link.stats

    async def read(self) -> Snapshot:
        """Ask for the state of the battery now; changes nothing in it.

        Retries as `Timing.tries` says. Raises `NoAnswer`, `LinkLost`, `Refused`.
        """
        async with self._lock:
            first, *others = self._spoken.STATUS
            answers = [await self._first_status(first), *[await self._ask(step) for step in others]]
        apart = answers[-1].at - answers[0].at
        packets = [answer.packet for answer in answers]
        return self._spoken.to_snapshot(packets, time=answers[0].time, battery=self.name, apart=apart)

    async def info(self) -> DeviceInfo:
        """Ask who the device is; what it does not tell is None. Raises as `read` does, if it tells nothing at all."""
        async with self._lock:
            status = self._status or await self._ask(self._spoken.STATUS[0])
            packets = [status.packet]
            for request in self._spoken.INFO:
                with suppress(NoAnswer, Refused):
                    packets.append((await self._ask((request,))).packet)
        info = self._spoken.to_info(packets)
        return replace(info, address=info.address or self._link.pipe.address)

    async def counters(self) -> dict[str, int]:
        """Ask how often each protection has acted (and what else the device counts): name → number of times.

        Raises as `read` does, and `UsageError` if the protocol has no counters.
        """
        request = self._spoken.COUNTERS
        if request is None:
            raise UsageError(f"{self.name}: {self.protocol} has no protection counters")
        async with self._lock:
            answer = await self._ask((request,))
        return answer.packet.fields

    async def login(self, password: str, level: int | None = None) -> None:
        """Give a password, once. level: the permission level to ask for (ant; by default what fits the password).

        Raises `WrongPassword`, `Refused`, `NoAnswer`, `LinkLost`, `UsageError`.
        """
        pipe, patience = self._link.pipe, self._timing.answer or self._spoken.PATIENCE
        exchange = self._spoken.login(password, level, pipe.address, pipe.medium)
        async with self._lock:
            await self._link.login(exchange, patience=patience, unpack=self._spoken.unpack)

    async def _first_status(self, alternatives: tuple[Request, ...]) -> Answer:
        """The first status answer: that of detection, if it is fresh and new; else it is asked for."""
        is_new, self._is_new = self._is_new, False
        if self._status and is_new and self._timing.monotonic() - self._status.at <= FRESH:
            return self._status
        return await self._ask(alternatives)

    async def _ask(self, alternatives: tuple[Request, ...]) -> Answer:
        """A read request: asked again until it is answered, `Timing.tries` times at most."""
        start = self._timing.monotonic()
        patience = self._timing.answer or self._spoken.PATIENCE
        instead: Heard | None = None
        for _ in range(self._timing.tries):
            try:
                answer = await self._try(alternatives, patience)
            except NoAnswer:
                instead = self._link.instead or instead
                self._take_turns(alternatives)
                continue
            packet = answer.packet
            if reason := self._spoken.failure(packet):
                raise Refused(f"{self.name}: the battery refused to tell its {alternatives[0].name}: {reason}")
            if packet.whole:
                return answer
            instead = unknown(f"a valid frame that is too short for {packet.message}")
        tries = f"no valid answer in {self._timing.tries} tries ({self._timing.monotonic() - start:.1f} s)"
        raise self._link.no_answer(tries, alternatives[0].name, instead)

    async def _try(self, alternatives: tuple[Request, ...], patience: float) -> Answer:
        if self._answered in alternatives:
            alternatives = (self._answered,)
        else:
            alternatives = tuple(request for request in alternatives if request.fits(self._link.pipe.medium))
        reply = await self._link.ask(alternatives, patience=patience, pause=self._spoken.PAUSE)
        answer = self._answer(reply)
        if reply.request in self._spoken.STATUS[0]:
            self._answered = reply.request
            self._status = self._usable(answer) or self._status
        return answer

    def _take_turns(self, alternatives: tuple[Request, ...]) -> None:
        """Of alternatives that were sent together nobody knows which was answered: if one is not, try the next."""
        fitting = [request for request in alternatives if request.fits(self._link.pipe.medium)]
        if self._answered in fitting:
            self._answered = fitting[(fitting.index(self._answered) + 1) % len(fitting)]

    def _usable(self, answer: Answer) -> Answer | None:
        """The answer, unless it is a refusal, or too short."""
        return answer if answer.packet.whole and not self._spoken.failure(answer.packet) else None

    def _answer(self, reply: Reply) -> Answer:
        return Answer(self._spoken.unpack(reply.frame), reply.time, reply.at)


@asynccontextmanager
async def open_battery(
    address: str,
    *,
    protocol: str | None = None,
    options: Mapping[str, str] | None = None,
    timing: Timing = DEFAULT,
    record: Path | None = None,
    redact: bool = False,
    on_note: Callable[[str], None] | None = None,
    password: str | None = None,
    name: str | None = None,
) -> AsyncIterator[Battery]:
    """Open a battery, and close it at the end of the block.

    address: a COM port, device file or URL (`docs/addresses.md`). protocol: `ant`, `ant-legacy` or `jbd`; found by
    itself if None. options: of the address, as after its `?`. record: a new file for everything that crosses the
    link, passwords left out; redact: the address as well. on_note: told in words what may interest a human, for
    example which protocol was found. password: of the battery; by default that of the environment variable which the
    option `password_env` names, if there is one. name: what the battery is called in snapshots and errors; by default
    its address.

    Raises `UsageError`, `OpenError`, `FileError`, and, while the protocol is being found or the password given,
    `NoAnswer`, `LinkLost`, `Refused`, `WrongPassword`.
    """
    where = parse_address(address, options)
    spoken = dialect(protocol) if protocol is not None else None
    secret = password if password is not None else _password_in(where.options)
    file = Path(record) if record is not None else None
    pipe = await open_pipe(where, timing, spoken.BAUD if spoken else FIRST_BAUD, file, redact=redact)
    try:
        link = Link(pipe, name or where.text, timing, where)
        found = None
        if spoken is None:
            change_baud = pipe.medium in (Medium.WIRE, Medium.UNKNOWN) and "baud" not in where.options
            found = await detect(link, timing, change_baud=change_baud, password=secret)
            spoken = dialect(found.frame.protocol)
            if on_note and pipe.medium is not Medium.MEMORY:
                on_note(f"{where.text} speaks {spoken.NAME}; --protocol {spoken.NAME} makes the next read quicker")
        battery = Battery(link, spoken, timing, found)
        # A jbd module that lets requests through is unlocked, or was unlocked by detection.
        if secret is not None and not (found and spoken.NAME == "jbd" and pipe.medium is Medium.BLUETOOTH):
            await battery.login(secret)
        yield battery
    finally:
        await pipe.close()


def _password_in(options: Mapping[str, str]) -> str | None:
    name = options.get("password_env")
    if name is None:
        return None
    if name not in os.environ:
        raise UsageError(f"the environment variable {name}, which should hold the battery's password, is not set")
    return os.environ[name]
