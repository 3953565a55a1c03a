"""The MQTT sink and brokers that are away, frozen or unwilling; configurations that mean nothing."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from mosquitto import Broker, Observer, broker, observer, wait
from mqtt_stage import IMPATIENT, QUICK, play, sink, until
from sink_data import day_after, full, sources

import garbage
import patience
from antbms.errors import SinkError, UsageError
from antbms.sinks.mqtt import Config, Mqtt, make
from antbms.sinks.mqtt.connection import Connection
from ports import free_port


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Broker]:
    with broker(tmp_path / "mosquitto") as made:
        yield made


@pytest.fixture
def seen(running: Broker) -> Iterator[Observer]:
    with observer(running.port) as made:
        yield made


def outage(made: Mqtt, seen: Observer, begin: Callable[[], None], end: Callable[[], None]) -> None:
    """Three readings before, while and after the broker is away; all arrive in order."""

    async def story() -> None:
        await made.take([full(number) for number in range(3)])
        await until(lambda: len(seen.on("antbms/garage/history")) == 3 and not made.waiting)
        begin()
        await made.take([full(number) for number in range(3, 6)])
        await until(lambda: made.problem is not None)
        assert made.waiting == 3
        end()
        await until(lambda: made.problem is None and not made.waiting)
        await made.take([full(number) for number in range(6, 9)])

    play(made, story)
    wait(lambda: full(8).to_json() in seen.on("antbms/garage/history"))
    times = [json.loads(payload)["time"] for payload in seen.on("antbms/garage/history")]
    assert list(dict.fromkeys(times)) == [json.loads(full(number).to_json())["time"] for number in range(9)]
    assert len(times) <= 9 + 3  # those in flight may come twice


def test_a_broker_that_is_stopped_and_comes_back(
    running: Broker, seen: Observer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outage(sink(running.port, tmp_path), seen, running.stop, lambda: running.start() and None)
    assert f"mqtt: 127.0.0.1:{running.port}: connection lost" in caplog.text


def test_a_broker_that_is_frozen(
    running: Broker, seen: Observer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outage(sink(running.port, tmp_path, timing=IMPATIENT), seen, running.freeze, running.thaw)
    assert "no answer in 1 s" in caplog.text


def test_a_restart_of_the_broker_is_said_once_and_again_when_it_is_back(
    running: Broker, seen: Observer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "antbms")
    made = sink(running.port, tmp_path)

    async def story() -> None:
        await made.take([full()])
        await until(lambda: made.problem is None)
        running.stop()
        running.start()
        await until(lambda: made.problem is not None)
        await until(lambda: made.problem is None)

    play(made, story)
    assert caplog.text.count(": connected") == 2


def away(tmp_path: Path, expected: str, port: int, take: int = 2, **options: Any) -> SinkError | None:
    """A sink that cannot connect says `expected`, and keeps its readings."""
    made = sink(port, tmp_path, **options)

    async def story() -> None:
        await made.take([full(number) for number in range(take)])
        with suppress(TimeoutError):
            await until(lambda: expected in (made.problem or ""))
        assert made.problem is not None
        assert expected in made.problem
        assert "Next:" in made.problem
        assert made.waiting == take

    play(made, story)
    garbage.collect()  # what paho leaves: see leaves_a_socket
    return None


def test_no_broker(tmp_path: Path) -> None:
    away(tmp_path, "cannot connect", free_port())


def test_a_name_that_does_not_exist(tmp_path: Path) -> None:
    away(tmp_path, "cannot connect", 1883, host="no-such-host.invalid")


def test_a_wrong_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MQTT_PASSWORD", "a-wrong-secret")
    with broker(tmp_path / "mosquitto", users={"bms": "right"}) as running:
        for version in ("5", "3.1.1"):
            away(tmp_path, "ot authorized", running.port, user="bms", password_env="MQTT_PASSWORD", version=version)
    assert "check `user`" in caplog.text
    assert "a-wrong-secret" not in caplog.text


def test_the_right_password_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("right\n")
    with (
        broker(tmp_path / "mosquitto", users={"bms": "right"}) as running,
        observer(running.port, user="bms", password="right") as seen,
    ):
        made = sink(running.port, tmp_path, user="bms", password_file=str(tmp_path / "secret"))

        async def story() -> None:
            await made.take([full()])
            await until(lambda: seen.on("antbms/garage/history"))

        play(made, story)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
@pytest.mark.parametrize(
    ("acl", "version_5", "version_3"),
    [
        ("topic read antbms/#", "does not take what is published", "does not come back"),
        ("topic write antbms/#", None, "does not come back"),
        ("topic readwrite other/#", "does not take what is published", "does not come back"),
    ],
)
def test_an_acl_that_denies(
    tmp_path: Path, acl: str, version: str, version_5: str | None, version_3: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = version_5 if version == "5" else version_3
    users, rules = {"bms": "right", "all": "right"}, f"user bms\n{acl}\n\nuser all\ntopic readwrite #\n"
    (tmp_path / "secret").write_text("right")
    with (
        broker(tmp_path / "mosquitto", users=users, acl=rules) as running,
        observer(running.port, user="all", password="right") as seen,
    ):
        access = {"user": "bms", "password_file": str(tmp_path / "secret"), "version": version, "timing": IMPATIENT}
        if expected is not None:
            away(tmp_path, expected, running.port, **access)
            assert "ACL allow user bms" in caplog.text
            return
        made = sink(running.port, tmp_path, **access)

        async def story() -> None:
            await made.take([full()])
            await until(lambda: seen.on("antbms/garage/history"))
            assert "does not come back" in caplog.text

        play(made, story)


def test_an_acl_that_denies_only_the_history_keeps_readings_and_shows_the_state(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rules = "user bms\ntopic readwrite antbms/#\ntopic deny antbms/garage/history\n\nuser all\ntopic readwrite #\n"
    (tmp_path / "secret").write_text("right")
    with (
        broker(tmp_path / "mosquitto", users={"bms": "right", "all": "right"}, acl=rules) as running,
        observer(running.port, user="all", password="right") as seen,
    ):
        made = sink(running.port, tmp_path, user="bms", password_file=str(tmp_path / "secret"))

        async def story() -> None:
            for number in range(3):
                await made.take([full(number)])
            await until(lambda: seen.last("antbms/garage/state") == full(2).to_json())
            await until(lambda: "does not take antbms/garage/history" in caplog.text)
            assert made.waiting == 3

        play(made, story)
    assert caplog.text.count("does not take antbms/garage/history") == 1


# paho leaves the socket of a refused certificate to the garbage collector, which shall find it in this test.
leaves_a_socket = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")


@leaves_a_socket
def test_tls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with broker(tmp_path / "mosquitto", tls="localhost") as running:
        authority = str(tmp_path / "mosquitto" / "ca.crt")
        made = sink(running.port, tmp_path, host="localhost", tls=True, ca=authority)

        async def story() -> None:
            await made.take([full()])
            await until(lambda: made.problem is None and not made.waiting)

        play(made, story)
        caplog.clear()
        away(tmp_path, "certificate verify failed", running.port, take=1, host="localhost", tls=True)
        assert "`ca` must name the certificate" in caplog.text


@leaves_a_socket
def test_tls_with_a_certificate_for_another_name(tmp_path: Path) -> None:
    with broker(tmp_path / "mosquitto", tls="other.example") as running:
        authority = str(tmp_path / "mosquitto" / "ca.crt")
        away(tmp_path, "certificate", running.port, host="localhost", tls=True, ca=authority)


def test_tls_with_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    for name in ("junk.pem", "missing.pem"):
        away(tmp_path, "cannot use the certificates", free_port(), tls=True, ca=str(tmp_path / name))


def test_closing_beside_a_frozen_broker_takes_less_than_three_seconds(running: Broker, tmp_path: Path) -> None:
    made = sink(running.port, tmp_path, timing=patience.timing(now=day_after, broker=60.0))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await made.take([full()])
        await until(lambda: made.problem is None and not made.waiting)
        running.freeze()
        taking = asyncio.create_task(made.take([full(1), full(2)]))
        await asyncio.sleep(0.05)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        assert made.waiting == 2  # what had not arrived is kept
        begin = loop.time()
        await made.close()
        assert loop.time() - begin < 3

    patience.run(main())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"host": ""}, "cannot be the name"),
        ({"host": "a" * 70 + ".b"}, "cannot be the name"),
        ({"password_env": "NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE"),
        ({"password_env": "A", "password_file": "b"}, "both given"),
        ({"ca": "ca.crt"}, "`tls` is not true"),
        ({"tls": True, "certificate": "c.crt"}, "need each other"),
        ({"base": "a/#"}, "first part of a topic"),
        ({"base": "a/"}, "first part of a topic"),
        ({"base": ""}, "first part of a topic"),
        ({"discovery_prefix": "+"}, "first part of a topic"),
    ],
)
def test_a_configuration_that_means_nothing(options: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=r"^\[mqtt\]: ") as caught:
        make(Config(**options), sources(), QUICK)
    assert text in caught.value.text()


@pytest.mark.parametrize("names", [("a/b", "a b"), ("bridge",), ("garage", "gar+age", "gar#age")])
def test_batteries_whose_topics_would_be_the_same(names: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="the same topics as"):
        make(Config(), sources(*names), QUICK)


def test_a_mistake_of_ours_does_not_end_the_sink(
    running: Broker, seen: Observer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = sink(running.port, tmp_path)
    original, wrong = Connection.open, iter([True])

    async def open_wrongly(self: Connection) -> None:
        if next(wrong, False):
            raise ZeroDivisionError("oops")
        await original(self)

    monkeypatch.setattr(Connection, "open", open_wrongly)

    async def story() -> None:
        await made.take([full()])
        await until(lambda: seen.on("antbms/garage/history") == [full().to_json()])

    play(made, story)
    assert "oops" in caplog.text


def test_a_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    made = sink(free_port(), tmp_path, file=str(tmp_path / "file" / "spool.sqlite"))

    async def story() -> None:
        for _ in range(2):
            with pytest.raises(SinkError, match="readings cannot be kept in"):
                await made.take([full()])

    play(made, story)
