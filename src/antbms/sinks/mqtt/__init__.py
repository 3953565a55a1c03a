"""MQTT: the state of each battery, a history without gaps, and what Home Assistant needs to find them."""

from __future__ import annotations

from ...timing import Timing
from ..base import Sources, need
from .config import Config, check
from .sink import Mqtt

__all__ = ["Config", "Mqtt", "make"]


def make(config: Config, sources: Sources, timing: Timing) -> Mqtt:
    """The sink of the section `[mqtt]`. Raises `UsageError` for what cannot mean anything, or is not installed."""
    need("mqtt", "paho")
    check(config)
    return Mqtt(config, sources, timing)
