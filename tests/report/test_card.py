"""The data card tells what the rows are worth: counts, lengths, labels, losses, coverage."""

from __future__ import annotations

import json
from pathlib import Path

from runner.records import Example, Origin, Turn, write_jsonl
from runner.report import write_data_card
from tests.report.tree import Element, read


def example(number: int, prompt: str, target: str) -> Example:
    at = Origin("train.csv", number)
    return Example(id=f"r{number}", contents=(Turn("user", prompt),), target=target, origin=at)


def table(page: Element, caption: str) -> list[list[str]]:
    """Cells of the table whose caption starts so, row by row."""
    for found in page.all("table"):
        if next(found.all("caption")).text.startswith(caption):
            return [[cell.text for cell in row.children] for row in found.all("tr")]
    raise AssertionError(f"no table {caption!r}")


def facts(page: Element) -> dict[str, str]:
    pairs = next(page.all("dl", "facts")).children
    return {next(pair.all("dt")).text: next(pair.all("dd")).text for pair in pairs}


def test_the_top_counts_what_there_is_and_what_dropped(card: Path) -> None:
    page = read(card)
    assert facts(page) == {
        "train rows": "302",
        "validation rows": "40",
        "test rows": "80",
        "dropped": "13",
        "leaks": "2",
        "conflicts": "1",
        "duplicates": "4",
        "faults": "6",
    }
    headline = next(page.all("p", "headline")).text
    assert headline == (
        "302 training rows to tune on; 13 rows dropped, among them 2 leaks, 1 conflict, "
        "4 duplicates."
    )


def test_the_flow_shows_every_step_with_its_reasons(card: Path) -> None:
    rows = table(read(card), "train: 318 rows in, 305 kept")
    steps = {row[0]: row for row in rows[1:]}
    assert list(steps) == ["read", "clean", "dedup", "split", "leakage", "template"]
    assert [row[1] for row in rows[1:]] == ["318", "312", "312", "307", "307", "305"]
    assert "3 × exact duplicate" in steps["dedup"][4]
    assert "repaired: 12 × whitespace, 3 × unicode" in steps["clean"][4]
    assert "nothing" in steps["split"][4]


def test_leaks_and_duplicates_name_the_row_they_matched_and_the_span(card: Path) -> None:
    page = read(card)
    leak = table(page, "Training rows that also stand")[1]
    assert leak[0] == "t061 train, train.jsonl:61"
    assert leak[2] == "e030 test.jsonl:30"
    assert leak[3] == "exact 1.00"
    assert leak[4].startswith("please change the address")
    repeats = table(page, "Rows that repeat one that stays")
    assert repeats[-1][2:4] == ["t081 train.jsonl:81", "minhash 0.86"]


def test_faults_stand_with_file_and_line(card: Path) -> None:
    rows = table(read(card), "Rows that could not be read")
    assert rows[1][:2] == ["train.jsonl:23", "bad_json"]
    assert len(rows) == 7


def test_labels_are_counted_in_every_split(card: Path) -> None:
    rows = table(read(card), "Answer field urgency")
    assert rows[0] == ["Value", "train", "validation", "test"]
    counts = {row[0]: [cell.split()[0] for cell in row[1:]] for row in rows[1:]}
    assert counts["high"][1:] == ["12", "24"]
    assert counts["normal"][1:] == ["18", "34"]
    assert table(read(card), "Slice phrasing")[1][0] == "seen"


def test_coverage_names_what_train_never_has(card: Path) -> None:
    rows = {row[0]: row[1:] for row in table(read(card), "How the evaluation splits differ")}
    assert rows["intent: values train never has"] == ["none", "none"]
    unseen = rows["product: values train never has"]
    assert unseen[0] == "none"
    assert unseen[1].startswith("29 rows (36 %): ")
    assert unseen[1].endswith("and 11 more")


def test_examples_are_shown_as_the_model_sees_them(card: Path) -> None:
    first = next(read(card).all("article", "example"))
    assert [part.text for part in first.all("p", "label")] == ["system", "user", "answer"]
    assert '{"intent":"defect"' in first.text
    assert "train.jsonl:1" in first.text


def test_lengths_are_measured_on_one_scale(tmp_path: Path) -> None:
    write_jsonl(
        tmp_path / "train.jsonl",
        (example(n, "x" * length, "a").to_json() for n, length in enumerate([10, 20, 20, 40])),
    )
    write_jsonl(tmp_path / "test.jsonl", [example(9, "x" * 1000, "b").to_json()])
    write_data_card(tmp_path, tmp_path, tmp_path / "card.html")
    page = read(tmp_path / "card.html")
    captions = [caption.text for caption in page.all("figcaption")]
    assert captions[0] == "train median 20, 9 of 10 up to 40, longest 40"
    assert captions[1] == "test median 1,000, 9 of 10 up to 1,000, longest 1,000"
    pictures = list(page.all("svg", "plot"))
    ticks = [[t.text for t in picture.all("text", "tick-x")] for picture in pictures[:2]]
    assert ticks[0] == ticks[1]


