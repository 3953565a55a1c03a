"""A recording is what crossed the link, secrets left out; and it answers like the battery it was taken from."""

import asyncio
import io
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from battery_fakes import (
    ANT,
    JUNK,
    PROTOCOLS,
    Line,
    content,
    damaged,
    descriptors,
    numbered,
    overhear,
    scripted,
    silent,
    status,
    until,
)

import antbms
import garbage
import patience
from antbms.capture import Chunk, read_capture
from antbms.errors import FileError, LinkLost, NoAnswer, Refused
from antbms.link import Link
from antbms.protocol import ant
from antbms.serve import serve_tcp
from antbms.sim import make_device
from antbms.timing import Timing
from antbms.transport import Medium, recorder
from antbms.transport.recorder import Recorder
from virtual_time import now, run, timing

QUICK = patience.timing(probe_first=0.1, probe_second=2.0, silence=0.02, open=10)
SECRET = bytes.fromhex("DD 5A 06 04 03 31 32 33 FF 6A 77")
GRANTED = bytes.fromhex("DD 06 00 00 00 00 77")


def recorded(line: Line, path: Path, title: str = "COM9") -> Recorder:
    return Recorder(line, recorder.open_record(path), timing(), title)


def joined(chunks: list[Chunk], direction: str) -> bytes:
    return b"".join(chunk.data for chunk in chunks if chunk.direction == direction)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("told", [False, True])
def test_a_session_over_tcp_and_its_replay(protocol: str, told: bool, tmp_path: Path) -> None:
    path = tmp_path / "session.cap"
    crossed = {">": b"", "<": b""}
    device = make_device(protocol)

    def note(data: bytes, answer: bytes) -> None:
        device.rig.advance(device.rig.clock + 300)  # so that every reading is another one
        crossed[">"] += data
        crossed["<"] += answer

    overhear(device, note)
    arguments: dict[str, Any] = {"protocol": protocol} if told else {}
    live: list[Any] = []

    async def session(address: str, timing: Timing, **arguments: Any) -> list[Any]:
        async with antbms.open(address, timing=timing, **arguments) as battery:
            assert battery.protocol == protocol
            readings = [content(await battery.read()) for _ in range(3)]
            return [*readings, (await battery.info()).to_dict(), content(await battery.read())]

    async def main() -> None:
        async with serve_tcp(device, timing=QUICK) as address:
            live.extend(await session(address, QUICK, record=path, **arguments))
        text = path.read_text()
        assert re.match(rf"# antbms \S+, {re.escape(address)}, \d{{4}}-\d\d-\d\dT[\d:.]+Z\n", text)

    patience.run(main())
    chunks = list(read_capture(path))
    for direction in "<>":
        assert joined(chunks, direction) == crossed[direction]
    times = [chunk.at for chunk in chunks]
    assert None not in times
    assert times == sorted(times)  # type: ignore[type-var]
    assert live[0] != live[1] != live[2]
    assert run(session(f"replay:{path}", timing(), **arguments)) == live


def test_a_recorded_battery_is_recorded_once_more_from_its_recording(tmp_path: Path) -> None:
    async def session(address: str, record: Path) -> list[Any]:
        async with antbms.open(address, timing=timing(), record=record) as battery:
            return [content(await battery.read()) for _ in range(3)]

    first, second = tmp_path / "1.cap", tmp_path / "2.cap"
    assert run(session("sim:jbd", first)) == run(session(f"replay:{first}", second))
    assert [(chunk.direction, chunk.data) for chunk in read_capture(first)] == [
        (chunk.direction, chunk.data) for chunk in read_capture(second)
    ]


def test_one_line_a_chunk_with_its_time_and_the_speed(tmp_path: Path) -> None:
    path = tmp_path / "a.cap"

    async def main() -> None:
        pipe = recorded(Line(scripted([(0.25, JUNK), (0.5, b"\x01")]), Medium.WIRE), path, "COM9\nnewline")
        await pipe.set_baud(9600)
        await pipe.write(ANT)
        await pipe.read()
        await pipe.read()
        await pipe.close()

    run(main())
    head, explanation, *lines = path.read_text().splitlines()
    assert head.startswith("# antbms ")
    assert "COM9 newline" in head
    assert head.endswith("Z")
    assert explanation.startswith("# t = ")
    assert lines == [
        "# t=0.000 9600 baud",
        "# t=0.000",
        f"> {ANT.hex(' ').upper()}",
        "# t=0.250",
        f"< {JUNK.hex(' ').upper()}",
        "# t=0.500",
        "< 01",
    ]


