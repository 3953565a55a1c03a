"""`antbms read` and `info`: what programs get."""

import csv
import io
import json
from pathlib import Path

import pytest
from cli_data import ALARMED, DOUBTED, EMPTY, snapshot

from antbms.cli.field import check_name, value_of
from antbms.cli.main import run
from antbms.cli.read import csv_lines
from antbms.errors import UsageError
from antbms.model import QUANTITIES, Snapshot
from antbms.model.flat import as_text, flatten

Printed = pytest.CaptureFixture[str]


@pytest.mark.parametrize("protocol", ["ant", "ant-legacy", "jbd"])
def test_json_is_one_line_with_every_key(protocol: str, capsys: Printed) -> None:
    assert run(["read", f"sim:{protocol}", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    record = json.loads(lines[0])
    assert tuple(record) == Snapshot.__struct_fields__
    assert record["protocol"] == protocol


def test_options_reach_the_address(capsys: Printed) -> None:
    assert run(["read", "sim:jbd", "-o", "cells=5", "-o", "soc=20", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert len(record["cells"]) == 5
    assert abs(record["soc"] - 20) <= 1


def test_csv_is_a_header_and_a_row(capsys: Printed) -> None:
    assert run(["read", "sim:", "--csv"]) == 0
    header, row = csv.reader(io.StringIO(capsys.readouterr().out))
    assert len(header) == len(row) == len(set(header))
    assert dict(zip(header, row, strict=True))["switch_charge"] == "true"


def test_csv_flattens() -> None:
    _, row = csv.reader(io.StringIO(csv_lines(ALARMED)))
    assert row == [as_text(value) for value in flatten(ALARMED).values()]
    flat = flatten(ALARMED)
    assert flat["cell_3"] == 3.309
    assert (flat["temperature_t1"], flat["temperature_mosfet"]) == (None, 28.0)
    assert (flat["switch_charge"], flat["switch_charge_reason"]) == (False, "cell overvoltage")
    assert flat["alarms"] == "protection.1 cell overvoltage;warning.0 cell overvoltage"
    assert (flat["flags"], flat["balancing"]) == ("warning.17 full", "2;4")
    assert (flat["humidity"], flat["chemistry"]) == (40, "lfp")
    assert flat["time"] == "2026-11-22T05:00:00.123Z"
    assert "cells.2 6.1: outside 0.5 to 5 V" in str(flatten(DOUBTED)["doubts"]).split(";")


def test_no_column_of_a_row_can_hide_another() -> None:
    names = [row.name for row in QUANTITIES.values() if row.detail]
    full = snapshot(details=dict.fromkeys(names, 1))
    assert len(flatten(full)) == len(flatten(snapshot())) + len(names)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("soc", "64.5"),
        ("protocol", "ant"),
        ("cells.3", "3.309"),
        ("temperatures.mosfet", "28.0"),
        ("temperatures.t1", ""),
        ("cycles", ""),
        ("switches.charge.on", "false"),
        ("switches.discharge.on", "true"),
        ("switches.charge.reason", "cell overvoltage"),
        ("details.humidity", "40"),
        ("details.full_capacity", ""),
        ("alarms.2.code", "warning.0"),
        ("cells", "[3.312,3.313,3.309,3.313]"),
        ("balancing", "[2,4]"),
    ],
)
def test_field(path: str, text: str) -> None:
    check_name(path)
    assert value_of(ALARMED, path) == text


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("sock", "Did you mean soc?"),
        ("humidity", "Did you mean details.humidity?"),
        ("details.humidty", "Did you mean details.humidity?"),
        ("soc.now", "Write --field soc"),
        ("xyzzy", "Known here: time, battery"),
    ],
)
def test_a_wrong_field_is_refused_before_anything_is_asked(path: str, hint: str) -> None:
    with pytest.raises(UsageError) as error:
        check_name(path)
    assert any(hint in line for line in error.value.hints)


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("cells.5", "there are 4, counted from 1"),
        ("cells.0", "counted from 1"),
        ("cells.x", "counted from 1"),
        ("cells.1.volts", "Write --field cells.1"),
        ("temperatures.mosfett", "Did you mean temperatures.mosfet?"),
        ("switches.charge.onn", "Did you mean switches.charge.on?"),
        ("flags.9", "there are 1"),
        ("doubts.1", "there are none"),
    ],
)
def test_a_field_that_this_battery_does_not_have(path: str, hint: str) -> None:
    check_name(path)
    with pytest.raises(UsageError) as error:
        value_of(ALARMED, path)
    assert any(hint in line for line in error.value.hints)


def test_a_null_field_is_an_empty_line(capsys: Printed) -> None:
    assert run(["read", "sim:jbd", "--field", "soh"]) == 0
    assert capsys.readouterr().out == "\n"


def test_field_of_an_empty_snapshot() -> None:
    assert value_of(EMPTY, "details") == "{}"
    assert value_of(EMPTY, "voltage") == ""


def test_record_writes_a_new_file_only(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "a.cap"
    assert run(["read", "sim:", "--field", "soc", "--record", str(path)]) == 0
    written = path.read_text("utf-8")
    assert "> 7E A1 01" in written
    assert run(["read", "sim:", "--record", str(path)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert path.read_text("utf-8") == written
    assert run(["read", f"replay:{path}", "--field", "soc"]) == 0


def test_info(capsys: Printed) -> None:
    assert run(["info", "sim:jbd", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["protocol"] == "jbd"
    assert run(["info", "sim:jbd"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(record)
    assert any(line.split() == ["Model", record["model"]] for line in lines)
    assert any(line.split() == ["Serial", "-"] for line in lines)
