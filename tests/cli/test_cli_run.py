"""The runner: a result, and nothing left behind."""

import asyncio
import signal
import sys
import threading

import pytest

import patience
from antbms.cli.run import run, thread_hangs


async def answer() -> int:
    return await asyncio.to_thread(lambda: 42)


def test_it_returns_the_result_and_no_thread_stays() -> None:
    assert run(answer()) == 42
    patience.wait(lambda: not thread_hangs())


def test_what_is_left_is_cancelled_and_may_clean_up() -> None:
    ended = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    async def start() -> None:
        task = asyncio.create_task(endless())
        await asyncio.sleep(0)
        ended.append(task.done())

    run(start())
    assert ended == [False, True]


def test_an_error_comes_through() -> None:
    async def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        run(fail())


@pytest.mark.skipif(sys.platform == "win32", reason="raise_signal ends the process there")
def test_ctrl_c_cancels_the_coroutine(monkeypatch: pytest.MonkeyPatch) -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    ended = []

    async def interrupted() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    try:
        with pytest.raises(KeyboardInterrupt):
            run(interrupted())
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended == [True]


def test_a_hanging_thread_is_seen_and_not_waited_for() -> None:
    release = threading.Event()

    async def hang() -> None:
        asyncio.get_running_loop().run_in_executor(None, release.wait)

    run(hang())
    try:
        assert thread_hangs()
    finally:
        release.set()
