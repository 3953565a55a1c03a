"""Many batteries and many sinks, each independent of all others.

One task a battery (watch, then put into every lane), and one lane a sink: a bounded queue with a task of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from ..config import Config
from ..ledger import Ledger
from ..model import Event
from ..pauses import read
from ..sinks.base import Sink
from ..timing import DEFAULT, Timing
from ..worker import Worker
from .lane import Lane
from .meter import Meter
from .watched import Watched

__all__ = ["Lane", "Monitor", "Watched"]

log = logging.getLogger("antbms.monitor")


class Monitor:
    """Built from a configuration; sinks: further ones; totals: the file of what is counted, None: in memory; pauses:
    the file by which `antbms pause` tells it to let go of batteries for a while.

    Raises `UsageError` for what a sink cannot accept. `run` raises it if another monitor counts into the same file, or
    a newer version wrote it.
    """

    def __init__(
        self,
        config: Config,
        timing: Timing = DEFAULT,
        sinks: Mapping[str, Sink] | None = None,
        totals: Path | None = None,
        pauses: Path | None = None,
    ) -> None:
        self._config = config
        self._timing = timing
        self._totals = totals
        self._pauses = pauses
        self._worker = Worker("antbms-pauses")
        self._meters: dict[str, Meter] = {}
        self._every = {name: battery.every or config.monitor.every for name, battery in config.batteries.items()}
        self.sources = {
            name: Watched(name, battery, self._every[name], timing, self._put)
            for name, battery in config.batteries.items()
        }
        made = {
            name: section.module.make(section.config, self.sources, timing) for name, section in config.sinks.items()
        }
        self.lanes = [
            Lane(name, sink, timing, config.monitor.queue) for name, sink in {**made, **(sinks or {})}.items()
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """Watch all batteries until `stop` is set, or it is cancelled; then end in order, in `Timing.stop` s."""
        with Ledger(self._totals, self._timing) as ledger:
            self._meters = {name: Meter(name, every, ledger, self._timing) for name, every in self._every.items()}
            await self._watch(stop, ledger)

    async def _watch(self, stop: asyncio.Event, ledger: Ledger) -> None:
        for lane in self.lanes:
            lane.start()
        tasks = [asyncio.create_task(one.run(delay), name=one.name) for one, delay in self._delays()]
        tasks.append(asyncio.create_task(self._report(), name="report"))
        tasks.append(asyncio.create_task(self._obey(), name="pauses"))
        commits = asyncio.create_task(ledger.run(), name="ledger")
        try:
            await stop.wait()
        finally:
            await self._end(tasks, commits, ledger)

    def _delays(self) -> list[tuple[Watched, float]]:
        """Batteries begin one after the other within their interval, so that readings spread evenly, but soon."""
        count, most = len(self.sources), self._timing.begin
        return [
            (one, index * min(self._every[one.name], most) / count) for index, one in enumerate(self.sources.values())
        ]

    def _put(self, event: Event) -> None:
        meter = self._meters.get(event.battery)  # by its name in snapshots, which is made fit to be printed
        event = meter(event) if meter is not None else event
        for lane in self.lanes:
            lane.put(event)

    async def _end(self, tasks: list[asyncio.Task[None]], commits: asyncio.Task[None], ledger: Ledger) -> None:
        start = self._timing.monotonic()
        for lane in self.lanes:
            lane.hurry()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=self._timing.stop / 3)
        left = self._timing.stop - (self._timing.monotonic() - start)
        last = asyncio.create_task(ledger.commit())
        await asyncio.gather(asyncio.wait({last}, timeout=left), *(lane.close(left) for lane in self.lanes))
        for task in (last, commits):  # only now: a commit that is cancelled goes on in its thread
            task.cancel()
        await asyncio.wait({last, commits})
        self._worker.stop()
        log.info("monitor: stopped")

    async def _obey(self) -> None:
        """Let go of the batteries that shall be let go of, and take them up again when that is over."""
        while self._pauses is not None:
            with suppress(OSError):  # what cannot be read now changes nothing
                pauses = await self._worker.run(partial(read, self._pauses, self._timing.now()))
                for name, one in self.sources.items():
                    one.pause(pauses.get(name))
            await asyncio.sleep(self._timing.look)

    async def _report(self) -> None:
        """Say now and then what crossed every link, and what became of it."""
        while True:
            await asyncio.sleep(self._config.monitor.report)
            for one in self.sources.values():
                counters = {"readings": one.readings, **one.counters}
                text = ", ".join(f"{key} {count}" for key, count in counters.items())
                log.info("%s: %s", one.name, text, extra={"battery": one.name, "counters": counters})
            for lane in self.lanes:
                counters = {"taken": lane.taken, "waiting": lane.waiting, "dropped": lane.dropped}
                text = ", ".join(f"{key} {count}" for key, count in counters.items())
                log.info("%s: %s", lane.name, text, extra={"sink": lane.name, "counters": counters})
