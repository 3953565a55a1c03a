"""Backups of settings: TOML with comments, written by rows, so that people can read and compare them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from .errors import FileError, UsageError
from .journal import write_whole
from .model import DeviceInfo
from .model.events import Value
from .protocol.settings import Danger, Setting, by_group, format_value, raw_of

FORMAT = 1
_ESCAPES = {'"': '\\"', "\\": "\\\\"}


class Backup(Struct, frozen=True):
    """device: who it was. time: when. settings: name → value in its unit.

    untold: name → why the battery did not tell it then, although it may have it.
    """

    time: datetime
    battery: str
    device: DeviceInfo
    settings: dict[str, Value]
    untold: dict[str, str] = {}


class Difference(Struct, frozen=True):
    """A setting whose value in a backup is not the one of now. `now` is None if the battery does not show it."""

    row: Setting
    saved: Value
    now: Value

    @property
    def text(self) -> str:
        """In one line: how it would change."""
        return f"{self.row.name}: {format_value(self.row, self.now)} → {format_value(self.row, self.saved)}"


def to_toml(backup: Backup, rows: Mapping[str, Setting]) -> str:
    """The text of a backup: groups, and behind every value its unit and label."""
    lines = [
        f"# Settings of {_comment(backup.battery)}, made by antbms. Compare: antbms settings DEVICE diff FILE",
        "",
        "[backup]",
        f"format = {FORMAT}",
        f"time = {backup.time.isoformat()}",
        f"battery = {_text(backup.battery)}",
        "",
        "[device]",
        *(f"{name} = {_value(value)}" for name, value in backup.device.to_dict().items() if value is not None),
        "",
        "[settings]",
    ]
    group = ""
    for row in by_group(rows):
        value = backup.settings.get(row.name)
        if value is None and (row.danger is Danger.SECRET or not row.usual):
            continue
        if row.group != group:
            group = row.group
            lines.append(f"# {group}")
        if value is None:
            lines.append(
                f"# {row.name}: {'not told' if row.name in backup.untold else 'this battery does not have it'}"
            )
            continue
        shown = f"{value:.{row.digits}f}" if isinstance(value, float) else _value(value)
        lines.append(f"{row.name} = {shown}  # {' '.join(filter(None, (row.unit, row.label)))}")
    if backup.untold:
        lines += ["", "[not_told]", *(f"{name} = {_text(why)}" for name, why in backup.untold.items())]
    return "\n".join(lines) + "\n"


def save(path: Path, backup: Backup, rows: Mapping[str, Setting]) -> None:
    """Write a backup to a new file. Raises `FileError`."""
    if path.exists():
        raise FileError(f"{path}: this file exists already", "Choose another name, or remove the file.")
    try:
        write_whole(path, to_toml(backup, rows).encode())
    except OSError as error:
        raise FileError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def load(path: Path) -> Backup:
    """Read a backup. Raises `FileError` if the file cannot be read, `UsageError` if it is none."""
    try:
        record = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise FileError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: no backup: {error}") from error
    head = record.get("backup")
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise UsageError(f"{path}: no backup of antbms, or one of a newer version")
    try:
        return msgspec.convert(
            {
                "time": head.get("time"),
                "battery": head.get("battery", ""),
                "device": {"protocol": "?"} | record.get("device", {}),
                "settings": record.get("settings", {}),
                "untold": record.get("not_told", {}),
            },
            Backup,
        )
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}: no backup: {error}") from error


def check_same(path: Path, backup: Backup, device: DeviceInfo) -> None:
    """Raise `UsageError` unless the backup is of such a battery: protocol, model and number of cells."""
    for what in ("protocol", "model", "cells"):
        saved, now = getattr(backup.device, what), getattr(device, what)
        if saved != now:
            raise UsageError(
                f"{path}: a backup of another battery: {what} {saved or 'unknown'}, here {now or 'unknown'}",
                "Settings of another battery can make this one unsafe. If it is meant: --force.",
            )


def differences(backup: Backup, rows: Mapping[str, Setting], now: Mapping[str, Value]) -> list[Difference]:
    """What differs, in the order of the rows. What cannot be compared is left out; see `left_out`."""
    return [
        Difference(row, backup.settings[name], now.get(name))
        for name, row in rows.items()
        if name in backup.settings and name in now and not _same(row, backup.settings[name], now[name])
    ]


def left_out(
    backup: Backup, rows: Mapping[str, Setting], now: Mapping[str, Value], untold: Mapping[str, str]
) -> dict[str, str]:
    """Name → why it cannot be compared: it is in the backup and not in the battery, or the other way round."""
    not_here = {
        name: untold.get(name, "this battery does not have it") if name in rows else "there is no such setting here"
        for name in backup.settings
        if name not in now
    }
    not_there = {name: f"not in the backup: {why}" for name, why in backup.untold.items() if name in now}
    return not_here | not_there


def why_not(row: Setting, *, dangerous: bool) -> str | None:
    """Why a restore does not write a setting; None if it does."""
    if row.danger in (Danger.SHOWN, Danger.SECRET) or row.is_text:
        return "only shown, never written"
    if not row.restored:
        return "not restored from backups: set it by its name if it is meant"
    if row.danger is Danger.DANGEROUS and not dangerous:
        return "dangerous: only with --dangerous"
    return None


def to_restore(found: Sequence[Difference], *, only: str | None, dangerous: bool) -> dict[str, Value]:
    """What of the differences a restore writes; `why_not` says why not the others."""
    return {
        item.row.name: item.saved
        for item in found
        if why_not(item.row, dangerous=dangerous) is None and only in (None, item.row.group)
    }


def _same(row: Setting, one: Value, other: Value) -> bool:
    if row.is_text or isinstance(one, str) or isinstance(other, str):
        return one == other
    try:
        return raw_of(row, one) == raw_of(row, other)
    except UsageError:
        return False


def _value(value: object) -> str:
    return str(value) if isinstance(value, int | float) else _text(str(value))


def _text(text: str) -> str:
    plain = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    kept = "".join(_ESCAPES.get(char, char if char.isprintable() else f"\\U{ord(char):08X}") for char in plain)
    return f'"{kept}"'


def _comment(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
