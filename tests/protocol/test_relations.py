"""What settings must be to each other, and the order in which nothing crosses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antbms.errors import UsageError
from antbms.protocol import MODULES, dialect
from antbms.protocol.relations import (
    check_chemistry,
    check_relations,
    chemistry_of,
    in_safe_order,
    relations,
)

CHAIN = (
    "cell_undervoltage_2", "cell_undervoltage_2_recovery", "cell_undervoltage", "cell_undervoltage_recovery",
    "cell_overvoltage_recovery", "cell_overvoltage", "cell_overvoltage_2_recovery", "cell_overvoltage_2",
    "charge_cold", "charge_cold_recovery", "charge_hot_recovery", "charge_hot",
    "cell_voltage_at_0", "cell_voltage_at_10", "cell_voltage_at_20", "cell_voltage_at_30",
)  # fmt: skip


def holds(values: dict[str, int]) -> bool:
    return all(values[lower] <= values[upper] for lower, upper in relations(values))


def mended(numbers: list[int]) -> dict[str, int]:
    """Any numbers, raised where a relation wants it."""
    values = dict(zip(CHAIN, numbers, strict=True))
    while not holds(values):
        for lower, upper in relations(values):
            values[upper] = max(values[upper], values[lower])
    return values


numbers = st.lists(st.integers(0, 9), min_size=len(CHAIN), max_size=len(CHAIN))


@given(numbers, numbers, st.sets(st.sampled_from(list(CHAIN))))
def test_nothing_crosses_after_any_single_write(first: list[int], second: list[int], kept: set[str]) -> None:
    old, target = mended(first), mended(second)
    new = {name: value for name, value in target.items() if name not in kept}
    if not holds(old | new):
        return
    now = dict(old)
    for name in in_safe_order(old, new):
        now[name] = new[name]
        assert holds(now), (name, now)
    assert now == old | new


@given(numbers, numbers)
def test_every_setting_is_written_once(first: list[int], second: list[int]) -> None:
    """Also where the values that are there already cross."""
    old, new = (dict(zip(CHAIN, values, strict=True)) for values in (first, second))
    assert sorted(in_safe_order(old, new)) == sorted(new)


@pytest.mark.parametrize(
    ("values", "changed", "lower"),
    [
        ({"cell_overvoltage": 3.5, "cell_overvoltage_recovery": 3.6}, "cell_overvoltage", "cell_overvoltage_recovery"),
        ({"cell_undervoltage": 2.8, "cell_undervoltage_recovery": 2.7}, "cell_undervoltage", "cell_undervoltage"),
        ({"charge_hot": 40, "charge_hot_recovery": 45}, "charge_hot", "charge_hot_recovery"),
        ({"charge_cold": 5, "charge_cold_recovery": 0}, "charge_cold", "charge_cold"),
        ({"cell_overvoltage": 3.5, "cell_undervoltage": 3.6}, "cell_undervoltage", "cell_undervoltage"),
        ({"cell_overvoltage": 3.9, "cell_overvoltage_2": 3.8}, "cell_overvoltage", "cell_overvoltage"),
        ({"cell_difference": 0.5, "cell_difference_recovery": 0.6}, "cell_difference", "cell_difference_recovery"),
    ],
)
def test_what_crosses_is_refused(values: dict[str, float], changed: str, lower: str) -> None:
    rows = dialect("ant").SETTINGS
    with pytest.raises(UsageError, match=f"^{lower} = .* would lie above"):
        check_relations(rows, dict(values), {changed: None})
    check_relations(rows, dict(values), {"capacity": None})  # what is not touched may be as it is
    check_relations(rows, dict.fromkeys(values, 3.0), values)  # equal is allowed


def test_relations_speak_of_rows_that_there_are() -> None:
    names = {name for protocol in MODULES for name in dialect(protocol).SETTINGS}
    pairs = list(relations(dict.fromkeys(names)))
    assert len(pairs) > 40
    assert {name for pair in pairs for name in pair} <= names


def test_thresholds_must_fit_the_chemistry() -> None:
    rows = dialect("ant").SETTINGS
    assert chemistry_of("nmc", {"cell_overvoltage": 3.65}) == ("nmc", True)
    assert chemistry_of(None, {"cell_overvoltage": 3.65}) == ("lfp", False)
    assert chemistry_of("custom", {"cell_overvoltage": 4.2}) == ("nmc", False)
    assert chemistry_of(None, {"cell_overvoltage": 2.8}) == ("lto", False)
    assert chemistry_of(None, {}) is None
    check_chemistry(rows, {"cell_overvoltage": 4.2}, ("nmc", True), 14)
    check_chemistry(rows, {"cell_overvoltage": 9.9, "charge_hot": 90}, None, None)
    for name, value in (("cell_overvoltage", 4.2), ("pack_overvoltage", 67.2), ("balance_start", 4.0)):
        with pytest.raises(UsageError, match=f"{name} = .* is not for lfp cells"):
            check_chemistry(rows, {name: value}, ("lfp", True), 16)
