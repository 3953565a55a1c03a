"""The MQTT sink against a real mosquitto: state, availability, history."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from mosquitto import Broker, Observer, broker, observer, retained
from mqtt_stage import play, sink, until
from sink_data import full, offline


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Broker]:
    with broker(tmp_path / "mosquitto") as made:
        yield made


@pytest.fixture
def seen(running: Broker) -> Iterator[Observer]:
    with observer(running.port) as made:
        yield made


def test_state_is_the_contract_and_availability_follows(running: Broker, seen: Observer, tmp_path: Path) -> None:
    made = sink(running.port, tmp_path)

    async def story() -> None:
        await made.take([full()])
        await until(lambda: "online" in seen.on("antbms/garage/availability"))
        assert seen.last("antbms/garage/state") == full().to_json()
        assert seen.on("antbms/bridge/availability") == ["online"]
        assert made.problem is None
        await made.take([offline(5)])
        await until(lambda: seen.last("antbms/garage/availability") == "offline")
        link = json.loads(seen.last("antbms/garage/link"))
        assert (link["online"], link["reason"]) == (False, "no valid answer in 3 tries")
        await made.take([full(10)])
        await until(lambda: seen.last("antbms/garage/availability") == "online")
        assert json.loads(seen.last("antbms/garage/state"))["time"] == "2026-11-22T12:00:10.000Z"

    play(made, story)
    now = retained(running.port)
    assert now["antbms/bridge/availability"] == now["antbms/garage/availability"] == "offline"
    assert now["antbms/garage/state"] == full(10).to_json()
    assert "antbms/bridge/test" not in now


def test_history_holds_every_reading_once_and_in_order(running: Broker, seen: Observer, tmp_path: Path) -> None:
    made = sink(running.port, tmp_path, "garage", "shed")

    async def story() -> None:
        for number in range(30):
            await made.take([full(number), full(number, "shed")])
        await until(lambda: len(seen.on("antbms/shed/history")) >= 30)

    play(made, story)
    for battery in ("garage", "shed"):
        assert seen.on(f"antbms/{battery}/history") == [full(number, battery).to_json() for number in range(30)]


def test_a_healthy_broker_leaves_the_disk_alone(running: Broker, seen: Observer, tmp_path: Path) -> None:
    made = sink(running.port, tmp_path)

    async def story() -> None:
        await made.take([full()])
        await until(lambda: made.problem is None and not made.waiting)
        before = [(file.name, file.stat().st_mtime_ns) for file in sorted(tmp_path.glob("spool*"))]
        for number in range(1, 50):
            await made.take([full(number)])
        await until(lambda: len(seen.on("antbms/garage/history")) == 50)
        assert [(file.name, file.stat().st_mtime_ns) for file in sorted(tmp_path.glob("spool*"))] == before

    play(made, story)


def test_a_crash_leaves_a_will(running: Broker, seen: Observer, tmp_path: Path) -> None:
    made = sink(running.port, tmp_path)

    async def story() -> None:
        await made.take([full()])
        await until(lambda: "online" in seen.on("antbms/bridge/availability"))
        assert made._connection is not None
        made._connection.abort("as a crash would")
        await until(lambda: "offline" in seen.on("antbms/bridge/availability"))
        await until(lambda: seen.last("antbms/bridge/availability") == "online")

    play(made, story)


def test_a_late_will_of_an_earlier_connection_is_put_right(running: Broker, seen: Observer, tmp_path: Path) -> None:
    made = sink(running.port, tmp_path)

    async def story() -> None:
        await made.take([full()])
        await until(lambda: "online" in seen.on("antbms/bridge/availability"))
        await asyncio.to_thread(seen.publish, "antbms/bridge/availability", "offline", retain=True)
        await until(lambda: seen.last("antbms/bridge/availability") == "online")

    play(made, story)


def test_batteries_that_have_not_answered_are_offline(running: Broker, seen: Observer, tmp_path: Path) -> None:
    seen.publish("antbms/shed/availability", "online", retain=True)  # left by a run that crashed
    made = sink(running.port, tmp_path, "garage", "shed")

    async def story() -> None:
        await made.take([full()])
        await until(lambda: seen.last("antbms/shed/availability") == "offline")

    play(made, story)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_both_versions_of_mqtt(running: Broker, seen: Observer, tmp_path: Path, version: str) -> None:
    made = sink(running.port, tmp_path, version=version)

    async def story() -> None:
        await made.take([full()])
        await until(lambda: seen.on("antbms/garage/history") == [full().to_json()])

    play(made, story)


def test_snapshot_and_offline_of_one_batch_leave_the_newest(running: Broker, seen: Observer, tmp_path: Path) -> None:
    made = sink(running.port, tmp_path)

    async def story() -> None:
        await made.take([full()])
        await until(lambda: made.problem is None)
        await made.take([full(1), offline(2)])
        await until(lambda: seen.last("antbms/garage/availability") == "offline")
        await until(lambda: len(seen.on("antbms/garage/history")) == 2)

    play(made, story)
