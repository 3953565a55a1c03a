"""Simulated batteries that others can reach: several clients, one after the other or at once."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing

import pytest
from battery_fakes import PROTOCOLS, REQUESTS, descriptors, until

import antbms
from antbms.errors import NoAnswer, OpenError, UsageError
from antbms.serve import serve, serve_pty, serve_tcp
from antbms.sim import make_device
from antbms.timing import Timing

QUICK = Timing(silence=0.01, answer=0.3, open=10)
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no ptys")
PLACES = ["tcp", pytest.param("pty", marks=posix)]


def server(where: str, protocol: str) -> contextlib.AbstractAsyncContextManager[str]:
    return (serve_pty if where == "pty" else serve_tcp)(make_device(protocol))


async def read(address: str, protocol: str) -> None:
    async with antbms.open(address, protocol=protocol, timing=QUICK) as battery:
        assert (await battery.read()).protocol == protocol
        assert battery.stats.rejected == {}
        assert battery.stats.stale == (protocol == "ant-legacy")  # both alternatives are answered


@asynccontextmanager
async def raw(address: str) -> AsyncIterator[Callable[[bytes], object]]:
    """A client that only sends."""
    if address.startswith("socket://"):
        host, port = address.removeprefix("socket://").split(":")
        with closing(socket.create_connection((host, int(port)))) as client:
            yield client.send
    else:
        port_end = os.open(address, os.O_RDWR | os.O_NOCTTY)
        try:
            yield lambda data: os.write(port_end, data)
        finally:
            os.close(port_end)


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_client_after_the_other(where: str, protocol: str) -> None:
    async def main() -> None:
        async with server(where, protocol) as address:
            for _ in range(3):
                await read(address, protocol)

    asyncio.run(main())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_two_clients_at_once(protocol: str) -> None:
    async def main() -> None:
        async with (
            serve_tcp(make_device(protocol)) as address,
            antbms.open(address, protocol=protocol, timing=QUICK) as one,
            antbms.open(address, protocol=protocol, timing=QUICK) as other,
        ):
            for _ in range(5):
                snapshots = await asyncio.gather(one.read(), other.read())
                assert snapshots[0].cells == pytest.approx(snapshots[1].cells, abs=0.01)
            for battery in one, other:
                assert (battery.stats.rejected, battery.stats.stale) == ({}, int(protocol == "ant-legacy"))
                assert battery.stats.answers == battery.stats.requests

    asyncio.run(main())


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_client_that_does_not_wait_for_its_answer(where: str, protocol: str) -> None:
    async def main() -> None:
        async with server(where, protocol) as address:
            async with raw(address) as send:
                send(REQUESTS[protocol])
            await read(address, protocol)

    asyncio.run(main())


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_client_that_goes_in_the_middle_of_its_request(where: str, protocol: str, size: int) -> None:
    """A board forgets half a request; so the next client is answered, at its second try at the latest."""
    served = asyncio.Event()

    async def main() -> None:
        device = make_device(protocol)
        receive = device.receive

        def noted(data: bytes, clock: float) -> bytes:
            served.set()
            return receive(data, clock)

        device.receive = noted  # type: ignore[method-assign]
        async with (serve_pty if where == "pty" else serve_tcp)(device) as address:
            async with raw(address) as send:
                send(REQUESTS[protocol][:size])
                await served.wait()
            async with antbms.open(address, protocol=protocol, timing=QUICK) as battery:
                assert (await battery.read()).cells

    asyncio.run(main())


@pytest.mark.parametrize("where", PLACES)
def test_nothing_is_left_when_nobody_came(where: str) -> None:
    async def main() -> None:
        before = descriptors()
        async with server(where, "ant"):
            assert descriptors() > before or not before
        await until(lambda: descriptors() == before)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


@pytest.mark.parametrize("where", PLACES)
def test_the_end_does_not_wait_for_a_client_that_stays(where: str) -> None:
    """Ctrl-C ends a simulated battery also while somebody reads it; the client is told that it is gone."""

    async def main() -> None:
        async with asyncio.timeout(10):
            async with server(where, "ant") as address:
                client = antbms.open(address, protocol="ant", timing=QUICK)
                battery = await client.__aenter__()
                await battery.read()
            with pytest.raises(antbms.LinkError):
                await battery.read()
            await client.__aexit__(None, None, None)
            await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})

    asyncio.run(main())


def test_a_port_that_is_taken() -> None:
    async def main() -> None:
        async with serve_tcp(make_device("ant")) as address:
            port = int(address.rpartition(":")[2])
            with pytest.raises(OpenError, match=rf"^127\.0\.0\.1:{port}: .*in use") as caught:
                async with serve_tcp(make_device("ant"), port):
                    pass
            assert caught.value.hints

    asyncio.run(main())


def test_only_this_machine_is_served() -> None:
    async def main() -> None:
        async with serve_tcp(make_device("ant")) as address:
            assert address.startswith("socket://127.0.0.1:")

    asyncio.run(main())


@pytest.mark.parametrize("pty", [False, pytest.param(True, marks=posix)])
def test_serve_tells_its_address_and_runs_until_it_is_cancelled(pty: bool) -> None:
    async def main() -> None:
        before = descriptors()
        address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(
            serve(make_device("jbd"), pty=pty, port=0, on_ready=address.set_result, timing=Timing())
        )
        await read(await address, "jbd")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: descriptors() <= before)

    asyncio.run(main())


@posix
def test_a_client_that_does_not_read_blocks_nobody() -> None:
    """Answers that nobody takes are lost, as on a wire; nothing is said about it."""

    async def main() -> None:
        troubles: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: troubles.append(context))
        async with serve_pty(make_device("ant")) as address:
            async with raw(address) as send:
                for _ in range(300):
                    send(REQUESTS["ant"])
                    await asyncio.sleep(0)
            await read(address, "ant")
        assert not troubles

    asyncio.run(main())


@pytest.mark.skipif(sys.platform != "win32", reason="others have ptys")
def test_windows_has_no_ptys() -> None:
    async def main() -> None:
        async with serve_pty(make_device("ant")):
            pass

    with pytest.raises(UsageError, match="pseudo terminals"):
        asyncio.run(main())


def test_a_simulated_battery_of_another_protocol_says_nothing() -> None:
    async def main() -> None:
        async with (
            serve_tcp(make_device("ant-legacy")) as address,
            antbms.open(address, protocol="jbd", timing=QUICK) as battery,
        ):
            with pytest.raises(NoAnswer, match="nothing came"):
                await battery.read()

    asyncio.run(main())
