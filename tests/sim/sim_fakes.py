"""Rigs for tests, and what has to hold of any of them."""

from typing import Any

from antbms.sim.build import Wishes, make_rig
from antbms.sim.pack import Pack
from antbms.sim.personality import PERSONALITIES
from antbms.sim.rig import Rig


def rig_of(protocol: str = "ant", **wishes: Any) -> Rig:
    return make_rig(PERSONALITIES[protocol], Wishes(**wishes))


def state_of(rig: Rig) -> dict[str, Any]:
    """All that pack and BMS know, as far as it is numbers, words and lists of them."""
    plain = (int, float, str, bool, tuple, list, set, dict, type(None))
    state = {f"pack.{name}": value for name, value in vars(rig.pack).items() if isinstance(value, plain)}
    state |= {f"bms.{name}": value for name, value in vars(rig.bms).items() if isinstance(value, plain)}
    state |= {"clock": rig.clock, "counters": rig.bms.counters}
    watches = rig.bms.protections + rig.bms.warnings
    state["bms.protections"] = state["bms.warnings"] = [
        (watch.rule.name, watch.active, watch.count) for watch in watches
    ]
    return state


def check_bounds(rig: Rig) -> None:
    """No cell is anywhere where a cell cannot be."""
    pack = rig.pack
    curve = pack.chemistry.curve
    low, high = curve[0][0], curve[-1][0]
    for soc, volts in zip(pack.socs, pack.voltages, strict=True):
        assert low - 1e-9 <= soc <= high + 1e-9
        assert -0.5 < volts < 5.0
    assert -60 < pack.temperature < 120
    assert 0 <= rig.bms.remaining <= rig.bms.capacity
    assert all(volts >= 0 for volts in rig.bms.cells)


class Balance:
    """What came in and did not go out has to be somewhere: charge and energy of a pack, from now on."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._charge, self._energy = sum(pack.charges), pack.energy

    def missing(self) -> tuple[float, float]:
        """Charge and energy that are nowhere, as shares of what passed the terminals both ways."""
        pack, cells = self._pack, len(self._pack.charges)
        stored = cells * (pack.charged * pack.chemistry.efficiency - pack.discharged)
        charge = sum(pack.charges) - self._charge - stored + pack.leaked + pack.drained
        kept = pack.energy - self._energy + pack.heat + pack.bled
        energy = pack.energy_in - pack.energy_out - kept
        return charge / cells / (pack.charged + pack.discharged), energy / (pack.energy_in + pack.energy_out)
