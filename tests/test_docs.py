"""The documents tell the truth: every `antbms` command and every Python example in them runs, every link
leads somewhere.

Commands are read from ```console and ```sh blocks, and run page by page in an empty folder, in their order, so that
a later one may use a file that an earlier one wrote. A comment in the line above a block says what differs:
`<!-- not run: needs a port -->`, or `<!-- exit: 1 -->` for a block that shows how something fails.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from click.testing import CliRunner

from conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
LINKED = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]

FENCE = re.compile(r"^ *(`{3,}|~{3,}) *(\w*)")
NOT_RUN = re.compile(r"<!-- *not run: *\S.*-->")
EXIT = re.compile(r"<!-- *exit: *(\d+) *-->")
DEVICE = re.compile(r"\bCOM\d|/dev/|\b(ble|rfcomm):|\b(esphome|rfc2217|socket)://")
SHELL = re.compile(r"[|<>&;$`]")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


class Command(NamedTuple):
    where: str
    text: str
    status: int
    run: bool


def commands(page: Path) -> Iterator[Command]:
    fence = comment = ""
    lines = iter(enumerate(page.read_text("utf-8").splitlines(), 1))
    language = ""
    for number, line in lines:
        if fence:
            if line.strip() == fence:
                fence = comment = ""
            elif language in ("console", "sh"):
                text = line.strip().removeprefix("$ ") if language == "sh" or line.startswith("$ ") else ""
                while text.endswith("\\"):
                    text = text[:-1] + next(lines)[1].strip().removeprefix("> ")
                if re.search(r"(^|[|;&] *)antbms ", text):
                    status = EXIT.search(comment)
                    where = f"{page.relative_to(ROOT)}:{number}"
                    yield Command(where, text, int(status[1]) if status else 0, not NOT_RUN.search(comment))
        elif opening := FENCE.match(line):
            fence, language = opening[1], opening[2]
        elif line.strip():
            comment = line


def run(text: str) -> tuple[int, str]:
    """Run one command in this process; in a shell where it uses one, and has more than our own words."""
    from antbms.cli.main import main

    if SHELL.search(re.sub(r"'[^']*'|\"[^\"$`]*\"", "", text)):
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", text],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, env={**os.environ, "PATH": path}, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr
    result = CliRunner().invoke(main, shlex.split(text, comments=True)[1:], prog_name="antbms")
    # Our own exceptions carry the exit status that the console script ends with.
    status = getattr(result.exception, "status", result.exit_code)
    return status, f"{result.output}{result.exception or ''}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTBMS_STATE", str(tmp_path / "state"))
    for command in commands(page):
        if command.run and sys.platform == "win32" and SHELL.search(command.text):
            continue
        if command.run:
            status, output = run(command.text)
            assert status == command.status, f"{command.where}: {command.text}: exit status {status}\n{output}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_with_real_devices_are_marked(page: Path) -> None:
    wrong = [f"{c.where}: {c.text}" for c in commands(page) if c.run and c.status == 0 and DEVICE.search(c.text)]
    assert not wrong, "write <!-- not run: reason --> above the block of\n" + "\n".join(wrong)


def test_every_command_is_documented() -> None:
    from antbms.cli.main import main

    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    missing = [name for name in main.list_commands(click.Context(main)) if f"antbms {name}" not in text]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples_run(page: Path, tmp_path: Path) -> None:
    """Each in a process of its own, as a reader would try it; what an example prints on stderr is a mistake in it."""
    for example in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), f"{page.name}:\n{example}\n{done.stderr}"


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, made as GitHub makes them."""
    fences = re.compile(r"^ *(```+|~~~+).*?^ *\1 *$", re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ +(.+?) *$", fences.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    wrong = []
    for link in LINK.findall(page.read_text("utf-8")):
        target, _, anchor = link.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or not file.is_relative_to(ROOT) or (anchor and anchor not in anchors(file)):
            wrong.append(link)
    assert not wrong
