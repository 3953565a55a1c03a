"""Reading over a simulated UART: how much `Battery.read` adds to the time that the bytes need on the wire.

`python bench/wire.py` (Linux, macOS). The far end of a pty answers requests as a battery without thinking time would;
bytes take their time in both directions, as on a line with 8N1 (10 bits a byte).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import select
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from common import STATUS_14S, answers

if TYPE_CHECKING:
    from antbms.model.records import Snapshot

if sys.platform == "win32":
    raise SystemExit("this benchmark needs a pty, which Windows does not have")

TARGET = 1.1
BITS = 10


class Line(NamedTuple):
    """One protocol on a wire: its speed, what a read asks (key: byte 2 of the request), what is answered."""

    protocol: str
    baud: int
    request: int
    """Length of a read request."""
    answers: dict[int, bytes]
    pauses: float
    """Seconds of pauses that our documentation prescribes within one read."""

    @property
    def wire_time(self) -> float:
        return sum(self.request + len(answer) for answer in self.answers.values()) * BITS / self.baud


def lines() -> list[Line]:
    from antbms.protocol import jbd

    basic, cells = answers("jbd/4s-100ah.txt")
    return [
        Line("ant", 19200, 10, {0x01: answers(STATUS_14S)[0]}, 0.0),
        Line("jbd", 9600, 7, {0x03: basic, 0x04: cells}, jbd.PAUSE),
    ]


# --- seam: our side. ---
async def read_ours(port: str, protocol: str) -> tuple[float, float, Snapshot]:
    """Seconds for `read` alone, seconds from before opening to after closing, what was read."""
    import antbms

    start = time.perf_counter()
    async with antbms.open(port, protocol=protocol) as battery:
        before = time.perf_counter()
        snapshot = await battery.read()
        read = time.perf_counter() - before
    return read, time.perf_counter() - start, snapshot


# --- end of the seam ---


class FarEnd(threading.Thread):
    """The battery's end of the line. A request counts as arrived when its last bit would have been."""

    def __init__(self, line: Line) -> None:
        import tty  # not on Windows

        super().__init__(daemon=True)
        self.line = line
        self.master, self._slave = os.openpty()  # the second is kept open, so that closing the port is no hang-up
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.requests: list[bytes] = []
        self._wake, self._waker = os.pipe()

    def run(self) -> None:
        pending = b""
        idle_since = time.monotonic()
        while True:
            ready, _, _ = select.select([self.master, self._wake], [], [])
            if self._wake in ready:
                return
            started = time.monotonic()
            data = os.read(self.master, 4096)
            # what was written in one go leaves the sender byte by byte
            idle_since = max(idle_since, started) + len(data) * BITS / self.line.baud
            pending += data
            while len(pending) >= self.line.request:
                request, pending = pending[: self.line.request], pending[self.line.request :]
                self.requests.append(request)
                self._send(self.line.answers.get(request[2], b""), idle_since)

    def _send(self, answer: bytes, start: float) -> None:
        """Byte k is there after k + 1 byte times; deadlines are absolute, so a late wake-up is made up for."""
        sent = 0
        while sent < len(answer):
            time.sleep(max(0.0, start + (sent + 1) * BITS / self.line.baud - time.monotonic()))
            due = min(len(answer), int((time.monotonic() - start) * self.line.baud / BITS + 1e-6))
            os.write(self.master, answer[sent:due])
            sent = max(sent, due)

    def close(self) -> None:
        os.write(self._waker, b"x")
        self.join()
        for descriptor in (self.master, self._slave, self._wake, self._waker):
            os.close(descriptor)


def measure(line: Line, rounds: int) -> tuple[float, float]:
    """Medians, in seconds: `read` alone, and with opening and closing."""
    times = []
    asked: list[int] = []
    for _ in range(rounds + 1):
        far_end = FarEnd(line)
        far_end.start()
        try:
            read, whole, snapshot = asyncio.run(read_ours(far_end.port, line.protocol))
        finally:
            far_end.close()
        if not snapshot.cells:
            raise SystemExit(f"{line.protocol}: a snapshot without cells")
        times.append((read, whole))
        asked = [request[2] for request in far_end.requests]
    if asked != list(line.answers):
        print(f"{line.protocol}: asked {asked} in the last round, {list(line.answers)} would do", file=sys.stderr)
    del times[0]  # the first one pays for imports
    return statistics.median(read for read, _ in times), statistics.median(whole for _, whole in times)


def report(line: Line, read: float, whole: float) -> None:
    floor = line.wire_time + line.pauses
    print(
        f"{line.protocol:<4} {line.baud:>6} baud: wire {line.wire_time * 1e3:6.1f} ms + pauses {line.pauses * 1e3:5.1f}"
        f" ms; read {read * 1e3:6.1f} ms = {read / floor:.3f} times, with open and close {whole * 1e3:6.1f} ms"
        f" = {whole / floor:.3f} times (target: at most {TARGET:g}: {'met' if read <= TARGET * floor else 'MISSED'})"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args(arguments).rounds
    for line in lines():
        report(line, *measure(line, rounds))


if __name__ == "__main__":
    main()
