"""Several Bluetooth LE devices on one adapter: connecting takes fair turns, whatever the others do."""

import asyncio
from random import Random
from typing import Any

from battery_fakes import Line
from watch_world import World, worlds

import antbms
from antbms import Snapshot
from antbms.errors import OpenError
from antbms.transport.ble_scan import turn
from virtual_time import now, run, timing

SCAN = 10.0
"""s that listening for a device which is away takes, as `ble_scan.find` does."""
AWAY = 4


class Radio(World):
    """Opened as `ble.open_ble` does: with the turn of the adapter in hand."""

    async def open_pipe(self, where: Any, *rest: Any, **more: Any) -> Line:
        async with turn():
            if self.state == "refused":
                self.opened.append(now())
                await asyncio.sleep(SCAN)
                raise OpenError(f"{where.text}: not found in {SCAN:.0f} s")
            return await super().open_pipe(where, *rest, **more)


def test_a_device_that_comes_back_waits_for_each_other_one_at_most_once() -> None:
    present = Radio()
    away = {f"COM{number}": Radio() for number in range(AWAY)}
    for one in away.values():
        one.become("refused")
    gaps: list[float] = []

    async def follow(name: str, seed: int) -> None:
        last = now()
        async for event in antbms.watch(name, 1.0, protocol="ant", timing=timing(), chance=Random(seed)):
            if isinstance(event, Snapshot):
                gaps.append(now() - last)
                last = now()

    async def main() -> None:
        tasks = [asyncio.create_task(follow(name, seed)) for seed, name in enumerate(["COM9", *away])]
        for _ in range(40):
            await asyncio.sleep(61.7)
            present.become("lost")
            present.become("well")
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    with worlds(COM9=present, **away):
        run(main())
    assert len(gaps) > 2000  # most of the time it is read: a turn that lasted would starve it
    assert max(gaps) < AWAY * SCAN + 3
    tried = [len(one.opened) for one in away.values()]
    assert min(tried) > 0.8 * max(tried)  # nor does one of the others get less than its share


def test_adapters_have_turns_of_their_own() -> None:
    async def main() -> None:
        async with turn("hci1"):
            async with turn():
                assert turn("hci0").locked()
            assert not turn("hci0").locked()
            assert turn("hci1").locked()

    run(main())
