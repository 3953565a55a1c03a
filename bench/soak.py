"""A real hour with faults: `python bench/soak.py [--minutes 60] [--packs 20]`. Ends with 1 if it leaks or loses.

Simulated packs in a process of their own are cut off, refused, silent, damaged and slow at random. Once a minute comes
a line with memory, descriptors and tasks. At the end every reading that was taken must be in the store exactly once,
and every battery must be read again.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from antbms.config import BatteryConfig, Config, MonitorConfig, sink_config
from antbms.history import batteries, snapshots
from antbms.model import Event, Offline
from antbms.monitor import Monitor
from monitor import packs, resident

SETTLE = 0.25
"""Part of the time that is not compared: libraries are loaded, caches filled."""
GROWTH = 1.10
"""× that memory may differ between the parts that are compared."""
AWAKE = 100.0
"""s within which every battery must have been read at the end: no fault lasts longer than 30 s."""


class Seen:
    """A sink that counts."""

    def __init__(self) -> None:
        self.readings: Counter[str] = Counter()
        self.latest: dict[str, float] = {}
        self.offline = 0

    async def take(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Offline):
                self.offline += 1
            else:
                self.readings[event.battery] += 1
                self.latest[event.battery] = time.monotonic()

    async def close(self) -> None:
        """Nothing to close."""


async def soak(addresses: list[str], minutes: float, folder: Path) -> list[str]:
    """What is wrong in the end."""
    config = Config(
        monitor=MonitorConfig(every=1.0),
        batteries={f"pack{n}": BatteryConfig(address=address) for n, address in enumerate(addresses)},
        sinks={"store": sink_config("store", {"file": str(folder / "packs.db")})},
    )
    seen, samples = Seen(), list[tuple[float, int, int]]()
    monitor = Monitor(config, sinks={"seen": seen}, totals=folder / "totals.json")
    stop = asyncio.Event()
    running = asyncio.create_task(monitor.run(stop))
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        await asyncio.sleep(min(60.0, 60 * minutes / 20))
        samples.append((resident(), len(list(Path("/proc/self/fd").iterdir())), len(asyncio.all_tasks())))
        counts = f"{seen.readings.total()} readings, {seen.offline} times offline"
        print("{:.0f} MB, {} descriptors, {} tasks; ".format(*samples[-1]) + counts, flush=True)
    now = time.monotonic()
    asleep = [name for name in config.batteries if now - seen.latest.get(name, 0.0) > AWAKE]
    stop.set()
    await running
    problems = [f"not read again: {', '.join(asleep)}"] if asleep else []
    rest = samples[int(SETTLE * len(samples)) :]
    early, late = rest[: len(rest) // 2], rest[len(rest) // 2 :]
    for index, what in enumerate(("memory", "descriptors", "tasks")):
        before, after = (statistics.mean(sample[index] for sample in part) for part in (early, late))
        if after > GROWTH * before + 1:
            problems.append(f"{what} grew from {before:.0f} to {after:.0f}")
    stored = count_stored(folder / "packs.db")
    if stored != seen.readings.total():
        problems.append(f"{seen.readings.total()} readings, but {stored} in the store")
    return problems


def count_stored(path: Path) -> int:
    """Snapshots in the store."""
    start, end = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    return sum(1 for battery in batteries(path) for _ in snapshots(path, battery.name, start, end))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--packs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    process, addresses = packs(given.packs, "--faults", str(given.seed))
    try:
        with tempfile.TemporaryDirectory() as folder:
            problems = asyncio.run(soak(addresses, given.minutes, Path(folder)))
    finally:
        process.communicate()
    print("\n".join(problems) or "nothing grew, nothing was lost")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
