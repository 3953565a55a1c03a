"""Clients that we did not write, run in an environment of their own (`bench/judge_env.py`)."""

import asyncio
import fcntl
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, missing

HERE = Path(__file__).parent
NONE = "ANTBMS_NO_JUDGES"
"""Set by `.ci/run` where no Python >= 3.12 is to be had: says why."""


@cache
def judge_python() -> str:
    """The Python of the judges. Their environment is made first, by one process, where it is not there yet."""
    if reason := os.environ.get(NONE):
        pytest.skip(reason)
    with (Path(tempfile.gettempdir()) / f"antbms-judges-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = subprocess.run([sys.executable, ROOT / "bench" / "judge_env.py"], capture_output=True, text=True)
    if made.returncode:
        missing(f"no judges: {made.stderr.strip().splitlines()[-1]}")
    return made.stdout.strip()


async def ask(script: str, *arguments: str) -> Any:
    """What a client says, as JSON. `script` is the file beside this one that runs it."""
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("src", "tests", "tests/bluetooth"))
    client = await asyncio.create_subprocess_exec(
        judge_python(),
        HERE / script,
        *arguments,
        env=os.environ | {"PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        said, complaint = await client.communicate()
    finally:
        if client.returncode is None:
            client.kill()
            await client.wait()
    assert client.returncode == 0, complaint.decode()
    return json.loads(said)
