"""The configuration: strict, and every key of it in the commented example."""

import re
import sqlite3
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import msgspec
import pytest

import antbms.sinks
from antbms import config
from antbms.cli.main import run
from antbms.config import BatteryConfig, MonitorConfig, find, load, load_batteries
from antbms.errors import FileError, UsageError
from antbms.sinks import KINDS
from antbms.sinks.store.open import check_file, open_to_write
from conftest import ROOT

EXAMPLE = ROOT / "examples" / "antbms.toml"
ONE = '[batteries.a]\naddress = "sim:"\n'
Printed = pytest.CaptureFixture[str]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "antbms.toml"
    path.write_text(text, "utf-8")
    return path


def with_everything() -> str:
    """The example with all that is commented out; a comment in words has a space after its #."""
    return re.sub(r"^#(?=[\[\w])", "", EXAMPLE.read_text("utf-8"), flags=re.MULTILINE)


def test_the_example_loads() -> None:
    example = load(EXAMPLE)
    assert list(example.batteries) == ["garage", "boat"]
    assert example.monitor.every == 5.0


def test_the_example_loads_with_all_that_is_commented_out(tmp_path: Path) -> None:
    everything = load(written(tmp_path, with_everything()))
    assert list(everything.sinks) == list(KINDS)


def test_the_example_holds_every_key(tmp_path: Path) -> None:
    import tomllib

    tables = tomllib.loads(with_everything())
    kinds: dict[str, Any] = {"monitor": MonitorConfig} | {
        name: import_module(f"antbms.sinks.{module}").Config for name, module in KINDS.items()
    }
    for name, kind in kinds.items():
        fields = {field.encode_name for field in msgspec.structs.fields(kind)}
        assert fields == tables[name].keys(), name
    fields = {field.encode_name for field in msgspec.structs.fields(BatteryConfig)}
    assert fields == tables["batteries"]["garage"].keys()


def test_what_the_example_calls_usual_is_so() -> None:
    """`#key = value` of [monitor] and of the sinks, but for examples of what has no usual value."""
    import tomllib

    tables = tomllib.loads(with_everything())
    kinds = {"monitor": MonitorConfig} | {name: import_module(f"antbms.sinks.{KINDS[name]}").Config for name in KINDS}
    for name, kind in kinds.items():
        usual = {field.encode_name: field.default for field in msgspec.structs.fields(kind)}
        for key, value in tables[name].items():
            assert usual[key] in (value, None, msgspec.NODEFAULT) or (name, key) == ("monitor", "every"), (name, key)


def test_every_sink_is_in_the_table() -> None:
    """A module with `make` is a sink."""
    modules = [module.name for module in iter_modules(antbms.sinks.__path__) if module.name != "base"]
    makers = {name for name in modules if hasattr(import_module(f"antbms.sinks.{name}"), "make")}
    assert makers == set(KINDS.values()), "add a row to KINDS of sinks/__init__.py, and a table to examples/antbms.toml"


