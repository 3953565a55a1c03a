"""Text without what tells who somebody is: addresses, names, serial numbers, user and home. Words stay readable."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_ASSIGNED: Final = "0000[0-9A-F]{4}-0000-1000-8000-00805F9B34FB"
"""What begins like this is a service, and nobody's own."""
_ADDRESS: Final = re.compile(
    r"(?<![0-9A-F])[0-9A-F]{2}(?:[:_-][0-9A-F]{2}){5}(?![0-9A-F])"
    rf"|\b(?!{_ASSIGNED})[0-9A-F]{{8}}(?:-[0-9A-F]{{4}}){{3}}-[0-9A-F]{{12}}\b"
    r"|\b(?:\d{1,3}\.){3}\d{1,3}\b(?=:\d|/|$)",
    re.IGNORECASE,
)
"""A Bluetooth address; macOS's name for one; a host of a network."""
_IN_REACH: Final = re.compile(r"(In reach: ).*")
"""Other people's devices (`ble_scan`)."""
_SHORTEST: Final = 3
"""Letters of a name that is looked for: a shorter one would be found inside of everything."""


class Redactor:
    """Call it with each text. The same value always gets the same number."""

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}
        self._own = {str(Path.home()): "~", _user(): "<user>", socket.gethostname(): "<computer>"}

    def __call__(self, text: str, private: Iterable[str] = ()) -> str:
        for name in private:
            if not _ADDRESS.fullmatch(name):
                self._number(name, "name")
        text = _IN_REACH.sub(r"\1<devices>", text)
        text = _ADDRESS.sub(lambda found: self._number(found[0].upper().replace("-", ":"), "address"), text)
        known = {name: blank for name, blank in self._numbers.items() if blank.startswith("<name")} | self._own
        for name in sorted(known, key=len, reverse=True):
            if len(name) >= _SHORTEST:
                text = re.sub(rf"(?<![\w<]){re.escape(name)}(?!\w)", known[name], text)
        return text

    def _number(self, value: str, kind: str) -> str:
        if value not in self._numbers:
            count = sum(blank.startswith(f"<{kind}") for blank in self._numbers.values())
            self._numbers[value] = f"<{kind} {count + 1}>"
        return self._numbers[value]


def _user() -> str:
    try:
        return getpass.getuser().removeprefix("root")
    except (OSError, KeyError, ImportError):
        return ""
