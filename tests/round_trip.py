"""What a user does to a battery, over whatever link: a switch, and settings shown, set, compared and restored."""

from pathlib import Path

import pytest

from antbms.backup import check_same, differences, load, save, to_restore
from antbms.battery import Battery
from antbms.protocol import MODULES, dialect


def quick(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Without the silence that real boards need between requests: hundreds of registers are read."""
    monkeypatch.setenv("ANTBMS_STATE", str(folder / "state"))
    for protocol in MODULES:
        monkeypatch.setattr(dialect(protocol), "PAUSE", 0.0)


async def round_trip(battery: Battery, file: Path) -> None:
    """Leaves the battery's settings as they were. `file`: for the backup."""
    off = await battery.switch("charge", False)
    assert (off.before, off.seen, off.confirmed) == (True, False, True)
    on = await battery.switch("charge", True)
    assert (on.seen, on.confirmed) == (True, True)

    made, rows = await battery.settings.backup()
    save(file, made, rows)
    limit = made.settings["cell_overvoltage"]
    recovery = made.settings["cell_overvoltage_recovery"]
    assert isinstance(limit, float)
    assert isinstance(recovery, float)
    wanted = {"cell_overvoltage": round(recovery - 0.01, 3), "cell_overvoltage_recovery": round(recovery - 0.02, 3)}
    outcomes = await battery.settings.write(wanted)
    assert [outcome.what for outcome in outcomes] == ["cell_overvoltage_recovery", "cell_overvoltage"]
    assert all(outcome.confirmed for outcome in outcomes)

    saved = load(file)
    check_same(file, saved, await battery.info())
    found = differences(saved, rows, await battery.settings.read(list(wanted)))
    assert {item.row.name for item in found} == set(wanted)
    restored = await battery.settings.write(to_restore(found, only=None, dangerous=False))
    assert [outcome.what for outcome in restored] == ["cell_overvoltage", "cell_overvoltage_recovery"]
    assert await battery.settings.read(list(wanted)) == {
        "cell_overvoltage": limit,
        "cell_overvoltage_recovery": recovery,
    }
