"""What goes wrong with the file: a clear state with the way out, and nothing lost that comes again."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_data import Clock, at, database, fill, offline, reading, run, store

from antbms import history
from antbms.errors import FileError, SinkError, UsageError
from antbms.model import Event, Snapshot
from antbms.sinks.store import Store
from antbms.sinks.store.layout import VERSION
from antbms.sinks.store.trouble import MAGIC

NOW = "20261122T050030Z"
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def stored(file: Path, battery: str = "garage") -> list[Snapshot]:
    return list(history.snapshots(file, battery, at(-(10**6)), at(10**6)))


def many(first: int, count: int) -> list[Event]:
    return [reading(first + number) for number in range(count)]


def refused(file: Path, events: list[Event] | None = None) -> SinkError:
    """What a store says that cannot take events, and that is closed afterwards."""

    async def work() -> SinkError:
        sink = store(file)
        with pytest.raises(SinkError) as caught:
            await sink.take(events or [reading()])
        await sink.close()
        return caught.value

    return run(work())


def test_what_comes_again_is_stored_once(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    fill(file, many(0, 10), many(0, 20), many(5, 10))
    assert stored(file) == many(0, 20)


def test_of_two_readings_of_one_millisecond_the_second_moves_on(tmp_path: Path) -> None:
    """Also if they come again, together or one by one, and if the next millisecond is taken."""
    file = tmp_path / "s.db"
    one, two, three, four = (reading(seconds, soc=soc) for soc, seconds in enumerate((0, 0, 0.001, 0)))
    fill(file, [one, two], [one, two], [two], [three], [one, two, three], [four], [four, two])
    assert [(snapshot.soc, snapshot.time) for snapshot in stored(file)] == [
        (soc, at(number / 1000)) for number, soc in enumerate((0, 1, 2, 3))
    ]


def test_readings_after_the_clock_was_set_back_by_whole_seconds(tmp_path: Path) -> None:
    """Their pace is so steady that they come at the very milliseconds of those before; also in minutes and hours."""
    file = tmp_path / "s.db"
    first = [reading(number / 10, uptime=number) for number in range(1400)]
    second = [reading(125 + number / 10, uptime=1400 + number) for number in range(140)]
    fill(file, first, second[:70], second[:100], second[70:])
    assert sorted(snapshot.uptime or 0 for snapshot in stored(file)) == list(range(1540))
    hours = history.rollups(file, "garage", at(-3600), at(3600), "hour")
    assert sum(hour.count for hour in hours) == 1540


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 200_000), min_size=1, max_size=40),
    st.lists(st.tuples(st.integers(1, 8), st.integers(0, 6)), min_size=40, max_size=40),
)
def test_every_reading_is_stored_once_whatever_its_time(times: list[int], cuts: list[tuple[int, int]]) -> None:
    """Times collide, and lie side by side; batches come again, also when others have come since they began."""
    snapshots = [reading(time % 7 / 1000 + time // 50_000 * 900, uptime=number) for number, time in enumerate(times)]
    batches, left = [], snapshots
    for size, more in cuts:
        batches += [left[:size], left[: size + more]]
        left = left[size:]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "s.db"
        fill(file, *filter(None, batches))
        assert sorted(snapshot.uptime or 0 for snapshot in stored(file)) == list(range(len(snapshots)))
        for resolution in ("minute", "hour"):
            rows = history.rollups(file, "garage", at(-(10**6)), at(10**6), resolution)
            assert sum(row.count for row in rows) == len(snapshots)


def test_two_stores_may_write_to_one_file(tmp_path: Path) -> None:
    file = tmp_path / "s.db"

    async def work() -> None:
        one, two = store(file), store(file)
        for number in range(0, 300, 20):
            await one.take([reading(number), reading(number, "shed")])
            await two.take([reading(number + 10), reading(number, "shed")])
        await one.close()
        await two.close()

    run(work())
    assert [snapshot.time for snapshot in stored(file)] == [at(number) for number in range(0, 300, 10)]
    minutes = history.rollups(file, "garage", at(-100), at(1000), "minute")
    assert sum(minute.count for minute in minutes) == 30
    assert sum(minute.count for minute in history.rollups(file, "shed", at(-100), at(1000), "minute")) == 15


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 kB, which only root on Linux can make; elsewhere see the test with a limit of pages."""
    if not IS_ROOT or sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("only root on Linux may mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("this container may not mount a small disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


async def until_full(sink: Store, taken: list[Event]) -> SinkError:
    """Hand over batches of 40 until one is refused, and note those that were not."""
    while len(taken) < 10**5:
        batch = many(len(taken), 40)
        try:
            await sink.take(batch)
        except SinkError as error:
            return error
        taken.extend(batch)
    raise AssertionError("the disk never was full")


def test_a_full_disk(small_disk: Path) -> None:
    file, ballast = small_disk / "s.db", small_disk / "ballast"
    ballast.write_bytes(bytes(150_000))
    taken: list[Event] = []

    async def work() -> SinkError:
        sink = store(file)
        error = await until_full(sink, taken)
        again = many(len(taken), 45)  # the 40 that failed, and what has come since
        with pytest.raises(SinkError, match="full"):
            await sink.take(again)
        ballast.unlink()
        await sink.take(again)
        taken.extend(again)
        await sink.close()
        return error

    error = run(work())
    assert str(error) == f"{file}: the disk is full"
    assert "make room" in error.hints[0]
    assert len(taken) > 200
    assert stored(file) == taken
    with database(file) as link:
        assert link.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_disk_that_is_full_before_the_file_is_there(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(390_000))
    assert "the disk is full" in str(refused(small_disk / "s.db"))


def test_a_limit_of_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same without a small disk: SQLite itself says that the disk is full."""
    file, limit = tmp_path / "s.db", 60
    taken: list[Event] = []
    connect = sqlite3.connect

    def limited(*args: object, **options: object) -> sqlite3.Connection:
        link: sqlite3.Connection = connect(*args, **options)  # type: ignore[call-overload]
        link.execute(f"PRAGMA max_page_count = {limit}")
        return link

    async def work() -> None:
        nonlocal limit
        monkeypatch.setattr(sqlite3, "connect", limited)
        sink = store(file)
        assert str(await until_full(sink, taken)) == f"{file}: the disk is full"
        limit = 10**6
        again = many(len(taken), 40)
        await sink.take(again)
        taken.extend(again)
        await sink.close()

    run(work())
    monkeypatch.undo()
    assert len(taken) > 500
    assert stored(file) == taken


@pytest.mark.skipif(IS_ROOT, reason="root may write everywhere")
def test_a_folder_that_is_read_only(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o500)
    assert "read-only" in str(refused(folder / "s.db"))


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    error = refused(tmp_path / "nowhere" / "s.db")
    assert str(error) == f"{tmp_path / 'nowhere' / 's.db'}: its folder does not exist"
    assert f"make the folder {tmp_path / 'nowhere'}" in error.hints[0]


def test_a_disk_that_becomes_read_only(small_disk: Path) -> None:
    """As Linux does with a card that fails."""
    file = small_disk / "s.db"

    def remount(how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", small_disk], check=True)

    async def work() -> None:
        sink = store(file)
        await sink.take(many(0, 5))
        await sink.close()
        remount("ro")
        sink = store(file)
        with pytest.raises(SinkError, match="read-only") as caught:
            await sink.take(many(0, 10))
        assert "rights" in caught.value.hints[0]
        assert stored(file) == many(0, 5)  # still readable, although no lock can be made there
        remount("rw")
        await sink.take(many(0, 10))
        await sink.close()

    run(work())
    assert stored(file) == many(0, 10)


def test_another_program_that_holds_the_file(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    fill(file, many(0, 5))

    async def work(sink: Store) -> None:
        with database(file) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(SinkError, match="another program holds it"):
                await sink.take(many(0, 10))
            other.execute("ROLLBACK")
        await sink.take(many(0, 10))
        await sink.close()

    run(work(store(file)))
    assert stored(file) == many(0, 10)


def moved(file: Path) -> Path:
    return file.with_name(f"{file.name}.damaged-{NOW}")


def test_a_damaged_head(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    fill(file, many(0, 5))
    damaged = b"\x00" * 100 + file.read_bytes()[100:]
    file.write_bytes(damaged)

    async def work() -> SinkError:
        sink = store(file)
        with pytest.raises(SinkError, match="was damaged") as caught:
            await sink.take(many(5, 5))
        await sink.take(many(5, 10))
        await sink.close()
        return caught.value

    error = run(work())
    assert moved(file).name in str(error)
    assert ".recover" in error.hints[0]
    assert moved(file).read_bytes() == damaged
    assert stored(file) == many(5, 10)


def test_a_damaged_page_under_a_running_store(tmp_path: Path) -> None:
    """Found when a page is touched; readings before it and after it are in the two files."""
    file = tmp_path / "s.db"

    async def work() -> None:
        sink = store(file)
        await sink.take(many(0, 500))
        await sink.close()
        whole = bytearray(file.read_bytes())
        for page in range(1, len(whole) // 4096):
            whole[page * 4096 : page * 4096 + 64] = b"\xff" * 64
        file.write_bytes(whole)
        sink = store(file)
        with pytest.raises(SinkError, match="was damaged"):
            await sink.take(many(500, 5))
        await sink.take(many(500, 10))
        await sink.close()

    run(work())
    assert stored(file) == many(500, 10)
    assert moved(file).stat().st_size > 4096
    with pytest.raises(FileError, match="is damaged") as caught:
        stored(moved(file))
    assert ".recover" in caught.value.hints[0]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps an open file where it is")
@pytest.mark.parametrize("how", ["deleted", "moved", "moved with its journal", "replaced"])
def test_a_file_that_goes_while_it_is_open(tmp_path: Path, how: str) -> None:
    """Nothing more is written to the lost file; what is in a moved one stays whole."""
    file, other = tmp_path / "s.db", tmp_path / "other.db"
    fill(other, many(100, 3))

    async def work() -> None:
        sink = store(file)
        await sink.take(many(0, 5))
        if how == "deleted":
            for one in tmp_path.glob("s.db*"):
                one.unlink()
        elif how == "replaced":
            other.replace(file)
        else:
            for one in tmp_path.glob("s.db*") if "journal" in how else [file]:
                one.replace(tmp_path / one.name.replace("s.db", "kept.db"))
        with pytest.raises(SinkError, match="was moved, replaced or deleted"):
            await sink.take(many(5, 5))
        await sink.take(many(5, 5))
        await sink.take(many(10, 5))
        await sink.close()

    run(work())
    assert stored(file) == many(5, 10) + (many(100, 3) if how == "replaced" else [])
    if "moved" in how:
        assert stored(tmp_path / "kept.db") == many(0, 5)


def test_two_damages_in_one_second_are_both_kept(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    for _ in range(2):
        file.write_bytes(MAGIC + b"\xff" * (8192 - len(MAGIC)))
        refused(file)
    assert sorted(path.name for path in tmp_path.iterdir()) == [moved(file).name, f"{moved(file).name}-2"]


@pytest.mark.parametrize("text", ["[monitor]\n", "x" * 5000, "x" * 8192])
def test_a_file_that_never_was_a_database_is_left_alone(tmp_path: Path, text: str) -> None:
    """Also one that is as long as a database."""
    file = tmp_path / "antbms.toml"
    file.write_text(text, "utf-8")
    assert str(refused(file)) == f"{file}: this file is no database"
    assert [path.name for path in tmp_path.iterdir()] == ["antbms.toml"]
    assert file.read_text("utf-8") == text
    with pytest.raises(FileError, match="no database"):
        history.batteries(file)


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "home-assistant.db"
    with database(file) as link:
        link.execute("CREATE TABLE states (id)")
    assert "another program" in str(refused(file))
    with database(file) as link:
        assert link.execute("SELECT name FROM sqlite_schema").fetchall() == [("states",)]
        assert link.execute("PRAGMA user_version").fetchone() == (0,)
    with pytest.raises(FileError, match="another program"):
        history.batteries(file)


def test_the_file_of_a_newer_antbms_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    fill(file, many(0, 1))
    with database(file) as link:
        link.execute(f"PRAGMA user_version = {VERSION + 1}")
    error = refused(file)
    assert f"version {VERSION + 1}, this antbms knows {VERSION}" in str(error)
    assert "update antbms" in error.hints[0]
    with pytest.raises(FileError, match="newer antbms"):
        history.batteries(file)


def test_an_older_file_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from antbms.sinks.store import layout
    from antbms.sinks.store import open as opening

    file = tmp_path / "s.db"
    fill(file, many(0, 3))
    steps = (*layout.MIGRATIONS, "ALTER TABLE battery ADD COLUMN colour TEXT; UPDATE battery SET colour = 'red'")
    monkeypatch.setattr(opening, "MIGRATIONS", steps)
    monkeypatch.setattr(opening, "VERSION", len(steps))
    with pytest.raises(FileError, match="made by an older antbms"):
        stored(file)
    with database(file) as link:
        opening.bring_up(link)
        opening.bring_up(link)
        assert link.execute("SELECT colour FROM battery").fetchall() == [("red",)]
        assert link.execute("PRAGMA user_version").fetchone() == (len(steps),)
    assert stored(file) == many(0, 3)


def test_a_step_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from antbms.sinks.store import layout
    from antbms.sinks.store import open as opening

    file = tmp_path / "s.db"
    fill(file, many(0, 3))
    monkeypatch.setattr(opening, "MIGRATIONS", (*layout.MIGRATIONS, "ALTER TABLE battery ADD COLUMN c; DROP TABLE no"))
    with database(file) as link:
        with pytest.raises(sqlite3.OperationalError):
            opening.bring_up(link)
        assert "c" not in [row[1] for row in link.execute("PRAGMA table_info(battery)")]
        assert link.execute("PRAGMA user_version").fetchone() == (layout.VERSION,)


def test_the_loop_goes_on_while_the_disk_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody waits for the thread when the program ends."""
    import asyncio

    go, sink = threading.Event(), store(tmp_path / "s.db")
    monkeypatch.setattr(Store, "_take", lambda self, events: go.wait(10))

    async def work() -> None:
        task = asyncio.create_task(sink.take([reading()]))
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert not task.done()
        assert all(thread.daemon for thread in threading.enumerate() if thread.name == "antbms-store")
        go.set()
        await task
        await sink.close()

    run(work())


def test_a_take_that_is_given_up_may_still_end_well(tmp_path: Path) -> None:
    """The lane waits no longer; the thread goes on; all comes again and is stored once."""
    import asyncio

    file, sink = tmp_path / "s.db", store(tmp_path / "s.db")

    async def work() -> None:
        task = asyncio.create_task(sink.take(many(0, 50)))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await sink.take(many(0, 60))
        await sink.close()

    run(work())
    assert stored(file) == many(0, 60)


def test_closing_never_raises_and_may_be_repeated(tmp_path: Path) -> None:
    async def work() -> None:
        sink = store(tmp_path / "s.db")
        await sink.close()
        await sink.take([offline(0, 1)])
        await sink.close()
        await sink.close()
        await sink.take([reading()])
        await sink.close()

    run(work())
    assert stored(tmp_path / "s.db") == [reading()]


def test_reading_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    fill(file, many(0, 100))
    before = file.read_bytes()
    history.batteries(file)
    stored(file)
    assert file.read_bytes() == before


def test_reading_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        history.batteries(tmp_path / "s.db")
    (tmp_path / "empty.db").touch()
    with pytest.raises(FileError, match="nothing"):
        history.batteries(tmp_path / "empty.db")
    fill(tmp_path / "s.db", [reading()])
    with pytest.raises(UsageError, match="garag: there is no such battery") as caught:
        stored(tmp_path / "s.db", "garag")
    assert caught.value.hints == ("Did you mean garage?", "In this store: garage.")


def test_readers_and_the_writer_do_not_wait_for_each_other(tmp_path: Path) -> None:
    file = tmp_path / "s.db"

    async def work() -> None:
        sink = store(file, Clock())
        await sink.take(many(0, 3000))
        reader = history.snapshots(file, "garage", at(-1), at(10**6))
        first = next(reader)
        await sink.take(many(3000, 3000))
        assert len([first, *reader]) == 6000
        assert len(stored(file)) == 6000
        await sink.close()

    run(work())
