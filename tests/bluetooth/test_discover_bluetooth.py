"""`scan`, `services` and `doctor` over virtual Bluetooth LE, through bleak."""

from typing import Any

import msgspec
import pytest
from ble_radio import Air, Battery
from neighbourhood import (
    ANT_BLE,
    IMPATIENT,
    JBD_BLE,
    LEGACY_BLE,
    NAMELESS,
    STRANGE,
    TELEVISION,
    ble_batteries,
    ble_world,
    command_line,
    locked_battery,
)

import patience
from antbms.discovery import Found, discover
from antbms.errors import UsageError

Printed = pytest.CaptureFixture[str]
SCAN = ("scan", "--kind", "ble", "--seconds", "0.4")
LIKELY = {ANT_BLE: "ant", LEGACY_BLE: "ant-legacy", JBD_BLE: "jbd", TELEVISION: None, NAMELESS: None}
SPOKEN = {ANT_BLE: ("ant", 41), LEGACY_BLE: ("ant-legacy", 52), JBD_BLE: ("jbd", 63), NAMELESS: ("jbd", 74)}


def by_address(text: str) -> dict[str, dict[str, Any]]:
    """The lines of `scan --json`, by what stands after the colon."""
    records = [msgspec.json.decode(line) for line in text.splitlines()]
    return {record["address"].partition(":")[2]: record for record in records}


def steps(text: str) -> dict[str, tuple[str, str]]:
    """The lines of `doctor --json`: step → outcome and text."""
    records = [msgspec.json.decode(line) for line in text.splitlines()]
    return {record["step"]: (record["outcome"], record["text"]) for record in records}


# ---- Bluetooth LE


