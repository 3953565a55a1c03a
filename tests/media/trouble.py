"""What goes wrong with a battery, by name: the rows of `KINDS`; and a plan of such faults by a seed."""

from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from antbms.sim import Device, Piece
from antbms.sim.faults import FaultyLine

LATE = 9.0
"""s that answers may come late: more than three tries of any request wait for them."""
JUNK = bytes(range(0x20, 0x34))
Answers = list[Piece]


class Kind(NamedTuple):
    """A row. ends: open links end when it begins. reach: whether new ones can be opened meanwhile.

    hurt: what becomes of answers. reads: whether the battery can be read meanwhile; None: it depends.
    """

    ends: bool = False
    reach: bool = True
    hurt: Callable[[Answers], Answers] = lambda answers: answers
    reads: bool | None = False


def each(change: Callable[[bytes], bytes]) -> Callable[[Answers], Answers]:
    return lambda answers: [Piece(at, change(data) if data else data) for at, data in answers]


def by(seconds: float) -> Callable[[Answers], Answers]:
    return lambda answers: [Piece(at + seconds, data) for at, data in answers]


def part(data: bytes) -> bytes:
    """Less than one answer, even if there are two."""
    return data[: len(data) // 3]


def damaged(data: bytes) -> bytes:
    """Wrong bits in every answer, of different weights: so no checksum comes out right, not even a sum."""
    count, wrong = max(1, len(data) // 40), bytearray(data)
    for number in range(count):
        wrong[(2 * number + 1) * len(data) // (2 * count)] ^= 1 << number % 8
    return bytes(wrong)


def twice(answers: Answers) -> Answers:
    """Each comes once more, when it is not waited for any longer."""
    return sorted([*answers, *(Piece(at + 0.5, data) for at, data in answers)])


def torn(answers: Answers) -> Answers:
    """A part, and the link ends (where it can: a pty stays)."""
    return [piece for at, data in answers for piece in (Piece(at, part(data or b"")), Piece(at, None))]


KINDS = {
    "gone": Kind(ends=True, reach=False),
    "cut": Kind(ends=True, reads=None),
    "silent": Kind(hurt=lambda _: []),
    "damaged": Kind(hurt=each(damaged)),
    "part": Kind(hurt=each(part)),
    "torn": Kind(hurt=torn),
    "late": Kind(hurt=by(LATE), reads=None),
    "slow": Kind(hurt=by(0.4), reads=True),
    "twice": Kind(hurt=twice, reads=True),
    "noisy": Kind(hurt=each(lambda data: JUNK + data + JUNK), reads=True),
    "busy": Kind(ends=True, hurt=lambda _: []),
    "deaf": Kind(),
    "weak": Kind(reads=None),
}
"""`late`: an old answer may pass for that of a newer request. `busy`: another program has taken the link over.
`deaf`: it hears nothing now, and answers all of it in the end. `weak`: `WEAK`."""
WEAK = {"loss": 0.03, "duplicate": 0.03, "reorder": 0.03, "corrupt": 0.03, "merge": 0.1, "silence": 0.1, "drop": 0.02}
"""Of `antbms.sim`: name → chance."""
LENGTHS = (1.0, 5.0, 20.0, 60.0, 150.0)
"""s of a fault, about."""


class Trouble:
    """What a device suffers from. All its clients, on whatever medium, notice."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.kind = ""
        """Empty: it is well."""
        self.sent: Callable[[Answers, float], None] = lambda answers, clock: None
        """Told what goes to a client, in the order in which it does, and the clock now."""
        self._line, device.line = device.line, self._new_line  # type: ignore[method-assign]

    def become(self, kind: str) -> None:
        self.kind = kind
        self.device.link.faults = dict(WEAK) if kind == "weak" else {}

    def _new_line(self) -> "TroubledLine":  # type: ignore[override]
        return TroubledLine(self, self._line())


class TroubledLine:
    def __init__(self, trouble: Trouble, line: FaultyLine) -> None:
        self._trouble = trouble
        self._inner = line
        self._unheard: list[bytes] = []
        self._last = float("-inf")  # when the latest piece arrives: none overtakes another

    def receive(self, data: bytes, clock: float) -> Answers:
        kind = self._trouble.kind
        self._unheard.append(data)
        if kind == "deaf":
            return []
        heard, self._unheard = self._unheard, []
        answers = [piece for request in heard for piece in self._inner.receive(request, clock)]
        answers = KINDS[kind].hurt(answers) if kind else answers
        going = []
        for at, data in answers:
            self._last = max(self._last, at)
            going.append(Piece(self._last, data))
        self._trouble.sent(going, clock)
        return answers


class Fault(NamedTuple):
    """kind: of `KINDS`. start, end: s of the clock that is used."""

    battery: str
    kind: str
    start: float
    end: float


def plan(seed: str, kinds: dict[str, Kind], least: float, most: float) -> Iterator[tuple[float, str, float]]:
    """For ever: so many s well, then this kind, so many s. Every kind comes as often as the others."""
    chance, left = Random(seed), list[str]()
    while True:
        if not left:
            left = list(kinds)
            chance.shuffle(left)
        length = chance.choice(LENGTHS) * chance.uniform(0.5, 1.5)
        yield chance.uniform(least, most), left.pop(), length
