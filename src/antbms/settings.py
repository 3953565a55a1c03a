"""The settings of an open battery: read, checked, written one by one, read back, saved, and read back again."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from .asking import Asker
from .backup import Backup, save
from .errors import AntbmsError, NoAnswer, Refused, Unconfirmed, UsageError
from .folders import state_folder
from .journal import Journal, Note
from .model import DeviceInfo, Outcome
from .model.events import Value
from .protocol.packet import Packet
from .protocol.relations import check_chemistry, check_relations, chemistry_of, in_safe_order, relations
from .protocol.settings import Danger, Raw, Setting, check_limits, format_value, pack_raw, raw_of, value_of
from .registers import NotSaved, Registers, Written
from .writing import Change, Other, stopped

SUSPICIOUS = 5
"""Settings that all read 0: a line that repeats what is sent looks so."""


class Settings:
    """The settings of one battery; `Battery.settings`."""

    def __init__(
        self,
        asker: Asker,
        journal: Journal,
        info: Callable[[], Awaitable[DeviceInfo]],
        note: Callable[[str], None] | None,
    ) -> None:
        self._asker = asker
        self._journal = journal
        self._registers = Registers(asker, journal)
        self._info = info
        self._note = note
        self._backup_made: Path | None = None

    @property
    def unsaved(self) -> bool:
        """Whether something was written, in this run or an earlier one, and no saving was acknowledged since."""
        return self._registers.unsaved

    async def rows(self) -> Mapping[str, Setting]:
        """The settings that this battery may have, by name. Raises `PasswordNeeded` if it hides them, and as `read`."""
        async with self._asker.lock:
            return (await self._registers.rows())[1]

    async def read(self, names: Iterable[str] | None = None, *, complete: bool = False) -> dict[str, Value]:
        """Name → value in its unit, of the settings that the battery has: these, or all.

        Changes nothing. JBD boards are asked by their FA request; those that do not know it are put into factory mode
        meanwhile. complete: also for what FA does not tell.
        Raises `UsageError` for unknown and secret names, `PasswordNeeded`, `Refused`, `NoAnswer`, `LinkLost`.
        """
        async with self._asker.lock:
            rows = (await self._registers.rows())[1]
            wanted = _usual(rows) if names is None else [self._row(rows, name) for name in names]
            found = await self._registers.read(wanted, complete=complete or names is not None)
            self._check_plausible(found)
        return _values(rows, found)

    async def backup(self) -> tuple[Backup, Mapping[str, Setting]]:
        """All settings and who the battery is, and the rows for the file. Raises as `read` does."""
        async with self._asker.lock:
            rows = (await self._registers.rows())[1]
            device = await self._info()
            found = await self._registers.read(_usual(rows))
            self._check_plausible(found)
        return self._new_backup(device, rows, found), rows

    async def check(self, values: Mapping[str, Value], *, dangerous: bool = False) -> list[Outcome]:
        """What `write` would do, without doing it: an unconfirmed outcome a change. Raises as `write` does."""
        async with self._asker.lock:
            status, rows = await self._registers.rows()
            wanted = self._wanted(rows, values, dangerous)
            old = await self._registers.read(_usual(rows, wanted))
            return [change.outcome(confirmed=False) for change in self._plan(status, rows, old, wanted, dangerous)]

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
        dangerous: allow settings marked so, and thresholds of another chemistry. on_outcome: told of each write that
        was read back.
        Raises `UsageError`, `FileError`, `PasswordNeeded`, `Refused` and as `read` before anything was written, then
        `Unconfirmed`, whose hints say exactly what was written, what is in question, and what was not.
        """
        async with self._asker.lock:
            status, rows = await self._registers.rows()
            wanted = self._wanted(rows, values, dangerous)
            device, again = await self._info(), self.unsaved
            done: list[Change] = []
            try:
                async with self._registers.mode() as mode:
                    old = await self._registers.read(_usual(rows, wanted))
                    self._check_plausible(old)
                    changes = self._plan(status, rows, old, wanted, dangerous)
                    if changes:
                        self._make_backup(device, rows, old)
                        await self._write_all(rows, dict(old), changes, done, on_outcome)
                    if changes or again:
                        await self._finish(done, self._registers.save())
                        mode.keep = True
                if again:
                    self._tell("saved what an earlier run wrote, for its saving was not acknowledged")
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
        kept = [Change(rows[name], raw, raw) for name, raw in wanted.items() if old[name] == raw]
        return [change.outcome(confirmed=True) for change in [*changes, *kept]]

    async def mend(self) -> None:
        """If an earlier run was cut off: leave the factory mode, look at what was being written, and say so.

        Raises `LinkLost`; what cannot be mended now is said, and kept for the next contact.
        """
        note = self._journal.read()
        if note is None or not (note.mode or note.setting):
            return
        async with self._asker.lock:
            try:
                if note.mode:
                    await self._registers.leave(mended=False)
                    self._tell("an earlier run was cut off while the battery was in factory mode: it has been left")
                if note.setting is not None:
                    await self._look(note)
            except (NoAnswer, Refused) as error:
                self._tell(f"an earlier run was cut off, which cannot be mended now: {error.reason}")
                return
        self._journal.clear()

    async def _look(self, note: Note) -> None:
        """Say what became of a write that was cut off."""
        rows = (await self._registers.rows())[1]
        row = rows.get(note.setting or "")
        if row is None or note.new is None:
            return
        raw = (await self._registers.read([row])).get(row.name)
        state = (
            "written" if raw == note.new else "not written" if raw == note.old else "neither old nor new: set it again"
        )
        now = "not shown" if raw is None else format_value(row, value_of(row, raw))
        wanted = Change(row, note.old, note.new).text
        self._tell(f"an earlier run was cut off while it wrote {wanted}. It is {now}: {state}")

    def _tell(self, text: str) -> None:
        if self._note:
            self._note(text)

    async def _write_all(
        self,
        rows: Mapping[str, Setting],
        now: dict[str, Raw],
        changes: list[Change],
        done: list[Change],
        on_outcome: Callable[[Outcome], None] | None,
    ) -> None:
        for number, change in enumerate(changes):
            rest = changes[number + 1 :]
            try:
                written = await self._registers.write(
                    change.row, change.old, change.new, self._register(rows, change, now)
                )
            except Refused as error:
                if not done:
                    error.hints = (*error.hints, "Nothing was written.")
                    raise
                raise self._stopped(error, done, [change, *rest]) from error
            except AntbmsError as error:
                raise self._stopped(error, done, rest, question=change) from error
            if written.raw != change.new:
                raise self._stopped(self._mismatch(change, written), done, rest, others=[Other(change, written.raw)])
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
            found = await self._registers.read([change.row for change in done])
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
        unsaved = bool(done or more) and self.unsaved
        return stopped(
            self._asker.name, error.reason, done, rest,
            unsaved=unsaved, backup=self._backup_made, hints=error.hints, **more,
        )  # fmt: skip

    def _mismatch(self, change: Change, written: Written) -> Unconfirmed:
        row, wanted = change.row, format_value(change.row, change.wanted)
        now = "nothing" if written.raw is None else format_value(row, value_of(row, written.raw))
        told = "acknowledged" if written.acknowledged else "the acknowledgement was lost"
        return Unconfirmed(f"{self._asker.name}: {row.name} was written once ({told}) as {wanted}, and reads {now}")

    def _row(self, rows: Mapping[str, Setting], name: str) -> Setting:
        row = rows.get(name)
        if row is None:
            near = [known for known in rows if name.split("_")[0] in known][:8]
            raise UsageError(
                f"{self._asker.name}: {self._asker.spoken.NAME} has no setting {name!r}",
                f"There are: {', '.join(near)} …" if near else "Next: antbms settings DEVICE show",
            )
        if row.danger is Danger.SECRET:
            raise UsageError(f"{self._asker.name}: {name} is secret: neither read nor written")
        return row

    def _wanted(self, rows: Mapping[str, Setting], values: Mapping[str, Value], dangerous: bool) -> dict[str, int]:
        """Name → raw value, each by itself within its limits, and allowed."""
        wanted = {}
        for name, value in values.items():
            row = self._row(rows, name)
            if row.danger is Danger.SHOWN or row.is_text or row.date:
                raise UsageError(f"{self._asker.name}: {name} is only shown, never written")
            if row.danger is Danger.DANGEROUS and not dangerous:
                raise UsageError(
                    f"{self._asker.name}: {name} is dangerous: a wrong value can make the battery unsafe or unusable",
                    "Next: if it is meant, say --dangerous (dangerous=True).",
                )
            check_limits(row, value)
            wanted[name] = raw_of(row, value)
        return wanted

    def _plan(
        self,
        status: Packet,
        rows: Mapping[str, Setting],
        old: Mapping[str, Raw],
        wanted: Mapping[str, int],
        dangerous: bool,
    ) -> list[Change]:
        """The changes in the order of writing, after all checks of the complete set."""
        if missing := [name for name in wanted if name not in old]:
            raise Refused(f"{self._asker.name}: the battery does not have {', '.join(missing)}: nothing was written")
        changed = {name: raw for name, raw in wanted.items() if old[name] != raw}
        self._check_partners(rows, old, changed)
        before = _values(rows, old)
        new = {name: value_of(rows[name], raw) for name, raw in changed.items()}
        if not dangerous:
            details = self._asker.spoken.to_snapshot([status], time=self._asker.timing.now(), battery="").details
            chemistry = chemistry_of(details.get("chemistry"), before)
            check_chemistry(rows, new, chemistry, status.fields.get("cell_count"))
        check_relations(rows, before | new, new)
        return [Change(rows[name], old[name], changed[name]) for name in in_safe_order(before, new)]

    def _check_partners(self, rows: Mapping[str, Setting], old: Mapping[str, Raw], changed: Mapping[str, int]) -> None:
        """Raise `Refused` if a change cannot be compared with a setting that this battery should have told."""
        for pair in relations({row.name: row for row in _usual(rows)}):
            for name, other in (pair, pair[::-1]):
                if name in changed and other not in old:
                    raise Refused(
                        f"{self._asker.name}: {name} cannot be checked: {other} was not told: nothing was written"
                    )

    def _register(self, rows: Mapping[str, Setting], change: Change, now: Mapping[str, Raw]) -> bytes:
        """The bytes of the register as it is, for a setting that is a part of it."""
        register = b"\0\0"
        for row in rows.values():
            if row.part and row.address == change.row.address:
                raw = now.get(row.name)
                if not isinstance(raw, int):
                    raise Refused(f"{self._asker.name}: the other half of {change.row.name} is not known")
                register = pack_raw(">", row, raw, register)
        return register

    def _check_plausible(self, found: Mapping[str, Raw]) -> None:
        if len(found) >= SUSPICIOUS and not any(found.values()):
            raise NoAnswer(
                f"{self._asker.name}: every setting reads 0: the line repeats what is sent, or the board tells none"
            )

    def _new_backup(self, device: DeviceInfo, rows: Mapping[str, Setting], found: Mapping[str, Raw]) -> Backup:
        return Backup(self._asker.timing.now(), self._asker.name, device, _values(rows, found))

    def _make_backup(self, device: DeviceInfo, rows: Mapping[str, Setting], found: Mapping[str, Raw]) -> None:
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


def _usual(rows: Mapping[str, Setting], besides: Iterable[str] = ()) -> list[Setting]:
    """What is read when nobody names it, and what is named."""
    named = set(besides)
    return [row for row in rows.values() if row.danger is not Danger.SECRET and (row.usual or row.name in named)]


def _values(rows: Mapping[str, Setting], found: Mapping[str, Raw]) -> dict[str, Value]:
    """In the order of the rows."""
    return {name: value_of(row, found[name]) for name, row in rows.items() if name in found}
