"""Bluetooth LE from `antbms.open` to a simulated battery, through bleak and bumble, in virtual time."""

import asyncio
import random
import traceback
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ble_radio import BATTERY, Adapter, Air, Battery, Client, Faults, Flags, Scanner, jbd_battery, radio
from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.exc import BleakError
from bumble.device import Device as Chip

import antbms
import virtual_time
from antbms.errors import LinkLost, NoAnswer, OpenError, UsageError
from antbms.model import Snapshot
from antbms.sim import make_device
from antbms.timing import Timing
from antbms.transport import ble, held, parse_address
from antbms.transport.base import Medium, Pipe
from antbms.transport.ble_scan import RADIO, Radio
from antbms.transport.gatt import PROFILES, Profile
from virtual_time import now, timing

PROTOCOLS = ("ant", "ant-legacy", "jbd")
BY_ADDRESS = f"ble:{BATTERY}"
OTHER = "A5:C2:37:28:18:53"
REQUEST = bytes.fromhex("7EA1010000BE1855AA55")
TIMING = timing()


def run(work: Coroutine[Any, Any, None]) -> None:
    """In virtual time; nothing may be left at the end."""

    async def main() -> None:
        await work
        await asyncio.sleep(0.01)  # the virtual radio begins to advertise again
        assert not ble._open_devices
        assert not held._leftovers

    virtual_time.run(main())


async def seen(by: Radio | None = None, seconds: float = 3.0) -> BLEDevice | None:
    """What bleak alone finds at the battery's address."""
    scanner = (by or RADIO.get()).scanner
    assert scanner
    return await BleakScanner.find_device_by_address(BATTERY, timeout=seconds, backend=scanner)


def battery(air: Air, protocol: str = "ant", **changes: Any) -> Battery:
    if protocol == "jbd":
        return jbd_battery(air, **changes)
    return Battery(air, make_device(protocol), **changes)


async def opened(text: str = BY_ADDRESS, timing: Timing = TIMING) -> Pipe:
    return await ble.open_ble(parse_address(text), timing)


async def setting(mtu: int = 23, **changes: Any) -> Battery:
    """A battery that advertises, and a computer."""
    air = Air()
    RADIO.set(await radio(air, mtu))
    return await battery(air, **changes).start()


def is_right(snapshot: Snapshot, far: Battery) -> bool:
    """Whether it is what the battery says: bytes of one answer in a wrong place would not give these."""
    said = far.device.snapshot()
    assert said.voltage is not None
    return (
        snapshot.voltage == pytest.approx(said.voltage, abs=0.06)
        and snapshot.cells == pytest.approx(said.cells, abs=0.002)
        and not snapshot.doubts
    )


# ---- what it is for


@pytest.mark.parametrize("mtu", [23, 247])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_read_and_info(protocol: str, mtu: int) -> None:
    async def main() -> None:
        far = await setting(mtu, protocol=protocol, piece=mtu - 3)
        for address in (BY_ADDRESS, BY_ADDRESS.replace(":", "-").replace("ble-", "ble:").lower(), f"ble:{far.name}"):
            async with antbms.open(address, timing=TIMING) as found:
                assert found.protocol == protocol
                assert is_right(await found.read(), far)
                assert (await found.info()).address == BATTERY
                assert found.stats.rejected == {}
            assert far.log == ["connected", "subscribed", "unsubscribed", "disconnected"]
            far.log.clear()

    run(main())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_record_and_replay(protocol: str, tmp_path: Path) -> None:
    file = tmp_path / "a.cap"

    async def main() -> None:
        far = await setting(protocol=protocol)
        async with antbms.open(BY_ADDRESS, protocol=protocol, timing=TIMING, record=file) as found:
            snapshot = await found.read()
        async with antbms.open(f"replay:{file}", protocol=protocol, timing=TIMING) as played:
            again = await played.read()
        assert (again.voltage, again.cells) == (snapshot.voltage, snapshot.cells)
        received = [line for line in file.read_text("utf-8").splitlines() if line.startswith("<")]
        assert len(received) >= 2  # one line a notification
        assert far.writes[0]

    run(main())


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: f"{profile.notify:X}")
def test_every_profile(profile: Profile) -> None:
    async def main() -> None:
        far = await setting(profile=profile)
        async with antbms.open(BY_ADDRESS, timing=TIMING) as found:
            assert is_right(await found.read(), far)

    run(main())


