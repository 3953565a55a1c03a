"""Silence about a setting: lost on its way, or not there; and what a change does that needs it."""

from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from battery_fakes import PROTOCOLS
from memory_board import MemoryBoard, answer_of

from antbms.backup import left_out, load, save
from antbms.battery import Battery
from antbms.errors import MEANT, AntbmsError, NoAnswer, Refused, UsageError
from antbms.protocol.packet import Packet
from virtual_time import now

ALWAYS = 10**6
LOWER = {"cell_overvoltage": 3.6}
PARTNER = "cell_overvoltage_recovery"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTBMS_STATE", str(tmp_path / "state"))


class Silent(MemoryBoard):
    """silent: address of a register, or of a page → how often a request to read it gets no answer.

    denied: registers of jbd → the status that refuses them. asked: how often each was asked.
    """

    def __init__(self, protocol: str, silent: dict[int, int] | None = None, **more: Any) -> None:
        super().__init__(protocol, **more)
        self.silent = dict(silent or {})
        self.denied: dict[int, int] = {}
        self.asked: dict[int, int] = {}
        self.dead = False

    def _hears(self, address: int) -> bool:
        self.asked[address] = self.asked.get(address, 0) + 1
        left = self.silent.get(address, 0)
        self.silent[address] = left - 1
        return left <= 0 and not self.dead

    def _ant_register(self, raw: bytes, packet: Packet) -> bytes | None:
        if packet.envelope["function"] == 0x02 and not self._hears(packet.envelope["register"]):
            return b""
        return super()._ant_register(raw, packet)

    def _legacy_register(self, raw: bytes, packet: Packet) -> bytes | None:
        address = packet.envelope.get("address", 0)
        if packet.envelope.get("head") == 0x5A and address and not self._hears(address):
            return b""
        return super()._legacy_register(raw, packet)

    def _jbd_register(self, raw: bytes, packet: Packet) -> bytes | None:
        register = packet.envelope["register"]
        address = 1000 + int.from_bytes(packet.data[:2], "big") if register == 0xFA else register
        if packet.envelope["action"] == 0xA5 and register >= 0x10 and not self._hears(address):
            return b""
        if register in self.denied and self.factory:
            from antbms.protocol.jbd.frame import close_envelope

            return close_envelope({"register": register, "status": self.denied[register]}, b"")
        return super()._jbd_register(raw, packet)


def address_of(protocol: str, name: str) -> int:
    return MemoryBoard(protocol).spoken.SETTINGS[name].address


def page_of(protocol: str, name: str) -> int:
    """The address that a request for a setting names."""
    return {"ant": 0}.get(protocol, address_of(protocol, name))


def write(battery: Battery) -> Awaitable[Any]:
    return battery.settings.write(LOWER)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_answer_that_is_lost_is_asked_for_again(protocol: str, times: int) -> None:
    board = Silent(protocol, {page_of(protocol, PARTNER): times})
    notes: list[str] = []
    values = answer_of(board, lambda battery: battery.settings.read(complete=True), notes)
    assert values[PARTNER] == 3.55
    assert not [note for note in notes if PARTNER in note]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_link_that_goes_away_is_not_taken_for_a_board_without_settings(protocol: str) -> None:
    board = Silent(protocol)

    async def work(battery: Battery) -> tuple[AntbmsError, float]:
        await battery.read()
        board.dead = True
        start = now()
        with pytest.raises(NoAnswer) as caught:
            await battery.settings.read()
        return caught.value, now() - start

    error, seconds = answer_of(board, work)
    assert "no valid answer" in str(error)
    assert seconds < 10


@pytest.mark.parametrize("protocol", ["ant-legacy", "jbd"])
def test_silence_between_neighbours_that_answer_counts_as_not_there(protocol: str) -> None:
    where = address_of(protocol, "charge_hot_recovery")
    board, notes = Silent(protocol, {where: ALWAYS}), list[str]()

    async def work(battery: Battery) -> Any:
        values = await battery.settings.read(complete=True)
        assert await battery.settings.read(complete=True) == values
        return values

    values = answer_of(board, work, notes)
    assert "charge_hot_recovery" not in values
    assert values["charge_hot"] == 55
    assert board.asked[where] == 3  # the second time it is known
    told = [note for note in notes if note.startswith("taken for not there: ")]
    assert len(told) == 1
    assert "charge_hot_recovery" in told[0]
    assert "no answer in 3 tries, while the settings before and after were answered" in told[0]


