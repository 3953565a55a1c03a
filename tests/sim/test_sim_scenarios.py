"""What reading makes of each scenario, in the protocols that can show it: through the bytes of a real answer."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

import antbms
import patience
from antbms.model import Snapshot
from antbms.protocol import dialect, parse
from antbms.sim import PERSONALITIES, Device, make_device
from antbms.sim.scenarios import SCENARIOS
from antbms.timing import utc_now

PROTOCOLS = sorted(PERSONALITIES)
ANT, LEGACY, JBD = "ant", "ant-legacy", "jbd"


def reading(device: Device) -> Snapshot:
    """What a client decodes of the frames that the device sends now."""
    spoken = dialect(device.personality.protocol)
    device.speed = 0.0
    packets = [parse(device.receive(step[0].raw, 0.0)) for step in spoken.STATUS]
    return spoken.to_snapshot(packets, time=utc_now(), battery="")


def scene(protocol: str, name: str, **options: str) -> Device:
    return make_device(protocol, {"scenario": name} | options)


def later(device: Device, seconds: float) -> Snapshot:
    device.rig.advance(device.rig.clock + seconds)
    return reading(device)


def codes(snapshot: Snapshot) -> set[str]:
    return {alarm.code for alarm in snapshot.alarms}


def off(snapshot: Snapshot, switch: str, reason: str) -> bool:
    """Whether a switch is off, and says why where its protocol has reasons."""
    state = snapshot.switches[switch]
    return state.on is False and state.reason == ("off" if snapshot.protocol == JBD else reason)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_it_is_read_over_the_whole_stack(protocol: str, name: str) -> None:
    """Every scenario gives a snapshot, in a second, and the same one again."""

    async def read() -> Snapshot:
        async with antbms.open(f"sim:{protocol}", options={"scenario": name, "speed": "0"}) as battery:
            return await battery.read()

    found = patience.run(read())
    assert found.protocol == protocol
    assert found.current is not None
    assert found.cells
    wanted = reading(scene(protocol, name))
    assert (found.cells, found.alarms, found.switches) == (wanted.cells, wanted.alarms, wanted.switches)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_without_a_scenario_nothing_is_wrong(protocol: str) -> None:
    snapshot = reading(make_device(protocol))
    assert (snapshot.alarms, snapshot.doubts) == ((), ())
    assert all(snapshot.switches[name].on for name in ("charge", "discharge"))
    assert snapshot.cell_spread is not None
    assert snapshot.cell_spread < 0.02


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_imbalance(protocol: str) -> None:
    device = scene(protocol, "imbalance")
    snapshot = reading(device)
    cell = len(snapshot.cells) // 2 + 1
    assert cell in snapshot.balancing
    assert snapshot.cells[cell - 1] == snapshot.cell_max
    if protocol != JBD:
        assert snapshot.switches["balance"].on
    if protocol == ANT:
        assert "warning.29" in {flag.code for flag in snapshot.flags}
    device.rig.advance(device.rig.clock + 4 * 3600)
    assert device.rig.bms.counters["cell_overvoltage"] >= (0 if protocol == LEGACY else 1)  # NMC rises gently


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_weak_cell(protocol: str) -> None:
    snapshot = reading(scene(protocol, "weak-cell"))
    weak = len(snapshot.cells) // 2
    assert snapshot.cells[weak] == snapshot.cell_min
    assert snapshot.cell_spread is not None
    assert snapshot.cell_spread > 0.1
    assert off(snapshot, "discharge", "cell undervoltage")
    assert {ANT: "protection.4", LEGACY: "discharge.2", JBD: "protection.1"}[protocol] in codes(snapshot)
    assert snapshot.doubts == ()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_overvoltage(protocol: str) -> None:
    device = scene(protocol, "overvoltage")
    snapshot = reading(device)
    assert off(snapshot, "charge", "cell overvoltage")
    assert {ANT: "protection.1", LEGACY: "charge.2", JBD: "protection.0"}[protocol] in codes(snapshot)
    limit = device.rig.bms.thresholds.cell_overvoltage
    assert snapshot.cell_max is not None
    assert snapshot.cell_max > limit - 0.1
    assert later(device, 2).current == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_cold_charge(protocol: str) -> None:
    device = scene(protocol, "cold-charge")
    snapshot = later(device, 2)
    assert off(snapshot, "charge", "cold")
    assert snapshot.switches["discharge"].on
    assert {ANT: "protection.11", LEGACY: "charge.17", JBD: "protection.5"}[protocol] in codes(snapshot)
    assert snapshot.current == 0
    assert all(warmth is not None and warmth < 0 for name, warmth in snapshot.temperatures.items() if name[0] == "t")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_short_circuit(protocol: str) -> None:
    device = scene(protocol, "short-circuit")
    snapshot = reading(device)
    assert off(snapshot, "discharge", "short circuit")
    assert {ANT: "protection.16", LEGACY: "discharge.12", JBD: "protection.10"}[protocol] in codes(snapshot)
    assert snapshot.current == 0
    device.rig.advance(device.rig.clock + 200)
    assert device.rig.bms.counters["short_circuit"] >= 3  # it tries again every minute
    after = later(device, 300)
    assert after.switches["discharge"].on
    assert after.alarms == ()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_loose_wire(protocol: str) -> None:
    """Two cells cannot be what they seem: both become null, and say why. The pack's voltage is measured apart."""
    snapshot = reading(scene(protocol, "loose-wire"))
    low, high = len(snapshot.cells) // 2 - 1, len(snapshot.cells) // 2
    assert (snapshot.cells[low], snapshot.cells[high]) == (None, None)
    cells, extremes = snapshot.doubts[:2], snapshot.doubts[2:]
    assert [doubt.quantity for doubt in cells] == [f"cells.{low + 1}", f"cells.{high + 1}"]
    assert [doubt.reason for doubt in cells] == ["outside 0.5 to 5 V"] * 2
    assert {doubt.quantity for doubt in extremes} == (set() if protocol == JBD else {"cell_min", "cell_max"})
    assert snapshot.voltage is not None
    assert snapshot.cell_spread is not None
    assert snapshot.cell_spread < 0.05
    alarms = {ANT: "protection.25", LEGACY: "charge.9", JBD: "protection.0"}
    assert alarms[protocol] in codes(snapshot)
    assert off(snapshot, "charge", "balance wire loose")
    assert off(snapshot, "discharge", "balance wire loose")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_unplugged_sensor(protocol: str) -> None:
    """ANT boards have a value for "none". A jbd board takes the open input for cold, and protects against that."""
    device = scene(protocol, "unplugged-sensor")
    snapshot = later(device, 10)
    sensors = [warmth for name, warmth in snapshot.temperatures.items() if name[0] == "t"]
    assert all(warmth is not None and warmth > 10 for warmth in sensors[:-1])
    if protocol == JBD:
        assert sensors[-1] == -30.0
        assert codes(snapshot) == {"protection.5", "protection.7"}
    else:
        assert sensors[-1] is None
        assert snapshot.alarms == ()
    assert snapshot.doubts == ()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_stuck_mosfet(protocol: str) -> None:
    device = scene(protocol, "stuck-mosfet")
    snapshot = reading(device)
    assert off(snapshot, "discharge", "MOSFET abnormal")
    assert snapshot.current is not None
    assert snapshot.current < -5
    assert {ANT: "protection.27", LEGACY: "discharge.13", JBD: "protection.14"}[protocol] in codes(snapshot)
    flags = {flag.code for flag in snapshot.flags}
    assert {ANT: "protection.17", JBD: "protection.12"}.get(protocol, "") in flags | {""}
    assert later(device, 60).current == snapshot.current


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_soc_jump(protocol: str) -> None:
    device = scene(protocol, "soc-jump")
    shown = [reading(device).soc]
    assert shown[0] is not None
    assert 71 <= shown[0] <= 73
    shown += [later(device, 60).soc for _ in range(2 * 60)]
    steps = [(after or 0) - (before or 0) for before, after in pairwise(shown)]
    assert shown[-1] == 100
    assert max(steps) > 10
    assert sum(step > 2 for step in steps) == 1


