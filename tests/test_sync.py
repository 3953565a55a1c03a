"""`antbms.sync` does what the async API does: the same tests over both; and what only it can do wrong."""

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import antbms
import patience
from antbms import sync
from antbms.serve import serve_tcp
from antbms.sim import make_device

PROTOCOLS = ("ant", "ant-legacy", "jbd")
QUICK = antbms.Timing(probe_first=0.2, probe_second=0.5, answer=0.2, silence=0.02, drain=0.1)

Api = Callable[..., Any]
"""Opens an address, calls methods of its battery by name, and returns what they returned."""


def over_async(address: str, *methods: str, **arguments: Any) -> list[Any]:
    async def main() -> list[Any]:
        async with antbms.open(address, **arguments) as battery:
            return [await getattr(battery, method)() for method in methods] + [battery.protocol, battery.name]

    return patience.run(main())


def over_sync(address: str, *methods: str, **arguments: Any) -> list[Any]:
    with sync.open(address, **arguments) as battery:
        return [getattr(battery, method)() for method in methods] + [battery.protocol, battery.name]


@pytest.fixture(params=[over_async, over_sync], ids=["async", "sync"])
def api(request: pytest.FixtureRequest) -> Api:
    opened: Api = request.param
    return opened


@contextmanager
def served(protocol: str) -> Iterator[str]:
    """A simulated battery on TCP, in a loop of its own."""
    address: list[str] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        async with serve_tcp(make_device(protocol)) as where:
            address.append(where)
            ready.set()
            await stop.wait()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(20)
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


# --- the same for both


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_read_and_info(api: Api, protocol: str) -> None:
    snapshot, info, spoken, name = api(f"sim:{protocol}", "read", "info", options={"soc": "42"})
    assert (snapshot.soc, snapshot.protocol, spoken, name) == (42, protocol, protocol, f"sim:{protocol}")
    assert isinstance(snapshot, antbms.Snapshot)
    assert isinstance(info, antbms.DeviceInfo)
    assert info.cells == len(snapshot.cells)


@pytest.mark.parametrize("protocol", ["ant", "jbd"])
def test_counters(api: Api, protocol: str) -> None:
    counters, *_ = api(f"sim:{protocol}", "counters")
    assert counters["short_circuit"] == 0


def test_no_counters(api: Api) -> None:
    with pytest.raises(antbms.UsageError, match="no protection counters"):
        api("sim:ant-legacy", "counters")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_recording(api: Api, protocol: str, tmp_path: Path) -> None:
    path = tmp_path / "a.cap"
    first, second, info, *_ = api(f"sim:{protocol}", "read", "read", "info", record=path)
    again = api(f"replay:{path}", "read", "read", "info")
    assert [record.soc for record in again[:2]] == [first.soc, second.soc]
    assert again[2] == info


def test_over_tcp(api: Api) -> None:
    with served("jbd") as address:
        snapshot, spoken, name = api(address, "read", timing=QUICK)
    assert (snapshot.protocol, spoken, name) == ("jbd", "jbd", address)


@pytest.mark.parametrize(
    ("address", "arguments", "error"),
    [
        ("replay:no-such-file.cap", {}, antbms.FileError),
        ("simm:", {}, antbms.UsageError),
        ("sim:", {"protocol": "antt"}, antbms.UsageError),
        ("sim:jbd", {"protocol": "ant"}, antbms.NoAnswer),
        ("socket://127.0.0.1:1", {}, antbms.OpenError),
    ],
)
def test_errors(api: Api, address: str, arguments: dict[str, Any], error: type[antbms.AntbmsError]) -> None:
    with pytest.raises(error) as caught:
        api(address, "read", timing=QUICK, **arguments)
    assert caught.value.text()


def test_what_happens_inside_comes_out_and_the_battery_is_closed(api: Api) -> None:
    with served("ant") as address:
        with pytest.raises(AttributeError, match="no_such_method"):
            api(address, "no_such_method", timing=QUICK)
        assert api(address, "read", timing=QUICK)[0].protocol == "ant"  # it serves one link at a time


# --- what only sync can do wrong


def test_a_battery_can_be_opened_again_and_again() -> None:
    with served("jbd") as address:
        for _ in range(3):
            assert over_sync(address, "read", timing=QUICK, protocol="jbd")[0].cells


