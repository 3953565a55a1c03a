"""`antbms doctor`: what works here, what does not, and how to help it."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from .device import check_new, json_option, look_up, options_option, protocol_option, record_file_option
from .progress import Progress
from .screen import can_show

if TYPE_CHECKING:
    from ..doctor import Outcome, Report, Step

EPILOG = """\b
Examples:
  antbms doctor                           this computer: Bluetooth, ports, permissions, versions
  antbms doctor ble:ANT-BLE16ZMUB         and a battery, step by step
  antbms doctor COM5 --redact             for a report that others may read
  antbms doctor sim:                      how it looks when all is well

It stops at the first step that fails, and says the cause and the way out. Nothing is changed, in the battery or here.
Passwords never appear. The exit status is 0 if all is well, else that of the error.
"""
Hide = Callable[[str, Iterable[str]], str]

MARKS: dict[Outcome, tuple[str, str, str]] = {
    "ok": ("✓", "ok", "green"),
    "failed": ("✗", "FAILED", "red"),
    "skipped": ("–", "-", "yellow"),
}
"""A sign, the same in plain letters, and a colour."""
LABEL = 18
WIDEST = 100


@click.command(epilog=EPILOG)
@click.argument("device", required=False)
@protocol_option
@options_option
@click.option("--redact", is_flag=True, help="Leave out addresses, names, serial numbers and who you are.")
@record_file_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    device: str | None,
    protocol: str | None,
    options: dict[str, str],
    redact: bool,
    record: Path | None,
    as_json: bool,
) -> None:
    """Say what works and what does not, and how to help it.

    Without DEVICE it looks at this computer only.
    """
    from ..doctor import Report
    from .run import run

    if record is not None and device is None:
        raise UsageError("doctor: --record needs a DEVICE", "Next: antbms scan   lists them.")
    check_new(record)
    steps: list[Step] = []
    with Progress() as progress:
        hide = _hider(redact)

        def end(step: Step) -> None:
            progress.clear()
            _hide(step, hide)
            if not as_json and (not steps or steps[-1].part != step.part):
                click.secho("\n" * bool(steps) + step.part, bold=True)
            click.echo(_record(step) if as_json else "\n".join(_lines(step)))
            steps.append(step)

        report = Report(progress, end)
        run(_examine(report, device, protocol, options, record, redact))
    if not as_json:
        failed = ", ".join(step.name for step in steps if step.outcome == "failed")
        click.secho(f"\nFailed: {failed}." if failed else "\nAll is well.", bold=True)
    ctx.exit(report.failure.status if report.failure else 0)


async def _examine(
    report: Report,
    device: str | None,
    protocol: str | None,
    options: Mapping[str, str],
    record: Path | None,
    redact: bool,
) -> None:
    from ..doctor.computer import examine
    from ..doctor.device import diagnose
    from ..timing import DEFAULT
    from ..transport import parse_address

    if device is not None:
        device, protocol, options, _ = look_up(device, protocol, options)
    try:
        where = parse_address(device, options) if device is not None else None
    except UsageError:  # the first step tells it
        where = None
    if where is not None or device is None:
        await examine(report, DEFAULT, where)
    if device is not None and report.failure is None:
        await diagnose(report, device, protocol, options, DEFAULT, record=record, redact=redact)


def _hider(redact: bool) -> Hide:
    """What blanks a text."""
    if not redact:
        return lambda text, private: text
    from ..doctor.redact import Redactor

    return Redactor()


def _hide(step: Step, hide: Hide) -> None:
    step.part, step.name, step.text = (hide(text, step.private) for text in (step.part, step.name, step.text))
    step.hints = tuple(hide(hint, step.private) for hint in step.hints)


def _record(step: Step) -> str:
    from msgspec.json import encode

    return encode(
        {"part": step.part, "step": step.name, "outcome": step.outcome, "text": step.text, "hints": step.hints}
    ).decode()


def _lines(step: Step) -> Iterator[str]:
    """A mark, what was looked at, and what came out; hints below it."""
    sign, plain, colour = MARKS[step.outcome]
    mark = sign if can_show(sign) else f"{plain:<6}"
    margin = " " * (len(mark) + 2 + LABEL + 1)
    lines = _wrapped(step.text, margin) or [""]
    name = click.style(f"{step.name:<{LABEL}}", dim=step.outcome == "skipped")
    yield f" {click.style(mark, fg=colour, bold=True)} {name} {lines[0]}".rstrip()
    for line in (*lines[1:], *(line for hint in step.hints for line in _wrapped(hint, f"{margin}  "))):
        yield f"{margin}{line}"


def _wrapped(text: str, margin: str) -> list[str]:
    """Lines that fit beside the margin; where nobody looks, one line, for it may be a command to copy."""
    if not sys.stdout.isatty():
        return [text]
    room = min(shutil.get_terminal_size().columns, WIDEST) - len(margin)
    return textwrap.wrap(text, max(room, 20), break_long_words=False, break_on_hyphens=False)
