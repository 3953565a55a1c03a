"""Many batteries and many sinks: one that hangs, fails or floods touches no other."""

import asyncio
import errno
import gc
import logging
import weakref
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from watch_world import World, worlds

from antbms import history
from antbms.battery import Battery
from antbms.config import BatteryConfig, Config, MonitorConfig
from antbms.errors import LinkError, SinkError, UsageError, WrongPassword
from antbms.model import Event, Offline, Outcome, Snapshot
from antbms.monitor import Lane, Monitor
from antbms.sinks import store
from antbms.timing import Timing
from antbms.watching import Watch
from virtual_time import AtOnce, now, run, timing, wall_clock

Log = pytest.LogCaptureFixture


class Good:
    """A sink that keeps what it gets, and notes when."""

    pace = 0.0

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.times: list[float] = []
        self.closed = False

    async def take(self, events: Sequence[Event]) -> None:
        self.events += events
        self.times += [now()] * len(events)

    async def close(self) -> None:
        self.closed = True


class Broken(Good):
    """Fails until `mended`, with what it is told to raise."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error: Exception | None = error
        self.calls: list[float] = []

    async def take(self, events: Sequence[Event]) -> None:
        self.calls.append(now())
        if self.error is not None:
            raise type(self.error)(*self.error.args, *getattr(self.error, "hints", ()))
        await super().take(events)


class Hanging(Good):
    """Takes nothing and does not come back, until it is let go. A `stubborn` one does not even let itself be ended."""

    def __init__(self, stubborn: bool = False) -> None:
        super().__init__()
        self.stubborn = stubborn
        self.calls = 0
        self.let_go = asyncio.Event()

    async def take(self, events: Sequence[Event]) -> None:
        self.calls += 1
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise
        await super().take(events)

    async def close(self) -> None:
        if self.stubborn:
            await asyncio.Event().wait()


def event(number: int) -> Event:
    return Snapshot(time=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number), battery="garage", protocol="ant")


def numbers(events: Sequence[Event]) -> list[int]:
    return [round((one.time - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds()) for one in events]


async def fill(lane: Lane, count: int, every: float = 1.0, first: int = 0) -> None:
    for number in range(first, first + count):
        lane.put(event(number))
        await asyncio.sleep(every)


# ---- lanes


def test_a_sink_gets_everything_once_and_in_order() -> None:
    async def main() -> Good:
        sink = Good()
        lane = Lane("good", sink, timing(), 100)
        lane.start()
        await fill(lane, 50)
        lane.put(event(50))
        await lane.close(4.5)
        return sink

    sink = run(main())
    assert numbers(sink.events) == list(range(51))
    assert sink.times[1] - sink.times[0] == 1.0
    assert sink.closed


class Paced(Good):
    """Wants events together; notes how many came at once."""

    pace = 3.0

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    async def take(self, events: Sequence[Event]) -> None:
        self.batches.append(len(events))
        await super().take(events)


def test_a_sink_that_wants_events_together_gets_them_soon_enough() -> None:
    async def main() -> Paced:
        sink = Paced()
        lane = Lane("store", sink, timing(), 1000)
        lane.start()
        await fill(lane, 30)
        await lane.close(4.5)
        return sink

    sink = run(main())
    assert numbers(sink.events) == list(range(30))
    late = [taken - sink.times[0] - number for number, taken in enumerate(sink.times)]
    assert max(late) <= 3.0
    assert len(sink.batches) <= 12


@pytest.mark.parametrize(("size", "each"), [(10, 5), (10_000, 1000)])
def test_many_events_do_not_wait_for_the_pace_of_a_sink(size: int, each: int) -> None:
    async def main() -> tuple[Paced, int]:
        sink = Paced()
        lane = Lane("store", sink, timing(), size)
        lane.start()
        for _ in range(20):
            await fill(lane, each, every=0.0)
            await asyncio.sleep(0.1)
        await lane.close(4.5)
        return sink, lane.dropped

    sink, dropped = run(main())
    assert dropped == 0
    assert len(sink.events) == 20 * each
    assert max(sink.batches) <= 1000


def test_what_gathers_is_handed_over_at_once_when_the_end_is_near() -> None:
    async def main() -> tuple[Paced, float]:
        sink = Paced()
        lane = Lane("store", sink, timing(), 1000)
        lane.start()
        await fill(lane, 2, every=0.1)
        asked = now()
        lane.hurry()
        await asyncio.sleep(0.1)
        lane.put(event(2))
        await asyncio.sleep(0.1)
        assert len(sink.events) == 3
        await lane.close(4.5)
        return sink, asked

    sink, asked = run(main())
    assert sink.times[1] == asked


def test_a_sink_that_fails_gets_all_that_the_queue_holds_and_what_is_dropped_is_counted(caplog: Log) -> None:
    async def main() -> tuple[Broken, Lane]:
        sink = Broken(SinkError("broker: refused", "Is it running?"))
        lane = Lane("mqtt", sink, timing(), 100)
        lane.start()
        await fill(lane, 250)
        sink.error = None
        await fill(lane, 70, first=250)
        await lane.close(4.5)
        return sink, lane

    with caplog.at_level(logging.INFO):
        sink, lane = run(main())
    taken = numbers(sink.events)
    assert taken == list(range(320 - len(taken), 320))
    assert len(taken) >= 100 + 9
    assert lane.taken == len(taken)
    assert lane.dropped == 320 - len(taken)
    waits = [b - a for a, b in pairwise(sink.calls)][:8]
    assert waits[:7] == [1, 2, 4, 8, 16, 32, 60]
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2, lines
    assert lines[0].startswith("mqtt: takes no readings now; up to 100 events wait: broker: refused\n  Is it running?")
    assert lines[1] == f"mqtt: takes readings again; {lane.dropped} events were dropped meanwhile"


def test_a_sink_that_hangs_is_said_to_and_given_up_after_a_while(caplog: Log) -> None:
    async def main() -> Hanging:
        sink = Hanging()
        lane = Lane("files", sink, timing(), 100)
        lane.start()
        await fill(lane, 400)
        sink.let_go.set()
        await asyncio.sleep(5)
        assert numbers(sink.events) == list(range(201, 400))  # what was in its hands, and a full queue
        await lane.close(4.5)
        return sink

    with caplog.at_level(logging.INFO):
        assert run(main()).calls == 3
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "files: has taken nothing for 30 s; events wait"
    assert "files: takes no readings now; up to 100 events wait: took nothing for 300 s" in lines


def test_an_event_that_a_sink_cannot_digest_is_found_and_dropped(caplog: Log) -> None:
    class Picky(Good):
        async def take(self, events: Sequence[Event]) -> None:
            if 37 in numbers(events):
                raise ZeroDivisionError("a mistake of ours")
            await super().take(events)

    async def main() -> tuple[Picky, Lane]:
        sink = Picky()
        lane = Lane("picky", sink, timing(), 1000)
        for number in range(100):
            lane.put(event(number))
        lane.start()
        await asyncio.sleep(600)
        for number in range(100, 200):
            lane.put(event(number))
        await asyncio.sleep(1)
        await lane.close(4.5)
        return sink, lane

    with caplog.at_level(logging.INFO):
        sink, lane = run(main())
    assert numbers(sink.events) == [number for number in range(200) if number != 37]
    assert lane.dropped == 1
    assert any("cannot digest" in record.getMessage() for record in caplog.records)
    assert len(caplog.records) < 12


def test_a_sink_without_a_pace_is_refused_at_once() -> None:
    class Old:
        async def take(self, events: Sequence[Event]) -> None: ...

        async def close(self) -> None: ...

    with pytest.raises(AttributeError, match="pace"):
        Monitor(config("COM1"), timing(), {"old": Old()})  # type: ignore[dict-item]


def test_one_event_that_cannot_be_digested_holds_up_no_others() -> None:
    class Picky(Good):
        async def take(self, events: Sequence[Event]) -> None:
            if 500 in numbers(events):
                raise ZeroDivisionError("a mistake of ours")
            await super().take(events)

    async def main() -> tuple[Picky, Lane]:
        sink = Picky()
        lane = Lane("picky", sink, timing(), 10_000)
        lane.start()
        await fill(lane, 5000, every=0.01)
        await lane.close(4.5)
        return sink, lane

    sink, lane = run(main())
    assert len(sink.events) == 4999
    assert lane.dropped == 1
    late = [taken - number * 0.01 for number, taken in zip(numbers(sink.events), sink.times, strict=True)]
    assert max(late) - min(late) < 3.0


@pytest.mark.parametrize(("seconds", "each"), [(4.5, 0.1), (3.0, 0.1), (3.0, 0.15)])
def test_a_full_queue_is_handed_over_as_long_as_there_is_time(seconds: float, each: float) -> None:
    class Slow(Good):
        pace = 3.0

        async def take(self, events: Sequence[Event]) -> None:
            await asyncio.sleep(each)
            await super().take(events)

    async def main() -> tuple[Slow, float]:
        sink = Slow()
        lane = Lane("slow", sink, timing(), 10_000)
        for number in range(10_000):
            lane.put(event(number))
        lane.start()
        start = now()
        await lane.close(seconds)
        return sink, now() - start

    sink, took = run(main())
    assert len(sink.events) == 10_000
    assert took <= seconds
    assert sink.closed


@pytest.mark.parametrize("stubborn", [False, True])
def test_closing_ends_in_time_whatever_the_sink_does(stubborn: bool, caplog: Log) -> None:
    async def main() -> float:
        sink = Hanging(stubborn)
        lane = Lane("files", sink, timing(), 100)
        lane.start()
        await fill(lane, 5)
        start = now()
        await lane.close(4.5)
        seconds = now() - start
        sink.let_go.set()  # so that the test leaves nothing behind
        await asyncio.sleep(1)
        return seconds

    assert run(main()) <= 4.61
    assert "files: 5 events are lost that it did not take" in caplog.text or stubborn


def test_closing_hands_over_what_waits() -> None:
    class Slow(Good):
        async def take(self, events: Sequence[Event]) -> None:
            await asyncio.sleep(1.0)
            await super().take(events)

    async def main() -> Slow:
        sink = Slow()
        lane = Lane("slow", sink, timing(), 100)
        lane.start()
        lane.put(event(0))
        await asyncio.sleep(0.5)
        lane.put(event(1))
        lane.put(event(2))
        await lane.close(4.9)
        return sink

    assert numbers(run(main()).events) == [0, 1, 2]


# ---- the monitor


def config(*names: str, **monitor: Any) -> Config:
    batteries = {name: BatteryConfig(address=name, protocol="ant", allow_control=True) for name in names}
    return Config(monitor=MonitorConfig(**monitor), batteries=batteries)


async def monitored(monitor: Monitor, seconds: float) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, stop.set)
    start = now()
    await monitor.run(stop)
    assert now() - start < seconds + 5


def of(name: str, events: Sequence[Event]) -> list[Event]:
    return [one for one in events if one.battery == name]


def test_batteries_and_sinks_do_not_touch_each_other(caplog: Log) -> None:
    """One battery of each kind of trouble beside a good one; a good sink beside one that hangs and one that fails."""
    names = ["COM1", *(f"COM{number}" for number in range(2, 9))]
    places = {name: World() for name in names}
    for place, state in zip(list(places.values())[1:], World.STATES, strict=True):
        place.become(state)

    async def broken_opening(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a mistake of ours")

    places["COM8"].open_pipe = broken_opening  # type: ignore[method-assign]
    good = Good()

    async def main() -> tuple[Monitor, Hanging]:
        hanging = Hanging(stubborn=True)
        sinks = {"hanging": hanging, "broken": Broken(ValueError("mistake")), "good": good}
        monitor = Monitor(config(*names), timing(), sinks)
        await monitored(monitor, 1000)
        hanging.let_go.set()
        await asyncio.sleep(1)
        return monitor, hanging

    with worlds(**places):
        monitor, _ = run(main())
    well = of("COM1", good.events)
    assert len(well) >= 999
    assert all(isinstance(one, Snapshot) for one in well)
    steps = {round((b.time - a.time).total_seconds(), 3) for a, b in pairwise(well[3:])}
    assert steps == {1.0}
    for name in names[1:]:
        told = of(name, good.events)
        assert told, name
        assert len([one for one in told if isinstance(one, Offline)]) < 25 or name == "COM3", name
    assert caplog.text.count("COM8: unexpected ZeroDivisionError: a mistake of ours") == 1
    assert len(monitor.sources) == 8


def test_readings_of_many_batteries_are_spread_over_the_interval() -> None:
    names = [f"COM{number}" for number in range(10)]
    good = Good()
    with worlds(**{name: World() for name in names}):
        run(monitored(Monitor(config(*names), timing(), {"good": good}), 20))
    phases = sorted(round(one.time.timestamp() % 1.0, 3) for one in good.events[-10:])
    assert all(0.05 < b - a < 0.15 for a, b in pairwise(phases))


def test_batteries_that_are_read_once_an_hour_are_all_read_soon() -> None:
    names = [f"COM{number}" for number in range(10)]
    good = Good()
    with worlds(**{name: World() for name in names}):
        run(monitored(Monitor(config(*names, every=3600.0), timing(), {"good": good}), 10))
    assert [one.battery for one in good.events if isinstance(one, Snapshot)] == names


def test_every_name_is_at_the_beginning_of_its_lines(caplog: Log) -> None:
    world = World()
    with worlds(COM9=world), caplog.at_level(logging.INFO):
        run(monitored(Monitor(config("COM9", report=100.0), timing(), {"good": Good()}), 250))
    texts = [record.getMessage() for record in caplog.records]
    assert all(text.startswith(("COM9: ", "good: ", "monitor: ")) for text in texts), texts
    reports = [record for record in caplog.records if hasattr(record, "counters")]
    assert len(reports) == 4
    assert reports[0].counters["readings"] == 100  # type: ignore[attr-defined]
    assert "opens 1, losses 0" in reports[0].getMessage()
    assert "taken 100, waiting 0, dropped 0" in reports[1].getMessage()


def test_going_offline_and_coming_back_are_each_one_line(caplog: Log) -> None:
    world = World()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(50, world.become, "refused")
        loop.call_later(300, world.become, "well")
        await monitored(Monitor(config("COM9"), timing(), {"good": Good()}), 500)

    with worlds(COM9=world), caplog.at_level(logging.INFO):
        run(main())
    texts = [record.getMessage().partition(" in ")[0] for record in caplog.records]
    assert texts == ["COM9: online: ant", "COM9: offline: not found", "COM9: online: ant", "monitor: stopped"]
    assert "Is it on?" in caplog.text


def test_a_wrong_password_ends_that_battery_only(caplog: Log) -> None:
    wrong, well = World(), World()
    tries: list[float] = []

    async def refuse(*_: Any, **__: Any) -> Any:
        tries.append(now())
        await asyncio.sleep(3)
        raise WrongPassword("COM8: the password is wrong")

    wrong.open_pipe = refuse  # type: ignore[method-assign]
    good = Good()
    with worlds(COM8=wrong, COM9=well):
        run(monitored(Monitor(config("COM8", "COM9"), timing(), {"good": good}), 2000))
    assert len(tries) == 1
    away = [one for one in of("COM8", good.events) if isinstance(one, Offline)]
    assert {one.reason for one in away} == {"the password is wrong"}
    lasted = [(one.time - one.since).total_seconds() for one in away]
    assert lasted == pytest.approx([3, 603, 1203, 1803], abs=1.0), "it is known to be offline since the first attempt"
    assert len(of("COM9", good.events)) > 1990
    assert caplog.text.count("not tried again before a restart") == 1


def test_a_battery_that_is_given_up_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    world, made = World(), list[weakref.ref[Watch]]()

    async def refuse(*_: Any, **__: Any) -> Any:
        raise WrongPassword("COM9: the password is wrong")

    def watch(*arguments: Any, **more: Any) -> Watch:
        one = Watch(*arguments, **more)
        made.append(weakref.ref(one))
        return one

    async def main() -> None:
        at = asyncio.get_running_loop().call_later
        at(100, lambda: (gc.collect(), alive.append(made[0]() is not None)))
        await monitored(Monitor(config("COM9"), timing(), {}), 200)

    alive: list[bool] = []
    world.open_pipe = refuse  # type: ignore[method-assign]
    monkeypatch.setattr("antbms.monitor.watched.Watch", watch)
    with worlds(COM9=world):
        run(main())
    assert (len(made), alive) == (1, [False])


def test_an_outage_has_one_beginning_also_if_watching_begins_anew_and_the_clock_is_set() -> None:
    """Since the last reading, by the clock as it goes then. In between a mistake of ours ends watching."""
    world, good, ahead = World(), Good(), timedelta()
    opened = world.open_pipe

    async def mistaken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a mistake")

    def set_clock(by: timedelta) -> None:
        nonlocal ahead
        ahead = by

    async def main() -> None:
        at = asyncio.get_running_loop().call_later
        at(50, world.become, "refused")
        at(100, setattr, world, "open_pipe", mistaken)
        at(200, setattr, world, "open_pipe", opened)
        at(300, set_clock, timedelta(days=-400))
        at(1500, set_clock, timedelta(hours=1))
        await monitored(Monitor(config("COM9"), timing(now=lambda: wall_clock() + ahead), {"good": good}), 2500)

    with worlds(COM9=world):
        run(main())
    kinds = [isinstance(one, Offline) for one in good.events]
    online = kinds.index(True)
    assert all(kinds[online:])
    away = good.events[online:]
    last = good.times[online - 1]
    assert {"unexpected RuntimeError: a mistake"} < {one.reason for one in away}  # type: ignore[union-attr]
    lasted = [(one.time - one.since).total_seconds() for one in away]  # type: ignore[union-attr]
    assert lasted == pytest.approx([time - last for time in good.times[online:]], abs=1.0)
    assert lasted[-1] > 1900


@pytest.mark.parametrize("steps", [(-60,), (3600,), (-3600, 86_400), (400 * 86_400, -400 * 86_400), (-400 * 86_400,)])
@pytest.mark.parametrize("restart", [False, True])
def test_an_outage_is_one_row_of_the_store_whatever_becomes_of_the_clock(
    steps: Sequence[int], restart: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it was, and ended by the reading that ended it."""
    monkeypatch.setattr("antbms.sinks.store.Worker", AtOnce)
    world, good, ahead, file = World(), Good(), timedelta(), tmp_path / "s.db"
    clocks = timing(now=lambda: wall_clock() + ahead)

    def set_clock(by: int) -> None:
        nonlocal ahead
        ahead += timedelta(seconds=by)

    async def watched(seconds: float) -> None:
        sinks = {"good": good, "store": store.make(store.Config(file=str(file)), {}, clocks)}
        await monitored(Monitor(config("COM9"), clocks, sinks), seconds)

    async def main() -> None:
        at = asyncio.get_running_loop().call_later
        at(60, world.become, "refused")
        for number, step in enumerate(steps):
            at(500 + 1000 * number, set_clock, step)
        at(3000, world.become, "well")
        if restart:
            await watched(300)
        await watched(2800 if restart else 3100)

    with worlds(COM9=world):
        run(main(), longest=4000)
    kinds = [isinstance(one, Snapshot) for one in good.events]
    gone = kinds.index(False)
    back = kinds.index(True, gone)
    assert all(kinds[back:])
    (row,) = history.outages(file, "COM9", datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
    assert row.ended
    assert timedelta() <= good.events[back].time - row.time < timedelta(milliseconds=1)
    lasted = (row.time - row.since).total_seconds()
    assert lasted == pytest.approx(good.times[back] - good.times[gone - 1], abs=1.0)


def test_what_is_wrong_at_the_beginning_is_tried_again() -> None:
    """Two Bluetooth devices of one name are in reach; one of them goes away."""
    world = World()
    opened, world.open_pipe = world.open_pipe, None  # type: ignore[method-assign, assignment]

    async def ambiguous(*_: Any, **__: Any) -> Any:
        raise UsageError("COM9: 2 devices have this name")

    world.open_pipe = ambiguous  # type: ignore[method-assign]
    good = Good()

    async def main() -> None:
        asyncio.get_running_loop().call_later(100, setattr, world, "open_pipe", opened)
        await monitored(Monitor(config("COM9"), timing(), {"good": good}), 400)

    with worlds(COM9=world):
        run(main())
    assert [type(one) for one in good.events[:2]] == [Offline, Offline]
    assert isinstance(good.events[-1], Snapshot)


def test_what_never_could_be_read_is_offline_since_its_first_attempt_also_if_the_clock_is_set() -> None:
    world, good, ahead = World(), Good(), timedelta()

    async def ambiguous(*_: Any, **__: Any) -> Any:
        raise UsageError("COM9: 2 devices have this name")

    world.open_pipe = ambiguous  # type: ignore[method-assign]

    async def main() -> None:
        def set_clock() -> None:
            nonlocal ahead
            ahead = timedelta(days=20_000)

        asyncio.get_running_loop().call_later(100, set_clock)
        await monitored(Monitor(config("COM9"), timing(now=lambda: wall_clock() + ahead), {"good": good}), 400)

    with worlds(COM9=world):
        run(main())
    away = [(one.time - one.since).total_seconds() for one in good.events if isinstance(one, Offline)]
    assert away == pytest.approx([0, 60, 120, 180, 240, 300, 360], abs=1.0)


def test_control_is_there_only_where_it_is_allowed() -> None:
    allowed = Config(
        batteries={"a": BatteryConfig(address="sim:", allow_control=True), "b": BatteryConfig(address="x")}
    )
    monitor = Monitor(allowed)
    assert monitor.sources["a"].control is not None
    assert monitor.sources["b"].control is None


OUTCOME = Outcome(what="charge", before=True, wanted=False, seen=False, confirmed=True, text="charge is off now")


def test_control_changes_the_battery_between_readings_and_is_logged(
    caplog: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Any, ...]] = []
    active = 0

    async def switch(self: Battery, name: str, on: bool, *, until: float) -> Outcome:
        nonlocal active
        active += 1
        assert active == 1  # calls of several tasks wait for each other
        await self.info()
        calls.append((name, on))
        active -= 1
        return OUTCOME

    async def command(self: Battery, name: str, *, until: float) -> Outcome:
        raise LinkError("COM9: link lost")

    monkeypatch.setattr(Battery, "switch", switch)
    monkeypatch.setattr(Battery, "command", command)
    world = World()

    async def main() -> None:
        monitor = Monitor(config("COM9"), timing(), {"good": Good()})
        control = monitor.sources["COM9"].control
        assert control is not None
        with pytest.raises(LinkError, match="not watched"):
            await control("switch", "charge", False)
        task = asyncio.create_task(monitored(monitor, 60))
        await asyncio.sleep(10)
        assert await asyncio.gather(*(control("switch", "charge", on) for on in (True, False))) == [OUTCOME] * 2
        with pytest.raises(LinkError, match="link lost"):
            await control("command", "restart", None)
        with pytest.raises(UsageError):
            await control("close", "charge", True)
        await task

    with worlds(COM9=world), caplog.at_level(logging.INFO):
        run(main())
    assert calls == [("charge", True), ("charge", False)]
    assert "COM9: asked to change: switch charge off" in caplog.text
    assert "COM9: changed (switch charge off): charge is off now" in caplog.text
    assert "COM9: not changed (command restart): link lost" in caplog.text


