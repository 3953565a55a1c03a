"""Requests and answers by name: what a frame is called, which way it goes, what it says, and whether it refuses."""

from datetime import date
from typing import Any

import pytest
from recordings import frames, recorded
from wire import ant_frame, ant_request, changed, jbd_frame, jbd_module, legacy_short

from antbms.errors import UsageError
from antbms.model import DeviceInfo
from antbms.protocol import MODULES, Dialect, dialect, parse
from antbms.protocol.packet import Medium, values


def said(raw: bytes) -> dict[str, Any]:
    packet = parse(raw)
    return values(dialect(packet.protocol).explain(packet, raw))


def word(data: int) -> bytes:
    return data.to_bytes(2, "little")


VERSIONS = b"16ZM".ljust(16, b"\0") + b"16ZMUB00-211026A"
CASES: list[tuple[str, str, str, str, dict[str, Any], str | None]] = [
    # frame, protocol, message, direction, values, failure
    ("7E A1 01 00 00 BE 18 55 AA 55", "ant", "status request", ">", {"register": 0, "wanted": 190}, None),
    ("7E A1 01 00 00 F5 58 62 AA 55", "ant", "status request", ">", {"wanted": 245}, None),
    ("7E A1 02 6C 02 20 58 C4 AA 55", "ant", "settings request", ">", {"register": 620, "wanted": 32}, None),
    (
        "7E A1 12 6C 02 20 32 32 50 48 42 38 54 42 31 33 30 41 00 00 00 00 32 32 41 41 55 42 30 30 2D 32 34 31 30 30 38"
        " 41 EF 2F FF 0B 00 00 41 F2 AA 55",
        "ant", "versions", "<",
        {"hardware": "22PHB8TB130A", "software": "22AAUB00-241008A", "result": "read ok"}, None,
    ),
    ("7E A1 12 00 00 02 36 10 1F 14 FF 0B 00 00 41 F2 AA 55", "ant", "settings", "<",
     {"register": 0, "register_name": "cell_overvoltage", "length": 2, "cell_overvoltage": 4.15,
      "result": "read ok"}, None),
    ("7E A1 12 8C 00 0C 68 10 04 10 14 00 05 00 B4 00 64 00 FC D6 FF 0B 00 00 41 F2 AA 55", "ant", "settings", "<",
     {"register": 140, "balance_limit": 4.2, "balance_start": 4.1, "balance_difference": 0.02,
      "balance_difference_stop": 0.005, "balance_current_raw": 180, "balance_charge_current": 10.0}, None),
    ("7E A1 05 00 00 28 99 0B AA 55", "ant", "counters request", ">", {"wanted": 40}, None),
    ("7E A1 23 4A 01 08 31 32 33 34 35 36 37 38 DB 50 AA 55", "ant", "password request", ">",
     {"register": 330, "password": [*b"12345678"]}, None),
    ("7E A1 43 6A 01 02 05 00 1E 5C AA 55", "ant", "password answer", "<", {"register": 362, "level": 5}, None),
    ("7E A1 43 4A 01 02 01 00 9D 5B FF 05 00 00 20 31 AA 55", "ant", "password answer", "<",
     {"level": 1, "result": "battery type error or wrong password"}, None),
    ("7E A1 22 00 00 02 42 0E BD EC AA 55", "ant", "write request", ">",
     {"register": 0, "cell_overvoltage": 3.65}, None),
    ("7E A1 42 00 00 02 42 0E B4 4C FF 0A 00 00 10 32 AA 55", "ant", "write answer", "<",
     {"cell_overvoltage": 3.65, "result": "written, must still be saved"}, None),
    ("7E A1 51 07 00 00 38 E4 AA 55", "ant", "command request", ">",
     {"register": 7, "register_name": "save settings"}, None),
    ("7E A1 61 07 00 02 01 00 B6 2B AA 55", "ant", "command answer", "<", {"result": "ok"}, None),
    ("7E A1 51 01 00 00 D8 E5 AA 55", "ant", "command request", ">",
     {"register": 1, "register_name": "discharge off"}, None),
    ("7E A1 61 0F 00 02 03 00 56 8A AA 55", "ant", "command answer", "<",
     {"register": 15, "register_name": "clear log", "result": "no permission"}, "no permission"),
    (ant_request(0x03, 7, 40).hex(), "ant", "log request", ">", {"register": 7}, None),
    (ant_request(0x04, 0x1000, 12).hex(), "ant", "identity request", ">", {"register": 0x1000}, None),
    (ant_frame(0x14, 0, b"\1\2").hex(), "ant", "chip id", "<", {"values": [1, 2]}, None),
    (ant_frame(0x14, 0x1000, b"\1\2").hex(), "ant", "system id", "<", {"values": [1, 2]}, None),
    (ant_frame(0x14, 0x1200, b"\1\2").hex(), "ant", "unique code", "<", {"values": [1, 2]}, None),
    (ant_frame(0x12, 262, b"PACK 7".ljust(32, b"\0")).hex(), "ant", "pack id", "<", {"pack_id": "PACK 7"}, None),
    (ant_frame(0x12, 528, b"BOOT".ljust(16)).hex(), "ant", "boot version", "<", {"boot": "BOOT"}, None),
    (ant_frame(0x77, 5, b"\1").hex(), "ant", "unknown", "?",
     {"function": 0x77, "function_name": "unknown", "values": [1]}, None),
    ("DB DB 00 00 00 00", "ant-legacy", "status request", ">", {"address": 0}, None),
    ("5A 5A 00 00 00 00", "ant-legacy", "status request", ">", {"address": 0}, None),
    ("DB DB 01 00 00 01", "ant-legacy", "display request", ">", {"address": 1}, None),
    ("DB DB 02 00 00 02", "ant-legacy", "unknown", ">", {"address": 2}, None),
    ("5A 5A 00 00 01 01", "ant-legacy", "status request", ">", {"value": 1}, None),
    ("5A 5A 1F 00 00 1F", "ant-legacy", "parameter", "?",
     {"address": 31, "address_name": "capacity", "value": 0}, None),
    ("5A 5A 2C FF FF 2A", "ant-legacy", "parameter", "?", {"address": 44, "value": "not available"}, None),
    ("5A 5A 5A 2E E6 6E", "ant-legacy", "parameter", "?",
     {"address": 0x5A, "address_name": "device_id", "device_id": 0x2EE6}, None),
    ("5A 5A FF 00 00 FF", "ant-legacy", "keep-alive", "?", {}, None),
    ("A5 A5 FA 00 01 FB", "ant-legacy", "write", "?",
     {"address": 0xFA, "address_name": "charge switch", "value": 1}, None),
    ("A5 A5 F1 31 32 54", "ant-legacy", "write", "?",
     {"address": 0xF1, "address_name": "password, characters 1 and 2"}, None),
    ("A5 A5 FF 00 00 FF", "ant-legacy", "write", "?", {"address_name": "apply"}, None),
    ("A5 A5 F5 00 01 F6", "ant-legacy", "refusal", "<", {"value": 1}, "password needed"),
    ("DD A5 03 00 FF FD 77", "jbd", "status request", ">", {"action": "read", "length": 0}, None),
    ("DD A5 04 00 FF FC 77", "jbd", "cells request", ">", {}, None),
    ("DD A5 05 00 FF FB 77", "jbd", "model request", ">", {}, None),
    ("DD A5 AA 00 FF 56 77", "jbd", "counters request", ">", {}, None),
    ("DD A5 2C 00 FF D4 77", "jbd", "setting request", ">", {}, None),
    ("DD 05 00 0A 30 31 32 33 34 35 36 37 38 39 FD E9 77", "jbd", "model", "<", {"model": "0123456789"}, None),
    ("DD 5A E1 02 00 01 FF 1C 77", "jbd", "switch request", ">", {"action": "write", "values": [1]}, None),
    ("DD E1 00 00 00 00 77", "jbd", "switch answer", "<", {"status": "ok", "length": 0}, None),
    ("DD 5A 00 02 56 78 FF 30 77", "jbd", "factory mode request", ">", {"values": [0x5678]}, None),
    ("DD 00 00 00 00 00 77", "jbd", "factory mode answer", "<", {"status": "ok"}, None),
    ("DD 5A 01 02 28 28 FF AD 77", "jbd", "end of factory mode request", ">", {"values": [0x2828]}, None),
    ("DD A5 FA 03 00 01 02 FF 00 77", "jbd", "parameters request", ">", {"first": 1, "count": 2}, None),
    ("DD FA 00 07 00 01 02 0F A0 10 36 FF 01 77", "jbd", "parameters", "<",
     {"first": 1, "count": 2, "cycle_capacity": 40.0, "cell_voltage_at_100": 4.15}, None),
    ("DD 5A 0A 02 01 00 FF F3 77", "jbd", "operation request", ">", {"values": [0x100]}, None),
    ("DD 5A 06 07 06 07 06 05 08 02 08 FF C9 77", "jbd", "password request", ">", {"length": 7}, None),
    ("DD 24 81 00 FF 7F 77", "jbd", "refusal", "<", {}, "denied: not in factory mode, or not unlocked"),
    ("DD 00 81 00 00 00 77", "jbd", "refusal", "<", {}, "denied: not in factory mode, or not unlocked"),
    ("DD 03 80 00 FF 80 77", "jbd", "refusal", "<", {}, "no such command, or failed"),
    ("DD E1 82 00 FF 7E 77", "jbd", "refusal", "<", {}, "wrong checksum"),
    ("DD 06 83 00 FF 7D 77", "jbd", "refusal", "<", {}, "password needed"),
    (jbd_frame(0xA0, 0, b"\x05DGJBD").hex(), "jbd", "maker", "<", {"maker": "DGJBD"}, None),
    (jbd_frame(0xA2, 0, b"\0").hex(), "jbd", "barcode", "<", {"barcode": ""}, None),
    (jbd_frame(0x2D, 0, b"\0\x0C").hex(), "jbd", "setting", "<",
     {"register": 0x2D, "register_name": "functions",
      "functions": "0x000C (balance, balance only while charging)"}, None),
    ("FF AA 17 00 17", "jbd", "module challenge", ">", {"command": 0x17, "command_name": "challenge"}, None),
    ("FF AA 17 01 62 7A", "jbd", "module challenge", "<", {"values": [0x62]}, None),
    (jbd_module(0x15, b"000000").hex(), "jbd", "module app key", ">", {"length": 6}, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "protocol", "message", "direction", "expected", "failure"),
    CASES,
    ids=[f"{c[2]}: {c[0][:40]}" for c in CASES],
)
def test_messages(
    frame: str, protocol: str, message: str, direction: str, expected: dict[str, Any], failure: str | None
) -> None:
    raw = bytes.fromhex(frame)
    packet = parse(raw)
    assert (packet.protocol, packet.message, packet.direction) == (protocol, message, direction)
    assert said(raw).items() >= expected.items()
    assert dialect(protocol).failure(packet) == failure
    assert dialect(protocol).pack(packet) == raw


