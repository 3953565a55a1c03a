"""`rfcomm:` through aio-rfcomm, D-Bus and a virtual radio, to simulated batteries."""

import asyncio
import random
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("BlueZ is Linux only", allow_module_level=True)

from classic_radio import HostRadio, Module
from classic_world import PROTOCOLS, QUICK, World, address, collect, new_world, opened, play, until
from fake_bluez import FakeBluez, system_bus

import antbms
import patience
from antbms.capture import read_capture
from antbms.errors import LinkLost, OpenError, UsageError
from antbms.protocol import ant
from antbms.sim import make_device
from antbms.transport import Medium, Pipe, held, parse_address, rfcomm
from antbms.transport.held import Held
from antbms.transport.rfcomm import KnownDevice, known_devices, open_rfcomm

STATUS = ant.STATUS[0][0].raw
ANSWER = make_device().receive(STATUS, 0.0)


# ---- what users do


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("faults", [{}, {"delay": 0.03, "piece": 20}, {"piece": 1}], ids=["whole", "slow", "bytewise"])
def test_read_info_and_record(protocol: str, faults: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "session.cap"

    async def scene(world: World) -> None:
        module = await world.battery(protocol, options={"load": "constant"})  # others jump from second to second
        vars(module.faults).update(faults)
        notes: list[str] = []
        name = f"rfcomm:{module.address}"
        async with antbms.open(name, timing=QUICK, record=path, on_note=notes.append) as battery:
            snapshot = await battery.read()
            assert (await battery.read()).cells == pytest.approx(snapshot.cells, abs=0.01)
            info = await battery.info()
        truth = module.brain.snapshot()
        assert snapshot.protocol == info.protocol == protocol
        assert snapshot.battery == name
        assert snapshot.cells == pytest.approx(truth.cells, abs=0.001)
        assert snapshot.current == pytest.approx(truth.current, abs=1)
        assert info.address == module.address
        assert notes == [f"{name} speaks {protocol}; with --protocol {protocol} it is not searched again"]
        assert b"".join(chunk.data for chunk in read_capture(path) if chunk.direction == ">") == module.heard

    play(scene)


def test_ways_to_write_an_address() -> None:
    async def scene(world: World) -> None:
        module = await world.battery(number=0xAB)
        for text in ("rfcomm:aa:bb:cc:dd:ee:ab", "rfcomm:AA-BB-CC-DD-EE-AB", "RFCOMM:Aa-bB:cc:dd:ee:aB"):
            pipe = await open_rfcomm(parse_address(text), QUICK)
            assert (pipe.address, pipe.medium) == (module.address, Medium.BLUETOOTH)
            await pipe.close()
        pipe = await opened(module, mac="AA:BB:CC:DD:EE:01")
        assert pipe.address == "AA:BB:CC:DD:EE:01"
        await pipe.close()

    play(scene)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("rfcomm:ANT-BMS", "no Bluetooth address"),
        ("rfcomm:AA:BB:CC:DD:EE", "no Bluetooth address"),
        ("rfcomm:AA:BB:CC:DD:EE:FF?channel=0", "channel must be a number from 1 to 30, not '0'"),
        ("rfcomm:AA:BB:CC:DD:EE:FF?channel=31", "channel"),
        ("rfcomm:AA:BB:CC:DD:EE:FF?channel=²", "channel"),
        ("rfcomm:AA:BB:CC:DD:EE:FF?adapter=hci1", "adapter"),
    ],
)
def test_what_means_nothing(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        patience.run(open_rfcomm(parse_address(text), QUICK))


def test_a_channel_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's Bluetooth sockets are missing here, so a virtual one takes their place in the library."""

    async def scene(world: World) -> None:
        from aio_rfcomm.backend.bluez import BlueZBluetooth
        from aio_rfcomm.backend.bluez.connection import BlueZChannel
        from aio_rfcomm.backend.stream import open_stream

        module = await world.battery(serial=True)

        @asynccontextmanager
        async def open_channel(self: BlueZBluetooth, device: Any, channel: int) -> Any:
            end = await world.radio.open(device.address, channel=channel)
            opened = BlueZChannel(*await open_stream(end), self.refresh)
            try:
                yield opened
            finally:
                await opened.close()

        monkeypatch.setattr(BlueZBluetooth, "open_channel", open_channel)
        options = {"channel": "1"}
        async with antbms.open(f"rfcomm:{module.address}", options=options, protocol="ant", timing=QUICK) as battery:
            assert (await battery.read()).protocol == "ant"
        assert not world.bluez.profiles

    play(scene)


def test_known_devices() -> None:
    async def scene(world: World) -> None:
        await world.battery(number=1)
        await world.battery(number=2, serial=False)
        world.bluez.add(address(3), "ANT-BMS\r")
        world.bluez.add(address(4), address(4).replace(":", "-"))
        assert await known_devices(QUICK) == [
            KnownDevice(address(1), "ANT-BMS", True),
            KnownDevice(address(2), "ANT-BMS", False),
            KnownDevice(address(3), "ANT-BMS", False),
            KnownDevice(address(4), None, False),
        ]
        await world.bluez.power(False)
        with pytest.raises(OpenError, match="rfcomm: Bluetooth is switched off"):
            await known_devices(QUICK)

    play(scene)


def test_two_batteries_at_once() -> None:
    async def scene(world: World) -> None:
        modules = [await world.battery(protocol, number=number) for number, protocol in enumerate(PROTOCOLS)]

        async def read(number: int) -> str:
            protocol, where = PROTOCOLS[number], f"rfcomm:{modules[number].address}"
            async with antbms.open(where, protocol=protocol, timing=QUICK) as battery:
                for _ in range(5):
                    snapshot = await battery.read()
                    assert snapshot.cells == pytest.approx(modules[number].brain.snapshot().cells, abs=0.001)
                return battery.protocol

        assert await asyncio.gather(*map(read, range(3))) == list(PROTOCOLS)

    play(scene)


def test_one_of_two_batteries_goes() -> None:
    async def scene(world: World) -> None:
        modules = [await world.battery(number=number) for number in (1, 2)]
        stays, goes = [await opened(module) for module in modules]
        await modules[1].hang_up()
        with pytest.raises(LinkLost):
            await goes.read()
        await goes.close()
        again = await opened(modules[1])
        await again.close()
        await stays.write(STATUS)
        assert len(await collect(stays, len(ANSWER))) == len(ANSWER)
        await stays.close()

    play(scene)


# ---- the end of a link


@pytest.mark.parametrize("count", [0, 1, 20, len(ANSWER) - 1])
def test_drop_in_an_answer(count: int) -> None:
    async def scene(world: World) -> None:
        module = await world.battery()
        pipe = await opened(module)
        module.faults.hang_up_after = count
        await pipe.write(STATUS)
        assert await collect(pipe, count) == ANSWER[:count]
        for late in (pipe.read(), pipe.write(STATUS), pipe.read()):
            with pytest.raises(LinkLost) as caught:
                await asyncio.wait_for(late, 20)
            assert str(caught.value).endswith("link lost: the battery hung up, or is out of range")
        await pipe.close()

    play(scene)


def test_drop_between_two_reads_and_reconnect() -> None:
    async def scene(world: World) -> None:
        module = await world.battery()
        for _ in range(3):
            async with antbms.open(f"rfcomm:{module.address}", protocol="ant", timing=QUICK) as battery:
                await battery.read()
                await module.hang_up()
                with pytest.raises(LinkLost, match="hung up"):
                    await battery.read()

    play(scene)


@pytest.mark.timeout(600)
def test_a_thousand_drops_at_random_leave_nothing() -> None:
    chance = random.Random(4)

    async def scene(world: World) -> None:
        modules = {protocol: await world.battery(protocol, number=n) for n, protocol in enumerate(PROTOCOLS)}
        before = world.left()
        for number in range(1000):
            protocol = PROTOCOLS[number % 3]
            module = modules[protocol]
            module.faults.piece = chance.choice((0, 20))
            module.faults.hang_up_after = chance.choice((None, chance.randrange(160)))
            try:
                async with antbms.open(f"rfcomm:{module.address}", protocol=protocol, timing=QUICK) as battery:
                    snapshot = await battery.read()
                    assert snapshot.cells == pytest.approx(module.brain.snapshot().cells, abs=0.001)
            except LinkLost:
                assert module.faults.hang_up_after is not None
        await until(lambda: world.left() == before)

    play(scene)


async def switch_off(bluez: FakeBluez) -> None:
    await bluez.power(False)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (switch_off, "Bluetooth was switched off"),
        (FakeBluez.unplug, "the Bluetooth adapter is gone"),
        (FakeBluez.stop, "the system's Bluetooth service stopped"),
    ],
)
def test_bluetooth_goes_away(event: Callable[[FakeBluez], Coroutine[Any, Any, None]], reason: str) -> None:
    async def scene(world: World) -> None:
        pipe = await opened(await world.battery())
        reading = asyncio.ensure_future(pipe.read())
        await asyncio.sleep(0.01)
        await event(world.bluez)
        for late in (reading, pipe.write(STATUS), pipe.read()):
            with pytest.raises(LinkLost, match=f"link lost: {reason}"):
                await asyncio.wait_for(late, 20)
        await pipe.close()

    play(scene)


