"""The search for the protocol: what is asked, in which order, at which speed, for how long."""

import asyncio
import random

import pytest
from battery_fakes import (
    ANT,
    BASIC,
    BLUETOOTH,
    CELLS,
    PROTOCOLS,
    REQUESTS,
    WIRE,
    Line,
    battery_over,
    board,
    number_of,
    numbered,
    scripted,
    silent,
    status,
)

from antbms.battery import Battery
from antbms.errors import NoAnswer, Refused
from antbms.protocol.jbd.frame import close_envelope
from antbms.sim import make_device
from antbms.transport import Medium
from virtual_time import now, run, timing

BOUND = 3 * (0.4 + 1.5) + 6 * 0.1
"""s: two rounds of three families, and a silence before each probe."""
ORDER = {
    Medium.WIRE: [19200, ANT, 19200, WIRE, 9600, BASIC],
    Medium.UNKNOWN: [19200, ANT, 19200, BLUETOOTH + WIRE, 9600, BASIC],
    Medium.BLUETOOTH: [ANT, BLUETOOTH, BASIC],
    Medium.MEMORY: [ANT, BLUETOOTH, BASIC],
}


async def search(line: Line, **arguments: object) -> float:
    """How long a search took that found nothing."""
    start = now()
    with pytest.raises(NoAnswer):
        async with battery_over(line, **arguments):
            pass
    return now() - start


async def found(line: Line) -> tuple[str, float]:
    """The protocol, and how long it took to find."""
    start = now()
    async with battery_over(line) as battery:
        return battery.protocol, now() - start


@pytest.mark.parametrize("medium", ORDER)
def test_order_of_probes_and_speeds(medium: Medium) -> None:
    async def main() -> None:
        line = Line(silent, medium)
        assert await search(line) <= BOUND
        assert line.steps == 2 * ORDER[medium]
        if 9600 not in line.steps:
            assert line.baud == 19200  # as it was opened

    run(main())


def test_every_probe_gets_its_time_and_silence_before_it() -> None:
    async def main() -> None:
        line = Line(silent)
        start = now()
        assert await search(line) == pytest.approx(3 * 1.9 + 5 * 0.1)
        at = [moment - start for moment, what in line.log if isinstance(what, bytes)]
        assert at == pytest.approx([0.0, 0.5, 1.0, 1.5, 3.1, 4.7])

    run(main())


def test_durations_are_those_of_timing() -> None:
    async def main() -> None:
        quick = timing(probe_first=0.01, probe_second=0.02, silence=0.005)
        assert await search(Line(silent), timing=quick) == pytest.approx(3 * 0.03 + 5 * 0.005)

    run(main())


def test_a_speed_in_the_address_is_not_changed() -> None:
    async def main() -> None:
        line = Line(silent, Medium.WIRE)
        await search(line, options={"baud": "9600"})
        assert line.steps == 2 * [ANT, WIRE, BASIC]

    run(main())


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("medium", ORDER)
def test_every_board_over_every_medium(protocol: str, medium: Medium) -> None:
    device = make_device(protocol)

    def far(data: bytes, line: Line) -> list[tuple[float, bytes]]:
        if medium is Medium.WIRE and line.baud != (9600 if protocol == "jbd" else 19200):
            return []
        if data == (BLUETOOTH if medium is Medium.WIRE else WIRE):
            return []
        return [(0.0 if medium is Medium.MEMORY else 0.05, device.receive(data, now()))]

    async def main() -> None:
        line = Line(far, medium)
        async with battery_over(line) as battery:
            assert battery.protocol == protocol
            snapshot = await battery.read()
            assert (snapshot.protocol, snapshot.battery) == (protocol, "COM9")
            assert (await battery.info()).cells == len(snapshot.cells)
        if medium is Medium.WIRE:
            assert line.baud == (9600 if protocol == "jbd" else 19200)

    run(main())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_given_protocol_is_not_searched_for(protocol: str) -> None:
    async def main() -> None:
        line = Line(board(protocol), Medium.BLUETOOTH)
        async with battery_over(line, protocol=protocol) as battery:
            assert line.steps == []
            assert line.baud == (9600 if protocol == "jbd" else 19200)
            await battery.read()
        assert line.steps == [REQUESTS[protocol], *([CELLS] if protocol == "jbd" else [])]

    run(main())


