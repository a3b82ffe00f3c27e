"""The files that rows name are part of what makes two sources, or two requests, the same."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from runner.config import FileSource, GeminiSource, Source
from runner.records import Example, Origin, Request, Turn, write_jsonl
from runner.sources import digest, examples_digest, source_digest, with_files


def picture(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


def gemini(folder: Path, *uris: str) -> GeminiSource:
    rows = [
        {
            "contents": [
                {
                    "role": "user",
                    "parts": [{"fileData": {"fileUri": uri, "mimeType": "image/png"}}],
                },
                {"role": "model", "parts": [{"text": "a cat"}]},
            ]
        }
        for uri in uris
    ]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return GeminiSource(kind="gemini", train=str(folder / "train.jsonl"))


def columns(folder: Path, *uris: str) -> FileSource:
    """Paths as people write them: relative to the data file."""
    rows = [{"photo": Path(uri).name, "label": "a cat"} for uri in uris]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    raw = {"kind": "files", "train": str(folder / "train.jsonl"), "target": "label"}
    return FileSource.model_validate({**raw, "media": {"photo": None}})


MADE: list[Any] = [gemini, columns]


@pytest.mark.parametrize("make", MADE)
def test_a_changed_file_changes_the_source(tmp_path: Path, make: Any) -> None:
    cache = tmp_path / "known.json"
    one, two = (picture(tmp_path, f"{name}.png", name.encode()) for name in ("one", "two"))
    source: Source = make(tmp_path, one, two)
    before = source_digest(source, cache)
    assert source_digest(source, cache) == before
    picture(tmp_path, "two.png", b"other")
    changed = source_digest(source, cache)
    assert changed != before
    (tmp_path / "two.png").unlink()
    assert source_digest(source, cache) not in (before, changed)
    picture(tmp_path, "two.png", b"two")
    assert source_digest(source, cache) == before


def test_files_of_a_file_that_is_weighted_count_whole(tmp_path: Path) -> None:
    cache = tmp_path / "known.json"
    uris = [picture(tmp_path, f"{at}.png", b"x") for at in range(4)]
    path = gemini(tmp_path, *uris).train
    source = GeminiSource.model_validate(
        {"kind": "gemini", "train": [{"path": path, "weight": 0.25}]}
    )
    found = {source_digest(source, cache)}
    for at in range(4):
        picture(tmp_path, f"{at}.png", b"other")
        found.add(source_digest(source, cache))
    assert len(found) == 5


def test_an_unchanged_file_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "known.json"
    source = gemini(tmp_path, picture(tmp_path, "one.png", b"one"))
    before = source_digest(source, cache)

    def unread(*_: object, **__: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(digest.hashlib, "file_digest", unread)
    monkeypatch.setattr("runner.sources.read.rows_of", unread)
    assert source_digest(source, cache) == before
    os.utime(tmp_path / "one.png", ns=(1, 1))
    with pytest.raises(AssertionError, match="read again"):
        source_digest(source, cache)


def test_rows_without_files_keep_the_digest_they_had(tmp_path: Path) -> None:
    cache = tmp_path / "known.json"
    remote = gemini(tmp_path, "gs://bucket/one.png")
    assert source_digest(remote, cache) == digest.digest_source(remote, cache)


def test_requests_and_examples_know_their_files(tmp_path: Path) -> None:
    cache = tmp_path / "known.json"
    uri = picture(tmp_path, "one.png", b"one")
    shown = Turn("user", "", ({"fileData": {"fileUri": uri, "mimeType": "image/png"}},))
    asked = [Request("1", (shown,)), Request("2", (Turn("user", "hello"),))]
    write_jsonl(
        tmp_path / "train.jsonl", [Example("1", (shown,), "a cat", Origin("x", 1)).to_json()]
    )

    def known() -> tuple[str, str, str]:
        first, second = with_files(asked, cache)
        return first.files, second.files, examples_digest(tmp_path / "train.jsonl", cache)

    before = known()
    picture(tmp_path, "one.png", b"two!")
    after = known()
    assert before[1] == after[1] == ""
    assert before[0] != after[0]
    assert before[2] != after[2]
    assert "" not in (before[0], before[2])
