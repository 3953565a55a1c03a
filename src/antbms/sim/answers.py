"""What a device answers to which request: one function a protocol, packets in, packets out."""

from __future__ import annotations

from collections.abc import Callable

from ..model import Snapshot
from ..protocol import ant, ant_legacy, jbd
from ..protocol.ant import messages as ant_messages
from ..protocol.ant_legacy.frame import WRITE
from ..protocol.jbd import messages as jbd_messages
from ..protocol.layout import Fields
from ..protocol.packet import Packet
from .personality import Personality

Answerer = Callable[[Packet, Personality, Callable[[], Snapshot]], list[Packet]]

READ_OK = (0xFF, 0x0B, b"")
OUT_OF_RANGE = (0xFF, 0x04, b"")
DENIED = 0x81


def answer_ant(request: Packet, personality: Personality, snapshot: Callable[[], Snapshot]) -> list[Packet]:
    """Status, versions, pack id, counters; any other register is out of range, any other function silence."""
    register = request.envelope["register"]
    match request.message:
        case "status request":
            return ant.from_snapshot(snapshot())
        case "counters request":
            counts = dict.fromkeys((row.name for row in ant_messages.COUNTERS.rows), 0)
            return [ant_messages.answer(0x15, register, counts)]
        case "settings request":
            texts: dict[int, dict[str, bytes]] = {
                ant_messages.STRINGS[0]: {
                    "hardware": personality.model.encode().ljust(16, b"\0"),
                    "software": personality.software.encode().ljust(16, b"\0"),
                },
                ant_messages.PACK_ID[0]: {"pack_id": b"SIMULATED".ljust(32, b"\0")},
            }
            if register in texts:
                return [ant_messages.answer(0x12, register, texts[register], (READ_OK,))]
            return [ant_messages.answer(0x12, register, {"values": ()}, (OUT_OF_RANGE,))]
    return []


def answer_ant_legacy(request: Packet, personality: Personality, snapshot: Callable[[], Snapshot]) -> list[Packet]:
    """The status; keep-alives and parameters are echoed, writes need a password that this device never accepts."""
    if request.message == "status request":
        return ant_legacy.from_snapshot(snapshot())
    if request.envelope.get("head") == WRITE:
        return [ant_legacy.refusal()]
    return [request]


def answer_jbd(request: Packet, personality: Personality, snapshot: Callable[[], Snapshot]) -> list[Packet]:
    """Basic information, cells, model and counters; writes are denied, unknown registers get silence."""
    match request.message:
        case "status request":
            basic, _ = jbd.status.from_snapshot(snapshot())
            return [jbd_messages.answer(jbd.status.BASIC_REGISTER, basic | _identity(personality))]
        case "cells request":
            return jbd.from_snapshot(snapshot())[1:]
        case "model request":
            return [jbd_messages.answer(jbd_messages.MODEL_REGISTER, {"model": tuple(personality.model.encode())})]
        case "counters request":
            counts = dict.fromkeys((row.name for row in jbd_messages.COUNTERS.rows), 0)
            return [jbd_messages.answer(jbd_messages.COUNTERS_REGISTER, counts)]
    if "action" in request.envelope and request.envelope["action"] == 0x5A:
        return [jbd_messages.answer(request.envelope["register"], {}, DENIED)]
    return []


def _identity(personality: Personality) -> Fields:
    """The fields of a 03 answer that say who the device is."""
    major, minor = personality.software.split(".")
    day = personality.produced
    produced = (day.year - 2000) << 9 | day.month << 5 | day.day if day else 0
    return {"software": int(major) << 4 | int(minor), "produced": produced}


ANSWERS: dict[str, Answerer] = {"ant": answer_ant, "ant-legacy": answer_ant_legacy, "jbd": answer_jbd}
"""By protocol."""
