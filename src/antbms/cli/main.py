"""The entrance of the command line: the table of commands, and what becomes of errors.

A command's module is imported when the command runs or when its own help is asked for, so that `antbms --version`,
`antbms --help` and completion stay quick.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import click

from .._version import __version__
from ..errors import AntbmsError, shown

COMMANDS = {
    "read": "Read a battery once and show all that it says.",
    "watch": "Show a battery live, or log it as JSON lines or CSV.",
    "monitor": "Watch many batteries for ever, and hand their readings on.",
    "pause": "Let a running monitor let go of a battery for a while.",
    "release": "End a pause: the monitor takes the battery up again at once.",
    "info": "Show model, versions and serial number of a battery.",
    "counters": "Show how often each protection of a battery has acted.",
    "switch": "Turn a switch of a battery on or off, and see that it is done.",
    "command": "Tell a battery to do something, or show what it can be told.",
    "settings": "Show, set, save and restore what a battery has stored.",
    "scan": "Find batteries: serial ports, known and nearby Bluetooth devices.",
    "services": "List the services and characteristics of a Bluetooth LE device.",
    "doctor": "Say what works and what does not, and how to help it.",
    "record": "Write the traffic with a battery to a file.",
    "decode": "Explain recorded frames field by field, or count them.",
    "history": "Draw what a store knows of a battery.",
    "export": "Write what a store knows, as CSV or lines of JSON.",
    "sim": "Offer a simulated battery to other programs.",
}
"""Name → one line of help. The command lives in the module of its name (`read.py` …), and is called `command`."""

INTERRUPTED = 130
DEBUG = "ANTBMS_DEBUG"


class Commands(click.Group):
    """A group whose commands are stubs with a line of help until one is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f".{name}", __package__).command
        command.name = name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=Commands,
    commands={name: click.Command(name, short_help=text) for name, text in COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nTry it without a battery:\n  antbms read sim:\n\n`antbms COMMAND --help` has examples of a command.",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Read, watch, log and switch batteries with an ANT or JBD battery management system.

    Data goes to standard output, all else to standard error. Exit status: 0 done, 1 no answer or a missing file,
    2 wrong usage, 3 refused by the battery or not confirmed, 130 interrupted.
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def entry() -> NoReturn:
    """The console script: run `main`, and turn what goes wrong into one clear line and an exit status."""
    from .screen import prepare_streams

    prepare_streams()
    status = run(sys.argv[1:])
    if not _flush():
        status = status or 1
    running = sys.modules.get(f"{__package__}.run")
    if running is not None and running.thread_hangs():
        os._exit(status)  # the interpreter would wait for the thread: up to 20 s for a Bluetooth COM port
    sys.exit(status)


def run(args: Sequence[str]) -> int:
    """Run the command line `args` and return its exit status. Prints every error, raises none."""
    try:
        result = main.main(list(args), prog_name="antbms", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _report(_in_our_words(error), 2)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except AntbmsError as error:
        return _report(error.text(), error.status)
    except SystemExit as error:  # click's way to end when the reader of our output is gone
        return error.code if isinstance(error.code, int) else 1
    except BrokenPipeError:  # the reader of our output is gone: `| head`
        return 1
    except OSError as error:  # the output is a full disk, a file of ours is locked: the system's fault, not ours
        reason = "is closed" if error.errno == errno.EBADF else (error.strerror or str(error)).lower()
        return _report(f"{error.filename or 'output'}: {reason}", 1)
    except Exception as error:  # noqa: BLE001 - a user gets one line; the traceback on request
        hint = f"This is a mistake in antbms. For a report, repeat it with {DEBUG}=1 set, and copy what it prints."
        return _report(f"unexpected {type(error).__name__}: {error}\n  {hint}", 1)
    return result if isinstance(result, int) else 0


def _report(text: str, status: int) -> int:
    if os.environ.get(DEBUG):
        import traceback

        click.echo(traceback.format_exc(), err=True)
    click.echo("antbms: " + "\n".join(map(shown, text.split("\n"))), err=True)
    return status


def _in_our_words(error: click.ClickException) -> str:
    """What click found wrong with the command line, in the form of our own errors."""
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    lines = error.format_message().replace("(Did you", "Did you").replace("?)", "?").split(" Did you mean ")
    lines[1:] = (f"Did you mean {line}" for line in lines[1:])
    lines[0] = lines[0].removesuffix(".")
    if ctx is not None:
        path = ctx.command_path
        lines[0] = f"{path.removeprefix('antbms ')}: {lines[0]}" if " " in path else lines[0]
        lines += (ctx.get_usage(), f"Next: {path} --help")
    return "\n  ".join(lines)


def _flush() -> bool:
    """Hand over what was printed; False if nobody takes it (then nothing complains about it later either)."""
    good = True
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None where it was closed before we began
        try:
            stream.flush()
        except OSError:
            good = False
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return good
