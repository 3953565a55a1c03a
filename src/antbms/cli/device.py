"""What all commands that speak to a battery share: their arguments, opening it, and a sign of life while waiting."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from ..errors import FileError, PasswordNeeded, UsageError
from . import asking

if TYPE_CHECKING:
    import asyncio

    from ..battery import Battery

F = TypeVar("F", bound=Callable[..., Any])

PROTOCOLS = ("ant", "ant-legacy", "jbd")
"""As in `protocol.MODULES`, which is not imported for a help text; a test compares the two."""
PATIENCE = 1.0
"""s after which a terminal shows that we wait."""


def key_values(ctx: click.Context, param: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    """`-o key=value` … as a dict."""
    if wrong := [pair for pair in pairs if not pair.partition("=")[0] or "=" not in pair]:
        raise click.BadParameter(f"{wrong[0]!r} is not of the form key=value.", ctx, param)
    return dict(pair.split("=", 1) for pair in pairs)


options_option = click.option(
    "-o",
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    callback=key_values,
    help="An option of the address, such as baud=9600. May be repeated.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One line of JSON a record.")
protocol_option = click.option("--protocol", type=click.Choice(PROTOCOLS), help="What to speak, if you know it.")
LONGEST = 86400.0
"""s between two readings: more is no recording."""


class Seconds(click.FloatRange):
    """A number of seconds; not a number is none."""

    name = "number of seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds: float = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is no number of seconds", param, ctx)
        return seconds


_COM = re.compile(r"COM\d+", re.IGNORECASE)
"""A port of Windows: told of as such elsewhere, too."""
REDACT = f"{__name__}.redact"
"""Where the context of a command keeps whether its recording leaves out the address."""


def _keep_redact(ctx: click.Context, param: click.Parameter, given: bool) -> None:
    ctx.meta[REDACT] = given


redact_option = click.option(
    "--redact",
    is_flag=True,
    expose_value=False,
    callback=_keep_redact,
    help="Leave the battery's address out of the recording.",
)


record_file_option = click.option(
    "--record", type=click.Path(path_type=Path), metavar="FILE", help="Write all traffic to this new file as well."
)


def record_option(function: F) -> F:
    """`--record`, which comes as keyword `record`, and `--redact`, which `opened` looks up."""
    return record_file_option(redact_option(function))


def device_arguments(function: F) -> F:
    """`DEVICE`, `--protocol` and `-o`, which come as keywords `device`, `protocol`, `options`."""
    return click.argument("device")(protocol_option(options_option(function)))


class Known(NamedTuple):
    """A device as `antbms.open` takes it; name: None where it is called by its address."""

    address: str
    protocol: str | None
    options: Mapping[str, str]
    name: str | None


def look_up(device: str, protocol: str | None, options: Mapping[str, str]) -> Known:
    """What a name of the configuration stands for; anything else is an address. What was given on the line wins.

    Only a word that can be a name costs a look into the file.
    """
    if not any(letter in device for letter in ":/\\"):
        from ..config import find, load_batteries

        path = find()
        batteries = load_batteries(path) if path else {}
        battery = batteries.get(device)
        if battery is not None:
            return Known(battery.address, protocol or battery.protocol, {**battery.all_options(), **options}, device)
        _check_is_port(device, path, batteries)
    return Known(device, protocol, options, None)


def _check_is_port(device: str, path: Path | None, names: Iterable[str]) -> None:
    """Raise `UsageError` for a word that is no name, and cannot be a port either: waiting for it would be in vain.

    On Windows any word may be a port that comes later; elsewhere a port is a file.
    """
    if sys.platform == "win32" or not device or _COM.fullmatch(device) or Path(device).exists():
        return
    from difflib import get_close_matches

    near = get_close_matches(device, list(names), 1)
    known = (
        f"{path} has: {', '.join(names)}." if path else "There is no configuration that gives names (docs/monitor.md)."
    )
    raise UsageError(
        f"{device}: there is no battery of this name, and no such port",
        *([f"Did you mean {near[0]}?"] if near else []),
        known,
        "An address is COM5, /dev/ttyUSB0, ble:NAME, rfcomm:AA:BB:…, socket://host:port or sim:.",
    )


def check_new(path: Path | None, remedy: str = "Choose another name, or remove the file.") -> None:
    """Raise `FileError` if the file is there: before a port is opened, which may take long."""
    if path is not None and path.is_dir():
        raise FileError(f"{path}: is a folder", "Next: name a new file in it.")
    if path is not None and path.exists():
        raise FileError(f"{path}: this file exists already", remedy)


class Waiting:
    """A line on standard error, shown when something takes longer than a moment, and only to a person."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._shown = False
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Waiting:
        if sys.stderr.isatty():
            import asyncio

            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._show)
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Nobody waits any longer."""
        if self._timer is not None:
            self._timer.cancel()
        self._clear()

    def note(self, text: str) -> None:
        """A remark in a line of its own."""
        self._clear()
        click.echo(f"antbms: {text}", err=True)

    def _show(self) -> None:
        self._shown = True
        click.echo(self._text, nl=False, err=True)

    def _clear(self) -> None:
        if self._shown:
            click.echo(f"\r{' ' * len(self._text)}\r", nl=False, err=True)
        self._shown = False


@asynccontextmanager
async def opened(
    device: str,
    *,
    protocol: str | None,
    options: Mapping[str, str],
    record: Path | None = None,
    until_open: bool = False,
) -> AsyncIterator[Battery]:
    """An open battery. Remarks go to standard error, as does a line while we wait (`until_open`: only until then).

    `device` is an address, or a name of the configuration.
    """
    import antbms

    redact = _redact(record)
    known = look_up(device, protocol, options)
    with Waiting(f"{device}: waiting for an answer (Ctrl-C ends it)") as waiting:

        def manager(password: str | None = None) -> AbstractAsyncContextManager[Battery]:
            return antbms.open(
                known.address,
                protocol=known.protocol,
                options=known.options,
                name=known.name,
                record=record,
                redact=redact,
                on_note=waiting.note,
                password=password,
            )

        async with AsyncExitStack() as stack:
            try:
                battery = await stack.enter_async_context(manager())
            except PasswordNeeded as error:
                # What was recorded of the first attempt would be in the way.
                if record is not None or not asking.is_person():
                    raise
                waiting.end()
                password = await asking.password(error, device)
                battery = await stack.enter_async_context(manager(password))
            if until_open:
                waiting.end()
            yield battery


def _redact(record: Path | None) -> bool:
    """Whether `--redact` was given. Raises `UsageError` if there is no recording."""
    ctx = click.get_current_context(silent=True)
    given = bool(ctx and ctx.meta.get(REDACT))
    if given and record is None:
        raise UsageError("--redact: there is no recording", "Next: add --record FILE.")
    return given
