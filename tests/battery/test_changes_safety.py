"""Changes that must not make a battery less safe than it was: locks that stay, limits that creep, units mixed up."""

from pathlib import Path

import pytest

import antbms
import patience
from antbms.errors import UsageError
from antbms.protocol import dialect
from antbms.protocol.relations import CHEMISTRIES, check_chemistry, chemistry_of
from antbms.protocol.settings import check_limits, parse_value

E1 = "DD 5A E1 02 00"


@pytest.mark.parametrize(
    ("scenario", "turned", "held"), [("overvoltage", "discharge", "charge"), ("weak-cell", "charge", "discharge")]
)
def test_what_a_protection_holds_off_is_not_locked(tmp_path: Path, scenario: str, turned: str, held: str) -> None:
    """E1 sets both switches of jbd: the one that a protection holds off is meant to be on again when that ends."""
    capture = tmp_path / "e1.cap"
    options = {"scenario": scenario, "speed": "0"}

    async def turn() -> antbms.Snapshot:
        async with antbms.open("sim:jbd", options=options, record=capture) as battery:
            shown = await battery.read()
            await battery.switch(turned, False)
            said.append((await battery.switch(turned, True)).text)
            return shown

    said: list[str] = []
    shown = patience.run(turn())
    assert shown.switches[held].on is False
    assert "protection.12" not in {flag.code for flag in shown.flags}
    writes = [line.partition(E1)[2].split()[0] for line in capture.read_text("utf-8").splitlines() if E1 in line]
    assert writes[0] == {"charge": "01", "discharge": "02"}[turned]
    # Both are off now, and one is locked: which, the status does not say. So the other stays off, and it is told.
    assert f"antbms switch sim:jbd {held} on" in said[0]


def test_what_a_command_holds_off_stays_so(tmp_path: Path) -> None:
    capture = tmp_path / "e1.cap"

    async def turn() -> antbms.Snapshot:
        async with antbms.open("sim:jbd", record=capture) as battery:
            await battery.switch("charge", False)
            await battery.switch("discharge", False)
            await battery.switch("discharge", True)
            return await battery.read()

    switches = patience.run(turn()).switches
    assert (switches["charge"].on, switches["discharge"].on) == (False, True)


@pytest.mark.parametrize("kind", ["lto", "lfp"])
def test_no_allowed_threshold_makes_cells_look_like_stronger_ones(kind: str) -> None:
    """jbd and ant-legacy do not say what their cells are: it is guessed by the cell overvoltage."""
    highest = CHEMISTRIES[kind][1]
    guessed = chemistry_of(None, {"cell_overvoltage": highest})
    assert guessed is not None
    assert CHEMISTRIES[guessed[0]][1] <= highest


def test_the_chip_may_lie_a_little_further_out() -> None:
    rows = dialect("jbd").SETTINGS
    check_chemistry(rows, {"hardware_overvoltage": 3.9}, ("lfp", False), 4)
    with pytest.raises(UsageError, match=r"1\.60 to 4\.00 V"):
        check_chemistry(rows, {"hardware_overvoltage": 4.1}, ("lfp", False), 4)


def test_delays_are_no_volts() -> None:
    rows = dialect("jbd").SETTINGS
    check_chemistry(rows, {"cell_overvoltage_delay": 5, "pack_overvoltage_delay": 40}, ("lfp", True), 4)


@pytest.mark.parametrize("protocol", ["ant", "ant-legacy", "jbd"])
@pytest.mark.parametrize(("name", "value"), [("charge_hot", 150), ("discharge_hot", 100), ("charge_cold", -40)])
def test_temperatures_that_no_cell_stands(protocol: str, name: str, value: float) -> None:
    with pytest.raises(UsageError, match="is not from"):
        check_limits(dialect(protocol).SETTINGS[name], value)


@pytest.mark.parametrize("text", ["1e400", "1e99999999", "-1e400", "1e13"])
def test_numbers_beyond_all_registers(text: str) -> None:
    with pytest.raises(UsageError, match=r"no number"):
        parse_value(dialect("ant").SETTINGS["short_circuit"], text)
