"""A real hour with faults, on every medium that this machine has: `python bench/soak.py [--minutes 60]`.

The batteries behind TCP, ptys, a real ser2net and classic Bluetooth (bumble, and a small BlueZ on a bus) live in a
process of their own; those behind Bluetooth LE in this one, since bumble takes the place of the platform's bleak
backend: so what this process needs is the monitor's and theirs. After `--minutes` the faults end, and every battery
has time to come back. Ends with 1 if anything grows, a reading is not in the store exactly once, or the rules of
`tests/media/outages.py` are broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from common import REPO

sys.path.extend(str(REPO / "tests" / room) for room in ("", "media", "bluetooth"))

from far_ends import FarEnd, Place, bluetooth
from far_process import BUS, counts, end, trouble
from outages import ENDED, Told, Verdict, judge
from trouble import Fault

from antbms.config import BatteryConfig, Config, MonitorConfig, sink_config
from antbms.history import batteries, snapshots
from antbms.model import Event, Offline
from antbms.monitor import Monitor
from antbms.sinks.store.rows import milliseconds
from monitor import resident

MEDIA = ("tcp=8", "pty=8", "rfc2217=3", "classic=4", "ble=3")
SETTLE = 0.25
"""Part of the time that is not compared: libraries are loaded, caches filled."""
GROWTH = 1.10
"""× that memory, descriptors and tasks may differ between the halves of the rest."""
TURN = 35.0
"""s that an LE battery may have to wait for each of the others: an adapter opens one at a time, in `Timing.open`."""


class Seen:
    """A sink that notes what came."""

    def __init__(self) -> None:
        self.told: defaultdict[str, Told] = defaultdict(Told)

    pace = 0.0

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


class Far:
    """The other process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin
        assert process.stdout
        self._process, self._in, self._out = process, process.stdin, process.stdout

    @classmethod
    async def start(cls, *arguments: str) -> tuple[Far, dict[str, tuple[str, str]]]:
        """It, and the address and protocol of each battery."""
        pipe = asyncio.subprocess.PIPE
        far = cls(
            await asyncio.create_subprocess_exec(
                sys.executable, str(REPO / "bench" / "far_process.py"), *arguments, stdin=pipe, stdout=pipe
            )
        )
        first = json.loads(await far._out.readline())
        os.environ.update({BUS: first["bus"]} if first["bus"] else {})
        return far, first["batteries"]

    async def faults(self, faults: list[Fault]) -> None:
        """Note them until there are no more."""
        while (line := json.loads(await self._out.readline())) is not None:
            faults.append(Fault(*line))

    def calm(self) -> None:
        self._in.write(b"\n")

    async def stop(self) -> None:
        self._in.close()
        await self._process.wait()


async def soak(media: dict[str, int], minutes: float, seed: str, folder: Path) -> list[str]:
    """Print what came; returns what is wrong in the end."""
    gaps = (min(20.0, 6 * minutes), min(240.0, 20 * minutes))
    le = media.pop("ble", 0)
    rest = [f"{name}={count}" for name, count in media.items() if count]
    far, found = await Far.start(str(folder), seed, *map(str, gaps), *rest)
    place, faults, samples, seen = Place(folder), list[Fault](), list[tuple[float, ...]](), Seen()
    async with bluetooth(place, le=le > 0, old=False):
        near = [FarEnd("ble", number) for number in range(le)]
        for one in near:
            await one.start(place)
            found[one.name] = (one.address, one.protocol)
        monitor = Monitor(configuration(found, folder), sinks={"seen": seen}, totals=folder / "totals.json")
        stop = asyncio.Event()
        running = asyncio.create_task(monitor.run(stop))
        telling = asyncio.create_task(far.faults(faults))
        tasks = [asyncio.create_task(trouble(one, seed, gaps, faults.append)) for one in near]
        until = time.monotonic() + 60 * minutes
        while time.monotonic() < until:
            await asyncio.sleep(min(60.0, 60 * minutes / 20))
            samples.append((resident(), len(list(Path("/proc/self/fd").iterdir())), len(asyncio.all_tasks())))
            told = f"{sum(len(one.read) for one in seen.told.values())} readings, {len(faults)} faults"
            print("{:.1f} MB, {} descriptors, {} tasks; ".format(*samples[-1]) + told, flush=True)
        far.calm()
        await asyncio.gather(end(tasks), telling)
        calm, longest = time.time(), patience("ble", le)
        with suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await seen.all_read(found, calm)
        stop.set()
        await running
        for one in near:
            await one.stop()
    await far.stop()
    problems = grown(samples) + judged(seen, faults, {**media, "ble": le})
    dropped = sum(lane.dropped for lane in monitor.lanes)
    return problems + ([f"{dropped} events dropped"] if dropped else []) + compared(seen, folder / "packs.db")


def configuration(found: dict[str, tuple[str, str]], folder: Path) -> Config:
    """Every second battery's protocol is to be found out."""
    named = {
        name: BatteryConfig(address=address, protocol=protocol if number % 2 else None)  # type: ignore[arg-type]
        for number, (name, (address, protocol)) in enumerate(found.items())
    }
    sinks = {"store": sink_config("store", {"file": str(folder / "packs.db")})}
    return Config(monitor=MonitorConfig(every=1.0), batteries=named, sinks=sinks)


def patience(medium: str, count: int) -> float:
    return ENDED + TURN * (count - 1) * (medium == "ble")


def judged(seen: Seen, faults: list[Fault], media: dict[str, int]) -> list[str]:
    """What is wrong; prints a line for each medium."""
    problems: list[str] = []
    for medium, count in media.items():
        total = Verdict()
        for name in (f"{medium}{number}" for number in range(count)):
            own = sorted((fault for fault in faults if fault.battery == name), key=lambda fault: fault.start)
            total += judge(seen.told[name], own, patience(medium, count))
        problems += total.problems
        print(f"{medium}: {count} batteries, {total}")
    kinds = sorted({fault.kind for fault in faults})
    print(f"{len(faults)} faults of {len(kinds)} kinds: {', '.join(kinds)}")
    return problems


def grown(samples: Sequence[tuple[float, ...]]) -> list[str]:
    rest, problems = samples[int(SETTLE * len(samples)) :], []
    early, late = rest[: len(rest) // 2], rest[len(rest) // 2 :]
    for index, what in enumerate(("MB", "descriptors", "tasks")):
        before, after = (statistics.mean(sample[index] for sample in part) for part in (early, late))
        print(f"{what}: {before:.1f}, then {after:.1f}")
        if after > GROWTH * before + 1:
            problems.append(f"{what} grew from {before:.1f} to {after:.1f}")
    return problems


def compared(seen: Seen, path: Path) -> list[str]:
    """Every reading that came is in the store exactly once, and no other."""
    start, stop = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    problems = []
    for battery in batteries(path):
        stored = [milliseconds(one.time) / 1000 for one in snapshots(path, battery.name, start, stop)]
        read = seen.told.pop(battery.name).read
        if sorted(read) != sorted(stored):
            problems.append(f"{battery.name}: {len(read)} readings, {len(stored)} in the store, and not the same")
    return problems + [f"{name}: not in the store" for name, told in seen.told.items() if told.read]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--media", nargs="+", default=MEDIA, metavar="MEDIUM=COUNT", help=" ".join(MEDIA))
    parser.add_argument("--seed", default="1")
    given = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        problems = asyncio.run(soak(counts(given.media), given.minutes, given.seed, Path(folder)))
    print("\n".join(problems) or "nothing grew, nothing was lost, and every outage was found and ended")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
