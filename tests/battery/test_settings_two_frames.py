"""Values of ant-legacy that take two frames: one that gets stuck half-way is taken back, or said exactly."""

from pathlib import Path
from typing import Any

import pytest
from memory_board import MemoryBoard, answer_of

from antbms.errors import Refused, Unconfirmed
from antbms.protocol.packet import Packet

OLD, NEW = 100.0, 280.0
WORDS = (31, 32)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTBMS_STATE", str(tmp_path / "state"))


class Stuck(MemoryBoard):
    """plan: what happens to each write of a register: ok, refuse, or mute (done, and not acknowledged) or deaf."""

    def __init__(self, *plan: str) -> None:
        super().__init__("ant-legacy")
        self.plan = list(plan)

    def _legacy_register(self, raw: bytes, packet: Packet) -> bytes | None:
        if packet.envelope.get("head") != 0xA5 or packet.envelope["address"] not in WORDS:
            return super()._legacy_register(raw, packet)
        what = self.plan.pop(0) if self.plan else "ok"
        if what == "deaf":
            return b""
        self.refuses_register = packet.envelope["address"] if what == "refuse" else None
        answer = super()._legacy_register(raw, packet)
        return b"" if what == "mute" else answer

    @property
    def holds(self) -> float:
        low, high = (int.from_bytes(self.registers[word], "big") for word in WORDS)
        return (high << 16 | low) / 1e6


def write(board: MemoryBoard) -> Any:
    return answer_of(board, lambda battery: battery.settings.write({"capacity": NEW}, dangerous=True))


def test_both_frames() -> None:
    board = Stuck()
    assert write(board)[0].confirmed
    assert board.holds == NEW


def test_a_refused_first_frame_changes_nothing() -> None:
    board = Stuck("refuse")
    error = write(board)
    assert isinstance(error, Refused)
    assert "Nothing was written." in error.hints
    assert (board.holds, len(board.writes)) == (OLD, 1)


@pytest.mark.parametrize("plan", [["ok", "refuse"], ["ok", "refuse", "mute"]])
def test_a_refused_second_frame_is_taken_back(plan: list[str]) -> None:
    board = Stuck(*plan)
    error = write(board)
    assert isinstance(error, Refused)
    assert "refused to write capacity" in str(error)
    assert "The part of capacity that was written has been taken back, and read." in error.hints
    assert board.holds == OLD
    assert len(board.writes) == 3  # of the old value, only the half that had been changed
    notes: list[str] = []
    answer_of(board, lambda battery: battery.read(), notes)
    assert not notes


@pytest.mark.parametrize("plan", [["mute"], ["deaf"], ["ok", "deaf"]])
def test_a_frame_that_is_not_acknowledged_is_taken_back(plan: list[str]) -> None:
    board = Stuck(*plan)
    error = write(board)
    assert isinstance(error, Unconfirmed)
    assert board.holds == OLD
    assert "and reads 100.000000 Ah" in str(error)
    assert error.hints[0] == "Written once, not as wanted: capacity reads 100.000000 Ah instead of 280.000000 Ah."


def test_a_lost_acknowledgement_of_the_second_frame_is_decided_by_reading() -> None:
    board = Stuck("ok", "mute")
    assert write(board)[0].confirmed
    assert board.holds == NEW


@pytest.mark.parametrize("plan", [["ok", "refuse", "refuse"], ["ok", "deaf", "deaf"], ["mute", "deaf"]])
def test_what_cannot_be_taken_back_is_said_exactly(plan: list[str]) -> None:
    board, notes = Stuck(*plan), list[str]()
    error = write(board)
    assert isinstance(error, Unconfirmed)
    assert error.status == 3
    assert board.holds not in (OLD, NEW)
    assert f"and reads {board.holds:.6f} Ah" in str(error)
    assert "could not be taken back" in str(error)
    assert error.hints[0] == (
        f"Written once, not as wanted: capacity reads {board.holds:.6f} Ah instead of 280.000000 Ah."
    )
    answer_of(board, lambda battery: battery.read(), notes)
    assert notes[-1].endswith(f"It is {board.holds:.6f} Ah: neither old nor new: set it again")
    assert write(board)[0].confirmed
