"""What the benchmarks share: frames out of the recordings, running a part as a process, medians."""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import timeit
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parent.parent
STATUS_14S = "ant/14s-4t-model2021.txt"


def answers(name: str) -> list[bytes]:
    """The frames from the device in a recording, read where the recordings lie (never copied)."""
    folder = Path(os.environ.get("ANTBMS_CAPTURES", REPO.parent / "shared" / "captures"))
    try:
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SystemExit(f"{error}\n  Set ANTBMS_CAPTURES to the folder of the recordings.") from error
    return [bytes.fromhex(line[2:]) for line in lines if line.startswith("< ")]


def pieces(frame: bytes, size: int = 20) -> list[bytearray]:
    """The frame as Bluetooth notifications carry it; bytearrays, as bleak hands them out."""
    return [bytearray(frame[start : start + size]) for start in range(0, len(frame), size)]


def microseconds(work: Callable[[], object], repeats: int = 15, seconds: float = 0.03) -> float:
    """Median time of one call, over `repeats` batches of about `seconds` each; the collector runs as usual."""
    timer = timeit.Timer(work, gc.enable)
    timer.timeit(50)
    number = max(1, round(seconds / (timer.timeit(50) / 50)))
    return statistics.median(timer.repeat(repeats, number)) / number * 1e6


def run_json(command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a part of a benchmark; what it prints last is one line of JSON."""
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"failed with status {done.returncode}: {' '.join(map(str, command))}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
