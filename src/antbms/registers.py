"""The registers of an open battery: read page by page, in factory mode where there is no other way; written once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from msgspec import Struct

from .asking import PASSWORD_HINTS, Asker
from .errors import AntbmsError, NoAnswer, PasswordNeeded, Refused, Unconfirmed
from .journal import Journal
from .protocol.packet import Packet, Request
from .protocol.settings import Factory, Raw, Setting, format_value, value_of
from .reading import Found, Reader

LEAVING = 10.0
"""s at most for leaving the factory mode after a failure, which cancelling does not cut short."""


class NotSaved(Unconfirmed):
    """All was written, and saving it was not acknowledged."""


class Written(Struct, frozen=True):
    """raw: what the register holds after a write, None if the battery does not show it. told: what the battery said."""

    raw: Raw | None
    told: str


class Mode:
    """How the mode is left: keep: saving, because all went well."""

    keep = False


class Registers:
    """Speaks for whoever holds the lock of `asker`."""

    def __init__(self, asker: Asker, journal: Journal, meet: Callable[[], Awaitable[None]]) -> None:
        """meet: makes sure that the journal knows which device answers."""
        self._asker = asker
        self._journal = journal
        self._meet = meet
        self._reader = Reader(asker)
        self._inside = False  # in factory mode

    @property
    def unsaved(self) -> bool:
        """Whether something was written, in this run or an earlier one, and no saving was acknowledged since."""
        note = self._journal.read()
        return note is not None and note.unsaved

    async def rows(self) -> tuple[Packet, Mapping[str, Setting]]:
        """The status now, and the settings that a device with it has. Raises `PasswordNeeded` if it hides them."""
        spoken = self._asker.spoken
        status = (await self._asker.ask(spoken.STATUS[0])).packet
        if reason := spoken.hidden(status):
            raise PasswordNeeded(
                f"{self._asker.name}: the battery does not show its settings: {reason}", *PASSWORD_HINTS
            )
        return status, spoken.settings_for(status)

    def forget(self) -> None:
        """Ask again also for what was not there."""
        self._reader.forget()

    async def read(self, rows: Iterable[Setting], *, complete: bool = True) -> Found:
        """What the battery tells of these settings.

        Where it can tell some without factory mode, that is entered only for the rest, and only if `complete`.
        Raises `NoAnswer` if the link is gone, `Refused` if the factory mode is lost, `PasswordNeeded`, `LinkLost`.
        """
        spoken, rows = self._asker.spoken, list(rows)
        if spoken.FACTORY is None or self._inside:
            return await self._reader.read(spoken.pages(rows, factory=self._inside), inside=self._inside)
        told = await self._reader.read(spoken.pages(rows), inside=False, optional=True)
        rest = [row for row in rows if row.name not in told.raws]
        if not rest or (told.raws and not complete):
            return Found(told.raws, told.untold, denied=told.denied)
        async with self.mode():
            return told | await self._reader.read(spoken.pages(rest, factory=True), inside=True)

    async def sure(self, rows: Iterable[Setting]) -> dict[str, Raw]:
        """The same of settings that the battery has. Raises `NoAnswer` if it is silent about one of them, `Refused`."""
        spoken, rows = self._asker.spoken, list(rows)
        if spoken.FACTORY is None or self._inside:
            return await self._reader.sure(spoken.pages(rows, factory=self._inside), inside=self._inside)
        told = await self._reader.read(spoken.pages(rows), inside=False, optional=True)
        rest = [row for row in rows if row.name not in told.raws]
        if not rest:
            return told.raws
        async with self.mode():
            return told.raws | await self._reader.sure(spoken.pages(rest, factory=True), inside=True)

    async def write(self, row: Setting, old: Raw | None, new: int, register: bytes) -> Written:
        """Write one setting, once, and read it back.

        If a value of several frames gets stuck half-way, the frames that were sent are taken back, and that is read
        back too. Raises `Refused` if the battery refuses and holds what it held, `Unconfirmed` if it cannot be read
        back, `LinkLost`.
        """
        unsaved = self.unsaved
        self._journal.writing(row.name, old if isinstance(old, int) else None, new, mode=self._inside)
        requests = self._asker.spoken.write_requests(row, new, register)
        sent, refusal = await self._send(requests, row)
        told = "acknowledged" if sent == len(requests) and not refusal else "the acknowledgement was lost"
        if refusal and sent == 1:
            self._journal.written(mode=self._inside, unsaved=unsaved)
            raise refusal
        raw = await self._read_back(row, told)
        if raw not in (old, new) and len(requests) > 1 and isinstance(old, int):
            before, raw = raw, await self._take_back(row, old, sent - bool(refusal))
            told = f"its frame {sent} of {len(requests)} failed: {refusal.reason if refusal else told}"
            if raw != old:
                told += f"; then it held {_text(row, before)}, and that could not be taken back"
        if raw in (old, new):
            self._journal.written(mode=self._inside, unsaved=unsaved or raw == new)
        if refusal and raw == old:
            refusal.hints = (*refusal.hints, f"The part of {row.name} that was written has been taken back, and read.")
            raise refusal
        return Written(raw, told)

    async def _send(self, requests: Sequence[Request], row: Setting) -> tuple[int, Refused | None]:
        """How many frames were sent until all were acknowledged, or one was refused or got no acknowledgement."""
        for number, request in enumerate(requests, 1):
            try:
                packet = await self._asker.write(request)
            except NoAnswer:
                return number, None
            if self._asker.spoken.failure(packet):
                return number, self._asker.refused(packet, f"to write {row.name}")
        return len(requests), None

    async def _take_back(self, row: Setting, old: int, sent: int) -> Raw | None:
        """Write the old value's frames in place of those that were sent; what the register holds then."""
        await self._send(self._asker.spoken.write_requests(row, old)[:sent], row)
        return await self._read_back(row, "a part of it was taken back")

    async def _read_back(self, row: Setting, told: str) -> Raw | None:
        """What the register holds. Raises `Unconfirmed` if that cannot be known, `LinkLost`."""
        try:
            return (await self.sure([row])).get(row.name)
        except (NoAnswer, Refused) as error:  # not of the write
            raise Unconfirmed(
                f"{self._asker.name}: {row.name} was written once ({told}), and cannot be read back: {error.reason}",
                *error.hints,
            ) from error

    async def save(self) -> None:
        """Keep what was written. Raises `Refused`, `Unconfirmed` if the acknowledgement is lost, `LinkLost`."""
        request = self._asker.spoken.SAVE
        if request is None:
            return
        try:
            packet = await self._asker.write(request)
        except NoAnswer:
            raise Unconfirmed(
                f"{self._asker.name}: no acknowledgement of saving: whether it was done is not known"
            ) from None
        if self._asker.spoken.failure(packet):
            raise self._asker.refused(packet, "to save the settings")
        self._journal.saved()

    @asynccontextmanager
    async def mode(self) -> AsyncIterator[Mode]:
        """The mode that settings are read and written in, where the protocol has one; noted before it is entered.

        It is left whatever happens, even if cancelled; without saving unless `Mode.keep` was set.
        Raises `NotSaved` if it was set, and saving was refused or not acknowledged; `LinkError` if another program
        changes the battery now.
        """
        factory, mode = self._asker.spoken.FACTORY, Mode()
        if factory is None or self._inside:
            yield mode
            return
        with self._journal.held(self._asker.timing.now):
            await self._meet()
            try:
                await self._enter(factory)
                yield mode
                await self._leave_well(factory, mode)
            except BaseException:
                if self._inside:
                    await _whole(self._leave_after_failure(factory))
                raise
            finally:
                self._inside = False

    async def _leave_well(self, factory: Factory, mode: Mode) -> None:
        if mode.keep and await self._sent(factory.keep):
            self._left()
            self._journal.saved()
            return
        await self.leave()  # if the acknowledgement of saving was lost: leaving twice does no harm
        if mode.keep:
            raise NotSaved(f"{self._asker.name}: written, but saving was not acknowledged: a restart may lose it")

    async def leave(self, *, mended: bool = True) -> None:
        """Leave the factory mode without saving: asked until it is acknowledged, for it does nothing else.

        mended: the note of it, and of what was being written, is over. Raises `NoAnswer`, `Refused`, `LinkLost`.
        """
        await self.let_out()
        self._left(mended=mended)

    async def let_out(self) -> None:
        """The same, and nothing is noted of it."""
        factory = self._asker.spoken.FACTORY
        if factory is not None:
            await self._asker.ask((factory.leave,))

    async def _enter(self, factory: Factory) -> None:
        self._journal.entered()
        self._inside = True
        try:
            packet = await self._asker.write(factory.enter)
        except NoAnswer:
            raise NoAnswer(f"{self._asker.name}: no acknowledgement of the factory mode, which settings need") from None
        if self._asker.spoken.failure(packet):
            self._left()
            raise self._asker.refused(packet, "its factory mode, which settings need")

    async def _leave_after_failure(self, factory: Factory) -> None:
        """Whatever goes wrong now: the note stays, and the next contact leaves the mode."""
        with suppress(AntbmsError, TimeoutError):
            async with asyncio.timeout(LEAVING):
                await self._asker.ask((factory.leave,))
            self._left(mended=False)

    async def _sent(self, request: Request) -> bool:
        try:
            packet = await self._asker.write(request)
        except NoAnswer:
            return False
        return not self._asker.spoken.failure(packet)

    def _left(self, *, mended: bool = True) -> None:
        self._inside = False
        if mended:
            self._journal.clear()
        else:
            self._journal.left()


def _text(row: Setting, raw: Raw | None) -> str:
    return "nothing" if raw is None else format_value(row, value_of(row, raw))


async def _whole(work: Coroutine[Any, Any, None]) -> None:
    """Wait until it is done, even if cancelled meanwhile: that is raised afterwards."""
    task, cancelled = asyncio.ensure_future(work), None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled:
        raise cancelled
