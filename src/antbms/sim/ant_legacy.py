"""How a board of `ant-legacy` reads, writes and asks for its password (ant-legacy.md §1, §3, §4)."""

from __future__ import annotations

from ..protocol import ant_legacy
from ..protocol.ant_legacy.frame import WRITE, short_frame
from ..protocol.ant_legacy.login import FIRST_PART, LAST_PART
from ..protocol.ant_legacy.settings import MISSING, SETTINGS
from ..protocol.packet import Packet
from ..protocol.settings import Danger
from .board import Board
from .defaults import default_values
from .faults import LinkState
from .memory import Memory
from .personality import Personality
from .plant import Plant

KEEP_ALIVE = 0xFF
DISCHARGE, CHARGE, TOGGLE_BALANCE = 0xF9, 0xFA, 0xFC
POWER_OFF, RESTART, FACTORY_RESET, APPLY = 0xF7, 0xFE, 0xFD, 0xFF
NOTHING_SEEN = (0xF0, 0xF6, 0xF8, 0xFB)
"""Writes that are echoed, and that the simulation has nothing to show of."""
SETTLES = (0.1, 0.5)
"""s after which the status shows a switch (assumed: no recording has a status behind a switch)."""


class LegacyBoard(Board):
    """Writes need the password, if there is one; thresholds take effect with APPLY."""

    def __init__(self, personality: Personality, plant: Plant, link: LinkState) -> None:
        super().__init__(personality, plant, link)
        rows = [row for row in SETTINGS.values() if row.danger is not Danger.SECRET]
        self.memory = Memory(">", 1, rows, default_values(personality, plant.limits_for(personality.chemistry)))
        self.log_out()

    def log_out(self) -> None:
        self._parts: dict[int, bytes] = {}
        self._is_open = self._password is None

    @property
    def _password(self) -> str | None:
        return self.personality.passwords.get(0)

    def is_change(self, request: Packet) -> bool:
        envelope = request.envelope
        return envelope.get("head") == WRITE and not FIRST_PART <= envelope["address"] <= LAST_PART

    def read(self, request: Packet) -> list[bytes]:
        envelope = request.envelope
        if request.message == "status request":
            return [ant_legacy.pack(packet) for packet in ant_legacy.from_snapshot(self.plant.snapshot())]
        if not envelope or request.message in ("display request", "unknown"):
            return []
        head, address, value = envelope["head"], envelope["address"], envelope["value"]
        if head == WRITE:
            return [self._take_part(address, value)]
        if address == KEEP_ALIVE:
            return [short_frame(head, address, value)]
        word = int.from_bytes(self.memory.read(address, 2), "big") if self.memory.has(address, 2) else MISSING
        return [short_frame(head, address, word)]

    def _take_part(self, part: int, value: int) -> bytes:
        """Of the password: what it is worth shows with the last part only. A board that is open echoes the first ones;
        a wrong password closes it again (ant24c-rfcomm-writes, from 44 s on)."""
        self._parts[part] = value.to_bytes(2, "big")
        if part == LAST_PART and self._password is not None:
            given, self._parts = b"".join(self._parts.get(at, b"") for at in range(FIRST_PART, LAST_PART + 1)), {}
            self._is_open = given == self._password.encode()
        return short_frame(WRITE, part, value) if self._is_open else ant_legacy.pack(ant_legacy.refusal())

    def change(self, request: Packet) -> list[bytes]:
        address, value = request.envelope["address"], request.envelope["value"]
        if not self._is_open:
            return self.refuse(request)
        if self.memory.has(address, 2):
            self.effect(lambda: self.memory.write(address, value.to_bytes(2, "big")))
        elif not self._control(address, value):
            return self.refuse(request)
        if address == TOGGLE_BALANCE:
            value = int(not self.plant.asked("balance"))
            self.switch("balance", bool(value), *SETTLES)
        return [short_frame(WRITE, address, value)]

    def _control(self, address: int, value: int) -> bool:
        """Whether there is such a control; its effect comes, if it has one."""
        if address in (DISCHARGE, CHARGE) and value in (0, 1):
            self.switch("charge" if address == CHARGE else "discharge", bool(value), *SETTLES)
        elif address == APPLY:
            self.effect(self._apply)
        elif address == RESTART:
            self.effect(self.restart)
        elif address == FACTORY_RESET:
            self.effect(self._factory_reset)
        elif address == POWER_OFF:
            self.effect(self._power_off)
        else:
            return address in NOTHING_SEEN or address == TOGGLE_BALANCE
        return True

    def refuse(self, request: Packet) -> list[bytes]:
        return [ant_legacy.pack(ant_legacy.refusal())]

    def _apply(self) -> None:
        self.memory.save()
        self.use_memory()
        remaining = self.memory.value(SETTINGS["remaining"])
        if isinstance(remaining, float) and remaining != self._remaining:
            self._remaining = remaining
            self.plant.set_remaining(remaining)

    _remaining: float | None = None

    def _factory_reset(self) -> None:
        rows = [row for row in SETTINGS.values() if row.danger is not Danger.SECRET]
        self.memory = Memory(
            ">", 1, rows, default_values(self.personality, self.plant.limits_for(self.personality.chemistry))
        )
        self.use_memory()

    def _power_off(self) -> None:
        self.is_off = True
