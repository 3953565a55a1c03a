"""A jbd board that refuses (81) one register alone: told as that, and what goes on without it must be meant."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from denying_board import Denying
from memory_board import MemoryBoard, answer_of, at_hand

from antbms.battery import Battery
from antbms.cli.main import run as command
from antbms.errors import MEANT, NoAnswer, Refused, UsageError
from antbms.protocol.packet import Packet

LOWER = {"cell_overvoltage": 3.6}
PARTNER = "cell_overvoltage_recovery"
Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTBMS_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def write(values: dict[str, Any], **more: Any) -> Callable[[Battery], Awaitable[Any]]:
    return lambda battery: battery.settings.write(values, **more)


def test_a_partner_that_is_refused_is_told_as_that_and_must_be_meant() -> None:
    board = Denying(PARTNER)
    error = answer_of(board, write(LOWER))
    assert isinstance(error, UsageError)
    assert str(error) == f"COM9: cell_overvoltage cannot be checked: the battery refuses to tell {PARTNER}"
    assert "denied" in error.hints[0]
    assert error.hints[-1] == MEANT
    assert (board.writes, board.factory, board.saved) == ([], False, 0)
    notes: list[str] = []
    (outcome,) = answer_of(board, write(LOWER, dangerous=True), notes)
    assert outcome.confirmed
    assert f"cell_overvoltage is not compared with {PARTNER}, which the battery refuses to tell" in notes
    assert (len(board.writes), board.factory, board.saved) == (1, False, 1)


@pytest.mark.parametrize("dangerous", [False, True])
def test_what_is_refused_itself_is_never_written(dangerous: bool) -> None:
    board = Denying("charge_hot")
    error = answer_of(board, write({"charge_hot": 50}, dangerous=dangerous))
    assert isinstance(error, Refused)
    assert str(error) == "COM9: the battery refuses to tell charge_hot: nothing was written"
    assert not any("nearer" in hint or "--dangerous" in hint for hint in error.hints)
    assert not board.writes


def test_reading_it_by_its_name_is_a_refusal() -> None:
    error = answer_of(Denying("charge_hot"), lambda battery: battery.settings.read(["charge_hot"]))
    assert isinstance(error, Refused)
    assert "refuses to tell charge_hot" in str(error)
    assert "denied" in error.hints[0]


def test_the_first_of_all_registers_may_be_refused_too() -> None:
    """It was asked whether the mode is lost by asking for the same register again."""
    first = next(iter(MemoryBoard("jbd").spoken.SETTINGS))
    values = answer_of(Denying(first), lambda battery: battery.settings.read())
    assert first not in values
    assert values["charge_hot"] == 55


@pytest.mark.parametrize("how", ["refused", "silent"])
def test_a_chemistry_that_is_not_known_must_be_meant(how: str) -> None:
    """It is guessed by the cell overvoltage."""
    board = Denying("cell_overvoltage") if how == "refused" else Denying(lost=("cell_overvoltage",))
    error = answer_of(board, write({"pack_overvoltage": 29.0}))
    assert isinstance(error, UsageError)
    why = "the battery refuses to tell cell_overvoltage" if how == "refused" else "cell_overvoltage is not there, or"
    assert f"pack_overvoltage cannot be checked: {why}" in str(error)
    assert not board.writes
    assert error.hints[-1] == MEANT
    (outcome,) = answer_of(board, write({"pack_overvoltage": 29.0}, dangerous=True))
    assert outcome.confirmed


def test_an_answer_that_is_lost_is_not_excused_by_another_that_is_refused() -> None:
    board = Denying("charge_hot")
    rows = board.spoken.SETTINGS
    lossy = {rows[name].address: 1 for name in list(rows)[::3]}
    answer = board._jbd_register

    def losing(raw: bytes, packet: Packet) -> bytes | None:
        register = packet.envelope["register"]
        if board.factory and packet.envelope["action"] == 0xA5 and lossy.get(register, 0):
            lossy[register] -= 1
            return b""
        return b"" if register == rows[PARTNER].address else answer(raw, packet)

    board._jbd_register = losing  # type: ignore[method-assign]
    error = answer_of(board, write(LOWER, dangerous=True))
    assert isinstance(error, NoAnswer)
    assert f"did not tell {PARTNER}" in str(error)
    assert not board.writes


def test_a_mode_that_ends_is_not_taken_for_refusals_because_of_a_register_that_is_never_there() -> None:
    """80 comes in the factory mode as outside of it: it does not prove that the mode goes on."""
    board = Denying(charge_hot_recovery=0x80)
    rows = board.spoken.SETTINGS
    names = [name for name, row in rows.items() if row.address in board.registers]
    board.ends_with = rows[names[names.index("charge_hot_recovery") + 1]].address
    error = answer_of(board, lambda battery: battery.settings.read())
    assert isinstance(error, Refused)
    assert any("It was in its factory mode" in hint for hint in error.hints)


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Denying:
    """The board that `antbms` opens; without delays, for these tests wait for real."""
    board = Denying()

    at_hand(monkeypatch, board)
    return board


def settings(*words: str) -> int:
    return command(["settings", "COM9", *words, "--protocol", "jbd"])


def changed_backup(**values: str) -> None:
    """b.toml: all settings of the board at hand, but for these."""
    assert settings("backup", "a.toml") == 0
    lines = Path("a.toml").read_text("utf-8").splitlines()
    new = [f"{name} = {values[name]}" if (name := line.partition(" = ")[0]) in values else line for line in lines]
    Path("b.toml").write_text("\n".join(new), "utf-8")


def test_a_restore_without_what_is_refused_must_be_meant(plugged: Denying, capsys: Printed) -> None:
    changed_backup(charge_cold="-5.0", charge_hot="50.0")
    plugged.refusals[plugged.spoken.SETTINGS["charge_hot"].address] = 0x81
    capsys.readouterr()
    assert settings("restore", "b.toml", "--yes") == 3
    err = capsys.readouterr().err
    assert "the battery refuses to tell charge_hot: nothing was restored" in err
    assert "--dangerous" in err
    assert not plugged.writes
    assert settings("restore", "b.toml", "--yes", "--dangerous") == 0
    out, err = capsys.readouterr()
    assert "not restored: charge_hot: the battery refused to tell its charge_hot" in err
    assert out == "charge_cold: -1.0 °C → -5.0 °C: written and read back\n"


def test_the_plan_names_what_only_dangerous_allows(plugged: Denying, capsys: Printed) -> None:
    changed_backup(cell_overvoltage="3.600", cell_count="7", pack_overvoltage="60.0", charge_cold="-5.0")
    plugged.refusals[plugged.spoken.SETTINGS[PARTNER].address] = 0x81
    capsys.readouterr()
    assert settings("restore", "b.toml", "--yes", "--dangerous") == 0
    plan = [line for line in capsys.readouterr().err.splitlines() if " → " in line]
    by_name = {line.partition(":")[0]: line for line in plan}
    assert by_name["charge_cold"] == "charge_cold: -1.0 °C → -5.0 °C"
    assert by_name["cell_count"] == (
        "cell_count: 8 → 7 (only with --dangerous: a wrong value can make the battery unsafe or unusable)"
    )
    assert by_name["cell_overvoltage"] == (
        f"cell_overvoltage: 3.650 V → 3.600 V (only with --dangerous: not compared with {PARTNER}, "
        "which the battery refuses to tell)"
    )
    assert "(only with --dangerous: pack_overvoltage = 60.00 V is not for lfp cells" in by_name["pack_overvoltage"]


def test_what_dangerous_allows_for_a_silent_partner_is_named_too() -> None:
    board = Denying(lost=(PARTNER,))
    check = lambda battery: battery.settings.check({**LOWER, "charge_hot": 50}, dangerous=True)  # noqa: E731
    texts = [outcome.text for outcome in answer_of(board, check)]
    assert texts == [
        f"cell_overvoltage: 3.650 V → 3.600 V (only with --dangerous: not compared with {PARTNER}, "
        "which does not answer)",
        "charge_hot: 55.0 °C → 50.0 °C",
    ]
    assert not board.writes
