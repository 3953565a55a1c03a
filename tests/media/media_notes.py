"""What `truth` compares: notes of what batteries said, and of when they were asked, in files.

The battery's process notes each status answer: what was measured for it (not the bytes), rounded as its protocol does,
and when it reached its client. The monitor's process notes when it asked.

The physics are slow, and here many answers would be alike: so measurements tremble, each answer otherwise.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO
from unittest import mock

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from antbms.link import Link, Reply
from antbms.model import Snapshot
from antbms.protocol import dialect
from antbms.protocol.framing import Frame, Framer
from antbms.protocol.packet import Packet, Request
from antbms.sim import Device, Piece
from antbms.sinks.store.rows import milliseconds
from antbms.timing import Timing

DIGITS = {"ant": (2, 1, 0), "ant-legacy": (1, 1, 0), "jbd": (2, 2, 1)}
"""Decimals of V, A and °C in an answer; a cell has 3, the state of charge none."""
HALVES = {"ant": ("status",), "ant-legacy": ("status",), "jbd": ("status", "cells")}
"""The answers that make a reading."""
KEPT = 200
"""Latest answers of a battery that are known: what comes late, or is held back, is one of them."""

Values = dict[str, Any]


class Answer(Struct, array_like=True):
    """One that reached the client. Times in s since 1970: heard is when the request was.

    given: when the battery gave it; None if it never did. message: which of `HALVES`.
    """

    heard: float
    reached: float
    given: float | None
    message: str
    values: Values


class Asked(Struct, array_like=True):
    """A request that was answered; s since 1970."""

    start: float
    end: float


class Notes:
    """Those of a battery. Its measurements tremble from now on."""

    def __init__(self, device: Device, name: str, folder: Path, timing: Timing) -> None:
        self._timing = timing
        self._spoken = dialect(device.personality.protocol)
        self._digits = DIGITS[self._spoken.NAME]
        self._file = gzip.open(answers_of(name, folder), "wb", compresslevel=1)  # noqa: SIM115  closed by `close`
        self._known: dict[bytes, Answer | None] = {}  # None: no status
        self._number = 0
        self._measured: Snapshot | None = None
        self._measure, device.plant.snapshot = device.plant.snapshot, self._snapshot  # type: ignore[method-assign]
        self._answer, device.board.answer = device.board.answer, self._noted  # type: ignore[method-assign]

    def close(self) -> None:
        self._file.close()

    def sent(self, pieces: Iterable[Piece], clock: float) -> None:
        """What is on its way to a client, when the clock of the pieces is at `clock`."""
        framer, now = Framer(self._spoken.SHAPES), self._now()
        reached = now
        for at, data in pieces:
            reached = now + at - clock
            found = [Frame(self._spoken.NAME, data)] if data in self._known else framer.feed(data or b"")
            self._note(found, now, reached)
        self._note(framer.flush(), now, reached)

    def _note(self, found: Iterable[object], now: float, reached: float) -> None:
        for frame in found:
            if not isinstance(frame, Frame):
                continue
            answer = self._known[frame.raw] if frame.raw in self._known else self._forged(frame)
            if answer is not None:
                answer.heard, answer.reached = now, reached
                self._file.write(msgspec.json.encode(answer) + b"\n")

    def _snapshot(self) -> Snapshot:
        self._number += 1
        self._measured = trembling(self._measure(), self._number, *self._digits)
        return self._measured

    def _noted(self, request: Packet, clock: float) -> list[bytes]:
        self._measured = None
        answers = self._answer(request, clock)
        for raw in answers:
            packet, now = self._spoken.unpack(Frame(self._spoken.NAME, raw)), self._now()
            self._known[raw] = None
            if self._measured and packet.message in HALVES[self._spoken.NAME]:
                said = half(self._measured, self._spoken.NAME, packet.message)
                self._known[raw] = Answer(now, now, now, packet.message, said)
            if len(self._known) > KEPT:
                del self._known[next(iter(self._known))]
        return answers

    def _forged(self, frame: Frame) -> Answer | None:
        """What a client must make of it."""
        packet = self._spoken.unpack(frame)
        if packet.message not in HALVES[self._spoken.NAME] or not packet.whole or self._spoken.failure(packet):
            return None
        snapshot = self._spoken.to_snapshot([packet], time=datetime.now(UTC), battery="", apart=1.0)
        return Answer(0.0, 0.0, None, packet.message, half(snapshot, self._spoken.NAME, packet.message))

    def _now(self) -> float:
        return self._timing.now().timestamp()


def trembling(snapshot: Snapshot, number: int, volts: int, amperes: int, degrees: int) -> Snapshot:
    """As a protocol with so many decimals rounds it, each value some steps aside; never the same twice in a row."""

    def aside(value: float, modulus: int, digits: int) -> float:
        return round(round(value, digits) + number % modulus / 10**digits, digits)

    assert snapshot.voltage is not None
    assert snapshot.current is not None
    assert snapshot.soc is not None
    voltage, current = aside(snapshot.voltage, 7, volts), aside(snapshot.current, 11, amperes)
    return replace(
        snapshot,
        voltage=voltage,
        current=current,
        power=voltage * current,
        soc=snapshot.soc + number % 3 * (1 if snapshot.soc < 50 else -1),
        state="charging" if current > 0 else "discharging" if current < 0 else "idle",
        cells=tuple(aside(cell or 0.0, (7, 9, 10, 11)[place % 4], 3) for place, cell in enumerate(snapshot.cells)),
        temperatures={
            name: None if warmth is None else aside(warmth, 5, degrees)
            for name, warmth in snapshot.temperatures.items()
        },
    )


def half(snapshot: Snapshot, protocol: str, message: str) -> Values:
    """What an answer says of what is compared."""
    cells = {"cells": list(snapshot.cells)}
    rest = {name: getattr(snapshot, name) for name in ("voltage", "current", "soc", "temperatures")}
    if len(HALVES[protocol]) == 1:
        return cells | rest
    return cells if message == "cells" else rest


@contextmanager
def asking(folder: Path) -> Iterator[None]:
    """Note when requests are sent and answered in this process."""
    ask, files = Link.ask, dict[str, TextIO]()

    async def noted(link: Link, requests: tuple[Request, ...], **how: Any) -> Reply:
        start = link._timing.now()
        reply = await ask(link, requests, **how)
        if link.name not in files:
            files[link.name] = stack.enter_context(requests_of(link.name, folder).open("a", buffering=1))
        asked = Asked(start.timestamp(), milliseconds(reply.time) / 1000)
        files[link.name].write(msgspec.json.encode(asked).decode() + "\n")
        return reply

    with ExitStack() as stack, mock.patch.object(Link, "ask", noted):
        yield


def answers_of(name: str, folder: Path) -> Path:
    return folder / f"{name}.answers.gz"


def requests_of(name: str, folder: Path) -> Path:
    return folder / f"{name}.requests"
