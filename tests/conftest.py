"""What all tests share: where the recordings lie, and how hypothesis searches."""

import asyncio
import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

from patience import PatientLoop

ROOT = Path(__file__).resolve().parent.parent
CI = os.environ.get("CI", "").lower() not in ("", "0", "false", "no")

STATE = os.environ["ANTBMS_STATE"] = tempfile.mkdtemp(prefix="antbms-state-")
"""No test touches the user's notes and locks, nor those of another worker. Tests that look into it take their own."""
atexit.register(shutil.rmtree, STATE, ignore_errors=True)

if sys.platform != "win32":  # where only the proactor opens serial ports
    asyncio.new_event_loop = PatientLoop
    """What commands that tests run in this process, and `antbms.sync`, take for their loop."""

settings.register_profile("antbms", deadline=None, derandomize=CI, print_blob=True)
settings.load_profile("antbms")


def missing(what: str) -> NoReturn:
    """Skip for want of `what`, also while tests are collected. In CI nothing may be missing, so there it fails."""
    if CI:
        pytest.fail(f"{what} (and CI is set)", pytrace=False)
    pytest.skip(what, allow_module_level=True)


def captures_dir() -> Path:
    """The folder of recordings: $ANTBMS_CAPTURES, or shared/captures beside the repository."""
    folder = Path(os.environ.get("ANTBMS_CAPTURES") or ROOT.parent / "shared" / "captures")
    if not folder.is_dir():
        missing(f"no recordings in {folder}; set ANTBMS_CAPTURES to their folder")
    return folder


@pytest.fixture
def captures() -> Path:
    return captures_dir()
