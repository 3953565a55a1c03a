"""The file of totals: nothing that was published goes back, whatever happens to the process, the disk or the file."""

import asyncio
import errno
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from antbms import ledger as module
from antbms.derive import Totals
from antbms.errors import FileError, UsageError
from antbms.ledger import Ledger
from virtual_time import AtOnce, run, timing

Log = pytest.LogCaptureFixture
ONE, TWO = Totals(1.0, 0.5, 20.0, 10.0), Totals(2.0, 0.5, 40.0, 10.0)


def opened(path: Path | None) -> Ledger:
    return Ledger(path, module.Timing()).__enter__()


def committed(path: Path) -> Totals | None:
    """As the next process finds it."""
    with Ledger(path, module.Timing()) as ledger:
        return ledger.committed("garage")


def test_only_what_is_in_the_file_is_published(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "totals.json"
    ledger = opened(path)
    ledger.put("garage", ONE)
    assert ledger.committed("garage") == Totals()
    assert not path.exists()
    asyncio.run(ledger.commit())
    assert ledger.committed("garage") == ONE
    ledger.__exit__()
    assert committed(path) == ONE


def test_it_is_written_at_least_every_5_s_and_only_if_something_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[float] = []

    monkeypatch.setattr(module, "_write", lambda path, batteries: writes.append(1))
    monkeypatch.setattr(module, "Worker", AtOnce)

    async def main() -> None:
        ledger = Ledger(tmp_path / "t.json", timing()).__enter__()
        task = asyncio.create_task(ledger.run())
        await asyncio.sleep(60)
        assert not writes
        for second in range(60):
            ledger.put("garage", Totals(second))
            await asyncio.sleep(1)
            written = ledger.committed("garage")
            assert written is not None
            assert written.energy_charged >= second - 5
        task.cancel()
        await asyncio.wait({task})
        ledger.__exit__()

    run(main())
    assert 12 <= len(writes) <= 20


def test_without_a_file_totals_are_in_memory() -> None:
    ledger = opened(None)
    ledger.put("garage", ONE)
    assert ledger.committed("garage") == ONE
    asyncio.run(ledger.commit())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"version": 1, "batteries": {"garage": {"energy_char',
        b"\x00" * 300,
        b"[]",
        b'{"version": 1, "batteries": {"garage": {"energy_charged": -5}}}',
        b'{"version": 1, "batteries": {"garage": {"energy_charged": "much"}}}',
        b'{"version": "x", "batteries": {}}',
        b'{"batteries": {}}',
    ],
)
def test_a_file_that_makes_no_sense_is_kept_aside_and_said(tmp_path: Path, content: bytes, caplog: Log) -> None:
    path = tmp_path / "totals.json"
    path.write_bytes(content)
    assert committed(path) == Totals()
    (aside,) = tmp_path.glob("totals.json.corrupt-*")
    assert aside.read_bytes() == content
    assert aside.name in caplog.text


def test_the_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "totals.json"
    path.write_bytes(b'{"version": 2, "pages": []}')
    with pytest.raises(UsageError, match="newer version"):
        opened(path)
    assert path.read_bytes() == b'{"version": 2, "pages": []}'


def test_a_disk_that_takes_nothing_is_said_once_and_totals_stand_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Log
) -> None:
    path = tmp_path / "totals.json"
    ledger = opened(path)
    ledger.put("garage", ONE)
    asyncio.run(ledger.commit())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, caplog.at_level(logging.INFO):
        patched.setattr(module, "_write", full)
        for _ in range(3):
            ledger.put("garage", TWO)
            asyncio.run(ledger.commit())
            assert ledger.committed("garage") == ONE
    with caplog.at_level(logging.INFO):
        asyncio.run(ledger.commit())
    assert ledger.committed("garage") == TWO
    ledger.__exit__()
    assert committed(path) == TWO
    assert caplog.text.count("no space left") == 1
    assert caplog.text.count("written again") == 1


def test_a_half_written_new_file_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "totals.json"
    ledger = opened(path)
    ledger.put("garage", ONE)
    asyncio.run(ledger.commit())
    ledger.__exit__()
    (tmp_path / "totals.json.new").write_bytes(b'{"version"')
    assert committed(path) == ONE


def test_a_file_is_for_one_program(tmp_path: Path) -> None:
    path = tmp_path / "totals.json"
    code = """if True:
        import sys
        from pathlib import Path
        from antbms.ledger import Ledger, Timing
        with Ledger(Path(sys.argv[1]), Timing()):
            print(1, flush=True)
            input()
    """
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "1\n"
        with pytest.raises(UsageError, match="another monitor"):
            opened(path)
        other.kill()
    assert committed(path) == Totals()  # a killed process holds nothing


