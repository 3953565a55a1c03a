"""The standard streams: there even if they were closed; UTF-8, or plain letters where they cannot show ours."""

from __future__ import annotations

import codecs
import io
import os
import sys

PLAIN = {
    "°": "",
    "Ω": "ohm",
    "×": "x",
    "–": "-",
    "—": "-",
    "−": "-",
    "…": "...",
    "·": "|",
    "━": "=",
    "─": "-",
    "±": "+-",
}


def prepare_streams() -> None:
    """Let no character fail: a console on Windows gets UTF-8, any other poor stream gets plain letters."""
    _fill_gaps()
    codecs.register_error("antbms", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            encoding = "utf-8" if sys.platform == "win32" else stream.encoding
            stream.reconfigure(encoding=encoding, errors="antbms")


def _fill_gaps() -> None:
    """Put something in the place of streams that were closed (`2>&-`), so that no port is opened in their place.

    Remarks vanish then, and there is nothing to read; data that cannot be written is an error all the same.
    """
    for number, (name, how) in enumerate((("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))):
        if getattr(sys, name) is not None:
            continue
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, how), number)
        setattr(sys, name, open(number, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def can_show(text: str) -> bool:
    """Whether standard output has these characters."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    bad = error.object[error.start : error.end]
    return "".join(PLAIN.get(letter, "?") for letter in bad), error.end
