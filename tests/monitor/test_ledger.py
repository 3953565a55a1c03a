"""The file of totals: nothing that was published goes back, whatever happens to the process, the disk or the file."""

import asyncio
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
from virtual_time import run, timing

Log = pytest.LogCaptureFixture
ONE, TWO = Totals(1.0, 0.5, 20.0, 10.0), Totals(2.0, 0.5, 40.0, 10.0)


def opened(path: Path | None) -> Ledger:
    return Ledger(path, module.Timing()).__enter__()


def committed(path: Path) -> Totals:
    """As the next process finds it."""
    ledger = opened(path)
    ledger.__exit__()
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

    async def at_once(work: Callable[..., None], *arguments: Any) -> None:
        work(*arguments)

    monkeypatch.setattr(module, "_write", lambda path, batteries: writes.append(1))
    monkeypatch.setattr(module.asyncio, "to_thread", at_once)  # a thread keeps no virtual time

    async def main() -> None:
        ledger = Ledger(tmp_path / "t.json", timing()).__enter__()
        task = asyncio.create_task(ledger.run())
        await asyncio.sleep(60)
        assert not writes
        for second in range(60):
            ledger.put("garage", Totals(second))
            await asyncio.sleep(1)
            assert ledger.committed("garage").energy_charged >= second - 5
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


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=r"totals\.json"):
        opened(tmp_path / "file" / "totals.json")


KILLED = """
import asyncio, os, random, signal, sys, time
from pathlib import Path
from antbms.derive import Totals
from antbms.ledger import Ledger
from antbms.timing import Timing

path, chance = Path(sys.argv[1]), random.Random(5)

async def count(out):
    ledger = Ledger(path, Timing(commit=0.002)).__enter__()
    total = ledger.committed("garage").energy_charged
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
    time.sleep(chance.uniform(0.005, 0.04))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with open(ours, "rb") as pipe:
        told = [float(line) for line in pipe.read().split(b"\\n")[:-1]]
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
    assert float(done.stdout) > 200
    assert not list(tmp_path.glob("*.corrupt-*"))
