"""A monitor among batteries in trouble: what a day of virtual time (`test_day.py`) and a real hour (`bench/`) share."""

from __future__ import annotations

import asyncio
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from os import sysconf
from pathlib import Path

from far_ends import FarEnd
from outages import ENDED, Told, Verdict, judge
from trouble import KINDS, Fault, plan
from truth import Comparison, stored

from antbms.config import BatteryConfig, Config, MonitorConfig, sink_config
from antbms.history import batteries, snapshots
from antbms.model import Event, Offline, Snapshot
from antbms.monitor import Monitor
from antbms.sinks.store.rows import milliseconds

STORE = "packs.db"
TURN = 35.0
"""s that an LE battery may have to wait for each of the others: an adapter opens one at a time, in `Timing.open`."""


class Seen:
    """A sink that notes what came: s since 1970, as fine as the store has it."""

    pace = 0.0

    def __init__(self) -> None:
        self.told: defaultdict[str, Told] = defaultdict(Told)

    async def take(self, events: Sequence[Event]) -> None:
        for event in events:
            told = self.told[event.battery]
            (told.offline if isinstance(event, Offline) else told.read).append(milliseconds(event.time) / 1000)

    async def all_read(self, names: Iterable[str], since: float) -> None:
        """Return when each battery has been read."""
        for name in names:
            while max(self.told[name].read, default=0.0) < since:  # noqa: ASYNC110  once in the run
                await asyncio.sleep(1.0)

    async def close(self) -> None:
        """Nothing to close."""


class Troubles:
    """Batteries that get into trouble and out of it, until it is enough."""

    def __init__(
        self,
        ends: Iterable[FarEnd],
        seed: str,
        gaps: tuple[float, float],
        clock: Callable[[], float],
        note: Callable[[Fault], None],
    ) -> None:
        self._clock = clock
        self._note = note
        self._tasks = [asyncio.create_task(self._follow(far, f"{seed} {far.name}", gaps)) for far in ends]

    async def _follow(self, far: FarEnd, seed: str, gaps: tuple[float, float]) -> None:
        for well, kind, seconds in plan(seed, KINDS, *gaps):
            await asyncio.sleep(well)
            suffering = asyncio.create_task(far.suffer(kind, seconds, self._clock))
            try:
                self._note(await asyncio.shield(suffering))
            except asyncio.CancelledError:
                far.well.set()
                self._note(await suffering)
                raise

    async def end(self) -> None:
        """All are well again when this returns."""
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if not isinstance(result, asyncio.CancelledError):
                raise result


def configuration(found: Mapping[str, tuple[str, str]], folder: Path, every: float) -> Config:
    """found: name → address and protocol. That of every second battery is to be found out."""
    named = {
        name: BatteryConfig(address=address, protocol=protocol if number % 2 else None)  # type: ignore[arg-type]
        for number, (name, (address, protocol)) in enumerate(found.items())
    }
    sinks = {"store": sink_config("store", {"file": str(folder / STORE)})}
    return Config(monitor=MonitorConfig(every=every), batteries=named, sinks=sinks)


def patience(medium: str, count: int) -> float:
    """s within which a battery must be read again."""
    return ENDED + TURN * (count - 1) * (medium == "ble")


def verdicts(seen: Seen, faults: Sequence[Fault], media: Mapping[str, int], every: float) -> dict[str, Verdict]:
    """By medium."""
    found = {medium: Verdict() for medium in media}
    for medium, count in media.items():
        for name in (f"{medium}{number}" for number in range(count)):
            own = sorted((fault for fault in faults if fault.battery == name), key=lambda fault: fault.start)
            found[medium] += judge(seen.told[name], own, every, patience(medium, count))
    return found


def compared(seen: Seen, monitor: Monitor, folder: Path, faults: Sequence[Fault]) -> Comparison:
    """Every reading that was made is in the store exactly once, no other is, and each is what the battery said."""
    start, stop = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    found = Comparison()
    found.problems += [f"{lane.name}: {lane.dropped} events dropped" for lane in monitor.lanes if lane.dropped]
    known = {battery.name for battery in batteries(folder / STORE)}
    for name, source in monitor.sources.items():
        rows = snapshots(folder / STORE, name, start, stop) if name in known else ()
        times = array("d")
        found += stored(name, _timed(rows, times), folder, faults)
        if source.readings != len(times) or sorted(seen.told[name].read) != sorted(times):
            came = len(seen.told[name].read)
            found.problems.append(f"{name}: {source.readings} readings, {came} came, {len(times)} in the store")
    found.problems += [f"{name}: nobody knows it" for name in known - monitor.sources.keys()]
    return found


def _timed(rows: Iterable[Snapshot], times: array[float]) -> Iterator[Snapshot]:
    for row in rows:
        times.append(milliseconds(row.time) / 1000)
        yield row


def resident() -> float:
    """MB of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * sysconf("SC_PAGE_SIZE") / 1e6


def sample() -> tuple[float, int, int]:
    """MB, descriptors and tasks of this process, now."""
    return resident(), len(list(Path("/proc/self/fd").iterdir())), len(asyncio.all_tasks())
