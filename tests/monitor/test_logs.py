"""The log of the monitor, and what systemd is told."""

import asyncio
import io
import json
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import patience
from antbms.monitor import systemd
from antbms.monitor.logs import TextFormatter, set_up


@pytest.fixture
def restored() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("antbms")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], root.level, ours.level = before[0], before[1], before[2]


def logged(format: str) -> list[str]:
    out = io.StringIO()
    set_up(format, "info", out)
    log = logging.getLogger("antbms.monitor")
    log.info("%s: online", "garage", extra={"battery": "garage"})
    log.debug("not shown")
    logging.getLogger("bleak").info("not shown")
    logging.getLogger("bleak").warning("shown")
    log.warning("garage: requests 3", extra={"battery": "garage", "counters": {"requests": 3}})
    return out.getvalue().splitlines()


def test_text(restored: None) -> None:
    online, library, counters = logged("text")
    time, _, rest = online.partition(" ")
    assert len(time) == len("2026-11-22T05:00:00Z")
    assert rest == "garage: online"
    assert library.endswith(" warning shown")
    assert counters.endswith("Z warning garage: requests 3")


def test_json(restored: None) -> None:
    online, _, counters = map(json.loads, logged("json"))
    assert online.keys() == {"time", "level", "battery", "message"}
    assert (online["level"], online["battery"], online["message"]) == ("info", "garage", "online")
    assert counters["counters"] == {"requests": 3}


@pytest.mark.skipif(sys.platform == "win32", reason="sizes of pipes")
def test_standard_error_that_nobody_reads_holds_nothing(restored: None, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    stream = open(writing, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - the thread uses it longest
    with open(reading, "rb"):  # noqa: PTH123
        monkeypatch.setattr(sys, "stderr", stream)
        handler = set_up()
        log = logging.getLogger("antbms.monitor")
        for number in range(12_000):  # more than a pipe and the queue hold
            log.info("%d %s", number, 100 * "x")
        handler.flush()
        first = os.read(reading, 65_536)
        assert first.splitlines()[0].endswith(b"0 " + 100 * b"x")
        while b"9000 " not in os.read(reading, 65_536):
            pass
    handler.flush()  # nobody reads any longer, so all others go at once
    stream.close()


def test_the_journal_gets_priorities_and_no_time() -> None:
    record = logging.LogRecord("antbms", logging.WARNING, "", 0, "garage: offline\n  Is it on?", (), None)
    assert TextFormatter(journal=True).format(record) == "<4>garage: offline\n<4>  Is it on?"


# ---- systemd


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    systemd.notify("READY=1")
    assert systemd.watchdog_seconds() is None
    patience.run(systemd.signs_of_life())
    monkeypatch.setenv("NOTIFY_SOCKET", "/there is no such socket")
    systemd.notify("READY=1")


def test_the_watchdog_of_another_process_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    assert systemd.watchdog_seconds() == 60.0
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    assert systemd.watchdog_seconds() is None


@pytest.mark.skipif(sys.platform == "win32", reason="systemd is Linux's")
def test_systemd_is_told_that_it_is_ready_lives_and_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    monkeypatch.setenv("WATCHDOG_USEC", "20000")

    class Idle:
        async def run(self, stop: asyncio.Event) -> None:
            await stop.wait()
            await asyncio.sleep(0)

    async def main() -> list[bytes]:
        stop, told = asyncio.Event(), list[bytes]()
        task = asyncio.create_task(systemd.serve(Idle(), stop))  # type: ignore[arg-type]
        while told.count(b"WATCHDOG=1") < 3:
            await asyncio.sleep(0.001)
            told += received()
        stop.set()
        await task
        return told + received()

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messages:
        messages.bind(path)
        messages.setblocking(False)

        def received() -> list[bytes]:
            """All that has come."""
            found = []
            with suppress(BlockingIOError):
                while True:
                    found.append(messages.recv(100))
            return found

        told = patience.run(main())
    assert told[0] == b"READY=1"
    assert told[-1] == b"STOPPING=1"
