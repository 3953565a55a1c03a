"""Simulated batteries that others can reach: several clients, one after the other or at once."""

import asyncio
import contextlib
import errno
import io
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from unittest import mock

import pytest
from battery_fakes import PROTOCOLS, REQUESTS, content, descriptors, overhear, until

import antbms
import garbage
import patience
from antbms.errors import FileError, LinkLost, NoAnswer, OpenError, UsageError
from antbms.serve import serve, serve_pty, serve_tcp
from antbms.sim import make_device
from antbms.timing import Timing
from ports import adjacent_ports

QUICK = patience.timing(silence=0.01, answer=0.3, open=10)
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no ptys")
PLACES = ["tcp", pytest.param("pty", marks=posix)]


def server(where: str, protocol: str) -> contextlib.AbstractAsyncContextManager[str]:
    return (serve_pty if where == "pty" else serve_tcp)(make_device(protocol), timing=QUICK)


async def read(address: str, protocol: str, timing: Timing = QUICK) -> None:
    async with antbms.open(address, protocol=protocol, timing=timing) as battery:
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

    patience.run(main())


STIFFNESS = 0.003
"""Ω of a cell that is simulated, at most."""


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_two_clients_at_once(protocol: str) -> None:
    async def main() -> None:
        async with (
            serve_tcp(make_device(protocol), timing=QUICK) as address,
            antbms.open(address, protocol=protocol, timing=QUICK) as one,
            antbms.open(address, protocol=protocol, timing=QUICK) as other,
        ):
            for _ in range(5):
                snapshots = await asyncio.gather(one.read(), other.read())
                first, second = snapshots
                step = abs(first.current - second.current)  # the load may have changed between the two
                assert first.cells == pytest.approx(second.cells, abs=0.01 + STIFFNESS * step)
            for battery in one, other:
                assert (battery.stats.rejected, battery.stats.stale) == ({}, int(protocol == "ant-legacy"))
                assert battery.stats.answers == battery.stats.requests

    patience.run(main())


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_client_that_does_not_wait_for_its_answer(where: str, protocol: str) -> None:
    async def main() -> None:
        async with server(where, protocol) as address:
            async with raw(address) as send:
                send(REQUESTS[protocol])
            await read(address, protocol)

    patience.run(main())


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_client_that_goes_in_the_middle_of_its_request(where: str, protocol: str, size: int) -> None:
    """A board forgets half a request; so the next client is answered, at its second try at the latest."""
    served = asyncio.Event()

    async def main() -> None:
        device = make_device(protocol)
        overhear(device, lambda data, answer: served.set())
        async with (serve_pty if where == "pty" else serve_tcp)(device, timing=QUICK) as address:
            async with raw(address) as send:
                send(REQUESTS[protocol][:size])
                await served.wait()
            async with antbms.open(address, protocol=protocol, timing=QUICK) as battery:
                assert (await battery.read()).cells

    patience.run(main())


@pytest.mark.parametrize("where", PLACES)
def test_nothing_is_left_when_nobody_came(where: str) -> None:
    async def main() -> None:
        garbage.collect()  # what other tests left to it
        before = descriptors()
        async with server(where, "ant"):
            assert descriptors() > before or not before
        await until(lambda: descriptors() == before)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    patience.run(main())


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

    patience.run(main())


def test_a_port_that_is_taken() -> None:
    async def main() -> None:
        async with serve_tcp(make_device("ant"), timing=QUICK) as address:
            port = int(address.rpartition(":")[2])
            with pytest.raises(OpenError, match=rf"^127\.0\.0\.1:{port}: .*in use") as caught:
                async with serve_tcp(make_device("ant"), port, QUICK):
                    pass
            assert caught.value.hints

    patience.run(main())


def test_only_this_machine_is_served() -> None:
    async def main() -> None:
        async with serve_tcp(make_device("ant"), timing=QUICK) as address:
            assert address.startswith("socket://127.0.0.1:")

    patience.run(main())


@pytest.mark.parametrize("pty", [False, pytest.param(True, marks=posix)])
def test_serve_tells_its_address_and_runs_until_it_is_cancelled(pty: bool) -> None:
    async def main() -> None:
        garbage.collect()  # what other tests left to it
        before = descriptors()
        address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(
            serve([make_device("jbd")], pty=pty, port=0, on_ready=address.set_result, timing=QUICK)
        )
        await read(await address, "jbd")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: descriptors() <= before)

    patience.run(main())


@posix
def test_a_client_that_does_not_read_blocks_nobody() -> None:
    """Answers that nobody takes are lost, as on a wire; nothing is said about it."""

    async def main() -> None:
        troubles: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: troubles.append(context))
        async with serve_pty(make_device("ant"), timing=QUICK) as address:
            async with raw(address) as send:
                for _ in range(300):
                    send(REQUESTS["ant"])
                    await asyncio.sleep(0)
            await read(address, "ant")
        assert not troubles

    patience.run(main())


@pytest.mark.skipif(sys.platform != "win32", reason="others have ptys")
def test_windows_has_no_ptys() -> None:
    async def main() -> None:
        async with serve_pty(make_device("ant"), timing=QUICK):
            pass

    with pytest.raises(UsageError, match="pseudo terminals"):
        patience.run(main())


