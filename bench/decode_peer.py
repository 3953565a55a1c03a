"""The peer's side of decode.py, run inside the judge environment: aiobmsble's ANT client without its Bluetooth.

What runs is its own code, unmodified: `_notification_handler` for each 20-byte piece (reassembly, length, checksum),
`_async_update` (decode), and what `async_update` adds to it (`_add_missing_values`). Only the request is replaced: it
hands over the pieces at once instead of writing to a characteristic and waiting for an event, so no event loop,
time-out or lock is measured. Logging is off, as by default.
"""

from __future__ import annotations

import json
import platform
from typing import Any

from aiobmsble import __version__  # type: ignore[import-not-found, unused-ignore]
from aiobmsble.bms.ant_bms import BMS  # type: ignore[import-not-found, unused-ignore]
from bleak.backends.device import BLEDevice  # type: ignore[import-not-found, unused-ignore]
from common import STATUS_14S, answers, microseconds, pieces


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
        "median_us_with_derived": microseconds(update),
        "voltage": sample["voltage"],
        "cells": sample["cell_voltages"],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
