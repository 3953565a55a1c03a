"""From bits and codes to alarms, flags and switches: tables of words, made into records once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal

from ..model import Alarm, Flag, SwitchState
from .packet import bit_numbers


class BitTable:
    """The words of one mask. Bits in `states` become flags; all others, unknown ones too, alarms.

    name: begins the code of each record (`warning.17`).
    """

    def __init__(
        self, name: str, severity: Literal["protection", "warning"], words: Mapping[int, str], states: Iterable[int]
    ) -> None:
        self.name = name
        self.words = words
        self._states = sum(1 << bit for bit in states)
        texts = [words.get(bit) or f"bit {bit}" for bit in range(64)]
        self._alarms = [Alarm(f"{name}.{bit}", severity, text) for bit, text in enumerate(texts)]
        self._flags = [Flag(f"{name}.{bit}", text) for bit, text in enumerate(texts)]
        self.split = lru_cache(maxsize=256)(self._split)
        """Mask → its faults and its states, lowest bit first. Masks seldom change, so they are kept."""

    def is_state(self, bit: int) -> bool:
        """Whether a bit becomes a flag."""
        return bool(self._states >> bit & 1)

    def _split(self, mask: int) -> tuple[tuple[Alarm, ...], tuple[Flag, ...]]:
        return (
            tuple(self._alarms[bit] for bit in bit_numbers(mask & ~self._states)),
            tuple(self._flags[bit] for bit in bit_numbers(mask & self._states)),
        )

    def mask(self, items: Iterable[Alarm | Flag]) -> int:
        """The inverse: the mask of those among the items that belong to this table."""
        numbered = (item.code.partition(".") for item in items)
        return sum(1 << int(number) for table, _, number in numbered if table == self.name)


def switch_states(words: Mapping[int, str], on: Iterable[int]) -> tuple[SwitchState, ...]:
    """The state of a switch for every code of a byte; `on` when the code is one of `on`."""
    return tuple(SwitchState(code in on, code, words.get(code) or f"unknown {code}") for code in range(256))
