"""No secret of any recorded exchange gets into our recording of it, however it is cut, marked or delayed."""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from antbms.capture import Chunk, read_capture
from antbms.cli.main import run
from antbms.protocol import jbd
from antbms.protocol.jbd.frame import close_envelope
from antbms.sim import make_device
from antbms.timing import Timing
from antbms.transport import Medium
from antbms.transport.recorder import Recorder, open_record
from conftest import captures_dir

Cut = Callable[[bytes], list[bytes]]

SECRET = re.compile(
    rb"\xff\xaa|\xdd\x5a[\x06\x07\x09]|\x7e\xa1\x23|\xa5\xa5[\xf1-\xf4fghi]", re.DOTALL
)  # written anew, from the references: not what the recorder uses
PASSWORDS = [b"000000", b"111111", b"123412", b"123123", b"123456", b"765828", b"12345678", b"JBDbtpwd!@#2023"]
"""All that the notes of the recordings, the documents and the protocols name."""
DIGITS = [bytes(map(int, password.decode())) for password in PASSWORDS[1:7]]
"""As the boards of JBD are sent them. 000000 looks like many things; its frames are searched for as a whole."""

ANT_LOGIN = [
    Chunk(">", bytes.fromhex("7E A1 23 4A 01 08 31 32 33 34 35 36 37 38 DB 50 AA 55")),
    Chunk("<", bytes.fromhex("7E A1 43 4A 01 02 01 00 9D 5B FF 05 00 00 20 31 AA 55")),
    Chunk(">", bytes.fromhex("7E A1 01 00 00 BE 18 55 AA 55")),
]
"""The recordings have the answers to 23 only; the request is that of the reference."""


class Wire:
    """A pipe to nowhere: what is received is put in by the test."""

    medium = Medium.UNKNOWN
    address = None

    def __init__(self) -> None:
        self.ready: deque[bytes] = deque()

    async def read(self) -> bytes:
        return self.ready.popleft()

    async def write(self, data: bytes, *, secret: bool = False) -> None:
        pass

    async def set_baud(self, baud: int) -> None:
        pass

    async def close(self) -> None:
        pass


def recorded(path: Path, exchange: list[Chunk], secret: Callable[[bytes], bool] = lambda data: False) -> list[Chunk]:
    """Our recording of an exchange; `secret` says what is written with that mark."""

    async def play() -> None:
        wire = Wire()
        recorder = Recorder(wire, open_record(path), Timing(), "test")
        for chunk in exchange:
            if chunk.direction == ">":
                await recorder.write(chunk.data, secret=secret(chunk.data))
            else:
                wire.ready.append(chunk.data)
                assert await recorder.read() == chunk.data
        await recorder.close()

    asyncio.run(play())
    return list(read_capture(path))


def cut(exchange: list[Chunk], size: int) -> list[Chunk]:
    return [
        Chunk(chunk.direction, chunk.data[at : at + size])
        for chunk in exchange
        for at in range(0, len(chunk.data), size)
    ]


def late(exchange: list[Chunk]) -> list[Chunk]:
    """Each answer comes after the next request, as if the program had given up waiting for it."""
    found: list[Chunk] = []
    held: list[Chunk] = []
    for chunk in exchange:
        if chunk.direction == ">":
            found += [chunk, *held]
            held = []
        else:
            held.append(chunk)
    return found + held


def exchanges() -> Iterator[tuple[str, list[Chunk]]]:
    yield "ant login", ANT_LOGIN
    for path in sorted(captures_dir().glob("*/*.txt")):
        chunks = list(read_capture(path))
        if any(SECRET.match(chunk.data) for chunk in chunks):
            yield path.stem, chunks


EXCHANGES = dict(exchanges())
WAYS: dict[str, Callable[[list[Chunk]], list[Chunk]]] = {
    "whole": lambda exchange: exchange,
    "late": late,
    "bytes": lambda exchange: cut(exchange, 1),
    "pieces": lambda exchange: cut(exchange, 5),
    "late pieces": lambda exchange: cut(late(exchange), 4),
}


def test_all_recorded_secrets_are_played() -> None:
    frames = {chunk.data for exchange in EXCHANGES.values() for chunk in exchange if SECRET.match(chunk.data)}
    heads = {SECRET.match(frame)[0] for frame in frames}  # type: ignore[index]
    assert len(EXCHANGES) >= 9
    assert heads >= {b"\xff\xaa", b"\xdd\x5a\x06", b"\xdd\x5a\x07", b"\x7e\xa1\x23", b"\xa5\xa5\xf1", b"\xa5\xa5\xf4"}
    assert {frame[4] for frame in frames if frame.startswith(b"\xff\xaa\x17\x01")} == {0x62, 0x21, 0x61, 0x37}


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", EXCHANGES)
def test_no_recorded_secret_is_in_our_recording(name: str, way: str, marked: bool, tmp_path: Path) -> None:
    path = tmp_path / "ours.cap"
    exchange = EXCHANGES[name]
    secrets = {chunk.data for chunk in exchange if SECRET.match(chunk.data)}
    found = recorded(path, WAYS[way](exchange), lambda data: marked and bool(SECRET.match(data)))
    streams = [b"".join(chunk.data for chunk in found if chunk.direction == direction) for direction in "<>"]
    searched = [*PASSWORDS, *DIGITS, *secrets, *(frame[2:] for frame in secrets)]
    searched += [frame[4:-1] for frame in secrets if frame[:3] in (b"\xff\xaa\x18", b"\xff\xaa\x1d") and len(frame) > 6]
    for secret in searched:
        assert not any(secret in stream for stream in streams), secret.hex(" ")
    text = path.read_text("utf-8")
    assert not [password for password in PASSWORDS if password.decode() in text]
    assert "a secret exchange was left out here" in text
    if way == "whole":  # and nothing is left out of what we say that need not be
        said = [chunk.data for chunk in found if chunk.direction == ">"]
        assert said == [chunk.data for chunk in exchange if chunk.direction == ">" and not SECRET.match(chunk.data)]


