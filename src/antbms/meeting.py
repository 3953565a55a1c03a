"""Whether the note of an earlier run is one of the battery that answers: before anything is sent because of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress

from msgspec.structs import replace

from .asking import Asker
from .errors import NoAnswer, Refused, UsageError
from .identity import CHIP, signs
from .journal import Journal, Note
from .model import DeviceInfo
from .planning import MEANT

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

    async def again(self, tries: int | None = 1) -> None:
        """Let the journal know which device answers, unless it was asked just now. Raises as `Battery.info` does.

        tries: for each of what it need not answer. Before reading one must do: few batteries are silent about all.
        """
        recent = self._at is not None and self._asker.timing.monotonic() - self._at < MET
        if not (self._known or recent):
            await self.meet(await self._info(tries), tries=tries)

    async def meet(self, device: DeviceInfo, wanted: Collection[str] = (), *, tries: int | None = None) -> None:
        """Let the journal know which device answers. wanted: what is to be written, and is no sign of it any longer."""
        if self._known:
            return
        chips = []
        for request in self._asker.spoken.IDENTITY:
            with suppress(NoAnswer, Refused):
                chips.append((await self._asker.ask((request,), tries=tries)).packet.data)
        here = signs(replace(device, cells=None) if "cell_count" in wanted else device, chips)
        self._at = self._asker.timing.monotonic()
        for file, why in self._journal.meet(here).items():
            self._tell(
                f"a note of an earlier run on this link is of another battery ({why}): it is kept for that one; if it "
                f"is this one, remove {file}"
            )

    async def note(self) -> Note | None:
        """The note of an earlier run, if it is one of the battery that answers, as far as can be known.

        One that does not even tell its status may still have to be let out of its factory mode. Raises `NoAnswer` if
        there are notes of several.
        """
        try:
            await self.again(tries=None)
        except (NoAnswer, Refused):
            if len(self._journal.notes()) > 1:
                raise
            self._journal.meet({})
        note = self._journal.read()
        if note and (note.mode or note.setting):
            self._tell_signs()
        return note

    def check_unsaved(self, changes: Collection[object], *, dangerous: bool) -> None:
        """Before the saving of an earlier run is done now: raise `UsageError` if it may have been of any battery."""
        self._tell_signs()
        if not (changes or self._known or self._journal.signs or dangerous):
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
