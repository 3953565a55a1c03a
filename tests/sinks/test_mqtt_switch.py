"""A switch through MQTT, all the way: Home Assistant's message, the monitor, the battery's frames, its own status."""

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mosquitto import Observer, broker, observer

from antbms.config import BatteryConfig, Config, MonitorConfig, sink_config
from antbms.monitor import Monitor

sys.path.append(str(Path(__file__).parent.parent / "battery"))

from battery_fakes import Line
from changing_board import Board

import patience

QUICK = patience.timing(broker=8.0, broker_least=0.02, broker_most=0.1, settle=0.8, settle_step=0.05, answer=0.4)
PROTOCOLS = ("ant", "ant-legacy", "jbd")


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Observer]:
    with broker(tmp_path / "mosquitto") as running, observer(running.port) as made:
        yield made


def play(
    board: Board,
    seen: Observer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *steps: Callable[[], Any],
    control: bool = True,
) -> None:
    """A monitor of one battery; each step is tried until it is true."""

    async def open_pipe(where: object, timing: object, baud: int, record: Path | None, *, redact: bool) -> Line:
        line = Line(board)
        line.address = "AA:BB:CC:DD:EE:FF"
        return line

    async def main() -> None:
        table = {"host": "127.0.0.1", "port": seen.port, "file": str(folder / "spool.sqlite")}
        config = Config(
            monitor=MonitorConfig(every=0.1, state=str(folder / "state.json")),
            batteries={"garage": BatteryConfig(address="COM9", protocol=board.protocol, allow_control=control)},  # type: ignore[arg-type]
            sinks={"mqtt": sink_config("mqtt", table)},
        )
        stop = asyncio.Event()
        running = asyncio.create_task(Monitor(config, QUICK).run(stop))
        try:
            for step in steps:
                async with asyncio.timeout(20):
                    while not await asyncio.to_thread(step):  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
        finally:
            stop.set()
            await running

    monkeypatch.setattr("antbms.battery.open_pipe", open_pipe)
    patience.run(main())


def discovery(seen: Observer) -> dict[str, Any]:
    """The components of the device."""
    found = [m.payload for m in list(seen.messages) if m.topic.startswith("homeassistant/device/") and m.payload]
    return json.loads(found[-1])["components"] if found else {}


def press(seen: Observer, name: str, payload: str) -> Callable[[], bool]:
    """As Home Assistant does it: with what the discovery message says, once."""
    done: list[str] = []

    def step() -> bool:
        component = discovery(seen).get(name)
        if component and not done:
            done.append(name)
            seen.client.publish(component["command_topic"], component[payload], component["qos"], component["retain"])
        return bool(done)

    return step


def shows(seen: Observer, on: bool) -> Callable[[], bool]:
    def step() -> bool:
        state = json.loads(seen.last("antbms/garage/state") or "{}")
        return bool(state) and state["switches"]["charge"]["on"] is on

    return step


def outcomes(seen: Observer) -> list[str]:
    return [json.loads(payload)["outcome"] for payload in seen.on("antbms/garage/result")]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_off_and_on_again_with_confirmed_state(
    protocol: str,
    seen: Observer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "antbms")
    board = Board(protocol, effect=0.2)
    play(
        board, seen, tmp_path, monkeypatch,
        shows(seen, on=True),
        press(seen, "charge_switch", "payload_off"),
        lambda: outcomes(seen) == ["confirmed"],
        shows(seen, on=False),
        press(seen, "charge_switch", "payload_on"),
        lambda: outcomes(seen) == ["confirmed"] * 2,
        shows(seen, on=True),
    )  # fmt: skip
    assert len(board.writes) == 2
    assert board.switches == {"charge": True, "discharge": True}
    assert caplog.text.count("mqtt asks for switch charge") == 2
    assert caplog.text.count("garage: changed (switch charge") == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"answers": "refused", "effect": None}, "refused"),
        ({"effect": None}, "unconfirmed"),  # it lies
        ({"answers": "none", "effect": 0.1}, "confirmed"),  # the acknowledgement is lost, the status shows it
    ],
)
def test_refused_lying_and_silent_batteries(
    protocol: str,
    changes: dict[str, Any],
    outcome: str,
    seen: Observer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    board = Board(protocol, **changes)
    play(
        board, seen, tmp_path, monkeypatch,
        shows(seen, on=True),
        press(seen, "charge_switch", "payload_off"),
        lambda: outcomes(seen) == [outcome],
        shows(seen, on=outcome != "confirmed"),
    )  # fmt: skip
    assert len(board.writes) == 1


def test_a_command_by_its_button(seen: Observer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board("ant")
    play(
        board, seen, tmp_path, monkeypatch,
        press(seen, "restart_button", "payload_press"),
        lambda: outcomes(seen) == ["acknowledged"],
    )  # fmt: skip
    assert len(board.writes) == 1


def test_without_allow_control_there_is_no_switch_and_no_ear(
    seen: Observer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = Board("ant")

    def shout() -> bool:
        seen.publish("antbms/garage/switch/charge/set", "OFF")
        return len(seen.on("antbms/garage/switch/charge/set")) == 5

    play(board, seen, tmp_path, monkeypatch, lambda: discovery(seen), shout, shows(seen, on=True), control=False)
    assert {one["platform"] for one in discovery(seen).values()} == {"sensor", "binary_sensor"}
    assert (board.writes, outcomes(seen)) == ([], [])
