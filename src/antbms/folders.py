"""Where this system wants a user's files to be."""

from __future__ import annotations

import os
import sys
from pathlib import Path

NAME = "antbms"
STATE = "ANTBMS_STATE"


def config_folder() -> Path:
    """For what the user writes: `~/.config/antbms`, `%APPDATA%\\antbms`, `~/Library/Application Support/antbms`."""
    if sys.platform == "win32":
        return _folder("APPDATA", "AppData/Roaming")
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support" / NAME
    return _folder("XDG_CONFIG_HOME", ".config")


def state_folder() -> Path:
    """For what must outlive a restart: `~/.local/state/antbms`, `%LOCALAPPDATA%\\antbms`, as above on macOS.

    A service of systemd gets one by `StateDirectory=`. The environment variable ANTBMS_STATE names another.
    """
    if chosen := os.environ.get(STATE):
        return Path(chosen)
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.partition(":")[0])
    if sys.platform == "win32":
        return _folder("LOCALAPPDATA", "AppData/Local")
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support" / NAME
    return _folder("XDG_STATE_HOME", ".local/state")


def _folder(variable: str, usual: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / usual) / NAME
