"""A private system bus with a small BlueZ on it: adapter, devices, profiles, and `ConnectProfile` over a `HostRadio`.

It answers as BlueZ 5.85 does (src/device.c, src/profile.c, src/error.c), also where that surprises: connecting a
profile that is connected succeeds, and no socket comes.
"""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Annotated, Any
from unittest import mock

from classic_radio import HostRadio, NoService, PageTimeout
from dbus_fast import BusType, DBusError, Message
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusBool, DBusDict, DBusObjectPath, DBusSignature, DBusStr
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

ADAPTER = "/org/bluez/hci0"
READ = PropertyAccess.READ
Strings = Annotated[list[str], DBusSignature("as")]

_CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={folder}/bus</listen>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
    {rule}
  </policy>
</busconfig>"""

NO_BLUEZ = '<deny send_destination="org.bluez"/>'
"""As Debian's rules for users outside of the group `bluetooth` are."""
NOBODY = '<deny user="*"/>'


@contextmanager
def system_bus(rule: str = "") -> Iterator[subprocess.Popen[str]]:
    """A private system bus, for this process; `rule` is added to its policy. Yields the daemon."""
    with TemporaryDirectory(prefix="bus") as folder:  # not tmp_path: the path of a socket must be short
        configuration = Path(folder) / "bus.conf"
        configuration.write_text(_CONFIGURATION.format(folder=folder, rule=rule))
        command = ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--print-address"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as daemon:
            assert daemon.stdout is not None
            try:
                with mock.patch.dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=daemon.stdout.readline().strip()):
                    yield daemon
            finally:
                daemon.terminate()


class FakeBluez:
    """`org.bluez`, in `async with`."""

    def __init__(self, radio: HostRadio) -> None:
        self.radio = radio
        self.adapter = _Adapter()
        self.devices: dict[str, _Device] = {}
        self.profiles: dict[str, tuple[str, str]] = {}
        """UUID → who registered it, and the path to call there."""
        self._caller = ""

    async def __aenter__(self) -> "FakeBluez":
        self._bus = MessageBus(bus_type=BusType.SYSTEM, negotiate_unix_fd=True)
        await self._bus.connect()
        self._bus.add_message_handler(self._notice)
        await self._bus.call(_call("org.freedesktop.DBus", "AddMatch", "s", ["member='NameOwnerChanged'"]))
        self._bus.export("/org/bluez", _ProfileManager(self))
        self.plug_in()
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: object, trace: TracebackType | None) -> None:
        self._bus.disconnect()
        await self._bus.wait_for_disconnect()

    def add(self, address: str, name: str = "ANT-BMS", services: Sequence[str] = ()) -> "_Device":
        """Make a device known, as pairing does."""
        device = self.devices[address] = _Device(self, address, name, list(services))
        self._bus.export(_path(address), device)
        return device

    async def power(self, on: bool) -> None:
        self.adapter.powered = on
        if not on:
            await self.radio.hang_up()
        self.adapter.emit_properties_changed({"Powered": on, "PowerState": "on" if on else "off"})

    def block(self) -> None:
        self.adapter.powered = False
        self.adapter.state = "off-blocked"

    def plug_in(self) -> None:
        self._bus.export(ADAPTER, self.adapter)

    async def unplug(self) -> None:
        await self.radio.hang_up()
        self._bus.unexport(ADAPTER, self.adapter)

    async def start(self) -> None:
        await self._bus.request_name("org.bluez")

    async def stop(self) -> None:
        """The service ends, and with it all links."""
        await self._bus.release_name("org.bluez")
        await self.radio.hang_up()

    def register(self, uuid: str, path: str) -> None:
        if uuid in self.profiles:
            raise DBusError("org.bluez.Error.NotPermitted", "UUID already registered")
        self.profiles[uuid] = (self._caller, path)

    def unregister(self, path: str) -> None:
        self.profiles = {uuid: known for uuid, known in self.profiles.items() if known != (self._caller, path)}

    async def connect(self, device: "_Device", uuid: str) -> None:
        if device.busy:
            raise DBusError("org.bluez.Error.InProgress", "br-connection-busy")
        if not self.adapter.powered:
            raise DBusError("org.bluez.Error.AdapterNotPowered", "Adapter not powered")
        if self.radio.is_connected(device.address):
            return
        device.busy = True
        try:
            if device.refusal:
                raise DBusError(*device.refusal)
            end = await self.radio.open(device.address, uuid)
        except PageTimeout:
            raise DBusError("org.bluez.Error.Failed", "br-connection-page-timeout") from None
        except NoService:
            raise DBusError("org.bluez.Error.BREDR.ProfileUnavailable", "No more profiles to connect to") from None
        finally:
            device.busy = False
        with end:
            if uuid in self.profiles:  # else the program has given up meanwhile
                name, path = self.profiles[uuid]
                body = [_path(device.address), 0, {}]
                call = _call(name, "NewConnection", "oha{sv}", body, path, "org.bluez.Profile1")
                call.unix_fds = [end.fileno()]
                await self._bus.call(call)

    def _notice(self, message: Message) -> None:
        """Who calls a method is not told to the method itself; and what a program leaves behind is removed."""
        self._caller = message.sender or ""
        if message.member == "NameOwnerChanged" and not message.body[2]:
            gone = message.body[0]
            self.profiles = {uuid: known for uuid, known in self.profiles.items() if known[0] != gone}


