"""`antbms switch` and `antbms command`: what is asked, what is printed, and the exit status."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from battery_fakes import Line
from changing_board import Board

from antbms.cli import asking
from antbms.cli.main import run
from antbms.protocol.settings import NO_CHARGING, NO_SUPPLY

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Somebody who answers every question with yes, and gives a password; what was asked."""
    asked: list[str] = []

    def confirm(question: str, **_: Any) -> bool:
        asked.append(question)
        return True

    def prompt(question: str, **how: Any) -> str:
        assert how["hide_input"]
        asked.append(question)
        return "12345678"

    monkeypatch.setattr(asking, "is_person", lambda: True)
    monkeypatch.setattr(click, "confirm", confirm)
    monkeypatch.setattr(click, "prompt", prompt)
    return asked


def plug_in(monkeypatch: pytest.MonkeyPatch, board: Board) -> Board:
    async def open_pipe(where: object, timing: object, baud: int, record: Path | None, *, redact: bool) -> Line:
        return Line(board)

    monkeypatch.setattr("antbms.battery.open_pipe", open_pipe)
    return board


def test_a_switch_is_asked_for_and_confirmed(
    monkeypatch: pytest.MonkeyPatch, capsys: Printed, person: list[str]
) -> None:
    board = plug_in(monkeypatch, Board("ant", effect=0.0))
    assert run(["switch", "COM9", "charge", "off", "--protocol", "ant"]) == 0
    out, err = capsys.readouterr()
    assert out == "charge: off, as the battery's status shows\n"
    assert err == "charge is on\n"
    assert person == ["Turn charge off?", f"{NO_CHARGING} Turn charge off all the same?"]
    assert board.switches == {"charge": False, "discharge": True}


def test_scripts_say_yes_and_get_json(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    plug_in(monkeypatch, Board("jbd", effect=0.0))
    assert run(["switch", "COM9", "discharge", "off", "--yes", "--json", "--protocol", "jbd"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "what": "discharge", "before": True, "wanted": False, "seen": False, "confirmed": True,
        "text": "discharge: off, as the battery's status shows",
    }  # fmt: skip


@pytest.mark.parametrize("words", [["switch", "COM9", "charge", "off"], ["command", "COM9", "restart"]])
def test_without_a_terminal_and_without_yes_nothing_is_opened(
    monkeypatch: pytest.MonkeyPatch, capsys: Printed, words: list[str]
) -> None:
    board = plug_in(monkeypatch, Board("ant"))
    monkeypatch.setattr(asking, "is_person", lambda: False)
    assert run(words) == 2
    assert "Next: add --yes." in capsys.readouterr().err
    assert not board.writes


@pytest.mark.parametrize("protocol", ["ant", "ant-legacy", "jbd"])
def test_discharge_off_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    board, asked = plug_in(monkeypatch, Board(protocol, effect=0.0)), list[str]()

    def once(question: str, **_: Any) -> bool:
        asked.append(question)
        if len(asked) > 1:
            raise click.Abort
        return True

    monkeypatch.setattr(asking, "is_person", lambda: True)
    monkeypatch.setattr(click, "confirm", once)
    assert run(["switch", "COM9", "discharge", "off", "--protocol", protocol]) == 130
    assert asked == ["Turn discharge off?", f"{NO_SUPPLY} Turn discharge off all the same?"]
    assert not board.writes
    asked.clear()
    assert run(["switch", "COM9", "discharge", "on", "--protocol", protocol]) == 0
    assert asked == ["Turn discharge on?"]


def test_no_means_no(monkeypatch: pytest.MonkeyPatch, person: list[str]) -> None:
    board = plug_in(monkeypatch, Board("ant"))

    def refuse(question: str, **_: Any) -> bool:
        raise click.Abort

    monkeypatch.setattr(click, "confirm", refuse)
    assert run(["switch", "COM9", "charge", "off", "--protocol", "ant"]) == 130
    assert not board.writes


@pytest.mark.parametrize("protocol", ["ant", "ant-legacy", "jbd"])
def test_a_refusal_has_status_3(monkeypatch: pytest.MonkeyPatch, capsys: Printed, protocol: str) -> None:
    board = plug_in(monkeypatch, Board(protocol, answers="refused"))
    assert run(["switch", "COM9", "charge", "off", "--yes", "--protocol", protocol]) == 3
    assert "the battery refused charge off" in capsys.readouterr().err
    assert len(board.writes) == 1


def test_a_person_is_asked_for_the_password_once(
    monkeypatch: pytest.MonkeyPatch, capsys: Printed, person: list[str]
) -> None:
    """The board goes on refusing: its password is another one."""
    board = plug_in(monkeypatch, Board("ant-legacy", answers="refused"))
    assert run(["switch", "COM9", "charge", "off", "--protocol", "ant-legacy"]) == 3
    assert person == ["Turn charge off?", f"{NO_CHARGING} Turn charge off all the same?", "Password of COM9"]
    assert "the password is wrong" in capsys.readouterr().err
    assert [raw[2] for raw in board.writes] == [0xFA, 0xF1, 0xF2, 0xF3, 0xF4]


def test_the_list_of_commands(capsys: Printed) -> None:
    assert run(["command", "sim:jbd"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "restart           Restarts the board." in lines
    assert "power_off         Switches the board off: only a charger wakes it. (--dangerous)" in lines


def test_the_list_as_json(capsys: Printed) -> None:
    assert run(["command", "sim:ant", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"name": "restart", "text": "Restarts the board.", "dangerous": False} in rows


def test_a_dangerous_command_needs_two_words(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    board = plug_in(monkeypatch, Board("ant"))
    command = ["command", "COM9", "power_off", "--yes", "--protocol", "ant"]
    assert run(command) == 2
    assert "Next: if it is meant, say --dangerous" in capsys.readouterr().err
    assert not board.writes
    assert run([*command, "--dangerous"]) == 0
    assert len(board.writes) == 1
