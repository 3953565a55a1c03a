"""Boards of the references, as `-o model=` names them."""

from pathlib import Path

import pytest
from board_talk import Talk

from antbms.errors import UsageError
from antbms.sim import make_device
from antbms.sim.models import MODELS
from conftest import ROOT


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_what_it_says(name: str) -> None:
    mine = MODELS[name]
    talk = Talk(mine.protocol, model=name.lower())
    if mine.has_module:
        talk.device.board.module.is_open = True  # type: ignore[attr-defined]
    snapshot = talk.snapshot()
    assert len(snapshot.cells) == mine.cells
    assert snapshot.capacity == pytest.approx(mine.capacity)
    assert len([sensor for sensor in snapshot.temperatures if sensor.startswith("t")]) == (
        4 if mine.protocol == "ant-legacy" else mine.sensors
    )
    assert snapshot.level == mine.level
    assert not snapshot.doubts


@pytest.mark.parametrize("name", MODELS)
def test_a_model_follows_a_recording(name: str, captures: Path) -> None:
    mine = MODELS[name]
    if not mine.source.startswith("assumed"):
        assert (captures / f"{mine.source.partition(';')[0]}.txt").exists()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_stands_in_the_docs(name: str) -> None:
    mine = MODELS[name]
    page = (ROOT / "docs" / "simulator.md").read_text("utf-8")
    says = (mine.protocol, mine.model or "–", mine.software or "–")
    cells = f"{mine.cells} × {mine.chemistry.upper()}, {mine.capacity:g} Ah"
    assert " | ".join((f"| `{name}`", *says, cells, f"{mine.source} |")) in page


def test_options_go_before_the_model() -> None:
    device = make_device("jbd", {"model": "CHINS", "cells": "8"})
    assert (device.personality.cells, device.personality.model) == (8, "J-12300-241118-069")


@pytest.mark.parametrize("protocol", ["ant", "ant-legacy", "jbd"])
def test_an_unknown_model_is_refused_with_those_that_there_are(protocol: str) -> None:
    other = next(name for name, row in MODELS.items() if row.protocol != protocol)
    with pytest.raises(UsageError, match=f"model={other}: no simulated {protocol} board") as caught:
        make_device(protocol, {"model": other})
    assert next(name for name, row in MODELS.items() if row.protocol == protocol) in caught.value.hints[0]