def test_two_batteries_at_once() -> None:
    async def main() -> None:
        air = Air()
        RADIO.set(await radio(air))
        one = await battery(air).start()
        two = await battery(air, "jbd", address=OTHER).start()
        three = "ble:A5:C2:37:28:18:54"  # is away, and must not take the others with it

        async def read(address: str, far: Battery) -> None:
            async with antbms.open(address, timing=TIMING) as found:
                for _ in range(5):
                    assert is_right(await found.read(), far)
                    await asyncio.sleep(0.5)

        async def miss() -> None:
            with pytest.raises(OpenError, match="not found"):
                await opened(three)

        await asyncio.gather(miss(), read(BY_ADDRESS, one), read(f"ble:{OTHER}", two))

    run(main())


def test_reconnect() -> None:
    async def main() -> None:
        far = await setting()
        for _ in range(20):
            async with antbms.open(BY_ADDRESS, protocol="ant", timing=TIMING) as found:
                assert is_right(await found.read(), far)
        assert far.log == ["connected", "subscribed", "unsubscribed", "disconnected"] * 20

    run(main())


# ---- finding it


@pytest.mark.parametrize("name", ["ANT@BLE16\r", " ANT@BLE16", "ANT@BLE16"])
def test_names_are_compared_without_blanks_and_case(name: str) -> None:
    async def main() -> None:
        await setting(name=name)
        async with antbms.open("ble:ant@ble16", timing=TIMING) as found:
            assert (await found.read()).soc == 65

    run(main())


def test_several_of_one_name() -> None:
    async def main() -> None:
        air = Air()
        RADIO.set(await radio(air))
        for address in (BATTERY, OTHER):
            await battery(air, "jbd", address=address).start()
        with pytest.raises(UsageError, match="2 devices have this name") as caught:
            await opened("ble:JBD-SP04S020")
        assert f"ble:{BATTERY}" in caught.value.text()
        assert f"ble:{OTHER}" in caught.value.text()

    run(main())


@pytest.mark.parametrize("address", ["ble:JBD-1", f"ble:{OTHER}", "ble:5ED8B7D9-4F29-4E5C-9A6C-0B3C8E0F9A11"])
def test_absent_device(address: str) -> None:
    async def main() -> None:
        far = await setting()
        start = now()
        with pytest.raises(OpenError, match="not found in 10 s") as caught:
            await opened(address)
        assert now() - start <= TIMING.open
        assert f"In reach: ANT-BLE16ZMUB ({BATTERY}, -50 dBm)" in caught.value.hints
        await far.stop()
        with pytest.raises(OpenError) as caught:
            await opened(address)
        assert "No Bluetooth LE device at all is in reach." in caught.value.hints

    run(main())


def test_device_that_goes_away_after_it_was_heard() -> None:
    """The controller waits for it; that ends in time, and the next attempt finds the controller free."""

    async def main() -> None:
        far = await setting()
        device = await seen()
        assert device
        await far.stop()
        start = now()
        with pytest.raises(TimeoutError):
            await BleakClient(device, timeout=3, backend=RADIO.get().client).connect()
        assert now() - start == pytest.approx(3)
        await far._chip.start_advertising()
        async with antbms.open(BY_ADDRESS, timing=TIMING) as found:
            assert is_right(await found.read(), far)

    run(main())


def test_a_name_found_by_jbd_address_on_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    """There, the system calls a device by a UUID; the module advertises its address, backwards."""
    identifier = "5ED8B7D9-4F29-4E5C-9A6C-0B3C8E0F9A11"

    async def main() -> None:

        far = await setting(protocol="jbd", manufacturer=(0x1852, bytes.fromhex("2837C2A5")))
        told = Scanner.create_or_update_device
        monkeypatch.setattr(
            Scanner, "create_or_update_device", lambda self, key, _, *rest: told(self, key, identifier, *rest)
        )
        prepare = Client.__init__

        def by_uuid(self: Client, device: Any, *rest: Any, **options: Any) -> None:
            assert device.address == identifier
            prepare(self, device, *rest, **options)
            self.address = BATTERY  # the radio knows

        monkeypatch.setattr(Client, "__init__", by_uuid)
        for text, address in (
            (f"ble:{identifier.lower()}", BATTERY),
            (BY_ADDRESS, BATTERY),
            (f"ble:{far.name}?mac=AA:BB:CC:DD:EE:FF", "AA:BB:CC:DD:EE:FF"),
        ):
            async with antbms.open(text, protocol="jbd", timing=TIMING) as found:
                assert (await found.info()).address == address

    run(main())


