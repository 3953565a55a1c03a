"""Watching a battery: a steady pace, being offline as data, and mending in steps."""

import asyncio
import math
from datetime import timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from watch_world import World, worlds

import antbms
from antbms import Offline, Snapshot
from antbms.battery import Battery
from antbms.errors import FileError, LinkError, NoAnswer, UsageError, WrongPassword
from antbms.transport import Medium
from antbms.watching import Watch
from virtual_time import VirtualLoop, now, run, timing, wall_clock


def watch(every: float = 1.0, seed: int = 1, **changes: Any) -> Watch:
    arguments = {"protocol": "ant", "chance": Random(seed)} | changes
    clocks = timing(**arguments.pop("clocks", {}))
    return antbms.watch("COM9", every, name="garage", timing=clocks, **arguments)


async def gather(watch: Watch, seconds: float, plan: dict[float, Any] | None = None) -> list[tuple[float, Any]]:
    """Everything that comes within so many s, and when; `plan`: what is called meanwhile, and after how many s."""
    loop = asyncio.get_running_loop()
    for delay, action in (plan or {}).items():
        loop.call_later(delay, action)
    events: list[tuple[float, Any]] = []
    start = now()
    loop.call_later(seconds, lambda: asyncio.ensure_future(watch.close()))
    async for event in watch:
        events += ((now() - start, event),)
    return events


def of(kind: type, events: list[tuple[float, Any]]) -> list[tuple[float, Any]]:
    return [(at, event) for at, event in events if isinstance(event, kind)]


def test_the_pace_does_not_drift() -> None:
    world = World()
    with worlds(COM9=world):
        events = run(gather(watch(0.7), 700))
    readings = [at for at, _ in of(Snapshot, events)]
    assert 999 <= len(readings) == len(events)  # after the first it is asked who it is, which may cost one
    late = [at - 0.7 * n for n, at in enumerate(readings, 1000 - len(readings))][2:]
    assert 0 < min(late) <= max(late) < min(late) + 1e-6 < 0.3


def test_a_clock_that_wakes_too_early_makes_no_reading_twice() -> None:
    """asyncio fires timers up to one tick of the clock early: 15.6 ms on Windows, before Python 3.13."""

    class CoarseLoop(VirtualLoop):
        def __init__(self) -> None:
            super().__init__()
            self._clock_resolution = 1 / 64

        def time(self) -> float:
            return math.floor(64 * super().time()) / 64

    with worlds(COM9=World(medium=Medium.MEMORY)), asyncio.Runner(loop_factory=CoarseLoop) as runner:
        events = runner.run(gather(watch(0.7), 699.5))
    readings = [event.time.timestamp() for _, event in of(Snapshot, events)]
    assert 999 <= len(readings) <= 1001
    assert min(b - a for a, b in pairwise(readings[3:])) > 0.65


def test_late_polls_are_skipped_and_the_pace_stays() -> None:
    async def main() -> list[float]:
        times = []
        async for event in (slow := watch(1.0)):
            times.append(event.time.timestamp())
            if len(times) == 5:
                await asyncio.sleep(3.6)  # whoever gets the events is slow
            if len(times) == 10:
                break
        await slow.close()
        return times

    with worlds(COM9=World()):
        times = run(main())
    steps = [round(b - a, 3) for a, b in pairwise(times[2:])]
    assert steps == [1.0, 1.0, 4.0, 1.0, 1.0, 1.0, 1.0]


def test_who_it_is_is_asked_after_the_first_reading() -> None:
    async def main() -> list[Any]:
        seen = []
        async for _ in (one := watch()):
            seen.append(one.info)
            if len(seen) == 3:
                break
        await one.close()
        return seen

    with worlds(COM9=World()):
        first, second, third = run(main())
    assert first is None
    assert second is third
    assert second.protocol == "ant"


def test_who_did_not_say_who_it_is_is_asked_again_soon_enough_and_then_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    info = Battery.info

    async def lost_at_first(battery: Battery) -> Any:
        asked.append(now())
        if len(asked) < 3:
            raise NoAnswer("COM9: no valid answer")
        return await info(battery)

    monkeypatch.setattr(Battery, "info", lost_at_first)
    world = World()
    with worlds(COM9=world):
        events = run(
            gather(one := watch(), 900, {500: lambda: world.become("silent"), 550: lambda: world.become("well")})
        )
    assert one.info is not None
    waits = [b - a for a, b in pairwise(asked)]
    assert waits[:2] == pytest.approx([60, 120], abs=2.0)
    assert len(asked) == 4  # the last after the outage: the battery may be another one
    assert asked[3] > 550
    assert len(of(Snapshot, events)) > 780


