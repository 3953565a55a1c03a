"""What a simulated device claims to be. The names are those of no real board."""

from __future__ import annotations

from msgspec import Struct


class Personality(Struct, frozen=True, kw_only=True):
    """A device type. capacity in Ah; current is what its resting owner draws or charges at most, in A."""

    protocol: str
    model: str
    software: str
    cells: int
    capacity: float
    current: float
    sensors: int
    chemistry: str = "lfp"
    level: int | None = None


PERSONALITIES: dict[str, Personality] = {
    "ant": Personality(
        protocol="ant",
        model="16SIM",
        software="16SIMB00-260101A",
        cells=16,
        capacity=280.0,
        current=40.0,
        sensors=4,
        level=5,
    ),
    "ant-legacy": Personality(
        protocol="ant-legacy", model="", software="", cells=14, capacity=50.0, current=15.0, sensors=4, chemistry="nmc"
    ),
    "jbd": Personality(
        protocol="jbd", model="SIM-SP08S-100A", software="3.2", cells=8, capacity=100.0, current=25.0, sensors=2
    ),
}
"""By protocol."""
