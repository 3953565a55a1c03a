"""Commands over MQTT: done once or dropped, confirmed by the battery or told otherwise, never replayed."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from mosquitto import Broker, Observer, broker, observer
from sink_data import NOON, day_after, full, info, sources

import patience
from antbms.errors import NoAnswer, Refused, Unconfirmed
from antbms.model import Outcome, SwitchState
from antbms.model.records import timestamp
from antbms.protocol import MODULES, dialect
from antbms.sinks.mqtt import Config, Mqtt, make
from antbms.sinks.mqtt.commands import Command, Commands, offered, read
from antbms.sinks.mqtt.connection import Connection, Incoming
from antbms.sinks.mqtt.topics import Topics
from antbms.timing import Timing

QUICK = patience.timing(now=day_after, broker=8.0, broker_least=0.02, broker_most=0.1)
CHARGE = "antbms/garage/switch/charge/set"
RESULT = "antbms/garage/result"


class FakeBattery:
    """Does what it is told, or not: `answer` is given the wanted value."""

    def __init__(self, answer: Callable[[bool | None], Outcome] | None = None) -> None:
        self.asked: list[tuple[str, str, bool | None]] = []
        self.until: list[float | None] = []
        self.answer = answer or confirmed
        self.gate = asyncio.Event()
        self.gate.set()

    async def control(self, kind: str, name: str, value: bool | None, until: float | None = None) -> Outcome:
        self.until.append(until)
        self.asked.append((kind, name, value))
        await self.gate.wait()
        return self.answer(value)


def confirmed(value: bool | None) -> Outcome:
    return Outcome(what="charge", before=True, wanted=value, seen=value, confirmed=True, text="charge is off")


def acknowledged(value: bool | None) -> Outcome:
    return Outcome(what="restart", before=None, wanted=None, seen=None, confirmed=False, text="acknowledged")


def raises(error: Exception) -> Callable[[bool | None], Outcome]:
    def answer(value: bool | None) -> Outcome:
        raise error

    return answer


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Broker]:
    with broker(tmp_path / "mosquitto") as made:
        yield made


@pytest.fixture
def seen(running: Broker) -> Iterator[Observer]:
    with observer(running.port) as made:
        yield made


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def play(
    running: Broker,
    tmp_path: Path,
    battery: FakeBattery | None,
    story: Callable[[Mqtt], Awaitable[None]],
    timing: Timing = QUICK,
) -> None:
    """Run a story with a sink that is connected."""

    async def main() -> None:
        config = Config(host="127.0.0.1", port=running.port, file=str(tmp_path / "spool.sqlite"))
        control = battery.control if battery else None
        made = make(config, sources(info=info(), control=control), timing)
        try:
            await made.take([full()])
            await until(lambda: made.problem is None)
            await story(made)
        finally:
            await made.close()

    patience.run(main())


def results(seen: Observer) -> list[dict[str, Any]]:
    return [json.loads(payload) for payload in seen.on(RESULT)]


def give(seen: Observer, payload: str = "OFF", topic: str = CHARGE, **options: Any) -> Any:
    return asyncio.to_thread(seen.publish, topic, payload, **options)


def test_a_switch_is_given_and_its_confirmed_state_told(
    running: Broker, seen: Observer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "antbms")
    battery = FakeBattery()

    async def story(made: Mqtt) -> None:
        await give(seen)
        await until(lambda: results(seen))
        # Nothing says off before the battery does.
        assert json.loads(seen.on("antbms/garage/state")[-1])["switches"]["charge"]["on"] is True
        await made.take([full(1, switches={"charge": SwitchState(False, 15, "off")})])
        await until(lambda: json.loads(seen.on("antbms/garage/state")[-1])["switches"]["charge"]["on"] is False)
        await give(seen, "ON")
        await until(lambda: len(results(seen)) == 2)

    play(running, tmp_path, battery, story)
    assert battery.asked == [("switch", "charge", False), ("switch", "charge", True)]
    first = results(seen)[0]
    assert first.pop("time").endswith("Z")
    assert first == {
        "battery": "garage", "kind": "switch", "name": "charge", "value": False, "outcome": "confirmed", "seen": False,
        "text": "charge is off",
    }  # fmt: skip
    assert "garage: mqtt asks for switch charge off" in caplog.text
    assert "garage: switch charge off: charge is off" in caplog.text
    assert not [message for message in seen.messages if message.topic == RESULT and message.retained]


@pytest.mark.parametrize(
    ("answer", "outcome", "text"),
    [
        (acknowledged, "acknowledged", "acknowledged"),
        (raises(Refused("garage: the battery refused: permission level too low")), "refused", "the battery refused"),
        (raises(Unconfirmed("garage: still on after 6 s")), "unconfirmed", "still on after 6 s"),
        (raises(NoAnswer("garage: no valid answer in 3 tries")), "failed", "no valid answer"),
        (raises(ZeroDivisionError("oops")), "failed", "an error in antbms itself"),
    ],
)
def test_every_ending_is_told_and_logged(
    running: Broker,
    seen: Observer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    answer: Any,
    outcome: str,
    text: str,
) -> None:
    caplog.set_level(logging.DEBUG, "antbms")
    battery = FakeBattery(answer)

    async def story(made: Mqtt) -> None:
        for _ in range(2):  # one that fails does not hinder the next
            await give(seen)
        await until(lambda: len(results(seen)) == 2)

    play(running, tmp_path, battery, story)
    assert [(one["outcome"], text in one["text"]) for one in results(seen)] == [(outcome, True)] * 2
    assert len(battery.asked) == 2
    assert "garage: switch charge off" in caplog.text


def test_a_command(running: Broker, seen: Observer, tmp_path: Path) -> None:
    battery = FakeBattery(acknowledged)

    async def story(made: Mqtt) -> None:
        await give(seen, "PRESS", "antbms/garage/command/restart/set")
        await until(lambda: results(seen))

    play(running, tmp_path, battery, story)
    assert battery.asked == [("command", "restart", None)]


def test_retained_commands_are_dropped(running: Broker, seen: Observer, tmp_path: Path) -> None:
    battery = FakeBattery()
    seen.publish(CHARGE, "OFF", retain=True)

    async def story(made: Mqtt) -> None:
        await until(lambda: results(seen))

    play(running, tmp_path, battery, story)
    play(running, tmp_path, battery, story)
    assert battery.asked == []
    assert {one["outcome"] for one in results(seen)} == {"dropped"}
    assert "retained" in results(seen)[0]["text"]


def test_what_is_given_while_we_are_away_never_comes(
    running: Broker, seen: Observer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QoS 1, and to a broker that keeps sessions: ours is none that it keeps."""
    battery = FakeBattery()

    async def nothing(made: Mqtt) -> None:
        return None

    async def after_a_loss(made: Mqtt) -> None:
        given, connect = asyncio.Event(), Connection.open

        async def open_later(self: Connection) -> None:
            await given.wait()
            await connect(self)

        monkeypatch.setattr(Connection, "open", open_later)
        assert made._connection is not None
        made._connection.abort("lost")
        await until(lambda: made.problem is not None)
        await give(seen)
        given.set()
        await until(lambda: made.problem is None)
        await give(seen, "ON")
        await until(lambda: results(seen))

    play(running, tmp_path, battery, nothing)
    seen.publish(CHARGE, "OFF")
    play(running, tmp_path, battery, nothing)
    play(running, tmp_path, battery, after_a_loss)
    assert battery.asked == [("switch", "charge", True)]


