"""`antbms decode`: recorded frames explained field by field, or counted."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from ..errors import FrameError, UsageError
from .device import json_option, protocol_option

if TYPE_CHECKING:
    from .sources import Source
    from .summary import Link

EPILOG = """\b
Examples:
  antbms decode --hex "DD 03 00 02 12 34 FF B8 77"
  antbms decode out.cap                     a recording of `antbms record`
  antbms decode btsnoop_hci.log --summary   what an Android phone said to it
  antbms decode log.bin --protocol jbd      raw bytes
  antbms decode out.cap --json > out.jsonl  a line of JSON a frame
  xclip -o | antbms decode                  hex from the clipboard

\b
A recording has one line a chunk, as it crossed the link:
  # t=2.431                                 comment; t= in seconds since the start
  > 7E A1 01 00 00 BE 18 55 AA 55           to the battery
  < 7E A1 11 00 00 8E 05 …                  from the battery

Chunks are put together to frames, whatever their lengths. Bytes that are no valid frame are shown as rejected, with
the reason, and never decoded. A line that is none of these is told, and the rest goes on. The exit status is 0 if at
least one frame was valid and no line was wrong, else 1.
"""


@click.command(epilog=EPILOG)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--hex", "hexes", multiple=True, metavar="BYTES", help="Bytes as hex. May be repeated.")
@click.option("--summary", is_flag=True, help="Count: messages, rejections, answer times, silence; by device.")
@json_option
@protocol_option
def command(files: tuple[str, ...], hexes: tuple[str, ...], summary: bool, as_json: bool, protocol: str | None) -> int:
    """Explain recorded frames field by field, or count them.

    FILE is a recording, a Bluetooth log of an Android phone (btsnoop_hci.log), a file of raw bytes or of hex; or hex
    itself; or - for standard input. Shown are offset, bytes, name, value and unit of each field; in a log, also which
    device and channel carried the frame.
    """
    from ..protocol import MODULES

    quiet = summary or not sys.stdout.isatty()  # nothing else is written to the terminal meanwhile
    sources = list(_sources(files, hexes, bar=quiet and sys.stderr.isatty()))
    protocols = (protocol,) if protocol else tuple(MODULES)
    count = _summarize(sources, protocols, as_json) if summary else _explain(sources, protocols, as_json)
    if not count:
        where = ", ".join(source.name for source in sources)
        raise FrameError(f"{where}: no valid frame", "It may need another --protocol, or hold something else.")
    return int(any(source.bad for source in sources))


def _sources(files: Sequence[str], hexes: Sequence[str], *, bar: bool) -> Iterator[Source]:
    from . import sources
    from .file_progress import watched

    if not files and not hexes:
        if sys.stdin.isatty():
            raise UsageError(
                "decode: nothing to decode", 'Name a FILE, or give --hex "7E A1 …".', "Next: antbms decode --help"
            )
        files = ("-",)
    if sources.are_bytes(files):
        hexes, files = (" ".join(files), *hexes), ()
    for text in files:
        yield sources.from_argument(text, watched if bar else lambda chunks, file: chunks)
    for text in hexes:
        yield sources.from_hex(text)


def _explain(sources: Iterable[Source], protocols: Sequence[str], as_json: bool) -> int:
    """Print every piece; the number of frames. One piece at a time: a file may be larger than memory."""
    from .decoded import Refused, json_line, pieces
    from .listing import listing
    from .screen import can_show

    text = json_line if as_json else listing
    frames, rejected = Counter[str](), Counter[str]()
    quick = as_json and can_show("ö")  # what a stream cannot show, click still hands over whole
    try:
        for source in sources:
            echo: Callable[[str], object] = sys.stdout.write if quick and not source.live else _echo
            try:
                for piece in pieces(source.chunks, protocols):
                    if isinstance(piece, Refused):
                        rejected[piece.reason] += 1
                    else:
                        frames[piece.title] += 1
                    echo(text(piece, source.battery))
            finally:
                _tell_losses(source)
    finally:
        if frames or rejected:
            _note(_counts(frames, rejected))
    return frames.total()


def _echo(text: str) -> None:
    """With colours where they can be shown, and at once."""
    click.echo(text, nl=False)


def _summarize(sources: Iterable[Source], protocols: Sequence[str], as_json: bool) -> int:
    """Print what there is of which kind; the number of frames."""
    from .summary import summarize

    links: list[Link] = []
    for source in sources:
        links += summarize(source, protocols)
        _tell_losses(source)
    if as_json:
        from msgspec.json import encode

        click.echo(encode({"links": [link.to_dict() for link in links]}).decode())
    else:
        from .drawing import NARROWEST, put
        from .summary_table import draw_links

        put(lambda width, style: draw_links(links, width, style), narrowest=NARROWEST)
    return sum(link.frames.total() for link in links)


def _counts(frames: Counter[str], rejected: Counter[str]) -> str:
    return "; ".join(
        f"{counter.total()} {word if counter.total() != 1 else word.removesuffix('s')}"
        + (f": {', '.join(f'{count} × {name}' for name, count in counter.most_common())}" if counter else "")
        for word, counter in (("frames", frames), ("rejected", rejected))
        if counter or counter is frames
    )


def _tell_losses(source: Source) -> None:
    for line in source.losses():
        _note(line)


def _note(text: str) -> None:
    click.echo(f"antbms: {text}", err=True)
