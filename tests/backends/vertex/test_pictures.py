"""Pictures of rows in a whole experiment: known by content, and never lost sight of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.cli import main
from runner.emulator import Emulator
from runner.store.ledger import Ledger
from tests.backends.vertex.test_media import objects
from tests.backends.vertex.test_road import YAML

PICTURES = 4


def write(folder: Path, url: str, epochs: int = 1) -> str:
    """An experiment of 48 rows, each with one of four pictures."""
    for at in range(PICTURES):
        (folder / f"{at}.png").write_bytes(f"picture {at}".encode())
    rows = [
        {"text": f"what is in number {at}?", "label": "ab"[at % 2], "photo": f"{at % PICTURES}.png"}
        for at in range(48)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "rows.jsonl").write_text(text, encoding="utf-8")
    yaml = YAML.format(url=url).replace("epochs: 2", f"epochs: {epochs}")
    yaml = yaml.replace("input: [text]", "input: [text, photo], media: {photo: null}")
    yaml = yaml.replace("split: {", "dedup: {exact: true, fuzzy: null}\n  split: {")
    (folder / "road.yaml").write_text(yaml, encoding="utf-8")
    return str(folder / "road.yaml")


def arms(home: Path) -> dict[str, Any]:
    return {arm.name: arm for arm in Ledger(home).experiments("road")[0].arms}


def calls(emulator: Emulator) -> int:
    requests = emulator.overview()["requests"]
    return sum("generateContent" in json.dumps(entry) for entry in requests)


def test_a_changed_picture_is_other_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Emulator() as emulator:
        file = write(tmp_path, emulator.url)
        assert main(["run", file]) == 0, capsys.readouterr()
        first, asked = arms(tmp_path / "runs"), calls(emulator)
        assert main(["run", file]) == 0
        assert calls(emulator) == asked, "nothing changed, nothing is asked"
        (tmp_path / "1.png").write_bytes(b"another!!")
        assert main(["run", file]) == 0, capsys.readouterr()
        second = arms(tmp_path / "runs")
        assert not {arm.digest for arm in first.values()} & {arm.digest for arm in second.values()}
        assert calls(emulator) > asked
        assert len(emulator.overview()["jobs"]) == 2
        assert len([name for name in objects(emulator) if "/media/" in name]) == PICTURES + 1
        assert emulator.overview()["violations"] == []


def test_what_a_failed_job_left_is_cleaned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Emulator(faults=[{"on": "job", "do": "failed"}]) as emulator:
        file = write(tmp_path, emulator.url)
        assert main(["run", file]) == 1, capsys.readouterr()
        left = objects(emulator)
        assert [name.rpartition(".")[2] for name in left].count("jsonl") == 2
        assert [name.rpartition(".")[2] for name in left].count("png") == PICTURES
        capsys.readouterr()
        assert main(["clean", "road", "--yes"]) == 0, capsys.readouterr()
        said = capsys.readouterr().out
        assert all(f"deleted: gs://sft-emulator/{name}" in said for name in left)
        assert objects(emulator) == []
        # The same command again uploads again, and what is there again can be cleaned again.
        assert main(["run", file]) == 1
        assert objects(emulator) == left
        assert main(["clean", "road", "--yes"]) == 0
        assert objects(emulator) == []


def test_a_kill_after_the_upload_leaves_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The intent stands before the upload, so whatever happens in between is on record."""

    class Killed(BaseException):
        pass

    def stop(*_: object) -> None:
        raise Killed

    monkeypatch.chdir(tmp_path)
    with Emulator() as emulator:
        file = write(tmp_path, emulator.url)
        monkeypatch.setattr("runner.backends.vertex.submit.create_config", stop)
        with pytest.raises(Killed):
            main(["run", file])
        left = [f"gs://sft-emulator/{name}" for name in objects(emulator)]
        assert len(left) >= 2
        assert main(["clean", "road"]) == 2
        listed = capsys.readouterr().out
        assert all(name in listed for name in left)
