"""Switches and settings over Bluetooth LE, in 20 bytes a notification."""

from pathlib import Path

import pytest
from test_ble import BY_ADDRESS, PROTOCOLS, TIMING, run, setting

import antbms
from round_trip import quick, round_trip


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_round_trip(protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch, tmp_path)

    async def main() -> None:
        await setting(protocol=protocol)
        async with antbms.open(BY_ADDRESS, protocol=protocol, timing=TIMING) as battery:
            await round_trip(battery, tmp_path / "backup.toml")

    run(main())
