"""Signals that end a command in order, and those that come again."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

import patience
from antbms.cli.stop import SAME, SIGNALS, stopping

WITHIN, AFTER = SAME / 2, SAME * 1.5
"""s after the first signal."""


@contextmanager
def noted() -> Iterator[list[int]]:
    """What SIGTERM does outside: the handler that was there before."""
    seen: list[int] = []
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize(("second", "reaches"), [(WITHIN, 0), (AFTER, 1)])
def test_a_signal_that_comes_again_at_once_is_the_same_stop_and_a_later_one_acts_as_always(
    second: float, reaches: int
) -> None:
    """timeout(1) sends it to its child, and then to the whole group."""
    clock = [100.0]

    async def main() -> None:
        with stopping(lambda: clock[0]) as stop:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(0)
            assert stop.is_set()
            clock[0] += second
            signal.raise_signal(signal.SIGTERM)
            assert stop.number == signal.SIGTERM
            assert stop.status == 0

    with noted() as seen:
        asyncio.run(main())
        assert len(seen) == reaches
        if second == WITHIN:  # as long as the program tidies up behind it
            signal.raise_signal(signal.SIGTERM)
            assert not seen
            clock[0] += SAME
            signal.raise_signal(signal.SIGTERM)
        assert seen == [signal.SIGTERM]


def test_the_first_of_different_signals_says_how_it_ends() -> None:
    async def main() -> None:
        with stopping(lambda: 0.0) as stop:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(0)
            assert stop.number == signal.SIGTERM

    with noted():
        asyncio.run(main())


def test_without_a_signal_all_is_as_before() -> None:
    async def main() -> None:
        before = signal.getsignal(signal.SIGINT)
        with stopping():
            assert signal.getsignal(signal.SIGINT) is not before
        assert signal.getsignal(signal.SIGINT) is before

    with noted() as seen:
        asyncio.run(main())
        signal.raise_signal(signal.SIGTERM)
        assert len(seen) == 1


PATIENT = """
from antbms.cli import stop
stop.SAME = 60.0
from antbms.cli.main import entry
entry()
"""
"""However busy the computer of the test is."""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("second", [0.0, 0.004, 0.01, 0.02])
def test_a_monitor_that_gets_it_twice_stops_in_order(second: float) -> None:
    """Also while the interpreter ends."""
    with subprocess.Popen(
        [sys.executable, "-c", PATIENT, "monitor", "sim:", "--every", "0.1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            time.sleep(second)
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            _, log = patience.ended(process, 5)
        finally:
            process.kill()
    assert log.rstrip().endswith("monitor: stopped")
    assert process.returncode == 0
