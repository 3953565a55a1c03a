"""Simulated time on real media: a monitor with its store, and batteries in trouble, in one process."""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import media_time
from fake_bluez import system_bus
from far_ends import FarEnd, Place, bluetooth
from media_notes import asking
from outages import Verdict
from stage import Seen, Troubles, compared, configuration, patience, sample, verdicts
from trouble import Fault
from truth import Comparison

from antbms.monitor import Monitor

GAPS = (400.0, 1200.0)
"""s between faults."""
SAMPLE = 600.0
"""s between two samples."""

MEMORY = Path("/dev/shm")
"""Where the files are, if there is such a place: a day has ten thousands of commits, and a disk takes ms for each."""


@dataclass
class Day:
    """What came of it. samples: MB, descriptors and tasks, time by time, while no battery was in trouble."""

    verdicts: dict[str, Verdict]
    samples: list[tuple[float, int, int]]
    comparison: Comparison


def play(media: Mapping[str, int], hours: float, every: float, seed: str = "1") -> Day:
    """media: name → batteries behind it."""
    with ExitStack() as stack:
        helpers = {stack.enter_context(system_bus()).pid} if "classic" in media else set()
        folder = Path(stack.enter_context(TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)))
        stack.enter_context(asking(folder))
        return media_time.run(_day(media, hours * 3600, every, seed, folder, helpers), 3600 * (hours + 1))


async def _day(
    media: Mapping[str, int], seconds: float, every: float, seed: str, folder: Path, helpers: set[int]
) -> Day:
    clocks = media_time.clocks()
    place, faults, samples, seen = Place(folder, clocks), list[Fault](), list[tuple[float, int, int]](), Seen()
    media_time.traffic().helpers |= helpers
    async with bluetooth(place, le="ble" in media, old="classic" in media):
        ends = [FarEnd(medium, number) for medium, count in media.items() for number in range(count)]
        for far in ends:
            await far.start(place)
        found = {far.name: (far.address, far.protocol) for far in ends}
        monitor = Monitor(configuration(found, folder, every), clocks, {"seen": seen}, folder / "totals.json")
        stop = asyncio.Event()
        running = asyncio.create_task(monitor.run(stop))
        troubles = Troubles(ends, seed, GAPS, lambda: clocks.now().timestamp(), faults.append)
        until = clocks.monotonic() + seconds
        while clocks.monotonic() < until:
            await asyncio.sleep(SAMPLE)
            if not any(far.ill for far in ends):
                samples.append(sample())
        await troubles.end()
        async with asyncio.timeout(every + max(patience(*one) for one in media.items())):
            await seen.all_read(found, clocks.now().timestamp())
        stop.set()
        await running
        for far in ends:
            await far.stop()
    return Day(verdicts(seen, faults, media, every), samples, compared(seen, monitor, folder, faults))
