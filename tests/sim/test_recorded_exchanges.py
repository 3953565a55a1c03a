"""Every recorded write and what acknowledged it: a simulated board that is set up as the real one was answers alike.

The requests are those of the recordings, one after the other; of the answers, their meaning is compared: function,
register and result. What a status or a setting holds is the simulation's own.
"""

from collections import Counter, deque
from pathlib import Path
from random import Random
from typing import Any

import pytest

from antbms.capture import read_capture
from antbms.errors import FrameError
from antbms.protocol import parse
from antbms.protocol.packet import Packet
from antbms.sim import Device, make_device

FILES: dict[str, tuple[str, dict[str, str], dict[str, int]]] = {
    "ant/16s-280ah-16zmub.txt": (
        "ant", {"model": "16ZMUB"}, {"versions": 1, "settings": 1, "write answer": 2, "command answer": 3},
    ),
    "ant/22s-80ah-24bhub-commands.txt": ("ant", {"model": "24BHUB"}, {"versions": 1, "command answer": 15}),
    "ant/14s-pc-tool.txt": ("ant", {"cells": "14"}, {"counters": 1, "settings": 4}),
    "ant-legacy/ant24c-rfcomm-writes.txt": (
        "ant-legacy", {"model": "ANT24C"}, {"keep-alive": 122, "refusal": 9, "write": 10},
    ),
    "ant-legacy/handshake-ant-ble20a.txt": ("ant-legacy", {"model": "ANT-BLE20A"}, {"parameter": 1}),
    "jbd/4s-sp04s034-mosfet-writes.txt": (
        "jbd", {"model": "SP04S034"}, {"switch answer": 4, "end of factory mode answer": 4},
    ),
    "jbd/4s-sp04s034-switches.txt": (
        "jbd", {"model": "SP04S034"},
        {"password answer": 2, "switch answer": 14, "factory mode answer": 7, "setting": 8,
         "end of factory mode answer": 21, "counters": 1},
    ),
    "jbd/4s-sp04s034-config.txt": (
        "jbd", {"model": "SP04S034"},
        {"password answer": 1, "counters": 1, "factory mode answer": 1, "setting": 56, "device name": 1, "maker": 1,
         "barcode": 1, "end of factory mode answer": 2},
    ),
    "jbd/4s-sp04s034-ffaa-auth.txt": (
        "jbd", {"model": "SP04S034-LOCKED"},
        {"module app key": 4, "module challenge": 4, "module user password": 4, "module root password": 2,
         "module new user password": 1},
    ),
    "jbd/4s-sp04s060-uart.txt": (
        "jbd", {"model": "SP04S060"},
        {"password answer": 1, "factory mode answer": 1, "barcode": 1, "end of factory mode answer": 1, "model": 1},
    ),
    "jbd/error-answer.txt": ("jbd", {"model": "JBD-PASSWORD"}, {"refusal": 1}),
}  # fmt: skip
"""Recording → how the device is set up, and the answers that are compared, by message."""
RECENT = 8
"""Requests back that an answer may belong to: the vendors' applications do not always wait."""


def meaning(packet: Packet) -> tuple[Any, ...]:
    """What an answer says of the request, without what it holds."""
    envelope = packet.envelope
    if packet.protocol == "ant":
        results = [(kind, code & 0xFF) for kind, code, _ in envelope.get("segments", ())]
        command = packet.fields.get("result") if envelope["function"] == 0x61 else None
        return envelope["function"], envelope["register"], command, results
    if packet.protocol == "ant-legacy":
        return packet.message, envelope.get("address"), envelope.get("value")
    if "command" in envelope:
        is_challenge = envelope["command"] == 0x17
        return packet.message, None if is_challenge else packet.data
    return envelope["register"], envelope["status"]


class Recorded(Random):
    """Chance that gives the challenges of a recording, one after the other."""

    def __init__(self, challenges: list[int]) -> None:
        super().__init__(1)
        self.rest = deque(challenges)

    def randrange(self, *_: Any) -> int:
        return self.rest.popleft()


def set_up(protocol: str, options: dict[str, str], packets: list[Packet]) -> Device:
    device = make_device(protocol, options)
    board: Any = device.board
    if protocol == "jbd" and board.module:
        challenges = [packet.data[0] for packet in packets if packet.message == "module challenge" and packet.data]
        device.link.chance = Recorded(challenges)
        board.module.password, board.module.address = "123412", "A4:C1:37:04:2D:BE"
    return device


def frame(raw: bytes) -> Packet | None:
    try:
        return parse(raw)
    except FrameError:
        return None


@pytest.mark.parametrize("name", FILES)
def test_a_simulated_board_answers_like_the_recorded_one(name: str, captures: Path) -> None:
    protocol, options, counts = FILES[name]
    chunks = list(read_capture(captures / name))
    packets = [(chunk, packet) for chunk in chunks if (packet := frame(chunk.data))]
    device = set_up(protocol, options, [packet for chunk, packet in packets if chunk.direction == "<"])
    at, recent = 100.0, deque[list[tuple[Any, ...]]](maxlen=RECENT)
    compared: Counter[str] = Counter()
    for chunk, packet in packets:
        at = max(at + 0.02, 100.0 + (chunk.at or 0.0))
        if chunk.direction == ">":
            recent.append([meaning(answer) for answer in answers(device, chunk.data, at)])
        elif packet.message not in ("status", "cells", "chip id"):
            wanted = meaning(packet)
            found = next((said for said in recent if wanted in said), None)
            assert found is not None, (chunk, wanted, list(recent))
            found.remove(wanted)
            compared[packet.message] += 1
    assert compared == counts


def answers(device: Device, raw: bytes, at: float) -> list[Packet]:
    """What the device answers to one request: nothing, or one frame."""
    answer = device.receive(raw, at)
    return [parse(answer)] if answer else []
