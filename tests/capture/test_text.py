"""The text format of recordings, and raw files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antbms.capture import Chunk, comment_line, read_capture, read_chunks, write_chunk
from antbms.capture.text import refuse
from antbms.errors import FileError

TEXT = """\
# protocol: ant
# t=2.431
> 7E A1 01 00 00 BE 18 55 AA 55
< 7E A1 11
# something else
# t = 3
<00 ff
# source x.log t=12.5
< aB\t0c

"""


def times(chunks: list[Chunk]) -> list[float | None]:
    return [chunk.at for chunk in chunks]


def test_format(tmp_path: Path) -> None:
    path = tmp_path / "a.cap"
    path.write_text(TEXT)
    assert list(read_capture(path)) == [
        Chunk(">", bytes.fromhex("7EA1010000BE1855AA55"), 2.431, 3),
        Chunk("<", b"\x7e\xa1\x11", 2.431, 4),
        Chunk("<", b"\x00\xff", 2.431, 7),
        Chunk("<", b"\xab\x0c", 12.5, 9),
    ]


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_line_ends(tmp_path: Path, ends: str) -> None:
    path = tmp_path / "a.cap"
    path.write_bytes(TEXT.replace("\n", ends).encode())
    assert len(list(read_capture(path))) == 4


CHUNK = st.builds(
    Chunk,
    st.sampled_from("<>"),
    st.binary(min_size=1, max_size=50),
    st.none() | st.integers(0, 10**9).map(lambda milliseconds: milliseconds / 1000),
)


@given(st.lists(st.tuples(CHUNK, st.text(max_size=20))))
def test_round_trip(items: list[tuple[Chunk, str]]) -> None:
    """A time holds until the next one; comments, whatever is in them, change nothing but that."""
    lines, expected, at = "", [], None
    for chunk, remark in items:
        lines += comment_line(remark.replace("t=", "")) + write_chunk(chunk)
        at = at if chunk.at is None else chunk.at
        expected.append((chunk.direction, chunk.data, at))
    got = list(read_chunks(lines.splitlines(), refuse("x")))
    assert [(chunk.direction, chunk.data, chunk.at) for chunk in got] == expected
    assert all(lines.splitlines()[chunk.line - 1][2:] == chunk.data.hex(" ").upper() for chunk in got)


def test_written_form() -> None:
    assert write_chunk(Chunk(">", b"\xdd\xa5", 1.23456)) == "# t=1.235\n> DD A5\n"
    assert write_chunk(Chunk("<", b"\x00")) == "< 00\n"
    assert comment_line("two\nlines\r\nand more") == "# two lines and more\n"


@pytest.mark.parametrize(
    "line", ["7E A1", "> 7E A", "< 7G", "<", "> ", "! 7E", ">> 7E", "? 7E", "hello", "> 7E # remark", "> 0x7E"]
)
def test_errors_name_the_line(line: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.cap"
    path.write_text(f"# fine\n> 7E\n\n{line}\n< 00\n")
    chunks = read_capture(path)
    assert next(chunks).line == 2
    with pytest.raises(FileError, match=r"bad\.cap: line 4 ") as caught:
        next(chunks)
    assert caught.value.hints
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"\x7e\xa1\x11\x00",
        b"\xdd\x03\x00\x1b\x0d\x0a>\x01",
        bytes(range(256)),
        b"\x7e" * 200_000,
        b"\xaa\x55\xaa\xff\n# 1\n< 2",
    ],
)
def test_raw_files(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    chunks = list(read_capture(path))
    assert b"".join(chunk.data for chunk in chunks) == data
    assert {(chunk.direction, chunk.at, chunk.line) for chunk in chunks} == {("?", None, 0)}
    assert max(len(chunk.data) for chunk in chunks) <= 65536


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "a.cap"
    path.write_bytes(b"")
    assert list(read_capture(path)) == []


def test_only_comments(tmp_path: Path) -> None:
    path = tmp_path / "a.cap"
    path.write_text("# nothing\n\n# yet\n")
    assert list(read_capture(path)) == []


def test_long_text_is_read_in_full(tmp_path: Path) -> None:
    path = tmp_path / "a.cap"
    path.write_text("".join(write_chunk(Chunk("<", b"\x55" * 20, n / 10)) for n in range(5000)))
    chunks = list(read_capture(path))
    assert len(chunks) == 5000
    assert times(chunks)[-1] == 499.9


def test_missing_and_unreadable(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.cap: no such file"):
        list(read_capture(tmp_path / "none.cap"))
    with pytest.raises(FileError, match=r"is a directory|permission denied"):
        list(read_capture(tmp_path))


def test_the_recordings_by_hand(captures: Path) -> None:
    """Beside a reader of four lines."""
    for path in [captures / "jbd" / "4s-sp04s034-ffaa-auth.chunks.txt", captures / "ant" / "uart-acks.txt"]:
        lines = path.read_text().splitlines()
        expected = [(line[0], bytes.fromhex(line[1:])) for line in lines if line[0] in "<>"]
        assert [(chunk.direction, chunk.data) for chunk in read_capture(path)] == expected