# ---- a bad link


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("loss", "swap"), [(0.06, 0.0), (0.0, 0.06), (0.03, 0.03)])
def test_lost_and_reordered_notifications(protocol: str, loss: float, swap: float) -> None:
    """No wrong snapshot ever; but the sum of `ant-legacy` cannot see that whole pieces changed places."""

    async def main() -> None:
        far = await setting(protocol=protocol, faults=Faults(loss=loss, swap=swap))
        answered = 0
        async with antbms.open(BY_ADDRESS, protocol=protocol, timing=TIMING) as found:
            for _ in range(40):
                with suppress(NoAnswer):
                    snapshot = await found.read()
                    answered += 1
                    assert is_right(snapshot, far) or (swap and protocol == "ant-legacy")
            assert found.stats.rejected
        assert answered >= 35  # three tries each; by the chance of a fixed seed

    run(main())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_drop_in_mid_answer(protocol: str) -> None:
    async def main() -> None:
        far = await setting(protocol=protocol)
        async with antbms.open(BY_ADDRESS, protocol=protocol, timing=TIMING) as found:
            await found.read()
            far.faults.cut_after = 20
            start = now()
            with pytest.raises(LinkLost, match=f"^{BY_ADDRESS}: link lost: the battery hung up, or is out of range$"):
                await found.read()
            assert now() - start < 0.1
            with pytest.raises(LinkLost):
                await found.read()
        async with antbms.open(BY_ADDRESS, protocol=protocol, timing=TIMING) as found:
            assert is_right(await found.read(), far)

    run(main())


@pytest.mark.parametrize("seed", range(4))
def test_a_thousand_drops(seed: int) -> None:
    """Wherever a link ends: a right snapshot, or `LinkLost` at once; and the next link is as good as the first."""
    chance = random.Random(seed)
    protocol = PROTOCOLS[seed % 3]

    async def main() -> None:
        far = await setting(protocol=protocol)
        lost = 0
        for _ in range(250):
            far.faults.cut_after = chance.randrange(1, 400)
            with suppress(LinkLost):
                async with antbms.open(BY_ADDRESS, protocol=protocol, timing=TIMING) as found:
                    for _ in range(2):
                        lost += 1
                        async with asyncio.timeout(0.3):
                            assert is_right(await found.read(), far)
                        lost -= 1
            assert not far.is_connected
        assert 50 < lost < 250

    run(main())


def test_what_came_before_the_end_is_delivered() -> None:
    async def main() -> None:
        far = await setting()
        pipe = await opened()
        await pipe.write(REQUEST)
        far.faults.cut_after = 40
        await asyncio.sleep(1)
        assert [len(await pipe.read()) for _ in range(2)] == [20, 20]
        for again in (pipe.read(), pipe.write(REQUEST)):
            with pytest.raises(LinkLost, match="hung up"):
                await again
        await pipe.close()

    run(main())


def test_a_waiting_read_ends_with_the_link() -> None:
    async def main() -> None:
        far = await setting()
        for end, words in ((far.hang_up, "hung up"), (None, "is closed")):
            pipe = await opened()
            waiting = asyncio.ensure_future(pipe.read())
            await asyncio.sleep(0.1)
            start = now()
            await (end or pipe.close)()
            with pytest.raises(LinkLost, match=words):
                await waiting
            assert now() - start < 0.01
            await pipe.close()

    run(main())


def test_a_silent_link_is_lost_and_a_used_one_stays() -> None:
    """As ANT-BLE20A, which hangs up after 9 s."""

    async def main() -> None:
        far = await setting(patience=9.0)
        async with antbms.open(BY_ADDRESS, timing=TIMING) as found:
            for _ in range(5):
                await asyncio.sleep(8)
                assert is_right(await found.read(), far)
            await asyncio.sleep(10)
            with pytest.raises(LinkLost):
                await found.read()

    run(main())