ROLLS: dict[str, tuple[Callable[[Snapshot], Any], ...]] = {
    ANT: (lambda s: s.discharged, lambda s: s.throughput, lambda s: s.uptime),
    LEGACY: (lambda s: s.throughput, lambda s: s.uptime),
    JBD: (lambda s: s.cycles,),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_roll_over(protocol: str) -> None:
    device = scene(protocol, "roll-over", load="constant")
    before, after = reading(device), later(device, 120)
    for quantity in ROLLS[protocol]:
        assert quantity(before) > 60000
        assert quantity(after) < 120
    assert after.doubts == ()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_scenarios_add_up(protocol: str) -> None:
    device = scene(protocol, "imbalance,stuck-mosfet,roll-over")
    snapshot = reading(device)
    assert {ANT: "protection.27", LEGACY: "discharge.13", JBD: "protection.14"}[protocol] in codes(snapshot)
    assert max(device.rig.pack.socs) - min(device.rig.pack.socs) > 0.03
    assert snapshot.uptime is None or snapshot.uptime > 2**32 - 70


def test_what_passes_begins_when_the_others_show() -> None:
    snapshot = reading(scene(ANT, "short-circuit,unplugged-sensor,loose-wire"))
    assert "protection.25" in codes(snapshot)
    both = reading(scene(ANT, "short-circuit,unplugged-sensor"))
    assert "protection.16" in codes(both)
    assert both.temperatures["t4"] is None


def test_the_user_goes_before_the_scenario() -> None:
    device = make_device("ant", {"scenario": "roll-over,imbalance", "soc": "30", "load": "constant", "speed": "3600"})
    assert device.rig.pack.soc < 0.31
    assert device.rig.pack.current <= 0
