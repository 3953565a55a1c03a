"""`antbms sim`: a simulated battery that other programs can open."""

from __future__ import annotations

import click

from ..errors import UsageError
from .device import PROTOCOLS, options_option

EPILOG = """\b
Examples:
  antbms sim --pty                       a serial port, such as /dev/pts/5 (Linux, macOS)
  antbms sim jbd --tcp 7000              socket://127.0.0.1:7000
  antbms sim --tcp 0                     a free port
  antbms sim -o cells=8 -o soc=20 --tcp 7000

The address is printed on standard output, in one line. For antbms itself no server is needed: antbms read sim:
"""


@click.command(epilog=EPILOG)
@click.argument("protocol", type=click.Choice(PROTOCOLS), default="ant", metavar="[PROTOCOL]")
@click.option("--pty", is_flag=True, help="Make a pseudo-terminal, which programs open like a serial port.")
@click.option(
    "--tcp",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Listen on this TCP port of this computer; 0: a free one.",
)
@options_option
def command(protocol: str, pty: bool, tcp: int | None, options: dict[str, str]) -> None:
    """Offer a simulated battery to other programs, until Ctrl-C.

    PROTOCOL is ant (if not given), ant-legacy or jbd. Options of the battery: cells, capacity (Ah), soc (%), seed.
    """
    from ..serve import serve
    from ..sim import make_device
    from .run import run

    if pty == (tcp is not None):
        raise UsageError("sim: give either --pty or --tcp PORT", "Next: antbms sim --tcp 7000")
    run(serve(make_device(protocol, options), pty=pty, port=tcp, on_ready=_tell))


def _tell(address: str) -> None:
    click.echo(address)
    click.echo(f"antbms: try: antbms read {address}\nantbms: Ctrl-C ends it", err=True)
