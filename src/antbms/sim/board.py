"""The firmware of a simulated board: what the rules of all protocols have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from ..protocol.packet import Packet
from .bms import Switch
from .faults import LinkState
from .memory import Memory
from .personality import Personality
from .plant import Plant

RESTART = 2.0
"""s that a board says nothing after a restart (assumed)."""


class Board(ABC):
    """Answers requests by the rules of a protocol. Its link's faults may make it lie, refuse, be slow, or stay mute.

    clock: s, as of the latest request.
    """

    memory: Memory

    def __init__(self, personality: Personality, plant: Plant, link: LinkState) -> None:
        self.personality = personality
        self.plant = plant
        self.link = link
        self.clock = 0.0
        self.is_off = False
        self._quiet_until = float("-inf")
        self._coming: list[tuple[float, Callable[[], None]]] = []

    def due(self, clock: float) -> list[float]:
        """The times until `clock` at which something is to happen."""
        return sorted({at for at, _ in self._coming if at <= clock})

    def settle(self, clock: float) -> None:
        """Let happen what was due until `clock`."""
        self.clock = clock
        due = sorted((item for item in self._coming if item[0] <= clock), key=lambda item: item[0])
        self._coming = [item for item in self._coming if item[0] > clock]
        for _, happen in due:
            happen()

    def answer(self, request: Packet, clock: float) -> list[bytes]:
        """The frames that answer a request; none where a board says nothing."""
        self.settle(clock)
        if self.is_off or clock < self._quiet_until:
            return []
        if not self.is_change(request):
            return self.read(request)
        if "refuse" in self.link.faults:
            return self.refuse(request)
        answers = self.change(request)
        return [] if self.link.happens("mute") else answers

    @abstractmethod
    def is_change(self, request: Packet) -> bool:
        """Whether a request would change the battery; a password changes only what may be asked next."""

    @abstractmethod
    def read(self, request: Packet) -> list[bytes]:
        """The answer to a request that changes nothing in the battery."""

    @abstractmethod
    def change(self, request: Packet) -> list[bytes]:
        """Do it, if it may be done, and answer."""

    @abstractmethod
    def refuse(self, request: Packet) -> list[bytes]:
        """The answer that refuses a change."""

    def effect(self, happen: Callable[[], None], low: float = 0.0, high: float = 0.0) -> None:
        """Let something happen between `low` and `high` s from now; never if the board lies."""
        faults = self.link.faults
        if "lie" in faults:
            return
        delay = faults.get("slow", low if low == high else self.link.chance.uniform(low, high))
        if delay > 0:
            self._coming.append((self.clock + delay, happen))
        else:
            happen()

    def switch(self, name: Switch, on: bool, low: float = 0.0, high: float = 0.0) -> None:
        """Turn a switch, to be seen between `low` and `high` s from now."""
        self.effect(lambda: self.plant.switch(name, on), low, high)

    def use_memory(self) -> None:
        """Let the BMS act by the thresholds in memory."""
        known = ((name, value) for name, value in self.memory.values() if isinstance(value, int | float))
        self.plant.use(dict(known))

    def restart(self) -> None:
        """What was not saved is gone, and so are levels and passwords given."""
        self.memory.forget()
        self.use_memory()
        self._coming.clear()
        self._quiet_until = self.clock + RESTART
        self.log_out()

    @abstractmethod
    def log_out(self) -> None:
        """Forget the passwords that were given."""
