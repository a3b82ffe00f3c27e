"""The data card shows the clusters of near-duplicates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runner.report import write_data_card
from tests.report.test_card import table
from tests.report.tree import read

HOSTILE = "<script>alert(1)</script>\u202e"


def row(number: int, text: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"t{number}",
        "origin": {"file": "in/t.csv", "line": number},
        "text": text,
        **more,
    }


def write(folder: Path, clusters: list[dict[str, Any]], sizes: dict[str, int]) -> str:
    numbers = {
        "clusters": len(clusters),
        "rows": sum(int(size) * count for size, count in sizes.items()),
        "largest": 8,
        "sizes": sizes,
    }
    (folder / "summary.json").write_text(json.dumps({"near_clusters": numbers}))
    (folder / "clusters.jsonl").write_text("".join(json.dumps(one) + "\n" for one in clusters))
    write_data_card(folder, folder / "nothing", folder / "card.html")
    return (folder / "card.html").read_text()


def test_clusters_are_shown_with_what_stays_and_how_similar_the_others_are(tmp_path: Path) -> None:
    less = row(4, HOSTILE, similarity=0.81234)
    small = {"kept": row(2, "kept text"), "members": [row(3, "like it", similarity=0.9), less]}
    large = {"kept": row(9, "a"), "members": [row(n, "b", similarity=1.0) for n in range(10, 17)]}
    source = write(tmp_path, [large, small], {"3": 1, "8": 1})
    page = read(tmp_path / "card.html")
    assert table(page, "8 rows, 1 not shown")[1] == ["t9 t.csv:9", "stays", "a"]
    assert len(table(page, "8 rows, 1 not shown")) == 8
    rows = table(page, "3 rows")
    assert rows[2] == ["t3 t.csv:3", "0.90", "like it"]
    assert rows[3][1] == "0.81"
    assert "<script>alert" not in source
    assert "\u202e" not in source
    assert "11 rows in 2 clusters of near-duplicates" in source
    assert "rows a cluster: 1 of 3, 1 of 8" in source


def test_what_stays_elsewhere_and_another_target_are_said(tmp_path: Path) -> None:
    members = [
        row(3, "b", similarity=0.9, target="yes"),
        row(4, "c", similarity=0.8, target="no", stays="validation"),
        row(5, "d", similarity=0.8, target="no", stays="train"),
    ]
    write(
        tmp_path, [{"kept": row(2, "a", target="yes", stays="test"), "members": members}], {"4": 1}
    )
    rows = table(read(tmp_path / "card.html"), "4 rows")
    assert [cells[1] for cells in rows[1:]] == [
        "stays in test",
        "0.90",
        "0.80, another target, stays in validation",
        "0.80, another target, stays",
    ]


def test_without_clusters_nothing_is_said(tmp_path: Path) -> None:
    assert "Clusters of near-duplicates" not in write(tmp_path, [], {})
