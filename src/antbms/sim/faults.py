"""What goes wrong between a battery and its client, by name: the rows of `FAULTS`, and a line that does it.

`-o faults=loss:0.1,delay:0.5` names several, each with its number. All chance comes from one seed, so a run can be
repeated. The clock is given, as everywhere in this room: `receive` says when each piece of an answer arrives.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal, NamedTuple

from msgspec import Struct

from ..errors import UsageError
from .line import Line

PIECE = 20
"""Bytes of a piece: what a Bluetooth LE module of these boards puts into one notification."""

Unit = Literal["chance", "s", "bytes", ""]
LIMITS: dict[Unit, tuple[float, float]] = {"chance": (0, 1), "s": (0, 3600), "bytes": (0, 1_000_000), "": (1, 1)}
"""Lowest and highest number of a fault, by its unit."""


class Fault(Struct, frozen=True):
    """One row: the unit of its number, the number where none is given, and a sentence for the user."""

    unit: Unit
    default: float
    says: str


FAULTS: dict[str, Fault] = {
    "loss": Fault("chance", 0.1, "Each piece of 20 bytes gets lost with this chance, in either direction."),
    "duplicate": Fault("chance", 0.1, "Each piece of an answer comes twice with this chance."),
    "reorder": Fault("chance", 0.1, "Each piece of an answer overtakes the one before it with this chance."),
    "corrupt": Fault("chance", 0.1, "Each piece has one wrong bit with this chance, in either direction."),
    "delay": Fault("s", 0.5, "Every answer comes so much later."),
    "merge": Fault("chance", 0.2, "With this chance an answer is held back, and comes together with the next one."),
    "silence": Fault("chance", 0.2, "With this chance a request is not heard."),
    "drop": Fault("chance", 0.1, "With this chance the link ends in the middle of an answer."),
    "cut": Fault("bytes", 100, "The link ends, once, when so many bytes have crossed it in both directions."),
    "stale": Fault("chance", 0.2, "With this chance the answer before comes once more, ahead of the right one."),
    "sleep": Fault("s", 30, "The device sleeps after so much silence, and loses the request that wakes it."),
    "busy": Fault("s", 10, "A second client holds the link for so long: until then nobody else is heard."),
    "mute": Fault("chance", 0.5, "With this chance a change is done, but its acknowledgement gets lost."),
    "lie": Fault("", 1, "Every change is acknowledged, and none is done."),
    "refuse": Fault("", 1, "Every change is refused."),
    "slow": Fault("s", 10, "What was acknowledged happens only so much later."),
    "exclusive": Fault("", 1, "Only one client at a time: on TCP a second one is hung up at once."),
}

PIECEWISE = {"loss", "duplicate", "reorder", "corrupt"}
"""Faults that happen to pieces: without them an answer comes whole."""

Faults = dict[str, float]
"""Name → number."""


class Piece(NamedTuple):
    """Bytes that reach the client at `at` s of the clock. None: the link ends then."""

    at: float
    data: bytes | None


def parse_faults(text: str) -> Faults:
    """The faults that `loss:0.1,sleep` names. Raises `UsageError` for an unknown name or an impossible number."""
    faults: Faults = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, written = item.partition(":")
        if (fault := FAULTS.get(name)) is None:
            raise UsageError(f"faults={text}: no fault is called {name!r}", f"There are: {', '.join(FAULTS)}.")
        low, high = LIMITS[fault.unit]
        try:
            number = float(written) if written else fault.default
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise UsageError(f"faults={text}: {name} takes a number from {low:g} to {high:g}, not {written!r}")
        faults[name] = number
    return faults


class LinkState:
    """What all clients of a device share: faults and their chance, when it was last heard, what is left until the cut.

    faults may be changed at any time.
    """

    def __init__(self, faults: Faults, seed: int = 1) -> None:
        self.faults = faults
        self.chance = random.Random(seed)
        self.began: float | None = None
        self.heard: float | None = None
        self.crossed = 0
        self.is_cut = False

    def happens(self, name: str) -> bool:
        """Whether a fault of chance happens now."""
        return name in self.faults and self.chance.random() < self.faults[name]

    def is_deaf(self, clock: float) -> bool:
        """Whether a request that comes now is not heard at all; it ends the device's sleep."""
        faults = self.faults
        self.began = clock if self.began is None else self.began
        asleep = "sleep" in faults and (self.heard is None or clock - self.heard > faults["sleep"])
        if clock - self.began < faults.get("busy", 0.0):
            return True
        self.heard = clock
        return asleep or self.happens("silence")

    def until_cut(self, data: bytes) -> bytes:
        """The part of `data` that crosses the link before it is cut."""
        if "cut" not in self.faults or self.is_cut:
            return data
        there = data[: max(0, int(self.faults["cut"]) - self.crossed)]
        self.crossed += len(data)
        self.is_cut = self.crossed >= self.faults["cut"]
        return there


