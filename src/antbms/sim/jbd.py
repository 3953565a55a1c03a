"""How a JBD board reads, writes, and guards its memory: factory mode and passwords (jbd.md §1 to §6)."""

from __future__ import annotations

from ..protocol import jbd
from ..protocol.jbd import messages, status, words
from ..protocol.jbd.frame import WRITE, close_envelope
from ..protocol.jbd.settings import SETTINGS
from ..protocol.packet import Packet
from ..protocol.settings import Danger
from .board import Board
from .defaults import default_values
from .faults import LinkState
from .jbd_module import Module
from .memory import Memory
from .personality import Personality
from .plant import Plant

ENTER, LEAVE = 0x00, 0x01
KEY, SAVES, FORGETS = b"\x56\x78", b"\x28\x28", b"\x00\x00"
USE_PASSWORD, SET_PASSWORD, CLEAR_PASSWORD = 0x06, 0x07, 0x09
CLEARING = b"J1B2D4"
OPERATION, SWITCHES, BALANCE_TEST, RESET, REMAINING = 0x0A, 0xE1, 0xE2, 0xE3, 0xE0
FAILED, DENIED, NEEDS_PASSWORD = 0x80, 0x81, 0x83
OPEN = (0x03, 0x04, 0x05, messages.COUNTERS_REGISTER)
"""Registers that are read outside of factory mode."""


