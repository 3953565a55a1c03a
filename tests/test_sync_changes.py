"""Switches and settings from a script."""

from pathlib import Path

import pytest

from antbms import sync
from antbms.errors import UsageError


def test_changes_from_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTBMS_STATE", str(tmp_path))
    with sync.open("sim:jbd") as battery:
        assert battery.switch("charge", False).confirmed
        with pytest.raises(UsageError, match="is dangerous"):
            battery.command("power_off")
        recovery = battery.settings.read(["cell_overvoltage_recovery"])["cell_overvoltage_recovery"]
        assert isinstance(recovery, float)
        wanted = {"cell_overvoltage_recovery": round(recovery - 0.05, 3)}
        (planned,) = battery.settings.check(wanted)
        assert (planned.before, planned.confirmed) == (recovery, False)
        (outcome,) = battery.settings.write(wanted)
        assert (outcome.seen, outcome.confirmed) == (wanted["cell_overvoltage_recovery"], True)
        made, rows = battery.settings.backup()
        assert made.settings.items() >= wanted.items()
        assert rows.keys() == battery.settings.rows().keys()
