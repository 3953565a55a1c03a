"""A day in a house with solar cells, as docs/solar-day.svg shows it."""

import importlib.util
import re
from itertools import pairwise
from types import ModuleType

import pytest

from conftest import ROOT


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("solar_day", ROOT / "tools" / "solar_day.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DAY = tool()


@pytest.fixture(scope="module")
def moments() -> list[object]:
    return DAY.run()  # type: ignore[no-any-return]


def test_a_day_has_everything_in_its_order(moments: list[object]) -> None:
    """Charge, balancing, full, discharge, a protection that trips, and the sun that ends it."""
    first = DAY.first
    charging = first(moments, lambda s: s.current > 20)
    balancing = first(moments, lambda s: bool(s.balancing))
    full = first(moments, DAY.has("warning.17"))
    discharging = first(moments, lambda s: s.current < -20, full)
    trip = first(moments, DAY.has("protection.4"))
    recovered = first(moments, lambda s: s.switches["discharge"].on, trip)
    assert charging < balancing < full < discharging < trip < recovered
    assert 7 < charging < 11
    assert 12 < full < 16
    assert 24 < trip < 30
    assert 30 < recovered < 33


def test_the_day_looks_like_a_day(moments: list[object]) -> None:
    snapshots = [moment.snapshot for moment in moments]  # type: ignore[attr-defined]
    assert all(not snapshot.doubts for snapshot in snapshots)
    spread = [max(s.cells) - min(s.cells) for s in snapshots]
    plateau = [gap for gap, s in zip(spread, snapshots, strict=True) if 30 < s.soc < 80]
    assert max(plateau) < 0.015  # together on the plateau, apart at both ends
    assert max(spread) > 0.1
    for before, after in pairwise(snapshots):
        assert abs(after.soc - before.soc) < 5
    for moment in moments:
        counted, true = moment.snapshot.soc, moment.true_soc  # type: ignore[attr-defined]
        assert abs(counted - true) < 3


def test_the_drawing_is_of_today(moments: list[object]) -> None:
    """All its words, times among them. To renew it: python tools/solar_day.py"""
    drawn = (ROOT / "docs" / "solar-day.svg").read_text("utf-8")
    words = re.compile(r"<text [^>]*>([^<]*)</text>")
    assert words.findall(drawn) == words.findall(DAY.draw(moments))
    assert drawn.count("<poly") == DAY.draw(moments).count("<poly")
