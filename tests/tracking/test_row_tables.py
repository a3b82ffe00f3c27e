"""The rows that arms fix and break, as MLflow shows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runner.records import read_rows
from runner.records.experiments import ExperimentResult
from runner.tracking.row_tables import rows_sentence, rows_table
from runner.verdict.row_lists import with_row_lists
from tests.evaluation.make import suite
from tests.tracking.conftest import artifacts, client, runs, sync


def test_an_arms_run_and_the_parent_have_them(
    home: Path, result: ExperimentResult, tmp_path: Path
) -> None:
    bare = json.dumps(result.model_dump(mode="json"))
    result = with_row_lists(result, suite("exact_match"), 1, tmp_path / "report")
    sync(home, result)
    found = runs(home)
    for changes in result.row_changes:
        arm, against = result.arm(changes.arm), result.arm(changes.against)
        table = _table(home, found[arm.name], "eval/changed_rows.json")
        kinds = [row["change"] for row in table]
        counts = (changes.regressed, changes.fixed, changes.unchanged)
        assert kinds == [
            kind
            for kind, count in zip(("regressed", "fixed", "unchanged"), counts, strict=True)
            for _ in range(count)
        ]
        then, now = (
            {row.id: row for row in read_rows(Path(each.predictions["test"]))}
            for each in (against, arm)
        )
        for row in table:
            before, after = then[row["id"]], now[row["id"]]
            assert row["before"] == before.scores["exact_match"]
            assert row["after"] == after.scores["exact_match"]
            texts = (before.text, after.text, before.prompt)
            shown = tuple(row[name] for name in ("answer before", "answer after", "prompt"))
            assert shown == (("", "", "") if row["change"] == "unchanged" else texts)
        note = found[arm.name].data.tags["mlflow.note.content"]
        assert rows_sentence(result, arm.digest) in note
        assert f"{changes.fixed} are fixed and {changes.regressed} regressed by exact_m" in note
    parent = next(run for run in found.values() if run.data.tags["run.kind"] == "sweep")
    leading = result.arm(result.leading)
    same = _table(home, found[leading.name], "eval/changed_rows.json")
    assert _table(home, parent, "changed_rows.json") == same
    every = _table(home, parent, "row_changes.json")
    pairs = [*result.row_changes, *result.row_rivals]
    assert [(row["fixed"], row["p"]) for row in every] == [(c.fixed, c.p) for c in pairs]
    assert [row["against"] for row in every] == [result.arm(c.against).name for c in pairs]
    # A result from before there were rows gets no table; one whose lists are gone neither.
    assert rows_table(ExperimentResult.model_validate_json(bare), leading.digest) is None
    Path(next(c.file for c in result.row_changes if c.arm == leading.digest)).unlink()
    assert rows_table(result, leading.digest) is None
    untuned = next(arm for arm in result.arms if arm.kind != "tuned")
    assert "eval/changed_rows.json" not in artifacts(home, found[untuned.name])


def _table(home: Path, run: Any, path: str) -> list[dict[str, Any]]:
    raw = json.loads(Path(client(home).download_artifacts(run.info.run_id, path)).read_text())
    return [dict(zip(raw["columns"], row, strict=True)) for row in raw["data"]]
