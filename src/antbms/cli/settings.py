"""`antbms settings`: show, set, save and restore what a battery has stored."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import NoAnswer, UsageError
from .asking import check_can_ask, confirm, dangerous_option, with_password, yes_option
from .device import check_new, json_option, opened, options_option, protocol_option, record_option

if TYPE_CHECKING:
    from ..backup import Difference
    from ..battery import Battery
    from ..model import Outcome
    from ..model.events import Value
    from ..protocol.settings import Setting

EPILOG = """\b
Examples:
  antbms settings COM5 show
  antbms settings COM5 get cell_overvoltage
  antbms settings COM5 set cell_overvoltage=3.65V cell_overvoltage_recovery=3550mV
  antbms settings COM5 backup garage.toml
  antbms settings COM5 diff garage.toml
  antbms settings COM5 restore garage.toml --only temperature

Before anything is written, all is checked (limits, chemistry, each against the others) and shown as old and new, and a
backup is made. Then one setting after the other is written once and read back; at the end saved, and read back again.

JBD boards that do not know FA are put into their factory mode for reading, and taken out of it again. Writing zeroes
their protection counters. Exit status 3: refused, or not confirmed; what was written is said exactly.
"""


class _Given:
    """How to open the device."""

    def __init__(self, device: str, protocol: str | None, options: Mapping[str, str], record: Path | None) -> None:
        self.device = device
        self.protocol = protocol
        self.options = options
        self.record = record

    def run(self, work: Callable[[Battery], Coroutine[Any, Any, Any]]) -> Any:
        """The result of `work` with the open battery."""
        from .run import run

        check_new(self.record)
        return run(self._work(work))

    async def _work(self, work: Callable[[Battery], Coroutine[Any, Any, Any]]) -> Any:
        async with opened(
            self.device, protocol=self.protocol, options=self.options, record=self.record, until_open=True
        ) as battery:
            return await with_password(battery, lambda: work(battery))


F = TypeVar("F", bound=Callable[..., Any])


def _with_device(function: F) -> Callable[..., Any]:
    """The options of opening a device, which come as `given`, besides those of the subcommand itself."""

    def wrapped(
        device: str, /, protocol: str | None, options: dict[str, str], record: Path | None, **rest: Any
    ) -> None:
        function(_Given(device, protocol, options, record), **rest)

    update_wrapper(wrapped, function)
    return protocol_option(options_option(record_option(click.pass_obj(wrapped))))


@click.group(epilog=EPILOG)
@click.argument("device")
@click.pass_context
def command(ctx: click.Context, device: str) -> None:
    """Show, set, save and restore what a battery has stored."""
    ctx.obj = device


@command.command(name="show")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
@_with_device
def show(given: _Given, names: tuple[str, ...], as_json: bool) -> None:
    """Show all settings in groups, or those named."""
    rows, values = given.run(lambda battery: _read(battery, names or None))
    if as_json:
        _print_json(rows, values)
    else:
        _print_groups(rows, values)


@command.command(name="get")
@click.argument("name")
@_with_device
def get(given: _Given, name: str) -> None:
    """Print the value of one setting, without its unit; an empty line if the battery does not have it."""
    _, values = given.run(lambda battery: _read(battery, (name,)))
    value = values.get(name)
    click.echo("" if value is None else value)


@command.command(name="set")
@click.argument("pairs", nargs=-1, required=True, metavar="NAME=VALUE...")
@yes_option
@dangerous_option
@json_option
@_with_device
def set_(given: _Given, pairs: tuple[str, ...], yes: bool, dangerous: bool, as_json: bool) -> None:
    """Set values, with units: cell_overvoltage=3.65V or =3650mV. Raw values, masks and codes may be hexadecimal."""
    check_can_ask(yes)
    texts = _texts(pairs)
    given.run(lambda battery: _set(battery, texts, yes, dangerous, as_json))


@command.command(name="backup")
@click.argument("file", type=click.Path(path_type=Path))
@_with_device
def backup(given: _Given, file: Path) -> None:
    """Write all settings to a new file. Exit status 1 if the battery did not tell all of them."""
    from ..backup import save
    from ..protocol.settings import Danger

    check_new(file)
    made, rows = given.run(lambda battery: battery.settings.backup())
    save(file, made, rows)
    click.echo(f"{file}: {len(made.settings)} settings", err=True)
    writable = (Danger.PLAIN, Danger.DANGEROUS)
    missing = [
        row.name for row in rows.values() if row.usual and row.danger in writable and row.name not in made.settings
    ]
    if absent := [name for name in missing if name not in made.untold]:
        click.echo(f"not in the file, for this battery does not have it: {', '.join(absent)}", err=True)
    if made.untold:
        raise NoAnswer(
            f"{file}: not complete: the battery did not tell {', '.join(made.untold)}",
            "What it told is in the file. Next: the same command with another name.",
        )


@command.command(name="diff")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@_with_device
def diff(given: _Given, file: Path, as_json: bool) -> None:
    """Compare a backup with the battery: value now → value of the backup."""
    from ..backup import differences, left_out, load

    saved = load(file)

    async def work(battery: Battery) -> tuple[list[Difference], Mapping[str, str]]:
        rows, values = await _read(battery, None, complete=True)
        return differences(saved, rows, values), left_out(saved, rows, values, battery.settings.untold)

    found, missing = given.run(work)
    for name, why in missing.items():
        click.echo(f"not compared: {name}: {why}", err=True)
    if as_json:
        _print_lines([{"name": item.row.name, "now": item.now, "saved": item.saved} for item in found])
        return
    for item in found:
        click.echo(item.text)
    if not found:
        click.echo("no differences", err=True)


@command.command(name="restore")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--only", metavar="GROUP", help="Only the settings of this group, such as temperature.")
@click.option("--force", is_flag=True, help="Even if the backup is of another model or number of cells.")
@yes_option
@dangerous_option
@json_option
@_with_device
def restore(
    given: _Given, file: Path, only: str | None, force: bool, yes: bool, dangerous: bool, as_json: bool
) -> None:
    """Write the values of a backup that differ. What would change is shown first."""
    from ..backup import load

    check_can_ask(yes)
    saved = load(file)

    async def work(battery: Battery) -> None:
        from ..backup import check_same, differences, left_out, to_restore, why_not
        from ..planning import not_told

        if not force:
            check_same(file, saved, await battery.info())
        rows, values = await _read(battery, None, complete=True)
        if only is not None and only not in (groups := dict.fromkeys(row.group for row in rows.values())):
            raise UsageError(f"no group is called {only!r}", f"There are: {', '.join(groups)}.")
        if not values:
            raise NoAnswer(f"{battery.name}: the battery told no settings: nothing was restored")
        found = differences(saved, rows, values)
        denied = battery.settings.denied
        untold = {
            name: why
            for name, why in battery.settings.untold.items()
            if name in saved.settings and only in (None, rows[name].group) and not why_not(rows[name], dangerous=True)
            if name not in denied or not dangerous
        }
        if untold:
            error = not_told(battery.name, untold, "nothing was restored", denied)
            if denied.issuperset(untold):
                error.hints = (*error.hints, "If the rest is meant to be restored without it: --dangerous.")
            raise error
        for name, why in left_out(saved, rows, values, battery.settings.untold).items():
            if only is None or name not in rows or rows[name].group == only:
                click.echo(f"not restored: {name}: {why}", err=True)
        for item in found:
            if (reason := why_not(item.row, dangerous=dangerous)) and only in (None, item.row.group):
                click.echo(f"not restored: {item.text} ({reason})", err=True)
        wanted = to_restore(found, only=only, dangerous=dangerous)
        await _write(battery, wanted, yes, dangerous, as_json)

    given.run(work)


async def _read(
    battery: Battery, names: Sequence[str] | None, *, complete: bool = False
) -> tuple[Mapping[str, Setting], dict[str, Value]]:
    rows = await battery.settings.rows()
    return rows, await battery.settings.read(names, complete=complete)


async def _set(battery: Battery, texts: Mapping[str, str], yes: bool, dangerous: bool, as_json: bool) -> None:
    from ..protocol.settings import parse_value

    rows = await battery.settings.rows()
    values = {name: parse_value(rows[name], text) if name in rows else text for name, text in texts.items()}
    await _write(battery, values, yes, dangerous, as_json)


async def _write(battery: Battery, values: Mapping[str, Value], yes: bool, dangerous: bool, as_json: bool) -> None:
    """Show what would change, ask, and write it."""
    planned = await battery.settings.check(values, dangerous=dangerous)
    for outcome in planned:
        click.echo(outcome.text, err=True)
    if not planned and not battery.settings.unsaved:
        click.echo("nothing to change", err=True)
        return
    if battery.protocol == "jbd":
        click.echo("The board will zero its protection counters.", err=True)
    question = "Write it?" if planned else "Nothing to change. Save what an earlier run wrote?"
    await confirm(f"Write {len(planned)} settings?" if len(planned) > 1 else question, yes)

    def told(outcome: Outcome) -> None:
        if not as_json:
            click.echo(f"{outcome.text}: written and read back")

    outcomes = await battery.settings.write(
        {outcome.what: outcome.wanted for outcome in planned}, dangerous=dangerous, on_outcome=told
    )
    if as_json:
        _print_lines(outcomes)
    else:
        click.echo("saved, and read back again", err=True)


def _texts(pairs: Sequence[str]) -> dict[str, str]:
    """Name → text of its value. Raises `UsageError` for what is no pair, and for a name that stands twice."""
    texts: dict[str, str] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        name = name.strip()
        if not sign or not name:
            raise UsageError(f"{pair!r} is not of the form NAME=VALUE")
        if name in texts:
            raise UsageError(f"{name} stands there twice: {texts[name]} and {value}", "Next: give it once.")
        texts[name] = value
    return texts


def _print_groups(rows: Mapping[str, Setting], values: Mapping[str, Value]) -> None:
    from ..protocol.settings import Danger, by_group, format_value

    width = max((len(name) for name in values), default=0)
    group = ""
    for row in by_group({name: rows[name] for name in values}):
        name, value = row.name, values[row.name]
        if row.group != group:
            click.echo(f"{'' if not group else chr(10)}{click.style(row.group.capitalize(), bold=True)}")
            group = row.group
        mark = f"  ({row.danger.value})" if row.danger is not Danger.PLAIN else ""
        shown = format_value(row, value)
        click.echo(f"  {name:<{width}}  {shown:<12}  {click.style(row.label + mark, dim=True)}")


def _print_json(rows: Mapping[str, Setting], values: Mapping[str, Value]) -> None:
    _print_lines(
        [
            {
                "name": name,
                "label": rows[name].label,
                "value": value,
                "unit": rows[name].unit,
                "group": rows[name].group,
                "danger": rows[name].danger.value,
            }
            for name, value in values.items()
        ]
    )


def _print_lines(records: Sequence[Any]) -> None:
    from msgspec.json import encode

    for record in records:
        click.echo(encode(record).decode())
