"""What must not be lost, held up or left behind: a broker not yet found frozen, a refused battery, a full disk."""

import asyncio
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from mosquitto import Broker, Observer, broker, observer, retained, wait
from mqtt_stage import QUICK, play, sink, until
from msgspec.structs import replace
from sink_data import FakeSource, day_after, full, info, sources

import patience
from antbms.errors import SinkError, UsageError
from antbms.monitor.lane import Lane
from antbms.sinks.mqtt import Config, Mqtt, make

SLOW = patience.timing(now=day_after, broker=60.0, broker_soon=0.2, broker_least=0.02, broker_most=0.1)
"""A broker that is frozen is not found out during the test."""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Broker]:
    with broker(tmp_path / "mosquitto") as made:
        yield made


@pytest.fixture
def seen(running: Broker) -> Iterator[Observer]:
    with observer(running.port) as made:
        yield made


def on_disk(tmp_path: Path) -> int:
    with sqlite3.connect(tmp_path / "spool.sqlite") as base:
        count: int = base.execute("SELECT count(*) FROM reading").fetchone()[0]
    base.close()
    return count


def history(seen: Observer, battery: str = "garage") -> list[str]:
    return seen.on(f"antbms/{battery}/history")


def test_what_a_frozen_broker_has_not_acknowledged_is_soon_on_the_disk(
    running: Broker, seen: Observer, tmp_path: Path
) -> None:
    made = sink(running.port, tmp_path, timing=SLOW)

    async def story() -> None:
        await made.take([full()])
        await until(lambda: history(seen) and not made.waiting)
        running.freeze()
        async with asyncio.timeout(10):
            for number in range(1, 40):
                await made.take([full(number)])
        assert made.waiting == 39
        assert made.problem is None  # it is not known yet
        running.thaw()
        await until(lambda: not made.waiting)
        await made.take([full(40)])

    play(made, story)
    wait(lambda: full(40).to_json() in history(seen))
    assert history(seen) == [full(number).to_json() for number in range(41)]  # none twice