def test_free_text_answers_are_no_labels(tmp_path: Path) -> None:
    rows = [example(n, f"question {n}", f"answer number {n}").to_json() for n in range(50)]
    write_jsonl(tmp_path / "train.jsonl", rows)
    write_jsonl(tmp_path / "test.jsonl", rows[:5])
    write_data_card(tmp_path, tmp_path, tmp_path / "card.html")
    text = read(tmp_path / "card.html").text
    assert "answer: free text (too many different values to count)." in text
    assert "answer: values train never has" not in text


def test_rows_that_moved_or_were_set_aside_are_not_lost(tmp_path: Path) -> None:
    tally = {"step": "split", "split": "train", "in": 10, "kept": 7, "changed": {}}
    tally["dropped"] = {"moved_to_validation": 1, "not_selected": 1, "near_duplicate": 1}
    (tmp_path / "tally.json").write_text(json.dumps([tally]))
    write_jsonl(tmp_path / "train.jsonl", [example(1, "a", "b").to_json()])
    write_data_card(tmp_path, tmp_path / "nothing", tmp_path / "card.html")
    page = read(tmp_path / "card.html")
    assert facts(page)["dropped"] == "1"
    assert facts(page)["set aside"] == "1"
    assert "1 × moved to validation" in page.text


def test_notes_conflicts_and_leak_counts_of_the_summary_are_told(tmp_path: Path) -> None:
    rows = [{"file": "data/train.csv", "line": line, "target": f"label {line}"} for line in (3, 9)]
    told = {
        "notes": ["stratify was ignored"],
        "leakage": {"validation_rows_in_test": 2, "test_rows_in_train": 0},
        "conflicts": [{"text": "same words", "rows": rows}],
    }
    (tmp_path / "summary.json").write_text(json.dumps(told))
    rendered = tmp_path / "rendered"
    rendered.mkdir()
    lint = [{"rule": "few_shot/other_row", "message": "3 of 9 prompts carry examples"}]
    (rendered / "summary.json").write_text(json.dumps({"lint": lint}))
    write_data_card(tmp_path, rendered, tmp_path / "card.html")
    text = read(tmp_path / "card.html").text
    assert "stratify was ignored" in text
    assert "3 of 9 prompts carry examples" in text
    assert "validation rows in test: 2" in text
    assert "test rows in train" not in text
    assert "same words" in text
    assert "train.csv:9 label 9" in text


def test_new_rows_are_no_repairs_and_are_shown(tmp_path: Path) -> None:
    swap = {"id": "r1+entity_swap1", "of": "r1", "rule": "entity_swap"}
    swap |= {"before": "my lamp", "after": "my radio", "target_before": "l", "target_after": "r"}
    typo = {"id": "r2+typos1", "of": "r2", "rule": "typos", "before": "hello", "after": "helo"}
    told = {"rows": {"typos": 2, "entity_swap": 1}, "share": 0.25, "samples": [swap, typo]}
    tally = {"step": "augment", "split": "train", "in": 12, "kept": 12, "dropped": {}}
    rendered = tmp_path / "rendered"
    rendered.mkdir()
    (rendered / "summary.json").write_text(json.dumps({"augmented": told}))
    (rendered / "tally.json").write_text(json.dumps([{**tally, "changed": told["rows"]}]))
    (rendered / "augmented.jsonl").write_text("{}")
    write_data_card(tmp_path / "nothing", rendered, tmp_path / "card.html")
    page = read(tmp_path / "card.html")
    assert "new rows: 2 × typos, 1 × entity swap" in page.text
    assert "repaired" not in page.text
    assert "3 new rows, 25 % of train." in page.text
    links = [element.attributes.get("href") for element in page.all("a")]
    assert "./rendered/augmented.jsonl" in links
    assert table(page, "Some of them, before and after")[1:] == [
        ["r1+entity_swap1 of r1", "entity swap", "my lampl", "my radior"],
        ["r2+typos1 of r2", "typos", "hello", "helo"],
    ]


def test_a_card_without_new_rows_has_no_place_for_them(card: Path) -> None:
    assert "New rows" not in read(card).text


def test_estimated_tokens_are_a_band(tmp_path: Path) -> None:
    spread = {"mean": 12.5, "p50": 12.0, "p90": 20.0, "p99": 28.0, "max": 30}
    tokens = {"exact": None, "low": 900, "high": 1500, "prompt": spread, "target": {}}
    (tmp_path / "summary.json").write_text(json.dumps({"tokens": {"train": tokens}}))
    write_data_card(tmp_path / "nothing", tmp_path, tmp_path / "card.html")
    row = table(read(tmp_path / "card.html"), "Tokens by split")[1]
    assert row[1] == "900 to 1,500 tokens (estimate)"
    assert row[2].startswith("mean 12.5, median 12")
    assert row[3] == "–"


def test_empty_folders_give_a_card_that_says_so(tmp_path: Path) -> None:
    write_data_card(tmp_path / "a", tmp_path / "b", tmp_path / "card.html")
    page = read(tmp_path / "card.html")
    assert next(page.all("p", "headline")).text == "There are no rendered rows to describe."
    assert "There is no tally in these folders." in page.text
