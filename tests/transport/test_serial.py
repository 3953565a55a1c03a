"""Serial ports on real ptys, and sockets on loopback."""

import asyncio
import errno
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import garbage
import patience
from antbms.errors import LinkLost, OpenError, UsageError
from antbms.extras import how_to_install
from antbms.timing import Timing
from antbms.transport import serial
from antbms.transport.address import parse_address
from antbms.transport.base import Medium, Pipe
from antbms.transport.serial import open_serial

termios = pytest.importorskip("termios", reason="Windows has no ptys")
tty = pytest.importorskip("tty")

QUICK = patience.timing(open=10, close=2)
NOBODY = 65534


class Pty:
    """A serial cable: the port has a name, and the far end is ours."""

    def __init__(self) -> None:
        self.far, self.near = os.openpty()
        tty.setraw(self.near)
        self.name = os.ttyname(self.near)

    def speed(self) -> int:
        return int(termios.tcgetattr(self.far)[5])

    def take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += os.read(self.far, count - len(data))
        return data

    def hang_up(self) -> None:
        for descriptor in (self.far, self.near):
            if descriptor >= 0:
                os.close(descriptor)
        self.far = self.near = -1


@pytest.fixture
def pty() -> Iterator[Pty]:
    cable = Pty()
    yield cable
    cable.hang_up()


def opened(text: str, use: Callable[[Pipe], Coroutine[Any, Any, None]], timing: Timing = QUICK) -> None:
    """Run `use` on an open pipe; at the end nothing may be left: no task, no descriptor."""

    async def main() -> None:
        pipe = await open_serial(parse_address(text), timing, 19200)
        try:
            await use(pipe)
        finally:
            await pipe.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not serial._leftovers

    patience.run(main())


def refused(text: str, timing: Timing = QUICK) -> OpenError:
    with pytest.raises(OpenError) as caught:
        patience.run(open_serial(parse_address(text), timing, 9600))
    return caught.value