class FaultyLine:
    """One client's way to a device, over a link with faults; see `Line`."""

    def __init__(self, line: Line, link: LinkState) -> None:
        self._line = line
        self._link = link
        self._before = b""  # the answer before
        self._held = b""  # answers that are held back
        self._last = 0.0  # when the latest piece arrives: a stream does not overtake itself

    def receive(self, data: bytes, clock: float) -> list[Piece]:
        """What reaches the client when it sends `data` at `clock`, in the order of time."""
        link = self._link
        was_cut = link.is_cut
        data = link.until_cut(data)
        answers = b"" if link.is_deaf(clock) else self._line.receive(self._noise(data, link.happens), clock)
        ends = link.is_cut and not was_cut
        if ends:
            return self._timed([], clock, ends=True)
        pieces = self._pieces(self._sequence(answers))
        if pieces and link.happens("drop"):
            whole = b"".join(pieces)
            pieces, ends = [whole[: link.chance.randrange(len(whole))]], True
        elif "cut" in link.faults and not was_cut:
            pieces = [link.until_cut(b"".join(pieces))]
            ends = link.is_cut
        return self._timed(pieces, clock, ends=ends)

    def _sequence(self, answers: bytes) -> bytes:
        """The answers with those that come too late or again."""
        if not answers:
            return b""
        before, self._before = self._before, answers
        if self._link.happens("stale"):
            answers = before + answers
        held, self._held = self._held + answers, b""
        if self._link.happens("merge"):
            self._held, held = held, b""
        return held

    def _pieces(self, answer: bytes) -> list[bytes]:
        """The answer in pieces, after loss, duplication, reordering and noise."""
        happens = self._link.happens
        if not PIECEWISE & self._link.faults.keys():
            return [answer] if answer else []
        pieces = cut_up(answer)
        for number in range(1, len(pieces)):
            if happens("reorder"):
                pieces[number - 1 : number + 1] = pieces[number], pieces[number - 1]
        doubled = [piece for piece in pieces for _ in range(2 if happens("duplicate") else 1)]
        return [self._noise(piece, happens) for piece in doubled]

    def _noise(self, data: bytes, happens: Callable[[str], bool]) -> bytes:
        """What is left of data after loss and corruption."""
        left = bytearray()
        for piece in cut_up(data):
            if happens("loss"):
                continue
            damaged = bytearray(piece)
            if happens("corrupt"):
                damaged[self._link.chance.randrange(len(piece))] ^= 1 << self._link.chance.randrange(8)
            left += damaged
        return bytes(left)

    def _timed(self, pieces: list[bytes], clock: float, *, ends: bool) -> list[Piece]:
        at = self._last = max(self._last, clock + self._link.faults.get("delay", 0.0))
        timed = [Piece(at, data) for data in pieces if data]
        return [*timed, Piece(at, None)] if ends else timed


def cut_up(data: bytes) -> list[bytes]:
    """Data in pieces of `PIECE` bytes, the last one shorter."""
    return [data[start : start + PIECE] for start in range(0, len(data), PIECE)]
