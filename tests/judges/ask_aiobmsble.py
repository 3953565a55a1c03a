"""Run inside the judges' environment: aiobmsble, as it is sold, reads simulated batteries over virtual Bluetooth.

Argument: a JSON list of [protocol, options]. Prints a JSON list of what it read: `sample` is that of `async_update()`,
`info` that of `device_info()`. Only the radio below bleak is ours.
"""

import json
import sys
from functools import partial
from importlib import import_module
from typing import Any

import aiobmsble
from aiobmsble import basebms
from ble_radio import ANT, JBD, Air, Battery, radio
from bleak import BleakClient
from bleak.backends.device import BLEDevice

import patience
from antbms.sim import Device, make_device

MODULES = {"ant": "ant_bms", "ant-legacy": "ant_leg_bms", "jbd": "jbd_bms"}


def standing(device: Device) -> Device:
    """A battery at one moment: nothing moves, so that what is read can be compared with it."""
    device.speed = 0.0
    return device


async def ask(protocol: str, options: dict[str, str]) -> dict[str, Any]:
    air = Air()
    device = standing(make_device(protocol, options))
    battery = await Battery(air, device, profile=JBD if protocol == "jbd" else ANT, delay=0.0).start()
    basebms.BleakClient = partial(BleakClient, backend=(await radio(air)).client)
    bms = import_module(f"aiobmsble.bms.{MODULES[protocol]}").BMS(BLEDevice(battery.address, battery.name, None))
    sample, info = await bms.async_update(), await bms.device_info()
    await bms.disconnect()
    return {"sample": sample, "info": info}


async def main() -> None:
    batteries = json.loads(sys.argv[1])
    found = [await ask(protocol, options) for protocol, options in batteries]
    json.dump({"version": aiobmsble.__version__, "read": found}, sys.stdout, default=lambda sensor: sensor.value)


patience.run(main())