RESULTS = {
    0x01: "no permission",
    0x02: "below minimum",
    0x03: "above maximum",
    0x04: "address out of range",
    0x05: "battery type error or wrong password",
    0x06: "BMS firmware upgrade ok",
    0x07: "GPRS firmware upgrade ok",
    0x08: "BMS firmware upgrade failed",
    0x09: "GPRS firmware upgrade failed",
    0x10: "boot upgrade ok",
    0x11: "firmware does not match",
    0x63: "unknown 99",
} | dict.fromkeys((0x00, 0x0A, 0x0B))
"""Of the FF segment after 12 and 42 (ant.md §2); None: no failure."""
COMMAND_RESULTS = {
    0: "nothing",
    1: None,
    2: "failed",
    3: "no permission",
    4: "address out of range",
    5: "battery type error",
    6: "battery or current information error",
    7: "firmware does not match",
    99: "unknown 99",
}


@pytest.mark.parametrize(("code", "failure"), RESULTS.items())
def test_results_of_segments(code: int, failure: str | None) -> None:
    for function in (0x12, 0x42):
        for high in (0, 0x300):  # the low byte is the code
            raw = ant_frame(function, 0, word(4300), (0xFF, code | high, word(0) + word(4200)))
            packet = parse(raw)
            limit = " 4.200 V of cell_overvoltage" if code in (2, 3) else ""
            assert dialect("ant").failure(packet) == (failure and failure + limit)
            assert packet.envelope["segments"] == ((0xFF, code | high, b"\0\0\x68\x10"),)
            assert said(raw)["result data"] == "00 00 68 10"
            assert failure is None or said(raw)["result"] == failure


