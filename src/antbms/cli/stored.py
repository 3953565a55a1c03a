"""What the commands that read a store share: where it is, which battery, from when to when."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import FileError, UsageError
from .field import nearest
from .moments import is_relative, is_time_of_day, moment_of

if TYPE_CHECKING:
    from ..history import Stored

F = TypeVar("F", bound=Callable[..., Any])

VARIABLE = "ANTBMS_STORE"
RESOLUTIONS = ("raw", "minute", "hour")
"""As in `history.RESOLUTIONS`, which is not imported for a help text; a test compares the two."""
FRESH = timedelta(minutes=15)
"""A battery is watched if something was heard of it no longer ago: that it is offline is said every 10 minutes."""


def store_options(function: F) -> F:
    """`--store`, `--from` and `--to`, which come as keywords `store`, `since` and `until`."""
    store = click.option("--store", type=click.Path(path_type=Path), metavar="FILE", help="The store to look into.")
    since = click.option("--from", "since", metavar="TIME", help="Beginning: 2026-11-22, 05:00, -24h …")
    until = click.option("--to", "until", metavar="TIME", help="End; without it the newest reading, or now.")
    return store(since(until(function)))


def store_file(given: Path | None) -> Path:
    """The store given, that of $ANTBMS_STORE, or that of the configuration. Raises `UsageError`, `FileError`."""
    if given is not None:
        return given
    if value := os.environ.get(VARIABLE):
        return Path(value)
    from ..config import find, load

    path = find()
    sink = load(path).sinks.get("store") if path else None
    if sink is not None:
        return Path(sink.config.file).expanduser()
    raise UsageError(
        "which store? The configuration names none" if path else "which store?",
        f"Next: give --store FILE, set {VARIABLE}, or write [store] into {path or 'antbms.toml'}.",
    )


def battery_named(known: Sequence[Stored], name: str) -> Stored:
    """The battery of a store. Raises `UsageError` that names those it has."""
    found = next((stored for stored in known if stored.name == name), None)
    if found is not None:
        return found
    names = [stored.name for stored in known]
    near = [f"Did you mean {word}?" for word in nearest(name, names)]
    raise UsageError(f"{name}: there is no such battery in this store", *near, f"It has: {', '.join(names) or 'none'}.")


def span_of(
    known: Sequence[Stored],
    since: str | None,
    until: str | None,
    usual: timedelta | None = None,
    *,
    now: datetime | None = None,
    heard: datetime | None = None,
) -> tuple[datetime, datetime]:
    """From when to when. Without `since` from the oldest reading of `known`, or `usual` before the end, if there are
    readings so old. Without `until` up to the newest one, but not into the future, where a clock was ahead; and up to
    now, if `since` is told by its distance from now, or somebody watches: then the newest reading, or what was `heard`
    last of the battery, is no older than `FRESH`. Raises `UsageError`, and `FileError` if there are no readings.
    """
    firsts = [stored.first for stored in known if stored.first is not None]
    lasts = [stored.last for stored in known if stored.last is not None]
    if not firsts or not lasts:
        raise FileError(f"{', '.join(stored.name for stored in known)}: there are no readings yet")
    now = now or datetime.now(UTC)
    newest, first = max(lasts), min(firsts)
    if until is not None:
        end = moment_of(until, now, is_end=True)
    elif first < now < newest:
        end = now + timedelta(milliseconds=1)
    elif newest < now and ((since and is_relative(since)) or now - max(newest, heard or newest) <= FRESH):
        end = now
    else:
        end = newest + timedelta(milliseconds=1)
    if since is not None:
        start = moment_of(since, now)
    elif usual is None or end - usual < first < end:
        start = first
    else:
        start = end - usual
    if start >= end and until is not None and is_time_of_day(until):
        end = moment_of(until, now + timedelta(days=1))  # later today: the chart ends there
    if start >= end:
        raise UsageError(f"from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}: the end is not after the beginning")
    return start, end
