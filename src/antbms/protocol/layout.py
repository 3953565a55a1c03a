"""Field tables: rows of a reference, compiled once per layout into one `struct` call.

Without loss: the values are the raw integers of the wire in its order; what no row knows stays apart, as bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from operator import itemgetter, truediv
from struct import Struct as Packer
from struct import calcsize
from typing import Any

from msgspec import Struct

from ..errors import FrameError

Fields = dict[str, Any]
"""Raw values by row name."""

Values = tuple[Any, ...]
"""The raw values of a whole layout, in the order of the wire; the items of an array one by one."""

REST = "*"
"""The `count` of an array that fills what is left."""


class Row(Struct, frozen=True):
    """One field on the wire.

    offset: as the reference prints it (`B+4` counts from the end of the arrays).
    type: a letter of `struct`, or `16s` for bytes.
    divisor: value = raw / divisor, a float in `unit`; negative turns the sign of the wire round; 0 keeps the integer.
    count: makes an array: a number, the name of the row that holds the number, or REST.
    codes, bits: words for the values of an enumeration, for the bits of a mask.
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

    @property
    def is_array(self) -> bool:
        """Whether the value is a tuple."""
        return self.count != 1


class Compiled:
    """A layout for one combination of counts and length.

    rows: those that are there, in the order of the wire. counts: of each, the number of items. size: in bytes.
    index: row name → its place among the values, a slice for an array.
    """

    def __init__(self, order: str, rows: tuple[Row, ...], counts: tuple[int, ...]) -> None:
        self.rows = rows
        self.counts = counts
        self.order = order
        self._packer = Packer(order + "".join(_format(row, n) for row, n in zip(rows, counts, strict=True)))
        self.size = self._packer.size
        self.unpack_from = self._packer.unpack_from
        self.index: dict[str, int | slice] = {}
        at = 0
        for row, count in zip(rows, counts, strict=True):
            self.index[row.name] = slice(at, at + count) if row.is_array else at
            at += count

    def fields(self, values: Values) -> Fields:
        """Raw values by row name; arrays as tuples."""
        return {name: values[at] for name, at in self.index.items()}

    def values(self, fields: Fields) -> Values:
        """The inverse of `fields`."""
        return tuple(
            chain.from_iterable(fields[row.name] if row.is_array else (fields[row.name],) for row in self.rows)
        )

    def pack(self, values: Values) -> bytes:
        """The bytes of the values: the inverse of `unpack_from`."""
        return self._packer.pack(*values)

    def spans(self) -> Iterator[tuple[int, int, Row]]:
        """(offset, size of all items, row) of every row that is there."""
        offset = 0
        for row, count in zip(self.rows, self.counts, strict=True):
            size = calcsize(self.order + row.type) * count
            yield offset, size, row
            offset += size


class View:
    """Some rows of a layout, taken from the values in one step; names without a row are passed over.

    Getters are made once for each compiled layout.
    """

    def __init__(self, *names: str) -> None:
        self.names = names
        self._ready: dict[Compiled, _Getter] = {}

    def _getter(self, layout: Compiled) -> _Getter:
        if (getter := self._ready.get(layout)) is None:
            getter = self._ready[layout] = _Getter(layout, self.names)
        return getter

    def raw(self, layout: Compiled, values: Values) -> tuple[Any, ...]:
        """The raw values, in the order of the names."""
        return self._getter(layout).take(values)

    def scaled(self, layout: Compiled, values: Values) -> Iterable[float]:
        """The values in their units, in the order of the names. A zero whose sign is turned round is -0.0."""
        getter = self._getter(layout)
        return map(truediv, getter.take(values), getter.divisors)

    def named(self, layout: Compiled, values: Values) -> Fields:
        """Name → value in its unit; rows without a divisor as integers."""
        getter = self._getter(layout)
        fields: Fields = dict(zip(getter.names, getter.take(values)))  # noqa: B905  # made to the same length
        for name, divisor in getter.scaled:
            fields[name] = fields[name] / divisor or 0.0  # no -0.0
        return fields


class _Getter:
    def __init__(self, layout: Compiled, names: tuple[str, ...]) -> None:
        rows = {row.name: row for row in layout.rows if row.name in names}
        self.names = tuple(name for name in names if name in rows)
        self.divisors = tuple(rows[name].divisor for name in self.names)
        self.scaled = tuple((name, rows[name].divisor) for name in self.names if rows[name].divisor)
        places = [layout.index[name] for name in self.names]
        self.take = _taker(places)


def _taker(places: list[int | slice]) -> Callable[[Values], tuple[Any, ...]]:
    """`itemgetter` that always returns a tuple."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple(values[place] for place in places)


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
        self._counts_end = max(self._count_at.values(), default=-1) + 1
        self._compile = lru_cache(maxsize=256)(self._compile_for)

    def compiled(self, raw: bytes, start: int, length: int) -> Compiled:
        """The layout for the `length` bytes of data at `start`. Raises `FrameError` if a required row is missing."""
        if length < self._counts_end:
            raise FrameError(f"only {length} bytes of data")
        return self._compile(length, *[raw[start + at] for at in self._count_at.values()])

    def compiled_for(self, fields: Fields) -> Compiled:
        """The layout for `fields`: the rows that are there, arrays as long as their values."""
        rows = tuple(row for row in self.rows if row.name in fields)
        counts = tuple(len(fields[row.name]) if row.is_array else 1 for row in rows)
        return Compiled(self.order, rows, counts)

    def _compile_for(self, length: int, *counters: int) -> Compiled:
        known = dict(zip(self._count_at, counters, strict=True))
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
