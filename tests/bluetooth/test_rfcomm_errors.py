"""Why `rfcomm:` could not be opened: each cause by what really raises it, and the tables for all platforms."""

import builtins
import logging
import re
import socket
import sys
from typing import get_args

import pytest

if sys.platform != "linux":
    pytest.skip("BlueZ is Linux only", allow_module_level=True)

import aio_rfcomm
from aio_rfcomm import Availability, errors, macos
from classic_radio import SERIAL_PORT
from classic_world import QUICK, World, address, opened, play
from fake_bluez import NO_BLUEZ, NOBODY, another_program, system_bus

import patience
from antbms.errors import OpenError
from antbms.transport import parse_address, rfcomm_errors
from antbms.transport.rfcomm import known_devices, open_rfcomm
from antbms.transport.rfcomm_errors import AlreadyOpen, Cause, NotPaired, cause_of, explain, lost

BATTERY = f"rfcomm:{address()}"


async def refused(**options: str) -> str:
    """The message and the hints of an opening that fails."""
    with pytest.raises(OpenError) as caught:
        await open_rfcomm(parse_address(BATTERY, options), QUICK)
    text = caught.value.text()
    assert text.startswith(f"{BATTERY}: ")
    assert caught.value.hints
    return text


def alone(rule: str = "") -> str:
    """As `refused`, on a bus without BlueZ."""
    with system_bus(rule):
        return patience.run(refused())


# ---- the battery


def test_not_paired() -> None:
    async def scene(world: World) -> None:
        await world.battery(known=False)
        text = await refused()
        assert "is not paired with this computer" in text
        assert f"scan on, pair {address()}, trust {address()}" in text

    play(scene)


def test_switched_off_or_out_of_range() -> None:
    async def scene(world: World) -> None:
        world.bluez.add(address(), services=[SERIAL_PORT])
        assert "the device does not answer" in await refused()

    play(scene)


def test_no_serial_port() -> None:
    async def scene(world: World) -> None:
        await world.battery(serial=False)
        text = await refused()
        assert "has no serial port service" in text
        assert f"ble:{address()}" in text

    play(scene)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Failed", "br-connection-unknown"),  # a PIN that was refused, of which BlueZ says no more
        ("Failed", "br-connection-refused"),
        ("BrConnectionKeyMissing", "BR/EDR Link Key missing"),
        ("AuthenticationFailed", "Authentication Failed"),
    ],
)
def test_a_pairing_that_is_not_valid(name: str, said: str) -> None:
    async def scene(world: World) -> None:
        world.bluez.add(address()).refusal = f"org.bluez.Error.{name}", said
        text = await refused()
        assert f"refused the connection, or its pairing is no longer valid ({said})" in text
        assert f"bluetoothctl remove {address()}" in text

    play(scene)


def test_an_error_without_a_name() -> None:
    async def scene(world: World) -> None:
        world.bluez.add(address()).refusal = "org.bluez.Error.Failed", "br-connection-memory-allocation"
        with pytest.raises(OpenError, match="cannot be opened: br-connection-memory-allocation"):
            await open_rfcomm(parse_address(BATTERY), QUICK)

    play(scene)


# ---- other users


def test_open_twice_in_one_program() -> None:
    async def scene(world: World) -> None:
        pipe = await opened(await world.battery(clients=2))
        assert "is open already in this program" in await refused()
        await pipe.close()

    play(scene)


def test_another_program_has_a_serial_port() -> None:
    async def scene(world: World) -> None:
        await world.battery()
        async with another_program(SERIAL_PORT):
            assert "another program on this computer has a Bluetooth serial port open" in await refused()

    play(scene)


def test_another_part_of_the_program_uses_the_library() -> None:
    async def scene(world: World) -> None:
        await world.battery()
        async with aio_rfcomm.open_bluetooth():
            assert "another thread or part of this program" in await refused()

    play(scene)


def test_bluez_is_busy_with_it() -> None:
    async def scene(world: World) -> None:
        world.bluez.add(address()).busy = True
        assert "in use by another program, or still being released" in await refused()

    play(scene)


# ---- the computer


def test_bluetooth_is_off() -> None:
    async def scene(world: World) -> None:
        await world.battery()
        await world.bluez.power(False)
        assert "Bluetooth is switched off\n  bluetoothctl power on" in await refused()
        world.bluez.adapter.state = "off-blocked"
        assert "rfkill unblock bluetooth" in await refused()
        world.bluez.adapter.state = "on"  # it was read while it was going off
        assert "Bluetooth is switched off" in await refused()

    play(scene)