def test_what_was_found_is_said_once() -> None:
    async def main() -> None:
        notes: list[str] = []
        async with battery_over(Line(board("jbd")), on_note=notes.append) as battery:
            await battery.read()
        assert notes == ["COM9 speaks jbd; with --protocol jbd it is not searched again"]
        async with battery_over(Line(board("jbd")), protocol="jbd", on_note=notes.append):
            pass
        assert len(notes) == 1

    run(main())


def both(delay: float, sleepy: bool) -> Line:
    """A 2021 board: it answers both ANT families; a sleepy one only what comes after its first request."""
    boards = [make_device("ant"), make_device("ant-legacy")]
    requests = iter(range(100))

    def far(data: bytes, line: Line) -> list[tuple[float, bytes]]:
        if next(requests) == 0 and sleepy:
            return []
        return [(delay, device.receive(data, now())) for device in boards]

    return Line(far)


@pytest.mark.parametrize("sleepy", [False, True])
def test_a_board_that_answers_both_ant_families_speaks_ant(sleepy: bool) -> None:
    async def main() -> None:
        line = both(0.05, sleepy)
        async with battery_over(line) as battery:
            assert battery.protocol == "ant"
            assert (await battery.read()).level == 5
        assert line.written == ([ANT, BLUETOOTH + WIRE, ANT] if sleepy else [ANT])

    run(main())


def test_a_legacy_board_is_asked_for_ant_once_more() -> None:
    async def main() -> None:
        line = Line(board("ant-legacy"))
        assert await found(line) == ("ant-legacy", pytest.approx(0.4 + 0.1 + 0.05 + 0.1 + 0.4))
        assert line.written == [ANT, BLUETOOTH + WIRE, ANT]

    run(main())


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("delay", [0.1, 0.39, 0.41, 0.45, 0.49, 0.55, 0.7, 0.95, 1.0, 1.05, 1.3, 1.45, 1.7])
def test_a_slow_board_is_found(protocol: str, delay: float) -> None:
    """Constantly slow, as over a bad radio link; up to more than the second round waits."""

    async def main() -> None:
        async with battery_over(Line(board(protocol, delay))) as battery:
            assert battery.protocol == protocol

    run(main())


def test_an_answer_in_the_next_slot_counts() -> None:
    async def main() -> None:
        line = Line(board("ant", 0.7))
        assert await found(line) == ("ant", pytest.approx(0.7))
        assert line.written == [ANT, BLUETOOTH + WIRE]

    run(main())


def test_a_slow_network_bridge_is_left_at_the_speed_of_what_was_found() -> None:
    """All that goes to the bridge, and comes back, takes half a second: probes are answered at the right speed, but
    the answer comes when the speed has been changed again."""
    device = make_device("jbd")
    way = 0.45

    class Bridge(Line):
        there = 0

        async def set_baud(self, baud: int) -> None:
            await super().set_baud(baud)
            asyncio.get_running_loop().call_later(way, setattr, self, "there", baud)

        async def write(self, data: bytes, *, secret: bool = False) -> None:
            await super().write(data, secret=secret)
            asyncio.get_running_loop().call_later(way, self.arrive, data)

        def arrive(self, data: bytes) -> None:
            if self.there == 9600:
                asyncio.get_running_loop().call_later(way, self.deliver, device.receive(data, now()))

    async def main() -> None:
        async with battery_over(Bridge(silent, Medium.WIRE)) as battery:
            assert battery.protocol == "jbd"
            assert (await battery.read()).cells

    run(main())


@pytest.mark.parametrize("code", [0x80, 0x81, 0x83])
@pytest.mark.parametrize("ask", [Battery.read, Battery.info])
def test_an_error_answer_of_jbd_identifies_the_family(code: int, ask: object) -> None:
    """What then is asked of it is refused: nothing else may come of the answer that the search has got."""
    refusal = close_envelope({"register": 3, "status": code})
    device = make_device("jbd")

    def far(data: bytes, line: Line) -> list[tuple[float, bytes]]:
        return [(0.05, refusal if data == BASIC else device.receive(data, now()))]

    async def main() -> None:
        async with battery_over(Line(far)) as battery:
            assert battery.protocol == "jbd"
            with pytest.raises(Refused, match="COM9: the battery refused to tell its status: "):
                await ask(battery)  # type: ignore[operator]

    run(main())


