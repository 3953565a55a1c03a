"""The store: rows written a second, bytes a row, and how long a chart takes, over a day at 1 Hz and over a year.

`python bench/store.py`; `--keep FILE` keeps the database, to look at it with `antbms history`.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from antbms import history
from antbms.model import Flag, Snapshot, SwitchState
from antbms.sinks.store import Config, make
from antbms.timing import Timing

DAY = 86400
TARGET = 50.0
"""ms of a chart of one quantity."""
POINTS = 160
"""What a terminal of 90 columns shows."""
START = datetime(2026, 6, 1, tzinfo=UTC)
SWITCHES = {name: SwitchState(True, 1, "on") for name in ("charge", "discharge")}


def reading(second: int, chance: random.Random, battery: str = "garage") -> Snapshot:
    """A 16-cell pack at a place in the sun: charged at noon, discharged at night, with the noise of its sensors."""
    sun = max(0.0, math.sin((second % DAY / DAY - 0.25) * 2 * math.pi))
    current = round(60 * sun - 15 + chance.gauss(0, 0.3), 1)
    soc = 55 - 35 * math.cos((second % DAY / DAY - 0.1) * 2 * math.pi)
    cells = tuple(
        round(3.2 + soc / 800 + current / 900 + n % 5 / 1000 + chance.choice((0, 0, 0.001)), 3) for n in range(16)
    )
    voltage = round(sum(cells), 2)
    return Snapshot(
        time=START + timedelta(seconds=second, milliseconds=chance.randrange(20)),
        battery=battery,
        protocol="ant",
        level=5,
        state="charging" if current > 0 else "discharging",
        voltage=voltage,
        current=current,
        power=round(voltage * current, 1),
        soc=float(round(soc)),
        soh=100.0,
        capacity=280.0,
        remaining=round(2.8 * soc, 3),
        throughput=round(3486 + second / 9000, 3),
        charged=round(3500 + second / 9000, 3),
        discharged=round(3472 + second / 9000, 3),
        uptime=4_000_000 + second,
        charge_time=800_000 + second // 2,
        discharge_time=1_000_000 + second // 2,
        cells=cells,
        cell_min=min(cells),
        cell_max=max(cells),
        cell_spread=round(max(cells) - min(cells), 3),
        temperatures={name: float(round(20 + 8 * sun)) for name in ("t1", "t2", "t3", "t4", "mosfet", "balancer")},
        switches=SWITCHES,
        flags=(Flag("warning.23", "charge MOSFET on"),),
        details={
            "chemistry": "lfp",
            "board_type": 0,
            "drain_source_voltage": 0.0,
            "discharge_gate_voltage": round(12.4 + chance.choice((0, 0.1)), 1),
            "charge_gate_voltage": 12.0,
            "comparator": 680,
        },
    )


async def write(file: Path, readings: Sequence[Snapshot], batch: int) -> tuple[float, float]:
    """s and s of processor time that the store needs for readings in such batches."""
    store = make(Config(file=str(file)), {}, Timing(now=lambda: START + timedelta(days=1)))
    start, cpu = time.perf_counter(), time.process_time()
    for first in range(0, len(readings), batch):
        await store.take(readings[first : first + batch])
    used = time.perf_counter() - start, time.process_time() - cpu
    await store.close()
    return used


def multiply(file: Path, days: int) -> None:
    """The roll-ups of the first day again, on every day of the year before it."""
    link = sqlite3.connect(file)
    for table in ("minute", "hour"):
        names = [row[1] for row in link.execute(f"PRAGMA table_info({table})")]
        times = ", ".join(f"time - day * {DAY * 1000}" if name == "time" else name for name in names)
        link.execute(
            f"WITH RECURSIVE days(day) AS (SELECT 1 UNION ALL SELECT day + 1 FROM days WHERE day < {days - 1})"
            f" INSERT OR IGNORE INTO {table} ({', '.join(names)}) SELECT {times} FROM days, {table} ORDER BY 2"
        )
    link.commit()
    link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    link.close()


def sizes(file: Path) -> dict[str, float]:
    """Bytes of the file for one row of each table."""
    link = sqlite3.connect(file)
    try:
        found = {
            table: link.execute("SELECT sum(pgsize) FROM dbstat WHERE name = ?", (table,)).fetchone()[0]
            / link.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("raw", "minute", "hour")
        }
    finally:
        link.close()
    return found


def chart(file: Path, quantity: str, days: int, resolution: history.Resolution) -> tuple[float, int]:
    """Median ms of one series, from opening the file on, and its points."""
    end = START + timedelta(days=1)
    times = []
    found = None
    for _ in range(9):
        start = time.perf_counter()
        found = history.series(
            file, "garage", quantity, end - timedelta(days=days), end, resolution=resolution, points=POINTS
        )
        times.append((time.perf_counter() - start) * 1e3)
    assert found is not None
    return statistics.median(times), len(found.points)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, metavar="FILE")
    keep = parser.parse_args().keep
    chance = random.Random(1)
    readings = [reading(second, chance) for second in range(DAY)]
    with tempfile.TemporaryDirectory() as folder:
        print(f"SQLite {sqlite3.sqlite_version}, Python {sys.version.split()[0]}; every commit is on the disk")
        for batch, count in ((1, 2000), (5, 10_000), (1000, 60_000)):
            seconds, cpu = asyncio.run(write(Path(folder) / f"{batch}.db", readings[:count], batch))
            print(
                f"written in batches of {batch:>4}: {count / seconds:8.0f} rows/s, {cpu / count * 1e6:6.0f} µs of"
                " processor time a row, roll-ups included"
            )
        file = keep or Path(folder) / "year.db"
        asyncio.run(write(file, readings, 1000))
        multiply(file, 365)
        each = sizes(file)
        print("bytes a row: " + ", ".join(f"{table} {size:.0f}" for table, size in each.items()))
        day, year = each["raw"] * DAY / 1e6, (each["minute"] * 525_600 + each["hour"] * 8760) / 1e6
        print(f"one battery at 1 Hz: {day:.1f} MB a day of raw rows, {year:.0f} MB a year of roll-ups")
        for quantity in ("voltage", "uptime", "cells.3"):
            for days, resolution in ((365, "hour"), (1, "minute"), (1, "raw")):
                ms, points = chart(file, quantity, days, resolution)  # type: ignore[arg-type]
                verdict = "met" if ms <= TARGET else "MISSED"
                print(
                    f"{quantity:<8} over {days:>3} days, {resolution:<6} rows: {ms:6.1f} ms, {points} points"
                    f" (target: at most {TARGET:g}: {verdict})"
                )


if __name__ == "__main__":
    main()
