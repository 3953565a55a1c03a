"""A simulated device: the pack, and its BMS that answers real frames of its protocol."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import UsageError
from ..model import Snapshot
from ..protocol import dialect
from ..protocol.framing import Frame, Framer
from .ant import AntBoard
from .ant_legacy import LegacyBoard
from .board import Board
from .build import make_rig, read_options
from .faults import FaultyLine, LinkState, parse_faults
from .jbd import JbdBoard
from .line import Line
from .models import personality_of
from .personality import PERSONALITIES, Personality
from .plant import Plant
from .rig import Rig

BOARDS: dict[str, type[Board]] = {"ant": AntBoard, "ant-legacy": LegacyBoard, "jbd": JbdBoard}
"""By protocol."""


class Device:
    """Bytes in, bytes out. `clock` is in seconds; the first call sets its zero.

    board: its firmware. link: what may go wrong on the way to it. speed: s that pass for the rig in one of the clock.
    """

    def __init__(self, personality: Personality, rig: Rig, link: LinkState | None = None, speed: float = 1.0) -> None:
        self.personality = personality
        self.rig = rig
        self.link = link or LinkState({})
        self.speed = speed
        self.plant = Plant(rig, personality)
        self.board = BOARDS[personality.protocol](personality, self.plant, self.link)
        self.board.use_memory()
        self._spoken = dialect(personality.protocol)
        self._began = rig.clock
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
        zero = self._zero = clock if self._zero is None else self._zero
        for moment in (*self.board.due(clock), clock):  # what a command brings about later happens in its time
            self.rig.advance(self._began + (moment - zero) * self.speed)
            self.board.settle(moment)

    def snapshot(self) -> Snapshot:
        """What the BMS would say now, before it is rounded to the wire's grid."""
        return self.plant.snapshot()

    def _new_line(self) -> Line:
        return Line(Framer(self._spoken.SHAPES), self._answer)

    def _answer(self, frame: Frame, clock: float) -> bytes:
        self.advance(clock)
        return b"".join(self.board.answer(self._spoken.unpack(frame), clock))


def make_device(protocol: str = "ant", options: Mapping[str, str] | None = None) -> Device:
    """A device of `protocol` with options as `read_options` takes them, `model` and `faults`. Raises `UsageError`."""
    if protocol not in PERSONALITIES:
        raise UsageError(
            f"sim:{protocol}: there is no such simulated battery", f"There are: {', '.join(PERSONALITIES)}."
        )
    given = options or {}
    personality, wishes = read_options(personality_of(protocol, given), given)
    link = LinkState(parse_faults(given.get("faults", "")), wishes.seed)
    return Device(personality, make_rig(personality, wishes), link, wishes.speed)
