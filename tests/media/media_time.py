"""A virtual clock over real sockets, ptys, threads and helper processes: it jumps only when none of these is busy.

Waiting takes no time, as in `virtual_time`; but before the clock jumps, it waits, in real time, for

- jobs in threads (opening a port, a commit of the store);
- bytes that one end of a socket or pty has sent and the other has not got yet (a pty hands them on in a kernel thread);
- helper processes (the D-Bus daemon, ser2net) until all their threads sleep.

Bytes that a link takes with it when it ends never arrive: they are given up with it, or after `LOST` s of real time.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

from antbms.serve import Talk
from antbms.timing import Timing
from antbms.transport.serial import SerialPipe, Stream
from antbms.worker import Worker
from virtual_time import BEGINNING, Clock, VirtualLoop

T = TypeVar("T")

STEP = 0.001
"""s of real time from one look to the next."""
LOST = 1.0
STUCK = 60.0
"""s of real time after which something real has hung."""


class Traffic:
    """What is real, and under way now."""

    def __init__(self) -> None:
        self.jobs = 0
        self.bytes = 0
        self.pipes: set[SerialPipe] = set()
        """That are open: what is sent to nobody is not waited for."""
        self.helpers: set[int] = set()
        """Process numbers."""

    def busy(self) -> bool:
        return self.jobs > 0 or self.bytes > 0 or any(map(_runs, self.helpers))

    def send(self, count: int) -> None:
        self.bytes += count if self.pipes else 0

    def get(self, count: int) -> None:
        self.bytes = max(0, self.bytes - count)


class MediaClock(Clock):
    def __init__(self, longest: float) -> None:
        super().__init__(longest)
        self.traffic = Traffic()

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout > 0:
            looks = 0
            while timeout is None or self.traffic.busy():
                if events := super(Clock, self).select(STEP):
                    return events
                looks += 1
                if looks * STEP > LOST:
                    self.traffic.bytes = 0
                assert looks * STEP < STUCK, f"real work hangs: {vars(self.traffic)}"
        return super().select(timeout)


class MediaLoop(VirtualLoop):
    clock_class = MediaClock

    @property
    def traffic(self) -> Traffic:
        return self._clock.traffic

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> "asyncio.Future[T]":
        job = super().run_in_executor(executor, func, *args)
        self.traffic.jobs += 1
        job.add_done_callback(self._done)
        return job

    def _done(self, _: object) -> None:
        self.traffic.jobs -= 1


def traffic() -> Traffic:
    """Of the running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, MediaLoop)
    return loop.traffic


def clocks() -> Timing:
    """The real durations on the clock of the running loop; also for its threads."""
    loop = asyncio.get_running_loop()
    return Timing(now=lambda: BEGINNING + timedelta(seconds=loop.time()), monotonic=loop.time)


def run(work: Coroutine[Any, Any, T], longest: float) -> T:
    """As `virtual_time.run`."""
    with _counted(), asyncio.Runner(loop_factory=lambda: MediaLoop(longest)) as runner:
        return runner.run(work)


@contextmanager
def _counted() -> Iterator[None]:
    """Both ends of serial links and sockets tell what they send and get, and the store when it works."""
    write, close, come = SerialPipe.write, SerialPipe.close, Stream.data_received
    deliver, hear, work = Talk._deliver, Talk.hear, Worker.run

    async def counted_write(pipe: SerialPipe, data: bytes, *, secret: bool = False) -> None:
        traffic().pipes.add(pipe)
        traffic().send(len(data))
        await write(pipe, data, secret=secret)

    async def counted_close(pipe: SerialPipe) -> None:
        traffic().pipes.discard(pipe)
        traffic().bytes = 0
        await close(pipe)

    def counted_deliver(talk: Talk, data: bytes | None) -> None:
        traffic().send(len(data or b""))
        deliver(talk, data)

    def counted_hear(talk: Talk, data: bytes) -> None:
        traffic().get(len(data))
        hear(talk, data)

    def counted_come(stream: Stream, data: bytes) -> None:
        traffic().get(len(data))
        come(stream, data)

    async def counted_work(worker: Worker, job: Callable[[], T]) -> T:
        traffic().jobs += 1
        try:
            return await work(worker, job)
        finally:
            traffic().jobs -= 1

    with (
        mock.patch.object(SerialPipe, "write", counted_write),
        mock.patch.object(SerialPipe, "close", counted_close),
        mock.patch.object(Stream, "data_received", counted_come),
        mock.patch.object(Talk, "_deliver", counted_deliver),
        mock.patch.object(Talk, "hear", counted_hear),
        mock.patch.object(Worker, "run", counted_work),
    ):
        yield


def _runs(process: int) -> bool:
    """Whether any of its threads does anything else than sleep."""
    try:
        return any(
            (task / "stat").read_text().rpartition(") ")[2][0] not in "SZ"
            for task in Path(f"/proc/{process}/task").iterdir()
        )
    except OSError:
        return False
