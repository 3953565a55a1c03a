"""The tables of settings: what their rows say of recorded registers, and that values come back as they went."""

import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import frames, recorded

from antbms.errors import UsageError
from antbms.model.events import Value
from antbms.protocol import MODULES, dialect, parse
from antbms.protocol.ant.settings import PAGES
from antbms.protocol.packet import Packet
from antbms.protocol.settings import (
    Danger,
    Page,
    Setting,
    bounds,
    check_limits,
    format_value,
    pack_raw,
    parse_value,
    raw_of,
    unpack_raw,
    value_of,
)

ROWS = [(name, row) for name in MODULES for row in dialect(name).SETTINGS.values()]
NUMBERS = [(name, row) for name, row in ROWS if not row.is_text]
IDS = [f"{name}:{row.name}" for name, row in NUMBERS]
ORDERS = {"ant": "<", "ant-legacy": ">", "jbd": ">"}


def row_of(protocol: str, name: str) -> Setting:
    return dialect(protocol).SETTINGS[name]


def values(protocol: str, page: Page, *packets: Packet) -> dict[str, Value]:
    rows = dialect(protocol).SETTINGS
    return {name: value_of(rows[name], raw) for name, raw in dialect(protocol).raws(page, packets).items()}


@pytest.mark.parametrize(("protocol", "row"), NUMBERS, ids=IDS)
def test_every_raw_value_comes_back(protocol: str, row: Setting) -> None:
    low, high = bounds(row.type)
    some = {low, low + 1, high - 1, high, *range(max(low, -300), min(high, 70_000), 331), (low + high) // 2}
    for raw in some - {row.missing}:
        value = value_of(row, raw)
        if row.date:
            continue
        assert raw_of(row, value) == raw
        assert row.codes or row.bits or parse_value(row, format_value(row, value)) == value
        register = pack_raw(ORDERS[protocol], row, raw, b"\xa5\x5a")  # type: ignore[arg-type]
        assert unpack_raw(ORDERS[protocol], row, register) == raw  # type: ignore[arg-type]


@pytest.mark.parametrize(("protocol", "row"), NUMBERS, ids=IDS)
def test_limits_fit_into_the_register(protocol: str, row: Setting) -> None:
    if row.danger in (Danger.PLAIN, Danger.DANGEROUS) and not row.codes:
        low, high = sorted(round(limit * row.divisor + row.zero) for limit in (row.low, row.high))
        smallest, largest = bounds(row.type)
        assert smallest <= low < high <= largest


@given(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from(NUMBERS))
def test_any_number_is_taken_exactly_or_refused(value: float, known: tuple[str, Setting]) -> None:
    _, row = known
    try:
        raw = raw_of(row, value)
    except UsageError:
        return
    assert value_of(row, raw) == pytest.approx(value, abs=row.step / 1000) or row.codes


@given(st.text(), st.sampled_from(ROWS))
def test_any_text_is_understood_or_refused(text: str, known: tuple[str, Setting]) -> None:
    _, row = known
    try:
        value = parse_value(row, text)
    except UsageError:
        return
    assert format_value(row, value) or row.is_text


@pytest.mark.parametrize(
    ("protocol", "name", "text", "value"),
    [
        ("ant", "cell_overvoltage", "3.65V", 3.65),
        ("ant", "cell_overvoltage", "3650mV", 3.65),
        ("ant", "cell_overvoltage", " 3,65 V ", 3.65),
        ("ant", "cell_overvoltage", "3.65", 3.65),
        ("ant", "charge_cold", "-10 °C", -10),
        ("ant", "charge_cold", "-10℃", -10),
        ("jbd", "charge_cold", "-10C", -10.0),
        ("jbd", "cell_overvoltage_delay", "2 s", 2),
        ("jbd", "cell_overvoltage_delay", "2000ms", 2),
        ("ant", "discharge_overcurrent_2_delay", "320ms", 0.32),
        ("ant", "short_circuit_delay", "200µs", 0.0002),
        ("ant", "short_circuit_delay", "200us", 0.0002),
        ("ant", "capacity", "280Ah", 280.0),
        ("ant", "capacity", "280000 mAh", 280.0),
        ("ant", "wire_resistance_1", "2.3 mΩ", 0.0023),
        ("ant", "wire_resistance_1", "2.3mohm", 0.0023),
        ("ant", "chemistry", "LFP", "lfp"),
        ("ant", "chemistry", "0xFAF2", "lfp"),
        ("ant", "soc_warning", "20%", 20),
        ("ant", "no_charge_time", "20", 20),
        ("jbd", "functions", "balance, load detection", 6),
        ("jbd", "functions", "none", 0),
        ("jbd", "functions", "0x0006", 6),
        ("jbd", "discharge_overcurrent", "230A", 230.0),
        ("ant", "tire_length", "2 m", 2000),
    ],
)
def test_what_people_write(protocol: str, name: str, text: str, value: Value) -> None:
    assert parse_value(row_of(protocol, name), text) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cell_overvoltage", "3.65A"),
        ("cell_overvoltage", "high"),
        ("cell_overvoltage", ""),
        ("cell_overvoltage", "3.65 V V"),
        ("cell_overvoltage", "nan"),
        ("cell_overvoltage", "inf"),
        ("cell_overvoltage", "1,000,5"),
        ("chemistry", "nickel"),
        ("cell_count", "8 V"),
    ],
)
def test_what_cannot_be_meant(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=name):
        parse_value(row_of("ant", name), text)


