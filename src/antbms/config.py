"""The configuration of the monitor, a TOML file: which batteries, and where their readings go.

`examples/antbms.toml` explains every key. A wrong key is an error that names the nearest right one, and its table.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from .errors import FileError, UsageError, shown
from .folders import config_folder, state_folder
from .sim import make_device
from .sinks import KINDS
from .transport import parse_address

FILE: Final = "antbms.toml"
VARIABLE: Final = "ANTBMS_CONFIG"
DAY: Final = 86400.0

Seconds = Annotated[float, Meta(ge=0.1, le=DAY)]

_NAME: Final = re.compile(r"[^\s/\\+#:\x00-\x1f](?:[^/\\+#:\x00-\x1f]{0,62}[^\s/\\+#:\x00-\x1f])?")
"""A battery's name is part of topics and files, and must not look like an address."""


class BatteryConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[batteries.NAME]`: address and options are those of `antbms.open`; every: s, else that of `[monitor]`.

    allow_control: whether sinks may switch it. password_env: the environment variable that holds its password.
    """

    address: str
    protocol: Literal["ant", "ant-legacy", "jbd"] | None = None
    every: Seconds | None = None
    allow_control: bool = False
    password_env: str | None = None
    options: dict[str, str | int | float] = {}

    def all_options(self) -> dict[str, str]:
        """Of the address, with `password_env`."""
        secret = {"password_env": self.password_env} if self.password_env else {}
        return {key: str(value) for key, value in self.options.items()} | secret


class MonitorConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[monitor]`. every: s between readings; state: the file of what must outlive a restart; queue: events that wait
    for each sink at most; report: s between two lines of counters a battery in the log.
    """

    every: Seconds = 1.0
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    state: str | None = None
    queue: Annotated[int, Meta(ge=1, le=10_000_000)] = 10_000
    report: Annotated[float, Meta(ge=1.0, le=DAY)] = 600.0


class SinkConfig(Struct, frozen=True):
    """A section of a sink: its module, and what the module makes of the section."""

    module: ModuleType
    config: Any


class Config(Struct, frozen=True, kw_only=True):
    """A whole configuration. batteries and sinks by name, in the order of the file."""

    monitor: MonitorConfig = MonitorConfig()
    batteries: dict[str, BatteryConfig] = {}
    sinks: dict[str, SinkConfig] = {}


def find(given: Path | None = None) -> Path | None:
    """The file to use: the one given, $ANTBMS_CONFIG, ./antbms.toml, or that in the user's folder; None if none is."""
    named = given or (Path(value) if (value := os.environ.get(VARIABLE)) else None)
    if named is not None:
        return named
    return next((path for path in (Path(FILE), config_folder() / FILE) if path.is_file()), None)


def load(path: Path) -> Config:
    """A whole file, checked. Raises `FileError`, and `UsageError` for the first mistake in it."""
    tables = _read(path)
    _check_keys(f"{path}", tables, ("monitor", "batteries", *KINDS), "table")
    config = Config(
        monitor=convert(f"{path}: [monitor]", tables.get("monitor", {}), MonitorConfig),
        batteries=_batteries(path, tables),
        sinks={
            name: sink_config(name, table, f"{path}: ")
            for name, table in tables.items()
            if name not in ("monitor", "batteries")
        },
    )
    if not config.batteries:
        raise UsageError(f"{path}: names no battery", 'Next: add [batteries.garage] with address = "…" below it.')
    return config


def state_of(config: MonitorConfig) -> Path:
    """The file of totals; in its folder is all that a monitor and other commands know of each other."""
    return Path(config.state).expanduser() if config.state is not None else state_folder() / "totals.json"


def check(config: Config) -> None:
    """What `load` lets through, since it may be different where the monitor runs, or would hold up other batteries:
    options of simulated batteries, passwords that are not there, times that do not fit. Raises `UsageError`.
    """
    for name, battery in config.batteries.items():
        where = f"[batteries.{name}]"
        address = parse_address(battery.address, battery.all_options())
        if address.scheme == "sim":
            try:
                make_device(address.target or "ant", address.options)
            except UsageError as error:
                raise UsageError(f"{where}: {error}", *error.hints) from None
        secret = address.options.get("password_env")
        if secret is not None and secret not in os.environ:
            raise UsageError(f"{where}: the environment variable {secret}, which should hold the password, is not set")
        every = battery.every or config.monitor.every
        for sink, section in config.sinks.items():
            shortest = getattr(section.config, "expire_after", None)
            if shortest is not None and shortest < every:
                raise UsageError(
                    f"[{sink}]: `expire_after`: values would vanish after {shortest:g} s, and {name} is read every"
                    f" {every:g} s"
                )
    if config.monitor.state is not None and Path(config.monitor.state).expanduser().is_dir():
        raise UsageError(f"[monitor]: `state`: {config.monitor.state} is a folder, and must be a file")


def warnings_of(config: Config) -> Iterator[str]:
    """What is wrong here and now, but may be right where and when the monitor runs, and for its user."""
    for name, section in config.sinks.items():
        for key in ("file", "folder"):
            place = getattr(section.config, key, None)
            if place is None:
                continue
            path = Path(place).expanduser()
            folder = path.parent if key == "file" else _nearest(path)
            if folder == path and folder.is_file():
                yield f"[{name}]: `{key}`: {folder}: is a file, and must be a folder"
            elif not folder.is_dir():
                yield f"[{name}]: `{key}`: {folder}: there is no such folder"
            elif not os.access(folder, os.W_OK):
                yield f"[{name}]: `{key}`: {folder}: you may not write there"
        look = getattr(section.module, "trouble", None)
        if look is not None and (error := look(section.config)) is not None:
            yield f"[{name}]: {error}\n  {error.hints[0]}"


