"""Faulty rows: each named by file and line, the rest kept, too many refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.base.errors import ConfigError, DataError, GateError
from tests.sources.reading import read, read_file, rules, source, write_jsonl


def test_every_fault_of_a_jsonl_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(
        b'{"id": 1, "text": "fine", "target": "a"}\n'
        b'{"id": 2, "text": "cut of\n'
        b"\n"
        b'{"id": 3, "text": "caf\xe9", "target": "a"}\n'
        b'{"id": 4, "target": "a"}\n'
        b'{"id": 5, "text": "", "target": "a"}\n'
        b'{"id": 6, "text": "b", "target": ""}\n'
        b'{"id": 7, "text": "b", "target": null}\n'
        b'{"id": 1, "text": "again", "target": "a"}\n'
        b'{"id": 8, "text": "b", "text": "c", "target": "a"}\n'
        b"[1, 2]\n"
        b'{"id": " ", "text": "b", "target": "a"}\n'
        b'{"id": 9, "text": "\\ud800", "target": "a"}\n'
        b'{"id": 10, "text": "fine: too", "target": {"k": 1}}\n'
    )
    rows, faults = read_file(path, id="id", input=["text"])
    assert [row.id for row in rows] == ["1", "10"]
    assert rules(faults) == [
        (2, "bad_json"),
        (4, "bad_encoding"),
        (5, "missing_column"),
        (6, "empty_input"),
        (7, "empty_target"),
        (8, "empty_target"),
        (9, "duplicate_id"),
        (10, "duplicate_key"),
        (11, "not_object"),
        (12, "empty_id"),
        (13, "bad_json"),
    ]
    assert "0xE9" in str(faults.first["bad_encoding"][0])
    assert "it has: id, target" in str(faults.first["missing_column"][0])
    tally = faults.tally()
    tally.check()
    assert tally.rows_in == 13


def test_every_fault_of_a_csv_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(
        b'text,target\nfine,a\nshort\n"stray"quote,b\ncaf\xe9,c\n,d\n   ,e\ng,\nlast,f\n'
    )
    rows, faults = read_file(path)
    assert [row.fields["text"] for row in rows] == ["fine", "last"]
    assert rules(faults) == [
        (3, "ragged"),
        (4, "bad_quote"),
        (5, "bad_encoding"),
        (6, "empty_input"),
        (7, "empty_input"),
        (8, "empty_target"),
    ]


@pytest.mark.parametrize(
    ("name", "content"), [("a.jsonl", b""), ("a.jsonl", b"\n\n"), ("a.csv", b""), ("a.csv", b"x,y")]
)
def test_an_empty_file_is_a_fault(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    rows, faults = read_file(path, input=["x"], target="y")
    assert not rows
    assert faults.faulty == {"empty_file": 1}


def test_gate_refuses_too_many_faults_and_lists_them(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a", "target": "b"}\n' * 8 + "oops\n" * 2)
    _, faults = read_file(path)
    with pytest.raises(GateError) as refused:
        faults.check()
    assert refused.value.exit_code == 4
    message = str(refused.value)
    assert "2 of 10 rows (20.0%) are faulty" in message
    assert f"{path}:9 bad_json" in message
    assert "source.max_bad_share=0.20" in message
    read_file(path, max_bad_share=0.2)[1].check()


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_missing_columns_are_one_error_with_the_nearest_names(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"rows.{ending}"
    if ending == "parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.table({"text": ["a"], "category": ["b"]}), path)
    else:
        rows = {"csv": "text,category\na,b\n", "jsonl": '{"text": "a", "category": "b"}\n'}
        path.write_text(rows[ending])
    with pytest.raises(DataError) as refused:
        read_file(path, input=["txt"], target="categori", group="Text")
    message = str(refused.value)
    assert "no column 'txt' (source.input); did you mean 'text'?" in message
    assert "no column 'categori' (source.target); did you mean 'category'?" in message
    assert "no column 'Text' (source.group); did you mean 'text'?" in message
    assert "columns there are: text, category" in message


def test_column_missing_in_some_objects_only_is_a_fault_of_those(tmp_path: Path) -> None:
    path = write_jsonl(
        tmp_path / "rows.jsonl",
        [{"text": "a", "target": "x", "kind": "k"}, {"text": "b", "target": "x"}, {"target": "x"}],
    )
    rows, faults = read_file(path, input=["text"], slices=["kind"])
    assert [dict(row.slices) for row in rows] == [{"kind": "k"}, {}]
    assert rules(faults) == [(3, "missing_column")]


def test_slices_may_be_missing_in_train_but_not_where_scores_are_reported(tmp_path: Path) -> None:
    train = write_jsonl(tmp_path / "train.jsonl", [{"text": "a", "target": "x"}])
    test = write_jsonl(tmp_path / "test.jsonl", [{"text": "a", "target": "x", "lang": "en"}])
    both = {"kind": "files", "train": str(train), "test": str(test)}
    assert len(read(source(**both, slices=["lang"]))[0]) == 1
    assert read(source(**both, slices=["lang"]), "test")[0][0].slices == {"lang": "en"}
    with pytest.raises(
        DataError, match=r"no column 'long' \(source\.slices\); did you mean 'lang'"
    ):
        read(source(**both, slices=["long"]), "test")
    with pytest.raises(DataError, match="no column 'lang'"):
        read(source(kind="files", train=str(train), slices=["lang"]))


def test_wrong_separator_is_guessed(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text;target\na;b\n")
    with pytest.raises(DataError, match="looks separated by semicolons"):
        read_file(path)


def test_column_named_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,target,text\na,b,c\n")
    with pytest.raises(DataError, match="names 'text' twice"):
        read_file(path)


def test_target_among_the_inputs_is_refused(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", [{"text": "a", "target": "b"}])
    with pytest.raises(ConfigError, match="cannot be an input as well"):
        read_file(path, input=["text", "target"])


def test_every_missing_file_is_named_at_once(tmp_path: Path) -> None:
    from runner.sources import source_digest

    write_jsonl(tmp_path / "train.jsonl", [{"text": "a", "target": "b"}])
    config = source(
        kind="files",
        train=str(tmp_path / "trian.jsonl"),
        validation=str(tmp_path / "*.csv"),
        test=str(tmp_path),
    )
    with pytest.raises(ConfigError) as refused:
        source_digest(config, tmp_path / "cache.json")
    message = str(refused.value)
    assert "did you mean" in message
    assert "train.jsonl" in message
    assert "no file matches" in message
    assert "is a folder" in message


def test_unknown_encoding_is_refused(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", [{"text": "a", "target": "b"}])
    for name in ("utf-99", "base64"):
        with pytest.raises(ConfigError, match="no text encoding"):
            read_file(path, encoding=name)


def test_broken_archive_is_one_sentence(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "a", "target": "b"}\n' * 5000)[:-40])
    with pytest.raises(DataError, match=r"rows\.jsonl\.gz cannot be read"):
        read(source(kind="files", train=str(path)))