async def unless_off(module: Module) -> Pipe | None:
    try:
        return await opened(module)
    except OpenError as error:
        assert "switched off" in str(error)  # noqa: PT017
        return None


def test_bluetooth_comes_back() -> None:
    async def scene(world: World) -> None:
        module = await world.battery()
        other = await opened(await world.battery(number=2))
        await world.bluez.power(False)
        with pytest.raises(OpenError, match="switched off"):
            await opened(module)
        await world.bluez.power(True)
        async with asyncio.timeout(5):  # a signal tells the library, some time later
            while (pipe := await unless_off(module)) is None:  # noqa: ASYNC110  # the signal is the library's own
                await asyncio.sleep(0)
        await pipe.close()
        await other.close()

    play(scene)


def test_bluez_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked why the link has ended, and does not answer."""

    async def stand_still(_: object) -> None:
        await asyncio.Event().wait()

    async def scene(world: World) -> None:
        from aio_rfcomm.backend.bluez.connection import BlueZChannel

        module = await world.battery()
        pipe = await opened(module, patience.timing(open=2, close=1))
        monkeypatch.setattr(BlueZChannel, "settle_end", stand_still)
        await module.hang_up()
        await asyncio.sleep(0.01)
        with pytest.raises(LinkLost, match="hung up"):
            await asyncio.wait_for(pipe.write(STATUS), 10)
        await asyncio.wait_for(pipe.close(), 5)

    play(scene)


def test_the_bus_dies() -> None:
    """Nothing can be said to BlueZ any more; closing is not held up by that."""

    async def main(daemon: subprocess.Popen[str]) -> None:
        with suppress(EOFError):  # of the fake, which has lost its bus as well
            async with new_world() as world:
                module = await world.battery()
                pipe = await opened(module, patience.timing(open=30, close=1))
                daemon.terminate()
                await asyncio.to_thread(daemon.wait)
                await asyncio.wait_for(pipe.close(), 2)
                with pytest.raises(OpenError, match="cannot be reached"):
                    await opened(module)
        await until(lambda: not held._leftovers and not rfcomm._shared)

    with system_bus() as daemon:
        patience.run(main(daemon))


# ---- reading and closing


def test_a_cancelled_read_loses_nothing() -> None:
    async def scene(world: World) -> None:
        module = await world.battery()
        pipe = await opened(module)
        for size in (1, 7, 60):
            module.faults.piece = size
            await pipe.write(STATUS)
            got, attempts = b"", 0
            while len(got) < len(ANSWER):
                reading = asyncio.ensure_future(pipe.read())
                attempts += 1
                for _ in range(attempts % 5):
                    await asyncio.sleep(0)
                reading.cancel()
                (result,) = await asyncio.gather(reading, return_exceptions=True)
                got += result if isinstance(result, bytes) else b""
            assert got[:8] == ANSWER[:8]
            assert len(got) == len(ANSWER)
        await pipe.close()

    play(scene)


def test_close_twice_and_use_after_it() -> None:
    async def scene(world: World) -> None:
        pipe = await opened(await world.battery())
        waiting = asyncio.ensure_future(pipe.read())
        await asyncio.sleep(0)
        await pipe.close()
        await pipe.close()
        await pipe.set_baud(9600)
        for late in (waiting, pipe.read(), pipe.write(b"x")):
            with pytest.raises(LinkLost, match="is closed"):
                await asyncio.wait_for(late, 20)

    play(scene)


def test_what_was_written_before_closing_arrives() -> None:
    async def scene(world: World) -> None:
        module = await world.battery()
        pipe = await opened(module)
        await pipe.write(STATUS)
        await pipe.close()
        await until(lambda: module.heard == STATUS)

    play(scene)


def test_what_does_not_let_go_is_left_behind() -> None:
    release = asyncio.Event()

    @asynccontextmanager
    async def stubborn() -> Any:
        try:
            yield "a channel"
        finally:
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

    async def main() -> None:
        link = Held(stubborn())
        assert await link.open(QUICK) == "a channel"
        start = asyncio.get_running_loop().time()
        await link.close(0.05)
        assert asyncio.get_running_loop().time() - start < 0.5
        assert held._leftovers == {link.task}
        release.set()
        await until(lambda: not held._leftovers)

    patience.run(main())


# ---- opening


@pytest.mark.parametrize("alone", [True, False])
def test_opening_cancelled_at_any_moment_leaves_nothing(alone: bool) -> None:
    async def scene(world: World) -> None:
        module, other = await world.battery(number=1), await world.battery(number=2)
        open_already = None if alone else await opened(other)
        before = world.left()
        for milliseconds in range(40):
            opening = asyncio.ensure_future(opened(module))
            await asyncio.sleep(milliseconds / 1000)
            opening.cancel()
            (result,) = await asyncio.gather(opening, return_exceptions=True)
            if not isinstance(result, BaseException):
                await result.close()
            await until(lambda: world.left() == before, lambda: f"{world.left()}, was {before}")
        if open_already:
            await open_already.close()

    play(scene)


def test_opening_takes_no_longer_than_allowed() -> None:
    async def scene(world: World) -> None:
        world.radio.paging = 2.0
        device = world.bluez.add(address(9))
        start = asyncio.get_running_loop().time()
        with pytest.raises(OpenError, match="opening it took longer than 1 s"):
            await open_rfcomm(parse_address(f"rfcomm:{address(9)}"), patience.timing(open=0.6, close=0.4))
        assert asyncio.get_running_loop().time() - start < 1.9
        with pytest.raises(OpenError, match="still being released"):  # BlueZ goes on paging
            await open_rfcomm(parse_address(f"rfcomm:{address(9)}"), QUICK)
        await until(lambda: not device.busy)

    play(scene)


def test_opening_waits_for_the_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS asks the user when Bluetooth is opened for the first time."""
    from aio_rfcomm import Availability, Bluetooth

    said: list[Availability] = []

    async def answers(_: Bluetooth) -> AsyncIterator[Availability]:
        for answer in (Availability.AWAITING_PERMISSION, Availability.USABLE):
            said.append(answer)
            yield answer

    async def scene(world: World) -> None:
        monkeypatch.setattr(Bluetooth, "watch_availability", answers)
        await (await opened(await world.battery())).close()
        assert said == [Availability.AWAITING_PERMISSION, Availability.USABLE]

    play(scene)


