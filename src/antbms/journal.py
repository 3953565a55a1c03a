"""What must be mended if a run is cut off: noted before it happens, in the user's state folder, one file a battery.

A note is written whole or not at all, and lies on the disk before the battery hears of the change.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from .errors import FileError, LinkError
from .folders import STATE, state_folder
from .identity import compared, difference, is_open
from .locks import hold


class Note(Struct, frozen=True, forbid_unknown_fields=True):
    """mode: whether the battery was put into its factory mode. setting: the one being written; its raw values.

    unsaved: something was written, and no saving was acknowledged since. device: what the battery said it is; see
    `identity.signs`.
    """

    battery: str
    protocol: str
    mode: bool = False
    setting: str | None = None
    old: int | None = None
    new: int | None = None
    unsaved: bool = False
    device: dict[str, str] = {}

    @property
    def text(self) -> str:
        """What is to be mended, in words."""
        parts = (
            "the factory mode was not left" if self.mode else "",
            f"{self.setting} was being written (raw: {self.old} → {self.new})" if self.setting else "",
            "what was written may not be saved" if self.unsaved else "",
        )
        return "; ".join(filter(None, parts))


class InUse(LinkError):
    """Another program changes the battery now."""


class Holder(Struct, frozen=True):
    """Who changes a battery now: the process, its computer, and since when (UTC)."""

    process: int
    computer: str
    since: datetime


class Journal:
    """The note of one battery. `key`: what finds it again; see `identity`. name: what it is called in messages.

    shared: False for a battery that lives in this process alone: nobody else can change it.
    """

    def __init__(self, key: str, protocol: str, name: str, *, shared: bool = True) -> None:
        raw = key.encode("utf-8", "surrogateescape")  # a file's name may be no text
        self._key = raw.decode("utf-8", "replace")
        self._protocol = protocol
        digest = hashlib.sha256(raw).hexdigest()[:16]
        self._name = name
        self._shared = shared
        self._held = 0
        self._device: dict[str, str] | None = None
        self._ignored: frozenset[str] = frozenset()
        self._digest = digest
        self._folder = state_folder() / "journal"
        self._lock = state_folder() / "locks" / f"{digest}.lock"

    def read(self) -> Note | None:
        """The note that a run left behind, of the device that was met; None if there is none, or it is unreadable."""
        return _note_in(self.path)

    @property
    def path(self) -> Path:
        """Where the note of the device that was met is, or would be."""
        notes = self.notes()
        mine = [file for file, note in notes.items() if not self._other(note)]
        names = (f"{self._digest}{f'-{number}' if number > 1 else ''}.json" for number in count(1))
        free = next(file for file in map(self._folder.joinpath, names) if not file.exists())
        return max(mine, key=lambda file: len(compared(notes[file].device, self._device or {})), default=free)

    def notes(self) -> dict[Path, Note]:
        """All notes of batteries that this key has stood for, by their files."""
        return {file: note for file in self._files() if (note := _note_in(file))}

    def unreadable(self) -> list[Path]:
        """Files where notes are, and hold none: such as one that was edited wrongly."""
        files: list[Path] = []
        for file in self._files():
            try:
                msgspec.json.decode(file.read_bytes(), type=Note)
            except msgspec.MsgspecError:
                files.append(file)
            except OSError:  # it was removed just now
                continue
        return files

    def _files(self) -> list[Path]:
        try:
            return sorted(self._folder.glob(f"{self._digest}*.json"))
        except OSError:
            return []

    def meet(self, device: Mapping[str, str], ignored: Collection[str] = ()) -> dict[Path, tuple[Note, str]]:
        """From now on its note is that of this device, and of no other; see `identity.signs`. Until then it is any.

        A note that does not say of which device it is counts as such, if there is no better one. ignored: the signs
        that tell nothing. Returns the files of others, with their notes and in what they differ.
        """
        self._ignored = frozenset(ignored)
        self._device = self._telling(device)
        return {file: (note, why) for file, note in self.notes().items() if (why := self._other(note))}

    def _telling(self, device: Mapping[str, str]) -> dict[str, str]:
        return {word: value for word, value in device.items() if word not in self._ignored}

    def _other(self, note: Note) -> str:
        """Why a note does not count as one of the device that was met; nothing if it does."""
        if note.protocol != self._protocol:
            return f"protocol {note.protocol}, here {self._protocol}"
        return "" if self._device is None else difference(self._telling(note.device), self._device)

    @property
    def in_doubt(self) -> bool:
        """Whether a factory mode is noted of a device that may be the one that was met, which did not tell enough."""
        noted = [note.device for note in self.notes().values() if note.mode and note.protocol == self._protocol]
        return any(is_open(self._telling(device), self._device or {}) for device in noted)

    @property
    def signs(self) -> list[str]:
        """By what the device of its note was found to be the one that was met."""
        note = self.read()
        return compared(self._telling(note.device), self._device or {}) if note else []

    @contextmanager
    def held(self, now: Callable[[], datetime], *, needed: bool = True) -> Iterator[None]:
        """Keep other programs from changing this battery meanwhile: one would end the factory mode of the other.

        Nothing stale stays behind: the system lets go of the file when the process ends, however it does.
        needed: False where a change may go on if files cannot be held here. Raises `InUse` if another program does,
        `FileError`.
        """
        if not self._shared or self._held:
            self._held += 1
            try:
                yield
            finally:
                self._held -= 1
            return
        file = self._take(now, needed)
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if file is not None:
                with file, suppress(OSError):  # what stands in it is for people only
                    file.truncate(0)

    def _take(self, now: Callable[[], datetime], needed: bool) -> BinaryIO | None:
        try:
            self._lock.parent.mkdir(parents=True, exist_ok=True)
            file = hold(self._lock)
            if file is not None:
                with suppress(OSError):  # a full disk: it is held all the same
                    file.truncate(0)
                    file.write(msgspec.json.encode(Holder(os.getpid(), platform.node(), now())))
                return file
        except OSError as error:
            if needed:
                raise self._no_file(self._lock, error) from error
            return None
        raise InUse(
            f"{self._name}: another program changes this battery now: {self._holder()}",
            "Nothing was sent. Next: wait until it is done, or end it; then the same command again.",
        )

    def _holder(self) -> str:
        """Who holds the lock, in words."""
        try:
            holder = msgspec.json.decode(self._lock.read_bytes(), type=Holder)
        except (OSError, msgspec.MsgspecError):
            return "another antbms"
        return f"antbms, process {holder.process} on {holder.computer}, since {holder.since:%Y-%m-%d %H:%M:%S} UTC"

    def entered(self) -> None:
        """The battery is about to be put into its factory mode; what is noted besides stays.

        Raises `FileError` if that cannot be noted.
        """
        before = self.read() or Note(self._key, self._protocol, device=self._device or {})
        self._write(msgspec.structs.replace(before, mode=True))

    def writing(self, setting: str, old: int | None, new: int, *, mode: bool) -> None:
        """A setting is about to be written. Raises `FileError`."""
        self._write(Note(self._key, self._protocol, mode, setting, old, new, unsaved=True, device=self._device or {}))

    def written(self, *, mode: bool, unsaved: bool = True) -> None:
        """What was being written is known again. Raises `FileError`."""
        if mode or unsaved:
            self._write(Note(self._key, self._protocol, mode=mode, unsaved=unsaved, device=self._device or {}))
        else:
            self._remove()

    def left(self) -> None:
        """The factory mode was left; a setting that is in question stays noted. Raises `FileError`."""
        note = self.read()
        if note is None or note.setting is None:
            self.clear()
        else:
            self._write(msgspec.structs.replace(note, mode=False))

    def clear(self) -> None:
        """Nothing is left to mend. That something is unsaved stays noted."""
        note = self.read()
        if note is None or not note.unsaved:
            self._remove()
        else:
            with suppress(FileError):  # the note of before has it too
                self._write(msgspec.structs.replace(note, mode=False, setting=None, old=None, new=None))

    def saved(self) -> None:
        """Saving was acknowledged. Raises `FileError`."""
        note = self.read()
        if note is not None and note.unsaved:
            if note.mode or note.setting is not None:
                self._write(msgspec.structs.replace(note, unsaved=False))
            else:
                self._remove()

    def _remove(self) -> None:
        with suppress(OSError):
            self.path.unlink()

    def _write(self, note: Note) -> None:
        try:
            write_whole(self.path, msgspec.json.encode(note))
        except OSError as error:
            raise self._no_file(self.path, error) from error

    def _no_file(self, path: Path, error: OSError) -> FileError:
        reason = (error.strerror or str(error)).lower()
        return FileError(
            f"{path}: {reason}: without a note of it the battery is not changed",
            f"Next: name another folder in {STATE}.",
        )


def _note_in(file: Path) -> Note | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Note)
    except (OSError, msgspec.MsgspecError):
        return None


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, and on the disk when this returns. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    other = path.with_name(f"{path.name}.{os.getpid()}.new")
    with other.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    other.replace(path)
