"""What goes wrong has one clear line: where, what, how often; and the way out."""

import asyncio
import os
import re
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing

import pytest
from battery_fakes import JUNK, PROTOCOLS, Line, battery_over, descriptors, silent, status

import antbms
import garbage
import patience
from antbms.errors import AntbmsError, LinkLost, NoAnswer, OpenError, Refused
from antbms.protocol.jbd.frame import close_envelope
from antbms.serve import serve_pty, serve_tcp
from antbms.sim import make_device
from virtual_time import run

QUICK = patience.timing(probe_first=0.02, probe_second=0.05, silence=0.02, answer=0.1, open=10)
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no ptys")
RECORD = "Next: antbms record {} out.cap, and attach out.cap to a report."
ASLEEP = "Often the battery sleeps, another app holds the link, or the port is another device's (antbms scan)."
GARBAGE = "Something answers, but not in a known way: a wrong baud rate, a weak link, or another device's port."

Talk = Callable[[bytes], bytes | None]
"""What a far end says to some bytes; None: it hangs up."""


class FarEnd:
    """Our end of a cable: a pty, whose port has a name."""

    def __init__(self) -> None:
        import tty

        self.ours, self.theirs = os.openpty()
        tty.setraw(self.theirs)
        os.set_blocking(self.ours, False)
        self.name = os.ttyname(self.theirs)
        self.open = True

    def speed(self) -> int:
        import termios

        code = termios.tcgetattr(self.ours)[5]
        return {termios.B9600: 9600, termios.B19200: 19200}[code]

    def serve(self, talk: Talk) -> None:
        asyncio.get_running_loop().add_reader(self.ours, self._ready, talk)

    def _ready(self, talk: Talk) -> None:
        answer = talk(os.read(self.ours, 4096))
        if answer is None:
            self.hang_up()
        else:
            os.write(self.ours, answer)

    def hang_up(self) -> None:
        if self.open:
            asyncio.get_running_loop().remove_reader(self.ours)
            os.close(self.ours)
            os.close(self.theirs)
        self.open = False


@asynccontextmanager
async def pty(talk: Talk) -> AsyncIterator[FarEnd]:
    end = FarEnd()
    end.serve(talk)
    try:
        yield end
    finally:
        end.hang_up()


