"""`antbms counters`: protection counters in words."""

import json

import pytest

from antbms.cli.main import run
from antbms.sim.plant import Plant

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulated battery whose protections have acted."""
    monkeypatch.setattr(Plant, "counters", lambda _: {"mosfet_hot": 2, "cycles": 117})


@pytest.mark.usefixtures("counted")
def test_in_words(capsys: Printed) -> None:
    assert run(["counters", "sim:ant"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "Cell overvoltage         0"
    assert "MOSFET hot               2" in lines
    assert "Cycles                 117" in lines
    assert {len(line) for line in lines} == {26}
    assert err == ""


@pytest.mark.usefixtures("counted")
def test_what_never_happened_is_dimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from antbms.cli.counters import command

    lines = CliRunner().invoke(command, ["sim:ant"], color=True).output.splitlines()
    dimmed = [line for line in lines if line.startswith("\x1b[2m")]
    assert len(dimmed) == len(lines) - 2
    assert not [line for line in dimmed if "MOSFET" in line or "Cycles" in line]


@pytest.mark.usefixtures("counted")
def test_as_json(capsys: Printed) -> None:
    assert run(["counters", "sim:ant", "--json"]) == 0
    counters = json.loads(capsys.readouterr().out)
    assert counters["mosfet_hot"] == 2
    assert list(counters)[:2] == ["cell_overvoltage", "pack_overvoltage"]


def test_a_board_that_has_none(capsys: Printed) -> None:
    assert run(["counters", "sim:ant-legacy"]) == 2
    assert capsys.readouterr() == ("", "antbms: sim:ant-legacy: ant-legacy has no protection counters\n")