def test_a_board_that_never_says_who_it_is_is_asked_ever_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also over links that are opened anew, as some modules end an idle one."""
    asked: list[float] = []

    async def never(battery: Battery) -> Any:
        asked.append(now())
        raise NoAnswer("COM9: no valid answer")

    monkeypatch.setattr(Battery, "info", never)
    world = World()
    plan = {30.0 * n: lambda: world.become("lost") for n in range(1, 400)}
    plan |= {30.0 * n + 0.01: lambda: world.become("well") for n in range(1, 400)}
    with worlds(COM9=world):
        run(gather(watch(), 12_000, plan), 20_000)
    assert len(world.opened) > 300
    waits = [b - a for a, b in pairwise(asked)]
    assert waits == pytest.approx([60, 120, 240, 480, 960, 1920, 3600, 3600], abs=2.0)


@pytest.mark.parametrize("jump", [1.8e9, -7200.0, 30.0])
def test_offline_has_lasted_as_long_as_it_has_if_the_clock_is_set(jump: float) -> None:
    """As on a Raspberry Pi, which learns some time after its start what time it is."""
    world, ahead = World(), timedelta()

    def set_clock() -> None:
        nonlocal ahead
        ahead = timedelta(seconds=jump)

    plan = {20.5: lambda: world.become("refused"), 100: set_clock, 1000: lambda: world.become("silent")}
    with worlds(COM9=world):
        one = watch(clocks={"now": lambda: wall_clock() + ahead})
        events = run(gather(one, 1500, plan))
    offline = of(Offline, events)
    assert len(offline) >= 3
    for at, event in offline:
        assert (event.time - event.since).total_seconds() == pytest.approx(at - 20.0, abs=1.0)
    assert len({event.since for _, event in offline}) == 2  # before and after
    assert one.info is not None


def test_without_a_reading_offline_is_since_the_beginning_also_if_the_clock_is_set() -> None:
    world, ahead = World(), timedelta()
    world.become("refused")

    def set_clock() -> None:
        nonlocal ahead
        ahead = timedelta(days=20_000)

    with worlds(COM9=world):
        one = watch(clocks={"now": lambda: wall_clock() + ahead})
        events = run(gather(one, 1500, {300: set_clock}))
    assert len(events) > 1
    assert all((event.time - event.since).total_seconds() < 1500 for _, event in of(Offline, events))


def test_offline_is_said_once_with_its_beginning_and_again_when_the_reason_changes() -> None:
    world = World()
    plan = {
        10.5: lambda: world.become("refused"),
        200: lambda: world.become("silent"),
        400: lambda: world.become("well"),
    }
    with worlds(COM9=world):
        events = run(gather(one := watch(), 600, plan))
    offline = of(Offline, events)
    assert [event.reason.partition(" in ")[0] for _, event in offline] == ["not found", "no valid answer"]
    last = [event for at, event in of(Snapshot, events) if at < 11][-1]
    assert {event.since for _, event in offline} == {last.time}
    assert offline[0][0] < 12
    first_again = next(at for at, _ in of(Snapshot, events) if at > 12)
    assert 400 < first_again < 400 + 60 + 5
    assert one.counters["losses"] == 1
    assert world.active == 0


def test_a_long_outage_is_repeated_now_and_then() -> None:
    world = World()
    world.become("refused")
    with worlds(COM9=world):
        events = run(gather(watch(), 3000))
    times = [at for at, _ in events]
    assert len(times) == 5
    assert all(600 <= b - a <= 661 for a, b in pairwise(times))


def test_waits_grow_from_1_s_to_60_s_and_differ_between_batteries() -> None:
    def waits(seed: int) -> list[float]:
        world = World()
        world.become("refused")
        with worlds(COM9=world):
            run(gather(watch(seed=seed), 1000))
        return [b - a for a, b in pairwise(world.opened)]

    one, other = waits(1), waits(2)
    assert 1.0 <= one[0] <= 1.5
    assert max(one) <= 60.3
    assert min(one[7:]) >= 45
    assert all(b > 1.2 * a for a, b in pairwise(one[:6]))
    assert one[1:6] != other[1:6]
    assert one == waits(1)


def test_an_idle_link_that_the_device_ends_is_opened_again_without_a_word() -> None:
    world = World()
    plan = {10.0 + 30 * n: lambda: world.become("lost") or world.become("well") for n in range(20)}  # type: ignore[func-returns-value]
    with worlds(COM9=world):
        events = run(gather(one := watch(30.0), 600, plan))
    assert not of(Offline, events)
    assert len(events) == 20
    assert one.counters["losses"] == 19
    assert one.counters["opens"] == 20


def test_a_link_that_looks_open_and_is_dead_is_found() -> None:
    world = World()
    plan = {5.5: lambda: world.become("dead"), 120: lambda: world.become("well")}
    with worlds(COM9=world):
        events = run(gather(watch(), 300, plan))
    ((at, offline),) = of(Offline, events)
    assert at < 5.5 + 1 + 2 * 30 + 11
    assert "looks open" in offline.reason
    assert next(at for at, event in events if at > 120 and isinstance(event, Snapshot)) < 120 + 30 + 61


def test_opening_that_takes_long_is_said() -> None:
    world = World()
    world.become("opening hangs")
    with worlds(COM9=world):
        events = run(gather(watch(), 700, {300: lambda: world.become("well")}))
    assert (events[0][0], events[0][1].reason) == (10.0, "still connecting")
    assert [event.reason.partition(" within")[0] for _, event in of(Offline, events)[1:]] == ["opening did not end"]
    assert isinstance(events[-1][1], Snapshot)


def test_steps_retry_then_reopen_then_search_the_protocol() -> None:
    """The battery behind the port is exchanged for one of another protocol."""
    world = World("ant")

    def exchange() -> None:
        world.device = antbms_device("jbd")

    with worlds(COM9=world):
        events = run(gather(watch(protocol=None), 300, {10.5: exchange}))
    protocols = [event.protocol for _, event in of(Snapshot, events)]
    assert set(protocols) == {"ant", "jbd"}
    assert protocols[-1] == "jbd"
    assert len(world.opened) == 1 + 4  # not for the first failure; then for each, up to the one that searches
    assert len(of(Offline, events)) == 1


def antbms_device(protocol: str) -> Any:
    from antbms.sim import make_device

    return make_device(protocol)


def test_a_protocol_that_was_named_is_never_searched() -> None:
    world = World("ant")

    def exchange() -> None:
        world.device = antbms_device("jbd")

    with worlds(COM9=world):
        events = run(gather(watch(protocol="ant"), 300, {10.5: exchange}))
    assert {event.protocol for _, event in of(Snapshot, events)} == {"ant"}


def test_how_often_it_failed_and_when_it_is_tried_again() -> None:
    world = World()
    world.become("refused")
    seen = []

    def look() -> None:
        seen.append((one.failures, None if one.next_try is None else one.next_try - now()))

    with worlds(COM9=world):
        one = watch()
        plan: dict[float, Any] = dict.fromkeys((0.1, 0.3, 100, 299), look)
        run(gather(one, 300, plan | {200: lambda: world.become("well")}))
    (none, trying), (once, soon), (often, later), well = seen
    assert (none, trying, once) == (0, None, 1)
    assert soon is not None
    assert 0.5 < soon < 1.5
    assert often > 4
    assert later is not None
    assert 0 < later <= 60
    assert well == (0, None)


def test_the_search_for_the_protocol_is_no_loss() -> None:
    """What no jbd battery answers, because it is for others, says nothing about its link."""
    world = World("jbd")
    with worlds(COM9=world):
        run(gather(one := watch(protocol=None), 20))
    counters = one.counters
    assert counters["probes"] >= 2
    assert counters["requests"] == counters["answers"] > 30


def test_counters_never_fall_and_hold_rejections() -> None:
    world = World()
    seen: list[dict[str, int]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for at, state in (5.5, "damaged"), (60, "well"), (70.5, "lost"), (71, "well"), (90.5, "damaged"), (150, "well"):
            loop.call_later(at, world.become, state)
        one = watch()
        async for _ in one:
            seen.append(one.counters)
            if now() > 400:
                break
        await one.close()
        seen.append(one.counters)

    with worlds(COM9=world):
        run(main())
    for before, after in pairwise(seen):
        assert all(after[name] >= count for name, count in before.items())
    assert seen[-1]["rejected.checksum"] > 6
    assert seen[-1]["answers"] > 100


# ---- do, pause, release, close


def test_work_is_done_between_readings() -> None:
    async def main() -> tuple[str, int]:
        async def work(battery: Battery) -> str:
            await asyncio.sleep(2.5)  # three polls become late
            return (await battery.info()).protocol

        one = watch()
        count, answer = 0, None
        async for _ in one:
            count += 1
            if count == 3:
                answer = asyncio.create_task(one.do(work))
            if now() > 110:
                break
        await one.close()
        assert answer is not None
        return await answer, count

    with worlds(COM9=World()):
        assert run(main()) == ("ant", 9)


def test_work_with_a_battery_that_is_offline_fails_with_the_reason() -> None:
    world = World()
    world.become("refused")

    async def main() -> None:
        one = watch()
        with pytest.raises(LinkError, match="garage: still connecting"):
            await one.do(Battery.info)
        async for event in one:
            assert isinstance(event, Offline)
            with pytest.raises(LinkError, match="garage: not found"):
                await one.do(Battery.info)
            break
        await one.close()

    with worlds(COM9=world):
        run(main())


def test_work_that_never_ends_is_ended_and_the_link_opened_anew() -> None:
    world = World()

    async def main() -> int:
        async def work(_: Battery) -> None:
            await asyncio.Event().wait()

        one = watch()
        caught = None
        async for _ in one:
            if caught is None:
                caught = asyncio.create_task(one.do(work))
            elif caught.done():
                break
        await one.close()
        with pytest.raises(NoAnswer, match="not done within 120 s"):
            await caught  # type: ignore[misc]
        return len(world.opened)

    with worlds(COM9=world):
        assert run(main()) == 2


def test_a_pause_has_no_hint_of_the_failure_before_it() -> None:
    world = World()
    world.become("refused")

    async def main() -> list[tuple[str, tuple[str, ...]]]:
        one, said = watch(), []
        asyncio.get_running_loop().call_later(10.5, lambda: asyncio.ensure_future(one.pause()))
        asyncio.get_running_loop().call_later(50, one.release)
        async for event in one:
            if isinstance(event, Offline):
                said.append((event.reason.partition(" in ")[0], one.error.hints if one.error else ()))
            if now() > 160:
                break
        await one.close()
        return said

    with worlds(COM9=world):
        said = run(main())
    assert said[0][1] == ("Is it on?",)
    assert [hints for reason, hints in said if reason == "paused"] == [()]
    assert said[-1] == said[0]


@pytest.mark.parametrize("state", ["well", "refused", "opening hangs", "silent"])
def test_pause_closes_the_link_and_release_goes_on(state: str) -> None:
    world = World()
    open_while_paused: list[int] = []

    async def main() -> list[Any]:
        one = watch()
        events = []
        loop = asyncio.get_running_loop()
        loop.call_later(20.3, world.become, state)

        async def interlude() -> None:
            await asyncio.sleep(30.02)
            await one.pause()
            open_while_paused.append(world.active)
            tried = len(world.opened)
            await asyncio.sleep(100)
            assert len(world.opened) == tried
            open_while_paused.append(world.active)
            world.become("well")
            one.release()

        other = asyncio.create_task(interlude())
        async for event in one:
            events.append((now() - 100, event))
            if now() > 250:
                break
        await one.close()
        await other
        return events

    with worlds(COM9=world):
        events = run(main())
    assert open_while_paused == [0, 0]
    paused = [at for at, event in events if isinstance(event, Offline) and event.reason == "paused"]
    assert len(paused) == 1
    assert paused[0] < 33
    assert not [at for at, _ in events if paused[0] < at < 130]
    assert next(at for at, event in events if at > 130) < 132


def test_a_long_pause_is_told_again() -> None:
    """Who writes it down learns that it goes on."""

    async def main() -> list[float]:
        one = watch(clocks={"remind": 50.0})
        asyncio.get_running_loop().call_later(10.5, lambda: asyncio.ensure_future(one.pause()))
        paused = []
        async for event in one:
            if isinstance(event, Offline):
                assert event.reason == "paused"
                paused.append(now() - 100)
            if now() > 250:
                break
        await one.close()
        return paused

    with worlds(COM9=World()):
        paused = run(main())
    assert [round(at) for at in paused] == [10, 60, 110, 160]


def test_leaving_the_loop_closes_the_link() -> None:
    world = World()

    async def main() -> None:
        async for _ in watch():
            break
        await asyncio.sleep(5)
        assert world.active == 0

    with worlds(COM9=world):
        run(main())


def test_closing_from_elsewhere_ends_the_loop_at_once_in_every_state() -> None:
    for state in ("well", *World.STATES):
        world = World()

        async def main(world: World = world, state: str = state) -> float:
            one = watch()
            loop = asyncio.get_running_loop()
            loop.call_later(10.3, world.become, state)
            closing = loop.create_future()

            async def close() -> None:
                await asyncio.sleep(30)
                closing.set_result(now())
                await one.close()

            task = asyncio.create_task(close())
            async for _ in one:
                pass
            await task
            return now() - closing.result()  # type: ignore[no-any-return]

        with worlds(COM9=world):
            assert run(main()) < 2.5, state
        assert world.active == 0


# ---- what is raised


def test_what_cannot_mean_anything_is_raised_at_once() -> None:
    with pytest.raises(UsageError):
        antbms.watch("tcp:nowhere")
    with pytest.raises(UsageError):
        antbms.watch("tcp:nowhere", name="garage")
    with pytest.raises(UsageError):
        antbms.watch("COM9", protocol="jdb")
    for every in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="every"):
            antbms.watch("COM9", every)


def first(address: str, **more: Any) -> Any:
    async def main() -> Any:
        one = antbms.watch(address, timing=timing(), **more)
        async for event in one:
            await one.close()
            return event
        return None

    return run(main())


def test_what_waiting_does_not_mend_is_raised_before_the_first_reading() -> None:
    with pytest.raises(FileError):
        first("replay:there is no such file")
    with pytest.raises(UsageError):
        first("sim:", options={"cells": "many"})


def test_after_the_first_reading_such_a_thing_is_being_offline() -> None:
    world = World()

    async def ambiguous(*_: Any, **__: Any) -> Any:
        raise UsageError("COM9: 2 devices have this name")

    def appear() -> None:
        world.become("lost")
        world.open_pipe = ambiguous  # type: ignore[method-assign]

    with worlds(COM9=world):
        events = run(gather(watch(), 100, {10.5: appear}))
    assert [event.reason for _, event in of(Offline, events)] == ["2 devices have this name"]


def test_a_wrong_password_is_raised_and_tried_once() -> None:
    world = World()
    tries: list[float] = []

    async def refuse(*_: Any, **__: Any) -> Any:
        tries.append(now())
        raise WrongPassword("COM9: the password is wrong")

    world.open_pipe = refuse  # type: ignore[method-assign]
    with worlds(COM9=world), pytest.raises(WrongPassword):
        run(gather(watch(password="x"), 100))
    assert len(tries) == 1


def test_a_mistake_of_ours_is_not_hidden() -> None:
    world = World()

    async def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    world.open_pipe = broken  # type: ignore[method-assign]
    with worlds(COM9=world), pytest.raises(ZeroDivisionError):
        run(gather(watch(), 100))


def test_it_is_iterated_over_once() -> None:
    one = antbms.watch("sim:")
    aiter(one)
    with pytest.raises(RuntimeError):
        aiter(one)


# ---- a day of faults


DAY = 86_400.0
EVERY = 10.0


@pytest.mark.parametrize(
    ("medium", "protocol"),
    [(Medium.BLUETOOTH, "ant"), (Medium.WIRE, "ant-legacy"), (Medium.UNKNOWN, "jbd"), (Medium.MEMORY, "jbd")],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_day_with_faults_of_every_kind(medium: Medium, protocol: str) -> None:
    """Every outage is found and ended, nothing is read twice, and nothing is left behind."""
    world = World(protocol, medium)
    chance = Random(f"{medium.name} {protocol}")
    outages: list[tuple[float, float, str]] = []
    events: list[tuple[float, Any]] = []

    async def main() -> None:
        one = watch(EVERY, protocol=None)
        loop = asyncio.get_running_loop()
        at, kinds = now(), list(World.STATES)
        while (at := at + chance.uniform(400, 1200)) < DAY - 1000:
            length = chance.choice((0.5, 5.0, 30.0, 100.0, 400.0)) * chance.uniform(0.5, 1.5)
            state = kinds[len(outages) % len(kinds)]
            outages.append((at, at + length, state))
            loop.call_at(at, world.become, state)
            loop.call_at(at + length, world.become, "well")
            at += length
        tasks: set[int] = set()
        async for event in one:
            events.append((now(), event))
            tasks.add(len(asyncio.all_tasks()))
            if now() > DAY:
                break
        await one.close()
        assert max(tasks) <= 3
        assert one.counters["losses"] > 20
        await asyncio.sleep(10)  # late answers

    with worlds(COM9=world):
        run(main(), DAY + 1000)
    readings = of(Snapshot, events)
    times = [event.time for _, event in readings]
    assert times == sorted(set(times))
    assert not [event for _, event in readings if event.doubts]
    assert world.active == 0
    assert {state for _, _, state in outages} == set(World.STATES)
    for start, end, state in outages:
        # Found: nothing is read while nothing can be, and a long one is said. Ended: read again within a minute or so.
        during = [at for at, _ in readings if start + 1 < at < end]
        assert not during or state == "lost", (state, start, end)
        if end - start > 120 and state != "lost":
            said = [at for at, _ in of(Offline, events) if start < at < end]
            assert said, (state, start, end)
        after = next(at for at, _ in readings if at >= end)
        assert after - end < 60 * 1.25 + 275, (state, after - end)
