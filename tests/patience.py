"""An event loop over real sockets, ptys, threads and programs, on which a slow machine makes no time limit pass.

Its clock counts waiting only, and of each wait no more than was asked for. While this process works, or gets no time
to, or the whole machine stands still, the clock stands: a short limit still ends what never comes, and does not end
what merely comes late. What lies in this process alone is better off with `virtual_time`.
"""

import asyncio
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from antbms.timing import Timing

T = TypeVar("T")

LOOK = 0.01
"""s: a longer wait is made of these, so that others have had their turn many times before it has passed."""
LONG = 60.0
"""s of real time to wait for what must come, and for other programs: more than any machine needs, and in vain only
if the test fails."""


class Clock(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Where a loop sleeps."""

    now = 100.0

    def select(self, timeout: float | None = None) -> Any:
        asked = LOOK if timeout is None else min(timeout, LOOK)
        if asked <= 0:
            return super().select(0)
        began = time.perf_counter()
        events = super().select(asked)
        self.now += min(time.perf_counter() - began, asked)
        return events


class PatientLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = Clock()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


_latest: list[asyncio.AbstractEventLoop] = []
"""For threads: the loop that was begun last."""


def now() -> float:
    """s on the clock of the running loop; in a thread, on that of the loop which was begun last."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return _latest[0].time() if _latest else time.monotonic()


def timing(**changes: Any) -> Timing:
    """Durations on the clock of the running loop."""
    return Timing(**{"monotonic": now} | changes)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`. On Windows, where only the proactor opens serial ports, it is that."""
    with asyncio.Runner(loop_factory=None if sys.platform == "win32" else PatientLoop) as runner:
        _latest[:] = [runner.get_loop()]
        return runner.run(coroutine)


def wait(condition: Callable[[], object], seconds: float = LONG, what: str = "it did not come") -> None:
    """Until `condition` holds, without a loop. seconds: as the clock above counts, so also of other programs' promises.

    These compete with us for the machine: where they get less of it, we look less often.
    """
    looks = 0
    while not condition():
        assert looks * LOOK < seconds, what
        time.sleep(LOOK)
        looks += 1


def ended(process: subprocess.Popen[str], seconds: float = LONG) -> tuple[str, str]:
    """What a program says on stdout and stderr until its end, which must come within so many s."""
    with ThreadPoolExecutor(1) as pool:
        said = pool.submit(process.communicate)
        try:
            wait(said.done, seconds, f"it goes on after {seconds:g} s")
        finally:
            process.kill()
        return said.result()