def test_garbage_and_silence_are_recorded_too(tmp_path: Path) -> None:
    """It is for those that a recording is asked for."""
    path = tmp_path / "a.cap"
    bad = damaged(status("ant"))

    async def main() -> None:
        line = Line(scripted([(0.1, bad[:50]), (0.2, bad[50:])], [(0.1, JUNK)]))
        pipe = recorded(line, path)
        link = Link(pipe, "COM9", timing())
        for _ in range(3):
            with pytest.raises(NoAnswer):
                await link.ask(ant.STATUS[0], patience=0.5)
        await pipe.close()

    run(main())
    chunks = [(chunk.direction, chunk.data) for chunk in read_capture(path)]
    assert chunks == [(">", ANT), ("<", bad[:50]), ("<", bad[50:]), (">", ANT), ("<", JUNK), (">", ANT)]


def test_what_was_recorded_is_in_the_file_at_once(tmp_path: Path) -> None:
    """Also if the program dies: nothing waits in a buffer."""
    path = tmp_path / "a.cap"

    async def main() -> None:
        pipe = recorded(Line(scripted([(0.1, JUNK)])), path)
        await pipe.write(ANT)
        assert [chunk.data for chunk in read_capture(path)] == [ANT]
        await pipe.read()
        assert [chunk.data for chunk in read_capture(path)] == [ANT, JUNK]
        await pipe.close()

    run(main())


def test_secrets_and_their_answers_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.cap"
    challenge = bytes.fromhex("FF AA 17 00 17")
    nonce = bytes.fromhex("FF AA 17 01 5A 72")

    async def main() -> None:
        line = Line(scripted([(0.1, nonce)], [(0.1, GRANTED[:3]), (0.2, GRANTED[3:])], [(0.1, JUNK)], [(0.1, GRANTED)]))
        pipe = recorded(line, path)
        await pipe.write(challenge, secret=True)
        assert await pipe.read() == nonce
        await pipe.write(SECRET, secret=True)
        assert await pipe.read() + await pipe.read() == GRANTED
        await pipe.write(ANT)
        assert await pipe.read() == JUNK
        await pipe.write(SECRET, secret=True)
        assert await pipe.read() == GRANTED
        await pipe.close()
        assert line.written == [challenge, SECRET, ANT, SECRET]

    run(main())
    text = path.read_text()
    assert [(chunk.direction, chunk.data) for chunk in read_capture(path)] == [(">", ANT), ("<", JUNK)]
    for secret in challenge, nonce, SECRET, GRANTED[:3], GRANTED[3:]:
        assert secret.hex(" ").upper() not in text
    comments = [line for line in text.splitlines() if "secret" in line]
    assert comments == [
        "# t=0.000 a secret exchange was left out here",
        "# t=0.400 a secret exchange was left out here",
    ]


def test_the_answer_to_a_secret_is_left_out_though_its_reader_was_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "a.cap"

    async def main() -> None:
        pipe = recorded(Line(scripted([(0.1, GRANTED)])), path)
        await pipe.write(SECRET, secret=True)
        reading = asyncio.ensure_future(pipe.read())
        await asyncio.sleep(0.05)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert await pipe.read() == GRANTED
        await pipe.write(ANT)
        await pipe.close()

    run(main())
    assert [chunk.data for chunk in read_capture(path)] == [ANT]


