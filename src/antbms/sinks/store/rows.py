"""A snapshot as a row of the store, and back. Nothing is lost, as long as values have the catalogue's decimals.

A snapshot is split in two: numbers, which change with every reading, and words, which seldom do. Words are stored
once, and rows refer to them by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import isfinite
from typing import Any

import msgspec
from msgspec import Struct

from ...model import Alarm, Doubt, Flag, Snapshot, SwitchState
from .layout import CELL_SCALE, HEAT_SCALE, Column, Layout

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
MOST_CELLS = 63
"""Bits of a positive integer in SQLite; the largest board has 32 cells."""


class Words(Struct, frozen=True, omit_defaults=True):
    """What seldom changes. cells: how many there are. temperatures, details: names, in the order of the values."""

    protocol: str
    level: int | None = None
    state: str | None = None
    cells: int = 0
    temperatures: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    switches: dict[str, SwitchState] = {}
    alarms: tuple[Alarm, ...] = ()
    flags: tuple[Flag, ...] = ()


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[Any]).decode
_write = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(list[Any]).decode
_read_words = msgspec.json.Decoder(Words).decode
_read_doubts = msgspec.json.Decoder(tuple[Doubt, ...]).decode


def milliseconds(moment: datetime) -> int:
    """ms since 1970, as the store counts; what is finer is cut off, as in the JSON of a snapshot."""
    return (moment - EPOCH) // MILLISECOND


def moment(time: int) -> datetime:
    """The aware UTC time of ms since 1970."""
    return EPOCH + timedelta(milliseconds=time)


def words_of(snapshot: Snapshot) -> Words:
    """The part of a snapshot that seldom changes."""
    return Words(
        snapshot.protocol,
        snapshot.level,
        snapshot.state,
        len(snapshot.cells),
        tuple(snapshot.temperatures),
        tuple(snapshot.details),
        snapshot.switches,
        snapshot.alarms,
        snapshot.flags,
    )


def words_text(words: Words) -> str:
    """As the table of words has it."""
    return _write(words).decode()


@lru_cache(maxsize=4096)
def words_from(text: str) -> Words:
    """The opposite of `words_text`."""
    return _read_words(text)


def raw_row(layout: Layout, battery: int, words: int, snapshot: Snapshot) -> tuple[Any, ...]:
    """A row of `raw`, in the order of `layout.raw`."""
    base = _scaled(snapshot.cell_min, CELL_SCALE) or 0
    return (
        battery,
        milliseconds(snapshot.time),
        words,
        pack_cells([_scaled(cell, CELL_SCALE) for cell in snapshot.cells], base),
        pack([_scaled(heat, HEAT_SCALE) for heat in snapshot.temperatures.values()]),
        sum(1 << number - 1 for number in snapshot.balancing if 0 < number <= MOST_CELLS),
        write(list(snapshot.details.values())),
        _write(snapshot.doubts).decode() if snapshot.doubts else None,
        *(_scaled(getattr(snapshot, column.name, None), column.scale) for column in layout.columns),
    )


def snapshot_from(layout: Layout, battery: str, text: str, row: Sequence[Any]) -> Snapshot:
    """The snapshot of a row of `raw`; battery: its name; text: its words."""
    words = words_from(text)
    _, time, _, cells, heats, balancing, details, doubts, *numbers = row
    fields: dict[str, Any] = {
        column.name: plain(column, number)
        for column, number in zip(layout.columns, numbers, strict=True)
        if column.name in Snapshot.__struct_fields__
    }
    base = _scaled(fields["cell_min"], CELL_SCALE) or 0
    return Snapshot(
        time=moment(time),
        battery=battery,
        protocol=words.protocol,
        level=words.level,
        state=words.state,
        cells=tuple(_float(cell, CELL_SCALE) for cell in unpack_cells(cells, base)),
        temperatures=dict(zip(words.temperatures, (_float(heat, HEAT_SCALE) for heat in unpack(heats)), strict=True)),
        balancing=tuple(bits(balancing)),
        switches=words.switches,
        alarms=words.alarms,
        flags=words.flags,
        details=dict(zip(words.details, read(details), strict=True)),
        doubts=_read_doubts(doubts) if doubts else (),
        **fields,
    )


def plain(column: Column, number: int | None) -> float | int | None:
    """The value of a stored integer."""
    return _float(number, column.scale) if column.digits else number


def pack(numbers: list[Any]) -> bytes | None:
    """Integers as msgpack, which takes one byte for a small one."""
    return _pack(numbers) if numbers else None


def unpack(packed: bytes | None) -> list[Any]:
    """The opposite of `pack`."""
    return _unpack(packed) if packed else []


def pack_cells(numbers: Sequence[int | None], base: int) -> bytes | None:
    """Cells as what they are above the lowest one, which has a column of its own: one byte a cell."""
    return pack([None if number is None else number - base for number in numbers])


def unpack_cells(packed: bytes | None, base: int) -> list[int | None]:
    """The opposite of `pack_cells`."""
    return [None if number is None else number + base for number in unpack(packed)]


def write(values: list[Any]) -> str | None:
    """Values of details as JSON, which keeps numbers as they are."""
    return _write(values).decode() if values else None


def read(text: str | None) -> list[Any]:
    """The opposite of `write`."""
    return _read(text) if text else []


def bits(mask: int) -> list[int]:
    """The numbers of the bits that are set, from 1."""
    return [number for number in range(1, mask.bit_length() + 1) if mask >> number - 1 & 1]


def _scaled(value: float | None, scale: int) -> int | None:
    """None for what is no number as well: a row with one strange value is better than none."""
    return None if value is None or not isfinite(value) else round(value * scale)


def _float(number: int | None, scale: int) -> float | None:
    return None if number is None else number / scale
