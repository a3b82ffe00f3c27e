"""The data card says what a split takes of each of its sources."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from runner.config import Prepare, Select, Template
from runner.prepare import prepare, render
from runner.report import write_data_card
from runner.sources import open_split
from tests.report.test_card import table
from tests.report.tree import read
from tests.sources.reading import source, write_jsonl


def test_the_card_shows_rows_and_tokens_of_each_source(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    words = {"ours/long.jsonl": ("one two three " * 20, 10), "short<b>.jsonl": ("four five ", 300)}
    for name, (text, rows) in words.items():
        lines = [{"text": f"{text}{n:03}", "target": "yes"} for n in range(rows)]
        write_jsonl(tmp_path / name, lines)
    long, short = (str(tmp_path / name) for name in words)
    mix = source(
        kind="files", train=[{"path": long, "weight": 3}, {"path": short}], weigh_by="tokens"
    )
    (tmp_path / "prepared").mkdir()
    (tmp_path / "rendered").mkdir()
    readers = {"train": partial(open_split, mix, "train", 17)}
    config = Prepare.model_validate({"split": {"validation": 5, "test": 5}})
    prepare(readers, config, 0.05, 17, tmp_path / "prepared")
    template = Template(name="plain", prompt="{{ text }}")
    folder = tmp_path / "rendered"
    render(tmp_path / "prepared", template, Select(), 4096, 17, folder, lambda _: None)
    write_data_card(tmp_path / "prepared", folder, tmp_path / "card.html")
    head, first, second = table(read(tmp_path / "card.html"), "train: 2 sources")
    assert head == ["Source", "Weight", "Rows there", "Rows taken", "Tokens taken"]
    # 286 bytes a row of the one, 16 of the other: a third of 2,860 bytes is nearest to 60 rows
    assert first[:3] == ["ours/long.jsonl", "3", "10"]
    assert second[0].endswith("/short<b>.jsonl")
    assert second[1:3] == ["1", "300"]
    assert first[3].split()[0] == "10"
    assert second[3].split()[0] == "60"
    assert [first[4].split(), second[4].split()] == [["715", "75", "%"], ["240", "25", "%"]]