WRONG = [
    ("x", ["is no valid TOML", "every = 5.0"]),
    ('[store]\nfile = "C:\\logs\\antbms.db"', ["is no valid TOML", "in single quotes"]),
    ('[store]\nfile = "C:\\Users\\me.db"', ["is no valid TOML", "in single quotes"]),
    ("[batteries.a]\naddress = COM5", ["is no valid TOML", "stands in quotes"]),
    ("[monitor]\n[monitor]", ["is no valid TOML", "stands once"]),
    ("[monitor", ["is no valid TOML", "in a line of its own"]),
    ("[monitr]\nevery=1", ["there is no table `monitr`", "Did you mean monitor?"]),
    ("[monitor]\nevry=1", ["[monitor]: there is no key `evry`", "Did you mean every?"]),
    ('[monitor]\nevery="a"', ["[monitor]: `every`: expected a number, got a text in quotes"]),
    ("[monitor]\nevery=0", ["`every`: expected a number >= 0.1"]),
    ('[monitor]\nlog_format="xml"', ["`log_format`: 'xml' is none of json, text"]),
    ("[monitor]", ["names no battery"]),
    ("batteries=1", ["must be tables"]),
    ("[batteries]\na=1", ["[batteries.a]: must be a table"]),
    ('[batteries.a]\nadress="sim:"', ["[batteries.a]: there is no key `adress`", "Did you mean address?"]),
    ("[batteries.a]\nevery=1", ["[batteries.a]: `address` is missing"]),
    ('[batteries."a\\u00a0b"]\naddress="sim:"', ["cannot be seen or printed: 'a\\xa0b'", "write it anew"]),
    ('[batteries."a\\u200bb"]\naddress="sim:"', ["cannot be seen or printed"]),
    ('[batteries."a/b"]\naddress="sim:"', ["none of / \\ + # :"]),
    ('[batteries." a"]\naddress="sim:"', ["a name has"]),
    ('[batteries.a]\naddress="foo:1"', ["[batteries.a]: foo: is no kind of address"]),
    ('[batteries.a]\naddress="sim:"\nprotocol="jdb"', ["`protocol`: 'jdb' is none of ant, ant-legacy"]),
    ('[batteries.a]\naddress="sim:"\nallow_control="yes"', ["expected true or false"]),
    ('[batteries.a]\naddress="sim:"\noptions={cells=[1]}', ["`options[...]`: expected"]),
    ('[batteries.a]\naddress="sim:"\noptions={cels=1}', ["[batteries.a]: sim: has no option 'cels'", "cells"]),
    ('[batteries.a]\naddress="COM5"\n[batteries.b]\naddress="com5"', ["[batteries.b]: has the address of a"]),
    (ONE + "[prometheus]\nprt=1", ["[prometheus]: there is no key `prt`", "Did you mean port?"]),
    (ONE + "[prometheus]\nport=1.5", ["[prometheus]: `port`: expected a whole number"]),
    (ONE + "prometheus=1", ["[batteries.a]: there is no key `prometheus`"]),
]


@pytest.mark.parametrize(("text", "parts"), WRONG, ids=range(len(WRONG)))
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: ")
    for part in parts:
        assert part in error.value.text()


def test_a_password_in_an_address_is_refused_and_not_repeated(tmp_path: Path) -> None:
    path = written(tmp_path, '[batteries.a]\naddress = "COM5"\noptions = { password = "hunter2" }\n')
    with pytest.raises(UsageError) as error:
        load(path)
    assert "password_env" in error.value.text()
    assert "hunter2" not in error.value.text()


def test_a_file_that_is_not_there(tmp_path: Path, capsys: Printed) -> None:
    with pytest.raises(FileError, match="no such file"):
        load(tmp_path / "no.toml")
    assert run(["monitor", "-c", str(tmp_path / "no.toml")]) == 1


def test_password_env_becomes_an_option_of_the_address(tmp_path: Path) -> None:
    text = '[batteries.a]\naddress = "COM5"\npassword_env = "SECRET"\noptions = { baud = 9600 }\n'
    battery = load(written(tmp_path, text)).batteries["a"]
    assert battery.all_options() == {"baud": "9600", "password_env": "SECRET"}


def test_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, user = tmp_path / "here", tmp_path / "user"
    here.mkdir()
    user.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.delenv(config.VARIABLE, raising=False)
    monkeypatch.setattr(config, "config_folder", lambda: user)
    assert find() is None
    (user / "antbms.toml").touch()
    assert find() == user / "antbms.toml"
    (here / "antbms.toml").touch()
    assert find() == Path("antbms.toml")
    monkeypatch.setenv(config.VARIABLE, "other.toml")
    assert find() == Path("other.toml")
    assert find(Path("given.toml")) == Path("given.toml")


# ---- names in place of addresses


@pytest.fixture
def garage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = written(tmp_path, '[batteries.garage]\naddress = "sim:jbd"\noptions = { cells = 5 }\n')
    monkeypatch.setenv(config.VARIABLE, str(path))
    return path


