"""The house holds: a room imports from lower floors and from itself, and the front door stays light."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import ROOT

PACKAGE = ROOT / "src" / "antbms"
FACE = "antbms"
"""The package itself, as others import it: above all rooms but those that speak to the user."""

FLOORS = {
    "_version": 0,
    "model": 1,
    "errors": 1,
    "extras": 1,
    "timing": 1,
    "worker": 1,
    "folders": 1,
    "locks": 1,
    "protocol": 2,
    "capture": 2,
    "csv_lines": 2,
    "sim": 3,
    "transport": 4,
    "battery": 5,
    "link": 5,
    "asking": 5,
    "backup": 5,
    "registers": 5,
    "silence": 5,
    "settings": 5,
    "changes": 5,
    "journal": 5,
    "meeting": 5,
    "writing": 5,
    "identity": 5,
    "planning": 5,
    "reading": 5,
    "discovery": 6,
    "doctor": 6,
    "mending": 6,
    "watching": 6,
    "derive": 6,
    "ledger": 6,
    "pauses": 6,
    "serve": 6,
    "sinks": 7,
    "history": 7,
    "config": 7.3,
    "monitor": 7.5,
    "web": 8,
    FACE: 8.5,
    "cli": 9,
    "sync": 9,
}
BATTERY = (
    "asking", "backup", "changes", "identity", "journal", "link", "meeting", "planning", "reading", "registers",
    "settings", "silence", "writing",
)  # fmt: skip
ONE_ROOM = dict.fromkeys(BATTERY, "battery") | {"history": "sinks", "ledger": "derive", "mending": "watching"}
"""Modules that live in the room of another."""

PURE = {
    "model": {"asyncio", "logging", "socket", "time"},
    "protocol": {"asyncio", "logging", "socket", "time"},
    "sim": {"asyncio", "logging", "socket", "time"},
}
HEAVY = {"aio_rfcomm", "asyncio", "bleak", "dbus_fast", "importlib.metadata", "rich", "serialx"}
LONGEST = 400

FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path) -> list[str]:
    parts = [FACE, *path.relative_to(PACKAGE).with_suffix("").parts]
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and absolute name of all that a file imports, inside functions and for types only as well."""
    package = [FACE, *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join(base + (node.module or "").split(".") if node.module else base)
            for alias in node.names:
                yield node.lineno, f"{name}.{alias.name}"


def room_of(name: str) -> str | None:
    """The room that an imported name lives in; None outside the house."""
    top, *rest = name.split(".")
    if top != FACE:
        return None
    is_module = rest and ((PACKAGE / rest[0]).is_dir() or (PACKAGE / f"{rest[0]}.py").is_file())
    return ONE_ROOM.get(rest[0], rest[0]) if is_module else FACE


def test_every_room_has_a_floor() -> None:
    rooms = {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in FILES} - {"__init__", "__main__"}
    assert rooms <= FLOORS.keys(), "give the new room a floor in FLOORS, and in CONTRIBUTING.md"


def test_a_room_imports_from_lower_floors_only() -> None:
    wrong = []
    for path in FILES:
        _, *rest = module_of(path)
        if not rest or rest == ["__main__"]:
            continue
        room = ONE_ROOM.get(rest[0], rest[0])
        for line, name in imports(path):
            other = room_of(name)
            if other is not None and other != room and FLOORS.get(other, 99) >= FLOORS.get(room, 0):
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {room} imports {name}, floor {FLOORS.get(other)}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", sorted(PURE))
def test_a_pure_room_has_no_clock_and_no_io(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in FILES
        if module_of(path)[1:2] == [room]
        for line, name in imports(path)
        if name.split(".")[0] in PURE[room]
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", ["antbms", "antbms.cli.main"])
def test_the_front_door_is_light(module: str) -> None:
    """`antbms --version` and completion pay for all that these import, themselves or through others."""
    code = f"import sys; before = set(sys.modules); import {module}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    heavy = HEAVY & set(done.stdout.split())
    assert not heavy


def test_every_public_name_is_there() -> None:
    import antbms

    assert not [name for name in antbms.__all__ if not hasattr(antbms, name)]


def test_no_file_is_long() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert not {name: length for name, length in lengths.items() if length > LONGEST}


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("battery.py", "from .cli import main", "antbms.cli.main"),
        ("protocol/ant/frame.py", "def f():\n    from ...sim import x", "antbms.sim.x"),
        ("protocol/__init__.py", "from . import ant", "antbms.protocol.ant"),
        ("battery.py", "import antbms.sim.pack", "antbms.sim.pack"),
        ("timing.py", "from antbms import battery", "antbms.battery"),
    ],
)
def test_the_reader_of_imports_sees_every_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str, name: str
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    assert [found for _, found in imports(path)] == [name]


def test_every_extra_says_how_to_get_it() -> None:
    import tomllib

    from antbms.extras import EXTRAS

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = {name: lines for name, lines in project["optional-dependencies"].items() if name not in ("all", "test")}
    assert EXTRAS.keys() == named.keys()
    for name, (_, requirement) in EXTRAS.items():
        assert any(line.startswith(f"{requirement}>=") for line in named[name])
