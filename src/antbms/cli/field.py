"""One value of a snapshot by its dotted name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import UsageError
from ..model import QUANTITIES, Snapshot

SEVERAL = ("cells", "balancing", "temperatures", "switches", "alarms", "flags", "doubts")
"""Fields with more than one value: what is in them depends on the battery."""


def check_name(path: str) -> None:
    """Refuse what no snapshot has, before a battery is asked. Raises `UsageError`."""
    first, _, rest = path.partition(".")
    names = Snapshot.__struct_fields__
    if first not in names:
        detail = QUANTITIES.get(first)
        known = [f"details.{first}"] if detail and detail.detail else nearest(first, [*names, *_details()])
        raise _unknown(path, known, names)
    if first == "details" and rest and rest not in QUANTITIES:
        raise _unknown(path, nearest(path, _details()), _details())
    if rest and first != "details" and first not in SEVERAL:
        raise UsageError(f"--field {path}: {first} is one value", f"Write --field {first}")


def value_of(snapshot: Snapshot, path: str) -> str:
    """The value as a script wants it: bare, empty for null; lists and maps as JSON. Raises `UsageError`."""
    import msgspec

    value: Any = snapshot.to_dict()
    names = path.split(".")
    for depth, name in enumerate(names):
        value = _step(value, name, path, ".".join(names[:depth]))
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode()


def nearest(word: str, words: Iterable[str]) -> list[str]:
    """The most similar one, if any is similar; one with the same letters before all others."""
    from difflib import get_close_matches

    known = list(words)
    near = get_close_matches(word, known, max(1, len(known)))
    letters = sorted(word)
    return [*(one for one in near if sorted(one) == letters), *near][:1]


def _step(value: Any, name: str, path: str, where: str) -> Any:
    if isinstance(value, Mapping):
        if name in value:
            return value[name]
        if where == "details":
            return None  # a quantity that this battery does not report
        raise _unknown(path, [f"{where}.{near}" for near in nearest(name, value)], [f"{where}.{key}" for key in value])
    if isinstance(value, (list, tuple)):
        if name.isdecimal() and 1 <= int(name) <= len(value):
            return value[int(name) - 1]
        many = f"there are {len(value)}, counted from 1" if value else "there are none"
        raise UsageError(f"--field {path}: {where}.{name} is none of the {where}", f"In this snapshot {many}.")
    raise UsageError(f"--field {path}: {where} is one value", f"Write --field {where}")


def _unknown(path: str, near: list[str], known: Iterable[str]) -> UsageError:
    return UsageError(
        f"--field {path}: there is no such value",
        f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(known) or 'nothing'}.",
    )


def _details() -> list[str]:
    return [f"details.{row.name}" for row in QUANTITIES.values() if row.detail]
