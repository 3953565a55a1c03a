"""Changes of the simulated boards, which others made by the references: they lie, are slow, refuse, lose answers, and
their link is cut at every byte of a restore. All in virtual time.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from battery_fakes import PROTOCOLS

import antbms
from antbms.battery import Battery
from antbms.errors import AntbmsError, LinkError, PasswordNeeded, Unconfirmed
from antbms.protocol import dialect
from antbms.protocol.settings import raw_of, unpack_raw
from antbms.sim import Device, make_device
from virtual_time import run, timing

PARTS = 12
"""The cuts of a test: together the tests cut at every byte."""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTBMS_STATE", str(tmp_path / "state"))


def with_device(
    device: Device, protocol: str, work: Callable[[Battery], Awaitable[Any]], notes: list[str] | None = None
) -> Any:
    async def main() -> Any:
        with mock.patch("antbms.transport.sim.make_device", return_value=device):
            on_note = notes.append if notes is not None else None
            async with antbms.open(f"sim:{protocol}", protocol=protocol, timing=timing(), on_note=on_note) as battery:
                return await work(battery)

    try:
        return run(main())
    except AntbmsError as error:
        return error


def value(device: Device, protocol: str, name: str) -> Any:
    """The raw value that the device holds now."""
    row = dialect(protocol).SETTINGS[name]
    memory = device.board.memory
    return unpack_raw(memory.order, row, memory.read(row.address, row.size))


def raws(protocol: str, values: dict[str, float]) -> dict[str, int]:
    return {name: raw_of(dialect(protocol).SETTINGS[name], number) for name, number in values.items()}


def values_of(protocol: str) -> tuple[dict[str, float], dict[str, float]]:
    """Old and new values of what is written here."""
    names = ["cell_overvoltage", "cell_overvoltage_recovery", "charge_overcurrent"]
    old = with_device(make_device(protocol), protocol, lambda battery: battery.settings.read(names))
    limit, recovery, current = (old[name] for name in names)
    assert recovery < limit
    new = (round(recovery - 0.01, 3), round(recovery - 0.02, 3), current + 1)
    return old, dict(zip(names, new, strict=True))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("fault", ["lie", "refuse", "slow", "mute"])
def test_a_board_that_is_not_good(protocol: str, fault: str) -> None:
    old, new = values_of(protocol)
    device = make_device(protocol, {"faults": f"{fault}{':1' if fault == 'mute' else ''}"})
    result = with_device(device, protocol, lambda battery: battery.settings.write(new))
    holds = {name: value(device, protocol, name) for name in new}
    if fault == "mute":  # done, and the acknowledgement lost: the registers decide
        changed = [name for name in new if holds[name] == raws(protocol, new)[name]]
        assert "cell_overvoltage_recovery" in changed
        if isinstance(result, AntbmsError):  # nobody acknowledged what the registers do not show: the saving, the mode
            assert result.status in (1, 3)
            assert "no acknowledgement" in str(result)
        return
    if fault == "refuse":
        assert result.status == 3
        assert "refused" in str(result)
    elif fault == "lie":
        assert isinstance(result, Unconfirmed | PasswordNeeded)
        assert result.status == 3
    if fault in ("lie", "refuse"):
        assert holds == raws(protocol, old)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("lie", "but its status still shows on"),
        ("refuse", "the battery refused charge off"),
        ("slow:20", "but its status still shows on"),
        ("slow:5", ""),
        ("mute:1", ""),
    ],
)
def test_a_switch_of_a_board_that_is_not_good(protocol: str, fault: str, words: str) -> None:
    device = make_device(protocol, {"faults": fault})
    result = with_device(device, protocol, lambda battery: battery.switch("charge", False))
    if words:
        assert result.status == 3
        assert words in str(result)
    else:
        assert result.confirmed
        assert ("acknowledgement was lost" in result.text) is (fault == "mute:1")


def crossed(device: Device) -> int:
    return device.link.crossed


def measured(protocol: str, new: dict[str, float]) -> tuple[int, int]:
    """Bytes until the first write has happened, and in all."""
    device = make_device(protocol, {"faults": "cut:999999"})
    before = value(device, protocol, "cell_overvoltage_recovery")
    first: list[int] = []

    async def work(battery: Battery) -> None:
        await battery.settings.write(new, on_outcome=lambda _: first.append(crossed(device)))

    assert with_device(device, protocol, work) is None
    assert value(device, protocol, "cell_overvoltage_recovery") != before
    return first[0], crossed(device)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_link_that_is_cut(protocol: str, part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = values_of(protocol)
    first, end = measured(protocol, new)
    before, after = raws(protocol, old), raws(protocol, new)
    for at in range(first - 120, end + 1)[part::PARTS]:
        monkeypatch.setenv("ANTBMS_STATE", str(tmp_path / f"state{at}"))
        device = make_device(protocol, {"faults": f"cut:{at}"})
        error = with_device(device, protocol, lambda battery: battery.settings.write(new))
        holds = {name: value(device, protocol, name) for name in new}
        assert all(holds[name] in (before[name], after[name]) for name in new), f"cut at {at}"
        if isinstance(error, AntbmsError):
            assert isinstance(error, Unconfirmed | LinkError), f"cut at {at}: {error!r}"
            if isinstance(error, LinkError):
                assert holds == before, f"cut at {at}: {error}"
            for kind, sound in (("Written and read back", [after]), ("Not written", [before])):
                told = next((hint for hint in error.hints if hint.startswith(kind)), "")
                for name in re.findall(r"(\w+): [^;:]+ → ", told):
                    assert holds[name] in [state[name] for state in sound], f"cut at {at}: {error.text()}"
        device.link.faults.clear()
        notes: list[str] = []
        was_inside = getattr(device.board, "in_factory_mode", False)
        with_device(device, protocol, lambda battery: battery.read(), notes)
        assert not getattr(device.board, "in_factory_mode", False), f"cut at {at}"
        assert not was_inside or any("it has been left" in note for note in notes), f"cut at {at}: {notes}"
        with suppress(StopIteration):
            note = next(note for note in notes if "cut off while it wrote" in note)
            name = re.findall(r"wrote (\w+):", note)[0]
            told = ": written" in note
            assert holds[name] == (after if told else before)[name], f"cut at {at}: {note}"
