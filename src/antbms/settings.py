"""The settings of an open battery: read, checked, written one by one, read back, saved, and read back again."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from .asking import Asker
from .backup import Backup, save
from .errors import AntbmsError, FileError, LinkError, NoAnswer, Refused, Unconfirmed
from .folders import state_folder
from .journal import InUse, Journal, Note
from .meeting import Meeting
from .model import DeviceInfo, Outcome
from .model.events import Value
from .planning import Plan, in_units, not_told, plan, raws_wanted, register_now, row_named, usual
from .protocol.packet import Packet
from .protocol.relations import chemistry_of
from .protocol.settings import Raw, Setting, format_value, value_of
from .reading import Found
from .registers import NotSaved, Registers
from .writing import Change, Other, mismatch, stopped

SUSPICIOUS = 5
"""Settings that all read 0: a line that repeats what is sent looks so."""


class Settings:
    """The settings of one battery; `Battery.settings`."""

    def __init__(
        self,
        asker: Asker,
        journal: Journal,
        info: Callable[[int | None], Awaitable[DeviceInfo]],
        note: Callable[[str], None] | None,
        *,
        known: bool = False,
    ) -> None:
        """known: the journal's key is the battery's own, so that its note can be that of no other."""
        self._asker = asker
        self._journal = journal
        self._meeting = Meeting(asker, journal, info, self._tell_once, known=known)
        self._registers = Registers(asker, journal, self._meeting.again)
        self._info = info
        self._note = note
        self._noted: set[str] = set()
        self._found = Found()
        self._backup_made: Path | None = None

    @property
    def unsaved(self) -> bool:
        """Whether something was written, in this run or an earlier one, and no saving was acknowledged since.

        Of an earlier run over the same link: before `check` or `write` it may have been another battery.
        """
        return self._registers.unsaved

    @property
    def untold(self) -> Mapping[str, str]:
        """Of the latest reading: name → why the battery did not tell it, although it may have it."""
        return self._found.untold

    @property
    def denied(self) -> frozenset[str]:
        """Those of `untold` that the battery refuses to tell, while it tells others: asking again does not help."""
        return self._found.denied

    def forget(self) -> None:
        """Ask again also for what was not there: a password was given."""
        self._registers.forget()

    async def rows(self) -> Mapping[str, Setting]:
        """The settings that this battery may have, by name. Raises `PasswordNeeded` if it hides them, and as `read`."""
        async with self._asker.lock:
            return (await self._registers.rows())[1]

    async def read(self, names: Iterable[str] | None = None, *, complete: bool = False) -> dict[str, Value]:
        """Name → value in its unit, of the settings that the battery has: these, or all; see also `untold`.

        Changes nothing. JBD boards are asked by their FA request; those that do not know it are put into factory mode
        meanwhile. complete: also for what FA does not tell.
        Raises `UsageError` for unknown and secret names, `NoAnswer` if one of `names` was not told, `PasswordNeeded`,
        `Refused`, `LinkLost`.
        """
        async with self._asker.lock:
            rows = (await self._registers.rows())[1]
            wanted = usual(rows) if names is None else [row_named(self._asker.name, rows, name) for name in names]
            found = await self._read(wanted, complete=complete or names is not None)
        if names is not None and found.untold:
            raise not_told(self._asker.name, found.untold, "nothing can be said of it", found.denied)
        return in_units(rows, found.raws)

    async def backup(self) -> tuple[Backup, Mapping[str, Setting]]:
        """All settings and who the battery is, and the rows for the file. Raises as `read` does."""
        async with self._asker.lock:
            rows = (await self._registers.rows())[1]
            device = await self._info(None)
            found = await self._read(usual(rows))
        return self._new_backup(device, rows, found), rows

    async def check(self, values: Mapping[str, Value], *, dangerous: bool = False) -> list[Outcome]:
        """What `write` would do, without doing it: an unconfirmed outcome a change. Raises as `write` does.

        The text of each that is only allowed because of `dangerous` says so, and why.
        """
        async with self._asker.lock:
            status, rows = await self._registers.rows()
            wanted = raws_wanted(self._asker.name, rows, values, dangerous=dangerous)
            if self._journal.notes():
                await self._meeting.meet(await self._info(None), wanted)
            if self.unsaved:
                self._meeting.check_unsaved(dangerous=dangerous)
            found = await self._read(usual(rows, wanted))
            planned = self._plan(status, rows, found, wanted, dangerous)
        outcomes = [change.outcome(confirmed=False) for change in planned.changes]
        return [
            replace(outcome, text=f"{outcome.text} (only with --dangerous: {why})")
            if (why := planned.meant.get(outcome.what))
            else outcome
            for outcome in outcomes
        ]

    async def write(
        self,
        values: Mapping[str, Value],
        *,
        dangerous: bool = False,
        on_outcome: Callable[[Outcome], None] | None = None,
    ) -> list[Outcome]:
        """Set these values. Returns an outcome for each, all confirmed; what has its value already is not written.

        Before the first write all is checked against limits, chemistry and relations of the complete set, and a backup
        of all settings is made. Then one by one, in an order in which protection and recovery never cross: written
        once, read back; at the end saved, and read back again. JBD boards zero their protection counters with that.
        If the saving of an earlier run was not acknowledged, it is done now, even if nothing is to be written.
        dangerous: allow settings marked so, thresholds of another chemistry, and those that cannot be compared with
        their partner because the battery is silent about it, or refuses to tell it. on_outcome: told of each write that
        was read back.
        Raises `UsageError`, `FileError`, `PasswordNeeded`, `Refused` and as `read` before anything was written, then
        `Unconfirmed`, whose hints say exactly what was written, what is in question, and what was not.
        """
        async with self._asker.lock:
            with self._journal.held(self._asker.timing.now):
                return await self._write(values, dangerous, on_outcome)

    async def _write(
        self, values: Mapping[str, Value], dangerous: bool, on_outcome: Callable[[Outcome], None] | None
    ) -> list[Outcome]:
        """`write`, for whoever holds the locks."""
        status, rows = await self._registers.rows()
        wanted = raws_wanted(self._asker.name, rows, values, dangerous=dangerous)
        device = await self._info(None)
        await self._meeting.meet(device, wanted)
        again, sure = self.unsaved, self._meeting.is_sure
        if again:
            self._meeting.check_unsaved(dangerous=dangerous)
        done: list[Change] = []
        try:
            async with self._registers.mode() as mode:
                found = await self._read(usual(rows, wanted))
                changes = self._plan(status, rows, found, wanted, dangerous).changes
                if changes:
                    self._make_backup(device, rows, found)
                    await self._write_all(rows, dict(found.raws), changes, done, on_outcome)
                if changes or again:
                    await self._finish(done, self._registers.save())
                    mode.keep = True
            if again:
                what = "what an earlier run wrote" if sure else "what an earlier run may have written to this battery"
                self._tell(f"saved {what}, for its saving was not acknowledged")
            if changes:
                await self._verify(done)
        except NotSaved as error:
            raise self._stopped(error, done) from error
        except Unconfirmed:
            raise
        except AntbmsError as error:  # the mode could not be left
            if not done:
                raise
            raise self._stopped(error, done) from error
        kept = [Change(rows[name], raw, raw) for name, raw in wanted.items() if found.raws[name] == raw]
        return [change.outcome(confirmed=True) for change in [*changes, *kept]]

    async def mend(self) -> None:
        """If an earlier run was cut off: leave the factory mode, look at what was being written, and say so.

        Raises `LinkLost`; what cannot be mended now is said, and kept for the next contact.
        """
        for file in self._journal.unreadable():
            self._tell_once(f"a note of an earlier run on this link cannot be read, so nothing is mended by it: {file}")
        if not any(note.mode or note.setting for note in self._journal.notes().values()):
            return
        async with self._asker.lock:
            try:
                with self._journal.held(self._asker.timing.now):
                    note = await self._met()  # the program that wrote it may have ended well meanwhile
                    if note and (note.mode or note.setting):
                        await self._mend(note)
            except InUse as error:
                self._tell(error.reason)
            except (NoAnswer, FileError, Refused) as error:
                self._tell(f"an earlier run was cut off, which cannot be mended now: {error.reason}")

    async def _met(self) -> Note | None:
        """The note of an earlier run, if it is one of this battery, as far as can be known.

        One that does not even tell its status may still have to be let out of its factory mode, which does nothing
        else; the note stays. Raises `NoAnswer` if that cannot be done, or if there are notes of several.
        """
        try:
            return await self._meeting.first()
        except (NoAnswer, Refused):
            note = self._journal.read()
            if len(self._journal.notes()) > 1 or not (note and note.mode):
                raise
        await self._registers.let_out()
        self._tell(
            "an earlier run was cut off while the battery was in factory mode: it has been left; who it is, it "
            "does not tell, so the note of that is kept"
        )
        return None

    async def _mend(self, note: Note) -> None:
        if note.mode:
            await self._registers.leave(mended=False)
            self._tell("an earlier run was cut off while the battery was in factory mode: it has been left")
        if note.setting is not None:
            await self._look(note)
        self._journal.clear()

    async def _look(self, note: Note) -> None:
        """Say what became of a write that was cut off."""
        rows = (await self._registers.rows())[1]
        row = rows.get(note.setting or "")
        if row is None or note.new is None:
            return
        raw = (await self._registers.sure([row])).get(row.name)
        state = (
            "written" if raw == note.new else "not written" if raw == note.old else "neither old nor new: set it again"
        )
        now = "not shown" if raw is None else format_value(row, value_of(row, raw))
        wanted = Change(row, note.old, note.new).text
        self._tell(f"an earlier run was cut off while it wrote {wanted}. It is {now}: {state}")

    async def _read(self, rows: Sequence[Setting], *, complete: bool = True) -> Found:
        """As far as the battery tells them; what it does not have, or does not tell, is said."""
        found = await self._registers.read(rows, complete=complete)
        self._found = found
        if len(found.raws) >= SUSPICIOUS and not any(found.raws.values()):
            raise NoAnswer(
                f"{self._asker.name}: every setting reads 0: the line repeats what is sent, or the board tells none"
            )
        if found.silent:
            tries = max(2, self._asker.timing.tries)
            self._tell_once(
                f"taken for not there: {', '.join(found.silent)}: no answer in {tries} tries, while the settings "
                "before and after were answered"
            )
        if found.untold:
            self._tell_once(f"not told: {'; '.join(f'{name}: {why}' for name, why in found.untold.items())}")
        return found

    def _tell(self, text: str) -> None:
        if self._note:
            self._note(text)

    def _tell_once(self, text: str) -> None:
        if text not in self._noted:
            self._noted.add(text)
            self._tell(text)

    def _plan(
        self, status: Packet, rows: Mapping[str, Setting], found: Found, wanted: Mapping[str, int], dangerous: bool
    ) -> Plan:
        """See `planning.plan`; what could not be checked is said."""
        details = self._asker.spoken.to_snapshot([status], time=self._asker.timing.now(), battery="").details
        planned = plan(
            self._asker.name, rows, found, wanted,
            chemistry=chemistry_of(details.get("chemistry"), in_units(rows, found.raws)),
            cells=status.fields.get("cell_count"),
            dangerous=dangerous,
        )  # fmt: skip
        for note in planned.notes:
            self._tell_once(note)
        return planned

    async def _write_all(
        self,
        rows: Mapping[str, Setting],
        now: dict[str, Raw],
        changes: list[Change],
        done: list[Change],
        on_outcome: Callable[[Outcome], None] | None,
    ) -> None:
        name = self._asker.name
        for number, change in enumerate(changes):
            rest = changes[number + 1 :]
            try:
                register = register_now(name, rows, change, now)
                written = await self._registers.write(change.row, change.old, change.new, register)
            except Refused as error:
                if not done:
                    error.hints = (*error.hints, "Nothing was written.")
                    raise
                raise self._stopped(error, done, [change, *rest]) from error
            except AntbmsError as error:
                raise self._stopped(error, done, rest, question=change) from error
            if written.raw != change.new:
                wrong = mismatch(name, change, written.raw, written.told)
                raise self._stopped(wrong, done, rest, others=[Other(change, written.raw)])
            now[change.row.name] = change.new
            done.append(change)
            if on_outcome:
                on_outcome(change.outcome(confirmed=True))

    async def _finish(self, done: list[Change], work: Awaitable[None]) -> None:
        """The last steps, after which all is done: what goes wrong in them is told with what was written."""
        try:
            await work
        except AntbmsError as error:
            raise self._stopped(error, done) from error

    async def _verify(self, done: list[Change]) -> None:
        """After saving: all still hold what was written. Raises `Unconfirmed`."""
        try:
            found = await self._registers.sure([change.row for change in done])
        except AntbmsError as error:
            raise self._stopped(error, done) from error
        others = [Other(change, found.get(change.row.name)) for change in done]
        others = [other for other in others if other.raw != other.change.new]
        if others:
            kept = [change for change in done if change not in [other.change for other in others]]
            lost = Unconfirmed(f"{self._asker.name}: after saving, what was read back before is not there any longer")
            raise self._stopped(lost, kept, others=others)

    def _stopped(
        self, error: AntbmsError, done: Sequence[Change], rest: Sequence[Change] = (), **more: Any
    ) -> Unconfirmed:
        """The report of a run that stopped half-way; see `stopped`."""
        return stopped(
            self._asker.name, error.reason, done, rest,
            unsaved=bool(done or more) and self.unsaved,
            backup=self._backup_made,
            hints=() if isinstance(error, LinkError) else error.hints,
            **more,
        )  # fmt: skip

    def _new_backup(self, device: DeviceInfo, rows: Mapping[str, Setting], found: Found) -> Backup:
        time, values = self._asker.timing.now(), in_units(rows, found.raws)
        return Backup(time, self._asker.name, device, values, dict(found.untold))

    def _make_backup(self, device: DeviceInfo, rows: Mapping[str, Setting], found: Found) -> None:
        """Before the first write of a run. Raises `FileError`: without a backup nothing is written."""
        if self._backup_made is not None:
            return
        backup = self._new_backup(device, rows, found)
        name = re.sub(r"[^A-Za-z0-9]+", "-", self._asker.name).strip("-") or "battery"
        stem = f"{name}-{backup.time:%Y%m%d-%H%M%S}"
        names = (f"{stem}{f'-{number}' if number else ''}.toml" for number in count())
        path = next(path for path in map((state_folder() / "backups").joinpath, names) if not path.exists())
        save(path, backup, rows)
        self._backup_made = path
        self._tell(f"backup of all settings: {path}")
