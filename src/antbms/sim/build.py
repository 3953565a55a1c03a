"""From what a user asks for to a rig: options as text, checked, and the parts put together."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from ..errors import UsageError
from . import scenarios
from .bms import Bms
from .chemistry import CHEMISTRIES
from .load import LOADS, make_load, warmth
from .pack import Pack
from .personality import Personality
from .reading import OPEN_SENSOR, known_rules
from .rig import COARSE, FAST, STEP, Rig
from .thresholds import default_thresholds

SOC = 65.0
"""%, where nothing else is asked for."""
HOUR = 18.5
"""Time of day at which a simulation begins: in the evening something happens in every house."""
AMBIENT, SWING = 19.0, 5.0
"""°C of the air: mean of the day, and how far it goes from it."""


class Wishes(Struct, frozen=True, kw_only=True):
    """What a user asks for, checked. soc: %. speed: s of the battery's time in one of ours."""

    soc: float | None = None
    seed: int = 1
    speed: float = 1.0
    load: str | None = None
    scenario: str = ""
    hour: float = HOUR


def read_options(personality: Personality, options: Mapping[str, str]) -> tuple[Personality, Wishes]:
    """Options as typed: cells, capacity (Ah), soc (%), seed, speed, load, scenario. Raises `UsageError`."""
    cells = _whole(options, "cells", personality.cells, 1, 32)
    capacity = _number(options, "capacity", personality.capacity, 1, 650)
    wishes = Wishes(
        soc=_number(options, "soc", SOC, 0, 100) if "soc" in options else None,
        seed=_whole(options, "seed", 1, 0, 2**31),
        speed=_number(options, "speed", 1.0, 0, 36000),
        load=_word(options, "load", LOADS),
        scenario=options.get("scenario", ""),
    )
    scenarios.scenarios_of(wishes.scenario, cells)
    return replace(personality, cells=cells, capacity=capacity), wishes


def make_rig(personality: Personality, wishes: Wishes) -> Rig:
    """A pack of this personality, with what is connected to it. It has run a step, so that there is a current."""
    chosen = scenarios.scenarios_of(wishes.scenario, personality.cells)
    load = wishes.load or next((row.load for row in reversed(chosen) if row.load), personality.load)
    soc = wishes.soc if wishes.soc is not None else next((row.soc for row in reversed(chosen) if row.soc), SOC)
    chemistry = CHEMISTRIES[personality.chemistry]
    pack = Pack(chemistry, personality.cells, personality.capacity, soc=soc / 100, seed=wishes.seed, ambient=AMBIENT)
    pack.temperature = warmth(wishes.hour, AMBIENT, SWING) + 1.0
    pack.changed()
    limits = default_thresholds(chemistry, personality.cells, personality.capacity, personality.current)
    bms = Bms(
        pack,
        limits,
        capacity=personality.capacity,
        current=personality.current,
        sensors=personality.sensors,
        known=known_rules(personality.protocol),
        open_sensor=OPEN_SENSOR.get(personality.protocol),
        seed=wishes.seed,
    )
    connected = make_load(load, pack, current=personality.current, seed=wishes.seed, hour=wishes.hour)
    rig = Rig(pack, bms, connected, step=COARSE if wishes.speed >= FAST else STEP, hour=wishes.hour)
    rig.mean, rig.swing = AMBIENT, SWING
    scenarios.apply(rig, chosen)
    rig.step()
    return rig


def _number(options: Mapping[str, str], key: str, default: float, low: float, high: float) -> float:
    try:
        value = float(options.get(key, default))
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise UsageError(f"{key}={options[key]}: not a number from {low:g} to {high:g}")
    return value


def _whole(options: Mapping[str, str], key: str, default: int, low: int, high: int) -> int:
    value = _number(options, key, default, low, high)
    if value != int(value):
        raise UsageError(f"{key}={options[key]}: not a whole number")
    return int(value)


def _word(options: Mapping[str, str], key: str, words: Mapping[str, str]) -> str | None:
    word = options.get(key)
    if word is not None and word not in words:
        raise UsageError(f"{key}={word}: there is no such {key}", f"There are: {', '.join(words)}.")
    return word
