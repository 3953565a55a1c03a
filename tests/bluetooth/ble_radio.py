"""Bluetooth LE in this process: batteries that advertise and answer, and a computer's radio for bleak.

Google's bumble carries it from the controllers up: advertising, connections, ATT and GATT. The brain of a battery is
`antbms.sim`. `radio` makes the backends that go under the public `BleakClient`, `BleakScanner` and `BleakAdapter`; they
behave as those of the platforms do, also where that surprises: a client that disconnects is told that it lost the link.
"""

import asyncio
import logging
import random
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Self, TypeVar

from bleak.args import SizedBuffer
from bleak.assigned_numbers import CharacteristicPropertyName, gatt_char_props_to_strs
from bleak.backends.adapter import BaseBleakAdapter
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError, BleakGATTProtocolError
from bumble import att, core, hci
from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData
from bumble.device import Advertisement, Connection, Peer
from bumble.device import Device as Chip
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink

from antbms.sim import Device, make_device
from antbms.timing import Timing
from antbms.transport.ble_scan import Radio
from antbms.transport.gatt import Profile
from antbms.transport.player import Player

logging.getLogger("bumble").setLevel(logging.CRITICAL)  # its controller does not know a command that its host sends

CLOCK = Timing(monotonic=lambda: asyncio.get_running_loop().time())
T = TypeVar("T")
Flags = Characteristic.Properties

SMALLEST_MTU = 23
PIECE = 20
"""Most that these modules put into a notification, whatever the MTU is."""
COMPUTER = "F0:F1:F2:F3:F4:F5"
BATTERY = "A5:C2:37:28:18:52"
ADVERTISING = 100.0
"""ms, about; real modules take 100 to 2000."""

ANT = Profile(0xFFE0, 0xFFE1, 0xFFE1)
JBD = Profile(0xFF00, 0xFF01, 0xFF02, "jbd")


class Air:
    """What all radios share."""

    def __init__(self) -> None:
        self.link = LocalLink()  # type: ignore[no-untyped-call]

    async def chip(self, address: str) -> Chip:
        controller = LeController("", link=self.link, public_address=address)
        chip = Chip(address=hci.Address(address), host=Host(controller, AsyncPipeSink(controller)))
        await chip.power_on()
        return chip


class LeController(Controller):
    """With the one command that bumble 0.0.236 ignores: without it, connecting to an absent device never ends."""

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is not None:
            cancelled = hci.HCI_LE_Connection_Complete_Event(
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=pending.peer_address.address_type,
                peer_address=pending.peer_address,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            )
            asyncio.get_running_loop().call_soon(self.send_hci_packet, cancelled)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)


# ---- the battery


@dataclass
class Faults:
    """What goes wrong with the notifications of an answer. Chances are from 0 to 1."""

    loss: float = 0.0
    swap: float = 0.0
    """A notification overtakes the one before it."""
    cut_after: int | None = None
    """Once: the link ends after so many bytes, counted from when this is set."""
    refuse: int = 0
    """So many connections end as soon as they are there."""
    greeting: bytes = b""
    """Comes right after subscribing."""


