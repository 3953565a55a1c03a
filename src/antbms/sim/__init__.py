"""A battery as a pure machine: bytes in, bytes out, the clock given."""

from .device import Device, make_device
from .faults import FAULTS, Piece, parse_faults
from .personality import PERSONALITIES, Personality

__all__ = ["FAULTS", "PERSONALITIES", "Device", "Personality", "Piece", "make_device", "parse_faults"]