def test_a_stray_byte_after_subscribing() -> None:
    async def main() -> None:
        far = await setting(protocol="jbd", faults=Faults(greeting=b"\0"))
        async with antbms.open(BY_ADDRESS, timing=TIMING) as found:
            assert is_right(await found.read(), far)

    run(main())


# ---- bytes


def test_a_pipe() -> None:
    async def main() -> None:
        await setting()
        pipe = await opened()
        assert (pipe.medium, pipe.address) == (Medium.BLUETOOTH, BATTERY)
        await pipe.set_baud(9600)
        for _ in range(2):
            await pipe.close()
        for late in (pipe.read(), pipe.write(b"x")):
            with pytest.raises(LinkLost, match="is closed"):
                await late

    run(main())


@pytest.mark.parametrize(("mtu", "sizes"), [(23, [20, 20, 10]), (33, [30, 20]), (247, [50])])
def test_long_writes_are_split(mtu: int, sizes: list[int]) -> None:
    async def main() -> None:
        far = await setting(mtu)
        pipe = await opened()
        await pipe.write(bytes(range(50)))
        await asyncio.sleep(0.1)
        assert [len(data) for data in far.writes] == sizes
        assert b"".join(far.writes) == bytes(range(50))
        await pipe.close()

    run(main())


@pytest.mark.parametrize(
    "writable", [Flags.WRITE, Flags.WRITE_WITHOUT_RESPONSE, Flags.WRITE | Flags.WRITE_WITHOUT_RESPONSE]
)
def test_writes_are_acknowledged_only_where_there_is_no_other_way(
    writable: Flags, monkeypatch: pytest.MonkeyPatch
) -> None:

    asked = []
    write = Client.write_gatt_char

    async def watched(self: Client, characteristic: Any, data: Any, response: bool) -> None:
        asked.append(response)
        await write(self, characteristic, data, response)

    monkeypatch.setattr(Client, "write_gatt_char", watched)

    async def main() -> None:
        far = await setting(writable=writable)
        async with antbms.open(BY_ADDRESS, timing=TIMING) as found:
            assert is_right(await found.read(), far)

    run(main())
    assert set(asked) == {writable == Flags.WRITE}


def test_a_write_that_fails_tells_why_but_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_: Client, __: Any, data: Any, ___: bool) -> None:
        raise BleakError(f"Could not write value {bytes(data)!r} to characteristic 0003: Unreachable")

    monkeypatch.setattr(Client, "write_gatt_char", refuse)

    async def main() -> None:
        await setting()
        pipe = await opened()
        with pytest.raises(LinkLost, match="link lost: Could not write value b'open'"):
            await pipe.write(b"open")
        with pytest.raises(LinkLost) as caught:
            await pipe.write(bytes.fromhex("736573616D65"), secret=True)
        assert "sesame" not in "".join(traceback.format_exception(caught.value))
        await pipe.close()

    run(main())


def test_a_cancelled_read_loses_nothing() -> None:
    async def main() -> None:
        await setting()
        pipe = await opened()
        await pipe.write(REQUEST)
        pieces = []
        for _ in range(400):
            with suppress(TimeoutError):
                async with asyncio.timeout(0.0007):
                    pieces.append(await pipe.read())
        assert b"".join(pieces).startswith(b"\x7e\xa1\x11")
        assert b"".join(pieces).endswith(b"\xaa\x55")
        assert len(b"".join(pieces)) == 6 + pieces[0][5] + 4
        await pipe.close()

    run(main())


# ---- others who want it, and a clean end


def test_second_client_and_clean_release() -> None:
    """While it is in use, nobody else sees it; from the moment of `close` it is free."""

    async def main() -> None:
        far = await setting()
        phone = await radio(far.air, address="F0:F1:F2:F3:F4:F6")
        async with antbms.open(BY_ADDRESS, timing=TIMING) as found:
            await found.read()
            assert await seen(phone) is None
            start = now()
        assert now() - start < 0.01
        assert far.log[-2:] == ["unsubscribed", "disconnected"]
        device = await seen(phone)
        assert device
        async with BleakClient(device, backend=phone.client):
            with pytest.raises(OpenError, match="not found") as caught:
                await opened()
            assert "phone app" in caught.value.text()
        await (await opened()).close()

    run(main())


def test_twice_in_one_program() -> None:
    async def main() -> None:
        far = await setting()
        async with antbms.open(BY_ADDRESS, timing=TIMING) as found:
            with pytest.raises(OpenError, match="open already in this program"):
                await opened()
            assert is_right(await found.read(), far)

    run(main())