@pytest.mark.parametrize("ask", [Battery.read, Battery.info])
def test_a_status_that_is_too_short_is_no_answer_to_begin_with(ask: object) -> None:
    """A valid frame without the fields of a status: the search may take it, a reading may not."""
    from antbms.protocol.ant.frame import close_envelope as ant_frame

    short = ant_frame({"function": 0x11, "register": 0}, bytes(20))

    async def main() -> None:
        line = Line(lambda data, line: [(0.05, short)] if ANT in data else [])
        with pytest.raises(NoAnswer, match="COM9: no "):
            async with battery_over(line) as battery:
                await ask(battery)  # type: ignore[operator]

    run(main())


@pytest.mark.parametrize("seed", range(8))
def test_the_garbage_of_a_wrong_speed_is_no_answer(seed: int) -> None:
    noise = random.Random(seed)
    device = make_device("jbd")

    def far(data: bytes, line: Line) -> list[tuple[float, bytes]]:
        if line.baud == 9600:
            return [(0.05, device.receive(data, now()))]
        return [(0.02 + 0.001 * n, noise.randbytes(20) + b"\x7e\xa1\x11\xaa\x55\xaa\xff") for n in range(3)]

    async def main() -> None:
        line = Line(far, Medium.WIRE)
        async with battery_over(line) as battery:
            assert battery.protocol == "jbd"
            assert battery.stats.rejected
            assert (await battery.read()).protocol == "jbd"

    run(main())


@pytest.mark.parametrize("second", [0.05, 0.08, 0.2, 0.4])
def test_both_alternatives_answered(second: float) -> None:
    """The answer to the second one comes when nobody waits for it: it is not that of the next request."""

    def far(data: bytes, line: Line) -> list[tuple[float, bytes]]:
        if data == BLUETOOTH + WIRE:
            return [(0.05, answer(BLUETOOTH, line)[0][1]), (second, answer(WIRE, line)[0][1])]
        return answer(data, line) if data in (BLUETOOTH, WIRE) else []

    answer = numbered("ant-legacy")

    async def main() -> None:
        line = Line(far)
        async with battery_over(line, timing=timing(probe_first=0.2)) as battery:
            assert battery.protocol == "ant-legacy"
            assert number_of(await battery.read()) == 0
            assert number_of(await battery.read()) == 2
            assert number_of(await battery.read()) == 3
        assert line.written[2:] == [ANT, BLUETOOTH, BLUETOOTH]  # what was answered first is what is asked from then on
        assert battery.stats.stale == 1

    run(main())


@pytest.mark.parametrize("second", [0.05, 0.06, 0.14])
def test_both_alternatives_answered_without_a_search(second: float) -> None:
    answer = numbered("ant-legacy", 0.05)

    def far(data: bytes, line: Line) -> list[tuple[float, bytes]]:
        one = answer(data, line)
        return [*one, (second, answer(data, line)[0][1])] if data == BLUETOOTH + WIRE else one

    async def main() -> None:
        line = Line(far)
        async with battery_over(line, protocol="ant-legacy") as battery:
            assert [number_of(await battery.read()) for _ in range(3)] == [0, 2, 3]
        assert line.written == [BLUETOOTH + WIRE, BLUETOOTH, BLUETOOTH]

    run(main())


def test_the_answer_of_the_search_is_the_first_reading_unless_it_is_old() -> None:
    async def main() -> None:
        line = Line(numbered("ant"))
        async with battery_over(line) as battery:
            assert number_of(await battery.read()) == 0
            assert line.written == [ANT]
            assert number_of(await battery.read()) == 1
        line = Line(numbered("ant"))
        async with battery_over(line) as battery:
            await asyncio.sleep(1.1)
            assert number_of(await battery.read()) == 1

    run(main())


def test_the_time_of_a_reading_is_that_of_its_answer() -> None:
    """Also of a legacy board, which is asked for `ant` before it may be used."""

    async def main() -> None:
        line = Line(board("ant-legacy"))
        start = now()
        clock = timing().now
        beginning = clock()
        async with battery_over(line) as battery:
            snapshot = await battery.read()
        answered = next(at for at, what in line.log if what == BLUETOOTH + WIRE) + 0.05
        assert (snapshot.time - beginning).total_seconds() == pytest.approx(answered - start, abs=0.01)

    run(main())


def test_junk_around_the_first_answer() -> None:
    async def main() -> None:
        line = Line(scripted([(0.05, b"\r\nOK" + status("ant") + b"+++")]))
        async with battery_over(line) as battery:
            assert battery.protocol == "ant"
            assert battery.stats.rejected == {"junk": 1}

    run(main())
