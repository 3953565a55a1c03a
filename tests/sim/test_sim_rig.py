"""The rig: nothing depends on when one looks; options mean what they say."""

import asyncio
from contextlib import suppress
from itertools import pairwise
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_fakes import check_bounds, rig_of, state_of

import patience
from antbms.errors import UsageError
from antbms.protocol import dialect
from antbms.protocol.ant.changes import switch_request
from antbms.serve import serve
from antbms.sim import PERSONALITIES, make_device
from antbms.sim.chemistry import CHEMISTRIES
from antbms.sim.load import LOADS
from antbms.sim.scenarios import SCENARIOS
from antbms.timing import Timing

PROTOCOLS = sorted(PERSONALITIES)


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(PROTOCOLS),
    st.sampled_from(sorted(LOADS)),
    st.lists(st.floats(0, 900), max_size=30),
    st.integers(0, 100),
)
def test_polling_changes_nothing(protocol: str, load: str, times: list[float], seed: int) -> None:
    """Polled at any times, also backwards, or not at all: at the same moment the same state."""
    end = max(times, default=0.0) + 60.5
    polled, left = (rig_of(protocol, load=load, seed=seed, soc=90.0) for _ in range(2))
    for time in times:
        polled.advance(time)
    polled.advance(end)
    left.advance(end)
    assert state_of(polled) == state_of(left)
    assert polled.clock == left.clock == int(end)


@pytest.mark.parametrize("speed", ["1", "60", "3600"])
def test_a_polled_device_answers_as_one_that_was_left_alone(speed: str) -> None:
    request = dialect("ant").STATUS[0][0].raw
    one, other = (make_device("ant", {"speed": speed}) for _ in range(2))
    for device in (one, other):
        device.receive(b"", 1000.0)  # the first call sets the zero
    times = [1000.0 + number * 0.37 for number in range(80)]
    for time in times:
        one.receive(request, time)
    assert one.receive(request, 1030.0) == other.receive(request, 1030.0)
    assert one.snapshot().uptime == 4_000_001 + (30 if speed == "1" else 30 * int(speed) + 9)


def test_a_command_takes_effect_in_its_time_whoever_looks() -> None:
    """An ant board acts on a command seconds later: then, and not when it is read next."""
    off = switch_request("charge", False, {}).raw
    states = []
    for polls in ((), tuple(range(2, 30))):
        device = make_device("ant", {"load": "charge", "soc": "50"})
        device.receive(off, 0.0)
        for clock in polls:
            device.advance(float(clock))
        device.advance(30.0)
        assert not device.rig.bms.is_on("charge")
        states.append(state_of(device.rig))
    assert states[0] == states[1]


def test_the_seed_alone_decides() -> None:
    for name in sorted(LOADS):
        states = [state_of(_run(load=name, seed=seed)) for seed in (1, 1, 2)]
        assert states[0] == states[1]
        assert states[0] != states[2]


def _run(**wishes: object) -> object:
    rig = rig_of("ant", speed=100.0, **wishes)
    rig.advance(7200)
    return rig


