"""What a command that changes a battery asks its user: whether it is meant, and the battery's password."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from ..errors import PasswordNeeded, UsageError

if TYPE_CHECKING:
    from ..battery import Battery

T = TypeVar("T")

yes_option = click.option("--yes", is_flag=True, help="Do not ask; for scripts.")
dangerous_option = click.option("--dangerous", is_flag=True, help="Allow what can make the battery unsafe or unusable.")


def is_person() -> bool:
    """Whether somebody can answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def check_can_ask(yes: bool) -> None:
    """Raise `UsageError` if nobody can be asked, and nobody said yes: before a port is opened."""
    if not yes and not is_person():
        raise UsageError("this changes the battery, and there is no terminal to ask on", "Next: add --yes.")


async def confirm(question: str, yes: bool) -> None:
    """Ask whether to go on. Raises `click.Abort` if not."""
    if yes:
        return
    import asyncio

    # In a thread: Ctrl-C shall end the program at once, and the loop serve the link.
    await asyncio.to_thread(click.confirm, question, default=False, abort=True, err=True)


async def with_password(battery: Battery, work: Callable[[], Awaitable[T]]) -> T:
    """The result of `work`; if the battery wants a password for it, a person is asked for that, once, without echo.

    The first attempt was refused, so the battery is as it was.
    """
    try:
        return await work()
    except PasswordNeeded as error:
        if not is_person():
            raise
        await battery.login(await password(error, battery.name))
        return await work()


async def password(error: PasswordNeeded, name: str) -> str:
    """What a person answers, without echo, to a battery that wants a password."""
    import asyncio

    click.echo(f"antbms: {error}", err=True)
    given: str = await asyncio.to_thread(click.prompt, f"Password of {name}", hide_input=True, err=True, type=str)
    return given
