"""What is not part of the base install: which library an extra brings, and how to get it."""

from __future__ import annotations

from typing import Final

EXTRAS: Final = {
    "esphome": ("aioesphomeapi", "serialx[esphome]"),
    "keyring": ("keyring", "keyring"),
    "mqtt": ("paho-mqtt", "paho-mqtt"),
    "prometheus": ("prometheus-client", "prometheus-client"),
}
"""Extra → the library whose presence tells, and what brings it."""


def how_to_install(extra: str) -> tuple[str, str]:
    """Lines of help: the extra, and what works as well where antbms did not come from PyPI."""
    return (
        f"Next: pip install 'antbms[{extra}]'",
        f"If antbms did not come from PyPI: pip install '{EXTRAS[extra][1]}'   in the same environment",
    )
