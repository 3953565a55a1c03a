"""The one place for clocks and delays: tests hand in shorter ones, or clocks of their own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct


def utc_now() -> datetime:
    """The wall clock, timezone-aware UTC."""
    return datetime.now(UTC)


def steady() -> float:
    """s on a clock that nobody sets, and that goes on while the computer sleeps where the system has such a one."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Timing(Struct, frozen=True, kw_only=True):
    """Clocks, and all durations in seconds. Waiting itself is done by the event loop."""

    now: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = steady

    open: float = 25.0
    """Windows needs up to 20 s to open a Bluetooth COM port whose device is away."""
    release: float = 0.5
    """A port that was just closed may stay busy for so long: a thread can be inside the driver, and so can Windows."""
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
    tick: float = 1.0
    """How often a served battery lives on while nobody reads it."""
    tries: int = 3
    """How often a read is asked before it has failed. Writes are sent once, always."""
    answer: float | None = None
    """Overrides how long a protocol says that an answer may take; None leaves it to the protocol."""
    settle: float = 8.0
    """Until the status must show a change: `ant` shows a switch 0.6 to 6 s after its acknowledgement."""
    settle_step: float = 0.5
    """Between two looks at the status meanwhile: as often as the vendor's applications look."""
    store_pace: float = 3.0
    """s from one commit of a store to the next: each wears a memory card as much as many readings in one. Within 5 s
    of being read they are promised to be on the disk."""
    lock: float = 2.0
    """s that a store waits for another program which writes to its file: more means that it holds on to it."""

    begin: float = 5.0
    """The first readings of many batteries are spread over this at most: who starts a monitor wants to see them."""
    backoff_least: float = 1.0
    """The first wait before a battery that went offline is tried again; each further wait doubles, with chance."""
    backoff_most: float = 60.0
    """The longest of these waits: who switches a battery on sees it within a minute."""
    who_least: float = 60.0
    """A battery that did not say who it is is asked again after this: the asking costs some readings."""
    who_most: float = 3600.0
    """The longest of these waits, which double: some boards never say it."""
    grace: float = 10.0
    """Connecting that takes longer is told to who watches: most links are there in less."""
    watchdog: float = 30.0
    """A reading that takes longer stands still on a link that looks open: three tries of two requests need 13 s."""
    work: float = 120.0
    """What is done with a watched battery between two readings ends after this: writing all settings takes a minute."""
    commit: float = 4.0
    """Between two commits of what has been counted: at most 5 s of it may be lost with the power."""
    look: float = 1.0
    """Between two looks whether somebody wants a battery to be let go of."""
    sink_slow: float = 30.0
    """A sink that takes longer for what it is given is said to be slow."""
    sink: float = 300.0
    """Then it is given up, and gets the same again later: clearing up a large store may take minutes."""
    stop: float = 4.5
    """A monitor that is told to stop has closed links and sinks after this: 5 s are promised."""
    remind: float = 600.0
    """A battery that stays offline for one reason is said to be so again after this."""
    broker: float = 10.0
    """An MQTT broker that has not answered for this long is taken for gone; over a bad line it takes some seconds."""
    broker_soon: float = 1.0
    """What a broker has not acknowledged after this is written to the disk: a crash loses no more than that."""
    broker_least: float = 1.0
    """The first wait before a broker is tried again; each further wait doubles, with chance."""
    broker_most: float = 60.0
    """The longest of these waits."""
    command: float = 10.0
    """A command that is older than this is dropped: who gave it has seen that nothing happened, and gone on."""


DEFAULT = Timing()

CLOCK_SET: Final = 1.0
"""s by which the wall clock departs from the steady one within minutes only if somebody sets it."""


class Past:
    """A moment not long ago, which keeps its distance from now if the wall clock is set: a Raspberry Pi begins with
    the time at which it was switched off, and learns some minutes later what time it is."""

    def __init__(self, time: datetime, timing: Timing) -> None:
        self._timing = timing
        self._time = time
        self._wall, self._steady = timing.now(), timing.monotonic()

    def time(self, now: datetime) -> datetime:
        """When it was, as the wall clock goes now; never after now."""
        steady = self._timing.monotonic()
        moved = (now - self._wall).total_seconds() - (steady - self._steady)
        if abs(moved) > CLOCK_SET:  # since the last look; that two clocks drift apart in days is no setting
            self._time += timedelta(seconds=moved)
        self._wall, self._steady = now, steady
        return min(self._time, now)
