"""The picture of a snapshot: what it must show, at any width."""

import io
import re

import pytest
from cli_data import ALARMED, DOUBTED, EMPTY, snapshot
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from antbms.cli.bars import LINES, PLAIN, bar, window
from antbms.cli.main import run
from antbms.cli.picture import picture
from antbms.cli.wording import doubt_texts, duration
from antbms.model import QUANTITIES, Snapshot


def draw(of: Snapshot, width: int = 80, *, colour: bool = False) -> str:
    console = Console(
        file=io.StringIO(), width=width, color_system="standard" if colour else None, force_terminal=colour,
        legacy_windows=False, highlight=False,
    )  # fmt: skip
    with console.capture() as text:
        console.print(picture(of, width))
    return text.get()


def words(of: Snapshot, width: int = 80) -> str:
    return " ".join(draw(of, width).split())


def test_what_is_measured_has_label_value_and_unit() -> None:
    text = words(snapshot(capacity=100.0, cycles=12))
    for name, value in (("voltage", "13.25 V"), ("current", "-2.50 A"), ("power", "-33.1 W"), ("soc", "64.5 %")):
        assert f"{QUANTITIES[name].label} {value}" in text
    assert f"{QUANTITIES['capacity'].label} 100.000 Ah" in text
    assert f"{QUANTITIES['cycles'].label} 12" in text
    assert QUANTITIES["soh"].label not in text  # not reported


@pytest.mark.parametrize(
    ("current", "word"), [(2.5, "+2.50 A charging"), (-2.5, "-2.50 A discharging"), (0.0, "0.00 A")]
)
def test_the_direction_is_said_in_words(current: float, word: str) -> None:
    text = words(snapshot(current=current, state=None))
    assert word in text
    assert ("charging" in text) == bool(current)


def test_alarms_flags_switches_and_details_are_words() -> None:
    text = words(ALARMED)
    assert "PROTECTION cell overvoltage protection.1 WARNING cell overvoltage warning.0" in text
    assert "charge off (cell overvoltage)" in text
    assert "discharge on" in text
    assert "full" in text
    assert "humidity 40 %" in text
    assert "t1 – · mosfet 28.0 °C" in text
    assert "Alarms none" in words(snapshot())


def test_protection_is_red_and_warning_is_yellow() -> None:
    text = draw(ALARMED, colour=True)
    assert re.search(r"\x1b\[[0-9;]*41m PROTECTION", text)
    assert re.search(r"\x1b\[[0-9;]*43m WARNING", text)


def test_cells_are_marked() -> None:
    lines = draw(ALARMED).splitlines()
    marks = {int(line.split()[0]): line.split()[3:] for line in lines if re.match(r" +\d+ \d\.\d{3} ", line)}
    assert marks == {1: [], 2: ["highest", "balancing"], 3: ["lowest"], 4: ["balancing"]}


def test_a_pack_in_perfect_balance_has_no_marks() -> None:
    text = draw(snapshot(cells=(3.3, 3.3), cell_min=3.3, cell_max=3.3, cell_spread=0.0))
    assert "lowest" not in text
    assert "highest" not in text


def test_doubts_are_loud_and_the_value_is_gone() -> None:
    text = words(DOUBTED)
    assert "DOUBT Voltage: 99.00 V reported; the cells add up to 13.25 V" in text
    assert "DOUBT Cell voltages 2: 6.100 V reported; outside 0.5 to 5 V" in text
    assert "Voltage – doubted" in text
    assert "2 6.100 doubted" in text
    assert "t1 doubted" in text


def test_many_doubts_of_one_kind_share_a_line() -> None:
    from antbms.model import Doubt

    lines = list(doubt_texts(Doubt(f"cells.{number}", 0.1, "outside") for number in range(1, 9)))
    assert lines == ["Cell voltages 1, 2, 3, 4, 5, 6, 7, 8: 0.100 V, 0.100 V, 0.100 V, 0.100 V … reported; outside"]


@pytest.mark.parametrize("width", [30, 40, 50, 64, 80, 100])
@pytest.mark.parametrize("of", [ALARMED, DOUBTED, EMPTY, snapshot(cells=(3.3,) * 32)], ids=["a", "d", "e", "32"])
def test_no_line_is_wider_than_the_screen(of: Snapshot, width: int) -> None:
    lines = draw(of, width).splitlines()
    assert max(map(len, lines)) <= width
    assert not any("…" in line and "reported" not in line for line in lines if width >= 50)  # nothing is cut


def test_every_cell_is_shown_once_in_order_of_columns() -> None:
    text = draw(snapshot(cells=tuple(3.3 + number / 1000 for number in range(1, 33))))
    found = sorted(map(int, re.findall(r"(?<!\d)(\d\d?) 3\.3\d\d ", text)))
    assert found == list(range(1, 33))


def test_bars_rise_with_the_cells() -> None:
    lengths = [len(bar(share / 40, 20, LINES)[0]) for share in range(41)]
    assert lengths == sorted(lengths)
    assert (lengths[0], lengths[-1]) == (0, 20)
    assert bar(0.001, 20, LINES)[0] == "╸"


@given(st.floats(0, 1), st.integers(1, 60), st.sampled_from([LINES, PLAIN]))
def test_a_bar_fills_its_width(share: float, width: int, style: object) -> None:
    assert sum(map(len, bar(share, width, style))) == width  # type: ignore[arg-type]


@given(st.integers(500, 5000), st.integers(0, 3000))
def test_the_window_holds_all_cells_and_leaves_each_a_bar(low: int, spread: int) -> None:
    high = min(low + spread, 5000)
    begin, end = window(low / 1000, high / 1000)
    assert 0 <= begin < low / 1000
    assert high / 1000 <= end
    assert round((end - begin) * 1000) >= 50


def test_a_millivolt_does_not_look_dramatic_and_a_tenth_of_a_volt_does() -> None:
    for low, high, least, most in ((3.540, 3.541, 0.0, 0.03), (3.2, 3.3, 0.4, 1.0)):
        begin, end = window(low, high)
        assert least <= (high - low) / (end - begin) <= most


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3600, "1 h 0 min"), (104447, "1 d 5 h")]
)
def test_durations(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def test_read_draws(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    assert run(["read", "sim:"]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert all(line == line.rstrip() and len(line) <= 70 for line in text.splitlines())


@pytest.mark.parametrize("columns", [1, 5, 20, 40, 55, 56, 80])
def test_no_terminal_is_so_narrow_that_numbers_are_cut(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """65 % must not become 6, nor 46 d 7 h become 46: the terminal breaks lines that are too long for it."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run(["read", "sim:ant?capacity=280"]) == 0
    text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert "…" not in text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for start in ("State of charge 65.0 % ", "Voltage 5", "Run time 46 d 7 h"):
        assert any(start in line for line in lines), start