def test_without_control_nothing_is_heard(running: Broker, seen: Observer, tmp_path: Path) -> None:
    async def story(made: Mqtt) -> None:
        await give(seen)
        await made.take([full(1)])
        await until(lambda: len(seen.on("antbms/garage/history")) == 2)

    play(running, tmp_path, None, story)
    assert results(seen) == []


def test_while_this_computer_sleeps_commands_grow_old(running: Broker, seen: Observer, tmp_path: Path) -> None:
    """The wall clock jumps, as after a suspend: what lies in the socket then is dropped with the connection."""
    battery, jump = FakeBattery(), timedelta()

    async def story(made: Mqtt) -> None:
        nonlocal jump
        jump = timedelta(minutes=5)
        await give(seen)
        await until(lambda: made.problem is not None)
        assert made.problem is not None
        assert "slept" in made.problem
        await until(lambda: made.problem is None)
        await give(seen, "ON")
        await until(lambda: results(seen))

    # So patient a connection does not look by itself before the message comes.
    timing = patience.timing(now=lambda: NOON + jump, broker=600.0, broker_least=0.02, broker_most=0.1)
    play(running, tmp_path, battery, story, timing)
    assert battery.asked == [("switch", "charge", True)]


# Without a broker: clocks by hand


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def timing(self) -> Timing:
        return Timing(now=lambda: NOON + timedelta(seconds=self.seconds), monotonic=lambda: self.seconds)


def by_hand(battery: FakeBattery, clock: Clock) -> tuple[Commands, list[dict[str, Any]]]:
    told: list[dict[str, Any]] = []
    made = Commands(
        Topics("antbms", ["garage"]),
        sources(control=battery.control),
        clock.timing(),
        lambda topic, payload: told.append(json.loads(payload)),
    )
    return made, told


def incoming(payload: str = "OFF", at: float = 0.0, topic: str = CHARGE) -> Incoming:
    return Incoming(topic, payload.encode(), False, at)


