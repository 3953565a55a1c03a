"""Settings read page by page, and what is made of silence: not there, or not answered.

Boards answer what they do not have with a refusal, with a value that stands for nothing, or with silence (jbd.md §1).
Silence counts as "not there" only if it is asked as often as any read, if what is asked before and after it is
answered, and if the link loses so little that it is not the link.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from .asking import Asker, NotThere
from .errors import NoAnswer, PasswordNeeded, Refused
from .protocol.packet import Packet, Request
from .protocol.settings import Page, Raw

DEAF = 3
"""Pages in a row without an answer, after which something is asked that must be answered: the link may be gone."""
LOST_MOST = 10
"""Of so many other requests at most one may be lost for silence to mean "not there": three tries then err once in a
thousand."""
MODE_LOST = (
    "It was in its factory mode: that has ended by itself, or another program ended it.",
    "Next: end other programs that use the battery, then the same command again.",
)


class Found(Struct, frozen=True):
    """raws: name → raw value. What was asked for and stands nowhere, the battery does not have.

    untold: name → why it was not told, although the battery may have it; denied: those of it that the battery refuses
    to tell, while it tells others. silent: names that count as not there because of silence alone.
    """

    raws: dict[str, Raw] = {}
    untold: dict[str, str] = {}
    silent: tuple[str, ...] = ()
    denied: frozenset[str] = frozenset()

    def __or__(self, later: Found) -> Found:
        """Both, where `later` was asked for what was not found here."""
        return Found(self.raws | later.raws, later.untold, later.silent, later.denied)


class Reader:
    """Reads pages, for whoever holds the lock of `asker`. Pages that were found not to be there are not asked again."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._absent: set[tuple[Request, ...]] = set()

    def forget(self) -> None:
        """What is there may be other than before: a password was given."""
        self._absent.clear()

    async def read(self, pages: Sequence[Page], *, inside: bool, optional: bool = False) -> Found:
        """What the pages hold. inside: in factory mode. optional: if the first is silent, the rest is not asked.

        Raises `NoAnswer` if the link is gone, `LinkLost`, `PasswordNeeded`, and `Refused` if the factory mode is lost,
        or if nothing was told, and some refused.
        """
        reading = _Reading(self._asker, inside)
        asked = [page for page in pages if page.requests not in self._absent]
        if optional and asked and not await reading.page(asked[0], 1):
            return Found()
        await reading.all(asked[1:] if optional else asked)
        absent = await reading.again()
        self._absent |= {page.requests for page in absent}
        silent = tuple(row.name for page in pages if page.requests in self._absent for row in page.rows)
        if reading.refusal and not (reading.told or optional):
            raise reading.refusal
        denied = frozenset(row.name for page in reading.refused for row in page.rows if reading.told)
        return Found(reading.raws, reading.untold, silent, denied)

    async def sure(self, pages: Sequence[Page], *, inside: bool) -> dict[str, Raw]:
        """What pages hold that the battery has. Raises `NoAnswer` for silence, and `Refused`."""
        raws: dict[str, Raw] = {}
        for page in pages:
            try:
                packets = await ask(self._asker, page, inside)
            except NotThere:
                continue
            except Refused as error:
                if inside:
                    raise _mode_lost(error) from None
                raise
            raws |= self._asker.spoken.raws(page, packets)
        return raws


async def ask(asker: Asker, page: Page, inside: bool, tries: int | None = None) -> list[Packet]:
    """The answers to a page; outside of factory mode, jbd tells many settings in one answer, which takes longer."""
    patience = asker.spoken.REGISTER_PATIENCE if inside or asker.spoken.FACTORY is None else None
    return [(await asker.ask((request,), tries=tries, patience=patience)).packet for request in page.requests]


class _Reading:
    """One pass over pages."""

    def __init__(self, asker: Asker, inside: bool) -> None:
        self.raws: dict[str, Raw] = {}
        self.untold: dict[str, str] = {}
        self.refused: list[Page] = []
        self.refusal: Refused | None = None  # the last of them
        self.told: Page | None = None  # the last page that was told
        self._asker = asker
        self._inside = inside
        self._silent: list[tuple[Page, int]] = []  # and how many requests for it got no answer
        self._alive: Page | None = None  # the last page that was answered
        self._requests = asker.link.stats.requests
        self._began = self._unanswered()

    async def all(self, pages: Sequence[Page]) -> None:
        """Every page once."""
        row = 0
        for page in pages:
            before = self._unanswered()
            if await self.page(page, 1):
                row = 0
                continue
            self._silent.append((page, self._unanswered() - before))
            row += 1
            if row == DEAF:
                await self._check_alive()
                row = 0

    async def again(self) -> list[Page]:
        """The silent pages once more, as often as any read; those that are not there."""
        if not self._silent:
            return []
        await self._check_alive()
        tries, still, wasted = max(1, self._asker.timing.tries - 1), list[Page](), 0
        for page, before in self._silent:
            begin = self._unanswered()
            if not await self.page(page, tries):
                wasted += before + self._unanswered() - begin
                still.append(page)
                await self._check_alive()
        lost = self._unanswered() - self._began - wasted
        others = self._asker.link.stats.requests - self._requests - wasted
        if LOST_MOST * lost <= others:
            return still
        why = f"no answer in {tries + 1} tries, on a link that loses answers"
        self.untold |= {row.name: why for page in still for row in page.rows}
        return []

    def _unanswered(self) -> int:
        stats = self._asker.link.stats
        return stats.requests - stats.answers

    async def page(self, page: Page, tries: int) -> bool:
        """Ask for a page; whether it was answered."""
        try:
            packets = await ask(self._asker, page, self._inside, tries)
        except NoAnswer:
            return False
        except NotThere:
            self._alive = page
            return True
        except PasswordNeeded:
            raise
        except Refused as error:
            self.refused.append(page)
            self.refusal = error
            if self._inside:
                await self._check_mode(error)
            self._alive = self.told if self._inside else page
            self.untold |= {row.name: error.reason for row in page.rows}
            return True
        self._alive = self.told = page
        self.raws |= self._asker.spoken.raws(page, packets)
        return True

    async def _check_alive(self) -> None:
        """Ask for what must be answered. Raises `NoAnswer` if it is not: then it is the link.

        A refusal is an answer as well, of a board that tells others; else it is raised.
        """
        try:
            await ask(self._asker, self._alive or next(self._others(), self._silent[0][0]), self._inside)
        except NotThere:
            pass
        except PasswordNeeded:
            raise
        except Refused as error:
            if self._inside:
                raise _mode_lost(error) from None
            if not self.told:
                raise

    async def _check_mode(self, error: Refused) -> None:
        """Whether it is this register alone that is refused. Raises `Refused` unless another one is told.

        That another one is not there proves nothing: a board may say so outside of the mode as well.
        """
        for page in [self.told] if self.told else self._others():
            try:
                await ask(self._asker, page, True)
            except NotThere:
                continue
            except Refused:
                break
            self.told = page
            return
        raise _mode_lost(error)

    def _others(self) -> Iterator[Page]:
        """The pages of the whole table that were neither silent nor refused."""
        spoken, useless = self._asker.spoken, [page.requests for page in self.refused]
        useless += [page.requests for page, _ in self._silent]
        pages = (page for row in spoken.SETTINGS.values() for page in spoken.pages([row], factory=self._inside))
        return (page for page in pages if page.requests not in useless)


def _mode_lost(error: Refused) -> Refused:
    return error if isinstance(error, PasswordNeeded) else Refused(str(error), *MODE_LOST)
