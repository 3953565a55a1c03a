"""A board that stores settings by the rules of its protocol: levels, factory mode, flash, refusals, lies."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from battery_fakes import Line, battery_over
from changing_board import DELAY, Board

from antbms.battery import Battery
from antbms.errors import AntbmsError
from antbms.protocol.ant import frame as ant
from antbms.protocol.ant_legacy.frame import short_frame as legacy_short
from antbms.protocol.framing import Frame
from antbms.protocol.jbd import frame as jbd
from antbms.protocol.packet import Packet
from antbms.protocol.settings import Danger, pack_raw, raw_of
from antbms.transport import Medium
from virtual_time import run

T = TypeVar("T")

VALUES: dict[str, float | str] = {
    "cell_overvoltage": 3.65, "cell_overvoltage_recovery": 3.55, "cell_overvoltage_2": 3.8,
    "cell_overvoltage_2_recovery": 3.7, "cell_undervoltage": 2.5, "cell_undervoltage_recovery": 2.7,
    "cell_undervoltage_2": 2.0, "cell_undervoltage_2_recovery": 2.5, "pack_overvoltage": 29.2,
    "pack_overvoltage_recovery": 28.4, "pack_undervoltage": 20.0, "pack_undervoltage_recovery": 21.6,
    "cell_difference": 0.8, "cell_difference_recovery": 0.6, "charge_hot": 55, "charge_hot_recovery": 45,
    "charge_cold": -1, "charge_cold_recovery": 5, "charge_overcurrent": 50.0, "discharge_overcurrent": 100.0,
    "capacity": 100.0, "balance_start": 3.4, "balance_difference": 0.02, "chemistry": "lfp",
    "charge_overcurrent_delay": 10, "charge_overcurrent_release": 30, "functions": 6, "cell_count": 8,
    "hardware_overvoltage": 3.9, "hardware_undervoltage": 2.0,
}  # fmt: skip
"""What all boards hold at the beginning, as far as their protocol has it."""


def value_in(protocol: str, name: str) -> float | str:
    """-1 °C of ant-legacy reads like "not available"."""
    return -2 if (protocol, name) == ("ant-legacy", "charge_cold") else VALUES[name]


def ant_frame(function: int, register: int, data: bytes, *segments: tuple[int, int, bytes]) -> bytes:
    return ant.close_envelope({"function": function, "register": register, "segments": segments}, data)


def jbd_frame(register: int, status: int, data: bytes = b"") -> bytes:
    return jbd.close_envelope({"register": register, "status": status}, data)


class MemoryBoard(Board):
    """`registers`: address → bytes as they are now; `flash`: as they are after a restart.

    level: ant's permission. knows_fa: jbd. answers (to writes): ok, refused, none. lies: acknowledges, does nothing.
    cut_at: the link goes away after so many bytes of both directions.
    """

    def __init__(self, protocol: str, *, level: int = 5, knows_fa: bool = False, lies: bool = False) -> None:
        super().__init__(protocol)
        self.level = level
        self.knows_fa = knows_fa
        self.lies = lies
        self.refuses_register: int | None = None
        self.forgets_register: int | None = None
        self.factory = False
        self.saved = 0
        self.hears_saving = True  # else that request is lost on its way
        self.crossed = 0
        self.cut_at: int | None = None
        self.registers: dict[int, bytes] = {}
        order: Any = "<" if protocol == "ant" else ">"
        for name, row in self.spoken.SETTINGS.items():
            if row.danger is Danger.SECRET or row.is_text or row.group in ("calibration", "wires"):
                continue
            raw = raw_of(row, value_in(protocol, name)) if name in VALUES else 1
            before = self.registers.get(row.address, b"\0\0")
            data = pack_raw(order, row, raw, before)
            step = 2 if protocol == "ant" else 1
            for at in range(0, len(data), 2):
                self.registers[row.address + at // 2 * step] = data[at : at + 2]
        self.flash = dict(self.registers)

    def restart(self) -> None:
        """What was not saved is lost."""
        self.registers = dict(self.flash)
        self.factory = False

    def __call__(self, data: bytes, line: Line) -> Iterable[tuple[float, bytes]]:
        if self.cut_at is not None:
            data = data[: max(0, self.cut_at - self.crossed)]
        self.crossed += len(data)
        for delay, answer in [*self._answers(data, line)]:
            if self.cut_at is not None:
                answer = answer[: max(0, self.cut_at - self.crossed)]
            self.crossed += len(answer)
            yield delay, answer
        if self.cut_at is not None and self.crossed >= self.cut_at:
            asyncio.get_running_loop().call_later(2 * DELAY, line.lose)

    def _answers(self, data: bytes, line: Line) -> Iterable[tuple[float, bytes]]:
        for item in self._framer.feed(data):
            assert isinstance(item, Frame), item
            packet = self.spoken.unpack(item)
            handle = {"ant": self._ant_register, "jbd": self._jbd_register, "ant-legacy": self._legacy_register}
            answer = handle[self.protocol](item.raw, packet)
            if answer is None:
                yield from super().__call__(b"", line)
                yield from self._status(packet, item.raw, line)
            elif answer:
                yield DELAY, answer

    def _status(self, packet: Packet, raw: bytes, line: Line) -> Iterable[tuple[float, bytes]]:
        if self._is_write(packet):
            yield from self._written(raw, packet, line)
            return
        part = self.protocol == "jbd" and packet.envelope["register"] == 0x04
        yield DELAY, self.spoken.pack(self.spoken.from_snapshot(self.snapshot())[part])

    def snapshot(self) -> Any:
        from msgspec.structs import replace

        return replace(super().snapshot(), level=self.level if self.protocol == "ant" else None)

    def _store(self, address: int, data: bytes, step: int) -> None:
        if self.lies or address == self.forgets_register:
            return
        for at in range(0, len(data), 2):
            self.registers[address + at // 2 * step] = data[at : at + 2]

    def _ant_register(self, raw: bytes, packet: Packet) -> bytes | None:
        function, address = packet.envelope["function"], packet.envelope["register"]
        if function == 0x02:
            length = packet.envelope["wanted"]
            assert not (address < 386 and address + length > 330), "passwords are not read"
            if self.level < 2:
                return ant_frame(0x12, address, b"\xff" * length, (0xFF, 0x0B, b""))
            data = b"".join(self.registers.get(at, b"\xff\xff") for at in range(address, address + length, 2))
            return ant_frame(0x12, address, data, (0xFF, 0x0B, b""))
        if function == 0x22:
            self.writes.append(raw)
            if self.answers == "none":
                self._store(address, packet.data, 2)
                return b""
            code = 0x01 if self.level < 3 else 0x02 if address == self.refuses_register else 0x0A
            if code == 0x0A:
                self._store(address, packet.data, 2)
            limit = address.to_bytes(2, "little") + b"\xac\x0d" if code == 2 else b""
            return ant_frame(0x42, address, packet.data, (0xFF, code, limit))
        if function == 0x51 and address == 7:
            if not self.hears_saving:
                return b""
            self.flash, self.saved = dict(self.registers), self.saved + 1
            return ant_frame(0x61, 7, b"\1\0")
        return None

    def _legacy_register(self, raw: bytes, packet: Packet) -> bytes | None:
        head, address = packet.envelope.get("head"), packet.envelope.get("address")
        if head == 0x5A and address in range(1, 106):
            return legacy_short(0x5A, address, int.from_bytes(self.registers.get(address, b"\xff\xff"), "big"))
        if head == 0xA5 and address in range(1, 106):
            self.writes.append(raw)
            if self.answers == "refused" or address == self.refuses_register:
                return legacy_short(0xA5, 0xF5, 1)
            self._store(address, raw[3:5], 1)
            return b"" if self.answers == "none" else raw
        if raw == legacy_short(0xA5, 0xFF, 0):
            if not self.hears_saving:
                return b""
            self.flash, self.saved = dict(self.registers), self.saved + 1
            return raw
        return None

    def _jbd_register(self, raw: bytes, packet: Packet) -> bytes | None:
        register, action = packet.envelope["register"], packet.envelope["action"]
        if register == 0xFA and action == 0xA5:
            first, count = int.from_bytes(packet.data[:2], "big"), packet.data[2]
            if not self.knows_fa:
                return b""
            numbered = {row.number: row for row in self.spoken.SETTINGS.values() if row.number is not None}
            rows = [numbered.get(number) for number in range(first, first + count)]
            return jbd_frame(
                0xFA, 0, packet.data + b"".join(self.registers.get(row.address if row else -1, b"\0\0") for row in rows)
            )
        if action == 0x5A and register in (0x00, 0x01):
            if self.answers == "refused" and register == 0:
                return jbd_frame(0, 0x81)
            if packet.data == b"\x28\x28" and not self.hears_saving:
                return b""
            self.factory = register == 0
            if packet.data == b"\x28\x28":
                self.flash, self.saved = dict(self.registers), self.saved + 1
            return jbd_frame(register, 0)
        if register == 0x05:
            return jbd_frame(register, 0, b"JBD-MEMORY")
        if register not in self.registers:
            return b"" if register >= 0x10 and register not in (0xE1, 0xAA) else None
        if not self.factory:
            return jbd_frame(register, 0x81)
        if action == 0xA5:
            return jbd_frame(register, 0, self.registers[register])
        self.writes.append(raw)
        if register == self.refuses_register:
            return jbd_frame(register, 0x80)
        self._store(register, packet.data, 1)
        return b"" if self.answers == "none" else jbd_frame(register, 0)


def with_board(board: MemoryBoard, work: Callable[[Battery], Awaitable[T]], notes: list[str] | None = None) -> T:
    """What work with an open battery returns. notes: what the user is told."""

    async def main() -> T:
        on_note = notes.append if notes is not None else None
        async with battery_over(Line(board), protocol=board.protocol, on_note=on_note) as battery:
            return await work(battery)

    return run(main())


def answer_of(board: MemoryBoard, work: Callable[[Battery], Awaitable[Any]], notes: list[str] | None = None) -> Any:
    """As `with_board`, or the error that it ends with."""
    try:
        return with_board(board, work, notes)
    except AntbmsError as error:
        return error


def at_hand(monkeypatch: pytest.MonkeyPatch, *boards: MemoryBoard) -> list[MemoryBoard]:
    """`antbms` opens the last of these boards; without delays, for its commands wait for real."""
    here = list(boards)

    async def open_pipe(where: object, timing: object, baud: int, record: Path | None, *, redact: bool) -> Line:
        return Line(here[-1], Medium.MEMORY)

    monkeypatch.setattr("antbms.battery.open_pipe", open_pipe)
    monkeypatch.setattr("changing_board.DELAY", 0.0)
    monkeypatch.setattr("memory_board.DELAY", 0.0)
    return here
