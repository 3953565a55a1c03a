"""What a change of settings will write, after all checks and before anything is written. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from .errors import NoAnswer, Refused, UsageError
from .model.events import Value
from .protocol.relations import CURVE, GUESSED_BY, check_chemistry, check_relations, in_safe_order, relations
from .protocol.settings import Danger, Raw, Setting, check_limits, pack_raw, raw_of, value_of
from .reading import Found
from .writing import Change

AGAIN = "Next: the same command again, nearer to the battery, and with no other program on its link."
MEANT = "If it is meant: --dangerous (dangerous=True)."


class Plan(Struct, frozen=True):
    """changes: in the order of writing. notes: what could not be checked, in words."""

    changes: list[Change]
    notes: list[str]


def usual(rows: Mapping[str, Setting], besides: Mapping[str, object] | Sequence[str] = ()) -> list[Setting]:
    """What is read when nobody names it, and what is named."""
    return [row for row in rows.values() if row.danger is not Danger.SECRET and (row.usual or row.name in besides)]


def in_units(rows: Mapping[str, Setting], raws: Mapping[str, Raw]) -> dict[str, Value]:
    """Name → value in its unit, in the order of the rows."""
    return {name: value_of(row, raws[name]) for name, row in rows.items() if name in raws}


def raws_wanted(
    battery: str, rows: Mapping[str, Setting], values: Mapping[str, Value], *, dangerous: bool
) -> dict[str, int]:
    """Name → raw value, each by itself within its limits, and allowed. Raises `UsageError`."""
    wanted = {}
    for name, value in values.items():
        row = row_named(battery, rows, name)
        if row.danger is Danger.SHOWN or row.is_text or row.date:
            raise UsageError(f"{battery}: {name} is only shown, never written")
        if row.danger is Danger.DANGEROUS and not dangerous:
            raise UsageError(
                f"{battery}: {name} is dangerous: a wrong value can make the battery unsafe or unusable",
                "Next: if it is meant, say --dangerous (dangerous=True).",
            )
        check_limits(row, value)
        wanted[name] = raw_of(row, value)
    return wanted


def row_named(battery: str, rows: Mapping[str, Setting], name: str) -> Setting:
    """The row of a name. Raises `UsageError` for one that is not there, or secret."""
    row = rows.get(name)
    if row is None:
        near = [known for known in rows if name.split("_")[0] in known][:8]
        raise UsageError(
            f"{battery}: there is no setting {name!r} here",
            f"There are: {', '.join(near)} …" if near else "Next: antbms settings DEVICE show",
        )
    if row.danger is Danger.SECRET:
        raise UsageError(f"{battery}: {name} is secret: neither read nor written")
    return row


def plan(
    battery: str,
    rows: Mapping[str, Setting],
    found: Found,
    wanted: Mapping[str, int],
    *,
    chemistry: tuple[str, bool] | None,
    cells: int | None,
    dangerous: bool,
) -> Plan:
    """The changes in the order of writing, after all checks of the complete set.

    chemistry: the cells' kind, and whether the battery says it. Raises `NoAnswer` if a setting that it takes was not
    told, `Refused` for one that the battery does not have, `UsageError`.
    """
    old = found.raws
    if untold := {name: why for name, why in found.untold.items() if name in wanted}:
        raise not_told(battery, untold, "nothing was written")
    if missing := [name for name in wanted if name not in old]:
        raise Refused(f"{battery}: the battery does not have {', '.join(missing)}: nothing was written")
    changed = {name: raw for name, raw in wanted.items() if old[name] != raw}
    notes = list(_unchecked(battery, rows, found, changed, dangerous))
    before = in_units(rows, old)
    new = {name: value_of(rows[name], raw) for name, raw in changed.items()}
    if not dangerous:
        if chemistry is None and GUESSED_BY in found.untold and any(rows[name].unit == "V" for name in new):
            raise not_told(
                battery, {GUESSED_BY: found.untold[GUESSED_BY]}, "its chemistry is not known, so nothing was written"
            )
        check_chemistry(rows, new, chemistry, cells)
    check_relations(rows, before | new, new)
    return Plan([Change(rows[name], old[name], changed[name]) for name in in_safe_order(before, new)], notes)


def not_told(battery: str, untold: Mapping[str, str], so: str) -> NoAnswer:
    """The error for settings that are needed, and were not told; so: what that means."""
    what = "; ".join(f"{name}: {why}" for name, why in untold.items())
    return NoAnswer(f"{battery}: the battery did not tell {', '.join(untold)}: {so}", f"{what}.", AGAIN)


def _unchecked(
    battery: str, rows: Mapping[str, Setting], found: Found, changed: Mapping[str, int], dangerous: bool
) -> Iterator[str]:
    """What is said of changes that cannot be compared with a setting that this battery does not have."""
    for pair in relations({row.name: row for row in usual(rows)}):
        for name, other in (pair, pair[::-1]):
            if name not in changed or other in found.raws:
                continue
            if why := found.untold.get(other):
                raise not_told(battery, {other: why}, f"{name} cannot be checked against it, so nothing was written")
            if other in found.silent and not dangerous and not other.startswith(CURVE):
                raise UsageError(
                    f"{battery}: {name} cannot be checked: {other} is not there, or does not answer",
                    "It was silent in all tries, while the settings before and after it were answered.",
                    MEANT,
                )
            yield f"{name} is not compared with {other}, which this battery does not have"


def register_now(battery: str, rows: Mapping[str, Setting], change: Change, now: Mapping[str, Raw]) -> bytes:
    """The bytes of the register as it is, for a setting that is a part of it. Raises `Refused`."""
    register = b"\0\0"
    for row in rows.values():
        if row.part and row.address == change.row.address:
            raw = now.get(row.name)
            if not isinstance(raw, int):
                raise Refused(f"{battery}: the other half of {change.row.name} is not known: it was not written")
            register = pack_raw(">", row, raw, register)
    return register