@dataclass
class Battery:
    """A module with a battery behind it: one client at a time, and invisible while it has one."""

    air: Air
    device: Device = field(default_factory=make_device)
    name: str = "ANT-BLE16ZMUB"
    address: str = BATTERY
    profile: Profile = ANT
    manufacturer: tuple[int, bytes] | None = None
    piece: int = PIECE
    delay: float = 0.005
    """s before each notification."""
    patience: float | None = None
    """s of silence after which the module ends the link."""
    writable: Flags = Flags.WRITE | Flags.WRITE_WITHOUT_RESPONSE
    faults: Faults = field(default_factory=Faults)
    seed: int = 1
    writes: list[bytes] = field(default_factory=list)
    """What it got, write by write."""
    log: list[str] = field(default_factory=list)
    """`connected`, `subscribed`, `unsubscribed`, `disconnected`."""

    def __post_init__(self) -> None:
        self._chip: Chip
        self._is_here = False
        self._advertising = asyncio.Lock()
        self._out: Characteristic[bytes]
        self._connection: Connection | None = None
        self._player: Player | None = None
        self._sending = asyncio.Lock()
        self._tasks: set[asyncio.Future[None]] = set()
        self._chance = random.Random(self.seed)
        self._silence: asyncio.TimerHandle | None = None

    async def start(self) -> Self:
        """Switch it on: it advertises."""
        self._chip = await self.air.chip(self.address)
        numbers = dict.fromkeys((self.profile.notify, self.profile.write))
        characteristics = [self._characteristic(number) for number in numbers]
        self._out = characteristics[0]
        self._out.on(Characteristic.EVENT_SUBSCRIPTION, self._on_subscription)
        self._chip.add_service(Service(UUID.from_16_bits(self.profile.service), characteristics))
        self._chip.on(Chip.EVENT_CONNECTION, self._on_connection)
        self._chip.advertising_data = self._advertisement()
        await self.come()
        return self

    async def come(self) -> None:
        """Come into reach, again after `stop`: it advertises while it has no client."""
        self._is_here = True
        await self._advertise()

    async def _advertise(self) -> None:
        """Begin, or end, as it should be now."""
        async with self._advertising:
            if not self._is_here:
                await self._chip.stop_advertising()
            elif stopped := self._chip.legacy_advertising_set or self._chip.legacy_advertiser:
                if self._connection is None:  # which has ended it
                    await stopped.start()
            else:
                await self._chip.start_advertising(
                    advertising_interval_min=ADVERTISING, advertising_interval_max=ADVERTISING
                )

    def _characteristic(self, number: int) -> Characteristic[bytes]:
        able = self.writable if number == self.profile.write else Flags(0)
        if number == self.profile.notify:
            able |= Flags.NOTIFY
        value: CharacteristicValue[bytes] = CharacteristicValue(write=self._on_write)
        return Characteristic(UUID.from_16_bits(number), able, Characteristic.WRITEABLE, value)

    async def stop(self) -> None:
        """Carry it away: it neither advertises nor answers."""
        self._is_here = False
        await self._advertise()
        await self.hang_up()

    async def hang_up(self) -> None:
        """End the link, if there is one."""
        if self._connection is not None:
            await self._connection.disconnect()

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    def _advertisement(self) -> bytes:
        kinds = AdvertisingData.Type
        parts: list[tuple[int, bytes]] = [
            (kinds.FLAGS, b"\x06"),
            (kinds.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, self.profile.service.to_bytes(2, "little")),
            (kinds.COMPLETE_LOCAL_NAME, self.name.encode()),
        ]
        if self.manufacturer is not None:
            company, payload = self.manufacturer
            parts.append((kinds.MANUFACTURER_SPECIFIC_DATA, company.to_bytes(2, "little") + payload))
        return bytes(AdvertisingData(parts))

    def _on_connection(self, connection: Connection) -> None:
        self.log.append("connected")
        self._connection = connection
        self._line = self.device.line()
        self._player = Player(partial(self._deliver, connection), CLOCK)
        connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnection)
        if self.faults.refuse:
            self.faults.refuse -= 1
            self._start(connection.disconnect())
        self._hear()

    def _on_disconnection(self, _reason: int) -> None:
        self.log.append("disconnected")
        self._connection = None
        if self._player is not None:
            self._player.stop()
        if self._silence is not None:
            self._silence.cancel()
        if self._is_here:
            self._start(self._advertise())

    def _on_subscription(self, _bearer: att.Bearer, notify: bool, _indicate: bool) -> None:
        self.log.append("subscribed" if notify else "unsubscribed")
        if notify and self.faults.greeting and self._connection:
            self._start(self._chip.notify_subscriber(self._connection, self._out, self.faults.greeting))

    def _on_write(self, connection: att.Bearer, data: bytes) -> None:
        assert isinstance(connection, Connection)
        self.writes.append(data)
        self._hear()
        assert self._player
        self._player.play(self._line.receive(data, CLOCK.monotonic()))

    def _deliver(self, connection: Connection, data: bytes | None) -> None:
        self._start(self.hang_up() if data is None else self._answer(connection, data))

    def _hear(self) -> None:
        """The silence begins anew."""
        if self._silence is not None:
            self._silence.cancel()
        if self.patience is not None:
            later = asyncio.get_running_loop().call_later
            self._silence = later(self.patience, lambda: self._start(self.hang_up()))

    async def _answer(self, connection: Connection, answer: bytes) -> None:
        size = min(self.piece, connection.att_mtu - 3)
        pieces = [answer[start : start + size] for start in range(0, len(answer), size)]
        for number in range(1, len(pieces)):
            if self._chance.random() < self.faults.swap:
                pieces[number - 1 : number + 1] = pieces[number], pieces[number - 1]
        async with self._sending:
            await self._send(connection, pieces)

    async def _send(self, connection: Connection, pieces: list[bytes]) -> None:
        for piece in pieces:
            await asyncio.sleep(self.delay)
            if self._connection is not connection:
                return
            if self._chance.random() >= self.faults.loss:
                left = self.faults.cut_after
                await self._chip.notify_subscriber(connection, self._out, piece[:left])
                if left is not None:
                    self.faults.cut_after = left - len(piece) if left > len(piece) else None
                    if self.faults.cut_after is None:
                        await self.hang_up()

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Future[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() and self._connection is not None:
            raise RuntimeError("the virtual battery failed") from task.exception()


def jbd_battery(air: Air, **changes: Any) -> Battery:
    """A battery as JBD sells it."""
    jbd: dict[str, Any] = {"device": make_device("jbd"), "name": "JBD-SP04S020", "profile": JBD}
    return Battery(air, **(jbd | changes))


# ---- the computer


async def radio(air: Air, mtu: int = SMALLEST_MTU, address: str = COMPUTER) -> Radio:
    """The Bluetooth LE of a computer, as backends for bleak. mtu: what it asks for when it connects."""
    chip = await air.chip(address)
    return Radio(
        client=type("VirtualClient", (Client,), {"chip": chip, "mtu": mtu}),
        scanner=type("VirtualScanner", (Scanner,), {"chip": chip}),
        adapter=type("VirtualAdapter", (Adapter,), {"chip": chip}),
    )


def uuid_text(short: UUID) -> str:
    """As bleak writes it."""
    return str(uuid.UUID(bytes=short.to_bytes(force_128=True)[::-1]))


async def whole(work: Awaitable[None]) -> None:
    """`work` to its end, even if cancelled: a command that bumble does not see the end of blocks all later ones."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


class Scanner(BaseBleakScanner):
    chip: ClassVar[Chip]

    def __init__(
        self,
        detection_callback: Callable[[BLEDevice, AdvertisementData], Any] | None,
        service_uuids: list[str] | None,
        scanning_mode: str,
        **_: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._is_active = scanning_mode == "active"

    async def start(self) -> None:
        if self.chip.is_scanning:
            raise BleakError("[org.bluez.Error.InProgress] Operation already in progress")
        self.seen_devices = {}
        self.chip.on(Chip.EVENT_ADVERTISEMENT, self._on_advertisement)
        await whole(self.chip.start_scanning(active=self._is_active))

    async def stop(self) -> None:
        self.chip.remove_listener(Chip.EVENT_ADVERTISEMENT, self._on_advertisement)
        await whole(self.chip.stop_scanning())

    def _on_advertisement(self, advertisement: Advertisement) -> None:
        kinds, data = AdvertisingData.Type, advertisement.data
        services = [
            uuid_text(item)
            for kind in (
                kinds.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
                kinds.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
            )
            for item in data.get(kind) or ()
        ]
        if not self.is_allowed_uuid(services):
            return
        name: str | None = data.get(kinds.COMPLETE_LOCAL_NAME)
        manufacturer: Sequence[Any] | None = data.get(kinds.MANUFACTURER_SPECIFIC_DATA)
        address = advertisement.address.to_string(False)
        heard = AdvertisementData(
            local_name=name,
            manufacturer_data={int(manufacturer[0]): bytes(manufacturer[1])} if manufacturer else {},
            service_data={},
            service_uuids=services,
            tx_power=None,
            rssi=advertisement.rssi,
            platform_data=(),
        )
        device = self.create_or_update_device(address, address, name, None, heard)
        self.call_detection_callbacks(device, heard)


class Adapter(BaseBleakAdapter):
    chip: ClassVar[Chip]

    @classmethod
    async def get(cls, **_: Any) -> Self:
        return cls()

    async def get_connected_devices(self, service_uuids: frozenset[str]) -> list[BLEDevice]:
        peers = (connection.peer_address for connection in self.chip.connections.values())
        return [BLEDevice(peer.to_string(False), None, None) for peer in peers]


class Client(BaseBleakClient):
    chip: ClassVar[Chip]
    mtu: ClassVar[int]

    def __init__(self, address_or_ble_device: BLEDevice | str, services: set[str] | None = None, **options: Any):
        super().__init__(
            address_or_ble_device,
            disconnected_callback=options["disconnected_callback"],
            timeout=options["timeout"],
        )
        self._connection: Connection | None = None

    @property
    def name(self) -> str:
        return self.address

    @property
    def mtu_size(self) -> int:
        return self._connection.att_mtu if self._connection else SMALLEST_MTU

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    async def connect(self, pair: bool, **_: Any) -> None:
        address = hci.Address(self.address)
        existing = [each for each in self.chip.connections.values() if each.peer_address == address]
        connection = existing[0] if existing else await self._page(address)
        connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnection)
        self._connection = connection
        try:
            async with asyncio.timeout(self._timeout):
                self.services = await self._while_connected(self._discover(Peer(connection)))
        except BaseException:
            await self.disconnect()
            self._connection = None
            raise

    async def _page(self, address: hci.Address) -> Connection:
        """Connect; if that is cancelled, the controller is told so, and it is waited for its word."""
        paging = asyncio.ensure_future(self.chip.connect(address, timeout=self._timeout))
        try:
            return await asyncio.shield(paging)
        except core.TimeoutError as error:
            raise TimeoutError from error
        except core.ConnectionError as error:
            raise BleakError(str(error)) from error
        except asyncio.CancelledError:
            while not paging.done():  # the controller may not have begun yet, or be done already
                await self.chip.cancel_connection()  # type: ignore[no-untyped-call]
                await asyncio.wait({paging}, timeout=0.01)
            with suppress(core.ConnectionError, core.TimeoutError):
                await (await paging).disconnect()
            raise

    async def _discover(self, peer: Peer) -> BleakGATTServiceCollection:
        if self.mtu > SMALLEST_MTU:
            await peer.request_mtu(self.mtu)
        found = BleakGATTServiceCollection()
        for service in await peer.discover_services():
            ours = BleakGATTService(service, service.handle, uuid_text(service.uuid))
            found.add_service(ours)
            for item in await service.discover_characteristics():
                properties: list[CharacteristicPropertyName] = [*gatt_char_props_to_strs(int(item.properties))]
                found.add_characteristic(
                    BleakGATTCharacteristic(
                        item, item.handle, uuid_text(item.uuid), properties, lambda: self.mtu_size - 3, ours
                    )
                )
        return found

    async def disconnect(self) -> None:
        if self._is_live():
            assert self._connection
            with suppress(core.BaseBumbleError):
                await whole(self._connection.disconnect())

    def _is_live(self) -> bool:
        """Whether the chip still has the connection: a link may end before anybody listens for that."""
        return self._connection in self.chip.connections.values()

    def _on_disconnection(self, _reason: int) -> None:
        self._connection = self.services = None
        if self._disconnected_callback:
            self._disconnected_callback()

    async def _while_connected(self, work: Awaitable[T]) -> T:
        """The result of `work`, or an error as soon as the link is gone: bumble would wait for 30 s."""
        connection = self._connection
        task = asyncio.ensure_future(work)
        if connection is None or not self._is_live():
            task.cancel()
            raise BleakError("Not connected")
        gone = asyncio.get_running_loop().create_future()

        def on_gone(_reason: int) -> None:
            if not gone.done():
                gone.set_result(None)

        connection.on(Connection.EVENT_DISCONNECTION, on_gone)
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise BleakError("disconnected")
            return task.result()
        except att.ATT_Error as error:
            raise BleakGATTProtocolError(error.error_code) from error
        finally:
            task.cancel()
            connection.remove_listener(Connection.EVENT_DISCONNECTION, on_gone)

    async def start_notify(self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_: Any) -> None:
        await self._while_connected(characteristic.obj.subscribe(lambda value: callback(bytearray(value))))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        await self._while_connected(characteristic.obj.unsubscribe(force=True))

    async def write_gatt_char(self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool) -> None:
        if not response and len(data) > self.mtu_size - 3:
            raise BleakError(f"{len(data)} bytes do not fit into a write without response")
        await self._while_connected(characteristic.obj.write_value(bytes(data), with_response=response))

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **_: Any
    ) -> bytearray:
        return bytearray(await self._while_connected(characteristic.obj.read_value()))

    async def pair(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError

    async def unpair(self) -> None:
        raise NotImplementedError

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **_: Any
    ) -> bytearray:
        raise NotImplementedError

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: SizedBuffer) -> None:
        raise NotImplementedError
