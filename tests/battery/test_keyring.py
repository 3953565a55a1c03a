"""Passwords out of the system's keyring: here one that a test made."""

import sys
from collections.abc import Iterator

import keyring
import keyring.backend
import keyring.errors
import pytest
from battery_fakes import Line, battery_over
from memory_board import MemoryBoard

import patience
from antbms.errors import UsageError, WrongPassword


class Memory(keyring.backend.KeyringBackend):
    priority = 1.0  # type: ignore[assignment]
    locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise keyring.errors.KeyringLocked("locked")
        return {("antbms", "garage"): "87654321"}.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError

    def delete_password(self, service: str, username: str) -> None:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def backend() -> Iterator[Memory]:
    before, memory = keyring.get_keyring(), Memory()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


def login(board: MemoryBoard, entry: str) -> None:
    async def main() -> None:
        async with battery_over(Line(board), protocol="ant-legacy", options={"keyring": entry}):
            pass

    patience.run(main())  # the keyring is asked in a thread, which virtual time does not wait for


def test_the_password_of_an_entry_is_given_once() -> None:
    board = MemoryBoard("ant-legacy")
    login(board, "garage")
    assert [raw[2:5] for raw in board.writes] == [b"\xf187", b"\xf265", b"\xf343", b"\xf421"]
    board = MemoryBoard("ant-legacy")
    board.answers = "refused"
    with pytest.raises(WrongPassword):
        login(board, "garage")
    assert len(board.writes) == 4


def test_an_entry_that_is_not_there(backend: Memory) -> None:
    with pytest.raises(UsageError, match="no password 'cellar' of antbms") as caught:
        login(MemoryBoard("ant-legacy"), "cellar")
    assert caught.value.hints == ("Next: keyring set antbms cellar",)
    backend.locked = True
    with pytest.raises(UsageError, match="tells nothing: locked"):
        login(MemoryBoard("ant-legacy"), "garage")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(UsageError, match="needs the library keyring") as caught:
        login(MemoryBoard("ant-legacy"), "garage")
    assert "antbms[keyring]" in caught.value.hints[0]
