"""What came while this process was busy, and still lies in the system's buffer, is no answer to what is asked next."""

import asyncio
import os
import select
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from battery_fakes import PROTOCOLS, REQUESTS, number_of

import antbms
import patience
from antbms.sim import make_device

OLD, FIRST = 7, 20
Numbered = Callable[[int], bytes]
"""An answer to a request of the status that says its number; see `number_of`."""


@asynccontextmanager
async def over_tcp(answer: Numbered) -> AsyncIterator[tuple[str, Callable[[bytes], object]]]:
    """Its address, and what sends without a request."""
    clients: list[asyncio.StreamWriter] = []
    numbers = iter(range(FIRST, 100))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.append(writer)
        while await reader.read(4096):
            writer.write(answer(next(numbers)))
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield f"socket://127.0.0.1:{server.sockets[0].getsockname()[1]}", lambda data: clients[-1].write(data)


@asynccontextmanager
async def over_pty(answer: Numbered) -> AsyncIterator[tuple[str, Callable[[bytes], object]]]:
    """As `over_tcp`."""
    import tty

    far, near = os.openpty()
    tty.setraw(near)
    loop, numbers = asyncio.get_running_loop(), iter(range(FIRST, 100))

    def hear() -> None:
        os.read(far, 4096)
        os.write(far, answer(next(numbers)))

    def send(data: bytes) -> None:
        os.write(far, data)
        assert select.select([near], [], [], patience.LONG)[0]  # the kernel hands it on in its own time

    loop.add_reader(far, hear)
    try:
        yield os.ttyname(near), send
    finally:
        loop.remove_reader(far)
        os.close(far)
        os.close(near)


@pytest.mark.parametrize(
    "over", [over_tcp, pytest.param(over_pty, marks=pytest.mark.skipif(sys.platform == "win32", reason="no ptys"))]
)
@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name != "jbd"])  # one answer a reading
def test_no_old_answer_after_a_stall(protocol: str, over: Callable[..., Any]) -> None:
    def answer(number: int) -> bytes:
        return make_device(protocol, {"capacity": str(100 + number)}).receive(REQUESTS[protocol], 0.0)

    async def main() -> list[int]:
        async with over(answer) as (address, send), antbms.open(address, protocol=protocol) as battery:
            numbers = [number_of(await battery.read())]
            for _ in range(3):
                send(answer(OLD))  # and the loop has no turn before the next request
                numbers.append(number_of(await battery.read()))
            return numbers

    numbers = patience.run(main())
    assert OLD not in numbers
    assert numbers == sorted(set(numbers))
