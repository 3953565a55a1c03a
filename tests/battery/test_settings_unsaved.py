"""What was written and not saved, and a factory mode that was entered and not left."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from battery_fakes import PROTOCOLS
from memory_board import MemoryBoard, with_board

from antbms.battery import Battery
from antbms.errors import Unconfirmed

LOWER = {"cell_overvoltage": 3.6}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTBMS_STATE", str(tmp_path / "state"))


def write(battery: Battery) -> Awaitable[Any]:
    return battery.settings.write(LOWER)


def unsaved_board(protocol: str) -> MemoryBoard:
    """A board after a run whose saving was lost."""
    board = MemoryBoard(protocol)
    board.hears_saving = False
    with pytest.raises(Unconfirmed, match=r"stopped after 1 of 1 settings: .*saving") as caught:
        with_board(board, write)
    assert caught.value.hints[0] == "Written and read back: cell_overvoltage: 3.650 V → 3.600 V."
    assert not board.factory
    board.hears_saving = True
    return board


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_saving_that_is_lost_is_no_success(protocol: str) -> None:
    unsaved_board(protocol)


@pytest.mark.parametrize("seconds", [step / 40 for step in range(160)])
def test_cancelled_at_any_time_the_factory_mode_is_left(seconds: float) -> None:
    board = MemoryBoard("jbd")

    async def work(battery: Battery) -> None:
        for _ in range(2):  # the second run enters and leaves like the first
            await_once = asyncio.create_task(battery.settings.read(["cell_overvoltage"]))
            await asyncio.sleep(seconds)
            await_once.cancel()
            await asyncio.sleep(0.02)
            await_once.cancel()
            await asyncio.wait({await_once})
            await asyncio.sleep(1)
            assert not board.factory
        assert await battery.settings.read(["cell_overvoltage"]) == {"cell_overvoltage": 3.65}

    with_board(board, work)
    assert not board.factory


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_same_command_again_saves(protocol: str) -> None:
    board, notes = unsaved_board(protocol), list[str]()
    with_board(board, write, notes)
    assert (len(board.writes), board.saved, board.factory) == (1, 1, False)
    assert notes[-1] == "saved what an earlier run wrote, for its saving was not acknowledged"
    with_board(board, write)
    assert board.saved == 1
    board.restart()
    assert with_board(board, lambda battery: battery.settings.read(LOWER)) == LOWER
