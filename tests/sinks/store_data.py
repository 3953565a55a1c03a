"""Readings for tests of the store and the files, and the store opened directly. Values are invented."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Coroutine, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from antbms.model import Alarm, Doubt, Event, Flag, Offline, Snapshot, SwitchState
from antbms.sinks.store import Config, Store, make
from antbms.sinks.store import open as store_open
from antbms.timing import Timing

T = TypeVar("T")

store_open.SYNCHRONOUS = "OFF"  # no test cuts the power, and waiting for the disk would be most of their time

BEGINNING = datetime(2026, 11, 22, 5, 0, 30, 250_000, UTC)
ON = SwitchState(True, 1, "on")
OVER = Alarm("protection.1", "protection", "cell overvoltage")
DOUBT = Doubt("temperatures.t1", 200.0, "outside -40 to 150 °C")


def at(seconds: float) -> datetime:
    return BEGINNING + timedelta(seconds=seconds)


def reading(seconds: float = 0.0, battery: str = "garage", **fields: Any) -> Snapshot:
    """A reading so many seconds after the beginning, with what is given."""
    usual: dict[str, Any] = {
        "voltage": 13.25,
        "current": -2.5,
        "power": -33.1,
        "soc": 64.5,
        "cycles": 17,
        "charged": 1234.567,
        "uptime": 104447 + int(seconds),
        "cells": (3.312, 3.313, 3.309, 3.313),
        "cell_min": 3.309,
        "cell_max": 3.313,
        "cell_spread": 0.004,
        "balancing": (2, 4),
        "temperatures": {"t1": None, "mosfet": 28.0},
        "switches": {"charge": SwitchState(False, 2, "cell overvoltage"), "discharge": ON},
        "flags": (Flag("warning.17", "full"),),
        "details": {"chemistry": "lfp", "humidity": 40, "drain_source_voltage": -0.8},
    }
    return Snapshot(**{"time": at(seconds), "battery": battery, "protocol": "ant", "level": 5} | usual | fields)


def offline(since: float, until: float, battery: str = "garage", reason: str = "no answer") -> Offline:
    return Offline(time=at(until), battery=battery, since=at(since), reason=reason)


class Clock:
    """Clocks that stand until they are moved: `seconds` after the beginning."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def timing(self, **changes: Any) -> Timing:
        return Timing(now=lambda: at(self.seconds), monotonic=lambda: self.seconds, **changes)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def store(file: Path, clock: Clock | None = None, **config: Any) -> Store:
    return make(Config(file=str(file), **config), {}, (clock or Clock()).timing(lock=0.05))


def fill(file: Path, *batches: Iterable[Event], **config: Any) -> None:
    """Hand batches to a store, one after another, and close it."""

    async def work() -> None:
        sink = store(file, **config)
        for batch in batches:
            await sink.take(list(batch))
        await sink.close()

    run(work())


@contextlib.contextmanager
def database(file: Path) -> Iterator[sqlite3.Connection]:
    """A bare connection."""
    link = sqlite3.connect(file, isolation_level=None)
    try:
        yield link
    finally:
        link.close()


def as_version_1(link: sqlite3.Connection) -> None:
    """Give a store the tables that it had then. There must be no outage in it yet."""
    link.execute("DROP INDEX offline_open")
    link.execute("DROP TABLE present")
    link.execute("ALTER TABLE offline DROP COLUMN ended")
    link.execute("PRAGMA user_version = 1")