def test_scan_lists_who_advertises(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    met: dict[str, Battery] = {}
    antbms_in_world = command_line(monkeypatch, ble_world(ble_batteries, met))
    assert antbms_in_world(*SCAN, "--json") == 0
    found = by_address(capsys.readouterr().out)
    assert {address: record["likely"] for address, record in found.items()} == LIKELY
    assert [address for address, record in found.items() if record["candidate"]] == list(found)[:4]
    assert list(found)[4] == TELEVISION
    assert found[ANT_BLE]["name"] == "ANT-BLE16ZMUB"
    assert found[NAMELESS]["name"] is None
    assert {record["kind"] for record in found.values()} == {"ble"}
    assert all(-127 < record["signal"] < 0 for record in found.values())
    assert {record["protocol"] for record in found.values()} == {None}
    assert not any(battery.log for battery in met.values()), "a scan connects to nobody"


def test_probe_asks_the_candidates_and_one_at_a_time(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    met: dict[str, Battery] = {}
    log: list[str] = []

    def make(air: Air) -> dict[str, Battery]:
        batteries = ble_batteries(air)
        for battery in batteries.values():
            battery.log = log
        return batteries

    assert command_line(monkeypatch, ble_world(make, met))(*SCAN, "--probe", "--json") == 0
    found = by_address(capsys.readouterr().out)
    assert {a: (r["protocol"], r["soc"]) for a, r in found.items() if r["protocol"]} == SPOKEN
    assert found[ANT_BLE]["model"] == met[ANT_BLE].device.personality.model
    assert not any(record["problem"] for record in found.values())
    assert not met[TELEVISION].writes
    assert log == ["connected", "subscribed", "unsubscribed", "disconnected"] * len(SPOKEN)


def test_the_table(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    antbms_in_world = command_line(monkeypatch, ble_world(ble_batteries))
    assert antbms_in_world(*SCAN) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "Address"
    assert any(f"ble:{ANT_BLE}" in row and " ant? " in row and "ANT-BLE16ZMUB" in row for row in rows)
    assert any(NAMELESS in row and "services FFE0" in row for row in rows), "it could be a battery"
    assert antbms_in_world(*SCAN, "--probe") == 0
    rows = capsys.readouterr().out.splitlines()
    assert any(ANT_BLE in row and " ant  " in row and " 41 % " in row for row in rows)


def test_a_locked_module_is_named_as_such(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    antbms_in_world = command_line(monkeypatch, ble_world(lambda air: {JBD_BLE: locked_battery(air)}))
    assert antbms_in_world(*SCAN, "--probe", "--json") == 0
    (record,) = by_address(capsys.readouterr().out).values()
    assert record["problem"] == "the battery's Bluetooth module wants its password"
    assert (record["likely"], record["protocol"]) == ("jbd", None)
    assert antbms_in_world("doctor", f"ble:{JBD_BLE}", "--json") == 3
    text = capsys.readouterr().out
    assert steps(text)["answers"] == ("failed", "the battery's Bluetooth module wants its password")
    assert "password_env" in text


def test_a_battery_by_its_name_is_asked_without_probe() -> None:
    async def main() -> None:
        async with ble_world(ble_batteries)():
            found = await discover(kinds=["ble"], seconds=0.4, also=["ble:ant-ble20a"])
            answered = [one for one in found if one.protocol]
            assert [(one.address, one.protocol) for one in answered] == [(f"ble:{LEGACY_BLE}", "ant-legacy")]
            assert found[0] is answered[0]

    patience.run(main())


def test_what_takes_too_long_is_given_up() -> None:
    timing = patience.timing(open=0.5)

    def make(air: Air) -> dict[str, Battery]:
        return {ANT_BLE: Battery(air, address=ANT_BLE, delay=0.4)}

    async def main() -> None:
        async with ble_world(make)():
            (one,) = await discover(kinds=["ble"], seconds=0.4, probe=True, timing=timing)
            assert (one.protocol, one.problem) == (None, "took longer than 0 s")

    patience.run(main())


@pytest.mark.parametrize("address", [ANT_BLE, LEGACY_BLE, JBD_BLE])
def test_doctor_over_ble(address: str, monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    met: dict[str, Battery] = {}
    assert command_line(monkeypatch, ble_world(ble_batteries, met))("doctor", f"ble:{address}", "--json") == 0
    done = steps(capsys.readouterr().out)
    protocol, soc = SPOKEN[address]
    assert "failed" not in {outcome for outcome, _ in done.values()}
    assert address in done["found"][1]
    assert "dBm" in done["signal"][1]
    assert done["service"][1].startswith("FF00: notif" if protocol == "jbd" else "FFE0: notif")
    assert done["protocol"] == ("ok", protocol)
    assert f"{soc} %" in done["reading"][1]
    assert done["link"][1].endswith("none lost")
    assert done["password level"][0] == ("ok" if protocol == "ant" else "skipped")
    assert met[address].log[-1] == "disconnected"


def test_doctor_stops_where_it_fails(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    antbms_in_world = command_line(monkeypatch, ble_world(ble_batteries), IMPATIENT)
    failures = {
        "ble:11:22:33:44:55:66": ("found", "not found in 0 s"),
        f"ble:{TELEVISION}": ("service", "has no service of a known kind, only 18"),
    }
    for address, (step, reason) in failures.items():
        assert antbms_in_world("doctor", address, "--json") == 1
        *_, (last, (outcome, text)) = steps(capsys.readouterr().out).items()
        assert (last, outcome) == (step, "failed")
        assert reason in text
    assert antbms_in_world("doctor", f"ble:{TELEVISION}") == 1
    text = capsys.readouterr().out
    assert "✗ service" in text
    assert f"antbms services ble:{TELEVISION}" in text
    assert text.endswith("Failed: service.\n")


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize("device", ["ble:ANT-BLE16ZMUB", f"ble:{LEGACY_BLE}", "ble:Sara's Phone"])
def test_redacted(device: str, form: tuple[str], monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    monkeypatch.setenv("SECRET", "hunter22")
    antbms_in_world = command_line(monkeypatch, ble_world(ble_batteries), IMPATIENT)
    private = ("ANT-BLE", "Samsung", "JBD-SP", "A5:C2", "F0:F1", "Sara", "hunter22")
    antbms_in_world("doctor", device, "--redact", "-o", "password_env=SECRET", *form)
    text = "".join(capsys.readouterr())
    assert not [word for word in private if word in text], text
    assert "<name 1>" in text or "<address 1>" in text


def test_services(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    met: dict[str, Battery] = {}
    antbms_in_world = command_line(monkeypatch, ble_world(ble_batteries, met))
    assert antbms_in_world("services", f"ble:{JBD_BLE}", "--json") == 0
    rows = [msgspec.json.decode(line) for line in capsys.readouterr().out.splitlines()]
    used = {row["characteristic"][4:8]: (row["service"][4:8], row["use"]) for row in rows if row["use"]}
    assert used == {"ff01": ("ff00", ["notify"]), "ff02": ("ff00", ["write"])}
    assert not met[JBD_BLE].writes
    assert met[JBD_BLE].log == ["connected", "disconnected"]
    assert antbms_in_world("services", f"ble:{TELEVISION}") == 0
    text = capsys.readouterr().out
    assert f"{STRANGE.service:04X}" in text
    assert "antbms uses none of them" in text


def test_services_of_what_has_none(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    antbms_in_world = command_line(monkeypatch, ble_world(lambda air: {}), IMPATIENT)
    assert antbms_in_world("services", "sim:") == 2
    assert "only Bluetooth LE devices have services" in capsys.readouterr().err
    assert antbms_in_world("services", "ble:11:22:33:44:55:66") == 1
    assert "not found" in capsys.readouterr().err


def test_a_wrong_address_is_said_before_anything_else() -> None:
    with pytest.raises(UsageError):
        patience.run(discover(seconds=60, also=["nonsense:x"]))


def test_the_public_name_stays_a_function() -> None:
    """A module of the same name would take its place as soon as somebody imports it."""
    import antbms

    assert antbms.discover is discover
    assert antbms.Found is Found
