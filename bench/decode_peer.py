"""The peer's side of decode.py, run inside the judge environment: aiobmsble's ANT client without its Bluetooth.

What runs is its own code, unmodified, three times:
- as it is offered: `async_update()` on an event loop; a stand-in for bleak's client hands over the pieces when the
  request is written.
- bare: `_notification_handler` for each piece (reassembly, length, checksum) and `_async_update` (decode), with the
  waiting taken out, which the peer itself cannot do;
- bare, with what `async_update` adds (`_add_missing_values`).
Logging is off, as by default.
"""

from __future__ import annotations

import asyncio
import json
import platform
import statistics
import time
from collections.abc import Sequence
from typing import Any

from aiobmsble import __version__  # type: ignore[import-not-found, unused-ignore]
from aiobmsble.bms.ant_bms import BMS  # type: ignore[import-not-found, unused-ignore]
from bleak.backends.device import BLEDevice  # type: ignore[import-not-found, unused-ignore]
from common import STATUS_14S, answers, microseconds, pieces


class StandIn:
    """What the peer asks of bleak's client once it is connected."""

    is_connected = True

    def __init__(self, client: Any, chunks: Sequence[bytes | bytearray]) -> None:
        self.client, self.chunks, self.services = client, chunks, self

    def get_characteristic(self, _uuid: object) -> None:
        return None

    async def write_gatt_char(self, *_args: object, **_options: object) -> None:
        for chunk in self.chunks:
            self.client._notification_handler(None, chunk)


async def offered(chunks: Sequence[bytes | bytearray], repeats: int = 15, number: int = 200) -> float:
    """Median µs of one `async_update()`."""
    client: Any = BMS(BLEDevice("AA:BB:CC:DD:EE:FF", "ANT-BLE24", {"path": "/none"}))
    client._client = StandIn(client, chunks)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        for _ in range(number):
            await client.async_update()
        times.append((time.perf_counter() - start) / number * 1e6)
    return statistics.median(times[1:])


def main() -> None:
    client: Any = BMS(BLEDevice("AA:BB:CC:DD:EE:FF", "ANT-BLE24", {"path": "/none"}))
    chunks = pieces(answers(STATUS_14S)[0])

    async def answer_at_once(_request: bytes) -> None:
        client._msg = b""
        for chunk in chunks:
            client._notification_handler(None, chunk)

    client._await_msg = answer_at_once

    def decode() -> dict[str, Any]:
        try:
            client._async_update().send(None)
        except StopIteration as done:
            sample: dict[str, Any] = done.value
            return sample
        raise RuntimeError("the peer waited for something")

    def update() -> dict[str, Any]:
        sample = decode()
        client._add_missing_values(sample, client._raw_values())
        return sample

    sample = update()
    result = {
        "who": f"aiobmsble {__version__}",
        "python": platform.python_version(),
        "median_us": microseconds(decode),
        "median_us_offered": asyncio.run(offered(chunks)),
        "median_us_with_derived": microseconds(update),
        "voltage": sample["voltage"],
        "cells": sample["cell_voltages"],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
