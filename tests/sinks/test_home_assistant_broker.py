"""Discovery at a real broker: announced, again after restarts, added to, and removed."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mosquitto import Broker, Observer, broker, observer, retained
from sink_data import FakeSource, day_after, full, info, sources

import patience
from antbms.model import Outcome, Snapshot
from antbms.sinks.mqtt import Config, Mqtt, make

QUICK = patience.timing(now=day_after, broker=8.0, broker_least=0.02, broker_most=0.1)
TOPIC = "homeassistant/device/antbms_aabbccddeeff/config"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Broker]:
    with broker(tmp_path / "mosquitto") as made:
        yield made


@pytest.fixture
def seen(running: Broker) -> Iterator[Observer]:
    with observer(running.port) as made:
        yield made


def sink(port: int, tmp_path: Path, batteries: dict[str, FakeSource] | None = None, **options: Any) -> Mqtt:
    settings = {"host": "127.0.0.1", "port": port, "file": str(tmp_path / "spool.sqlite")}
    return make(Config(**{**settings, **options}), batteries or sources(info=info()), QUICK)


def story(made: Mqtt, *steps: Any) -> None:
    """Take snapshots one after the other; functions are called, and waited for until they are true."""

    async def main() -> None:
        try:
            for step in steps:
                if isinstance(step, Snapshot):
                    await made.take([step])
                    continue
                async with asyncio.timeout(20):
                    while not await asyncio.to_thread(step):  # noqa: ASYNC110
                        await asyncio.sleep(0.005)
        finally:
            await made.close()

    patience.run(main())


def entities(payload: str) -> set[str]:
    return set(json.loads(payload)["components"])


def test_a_device_is_announced_once_and_again_when_home_assistant_starts(
    running: Broker, seen: Observer, tmp_path: Path
) -> None:
    def birth() -> bool:
        seen.publish("homeassistant/status", "online")
        return True

    story(
        sink(running.port, tmp_path),
        full(),
        lambda: len(seen.on(TOPIC)) == 1 and seen.on("antbms/garage/state"),
        full(1),
        lambda: len(seen.on("antbms/garage/history")) == 2,
        birth,
        lambda: len(seen.on(TOPIC)) == 2,
        lambda: len(seen.on("antbms/garage/state")) == 3,  # so that it need not wait for the next reading
    )
    first, second = seen.on(TOPIC)
    assert first == second
    assert retained(running.port)[TOPIC] == first


def test_what_appears_later_is_added_and_nothing_is_taken_away(running: Broker, seen: Observer, tmp_path: Path) -> None:
    small, large = full(soh=None, details={}), full(1)
    story(
        sink(running.port, tmp_path), small, lambda: len(seen.on(TOPIC)) == 1, large, lambda: len(seen.on(TOPIC)) == 2
    )
    first, second = (entities(payload) for payload in seen.on(TOPIC))
    assert "soh" not in first
    assert first | {"soh", "time_to_full"} <= second
    # The next run knows what the device has, also before it shows all of it again.
    story(sink(running.port, tmp_path), small, lambda: len(seen.on(TOPIC)) >= 3)
    assert all(entities(payload) == second for payload in seen.on(TOPIC)[2:])


def test_a_battery_that_leaves_the_configuration_is_removed(running: Broker, seen: Observer, tmp_path: Path) -> None:
    both = {"garage": FakeSource("garage", info()), "shed": FakeSource("shed", info(address="11:22:33:44:55:66"))}
    shed = "homeassistant/device/antbms_112233445566/config"
    story(sink(running.port, tmp_path, both), full(), full(0, "shed"), lambda: seen.on(TOPIC) and seen.on(shed))
    assert shed in retained(running.port)
    story(sink(running.port, tmp_path), full(1), lambda: seen.last(shed) == seen.last("antbms/shed/link") == "")
    left = retained(running.port)
    assert not [topic for topic in left if "shed" in topic or topic == shed]
    assert TOPIC in left


def test_home_assistant_can_be_switched_off_later(running: Broker, seen: Observer, tmp_path: Path) -> None:
    story(sink(running.port, tmp_path), full(), lambda: seen.on(TOPIC))
    story(sink(running.port, tmp_path, home_assistant=False), full(1), lambda: seen.last(TOPIC) == "")
    left = retained(running.port)
    assert TOPIC not in left
    assert "antbms/garage/state" in left


def test_another_device_under_the_same_name(running: Broker, seen: Observer, tmp_path: Path) -> None:
    story(sink(running.port, tmp_path), full(), lambda: seen.on(TOPIC))
    new = "homeassistant/device/antbms_112233445566/config"
    other = sources(info=info(address="11:22:33:44:55:66"))
    story(sink(running.port, tmp_path, other), full(1), lambda: seen.on(new) and seen.last(TOPIC) == "")


def test_a_renamed_battery_keeps_its_id(running: Broker, seen: Observer, tmp_path: Path) -> None:
    story(sink(running.port, tmp_path), full(), lambda: seen.on(TOPIC))
    renamed = sources("barn", info=info())
    story(
        sink(running.port, tmp_path, renamed),
        full(1, "barn"),
        lambda: json.loads(seen.last(TOPIC) or "{}").get("device", {}).get("name") == "barn",
        lambda: "" in seen.on("antbms/garage/state"),
    )
    assert json.loads(retained(running.port)[TOPIC])["device"]["name"] == "barn"


def test_a_broker_that_forgot_everything_is_told_again(running: Broker, seen: Observer, tmp_path: Path) -> None:
    def forget() -> bool:
        running.stop()
        (running.folder / "mosquitto.db").unlink()
        running.start()
        return True

    story(
        sink(running.port, tmp_path),
        full(),
        lambda: seen.on(TOPIC),
        forget,
        lambda: TOPIC in retained(running.port),
        lambda: "antbms/garage/state" in retained(running.port),
    )


def test_no_control_no_switch_and_the_other_way_round(running: Broker, seen: Observer, tmp_path: Path) -> None:
    async def control(kind: str, name: str, value: bool | None, until: float | None = None) -> Outcome:
        raise AssertionError

    allowed = sources(info=info(), control=control)
    story(sink(running.port, tmp_path, allowed), full(), lambda: seen.on(TOPIC))
    made = json.loads(seen.last(TOPIC) or "")["components"]
    assert made["charge_switch"]["platform"] == "switch"
    assert [name for name, one in made.items() if one["platform"] == "button"]
    before = len(seen.on(TOPIC))
    story(sink(running.port, tmp_path), full(1), lambda: len(seen.on(TOPIC)) >= before + 2)
    last = json.loads(seen.last(TOPIC) or "")["components"]
    assert "charge_switch" not in last
    assert last["charge_state"]["platform"] == "binary_sensor"
    assert any(json.loads(one)["components"].get("charge_switch") == {"platform": "switch"} for one in seen.on(TOPIC))
    assert not [name for name, one in last.items() if one["platform"] in ("button", "switch")]


def test_two_batteries_that_claim_to_be_the_same(
    running: Broker, seen: Observer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    story(
        sink(running.port, tmp_path, sources("garage", "shed", info=info())),
        full(),
        full(0, "shed"),
        lambda: seen.on(TOPIC) and seen.on("homeassistant/device/antbms_shed/config"),
    )
    assert "another battery says that it is antbms_aabbccddeeff" in caplog.text


def test_a_battery_known_by_its_name_only_is_told_of(
    running: Broker, seen: Observer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nameless = sources(info=info(address=None))
    topic = "homeassistant/device/antbms_garage/config"
    story(sink(running.port, tmp_path, nameless), full(), lambda: seen.on(topic))
    assert "knows it by its name" in caplog.text