def _nearest(folder: Path) -> Path:
    """Itself, or the first above it that is there."""
    return next((place for place in (folder, *folder.parents) if place.exists()), folder)


def load_batteries(path: Path) -> dict[str, BatteryConfig]:
    """Only the batteries of a file: sinks are not looked at. Raises as `load`."""
    return _batteries(path, _read(path))


def sinks_in(path: Path) -> list[str]:
    """The names of the sinks of a file; they are not looked at. Raises as `load`."""
    return [name for name in _read(path) if name in KINDS]


def sink_config(name: str, table: Any, where: str = "") -> SinkConfig:
    """The section of a sink, checked by its own module."""
    if name not in KINDS:
        raise UsageError(f"{where}[{name}]: this version has no such sink", f"There are: {', '.join(KINDS)}")
    module = import_module(f".sinks.{KINDS[name]}", __package__)
    return SinkConfig(module, convert(f"{where}[{name}]", table, module.Config))


def convert(where: str, table: Any, kind: type[Any]) -> Any:
    """A table as a record. Raises `UsageError` that begins with `where`, in words of the file's author."""
    if not isinstance(table, dict):
        raise UsageError(f"{where}: must be a table, not a value")
    _check_keys(where, table, (field.encode_name for field in msgspec.structs.fields(kind)), "key")
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {_in_words(str(error), kind)}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise FileError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is no text in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        hints = [hint for words, hint in _TOML_HINTS.items() if words in str(error)]
        raise UsageError(f"{path}: is no valid TOML: {error}", *hints) from error


def _batteries(path: Path, tables: Mapping[str, Any]) -> dict[str, BatteryConfig]:
    given = tables.get("batteries", {})
    if not isinstance(given, dict):
        raise UsageError(f"{path}: `batteries` must be tables: [batteries.garage] and so on")
    batteries: dict[str, BatteryConfig] = {}
    by_address: dict[str, str] = {}
    for name, table in given.items():
        where = f"{path}: [batteries.{name}]"
        if not _NAME.fullmatch(name):
            raise UsageError(f"{where}: a name has up to 64 characters, none of / \\ + # :")
        if name != shown(name):
            raise UsageError(
                f"{where}: the name holds a character that cannot be seen or printed: {name!a}",
                "Next: write it anew. A space may be one that does not break, copied from elsewhere.",
            )
        batteries[name] = battery = convert(where, table, BatteryConfig)
        try:
            address = parse_address(battery.address, battery.all_options())
        except UsageError as error:
            raise UsageError(f"{where}: {error}", *error.hints) from None
        place = f"{address.scheme}:{address.target}"
        if address.scheme not in ("sim", "replay") and place in by_address:
            raise UsageError(f"{where}: has the address of {by_address[place]}: a link is for one of them")
        by_address[place] = name
    return batteries


def _check_keys(where: str, table: Mapping[str, Any], known: Iterable[str], word: str) -> None:
    known = sorted(known)
    for key in table:
        if key not in known:
            from difflib import get_close_matches

            near = get_close_matches(key, known, 1)
            hints = [f"Did you mean {near[0]}?"] if near else []
            raise UsageError(f"{where}: there is no {word} `{key}`", *hints, f"Known here: {', '.join(known)}")


_TOML_HINTS: Final = {
    "Invalid value": "A text stands in quotes; true, false and numbers do not.",
    "Unterminated": "A text ends with the quote that it began with.",
    "Unescaped": "A Windows path stands in single quotes: 'C:\\logs\\antbms.db'.",
    "hex": "A Windows path stands in single quotes: 'C:\\logs\\antbms.db'.",
    "declare": "Each table, such as [batteries.garage], stands once, with all its keys below it.",
    "overwrite": "Each key stands once in its table.",
    "']'": "A table is written [batteries.garage], in a line of its own.",
    "'='": "A key is written: every = 5.0",
}
"""Words of an error of the TOML reader → what may help."""
_TYPES: Final = {
    "float": "a number",
    "int": "a whole number",
    "str": "a text in quotes",
    "bool": "true or false",
    "object": "a table",
    "array": "a list",
    "null": "nothing",
}


def _in_words(text: str, kind: type[Any]) -> str:
    """What msgspec says, as `key: what is wrong`."""
    message, _, place = text.partition(" - at `$")
    key = place.rstrip("`").lstrip(".")
    if missing := re.search(r"missing required field `(\w+)`", message):
        return f"`{missing[1]}` is missing"
    message = re.sub(r"`([\w| ]+)`", lambda found: " or ".join(_word(part) for part in found[1].split(" | ")), message)
    message = message[:1].lower() + message[1:]
    if found := re.fullmatch(r"invalid enum value '(.*)'", message):
        message = f"'{found[1]}' is none of {', '.join(_choices(kind, key))}"
    return f"`{key}`: {message}" if key else message


def _choices(kind: type[Any], key: str) -> list[str]:
    """The texts that a key may have."""
    inside = next(field.type for field in msgspec.inspect.type_info(kind).fields if field.encode_name == key)  # type: ignore[attr-defined]
    kinds = getattr(inside, "types", (inside,))
    return [str(value) for one in kinds for value in getattr(one, "values", ())]


def _word(name: str) -> str:
    return _TYPES.get(name, name)
