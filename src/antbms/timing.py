"""The one place for clocks and delays: tests hand in shorter ones, or clocks of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct


def utc_now() -> datetime:
    """The wall clock, timezone-aware UTC."""
    return datetime.now(UTC)


class Timing(Struct, frozen=True, kw_only=True):
    """Clocks, and all durations in seconds. Waiting itself is done by the event loop."""

    now: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic

    open: float = 25.0
    """Windows needs up to 20 s to open a Bluetooth COM port whose device is away."""
    close: float = 2.0
    """A driver that will not let go must not hold the program."""
    silence: float = 0.1
    """Quiet time that ends a drain: more than any gap inside an answer seen in the recordings."""
    drain: float = 1.0
    """A drain ends after this, even if a device never stops talking."""
    probe_first: float = 0.4
    """Detection, first round, a protocol: the slowest ant answer in the recordings took 0.26 s."""
    probe_second: float = 1.5
    """Detection, second round: for weak links and for boards that had to wake up."""
    memory: float = 0.02
    """A simulated battery or a recording in this process answers at once or never."""
    tries: int = 3
    """How often a read is asked before it has failed. Writes are sent once, always."""
    answer: float | None = None
    """Overrides how long a protocol says that an answer may take; None leaves it to the protocol."""


DEFAULT = Timing()
