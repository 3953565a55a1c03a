"""The entrance: the table of commands, errors in one clear form, exit statuses, and quickness."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

import patience
from antbms import __version__
from antbms.cli import main as entrance
from antbms.cli.device import PROTOCOLS
from antbms.cli.main import COMMANDS, main, run
from antbms.errors import NoAnswer, Refused, UsageError
from antbms.protocol import MODULES

FULL = Path("/dev/full")
Printed = pytest.CaptureFixture[str]


def python(code: str, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=patience.LONG, check=False,
        stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONUTF8": "1", **env},
    )  # fmt: skip


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], list[str]]:
    """Makes a command that raises what it is given; returns the command line for it."""

    def make(error: BaseException) -> list[str]:
        @click.command
        def command() -> None:
            raise error

        monkeypatch.setattr(entrance.Commands, "get_command", lambda *_: command)
        return ["anything"]

    return make


def test_help_lists_every_command_with_its_line(capsys: Printed) -> None:
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"{name} " in text and line in text for name, line in COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_of_itself_what_the_table_says(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.help is not None
    assert command.help.splitlines()[0].removesuffix(".").startswith(COMMANDS[name].removesuffix("."))
    assert command.epilog is not None
    assert f"antbms {name}" in command.epilog


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: Printed) -> None:
    assert run([name, "--help"]) == 0
    assert f"Usage: antbms {name}" in capsys.readouterr().out


def test_the_protocols_are_those_of_the_protocol_room() -> None:
    assert tuple(MODULES) == PROTOCOLS


def test_version(capsys: Printed) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"antbms {__version__}\n"


@pytest.mark.parametrize(
    ("args", "wrong"),
    [
        (["--version"], {"asyncio", "rich", "serialx", "msgspec", "antbms.protocol", "antbms.cli.read"}),
        (["--help"], {"asyncio", "rich", "serialx", "msgspec", "antbms.protocol", "antbms.cli.read"}),
        (["read", "--help"], {"asyncio", "rich", "serialx", "msgspec", "antbms.protocol"}),
        (["read", "sim:", "--json"], {"rich", "serialx", "importlib.metadata", "antbms.cli.picture"}),
    ],
)
def test_only_what_is_needed_is_imported(args: list[str], wrong: set[str]) -> None:
    code = "import sys; from antbms.cli.main import run; s = run(sys.argv[1:]); print('\\n', *sys.modules); sys.exit(s)"
    done = python(code, *args)
    assert done.returncode == 0, done.stderr
    assert not wrong & set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NoAnswer("COM5: nothing", "Wake it.", "Or not."), 1),
        (UsageError("wrong"), 2),
        (Refused("no"), 3),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_status(
    failing: Callable[[BaseException], list[str]], error: BaseException, status: int, capsys: Printed
) -> None:
    assert run(failing(error)) == status
    assert "Traceback" not in capsys.readouterr().err


def test_an_error_is_its_line_and_its_hints_on_standard_error(
    failing: Callable[[BaseException], list[str]], capsys: Printed
) -> None:
    run(failing(NoAnswer("COM5: nothing", "Wake it.", "Or not.")))
    assert tuple(capsys.readouterr()) == ("", "antbms: COM5: nothing\n  Wake it.\n  Or not.\n")


def test_an_unexpected_error_is_short_and_says_how_to_see_more(
    failing: Callable[[BaseException], list[str]], capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = failing(ZeroDivisionError("by zero"))
    monkeypatch.delenv("ANTBMS_DEBUG", raising=False)
    assert run(args) == 1
    text = capsys.readouterr().err
    assert text.startswith("antbms: unexpected ZeroDivisionError: by zero\n")
    assert "ANTBMS_DEBUG=1" in text
    assert "Traceback" not in text
    monkeypatch.setenv("ANTBMS_DEBUG", "1")
    assert run(args) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["recrod"], ["antbms: No such command 'recrod'", "record"]),
        (["read", "sim:", "--jsno"], ["antbms: read: No such option '--jsno'", "--json"]),
        (["read"], ["antbms: read: Missing argument 'DEVICE'", "Next: antbms read --help"]),
        (["read", "sim:", "-o", "soc"], ["'soc' is not of the form key=value"]),
        (["read", "sim:", "--protocol", "antt"], ["ant-legacy"]),
        (["sim"], ["--pty", "--tcp"]),
        (["sim", "--pty", "--tcp", "0"], ["--pty", "--tcp"]),
        (["read", "sim:", "--json", "--csv"], ["exclude each other"]),
        (["decode", "--hex", "DD 0"], ["odd number of hex digits"]),
    ],
)
def test_wrong_usage(args: list[str], words: list[str], capsys: Printed) -> None:
    assert run(args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("antbms: ")
    assert all(word in err for word in words), err


def test_no_arguments_show_the_help(capsys: Printed) -> None:
    assert run([]) == 2
    assert "Commands:" in capsys.readouterr().err


ENTRY = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); sys.argv[0] = 'antbms'; "


def test_a_hanging_thread_does_not_hold_the_process() -> None:
    """As a Bluetooth COM port of Windows does it: the thread that opens it comes back after 20 s."""
    code = ENTRY + (
        "import asyncio, threading, click\n"
        "from antbms.cli import main\n"
        "from antbms.cli.run import run\n"
        "from antbms.errors import OpenError\n"
        "async def hang():\n"
        "    asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)\n"
        "    raise OpenError('COM5: away')\n"
        "main.Commands.get_command = lambda *_: click.Command('x', callback=lambda: run(hang()))\n"
        "sys.argv = ['antbms', 'x']\n"
        "main.entry()\n"
    )
    done = python(code)  # raises TimeoutExpired if it hangs
    assert (done.returncode, done.stderr) == (1, "antbms: COM5: away\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_ends_with_130_and_says_nothing() -> None:
    code = ENTRY + "from antbms.cli.main import entry; entry()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "sim", "--tcp", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().startswith("socket://127.0.0.1:")
        process.send_signal(2)
        _, text = patience.ended(process)
    assert process.returncode == 130
    assert "Traceback" not in text


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell with pipes")
@pytest.mark.parametrize("args", ["read sim: --json", "read sim:", "decode --hex DD0300021234FFB877"])
def test_a_reader_that_goes_away_is_no_error_message(args: str) -> None:
    code = ENTRY + "from antbms.cli.main import entry; entry()"
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, "-c", code, *args.split()], stdout=theirs, stderr=subprocess.PIPE, text=True, check=False,
        stdin=subprocess.DEVNULL, timeout=patience.LONG,
    )  # fmt: skip
    os.close(theirs)
    assert done.returncode == 1
    assert "rror" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell that closes streams")
@pytest.mark.parametrize(
    ("args", "closed", "status", "error"),
    [
        ("read sim: --json", "2>&-", 0, ""),
        ("read sim:", "2>&-", 0, ""),
        ("decode --hex DDA50300FFFD77", "2>&-", 0, ""),
        ("read sim: --json", ">&-", 1, "antbms: output: is closed\n"),
        ("read sim:", ">&-", 1, "antbms: output: is closed\n"),
        ("doctor sim:", ">&-", 1, "antbms: output: is closed\n"),
        ("--help", ">&-", 1, "antbms: output: is closed\n"),
        ("decode", "<&-", 1, "antbms: standard input: no valid frame\n"),
        ("read sim:", ">&- 2>&- <&-", 1, ""),
    ],
)
def test_a_stream_that_was_closed_before_we_began(args: str, closed: str, status: int, error: str) -> None:
    """Data is not lost because nobody reads remarks; that nobody reads the data is told."""
    code = ENTRY + "from antbms.cli.main import entry; entry()"
    command = f'exec "$0" -c "$1" {args} {closed}'
    done = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable, code], capture_output=True, text=True, check=False,
        timeout=patience.LONG, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (done.returncode, done.stderr[: len(error) or None]) == (status, error)
    assert bool(done.stdout) == (status == 0)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell that closes streams")
def test_nothing_is_opened_in_the_place_of_a_closed_stream() -> None:
    """A port that gets number 2 would be sent what libraries write to standard error."""
    code = "from antbms.cli.screen import prepare_streams; prepare_streams(); import os; print(os.dup(0))"
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -c "$1" 2>&- <&-', sys.executable, code], capture_output=True, text=True,
        check=False, timeout=patience.LONG,
    )  # fmt: skip
    assert int(done.stdout) > 2


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
@pytest.mark.parametrize("args", ["read sim: --json", "read sim:"])
def test_a_full_disk_is_one_clear_line(args: str) -> None:
    code = ENTRY + "from antbms.cli.main import entry; entry()"
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code, *args.split()], stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=patience.LONG,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "antbms: output: no space left on device\n"


@pytest.mark.skipif(sys.platform != "linux", reason="a system whose names are bytes")
def test_a_name_that_the_locale_cannot_tell(tmp_path: Path) -> None:
    """LC_ALL=C on an old Python or a bare container: the name works, and stands in the data as it is."""
    path = tmp_path / "Größe.cap"
    poor = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code = ENTRY + "from antbms.cli.main import entry; entry()"
    assert python(code, "record", "sim:", str(path), "--count", "1", **poor).returncode == 0
    read = python(code, "read", f"replay:{path}", "--json", **poor)
    assert json.loads(read.stdout)["battery"] == f"replay:{path}", read.stderr
    decoded = python(code, "decode", str(path), "--json", **poor)
    assert json.loads(decoded.stdout.splitlines()[1])["snapshot"]["battery"] == "Größe", decoded.stderr
    missing = python(code, "read", "replay:Größe", **poor)
    assert missing.stderr == "antbms: Größe: no such file or directory\n"


def test_a_name_cannot_steer_a_terminal(capsys: Printed) -> None:
    assert run(["read", "/dev/x\x1b[31my"]) == 1
    assert capsys.readouterr().err.startswith("antbms: /dev/x?[31my: there is no such port\n  ")


def test_a_poor_stream_gets_plain_letters() -> None:
    code = ENTRY + "from antbms.cli.main import entry; entry()"
    done = python(code, "read", "sim:", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert "##" in done.stdout
    assert "?" not in done.stdout
