"""How what went wrong becomes words. The mechanism only: every transport has tables of its own.

An exception becomes a cause (`first_fit`, or a table of the system's numbers), and a cause becomes a sentence and its
hints, which depend on the platform (`open_error`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TypeVar

from ..errors import OpenError

C = TypeVar("C", bound=str)

Cases = Iterable[tuple[str, str, C]]
"""The class of an exception, or the reason that it gives; a pattern of what was said; the cause. The first that fits
counts."""
Hints = Mapping[tuple[str, str], tuple[str, ...]]
"""Cause and platform (empty: any other) → the lines that say the way out."""
Values = Mapping[str, Callable[[], object]]
"""What stands for a name in braces. Only what a text names is looked up: some of it costs a scan of /proc."""


def chain(exc: BaseException) -> Iterator[BaseException]:
    """An exception, and those that caused it."""
    error: BaseException | None = exc
    while error is not None:
        yield error
        error = error.__cause__


def names(error: BaseException) -> Iterator[str]:
    """Its classes by name, for a library may be what is missing; and the name of its reason, if it has one."""
    yield from (kind.__name__ for kind in type(error).__mro__)
    yield getattr(getattr(error, "reason", None), "name", "")


def first_fit(cases: Cases[C], known: Collection[str], said: str, other: C) -> C:
    """The cause of the first case whose name is `known` and whose pattern is in what was `said`."""
    return next((cause for name, pattern, cause in cases if name in known and re.search(pattern, said)), other)


def hints_of(hints: Hints, cause: str, platform: str) -> tuple[str, ...]:
    """The lines for a cause on a platform; those for any platform where it has none of its own."""
    return hints.get((cause, platform)) or hints.get((cause, ""), ())


def open_error(name: str, sentence: str, hints: Iterable[str], values: Values) -> OpenError:
    """The error of something that could not be opened; `name` is what the user typed. Empty hints are left out."""
    return OpenError(f"{name}: {_fill(sentence, values)}", *filter(None, (_fill(hint, values) for hint in hints)))


def _fill(template: str, values: Values) -> str:
    fields = re.findall(r"{(\w+)", template)
    return template.format(**{field: values[field]() for field in fields}) if fields else template