@asynccontextmanager
async def another_program(uuid: str) -> AsyncIterator[None]:
    """A program that has registered the profile `uuid`."""
    bus = MessageBus(bus_type=BusType.SYSTEM, negotiate_unix_fd=True)
    await bus.connect()
    interface = "org.bluez.ProfileManager1"
    await bus.call(_call("org.bluez", "RegisterProfile", "osa{sv}", ["/other", uuid, {}], "/org/bluez", interface))
    try:
        yield
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()


def _path(address: str) -> str:
    return f"{ADAPTER}/dev_{address.replace(':', '_')}"


def _call(to: str, member: str, signature: str, body: list[Any], path: str = "", interface: str = "") -> Message:
    path = path or "/" + to.replace(".", "/")
    return Message(destination=to, path=path, interface=interface or to, member=member, signature=signature, body=body)


class _Adapter(ServiceInterface):
    def __init__(self) -> None:
        super().__init__("org.bluez.Adapter1")
        self.powered = True
        self.state = ""

    @dbus_property(access=READ)
    def Powered(self) -> DBusBool:
        return self.powered

    @dbus_property(access=READ)
    def PowerState(self) -> DBusStr:
        return self.state or ("on" if self.powered else "off")

    @dbus_property(access=READ)
    def Address(self) -> DBusStr:
        return "AA:BB:CC:DD:EE:EE"

    @dbus_property(access=READ)
    def Alias(self) -> DBusStr:
        return "garage"


class _Device(ServiceInterface):
    def __init__(self, bluez: FakeBluez, address: str, name: str, services: list[str]) -> None:
        super().__init__("org.bluez.Device1")
        self.address = address
        self.busy = False
        self.refusal: tuple[str, str] | None = None
        """The D-Bus error that connecting ends with: its name and text."""
        self._bluez = bluez
        self._name = name
        self._services = services

    @dbus_property(access=READ)
    def Adapter(self) -> DBusObjectPath:
        return ADAPTER

    @dbus_property(access=READ)
    def Address(self) -> DBusStr:
        return self.address

    @dbus_property(access=READ)
    def Alias(self) -> DBusStr:
        return self._name

    @dbus_property(access=READ)
    def UUIDs(self) -> Strings:
        return self._services

    @dbus_method()
    async def ConnectProfile(self, uuid: DBusStr) -> None:
        await self._bluez.connect(self, uuid)


class _ProfileManager(ServiceInterface):
    def __init__(self, bluez: FakeBluez) -> None:
        super().__init__("org.bluez.ProfileManager1")
        self._bluez = bluez

    @dbus_method()
    def RegisterProfile(self, profile: DBusObjectPath, uuid: DBusStr, options: DBusDict) -> None:
        self._bluez.register(uuid, profile)

    @dbus_method()
    def UnregisterProfile(self, profile: DBusObjectPath) -> None:
        self._bluez.unregister(profile)
