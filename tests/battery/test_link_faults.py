"""How reading reacts to each fault of a link: a right value, or a documented error in time, never a wrong value."""

import asyncio
from typing import Any

import pytest
from battery_fakes import PROTOCOLS, content

import antbms
from antbms.errors import LinkLost, NoAnswer, UsageError
from antbms.model import Snapshot
from antbms.sim import FAULTS, make_device, parse_faults
from antbms.sim.device import Device
from conftest import ROOT
from virtual_time import now, run, timing

SEEDS = range(6)
READS = 5
PATIENCE = {"ant": 1.0, "ant-legacy": 1.0, "jbd": 2.0}
IN_TIME = {name: 2 * 3 * (seconds + 1.2) for name, seconds in PATIENCE.items()}
"""s: two requests of jbd, each tried three times, with a drain before each try."""
SUMMED = ("ant-legacy",)
"""A sum over 140 bytes stays the same when pieces of them swap their places: the frame cannot tell. What gives it away
is that its values contradict each other, so it must be doubted. (The answers of jbd here have two pieces.)"""
ONE_PIECE = (("jbd", "duplicate:1"),)
"""The second piece of two comes twice as well, but behind the whole frame."""


def truths(protocol: str, options: dict[str, str]) -> list[dict[str, Any]]:
    """All that a battery that stands still may say."""
    from antbms.protocol import dialect

    device, spoken = standing(make_device(protocol, options)), dialect(protocol)
    packets = spoken.from_snapshot(device.snapshot())
    frames = [spoken.pack(packet) for packet in packets]
    parsed = [antbms.protocol.parse(frame) for frame in frames]
    snapshot: Snapshot = spoken.to_snapshot(parsed, time=antbms.timing.utc_now(), battery="")
    return [content(snapshot)]


def standing(device: Device) -> Device:
    """A battery in which nothing moves, so that each right answer says the same."""
    device.speed = 0.0
    return device


async def readings(protocol: str, faults: str, seed: int, **more: str) -> list[dict[str, Any] | Exception]:
    """What READS readings give, each in time. After a lost link the battery is opened anew."""
    from unittest import mock

    options = {"seed": str(seed), "faults": faults, **more}
    device = standing(make_device(protocol, options))
    found: list[dict[str, Any] | Exception] = []
    with mock.patch("antbms.transport.sim.make_device", return_value=device):
        while len(found) < READS:
            async with antbms.open(f"sim:{protocol}", protocol=protocol, timing=timing()) as battery:
                while len(found) < READS:
                    start = now()
                    try:
                        found.append(content(await battery.read()))
                    except (NoAnswer, LinkLost) as error:
                        found.append(error)
                    assert now() - start <= IN_TIME[protocol]
                    if isinstance(found[-1], LinkLost):
                        break
                    await asyncio.sleep(1)
    return found


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("faults", "answered"),
    [
        ("loss:0.05", True),
        ("loss:1", False),
        ("duplicate:0.1", True),
        ("duplicate:1", False),
        ("reorder:0.1", True),
        ("reorder:1", False),
        ("corrupt:0.05", True),
        ("corrupt:1", False),
        ("delay:0.9", True),
        ("merge:0.3", True),
        ("silence:0.3", True),
        ("silence:1", False),
        ("drop:0.3", True),
        ("drop:1", False),
        ("cut:60", True),
        ("stale:0.5", True),
        ("stale:1", True),
        ("sleep", True),
        ("busy:2", True),
        ("busy:1000", False),
        ("exclusive", True),
        ("loss:0.02,duplicate:0.02,reorder:0.02,corrupt:0.02,delay:0.2,merge:0.1,silence:0.1,stale:0.2", True),
    ],
)
def test_reading_is_right_or_fails_in_time(protocol: str, faults: str, answered: bool) -> None:
    some = False
    for seed in SEEDS:
        right = truths(protocol, {"seed": str(seed)})
        for reading in run(readings(protocol, faults, seed)):
            if isinstance(reading, Exception):
                assert reading.hints, "says the way out"
            elif reading not in right:
                assert protocol in SUMMED
                assert "reorder" in faults
                assert reading["doubts"], "a wrong value that nobody doubts"
            else:
                some = True
    assert some == answered or (protocol, faults) in ONE_PIECE


