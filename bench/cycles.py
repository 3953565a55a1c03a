"""A thousand cycles of a simulated pack of each chemistry: does charge or energy get lost, and what does a step cost?

python bench/cycles.py [CYCLES]
"""

from __future__ import annotations

import sys
import time

from common import REPO
from msgspec.structs import replace

from antbms.sim.build import Wishes, make_rig
from antbms.sim.chemistry import CHEMISTRIES
from antbms.sim.personality import PERSONALITIES

sys.path.insert(0, str(REPO / "tests" / "sim"))
from sim_fakes import Balance

TARGET = 0.001
STEP_TARGET = 100.0
"""µs of a step of 16 cells, so that 1,000 packs at 1 Hz cost a tenth of a core."""


def main() -> None:
    cycles = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for chemistry in CHEMISTRIES:
        personality = replace(PERSONALITIES["ant"], chemistry=chemistry)
        rig = make_rig(personality, Wishes(load="cycle", speed=3600.0))
        balance, began, first = Balance(rig.pack), time.perf_counter(), rig.steps
        counted = rig.bms.charged - rig.pack.charged, rig.bms.discharged - rig.pack.discharged
        while rig.bms.charges < cycles:
            rig.step()
        cost = (time.perf_counter() - began) / (rig.steps - first) * 1e6
        charge, energy = balance.missing()
        off = max(
            abs(rig.bms.charged - rig.pack.charged - counted[0]),
            abs(rig.bms.discharged - rig.pack.discharged - counted[1]),
        )
        good = abs(charge) < TARGET and abs(energy) < TARGET and cost < STEP_TARGET
        print(
            f"{chemistry}: {cycles} cycles, {rig.pack.charged:.0f} Ah in, {rig.pack.discharged:.0f} Ah out; missing: "
            f"charge {charge:.1e}, energy {energy:.1e} (target {TARGET:g}); counters off by {1000 * off:.3f} mAh; "
            f"energy out/in {rig.pack.energy_out / rig.pack.energy_in:.3f}; {cost:.1f} µs a step of 16 cells "
            f"(target {STEP_TARGET:g}){'' if good else ': MISSED'}"
        )


main()
