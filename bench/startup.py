"""How long whole processes take: `antbms --version` and `antbms read sim: --json` against `python -c pass`.

`python bench/startup.py`, with a Python in whose environment antbms is installed; the three run by turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

BARE = "python -c pass"
TARGETS = {"antbms --version": 5.0, "antbms read sim: --json": 14.0}


def antbms() -> list[str]:
    """The console script beside this Python; where there is none, the module."""
    script = Path(sys.executable).with_name("antbms.exe" if os.name == "nt" else "antbms")
    return [str(script)] if script.exists() else [sys.executable, "-m", "antbms"]


def milliseconds(command: Sequence[str], env: dict[str, str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True)
    elapsed = (time.perf_counter() - start) * 1e3
    if done.returncode:
        raise SystemExit(f"failed with status {done.returncode}: {' '.join(command)}\n{done.stderr.decode()}")
    return elapsed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    rounds = parser.parse_args().rounds

    commands = {BARE: [sys.executable, "-c", "pass"]}
    commands |= {name: [*antbms(), *name.split()[1:]] for name in TARGETS}
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    for command in commands.values():
        milliseconds(command, env)  # writes the bytecode, warms the disk's cache
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            times[name].append(milliseconds(command, env))

    bare = statistics.median(times[BARE])
    print(f"{' '.join(antbms())}, Python {sys.version.split()[0]}, median of {rounds} processes each")
    print(f"{BARE:<26}{bare:8.1f} ms")
    for name, target in TARGETS.items():
        median = statistics.median(times[name])
        verdict = "met" if median <= target * bare else "MISSED"
        print(f"{name:<26}{median:8.1f} ms{median / bare:7.1f} times (target: at most {target:g}: {verdict})")


if __name__ == "__main__":
    main()