def test_a_value_between_two_steps_is_refused() -> None:
    with pytest.raises(UsageError, match=r"between its steps of 0\.001"):
        raw_of(row_of("ant", "cell_overvoltage"), 3.6505)


def test_values_outside_the_limits_are_refused() -> None:
    row = row_of("ant", "cell_overvoltage")
    check_limits(row, 3.65)
    with pytest.raises(UsageError, match=r"5\.100 V is not from 0\.500 V to 5\.000 V"):
        check_limits(row, 5.1)


def test_discharge_overcurrent_of_jbd_is_negative_on_the_wire_and_positive_here() -> None:
    row = row_of("jbd", "discharge_overcurrent")
    assert raw_of(row, 230.0) == -23000 == struct.unpack(">h", b"\xa6\x28")[0]
    assert value_of(row, -23000) == 230.0


def test_names_mean_the_same_everywhere() -> None:
    """One label and one unit for one name; scales and registers differ."""
    units: dict[str, set[str]] = {}
    for _, row in ROWS:
        units.setdefault(row.name, set()).add(f"{row.label}|{row.unit}")
    assert not {name: found for name, found in units.items() if len(found) > 1}


def test_no_page_of_ant_touches_a_password() -> None:
    secret = [row for row in dialect("ant").SETTINGS.values() if row.danger is Danger.SECRET]
    for start, length in PAGES:
        assert not [row.name for row in secret if start < row.address + row.size and row.address < start + length]
    assert not dialect("ant").pages(secret)


def test_every_row_lies_in_a_page() -> None:
    for name in MODULES:
        spoken = dialect(name)
        rows = [row for row in spoken.SETTINGS.values() if row.danger is not Danger.SECRET]
        assert [row for page in spoken.pages(rows, factory=True) for row in page.rows if row not in rows] == []
        assert {row.name for page in spoken.pages(rows, factory=True) for row in page.rows} == {r.name for r in rows}


def ant_page(recording: str, message: str = "settings") -> Iterator[tuple[Page, Packet]]:
    spoken = dialect("ant")
    for raw in recorded(f"ant/{recording}", message):
        packet = parse(raw)
        start, size = packet.envelope["register"], len(packet.data)
        rows = tuple(row for row in spoken.SETTINGS.values() if start <= row.address < start + size)
        yield Page((), rows), packet


def test_the_recorded_page_of_thresholds() -> None:
    """As the vendor's application showed them, for 280 Ah of LFP (16s-280ah-16zmub)."""
    ((page, packet),) = ant_page("16s-280ah-16zmub")
    said = values("ant", page, packet)
    assert said == {
        "cell_overvoltage": 3.65, "cell_overvoltage_recovery": 3.55,
        "cell_overvoltage_2": 3.8, "cell_overvoltage_2_recovery": 3.7,
        "pack_overvoltage": 60.8, "pack_overvoltage_recovery": 58.4,
        "cell_undervoltage": 2.1, "cell_undervoltage_recovery": 2.5,
        "cell_undervoltage_2": 2.0, "cell_undervoltage_2_recovery": 2.5,
        "pack_undervoltage": 20.0, "pack_undervoltage_recovery": 20.0,
        "cell_difference": 0.8, "cell_difference_recovery": 0.6,
        "cell_overvoltage_warning": 3.6, "cell_overvoltage_warning_recovery": 3.5,
        "pack_overvoltage_warning": 58.4, "pack_overvoltage_warning_recovery": 55.2,
        "cell_undervoltage_warning": 3.0, "cell_undervoltage_warning_recovery": 3.1,
        "pack_undervoltage_warning": 20.0, "pack_undervoltage_warning_recovery": 20.0,
        "cell_difference_warning": 0.6, "cell_difference_warning_recovery": 0.4,
    }  # fmt: skip
    assert {row.source for row in page.rows} == {"16s-280ah-16zmub", "16s-280ah-16zmub: read and written"}


