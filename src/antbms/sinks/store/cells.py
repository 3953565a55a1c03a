"""One cell over many snapshots, read by SQLite itself: a day at 1 Hz in a third of the time that Python takes.

Nearly all rows have the usual form: so many cells, each of one byte, 0 to 127 mV above the lowest one.
"""

from __future__ import annotations

from typing import Any, Final

from .rows import pack

ONE_BYTE: Final = bytes(range(128))
"""0 to 127 as msgpack writes them: the place of a byte in here is what it stands for."""

VALUE: Final = (
    "iif(length(cells) = :length AND substr(cells, 1, length(:head)) = :head,"
    " coalesce(cell_min, 0) + nullif(instr(:one_byte, substr(cells, length(:head) + :number, 1)), 0) - 1, NULL)"
)
"""SQL: mV of a cell in a row of `raw`; NULL if the row has another form, or the cell is unknown."""


def usual_form(cells: int, number: int) -> dict[str, Any]:
    """The parameters of `VALUE` for a cell (from 1) of so many."""
    packed = pack([0] * cells) or b""
    return {
        "length": len(packed),
        "head": packed[: len(packed) - cells],
        "number": number,
        "one_byte": ONE_BYTE,
    }