async def collect(pipe: Pipe, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += await pipe.read()
    return data


def buffered(pipe: Pipe) -> int:
    """How many bytes have come that nobody has read yet."""
    return len(pipe._stream.reader._buffer)  # type: ignore[attr-defined]


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop run until it has brought about `condition`."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0


def test_bytes_pass_both_ways_unchanged(pty: Pty) -> None:
    everything = bytes(range(256))

    async def use(pipe: Pipe) -> None:
        await pipe.write(everything)
        assert pty.take(256) == everything
        os.write(pty.far, everything)
        assert await collect(pipe, 256) == everything

    opened(pty.name, use)


def test_read_returns_what_is_there(pty: Pty) -> None:
    async def use(pipe: Pipe) -> None:
        for piece in (b"a", b"bcd", b"\x00"):
            os.write(pty.far, piece)
            assert await pipe.read() == piece

    opened(pty.name, use)


def test_a_cancelled_read_loses_nothing(pty: Pty) -> None:
    async def use(pipe: Pipe) -> None:
        for number in range(20):
            waiting = asyncio.ensure_future(pipe.read())
            await asyncio.sleep(0)  # it has begun to wait
            byte = bytes([number])
            os.write(pty.far, byte)
            if number % 2:  # cancelled with the byte already handed to it
                while not (buffered(pipe) or waiting.done()):  # noqa: ASYNC110
                    await asyncio.sleep(0)
            waiting.cancel()
            (result,) = await asyncio.gather(waiting, return_exceptions=True)
            assert (result if isinstance(result, bytes) else await pipe.read()) == byte

    opened(pty.name, use)


def test_hang_up_while_reading(pty: Pty) -> None:
    async def use(pipe: Pipe) -> None:
        waiting = asyncio.ensure_future(pipe.read())
        await asyncio.sleep(0)
        pty.hang_up()
        with pytest.raises(LinkLost, match=f"{name}: link lost: the port went away"):
            await waiting
        others = [Pty() for _ in range(3)]  # they get the number of the closed descriptor, and must not get the speed
        for again in (pipe.read(), pipe.write(b"x"), pipe.set_baud(9600)):
            with pytest.raises(LinkLost, match=name):
                await again
        for other in others:
            assert other.speed() == termios.B38400  # what a new pty has
            other.hang_up()

    name = pty.name
    opened(pty.name, use)


def test_a_write_finds_the_hang_up_first(pty: Pty) -> None:
    async def use(pipe: Pipe) -> None:
        pty.hang_up()
        with pytest.raises(LinkLost, match="the port went away"):
            await pipe.write(b"x")
        with pytest.raises(LinkLost):
            await pipe.read()

    opened(pty.name, use)


def test_close_twice_and_use_after_it(pty: Pty) -> None:
    async def use(pipe: Pipe) -> None:
        await pipe.close()
        await pipe.close()
        for late in (pipe.read(), pipe.write(b"x"), pipe.set_baud(9600)):
            with pytest.raises(LinkLost, match="is closed"):
                await late

    opened(pty.name, use)


def test_close_ends_a_waiting_read(pty: Pty) -> None:
    async def use(pipe: Pipe) -> None:
        waiting = asyncio.ensure_future(pipe.read())
        await asyncio.sleep(0)
        await pipe.close()
        with pytest.raises(LinkLost, match="is closed"):
            await waiting

    opened(pty.name, use)


def test_close_does_not_wait_for_a_port_that_takes_nothing(pty: Pty) -> None:
    async def use(pipe: Pipe) -> None:
        await pipe.write(bytes(60_000))  # more than a pty holds, less than what makes write() wait
        start = asyncio.get_running_loop().time()
        await pipe.close()
        assert asyncio.get_running_loop().time() - start < 5  # serialx alone would give it 30 s

    opened(pty.name, use, patience.timing(open=10, close=0.2))


def test_speed(pty: Pty) -> None:
    async def use(pipe: Pipe) -> None:
        assert pty.speed() == termios.B19200
        await pipe.set_baud(9600)
        assert pty.speed() == termios.B9600

    opened(pty.name, use)


def test_a_speed_in_the_address_stays(pty: Pty) -> None:
    async def use(pipe: Pipe) -> None:
        assert pty.speed() == termios.B115200
        await pipe.set_baud(9600)
        assert pty.speed() == termios.B115200

    opened(f"{pty.name}?baud=115200&dtr=keep&rts=off", use)


def test_lines(pty: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pty has no lines: what matters is that serialx is asked for the right ones."""
    from serialx import PinState
    from serialx.platforms.serial_posix import PosixSerial

    asked: list[object] = []
    monkeypatch.setattr(PosixSerial, "set_modem_pins", lambda _, pins: asked.append((pins.dtr, pins.rts)))

    falls_on_close = []

    async def use(_: Pipe) -> None:
        falls_on_close.append(bool(termios.tcgetattr(pty.far)[2] & termios.HUPCL))

    for options in ("", "?dtr=off", "?dtr=keep&rts=on"):
        opened(pty.name + options, use)
    assert asked == [
        (PinState.HIGH, PinState.HIGH),
        (PinState.LOW, PinState.HIGH),
        (PinState.UNDEFINED, PinState.HIGH),
    ]
    assert falls_on_close == [True, True, False]


@pytest.mark.parametrize("option", ["baud=0", "baud=fast", "baud=", "dtr=up", "rts=1"])
def test_wrong_options(pty: Pty, option: str) -> None:
    with pytest.raises(UsageError, match=option.partition("=")[0]):
        patience.run(open_serial(parse_address(f"{pty.name}?{option}"), QUICK, 9600))


def test_other_schemes_are_not_opened_here() -> None:
    with pytest.raises(UsageError, match="cannot open ble: addresses"):
        patience.run(open_serial(parse_address("ble:ANT-BLE16"), QUICK, 9600))


def test_missing_port() -> None:
    error = refused("/dev/ttyUSB99")
    assert str(error) == "/dev/ttyUSB99: there is no such port"
    assert error.hints
    assert "there is no such port" in str(refused(r"C:\weird"))


def test_busy_port_names_its_holder(pty: Pty) -> None:
    async def use(_: Pipe) -> None:
        with pytest.raises(OpenError, match=rf"in use by .*process {os.getpid()}"):
            await open_serial(parse_address(pty.name), QUICK, 9600)

    opened(pty.name, use)


def test_a_port_that_is_let_go_of_a_moment_later_is_opened(pty: Pty) -> None:
    """As by a thread that is still inside the driver when its port is closed."""

    async def main() -> None:
        first = await open_serial(parse_address(pty.name), QUICK, 9600)
        second = asyncio.create_task(open_serial(parse_address(pty.name), QUICK, 9600))
        await asyncio.sleep(0.15)
        assert not second.done()
        await first.close()
        await (await second).close()

    patience.run(main())


def test_what_is_no_port(tmp_path: Path) -> None:
    assert "is a directory" in str(refused(str(tmp_path)))
    file = tmp_path / "a.cap"
    file.write_text("")
    error = refused(str(file))
    assert "is not a serial port" in str(error)
    assert f"A recording is read with replay:{file}" in error.hints
    assert "cannot be opened: " in str(refused("/dev/a\0b"))


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may open everything; so root steps down."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.mark.skipif(sys.platform != "linux", reason="users and groups of Linux")
def test_no_permission() -> None:
    refused("/dev/nothing")
    for name in ("grp", "pwd"):  # what is imported on the way may lie where nobody may not read
        import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        port = Path(folder) / "port"
        port.touch(0)
        with as_nobody():
            assert "no permission" in str(refused(str(port)))


def test_opening_takes_no_longer_than_allowed(pty: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver's open that blocks: it cannot be interrupted, but it is not waited for, and its port is closed."""
    release = asyncio.Event()

    async def main() -> None:
        from serialx.platforms.serial_posix import PosixSerialTransport

        connect = PosixSerialTransport.connect

        async def stubborn(self: Any, **settings: Any) -> None:
            await connect(self, **settings)
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

        monkeypatch.setattr(PosixSerialTransport, "connect", stubborn)
        with pytest.raises(OpenError, match="longer than"):
            await open_serial(parse_address(pty.name), patience.timing(open=1, close=0.05), 9600)
        assert serial._leftovers
        release.set()
        monkeypatch.undo()
        await until(lambda: not serial._leftovers)
        pipe = await reopen(pty.name)
        await pipe.close()

    patience.run(main())


async def reopen(name: str) -> Pipe:
    """Open a port that is being closed in a thread."""
    while True:
        try:
            return await open_serial(parse_address(name), QUICK, 9600)
        except OpenError as exc:
            if "in use" not in str(exc):
                raise


def test_cancelled_opening_leaves_nothing(pty: Pty) -> None:
    async def main() -> None:
        for steps in range(40):  # cancelled at every stage of it
            opening = asyncio.ensure_future(open_serial(parse_address(pty.name), QUICK, 9600))
            for _ in range(steps):
                await asyncio.sleep(0)
            opening.cancel()
            (result,) = await asyncio.gather(opening, return_exceptions=True)
            if isinstance(result, serial.SerialPipe):
                await result.close()
            assert asyncio.all_tasks() == {asyncio.current_task()}

    patience.run(main())  # starts the threads of the event loop's pool: they hold nothing afterwards
    garbage.collect()  # what other tests left to it
    before = descriptors()
    patience.run(main())
    assert descriptors() == before


def test_fifty_times_open_and_close_leak_nothing(pty: Pty) -> None:
    async def main() -> int:
        for _ in range(50):
            pipe = await open_serial(parse_address(pty.name), QUICK, 9600)
            await pipe.close()
        return descriptors()

    async def once() -> int:
        pipe = await open_serial(parse_address(pty.name), QUICK, 9600)
        await pipe.close()
        return descriptors()

    assert patience.run(main()) == patience.run(once())


def test_medium(pty: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    from antbms.transport.ports import Port

    async def use(pipe: Pipe) -> None:
        assert (pipe.medium, pipe.address) == (Medium.UNKNOWN, "AA:BB:CC:DD:EE:FF")

    opened(f"{pty.name}?mac=AA:BB:CC:DD:EE:FF", use)
    ports = [
        Port(device="/dev/ttyUSB0", description="", kind="usb"),
        Port(device="/dev/rfcomm0", description="", kind="bluetooth outgoing", address="AA:BB:CC:DD:EE:01"),
    ]
    monkeypatch.setattr("antbms.transport.ports.list_ports", lambda: ports)
    assert serial._medium(parse_address("/dev/ttyUSB0")) == (Medium.WIRE, None)
    assert serial._medium(parse_address("/dev/rfcomm0")) == (Medium.BLUETOOTH, "AA:BB:CC:DD:EE:01")
    assert serial._medium(parse_address("/dev/unlisted")) == (Medium.UNKNOWN, None)
    assert serial._medium(parse_address("rfc2217://host:1")) == (Medium.WIRE, None)


def test_a_failing_list_of_ports_hides_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("no sysfs")

    monkeypatch.setattr("antbms.transport.ports.list_ports", broken)
    assert str(refused("/dev/ttyUSB99")) == "/dev/ttyUSB99: there is no such port"


# ---- sockets


@asynccontextmanager
async def served(serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]) -> Any:
    """A TCP server on loopback, which closes a connection when `serve` returns; yields its address."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    async with server:
        yield f"socket://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def test_socket_passes_bytes_and_sees_the_peer_close() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readexactly(3))[::-1])

    async def main() -> None:
        async with served(serve) as address:
            pipe = await open_serial(parse_address(address), QUICK, 9600)
            assert pipe.medium is Medium.UNKNOWN
            await pipe.set_baud(19200)
            await pipe.write(b"\xff\x00c")
            assert await collect(pipe, 3) == b"c\x00\xff"
            with pytest.raises(LinkLost, match=f"{address}: link lost: the other side closed"):
                await asyncio.wait_for(pipe.read(), 5)
            with pytest.raises(LinkLost, match=address):
                await pipe.write(b"x")
            await pipe.close()

    patience.run(main())


def test_what_came_before_a_reset_is_still_read() -> None:
    async def main() -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as server:
            pipe = await open_serial(parse_address(f"socket://127.0.0.1:{server.getsockname()[1]}"), QUICK, 9600)
            peer, _ = server.accept()
            peer.sendall(b"last words")
            stream = pipe._stream  # type: ignore[attr-defined]
            await until(lambda: buffered(pipe) == 10)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.close()  # with linger 0 it resets
            await until(lambda: stream.ended)
            assert await pipe.read() == b"last words"
            with pytest.raises(LinkLost, match="reset"):
                await pipe.read()
            await pipe.close()

    patience.run(main())


def test_refused_socket() -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))  # bound, so that nobody else gets it, but not listening
        address = f"socket://127.0.0.1:{unused.getsockname()[1]}"
        assert str(refused(address)) == f"{address}: connection refused"


def test_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert str(refused("socket://no.such.host:23")) == "socket://no.such.host:23: unknown host"


def test_esphome_url_and_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What serialx is asked for; a device of its own would need an ESPHome server."""
    asked: dict[str, Any] = {}

    async def connect(_: object, __: object, url: str, **settings: Any) -> None:
        asked.update(settings, url=url)
        raise OSError(errno.EHOSTUNREACH, "")

    monkeypatch.setattr("serialx.create_serial_connection", connect)
    monkeypatch.setenv("BMS_KEY", "c2VjcmV0")
    text = "esphome://bridge?port_name=BMS%20UART&key_env=BMS_KEY"
    assert "c2VjcmV0" not in refused(text).text()
    assert asked == {"url": "esphome://bridge/?port_name=BMS+UART", "baudrate": 9600, "key": "c2VjcmV0"}
    monkeypatch.delenv("BMS_KEY")
    with pytest.raises(UsageError, match="BMS_KEY"):
        patience.run(open_serial(parse_address(text), QUICK, 9600))


def test_esphome_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import serialx  # noqa: F401  so that the handlers are registered
    from serialx import common

    monkeypatch.setitem(common._REGISTERED_URI_HANDLERS, "esphome://", [])
    error = refused("esphome://bridge/?port_name=BMS")
    assert "not installed" in str(error)
    assert error.hints == how_to_install("esphome")
    assert "pip install 'serialx[esphome]'" in error.hints[1]