def test_many_cells_of_jbd_may_change_places_and_nobody_can_tell() -> None:
    """The limit of its checksum, a sum: of four pieces the two in the middle can be swapped. Not for fewer cells."""
    swapped = []
    for cells in ("26", "32"):
        for seed in range(20):
            options = {"seed": str(seed), "cells": cells}
            (right,) = truths("jbd", options)
            for reading in run(readings("jbd", "reorder:0.2", seed, cells=cells)):
                if not isinstance(reading, Exception) and reading != right:
                    assert sorted(reading.pop("cells")) == sorted(right.pop("cells"))
                    assert reading == right
                    (right,) = truths("jbd", options)
                    swapped.append(cells)
    assert set(swapped) == {"32"}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_does_something(name: str) -> None:
    """With its own number, somewhere in a long conversation, it changes what reaches the client or when."""
    spoken = antbms.protocol.dialect("ant")
    status, switch = spoken.STATUS[0][0].raw, spoken.switch_request("charge", False, {}).raw
    heard = []
    for faults in ("", name):
        device = standing(make_device("ant", {"faults": faults}))
        line = device.line()
        heard.append([line.receive(status if at % 20 else switch, 100.0 + at) for at in range(60)])
    if name == "exclusive":  # is for servers: tests/battery/test_battery_serve.py
        assert heard[0] == heard[1]
    else:
        assert heard[0] != heard[1]


def test_the_same_seed_makes_the_same_faults() -> None:
    def conversation(seed: str) -> list[Any]:
        line = standing(make_device("jbd", {"faults": "loss,corrupt,reorder,drop", "seed": seed})).line()
        request = antbms.protocol.dialect("jbd").STATUS[0][0].raw
        return [line.receive(request, at) for at in range(30)]

    assert conversation("5") == conversation("5")
    assert conversation("5") != conversation("6")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_link_is_cut_at_any_byte_and_only_once(protocol: str) -> None:
    """All that crossed before is the beginning of the whole conversation; then a new client finds a whole battery."""
    request = antbms.protocol.dialect(protocol).STATUS[0][0].raw
    whole = standing(make_device(protocol)).receive(request, 0.0)
    for count in range(1, len(request) + len(whole) + 1):
        device = standing(make_device(protocol, {"faults": f"cut:{count}"}))
        pieces = device.line().receive(request, 0.0)
        assert pieces[-1].data is None, count
        assert b"".join(piece.data or b"" for piece in pieces) == whole[: max(0, count - len(request))]
        again = device.line().receive(request, 0.01)
        assert b"".join(piece.data or b"" for piece in again) == whole


def test_half_a_request_before_the_cut_does_not_spoil_the_next_client() -> None:
    request = antbms.protocol.dialect("ant").STATUS[0][0].raw
    device = make_device("ant", {"faults": f"cut:{len(request) - 1}"})
    assert [piece.data for piece in device.line().receive(request, 0.0)] == [None]
    assert device.line().receive(request, 0.0)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", {}),
        ("loss", {"loss": 0.1}),
        ("loss:0.25, delay:2", {"loss": 0.25, "delay": 2}),
        ("exclusive", {"exclusive": 1}),
    ],
)
def test_faults_are_named(text: str, faults: dict[str, float]) -> None:
    assert parse_faults(text) == faults


@pytest.mark.parametrize(
    "text", ["los", "loss:2", "loss:x", "loss:nan", "delay:-1", "cut:1e9", "exclusive:2", "loss=1"]
)
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="faults=") as caught:
        make_device("ant", {"faults": text})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_stands_in_the_docs(name: str) -> None:
    fault = FAULTS[name]
    unit, usual = (fault.unit, f"{fault.default:g}") if fault.unit else ("–", "–")
    page = (ROOT / "docs" / "simulator.md").read_text("utf-8")
    assert f"| `{name}` | {unit} | {usual} | {fault.says} |" in page
    assert fault.says.endswith(".")
