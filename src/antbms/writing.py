"""A change of a setting in words, and the report of a run that stopped half-way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from .errors import Unconfirmed
from .model import Outcome
from .model.events import Value
from .protocol.settings import Raw, Setting, format_value, value_of


class Change(Struct, frozen=True):
    """One setting on its way from `old` to `new`, raw."""

    row: Setting
    old: Raw | None
    new: int

    @property
    def before(self) -> Value:
        """The old value in its unit."""
        return None if self.old is None else value_of(self.row, self.old)

    @property
    def wanted(self) -> Value:
        """The new value in its unit."""
        return value_of(self.row, self.new)

    @property
    def text(self) -> str:
        """In one line."""
        return f"{self.row.name}: {format_value(self.row, self.before)} → {format_value(self.row, self.wanted)}"

    def outcome(self, *, confirmed: bool) -> Outcome:
        """As the outcome of it; confirmed: the battery shows the wanted value."""
        return Outcome(
            what=self.row.name,
            before=self.before,
            wanted=self.wanted,
            seen=self.wanted if confirmed else None,
            confirmed=confirmed,
            text=self.text,
        )


class Other(Struct, frozen=True):
    """A change whose register holds another value than the wanted one; raw: None if the battery does not show it."""

    change: Change
    raw: Raw | None

    @property
    def text(self) -> str:
        """In one line."""
        row, wanted = self.change.row, format_value(self.change.row, self.change.wanted)
        now = "is not shown" if self.raw is None else f"reads {format_value(row, value_of(row, self.raw))}"
        return f"{row.name} {now} instead of {wanted}"


def mismatch(name: str, change: Change, raw: Raw | None, told: str) -> Unconfirmed:
    """The error for a register that reads another value than what was written; raw: None for nothing at all.

    told: what the battery said to the write.
    """
    row, wanted = change.row, format_value(change.row, change.wanted)
    now = "nothing" if raw is None else format_value(row, value_of(row, raw))
    return Unconfirmed(f"{name}: {row.name} was written once ({told}) as {wanted}, and reads {now}")


def stopped(
    name: str,
    reason: str,
    done: Sequence[Change],
    rest: Sequence[Change] = (),
    *,
    question: Change | None = None,
    others: Sequence[Other] = (),
    unsaved: bool = False,
    backup: Path | None = None,
    hints: Sequence[str] = (),
) -> Unconfirmed:
    """The report of a run that stopped half-way: every change of it stands in it once.

    done: written and read back. question: written, and nobody knows. others: read back as another value. rest: not
    written. unsaved: a restart may lose what was written. backup: of all settings as they were.
    """
    count = len(done) + len(rest) + len(others) + (question is not None)
    lines = []
    if done:
        lines.append(f"Written and read back: {_list(done)}.")
    if others:
        lines.append(f"Written once, not as wanted: {'; '.join(other.text for other in others)}.")
    if question:
        either = "old, new, or half of each" if question.row.words_swapped else "old or new"
        lines.append(f"In question, {either}: {question.text}. The next contact with the battery tells.")
    if rest:
        lines.append(f"Not written: {_list(rest)}.")
    if unsaved:
        lines.append("What was written may not be saved: the battery may lose it when it restarts.")
    if backup:
        lines.append(f"All settings as they were: {backup}")
    return Unconfirmed(
        f"{name}: stopped after {len(done)} of {count} settings: {reason}",
        *lines,
        *hints,
        *(() if any(hint.startswith("Next:") for hint in hints) else ("Next: the same command again.",)),
    )


def _list(changes: Sequence[Change]) -> str:
    return "; ".join(change.text for change in changes)
