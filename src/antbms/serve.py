"""Simulated batteries that others can reach: on a pseudo terminal, or on TCP ports of this machine.

Every client has a way of its own to the device, with the faults of its link; they share the battery behind it. A real
board has one client at a time, as a Bluetooth module is not even seen by a second one; `faults=exclusive` does that.
Here several may look at once by default, so that programs can be compared side by side.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from .errors import FileError, OpenError, UsageError
from .sim import Device
from .timing import DEFAULT, Timing
from .transport.player import Player
from .transport.recorder import Tape, open_record

LOOPBACK = "127.0.0.1"
"""A simulated battery is nobody else's business."""


class Talk:
    """One client's talk with a device: what it sends is heard, what the device answers is sent at its time.

    hang_up: called once, when the device ends the link. on_error: called if the recording cannot go on.
    """

    def __init__(
        self,
        device: Device,
        send: Callable[[bytes], None],
        hang_up: Callable[[], None],
        timing: Timing = DEFAULT,
        tape: Tape | None = None,
        on_error: Callable[[FileError], None] | None = None,
    ) -> None:
        self._line = device.line()
        self._send = send
        self._hang_up = hang_up
        self._timing = timing
        self._tape = tape
        self._on_error = on_error
        self._player = Player(self._deliver, timing)

    def hear(self, data: bytes) -> None:
        """What the client sent now."""
        self._note(lambda tape: tape.sent(data))
        self._player.play(self._line.receive(data, self._timing.monotonic()))

    def close(self) -> None:
        """The client is gone: nothing more is sent."""
        self._player.stop()

    def _deliver(self, data: bytes | None) -> None:
        if data is None:
            self._player.stop()
            self._note(lambda tape: tape.remark("the link ends"))
            self._hang_up()
        else:
            self._note(lambda tape: tape.received(data))
            self._send(data)

    def _note(self, write: Callable[[Tape], object]) -> None:
        if self._tape is None:
            return
        try:
            write(self._tape)
        except FileError as error:
            self._tape = None
            if self._on_error:
                self._on_error(error)


@asynccontextmanager
async def serve_tcp(
    device: Device,
    port: int = 0,
    timing: Timing = DEFAULT,
    tape: Tape | None = None,
    on_error: Callable[[FileError], None] | None = None,
) -> AsyncIterator[str]:
    """Listen on the loopback interface; yields the address to open. Port 0 takes a free one. Raises `OpenError`."""

    talks: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if talks and "exclusive" in device.link.faults:
            writer.close()
            return
        talks[writer] = asyncio.current_task()
        client = Talk(device, writer.write, writer.close, timing, tape, on_error)
        try:
            while data := await reader.read(4096):
                client.hear(data)
                await writer.drain()
        except OSError:
            pass  # the client is gone
        finally:
            client.close()
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
async def serve_pty(
    device: Device,
    timing: Timing = DEFAULT,
    tape: Tape | None = None,
    on_error: Callable[[FileError], None] | None = None,
) -> AsyncIterator[str]:
    """Make a pseudo terminal; yields the path of the port to open. Linux and macOS only: raises `UsageError` elsewhere.

    The port stays when a client goes, so that the next one can open it. It cannot hang up: where the link would end,
    the rest of the answer is lost.
    """
    ours, theirs, path = _open_pty()
    loop = asyncio.get_running_loop()

    def send(data: bytes) -> None:
        with suppress(BlockingIOError):  # a client that does not read loses answers, as on a wire
            os.write(ours, data)

    client = Talk(device, send, lambda: None, timing, tape, on_error)
    loop.add_reader(ours, lambda: client.hear(os.read(ours, 4096)))
    try:
        yield path
    finally:
        client.close()
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
    devices: Sequence[Device],
    *,
    pty: bool,
    port: int | None,
    on_ready: Callable[[str], None],
    record: Path | None = None,
    timing: Timing = DEFAULT,
) -> None:
    """Serve until cancelled; `on_ready` is told the address of each battery. Raises as the functions above.

    port: of the first battery; the next ones have the ports after it, or free ones if it is 0. record: a new file for
    the traffic of the battery, of which there must be one. Raises `FileError` if it cannot be written.
    """
    if record is not None and len(devices) > 1:
        raise UsageError(f"{record}: the traffic of one battery is recorded", "Next: serve one battery alone.")
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(error: FileError) -> None:
        if not failed.done():
            failed.set_exception(error)

    async with AsyncExitStack() as stack:
        tape = None
        if record is not None:
            tape = Tape(open_record(record), timing, "a simulated battery")
            stack.callback(tape.close)
        for number, device in enumerate(devices):
            if pty:
                address = await stack.enter_async_context(serve_pty(device, timing, tape, fail))
            else:
                there = port + number if port else 0
                address = await stack.enter_async_context(serve_tcp(device, there, timing, tape, fail))
            on_ready(address)
        while not failed.done():  # what passes unread is worked out now, so that no reading waits for it
            for device in devices:
                device.advance(timing.monotonic())
            await asyncio.wait((failed,), timeout=timing.tick)
        await failed