@asynccontextmanager
async def tcp(talk: Talk, *, reset: bool = False) -> AsyncIterator[str]:
    """A server that hangs up in order, or with a reset."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4096):
                if (answer := talk(data)) is None:
                    break
                writer.write(answer)
            if reset:
                peer = writer.get_extra_info("socket")
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"socket://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def failure(address: str, **arguments: object) -> AntbmsError:
    """The error of opening and reading."""
    with pytest.raises(AntbmsError) as caught:
        async with antbms.open(address, **{"timing": QUICK, **arguments}) as battery:  # type: ignore[arg-type]
            await battery.read()
    error = caught.value
    assert "\n" not in str(error)
    assert str(error).startswith(address)
    assert error.text() == "\n  ".join((str(error), *error.hints))
    return error


def half_then_gone() -> Talk:
    """Half an answer to the first request; the second one finds nobody."""
    answers: Iterator[bytes] = iter([status("ant")[:30]])
    return lambda data: next(answers, None)


@posix
def test_no_such_port() -> None:
    error = patience.run(failure("/dev/ttyUSB99"))
    assert isinstance(error, OpenError)
    assert str(error) == "/dev/ttyUSB99: there is no such port"
    assert error.hints
    assert error.status == 1


@posix
def test_busy_port() -> None:
    async def main() -> None:
        async with serve_pty(make_device("ant")) as port, antbms.open(port, protocol="ant") as battery:
            error = await failure(port)
            assert isinstance(error, OpenError)
            assert re.search(rf"in use by .*\(process {os.getpid()}\)", str(error)) or "in use" in str(error)
            assert error.hints == (
                "Close the program that uses it (another antbms, a terminal, a monitor), then try again.",
            )
            assert (await battery.read()).cells  # undisturbed

    patience.run(main())


def test_nobody_listens() -> None:
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"socket://127.0.0.1:{bound.getsockname()[1]}"
        error = patience.run(failure(address))
    assert isinstance(error, OpenError)
    assert "refused" in str(error)
    assert any("bridge" in hint for hint in error.hints)


def test_silence_while_searching() -> None:
    async def main() -> None:
        with pytest.raises(NoAnswer) as caught:
            async with battery_over(Line(silent)):
                pass
        assert str(caught.value) == "COM9: no protocol answered in 2 rounds (6.2 s); nothing came"
        assert caught.value.hints == (ASLEEP, RECORD.format("COM9"))

    run(main())


@pytest.mark.parametrize(("protocol", "seconds"), [("ant", "3.2"), ("ant-legacy", "3.2"), ("jbd", "6.2")])
def test_silence_when_told_the_protocol(protocol: str, seconds: str) -> None:
    async def main() -> None:
        async with battery_over(Line(silent), protocol=protocol) as battery:
            for ask in battery.read, battery.info:
                with pytest.raises(NoAnswer) as caught:
                    await ask()
                assert re.fullmatch(r"COM9: no valid answer in 3 tries \((\d\.\d) s\); nothing came", str(caught.value))
                assert caught.value.hints == (ASLEEP, RECORD.format("COM9"))
            assert f"({seconds} s)" in str(caught.value) or f"({float(seconds) + 0.1:.1f} s)" in str(caught.value)

    run(main())


@posix
@pytest.mark.parametrize("protocol", [None, *PROTOCOLS])
def test_silence_on_a_port(protocol: str | None) -> None:
    async def main() -> None:
        async with pty(lambda data: b"") as end:
            error = await failure(end.name, protocol=protocol)
            assert isinstance(error, NoAnswer)
            assert str(error).endswith("; nothing came")
            assert ("no protocol answered in 2 rounds" if protocol is None else "in 3 tries") in str(error)
            assert error.hints == (ASLEEP, RECORD.format(end.name))

    patience.run(main())


@pytest.mark.parametrize("protocol", [None, *PROTOCOLS])
def test_garbage(protocol: str | None) -> None:
    async def main() -> None:
        async with tcp(lambda data: JUNK) as address:
            error = await failure(address, protocol=protocol)
            assert isinstance(error, NoAnswer)
            assert str(error).endswith(f"{len(JUNK)} bytes, no frame begins in them")
            assert error.hints == (GARBAGE, RECORD.format(address))

    patience.run(main())


@posix
@pytest.mark.parametrize(("protocol", "right", "wrong"), [("jbd", 9600, 19200), ("ant", 19200, 9600)])
def test_wrong_speed(protocol: str, right: int, wrong: int) -> None:
    """The device hears garbage, and what it says is garbage; at the right speed all is well."""
    device = make_device(protocol)

    def talk(data: bytes) -> bytes:
        if end.speed() != right:
            return bytes((byte * 7 + 3) & 0xFF for byte in data * 3)
        return device.receive(data, 0.0)

    async def main() -> None:
        nonlocal end
        async with pty(talk) as end:
            error = await failure(f"{end.name}?baud={wrong}", protocol=protocol)
            assert isinstance(error, NoAnswer)
            assert "no valid answer in 3 tries" in str(error)
            assert "bytes, " in str(error)
            assert "a wrong baud rate" in error.hints[0]
            for address, known in (f"{end.name}?baud={right}", protocol), (end.name, protocol), (end.name, None):
                async with antbms.open(address, protocol=known, timing=QUICK) as battery:
                    assert (await battery.read()).protocol == protocol
                    assert end.speed() == right

    end: FarEnd
    patience.run(main())


@posix
def test_half_an_answer_on_a_port() -> None:
    async def main() -> None:
        half = status("ant")[:30]
        async with pty(lambda data: half) as end:
            error = await failure(end.name, protocol="ant")
            assert isinstance(error, NoAnswer)
            assert re.search(r"in 3 tries \(0\.\d s\); last: 30 bytes, 30 of at least \d+ bytes$", str(error))
            assert error.hints == (GARBAGE, RECORD.format(end.name))

    patience.run(main())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_half_an_answer_from_a_bridge(protocol: str) -> None:
    async def main() -> None:
        half = status(protocol)[:12]
        async with tcp(lambda data: half) as address:
            error = await failure(address, protocol=protocol)
            assert isinstance(error, NoAnswer)
            assert re.search(r"last: 12 bytes, 12 of at least \d+ bytes$", str(error))

    patience.run(main())


@posix
@pytest.mark.parametrize("protocol", [None, *PROTOCOLS])
def test_a_port_that_goes_away_in_the_middle_of_an_answer(protocol: str | None) -> None:
    """Told at once, however patient the caller is: unplugged is not slow."""

    def talk(data: bytes) -> bytes:
        asyncio.get_running_loop().call_later(0.01, end.hang_up)
        return status("ant")[:30]

    async def main() -> None:
        nonlocal end
        async with pty(talk) as end:
            async with asyncio.timeout(20):
                error = await failure(end.name, protocol=protocol, timing=patience.timing(probe_first=50, answer=50))
            assert isinstance(error, LinkLost)
            assert str(error) == f"{end.name}: link lost: the port went away (unplugged, or out of range)"

    end: FarEnd
    garbage.collect()  # what other tests left to it
    before = descriptors()
    patience.run(main())
    assert descriptors() == before


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("protocol", [None, *PROTOCOLS])
def test_a_bridge_that_hangs_up_in_the_middle_of_an_answer(protocol: str | None, reset: bool) -> None:
    """A second request finds the other side gone, in order or by a reset."""

    async def main() -> None:
        async with tcp(half_then_gone(), reset=reset) as address:
            patient = patience.timing(probe_first=0.1, answer=0.1, silence=0.02)
            async with asyncio.timeout(20):
                error = await failure(address, protocol=protocol, timing=patient)
            assert isinstance(error, LinkLost)
            assert str(error).startswith(f"{address}: link lost: ")
            assert str(error).removeprefix(f"{address}: link lost: ")

    patience.run(main())


def test_a_bridge_that_hangs_up_at_once() -> None:
    async def main() -> None:
        async with tcp(lambda data: None) as address:
            async with asyncio.timeout(20):
                error = await failure(address, timing=patience.timing(probe_first=50))
            assert isinstance(error, LinkLost)
            assert str(error) == f"{address}: link lost: the other side closed the connection"
            assert "bridge" in error.hints[0]

    patience.run(main())


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize(("code", "words"), [(0x81, "denied"), (0x83, "password needed")])
def test_a_refusal(told: bool, code: int, words: str) -> None:
    async def main() -> None:
        refusal = close_envelope({"register": 3, "status": code})
        async with tcp(lambda data: refusal if b"\xdd\xa5\x03" in data else b"") as address:
            error = await failure(address, protocol="jbd" if told else None)
            assert isinstance(error, Refused)
            assert str(error).startswith(f"{address}: the battery refused to tell its status: {words}")
            assert error.status == 3

    patience.run(main())


def test_after_an_error_the_port_can_be_opened_again() -> None:
    async def main() -> None:
        async with serve_tcp(make_device("ant")) as address:
            error = await failure(address, protocol="jbd", timing=patience.timing(answer=0.02, silence=0.01))
            assert isinstance(error, NoAnswer)
            async with antbms.open(address, protocol="ant") as battery:
                assert (await battery.read()).cells

    patience.run(main())
