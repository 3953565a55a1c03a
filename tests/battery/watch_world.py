"""A battery that a test switches off, breaks and lets hang, behind as many links as are opened to it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from battery_fakes import Line, damaged

from antbms.errors import OpenError
from antbms.sim import make_device
from antbms.transport import Medium
from virtual_time import now

OPENING = 0.2
ANSWER = 0.05


class World:
    """One battery. `state` says how it and its links behave now.

    well · refused (no link can be opened, and open ones end) · lost (open links end, new ones can be opened) ·
    silent · damaged (every answer) · late (answers come after their patience) · opening hangs · dead (a link that
    hangs while it is written to)
    """

    STATES = ("refused", "lost", "silent", "damaged", "late", "opening hangs", "dead")

    def __init__(self, protocol: str = "ant", medium: Medium = Medium.BLUETOOTH) -> None:
        self.device = make_device(protocol)
        self.medium = medium
        self.state = "well"
        self.opened: list[float] = []
        """When somebody tried to open it."""
        self.lines: list[Line] = []
        self.active = 0
        """Links that are open now."""

    def become(self, state: str) -> None:
        self.state = state
        if state in ("refused", "lost", "opening hangs"):
            for line in self.lines:
                line.lose()
            self.lines.clear()

    async def open_pipe(self, where: Any, timing: Any, baud: int, record: Path | None, *, redact: bool) -> Line:
        self.opened.append(now())
        await asyncio.sleep(OPENING)
        if self.state == "opening hangs":
            await asyncio.Event().wait()
        if self.state == "refused":
            raise OpenError(f"{where.text}: not found in {now() % 7:.0f} s", "Is it on?")
        line = WorldLine(self)
        self.lines.append(line)
        return line


class WorldLine(Line):
    def __init__(self, world: World) -> None:
        super().__init__(self._answer, world.medium)
        self._world = world
        self._is_open = True
        world.active += 1

    def _answer(self, data: bytes, line: Line) -> Iterator[tuple[float, bytes]]:
        world = self._world
        if world.state != "silent" and (answer := world.device.receive(data, now())):
            memory = world.medium is Medium.MEMORY
            delay = 8.0 if world.state == "late" else 0.0 if memory else ANSWER
            yield delay, damaged(answer) if world.state == "damaged" else answer

    async def write(self, data: bytes, *, secret: bool = False) -> None:
        if self._world.state == "dead":
            await asyncio.Event().wait()
        self.log.clear()  # a day of it would be long
        await super().write(data, secret=secret)

    async def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._world.active -= 1
        await super().close()


@contextmanager
def worlds(**by_target: World) -> Iterator[None]:
    """`antbms.open` and `antbms.watch` reach these, by the address (`COM9`)."""

    async def open_pipe(where: Any, *rest: Any, **more: Any) -> Line:
        return await by_target[where.target].open_pipe(where, *rest, **more)

    with mock.patch("antbms.battery.open_pipe", open_pipe):
        yield
