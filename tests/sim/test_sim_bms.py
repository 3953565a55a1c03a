"""The BMS: what trips when, what it opens, when it lets go; what it counts, and what it says of it."""

from typing import Any

import pytest
from msgspec.structs import asdict
from sim_fakes import rig_of

from antbms.protocol.ant import words as ant
from antbms.protocol.ant_legacy import words as legacy
from antbms.protocol.jbd import words as jbd
from antbms.sim.bms import Bms
from antbms.sim.chemistry import CHEMISTRIES
from antbms.sim.load import Charger
from antbms.sim.pack import Pack
from antbms.sim.personality import PERSONALITIES
from antbms.sim.protections import PROTECTIONS, WARNINGS, Rule, Watch
from antbms.sim.reading import known_rules, read
from antbms.sim.thresholds import Thresholds, default_thresholds

LFP = CHEMISTRIES["lfp"]
BY_LIMIT = [rule for rule in PROTECTIONS if rule.limit is None and rule.name != "short_circuit"]
RULES = {rule.name: rule for rule in PROTECTIONS}


def limits(**changes: Any) -> Thresholds:
    return Thresholds(**asdict(default_thresholds(LFP, 8, 100.0, 50.0)) | changes)


def bms_of(pack: Pack, **changes: Any) -> Bms:
    return Bms(
        pack, limits(**changes), capacity=100.0, current=50.0, sensors=2, known=[*PROTECTIONS, *WARNINGS],
    )  # fmt: skip


def names(watches: list[Watch]) -> set[str]:
    return {watch.rule.name for watch in watches if watch.active}


# ---- one row at a time


@pytest.mark.parametrize("rule", BY_LIMIT, ids=lambda rule: rule.name)
def test_a_protection_acts_after_its_delay_and_lets_go_at_its_recovery(rule: Rule) -> None:
    thresholds = limits()
    limit = getattr(thresholds, rule.name)
    recovery = getattr(thresholds, f"{rule.name}_recovery", limit)
    delay, release = (getattr(thresholds, f"{rule.name}_{what}", 0.0) for what in ("delay", "release"))
    sign = -1 if rule.below else 1
    assert sign * recovery <= sign * limit
    assert delay >= 1
    watch = Watch(rule, thresholds)
    assert not watch.step(limit, 100.0)  # at the limit nothing happens
    for _ in range(int(delay) - 1):
        assert not watch.step(limit + sign * 0.001, 1.0)
    watch.step(limit, 1.0)  # it was too short: the delay begins again
    for _ in range(int(delay) - 1):
        assert not watch.step(limit + sign * 0.001, 1.0)
    assert watch.step(limit + sign * 0.001, 1.0)
    assert (watch.active, watch.count) == (True, 1)
    if recovery != limit:
        assert not watch.step(recovery + sign * 0.001, 100.0)
    for _ in range(int(release)):
        assert watch.active
        watch.step(recovery, 1.0)
    watch.step(recovery, 1.0)
    assert not watch.active


def test_warnings_come_before_protections() -> None:
    thresholds = limits()
    for rule in WARNINGS:
        if rule.name in RULES:
            before, limit = getattr(thresholds, f"{rule.name}_warning"), getattr(thresholds, rule.name)
            assert before > limit if rule.below else before < limit


@pytest.mark.parametrize("chemistry", sorted(CHEMISTRIES))
@pytest.mark.parametrize("cells", [4, 16, 32])
def test_a_good_charge_and_discharge_trips_nothing(chemistry: str, cells: int) -> None:
    """What a charger and a load do by themselves lies within the defaults."""
    pack = Pack(CHEMISTRIES[chemistry], cells, 100.0, soc=0.5, seed=3)
    thresholds = default_thresholds(CHEMISTRIES[chemistry], cells, 100.0, 30.0)
    bms = Bms(pack, thresholds, capacity=100.0, current=30.0, sensors=2, known=[*PROTECTIONS, *WARNINGS])
    charger = Charger(pack, 30.0)
    while not charger.done:
        pack.step(charger.current(pack, 10.0), 10.0)
        bms.step(pack, 10.0)
        assert not names(bms.protections)
        assert not names(bms.warnings)
    assert bms.full
    assert bms.remaining == bms.capacity
    while pack.soc > 0.2:
        pack.step(-30.0, 10.0)
        bms.step(pack, 10.0)
        assert not names(bms.protections)
        assert not names(bms.warnings)
    assert not bms.full


