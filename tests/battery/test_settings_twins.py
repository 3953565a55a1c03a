"""Two batteries that are known by one name, as behind adapters without a number: the note of one is not the other's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from battery_fakes import PROTOCOLS, Line, battery_over
from memory_board import answer_of
from named_board import CHIP, LOWER, Named, cut_off, files, forget_device, note_of, read, write

from antbms.battery import Battery
from antbms.errors import MEANT, AntbmsError, Unconfirmed, UsageError
from antbms.journal import Journal
from antbms.protocol import ant
from antbms.protocol.packet import Packet
from virtual_time import run


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANTBMS_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_the_request_for_the_number_of_the_chip_is_that_of_the_recording() -> None:
    """16s-280ah-16zmub."""
    assert ant.IDENTITY[0].raw == bytes.fromhex("7EA10400000C98ECAA55")


TWINS = [
    (lambda: Named("jbd", "one"), lambda: Named("jbd", "other"), "model one, here other"),
    (lambda: Named("ant", chip=CHIP), lambda: Named("ant", chip=CHIP[::-1]), f"chip {CHIP.hex()}, here"),
    (lambda: Named("ant", "one"), lambda: Named("ant", "other"), "model one, here other"),
    (lambda: Named("ant-legacy"), lambda: Named("ant-legacy", cells=7), "number of cells 8, here 7"),
    (lambda: Named("jbd"), lambda: Named("ant"), "protocol jbd, here ant"),
]


@pytest.mark.parametrize(("one", "other", "why"), TWINS)
def test_the_note_of_one_is_not_used_on_the_other(
    one: Callable[[], Named], other: Callable[[], Named], why: str, state: Path
) -> None:
    first, second, notes = one(), other(), list[str]()
    cut_off(first)
    (file,) = files(state)
    inside = first.factory
    before = note_of(state)
    answer_of(second, read, notes)
    (told,) = [note for note in notes if "another battery" in note]
    assert why in told
    assert "cell_overvoltage was being written (raw: 3650 → 3600); what was written may not be saved" in told
    assert ("the factory mode was not left" in told) == inside
    assert (str(state / "journal" / file) in told) == ("protocol" not in why), "no battery changes its protocol"
    assert not any("cut off while" in note or "has been left" in note for note in notes)
    assert not any(raw[:3] == b"\xdd\x5a\x01" for raw in second.heard)
    assert (note_of(state), first.factory, second.saved) == (before, inside, 0)
    # The other is changed meanwhile, and its own note comes and goes.
    assert not isinstance(answer_of(second, write), AntbmsError)
    assert (note_of(state), second.saved) == (before, 1)
    cut_off(second, 3.58)
    assert len(files(state)) == 2
    for board in (first, second):
        mended: list[str] = []
        answer_of(board, read, mended)
        assert not board.factory
        assert any("cut off while it wrote cell_overvoltage: " in note for note in mended), mended


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_one_did_not_save_is_not_saved_on_the_other(protocol: str, state: Path) -> None:
    first, second = Named(protocol, "one"), Named(protocol, "other", cells=7)
    first.hears_saving = False
    assert isinstance(answer_of(first, write), Unconfirmed)
    first.hears_saving = True
    assert note_of(state).unsaved
    row = second.spoken.SETTINGS["cell_overvoltage"]
    second.registers[row.address] = first.registers[row.address]  # nothing to change

    async def again(battery: Battery) -> bool:
        assert await battery.settings.check(LOWER) == []
        assert not battery.settings.unsaved
        await battery.settings.write(LOWER)
        return battery.settings.unsaved

    assert answer_of(second, again) is False
    assert (second.saved, second.writes, note_of(state).unsaved) == (0, [], True)
    notes: list[str] = []
    assert not isinstance(answer_of(first, write, notes), AntbmsError)
    assert first.saved == 1
    assert "saved what an earlier run wrote, for its saving was not acknowledged" in notes
    assert not files(state)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_by_what_a_note_is_taken_for_its_own_is_told(protocol: str, state: Path) -> None:
    board, notes = Named(protocol), list[str]()
    cut_off(board)
    answer_of(board, read, notes)
    (told,) = [note for note in notes if "taken for one of this battery" in note]
    assert "number of cells" in told
    assert ("model" in told) == (protocol != "ant-legacy")
    assert any("cut off while it wrote" in note for note in notes)


def test_the_number_of_the_chip_decides_alone(state: Path) -> None:
    board, notes = Named("ant", "one", CHIP), list[str]()
    cut_off(board)
    board.model, board.cells = "renamed", 7
    answer_of(board, read, notes)
    assert any("cut off while it wrote" in note for note in notes)
    assert not any("taken for" in note or "another battery" in note for note in notes)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_saving_for_a_note_that_does_not_say_of_which_battery_it_is_must_be_meant(protocol: str, state: Path) -> None:
    board = Named(protocol)
    board.hears_saving = False
    answer_of(board, write)
    board.hears_saving = True
    forget_device(state)

    async def look(battery: Battery) -> Any:  # in factory mode (jbd), which is noted too
        return await battery.settings.read(["charge_hot"])

    answer_of(board, look)
    for call in (lambda battery: battery.settings.check(LOWER), write):
        error = answer_of(board, call)
        assert isinstance(error, UsageError)
        assert "whether it wrote to this battery is not known" in str(error)
        assert error.hints[-1] == MEANT
        assert (board.saved, board.factory) == (0, False)
    notes: list[str] = []
    answer_of(board, lambda battery: battery.settings.write(LOWER, dangerous=True), notes)
    assert board.saved == 1
    assert any("nothing that tells batteries apart is known" in note for note in notes)


def test_a_factory_mode_noted_without_a_device_is_left_and_it_is_said(state: Path) -> None:
    board, notes = Named("jbd"), list[str]()
    cut_off(board)
    assert board.factory
    forget_device(state)
    answer_of(board, read, notes)
    assert not board.factory
    assert any("nothing that tells batteries apart is known" in note for note in notes)


def test_the_number_of_cells_is_no_sign_of_a_battery_whose_number_is_being_set(state: Path) -> None:
    """Else it would be another battery afterwards, and stay in its factory mode."""
    board = Named("jbd")
    store = board._store

    def then_away(address: int, data: bytes, step: int) -> None:
        store(address, data, step)
        board.cells, board.cut_at = 7, board.crossed

    board._store = then_away  # type: ignore[method-assign]
    answer_of(board, lambda battery: battery.settings.write({"cell_count": 7}, dangerous=True))
    board.cut_at = None
    board._framer.flush()
    assert board.factory
    notes: list[str] = []
    answer_of(board, read, notes)
    assert not board.factory
    assert any("It is 7: written" in note for note in notes), notes


def test_a_battery_with_an_address_of_its_own_is_not_asked(state: Path) -> None:
    board = Named("ant", chip=CHIP)

    async def main() -> None:
        line = Line(board)
        line.address = "AA:BB:CC:DD:EE:0F"
        async with battery_over(line, protocol="ant") as battery:
            await battery.settings.write(LOWER)
        assert ant.IDENTITY[0].raw not in line.written

    run(main())


def test_a_board_that_is_silent_is_let_out_only_if_there_is_one_note(state: Path) -> None:
    """Nobody knows then which board it is; but one that stays in its factory mode is the greater harm."""
    board = Named("jbd")
    cut_off(board)
    answer = board._jbd_register

    def deaf(raw: bytes, packet: Packet) -> bytes | None:
        return b"" if packet.envelope["register"] in (0x03, 0x05) else answer(raw, packet)

    other = Journal("COM9", "jbd", "COM9")
    other.meet({"model": "third"})
    other.entered()
    assert len(files(state)) == 2
    board._jbd_register = deaf  # type: ignore[method-assign]
    notes: list[str] = []

    async def nothing(battery: Battery) -> None:
        pass

    answer_of(board, nothing, notes)
    assert board.factory
    assert any("cannot be mended now" in note for note in notes)
    other.clear()
    answer_of(board, nothing, notes)
    assert not board.factory