def lossy(protocol: str, name: str) -> Silent:
    """A board over a link that loses one answer of many settings, and all those of one."""
    board = Silent(protocol)
    if protocol == "ant":
        board.silent = {0: ALWAYS, 104: 1, 152: 1}
    else:
        known = [address for address in board.registers if address != address_of(protocol, name)]
        board.silent = dict.fromkeys(known[::4], 1) | {address_of(protocol, name): ALWAYS}
    return board


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_on_a_link_that_loses_answers_silence_proves_nothing(protocol: str, tmp_path: Path) -> None:
    board, notes = lossy(protocol, PARTNER), list[str]()

    async def read(battery: Battery) -> Any:
        made, rows = await battery.settings.backup()
        assert dict(battery.settings.untold) == made.untold
        return made, rows

    made, rows = answer_of(board, read, notes)
    assert made.untold[PARTNER] == "no answer in 3 tries, on a link that loses answers"
    assert PARTNER not in made.settings
    assert any(note.startswith("not told: ") and PARTNER in note for note in notes)
    file = tmp_path / "a.toml"
    save(file, made, rows)
    assert load(file).untold == made.untold
    assert f"# {PARTNER}: not told" in file.read_text("utf-8")
    assert left_out(load(file), rows, {PARTNER: 3.5, **made.settings}, {}) == {
        PARTNER: "not in the backup: no answer in 3 tries, on a link that loses answers"
    }


@pytest.mark.parametrize("dangerous", [False, True])
@pytest.mark.parametrize("protocol", ["ant-legacy", "jbd"])
def test_a_change_that_needs_what_was_not_told_is_refused(protocol: str, dangerous: bool) -> None:
    for name, wanted in ((PARTNER, LOWER), ("cell_overvoltage", LOWER)):
        board = lossy(protocol, name)
        error = answer_of(board, lambda battery: battery.settings.write(wanted, dangerous=dangerous))  # noqa: B023
        assert isinstance(error, NoAnswer)
        assert error.status == 1
        assert f"the battery did not tell {name}" in str(error)
        assert "nothing was written" in str(error)
        assert error.hints[-1].startswith("Next: the same command again")
        assert (board.writes, board.factory) == ([], False)


@pytest.mark.parametrize("protocol", ["ant-legacy", "jbd"])
def test_a_voltage_is_not_set_while_the_chemistry_is_not_known(protocol: str) -> None:
    """It is guessed by the cell overvoltage."""
    board = lossy(protocol, "cell_overvoltage")
    error = answer_of(board, lambda battery: battery.settings.write({"pack_overvoltage": 29.0}))
    assert isinstance(error, NoAnswer)
    assert "did not tell cell_overvoltage" in str(error)
    assert not board.writes
    (outcome,) = answer_of(
        lossy(protocol, "cell_overvoltage"), lambda battery: battery.settings.write({"charge_hot": 50})
    )
    assert outcome.confirmed


@pytest.mark.parametrize("protocol", ["ant-legacy", "jbd"])
def test_a_change_that_does_not_need_it_is_made(protocol: str) -> None:
    board = lossy(protocol, "charge_hot")
    assert not isinstance(answer_of(board, write), AntbmsError)
    assert len(board.writes) == 1


@pytest.mark.parametrize("protocol", ["ant-legacy", "jbd"])
def test_a_change_whose_partner_is_silent_must_be_meant(protocol: str) -> None:
    board = Silent(protocol, {address_of(protocol, PARTNER): ALWAYS})
    error = answer_of(board, write)
    assert isinstance(error, UsageError)
    assert f"cell_overvoltage cannot be checked: {PARTNER} is not there, or does not answer" in str(error)
    assert error.hints[-1] == MEANT
    assert (board.writes, board.factory) == ([], False)
    notes: list[str] = []
    board = Silent(protocol, {address_of(protocol, PARTNER): ALWAYS})
    (outcome,) = answer_of(board, lambda battery: battery.settings.write(LOWER, dangerous=True), notes)
    assert outcome.confirmed
    assert f"cell_overvoltage is not compared with {PARTNER}, which does not answer" in notes