def test_no_adapter() -> None:
    async def scene(world: World) -> None:
        await world.bluez.unplug()
        assert "this computer has no Bluetooth adapter" in await refused()
        with pytest.raises(OpenError, match="rfcomm: this computer has no Bluetooth adapter"):
            await known_devices(QUICK)

    play(scene)


def test_no_bluez() -> None:
    assert "the system's Bluetooth service is not running" in alone()


def test_a_user_without_permission(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(world: World) -> None:
        text = await refused()
        assert "no permission to use Bluetooth" in text
        assert "usermod -aG bluetooth" in text

    play(scene, NO_BLUEZ)
    assert caplog.records  # the library has more to say, but prints nothing where nobody configured logging
    assert logging.getLogger("aio_rfcomm").handlers


def test_a_user_whom_the_bus_does_not_want() -> None:
    assert "D-Bus, which leads to Bluetooth, cannot be reached" in alone(NOBODY)


def test_no_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/bus")
    text = patience.run(refused())
    assert "cannot be reached (could not reach the system bus: [Errno 2] No such file or directory)" in text
    assert "-v /run/dbus:/run/dbus" in text


def test_the_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aio_rfcomm", None)
    assert "pip install aio-rfcomm" in patience.run(refused())
    with pytest.raises(OpenError, match="support for classic Bluetooth is not installed"):
        patience.run(known_devices())


def test_a_channel_without_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_BLUETOOTH", raising=False)

    async def scene(world: World) -> None:
        await world.battery()
        assert "this Python cannot open a channel by its number" in await refused(channel="1")

    play(scene)


# ---- the tables


def failed(said: str, behind: Exception | None = None) -> Exception:
    error = errors.ConnectionFailedError(said)
    error.__cause__ = behind
    return error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (errors.BluetoothUnavailableError(Availability.NOT_ALLOWED), "permission"),
        (errors.BluetoothUnavailableError(Availability.AWAITING_PERMISSION), "permission"),
        (errors.BluetoothUnavailableError(Availability.SERVICE_UNAVAILABLE), "daemon"),
        (errors.BluetoothUnavailableError(Availability.UNSUPPORTED, "no Bluetooth backend for aix"), "unsupported"),
        (macos.MissingUsageDescriptionError("macOS ended the helper"), "permission"),
        (errors.UnsupportedOperationError("macOS holds one channel per device"), "busy"),
        (errors.ServiceNotFoundError("AA:BB:CC:DD:EE:01 refused channel 5."), "no channel"),
        (failed("could not reach it on channel 1: [WinError 10048] in use"), "busy"),
        (failed("could not reach it on channel 1: [Errno 16] Device or resource busy"), "busy"),
        (failed("could not reach it on channel 1: [Errno 13] Permission denied"), "refused"),
        (failed("could not reach it on channel 1: [Errno 113] No route to host"), "away"),
        (failed("could not open a channel: x", OSError("br-connection-aborted-by-remote")), "away"),
        (failed("could not open a channel: Adapter not powered", OSError("AdapterNotPowered")), "off"),
        (OSError(97, "Address family not supported by protocol"), "unsupported"),
        (TimeoutError(), "timeout"),
        (NotPaired(), "unpaired"),
        (AlreadyOpen(), "open"),
        (ValueError("a bug"), "other"),
    ],
)
def test_causes(error: Exception, cause: Cause) -> None:
    assert cause_of(error) == cause


@pytest.mark.parametrize("platform", ["linux", "win32", "darwin"])
@pytest.mark.parametrize("cause", get_args(Cause))
def test_every_cause_has_words_and_a_way_out(cause: Cause, platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rfcomm_errors, "cause_of", lambda _: cause)
    error = explain(BATTERY, address(), OSError("the detail"), 25.4, platform)
    elsewhere = cause in ("blocked", "no bus") and platform != "linux"
    assert error.hints or cause == "other" or elsewhere
    assert not re.search("[{}]", error.text())
    assert str(lost(BATTERY, OSError())).startswith(f"{BATTERY}: link lost: ")


def test_the_library_still_has_these_names() -> None:
    known = {*dir(errors), *dir(macos), *dir(builtins), *Availability.__members__, *dir(rfcomm_errors)}
    assert {name for name, _, _ in rfcomm_errors._CAUSES} <= known
