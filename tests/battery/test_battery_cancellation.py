"""Cancelled wherever it waits, a battery leaves no task, no descriptor, and nothing that spoils the next request."""

import asyncio
import sys
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from battery_fakes import PROTOCOLS, Line, battery_over, board, descriptors, number_of, numbered, until

import antbms
import garbage
import patience
from antbms.battery import Battery
from antbms.protocol import dialect
from antbms.serve import serve_pty, serve_tcp
from antbms.sim import make_device
from antbms.transport import Medium, serial
from virtual_time import run, timing

QUICK = patience.timing(probe_first=0.1, probe_second=2.0, silence=0.005, open=10)
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no ptys")


class Stop:
    """Cancels the current task when it waits for the n-th time: at once, or in the very moment in which what it waits
    for has come true. `hit` says whether it waited that often."""

    def __init__(self, at: int, *, late: bool) -> None:
        self.at = at
        self.late = late
        self.hit = False

    def waits(self, future: asyncio.Future[Any] | None) -> None:
        self.at -= 1
        if self.at:
            return
        self.hit = True
        task = asyncio.current_task()
        assert task
        if self.late and future is not None:
            # Asked before the task itself asks: so it is told first.
            future.add_done_callback(lambda _: task.cancel())
        else:
            asyncio.get_running_loop().call_soon(task.cancel)

    @types.coroutine
    def watch(self, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        step: Callable[[Any], Any] = coroutine.send
        argument: Any = None
        while True:
            try:
                future = step(argument)
            except StopIteration as end:
                return end.value
            self.waits(future)
            try:
                argument = yield future
                step = coroutine.send
            except BaseException as error:  # noqa: BLE001  passed on
                argument, step = error, coroutine.throw


async def stopped(stop: Stop, coroutine: Coroutine[Any, Any, Any]) -> bool:
    """Whether it was cancelled before its end."""
    task = asyncio.ensure_future(watched(stop, coroutine))
    (result,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(result, asyncio.CancelledError):
        return True
    if isinstance(result, BaseException):
        raise result
    return False


async def watched(stop: Stop, coroutine: Coroutine[Any, Any, Any]) -> Any:
    return await stop.watch(coroutine)


@asynccontextmanager
async def somewhere(where: str, protocol: str) -> AsyncIterator[str]:
    if where == "sim":
        yield f"sim:{protocol}"
    else:
        async with (serve_pty if where == "pty" else serve_tcp)(make_device(protocol), timing=QUICK) as address:
            yield address


async def whole_life(address: str, protocol: str | None, record: Path | None) -> None:
    async with antbms.open(address, protocol=protocol, timing=QUICK, record=record) as battery:
        await battery.read()
        await battery.info()
        await battery.read()


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for protocol in PROTOCOLS:
        monkeypatch.setattr(dialect(protocol), "PAUSE", 0.001)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("protocol", "told"), [("ant", False), ("ant", True), ("jbd", True)])
@pytest.mark.parametrize("where", ["sim", "tcp", pytest.param("pty", marks=posix)])
@pytest.mark.usefixtures("no_pauses")
def test_nothing_is_left(where: str, protocol: str, told: bool, late: bool, tmp_path: Path) -> None:
    """From opening to closing, cancelled at every await. What closes a port in a thread may take its moment."""
    cancelled = 0

    async def main() -> None:
        nonlocal cancelled
        async with somewhere(where, protocol) as address:
            await whole_life(address, protocol, None)  # what is opened once and for ever, is open
            await until(lambda: len(asyncio.all_tasks()) == 1)
            garbage.collect()  # what other tests left to it
            before = descriptors()
            for at in range(1, 1000):
                record = tmp_path / f"{at}.cap" if at % 2 else None
                stop = Stop(at, late=late)
                cancelled += await stopped(stop, whole_life(address, protocol if told else None, record))
                async with asyncio.timeout(10):
                    await until(lambda: len(asyncio.all_tasks()) == 1)
                    await until(lambda: descriptors() <= before)
                assert not serial._leftovers
                if not stop.hit:
                    return
        raise AssertionError("no end of awaits")

    patience.run(main())
    assert cancelled >= (0 if where == "sim" else 8)  # a simulated battery in this process never waits


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("protocol", ["ant", "ant-legacy"])
@pytest.mark.parametrize("delay", [0.0, 0.04, 0.09, 1.05])
def test_a_cancelled_reading_does_not_spoil_the_next_one(protocol: str, delay: float, late: bool) -> None:
    """Its answer may still come: it is not that of the next request, though it looks the same."""

    async def main() -> None:
        for at in range(1, 100):
            line = Line(numbered(protocol, delay), Medium.BLUETOOTH)
            async with battery_over(line, protocol=protocol, timing=timing(answer=1.1)) as battery:
                stop = Stop(at, late=late)
                await stopped(stop, battery.read())
                if delay < 0.1:
                    assert number_of(await battery.read()) == len(line.written) - 1, f"cancelled at await {at}"
                    assert number_of(await battery.read()) == len(line.written) - 1
                else:
                    await battery.read()
                assert battery.stats.rejected == {}
            if not stop.hit:
                assert at > 3
                return
        raise AssertionError("no end of awaits")

    run(main())


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("wait", [0.0, 0.01, 0.03, 0.05, 0.07])
def test_cancelled_again_and_again(wait: float, late: bool) -> None:
    """Also while it waits for silence after the one before; half an answer may lie there."""

    def far(data: bytes, line: Line) -> list[tuple[float, bytes]]:
        answer = next(iter(answers(data, line)))[1]
        return [(0.02 + 0.01 * n, answer[at : at + 40]) for n, at in enumerate(range(0, len(answer), 40))]

    answers = numbered("ant")

    async def main() -> None:
        line = Line(far)
        async with battery_over(line, protocol="ant") as battery:
            for at in range(1, 8):
                await stopped(Stop(at, late=late), battery.read())
                await asyncio.sleep(wait)
            assert number_of(await battery.read()) == len(line.written) - 1
            assert battery.stats.requests == len(line.written)

    run(main())


def test_a_time_limit_of_the_caller() -> None:
    """`asyncio.timeout` around a reading is a cancellation, and comes out as what it is."""

    async def main() -> None:
        line = Line(numbered("ant", 0.08))
        async with battery_over(line, protocol="ant") as battery:
            for seconds in (0.05, 0.01, 0.07):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await battery.read()
            assert number_of(await battery.read()) == len(line.written) - 1

    run(main())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_cancelled_while_another_one_reads(protocol: str) -> None:
    async def main() -> None:
        line = Line(numbered(protocol) if protocol == "ant" else board(protocol), Medium.BLUETOOTH)
        async with battery_over(line, protocol=protocol) as battery:
            readers = [asyncio.ensure_future(battery.read()) for _ in range(5)]
            await asyncio.sleep(0.02)
            for reader in readers[::2]:
                reader.cancel()
            results = await asyncio.gather(*readers, return_exceptions=True)
            assert [isinstance(result, asyncio.CancelledError) for result in results] == [True, False] * 2 + [True]
            assert all(result.cells for result in results if not isinstance(result, BaseException))
            assert (await battery.read()).cells

    run(main())


@posix
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.usefixtures("no_pauses")
def test_a_port_can_be_opened_again_at_once(late: bool) -> None:
    """Whoever gives up waiting and tries again must not be told that he himself has the port."""

    async def main() -> None:
        async with serve_pty(make_device("ant"), QUICK) as port:
            for at in range(1, 1000):
                stop = Stop(at, late=late)
                await stopped(stop, whole_life(port, "ant", None))
                async with antbms.open(port, protocol="ant", timing=QUICK) as battery:
                    assert (await battery.read()).cells, f"cancelled at await {at}"
                if not stop.hit:
                    return

    patience.run(main())


def test_reading_a_simulated_battery_lets_others_run() -> None:
    """It answers at once; but a loop of readings must be one that a time limit, or Ctrl-C, can end."""

    async def main() -> None:
        ran = asyncio.Event()
        async with antbms.open("sim:", timing=timing()) as battery:
            asyncio.get_running_loop().call_soon(ran.set)
            for _ in range(10):
                await battery.read()
        assert ran.is_set()

    run(main())


@posix
@pytest.mark.parametrize("where", ["pty", "tcp"])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.usefixtures("no_pauses")
def test_a_battery_on_a_port_survives_cancelled_readings(where: str, late: bool) -> None:
    async def main() -> None:
        async with (
            somewhere(where, "jbd") as address,
            antbms.open(address, protocol="jbd", timing=QUICK) as battery,
        ):
            for at in range(1, 1000):
                stop = Stop(at, late=late)
                await stopped(stop, every(battery))
                assert len((await battery.read()).cells) == 8
                assert battery.stats.rejected == {}
                if not stop.hit:
                    return

    patience.run(main())


async def every(battery: Battery) -> None:
    await battery.read()
    await battery.info()
