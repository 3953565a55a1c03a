"""What every sink is to the monitor, and what the monitor tells a sink about the batteries.

A module of a sink has `Config`, a frozen `msgspec.Struct` with `forbid_unknown_fields`: its section of the
configuration; and `make(config, sources, timing) -> Sink`, which only builds: opening files and links is for `take`.
It may have `trouble(config) -> FileError | None`: what it finds now that waiting will not mend, for `--check`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Protocol

from ..errors import UsageError
from ..extras import how_to_install
from ..model import DeviceInfo, Event, Outcome


class Control(Protocol):
    """Changes a battery: `await control("switch", "charge", False)`, `await control("command", "restart", None)`.

    Verified by the battery's own state; raises `AntbmsError`. Calls of several tasks wait for each other.
    """

    async def __call__(self, what: str, name: str, on: bool | None, until: float | None = None) -> Outcome:
        """until: s on `Timing.monotonic`; what could not be sent until then never is. By default `Timing.command`
        after the call."""


class Source(Protocol):
    """A battery that the monitor watches."""

    @property
    def name(self) -> str:
        """As in its snapshots."""

    @property
    def info(self) -> DeviceInfo | None:
        """Who it is; None until it has been read once."""

    @property
    def counters(self) -> Mapping[str, int]:
        """What crossed its link since the monitor began: `requests`, `answers`, `stale`, `opens`, `losses`,
        and `rejected.REASON` for each reason that occurred. None of them ever falls.
        """

    @property
    def control(self) -> Control | None:
        """None unless the configuration allows changes."""


Sources = Mapping[str, Source]
"""By name, in the order of the configuration."""


class Sink(Protocol):
    """A place where readings go. Only one of its methods runs at a time; it may take as long as it needs.

    Not every event need come: a sink that hangs or fails gets what its bounded queue still holds.
    """

    @property
    def pace(self) -> float:
        """s that events wait after a `take`, so that more of them come at once; 0: every event comes as it happens."""

    async def take(self, events: Sequence[Event]) -> None:
        """Take events, oldest first, and return when they are safe. Raises `AntbmsError` if it cannot now.

        Then none of them counts as taken: all come again later, together with newer ones. Blocking work is done in a
        thread.
        """

    async def close(self) -> None:
        """Hand over what is still held, and release everything, within 3 s. Never raises."""


def need(extra: str, module: str) -> None:
    """Raise `UsageError` if the library that a sink needs is not installed."""
    if find_spec(module) is None:
        raise UsageError(f"[{extra}]: support for it is not installed", *how_to_install(extra))