def test_several_batteries_at_once() -> None:
    with sync.open("sim:ant") as one, sync.open("sim:jbd") as other:
        assert (one.read().protocol, other.read().protocol) == ("ant", "jbd")
        assert one.stats.answers >= 1


def test_threads_share_a_battery() -> None:
    with sync.open("sim:jbd") as battery, ThreadPoolExecutor(8) as pool:
        snapshots = list(pool.map(lambda _: battery.read(), range(40)))
    assert {len(snapshot.cells) for snapshot in snapshots} == {8}
    assert battery.stats.answers >= 80


def test_threads_open_batteries_of_their_own() -> None:
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda protocol: over_sync(f"sim:{protocol}", "read")[0].protocol, PROTOCOLS * 4))
    assert found == list(PROTOCOLS * 4)


def test_it_works_where_a_loop_runs_already() -> None:
    """As in a notebook."""

    async def main() -> str:
        return str(over_sync("sim:ant", "read")[0].protocol)

    assert patience.run(main()) == "ant"


def script(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *args],
        capture_output=True, text=True, timeout=patience.LONG, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


FORGETS = {
    "one that is kept": "manager = sync.open(sys.argv[1]); battery = manager.__enter__(); print(battery.read().soc)",
    "two of them": (
        "from contextlib import ExitStack\n"
        "stack = ExitStack(); batteries = [stack.enter_context(sync.open(a)) for a in (sys.argv[1], 'sim:jbd')]\n"
        "print(batteries[0].read().soc)"
    ),
    "an error inside": (
        "try:\n"
        "    with sync.open(sys.argv[1]) as battery: print(battery.read().soc); raise LookupError\n"
        "except LookupError: pass"
    ),
    "an exit inside": "with sync.open(sys.argv[1]) as battery: print(battery.read().soc); sys.exit()",
}


@pytest.mark.parametrize("forgets", FORGETS)
def test_python_ends_though_a_script_forgets_to_close(forgets: str) -> None:
    code = f"import sys; from antbms import sync\n{FORGETS[forgets]}"
    with served("ant") as served_at:
        for address in ("sim:ant", served_at):
            done = script(code, address)
            assert (done.returncode, done.stdout, done.stderr) == (0, "65.0\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_ends_a_read(tmp_path: Path) -> None:
    """The battery is silent; the read would take a minute. Afterwards it can be opened again."""
    code = (
        "import signal, sys, threading; from antbms import sync, Timing\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "timing = Timing(answer=60.0, tries=1)\n"
        "with sync.open(sys.argv[1], protocol='ant', timing=timing) as battery:\n"
        "    try:\n"
        "        print('reading', flush=True)\n"
        "        battery.read()\n"
        "    except KeyboardInterrupt:\n"
        "        print('interrupted', flush=True)\n"
        "with sync.open('sim:jbd') as battery:\n"
        "    print(battery.read().protocol)\n"
    )
    with served("jbd") as address:  # it does not speak ant: no answer
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, address],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == "reading\n"
            threading.Timer(0.3, lambda: os.kill(process.pid, signal.SIGINT)).start()
            out, err = patience.ended(process, 15)
    assert (process.returncode, out, err) == (0, "interrupted\njbd\n", "")


def test_discover_is_that_of_the_other_api() -> None:
    (found,) = sync.discover(kinds=(), also=["sim:jbd"])
    assert (found.address, found.protocol) == ("sim:jbd", "jbd")
    theirs, ours = (inspect.signature(function).parameters for function in (antbms.discover, sync.discover))
    assert {name: one.default for name, one in ours.items()} == {name: one.default for name, one in theirs.items()}


def test_watching_gives_events_and_leaving_the_loop_closes_the_link() -> None:
    times = []
    for event in sync.watch("sim:jbd", 0.1):
        assert isinstance(event, antbms.Snapshot)
        times.append(event.time)
        if len(times) == 3:
            break
    assert times == sorted(set(times))
    with pytest.raises(antbms.UsageError):
        sync.watch("tcp:nowhere")
    with pytest.raises(antbms.FileError):
        next(sync.watch("replay:there is no such file"))