def test_a_coarse_grid_goes_the_same_way() -> None:
    """Fast time is coarser: the day is the same, to half a percent of the charge."""
    fine, coarse = rig_of("ant", load="solar"), rig_of("ant", load="solar", speed=3600.0)
    for rig in (fine, coarse):
        rig.advance(6 * 3600)
    assert (fine.seconds, coarse.seconds) == (1.0, 10.0)
    assert coarse.pack.soc == pytest.approx(fine.pack.soc, abs=0.005)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": "1.5"}, "seed=1.5: not a whole number"),
        ({"cells": "4.5"}, "cells=4.5: not a whole number"),
        ({"cells": "33"}, "cells=33: not a number from 1 to 32"),
        ({"seed": "nan"}, "seed=nan: not a number from 0 to"),
        ({"soc": "much"}, "soc=much: not a number from 0 to 100"),
        ({"speed": "-1"}, "speed=-1: not a number from 0 to 36000"),
        ({"load": "truck"}, "load=truck: there is no such load"),
        ({"scenario": "imbalance,fire"}, "scenario=fire: there is no such scenario"),
        ({"scenario": "loose-wire", "cells": "1"}, "scenario=loose-wire: needs at least 2 cells"),
    ],
)
def test_wrong_options(options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        make_device("ant", options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_options_that_are_right(protocol: str) -> None:
    device = make_device(protocol, {"cells": "6", "capacity": "12.5", "soc": "42", "seed": "7.0", "speed": "0"})
    device.receive(b"", 0.0)
    device.receive(b"", 1e6)  # at speed 0, time stands still
    snapshot = device.snapshot()
    assert (len(snapshot.cells), snapshot.capacity, snapshot.soc) == (6, 12.5, 42)
    assert device.rig.clock == 1.0


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(PROTOCOLS),
    st.sampled_from(sorted(LOADS)),
    st.lists(st.sampled_from(sorted(SCENARIOS)), max_size=3, unique=True),
    st.integers(0, 1000),
    st.floats(0, 100),
    st.integers(2, 32),
)
def test_nothing_leaves_its_bounds(
    protocol: str, load: str, names: list[str], seed: int, soc: float, cells: int
) -> None:
    options = {"load": load, "scenario": ",".join(names), "seed": str(seed), "soc": str(soc), "cells": str(cells)}
    device = make_device(protocol, options | {"speed": "3600"})
    check_bounds(device.rig)
    before = device.rig.clock
    for _ in range(6):
        device.rig.advance(device.rig.clock + 1200)
        check_bounds(device.rig)
        device.snapshot().to_json()
    assert device.rig.clock == before + 7200


@pytest.mark.parametrize("name", sorted(LOADS))
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_load_does_what_it_is_called(protocol: str, name: str) -> None:
    rig = rig_of(protocol, load=name, speed=3600.0, soc=50.0)
    currents = []
    for _ in range(24 * 60):
        rig.advance(rig.clock + 60)
        currents.append(rig.pack.current)
    assert (max(currents) > 0.5) == (name != "constant")
    assert (min(currents) < -0.5) == (name != "charge")
    changes = sum(before != after for before, after in pairwise(currents))
    assert changes > (0 if name == "constant" else 5)
    assert max(map(abs, currents)) <= 2 * PERSONALITIES[protocol].current


@pytest.mark.parametrize("chemistry", sorted(CHEMISTRIES))
def test_every_chemistry_works_a_day(chemistry: str) -> None:
    from msgspec.structs import replace

    from antbms.sim.build import Wishes, make_rig

    personality = replace(PERSONALITIES["ant"], chemistry=chemistry)
    rig = make_rig(personality, Wishes(speed=100.0, hour=0.0))
    for _ in range(24):
        rig.advance(rig.clock + 3600)
        check_bounds(rig)
    assert rig.bms.charges == 1


def test_a_served_battery_lives_on_unread() -> None:
    """So that the first reading after a long time does not have to wait for all of it."""

    async def main() -> None:
        device = make_device("jbd", {"speed": "3600"})
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        serving = asyncio.ensure_future(
            serve([device], pty=False, port=0, on_ready=ready.set_result, timing=Timing(tick=0.001))
        )
        await ready
        while device.rig.clock < 60:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving

    patience.run(main())


def test_a_step_is_cheap() -> None:
    """1,000 packs at 1 Hz are to cost a tenth of a core: 100 µs a step, near full, on a machine that does a plain line
    of Python in 60 ns. The best of ten of each, by turns."""
    rig = rig_of("ant", load="charge", soc=95.0)
    steps, lines = [], []
    for _ in range(10):
        began = process_time()
        rig.advance(rig.clock + 200)
        steps.append((process_time() - began) / 200)
        began = process_time()
        plain(20_000)
        lines.append((process_time() - began) / 20_000)
    assert min(steps) < 100e-6 * min(lines) / 60e-9


def plain(count: int) -> None:
    """What a machine is measured by."""
    total, latest = 0.0, {}
    for number in range(count):
        total += number * 0.5
        latest[number & 63] = total