def test_a_name_stands_for_its_address_in_other_commands(garage: Path, capsys: Printed) -> None:
    assert run(["read", "garage", "--json"]) == 0
    record = msgspec.json.decode(capsys.readouterr().out)
    assert (record["battery"], record["protocol"], len(record["cells"])) == ("garage", "jbd", 5)
    assert run(["read", "garage", "-o", "cells=6", "--field", "cells.6"]) == 0
    assert run(["info", "garage"]) == 0
    assert run(["doctor", "garage"]) == 0
    assert run(["services", "garage"]) == 2  # it is found, and is no Bluetooth device
    assert run(["watch", "garage", "--count", "1", "--json"]) == 0
    assert '"battery":"garage"' in capsys.readouterr().out


def test_an_address_costs_no_look_into_the_file(garage: Path, capsys: Printed) -> None:
    garage.write_text("this is no TOML")
    assert run(["read", "sim:", "--field", "soc"]) == 0
    assert run(["read", "garage"]) == 2
    assert "no valid TOML" in capsys.readouterr().err


def test_names_do_not_need_the_sinks(garage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "import_module", None)
    assert list(load_batteries(garage)) == ["garage"]


def test_check(garage: Path, capsys: Printed) -> None:
    assert run(["monitor", "--check"]) == 0
    assert "correct" in capsys.readouterr().out
    garage.write_text("[batteries.garage]\nadress = 1\n")
    assert run(["monitor", "--check"]) == 2
    assert "Did you mean address?" in capsys.readouterr().err


def test_the_command_line_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(config.VARIABLE, raising=False)
    monkeypatch.setattr(config, "config_folder", lambda: tmp_path)
    assert run(["monitor"]) == 2
    assert "no configuration" in capsys.readouterr().err
    assert run(["monitor", "sim:", "sim:"]) == 2
    assert run(["monitor", "sim:", "-c", "x.toml"]) == 1
    assert "x.toml: " in capsys.readouterr().err
    assert run(["monitor", "sim:", "-c", "x.toml", "--store", "x.db"]) == 2
    assert run(["monitor", "--store", "x.db"]) == 2
    assert run(["monitor", "nowhere:5"]) == 2


SIM = '[batteries.a]\naddress = "sim:"\n'
CANNOT_WORK = [
    (SIM + 'options = { faults = "loos:0.1" }', "[batteries.a]: faults=loos:0.1: no fault is called 'loos'"),
    (SIM + 'options = { scenario = "x" }', "[batteries.a]: "),
    (SIM + 'password_env = "ANTBMS_NOT_SET"', "[batteries.a]: the environment variable ANTBMS_NOT_SET"),
    (SIM + '[monitor]\nstate = "."', "[monitor]: `state`: . is a folder"),
    (SIM + "every = 600\n[mqtt]", "[mqtt]: `expire_after`: values would vanish after 300 s, and a is read every 600 s"),
    (SIM + "every = 600\n[prometheus]", "[prometheus]: `expire_after`"),
    (SIM + '[store]\nfile = ""', "[store]: `file`: "),
    (SIM + '[mqtt]\nbase = "#"', "[mqtt]: base = "),
]


@pytest.mark.parametrize(("text", "part"), CANNOT_WORK, ids=range(len(CANNOT_WORK)))
def test_check_finds_what_cannot_work(tmp_path: Path, text: str, part: str, capsys: Printed) -> None:
    path = written(tmp_path, text)
    assert run(["monitor", "-c", str(path), "--check"]) == 2
    assert capsys.readouterr().err.startswith(f"antbms: {path}: {part}")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[store]\nfile = 'nowhere/x.db'", "[store]: `file`: nowhere: there is no such folder"),
        ("[files]\nfolder = 'antbms.toml/x'", "[files]: `folder`: antbms.toml: there is no such folder"),
        ("[files]\nfolder = 'antbms.toml'", "[files]: `folder`: antbms.toml: is a file, and must be a folder"),
        ("[store]\nfile = 'antbms.toml'", "[store]: antbms.toml: this file is no database"),
        ("[store]\nfile = '.'", "[store]: .: is a folder"),
        ("[store]\nfile = 'x.db'\n[files]\nfolder = 'deep/logs'", ""),
    ],
)
def test_check_warns_of_what_may_be_different_where_it_runs(
    tmp_path: Path, text: str, part: str, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, SIM + text)
    assert run(["monitor", "-c", str(path), "--check"]) == 0
    printed = capsys.readouterr()
    assert f"correct{', but see the warnings' if part else ''}\n" in printed.out
    assert part in printed.err
    assert bool(part) == ("warning" in printed.err)


