"""Whether the note of an earlier run is one of the battery that answers: before anything is sent because of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from pathlib import Path

from .asking import Asker
from .errors import MEANT, NoAnswer, Refused, UsageError
from .identity import CELLS, CHIP, signs
from .journal import Journal, Note
from .model import DeviceInfo

MET = 30.0
"""s for which a device that said who it is counts as the one that answers."""


class Meeting:
    """Speaks for whoever holds the lock of `asker`.

    known: the journal's key is the battery's own, so its note can be that of no other. tell: a person, each text once.
    """

    def __init__(
        self,
        asker: Asker,
        journal: Journal,
        info: Callable[[int | None], Awaitable[DeviceInfo]],
        tell: Callable[[str], None],
        *,
        known: bool,
    ) -> None:
        self._asker = asker
        self._journal = journal
        self._info = info
        self._tell = tell
        self._known = known
        self._at: float | None = None
        self._ignored: frozenset[str] = frozenset()

    async def again(self) -> None:
        """Let the journal know which device answers, unless it was asked just now. Raises as `Battery.info` does."""
        recent = self._at is not None and self._asker.timing.monotonic() - self._at < MET
        if not (self._known or recent):
            await self.meet(await self._info(None))

    async def meet(self, device: DeviceInfo, wanted: Collection[str] = ()) -> None:
        """Let the journal know which device answers. wanted: what is to be written."""
        if self._known:
            return
        if "cell_count" in wanted:  # it may change at any time from now on, and what is cached may be older
            self._ignored = frozenset((CELLS,))
        self._tell_others(await self._look(device, None))
        self._at = self._asker.timing.monotonic()

    async def first(self) -> Note | None:
        """The note of an earlier run if it is one of the battery that answers, which has just been opened.

        One try each must do, for readings wait: more only if a battery may be in its factory mode, and it is not clear
        whether it is this one. Raises as `Battery.info` does.
        """
        if not self._known:
            others = await self._look(await self._info(1), 1)
            if self._journal.in_doubt:
                others = await self._look(await self._info(None), None)
            self._tell_others(others)
        note = self._journal.read()
        if note and (note.mode or note.setting):
            self._tell_signs()
        return note

    async def _look(self, device: DeviceInfo, tries: int | None) -> dict[Path, tuple[Note, str]]:
        """Let the journal know which device answers; the notes of others."""
        chips = []
        for request in self._asker.spoken.IDENTITY:
            with suppress(NoAnswer, Refused):
                chips.append((await self._asker.ask((request,), tries=tries)).packet.data)
        return self._journal.meet(signs(device, chips), self._ignored)

    def _tell_others(self, others: dict[Path, tuple[Note, str]]) -> None:
        for file, (note, why) in others.items():
            same = f'; if it is of this one, empty the braces after "device" in {file}'
            self._tell(
                f"a note of an earlier run on this link may be of another battery ({why}) and is kept: {note.text}"
                f"{same if note.protocol == self._asker.spoken.NAME else ''}"
            )

    @property
    def is_sure(self) -> bool:
        """Whether the note is one of this battery, as far as can be known; else it may be of any."""
        return self._known or bool(self._journal.signs)

    def check_unsaved(self, *, dangerous: bool) -> None:
        """Before the saving of an earlier run is done now: raise `UsageError` if it may have been of any battery."""
        self._tell_signs()
        if not (self.is_sure or dangerous):
            raise UsageError(
                f"{self._asker.name}: an earlier run on this link wrote and did not save, and whether it wrote to this "
                "battery is not known",
                MEANT,
            )

    def _tell_signs(self) -> None:
        """By what the note is taken for one of this battery, unless it can be of no other."""
        same = self._journal.signs
        if not self._known and same != [CHIP]:
            what = f"the same {', '.join(same)}" if same else "nothing that tells batteries apart is known"
            self._tell(f"the note of an earlier run on this link is taken for one of this battery: {what}")
