"""Runs a coroutine to its end, and does not wait for threads that the system holds.

`asyncio.run` waits until every executor thread has come back. Windows opens a Bluetooth COM port in such a thread and
takes up to 20 s when the device is away; a user who has read the message, or pressed Ctrl-C, shall not sit there.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

GRACE = 2.0
"""s that left-over tasks have to end after being cancelled."""
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