@pytest.mark.parametrize(("code", "failure"), COMMAND_RESULTS.items())
def test_results_of_commands(code: int, failure: str | None) -> None:
    raw = ant_frame(0x61, 4, word(code))
    assert dialect("ant").failure(parse(raw)) == failure
    assert said(raw)["result"] == (failure or "ok")


@pytest.mark.parametrize("data", [b"", b"\1"])
def test_a_command_answer_without_a_result_is_no_success(data: bytes) -> None:
    assert dialect("ant").failure(parse(ant_frame(0x61, 4, data))) == "an answer without a result"


def test_a_level_is_no_refusal() -> None:
    """43 tells the level now, whatever its segment says (20s-113ah-24cbub)."""
    assert dialect("ant").failure(parse(ant_frame(0x43, 330, word(0), (0xFF, 5, b"")))) is None


def test_no_recorded_read_is_a_failure() -> None:
    for protocol in MODULES:
        refused = {parse(raw).message for raw in frames(protocol) if dialect(protocol).failure(parse(raw))}
        assert refused <= {"refusal", "command answer"}


def test_refused_commands() -> None:
    answers = recorded("ant/16s-280ah-16zmub", "command answer")
    failures = {raw[3]: dialect("ant").failure(parse(raw)) for raw in answers}
    assert failures[0x07] is None
    assert failures[0x0F] == "no permission"
    switched = recorded("ant/22s-80ah-24bhub-commands", "command answer")
    assert {raw[3] for raw in switched} >= {1, 3, 4, 6, 13, 14, 30, 31}
    assert not any(dialect("ant").failure(parse(raw)) for raw in switched)


