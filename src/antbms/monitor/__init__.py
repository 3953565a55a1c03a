"""Many batteries and many sinks, each independent of all others.

One task a battery (watch, then put into every lane), and one lane a sink: a bounded queue with a task of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from ..config import Config
from ..model import Event
from ..sinks.base import Sink
from ..timing import DEFAULT, Timing
from .lane import Lane
from .watched import Watched

__all__ = ["Lane", "Monitor", "Watched"]

log = logging.getLogger("antbms.monitor")


class Monitor:
    """Built from a configuration; `sinks` are further ones. Raises `UsageError` for what a sink cannot accept."""

    def __init__(self, config: Config, timing: Timing = DEFAULT, sinks: Mapping[str, Sink] | None = None) -> None:
        self._config = config
        self._timing = timing
        self.sources = {
            name: Watched(name, battery, battery.every or config.monitor.every, timing, self._put)
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
        for lane in self.lanes:
            lane.start()
        tasks = [asyncio.create_task(one.run(delay), name=one.name) for one, delay in self._delays()]
        tasks.append(asyncio.create_task(self._report(), name="report"))
        try:
            await stop.wait()
        finally:
            await self._end(tasks)

    def _delays(self) -> list[tuple[Watched, float]]:
        """Batteries begin one after the other within their interval, so that readings spread evenly."""
        count = len(self.sources)
        return [
            (one, index * (self._config.batteries[one.name].every or self._config.monitor.every) / count)
            for index, one in enumerate(self.sources.values())
        ]

    def _put(self, event: Event) -> None:
        for lane in self.lanes:
            lane.put(event)

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        start = self._timing.monotonic()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=self._timing.stop / 3)
        left = self._timing.stop - (self._timing.monotonic() - start)
        await asyncio.gather(*(lane.close(left) for lane in self.lanes))
        log.info("monitor: stopped")

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
