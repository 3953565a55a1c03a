"""A jbd board whose factory mode ends by itself: refusal 81 in the middle of reading or writing settings."""

import re
from pathlib import Path

import pytest
from memory_board import MemoryBoard, answer_of

from antbms.battery import Battery
from antbms.errors import AntbmsError, Refused, Unconfirmed
from antbms.protocol.packet import Packet
from antbms.protocol.settings import raw_of

OLD = {"cell_overvoltage": 3.65, "cell_overvoltage_recovery": 3.55, "charge_hot": 55}
NEW = {"cell_overvoltage": 3.5, "cell_overvoltage_recovery": 3.45, "charge_hot": 50}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTBMS_STATE", str(tmp_path / "state"))


class Forgetful(MemoryBoard):
    """Its factory mode ends before the request number `ends_at` that comes in it; counts them in `inside`."""

    ends_at: int | None = None
    inside = 0
    refusals = 0

    def _jbd_register(self, raw: bytes, packet: Packet) -> bytes | None:
        if self.factory and packet.envelope["register"] != 0x01:
            self.inside += 1
            if self.inside == self.ends_at:
                self.factory = False
        answer = super()._jbd_register(raw, packet)
        self.refusals += answer is not None and answer[2:3] == b"\x81"
        return answer


def attempt(board: MemoryBoard, notes: list[str] | None = None) -> AntbmsError | None:
    async def work(battery: Battery) -> None:
        await battery.settings.write(NEW)

    return answer_of(board, work, notes)


def holds(board: MemoryBoard, name: str, values: dict[str, float]) -> bool:
    row = board.spoken.SETTINGS[name]
    return board.registers[row.address] == (raw_of(row, values[name]) & 0xFFFF).to_bytes(2, "big")


def whole() -> int:
    board = Forgetful("jbd")
    assert attempt(board) is None
    return board.inside


def test_it_is_said_what_was_written_and_what_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set()
    for at in range(1, whole() + 1):
        monkeypatch.setenv("ANTBMS_STATE", str(tmp_path / f"state{at}"))
        board = Forgetful("jbd")
        board.ends_at = at
        error = attempt(board)
        assert 1 <= board.refusals <= 2, at  # once more to see whether it is the mode
        assert isinstance(error, Refused | Unconfirmed), f"{at}: {error!r}"
        assert error.status == 3
        assert "not in factory mode" in str(error)
        assert not board.factory
        text = error.text()
        said = {
            kind: re.findall(r"(\w+): [^;:]+ → ", next((hint for hint in error.hints if hint.startswith(kind)), ""))
            for kind in ("Written and read back", "In question", "Not written")
        }
        seen |= {kind for kind, names in said.items() if names}
        if isinstance(error, Refused):
            assert all(holds(board, name, OLD) for name in NEW), text
        else:
            assert sorted(name for names in said.values() for name in names) == sorted(NEW), text
            assert f"stopped after {len(said['Written and read back'])} of {len(NEW)} settings" in text
        assert all(holds(board, name, NEW) for name in said["Written and read back"]), text
        assert all(holds(board, name, OLD) for name in said["Not written"]), text
        notes: list[str] = []
        answer_of(board, lambda battery: battery.read(), notes)
        assert not any("cannot be mended" in note for note in notes)
        assert ("In question" in text) is any("while it wrote" in note for note in notes), (text, notes)
        assert attempt(board) is None, f"{at}: the same command again"
        assert all(holds(board, name, NEW) for name in NEW)
    assert seen == {"Written and read back", "In question", "Not written"}


def test_reading_says_so_and_the_mode_is_left() -> None:
    board = Forgetful("jbd")
    board.ends_at = 20
    error = answer_of(board, lambda battery: battery.settings.read())
    assert isinstance(error, Refused)
    assert "denied: not in factory mode" in str(error)
    assert any("another program" in hint for hint in error.hints)
    assert not board.factory


def test_a_register_that_the_board_does_not_know_is_left_out() -> None:
    """80: no such command."""

    class Older(MemoryBoard):
        def _jbd_register(self, raw: bytes, packet: Packet) -> bytes | None:
            answer = super()._jbd_register(raw, packet)
            return bytes.fromhex("DD308000FF8077") if packet.envelope["register"] == 0x30 and self.factory else answer

    values = answer_of(Older("jbd"), lambda battery: battery.settings.read())
    assert "mosfet_delay" not in values
    assert values["cell_overvoltage"] == 3.65


def test_a_write_that_reads_otherwise_is_counted() -> None:
    board = MemoryBoard("jbd")
    board.forgets_register = board.spoken.SETTINGS["cell_overvoltage"].address
    error = attempt(board)
    assert isinstance(error, Unconfirmed)
    assert str(error).startswith("COM9: stopped after 1 of 3 settings: cell_overvoltage was written once")
    assert error.hints[1] == "Written once, not as wanted: cell_overvoltage reads 3.650 V instead of 3.500 V."
