"""`antbms monitor` as a process: it works at once, and every signal ends it in order."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import patience

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
        process.send_signal(getattr(signal, name))
        _, log = patience.ended(process, 5)
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
        _, log = patience.ended(process)
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
            patience.wait(totals.exists, what="the batteries stand still")
            process.send_signal(signal.SIGTERM)
            patience.wait(lambda: process.poll() is not None, 5, "it does not end")
        finally:
            process.kill()
        _, log = process.communicate()
        written = reader.rest()
    assert len(written) < 150_000  # of more than 500 000 that were read: it was held
    assert "monitor: stopped" in log or stdout == "terminal"  # the log goes there as well, above the table
    assert "Traceback" not in log
    assert "Fatal" not in log
    assert process.returncode == 0


SLOW_NAMES = """
import socket, sys, time
known = socket.getaddrinfo

def getaddrinfo(host, *rest, **more):
    if "dead" in str(host):
        time.sleep(60)
        raise socket.gaierror(-3, "Temporary failure in name resolution")
    return known(host, *rest, **more)

socket.getaddrinfo = getaddrinfo
from antbms.cli.main import entry
entry()
"""


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Also if the test fails."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_names_that_take_long_to_look_up_hold_up_no_other_battery_nor_the_end(tmp_path: Path) -> None:
    """Twelve of them are more than the threads that asyncio has by itself. The totals are a further witness."""
    totals, many = tmp_path / "totals.json", tmp_path / "many.toml"
    batteries = "".join(f'[batteries.dead{n}]\naddress = "socket://dead{n}.local:1"\n' for n in range(12))
    server = subprocess.Popen(
        [sys.executable, "-m", "antbms", "sim", "--tcp", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    with ended(server) as far:
        assert far.stdout is not None
        address = far.stdout.readline().strip().replace("127.0.0.1", "localhost")
        many.write_text(
            f"[monitor]\nevery = 0.5\nstate = '{totals}'\n{batteries}[batteries.good]\naddress = '{address}'\n", "utf-8"
        )
        monitor = subprocess.Popen(
            [sys.executable, "-c", SLOW_NAMES, "monitor", "-c", str(many)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )  # fmt: skip
        with ended(monitor) as process:
            assert process.stdout is not None
            with ThreadPoolExecutor(1) as pool:
                first = pool.submit(process.stdout.readline)
                patience.wait(first.done, 9, "no battery was read")
            line = json.loads(first.result())
            patience.wait(totals.exists, 15, "the totals are not written")
            process.send_signal(getattr(signal, next(iter(SIGNALS))))
            _, log = patience.ended(process, 6)
    assert line["battery"] == "good"
    assert "voltage" in line
    assert process.returncode == next(iter(SIGNALS.values()))
    assert "Traceback" not in log


def test_where_energy_cannot_be_kept_all_else_goes_on_and_a_check_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    state, config = tmp_path / "file" / "totals.json", tmp_path / "antbms.toml"
    config.write_text(f"[monitor]\nevery = 0.2\nstate = '{state}'\n[batteries.a]\naddress = 'sim:'\n", "utf-8")
    with ended(start("-c", str(config))) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        process.send_signal(getattr(signal, next(iter(SIGNALS))))
        _, log = patience.ended(process)
    assert process.returncode == next(iter(SIGNALS.values()))
    assert line["voltage"] is not None
    assert line["details"]["energy_charged"] is None
    assert log.count(f"totals: {state}: ") == 1
    with start("-c", str(config), "--check") as check:
        said, remark = patience.ended(check)
    assert check.returncode == 0
    assert "correct" in said
    assert remark.startswith(f"antbms: warning: {state}: ")
    assert "would not be published" in remark


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
