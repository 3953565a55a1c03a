"""What came instead of an answer is told, and what a recording lacks; a late answer to a probe counts."""

from pathlib import Path

import pytest
from battery_fakes import ANT, PROTOCOLS, REQUESTS, Line, battery_over, board, silent, status

import antbms
from antbms.capture import Chunk, write_chunk
from antbms.errors import FileError, NoAnswer
from antbms.protocol import ant
from antbms.sim import make_device
from antbms.transport import Medium
from virtual_time import now, run, timing

OTHER = {"ant": "jbd", "ant-legacy": "ant", "jbd": "ant-legacy"}


async def unanswered(line: Line, **arguments: object) -> NoAnswer:
    with pytest.raises(NoAnswer) as caught:
        async with battery_over(line, **arguments) as battery:
            await battery.read()
    return caught.value


@pytest.mark.parametrize("protocol", [None, *PROTOCOLS])
def test_an_echo_is_told(protocol: str | None) -> None:
    """A half duplex adapter hears itself; TX wired to RX is a loop."""
    error = run(unanswered(Line(lambda data, _: [(0.005, data)]), protocol=protocol))
    assert str(error).endswith("; last: our own request came back, and no answer")
    assert "half duplex" in error.hints[0]
    assert "wires" in error.hints[1]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_echo_before_each_answer_does_no_harm(protocol: str) -> None:
    answers = board(protocol)

    async def main() -> None:
        async with battery_over(Line(lambda data, line: [(0.005, data), *answers(data, line)])) as battery:
            assert battery.protocol == protocol
            assert (await battery.read()).cells

    run(main())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_another_protocol_than_the_forced_one_is_named(protocol: str) -> None:
    other = OTHER[protocol]
    error = run(unanswered(Line(lambda data, _: [(0.05, status(other))]), protocol=protocol))
    assert str(error).endswith(f"; last: frames of {other} came")
    assert error.hints[-1] == f"Next: give --protocol {other}, or leave --protocol out."


def test_an_answer_to_something_else_is_named() -> None:
    versions = make_device("ant").receive(ant.INFO[0].raw, 0.0)
    error = run(unanswered(Line(lambda data, _: [(0.05, versions)]), protocol="ant"))
    assert str(error).endswith("; last: a valid frame came that answers something else: versions")
    assert "same time" in error.hints[0]


def test_a_late_answer_to_a_probe_counts_while_the_line_is_drained() -> None:
    """After 0.4 s the next protocol is due, but first 0.1 s of silence: an answer that comes then is an answer."""

    async def main() -> None:
        line = Line(board("ant", delay=0.45), Medium.BLUETOOTH)
        start = now()
        async with battery_over(line) as battery:
            assert battery.protocol == "ant"
            assert line.written == [ANT]
            assert now() - start == pytest.approx(0.45)
            assert (battery.stats.answers, battery.stats.stale) == (1, 0)

    run(main())


def test_a_password_without_an_answer() -> None:
    """It is given once, and the line says so; it is not in it."""
    error = run(unanswered(Line(silent, Medium.BLUETOOTH), protocol="ant", password="12345678"))
    assert str(error) == "COM9: no valid answer to a password, which is given only once (1.0 s); nothing came"
    assert error.hints[-1].startswith("Next: antbms record COM9 ")
    assert "12345678" not in error.text()


async def replayed(path: Path, protocol: str | None) -> NoAnswer:
    with pytest.raises(NoAnswer) as caught:
        async with antbms.open(f"replay:{path}", protocol=protocol, timing=timing(), name="garage") as battery:
            await battery.read()
    return caught.value


@pytest.mark.parametrize(("protocol", "request_name"), [(None, "status"), ("ant", "status"), ("jbd", "cells")])
def test_a_recording_that_lacks_an_answer(protocol: str | None, request_name: str, tmp_path: Path) -> None:
    """It does not sleep, and recording it would not help."""
    path = tmp_path / "half {of} it.cap"
    chunks = [Chunk(">", REQUESTS["jbd"]), Chunk("<", status("jbd"))]
    path.write_text(
        "".join(
            map(write_chunk, chunks if protocol else [Chunk("<", make_device("ant").receive(ant.INFO[0].raw, 0.0))])
        ),
        "utf-8",
    )
    error = run(replayed(path, protocol))
    assert str(error).startswith("garage: no ")
    assert str(error).endswith(f"; the recording holds no answer to the request for {request_name}")
    assert error.hints[-1] == f'Next: antbms decode "{path}"   shows what it holds.'
    assert "sleep" not in error.text()


def test_a_simulated_battery_does_not_sleep() -> None:
    async def main() -> None:
        async with antbms.open("sim:jbd", protocol="ant", timing=timing()) as battery:
            with pytest.raises(NoAnswer) as caught:
                await battery.read()
            assert caught.value.hints[-1] == "Next: leave out --protocol."

    run(main())


@pytest.mark.parametrize("protocol", [None, "ant"])
def test_a_simulated_battery_whose_faults_eat_its_answers_says_so(protocol: str | None) -> None:
    async def main() -> None:
        with pytest.raises(NoAnswer) as caught:
            async with antbms.open("sim:", protocol=protocol, options={"faults": "loss:1"}, timing=timing()) as battery:
                await battery.read()
        assert "loss:1" in caught.value.hints[0]
        assert "--protocol" not in caught.value.text()

    run(main())


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device")
def test_a_device_without_an_end_is_no_recording() -> None:
    async def main() -> None:
        with pytest.raises(FileError, match="/dev/zero: is a device, not a recording"):
            async with antbms.open("replay:/dev/zero", timing=timing()):
                pass

    run(main())