# ---- switches


def test_switches_by_command() -> None:
    rig = rig_of("ant", load="constant", soc=50.0)
    rig.advance(10)
    assert rig.pack.current == -50.0
    rig.bms.switch("discharge", False)
    assert (rig.bms.is_on("discharge"), rig.bms.reason("discharge")) == (False, "off by command")
    assert (rig.bms.is_on("charge"), rig.bms.reason("charge")) == (True, None)
    rig.advance(12)
    assert rig.pack.current == 0.0
    rig.bms.switch("discharge", True)
    rig.advance(14)
    assert rig.pack.current == -50.0


def test_a_protection_stands_above_a_command() -> None:
    rig = rig_of("ant", scenario="cold-charge")
    assert rig.bms.reason("charge") == "cold"
    rig.bms.switch("charge", True)
    rig.advance(rig.clock + 60)
    assert not rig.bms.is_on("charge")
    assert rig.pack.current == 0.0
    rig.bms.switch("charge", False)
    rig.pack.temperature = rig.pack.ambient = rig.mean = 20.0
    rig.advance(rig.clock + 60)
    assert rig.bms.reason("charge") == "off by command"


def test_an_open_charge_switch_lets_current_out_and_an_open_discharge_switch_lets_it_in() -> None:
    for load, off, sign in (("constant", "charge", -1), ("charge", "discharge", 1)):
        rig = rig_of("ant", load=load, soc=50.0)
        rig.bms.switch(off, False)  # type: ignore[arg-type]
        rig.advance(600)
        assert rig.pack.current * sign > 0
        assert not rig.bms.is_on(off)  # type: ignore[arg-type]
        other = rig_of("ant", load=load, soc=50.0)
        other.advance(600)
        assert rig.bms.mosfet > other.bms.mosfet + 1  # the diode warms up more


def test_overcurrent_opens_and_tries_again() -> None:
    rig = rig_of("ant", load="constant", soc=80.0)
    rig.bms.set_thresholds(_with(rig.bms.thresholds, discharge_overcurrent=40.0))
    opened = []
    for _ in range(200):
        rig.step()
        opened.append(rig.bms.is_on("discharge"))
    assert opened.index(False) == 9  # the delay is 10 s
    assert opened[9 : 9 + 30] == [False] * 30
    assert opened[9 + 31]
    assert rig.bms.counters["discharge_overcurrent"] >= 4
    rig.bms.clear_counters()
    assert rig.bms.counters["discharge_overcurrent"] == 0


def _with(thresholds: Thresholds, **changes: float) -> Thresholds:
    return Thresholds(**asdict(thresholds) | changes)


# ---- words


def test_every_rule_has_words_where_its_protocol_knows_it() -> None:
    assert {rule.name for rule in known_rules("ant")} == {rule.name for rule in (*PROTECTIONS, *WARNINGS)}
    missing = {rule.name for rule in PROTECTIONS} - {rule.name for rule in known_rules("jbd") if rule in PROTECTIONS}
    assert missing == {"loose_wire", "mosfet_hot", "cell_difference"}
    missing = {rule.name for rule in PROTECTIONS} - {rule.name for rule in known_rules("ant-legacy")}
    assert missing == {"cell_difference"}


@pytest.mark.parametrize("protocol", sorted(PERSONALITIES))
def test_every_protection_is_told(protocol: str) -> None:
    """The alarm has the protocol's bit, the MOSFET that opens has the code, and its switch is off."""
    tables = {"ant": ant.PROTECTION.words, "jbd": jbd.PROTECTION.words}
    codes = {"ant": (ant.CHARGE, ant.DISCHARGE), "ant-legacy": (legacy.CHARGE, legacy.DISCHARGE)}
    told = 0
    for rule in known_rules(protocol):
        if rule not in PROTECTIONS:
            continue
        rig = rig_of(protocol)
        for watch in rig.bms.protections:
            watch.active = watch.rule == rule
        rig.bms._opened = {"charge", "discharge"} if rule.opens == "both" else {rule.opens}
        snapshot = read(rig.bms, PERSONALITIES[protocol])
        for switch in ("charge", "discharge"):
            opened = rule.opens in (switch, "both")
            state = snapshot.switches[switch]
            assert state.on is not opened
            if opened and protocol in codes:
                words = codes[protocol][switch == "discharge"]
                assert words[state.code or 0] == state.reason == (rule.reason or rule.word)
        if protocol in tables:
            (alarm,) = (item for item in snapshot.alarms if item.severity == "protection")
            assert tables[protocol][int(alarm.code.split(".")[1])] in (rule.word, rule.also)
        told += 1
    assert told >= 12


