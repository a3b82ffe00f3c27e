"""The rows that an arm fixes and breaks, as an MLflow table and in a sentence."""

from __future__ import annotations

import math
from pathlib import Path

from runner.base.errors import SftError
from runner.records import read_rows
from runner.records.experiments import ExperimentResult
from runner.records.row_changes import RowChanges, RowLists
from runner.tracking.facts import TableArtifact

COLUMNS = ("id", "change", "before", "after", "answer before", "answer after", "target", "prompt")


def changes_of(result: ExperimentResult, digest: str) -> RowChanges | None:
    """What is known of the rows of this arm; None where it was not compared."""
    return next((item for item in result.row_changes if item.arm == digest), None)


def rows_table(result: ExperimentResult, digest: str) -> TableArtifact | None:
    """Every row with how it came out: regressed ones first, then fixed ones, both with their
    texts, then those that are unchanged, whose texts stand in the arm's own table. None where the
    lists or the answers are not there any more."""
    from runner.evaluation import changed_rows

    found = changes_of(result, digest)
    if found is None or not found.rows or not Path(found.file).is_file():
        return None
    files = [Path(result.arm(d).predictions.get("test", "")) for d in (found.against, found.arm)]
    if not all(file.is_file() for file in files):
        return None
    try:
        lists = RowLists.model_validate_json(Path(found.file).read_text(encoding="utf-8"))
        wanted = lists.changed() | dict.fromkeys(lists.unchanged, "unchanged")
        texts = [read_rows(file) for file in files]
        rows = {
            row.id: (row.id, row.change, _cell(row.before), _cell(row.after))
            + (
                ("", "", "", "")
                if row.change == "unchanged"
                else (row.answer_before, row.answer_after, row.target, row.prompt)
            )
            for row in changed_rows(texts[0], texts[1], wanted, found.metric)
        }
    except (ValueError, SftError):
        return None
    order = [*lists.regressed, *lists.fixed, *lists.unchanged]
    return TableArtifact(COLUMNS, tuple(rows[row] for row in order if row in rows))


def counts_table(result: ExperimentResult) -> TableArtifact | None:
    """Every comparison by rows in a line; None where there is none."""
    found = [*result.row_changes, *result.row_rivals]
    names = {arm.digest: arm.name for arm in result.arms}
    if not found:
        return None
    rows = (
        (
            *(names[c.arm], names[c.against], c.metric, c.fixed, c.regressed, c.unchanged),
            *(_cell(c.p), c.test, c.left_out, c.tolerance, c.note),
        )
        for c in found
    )
    counts = ("fixed", "regressed", "unchanged", "p", "test", "left out", "tolerance", "note")
    return TableArtifact(("arm", "against", "score", *counts), tuple(rows))


def _cell(score: float) -> float | None:
    return score if math.isfinite(score) else None


def rows_sentence(result: ExperimentResult, digest: str) -> str:
    """``Of 50 rows 30 are fixed and 0 regressed by exact_match ...``; empty where it was not
    compared."""
    found = changes_of(result, digest)
    if found is None:
        return ""
    if not found.rows:
        return found.note
    tests = f", p = {found.p:.3g} ({found.test})" if found.test else ""
    return (
        f"Of {found.basis} {found.fixed:,} are fixed and {found.regressed:,} regressed by "
        f"{found.metric}{tests}; {found.unchanged:,} are unchanged. {found.note}".strip()
    )
