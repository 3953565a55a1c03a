"""An event loop whose clock jumps: waiting takes no time, so the real durations can be tested.

For what lies in this process alone. Where nothing is left to wait for, `run` raises instead of standing still.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from antbms.timing import Timing
from antbms.worker import Worker

T = TypeVar("T")

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
LONGEST = 3600.0
"""s of virtual time after which a test is taken to hang."""


class Clock(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Where a loop sleeps."""

    def __init__(self, longest: float) -> None:
        super().__init__()
        self.now = 100.0
        self._longest = longest

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("all tasks wait, and nothing will ever wake them")
        if events := super().select(0):
            return events
        self.now += timeout
        if self.now > self._longest:
            raise RuntimeError(f"still running after {self._longest:.0f} s of virtual time")
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    clock_class: type[Clock] = Clock

    def __init__(self, longest: float = LONGEST) -> None:
        self._clock = self.clock_class(longest)
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def now() -> float:
    """s on the clock of the running loop."""
    return asyncio.get_running_loop().time()


def wall_clock() -> datetime:
    return BEGINNING + timedelta(seconds=now())


def timing(**changes: Any) -> Timing:
    """The real durations on the loop's clock."""
    return Timing(**{"now": wall_clock, "monotonic": now} | changes)


class AtOnce(Worker):
    """In place of a thread, which keeps no virtual time."""

    async def run(self, work: Callable[[], T]) -> T:
        return work()


def run(coroutine: Coroutine[Any, Any, T], longest: float = LONGEST) -> T:
    """As `asyncio.run`; besides, no task may be left at the end, and it may take `longest` s of virtual time."""

    async def main() -> T:
        result = await coroutine
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left
        return result

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(longest)) as runner:
        return runner.run(main())
