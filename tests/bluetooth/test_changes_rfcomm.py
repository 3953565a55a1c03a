"""Switches and settings over classic Bluetooth."""

import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("BlueZ is Linux only", allow_module_level=True)

from classic_world import PROTOCOLS, QUICK, World, play

import antbms
from round_trip import quick, round_trip


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_round_trip(protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch, tmp_path)

    async def scene(world: World) -> None:
        module = await world.battery(protocol)
        async with antbms.open(f"rfcomm:{module.address}", protocol=protocol, timing=QUICK) as battery:
            await round_trip(battery, tmp_path / "backup.toml")

    play(scene)