@pytest.mark.parametrize("address", ["sim:", "tcp"])
def test_an_existing_file_is_not_overwritten(address: str, tmp_path: Path) -> None:
    path = tmp_path / "a.cap"
    path.write_text("precious")

    async def fails(address: str) -> None:
        garbage.collect()  # what other tests left to it
        before = descriptors()
        with pytest.raises(FileError, match=rf"^{re.escape(str(path))}: is there already$") as caught:
            async with antbms.open(address, record=path, timing=QUICK):
                pass
        assert caught.value.hints == ("Next: choose another name, or remove it.",)
        assert caught.value.status == 1
        await until(lambda: descriptors() <= before)  # with the server's end of it

    async def main() -> None:
        if address == "sim:":
            await fails(address)
            return
        async with serve_tcp(make_device("ant"), timing=QUICK) as there:
            await fails(there)

    patience.run(main())
    assert path.read_text() == "precious"


def test_a_file_that_cannot_be_made(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(FileError, match="no such file or directory"):
            async with antbms.open("sim:", record=tmp_path / "missing" / "a.cap"):
                pass

    patience.run(main())


class Full(io.StringIO):
    """A disk with room for so many characters."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def flush(self) -> None:
        if self.tell() > self.room:
            raise OSError(28, "No space left on device")

    def close(self) -> None:
        full = not self.closed and self.tell() > self.room
        super().close()
        if full:
            raise OSError(28, "No space left on device")


async def read_often(address: str, record: Path) -> None:
    async with antbms.open(address, protocol="ant", record=record, timing=QUICK) as battery:
        for _ in range(9):
            await battery.read()


@pytest.mark.parametrize("room", [0, 200, 400])
def test_a_full_disk_is_told_and_the_link_is_closed(room: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "a.cap"
    monkeypatch.setattr(recorder, "open_record", lambda path: Full(room))

    async def main() -> None:
        async with serve_tcp(make_device("ant"), timing=QUICK) as address:
            garbage.collect()  # what other tests left to it
            before = descriptors()
            with pytest.raises(FileError, match=r"(?i)no space left"):
                await read_often(address, path)
            async with asyncio.timeout(5):
                await until(lambda: descriptors() <= before)

    patience.run(main())


def test_closing_closes_both(tmp_path: Path) -> None:
    path = tmp_path / "a.cap"

    async def main() -> None:
        garbage.collect()  # what other tests left to it
        before = descriptors()
        line = Line(silent)
        pipe = recorded(line, path)
        assert descriptors() == before + 1 or not before
        await pipe.close()
        await pipe.close()
        assert descriptors() == before
        with pytest.raises(LinkLost):
            await line.read()

    run(main())


def test_it_is_what_it_wraps(tmp_path: Path) -> None:
    async def main() -> None:
        for medium in Medium:
            line = Line(silent, medium)
            line.address = "AA:BB:CC:DD:EE:FF"
            pipe = recorded(line, tmp_path / medium.value)
            assert (pipe.medium, pipe.address) == (medium, line.address)
            await pipe.set_baud(1200)
            assert line.baud == 1200
            await pipe.close()

    run(main())


def test_its_clock_is_that_of_timing(tmp_path: Path) -> None:
    path = tmp_path / "a.cap"

    async def main() -> None:
        clock = Timing(now=lambda: datetime(2030, 1, 2, tzinfo=UTC), monotonic=now)
        async with antbms.open("sim:jbd", protocol="jbd", record=path, timing=clock) as battery:
            await asyncio.sleep(12.5)
            await battery.read()

    run(main())
    assert "2030-01-02T00:00:00.000Z" in path.read_text().splitlines()[0]
    assert {chunk.at for chunk in read_capture(path)} == {12.5}


def test_a_lost_link_is_recorded_up_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.cap"

    async def main() -> None:
        line = Line(numbered("ant"))
        pipe = recorded(line, path)
        await pipe.write(ANT)
        await pipe.read()
        line.lose()
        for last in pipe.read(), pipe.write(ANT):
            with pytest.raises(LinkLost):
                await last
        await pipe.close()

    run(main())
    assert [chunk.direction for chunk in read_capture(path)][:2] == [">", "<"]


def test_a_refusal_is_replayed_as_one(tmp_path: Path) -> None:
    path = tmp_path / "a.cap"
    path.write_text("> DD A5 03 00 FF FD 77\n< DD 03 83 00 FF 7D 77\n")

    async def main() -> None:
        async with antbms.open(f"replay:{path}", protocol="jbd", timing=timing()) as battery:
            with pytest.raises(Refused, match="password needed"):
                await battery.read()

    run(main())