def test_a_link_that_a_killed_program_left() -> None:
    """Linux keeps it: the battery does not advertise, and would be lost until somebody intervenes."""

    async def main() -> None:
        far = await setting()
        device = await seen()
        assert device
        await BleakClient(device, backend=RADIO.get().client).connect()  # and its program is no more
        async with antbms.open(BY_ADDRESS, timing=TIMING) as found:
            assert is_right(await found.read(), far)
        assert not far.is_connected

    run(main())


def test_a_system_that_does_not_tell_what_it_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object) -> list[BLEDevice]:
        raise NotImplementedError

    monkeypatch.setattr(Adapter, "get_connected_devices", unknown)

    async def main() -> None:
        await setting()
        with pytest.raises(OpenError, match="not found"):
            await opened("ble:JBD-1")

    run(main())


@pytest.mark.parametrize("method", ["stop_notify", "disconnect"])
def test_close_ends_even_if_the_system_does_not_answer(method: str, monkeypatch: pytest.MonkeyPatch) -> None:

    done = getattr(Client, method)

    async def stuck(self: Client, *rest: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            if method == "disconnect":
                await done(self)

    async def main() -> None:
        far = await setting()
        pipe = await opened()
        monkeypatch.setattr(Client, method, stuck)
        start = now()
        await pipe.close()
        assert now() - start <= TIMING.close
        assert not far.is_connected

    run(main())


@pytest.mark.parametrize("patience", [TIMING.close, 0.0])
def test_cancelled_opening_leaves_nothing(patience: float) -> None:
    """Cancelled while it listens, at every few steps from then on, and while it looks for what is not there.

    Without patience all that is under way is broken off at once, and cleans up alone.
    """
    hasty = timing(close=patience)

    async def cancelled(moment: Coroutine[Any, Any, None], far: Battery) -> bool:
        opening = asyncio.ensure_future(opened(timing=hasty))
        await moment
        opening.cancel()
        start = now()
        (result,) = await asyncio.gather(opening, return_exceptions=True)
        assert now() - start <= patience
        if isinstance(result, ble.BlePipe):
            await result.close()
        await asyncio.sleep(0.1)
        assert not far.is_connected
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return isinstance(result, ble.BlePipe)

    async def steps_after(chip: Chip, event: str, number: int) -> None:
        happened = asyncio.Event()
        chip.once(event, lambda _: happened.set())
        await happened.wait()
        for _ in range(number):
            await asyncio.sleep(0)

    async def main() -> None:
        far = await setting()
        ours: Chip = RADIO.get().scanner.chip  # type: ignore[union-attr]
        for seconds in range(0, 100, 9):
            await cancelled(asyncio.sleep(seconds / 1000), far)
        for steps in range(0, 60, 2):
            await cancelled(steps_after(ours, Chip.EVENT_ADVERTISEMENT, steps), far)
        steps = 0
        while not await cancelled(steps_after(far._chip, Chip.EVENT_CONNECTION, steps), far):
            steps += 2
        assert "subscribed" in far.log
        await far.stop()
        for seconds in range(0, 11, 2):
            await cancelled(asyncio.sleep(seconds), far)
        await far._chip.start_advertising()
        await (await opened()).close()
        assert steps > 50

    run(main())


@pytest.mark.parametrize(("refusals", "words"), [(2, None), (99, "is in reach \\(-50 dBm\\), but cannot be connected")])
def test_failed_connections_are_tried_again(refusals: int, words: str | None) -> None:
    async def main() -> None:
        far = await setting(faults=Faults(refuse=refusals))
        if words is None:
            await (await opened()).close()
        else:
            with pytest.raises(OpenError, match=words) as caught:
                await opened()
            assert "phone app" in caught.value.text()
        assert far.log.count("connected") == 3

    run(main())


def test_unknown_service() -> None:
    async def main() -> None:
        far = await setting(profile=Profile(0xFFF0, 0xFFF1, 0xFFF2))
        with pytest.raises(OpenError, match="no service of a known kind, only 1800, 1801, FFF0") as caught:
            await opened()
        assert f"antbms services {BY_ADDRESS}" in caught.value.text()
        assert not far.is_connected

    run(main())