def test_the_recorded_page_of_balancing() -> None:
    ((page, packet),) = ant_page("16znub-balance-page")
    assert values("ant", page, packet) == {
        "balance_limit": 4.2, "balance_start": 4.1, "balance_difference": 0.02, "balance_difference_stop": 0.005,
        "balance_current_raw": 180, "balance_charge_current": 10.0,
    }  # fmt: skip


def test_the_recorded_single_registers() -> None:
    said = [values("ant", page, packet) for page, packet in ant_page("14s-pc-tool")]
    assert said == [
        {"cell_overvoltage": 4.15},
        {"cell_overvoltage_recovery": 4.1},
        {"cell_overvoltage_2": 4.3},
        {"cell_overvoltage_2_recovery": 4.2},
    ]


def test_a_page_of_nothing_but_ff_holds_no_values() -> None:
    spoken = dialect("ant")
    (page,) = spoken.pages([row_of("ant", "cell_overvoltage"), row_of("ant", "cell_overvoltage_recovery")])
    blank = spoken.unpack(_frame("ant", _ant_answer(0, b"\xff" * 52)))
    assert spoken.raws(page, [blank]) == {}


def _ant_answer(address: int, data: bytes) -> bytes:
    from wire import ant_frame

    return ant_frame(0x12, address, data, (0xFF, 0x0B, b""))


def _frame(protocol: str, raw: bytes):  # type: ignore[no-untyped-def]
    from antbms.protocol.framing import Frame

    return Frame(protocol, raw)


CONFIG = {
    "cell_overvoltage": 3.65, "cell_overvoltage_recovery": 3.55, "cell_undervoltage": 2.5,
    "cell_undervoltage_recovery": 2.7, "cell_undervoltage_delay": 2, "cell_overvoltage_delay": 2,
    "hardware_overvoltage": 3.9, "hardware_undervoltage": 2.0, "pack_overvoltage": 14.6,
    "pack_overvoltage_recovery": 14.2, "pack_undervoltage": 10.0, "pack_undervoltage_recovery": 10.8,
    "pack_undervoltage_delay": 2, "pack_overvoltage_delay": 2, "charge_hot": 75.0, "charge_hot_recovery": 55.0,
    "charge_cold": -10.0, "charge_cold_recovery": 0.0, "discharge_hot": 75.0, "discharge_hot_recovery": 55.0,
    "discharge_cold": -10.0, "discharge_cold_recovery": 0.0, "charge_cold_delay": 2, "charge_hot_delay": 2,
    "discharge_cold_delay": 2, "discharge_hot_delay": 2, "charge_overcurrent": 230.0, "discharge_overcurrent": 230.0,
    "charge_overcurrent_delay": 10, "charge_overcurrent_release": 30, "discharge_overcurrent_delay": 10,
    "discharge_overcurrent_release": 30, "short_circuit_raw": 0x8D5C, "short_circuit_delays_raw": 0xF064,
    "balance_start": 3.2, "balance_difference": 0.03, "capacity": 280.0, "cycle_capacity": 224.0,
    "self_discharge": 0.2, "cell_voltage_at_100": 3.5, "cell_voltage_at_80": 3.4, "cell_voltage_at_60": 3.35,
    "cell_voltage_at_40": 3.3, "cell_voltage_at_20": 3.1, "cell_voltage_at_0": 2.8, "cell_count": 4,
    "mosfet_delay": 30, "produced": "2022-03-28", "serial": 0, "cycles": 0, "maker": "DGJBD",
    "device_name": "JBD-SP04S034-L4S-200A-B-U", "barcode": "", "shunt": 0.0001,
}  # fmt: skip
"""The whole configuration of 4s-sp04s034-config, as jbd.md §4 reads it."""