def close(data: bytes) -> bytes:
    return close_envelope({"action": 0x5A, "register": 0x06}, data)


BOARD = close(bytes((6, 7, 6, 5, 8, 2, 8)))
STATUS = jbd.STATUS[0][0].raw


@pytest.mark.parametrize("at", range(1, len(BOARD)))
def test_a_secret_in_two_writes(at: int, tmp_path: Path) -> None:
    exchange = [Chunk(">", STATUS), Chunk(">", BOARD[:at]), Chunk(">", BOARD[at:]), Chunk(">", STATUS)]
    kept = [chunk.data for chunk in recorded(tmp_path / "a", exchange)]
    assert kept in ([STATUS, STATUS], [STATUS, BOARD[:at], STATUS])
    assert kept[1:-1] == ([BOARD[:at]] if at < 3 else [])  # no more of it than the head


def test_a_secret_whose_end_never_comes_is_left_out(tmp_path: Path) -> None:
    exchange = [Chunk(">", BOARD[:-3]), *[Chunk(">", STATUS)] * 4]
    assert [chunk.data for chunk in recorded(tmp_path / "a", exchange)] == [STATUS] * 3


@pytest.mark.parametrize("at", range(1, 6))
def test_the_second_half_of_an_answer_that_comes_late(at: int, tmp_path: Path) -> None:
    challenge = bytes.fromhex("FF AA 17 01 62 7A")
    exchange = [
        Chunk(">", bytes.fromhex("FF AA 17 00 17")),
        Chunk("<", challenge[:at]),
        Chunk(">", STATUS),
        Chunk("<", challenge[at:]),
        Chunk("<", BOARD[:2]),
    ]
    assert [chunk.data for chunk in recorded(tmp_path / "a", exchange)] == [STATUS, BOARD[:2]]


def test_an_echo_with_a_broken_bit(tmp_path: Path) -> None:
    """Of an adapter that hears itself, too late."""
    echo = BOARD[:-2] + bytes((BOARD[-2] ^ 1, BOARD[-1]))
    exchange = [Chunk(">", BOARD), Chunk(">", STATUS), Chunk("<", echo), Chunk("<", STATUS)]
    assert [chunk.data for chunk in recorded(tmp_path / "a", exchange)] == [STATUS, STATUS]


@pytest.mark.parametrize("size", [7, 20, 100])
def test_a_status_that_looks_like_a_secret_is_kept(size: int, tmp_path: Path) -> None:
    """A current of -0.86 A is FF AA on the wire."""
    answer = bytearray(make_device("jbd").receive(STATUS, 0.0))
    answer[6:8] = b"\xff\xaa"
    exchange = cut([Chunk("<", bytes(answer))], size)
    assert [chunk.data for chunk in recorded(tmp_path / "a", exchange)] == [chunk.data for chunk in exchange]


def test_each_gap_is_told_once(tmp_path: Path) -> None:
    exchange = [Chunk(">", BOARD), Chunk("<", b"\xdd\x06\0"), Chunk(">", BOARD), Chunk(">", STATUS), Chunk(">", BOARD)]
    recorded(tmp_path / "a", exchange)
    lines = (tmp_path / "a").read_text("utf-8").splitlines()[2:]
    assert [line.partition(" ")[2][8:] for line in lines if "secret" in line] == [
        "a secret exchange was left out here"
    ] * 2


@pytest.mark.parametrize(
    "command",
    ["record {0} {1} --count 1", "read {0} --record {1}", "info {0} --record {1}", "counters {0} --record {1}"],
)
def test_the_address_is_left_out_on_request(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, there, hidden = tmp_path / "A4C137042DBE.cap", tmp_path / "there.cap", tmp_path / "hidden.cap"
    assert run(["counters", "sim:jbd", "--record", str(source)]) == 0
    assert run(["read", "sim:jbd", "--record", str(tmp_path / "2")]) == 0
    source.write_text(source.read_text("utf-8") + (tmp_path / "2").read_text("utf-8"), "utf-8")
    for path, options in ((there, []), (hidden, ["--redact"])):
        assert run([*(word.format(f"replay:{source}", path) for word in command.split()), *options]) == 0
    first = hidden.read_text("utf-8").splitlines()[0]
    assert "A4C137042DBE" in there.read_text("utf-8")
    assert "A4C137042DBE" not in hidden.read_text("utf-8")
    assert re.fullmatch(r"# antbms \S+, replay:…, 20\S+Z", first)
    assert [chunk.data for chunk in read_capture(there)] == [chunk.data for chunk in read_capture(hidden)]


def test_redact_needs_a_recording(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["read", "sim:", "--redact"]) == 2
    assert "--record FILE" in capsys.readouterr().err
