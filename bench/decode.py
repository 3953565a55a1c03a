"""Reassembly from 20-byte pieces, checksum and decode of a 14-cell `ant` status: ours against aiobmsble.

`python bench/decode.py` runs both sides by turns, each time in a fresh process of the same interpreter.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common import REPO, STATUS_14S, answers, microseconds, pieces, run_json
from judge_env import judge_python

if TYPE_CHECKING:
    from antbms.model.records import Snapshot

TARGET = 15.0


# --- seam: our side. Pieces in, the whole contract out (alarms, switches, doubts), nothing kept from the last call. ---
def ours(chunks: Sequence[bytes | bytearray]) -> Snapshot:
    raise NotImplementedError


# --- end of the seam ---


def measure_ours() -> None:
    chunks = pieces(answers(STATUS_14S)[0])
    snapshot = ours(chunks)
    result = {
        "who": "antbms",
        "python": platform.python_version(),
        "median_us": microseconds(lambda: ours(chunks)),
        "voltage": snapshot.voltage,
        "cells": snapshot.cells,
    }
    print(json.dumps(result))


def compare(rounds: int) -> None:
    python = judge_python()
    here = Path(__file__).resolve()
    env = os.environ | {"PYTHONPATH": str(REPO / "src")}
    mine, theirs = [], []
    for done in range(rounds):
        mine.append(run_json([python, here, "--ours"], env))
        theirs.append(run_json([python, here.with_name("decode_peer.py")]))
        print(f"\r{done + 1}/{rounds}", end="", file=sys.stderr, flush=True)
    print("\r", end="", file=sys.stderr)
    for key in ("voltage", "cells", "python"):
        if mine[0][key] != theirs[0][key]:
            raise SystemExit(f"the two sides differ in {key}: {mine[0][key]} and {theirs[0][key]}")

    own = statistics.median(run["median_us"] for run in mine)
    bare = statistics.median(run["median_us"] for run in theirs)
    whole = statistics.median(run["median_us_with_derived"] for run in theirs)
    print(f"14-cell ant status from 20-byte pieces, Python {mine[0]['python']}, median of {rounds} processes each")
    print(f"{'antbms':<40}{own:8.1f} µs")
    print(f"{theirs[0]['who'] + ', decode only':<40}{bare:8.1f} µs{bare / own:8.1f} times ours")
    print(f"{theirs[0]['who'] + ', as async_update()':<40}{whole:8.1f} µs{whole / own:8.1f} times ours")
    print(f"target: at least {TARGET:g} times: {'met' if whole >= TARGET * own else 'MISSED'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ours", action="store_true", help="only our side, here, as one line of JSON")
    arguments = parser.parse_args()
    if arguments.ours:
        measure_ours()
    else:
        compare(arguments.rounds)


if __name__ == "__main__":
    main()