def test_the_recorded_configuration_of_jbd() -> None:
    """Each register of the recording, by the page that asks for it; and our request is the recorded one."""
    spoken = dialect("jbd")
    requests = recorded("jbd/4s-sp04s034-config", "setting request")
    answers = {parse(raw).envelope["register"]: parse(raw) for raw in _answers("jbd/4s-sp04s034-config")}
    said: dict[str, Value] = {}
    for page in spoken.pages(spoken.SETTINGS.values(), factory=True):
        register = page.rows[0].address
        if register in answers:
            assert page.requests[0].raw in requests
            assert answers[register].whole
            said |= values("jbd", page, answers[register])
    assert said == CONFIG
    proved = {row.name for row in spoken.SETTINGS.values() if row.source == "4s-sp04s034-config: read"}
    assert proved == CONFIG.keys()


def _answers(name: str) -> list[bytes]:
    messages = ("setting", "maker", "device name", "barcode")
    return [raw for message in messages for raw in recorded(name, message)]


def test_the_recorded_functions_of_jbd() -> None:
    """Register 2D with its bit 2 taken away and given back, and the mask of sensors (4s-sp04s034-switches)."""
    spoken = dialect("jbd")
    row = row_of("jbd", "functions")
    writes = [raw for raw in frames("jbd") if parse(raw).message == "write request"]
    for mask in (0x06, 0x02):
        (request,) = spoken.write_requests(row, mask)
        assert request.raw in writes
    assert format_value(row, 6) == "0x0006 (load detection, balance)"


def test_the_documented_fa_answer() -> None:
    """`read 2 registers from 0001` (v11-document-examples), request and answer."""
    spoken = dialect("jbd")
    (page,) = spoken.pages([row_of("jbd", "cycle_capacity"), row_of("jbd", "cell_voltage_at_100")])
    assert [request.raw.hex(" ") for request in page.requests] == ["dd a5 fa 03 00 01 02 ff 00 77"]
    answer = parse(bytes.fromhex("DD FA 00 07 00 01 02 0F A0 10 36 FF 01 77"))
    assert values("jbd", page, answer) == {"cycle_capacity": 40.0, "cell_voltage_at_100": 4.15}


def test_a_board_with_large_units_counts_tenfold() -> None:
    spoken = dialect("jbd")
    status = parse(frames("jbd")[0]) if parse(frames("jbd")[0]).message == "status" else None
    status = status or next(parse(raw) for raw in frames("jbd") if parse(raw).message == "status")
    fields = status.fields
    usual = spoken.settings_for(status)["capacity"]
    from antbms.protocol.jbd.messages import answer

    large = spoken.settings_for(answer(3, fields | {"mosfets": fields["mosfets"] | 0x80}))["capacity"]
    assert (value_of(usual, 28000), value_of(large, 28000)) == (280.0, 2800.0)


def test_wires_and_calibrations_are_as_many_as_cells_and_sensors() -> None:
    for name in MODULES:
        spoken = dialect(name)
        status = next(parse(raw) for raw in frames(name) if parse(raw).message == "status")
        cells = status.fields["cell_count"]
        rows = spoken.settings_for(status)
        kind = "cell_calibration_" if name == "jbd" else "wire_resistance_"
        assert sum(row.startswith(kind) for row in rows) == cells


def test_values_of_32_bits_of_ant_legacy_have_their_low_word_first() -> None:
    """`5A 5A 1F` asks for the low word, `5A 5A 20` for the high one (ant-legacy.md §4)."""
    spoken = dialect("ant-legacy")
    row = row_of("ant-legacy", "capacity")
    (page,) = spoken.pages([row])
    assert [request.raw.hex() for request in page.requests] == ["5a5a1f00001f", "5a5a20000020"]
    raw = 170_000_000
    low, high = (parse(_short(0x5A, 31 + word, raw >> 16 * word & 0xFFFF)) for word in (0, 1))
    assert spoken.raws(page, [low, high]) == {"capacity": raw}
    written = [parse(request.raw).envelope for request in spoken.write_requests(row, raw)]
    assert [(part["address"], part["value"]) for part in written] == [(31, raw & 0xFFFF), (32, raw >> 16)]


def _short(head: int, address: int, value: int) -> bytes:
    from wire import legacy_short

    return legacy_short(head, address, value)
