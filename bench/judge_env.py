"""The environment of the peers: aiobmsble needs Python >= 3.12, which the project itself does not.

It is made once, under `.bench/` (which git is told to ignore), by `venv` and `pip` alone. The project's own
dependencies go in too, so that both sides of a comparison run on the same interpreter. The tests of `tests/judges`
use it as well: for them it holds bmstools, which brings no pyserial of its own, and virtual Bluetooth.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from common import REPO

PEERS = ("aiobmsble==0.31", "bmstools==1.2.0", "pyserial==3.5")
FOR_TESTS = ("bumble",)
"""Of the project's extra `test`, what the judges need as well."""
FOLDER = REPO / ".bench" / "judge"


def judge_python() -> Path:
    """The Python of the environment, which is made or brought up to date first where needed."""
    python = FOLDER / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = FOLDER / "requirements.txt"
    wanted = "\n".join([*PEERS, *_own_dependencies()]) + "\n"
    if not (python.exists() and _version(python) >= (3, 12)):
        subprocess.run([_base_python(), "-m", "venv", "--clear", FOLDER], check=True)
        (FOLDER.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    if not (stamp.exists() and stamp.read_text(encoding="utf-8") == wanted):
        pip: list[str | Path] = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, *wanted.splitlines()], check=True, stdout=sys.stderr)
        stamp.write_text(wanted, encoding="utf-8")
    return python


def _own_dependencies() -> list[str]:
    project = REPO / "pyproject.toml"
    if not project.exists():
        return []
    record = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    dependencies: list[str] = record.get("dependencies", [])
    return dependencies + [name for name in record["optional-dependencies"]["test"] if name.startswith(FOR_TESTS)]


def _base_python() -> Path:
    for python in _candidates():
        if _version(python) >= (3, 12):
            return python
    raise SystemExit("No Python >= 3.12 found; aiobmsble needs one.\n  Name it: ANTBMS_JUDGE_PYTHON=/path/to/python3")


def _candidates() -> Iterator[Path]:
    """The named one or nothing else; else this one, those on the path, and those of pyenv and uv, oldest first."""
    if named := os.environ.get("ANTBMS_JUDGE_PYTHON"):
        yield Path(named)
        return
    yield Path(sys.executable)
    for name in ("python3.12", "python3.13", "python3.14"):
        if found := shutil.which(name):
            yield Path(found)
    for folder in (
        Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions"),
        Path.home() / ".local/share/uv/python",
    ):
        for pattern in ("*3.12.*", "*3.13.*", "*3.14.*"):
            yield from sorted(folder.glob(f"{pattern}/bin/python3"))


def _version(python: Path) -> tuple[int, ...]:
    """(0,) for what does not run: a shim of pyenv may stand for a version that is not chosen."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 else (0,)


if __name__ == "__main__":
    print(judge_python())
