"""Big experiments stay a page that opens: what is not shown is counted."""

from __future__ import annotations

import json
from pathlib import Path

from runner.records.experiments import ExperimentResult
from runner.report import write_report
from tests.report.tree import read


def test_a_hundred_arms_and_ten_thousand_rows_stay_below_three_megabytes(
    result: ExperimentResult, tmp_path: Path
) -> None:
    long = tmp_path / "rows.jsonl"
    with long.open("w", encoding="utf-8") as out:
        for number in range(10_000):
            row = {
                "id": f"r{number}",
                "prompt": "p" * 5000,
                "target": "t" * 2000,
                "text": "a" * 2000,
            }
            row |= {"error": "", "finish": "stop", "slices": {}, "scores": {"exact_match": 0.0}}
            out.write(json.dumps(row) + "\n")
    tuned = [arm for arm in result.arms if arm.kind == "tuned" and arm.status == "done"]
    many = [
        tuned[number % 3].model_copy(
            update={
                "digest": f"{number:024}",
                "name": f"arm {number}",
                "predictions": {"test": str(long)},
                "artifacts": result.arms[0].artifacts,
            }
        )
        for number in range(100)
    ]
    arms = [*result.arms[:2], *many]
    big = result.model_copy(update={"arms": arms, "differences": [], "verdict": None})
    write_report(big, tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 3_000_000
    text = " ".join(read(tmp_path / "report.html").text.split())
    assert "The best 40 of 102 arms are drawn" in text
    assert "12 of 100 tuned arms are drawn" in text
    assert "60 of 10,080 test rows" in text
    assert "6 of 102 scored arms are shown" in text
    assert text.count("arm 99") >= 2
