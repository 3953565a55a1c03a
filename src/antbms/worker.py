"""A thread for blocking work: one job after another, and nobody waits for it when the program ends.

The executors of asyncio are joined when the interpreter ends, so a hanging network drive would hold the program; and
their few threads are shared with what looks up names of hosts and opens ports, which may hold them all for a minute.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_Job = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class Worker:
    """Runs blocking functions in a daemon thread of its own, which begins with the first of them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work()`, or its exception. Cancelling ends the waiting only: a job that runs goes on."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put((work, loop, future))
        return await future

    def stop(self) -> None:
        """End the thread when its jobs are done; a later `run` begins another."""
        if self._thread is not None:
            self._thread = None
            self._jobs.put(None)
            self._jobs = queue.SimpleQueue()

    def _serve(self) -> None:
        jobs = self._jobs
        while (job := jobs.get()) is not None:
            work, loop, future = job
            if future.cancelled():
                continue
            result, error = None, None
            try:
                result = work()
            except BaseException as caught:  # noqa: BLE001 - it belongs to the one who waits
                error = caught
            try:
                loop.call_soon_threadsafe(_hand_over, future, result, error)
            except RuntimeError:  # the loop is closed: nobody waits any longer
                continue


def _hand_over(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
