"""`antbms release`: a running monitor takes up again a battery that was paused."""

from __future__ import annotations

from pathlib import Path

import click

from .pause import config_option, release


@click.command(epilog="\b\nExample:\n  antbms release garage")
@click.argument("name")
@config_option
def command(name: str, path: Path | None) -> None:
    """End a pause: the monitor takes the battery up again at once.

    NAME is what `antbms pause` takes.
    """
    release(name, path)