def test_what_is_counted_is_added_to_what_the_file_held(tmp_path: Path) -> None:
    path = tmp_path / "totals.json"
    for _ in range(3):
        ledger = opened(path)
        for counted in (ONE, TWO):
            ledger.put("garage", counted)
            asyncio.run(ledger.commit())
        ledger.__exit__()
    assert committed(path) == Totals(6.0, 1.5, 120.0, 30.0)


def folder_missing(path: Path, patch: pytest.MonkeyPatch) -> Callable[[], object]:
    path.parent.touch()
    return path.parent.unlink


def is_a_folder(path: Path, patch: pytest.MonkeyPatch) -> Callable[[], object]:
    path.mkdir(parents=True)
    return path.rmdir


def no_locks(path: Path, patch: pytest.MonkeyPatch) -> Callable[[], object]:
    """As on some network drives."""

    def fails(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    name = "msvcrt.locking" if sys.platform == "win32" else "fcntl.flock"
    patch.setattr(name, fails)
    return patch.undo


@pytest.mark.parametrize("break_it", [folder_missing, is_a_folder, no_locks])
def test_a_file_that_cannot_be_used_is_said_once_and_taken_when_it_can(
    tmp_path: Path, break_it: Any, caplog: Log
) -> None:
    path = tmp_path / "place" / "totals.json"
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.INFO):
        mend = break_it(path, patch)
        ledger = opened(path)
        for _ in range(3):
            assert ledger.committed("garage") is None
            ledger.put("garage", ONE)
            asyncio.run(ledger.commit())
        assert len(caplog.records) == 1
        text = caplog.records[0].getMessage()
        assert text.startswith(f"totals: {path}: ")
        assert "another monitor" not in text
        assert "not published" in text
        mend()
        asyncio.run(ledger.commit())
    assert ledger.committed("garage") == ONE
    assert [record.getMessage().split()[-2:] for record in caplog.records[1:]] == [["written", "again"]]
    ledger.__exit__()
    assert committed(path) == ONE


def test_a_file_that_another_monitor_took_meanwhile_is_said_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Log
) -> None:
    path = tmp_path / "place" / "totals.json"
    ledger_mends = folder_missing(path, monkeypatch)
    ledger = opened(path)
    ledger_mends()
    other = opened(path)
    for _ in range(3):
        asyncio.run(ledger.commit())
    assert ledger.committed("garage") is None
    assert caplog.text.count("another monitor counts into this file") == 1
    assert "--store" in caplog.text
    other.__exit__()
    asyncio.run(ledger.commit())
    assert ledger.committed("garage") == Totals()
    ledger.__exit__()


def test_a_check_says_the_same_and_touches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "totals.json"
    module.check(path)
    assert not list(tmp_path.iterdir())
    path.parent.mkdir()
    path.write_bytes(b'{"version": 2}')
    with pytest.raises(UsageError, match="newer version"):
        module.check(path)
    path.write_bytes(b"\x00")
    module.check(path)  # it would be kept aside
    assert [one.name for one in path.parent.iterdir()] == ["totals.json"]
    with Ledger(tmp_path / "held.json", module.Timing()):
        module.check(tmp_path / "held.json")  # one asks while the monitor runs
    with pytest.raises(FileError, match=r"totals\.json/x: "):
        module.check(path / "x")
    with pytest.raises(FileError, match="new: "):
        module.check(path.parent)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_a_check_finds_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.os, "access", lambda where, mode: where != tmp_path)
    with pytest.raises(FileError, match="cannot be written"):
        module.check(tmp_path / "deep" / "totals.json")


KILLED = """
import asyncio, os, random, signal, sys, time
from pathlib import Path
from antbms.derive import Totals
from antbms.ledger import Ledger
from antbms.timing import Timing

path, chance = Path(sys.argv[1]), random.Random(5)

async def count(out):
    ledger = Ledger(path, Timing(commit=0.002)).__enter__()
    total = 0.0
    task = asyncio.create_task(ledger.run())
    while True:
        os.write(out, b"%r\\n" % ledger.committed("garage").energy_charged)
        total += 1.0
        ledger.put("garage", Totals(total))
        await asyncio.sleep(0.0005)

seen = 0.0
for round in range(200):
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.close(ours)
        asyncio.run(count(theirs))
    os.close(theirs)
    with open(ours, "rb") as pipe:
        told = []
        while round % 4 and max(told, default=0.0) <= seen:  # three of four are killed at work, one at any moment
            told.append(float(pipe.readline()))
        time.sleep(chance.uniform(0.0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        told += [float(line) for line in pipe.read().split(b"\\n")[:-1]]
    assert told == sorted(told), "it went back within a life"
    assert not told or told[0] >= seen, f"it went back from {seen} to {told[0]} in round {round}"
    seen = max([seen, *told])
print(seen)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_kill_9_at_200_random_moments(tmp_path: Path) -> None:
    """What was published before is never more than what is published afterwards."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "totals.json")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) >= 150
    assert not list(tmp_path.glob("*.corrupt-*"))
