"""Classic Bluetooth in this process: batteries with a serial port module, and the radio of a computer.

Google's bumble carries it from the controllers up: paging, SDP, RFCOMM with its credits. The brain of a battery is
`antbms.sim`. `HostRadio` is what BlueZ and the kernel do on the computer's side: it ends in a socket.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from bumble import core, hci, rfcomm
from bumble.controller import Controller
from bumble.device import Connection, DeviceConfiguration
from bumble.device import Device as Radio
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink

from antbms.sim import Device
from antbms.sim.faults import FaultyLine
from antbms.timing import Timing
from antbms.transport.player import Player

SERIAL_PORT = "00001101-0000-1000-8000-00805f9b34fb"

CLOCK = Timing(monotonic=lambda: asyncio.get_running_loop().time())

logging.getLogger("bumble").setLevel(logging.CRITICAL)  # its controller does not know a command that its host sends


class PageTimeout(Exception):
    """Nobody answers at that address."""


class NoService(Exception):
    """The device has no such service."""


class Air:
    """What all radios share."""

    def __init__(self) -> None:
        self.link = LocalLink()
        self.modules: dict[str, Module] = {}

    def radio(self, address: str, name: str) -> Radio:
        controller = Controller(name, link=self.link, public_address=address)
        identity = hci.Address(address, hci.Address.PUBLIC_DEVICE_ADDRESS)
        return Radio(
            config=DeviceConfiguration(name=name, address=identity, classic_enabled=True, le_enabled=False),
            host=Host(controller, AsyncPipeSink(controller)),
        )


@dataclass
class Faults:
    """How a module misbehaves; may be changed at any time."""

    delay: float = 0.0
    """s before each answer."""
    piece: int = 0
    """Bytes in a packet; 0: as many as fit."""
    hang_up_after: int | None = None
    """Bytes of an answer after which the module hangs up."""
    mute: bool = False
    """It takes everything and answers nothing."""


class Module:
    """A battery with a classic Bluetooth module, which answers a page while it has less than `clients` links."""

    def __init__(self, air: Air, brain: Device, address: str, *, serial: bool = True, clients: int = 1) -> None:
        self.brain = brain
        self.address = address
        self.clients = clients
        self.faults = Faults()
        self.heard = bytearray()
        self._radio = air.radio(address, brain.personality.model)
        self._serial = serial
        self._in_turn = asyncio.Lock()
        self._sending: set[asyncio.Task[None]] = set()
        air.modules[address] = self

    @property
    def links(self) -> int:
        return len(self._radio.connections)

    async def switch_on(self, channel: int = 1) -> None:
        await self._radio.power_on()
        await self._radio.set_connectable(True)
        if self._serial:
            rfcomm.Server(self._radio).listen(self._accept, channel)
            record = rfcomm.make_service_sdp_records(0x10001, channel, core.UUID(SERIAL_PORT))
            self._radio.sdp_service_records = {0x10001: record}

    async def hang_up(self) -> None:
        for connection in list(self._radio.connections.values()):
            await connection.disconnect()

    def _accept(self, dlc: rfcomm.DLC) -> None:
        player = Player(partial(self._deliver, dlc), CLOCK)
        link = dlc.multiplexer.l2cap_channel.connection
        link.on(Connection.EVENT_DISCONNECTION, lambda _: player.stop())
        dlc.sink = partial(self._hear, self.brain.line(), player)

    def _hear(self, line: FaultyLine, player: Player, data: bytes) -> None:
        self.heard += data
        player.play(line.receive(data, CLOCK.monotonic()))

    def _deliver(self, dlc: rfcomm.DLC, answer: bytes | None) -> None:
        if not self.faults.mute:
            task = asyncio.ensure_future(self.hang_up() if answer is None else self._answer(dlc, answer))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _answer(self, dlc: rfcomm.DLC, answer: bytes) -> None:
        async with self._in_turn:
            await self._send(dlc, answer)

    async def _send(self, dlc: rfcomm.DLC, answer: bytes) -> None:
        faults = self.faults
        if faults.delay:
            await asyncio.sleep(faults.delay)
        if faults.hang_up_after is not None:
            dlc.write(answer[: faults.hang_up_after])
            await self.hang_up()
            return
        size = faults.piece or len(answer)
        for start in range(0, len(answer), size):
            dlc.write(answer[start : start + size])
            await asyncio.sleep(0)


@dataclass
class HostRadio:
    """The radio of a computer (or phone)."""

    air: Air
    address: str = "AA:BB:CC:DD:EE:EE"
    paging: float = 0.0
    """s until a page that nobody answers is given up (a real adapter: 5.12)."""
    radio: Radio = field(init=False)

    def __post_init__(self) -> None:
        self.radio = self.air.radio(self.address, "host")
        self._hanging_up: set[asyncio.Task[None]] = set()

    async def switch_on(self) -> None:
        await self.radio.power_on()

    @property
    def links(self) -> int:
        return len(self.radio.connections)

    def is_connected(self, address: str) -> bool:
        return any(str(link.peer_address).startswith(address) for link in self.radio.connections.values())

    async def open(self, address: str, uuid: str | None = None, channel: int | None = None) -> socket.socket:
        """Page the device, look up `uuid` unless `channel` is known, open the channel; the client's end of it.

        Raises `PageTimeout`, `NoService`.
        """
        module = self.air.modules.get(address)
        if module is None or module.links >= module.clients:
            await asyncio.sleep(self.paging)
            raise PageTimeout(address)
        connection = await self.radio.connect(address, transport=core.PhysicalTransport.BR_EDR)
        try:
            if channel is None:
                channel = await rfcomm.find_rfcomm_channel_with_uuid(connection, core.UUID(uuid or SERIAL_PORT))
            if channel is None:
                raise NoService(uuid)
            multiplexer = await rfcomm.Client(connection).start()
            dlc = await multiplexer.open_dlc(channel)
        except BaseException:
            await connection.disconnect()
            raise
        return await self._bridge(connection, dlc)

    async def hang_up(self) -> None:
        for connection in list(self.radio.connections.values()):
            await connection.disconnect()

    async def _bridge(self, connection: Connection, dlc: rfcomm.DLC) -> socket.socket:
        ours, theirs = socket.socketpair()

        def closed() -> None:
            if connection.handle in self.radio.connections:
                task = asyncio.ensure_future(connection.disconnect())
                self._hanging_up.add(task)
                task.add_done_callback(self._hanging_up.discard)

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: _Bridge(dlc.write, closed), sock=ours)
        dlc.sink = transport.write
        connection.on(connection.EVENT_DISCONNECTION, lambda _: transport.close())
        return theirs


class _Bridge(asyncio.Protocol):
    """The kernel's end of a socket."""

    def __init__(self, send: Callable[[bytes], None], closed: Callable[[], None]) -> None:
        self._send = send
        self._closed = closed

    def data_received(self, data: bytes) -> None:
        self._send(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed()
