"""`antbms settings`: what is printed, asked and written, and the exit status. The board remembers between runs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from memory_board import MemoryBoard, at_hand

from antbms.cli.main import run
from antbms.protocol.packet import Packet

Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("ANTBMS_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "state"


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> MemoryBoard:
    """ant, for it has the fewest requests: these tests wait for real."""
    board = MemoryBoard("ant")

    at_hand(monkeypatch, board)
    return board


def settings(*words: str) -> int:
    return run(["settings", "COM9", *words, "--protocol", "ant"])


def test_show_in_groups(board: MemoryBoard, capsys: Printed) -> None:
    assert settings("show") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Cell voltage"
    assert lines[1].split() == ["cell_overvoltage", "3.650", "V", "Cell", "overvoltage"]
    assert sum(line == "Temperature" for line in lines) == 1
    assert not [line for line in lines if "password" in line]
    assert any("(dangerous)" in line for line in lines if "cell_count" in line)


def test_show_as_json(board: MemoryBoard, capsys: Printed) -> None:
    assert settings("show", "cell_overvoltage", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "name": "cell_overvoltage", "label": "Cell overvoltage", "value": 3.65, "unit": "V", "group": "cell voltage",
        "danger": "plain",
    }  # fmt: skip


def test_get(board: MemoryBoard, capsys: Printed) -> None:
    assert settings("get", "cell_overvoltage") == 0
    assert capsys.readouterr().out == "3.65\n"
    assert settings("get", "nonsense") == 2


def test_set_with_units(board: MemoryBoard, capsys: Printed, state: Path) -> None:
    assert settings("set", "--yes", "cell_overvoltage=3500mV", "cell_overvoltage_recovery=3.45 V") == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "cell_overvoltage_recovery: 3.550 V → 3.450 V: written and read back",
        "cell_overvoltage: 3.650 V → 3.500 V: written and read back",
    ]
    (made,) = (state / "backups").iterdir()
    assert f"antbms: backup of all settings: {made}" in err
    assert "saved, and read back again" in err
    assert board.saved == 1


def test_set_needs_a_yes(board: MemoryBoard, capsys: Printed) -> None:
    assert settings("set", "cell_overvoltage=3.6V") == 2
    assert "Next: add --yes." in capsys.readouterr().err
    assert not board.writes


@pytest.mark.parametrize("pair", ["cell_overvoltage", "=3", "cell_overvoltage=3.6A", "cell_overvoltage=9V"])
def test_wrong_pairs(board: MemoryBoard, pair: str) -> None:
    assert settings("set", "--yes", pair) == 2
    assert not board.writes


def test_a_refusal_and_a_lie_have_status_3(board: MemoryBoard) -> None:
    board.lies = True
    assert settings("set", "--yes", "cell_overvoltage=3.6V") == 3
    board.level = 1
    assert settings("show") == 3


def test_backup_diff_restore(board: MemoryBoard, capsys: Printed) -> None:
    assert settings("backup", "a.toml") == 0
    assert settings("backup", "a.toml") == 1
    assert settings("diff", "a.toml") == 0
    assert capsys.readouterr().out == ""
    assert settings("set", "--yes", "cell_overvoltage=3.6V", "charge_hot=50") == 0
    capsys.readouterr()
    assert settings("diff", "a.toml", "--json") == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"name": "cell_overvoltage", "now": 3.6, "saved": 3.65},
        {"name": "charge_hot", "now": 50, "saved": 55},
    ]
    assert settings("restore", "a.toml", "--yes", "--only", "temperature") == 0
    assert capsys.readouterr().out == "charge_hot: 50 °C → 55 °C: written and read back\n"
    assert settings("restore", "a.toml", "--yes", "--only", "nothing") == 2
    assert settings("restore", "a.toml", "--yes") == 0
    assert settings("diff", "a.toml") == 0
    assert "no differences" in capsys.readouterr().err
    assert settings("restore", "a.toml", "--yes") == 0
    assert "nothing to change" in capsys.readouterr().err


def test_a_backup_says_what_it_lacks(board: MemoryBoard, capsys: Printed) -> None:
    assert settings("backup", "whole.toml") == 0
    assert "cell_difference" not in capsys.readouterr().err
    del board.registers[24]
    assert settings("backup", "part.toml") == 0
    assert "not in the file, for this battery does not have it: cell_difference" in capsys.readouterr().err


def test_a_backup_of_another_battery_needs_force(board: MemoryBoard, capsys: Printed) -> None:
    assert settings("backup", "a.toml") == 0
    text = Path("a.toml").read_text("utf-8").replace("cells = 8", "cells = 16")
    Path("b.toml").write_text(text.replace("cell_overvoltage = 3.650", "cell_overvoltage = 3.600"), "utf-8")
    assert settings("restore", "b.toml", "--yes") == 2
    assert "cells 16, here 8" in capsys.readouterr().err
    assert settings("restore", "b.toml", "--yes", "--force") == 0
    assert settings("restore", "none.toml", "--yes") == 1


@pytest.mark.parametrize("pairs", [["cell_overvoltage=3.6V", "cell_overvoltage=3.5V"], ["charge_overcurrent=0x64"]])
def test_what_could_mean_two_things_is_wrong_usage(board: MemoryBoard, capsys: Printed, pairs: list[str]) -> None:
    assert settings("set", "--yes", *pairs) == 2
    assert pairs[0].partition("=")[0] in capsys.readouterr().err
    assert not board.writes


def test_raw_values_may_be_hexadecimal(board: MemoryBoard) -> None:
    assert settings("set", "--yes", "--dangerous", "balance_current_raw=0xB4") == 0
    assert board.registers[148] == b"\xb4\x00"


def test_restore_says_what_it_leaves_out_and_why(board: MemoryBoard, capsys: Printed) -> None:
    assert settings("backup", "a.toml") == 0
    text = Path("a.toml").read_text("utf-8")
    for old, new in (
        ("\ncell_count = 8", "\ncell_count = 7"),
        ("\nremaining = 0.000001", "\nremaining = 5.000000"),
        ("\nthroughput = 0.000001", "\nthroughput = 9.000000"),
        ("\n[settings]\n", "\n[settings]\nflux_capacitor = 1\n"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    Path("b.toml").write_text(text, "utf-8")
    del board.registers[24]
    capsys.readouterr()
    assert settings("restore", "b.toml", "--yes") == 0
    said = capsys.readouterr().err.splitlines()
    assert "not restored: flux_capacitor: there is no such setting here" in said
    assert "not restored: cell_difference: this battery does not have it" in said
    assert "not restored: cell_count: 8 → 7 (dangerous: only with --dangerous)" in said
    assert any(line.startswith("not restored: remaining: ") and "set it by its name" in line for line in said)
    assert any(line.startswith("not restored: throughput: ") and "only shown" in line for line in said)
    assert not board.writes
    assert settings("diff", "b.toml") == 0
    assert "not compared: cell_difference: this battery does not have it" in capsys.readouterr().err
    assert settings("restore", "b.toml", "--yes", "--only", "temperature") == 0
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("not restored")]
    assert said == ["not restored: flux_capacitor: there is no such setting here"]


def test_a_backup_that_lacks_what_was_not_told_is_no_success(
    board: MemoryBoard, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("antbms.reading.LOST_MOST", 10**6)  # as if the link lost much
    answer = board._ant_register
    asked: list[int] = []

    def partly(raw: bytes, packet: Packet) -> bytes | None:
        address = packet.envelope["register"]
        first = packet.envelope["function"] == 0x02 and address not in asked
        asked.append(address)
        return b"" if packet.envelope["function"] == 0x02 and (address == 104 or first) else answer(raw, packet)

    monkeypatch.setattr(board, "_ant_register", partly)
    assert settings("backup", "a.toml") == 1
    err = capsys.readouterr().err
    assert "a.toml: not complete: the battery did not tell charge_overcurrent, " in err
    assert "Next: the same command with another name." in err
    assert "# charge_overcurrent: not told" in Path("a.toml").read_text("utf-8")
    asked.clear()
    assert settings("backup", "b.toml") == 1
    whole = Path("a.toml").read_text("utf-8").replace("[settings]", "[settings]\ncharge_overcurrent = 50.0")
    Path("c.toml").write_text(whole, "utf-8")
    asked.clear()
    assert settings("restore", "c.toml", "--yes") == 1
    assert "the battery did not tell charge_overcurrent: nothing was restored" in capsys.readouterr().err
