"""Pack, BMS, charger and load on one clock: a fixed grid of steps, so that nothing depends on when one looks."""

from __future__ import annotations

from .bms import Bms
from .load import HOUR, Load, warmth
from .pack import Pack

STEP = 1.0
"""s. Loads change within seconds, and the delays of protections are whole seconds."""
COARSE = 10.0
"""s of a step where time runs fast: then nobody sees seconds, and an hour must be cheap."""
FAST = 60.0
"""From this speed on, steps are coarse."""


class Rig:
    """All that moves. The state at any time is that of the last point of the grid before it.

    clock: s since the beginning. step: s, a whole number or a fraction of them; two rigs with the same seed and step
    go through the same states, however `advance` is called. short_until: until then a wire lies across the terminals.
    mean, swing: °C of the air over the day; hour: time of day at the beginning.
    """

    def __init__(self, pack: Pack, bms: Bms, load: Load, *, step: float = STEP, hour: float = 0.0) -> None:
        self.pack, self.bms, self.load = pack, bms, load
        self.seconds = step
        self.hour = hour
        self.mean, self.swing = pack.ambient, 0.0
        self.short_until = 0.0
        self.fuse_blown = False
        self.steps = 0

    @property
    def clock(self) -> float:
        """s since the beginning."""
        return self.steps * self.seconds

    def advance(self, clock: float) -> None:
        """Move on to the last point of the grid before `clock`; going back is ignored."""
        wanted = int(clock / self.seconds + 1e-9)
        while self.steps < wanted:
            self.step()

    def step(self) -> None:
        """One step."""
        pack, bms, clock = self.pack, self.bms, self.clock
        if self.swing:
            pack.ambient = warmth(self.hour + clock / HOUR, self.mean, self.swing)
        surge, current = 0.0, 0.0
        if not self.fuse_blown:
            if clock < self.short_until and bms.conducts(-1.0):
                surge = pack.short_circuit_current
                self.fuse_blown = "discharge" in bms.stuck
            else:
                current = self.load.current(clock, pack, self.seconds)
                if current and not bms.conducts(current):
                    current = 0.0
        pack.step(current, self.seconds, bms.balancing, bms.thresholds.balance_resistance)
        bms.step(pack, self.seconds, surge)
        self.steps += 1
