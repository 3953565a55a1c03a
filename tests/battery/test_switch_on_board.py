"""The client's switches on boards that keep the real rules, and on boards that do not do what they say."""

from unittest import mock

import pytest
from battery_fakes import PROTOCOLS

import antbms
from antbms.errors import Refused, Unconfirmed
from antbms.sim import Device, make_device
from virtual_time import run, timing


async def switch_off(device: Device, password: str | None = None) -> None:
    protocol = device.personality.protocol
    with mock.patch("antbms.transport.sim.make_device", return_value=device):
        async with antbms.open(f"sim:{protocol}", protocol=protocol, timing=timing(), password=password) as battery:
            assert (await battery.switch("charge", False)).confirmed


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("faults", ["", "mute:1", "slow:5", "delay:0.5", "stale:0.5"])
def test_confirmed_means_done(protocol: str, faults: str) -> None:
    device = make_device(protocol, {"faults": faults})
    run(switch_off(device))
    assert not device.plant.asked("charge")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("faults", "error"), [("lie", Unconfirmed), ("slow:30", Unconfirmed), ("refuse", Refused)])
def test_what_is_not_done_is_not_confirmed(protocol: str, faults: str, error: type[Exception]) -> None:
    device = make_device(protocol, {"faults": faults})
    with pytest.raises(error):
        run(switch_off(device))
    assert device.plant.asked("charge")


@pytest.mark.parametrize(
    ("protocol", "model", "password"), [("ant", "24CBUB", "123456789abc"), ("ant-legacy", "ANT24C", "12345678")]
)
def test_a_board_that_wants_a_password(protocol: str, model: str, password: str) -> None:
    device = make_device(protocol, {"model": model})
    with pytest.raises(Refused):
        run(switch_off(device))
    assert device.plant.asked("charge")
    run(switch_off(device, password))
    assert not device.plant.asked("charge")
