"""What the monitor costs: CPU, memory and punctuality for 1, 10, 100 and 1,000 packs over TCP at 1 Hz, into SQLite.

`python bench/monitor.py [--packs 1 10 100 1000] [--seconds 30]`; the simulated packs run in a process of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from common import run_json

from antbms.config import BatteryConfig, Config, MonitorConfig, sink_config
from antbms.model import Event, Snapshot
from antbms.monitor import Monitor

HERE = Path(__file__).resolve().parent
PROTOCOLS = ("ant", "jbd", "ant-legacy")
SETTLE = 5.0
"""s that are not measured: everything is opened, and asked who it is."""
ON_TIME = 0.1
"""s."""


class Times:
    """A sink that notes when each reading was taken."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)
        self.others = 0

    pace = 0.0

    async def take(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Snapshot):
                self.times[event.battery].append(event.time.timestamp())
            else:
                self.others += 1

    async def close(self) -> None:
        """Nothing to close."""


def lateness(times: Sequence[float]) -> list[float]:
    """s that each reading is behind its place on a grid of 1 s; the grid is that of the most punctual tenth."""
    phases = sorted(time % 1.0 for time in times)
    usual = phases[len(phases) // 2]
    moved = sorted((time - usual + 0.5) % 1.0 - 0.5 for time in times)
    earliest = moved[len(moved) // 10]
    return [max(0.0, one - earliest) for one in moved]


async def measure(addresses: list[str], seconds: float, folder: Path) -> dict[str, float]:
    """Run the monitor in this process."""
    batteries = {
        f"pack{number}": BatteryConfig(address=address, protocol=PROTOCOLS[number % 3])  # type: ignore[arg-type]
        for number, address in enumerate(addresses)
    }
    config = Config(
        monitor=MonitorConfig(every=1.0),
        batteries=batteries,
        sinks={"store": sink_config("store", {"file": str(folder / "packs.db")})},
    )
    times = Times()
    monitor = Monitor(config, sinks={"times": times}, totals=folder / "totals.json")
    stop = asyncio.Event()
    task = asyncio.create_task(monitor.run(stop))
    await asyncio.sleep(SETTLE)
    for before in times.times.values():
        before.clear()
    cpu, start = time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    cpu, elapsed = time.process_time() - cpu, time.monotonic() - start
    taken = {name: list(one) for name, one in times.times.items()}
    stored = {lane.name: lane.taken for lane in monitor.lanes}["store"]
    stop.set()
    await task
    late = sorted(one for battery in taken.values() for one in lateness(battery))
    count = len(late)
    return {
        "packs": len(addresses),
        "readings": count,
        "missed": round(len(addresses) * seconds) - count,
        "stored": stored,
        "cpu": 100 * cpu / elapsed,
        "per_reading": 1e3 * cpu / count,
        "megabytes": resident(),
        "late_99": 1e3 * late[int(0.99 * (count - 1))],
        "on_time": 100 * sum(one <= ON_TIME for one in late) / count,
    }


def resident() -> float:
    """MB of this process now; where the system does not tell, at most."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def packs(count: int) -> tuple[subprocess.Popen[str], list[str]]:
    """Start so many packs; their process and their addresses."""
    process = subprocess.Popen(
        [sys.executable, HERE / "packs.py", str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, [line.strip() for line in iter(process.stdout.readline, "\n")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packs", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--addresses", help=argparse.SUPPRESS)  # of the part that is measured
    given = parser.parse_args()
    if given.addresses is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(asyncio.run(measure(json.loads(given.addresses), given.seconds, Path(folder)))))
        return
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, {given.seconds:g} s each, one reading a second")
    print(" packs  readings  missed  CPU of a core  a reading  resident  99 % within  within 100 ms")
    for count in given.packs:
        process, addresses = packs(count)
        try:
            command = [sys.executable, __file__, "--seconds", str(given.seconds), "--addresses", json.dumps(addresses)]
            row = run_json(command)
        finally:
            process.communicate()
        print(
            f"{row['packs']:>6}{row['readings']:>10}{row['missed']:>8}{row['cpu']:>13.1f} %"
            f"{row['per_reading']:>8.2f} ms{row['megabytes']:>7.0f} MB{row['late_99']:>10.0f} ms"
            f"{row['on_time']:>13.2f} %",
            flush=True,
        )


if __name__ == "__main__":
    main()
