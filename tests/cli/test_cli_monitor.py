"""`antbms monitor` as a process: it works at once, and every signal ends it in order."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

if sys.platform != "win32":
    import termios

SIGNALS = {"SIGINT": 130, "SIGTERM": 0} if sys.platform != "win32" else {"CTRL_BREAK_EVENT": 0}
"""Signal → exit status."""


def start(*args: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "antbms", "monitor", *args],
        stdout=stdout, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )  # fmt: skip


@pytest.mark.parametrize("name", SIGNALS)
def test_two_simulated_batteries_work_at_once_and_a_signal_ends_it(name: str) -> None:
    with start("sim:ant", "sim:jbd", "--every", "0.2", "--log-format", "json") as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(6)]
        began = time.monotonic()
        process.send_signal(getattr(signal, name))
        _, log = process.communicate(timeout=10)
        assert time.monotonic() - began < 5
    assert process.returncode == SIGNALS[name]
    assert {line["battery"] for line in lines} == {"sim:ant", "sim:jbd"}
    records = [json.loads(line) for line in log.splitlines()]
    assert {record.get("battery") for record in records} == {"sim:ant", "sim:jbd", None}
    assert not any(record["message"].startswith("sim:") for record in records)  # the name has a key of its own
    assert records[-1]["message"] == "monitor: stopped"


def test_the_end_of_its_reader_ends_it_quietly() -> None:
    """As `antbms monitor sim: | head -1`."""
    with start("sim:", "--every", "0.1") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("{")
        process.stdout.close()
        process.stdout = None
        _, log = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "Traceback" not in log
    assert "takes no readings" not in log
    assert log.rstrip().endswith("monitor: stopped")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("stdout", ["pipe", "terminal"])
def test_a_reader_that_does_not_read_holds_no_battery_and_a_signal_ends_it(tmp_path: Path, stdout: str) -> None:
    """The totals are the witness: they are written after 4 s, when the pipe (64 kB) has long been full."""
    totals, held = tmp_path / "totals.json", tmp_path / "held.toml"
    batteries = "".join(f'[batteries.b{number}]\naddress = "sim:?load=constant"\n' for number in range(8))
    held.write_text(f"[monitor]\nevery = 0.1\nstate = '{totals}'\n{batteries}", "utf-8")
    with unread(stdout) as reader, start("-c", str(held), stdout=reader.writing) as process:
        try:
            end = time.monotonic() + 20
            while not totals.exists():
                assert time.monotonic() < end, "the batteries stand still"
                time.sleep(0.1)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)
            assert time.monotonic() - began < 5
        finally:
            process.kill()
        _, log = process.communicate()
        written = reader.rest()
    assert len(written) < 150_000  # of more than 500 000 that were read: it was held
    assert "monitor: stopped" in log or stdout == "terminal"  # the log goes there as well, above the table
    assert "Traceback" not in log
    assert "Fatal" not in log
    assert process.returncode == 0


class Reader:
    """What a process writes to: nothing is read before `rest` is called."""

    def __init__(self, reading: int, writing: int) -> None:
        self.reading, self.writing = reading, writing

    def rest(self) -> bytes:
        os.close(self.writing)
        os.set_blocking(self.reading, False)
        written = b""
        with suppress(OSError):  # a terminal whose other end is closed
            while piece := os.read(self.reading, 65536):
                written += piece
        return written


@contextmanager
def unread(kind: str) -> Iterator[Reader]:
    """A pipe, or a terminal on which Ctrl-S was pressed."""
    if kind == "pipe":
        reader = Reader(*os.pipe())
    else:
        reader = Reader(*os.openpty())
        termios.tcflow(reader.writing, termios.TCOOFF)
    try:
        yield reader
    finally:
        os.close(reader.reading)