def test_what_waits_longer_than_ten_seconds_is_dropped() -> None:
    async def main() -> None:
        battery, clock = FakeBattery(), Clock()
        made, told = by_hand(battery, clock)
        battery.gate.clear()
        for _ in range(3):
            made.receive(incoming(at=clock.seconds))
            await asyncio.sleep(0)
            clock.seconds += 4.0
        battery.gate.set()  # at 12 s: the second is 8 s old, the third 4 s
        await until(lambda: len(told) == 3)
        assert len(battery.asked) == 3
        battery.gate.clear()
        made.receive(incoming(at=clock.seconds))
        made.receive(incoming(at=clock.seconds))
        await asyncio.sleep(0)
        clock.seconds += 10.1
        battery.gate.set()
        await until(lambda: len(told) == 5)
        assert [one["outcome"] for one in told[3:]] == ["confirmed", "dropped"]
        assert "waited 10.1 s" in told[4]["text"]
        assert len(battery.asked) == 4

    patience.run(main())


@pytest.mark.parametrize(
    ("seconds", "outcome"), [(0, "confirmed"), (-9.9, "confirmed"), (-10.1, "dropped"), (10.1, "dropped")]
)
def test_a_command_that_says_when_it_was_given(seconds: float, outcome: str) -> None:
    async def main() -> None:
        battery, clock = FakeBattery(), Clock()
        made, told = by_hand(battery, clock)
        when = timestamp(NOON + timedelta(seconds=seconds))
        made.receive(incoming(json.dumps({"value": "OFF", "time": when})))
        await until(lambda: told)
        assert told[0]["outcome"] == outcome
        assert len(battery.asked) == (outcome == "confirmed")
        if outcome == "confirmed":  # and the battery's link may take no longer either
            assert battery.until == [pytest.approx(clock.seconds + 10 + seconds)]

    patience.run(main())


def test_too_many_at_once_are_dropped() -> None:
    async def main() -> None:
        battery, clock = FakeBattery(), Clock()
        made, told = by_hand(battery, clock)
        battery.gate.clear()
        for _ in range(8):
            made.receive(incoming())
        assert [one["outcome"] for one in told] == ["dropped"] * 3
        battery.gate.set()
        await until(lambda: len(told) == 8)
        assert len(battery.asked) == 5

    patience.run(main())


def test_closing_ends_what_runs_and_what_waits() -> None:
    async def main() -> None:
        battery, clock = FakeBattery(), Clock()
        made, told = by_hand(battery, clock)
        battery.gate.clear()
        made.receive(incoming())
        made.receive(incoming())
        await asyncio.sleep(0)
        await made.close()
        assert len(battery.asked) == 1
        assert sorted(one["outcome"] for one in told) == ["dropped", "failed"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    patience.run(main())


@pytest.mark.parametrize(
    "payload",
    ["", "on please", "1", "PRESS", "{}", '{"value": "ON", "extra": 1}', '{"value": 1}', "{", "\\",
     '{"value": "ON", "time": "2026-11-22T12:00:00"}', '{"value": "ON", "time": "soon"}'],
)  # fmt: skip
def test_what_is_not_understood_is_dropped(payload: str) -> None:
    async def main() -> None:
        battery, clock = FakeBattery(), Clock()
        made, told = by_hand(battery, clock)
        made.receive(incoming(payload))
        made.receive(Incoming(CHARGE, b"\xff\xfe", False, 0.0))
        assert [one["outcome"] for one in told] == ["dropped"] * 2
        assert battery.asked == []
        await asyncio.sleep(0)

    patience.run(main())


@pytest.mark.parametrize(
    "topic",
    ["antbms/shed/switch/charge/set", "antbms/garage/switch/set", "antbms/garage/switch/charge/state", "other/x",
     "antbms/garage/switch/a/b/set"],
)  # fmt: skip
def test_other_topics_are_none_of_its_business(topic: str) -> None:
    async def main() -> None:
        battery, clock = FakeBattery(), Clock()
        made, told = by_hand(battery, clock)
        made.receive(incoming(topic=topic))
        await asyncio.sleep(0)
        assert (battery.asked, told) == ([], [])

    patience.run(main())


def test_payloads_of_home_assistant_are_understood() -> None:
    plain = Command("garage", "switch", "charge", None, 0.0)
    assert read(plain, b"ON").value is True
    assert read(plain, b"off").value is False
    assert read(Command("garage", "command", "restart", None, 0.0), b"PRESS").value is None


@pytest.mark.parametrize("protocol", MODULES)
def test_only_what_the_protocol_has_and_nothing_dangerous_is_offered(protocol: str) -> None:
    switches, commands = offered(protocol)
    spoken = dialect(protocol)
    assert switches == spoken.SWITCHES.keys()
    assert all(not spoken.COMMANDS[name].dangerous for name in commands)
    assert {"charge", "discharge"} <= switches
