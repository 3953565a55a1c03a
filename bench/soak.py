"""A real hour with faults, on every medium that this machine has: `python bench/soak.py [--minutes 60]`.

The batteries behind TCP, ptys, a real ser2net and classic Bluetooth (bumble, and a small BlueZ on a bus) live in a
process of their own; those behind Bluetooth LE in this one, since bumble takes the place of the platform's bleak
backend: so what this process needs is the monitor's and theirs. After `--minutes` the faults end, and every battery
has time to come back. Ends with 1 if anything grows, a reading is not in the store exactly once or not what the
battery said (`tests/media/truth.py`), or the rules of `tests/media/outages.py` are broken.
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
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from common import REPO

sys.path.extend(str(REPO / "tests" / room) for room in ("", "media", "bluetooth"))

from far_ends import FarEnd, Place, bluetooth
from far_process import BUS, counts
from media_notes import asking
from outages import Verdict
from stage import Seen, Troubles, compared, configuration, patience, sample, verdicts
from trouble import Fault
from truth import Comparison

from antbms.monitor import Monitor

MEDIA = ("tcp=8", "pty=8", "rfc2217=3", "classic=4", "ble=3")
EVERY = 1.0
FINE = "nothing grew, nothing was lost, no number was wrong, and every outage was found and ended"
SETTLE = 0.4
"""Part of the time that is not compared: libraries are loaded, and the first 20,000 readings fill SQLite's cache."""
GROWTH = {"MB": 1.03, "descriptors": 1.1, "tasks": 1.1}
"""× that they may differ between the halves of the rest."""


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
        monitor = Monitor(configuration(found, folder, EVERY), sinks={"seen": seen}, totals=folder / "totals.json")
        stop = asyncio.Event()
        running = asyncio.create_task(monitor.run(stop))
        telling = asyncio.create_task(far.faults(faults))
        troubles = Troubles(near, seed, gaps, time.time, faults.append)
        until = time.monotonic() + 60 * minutes
        while time.monotonic() < until:
            await asyncio.sleep(min(60.0, 60 * minutes / 20))
            samples.append(sample())
            told = f"{sum(len(one.read) for one in seen.told.values())} readings, {len(faults)} faults"
            print("{:.1f} MB, {} descriptors, {} tasks; ".format(*samples[-1]) + told, flush=True)
        far.calm()
        await asyncio.gather(troubles.end(), telling)
        calm, longest = time.time(), patience("ble", le)
        with suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await seen.all_read(found, calm)
        stop.set()
        await running
        for one in near:
            await one.stop()
    await far.stop()
    found_out = verdicts(seen, faults, {**media, "ble": le}, EVERY)
    return grown(samples) + shown(found_out, compared(seen, monitor, folder, faults))


def shown(found: Mapping[str, Verdict], comparison: Comparison) -> list[str]:
    """Print a line for each medium, and one for all; returns what is wrong."""
    for medium, verdict in found.items():
        print(f"{medium}: {verdict}")
    faults = sum((verdict.faults for verdict in found.values()), Counter[str]())
    print(f"{faults.total()} faults of {len(faults)} kinds: {', '.join(sorted(faults))}")
    print(comparison)
    return [problem for verdict in found.values() for problem in verdict.problems] + comparison.problems


def grown(samples: Sequence[tuple[float, ...]]) -> list[str]:
    rest, problems = samples[int(SETTLE * len(samples)) :], []
    early, late = rest[: len(rest) // 2], rest[len(rest) // 2 :]
    for index, (what, growth) in enumerate(GROWTH.items()):
        before, after = (statistics.mean(sample[index] for sample in part) for part in (early, late))
        print(f"{what}: {before:.1f}, then {after:.1f}")
        if after > growth * before + 1:
            problems.append(f"{what} grew from {before:.1f} to {after:.1f}")
    return problems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--media", nargs="+", default=MEDIA, metavar="MEDIUM=COUNT", help=" ".join(MEDIA))
    parser.add_argument("--seed", default="1")
    given = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, asking(Path(folder)):
        problems = asyncio.run(soak(counts(given.media), given.minutes, given.seed, Path(folder)))
    print("\n".join(problems) or FINE)
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