def test_a_phone_holds_the_battery() -> None:
    async def scene(world: World) -> None:
        module = await world.battery()
        phone = HostRadio(world.radio.air, "AA:BB:CC:DD:EE:F0")
        await phone.switch_on()
        end = await phone.open(module.address)
        with pytest.raises(OpenError, match="does not answer") as caught:
            await opened(module)
        assert any("phone app" in hint for hint in caught.value.hints)
        end.close()
        await until(lambda: not module.links)
        await (await opened(module)).close()

    play(scene)


def test_several_clients() -> None:
    async def scene(world: World) -> None:
        module = await world.battery(clients=2)
        phone = HostRadio(world.radio.air, "AA:BB:CC:DD:EE:F0")
        await phone.switch_on()
        with await phone.open(module.address):
            pipe = await opened(module)
            assert module.links == 2
            await pipe.write(STATUS)
            await collect(pipe, len(ANSWER))
            await pipe.close()
        await until(lambda: not module.links)

    play(scene)


def test_one_event_loop_after_another() -> None:
    async def scene(world: World) -> None:
        module = await world.battery()
        await (await opened(module)).close()

    play(scene)
    play(scene)


def test_a_loop_that_ends_in_the_middle() -> None:
    """What `asyncio.run` cancels leaves Bluetooth usable for the next loop."""

    async def abandon() -> None:
        async with new_world() as world:
            await opened(await world.battery())

    async def scene(world: World) -> None:
        await (await opened(await world.battery())).close()

    with system_bus():
        patience.run(abandon())
    play(scene)


def test_two_event_loops_at_the_same_time() -> None:
    async def scene(world: World) -> None:
        module, other = await world.battery(number=1), await world.battery(number=2)
        pipe = await opened(module)
        errors: list[OpenError] = []

        def elsewhere() -> None:
            try:
                patience.run(opened(other))
            except OpenError as error:
                errors.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        await until(lambda: not thread.is_alive())
        thread.join()
        assert "another thread or part of this program" in str(errors[0])
        await pipe.close()

    play(scene)