@pytest.mark.skipif(sys.platform == "win32", reason="any word may be a port there")
def test_a_name_that_nobody_knows_is_told_at_once(
    garage: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    for command in (["read", "garag"], ["watch", "garag"], ["monitor", "garag"]):
        assert run(command) == 2
        error = capsys.readouterr().err
        assert "garag: there is no battery of this name, and no such port" in error
        assert "Did you mean garage?" in error
    monkeypatch.delenv(config.VARIABLE)
    monkeypatch.setattr(config, "find", lambda: None)
    assert run(["watch", "garage"]) == 2
    assert "no configuration" in capsys.readouterr().err


TWO = """
[monitor]
every = 7.0
[batteries.garage]
address = "sim:"
every = 3.0
[batteries.boat]
address = "sim:jbd"
[store]
file = "x.db"
[files]
folder = "logs"
"""


def test_names_beside_their_file_are_monitored_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.chdir(tmp_path)
    path = str(written(tmp_path, TWO))
    assert run(["monitor", "boat", "-c", path, "--check"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{path}: correct\nbatteries: boat\nsinks: store, files\n"
    assert printed.err == ""
    assert run(["monitor", "boat", "shed", "-c", path]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"antbms: shed: is no battery of {path}\n")
    assert "There are: garage, boat" in error


def test_names_without_their_file_say_which_sinks_get_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(config.VARIABLE, str(written(tmp_path, TWO)))
    assert run(["monitor", "boat", "sim:", "--check"]) == 0
    printed = capsys.readouterr()
    assert "batteries: boat, sim:\nsinks: none\n" in printed.out
    assert "its [store], [files] get no readings of devices on the command line\n" in printed.err
    assert f"{tmp_path / 'antbms.toml'} boat\n" in printed.err.replace('"', "")
    assert run(["monitor", "sim:", "--check"]) == 0
    assert capsys.readouterr().err == ""  # nothing of the file was asked for


def foreign_database(file: Path) -> None:
    with sqlite3.connect(file) as link:
        link.execute("CREATE TABLE states (id)")
    link.close()


def foreign_text(file: Path) -> None:
    file.write_text("my notes\n" * 1000, "utf-8")


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (foreign_text, "this file is no database"),
        (foreign_database, "this is the database of another program"),
        (Path.mkdir, "is a folder"),
    ],
)
def test_a_store_that_can_never_be_written_is_refused_at_once_and_left_alone(
    tmp_path: Path, make: Callable[[Path], None], part: str, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "foreign"
    make(file)
    before = (None if file.is_dir() else file.read_bytes(), sorted(tmp_path.iterdir()))
    for more in ([], ["--check"]):
        assert run(["monitor", "sim:", "--store", str(file), *more]) == 1
        assert capsys.readouterr().err.startswith(f"antbms: {file}: {part}\n")
    assert (None if file.is_dir() else file.read_bytes(), sorted(tmp_path.iterdir())) == before
    path = written(tmp_path, SIM + f"[store]\nfile = '{file}'\n")
    assert run(["monitor", "-c", str(path), "--check"]) == 0
    assert f"warning: {path}: [store]: {file}: {part}" in capsys.readouterr().err


def test_a_store_of_ours_is_not_refused_while_it_is_written_nor_damaged(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    check_file(file)
    file.touch()
    check_file(file)
    link = open_to_write(file, 1.0)
    assert Path(f"{file}-wal").stat().st_size
    check_file(file)  # its identity is in the journal only
    link.close()
    kept = file.read_bytes()
    check_file(file)
    assert file.read_bytes() == kept
    assert list(tmp_path.iterdir()) == [file]
    file.write_bytes(kept[:16] + b"\xff" * (len(kept) - 16))
    check_file(file)  # it is moved aside by the store itself