def test_writes_of_the_old_protocol() -> None:
    """Refused, the password in four parts, accepted: refusals and echoes come apart."""
    found = recorded("ant-legacy/ant24c-rfcomm-writes", "refusal")
    assert found
    assert {dialect("ant-legacy").failure(parse(raw)) for raw in found} == {"password needed"}
    assert dialect("ant-legacy").failure(parse(legacy_short(0xA5, 0xF5, 0))) is None


ANT_COUNTERS = {"cell_overvoltage": 10, "cell_undervoltage": 10, "charges": 10, "low_voltage_shutdowns": 7,
                "manual_resets": 2}  # fmt: skip


def test_counters() -> None:
    (raw,) = recorded("ant/14s-pc-tool", "counters")
    counted = said(raw)
    names = parse(raw).fields
    assert len(names) == 20
    by_place = {name: raw[6 + 2 * place] for place, name in enumerate(names)}
    assert by_place == {name: counted[name] for name in names}
    (jbd_raw,) = dict.fromkeys(recorded("jbd/4s-sp04s034-readout", "counters"))
    assert list(parse(jbd_raw).fields.values()) == [0, 0, 0, 122, 2, 0, 0, 0, 0, 0, 0, 1]
    assert list(parse(jbd_raw).fields)[3:5] == ["cell_overvoltage", "cell_undervoltage"]
    assert list(parse(jbd_raw).fields)[-1] == "restarts"
    assert len(parse(jbd_frame(0xAA, 0, bytes(22))).fields) == 11


REQUESTS = {
    "ant": ["7E A1 01 00 00 BE 18 55 AA 55"],
    "ant-legacy": ["DB DB 00 00 00 00", "5A 5A 00 00 00 00"],
    "jbd": ["DD A5 03 00 FF FD 77", "DD A5 04 00 FF FC 77"],
}


