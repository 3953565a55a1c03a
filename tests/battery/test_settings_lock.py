"""Two programs at one battery: the second changes nothing, and says who holds it; reading goes on."""

import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from battery_fakes import PROTOCOLS, Line, battery_over
from memory_board import MemoryBoard, answer_of

from antbms.battery import Battery
from antbms.errors import AntbmsError, LinkError
from antbms.folders import state_folder
from antbms.journal import Journal
from antbms.locks import hold
from antbms.timing import utc_now
from virtual_time import run

LOWER = {"cell_overvoltage": 3.6}
OTHER = """
import sys
from antbms.journal import Journal
from antbms.timing import utc_now
journal = Journal("COM9", sys.argv[1], "other")
with journal.held(utc_now):
    if sys.argv[2:]:
        journal.entered()
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTBMS_STATE", str(tmp_path / "state"))


@contextmanager
def another_program(protocol: str, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that changes the battery at COM9."""
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, protocol, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_second_is_told_who_holds_it(protocol: str) -> None:
    changes: list[Callable[[Battery], Awaitable[Any]]] = [
        lambda battery: battery.settings.write(LOWER),
        lambda battery: battery.switch("charge", False),
        lambda battery: battery.command("restart"),
    ]
    if protocol == "jbd":  # reading enters the factory mode as well
        changes.append(lambda battery: battery.settings.read())
    board = MemoryBoard(protocol)
    with another_program(protocol) as process:
        for change in changes:
            error = answer_of(board, change)
            assert isinstance(error, LinkError)
            assert f"COM9: another program changes this battery now: antbms, process {process.pid} on " in str(error)
            assert "Nothing was sent. Next: wait until it is done, or end it" in error.text()
        assert (board.writes, board.factory) == ([], False)
        assert answer_of(board, lambda battery: battery.read()).protocol == protocol
        if protocol != "jbd":
            assert answer_of(board, lambda battery: battery.settings.read())["cell_overvoltage"] == 3.65


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_program_that_was_killed_holds_nothing(protocol: str) -> None:
    with another_program(protocol) as process:
        process.kill()
        process.wait()
        assert not isinstance(answer_of(MemoryBoard(protocol), lambda b: b.settings.write(LOWER)), AntbmsError)


def test_the_factory_mode_of_another_program_is_not_ended() -> None:
    board, notes = MemoryBoard("jbd"), list[str]()
    with another_program("jbd", "in factory mode") as process:
        board.factory = True
        assert answer_of(board, lambda battery: battery.read(), notes).protocol == "jbd"
        assert board.factory
        assert [note for note in notes if f"process {process.pid}" in note]
        process.kill()
        process.wait()
        answer_of(board, lambda battery: battery.read(), notes)
        assert not board.factory
        assert "factory mode: it has been left" in notes[-1]


def test_two_in_one_program() -> None:
    board = MemoryBoard("jbd")

    async def main() -> Any:
        first, second = (battery_over(Line(board), protocol="jbd") for _ in range(2))
        async with first as one, second as other:
            with one._journal.held(utc_now), pytest.raises(LinkError, match=f"process {os.getpid()} on"):
                await other.settings.write(LOWER)
            return await other.settings.write(LOWER)

    assert run(main())[0].confirmed


def test_it_is_let_go_after_a_failure_too() -> None:
    board = MemoryBoard("jbd", lies=True)
    assert isinstance(answer_of(board, lambda battery: battery.settings.write(LOWER)), AntbmsError)
    board.lies = False
    assert not isinstance(answer_of(board, lambda battery: battery.settings.write(LOWER)), AntbmsError)
    (lock,) = (state_folder() / "locks").iterdir()
    assert lock.read_bytes() == b""


def test_the_holder_in_the_file() -> None:
    journal = Journal("key", "jbd", "garage")
    with journal.held(utc_now), journal.held(utc_now):
        (lock,) = (state_folder() / "locks").iterdir()
        assert json.loads(lock.read_bytes())["process"] == os.getpid()
        assert hold(lock) is None
        lock.write_bytes(b"nonsense")
        with pytest.raises(LinkError, match="another antbms"), Journal("key", "jbd", "garage").held(utc_now):
            pass
    with Journal("key", "jbd", "garage").held(utc_now):
        pass


def test_a_battery_in_this_process_alone_is_nobody_elses() -> None:
    one, other = (Journal("sim:", "jbd", "sim:", shared=False) for _ in range(2))
    with one.held(utc_now), other.held(utc_now):
        assert not (state_folder() / "locks").exists()


def test_a_switch_goes_on_where_files_cannot_be_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ANTBMS_STATE", str(tmp_path / "file"))
    assert answer_of(MemoryBoard("jbd"), lambda battery: battery.switch("charge", False)).confirmed


def test_a_full_disk_keeps_no_lock_and_hides_no_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who holds the lock is written for people only."""
    journal = Journal("COM9", "jbd", "garage")

    class Full:
        def __init__(self, path: Path) -> None:
            self.file = path.open("ab")

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def truncate(self, size: int) -> None:
            raise OSError(28, "No space left on device")

    made: list[Full] = []

    def hold_full(path: Path) -> Full:
        made.append(Full(path))
        return made[0]

    monkeypatch.setattr("antbms.journal.hold", hold_full)
    with journal.held(utc_now):
        assert not made[0].file.closed
    assert made[0].file.closed
