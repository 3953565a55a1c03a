"""A simulated battery that others can reach: on a pseudo terminal, or on a TCP port of this machine."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from .errors import OpenError, UsageError
from .sim import Device
from .timing import DEFAULT, Timing

LOOPBACK = "127.0.0.1"
"""A simulated battery is nobody else's business."""


@asynccontextmanager
async def serve_tcp(device: Device, port: int = 0, timing: Timing = DEFAULT) -> AsyncIterator[str]:
    """Listen on the loopback interface; yields the address to open. Port 0 takes a free one. Raises `OpenError`."""

    talks: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks[writer] = asyncio.current_task()
        try:
            while data := await reader.read(4096):
                writer.write(device.receive(data, timing.monotonic()))
                await writer.drain()
        except OSError:
            pass  # the client is gone
        finally:
            writer.close()
            del talks[writer]

    try:
        server = await asyncio.start_server(talk, LOOPBACK, port)
    except OSError as error:
        raise OpenError(f"{LOOPBACK}:{port}: {error.strerror or error}", "Next: choose another port.") from error
    async with server:
        try:
            yield f"socket://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
        finally:
            rest = list(talks.items())
            for writer, _ in rest:
                writer.transport.abort()
            await asyncio.gather(*(task for _, task in rest if task), return_exceptions=True)


@asynccontextmanager
async def serve_pty(device: Device, timing: Timing = DEFAULT) -> AsyncIterator[str]:
    """Make a pseudo terminal; yields the path of the port to open. Linux and macOS only: raises `UsageError` elsewhere.

    The port stays when a client goes, so that the next one can open it.
    """
    ours, theirs, path = _open_pty()
    loop = asyncio.get_running_loop()

    def talk() -> None:
        with suppress(BlockingIOError):  # a client that does not read loses answers, as on a wire
            os.write(ours, device.receive(os.read(ours, 4096), timing.monotonic()))

    loop.add_reader(ours, talk)
    try:
        yield path
    finally:
        loop.remove_reader(ours)
        os.close(ours)
        os.close(theirs)


def _open_pty() -> tuple[int, int, str]:
    """Two descriptors, ours not blocking, and the path of theirs."""
    if sys.platform == "win32":
        raise UsageError("Windows has no pseudo terminals", "Next: antbms sim --tcp 7000")
    import tty

    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    return ours, theirs, os.ttyname(theirs)


async def serve(
    device: Device, *, pty: bool, port: int | None, on_ready: Callable[[str], None], timing: Timing = DEFAULT
) -> None:
    """Serve until cancelled; `on_ready` is told the address to open. Raises as the functions above."""
    server = serve_pty(device, timing) if pty else serve_tcp(device, port or 0, timing)
    async with server as address:
        on_ready(address)
        await asyncio.Event().wait()
