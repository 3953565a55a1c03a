"""What all tests share: where the recordings lie, and how hypothesis searches."""

import os
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
CI = os.environ.get("CI", "").lower() not in ("", "0", "false", "no")

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
