"""Where readings go. One module a kind of sink; see `base.Sink` for what it is, `KINDS` for which there are."""

from __future__ import annotations

from typing import Final

KINDS: Final[dict[str, str]] = {
    "store": "store",
    "files": "files",
    "mqtt": "mqtt",
    "prometheus": "prometheus",
}
"""Section of the configuration → module in this package. It is imported only where its section is there."""
