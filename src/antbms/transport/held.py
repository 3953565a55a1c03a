"""Something open, held by a task of its own."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Generic, TypeVar

from ..timing import Timing

Given = TypeVar("Given")

_leftovers: Final[set[asyncio.Task[None]]] = set()
"""Tasks that hold something, also those that outlive their owner; asyncio itself has them only weakly."""


class Held(Generic[Given]):
    """A context manager that a task of its own enters and leaves.

    So one task may open it and another close it, and neither waits longer than it wants to, even if a system does not
    let itself be interrupted: what takes longer ends alone.
    """

    def __init__(self, manager: AbstractAsyncContextManager[Given]) -> None:
        self._given: asyncio.Future[Given] = asyncio.get_running_loop().create_future()
        self._enough = asyncio.Event()
        self.task = asyncio.create_task(self._hold(manager))
        _leftovers.add(self.task)
        self.task.add_done_callback(_ended)

    async def _hold(self, manager: AbstractAsyncContextManager[Given]) -> None:
        try:
            async with manager as given:
                self._given.set_result(given)
                await self._enough.wait()
        except Exception:
            if not self._given.done():  # what goes wrong on the way out interests nobody
                raise

    async def wait(self, seconds: float | None = None) -> Given:
        """What the manager gives. Raises `TimeoutError`, or what entering it raised."""
        either: set[asyncio.Future[Any]] = {self.task, self._given}
        await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if self._given.done():
            return self._given.result()
        if self.task.done():
            self.task.result()
        raise TimeoutError

    async def open(self, timing: Timing) -> Given:
        """What the manager gives; whatever prevents that, it is left again."""
        try:
            return await self.wait(timing.open)
        except BaseException:
            await self.close(timing.close)
            raise

    async def close(self, seconds: float | None = None) -> None:
        """Leave it: in order, after half the time by force, and after all of it without waiting any longer.

        In order even while it is being entered, as what is cancelled between two steps may stay half open. (With
        aio-rfcomm 1.1 that is a socket or a BlueZ profile that nobody knows of.) What takes long is mostly the wait
        for a device that is not there, and there force does no harm.
        """
        self._enough.set()
        half = seconds and seconds / 2
        try:
            if not (await asyncio.wait({self.task}, timeout=half))[0]:
                self.task.cancel()
                await asyncio.wait({self.task}, timeout=half)
        except asyncio.CancelledError:
            self.task.cancel()
            raise


def _ended(task: asyncio.Task[None]) -> None:
    _leftovers.discard(task)
    if not task.cancelled():
        task.exception()  # so that asyncio does not complain if nobody waits for it any more
