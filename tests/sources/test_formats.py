"""Every format gives back the rows that were written, whatever stands in them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from runner.base.errors import SftError
from tests.sources.reading import packed, read, read_file, rules, source, write_jsonl

Cells = list[tuple[str, str]]

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(
    lambda text: bool(text.strip())
)
tables = st.lists(st.tuples(texts, texts), min_size=1, max_size=8)


def as_csv(rows: Cells, delimiter: str = ",") -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerows([("text", "target"), *rows])
    return out.getvalue().encode()


def as_jsonl(rows: Cells) -> bytes:
    lines = (json.dumps({"text": text, "target": target}) for text, target in rows)
    return "".join(f"{line}\n" for line in lines).encode()


def as_parquet(rows: Cells) -> bytes:
    out = pa.BufferOutputStream()
    parquet.write_table(
        pa.table({"text": [text for text, _ in rows], "target": [target for _, target in rows]}),
        out,
    )
    return out.getvalue().to_pybytes()


WRITERS = {
    "csv": as_csv,
    "tsv": lambda rows: as_csv(rows, "\t"),
    "jsonl": as_jsonl,
    "parquet": as_parquet,
}
ENDINGS = [
    f"{kind}{pack}"
    for kind in WRITERS
    for pack in ("", ".gz", ".zst")
    if kind != "parquet" or not pack
]


@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(rows=tables)
def test_rows_read_back_as_written(ending: str, rows: Cells) -> None:
    with TemporaryDirectory() as folder:
        path = packed(Path(folder, f"rows.{ending}"), WRITERS[ending.split(".")[0]](rows))
        got, faults = read_file(path)
    assert [(row.fields["text"], row.target) for row in got] == rows
    assert not faults.faulty
    assert faults.kept == len(rows)


def reads_or_refuses(path: Path) -> None:
    """Every row is kept or a fault; or the file as a whole is refused by name."""
    refused = ""
    try:
        rows, faults = read_file(path)
    except SftError as error:
        refused = str(error)
    else:
        tally = faults.tally()
        tally.check()
        assert tally.kept == len(rows)
        assert rows or faults.faulty
    assert not refused or str(path) in refused


@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=60)
@given(content=st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_or_reported_but_never_crash(
    ending: str, content: bytes
) -> None:
    with TemporaryDirectory() as folder:
        path = packed(Path(folder, f"rows.{ending}"), content)
        reads_or_refuses(path)


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
@settings(max_examples=80)
@given(rows=tables, noise=st.binary(min_size=1, max_size=6), at=st.floats(0, 1))
def test_damaged_files_never_crash(ending: str, rows: Cells, noise: bytes, at: float) -> None:
    whole = WRITERS[ending](rows)
    cut = int(at * len(whole))
    with TemporaryDirectory() as folder:
        path = packed(Path(folder, f"rows.{ending}"), whole[:cut] + noise + whole[cut:])
        reads_or_refuses(path)


@settings(max_examples=40)
@given(content=st.binary(max_size=300))
def test_arbitrary_bytes_in_an_archive_are_refused(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        for ending in ("gz", "zst"):
            path = Path(folder, f"rows.jsonl.{ending}")
            path.write_bytes(b"no archive" + content)
            with pytest.raises(SftError, match="cannot be read"):
                read_file(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_byte_order_mark_is_recognised(tmp_path: Path, ending: str, encoding: str) -> None:
    text = WRITERS[ending]([("Grüße, 東京", "x")]).decode()
    mark = "" if encoding in ("utf-8-sig", "utf-16", "utf-32") else "\ufeff"
    path = tmp_path / f"rows.{ending}"
    path.write_bytes((mark + text).encode(encoding))
    rows, faults = read_file(path)
    assert [dict(row.fields) for row in rows] == [{"text": "Grüße, 東京"}]
    assert not faults.faulty


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_declared_encoding_is_used(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"rows.{ending}"
    content = {"csv": "text,target\nGrüße,ja\n", "jsonl": '{"text":"Grüße","target":"ja"}\n'}
    path.write_bytes(content[ending].encode("latin-1"))
    rows, _ = read_file(path, encoding="latin-1")
    assert rows[0].fields["text"] == "Grüße"


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_bytes_a_declared_encoding_lacks_are_faults(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"rows.{ending}"
    good = {"csv": b"text,target\na,b\n", "jsonl": b'{"text":"a","target":"b"}\n'}
    bad = {"csv": b"\x81,b\n", "jsonl": b'{"text":"\x81","target":"b"}\n'}
    path.write_bytes(good[ending] + bad[ending])
    rows, faults = read_file(path, encoding="cp1252")
    assert len(rows) == 1
    assert [rule for _, rule in rules(faults)] == ["bad_encoding"]


def test_wrong_wide_encoding_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"text,target\nabc,d")
    with pytest.raises(SftError, match=r"source\.encoding"):
        read_file(path, encoding="utf-16")


def test_csv_lines_are_true_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(
        b'text,target\r\n"two\r\nlines",a\r\n\r\nplain,b\r\n"three\n\nmore",c\r\nlast,d,extra\r\n'
    )
    rows, faults = read_file(path)
    assert [(row.id, row.origin.line, row.target) for row in rows] == [
        ("train-2", 2, "a"),
        ("train-5", 5, "b"),
        ("train-6", 6, "c"),
    ]
    assert rules(faults) == [(9, "ragged")]


def test_unclosed_quote_counts_every_line_it_swallowed(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('text,target\na,b\n"never closed,c\nd,e\nf,g\n')
    rows, faults = read_file(path)
    assert len(rows) == 1
    assert faults.faulty == {"bad_quote": 3}
    assert "lines 3 to 5 are lost" in str(faults.first["bad_quote"][0])


def test_json_values_become_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"text": "a: b", "n": 123456789012345678901, "x": 0.5, "yes": true, "no": null,'
        ' "target": {"b": 1, "a": ["ü", {"k": null}]}}\n'
    )
    rows, faults = read_file(path)
    assert not faults.faulty
    assert rows[0].fields == {
        "text": "a: b",
        "n": "123456789012345678901",
        "x": "0.5",
        "yes": "true",
        "no": "",
    }
    assert rows[0].target == '{"b":1,"a":["ü",{"k":null}]}'


def test_parquet_values_become_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    parquet.write_table(
        pa.table({"n": [1, None], "list": [["a"], ["b"]], "target": ["x", "y"], "more": [1, 2]}),
        path,
    )
    rows, _ = read_file(path, input=["n", "list"])
    assert [dict(row.fields) for row in rows] == [
        {"n": "1", "list": '["a"]'},
        {"n": "", "list": '["b"]'},
    ]
    assert [row.origin.line for row in rows] == [1, 2]


def test_bad_text_in_parquet_is_one_faulty_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    raw = pa.array([b"good", b"\xff\xfe", b"fine"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    parquet.write_table(pa.table({"text": text, "target": ["a", "b", "c"]}), path)
    rows, faults = read_file(path)
    assert [row.origin.line for row in rows] == [1, 3]
    assert rules(faults) == [(2, "bad_encoding")]


def test_declared_format_beats_the_ending(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("text\ttarget\na\tb\n")
    with pytest.raises(SftError, match=r"source\.format to jsonl, csv, tsv or parquet"):
        read_file(path)
    rows, _ = read(source(kind="files", train=str(path), format="tsv"))
    assert rows[0].target == "b"


def test_json_array_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"text": "a", "target": "b"}], indent=1))
    with pytest.raises(SftError, match="one JSON array"):
        read_file(path)


def test_a_split_that_is_not_given_is_none(tmp_path: Path) -> None:
    from runner.records import FaultLog
    from runner.sources import open_split

    path = write_jsonl(tmp_path / "rows.jsonl", [{"text": "a", "target": "b"}])
    config = source(kind="files", train=str(path))
    assert open_split(config, "test", 1, FaultLog("test")) is None
