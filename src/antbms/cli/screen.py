"""The two streams: UTF-8 where the system would not, and plain letters where a stream cannot show ours."""

from __future__ import annotations

import codecs
import io
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
    codecs.register_error("antbms", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            encoding = "utf-8" if sys.platform == "win32" else stream.encoding
            stream.reconfigure(encoding=encoding, errors="antbms")


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