def test_what_waited_for_its_link_too_long_is_never_sent(caplog: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command is given while the link is opened anew, which takes longer than a command lives."""
    world = World()

    async def main() -> None:
        monitor = Monitor(config("COM9"), timing(), {"good": Good()})
        control = monitor.sources["COM9"].control
        assert control is not None
        task = asyncio.create_task(monitored(monitor, 120))
        await asyncio.sleep(10)
        monkeypatch.setattr("watch_world.OPENING", 15.0)
        world.become("late")  # a reading begins, and holds the link
        await asyncio.sleep(1.5)
        begun = now()
        asked = asyncio.create_task(control("switch", "charge", False))
        in_time = asyncio.create_task(control("switch", "discharge", False, now() + 100))
        await asyncio.sleep(0.5)
        world.become("lost")
        with pytest.raises(LinkError, match="nothing was sent"):
            await asked
        assert now() - begun > 10
        assert (await in_time).seen is False  # it may wait longer
        assert world.device.snapshot().switches["charge"].on is True
        await task

    with worlds(COM9=world), caplog.at_level(logging.INFO):
        run(main())
    assert "not changed (switch charge off)" in caplog.text


def test_a_name_that_cannot_be_printed_hides_no_reading() -> None:
    """The configuration refuses it; a program that builds one of its own may not know."""
    good = Good()
    odd = Config(batteries={"a\u00a0b": BatteryConfig(address="COM9", protocol="ant")})
    with worlds(COM9=World()):
        run(monitored(Monitor(odd, timing(), {"good": good}), 10))
    assert len([one for one in good.events if isinstance(one, Snapshot)]) >= 9


def test_sinks_get_the_sources_and_their_counters_never_fall() -> None:
    world = World()
    seen: list[dict[str, int]] = []

    async def main() -> None:
        monitor = Monitor(config("COM9"), timing(), {"good": Good()})
        loop = asyncio.get_running_loop()
        for number in range(1, 10):
            loop.call_later(30.0 * number, world.become, World.STATES[number % 4] if number % 2 else "well")
        task = asyncio.create_task(monitored(monitor, 400))
        source = monitor.sources["COM9"]
        assert source.info is None
        while not task.done():
            seen.append(dict(source.counters))
            await asyncio.sleep(5)
        seen.append(dict(source.counters))
        assert source.info is not None
        assert source.info.protocol == "ant"

    with worlds(COM9=world):
        run(main())
    for before, after in pairwise(seen):
        assert all(after.get(key, 0) >= count for key, count in before.items())
    assert seen[-1]["opens"] > 1


def test_the_sections_of_sinks_are_built_with_what_they_need() -> None:
    from types import ModuleType

    from antbms.config import SinkConfig

    got: list[Any] = []
    module = ModuleType("kind")
    module.make = lambda *arguments: got.extend(arguments) or Good()  # type: ignore[attr-defined]
    clocks = Timing()
    monitor = Monitor(
        Config(batteries={"a": BatteryConfig(address="sim:")}, sinks={"kind": SinkConfig(module, "section")}), clocks
    )
    assert got == ["section", monitor.sources, clocks]
    assert [lane.name for lane in monitor.lanes] == ["kind"]


def test_energy_goes_on_after_a_restart_and_what_was_published_never_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("antbms.ledger.Worker", AtOnce)
    totals, published, used = tmp_path / "totals.json", [], 0.0
    world = World()
    for _ in range(3):
        good = Good()
        with worlds(COM9=world):
            run(monitored(Monitor(config("COM9"), timing(), {"good": good}, totals), 600))
        used -= sum(one.power or 0.0 for one in good.events if isinstance(one, Snapshot)) / 3.6e6
        published += [one.details["energy_discharged"] for one in good.events if isinstance(one, Snapshot)]
    assert published == sorted(published)
    assert published[0] == 0.0
    assert 0.98 * used < published[-1] < used  # but for the pauses of the restarts, and the last commits
    assert published[1200] >= published[590] > 0


def test_energy_that_cannot_be_kept_is_not_published_until_it_can_and_then_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Log
) -> None:
    """A card that is read-only while the monitor starts. What was published before never goes back."""
    monkeypatch.setattr("antbms.ledger.Worker", AtOnce)
    totals, world, good = tmp_path / "totals.json", World(), Good()
    first = b'{"version":1,"batteries":{"COM9":{"energy_discharged":7.5},"boat":{"charge_in":2.0}}}'
    totals.write_bytes(first)

    def read_only(path: Path) -> Any:
        raise OSError(errno.EROFS, "Read-only file system")

    async def main() -> None:
        asyncio.get_running_loop().call_later(300, broken.undo)
        await monitored(Monitor(config("COM9"), timing(), {"good": good}, totals), 600)

    with worlds(COM9=world), pytest.MonkeyPatch.context() as broken, caplog.at_level(logging.INFO):
        broken.setattr("antbms.ledger._locked", read_only)
        run(main())
    published = [one.details["energy_discharged"] for one in good.events if isinstance(one, Snapshot)]
    before, after = published[:298], published[306:]
    assert set(before) == {None}
    used = -sum(one.power or 0.0 for one in good.events if isinstance(one, Snapshot)) / 3.6e6
    assert all(7.5 <= a <= b for a, b in pairwise(after) if a is not None and b is not None)
    assert after[-1] == pytest.approx(7.5 + used, abs=0.01 * used + 0.001)  # what was counted meanwhile is in it
    assert b'"boat":{"energy_charged":0.0,"energy_discharged":0.0,"charge_in":2.0' in totals.read_bytes()
    texts = [record.getMessage() for record in caplog.records if "totals" in record.getMessage()]
    assert len(texts) == 2
    assert texts[0].startswith(f"totals: {totals}: read-only file system; counters of energy are not published")
    assert texts[1].endswith("written again")


def test_energy_is_the_same_if_the_clock_is_set_meanwhile() -> None:
    """As on a Raspberry Pi, which learns some time after its start what time it is."""
    world, good = World(), Good()

    async def main() -> None:
        ahead = timedelta()

        def set_clock(by: float) -> None:
            nonlocal ahead
            ahead += timedelta(seconds=by)

        for second in range(100, 600, 20):
            asyncio.get_running_loop().call_later(second + 0.5, set_clock, 8.0 if second < 300 else -15.0)
        clocks = timing(now=lambda: wall_clock() + ahead)
        await monitored(Monitor(config("COM9", every=5.0), clocks, {"good": good}), 600)

    with worlds(COM9=world):
        run(main())
    read = [one for one in good.events if isinstance(one, Snapshot)]
    used = -sum(one.power or 0.0 for one in read) * 5.0 / 3.6e6
    assert len(read) >= 119
    assert read[-1].details["energy_discharged"] == pytest.approx(used, rel=0.02)


def test_stopping_is_in_time_even_if_the_disk_of_the_totals_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Never(AtOnce):
        async def run(self, work: Callable[[], Any]) -> Any:
            await asyncio.Event().wait()

    monkeypatch.setattr("antbms.ledger.Worker", Never)
    with worlds(COM9=World()):
        run(monitored(Monitor(config("COM9"), timing(), {"good": Good()}, tmp_path / "t.json"), 60))


def test_control_switches_a_simulated_battery_and_the_next_reading_shows_it() -> None:
    world, good = World(), Good()

    async def main() -> Outcome:
        monitor = Monitor(config("COM9"), timing(), {"good": good})
        control = monitor.sources["COM9"].control
        assert control is not None
        task = asyncio.create_task(monitored(monitor, 60))
        await asyncio.sleep(10.3)
        outcome = await control("switch", "charge", False)
        await task
        return outcome

    with worlds(COM9=world):
        outcome = run(main())
    assert outcome.confirmed
    states = [one.switches["charge"].on for one in good.events if isinstance(one, Snapshot)]
    assert states == sorted(states, reverse=True)
    assert set(states) == {True, False}


def test_a_pause_outlasts_a_watch_that_ends_and_is_over_at_once_when_it_is_released() -> None:
    place, good = World(), Good()

    async def main() -> None:
        monitor = Monitor(config("COM1"), timing(), {"good": good})
        one = monitor.sources["COM1"]
        running = asyncio.create_task(monitored(monitor, 400))
        await asyncio.sleep(10)
        one.pause(wall_clock() + timedelta(hours=1))
        one.pause(wall_clock() + timedelta(hours=1))
        await asyncio.sleep(5)
        assert place.active == 0
        before = len(good.events)
        await asyncio.sleep(100)
        assert len(good.events) == before
        assert isinstance(good.events[-1], Offline)
        assert good.events[-1].reason == "paused"
        one.pause(None)
        await asyncio.sleep(2)
        assert isinstance(good.events[-1], Snapshot)
        place.become("opening hangs")  # and a pause while it connects
        await asyncio.sleep(5)
        one.pause(wall_clock() + timedelta(hours=1))
        await asyncio.sleep(30)
        place.become("well")
        await asyncio.sleep(100)
        assert place.active == 0
        await running

    with worlds(COM1=place):
        run(main())
