"""A far end that does what a test says, in virtual time; and a count of what must not be left behind."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import antbms
from antbms.battery import Battery
from antbms.errors import LinkLost
from antbms.protocol import ant, ant_legacy, jbd
from antbms.protocol.framing import Frame
from antbms.sim import Device, Piece, make_device
from antbms.sim.faults import FaultyLine
from antbms.transport import Medium
from virtual_time import now, timing

ANT = ant.STATUS[0][0].raw
BLUETOOTH, WIRE = (request.raw for request in ant_legacy.STATUS[0])
BASIC, CELLS = (step[0].raw for step in jbd.STATUS)
REQUESTS = {"ant": ANT, "ant-legacy": BLUETOOTH, "jbd": BASIC}
PROTOCOLS = tuple(REQUESTS)
JUNK = bytes(range(0x20, 0x3C))

Far = Callable[[bytes, "Line"], Iterable[tuple[float, bytes]]]
"""What a far end does with bytes that it gets: pieces, each after so many s."""


class Line:
    """A pipe to a far end in this process. `log` holds what was done to it: time, `baud` or the bytes."""

    address: str | None = None
    expects: str | None = None

    def __init__(self, far: Far, medium: Medium = Medium.UNKNOWN) -> None:
        self.far = far
        self.medium = medium
        self.baud = 0
        self.log: list[tuple[float, int | bytes]] = []
        self._ready = bytearray()
        self._wake = asyncio.Event()
        self._gone = False

    @property
    def written(self) -> list[bytes]:
        return [what for _, what in self.log if isinstance(what, bytes)]

    @property
    def steps(self) -> list[int | bytes]:
        return [what for _, what in self.log]

    def deliver(self, data: bytes) -> None:
        self._ready += data
        self._wake.set()

    def lose(self) -> None:
        self._gone = True
        self._wake.set()

    async def read(self) -> bytes:
        while not self._ready:
            if self._gone:
                raise LinkLost("COM9: link lost: the port went away")
            self._wake.clear()
            await self._wake.wait()
        data = bytes(self._ready)
        self._ready.clear()
        return data

    async def write(self, data: bytes, *, secret: bool = False) -> None:
        if self._gone:
            raise LinkLost("COM9: link lost: the port went away")
        self.log.append((now(), data))
        for delay, piece in self.far(data, self):
            asyncio.get_running_loop().call_later(delay, self.deliver, piece)
        await asyncio.sleep(0)

    async def set_baud(self, baud: int) -> None:
        self.log.append((now(), baud))
        self.baud = baud
        await asyncio.sleep(0)

    async def close(self) -> None:
        self.lose()


@asynccontextmanager
async def battery_over(line: Line, **arguments: Any) -> AsyncIterator[Battery]:
    """`antbms.open("COM9")`, with `line` for the port."""

    async def open_pipe(where: object, timing: object, baud: int, record: Path | None, *, redact: bool) -> Line:
        line.baud = baud
        return line

    with mock.patch("antbms.battery.open_pipe", open_pipe):
        async with antbms.open("COM9", **{"timing": timing(), **arguments}) as battery:
            yield battery


def board(protocol: str, delay: float = 0.05) -> Far:
    """A simulated board that takes `delay` s to answer."""
    device = make_device(protocol)

    def far(data: bytes, line: Line) -> list[tuple[float, bytes]]:
        answer = device.receive(data, now())
        return [(delay, answer)] if answer else []

    return far


def overhear(device: Device, note: Callable[[bytes, bytes], object]) -> None:
    """Tell `note` what a client sends to a device that is served, and what it answers."""
    line = device.line

    def tapped() -> FaultyLine:
        made = line()
        receive = made.receive

        def heard(data: bytes, clock: float) -> list[Piece]:
            pieces = receive(data, clock)
            note(data, b"".join(piece.data or b"" for piece in pieces))
            return pieces

        made.receive = heard  # type: ignore[method-assign]
        return made

    device.line = tapped  # type: ignore[method-assign]


def silent(data: bytes, line: Line) -> list[tuple[float, bytes]]:
    return []


def scripted(*answers: list[tuple[float, bytes]]) -> Far:
    """The next of the answers to whatever is sent; silence after the last."""
    rest = iter(answers)
    return lambda data, line: next(rest, [])


def status(protocol: str, number: int = 0, soc: int = 50) -> bytes:
    """The answer to a request of the status; different numbers make different answers."""
    step = jbd.STATUS.index((jbd.STATUS[0][0],)) if protocol == "jbd" else 0
    device = make_device(protocol, {"soc": str(soc), "seed": str(number + 1)})
    return device.receive((REQUESTS[protocol], CELLS)[step], 0.0)


def numbered(protocol: str, delay: float = 0.05) -> Far:
    """A board whose n-th answer of status (from 0) says so: `number_of` finds it in the snapshot."""
    count = iter(range(1000))

    def far(data: bytes, line: Line) -> list[tuple[float, bytes]]:
        device = make_device(protocol, {"capacity": str(100 + next(count))})
        return [(delay, device.receive(data, 0.0))]

    return far


def number_of(snapshot: antbms.Snapshot) -> int:
    assert snapshot.capacity is not None
    return round(snapshot.capacity) - 100


def damaged(frame: bytes) -> bytes:
    """One bit of its middle turned round."""
    middle = len(frame) // 2
    return frame[:middle] + bytes((frame[middle] ^ 1,)) + frame[middle + 1 :]


def snapshot_of(protocol: str, *frames: bytes) -> dict[str, Any]:
    """What is in frames, without time and name."""
    from antbms.protocol import dialect

    spoken = dialect(protocol)
    packets = [spoken.unpack(Frame(protocol, frame)) for frame in frames]
    return content(spoken.to_snapshot(packets, time=antbms.timing.utc_now(), battery=""))


def content(snapshot: antbms.Snapshot) -> dict[str, Any]:
    """A snapshot without time and name."""
    record = snapshot.to_dict()
    del record["time"], record["battery"]
    return record


def descriptors() -> int:
    """How many this process has open; 0 where the system does not tell."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop run until `condition` holds; the time limit of the tests ends it if it never does."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)
