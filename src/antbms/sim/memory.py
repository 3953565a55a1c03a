"""What a device remembers: registers in working memory, and those in flash that outlive a restart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from ..model.events import Value
from ..protocol.settings import Order, Raw, Setting, bounds, pack_raw, unpack_raw, value_of

WORD = 2
"""Bytes of a register; wide values take several."""


class Memory:
    """Registers by address, as bytes of the wire. step: what the address of the next register differs by.

    now: in force; saved: what a restart brings back.
    """

    def __init__(self, order: Order, step: int, rows: Iterable[Setting], values: Mapping[str, Value]) -> None:
        self.order = order
        self.step = step
        self.rows = [row for row in rows if values.get(row.name) is not None]
        self.now: dict[int, bytes] = {}
        for row in self.rows:
            self.set(row, values[row.name])
        self.saved = dict(self.now)

    def set(self, row: Setting, value: Value) -> None:
        """Put a value into its register, on the register's grid and within its bounds."""
        data = _packed(self.order, row, value, self.now.get(row.address, bytes(WORD)))
        self.write(row.address, data)

    def value(self, row: Setting) -> Value:
        """The value of a row that the device has."""
        raw: Raw = unpack_raw(self.order, row, self.read(row.address, row.size))
        return value_of(row, raw)

    def values(self) -> Iterator[tuple[str, Value]]:
        """Name and value of all numbers."""
        return ((row.name, self.value(row)) for row in self.rows if not row.is_text)

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes from a register on; FF where there is none."""
        found = (self.now.get(at, b"\xff" * WORD) for at, _ in self._places(address, size))
        return b"".join(found)[:size]

    def write(self, address: int, data: bytes) -> None:
        """Put bytes into a register and those after it, whether they are there or not."""
        for at, start in self._places(address, len(data)):
            self.now[at] = data[start : start + WORD].ljust(WORD, b"\0")

    def has(self, address: int, size: int) -> bool:
        """Whether all these registers are there."""
        return all(at in self.now for at, _ in self._places(address, size))

    def save(self) -> None:
        """Into flash."""
        self.saved = dict(self.now)

    def forget(self) -> None:
        """Back to what is in flash, as at a restart."""
        self.now = dict(self.saved)

    def _places(self, address: int, size: int) -> Iterator[tuple[int, int]]:
        """Address of each register and where its bytes begin."""
        return ((address + start // WORD * self.step, start) for start in range(0, size, WORD))


def _packed(order: Order, row: Setting, value: Value, register: bytes) -> bytes:
    """The bytes of a value, rounded to the grid of its register."""
    if row.is_text:
        return str(value).encode("ascii").ljust(row.size, b"\0")[: row.size]
    if row.date and isinstance(value, str):
        day = date.fromisoformat(value)
        return pack_raw(order, row, day.year - 2000 << 9 | day.month << 5 | day.day)
    if isinstance(value, str):
        return pack_raw(order, row, next(code for code, word in row.codes.items() if word == value))
    low, high = bounds(row.type)
    raw = round((value or 0) * row.divisor) + row.zero
    return pack_raw(order, row, min(max(raw, low), high), register)
