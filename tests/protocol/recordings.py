"""The recordings as the tests of the protocols use them, and the table in their README that says what they hold."""

import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

from antbms.capture import Chunk, read_capture
from antbms.model import Snapshot
from antbms.protocol import dialect, parse
from conftest import captures_dir

CAPTURES = captures_dir()
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Recording(NamedTuple):
    """A row of the README's table of `.txt` files that are not chunks."""

    name: str
    protocol: str
    frames: int
    damaged: bool

    @property
    def chunks(self) -> list[Chunk]:
        return list(read_capture(CAPTURES / self.name))


def _rows() -> list[list[str]]:
    lines = (CAPTURES / "README.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [row for row in rows if re.search(r"/.*\.txt$", row[0])]


RECORDINGS = [
    Recording(row[0], row[1], int(row[5]), "none holds" in row[6]) for row in _rows() if ".chunks." not in row[0]
]
STREAMS = [row[0] for row in _rows() if ".chunks." in row[0]]


@cache
def frames(protocol: str) -> tuple[bytes, ...]:
    """Every good frame of a protocol, each once."""
    good = (recording for recording in RECORDINGS if recording.protocol == protocol and not recording.damaged)
    return tuple(dict.fromkeys(chunk.data for recording in good for chunk in recording.chunks))


def recorded(name: str, message: str) -> list[bytes]:
    """The frames of one kind in a recording, in its order."""
    raws = [chunk.data for chunk in read_capture(CAPTURES / f"{name}.txt")]
    return [raw for raw in raws if parse(raw).message == message]


def statuses(protocol: str) -> list[bytes]:
    """Every recorded status of a protocol."""
    return [raw for raw in frames(protocol) if parse(raw).message == "status"]


def snapshot(*raws: bytes, apart: float = 0.0) -> Snapshot:
    """The contract of the frames of one reading."""
    packets = [parse(raw) for raw in raws]
    return dialect(packets[0].protocol).to_snapshot(packets, time=NOON, battery="test", apart=apart)


def file_names() -> list[Path]:
    """All text recordings that are there, whether the README knows them or not."""
    return sorted(path for path in CAPTURES.glob("*/*.txt") if path.parent.name != "expected")
