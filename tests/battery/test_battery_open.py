"""`antbms.open` finds out by itself what speaks, wherever the battery is."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from battery_fakes import PROTOCOLS, content, snapshot_of

import antbms
import patience
from antbms.capture import read_capture
from antbms.errors import FileError, LinkLost, NoAnswer, OpenError, UsageError
from antbms.protocol import dialect, framer, jbd
from antbms.protocol.framing import Frame
from antbms.serve import serve_pty, serve_tcp
from antbms.sim import make_device
from conftest import captures_dir
from virtual_time import now, run, timing

QUICK = patience.timing(probe_first=0.1, probe_second=2.0, silence=0.03, open=10)
"""On a busy machine the second round finds what the first one missed."""
CELLS = {"ant": 16, "ant-legacy": 14, "jbd": 8}
MODELS = {"ant": "16SIM", "ant-legacy": None, "jbd": "SIM-SP08S-100A"}

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no ptys")


@asynccontextmanager
async def simulated(where: str, protocol: str) -> AsyncIterator[str]:
    """The address of a simulated battery."""
    if where == "sim":
        yield f"sim:{protocol}"
        return
    serve = serve_pty if where == "pty" else serve_tcp
    async with serve(make_device(protocol), timing=QUICK) as address:
        yield address


@pytest.mark.parametrize("where", ["sim", "tcp", pytest.param("pty", marks=posix)])
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("told", [False, True])
def test_simulated_batteries(where: str, protocol: str, told: bool) -> None:
    async def main() -> None:
        async with (
            simulated(where, protocol) as address,
            antbms.open(address, protocol=protocol if told else None, timing=QUICK) as battery,
        ):
            assert (battery.protocol, battery.name) == (protocol, address)
            for _ in range(2):
                snapshot = await battery.read()
                assert (snapshot.protocol, snapshot.battery) == (protocol, address)
                assert len(snapshot.cells) == CELLS[protocol]
                assert snapshot.voltage == pytest.approx(sum(cell or 0 for cell in snapshot.cells), rel=0.02)
                assert snapshot.soc == pytest.approx(65, abs=2)
                assert snapshot.doubts == snapshot.alarms == ()
            info = await battery.info()
            assert (info.protocol, info.cells, info.model) == (protocol, CELLS[protocol], MODELS[protocol])
            if told:
                assert battery.stats.rejected == {}
                # Where the medium is unknown, a legacy board is asked in both ways, and the simulated one answers both.
                assert battery.stats.stale == (protocol == "ant-legacy" and where != "sim")

    patience.run(main())


def test_the_simulated_battery_is_an_ant_one_and_takes_options() -> None:
    async def main() -> None:
        async with antbms.open("sim:?cells=4&soc=20", timing=timing()) as battery:
            snapshot = await battery.read()
            assert (battery.protocol, battery.name) == ("ant", "sim:?cells=4&soc=20")
            assert len(snapshot.cells) == 4
        async with antbms.open("sim:jbd", options={"cells": "5"}, timing=timing()) as battery:
            assert len((await battery.read()).cells) == 5

    run(main())


def test_there_is_no_note_about_what_is_quick_anyway() -> None:
    async def main() -> None:
        notes: list[str] = []
        async with antbms.open("sim:jbd", timing=timing(), on_note=notes.append):
            assert notes == []

    run(main())


def test_a_wrong_protocol_is_told() -> None:
    async def main() -> None:
        with pytest.raises(UsageError, match="no protocol is called 'daly'"):
            async with antbms.open("sim:", protocol="daly"):
                pass
        start = now()
        async with antbms.open("sim:jbd", protocol="ant", timing=timing()) as battery:
            with pytest.raises(NoAnswer, match=r"^sim:jbd: no valid answer in 3 tries \(\d\.\d s\); nothing came$"):
                await battery.read()
        assert now() - start < 4
        for address in "sim:daly", "sim:?cells=0", "sim:?color=red":
            with pytest.raises(UsageError):
                async with antbms.open(address):
                    pass

    run(main())


# Recordings


def recordings() -> list[Path]:
    folder = captures_dir()
    return sorted(path for name in PROTOCOLS for path in (folder / name).glob("*.txt"))


def frames_of(path: Path) -> list[Frame]:
    """What the battery said in a recording."""
    stream = framer()
    items = [item for chunk in read_capture(path) if chunk.direction == "<" for item in stream.feed(chunk.data)]
    return [item for item in (*items, *stream.flush()) if isinstance(item, Frame)]


def answers_to(path: Path, protocol: str) -> list[list[bytes]]:
    """The recorded answers to each request of a status."""
    frames = frames_of(path)
    steps = [tuple(head for request in step for head in request.answers) for step in dialect(protocol).STATUS]
    return [[frame.raw for frame in frames if frame.raw.startswith(heads)] for heads in steps]


def protocol_in(path: Path) -> str:
    return path.parent.name


READABLE = [path for path in recordings() if all(answers_to(path, protocol_in(path)))]
HALF = [path for path in recordings() if any(answers_to(path, protocol_in(path))) and path not in READABLE]
OTHERS = [path for path in recordings() if not any(answers_to(path, protocol_in(path)))]


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def test_there_are_recordings_of_all_protocols() -> None:
    assert {protocol_in(path) for path in READABLE} == set(PROTOCOLS)
    assert len(READABLE) > 20
    assert HALF
    assert OTHERS


@pytest.mark.parametrize("path", READABLE, ids=name_of)
@pytest.mark.parametrize("told", [False, True])
def test_every_recording_with_a_status_is_read(path: Path, told: bool) -> None:
    """The first reading is one that was recorded, also with the protocol found by itself."""
    protocol = protocol_in(path)
    choices: list[dict[str, Any]]
    answers = answers_to(path, protocol)
    if protocol == "jbd":
        choices = [snapshot_of("jbd", basic, cells) for basic in answers[0][:4] for cells in answers[1][:4]]
    else:
        choices = [snapshot_of(protocol, answers[0][0])]

    async def main() -> None:
        arguments: dict[str, Any] = {"protocol": protocol} if told else {}
        async with antbms.open(f"replay:{path}", timing=timing(), **arguments) as battery:
            assert battery.protocol == protocol
            assert content(await battery.read()) in choices

    run(main())


@pytest.mark.parametrize("path", HALF, ids=name_of)
def test_a_recording_of_half_a_status_has_no_reading(path: Path) -> None:
    """jbd without 04."""

    async def main() -> None:
        async with antbms.open(f"replay:{path}", timing=timing()) as battery:
            assert battery.protocol == "jbd"
            with pytest.raises((NoAnswer, LinkLost), match=f"^replay:{path}: "):
                await battery.read()

    run(main())


@pytest.mark.parametrize("path", OTHERS, ids=name_of)
def test_a_recording_without_status_has_no_protocol(path: Path) -> None:
    async def main() -> None:
        with pytest.raises(NoAnswer, match=f"^replay:{path}: no protocol answered in 2 rounds"):
            async with antbms.open(f"replay:{path}", timing=timing()):
                pass

    run(main())


def test_readings_of_a_recording_follow_each_other_to_its_end() -> None:
    path = captures_dir() / "ant" / "16s-280ah-16zmub.chunks.txt"
    recorded = [snapshot_of("ant", frame) for frame in answers_to(path, "ant")[0]]

    async def main() -> None:
        async with antbms.open(f"replay:{path}", timing=timing()) as battery:
            assert [content(await battery.read()) for _ in recorded] == recorded
            with pytest.raises(LinkLost, match=f"^replay:{path}: the recording ends here$"):
                await battery.read()

    run(main())


def holds(path: Path, head: bytes) -> bool:
    return any(frame.raw.startswith(head) for frame in frames_of(path))


@pytest.mark.parametrize("path", READABLE, ids=name_of)
def test_info_of_a_recording(path: Path) -> None:
    """Whatever it holds; the order in which it was recorded is not ours."""
    protocol = protocol_in(path)

    async def main() -> None:
        async with antbms.open(f"replay:{path}", timing=timing()) as battery:
            info = await battery.info()
        assert (info.protocol, info.address) == (protocol, None)
        assert info.cells
        if protocol == "ant" and holds(path, bytes.fromhex("7E A1 12 6C 02 20")):
            assert info.model
        if protocol == "jbd" and holds(path, jbd.INFO[0].answers[0]):
            assert info.model

    run(main())


def test_a_recording_that_is_none(tmp_path: Path) -> None:
    async def fails(path: Path, match: str) -> None:
        with pytest.raises((FileError, NoAnswer, OpenError), match=match):
            async with antbms.open(f"replay:{path}", timing=timing()):
                pass

    async def main() -> None:
        await fails(tmp_path / "missing.cap", "missing.cap: no such file or directory")
        await fails(tmp_path, "is a directory")
        bad = tmp_path / "bad.cap"
        bad.write_text("# fine\n> 7E A1\n< 7E GG\n")
        await fails(bad, "line 3 ")
        empty = tmp_path / "empty.cap"
        empty.touch()
        await fails(empty, "no protocol answered")

    run(main())
