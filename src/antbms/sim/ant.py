"""How a board of `ant` reads, writes, commands and permits (ant.md §2, §5 to §8)."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from ..model import Snapshot
from ..protocol import ant
from ..protocol.ant import messages
from ..protocol.ant.changes import READABLE, WRITABLE
from ..protocol.ant.frame import COMMAND, Segment, close_envelope
from ..protocol.ant.login import FUNCTION as PASSWORD
from ..protocol.ant.login import PASSWORDS, SLOTS
from ..protocol.ant.settings import SETTINGS
from ..protocol.packet import Packet
from ..protocol.settings import Setting, bounds, unpack_raw
from .bms import Switch
from .board import Board
from .defaults import default_values
from .faults import LinkState
from .memory import Memory
from .personality import Personality
from .plant import Plant

WRITE = 0x22
OK, NO_PERMISSION, BELOW, ABOVE, OUT_OF_RANGE, WRONG = range(6)
TO_BE_SAVED, READ_OK = 0x0A, 0x0B
DONE, COMMAND_REFUSED, UNKNOWN_COMMAND = 1, 3, 4
"""Of an answer 61: another table than the one of the segments."""
SETTLES = (0.6, 6.0)
"""s after which the status shows what a command did (22s-80ah-24bhub-commands)."""
FALLS_BACK = 300.0
"""s for which a level lasts that a password gave (ant.md §6)."""
IDENTITY = range(528, 652)
"""Addresses of versions, and of nothing secret: readable at every level (22phb8-info was read without a password)."""
END = 788
"""The first address behind the memory."""
NEEDS = {15: 9}
"""Command → level, where it is not WRITABLE (16s-280ah-16zmub: clear log is refused at level 5)."""
SWITCHES: dict[int, tuple[Switch, bool]] = {
    1: ("discharge", False), 3: ("discharge", True), 4: ("charge", False), 6: ("charge", True),
            13: ("balance", True), 14: ("balance", False)}  # fmt: skip
CLEARS = {32: "discharged", 33: "charged", 34: "discharge_time", 35: "charge_time", 36: "uptime", 37: "counters"}
PRESETS = {38: "lto", 39: "nmc", 40: "lfp"}
NOTHING_SEEN = (8, 15, 16, 29, 30, 31, 44, 45, 52, 53)
"""Commands that are acknowledged, and that the simulation has nothing to show of."""


class AntBoard(Board):
    """Level: what this session may do; it begins with that of the personality."""

    def __init__(self, personality: Personality, plant: Plant, link: LinkState) -> None:
        super().__init__(personality, plant, link)
        values = default_values(personality, plant.limits_for(personality.chemistry))
        self.memory = Memory("<", 2, SETTINGS.values(), values)
        self._level = personality.level or 0
        self._granted = float("-inf")

    @property
    def level(self) -> int:
        """The permission level in force."""
        if self.clock - self._granted >= FALLS_BACK:
            self._level = self.personality.level or 0
        return self._level

    def log_out(self) -> None:
        self._granted = float("-inf")

    def is_change(self, request: Packet) -> bool:
        return request.envelope["function"] in (WRITE, COMMAND)

    def read(self, request: Packet) -> list[bytes]:
        register = request.envelope["register"]
        match request.envelope["function"]:
            case 0x01 if register == 0:
                return [ant.pack(packet) for packet in ant.from_snapshot(self._snapshot())]
            case 0x02:
                return self._page(register, request.envelope["wanted"])
            case 0x04:
                return self._identity(register)
            case 0x05 if register == 0:
                counts = self.plant.counters()
                fields = {row.name: counts.get(row.name, 0) & 0xFFFF for row in messages.COUNTERS.rows}
                return [ant.pack(messages.answer(0x15, register, fields))]
            case 0x23:
                return self._password(register, request.data)
        return []  # the log, GPS and the rest, which no recording has; firmware upgrades never

    def _snapshot(self) -> Snapshot:
        known = self.plant.snapshot()
        details = known.details | self._tail(known) if self.personality.has_tail else known.details
        return replace(known, level=self.level, details=details)

    def _tail(self, known: Snapshot) -> dict[str, float]:
        """What newer firmware adds; the minutes follow from the current."""
        current, remaining, capacity = known.current or 0.0, known.remaining or 0.0, known.capacity or 0.0
        to_full = (capacity - remaining) / current * 60 if current > 0 else 0
        to_empty = remaining / -current * 60 if current < 0 else 0
        return {
            "charge_duration": 0,
            "since_charge": 0,
            "minutes_to_full": min(round(to_full), 0xFFFF),
            "minutes_to_empty": min(round(to_empty), 0xFFFF),
            "fast_current": current,
        }

    def _page(self, address: int, size: int) -> list[bytes]:
        if address % 2 or size % 2 or address + size > END:
            return [self._answer(0x12, address, b"", (OUT_OF_RANGE, b""))]
        data = bytearray(self.memory.read(address, size))
        for at in range(0, size, 2):
            here = address + at
            if here in PASSWORDS or (self.level < READABLE and here not in IDENTITY):
                data[at : at + 2] = b"\xff\xff"
        return [self._answer(0x12, address, bytes(data), (READ_OK, b""))]

    def _identity(self, register: int) -> list[bytes]:
        """Numbers that a chip would have; made up from the model."""
        sizes = {0x0000: 12, 0x1000: 12, 0x1200: 18}
        if register not in sizes:
            return []
        made_up = (self.personality.model + "SIMULATED CHIP ID").encode()
        return [self._answer(0x14, register, made_up[: sizes[register]])]

    def _password(self, address: int, data: bytes) -> list[bytes]:
        """The answer holds the level that is now in force; a wrong password does not lower it."""
        levels = {slot.address: level for level, slot in SLOTS.items()}
        if (wanted := levels.get(address)) is None:
            return [self._answer(PASSWORD + 0x20, address, self._level_word(), (OUT_OF_RANGE, b""))]
        right = self.personality.passwords.get(wanted)
        code = WRONG
        if right is not None and data == right.encode().ljust(SLOTS[wanted].size, b"\0"):
            self._level, self._granted, code = max(self.level, wanted), self.clock, OK
        return [self._answer(PASSWORD + 0x20, address, self._level_word(), (code, b""))]

    def _level_word(self) -> bytes:
        return self.level.to_bytes(2, "little")

    def change(self, request: Packet) -> list[bytes]:
        register = request.envelope["register"]
        if request.envelope["function"] == COMMAND:
            return self._command(register)
        code, address, limit = self._verdict(register, request.data)
        if code == TO_BE_SAVED:
            self.effect(lambda: self._write(register, request.data))
            return [self._answer(0x42, register, request.data, (code, b""))]
        where = address.to_bytes(2, "little")
        about = where + (limit & 0xFFFF).to_bytes(2, "little") if code != OUT_OF_RANGE else where
        return [self._answer(0x42, register, request.data, (code, about))]  # echoed although refused

    def refuse(self, request: Packet) -> list[bytes]:
        register = request.envelope["register"]
        if request.envelope["function"] == COMMAND:
            return [self._answer(0x61, register, COMMAND_REFUSED.to_bytes(2, "little"))]
        about = register.to_bytes(2, "little") + WRITABLE.to_bytes(2, "little")
        return [self._answer(0x42, register, request.data, (NO_PERMISSION, about))]

    def _verdict(self, address: int, data: bytes) -> tuple[int, int, int]:
        """Result code, address, and the limit or level that a refusal names, for a write of one or more registers."""
        if self.level < WRITABLE:
            return NO_PERMISSION, address, WRITABLE
        if any(at in PASSWORDS for at in range(address, address + len(data))):
            return NO_PERMISSION, address, 9
        if not data or address % 2 or len(data) % 2 or not self.memory.has(address, len(data)):
            return OUT_OF_RANGE, address, 0
        for row in self.memory.rows:
            at = row.address - address
            if at >= 0 and at + row.size <= len(data) and not row.is_text:
                code, limit = _check(row, data[at : at + row.size])
                if code != TO_BE_SAVED:
                    return code, row.address, limit
        return TO_BE_SAVED, address, 0

    def _write(self, address: int, data: bytes) -> None:
        self.memory.write(address, data)
        self.use_memory()
        remaining = SETTINGS["remaining"]
        if address <= remaining.address < address + len(data):
            value = self.memory.value(remaining)
            assert isinstance(value, float)
            self.plant.set_remaining(value)

    def _command(self, number: int) -> list[bytes]:
        result = self._result(number)
        return [self._answer(0x61, number, result.to_bytes(2, "little"))]

    def _result(self, number: int) -> int:
        """Do it if it may be done: done, refused, or unknown."""
        actions: dict[int, Callable[[], None]] = {
            7: self.memory.save,
            9: self.restart,
            11: self._power_off,
            12: self._factory_reset,
            28: self._power_off,  # what is left is a wire, which a simulated link is not
            42: self._factory_reset,
        }
        known = number in actions or number in SWITCHES or number in CLEARS or number in PRESETS
        if not known and number not in NOTHING_SEEN:
            return UNKNOWN_COMMAND
        if self.level < NEEDS.get(number, WRITABLE):
            return COMMAND_REFUSED
        if number in SWITCHES:
            self.switch(*SWITCHES[number], *SETTLES)
        elif number in CLEARS:
            self.effect(lambda: self.plant.clear(CLEARS[number]), *SETTLES)
        elif number in PRESETS:
            self.effect(lambda: self._load_presets(PRESETS[number]))
        elif number in actions:
            self.effect(actions[number])
        return DONE

    def _power_off(self) -> None:
        self.is_off = True

    def _factory_reset(self) -> None:
        values = default_values(self.personality, self.plant.limits_for(self.personality.chemistry))
        self.memory = Memory("<", 2, SETTINGS.values(), values)
        self.use_memory()

    def _load_presets(self, chemistry: str) -> None:
        """All thresholds of another chemistry: it is a personality with that, and nothing else changed."""
        other = replace(self.personality, chemistry=chemistry)
        values = default_values(other, self.plant.limits_for(chemistry))
        for row in self.memory.rows:
            if row.group not in ("identity", "links", "passwords", "calibration"):
                self.memory.set(row, values[row.name])
        self.use_memory()

    def _answer(self, function: int, register: int, data: bytes, result: tuple[int, bytes] | None = None) -> bytes:
        segments: tuple[Segment, ...] = ((0xFF, *result),) if result and self.personality.segments else ()
        return close_envelope({"function": function, "register": register, "segments": segments}, data)


def _check(row: Setting, data: bytes) -> tuple[int, int]:
    """Result code, and the limit that is broken, raw. The limits are those of our table: no board's are known."""
    raw = unpack_raw("<", row, data)
    assert isinstance(raw, int)
    if row.codes:
        return (TO_BE_SAVED, 0) if raw in row.codes else (WRONG, 0)
    low, high = (round(limit * abs(row.divisor)) + row.zero for limit in (row.low, row.high))
    least, most = bounds(row.type)
    if raw < max(low, least):
        return BELOW, max(low, least)
    return (ABOVE, min(high, most)) if raw > min(high, most) else (TO_BE_SAVED, 0)