class JbdBoard(Board):
    """Registers are hidden outside of factory mode. What was written is in force at once; leaving with 2828 saves it
    and zeroes the counters. Leaving with 0000 does neither: what was written is in force until a restart, or, on boards
    that forget, until then."""

    def __init__(self, personality: Personality, plant: Plant, link: LinkState) -> None:
        super().__init__(personality, plant, link)
        values = default_values(personality, plant.limits_for(personality.chemistry))
        rows = [row for row in SETTINGS.values() if not row.is_text and row.danger is not Danger.SECRET]
        self.memory = Memory(">", 1, rows, values)
        self.texts = {row.address: str(values.get(row.name) or "").encode() for row in SETTINGS.values() if row.is_text}
        self.module = Module(personality.module_password, personality.address, link) if personality.has_module else None
        self.password = personality.passwords.get(0)
        self.in_factory_mode = False
        self.log_out()

    def log_out(self) -> None:
        self.is_open = self.password is None
        self.in_factory_mode = False

    def is_change(self, request: Packet) -> bool:
        envelope = request.envelope
        if "command" in envelope:
            return False
        return envelope.get("action") == WRITE and envelope["register"] not in (ENTER, LEAVE, USE_PASSWORD)

    def read(self, request: Packet) -> list[bytes]:
        envelope, data = request.envelope, request.data
        if "command" in envelope:
            return self.module.answer(request) if self.module else []
        if "action" not in envelope or (self.module and not self.module.is_open):
            return []  # an answer that comes back, or a locked module
        register = envelope["register"]
        if envelope["action"] == WRITE:
            return self._gate(register, data)
        if register in OPEN:
            return [self._report(register)]
        if register == messages.PARAMETERS_REGISTER:
            return self._parameters(data)
        if register not in self.texts and not self.memory.has(register, 2):
            return []
        if not self.in_factory_mode:
            return [_answer(register, DENIED)]
        if register in self.texts:
            text = self.texts[register]
            return [_answer(register, 0, bytes((len(text),)) + text)]
        self._refresh()
        return [_answer(register, 0, self.memory.read(register, 2))]

    def _gate(self, register: int, data: bytes) -> list[bytes]:
        """The password, and the way into factory mode and out of it."""
        if register == USE_PASSWORD:
            if self.password is None or data == bytes((6, *map(int, self.password))):
                self.is_open = True
                return [_answer(register)]
            return [_answer(register, NEEDS_PASSWORD)]
        if register == ENTER:
            if data != KEY:
                return [_answer(register, FAILED)]
            if not self.is_open:
                return [_answer(register, DENIED)]  # error-answer
            self.in_factory_mode = True
        elif data == SAVES and self.in_factory_mode:
            self.effect(self.memory.save)
            self.effect(lambda: self.plant.clear("counters"))
            self.in_factory_mode = False
        elif self.in_factory_mode:
            if self.personality.forgets_unsaved:
                self.memory.forget()
                self.use_memory()
            self.in_factory_mode = False
        return [_answer(register)]

    def change(self, request: Packet) -> list[bytes]:
        register, data = request.envelope["register"], request.data
        if self.module and not self.module.is_open:
            return []
        if register == SWITCHES:
            return [self._switch(data)]
        if register in (SET_PASSWORD, CLEAR_PASSWORD):
            return [self._change_password(register, data)]
        if register == OPERATION:
            return self._operate(data) if self.personality.parameters else []
        known = register in self.texts or self.memory.has(register, 2) or register in (BALANCE_TEST, RESET)
        if not known:
            return []
        if not self.in_factory_mode:
            return [_answer(register, DENIED)]
        if register in self.texts:
            if not data or data[0] != len(data) - 1 or data[0] > 31:
                return [_answer(register, FAILED)]
            self.effect(lambda: self.texts.update({register: data[1:]}))
        elif register == RESET:
            self.effect(self.restart)
        elif register != BALANCE_TEST:
            if len(data) != 2:
                return [_answer(register, FAILED)]
            self.effect(lambda: self._write(register, data))
        return [_answer(register)]

    def refuse(self, request: Packet) -> list[bytes]:
        return [_answer(request.envelope["register"], DENIED)]

    def _switch(self, data: bytes) -> bytes:
        """A set bit is off; one write sets both."""
        if len(data) != 2 or data[0] or data[1] > 3:
            return _answer(SWITCHES, FAILED)
        self.switch("charge", not data[1] & words.CHARGE_BIT)
        self.switch("discharge", not data[1] & words.DISCHARGE_BIT)
        return _answer(SWITCHES)

    def _change_password(self, register: int, data: bytes) -> bytes:
        old = bytes(map(int, self.password)) if self.password else bytes(6)
        if register == CLEAR_PASSWORD and data == b"\x06" + CLEARING:
            self.effect(lambda: self._set_password(None))
        elif register == SET_PASSWORD and len(data) == 13 and data[1:7] == old and max(data[7:]) < 10:
            self.effect(lambda: self._set_password("".join(map(str, data[7:]))))
        else:
            return _answer(register, NEEDS_PASSWORD)
        return _answer(register)

    def _set_password(self, password: str | None) -> None:
        self.password = password
        self.is_open = True

    def _operate(self, data: bytes) -> list[bytes]:
        """Register 0A of V11 boards."""
        match data[:1]:
            case b"\x02":
                self.effect(lambda: self.plant.clear("counters"))
            case b"\x03":
                self.effect(self.restart)
            case b"\x05" | b"\x06" | b"\x08":
                self.effect(self._power_off)
            case b"\x01" | b"\x04" | b"\x07" | b"\x09" | b"\x0a" | b"\x0b" | b"\x0c":
                pass
            case _:
                return [_answer(OPERATION, FAILED)]
        return [_answer(OPERATION)]

    def _power_off(self) -> None:
        self.is_off = True

    def _write(self, register: int, data: bytes) -> None:
        self.memory.write(register, data)
        self.use_memory()
        if register == REMAINING:
            self.plant.set_remaining(int.from_bytes(data, "big") / 100)

    def _refresh(self) -> None:
        """What the board counts itself."""
        snapshot = self.plant.snapshot()
        for row in self.memory.rows:
            if row.name in ("remaining", "cycles"):
                self.memory.set(row, getattr(snapshot, row.name))

    def _report(self, register: int) -> bytes:
        if register == messages.MODEL_REGISTER:
            return _answer(register, 0, self.personality.model.encode())
        if register == messages.COUNTERS_REGISTER:
            counts = self.plant.counters()
            names = [row.name for row in messages.COUNTERS.rows]
            fields = {name: counts.get(name, 0) & 0xFFFF for name in names}
            return jbd.pack(messages.answer(register, fields))
        basic, cells = jbd.from_snapshot(self.plant.snapshot())
        if register == status.CELLS_REGISTER:
            return jbd.pack(cells)
        return jbd.pack(messages.answer(register, basic.fields | self._identity()))

    def _identity(self) -> dict[str, int]:
        """The fields of a 03 answer that say who the device is."""
        major, minor = self.personality.software.split(".")
        day = self.personality.produced
        produced = (day.year - 2000) << 9 | day.month << 5 | day.day if day else 0
        return {"software": int(major) << 4 | int(minor), "produced": produced}

    def _parameters(self, data: bytes) -> list[bytes]:
        """FA, of V11 boards: outside of factory mode too. Numbers that we have no register for read 0."""
        if not self.personality.parameters or len(data) != 3:
            return []
        first, count = int.from_bytes(data[:2], "big"), data[2]
        registers = {row.number: row.address for row in self.memory.rows if row.number is not None}
        self._refresh()
        found = (registers.get(number) for number in range(first, first + count))
        values = (self.memory.read(address, 2) if address is not None else b"\0\0" for address in found)
        return [_answer(messages.PARAMETERS_REGISTER, 0, data + b"".join(values))]


def _answer(register: int, status: int = 0, data: bytes = b"") -> bytes:
    return close_envelope({"register": register, "status": status}, data)
