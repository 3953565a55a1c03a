"""What a monitor without sinks does with readings: a line of JSON each."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ..model import Event


class Shown:
    """A sink that prints."""

    async def take(self, events: Sequence[Event]) -> None:
        for event in events:
            click.echo(event.to_json())

    async def close(self) -> None:
        """There is nothing to close."""