def test_a_simulated_battery_of_another_protocol_says_nothing() -> None:
    async def main() -> None:
        async with (
            serve_tcp(make_device("ant-legacy"), timing=QUICK) as address,
            antbms.open(address, protocol="jbd", timing=QUICK) as battery,
        ):
            with pytest.raises(NoAnswer, match="nothing came"):
                await battery.read()

    patience.run(main())


def test_a_device_that_takes_one_client_hangs_up_on_the_second() -> None:
    async def main() -> None:
        async with serve_tcp(make_device("ant", {"faults": "exclusive"}), timing=QUICK) as address:
            async with antbms.open(address, protocol="ant", timing=QUICK) as first:
                await first.read()
                with pytest.raises(antbms.LinkError):
                    await read(address, "ant")
                await first.read()
            await read_when_free(address)

    async def read_when_free(address: str) -> None:
        while True:
            try:
                return await read(address, "ant")
            except antbms.LinkError:  # the server has not seen yet that the first one is gone
                await asyncio.sleep(0.01)

    patience.run(main())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_half_a_request_of_one_client_does_not_spoil_another(protocol: str) -> None:
    request = REQUESTS[protocol]

    async def main() -> None:
        async with serve_tcp(make_device(protocol), timing=QUICK) as address, raw(address) as send:
            for _ in range(5):
                send(request[:3])
                await read(address, protocol)
                send(request[3:])

    patience.run(main())


def test_a_link_with_faults_hangs_up_over_tcp() -> None:
    async def main() -> None:
        async with serve_tcp(make_device("jbd", {"faults": "drop:1"}), timing=QUICK) as address:
            for _ in range(2):
                with pytest.raises(LinkLost):
                    await read(address, "jbd")

    patience.run(main())


@pytest.mark.parametrize("where", PLACES)
def test_delayed_answers_come_later(where: str) -> None:
    async def main() -> None:
        device = make_device("ant", {"faults": "delay:0.2"})
        async with (serve_pty if where == "pty" else serve_tcp)(device, timing=QUICK) as address:
            start = asyncio.get_running_loop().time()
            await read(address, "ant", patience.timing(silence=0.01, open=10, answer=20))
            assert asyncio.get_running_loop().time() - start >= 0.2

    patience.run(main())


def test_several_batteries_have_a_port_each() -> None:
    addresses: list[str] = []

    async def main() -> None:
        ready = asyncio.Event()

        def on_ready(address: str) -> None:
            addresses.append(address)
            if len(addresses) == len(PROTOCOLS):
                ready.set()

        devices = [make_device(protocol) for protocol in PROTOCOLS]
        task = asyncio.ensure_future(serve(devices, pty=False, port=0, on_ready=on_ready, timing=QUICK))
        await ready.wait()
        for address, protocol in zip(addresses, PROTOCOLS, strict=True):
            await read(address, protocol)
        task.cancel()
        await asyncio.wait({task})

    patience.run(main())
    assert len(set(addresses)) == 3


def test_consecutive_ports() -> None:
    """The ports after the first; one of them may be taken, which is told as for any other."""

    async def main() -> None:
        addresses: list[str] = []
        first, second = adjacent_ports()
        two = [make_device(), make_device()]
        message = rf"127\.0\.0\.1:{second}: .*in use"
        with closing(socket.create_server(("127.0.0.1", second))), pytest.raises(OpenError, match=message):
            await serve(two, pty=False, port=first, on_ready=addresses.append)
        assert addresses == [f"socket://127.0.0.1:{first}"]

    patience.run(main())


@pytest.mark.parametrize("pty", [False, pytest.param(True, marks=posix)])
def test_served_traffic_is_recorded_and_can_be_replayed(pty: bool, tmp_path: Path) -> None:
    path = tmp_path / "served.cap"

    async def main() -> dict[str, object]:
        address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(
            serve([make_device("jbd")], pty=pty, port=0, on_ready=address.set_result, record=path, timing=QUICK)
        )
        async with antbms.open(await address, protocol="jbd", timing=QUICK) as battery:
            live = content(await battery.read())
        task.cancel()
        await asyncio.wait({task})
        return live

    live = patience.run(main())

    async def replayed() -> dict[str, object]:
        async with antbms.open(f"replay:{path}") as battery:
            return content(await battery.read())

    assert patience.run(replayed()) == live


def test_recording_needs_one_battery_and_a_new_file(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "served.cap"
        two = [make_device(), make_device()]
        with pytest.raises(UsageError, match=r"served\.cap: the traffic of one battery"):
            await serve(two, pty=False, port=0, on_ready=print, record=path)
        path.touch()
        with pytest.raises(FileError, match="is there already"):
            await serve(two[:1], pty=False, port=0, on_ready=print, record=path)

    patience.run(main())


def test_a_recording_that_cannot_go_on_ends_the_serving(tmp_path: Path) -> None:
    path = tmp_path / "served.cap"

    async def main() -> None:
        address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        with mock.patch("antbms.serve.open_record", return_value=FullLater(path)):
            task = asyncio.ensure_future(
                serve([make_device("jbd")], pty=False, port=0, on_ready=address.set_result, record=path, timing=QUICK)
            )
            with contextlib.suppress(antbms.LinkError):
                await read(await address, "jbd")
            with pytest.raises(FileError, match="cannot go on: no space left"):
                await task

    patience.run(main())


class FullLater(io.TextIOWrapper):
    """A file on a disk that is full after the head of the recording."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("wb"))
        self._left = 2

    def write(self, text: str) -> int:
        self._left -= 1
        if self._left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(text)
