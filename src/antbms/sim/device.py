"""A simulated device: the pack, and its BMS that answers real frames of its protocol."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from ..errors import UsageError
from ..model import Flag, Snapshot, SwitchState
from ..protocol import dialect
from ..protocol.framing import Frame, Framer
from . import answers
from .faults import FaultyLine, LinkState, parse_faults
from .line import Line
from .personality import PERSONALITIES, Personality
from .physics import Pack

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""Snapshots of a simulated device bear no real time: its protocol does not carry one."""
RUN_TIME = 4_000_000
"""s that the device has been on before the simulation began."""


class Device:
    """Bytes in, bytes out. `clock` is in seconds; the first call sets its zero.

    link: what may go wrong on the way to it.
    """

    def __init__(self, personality: Personality, pack: Pack, link: LinkState | None = None) -> None:
        self.personality = personality
        self.pack = pack
        self.link = link or LinkState({})
        self._spoken = dialect(personality.protocol)
        self._zero: float | None = None
        self._line = self._new_line()

    def line(self) -> FaultyLine:
        """The way to the device for one more client, with the faults of its link."""
        return FaultyLine(self._new_line(), self.link)

    def receive(self, data: bytes, clock: float) -> bytes:
        """The answers to all requests that `data` completes, at once and without faults."""
        self.advance(clock)
        return self._line.receive(data, clock)

    def advance(self, clock: float) -> None:
        """Let time go on until `clock`."""
        self._zero = clock if self._zero is None else self._zero
        self.pack.advance(clock - self._zero)

    def _new_line(self) -> Line:
        return Line(Framer(self._spoken.SHAPES), self._answer)

    def snapshot(self) -> Snapshot:
        """What the BMS would say now, before it is rounded to the wire's grid."""
        pack, personality = self.pack, self.personality
        voltages = pack.voltages()
        current = round(pack.current, 1)
        return Snapshot(
            time=EPOCH,
            battery=personality.model,
            protocol=personality.protocol,
            level=personality.level,
            voltage=sum(voltages),
            current=current,
            power=sum(voltages) * current,
            soc=round(100 * pack.soc),
            soh=100.0,
            state=_state(current),
            capacity=personality.capacity,
            remaining=pack.soc * personality.capacity,
            cycles=round(pack.discharged / personality.capacity),
            throughput=(pack.charged + pack.discharged) / 2,
            charged=pack.charged,
            discharged=pack.discharged,
            uptime=RUN_TIME + round(pack.clock),
            charge_time=RUN_TIME // 5 + round(pack.charge_time),
            discharge_time=RUN_TIME // 4 + round(pack.discharge_time),
            cells=tuple(voltages),
            temperatures=self._temperatures(),
            switches={
                "charge": _switch(pack.charge_on),
                "discharge": _switch(pack.discharge_on),
                "balance": SwitchState(False, 0, "off"),
            },
            flags=_flags(current, pack) if personality.protocol == "ant" else (),
            details=_details(personality),
        )

    def _temperatures(self) -> dict[str, float | None]:
        """The sensors lie at the cells; the MOSFETs are warmer under load. JBD boards show their sensors only."""
        warm = self.pack.temperature
        sensors: dict[str, float | None] = {
            f"t{number + 1}": round(warm - 0.4 * number, 1) for number in range(self.personality.sensors)
        }
        if self.personality.protocol != "jbd":
            sensors |= {"mosfet": round(warm + abs(self.pack.current) / 8), "balancer": round(warm + 1)}
        return sensors

    def _answer(self, frame: Frame, clock: float) -> bytes:
        self.advance(clock)
        packets = answers.ANSWERS[self.personality.protocol](
            self._spoken.unpack(frame), self.personality, self.snapshot
        )
        return b"".join(self._spoken.pack(packet) for packet in packets)


def make_device(protocol: str = "ant", options: Mapping[str, str] | None = None) -> Device:
    """A device of `protocol` with the options cells, capacity (Ah), soc (%), seed and faults. Raises `UsageError`."""
    if protocol not in PERSONALITIES:
        raise UsageError(
            f"sim:{protocol}: there is no such simulated battery", f"There are: {', '.join(PERSONALITIES)}."
        )
    personality, given = PERSONALITIES[protocol], dict(options or {})
    cells = _number(given, "cells", personality.cells, 1, 32)
    capacity = _number(given, "capacity", personality.capacity, 1, 650)
    soc = _number(given, "soc", 65.0, 0, 100)
    seed = _number(given, "seed", 1, 0, 2**31)
    personality = replace(personality, cells=int(cells), capacity=float(capacity))
    link = LinkState(parse_faults(given.get("faults", "")), int(seed))
    return Device(personality, Pack(personality, soc=soc / 100, seed=int(seed)), link)


def _number(options: Mapping[str, str], key: str, default: float, low: float, high: float) -> float:
    try:
        value = float(options.get(key, default))
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise UsageError(f"{key}={options[key]}: not a number from {low:g} to {high:g}")
    return value


def _details(personality: Personality) -> dict[str, Any]:
    known = {"chemistry": personality.chemistry} if personality.protocol == "ant" else {}
    return known | personality.details


def _state(current: float) -> str:
    return "charging" if current > 0 else "discharging" if current < 0 else "idle"


def _switch(on: bool) -> SwitchState:
    return SwitchState(on, 1 if on else 15, "on" if on else "off by command")


def _flags(current: float, pack: Pack) -> tuple[Flag, ...]:
    """The state bits that an ant board sets beside its codes."""
    numbers = [
        *([18, 22] if current > 0 else [19] if current < 0 else []),
        *([23] if pack.charge_on else []),
        *([24] if pack.discharge_on else []),
    ]
    return tuple(Flag(f"warning.{number}", "") for number in numbers)
