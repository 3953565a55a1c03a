"""Reading over virtual Bluetooth LE: what `Battery.read` costs against the bare exchange with bleak, in the same run.

`python bench/ble.py`. Each talks to a simulated battery through bleak and bumble (`tests/bluetooth/ble_radio.py`), by
turns, without delays: so nothing is measured but work. The bare exchange writes the request and waits until as many
bytes have come as the answer has; it neither checks nor decodes them. Needs the extra `test`.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from common import REPO

sys.path.insert(0, str(REPO / "tests" / "bluetooth"))

from ble_radio import BATTERY, Air, Battery, jbd_battery, radio
from bleak import BleakClient, BleakScanner

import antbms
from antbms.protocol import dialect
from antbms.sim import make_device
from antbms.transport.ble_scan import RADIO
from antbms.transport.gatt import find_channel

TARGET = 1.3
OTHER = "A5:C2:37:28:18:53"
NO_PAUSES = antbms.Timing(monotonic=lambda: time.perf_counter() * 1e6)
"""A clock so fast that the pauses between requests, which real boards need, are over when they begin."""


class Bare:
    """What a script for one board would do."""

    def __init__(self, client: BleakClient, protocol: str) -> None:
        channel = find_channel(client.services)
        assert channel
        self.client, self.channel = client, channel
        # The first alternative of ant-legacy is the one for Bluetooth.
        self.requests = [step[0].raw for step in dialect(protocol).STATUS]
        self.lengths: list[int] = []
        self._received = bytearray()
        self._wanted = sys.maxsize
        self._complete = asyncio.Event()

    async def start(self) -> None:
        """Subscribe, and learn how long the answers are."""
        await self.client.start_notify(self.channel.notify, self._on_notification)
        for request in self.requests:
            await self._exchange(request, sys.maxsize, patience=0.2)
            self.lengths.append(len(self._received))

    async def read(self) -> None:
        for request, length in zip(self.requests, self.lengths, strict=True):
            await self._exchange(request, length, patience=2)

    async def _exchange(self, request: bytes, length: int, patience: float) -> None:
        self._received.clear()
        self._complete.clear()
        self._wanted = length
        await self.client.write_gatt_char(self.channel.write, request, response=False)
        try:
            async with asyncio.timeout(patience):
                await self._complete.wait()
        except TimeoutError:
            assert length == sys.maxsize

    def _on_notification(self, _: object, data: bytearray) -> None:
        self._received += data
        if len(self._received) >= self._wanted:
            self._complete.set()


async def measure(protocol: str, rounds: int, mtu: int) -> tuple[float, float]:
    """Medians in seconds: ours, bare."""
    air = Air()
    ours = await radio(air, mtu)
    assert ours.scanner
    RADIO.set(ours)
    for address in (BATTERY, OTHER):
        battery = jbd_battery(air) if protocol == "jbd" else Battery(air, make_device(protocol))
        await replace(battery, address=address, piece=mtu - 3, delay=0.0).start()
    device = await BleakScanner.find_device_by_address(OTHER, backend=ours.scanner)
    assert device
    async with (
        BleakClient(device, backend=ours.client) as client,
        antbms.open(f"ble:{BATTERY}", protocol=protocol, timing=NO_PAUSES) as found,
    ):
        bare = Bare(client, protocol)
        await bare.start()
        times: tuple[list[float], list[float]] = [], []
        for _ in range(rounds + 20):
            for one, work in enumerate((found.read, bare.read)):
                start = time.perf_counter()
                await work()
                times[one].append(time.perf_counter() - start)
                await asyncio.sleep(0.002)
        assert found.stats.rejected == {}
    read, exchange = (statistics.median(series[20:]) for series in times)
    return read, exchange


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args(arguments).rounds
    for protocol in ("ant", "ant-legacy", "jbd"):
        for mtu in (23, 247):
            ours, bare = asyncio.run(measure(protocol, rounds, mtu))
            print(
                f"{protocol:<10} MTU {mtu:>3}: read {ours * 1e3:5.2f} ms, bare {bare * 1e3:5.2f} ms = "
                f"{ours / bare:.2f} times (target: at most {TARGET:g}: {'met' if ours <= TARGET * bare else 'MISSED'})"
            )


if __name__ == "__main__":
    main()
