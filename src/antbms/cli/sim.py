"""`antbms sim`: a simulated battery that other programs can open."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import UsageError
from .device import PROTOCOLS, options_option

EPILOG = """\b
Examples:
  antbms sim --pty                       a serial port, such as /dev/pts/5 (Linux, macOS)
  antbms sim jbd --tcp 7000              socket://127.0.0.1:7000
  antbms sim --tcp 0                     a free port
  antbms sim ant jbd --tcp 7000          two batteries, on ports 7000 and 7001
  antbms sim --tcp 7000 --count 3        three of a kind, each with other cells
  antbms sim -o cells=8 -o soc=20 --tcp 7000
  antbms sim -o model=24BHUB -o scenario=imbalance --pty
  antbms sim -o faults=loss:0.05,delay:0.3 --tcp 7000

The addresses are printed on standard output, one a line. For antbms itself no server is needed: antbms read sim:
"""


class Listed(click.Command):
    """A command whose help ends with what the tables of the simulator offer; nothing else imports them."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from ..sim.faults import FAULTS
        from ..sim.load import LOADS
        from ..sim.scenarios import SCENARIOS

        super().format_epilog(ctx, formatter)
        for title, rows in (
            ("What is connected, -o load=NAME", LOADS),
            ("What is wrong, -o scenario=NAME,NAME", {row.name: row.text for row in SCENARIOS.values()}),
            ("What goes wrong on the way, -o faults=NAME:NUMBER", {name: row.says for name, row in FAULTS.items()}),
        ):
            with formatter.section(title):
                formatter.write_dl(list(rows.items()))


@click.command(cls=Listed, epilog=EPILOG)
@click.argument("protocols", type=click.Choice(PROTOCOLS), nargs=-1, metavar="[PROTOCOL]...")
@click.option("--pty", is_flag=True, help="Make a pseudo-terminal, which programs open like a serial port.")
@click.option(
    "--tcp",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Listen on this TCP port of this computer, and on those after it for more batteries; 0: free ones.",
)
@click.option("--count", type=click.IntRange(1, 1000), default=1, metavar="N", help="So many batteries of each kind.")
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write all traffic into this new file, as `antbms record` does. For one battery.",
)
@options_option
def command(
    protocols: tuple[str, ...], pty: bool, tcp: int | None, count: int, record: Path | None, options: dict[str, str]
) -> None:
    """Offer a simulated battery to other programs, or several, until Ctrl-C.

    PROTOCOL is ant (if not given), ant-legacy or jbd. Options of the battery: cells, capacity (Ah), soc (%), seed,
    speed (1 is real time), load, scenario, model and faults, all told in docs/simulator.md.
    """
    from ..serve import serve
    from ..sim import make_device
    from .run import run

    if pty == (tcp is not None):
        raise UsageError("sim: give either --pty or --tcp PORT", "Next: antbms sim --tcp 7000")
    first = int(options.get("seed", "1")) if options.get("seed", "1").isdecimal() else None
    devices = []
    for number, protocol in enumerate([name for name in protocols or ("ant",) for _ in range(count)]):
        own = {"seed": str(first + number)} if first is not None and number else {}
        devices.append(make_device(protocol, options | own))
    if tcp and tcp + len(devices) - 1 > 65535:
        raise UsageError(f"sim: there are no {len(devices)} ports from {tcp}", "Next: antbms sim --tcp 7000")
    run(serve(devices, pty=pty, port=tcp, on_ready=_tell, record=record))


def _tell(address: str) -> None:
    click.echo(address)
    click.echo(f"antbms: try: antbms read {address}\nantbms: Ctrl-C ends it", err=True)
