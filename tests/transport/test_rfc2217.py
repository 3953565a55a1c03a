"""`rfc2217://` against a real ser2net, whose serial port is one end of a pty."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

import patience
from antbms.errors import LinkLost, OpenError
from antbms.transport.address import parse_address
from antbms.transport.base import Medium, Pipe
from antbms.transport.serial import open_serial
from conftest import missing
from ports import free_port

termios = pytest.importorskip("termios", reason="Windows has no ptys")
tty = pytest.importorskip("tty")

QUICK = patience.timing(open=4, close=2)  # less than the 5 s after which stock serialx gives up

CONFIG = """\
%YAML 1.1
---
connection: &bms
  accepter: telnet(rfc2217),tcp,127.0.0.1,{port}
  connector: serialdev(nouucplock),{device},9600n81,local
"""


class Bridge(NamedTuple):
    """A running ser2net: its address, the far end of its serial port, and itself."""

    address: str
    far: int
    process: subprocess.Popen[bytes]

    def speed(self) -> int:
        return int(termios.tcgetattr(self.far)[5])


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    program = shutil.which("ser2net", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if program is None:
        missing("ser2net is not installed")
    far, near = os.openpty()
    tty.setraw(near)
    port = free_port()
    config = tmp_path / "ser2net.yaml"
    config.write_text(CONFIG.format(port=port, device=os.ttyname(near)))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([program, "-n", "-d", "-c", str(config)], stdout=log, stderr=log)
    try:
        yield Bridge(f"rfc2217://127.0.0.1:{port}", far, process)
    finally:
        process.kill()
        process.wait()
        os.close(far)
        os.close(near)


async def started(bridge: Bridge) -> Pipe:
    """Open the bridge as soon as ser2net listens."""
    while True:
        try:
            return await open_serial(parse_address(bridge.address), QUICK, 19200)
        except OpenError as exc:
            if "connection refused" not in str(exc) or bridge.process.poll() is not None:
                raise
            await asyncio.sleep(0.01)  # between two tries; nothing is assumed to have happened in it


def run(bridge: Bridge, use: Callable[[Pipe], Awaitable[None]]) -> None:
    async def main() -> None:
        pipe = await started(bridge)
        try:
            await use(pipe)
        finally:
            await pipe.close()

    patience.run(main())


def test_bytes_and_speed(bridge: Bridge) -> None:
    telnet_specials = bytes(range(240, 256)) + b"\xff\xff\r\n\r\0\0"

    async def use(pipe: Pipe) -> None:
        assert pipe.medium is Medium.WIRE
        assert bridge.speed() == termios.B19200
        await pipe.write(telnet_specials)
        sent = b""
        while len(sent) < len(telnet_specials):
            sent += await asyncio.to_thread(os.read, bridge.far, 100)
        assert sent == telnet_specials
        os.write(bridge.far, telnet_specials)
        received = b""
        while len(received) < len(telnet_specials):
            received += await pipe.read()
        assert received == telnet_specials
        await pipe.set_baud(9600)
        assert bridge.speed() == termios.B9600

    run(bridge, use)


def test_the_bridge_ends(bridge: Bridge) -> None:
    async def use(pipe: Pipe) -> None:
        bridge.process.kill()
        with pytest.raises(LinkLost, match=bridge.address):
            await asyncio.wait_for(pipe.read(), 20)
        with pytest.raises(LinkLost, match=bridge.address):
            await pipe.set_baud(9600)

    run(bridge, use)


def test_a_server_that_does_not_speak_rfc_2217() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        host_port = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(OpenError, match="took longer") as caught:
            patience.run(open_serial(parse_address(f"rfc2217://{host_port}"), patience.timing(open=0.2, close=1), 9600))
    assert f"socket://{host_port}" in caught.value.text()
