"""A battery as a pure machine: bytes in, bytes out, the clock given."""

from .device import Device, make_device
from .personality import PERSONALITIES, Personality

__all__ = ["PERSONALITIES", "Device", "Personality", "make_device"]
