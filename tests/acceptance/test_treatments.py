"""Data treatments as a sweep: one frozen evaluation set, and a report of what each one bought."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.acceptance.tiny import sft, write
from tests.report.tree import Element, read

SWEEP = """
skew:
  kind: file
  production: served.jsonl
sweep:
  grid:
    prepare/dedup: [exact, fuzzy]
    prepare/augment: [none, noise]
"""


def experiment(folder: Path, tracking: str) -> Path:
    """The tiny experiment with evaluation files of its own, near-duplicates and two axes."""
    yaml = write(folder, tracking, shots="[]")
    text = yaml.read_text()
    yaml.write_text(
        text[: text.index("sweep:")].replace(
            "train: rows.csv", "train: train.csv\n  validation: validation.csv\n  test: test.csv"
        )
        + SWEEP.lstrip()
    )
    head, *rows = (folder / "rows.csv").read_text().splitlines()
    parts = {"validation": rows[::10], "test": [r for n, r in enumerate(rows) if n % 5 == 2]}
    kept = [row for row in rows if row not in parts["validation"] + parts["test"]]
    long = "the parcel with the number seven has not come to my house on time and I wait {}"
    kept += [f"{long.format(word)},delivery" for word in ("still", "now", "here")]
    for name, part in {**parts, "train": kept}.items():
        (folder / f"{name}.csv").write_text("\n".join([head, *part]) + "\n")
    with (folder / "rows.csv").open(newline="") as table:
        served = [json.dumps({"text": row["text"]}) for row in csv.DictReader(table)]
    (folder / "served.jsonl").write_text("\n".join(served) + "\n")
    return yaml


def test_treatments_share_their_evaluation_and_say_what_they_bought(tmp_path: Path) -> None:
    yaml = experiment(tmp_path, "mlflow")
    said = sft(tmp_path, "run", str(yaml), "--json")
    assert said.returncode == 0, said.stderr
    result = json.loads(said.stdout)
    tuned = [arm for arm in result["arms"] if arm["kind"] == "tuned"]
    assert len(tuned) == 4
    renders = {arm["artifacts"]["render"] for arm in tuned}
    assert len(renders) == 4
    for split in ("validation", "test"):
        assert len({(Path(folder) / f"{split}.jsonl").read_bytes() for folder in renders}) == 1
    assert len({(Path(folder) / "train.jsonl").read_bytes() for folder in renders}) == 4

    first = tuned[0]["digest"]
    assert {item["against"] for item in result["treatments"]} == {first}
    assert {item["arm"] for item in result["treatments"]} == {a["digest"] for a in tuned[1:]}
    (report,) = (tmp_path / "runs" / "reports").glob("*/report.html")
    page = read(report)
    (table,) = page.all("table", "bought")
    lines = [[cell.text.strip() for cell in row.children] for row in table.all("tr")][1:]
    by_arm = {line[0]: line[1:] for line in lines}
    assert lines[0][0] == tuned[0]["name"]
    assert lines[0][2:4] == ["nothing", "nothing"]
    for arm in tuned:
        rows, removed, added, _, gain = by_arm[arm["name"]]
        assert rows == str(arm["train_examples"])
        assert removed == ("2 × near-duplicate" if "fuzzy" in arm["name"] else "nothing")
        assert (added == "nothing") == ("noise" not in arm["name"])
        assert ("[" in gain) == (arm["digest"] != first)
    links = {link.attributes["href"] for link in page.all("a")}
    _beside(report, links, "skew_", 4)
    _tracked(tmp_path / "runs", page)


def _beside(report: Path, links: set[str | None], prefix: str, count: int) -> None:
    named = {path.name for path in report.parent.glob(f"{prefix}*.html")}
    assert len(named) == count
    assert {f"./{name}" for name in named} <= links


def _tracked(home: Path, page: Element) -> None:
    """Every page that the report links to is an artifact of the parent run."""
    pytest.importorskip("mlflow")
    kept = {path.name for path in (home / "mlflow").rglob("pages/*.html")}
    assert len([name for name in kept if name.startswith("skew_")]) == 4
    assert len([name for name in kept if name.startswith("data_card_")]) == 4
