"""`antbms decode`: streams of any kind, frames explained, what is refused."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from antbms.cli.main import run

Printed = pytest.CaptureFixture[str]

REQUEST = "7E A1 01 00 00 BE 18 55 AA 55"
CELLS = "DD 04 00 04 0D 03 0D 01 FF DE 77"  # jbd answer of two cells


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Any:
    def give(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))

    return give


def records(capsys: Printed) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """What `sim:jbd` and its reader said to each other."""
    path = tmp_path / "garage.cap"
    assert run(["record", "sim:jbd", str(path), "--count", "2", "--every", "0"]) == 0
    return path


def test_a_recording_as_json(recording: Path, capsys: Printed) -> None:
    capsys.readouterr()
    assert run(["decode", str(recording), "--json", "--protocol", "jbd"]) == 0
    found = [record for record in records(capsys) if "message" in record]
    status = next(record for record in found if record["message"] == "status")
    assert list(status) == ["frame", "direction", "at", "protocol", "message", "snapshot"]
    assert status["frame"].startswith("DD 03 00")
    assert (status["direction"], status["protocol"]) == ("<", "jbd")
    assert isinstance(status["at"], float)
    snapshot = status["snapshot"]
    assert (snapshot["time"], snapshot["battery"]) == (None, "garage")
    assert snapshot["voltage"] > 0
    assert snapshot["cells"] == []  # the other half has them
    cells = next(record for record in found if record["message"] == "cells")["snapshot"]
    assert cells["voltage"] is None
    assert len(cells["cells"]) == 8
    request = next(record for record in found if record["message"] == "status request")
    assert request["direction"] == ">"
    assert request["status_request"]["length"] == 0


def test_all_ways_to_give_bytes_mean_the_same(tmp_path: Path, capsys: Printed, stdin: Any) -> None:
    raw = bytes.fromhex(CELLS)
    (tmp_path / "raw.bin").write_bytes(raw)
    (tmp_path / "hex.txt").write_text(f"# a comment\n{CELLS[:11]}\n{CELLS[12:]}\n", "utf-8")
    (tmp_path / "text.cap").write_text(f"# t=1.5\n< {CELLS[:11]}\n< {CELLS[12:]}\n", "utf-8")
    ways: list[tuple[list[str], bytes]] = [
        (["--hex", CELLS], b""),
        (["--hex", CELLS.replace(" ", "")], b""),
        ([" ".join(f"0x{byte:02x}," for byte in raw)], b""),
        ([str(tmp_path / "raw.bin")], b""),
        ([str(tmp_path / "hex.txt")], b""),
        ([str(tmp_path / "text.cap")], b""),
        ([], CELLS.lower().encode()),
        (["-"], f"< {CELLS}\n".encode()),
        (["-"], raw),
        (["-"], b"\n#\n" + raw),
    ]
    for args, data in ways:
        stdin(data)
        assert run(["decode", *args, "--json"]) == 0, args
        (record,) = (record for record in records(capsys) if "message" in record)
        assert record["frame"] == CELLS
        assert record["direction"] == "<"
        assert record["snapshot"]["cells"] == [3.331, 3.329]
        assert record["at"] == (1.5 if "text.cap" in str(args) else None)


def test_directions_are_put_together_apart(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "a.cap"
    path.write_text(f"# t=1\n< {CELLS[:8]}\n# t=2\n> {REQUEST}\n# t=3\n< {CELLS[9:]}\n", "utf-8")
    assert run(["decode", str(path), "--json"]) == 0
    found = records(capsys)
    assert [(record["direction"], record["at"], record["frame"]) for record in found] == [
        (">", 2.0, REQUEST),
        ("<", 3.0, CELLS),
    ]


def test_what_fails_is_never_decoded(capsys: Printed) -> None:
    bad = CELLS.replace("0D 01", "0D 02")
    assert run(["decode", "--json", "--hex", bad]) == 1
    out, err = capsys.readouterr()
    (record,) = (json.loads(line) for line in out.splitlines())
    assert list(record) == ["frame", "direction", "at", "rejected", "detail"]
    assert (record["frame"], record["rejected"]) == (bad, "checksum")
    assert "expected" in record["detail"]
    assert "0 frames; 1 rejected: 1 × checksum" in err
    assert "no valid frame" in err


def test_junk_between_frames_is_shown_and_counted(capsys: Printed) -> None:
    assert run(["decode", "--hex", f"01 02 {CELLS} 03"]) == 0
    out, err = capsys.readouterr()
    assert out.count("rejected: junk") == 2
    assert "1 frame: 1 × jbd cells; 2 rejected: 2 × junk" in err


def test_only_the_wanted_protocol_is_seen(capsys: Printed) -> None:
    assert run(["decode", "--json", "--protocol", "ant", "--hex", CELLS, "--hex", REQUEST]) == 0
    assert [record.get("protocol") for record in records(capsys)] == [None, "ant"]


def test_a_frame_is_explained_field_by_field(capsys: Printed) -> None:
    assert run(["decode", "--hex", CELLS]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["<", "jbd", "cells", "11", "bytes"]
    assert ["3", "04", "length", "4", "bytes"] in lines
    assert ["4", "0D", "03", "0D", "01", "cells", "1–2", "3.331", "3.329", "V"] in lines


def test_a_short_answer_is_no_snapshot(capsys: Printed) -> None:
    short = "DD 03 00 02 12 34 FF B8 77"
    assert run(["decode", "--json", "--hex", short]) == 0
    (record,) = records(capsys)
    assert "snapshot" not in record
    assert record["status"]["values"] == [18, 52]
    assert run(["decode", "--hex", short]) == 0
    assert "jbd status (too short)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing", None, "no such file"),
        ("broken.cap", b"# x\n< 7E\nhello\n", "line 3"),
        ("broken.hex", b"7E A1\nhello\n", "line 2 is not hex"),
        ("empty", b"", "no valid frame"),
    ],
)
def test_files_that_cannot_be_read(
    tmp_path: Path, name: str, content: bytes | None, words: str, capsys: Printed
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert run(["decode", str(path)]) == 1
    assert words in capsys.readouterr().err.lower()


def test_nothing_given_at_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    assert run(["decode"]) == 2
    assert "nothing to decode" in capsys.readouterr().err


def test_a_long_stream_is_printed_as_it_comes(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    """The first frame is out before the second chunk is taken: nothing is collected."""
    from antbms.capture import Chunk
    from antbms.cli import sources

    seen = []

    def chunks() -> Any:
        yield Chunk("<", bytes.fromhex(CELLS))
        seen.append(capsys.readouterr().out)
        yield Chunk("<", bytes.fromhex(CELLS))

    monkeypatch.setattr(sources, "from_hex", lambda text: sources.Source("test", None, chunks()))
    assert run(["decode", "--json", "--hex", "00"]) == 0
    assert json.loads(seen[0])["frame"] == CELLS


def test_every_recording_decodes(captures: Path, capsys: Printed) -> None:
    """Frames in equal number as chunks and as frames; no recording makes decoding fail."""
    counts = {}
    for path in sorted(captures.glob("*/*.txt")):
        status = run(["decode", str(path), "--json"])
        counts[path.name] = sum("frame" in json.loads(line) and '"rejected"' not in line for line in
                                capsys.readouterr().out.splitlines())  # fmt: skip
        assert status == (0 if counts[path.name] else 1)
        assert bool(counts[path.name]) != path.stem.endswith("-damaged"), path
    for name in counts:
        if name.endswith(".chunks.txt"):
            assert counts[name] == counts[name.replace(".chunks", "")], name


def test_bytes_that_nobody_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (CELLS.split(), [f"0x{word}," for word in CELLS.lower().split()]):
        assert run(["decode", *words, "--json"]) == 0
        (record,) = records(capsys)
        assert record["frame"] == CELLS
    Path("FF").write_bytes(bytes.fromhex(CELLS))  # a file has this name: then words are files
    assert run(["decode", "DD", "FF", "--json"]) == 0
    assert [record.get("message") for record in records(capsys)] == [None, "cells"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["DD A5 03 0"], "'DD A5 03 0' is no file, and as hex it has an odd number of hex digits (7)"),
        (["--hex", "DDA"], "'DDA' has an odd number of hex digits (3)"),
        (["--hex", "DDX"], "'DDX' is not hex"),
        ([""], "decode: the name of a file is empty"),
    ],
)
def test_half_a_byte(args: list[str], words: str, capsys: Printed) -> None:
    assert run(["decode", *args]) == 2
    assert capsys.readouterr().err.startswith(f"antbms: {words}\n  Write bytes as ")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("text", [f"# Größe\r\n< {CELLS}\r\n", f"{CELLS}\n", f"< {CELLS[:11]}\n< {CELLS[12:]}"])
def test_text_with_a_mark_of_its_encoding(
    encoding: str, text: str, tmp_path: Path, stdin: Any, capsys: Printed
) -> None:
    """PowerShell writes UTF-16 with `>`, some editors begin UTF-8 with a mark."""
    data = (b"\xfe\xff" if encoding == "utf-16-be" else b"") + text.encode(encoding)
    path = tmp_path / "x.cap"
    path.write_bytes(data)
    stdin(data)
    for name in (str(path), "-"):
        assert run(["decode", name, "--json"]) == 0
        assert [(record["frame"], record["message"]) for record in records(capsys)] == [(CELLS, "cells")]


def test_traffic_that_begins_like_such_a_mark(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"\xff\xfe\x01" + bytes.fromhex(CELLS))
    assert run(["decode", str(path), "--json"]) == 0
    assert [record.get("message") for record in records(capsys)] == [None, "cells"]


@pytest.mark.parametrize("options", [[], ["--json"], ["--summary"]])
def test_bad_lines_do_not_end_it(options: list[str], tmp_path: Path, capsys: Printed) -> None:
    """They are told by number; what is good is decoded; the status says that something was wrong."""
    path = tmp_path / "x.cap"
    path.write_text(f"< {CELLS}\n< DD 0\nhello\n< {CELLS}\n" + "what\n" * 9 + f"< {CELLS}\n", "utf-8")
    assert run(["decode", str(path), *options]) == 1
    got = capsys.readouterr()
    bad = "is neither '> ' nor '< ' with hex bytes, nor a comment"
    assert got.err.splitlines()[:2] == [
        f"antbms: {path}: line 2 has an odd number of hex digits",
        f"antbms: {path}: lines 3, 5, 6, 7, 8, 9, 10, 11 and 2 more: each {bad}",
    ]
    if options != ["--summary"]:
        assert got.out.count("cells") >= 3
        assert "3 frames: 3 × jbd cells" in got.err


def test_bad_lines_of_hex(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "x.txt"
    path.write_text(f"{CELLS}\nDD 0\n?\n{CELLS}\n", "utf-8")
    assert run(["decode", str(path), "--json"]) == 1
    got = capsys.readouterr()
    assert got.out.count('"cells"') == 4
    assert f"{path}: line 2 has an odd number of hex digits (3)\n" in got.err
    assert f"{path}: line 3 is not hex\n" in got.err


def test_a_recording_whose_first_line_is_bad(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "x.cap"
    path.write_text(f"from my phone\n< {CELLS}\n", "utf-8")
    assert run(["decode", str(path), "--json"]) == 1
    got = capsys.readouterr()
    assert got.out.count('"cells"') == 2
    assert f"{path}: line 1 is neither" in got.err
