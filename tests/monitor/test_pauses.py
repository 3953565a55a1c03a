"""`antbms pause` and `release`, and what a running monitor makes of them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import patience
from antbms import pauses
from antbms.cli.main import run
from antbms.cli.moments import seconds_of
from antbms.errors import FileError, UsageError
from antbms.folders import STATE

Printed = pytest.CaptureFixture[str]
NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=15)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(STATE, str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("antbms.config.config_folder", lambda: tmp_path)
    return tmp_path


def test_a_pause_lasts_until_it_is_over_or_ended(tmp_path: Path) -> None:
    path = tmp_path / "deep" / pauses.FILE
    assert pauses.read(path, NOW) == {}
    assert not pauses.change(path, "garage", LATER, NOW)
    assert not pauses.change(path, "boat", LATER + timedelta(hours=1), NOW)
    assert pauses.read(path, NOW) == {"garage": LATER, "boat": LATER + timedelta(hours=1)}
    assert list(pauses.read(path, LATER)) == ["boat"]
    assert pauses.change(path, "boat", None, NOW)
    assert not pauses.change(path, "boat", None, NOW)
    assert pauses.read(path, NOW) == {"garage": LATER}
    pauses.change(path, "boat", LATER, LATER - timedelta(seconds=1))
    pauses.change(path, "shed", LATER + timedelta(days=1), LATER)
    assert list(json.loads(path.read_text())) == ["shed"]  # what is over does not pile up


@pytest.mark.parametrize("text", ["", "{", "[]", '{"garage": 5}', '{"garage": "2126-01-01T00:00:00"}'])
def test_a_file_that_makes_no_sense_pauses_nothing(text: str, tmp_path: Path) -> None:
    path = tmp_path / pauses.FILE
    path.write_text(text)
    assert pauses.read(path, NOW) == {}


def test_a_folder_that_cannot_be_written_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="file") as caught:
        pauses.change(tmp_path / "file" / pauses.FILE, "garage", LATER, NOW)
    assert "ANTBMS_STATE" in caught.value.text()


def test_a_file_that_cannot_be_read_now_is_no_file_without_pauses(tmp_path: Path) -> None:
    """As on Windows, while it is being replaced; and what it holds is not written over."""
    path = tmp_path / pauses.FILE
    path.mkdir()
    with pytest.raises(OSError, match=r"irectory|denied"):
        pauses.read(path, NOW)
    with pytest.raises(FileError):
        pauses.change(path, "garage", LATER, NOW)
    assert [one.name for one in tmp_path.iterdir()] == [pauses.FILE]


def test_an_address_that_is_not_configured_is_of_a_monitor_without_configuration(folder: Path) -> None:
    (folder / "antbms.toml").write_text(
        "[monitor]\nstate = 'mine/totals.json'\n[batteries.garage]\naddress = \"COM5\"\n"
    )
    assert run(["pause", "sim:ant"]) == 0
    assert list(pauses.read(folder / "state" / pauses.FILE, datetime.now(UTC))) == ["sim:ant"]
    assert not (folder / "mine").exists()


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15min", 900), ("15m", 900), ("1.5 h", 5400), ("2 hours", 7200), ("1d", 86400)]
)
def test_lengths(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "0s", "-5min", "2d", "5 parsecs", "min", "1e9s", "nan", "5min ago"])
def test_what_is_no_length(text: str) -> None:
    with pytest.raises(UsageError, match="length of time"):
        seconds_of(text)


def test_names_are_those_of_the_configuration_or_addresses(folder: Path, capsys: Printed) -> None:
    (folder / "antbms.toml").write_text('[batteries.garage]\naddress = "COM5"\n')
    for name in ("garage", "COM5"):
        assert run(["pause", name, "--for", "1h"]) == 0
        assert capsys.readouterr().out.startswith("garage: paused until ")
        assert run(["pause"]) == 0
        assert capsys.readouterr().out.startswith("garage: paused until ")
        assert run(["release", name]) == 0
        assert capsys.readouterr().out == "garage: the pause is over\n"
        assert run(["release", name]) == 0
        assert capsys.readouterr().out == "garage: was not paused\n"
    assert run(["pause", "garag"]) == 2
    assert "There are: garage" in capsys.readouterr().err
    assert run(["pause", "garage", "--for", "long"]) == 2
    assert run(["pause"]) == 0
    assert capsys.readouterr().out == ""


def test_the_file_lies_beside_the_configured_state(folder: Path) -> None:
    (folder / "my.toml").write_text("[monitor]\nstate = 'mine/totals.json'\n[batteries.garage]\naddress = \"COM5\"\n")
    assert run(["pause", "garage", "-c", "my.toml"]) == 0
    assert list(pauses.read(Path("mine") / pauses.FILE, datetime.now(UTC))) == ["garage"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_running_monitor_lets_go_of_the_battery_and_takes_it_up_again() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "antbms", "monitor", "sim:ant", "sim:jbd", "--every", "0.1", "--log-format", "json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        events = map(json.loads, process.stdout)
        assert next(one for one in events if one["battery"] == "sim:ant")["voltage"] > 0
        assert run(["pause", "sim:ant"]) == 0
        assert until(events, "sim:ant", "reason")["reason"] == "paused"
        others = [next(events)["battery"] for _ in range(20)]
        assert others == ["sim:jbd"] * 20  # which goes on
        assert run(["release", "sim:ant"]) == 0
        assert until(events, "sim:ant", "voltage")["voltage"] > 0
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=patience.LONG)
    assert process.returncode == 0
    said = [(record.get("battery"), record["message"]) for record in map(json.loads, log.splitlines())]
    assert any(battery == "sim:ant" and text.startswith("paused until ") for battery, text in said)
    assert ("sim:ant", "the pause is over") in said


def until(events: Iterator[Any], battery: str, key: str) -> Any:
    """The next event of a battery that has a key."""
    return next(one for one in events if one["battery"] == battery and key in one)
