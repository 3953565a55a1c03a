"""The monitor's log: lines that begin with the name of the battery or sink, as text or as JSON."""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import Any, Final, TextIO

import msgspec

PARTS: Final = ("battery", "sink", "counters")
"""What a record may bear besides its text."""
_JOURNAL: Final = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""Level → priority of syslog, as systemd reads it at the beginning of a line."""


class TextFormatter(logging.Formatter):
    """`2026-11-22T05:00:00Z warning garage: offline: …`; without the time in systemd's journal, which has its own."""

    converter = staticmethod(time.gmtime)

    def __init__(self, journal: bool = False) -> None:
        super().__init__("%(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if self._journal:
            head = f"<{_JOURNAL.get(record.levelno, 6)}>"
            return "\n".join(head + line for line in text.splitlines())
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()} "
        return f"{self.formatTime(record, self.datefmt)} {level}{text}"


class JsonFormatter(logging.Formatter):
    """One line of JSON a record: time, level, battery or sink, message, and what else it bears."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
        }
        line |= {part: getattr(record, part) for part in PARTS if hasattr(record, part)}
        line["message"] = record.getMessage()
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what standard error is now: a live picture takes its place for a while."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        """It is what it is."""


def set_up(format: str = "text", level: str = "info", stream: TextIO | None = None) -> None:
    """Send the log to standard error (or `stream`), in place of where it went before. Libraries only warn."""
    handler = logging.StreamHandler(stream) if stream is not None else _StandardError()
    journal = stream is None and "JOURNAL_STREAM" in os.environ
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter(journal))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("antbms").setLevel(level.upper())
