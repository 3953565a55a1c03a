"""Charge and energy over many cycles, with BMS and tester. `python bench/cycles.py` runs a thousand of each."""

import pytest
from msgspec.structs import replace
from sim_fakes import Balance, check_bounds

from antbms.sim.build import Wishes, make_rig
from antbms.sim.chemistry import CHEMISTRIES
from antbms.sim.personality import PERSONALITIES

CYCLES = 20
KEPT = 0.001
"""Share of charge and energy that may get lost: what issue 6 asks for. Measured over 1,000 cycles: 0.00002."""


@pytest.mark.parametrize("chemistry", sorted(CHEMISTRIES))
def test_nothing_gets_lost(chemistry: str) -> None:
    personality = replace(PERSONALITIES["jbd"], chemistry=chemistry, cells=4)
    rig = make_rig(personality, Wishes(load="cycle", speed=3600.0))
    balance = Balance(rig.pack)
    began, throughput = rig.bms.charges, rig.pack.charged
    counted = rig.bms.charged - rig.pack.charged, rig.bms.discharged - rig.pack.discharged
    while rig.bms.charges < began + CYCLES:
        rig.advance(rig.clock + 3600)
        check_bounds(rig)
    charge, energy = balance.missing()
    assert abs(charge) < KEPT
    assert abs(energy) < KEPT
    assert rig.pack.charged - throughput > 0.8 * CYCLES * personality.capacity
    assert rig.bms.charged - rig.pack.charged == pytest.approx(counted[0], abs=0.0005)
    assert rig.bms.discharged - rig.pack.discharged == pytest.approx(counted[1], abs=0.0005)
    efficiency = rig.pack.energy_out / rig.pack.energy_in
    assert 0.90 < efficiency < 0.99