def test_a_lane_that_ends_beside_a_frozen_broker_loses_nothing(
    running: Broker, seen: Observer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = sink(running.port, tmp_path, timing=replace(SLOW, broker_soon=30.0))

    async def main() -> None:
        lane = Lane("mqtt", made, SLOW, 1000)
        lane.start()
        lane.put(full())
        await until(lambda: history(seen) and not made.waiting)
        running.freeze()
        for number in range(1, 71):
            lane.put(full(number))
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        lane.put(full(71))  # behind the batch that the broker does not acknowledge
        await lane.close(3.5)
        assert (lane.taken, lane.waiting) == (72, 0)

    patience.run(main())
    assert "lost" not in caplog.text
    assert on_disk(tmp_path) == 71


def test_the_refused_history_of_one_battery_does_not_stop_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rules = "user bms\ntopic readwrite antbms/#\ntopic deny antbms/garage/history\n\nuser all\ntopic readwrite #\n"
    (tmp_path / "secret").write_text("right")
    with (
        broker(tmp_path / "mosquitto", users={"bms": "right", "all": "right"}, acl=rules) as running,
        observer(running.port, user="all", password="right") as seen,
    ):
        made = sink(
            running.port, tmp_path, "garage", "shed", user="bms", password_file=str(tmp_path / "secret"),
            timing=replace(QUICK, broker_most=60.0),
        )  # fmt: skip

        async def story() -> None:
            await made.take([one for n in range(250) for one in (full(n), full(n, "shed"))])  # the disk first
            await until(lambda: len(history(seen, "shed")) == 250)
            await made.take([full(250), full(250, "shed"), full(251), full(251, "shed")])
            await until(lambda: len(history(seen, "shed")) == 252)
            await until(lambda: made.waiting == 252)

        play(made, story)
        assert history(seen, "shed") == [full(n, "shed").to_json() for n in range(252)]
        assert caplog.text.count("does not take antbms/garage/history") == 1


def test_without_a_file_the_state_and_the_history_still_reach_the_broker(
    running: Broker, seen: Observer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    made = sink(running.port, tmp_path, file=str(tmp_path / "file" / "spool.sqlite"), home_assistant=True)

    async def story() -> None:
        with pytest.raises(SinkError, match="readings cannot be kept in"):
            await made.take([full()])
        await until(lambda: made.problem is None)
        await made.take([full(), full(1)])
        await until(lambda: seen.last("antbms/garage/state") == full(1).to_json())
        await until(lambda: history(seen) == [full().to_json(), full(1).to_json()])
        await until(lambda: seen.on("homeassistant/device/antbms_aabbccddeeff/config"))
        (tmp_path / "file").unlink()
        await asyncio.sleep(0.2)  # broker_most: then it tries again
        await made.take([full(2)])

    play(made, story)
    assert caplog.text.count("readings cannot be kept in") == 1
    assert (tmp_path / "file" / "spool.sqlite").exists()


def test_a_full_disk_does_not_end_the_connection(
    running: Broker, seen: Observer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "antbms")
    running.stop()
    made = sink(running.port, tmp_path)

    async def story() -> None:
        await made.take([full(number) for number in range(450)])
        base = made._spool._base
        assert base is not None
        base.execute("PRAGMA query_only = ON")  # from now on the file takes nothing
        await asyncio.to_thread(running.start)
        await until(lambda: len(history(seen)) == 450)
        async with asyncio.timeout(10):
            while True:
                try:  # as a lane does: it is refused only while older ones are under way
                    await made.take([full(450)])
                    break
                except SinkError:
                    await asyncio.sleep(0.01)
        await until(lambda: len(history(seen)) == 451)
        assert made.problem is None
        assert made.waiting == 450
        base.execute("PRAGMA query_only = OFF")
        await until(lambda: not made.waiting)
        await made.take([full(451)])

    play(made, story)
    wait(lambda: len(history(seen)) >= 452)
    assert history(seen) == [full(number).to_json() for number in range(452)]
    assert caplog.text.count(": connected") == 1
    assert caplog.text.count("cannot be kept") == 1


def announcing(port: int, tmp_path: Path, batteries: dict[str, FakeSource]) -> Mqtt:
    return make(Config(host="127.0.0.1", port=port, file=str(tmp_path / "spool.sqlite")), batteries, QUICK)


def test_a_battery_that_was_never_read_leaves_nothing_behind(running: Broker, seen: Observer, tmp_path: Path) -> None:
    first = announcing(running.port, tmp_path, sources("garage", "shed", info=info()))

    async def begin() -> None:
        await first.take([full()])
        await until(lambda: seen.last("antbms/shed/availability") == "offline" and history(seen))

    play(first, begin)
    assert "antbms/shed/availability" in retained(running.port)
    second = announcing(running.port, tmp_path, sources(info=info()))

    async def end() -> None:
        await second.take([full(1)])
        await until(lambda: seen.last("antbms/shed/availability") == "")

    play(second, end)
    assert not [topic for topic in retained(running.port) if "shed" in topic]


def test_topics_of_a_former_battery_go_though_another_was_never_read(
    running: Broker, seen: Observer, tmp_path: Path
) -> None:
    other = FakeSource("shed", info(address="11:22:33:44:55:66"))
    device = "homeassistant/device/antbms_112233445566/config"
    first = announcing(running.port, tmp_path, {**sources(info=info()), "shed": other})

    async def begin() -> None:
        await first.take([full(), full(0, "shed")])
        await until(lambda: seen.on(device))

    play(first, begin)
    second = announcing(running.port, tmp_path, sources("garage", "barn", info=info()))

    async def middle() -> None:
        await second.take([full(1)])
        await until(lambda: seen.last("antbms/shed/state") == seen.last("antbms/shed/link") == "")

    play(second, middle)
    assert seen.last(device)  # barn may be this device
    third = announcing(
        running.port, tmp_path, {**sources(info=info()), "barn": FakeSource("barn", info(address="AA:00:00:00:00:01"))}
    )

    async def end() -> None:
        await third.take([full(2), full(2, "barn")])
        await until(lambda: seen.last(device) == "")

    play(third, end)


def test_an_unexpected_error_at_the_farewell_still_closes_the_file(
    running: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = sink(running.port, tmp_path)

    async def oops() -> None:
        raise ZeroDivisionError("oops")

    async def story() -> None:
        await made.take([full()])
        await until(lambda: made.problem is None and not made.waiting)
        monkeypatch.setattr(made, "_say_goodbye", oops)

    play(made, story)
    assert not made._spool.is_open
    assert "oops" in caplog.text


@pytest.mark.parametrize("base", ["antbms//x", "antbms///", "//"])
def test_a_base_with_an_empty_level_is_refused(base: str) -> None:
    with pytest.raises(UsageError, match="first part of a topic"):
        make(Config(base=base), sources(), QUICK)
