"""Kills a process that writes to the store, at random moments, and looks at what is left.

`python tests/sinks/store_kill.py 200` does it 200 times on one file, each process going on where the last one was
killed; `test_store_kill.py` does it as often as a few seconds allow.
"""

import asyncio
import random
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from store_data import BEGINNING, Clock, at, database, reading

from antbms import history
from antbms.model import Snapshot
from antbms.sinks.store import Config, make
from antbms.sinks.store import open as store_open

BATCH = 5
"""Readings that are handed over at once, one a second: what is lost at most, in s."""
KEPT = 0.02
"""Days: what is older is removed, so that kills hit this too."""
FULL = "FULL"


class Report(NamedTuple):
    kills: int
    working: int
    """How many of them hit a process that had committed something."""
    readings: int


def sample(number: int) -> Snapshot:
    """The reading of a second; each differs from the ones before."""
    return reading(number, soc=number % 1000 / 10, cells=(3.3, (3300 + number % 7) / 1000), cell_min=3.3)


async def write(file: Path, first: int) -> None:
    """Hand over readings for ever, and say after each batch up to where all is committed."""
    clock = Clock()
    store = make(Config(file=str(file), raw_days=KEPT), {}, clock.timing())
    while True:
        clock.seconds = first + BATCH
        await store.take([sample(number) for number in range(first, first + BATCH)])
        first += BATCH
        sys.stdout.write(f"{first}\n")
        sys.stdout.flush()


def killed(file: Path, first: int, after: float, *, at_work: bool) -> int:
    """Start a writer, kill it so many seconds after its start, or at work after its first commit, and return up to
    where it said that all is committed."""
    command = [sys.executable, __file__, "--write", str(file), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = child.stdout.readline() if at_work else ""
        time.sleep(after)
        child.kill()
        lines = (said + child.stdout.read()).split("\n")[:-1]  # the last line may be torn
    return int(lines[-1]) if lines else first


def check(file: Path, committed: int) -> int:
    """Look at everything that is left, and return the number of the first reading that is not there."""
    if not committed and not file.exists():
        return 0
    with database(file) as link:
        assert link.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = link.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if not tables or "garage" not in {stored.name for stored in history.batteries(file)}:
        assert not committed
        return 0
    far = BEGINNING + timedelta(days=100)
    kept = list(history.snapshots(file, "garage", BEGINNING, far))
    oldest = round((kept[0].time - BEGINNING).total_seconds())
    assert kept == [sample(oldest + number) for number in range(len(kept))]
    end = oldest + len(kept)
    assert committed <= end <= committed + BATCH, "what was committed is there, and no more than a batch besides"
    for resolution in ("minute", "hour"):
        counted = history.rollups(file, "garage", at(-3600), far, resolution)
        assert sum(rollup.count for rollup in counted) == end, "every reading is rolled up once"
    return end


def kill_often(folder: Path, times: int, seconds: float, seed: int, least: int = 8) -> Report:
    """Kill `times` writers, or as many as `seconds` allow; `least` also where that takes longer."""
    file, chance = folder / "store.db", random.Random(seed)
    committed = kills = working = 0
    end = time.monotonic() + seconds
    while kills < times and (kills < least or time.monotonic() < end):
        said = killed(file, committed, chance.uniform(0.0, 0.3), at_work=kills % 4 > 0)
        working += said > committed
        kills += 1
        reached = check(file, said)
        # What was not acknowledged comes again, whether it is in the file or not.
        committed = said if chance.random() < 0.5 else reached // BATCH * BATCH
    return Report(kills, working, committed)


def main() -> None:
    if sys.argv[1] == "--write":
        store_open.SYNCHRONOUS = FULL
        asyncio.run(write(Path(sys.argv[2]), int(sys.argv[3])))
    with tempfile.TemporaryDirectory() as folder:
        seed = random.randrange(10**6)
        report = kill_often(Path(folder), int(sys.argv[1]), 3600, seed)
        sys.stdout.write(
            f"seed {seed}: {report.kills} kills, {report.working} of them after a commit; {report.readings} readings\n"
            "The database opened every time, nothing committed was lost, and every reading was counted once.\n"
        )


if __name__ == "__main__":
    main()
