"""Reads retry; what was asked too long ago, half of it, or damaged is never taken for an answer."""

import asyncio
from collections.abc import Callable

import pytest
from battery_fakes import (
    ANT,
    BASIC,
    CELLS,
    JUNK,
    PROTOCOLS,
    REQUESTS,
    Far,
    Line,
    battery_over,
    board,
    content,
    damaged,
    number_of,
    numbered,
    scripted,
    silent,
    snapshot_of,
    status,
)

from antbms.errors import LinkLost, NoAnswer, Refused
from antbms.protocol import ant, dialect, jbd
from antbms.protocol.jbd.frame import close_envelope
from antbms.sim import make_device
from antbms.transport import Medium
from virtual_time import now, run, timing

PATIENCE = {name: dialect(name).PATIENCE for name in PROTOCOLS}

Pieces = list[tuple[float, bytes]]
SPOILT: dict[str, tuple[Callable[[bytes], Pieces], dict[str, int]]] = {
    "lost": (lambda good: [], {}),
    "half": (lambda good: [(0.05, good[: len(good) // 2])], {"truncated": 1}),
    "its head": (lambda good: [(0.05, good[:1])], {"junk": 1}),
    "all but the last byte": (lambda good: [(0.05, good[:-1])], {"truncated": 1}),
    "without its beginning": (lambda good: [(0.05, good[1:])], {"junk": 1}),
    "damaged": (lambda good: [(0.05, damaged(good))], {"checksum": 1}),
    "junk": (lambda good: [(0.05, JUNK)], {"junk": 1}),
}
"""What comes instead of the first answer, and how it is counted."""


def opened(line: Line, protocol: str, **changes: object):  # type: ignore[no-untyped-def]
    return battery_over(line, protocol=protocol, timing=timing(**changes))


def status_far(protocol: str, *answers: Pieces) -> Far:
    """Scripted answers to the (first) request of the status; the second one of jbd is always answered."""
    first = scripted(*answers)

    def far(data: bytes, line: Line) -> Pieces:
        return [(0.05, CELLS_ANSWER)] if data == CELLS else list(first(data, line))

    return far


CELLS_ANSWER = make_device("jbd").receive(CELLS, 0.0)


def good(protocol: str) -> tuple[bytes, dict[str, object]]:
    """An answer of status, and what a reading of it must give."""
    frame = status(protocol)
    return frame, snapshot_of(protocol, frame, *([CELLS_ANSWER] if protocol == "jbd" else []))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("tries", [1, 2, 3, 5])
def test_a_read_is_asked_so_many_times(protocol: str, tries: int) -> None:
    async def main() -> None:
        line = Line(silent, Medium.BLUETOOTH)
        async with opened(line, protocol, tries=tries) as battery:
            start = now()
            with pytest.raises(NoAnswer, match=rf"^COM9: no valid answer in {tries} tries \(.* s\); nothing came$"):
                await battery.read()
            assert now() - start == pytest.approx(tries * PATIENCE[protocol] + (tries - 1) * 0.1)
        assert line.steps == tries * [REQUESTS[protocol]]
        assert battery.stats.requests == tries
        assert battery.stats.answers == 0

    run(main())


def test_the_caller_may_be_less_patient() -> None:
    async def main() -> None:
        async with opened(Line(silent), "jbd", answer=0.2, tries=2) as battery:
            start = now()
            with pytest.raises(NoAnswer, match=r"\(0\.5 s\)"):
                await battery.read()
            assert now() - start == pytest.approx(0.2 + 0.1 + 0.2)

    run(main())


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("spoilt", SPOILT)
@pytest.mark.parametrize("times", [1, 2])
def test_a_spoilt_answer_then_a_good_one(protocol: str, spoilt: str, times: int) -> None:
    frame, expected = good(protocol)
    spoil, counted = SPOILT[spoilt]
    if protocol == "jbd" and spoilt == "its head":  # of one byte: a frame has begun
        counted = {"truncated": 1}

    async def main() -> None:
        line = Line(status_far(protocol, *times * [spoil(frame)], [(0.05, frame)]), Medium.BLUETOOTH)
        async with opened(line, protocol) as battery:
            assert content(await battery.read()) == expected
            stats = battery.stats
        assert line.written.count(REQUESTS[protocol]) == times + 1
        assert stats.rejected == {reason: times * number for reason, number in counted.items()}
        assert stats.stale == 0
        assert stats.answers == len(line.written) - times

    run(main())


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("rest", [JUNK, b"", b"\x7e", b"\xaa\x55\xaa\xff\x01\x02", b"\xdd\x03\x00"])
@pytest.mark.parametrize("pieces", [1, 7, 20, 1000])
def test_junk_before_an_answer_in_pieces(protocol: str, rest: bytes, pieces: int) -> None:
    frame, expected = good(protocol)
    stream = rest + frame
    cut = [(0.01 + 0.001 * at, stream[at : at + pieces]) for at in range(0, len(stream), pieces)]

    async def main() -> None:
        line = Line(status_far(protocol, cut, cut, cut), Medium.BLUETOOTH)
        async with opened(line, protocol) as battery:
            assert content(await battery.read()) == expected

    run(main())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_damaged_answers_are_counted_and_told(protocol: str) -> None:
    bad = damaged(status(protocol))

    async def main() -> None:
        async with opened(Line(lambda *_: [(0.05, bad)], Medium.BLUETOOTH), protocol) as battery:
            with pytest.raises(NoAnswer) as caught:
                await battery.read()
            assert battery.stats.rejected == {"checksum": 3}
        assert f"; last: {len(bad)} bytes, checksum " in str(caught.value)
        assert caught.value.hints[-1] == "Next: antbms record COM9 out.cap, and attach out.cap to a report."

    run(main())


@pytest.mark.parametrize("late", [0.01, 0.05, 0.09])
def test_an_answer_after_its_time_is_not_that_of_the_next_request(late: float) -> None:
    """Same function, same register: only silence tells them apart."""
    answer = numbered("ant")
    delays = iter([PATIENCE["ant"] + late, 0.3, 0.05])

    async def main() -> None:
        line = Line(lambda data, line: [(next(delays), answer(data, line)[0][1])])
        async with opened(line, "ant") as battery:
            assert number_of(await battery.read()) == 1
            assert battery.stats.stale == 1
            assert number_of(await battery.read()) == 2
        times = [at for at, _ in line.log]
        assert times[1] - times[0] == pytest.approx(PATIENCE["ant"] + late + 0.1)  # silence since it came

    run(main())


def test_after_a_failed_read_the_next_one_waits_for_silence() -> None:
    answer = numbered("ant")
    delays = iter([1.05, 0.05])

    async def main() -> None:
        line = Line(lambda data, line: [(next(delays), answer(data, line)[0][1])])
        async with opened(line, "ant", tries=1) as battery:
            with pytest.raises(NoAnswer):
                await battery.read()
            assert number_of(await battery.read()) == 1

    run(main())


def check_each_is_new(far: Far, protocol: str, steps: int) -> None:
    """Six readings, one a second, are the board's answers of then. steps: requests of a reading, each sent once."""

    async def main() -> None:
        async with opened(line := Line(far), protocol) as battery:
            for number in range(6):
                assert number_of(await battery.read()) == number * steps
                assert len(line.written) == (number + 1) * steps
                await asyncio.sleep(1)

    run(main())


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("again", ["one answer", "every answer", "half an answer"])
def test_an_answer_that_comes_once_more_is_not_taken_for_the_next(protocol: str, again: str) -> None:
    """A bridge repeats it, or it was for another program: without care all readings from then on were late by one."""
    answer, count, steps = numbered(protocol), iter(range(1000)), 2 if protocol == "jbd" else 1

    def far(data: bytes, line: Line) -> list[tuple[float, bytes]]:
        first, stray = next(count), answer(data, line)
        if again == "half an answer":
            return [*stray, (0.4, stray[0][1][:40])]
        return [*stray, (0.4, stray[0][1])] if again == "every answer" or first == steps else [*stray]

    check_each_is_new(far, protocol, steps)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("at", [1, 5, 40, -1])
def test_an_answer_once_more_half_before_the_next_request_is_not_its_answer(protocol: str, at: int) -> None:
    """What came of it before the request was kept, and the rest made it whole: an old reading as a new one."""
    answer, count, steps = numbered(protocol), iter(range(1000)), 2 if protocol == "jbd" else 1
    again = 1.05 if steps == 1 else 1.165  # s from a request of the status to the next one

    def far(data: bytes, line: Line) -> list[tuple[float, bytes]]:
        first, stray = next(count), answer(data, line)
        frame = stray[0][1]
        return [*stray] if first % steps else [*stray, (0.4, frame[:at]), (again + 0.02, frame[at:])]

    check_each_is_new(far, protocol, steps)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("held", [1, 2])
def test_of_answers_that_come_together_the_newest_counts(protocol: str, held: int) -> None:
    """A bridge or a driver held those to earlier tries back."""
    answer, kept, count = numbered(protocol), list[bytes](), iter(range(100))

    def far(data: bytes, line: Line) -> list[tuple[float, bytes]]:
        kept.append(answer(data, line)[0][1])
        number = next(count)
        return [(0.05, b"".join(kept) if number == held else kept[-1])] if number >= held else []

    async def main() -> None:
        async with opened(Line(far, Medium.BLUETOOTH), protocol) as battery:
            assert number_of(await battery.read()) == held
            assert battery.stats.stale == held

    run(main())


def test_an_answer_of_another_register_is_stale() -> None:
    """jbd: the late answer 03 while 04 is waited for; and what nobody has ever asked for."""
    basic, counters = status("jbd"), make_device("jbd").receive(jbd.COUNTERS.raw, 0.0)  # type: ignore[union-attr]

    async def main() -> None:
        line = Line(
            lambda data, line: [(0.05, basic)] if data == BASIC else [(0.01, basic + counters), (0.05, CELLS_ANSWER)]
        )
        async with opened(line, "jbd") as battery:
            assert content(await battery.read()) == snapshot_of("jbd", basic, CELLS_ANSWER)
            assert battery.stats.stale == 2

    run(main())


def test_our_own_request_echoed_is_no_answer() -> None:
    """A half-duplex adapter hears itself."""

    async def main() -> None:
        for protocol in PROTOCOLS:
            far = board(protocol)
            line = Line(lambda data, line, far=far: [(0.0, data), *far(data, line)], Medium.BLUETOOTH)  # type: ignore[misc]
            async with opened(line, protocol) as battery:
                assert (await battery.read()).cells
                assert battery.stats.stale == len(line.written)

    run(main())


async def babble(line: Line, every: float, data: bytes) -> None:
    while True:
        line.deliver(data)
        await asyncio.sleep(every)


@pytest.mark.parametrize(
    "data", [JUNK, b"\x00", b"\xff" * 300, b"\x7e\xa1\x11", b"\xdd\x03\x00\xff", b"\xaa\x55\xaa\xff"]
)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_device_that_never_stops_talking(protocol: str, data: bytes) -> None:
    async def main() -> None:
        line = Line(silent, Medium.BLUETOOTH)
        talk = asyncio.ensure_future(babble(line, 0.01, data))
        async with opened(line, protocol) as battery:
            for number in (1, 2):
                start = now()
                with pytest.raises(NoAnswer, match=r"no valid answer in 3 tries .*; last: "):
                    await battery.read()
                drains = 2 if number == 1 else 3
                assert now() - start == pytest.approx(3 * PATIENCE[protocol] + drains * 1.0, abs=0.1)
        talk.cancel()
        await asyncio.gather(talk, return_exceptions=True)

    run(main())


def test_an_answer_in_the_middle_of_babble() -> None:
    async def main() -> None:
        line = Line(numbered("ant"))
        talk = asyncio.ensure_future(babble(line, 0.01, JUNK))
        async with opened(line, "ant") as battery:
            assert number_of(await battery.read()) == 0
            assert number_of(await battery.read()) == 1
        talk.cancel()
        await asyncio.gather(talk, return_exceptions=True)

    run(main())


def test_a_refusal_is_final() -> None:
    """The battery has answered: no."""

    async def main() -> None:
        for code, words in (0x81, "denied: not in factory mode"), (0x83, "password needed"):
            line = Line(lambda data, line, code=code: [(0.05, close_envelope({"register": 3, "status": code}))])  # type: ignore[misc]
            async with opened(line, "jbd") as battery:
                with pytest.raises(Refused, match=f"^COM9: the battery refused to tell its status: {words}"):
                    await battery.read()
            assert line.written == [BASIC]

    run(main())


def test_a_valid_frame_that_is_too_short_for_a_status() -> None:
    from antbms.protocol.ant.frame import close_envelope as ant_frame

    short = ant_frame({"function": 0x11, "register": 0}, bytes(20))

    async def main() -> None:
        line = Line(lambda *_: [(0.05, short)])
        async with opened(line, "ant") as battery:
            with pytest.raises(
                NoAnswer,
                match=r"^COM9: no valid answer in 3 tries \(.* s\); last: a valid frame that is too short for status$",
            ):
                await battery.read()
        assert line.written == 3 * [ANT]
        line = Line(scripted([(0.05, short)], [(0.05, status("ant"))]))
        async with opened(line, "ant") as battery:
            assert content(await battery.read()) == snapshot_of("ant", status("ant"))

    run(main())


def test_a_lost_link_is_told_at_once_and_always() -> None:
    def far(data: bytes, line: Line) -> Pieces:
        asyncio.get_running_loop().call_later(0.05, line.lose)
        return [(0.02, status("ant")[:40])]

    async def main() -> None:
        line = Line(far)
        async with opened(line, "ant") as battery:
            start = now()
            with pytest.raises(LinkLost, match=r"^COM9: link lost"):
                await battery.read()
            assert now() - start == pytest.approx(0.05)
            for again in (battery.read, battery.info):
                with pytest.raises(LinkLost):
                    await again()
            assert now() - start < 0.2
        assert line.written == [ANT]

    run(main())


def test_info_does_without_what_is_not_told() -> None:
    async def main() -> None:
        device = make_device("ant")
        line = Line(lambda data, line: [(0.05, device.receive(data, now()))] if data == ANT else [])
        async with opened(line, "ant") as battery:
            info = await battery.info()
            assert (info.cells, info.model, info.pack_id) == (16, None, None)
            assert line.written == [ANT, *3 * [ant.INFO[0].raw], *3 * [ant.INFO[1].raw]]
            assert (await battery.read()).cells

    run(main())


def test_info_tells_what_a_device_tells_and_its_address() -> None:
    async def main() -> None:
        line = Line(board("ant"))
        line.address = "AA:BB:CC:DD:EE:FF"
        async with opened(line, "ant") as battery:
            info = await battery.info()
        assert (info.protocol, info.model, info.software) == ("ant", "16SIM", "16SIMB00-260101A")
        assert (info.pack_id, info.address) == ("SIMULATED", line.address)

    run(main())


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("medium", [Medium.BLUETOOTH, Medium.MEMORY])
def test_the_pauses_between_requests(protocol: str, medium: Medium) -> None:
    """Between different requests only, and never within this process."""
    delay = 0.001 if medium is Medium.MEMORY else 0.05

    async def main() -> None:
        line = Line(board(protocol, delay), medium)
        async with opened(line, protocol) as battery:
            await battery.read()
            await battery.read()
            await battery.info()
        pause = 0.0 if medium is Medium.MEMORY else dialect(protocol).PAUSE
        for (before, one), (after, other) in zip(line.log, line.log[1:], strict=False):
            assert after - before == pytest.approx(delay + (pause if one != other else 0.0))

    run(main())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_two_readings_at_once_wait_for_each_other(protocol: str) -> None:
    flying = 0

    def far(data: bytes, line: Line) -> Pieces:
        nonlocal flying
        flying += 1
        assert flying == 1, "two requests in flight"
        asyncio.get_running_loop().call_later(0.05, landed)
        return list(answer(data, line))

    def landed() -> None:
        nonlocal flying
        flying -= 1

    answer = board(protocol, 0.05)

    async def main() -> None:
        line = Line(far, Medium.BLUETOOTH)
        async with opened(line, protocol) as battery:
            *snapshots, info = await asyncio.gather(*(battery.read() for _ in range(5)), battery.info())
            assert len(snapshots) == 5
            assert info.protocol == protocol
            assert battery.stats.answers == battery.stats.requests == len(line.written)
            assert battery.stats.stale == 0

    run(main())


def jbd_line(between: float, cells: int) -> Line:
    """The answer 04 comes `between` s after 03, and holds only so many of the 8 cells."""
    basic = status("jbd")
    part = CELLS_ANSWER[4 : 4 + 2 * cells]
    answer = close_envelope({"register": 4, "status": 0}, part)
    return Line(lambda data, line: [(0.05, basic)] if data == BASIC else [(between - jbd.PAUSE, answer)])


@pytest.mark.parametrize(("between", "doubted"), [(0.1, True), (0.29, True), (0.31, False), (1.5, False)])
def test_jbd_compares_the_sum_of_answers_that_belong_together(between: float, doubted: bool) -> None:
    async def main() -> None:
        async with opened(jbd_line(between, 7), "jbd") as battery:
            start = timing().now()
            snapshot = await battery.read()
        assert ((snapshot.voltage is None), (snapshot.power is None)) == (doubted, doubted)
        assert [doubt.quantity for doubt in snapshot.doubts] == (["voltage", "power"] if doubted else [])
        assert (snapshot.time - start).total_seconds() == pytest.approx(0.05)  # 03's

    run(main())


def test_jbd_compares_the_answer_of_the_search_only_if_it_is_new() -> None:
    async def main() -> None:
        for wait, doubted in (0.0, True), (0.5, False):
            async with battery_over(jbd_line(0.2, 7)) as battery:
                await asyncio.sleep(wait)
                assert ((await battery.read()).voltage is None) == doubted

    run(main())


def test_jbd_without_its_cells_fails() -> None:
    async def main() -> None:
        line = Line(lambda data, line: [(0.05, status("jbd"))] if data == BASIC else [])
        async with opened(line, "jbd") as battery:
            with pytest.raises(NoAnswer, match="no valid answer in 3 tries"):
                await battery.read()
        assert line.written == [BASIC, *3 * [CELLS]]
        line = Line(
            lambda data, line: [
                (0.05, status("jbd") if data == BASIC else close_envelope({"register": 4, "status": 0x83}))
            ]
        )
        async with opened(line, "jbd") as battery:
            with pytest.raises(Refused, match="refused to tell its cells: password needed"):
                await battery.read()

    run(main())
