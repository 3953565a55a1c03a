"""`antbms decode`: recorded frames explained, field by field."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from io import BufferedReader
from typing import TYPE_CHECKING, cast

import click

from ..errors import FrameError, UsageError
from .device import json_option, protocol_option

if TYPE_CHECKING:
    from .sources import Source

EPILOG = """\b
Examples:
  antbms decode --hex "DD 03 00 02 12 34 FF B8 77"
  antbms decode out.cap                     a recording of `antbms record`
  antbms decode log.bin --protocol jbd      raw bytes
  antbms decode out.cap --json > out.jsonl  a line of JSON a frame
  xclip -o | antbms decode                  hex from the clipboard

\b
A recording has one line a chunk, as it crossed the link:
  # t=2.431                                 comment; t= in seconds since the start
  > 7E A1 01 00 00 BE 18 55 AA 55           to the battery
  < 7E A1 11 00 00 8E 05 …                  from the battery

Chunks are put together to frames, whatever their lengths. Bytes that are no valid frame are shown as rejected, with
the reason, and never decoded. The exit status is 0 if at least one frame was valid, else 1.
"""


@click.command(epilog=EPILOG)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--hex", "hexes", multiple=True, metavar="BYTES", help="Bytes as hex. May be repeated.")
@json_option
@protocol_option
def command(files: tuple[str, ...], hexes: tuple[str, ...], as_json: bool, protocol: str | None) -> None:
    """Explain recorded frames field by field: offset, bytes, name, value, unit.

    FILE is a recording, a Bluetooth log of an Android phone (btsnoop_hci.log), a file of raw bytes or of hex; or hex
    itself; or - for standard input.
    """
    from ..protocol import MODULES

    sources = list(_sources(files, hexes))
    names = (protocol,) if protocol else tuple(MODULES)
    frames, rejected = Counter[str](), Counter[str]()
    try:
        for source in sources:
            _decode(source, names, as_json, frames, rejected)
    finally:
        if frames or rejected:
            _note(_summary(frames, rejected))
    if not frames:
        where = ", ".join(source.name for source in sources)
        raise FrameError(f"{where}: no valid frame", "It may need another --protocol, or hold something else.")


def _sources(files: Sequence[str], hexes: Sequence[str]) -> Iterator[Source]:
    from .sources import from_argument, from_hex

    if not files and not hexes:
        if sys.stdin.isatty():
            raise UsageError(
                "decode: nothing to decode", 'Name a FILE, or give --hex "7E A1 …".', "Next: antbms decode --help"
            )
        files = ("-",)
    for text in files:
        yield from_argument(text, _stdin, _note)
    for text in hexes:
        yield from_hex(text)


def _stdin() -> BufferedReader:
    stdin = cast(BufferedReader, sys.stdin.buffer)
    return stdin if hasattr(stdin, "peek") else BufferedReader(stdin)


def _note(text: str) -> None:
    click.echo(f"antbms: {text}", err=True)


def _decode(source: Source, names: Sequence[str], as_json: bool, frames: Counter[str], rejected: Counter[str]) -> None:
    """Print one source, and count what is in it. One piece at a time: a file may be larger than memory."""
    from msgspec.json import encode

    from ..protocol.framing import Rejected
    from . import decoded

    for item in decoded.items(source.chunks, names):
        piece = item.piece
        if isinstance(piece, Rejected):
            rejected[piece.reason] += 1
            lines = decoded.rejected_lines(item, piece)
            record = decoded.rejected_record(item, piece) if as_json else {}
        else:
            frame = decoded.decode(item, piece)
            frames[frame.title] += 1
            lines = decoded.frame_lines(frame)
            record = decoded.frame_record(frame, source.battery) if as_json else {}
        click.echo(encode(record).decode() if as_json else "\n".join(lines))


def _summary(frames: Counter[str], rejected: Counter[str]) -> str:
    return "; ".join(
        f"{counter.total()} {word if counter.total() != 1 else word.removesuffix('s')}"
        + (f": {', '.join(f'{count} × {name}' for name, count in counter.most_common())}" if counter else "")
        for word, counter in (("frames", frames), ("rejected", rejected))
        if counter or counter is frames
    )
