"""The pack: charge and energy are kept, cells relax, and stay where cells can be."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antbms.sim.chemistry import CHEMISTRIES, curve_of
from antbms.sim.load import Charger
from antbms.sim.pack import Pack

NAMES = sorted(CHEMISTRIES)


def pack_of(name: str, *, cells: int = 8, capacity: float = 100.0, soc: float = 0.5, seed: int = 1) -> Pack:
    return Pack(CHEMISTRIES[name], cells, capacity, soc=soc, seed=seed)


@pytest.mark.parametrize("name", NAMES)
def test_curves_rise(name: str) -> None:
    curve = curve_of(CHEMISTRIES[name])
    assert all(slope > 0 for slope in curve.slopes[:-1])
    for soc, volts in CHEMISTRIES[name].curve:
        assert curve.voltage(soc) == pytest.approx(volts, abs=0.002)
    assert min(curve.ends) == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_the_energy_of_a_curve_is_its_area(name: str) -> None:
    curve = curve_of(CHEMISTRIES[name])
    step = 1e-4
    area = sum(curve.voltage(0.2 + (number + 0.5) * step) * step for number in range(4000))
    assert curve.energy(0.6) - curve.energy(0.2) == pytest.approx(area, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_cells_differ_by_seed_and_little(name: str) -> None:
    one, other = pack_of(name), pack_of(name, seed=2)
    assert one.capacities != other.capacities
    assert pack_of(name).capacities == one.capacities
    for values in (one.capacities, one.resistances, one.charges, one.leaks):
        assert len(set(values)) == len(values)
        assert max(values) < 2.5 * min(values)
    assert one.soc == pytest.approx(0.5, abs=0.001)


@pytest.mark.parametrize("name", NAMES)
def test_voltage_drops_at_once_and_then_relaxes(name: str) -> None:
    pack = pack_of(name)
    pack.step(0.0, 1.0)
    rest = pack.voltage
    pack.step(-50.0, 1.0)
    at_once = rest - pack.voltage
    resistance = sum(pack.resistances)
    assert at_once == pytest.approx(50 * resistance, rel=0.35)
    for _ in range(600):
        pack.step(-50.0, 1.0)
    loaded = pack.voltage
    pack.step(0.0, 1.0)
    first = pack.voltage - loaded
    for _ in range(1800):
        pack.step(0.0, 1.0)
    later = pack.voltage - loaded
    assert first == pytest.approx(50 * resistance, rel=0.3)
    assert later > 1.3 * first


@pytest.mark.parametrize("name", NAMES)
def test_a_charger_holds_its_voltage(name: str) -> None:
    pack = pack_of(name, soc=0.9)
    charger = Charger(pack, 50.0)
    highest, currents = 0.0, []
    while not charger.done:
        pack.step(charger.current(pack, 1.0), 1.0)
        highest = max(highest, pack.voltage)
        currents.append(pack.current)
    assert highest == pytest.approx(charger.voltage, abs=0.02)
    assert max(currents) == 50.0
    assert currents[-2] < charger.tail
    falling = currents[currents.index(min(currents[:5])) :]
    assert falling[-2] < falling[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seconds", [1.0, 10.0])
def test_energy_is_kept(name: str, seconds: float) -> None:
    """What went in and did not come out is in the cells, or became heat, or was burnt by balancing."""
    pack = pack_of(name)
    before = pack.energy
    chemistry, count = pack.chemistry, len(pack.charges)
    while pack.voltage > chemistry.empty * count:
        pack.step(-60.0, seconds, bleeding=(1, 2), bleeder=25.0)
    charger = Charger(pack, 60.0)
    while not charger.done:
        pack.step(charger.current(pack, seconds), seconds)
    assert pack.energy_in > 0.9 * 100 * chemistry.nominal * count
    kept = pack.energy - before + pack.heat + pack.bled
    assert pack.energy_in - pack.energy_out == pytest.approx(kept, abs=0.001 * pack.energy_in)
    assert pack.heat > 0.01 * pack.energy_in
    assert pack.spoilt == 0


@pytest.mark.parametrize("name", NAMES)
def test_charge_is_kept(name: str) -> None:
    """Cell by cell: what was stored, less what leaked and was drained."""
    pack = pack_of(name)
    before = list(pack.charges)
    pack.temperature = pack.ambient = 25.0
    hours = 0.0
    drained = 0.0
    for number in range(4000):
        drained += pack.voltages[3] / 25.0 * 10 / 3600
        pack.step(30.0 if number % 2 else -30.0, 10.0, bleeding=(3,), bleeder=25.0)
        hours += 10 / 3600
    efficiency = pack.chemistry.efficiency
    for number, (was, now) in enumerate(zip(before, pack.charges, strict=True)):
        wanted = was + pack.charged * efficiency - pack.discharged - (drained if number == 3 else 0.0)
        leak = pack.leaks[number] * hours
        assert now == pytest.approx(wanted - leak, abs=0.5 * leak)


def test_self_discharge_doubles_with_ten_degrees() -> None:
    lost = []
    for warmth in (25.0, 35.0):
        pack = pack_of("lfp")
        pack.temperature = pack.ambient = warmth
        before = sum(pack.charges)
        for _ in range(100):
            pack.step(0.0, 60.0)
        lost.append(before - sum(pack.charges))
    assert lost[1] == pytest.approx(2 * lost[0], rel=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_cold_cells_resist_and_warm_up(name: str) -> None:
    drops = []
    for warmth in (0.0, 25.0):
        pack = pack_of(name)
        pack.temperature = pack.ambient = warmth
        pack.changed()
        rest = pack.voltage
        pack.step(-50.0, 1.0)
        drops.append(rest - pack.voltage)
    assert 1.5 < drops[0] / drops[1] < 4
    pack = pack_of(name)
    began = pack.temperature
    for number in range(360):
        pack.step(-60.0 if number % 2 else 60.0, 10.0)
    assert began + 0.3 < pack.temperature < began + 40
    warm = pack.temperature
    for _ in range(360 * 24):
        pack.step(0.0, 10.0)
    assert abs(pack.temperature - pack.ambient) < 0.1 * (warm - pack.ambient)


def test_the_voltage_at_rest_depends_on_temperature() -> None:
    for name in NAMES:
        rests = []
        for warmth in (5.0, 45.0):
            pack = pack_of(name)
            pack.temperature = pack.ambient = warmth
            pack.changed()
            rests.append(pack.voltage / 8)
        assert rests[1] - rests[0] == pytest.approx(40 * pack.chemistry.entropy, abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(NAMES),
    st.integers(1, 20),
    st.floats(0, 1),
    st.integers(0, 1000),
    st.lists(st.tuples(st.floats(-3, 3), st.integers(1, 80)), max_size=5),
)
def test_no_cell_leaves_its_bounds(
    name: str, cells: int, soc: float, seed: int, currents: list[tuple[float, int]]
) -> None:
    """Whatever flows, at up to three times the capacity, and without any protection."""
    pack = pack_of(name, cells=cells, soc=soc, seed=seed)
    low, high = pack.chemistry.curve[0][0], pack.chemistry.curve[-1][0]
    for rate, steps in currents:
        for _ in range(steps):
            pack.step(rate * 100.0, 10.0)
            assert low - 1e-9 <= min(pack.socs)
            assert max(pack.socs) <= high + 1e-9
            assert all(math.isfinite(volts) for volts in pack.voltages)
            assert -60 < pack.temperature <= 150
