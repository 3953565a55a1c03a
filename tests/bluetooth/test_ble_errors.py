"""Exceptions of bleak → causes → sentences and remedies, for each platform on any platform."""

import sys

import pytest
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)

import antbms
import patience
from antbms.errors import OpenError, UsageError
from antbms.transport import parse_address
from antbms.transport.ble import open_ble
from antbms.transport.ble_errors import (
    _CAUSES,
    _HINTS,
    _SENTENCES,
    AlreadyOpen,
    NoConnection,
    NoService,
    cause_of,
    explain,
    lost,
)
from antbms.transport.ble_scan import _own_address

PLATFORMS = ("linux", "win32", "darwin")
NAME = "ble:A5:C2:37:28:18:52"


def unavailable(reason: str) -> Exception:
    return BleakBluetoothNotAvailableError("whatever bleak says", BleakBluetoothNotAvailableReason[reason])


def dbus(name: str, said: str = "") -> Exception:
    return BleakDBusError(name, [said])


def behind(exc: Exception) -> Exception:
    """As an attempt to connect hands it on."""
    failure = NoConnection("is in reach (-71 dBm)")
    failure.__cause__ = exc
    return failure


@pytest.mark.parametrize(
    ("exc", "cause"),
    [
        (ModuleNotFoundError("No module named 'bleak'"), "library"),
        (unavailable("POWERED_OFF"), "off"),
        (unavailable("NO_BLUETOOTH"), "no adapter"),
        (unavailable("NO_BLE_CENTRAL_ROLE"), "classic only"),
        (unavailable("DENIED_BY_USER"), "permission"),
        (unavailable("DENIED_BY_SYSTEM"), "permission"),
        (unavailable("DENIED_BY_UNKNOWN"), "permission"),
        (unavailable("UNKNOWN"), "other"),
        (FileNotFoundError(2, "No such file or directory"), "no bus"),
        (ConnectionRefusedError(111, "Connection refused"), "no bus"),
        (PermissionError(13, "Permission denied"), "permission"),
        (dbus("org.freedesktop.DBus.Error.AccessDenied", "Rejected send message"), "permission"),
        (dbus("org.freedesktop.DBus.Error.ServiceUnknown", "The name org.bluez was not provided"), "daemon"),
        (dbus("org.bluez.Error.InProgress", "Operation already in progress"), "busy"),
        (dbus("org.bluez.Error.NotReady", "Resource Not Ready"), "off"),
        (BleakError("adapter 'hci7' not found"), "wrong adapter"),
        (BleakError("Bleak requires BlueZ >= 5.55."), "old"),
        (BleakError("Failed to start scanner. Is Bluetooth turned on?"), "off"),
        (TimeoutError(), "timeout"),
        (AlreadyOpen(), "open"),
        (NoService("1800, FFF0"), "no service"),
        (BleakGATTProtocolError(0x05), "pairing"),
        (BleakGATTProtocolError(0x0F), "pairing"),
        (dbus("org.bluez.Error.NotPermitted", "Not paired"), "pairing"),
        (behind(dbus("org.bluez.Error.AuthenticationFailed", "Authentication Failed")), "pairing"),
        (BleakError("Could not get GATT services: Access Denied"), "pairing"),
        (behind(BleakError("Could not get GATT services: Unreachable")), "refuses"),
        (behind(TimeoutError()), "refuses"),
        (behind(dbus("org.bluez.Error.Failed", "le-connection-abort-by-local")), "refuses"),
        (behind(dbus("org.bluez.Error.InProgress", "Operation already in progress")), "busy"),
        (behind(BleakDeviceNotFoundError("X", "Device X was not found. It may have been removed")), "away"),
        (ValueError("something new"), "other"),
    ],
    ids=str,
)
def test_causes(exc: Exception, cause: str) -> None:
    assert cause_of(exc) == cause
    for platform in PLATFORMS:
        error = explain(NAME, exc, 3.0, platform, "A5:C2:37:28:18:52")
        assert isinstance(error, OpenError)
        assert str(error).startswith(f"{NAME}: ")
        assert "{" not in error.text()


def test_words() -> None:
    assert str(explain(NAME, behind(TimeoutError()), 12.5, "linux")) == (
        f"{NAME}: is in reach (-71 dBm), but cannot be connected: it does not answer"
    )
    error = explain(NAME, BleakGATTProtocolError(0x05), 1.0, "linux", "A5:C2:37:28:18:52")
    assert str(error) == (
        f"{NAME}: the device wants to be paired first (GATT Protocol Error: Insufficient Authentication)"
    )
    assert error.hints == ("bluetoothctl   then: scan le, pair A5:C2:37:28:18:52, trust A5:C2:37:28:18:52",)
    assert "apt install" in explain(NAME, FileNotFoundError(2, "No such file"), 0.1, "linux").text()
    assert str(lost(NAME)) == f"{NAME}: link lost: the battery hung up, or is out of range"
    assert str(lost(NAME, BleakGATTProtocolError(0x08))).endswith("Insufficient Authorization")


def test_every_cause_has_words_and_every_platform_a_way_out() -> None:
    causes = {cause for _, _, cause in _CAUSES} | {"other"}
    assert causes == _SENTENCES.keys()
    for cause in causes - {"other"}:
        assert all((cause, platform) in _HINTS or (cause, "") in _HINTS for platform in PLATFORMS), cause


def test_without_bleak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bleak", None)
    with pytest.raises(OpenError, match="support for Bluetooth LE is not installed"):
        patience.run(open_ble(parse_address(NAME), antbms.Timing()))


@pytest.mark.skipif(sys.platform != "linux", reason="BlueZ")
def test_bluez_without_a_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real backend of the platform."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/bus")
    with pytest.raises(OpenError, match="D-Bus cannot be reached"):
        patience.run(open_ble(parse_address(NAME), antbms.Timing()))


def test_the_adapter_is_for_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(UsageError, match="on Linux only"):
        patience.run(open_ble(parse_address(f"{NAME}?adapter=hci1"), antbms.Timing()))


JBD = ["0000ff00-0000-1000-8000-00805f9b34fb"]


@pytest.mark.parametrize(
    ("identifier", "services", "manufacturer", "address"),
    [
        ("a5:c2:37:28:18:52", [], {}, "A5:C2:37:28:18:52"),
        ("5ED8B7D9-4F29-4E5C-9A6C-0B3C8E0F9A11", JBD, {0x1852: bytes.fromhex("2837C2A5")}, "A5:C2:37:28:18:52"),
        ("5ED8B7D9-4F29-4E5C-9A6C-0B3C8E0F9A11", JBD, {0x007B: bytes.fromhex("02FFFF7D")}, None),
        ("5ED8B7D9-4F29-4E5C-9A6C-0B3C8E0F9A11", JBD, {0x1852: b"88"}, None),
        ("5ED8B7D9-4F29-4E5C-9A6C-0B3C8E0F9A11", [], {0x1852: bytes.fromhex("2837C2A5")}, None),
    ],
)
def test_own_address(identifier: str, services: list[str], manufacturer: dict[int, bytes], address: str | None) -> None:
    """jbd.md 7: the example there."""
    data = AdvertisementData("x", manufacturer, {}, services, None, -60, ())
    assert _own_address(BLEDevice(identifier, "x", None).address, data) == address
