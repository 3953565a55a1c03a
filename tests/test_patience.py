"""The clock of tests with real parts: only waiting counts, and of that no more than was asked for."""

import asyncio
import selectors
import sys
import time

import pytest

import patience
from patience import LOOK, Clock

if sys.platform == "win32":
    pytest.skip("the proactor has its own clock", allow_module_level=True)


def test_what_never_comes_is_waited_for_as_long_as_was_said() -> None:
    async def main() -> float:
        start = patience.now()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await asyncio.Event().wait()
        return patience.now() - start

    assert patience.run(main()) == pytest.approx(0.05, abs=LOOK)


def test_work_passes_no_limit() -> None:
    async def main() -> str:
        async with asyncio.timeout(0.05):
            time.sleep(0.1)  # noqa: ASYNC251  as a machine that is busy
            return await asyncio.sleep(0.01, "done")

    assert patience.run(main()) == "done"


def test_a_stall_while_it_waits_counts_as_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selectors.DefaultSelector, "select", lambda self, timeout=None: time.sleep(5 * LOOK) or [])
    with Clock() as clock:
        before = clock.now
        clock.select(3600.0)
        clock.select(None)
        assert clock.now == pytest.approx(before + 2 * LOOK)
        clock.select(0)
        assert clock.now == pytest.approx(before + 2 * LOOK)


def test_threads_have_the_same_clock() -> None:
    async def main() -> tuple[float, float]:
        return patience.now(), await asyncio.to_thread(patience.now)

    here, there = patience.run(main())
    assert there == pytest.approx(here, abs=1.0)
