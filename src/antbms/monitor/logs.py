"""The monitor's log: lines that begin with the name of the battery or sink, as text or as JSON."""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import time
from contextlib import suppress
from typing import Any, Final, TextIO

import msgspec

from .streams import write

PARTS: Final = ("battery", "sink", "counters")
"""What a record may bear besides its text."""
WAITING: Final = 10_000
"""Lines that wait for standard error at most; further ones are dropped."""
FLUSH: Final = 0.4
"""s that the last lines have to be written in: a monitor ends within 5 s, read or not."""
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
    """One line of JSON a record: time, level, battery or sink, message (without that name), and what else it bears."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
        }
        line |= {part: getattr(record, part) for part in PARTS if hasattr(record, part)}
        who = line.get("battery") or line.get("sink")
        line["message"] = record.getMessage().removeprefix(f"{who}: ")
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


class _StandardError(logging.Handler):
    """Writes to what standard error is when a line is written: a live picture takes its place for a while.

    A thread writes, so a terminal or program that does not read holds no battery. Lines that it leaves lying are lost.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: queue.Queue[str | threading.Event] = queue.Queue(WAITING)
        threading.Thread(target=self._serve, name="antbms-log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(queue.Full):
            self._lines.put_nowait(f"{self.format(record)}\n")

    def flush(self) -> None:
        """Wait until all is written, `FLUSH` s at most."""
        done = threading.Event()
        with suppress(queue.Full):
            self._lines.put_nowait(done)
            done.wait(FLUSH)

    def _serve(self) -> None:
        while True:
            line = self._lines.get()
            if isinstance(line, threading.Event):
                line.set()
                continue
            with suppress(OSError, ValueError):  # it is closed: there is nowhere to say so
                write(sys.stderr, line)


def set_up(format: str = "text", level: str = "info", stream: TextIO | None = None) -> logging.Handler:
    """Send the log to standard error (or `stream`), in place of where it went before. Libraries only warn.

    What is returned is to be flushed at the end.
    """
    handler = logging.StreamHandler(stream) if stream is not None else _StandardError()
    journal = stream is None and "JOURNAL_STREAM" in os.environ
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter(journal))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("antbms").setLevel(level.upper())
    return handler