@pytest.mark.parametrize("protocol", MODULES)
def test_requests(protocol: str) -> None:
    """The probes are the harmless reads of the references, and nothing that is asked for writes."""
    module = dialect(protocol)
    asked = [request for step in module.STATUS for request in step]
    assert [request.raw.hex(" ").upper() for request in asked] == REQUESTS[protocol]
    others = [*module.INFO, *([module.COUNTERS] if module.COUNTERS else [])]
    for request in (*asked, *others):
        packet = parse(request.raw, (protocol,))
        assert packet.direction == ">"
        assert packet.envelope.get("function", 0) in (0, 1, 2, 4, 5)
        assert packet.envelope.get("action", 0xA5) == 0xA5
        assert packet.envelope.get("head", 0x5A) != 0xA5
        assert not request.raw.startswith(request.answers), "its echo is no answer"


def test_media() -> None:
    bluetooth, wire = dialect("ant-legacy").STATUS[0]
    fits = {medium: (bluetooth.fits(medium), wire.fits(medium)) for medium in Medium}
    assert fits == {
        Medium.WIRE: (False, True),
        Medium.BLUETOOTH: (True, False),
        Medium.UNKNOWN: (True, True),
        Medium.MEMORY: (True, False),
    }
    assert all(dialect("jbd").STATUS[0][0].fits(medium) for medium in Medium)


@pytest.mark.parametrize("protocol", MODULES)
def test_a_dialect_offers_all_that_its_interface_names(protocol: str) -> None:
    wanted = {*Dialect.__annotations__, *(name for name in vars(Dialect) if name[0].islower())}
    assert wanted >= {"NAME", "COUNTERS", "login", "to_info"}
    assert not [name for name in wanted if not hasattr(dialect(protocol), name)]


def test_bauds() -> None:
    assert {name: dialect(name).BAUD for name in MODULES} == {"ant": 19200, "ant-legacy": 19200, "jbd": 9600}


def test_no_such_protocol() -> None:
    with pytest.raises(UsageError, match="daly"):
        dialect("daly")


def status_of(protocol: str, name: str) -> bytes:
    return recorded(f"{protocol}/{name}", "status")[0]


ANT_16S, JBD_4S = status_of("ant", "16s-280ah-16zmub"), status_of("jbd", "4s-sp04s034-readout")
PACK_ID = ant_frame(0x12, 262, b"GARAGE".ljust(32, b"\0"))
HIDDEN = ant_frame(0x12, 262, b"\xff" * 32)


@pytest.mark.parametrize(
    ("raws", "expected"),
    [
        (
            [ANT_16S, ant_frame(0x12, 620, VERSIONS), PACK_ID],
            DeviceInfo(protocol="ant", manufacturer="ANT", model="16ZM", hardware="16ZM", software="16ZMUB00-211026A",
                       pack_id="GARAGE", cells=16),
        ),
        ([ANT_16S, HIDDEN], DeviceInfo(protocol="ant", manufacturer="ANT", cells=16)),
        (
            [status_of("ant-legacy", "14s-170ah-model2019")],
            DeviceInfo(protocol="ant-legacy", manufacturer="ANT", cells=14),
        ),
        (
            [changed(status_of("ant-legacy", "14s-170ah-model2019"), cell_count=32)],
            DeviceInfo(protocol="ant-legacy", manufacturer="ANT", cells=32),
        ),
        (
            [changed(status_of("ant-legacy", "14s-170ah-model2019"), cell_count=33)],
            DeviceInfo(protocol="ant-legacy", manufacturer="ANT"),
        ),
        (
            [JBD_4S, recorded("jbd/4s-sp04s034-readout", "model")[0]],
            DeviceInfo(protocol="jbd", manufacturer="JBD", model="JBD-SP04S034-L4S-200A-B-U",
                       hardware="JBD-SP04S034-L4S-200A-B-U", software="8.0", produced=date(2022, 3, 28), cells=4),
        ),
        (
            [recorded("jbd/seed-document-examples", "status")[1]],
            DeviceInfo(protocol="jbd", manufacturer="JBD", software="1.2", produced=date(2018, 4, 17), cells=17),
        ),
    ],
    ids=["ant", "ant, level 1", "ant-legacy", "ant-legacy, full", "ant-legacy, no room", "jbd", "jbd, no name"],
)  # fmt: skip
def test_info(raws: list[bytes], expected: DeviceInfo) -> None:
    packets = [parse(raw) for raw in raws]
    assert dialect(expected.protocol).to_info(packets) == expected
