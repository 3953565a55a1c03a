"""The link is cut at every byte of a write: no register holds a value that is neither old nor new, the report is true,
and the next contact leaves the factory mode.
"""

import re
from pathlib import Path
from typing import Any

import pytest
from battery_fakes import Line, battery_over
from memory_board import MemoryBoard

from antbms.errors import AntbmsError, LinkError, Unconfirmed
from antbms.protocol.settings import raw_of
from virtual_time import run

OLD = {"cell_overvoltage": 3.65, "cell_overvoltage_recovery": 3.55, "charge_hot": 55, "charge_overcurrent": 50.0}
NEW = {"cell_overvoltage": 3.5, "cell_overvoltage_recovery": 3.45, "charge_hot": 50, "charge_overcurrent": 60.0}
STEPS = 12
"""The cuts of one test: together the tests cut at every byte."""


def registers(board: MemoryBoard, name: str) -> bytes:
    return board.registers[board.spoken.SETTINGS[name].address]


def bytes_of(board: MemoryBoard, name: str, value: float) -> bytes:
    row = board.spoken.SETTINGS[name]
    return (raw_of(row, value) & 0xFFFF).to_bytes(2, "little" if board.protocol == "ant" else "big")


def attempt(board: MemoryBoard) -> AntbmsError | None:
    async def main() -> AntbmsError | None:
        try:
            async with battery_over(Line(board), protocol=board.protocol) as battery:
                await battery.settings.write(NEW)
        except AntbmsError as error:
            return error
        return None

    return run(main())


def next_contact(board: MemoryBoard) -> list[str]:
    board.cut_at = None
    board._framer.flush()
    notes: list[str] = []

    async def main() -> None:
        async with battery_over(Line(board), protocol=board.protocol, on_note=notes.append) as battery:
            await battery.read()

    run(main())
    return notes


def whole_length(protocol: str, fa: bool) -> tuple[int, int]:
    """Bytes that cross the line until the first write, and in all."""
    board = MemoryBoard(protocol, knows_fa=fa)
    first: list[int] = []
    store = board._store

    def noting(address: int, data: bytes, step: int) -> None:
        first.append(board.crossed)
        store(address, data, step)

    board._store = noting  # type: ignore[method-assign]
    assert attempt(board) is None
    return first[0], board.crossed


def truth(error: AntbmsError, board: MemoryBoard) -> None:
    """What the report says of each setting is so."""
    text = error.text()
    said = {
        kind: re.findall(r"(\w+): [^;:]+ → ", next((hint for hint in error.hints if hint.startswith(kind)), ""))
        for kind in ("Written and read back", "In question", "Not written")
    }
    assert sorted(name for names in said.values() for name in names) == sorted(NEW), text
    for name in said["Written and read back"]:
        assert registers(board, name) == bytes_of(board, name, NEW[name]), text
    for name in said["Not written"]:
        assert registers(board, name) == bytes_of(board, name, OLD[name]), text


@pytest.mark.parametrize("part", range(STEPS))
@pytest.mark.parametrize(("protocol", "fa"), [("jbd", False), ("jbd", True)])
def test_a_cut_link(protocol: str, fa: bool, part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, end = whole_length_once(protocol, fa, tmp_path, monkeypatch)
    # Before the first write there is only reading: a sample. From the request on that may write, every byte.
    positions = [*range(0, begin - 12, 97), *range(begin - 12, end)]
    for at in positions[part::STEPS]:
        monkeypatch.setenv("ANTBMS_STATE", str(tmp_path / f"state{at}"))
        board = MemoryBoard(protocol, knows_fa=fa)
        board.cut_at = at
        error = attempt(board)
        for name in NEW:
            allowed = {bytes_of(board, name, OLD[name]), bytes_of(board, name, NEW[name])}
            assert registers(board, name) in allowed, f"cut at {at}: {name}"
        if error is None:
            assert all(registers(board, name) == bytes_of(board, name, NEW[name]) for name in NEW)
        elif any(registers(board, name) == bytes_of(board, name, NEW[name]) for name in NEW):
            assert isinstance(error, Unconfirmed), f"cut at {at}: {error!r}"
            assert error.status == 3
            truth(error, board)
        else:
            assert isinstance(error, Unconfirmed | LinkError), f"cut at {at}: {error!r}"
            if isinstance(error, Unconfirmed):
                truth(error, board)
        was_inside = board.factory
        notes = next_contact(board)
        assert not board.factory, f"cut at {at}"
        if was_inside:
            assert any("factory mode: it has been left" in note for note in notes), (at, notes)
        for note in notes:
            if match := re.search(r"wrote (\w+): .* It is .*: (written|not written)$", note):
                value = (NEW if match[2] == "written" else OLD)[match[1]]
                assert registers(board, match[1]) == bytes_of(board, match[1], value)
        if at % 5 == 0:
            assert attempt(board) is None, f"cut at {at}: the same command again"


_lengths: dict[Any, tuple[int, int]] = {}


def whole_length_once(protocol: str, fa: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    if (protocol, fa) not in _lengths:
        monkeypatch.setenv("ANTBMS_STATE", str(tmp_path / "whole"))
        _lengths[protocol, fa] = whole_length(protocol, fa)
    return _lengths[protocol, fa]
