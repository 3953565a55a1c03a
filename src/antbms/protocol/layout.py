"""Field tables: rows of a reference, compiled once per layout into one `struct` call.

Without loss: fields hold the raw integers of the wire, in its order; bytes that no row knows stay in the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain, islice
from operator import truediv
from struct import Struct as Packer
from struct import calcsize
from typing import Any

from msgspec import Struct

from ..errors import FrameError

Fields = dict[str, Any]
"""Raw values by row name."""

KEPT = 256
"""Compiled layouts that are kept: a battery needs one or two, a stream of adversarial lengths no more memory."""

REST = "*"
"""The `count` of an array that fills what is left."""


class Row(Struct, frozen=True):
    """One field on the wire.

    offset: as the reference prints it (`B+4` counts from the end of the arrays).
    type: a letter of `struct`, or `16s` for bytes.
    divisor: value = raw / divisor, a float in `unit`; negative turns the sign of the wire round; 0 keeps the integer.
    count: makes an array: a number, the name of the row that holds the number, or REST.
    codes, bits: words for the values of an enumeration, for the bits of a mask.
    mask: the bits that hold the value, where others hold something else.
    source: the recording or reference that proves the row; empty: as the reference of the protocol says.
    """

    offset: int | str
    type: str
    name: str
    divisor: int = 0
    unit: str = ""
    count: int | str = 1
    codes: Mapping[int, str] = {}
    bits: Mapping[int, str] = {}
    source: str = ""
    mask: int = 0

    @property
    def is_array(self) -> bool:
        """Whether the value is a tuple."""
        return self.count != 1


class Compiled:
    """A layout for one combination of counts and length.

    rows: those that are there, in the order of the wire. counts: of each, the number of items. size: in bytes.
    """

    def __init__(self, order: str, rows: tuple[Row, ...], counts: tuple[int, ...]) -> None:
        self.rows = rows
        self.counts = counts
        self.order = order
        self._packer = Packer(order + "".join(_format(row, n) for row, n in zip(rows, counts, strict=True)))
        self.size = self._packer.size
        self.readers: dict[View, _Reader] = {}

    def unpack(self, data: bytes) -> Fields:
        """Raw values by row name; arrays as tuples."""
        values = iter(self._packer.unpack_from(data))
        return {
            row.name: tuple(islice(values, count)) if row.is_array else next(values)
            for row, count in zip(self.rows, self.counts, strict=True)
        }

    def pack(self, fields: Fields) -> bytes:
        """The bytes of the fields: the inverse of `unpack`, up to a tail."""
        values = (fields[row.name] if row.is_array else (fields[row.name],) for row in self.rows)
        return self._packer.pack(*chain.from_iterable(values))

    def spans(self) -> Iterator[tuple[int, int, Row]]:
        """(offset, size of all items, row) of every row that is there."""
        offset = 0
        for row, count in zip(self.rows, self.counts, strict=True):
            size = calcsize(self.order + row.type) * count
            yield offset, size, row
            offset += size


Reader = Callable[[bytes], tuple[int, ...]]
"""Raw values of some rows, read from data."""


class View:
    """Some scalar rows of a layout, or one array: read straight from the data, the rest is passed over.

    Names stand in the order of the wire; rows that are not there are left out. A reader is made once for each compiled
    layout, and lives as long as that.
    """

    def __init__(self, *names: str) -> None:
        self.names = names

    def _reader(self, layout: Compiled) -> _Reader:
        if (reader := layout.readers.get(self)) is None:
            reader = layout.readers[self] = _Reader(layout, self.names)
        return reader

    def reader(self, layout: Compiled) -> Reader:
        """What reads the raw values from data of this layout."""
        return self._reader(layout).read

    def raw(self, layout: Compiled, data: bytes) -> tuple[int, ...]:
        """The raw values."""
        return self._reader(layout).read(data)

    def scaled(self, layout: Compiled, data: bytes) -> Iterable[float]:
        """The values in their units. A zero whose sign is turned round is -0.0."""
        reader = self._reader(layout)
        return map(truediv, reader.read(data), reader.divisors)

    def named(self, layout: Compiled, data: bytes) -> Fields:
        """Name → value in its unit; rows without a divisor as integers."""
        reader = self._reader(layout)
        fields: Fields = dict(zip(reader.names, reader.read(data)))  # noqa: B905  # made to the same length
        for name, divisor in reader.scaled:
            fields[name] = fields[name] / divisor or 0.0  # no -0.0
        return fields


class _Reader:
    def __init__(self, layout: Compiled, names: tuple[str, ...]) -> None:
        there = [(row, count) for row, count in zip(layout.rows, layout.counts, strict=True)]
        wanted = [row for row, _ in there if row.name in names]
        self.names = tuple(row.name for row in wanted)
        assert self.names == tuple(name for name in names if name in self.names), f"not as on the wire: {names}"
        self.divisors = tuple(row.divisor for row in wanted)
        self.scaled = tuple((row.name, row.divisor) for row in wanted if row.divisor)
        formats = (
            _format(row, count) if row.name in names else f"{calcsize(layout.order + _format(row, count))}x"
            for row, count in there
        )
        self.read = Packer(layout.order + "".join(formats)).unpack_from


def _format(row: Row, count: int) -> str:
    return f"{count}{row.type}" if row.is_array else row.type


class Layout:
    """Rows in the order of the wire. Rows of `optional` are there as far as the data reaches."""

    def __init__(self, order: str, rows: tuple[Row, ...], optional: tuple[Row, ...] = ()) -> None:
        self.order = order
        self.rows = rows + optional
        self.required = len(rows)
        offset = 0
        self._count_at: dict[str, int] = {}
        counters = {row.count for row in rows if isinstance(row.count, str) and row.count != REST}
        for row in rows:
            if row.is_array:
                break
            if row.name in counters:
                self._count_at[row.name] = offset
            offset += calcsize(order + row.type)
        places = self._count_at.values()
        self._counts = slice(min(places, default=0), max(places, default=-1) + 1)
        self._compile = lru_cache(maxsize=KEPT)(self._compile_for)
        self._compile_fields = lru_cache(maxsize=KEPT)(self._compile_names)

    def divisors(self, *names: str) -> tuple[int, ...]:
        """The divisors of these rows."""
        known = {row.name: row.divisor for row in self.rows}
        return tuple(known[name] for name in names)

    def compiled(self, data: bytes) -> Compiled:
        """The layout for `data`. Raises `FrameError` if a required row is missing."""
        return self._compile(len(data), data[self._counts])

    def compiled_for(self, fields: Fields) -> Compiled:
        """The layout for `fields`: the rows that are there, arrays as long as their values."""
        there = [row for row in self.rows if row.name in fields]
        return self._compile_fields(tuple((row.name, len(fields[row.name]) if row.is_array else 1) for row in there))

    def _compile_names(self, counts: tuple[tuple[str, int], ...]) -> Compiled:
        rows = {row.name: row for row in self.rows}
        return Compiled(self.order, tuple(rows[name] for name, _ in counts), tuple(count for _, count in counts))

    def _compile_for(self, length: int, counters: bytes) -> Compiled:
        """`counters`: the bytes of the data that hold the counts of arrays, and those between them."""
        if len(counters) < self._counts.stop - self._counts.start:
            raise FrameError(f"only {length} bytes of data")
        known = {name: counters[at - self._counts.start] for name, at in self._count_at.items()}
        rows: list[Row] = []
        counts: list[int] = []
        end = 0
        for number, row in enumerate(self.rows):
            size = calcsize(self.order + row.type)
            count = (length - end) // size if row.count == REST else known.get(str(row.count), row.count)
            assert isinstance(count, int), row
            if end + size * count > length:
                if number < self.required:
                    raise FrameError(f"only {length} bytes of data, {row.name} needs {end + size * count}")
                break
            end += size * count
            rows.append(row)
            counts.append(count)
        return Compiled(self.order, tuple(rows), tuple(counts))
