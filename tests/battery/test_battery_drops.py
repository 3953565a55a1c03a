"""A thousand links that end at a random byte: each reading is right, or a documented error in time; nothing is left."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import antbms
import garbage
import patience
from antbms.sim import Device, make_device

DROPS = 1000
AT_ONCE = 10
"""Links that are tried side by side: the wait for a lost answer is most of the time."""
QUICK = patience.timing(answer=0.1, silence=0.01, drain=0.05, tries=2, close=1.0, open=2.0)
LIMIT = 2 * (0.1 + 0.05) * 2 + 2.0
"""s: two requests of a jbd reading, each tried twice, and some for opening and closing."""

PROTOCOLS = ("ant", "ant-legacy", "jbd")
Cut = Callable[[bytes], tuple[bytes, bool]]
"""What is sent of an answer, and whether the link ends then."""


def cut_at(total: int) -> Cut:
    """The link ends after `total` bytes."""
    left = total

    def cut(answer: bytes) -> tuple[bytes, bool]:
        nonlocal left
        piece = answer[:left]
        left -= len(piece)
        return piece, left == 0

    return cut


@asynccontextmanager
async def over_tcp(device: Device, cut: Cut) -> AsyncIterator[str]:
    done: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            done.add(task)
        ended = False
        try:
            while not ended and (data := await reader.read(4096)):
                piece, ended = cut(device.receive(data, patience.now()))
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        finally:
            if ended and chance.random() < 0.5:
                writer.transport.abort()
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"socket://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await asyncio.gather(*done, return_exceptions=True)


@asynccontextmanager
async def over_pty(device: Device, cut: Cut) -> AsyncIterator[str]:
    """The far end is hung up by closing it, as a USB cable that is pulled."""
    master, slave = os.openpty()
    path = os.ttyname(slave)
    os.set_blocking(master, False)
    loop = asyncio.get_running_loop()
    is_open = True

    def hang_up() -> None:
        nonlocal is_open
        if is_open:
            is_open = False
            loop.remove_reader(master)
            os.close(master)
            os.close(slave)

    def talk() -> None:
        piece, ended = cut(device.receive(os.read(master, 4096), patience.now()))
        os.write(master, piece)
        if ended:
            hang_up()

    loop.add_reader(master, talk)
    try:
        yield path
    finally:
        hang_up()


chance = random.Random(7)

LINES = {"tcp": over_tcp, "pty": over_pty}


async def one(line: Callable[[Device, Cut], object], protocol: str, total: int) -> str:
    """One reading; what became of it."""
    device = make_device(protocol)
    truth = [raw for raw in device.snapshot().cells if raw is not None]
    start = patience.now()
    async with line(device, cut_at(total)) as address:  # type: ignore[attr-defined]
        try:
            async with antbms.open(address, protocol=protocol, timing=QUICK) as battery:
                snapshot = await battery.read()
        except antbms.LinkError as error:
            assert str(error).startswith(address)  # noqa: PT017  # an error is one of the two right outcomes
            outcome = type(error).__name__
        else:
            assert snapshot.cells == pytest.approx(truth, abs=0.02)
            assert snapshot.doubts == ()
            outcome = "read"
    assert patience.now() - start < LIMIT
    return outcome


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc")
@pytest.mark.parametrize("place", LINES)
def test_a_thousand_drops(place: str) -> None:
    tried = [(chance.choice(PROTOCOLS), chance.randrange(1, 170)) for _ in range(DROPS)]

    async def main() -> dict[str, int]:
        outcomes: dict[str, int] = {}
        await one(LINES[place], "ant", 1000)  # what the first use of a library keeps is not a leak
        garbage.collect()  # what other tests left to it
        before = descriptors(), len(asyncio.all_tasks())
        for at in range(0, DROPS, AT_ONCE):
            for outcome in await asyncio.gather(*(one(LINES[place], *pair) for pair in tried[at : at + AT_ONCE])):
                outcomes[outcome] = outcomes.get(outcome, 0) + 1
        await asyncio.sleep(0)
        assert (descriptors(), len(asyncio.all_tasks())) == before
        return outcomes

    outcomes = patience.run(main())
    assert set(outcomes) == {"read", "LinkLost"}
    assert min(outcomes.values()) > DROPS / 20, outcomes


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