# ---- counting


@pytest.mark.parametrize("protocol", sorted(PERSONALITIES))
def test_counters_agree_with_the_truth(protocol: str) -> None:
    """To the resolution of the protocol: 1 mAh; what is below the sensor's blind spot does not flow here."""
    rig = rig_of(protocol, load="cycle", speed=3600.0)
    charged, discharged = rig.bms.charged - rig.pack.charged, rig.bms.discharged - rig.pack.discharged
    charge_time, uptime = rig.bms.charge_time, rig.bms.uptime
    rig.advance(4 * 86400)
    assert rig.pack.charged > 4 * PERSONALITIES[protocol].capacity
    assert rig.bms.charged - rig.pack.charged == pytest.approx(charged, abs=0.0005)
    assert rig.bms.discharged - rig.pack.discharged == pytest.approx(discharged, abs=0.0005)
    assert rig.bms.uptime - uptime == pytest.approx(rig.clock - 10, abs=1)
    assert 0.2 < (rig.bms.charge_time - charge_time) / rig.clock < 0.7
    assert rig.bms.charges >= 4


def test_the_counted_charge_drifts_and_is_set_right_at_full() -> None:
    """It knows neither self-discharge nor what a charge loses: it rises against the truth, until the pack is full."""
    pack = Pack(LFP, 8, 100.0, soc=0.5, seed=1)
    bms = bms_of(pack)
    for number in range(20000):
        pack.step(20.0 if number % 2 else -20.0, 10.0)
        bms.step(pack, 10.0)
    drift = bms.soc - pack.soc
    assert 0.001 < drift < 0.05
    for _ in range(4):
        charger = Charger(pack, 30.0)
        while not charger.done:
            pack.step(charger.current(pack, 10.0), 10.0)
            bms.step(pack, 10.0)
    assert bms.full
    assert bms.soc == 1.0


def test_the_blind_spot_of_the_sensor() -> None:
    pack = Pack(LFP, 8, 100.0, soc=0.5, seed=1)
    bms = bms_of(pack)
    counted = bms.remaining
    for _ in range(3600):
        pack.step(-0.04, 1.0)
        bms.step(pack, 1.0)
    assert (bms.current, bms.remaining) == (0.0, counted)
    pack.step(-0.06, 1.0)
    bms.step(pack, 1.0)
    assert bms.current == -0.06


def test_empty_means_zero() -> None:
    rig = rig_of("ant", load="constant", soc=20.0, speed=3600.0)
    rig.bms.remaining = 0.5 * rig.bms.capacity  # it believes in much more
    while rig.bms.is_on("discharge"):
        rig.step()
    assert rig.bms.reason("discharge") == "cell undervoltage"
    assert rig.bms.soc == 0.0


# ---- balancing


def test_balancing_brings_cells_together() -> None:
    """A cell that leads is drained while the pack is full, and the spread shrinks over days."""
    rig = rig_of("jbd", scenario="imbalance", speed=3600.0)
    assert rig.bms.balancing
    before = max(rig.pack.socs) - min(rig.pack.socs)
    rig.advance(rig.clock + 2 * 86400)
    after = max(rig.pack.socs) - min(rig.pack.socs)
    assert after < before - 0.005
    assert rig.pack.bled > 0


def test_balancing_can_be_switched_off_and_pauses_while_discharging() -> None:
    rig = rig_of("ant", scenario="imbalance")
    assert read(rig.bms, PERSONALITIES["ant"]).switches["balance"].reason == "automatic"
    bled = rig.pack.bled
    rig.bms.switch("balance", False)
    rig.advance(rig.clock + 600)
    assert rig.pack.bled == bled
    assert not rig.bms.balancing
    assert not read(rig.bms, PERSONALITIES["ant"]).switches["balance"].on
    rig.bms.switch("balance", True)
    rig.advance(rig.clock + 5)
    assert rig.bms.balancing
    rig.pack.step(-30.0, 1.0)
    rig.bms.step(rig.pack, 1.0)
    assert not rig.bms.balancing
