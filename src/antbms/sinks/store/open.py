"""Opens the database of a store: made new, brought to this version, or refused with a reason."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from ...errors import FileError, SinkError
from .layout import APPLICATION, AS_NOW, MIGRATIONS, VERSION, Layout, additions, missing, views
from .trouble import code_of, is_damage, is_foreign

SYNCHRONOUS = "FULL"
"""A commit is on the disk when it is done, so a power cut costs no more than a kill."""
CACHE = -4000
"""KiB of pages in memory, as SQLite wants it written: the newest pages of some hundred batteries."""
JOURNAL = 16 * 1024 * 1024
"""Bytes that the journal keeps after a rush."""


def open_to_write(file: Path, wait: float) -> sqlite3.Connection:
    """A connection without transaction. wait: s that another writer may take. Raises `SinkError`, `sqlite3.Error`."""
    link = sqlite3.connect(file, timeout=wait, isolation_level=None)
    try:
        check_identity(link, file)
        link.execute("PRAGMA journal_mode = WAL")
        link.execute(f"PRAGMA synchronous = {SYNCHRONOUS}")
        link.execute(f"PRAGMA journal_size_limit = {JOURNAL}")
        link.execute(f"PRAGMA cache_size = {CACHE}")
        bring_up(link)
    except BaseException:
        link.close()
        raise
    return link


def check_identity(
    link: sqlite3.Connection, file: Path, refusal: type[FileError] | type[SinkError] = SinkError
) -> None:
    """Refuse the database of another program, and that of a newer antbms. Raises `refusal`, `sqlite3.Error`."""
    application, version = (link.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    empty = not link.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    if application != APPLICATION and not empty:
        raise refusal(f"{file}: this is the database of another program", "Next: choose another file.")
    if version > VERSION:
        raise refusal(
            f"{file}: made by a newer antbms: it has version {version}, this antbms knows {VERSION}",
            "Next: update antbms, or choose another file.",
        )


def check_file(file: Path) -> None:
    """Refuse what a store can never be written to: a folder, and what is somebody else's. Raises `FileError`.

    The file does not change. What is not there yet, or cannot be read now, is not refused.
    """
    if file.is_dir():
        raise FileError(f"{file}: is a folder", "Next: name a file in it.")
    if not file.is_file():
        return
    journal = Path(f"{file}-wal")
    # Without a journal nobody writes, and SQLite need not make files beside it to look.
    how = "mode=ro" if journal.exists() and journal.stat().st_size else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?{how}", uri=True, isolation_level=None)) as link:
            check_identity(link, file, FileError)
    except sqlite3.Error as error:
        if is_foreign(error) and not is_damage(error, file):
            raise read_error(file, error) from error


def bring_up(link: sqlite3.Connection) -> None:
    """Make all tables, or bring those of an older version up to this one, in one transaction."""
    link.execute("BEGIN IMMEDIATE")
    try:
        version = link.execute("PRAGMA user_version").fetchone()[0]
        for step in MIGRATIONS[version:]:
            for statement in filter(str.strip, step.split(";")):
                link.execute(statement)
        if new := missing(link):
            for statement in additions(new):
                link.execute(statement)
            for statement in views(Layout.of(link)):
                link.execute(statement)
        link.execute(f"PRAGMA application_id = {APPLICATION}")
        link.execute(f"PRAGMA user_version = {VERSION}")
        link.execute("COMMIT")
    except BaseException:
        if link.in_transaction:
            link.execute("ROLLBACK")
        raise


def open_to_read(file: Path) -> sqlite3.Connection:
    """A connection that cannot write, also while a monitor writes. Raises `FileError`."""
    if file.is_dir():
        raise FileError(f"{file}: is a folder", f"Next: name the store in it: --store {file / 'garage.db'}")
    if not file.is_file():
        raise FileError(
            f"{file}: there is no such file",
            "A store is written by: antbms monitor DEVICE --store FILE",
            "Next: say where it is with --store FILE, or set ANTBMS_STORE.",
        )
    try:
        return _checked(file, "mode=ro")
    except sqlite3.OperationalError as error:
        # On a disk or in a folder where nobody may write there can be no lock, so SQLite must be told that none is
        # needed: true where the last writer has put everything into the file itself.
        journal = Path(f"{file}-wal")
        if code_of(error) == sqlite3.SQLITE_CANTOPEN and not (journal.exists() and journal.stat().st_size):
            with suppress(sqlite3.Error):
                return _checked(file, "mode=ro&immutable=1")
        raise read_error(file, error) from error
    except sqlite3.Error as error:
        raise read_error(file, error) from error


def read_error(file: Path, error: sqlite3.Error) -> FileError:
    """What is said when reading fails."""
    match code_of(error):
        case sqlite3.SQLITE_NOTADB:
            return FileError(f"{file}: this file is no database", "Next: choose another file.")
        case sqlite3.SQLITE_CORRUPT:
            hint = f"What can be saved of it: sqlite3 {file.name} .recover | sqlite3 saved.db"
            return FileError(f"{file}: is damaged ({error})", hint)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return FileError(f"{file}: another program holds it", "Next: try again, or end that program.")
    return FileError(f"{file}: cannot be read: {error}", "Next: look at the rights of the file and its folder.")


def _checked(file: Path, how: str) -> sqlite3.Connection:
    link = sqlite3.connect(f"{file.resolve().as_uri()}?{how}", uri=True, isolation_level=None)
    try:
        check_identity(link, file, FileError)
        version = link.execute("PRAGMA user_version").fetchone()[0]
        if 0 < version < VERSION and version not in AS_NOW:
            raise FileError(
                f"{file}: made by an older antbms: it has version {version}, this antbms reads {VERSION}",
                "Next: start the monitor that writes to it anew; that brings it up to date.",
            )
        if not version:
            raise FileError(
                f"{file}: has nothing that this antbms can read yet", "Next: antbms monitor DEVICE --store FILE"
            )
        if version < VERSION:
            link.execute(AS_NOW[version])
        link.execute("PRAGMA query_only = 1")
    except BaseException:
        link.close()
        raise
    return link
