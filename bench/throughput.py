"""How fast `antbms decode` reads a long recording, and in how much memory: `python bench/throughput.py` (Linux, macOS).

The recording is made for it: readings of the simulator in all three protocols, in the pieces in which Bluetooth carries
them, with junk and damaged frames in between. The command is run as it is; it reads from a named pipe, so that its
rate can be taken from outside, in the last tenth before 10, 50 and 100 % of the bytes.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count, cycle
from pathlib import Path

from antbms.capture import Chunk, write_chunk
from antbms.protocol import MODULES, dialect
from antbms.sim import make_device

if sys.platform == "win32":
    raise SystemExit("this benchmark needs a named pipe, which Windows does not have as a file")

READINGS = 200
"""Different ones of each protocol."""
PIECE = 20
BLOCK = 65536
MARKS = (10, 50, 100)
"""Per cent of the bytes."""
MB = 1e6


def readings(protocol: str) -> list[list[tuple[bytes, bytes]]]:
    """Of a battery in the simulator, each some minutes after the one before: requests and answers."""
    device, spoken = make_device(protocol), dialect(protocol)
    requests = [step[0].raw for step in spoken.STATUS]
    return [[(raw, device.receive(raw, 300.0 * number)) for raw in requests] for number in range(READINGS)]


def traffic(seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """Direction and chunk, without end: every 20th reading is followed by junk, in every 50th a bit is wrong."""
    chance = random.Random(seed)
    turns = cycle(zip(*(readings(protocol) for protocol in MODULES), strict=True))
    number = count(1)
    for turn in turns:
        for reading in turn:
            at = next(number)
            for request, answer in reading:
                yield ">", request
                if at % 50 == 0:
                    wrong = chance.randrange(len(answer))
                    answer = answer[:wrong] + bytes((answer[wrong] ^ 1 << chance.randrange(8),)) + answer[wrong + 1 :]
                for start in range(0, len(answer), PIECE):
                    yield "<", answer[start : start + PIECE]
            if at % 20 == 0:
                yield "<", chance.randbytes(chance.randint(1, 40))


def make(path: Path, size: int) -> None:
    """A recording of at least `size` bytes."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        written, at = 0, 0.0
        for direction, data in traffic():
            at += 0.05
            written += file.write(write_chunk(Chunk("<" if direction == "<" else ">", data, at)))
            if written >= size:
                return


def measure(path: Path, frames: int, *options: str) -> int:
    """Run the command over the recording, and print a line for each mark. The number of frames; 0: not known yet."""
    size = path.stat().st_size
    pipe = path.with_suffix(".pipe")
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "antbms", "decode", str(pipe), *options]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        marks = feed(path, pipe, process.pid)
        assert process.stderr is not None
        said = process.stderr.read()
    seconds = time.perf_counter() - start
    pipe.unlink()
    if found := re.search(r"(\d+) frames", said):
        frames = int(found[1])
    if process.returncode or not frames:
        raise SystemExit(f"failed with status {process.returncode}: {' '.join(command)}\n{said}")
    print(f"antbms decode {' '.join(options)}: {size / MB:.0f} MB, {frames} frames in {seconds:.1f} s")
    for mark, rate, memory in marks:
        print(f"{mark:>5} %{rate / MB:8.2f} MB/s{rate * frames / size:10.0f} frames/s   peak memory {memory:.1f} MB")
    return frames


def feed(path: Path, pipe: Path, pid: int) -> list[tuple[int, float, float]]:
    """Hand the recording over as fast as it is taken: mark, bytes a second in the tenth before it, memory so far."""
    size = path.stat().st_size
    tenths: list[tuple[float, float]] = []
    with path.open("rb") as source, pipe.open("wb") as sink:
        start, done = time.perf_counter(), 0
        while block := source.read(BLOCK):
            sink.write(block)
            done += len(block)
            if done >= size * (len(tenths) + 1) / 10:
                tenths.append((time.perf_counter(), resident(pid)))
    times = [start, *(moment for moment, _ in tenths)]
    return [
        (mark, size / 10 / (times[mark // 10] - times[mark // 10 - 1]), tenths[mark // 10 - 1][1]) for mark in MARKS
    ]


def resident(pid: int) -> float:
    """The most memory that a process has had so far, in MB; 0 where the system does not tell."""
    try:
        found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text("ascii"))
    except OSError:
        found = None
    return int(found[1]) * 1024 / MB if found else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=100.0)
    size = int(parser.parse_args().megabytes * MB)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mixed.cap"
        make(path, size)
        frames = measure(path, 0, "--json")
        measure(path, frames, "--summary")


if __name__ == "__main__":
    main()
