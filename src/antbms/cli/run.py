"""Runs a coroutine to its end, and does not wait for threads that the system holds.

`asyncio.run` waits until every executor thread has come back. Windows opens a Bluetooth COM port in such a thread and
takes up to 20 s when the device is away; a user who has read the message, or pressed Ctrl-C, shall not sit there.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

GRACE = 2.0
"""s that left-over tasks have to end after being cancelled."""
THREADS = 4
"""For each battery: a name that is looked up or a port that is opened may hold one for a minute, and another one after
it was given up."""
JOIN = 0.2
"""s that threads have to end: an idle one needs none of it."""


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of `coroutine`. Ctrl-C cancels it and raises `KeyboardInterrupt`; nothing of it goes on afterwards."""
    runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
    loop = runner.get_loop()
    try:
        return runner.run(coroutine)
    finally:
        # Not runner.close(), which waits for the threads of the executor; closing the loop dismisses them.
        try:
            loop.run_until_complete(_cancel_rest())
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()


def provide_threads(batteries: int) -> None:
    """Let the running loop have so many that no battery waits for what the system does for others.

    By default there are 6 on two cores, for all that looks up names of hosts and opens ports. They begin when needed.
    """
    threads = THREADS * (batteries + 1)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(threads, thread_name_prefix="antbms"))


def thread_hangs() -> bool:
    """Whether a thread still runs that would hold the interpreter."""
    end = time.monotonic() + JOIN
    for thread in _threads():
        thread.join(max(0.0, end - time.monotonic()))
    return bool(_threads())


def _threads() -> list[threading.Thread]:
    own = (threading.main_thread(), threading.current_thread())
    return [thread for thread in threading.enumerate() if thread not in own and not thread.daemon]


async def _cancel_rest() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=GRACE)
