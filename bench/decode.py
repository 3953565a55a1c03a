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
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from common import REPO, STATUS_14S, answers, microseconds, pieces, run_json
from judge_env import judge_python

if TYPE_CHECKING:
    from antbms.model import Snapshot

TARGET = 15.0


def decoder() -> Callable[[Sequence[bytes | bytearray]], Snapshot]:
    """Our side: pieces in, the whole contract out (alarms, switches, doubts), as a session of `Battery` does it."""
    from antbms.protocol import ant
    from antbms.protocol.session import Session

    session = Session(ant.SHAPES)
    request = ant.STATUS[0][0]
    now = datetime.now(UTC)

    def decode(chunks: Sequence[bytes | bytearray]) -> Snapshot:
        session.send(request)
        answer = None
        for chunk in chunks:
            answer = session.receive(chunk)
        assert answer is not None
        return ant.to_snapshot([ant.unpack(answer[1])], time=now, battery="garage")

    return decode


def measure_ours() -> None:
    chunks = pieces(answers(STATUS_14S)[0])
    ours = decoder()
    snapshot = ours(chunks)
    result = {
        "who": "antbms",
        "python": platform.python_version(),
        "median_us": microseconds(lambda: ours(chunks)),
        "voltage": snapshot.voltage,
        "cells": list(snapshot.cells),
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
    print(f"14-cell ant status from 20-byte pieces, Python {mine[0]['python']}, median of {rounds} processes each")
    print(f"{'antbms':<48}{own:8.1f} µs")
    ratio = 0.0
    for key, what in (
        ("median_us", "decode only, its waiting taken out"),
        ("median_us_with_derived", "the same, with derived values"),
        ("median_us_offered", "as it is offered: async_update()"),
    ):
        peer = statistics.median(run[key] for run in theirs)
        ratio = peer / own
        print(f"{theirs[0]['who'] + ', ' + what:<48}{peer:8.1f} µs{ratio:8.1f} times ours")
    verdict = "met" if ratio >= TARGET else "MISSED"
    print(f"target: at least {TARGET:g} times as fast as what the peer offers: {verdict}")


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
