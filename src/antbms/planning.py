"""What a change of settings will write, after all checks and before anything is written. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from .errors import MEANT, NoAnswer, Refused, UsageError
from .model.events import Value
from .protocol.relations import CURVE, GUESSED_BY, check_chemistry, check_relations, in_safe_order, relations
from .protocol.settings import Danger, Raw, Setting, check_limits, pack_raw, raw_of, value_of
from .reading import Found
from .writing import Change

ALONE = "It tells others in the same way: this one is locked, or it does not have it."
AGAIN = "Next: the same command again, nearer to the battery, and with no other program on its link."
DANGEROUS = "a wrong value can make the battery unsafe or unusable"


class Plan(Struct, frozen=True):
    """changes: in the order of writing. notes: what could not be checked, in words.

    meant: name → why the change of it is only allowed because the caller said that what is dangerous is meant.
    """

    changes: list[Change]
    notes: list[str]
    meant: dict[str, str]


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
            raise UsageError(f"{battery}: {name} is dangerous: {DANGEROUS}", MEANT)
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
    told, `Refused` for one that the battery does not have or refuses to tell, `UsageError`.
    """
    old = found.raws
    if untold := {name: why for name, why in found.untold.items() if name in wanted}:
        raise not_told(battery, untold, "nothing was written", found.denied)
    if missing := [name for name in wanted if name not in old]:
        raise Refused(f"{battery}: the battery does not have {', '.join(missing)}: nothing was written")
    changed = {name: raw for name, raw in wanted.items() if old[name] != raw}
    before = in_units(rows, old)
    new = {name: value_of(rows[name], raw) for name, raw in changed.items()}
    meant = {name: [DANGEROUS] for name in new if rows[name].danger is Danger.DANGEROUS}
    notes = list[str]()
    for name, other in _alone(rows, found, changed):
        why = _unchecked(battery, found, name, other, dangerous=dangerous or other.startswith(CURVE))
        notes.append(f"{name} is not compared with {other}, which {why or 'this battery does not have'}")
        if why and not other.startswith(CURVE):
            meant.setdefault(name, []).append(f"not compared with {other}, which {why}")
    for name, why in _strange(battery, rows, found, new, chemistry, cells, dangerous):
        meant.setdefault(name, []).append(why)
    check_relations(rows, before | new, new)
    changes = [Change(rows[name], old[name], changed[name]) for name in in_safe_order(before, new)]
    return Plan(changes, notes, {name: "; ".join(whys) for name, whys in meant.items()})


def not_told(battery: str, untold: Mapping[str, str], so: str, denied: Collection[str] = ()) -> NoAnswer | Refused:
    """The error for settings that are needed, and were not told; so: what that means; denied: those refused."""
    names, what = ", ".join(untold), "; ".join(f"{name}: {why}" for name, why in untold.items())
    if all(name in denied for name in untold):
        return Refused(f"{battery}: the battery refuses to tell {names}: {so}", f"{what}.", ALONE)
    return NoAnswer(f"{battery}: the battery did not tell {names}: {so}", f"{what}.", AGAIN)


def _alone(rows: Mapping[str, Setting], found: Found, changed: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Each change and a partner of it in a relation that the battery did not tell."""
    for pair in relations({row.name: row for row in usual(rows)}):
        for name, other in (pair, pair[::-1]):
            if name in changed and other not in found.raws:
                yield name, other


def _unchecked(battery: str, found: Found, name: str, other: str, *, dangerous: bool) -> str:
    """Why a change is made without a look at `other`; nothing if the battery does not have that.

    Raises `UsageError` unless `dangerous`, and `NoAnswer` if it would only have to be asked for again.
    """
    why, silent = found.untold.get(other), other in found.silent
    if why and other not in found.denied:
        raise not_told(battery, {other: why}, f"{name} cannot be checked against it, so nothing was written")
    if why and not dangerous:
        raise UsageError(f"{battery}: {name} cannot be checked: the battery refuses to tell {other}", why, ALONE, MEANT)
    if silent and not dangerous:
        raise UsageError(
            f"{battery}: {name} cannot be checked: {other} is not there, or does not answer",
            "It was silent in all tries, while the settings before and after it were answered.",
            MEANT,
        )
    return "the battery refuses to tell" if why else "does not answer" if silent else ""


def _strange(
    battery: str,
    rows: Mapping[str, Setting],
    found: Found,
    new: Mapping[str, Value],
    chemistry: tuple[str, bool] | None,
    cells: int | None,
    dangerous: bool,
) -> Iterator[tuple[str, str]]:
    """The changes that do not fit the chemistry, or cannot be held against it, and why. Raises unless `dangerous`."""
    for name, value in new.items():
        if chemistry is None and rows[name].unit == "V":
            lost = GUESSED_BY in found.untold and GUESSED_BY not in found.denied
            if lost and not dangerous:
                untold = {GUESSED_BY: found.untold[GUESSED_BY]}
                raise not_told(battery, untold, "its chemistry is not known, so nothing was written")
            if lost or _unchecked(battery, found, name, GUESSED_BY, dangerous=dangerous):
                yield name, f"the chemistry is not known, for {GUESSED_BY} is not"
        try:
            check_chemistry(rows, {name: value}, chemistry, cells)
        except UsageError as error:
            if not dangerous:
                raise
            yield name, str(error)


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
