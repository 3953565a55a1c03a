"""Switches and settings of the simulated boards, which keep the rules of real ones, over serial ports and TCP."""

import sys
from pathlib import Path

import pytest
from battery_fakes import PROTOCOLS
from test_battery_serve import QUICK, server

import antbms
import patience
from round_trip import quick, round_trip

WHERE = "tcp" if sys.platform == "win32" else "pty"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_round_trip(protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch, tmp_path)

    async def main() -> None:
        async with (
            server(WHERE, protocol) as address,
            antbms.open(address, protocol=protocol, timing=QUICK) as battery,
        ):
            await round_trip(battery, tmp_path / "backup.toml")
        assert not list((tmp_path / "state" / "journal").iterdir())

    patience.run(main())