def test_a_curve_with_every_second_point_can_be_changed() -> None:
    """As 4s-sp04s034-config, whose app never asked for the points between."""
    silent = {address_of("jbd", f"cell_voltage_at_{share}"): ALWAYS for share in (10, 30, 50, 70, 90)}
    board, notes = Silent("jbd", silent), list[str]()
    for share in range(0, 101, 20):
        row = board.spoken.SETTINGS[f"cell_voltage_at_{share}"]
        board.registers[row.address] = (3000 + 5 * share).to_bytes(2, "big")

    async def work(battery: Battery) -> float:
        start = now()
        (outcome,) = await battery.settings.write({"cell_voltage_at_80": 3.41})
        assert outcome.confirmed
        return now() - start

    seconds = answer_of(board, work, notes)
    assert "cell_voltage_at_80 is not compared with cell_voltage_at_90, which does not answer" in notes
    assert seconds < 45
    error = answer_of(board, lambda battery: battery.settings.write({"cell_voltage_at_80": 3.6}))
    assert "would lie above cell_voltage_at_100" in str(error)


def test_a_partner_that_the_board_says_it_does_not_have_is_not_compared() -> None:
    """80 of jbd, FFFF of the others."""
    for protocol in PROTOCOLS:
        board, notes = Silent(protocol), list[str]()
        board.denied = {address_of(protocol, PARTNER): 0x80}
        board.registers[address_of(protocol, PARTNER)] = b"\xff\xff"
        if protocol == "jbd":
            del board.registers[address_of(protocol, PARTNER)]
        (outcome,) = answer_of(board, write, notes)
        assert outcome.confirmed
        assert f"cell_overvoltage is not compared with {PARTNER}, which this battery does not have" in notes


def test_a_register_that_is_denied_by_itself_is_no_lost_mode() -> None:
    board = Silent("jbd")
    board.denied = {address_of("jbd", "charge_hot"): 0x81}

    async def work(battery: Battery) -> Any:
        return await battery.settings.read(), dict(battery.settings.untold)

    values, untold = answer_of(board, work)
    assert values["charge_hot_recovery"] == 45
    assert "denied" in untold["charge_hot"]
    error = answer_of(board, lambda battery: battery.settings.write({"charge_hot": 50}))
    assert isinstance(error, Refused)
    assert not board.writes


def test_one_setting_that_is_silent_is_not_there_or_was_not_told() -> None:
    board, notes = Silent("jbd", {address_of("jbd", "charge_hot"): ALWAYS}), list[str]()
    assert answer_of(board, lambda battery: battery.settings.read(["charge_hot"]), notes) == {}
    assert "taken for not there: charge_hot" in notes[0]
    board.silent |= {address_of("jbd", "cell_overvoltage"): 2}  # what is asked to see whether the link is there
    error = answer_of(board, lambda battery: battery.settings.read(["charge_hot"]))
    assert isinstance(error, NoAnswer)
    assert "did not tell charge_hot" in str(error)


def test_a_block_of_fa_that_is_lost_does_not_lead_into_factory_mode() -> None:
    board = Silent("jbd", {1104: 1}, knows_fa=True)
    line_modes: list[bytes] = []
    enter = board._jbd_register

    def noting(raw: bytes, packet: Packet) -> bytes | None:
        line_modes.append(raw[:3])
        return enter(raw, packet)

    board._jbd_register = noting  # type: ignore[method-assign]
    values = answer_of(board, lambda battery: battery.settings.read())
    assert "gps_off_voltage" in values
    assert b"\xdd\x5a\x00" not in line_modes


def test_a_refusal_in_reading_back_does_not_say_not_written() -> None:
    board = Silent("jbd")
    where = address_of("jbd", "cell_overvoltage")
    store = board._store

    def then_denied(address: int, data: bytes, step: int) -> None:
        store(address, data, step)
        board.denied[where] = 0x81

    board._store = then_denied  # type: ignore[method-assign]
    error = answer_of(board, write)
    assert not isinstance(error, Refused)
    assert any(hint.startswith("In question") for hint in error.hints)
