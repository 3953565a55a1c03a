"""The tables of the simulator's page are those of the code."""

import re

from antbms.sim.load import LOADS
from antbms.sim.scenarios import SCENARIOS
from antbms.transport.address import SCHEMES
from conftest import ROOT

PAGE = (ROOT / "docs" / "simulator.md").read_text("utf-8")


def table(head: str) -> dict[str, str]:
    """The rows below the head of a table: first cell without its marks → second cell."""
    _, _, rest = PAGE.partition(f"| {head} |")
    rows = rest.split("\n\n")[0].splitlines()[2:]
    return {re.sub(r"[`*]", "", first.strip()): second.strip() for _, first, second, _ in (r.split("|") for r in rows)}


def test_loads() -> None:
    assert table("`load=` | what it is") == LOADS


def test_scenarios() -> None:
    assert table("`scenario=` | what happens") == {row.name: row.text for row in SCENARIOS.values()}


def test_options() -> None:
    assert {key.partition("=")[0] for key in table("option | meaning")} == SCHEMES["sim"].options
