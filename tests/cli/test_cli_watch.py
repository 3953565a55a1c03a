"""`antbms watch`: JSON lines, and a CSV file that is continued safely."""

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cli_data import TIME, snapshot

import patience
from antbms.cli.csv_log import CsvLog
from antbms.cli.main import run
from antbms.cli.stop import stopping
from antbms.errors import FileError, UsageError
from antbms.model import Event, Offline
from antbms.model.flat import flatten
from full_disk import full_disk

Printed = pytest.CaptureFixture[str]
OFFLINE = Offline(time=TIME, battery="garage", since=TIME, reason="not found in 10 s")


def rows(path: Path) -> list[list[str]]:
    return list(csv.reader(path.read_text("utf-8").splitlines()))


def log(path: Path, *events: Event) -> list[str]:
    """Append; returns the remarks."""
    notes: list[str] = []
    with CsvLog(path, notes.append) as put:
        for event in events:
            put(event)
    return notes


def test_json_lines_and_a_count(capsys: Printed) -> None:
    assert run(["watch", "sim:jbd", "--json", "--every", "0.1", "--count", "3"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(records) == 3
    times = [record["time"] for record in records]
    assert times == sorted(set(times))


def test_offline_is_a_line_too() -> None:
    assert json.loads(OFFLINE.to_json()) == {
        "time": "2026-11-22T05:00:00.123Z",
        "battery": "garage",
        "since": "2026-11-22T05:00:00.123Z",
        "reason": "not found in 10 s",
    }


def test_csv_by_two_runs_has_one_header(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "a.csv"
    for _ in range(2):
        assert run(["watch", "sim:", "--csv", str(path), "--every", "0.1", "--count", "2"]) == 0
    assert capsys.readouterr().out == ""
    header, *readings = rows(path)
    assert header[:3] == ["time", "battery", "protocol"]
    assert len(readings) == 4
    assert {len(row) for row in readings} == {len(header)}


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal")
@pytest.mark.parametrize(("term", "parts"), [("dumb", ["  discharging"]), ("xterm", ["2 rows appended to", "Alarms"])])
def test_on_a_terminal_a_csv_file_is_not_all_that_happens(tmp_path: Path, term: str, parts: list[str]) -> None:
    reading, writing = os.openpty()
    path, env = tmp_path / "a.csv", os.environ | {"TERM": term, "COLUMNS": "100", "LINES": "40"}
    command = [sys.executable, "-m", "antbms", "watch", "sim:jbd", "--csv", path, "--every", "0.1", "--count", "2"]
    process = subprocess.Popen(command, stdout=writing, stderr=subprocess.DEVNULL, env=env)
    os.close(writing)
    shown = b""
    with suppress(OSError):  # the other end is closed
        while piece := os.read(reading, 65536):
            shown += piece
    os.close(reading)
    assert process.wait(patience.LONG) == 0
    for part in parts:
        assert part in shown.decode()
    assert ("\x1b" in shown.decode()) == (term == "xterm")
    assert len(rows(path)) == 3


def test_json_and_csv_exclude_each_other(tmp_path: Path, capsys: Printed) -> None:
    assert run(["watch", "sim:", "--json", "--csv", str(tmp_path / "a.csv")]) == 2
    assert "exclude each other" in capsys.readouterr().err


@pytest.mark.parametrize("every", ["0", "-1", "nan", "1e9"])
def test_every_is_a_sensible_number(every: str, capsys: Printed) -> None:
    assert run(["watch", "sim:", "--every", every]) == 2


def test_a_torn_last_line_is_ended_first(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    log(path, snapshot(), snapshot())
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    log(path, snapshot())
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    assert lines[2] == whole.splitlines()[2][:-19] + b"\n"
    assert lines[3] == lines[1]


@pytest.mark.parametrize("left", [1, 3, 4, 12, 13, 40, -1])
def test_a_header_that_was_torn_is_completed(tmp_path: Path, left: int) -> None:
    """A crash in the very first write."""
    path = tmp_path / "a.csv"
    log(path, snapshot())
    whole = path.read_bytes()
    header = whole.splitlines()[0]
    path.write_bytes(header[:left])
    log(path, snapshot(), snapshot())
    assert path.read_bytes() == whole + whole.splitlines(keepends=True)[1]


@pytest.mark.parametrize("before", ["time,battery\n", "time,battery,protocol,x", "tine"])
def test_what_is_not_the_beginning_of_the_header_is_not_completed(tmp_path: Path, before: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(before, newline="")
    with pytest.raises(UsageError, match="other columns"):
        log(path, snapshot())
    assert path.read_bytes() == before.encode()


def test_other_columns_are_refused_and_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    log(path, snapshot())
    before = path.read_bytes()
    with pytest.raises(UsageError, match="only this battery has cell_5"):
        log(path, snapshot(cells=(3.3,) * 5))
    with pytest.raises(UsageError, match="only the file has cell_4"):
        log(path, snapshot(cells=(3.3,) * 3))
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["Dear Sir,\n", "without an end", "x" * 200_000])
def test_a_file_that_is_no_such_csv_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "letter.txt"
    path.write_text(text)
    with pytest.raises(UsageError, match="other columns"):
        log(path, snapshot())
    assert path.read_text() == text


def test_details_may_come_and_go(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with_more = snapshot(details={"chemistry": "lfp", "humidity": 41})
    notes = log(path, snapshot(details={"humidity": 40}), snapshot(), with_more)
    header, *readings = rows(path)
    assert [row[header.index("humidity")] for row in readings] == ["40", "", "41"]
    assert "chemistry" not in header
    assert "has no column chemistry" in notes[0]
    notes += log(path, snapshot(details={"chemistry": "lfp"}), snapshot(details={"chemistry": "lfp"}))
    assert len(rows(path)) == 6
    assert len(notes) == 2  # once a run


def test_a_battery_that_cannot_be_read_makes_no_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    log(path, OFFLINE, snapshot(), OFFLINE)
    assert len(rows(path)) == 2


def test_a_file_from_a_spreadsheet_is_continued(tmp_path: Path) -> None:
    """With a byte order mark and other line ends."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf" + ",".join(flatten(snapshot())).encode() + b"\r\n")
    log(path, snapshot())
    assert len(path.read_bytes().splitlines()) == 2


@pytest.fixture
def folder_without_rights(tmp_path: Path) -> Iterator[Path]:
    if os.name == "nt" or os.geteuid() == 0:
        yield tmp_path / "no such folder"
        return
    tmp_path.chmod(0o500)
    yield tmp_path
    tmp_path.chmod(0o700)


def test_a_file_that_cannot_be_written_is_one_line(folder_without_rights: Path) -> None:
    with pytest.raises(FileError, match=r"a\.csv: (no such file|permission denied)"):
        log(folder_without_rights / "a.csv", snapshot())


@pytest.mark.parametrize("quietly", [True, False])
def test_a_full_disk_is_one_line_and_leaves_no_half_row(tmp_path: Path, quietly: bool) -> None:
    path = tmp_path / "a.csv"
    log(path, snapshot())
    before = path.read_bytes()
    with full_disk("a.csv", quietly=quietly), pytest.raises(FileError, match=r"a\.csv: no space left"):
        log(path, snapshot())
    assert path.read_bytes() == before


def test_a_file_that_is_taken_away_meanwhile_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with CsvLog(path, print) as put:
        put(snapshot())
        whole = path.read_bytes()
        path.unlink()
        put(snapshot())
    assert path.read_bytes() == whole


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("path", ["/dev/full", "/dev/zero"])
def test_a_device_without_end_is_refused_at_once(path: str, capsys: Printed) -> None:
    assert run(["watch", "sim:", "--csv", path, "--count", "1"]) == 2
    assert f"{path}: is a device or a pipe" in capsys.readouterr().err


def test_a_file_without_a_row_is_not_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    log(path, OFFLINE)
    assert not path.exists()
    path.touch()
    log(path, OFFLINE)
    assert path.exists()


def test_csv_needs_a_file(capsys: Printed) -> None:
    assert run(["watch", "sim:", "--csv", "-"]) == 2
    assert "--json" in capsys.readouterr().err


def test_a_wrong_number_is_told_in_words(capsys: Printed) -> None:
    assert run(["watch", "sim:", "--every", "abc"]) == 2
    assert "'abc' is not a valid number of seconds" in capsys.readouterr().err


STATUS = {"SIGINT": 130, "SIGTERM": 0, "SIGHUP": 0}


@pytest.fixture(autouse=True)
def not_by_nohup() -> Iterator[None]:
    """What nohup began has SIGHUP ignored, and so have its children."""
    if sys.platform == "win32":
        yield
        return
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@contextmanager
def on_terminal(*args: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`antbms watch` on a terminal of its own, and what it shows."""
    ours, its = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "antbms", "watch", *args], stdin=its, stdout=its, stderr=its, start_new_session=True
    )
    os.close(its)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def shown_until(terminal: int, text: bytes) -> bytes:
    shown = b""
    with suppress(OSError):  # the other end is closed
        while text not in shown and (piece := os.read(terminal, 65536)):
            shown += piece
    return shown


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("name", STATUS)
def test_a_signal_leaves_the_terminal_as_it_was(name: str) -> None:
    with on_terminal("sim:") as (process, terminal):
        assert b"\x1b[?1049h" in shown_until(terminal, b"Switches")
        process.send_signal(getattr(signal, name))
        last = shown_until(terminal, b"never")
        assert process.wait(patience.LONG) == STATUS[name]
    assert b"\x1b[?1049l" in last
    assert last.rindex(b"\x1b[?25h") > last.rfind(b"\x1b[?25l")
    assert b"Traceback" not in last
    assert b"Switches" in last.partition(b"\x1b[?1049l")[2]  # its last picture stays


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("name", STATUS)
def test_a_signal_ends_a_log_in_order(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.csv"
    with subprocess.Popen(
        [sys.executable, "-m", "antbms", "watch", "sim:", "--csv", str(path), "--every", "0.1"],
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            patience.wait(lambda: path.exists() and path.read_bytes().count(b"\n") >= 3)
            process.send_signal(getattr(signal, name))
            assert process.wait(patience.LONG) == STATUS[name]
        finally:
            process.kill()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert path.read_bytes().endswith(b"\n")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_what_nohup_began_outlives_its_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        with stopping() as stop:
            signal.raise_signal(signal.SIGHUP)
            await asyncio.sleep(0)
            assert not stop.is_set()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        asyncio.run(main())
    finally:
        signal.signal(signal.SIGHUP, before)
