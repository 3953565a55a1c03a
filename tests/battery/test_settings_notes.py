"""Notes of an earlier run where answers are lost, and where a battery says other things than before."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from memory_board import answer_of
from named_board import CHIP, LOWER, Named, cut_off, files, forget_device, note_of, read, write

from antbms.battery import Battery
from antbms.errors import AntbmsError, Unconfirmed, UsageError
from antbms.journal import Journal
from antbms.protocol import ant
from antbms.protocol.packet import Packet
from virtual_time import now

MODEL = 0x05
LEAVING = b"\xdd\x5a\x01"
ENTERING = b"\xdd\x5a\x00"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANTBMS_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def losing(board: Named, *registers: int) -> list[int]:
    """How many answers to them are lost from now on: to be set."""
    answer, left = board._jbd_register, [0]

    def lossy(raw: bytes, packet: Packet) -> bytes | None:
        if packet.envelope["register"] in registers and left[0]:
            left[0] -= 1
            board.heard.append(raw)
            return b""
        return answer(raw, packet)

    board._jbd_register = lossy  # type: ignore[method-assign]
    return left


async def nothing(battery: Battery) -> None:
    pass


def test_a_lost_answer_while_it_is_open_does_not_erase_the_note_of_another(state: Path) -> None:
    one, other = Named("jbd", "one"), Named("jbd", "other")
    cut_off(one)
    before, lost = note_of(state), losing(other, MODEL)

    async def later(battery: Battery) -> None:
        await asyncio.sleep(31)
        lost[0] = 1
        await battery.settings.read()

    answer_of(other, later)
    assert (lost[0], note_of(state)) == (0, before)
    notes: list[str] = []
    answer_of(one, read, notes)
    assert not one.factory
    assert any("it has been left" in note for note in notes)


@pytest.mark.parametrize("lost", [0, 1, 9])
def test_what_another_left_unsaved_is_not_mixed_with_ones_own_factory_mode(lost: int, state: Path) -> None:
    one, other = Named("jbd", "one"), Named("jbd", "other")
    one.hears_saving = False
    assert isinstance(answer_of(one, write), Unconfirmed)
    left = losing(other, MODEL)

    async def cut(battery: Battery) -> None:
        left[0] = lost
        other.cut_at = other.crossed + 600
        await battery.settings.read()

    assert isinstance(answer_of(other, cut), AntbmsError)
    assert other.factory
    other.cut_at, left[0] = None, 0
    other._framer.flush()
    assert len(files(state)) == 2
    notes: list[str] = []
    answer_of(other, read, notes)
    assert not other.factory
    assert any("it has been left" in note for note in notes)
    assert (note_of(state).unsaved, note_of(state).device["model"]) == (True, "one")


@pytest.mark.parametrize("lost", [1, 2])
def test_a_lost_answer_at_the_beginning_does_not_leave_a_battery_in_its_factory_mode(lost: int, state: Path) -> None:
    board, notes = Named("jbd"), list[str]()
    cut_off(board)
    losing(board, MODEL)[0] = lost
    answer_of(board, nothing, notes)
    assert not board.factory
    assert not any("another battery" in note for note in notes)
    assert not note_of(state).mode


def test_a_battery_that_does_not_tell_what_the_note_holds_is_sent_nothing(state: Path) -> None:
    one, other, notes = Named("jbd", "one"), Named("jbd", "one"), list[str]()
    cut_off(one)
    losing(other, MODEL)[0] = 99
    answer_of(other, nothing, notes)
    assert any("another battery (model one, here not told)" in note for note in notes)
    assert not any(raw[:3] == LEAVING for raw in other.heard)
    assert note_of(state).mode


def test_a_battery_that_says_nothing_may_be_let_out_but_the_note_stays(state: Path) -> None:
    board, notes = Named("jbd"), list[str]()
    cut_off(board)
    before, lost = note_of(state), losing(board, 0x03, MODEL)
    lost[0] = 99
    answer_of(board, nothing, notes)
    assert (board.factory, note_of(state)) == (False, before)
    assert any("it has been left" in note and "the note of that is kept" in note for note in notes)
    lost[0] = 0
    answer_of(board, nothing, notes)
    assert not note_of(state).mode
    assert any("cut off while it wrote" in note for note in notes)


def test_the_advice_for_a_battery_with_a_new_name_lets_it_out(state: Path) -> None:
    board, notes = Named("jbd"), list[str]()
    cut_off(board)
    board.model = "renamed"
    answer_of(board, read, notes)
    assert board.factory
    (told,) = notes
    assert "the factory mode was not left; cell_overvoltage was being written (raw: 3650 → 3600)" in told
    file = Path(told.partition('empty the braces after "device" in ')[2])
    whole = file.read_text("utf-8")
    begin = whole.index('"device":{') + len('"device":{')
    file.write_text(whole[:begin] + whole[whole.index("}", begin) :], "utf-8")
    assert json.loads(file.read_text("utf-8"))["device"] == {}
    answer_of(board, read, notes)
    assert not board.factory
    assert any("It is 3.600 V: written" in note for note in notes)


def test_a_note_that_cannot_be_read_is_told_and_not_overwritten(state: Path) -> None:
    board, notes = Named("jbd"), list[str]()
    cut_off(board)
    (file,) = (state / "journal").iterdir()
    file.write_text("{", "utf-8")
    answer_of(board, lambda battery: battery.settings.read(), notes)
    assert any(f"cannot be read, so nothing is mended by it: {file}" in note for note in notes)
    assert file.read_text("utf-8") == "{"
    assert files(state) == [file.name]


def test_after_its_number_of_cells_was_written_a_battery_is_still_the_one_of_its_note(state: Path) -> None:
    """Cut off while all is read back again, more than half a minute after it was asked who it is."""
    board = Named("jbd")
    answer, saved = board._jbd_register, False

    def slow(raw: bytes, packet: Packet) -> bytes | None:
        nonlocal saved
        register, action = packet.envelope["register"], packet.envelope["action"]
        if action == 0x5A and register == 1 and packet.data == b"\x28\x28":
            saved, board.cells = True, 7
        elif saved and board.factory and action == 0xA5 and register >= 0x10 and board.cut_at is None:
            board.cut_at = board.crossed
        return answer(raw, packet)

    board._jbd_register = slow  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("memory_board.DELAY", 0.6)
        error = answer_of(board, lambda battery: battery.settings.write({"cell_count": 7}, dangerous=True))
    assert isinstance(error, Unconfirmed)
    assert board.factory
    assert note_of(state).mode
    board.cut_at, saved = None, False
    board._framer.flush()
    answer_of(board, nothing)
    assert not board.factory
    assert not files(state)


@pytest.mark.parametrize("chip", [CHIP, None])
def test_the_note_of_another_hardly_holds_up_a_battery_that_does_not_say_who_it_is(chip: bytes | None) -> None:
    """A monitor opens it again and again: three requests of 1 s, once each."""
    silent = Named("ant")
    answer = silent._ant_register

    def mute(raw: bytes, packet: Packet) -> bytes | None:
        asked = [request.raw for request in (*ant.INFO, *ant.IDENTITY)]
        return b"" if raw in asked else answer(raw, packet)

    silent._ant_register = mute  # type: ignore[method-assign]

    async def took(battery: Battery) -> float:
        await battery.read()
        return now()

    free = answer_of(silent, took)
    cut_off(Named("ant", "one", chip))
    assert free + 2.0 < answer_of(silent, took) < free + 4.0


def test_a_saving_that_is_refused_enters_no_factory_mode(state: Path) -> None:
    board = Named("jbd")
    board.hears_saving = False
    answer_of(board, write)
    board.hears_saving = True
    forget_device(state)
    board.heard.clear()
    for call in (lambda battery: battery.settings.check({"charge_hot": 50}), write):
        assert isinstance(answer_of(board, call), UsageError)
    assert not any(raw[:3] == ENTERING for raw in board.heard)
    notes: list[str] = []
    answer_of(board, lambda battery: battery.settings.write(LOWER, dangerous=True), notes)
    assert board.saved == 1
    assert "saved what an earlier run may have written to this battery, for its saving was not acknowledged" in notes


@pytest.mark.parametrize(
    "write_note", [Journal.entered, lambda journal: journal.writing("charge_hot", 1, 2, mode=True)]
)
def test_a_note_that_another_program_made_meanwhile_is_not_written_into(
    write_note: Callable[[Journal], Any], state: Path
) -> None:
    one, other = Journal("COM9", "jbd", "COM9"), Journal("COM9", "jbd", "COM9")
    one.meet({"model": "one"})
    other.meet({"model": "other"})
    other.entered()
    write_note(one)
    assert len(files(state)) == 2
    assert sorted(note.device["model"] for note in other.notes().values()) == ["one", "other"]
    one.clear()
    assert [note.mode for note in other.notes().values() if note.device["model"] == "other"] == [True]


def test_a_note_keeps_what_it_says_of_its_device_when_the_factory_mode_is_left(state: Path) -> None:
    journal = Journal("COM9", "jbd", "COM9")
    journal.meet({"model": "one", "software": "1"})
    journal.writing("charge_hot", 1, 2, mode=True)
    fresh = Journal("COM9", "jbd", "COM9")
    fresh.left()
    note = note_of(state)
    assert (note.mode, note.setting, note.device) == (False, "charge_hot", {"model": "one", "software": "1"})
