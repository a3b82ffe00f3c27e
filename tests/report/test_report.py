"""The report page says what the result says, in the order a reader needs it."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from runner.records import EDITS, POINTS
from runner.records.experiments import ExperimentResult, Verdict
from runner.records.results import ArmResult, Score
from runner.report import write_report
from runner.report.row_changes import marked
from runner.report.terminal import plain_leaderboard
from tests.report.tree import Element, read

SECTIONS = ["Verdict", "What to do next", "Arms", "Curves", "Checkpoints", "Slices", "Scores"]
SECTIONS += ["Rows fixed and regressed", "Sample predictions", "Data", "Cost", "Run it again"]

VALIDATION, TEST, GAIN, P = 4, 1, 2, 3
"""Columns of the arms table."""


def written(result: ExperimentResult, folder: Path) -> Element:
    write_report(result, folder / "page.html")
    return read(folder / "page.html")


def arm_rows(page: Element) -> dict[str, list[Element]]:
    """Cells of the arms table by arm name."""
    table = next(page.all("table", "arms"))
    found = {}
    for body in table.all("tbody"):
        cells = next(body.all("tr")).children
        found[cells[0].attributes["data-value"] or ""] = cells
    return found


def headings(page: Element) -> list[str]:
    return [heading.text for heading in page.all("h2")]


def test_the_verdict_comes_first_and_sections_follow_in_order(
    page: Path, result: ExperimentResult
) -> None:
    root = read(page)
    assert headings(root) == SECTIONS
    assert result.verdict
    assert next(root.all("p", "headline")).text == result.verdict.headline
    assert result.question in root.text
    assert "The test split chose nothing" in root.text
    assert all(reason in root.text for reason in result.verdict.reasons)


def test_every_number_of_the_arms_table_is_the_results(
    page: Path, result: ExperimentResult
) -> None:
    table = arm_rows(read(page))
    assert len(table) == len(result.arms)
    found = {item.arm: item for item in result.differences}
    for arm in result.arms:
        cells = table[arm.name]
        for column, scores in ((VALIDATION, arm.validation), (TEST, arm.test)):
            check_score(cells[column], scores.overall["exact_match"] if scores else None)
        difference = found.get(arm.digest)
        for column, value in (
            (GAIN, difference.value if difference else None),
            (P, difference.p_holm if difference else None),
        ):
            shown = cells[column].attributes["data-value"]
            assert shown == ("" if value is None else repr(value))
        if difference:
            assert cells[GAIN].text.startswith(f"{difference.value:+.3f}".replace("-", "−"))
        assert arm.status in cells[-1].text
        assert float(cells[-2].attributes["data-value"] or 0) == sum(arm.seconds.values())


def check_score(cell: Element, score: Score | None) -> None:
    if score is None:
        assert cell.attributes["data-value"] == ""
        assert cell.text == "–"
        return
    assert cell.attributes["data-value"] == repr(score.value)
    assert cell.text.startswith(f"{score.value:.3f}[{score.low:.3f}, {score.high:.3f}]")


def test_winner_baselines_and_failures_are_marked(page: Path, result: ExperimentResult) -> None:
    root = read(page)
    bodies = list(next(root.all("table", "arms")).all("tbody"))
    looks = {next(body.all("th")).attributes["data-value"]: body for body in bodies}
    assert result.verdict
    winner = looks[result.arm(result.verdict.winner).name]
    assert winner.attributes["class"] == "winner done"
    assert "winner" in next(winner.all("span", "badge")).text
    assert looks["3-shot"].attributes["class"] == "strongest done"
    assert looks["zero-shot"].attributes["class"] == "baseline done"
    broken = looks["240 rows · lr 40"]
    assert broken.attributes["class"] == "tuned failed"
    assert "the loss became nan at step 7" in broken.text
    assert broken.text.count("ffffffffffffffffffffffff.log") == 1


def test_pictures_have_words_and_curves_end_where_training_did(
    page: Path, result: ExperimentResult
) -> None:
    pictures = list(read(page).all("svg", "plot"))
    assert len(pictures) == 5
    about = pictures[0].attributes["aria-label"] or ""
    for arm in result.arms:
        if arm.tuning:
            losses = [p.value for p in arm.tuning.curves if p.name == "train_total_loss"]
            assert f"{arm.name} from {losses[0]:.3f} to {losses[-1]:.3f}" in about
    rings = list(pictures[1].all("circle", "ring"))
    assert len(rings) == 3
    assert all("chosen" in ring.text for ring in rings)


def test_samples_start_where_arms_disagree(page: Path) -> None:
    samples = list(read(page).all("article", "sample"))
    differ = ["data-differ" in sample.attributes for sample in samples]
    assert len(samples) == 60
    assert differ == sorted(differ, reverse=True)
    assert "60 of 80 test rows" in read(page).text
    marks = {mark.text for sample in samples for mark in sample.all("span", "mark")}
    assert marks == {"✓ right", "✗ wrong", "! error"}
    assert "differs in" in read(page).text
    assert "cut at the token limit" in read(page).text


def test_dropped_rows_are_linked_relative_to_the_page(page: Path) -> None:
    links = [a.attributes["href"] or "" for a in read(page).all("a")]
    dropped = [link for link in links if link.endswith("dropped.jsonl")]
    assert dropped
    assert all((page.parent / link).is_file() for link in dropped)


def test_a_data_card_beside_the_page_is_linked(result: ExperimentResult, tmp_path: Path) -> None:
    name = f"data_card_{Path(result.arms[0].artifacts['render']).name[:8]}.html"
    assert name not in [a.attributes["href"] for a in written(result, tmp_path).all("a")]
    (tmp_path / name).write_text("card")
    hrefs = [a.attributes["href"] for a in written(result, tmp_path).all("a")]
    assert f"./{name}" in hrefs


def test_labels_are_listed_hardest_first_for_the_winner(
    result: ExperimentResult, tmp_path: Path
) -> None:
    def table(f1: float) -> dict[str, Score]:
        values = {"f1": f1, "precision": 0.5, "recall": math.nan}
        return {k: Score(value=v, low=math.nan, high=math.nan, n=7) for k, v in values.items()}

    assert result.verdict
    tables = {"label=easy": table(0.9), "label=hard": table(0.1), "label=never said": table(0.4)}
    arms = [
        arm.model_copy(update={"test": arm.test.model_copy(update={"slices": tables})})
        if arm.test and arm.digest == result.verdict.winner
        else arm
        for arm in result.arms
    ]
    page = written(result.model_copy(update={"arms": arms}), tmp_path)
    (labels,) = (
        table
        for table in page.all("table")
        if next(table.all("caption")).text.startswith("F1 of each label")
    )
    rows = [[cell.text for cell in row.children] for row in labels.all("tr")][1:]
    assert [row[:3] for row in rows] == [
        ["hard", "7", "0.100.50 / –"],
        ["never said", "7", "0.400.50 / –"],
        ["easy", "7", "0.900.50 / –"],
    ]
    # A label's table is not taken for a slice of the rows.
    groups = [row.text for row in page.all("tr", "group")]
    assert not [name for name in groups if name.startswith("label=")]


def test_arms_that_share_their_data_share_its_table(
    result: ExperimentResult, tmp_path: Path
) -> None:
    made = result.arms[0].artifacts
    small = tmp_path / "small"
    small.mkdir()
    tally = {"step": "select", "split": "train", "in": 305, "kept": 80, "changed": {}}
    tally["dropped"] = {"not_selected": 225}
    (small / "tally.json").write_text(json.dumps([tally]))
    arms = [
        arm.model_copy(update={"artifacts": {**made, "render": str(small)}})
        if arm.train_examples == 80
        else arm
        for arm in result.arms
    ]
    page = written(result.model_copy(update={"arms": arms}), tmp_path)
    captions = [caption.text for caption in page.all("caption")]
    assert sum("318 rows in" in caption for caption in captions) == 1
    (table,) = (
        table
        for table in page.all("table")
        if next(table.all("caption")).text == "What the arms were given of it"
    )
    rows = [[cell.text for cell in row.children] for row in table.all("tr")][1:]
    assert ["80 rows · lr 1", "80", "–", "–", "225 × not selected "] in [row[:5] for row in rows]
    assert len(rows) == 2


def test_every_arms_config_and_the_command_are_there(page: Path, result: ExperimentResult) -> None:
    root = read(page)
    text = root.text
    assert result.command in [pre.text for pre in root.all("pre", "command")]
    assert text.count("learning_rate_multiplier:") == len(result.arms)
    for name, version in result.versions.items():
        assert version in text, name


# --- missing pieces -----------------------------------------------------------------------


def test_no_arms_at_all(tmp_path: Path) -> None:
    page = written(ExperimentResult(name="empty", digest="0"), tmp_path)
    assert headings(page) == [name for name in SECTIONS if name != "Rows fixed and regressed"]
    assert "The experiment has no arms." in page.text
    assert "No arm has a test score yet." in page.text


def test_arms_that_have_not_run(result: ExperimentResult, tmp_path: Path) -> None:
    arms = [
        ArmResult(digest=arm.digest, name=arm.name, kind=arm.kind, shots=arm.shots)
        for arm in result.arms
    ]
    started = result.model_copy(
        update={"arms": arms, "differences": [], "verdict": None, "ended_ms": 0}
    )
    page = written(started, tmp_path)
    assert "Not finished: 0 of 6 arms done, so no verdict yet." in page.text
    for sentence in (
        "No arm recorded a training curve.",
        "No checkpoint was scored on validation.",
        "There are no predictions on test to show.",
        "No arm came as far as preparing its data.",
        "No stage has run yet.",
    ):
        assert sentence in page.text


def test_only_baselines_are_done(result: ExperimentResult, tmp_path: Path) -> None:
    verdict = Verdict(headline="No tuned arm finished; the best untuned arm is 3-shot.")
    arms = [arm for arm in result.arms if arm.kind != "tuned" or arm.status == "failed"]
    changed = {"arms": arms, "differences": [], "verdict": verdict}
    page = written(result.model_copy(update=changed), tmp_path)
    assert "No tuned arm finished" in page.text
    assert len(list(next(page.all("table", "forest")).all("circle"))) > 0
    assert "No arm recorded a training curve." in page.text
    assert "verdict none" in {s.attributes.get("class") for s in page.all("section")}


def test_all_arms_failed(result: ExperimentResult, tmp_path: Path) -> None:
    arms = [
        ArmResult(
            digest=arm.digest, name=arm.name, kind=arm.kind, status="failed", error="no weights"
        )
        for arm in result.arms
    ]
    verdict = Verdict(headline="No arm finished, so there is no verdict.")
    changed = {"arms": arms, "differences": [], "verdict": verdict}
    page = written(result.model_copy(update=changed), tmp_path)
    assert page.text.count("no weights") == 6
    assert "No arm has a test score yet." in page.text


def test_a_score_that_is_not_defined_is_a_dash(result: ExperimentResult, tmp_path: Path) -> None:
    nan = Score(value=math.nan, low=math.nan, high=math.nan, n=0)
    arms = [blank(arm, nan) for arm in result.arms]
    changed = {"arms": arms, "differences": [], "verdict": None}
    page = written(result.model_copy(update=changed), tmp_path)
    shown = {cells[TEST].text for cells in arm_rows(page).values()}
    assert all(re.fullmatch(r"–(\d+ % unanswered: .*)?", text) for text in shown)
    assert "nan" not in " ".join(str(v) for svg in page.all("svg") for v in svg.attributes.values())
    assert "exact_match is not defined for any checkpoint on validation." in page.text


def blank(arm: ArmResult, score: Score) -> ArmResult:
    """The arm with its primary score undefined everywhere."""

    def emptied(scores):  # type: ignore[no-untyped-def]
        slices = {name: {**table, "exact_match": score} for name, table in scores.slices.items()}
        return scores.model_copy(
            update={"overall": {**scores.overall, "exact_match": score}, "slices": slices}
        )

    return arm.model_copy(
        update={
            "test": emptied(arm.test) if arm.test else None,
            "validation": emptied(arm.validation) if arm.validation else None,
            "checkpoints": [
                item.model_copy(update={"validation": emptied(item.validation)})
                for item in arm.checkpoints
            ],
        }
    )


def test_no_slices_and_no_validation(result: ExperimentResult, tmp_path: Path) -> None:
    arms = [
        arm.model_copy(
            update={
                "test": arm.test.model_copy(update={"slices": {}}) if arm.test else None,
                "validation": None,
                "checkpoints": [],
            }
        )
        for arm in result.arms
    ]
    page = written(result.model_copy(update={"arms": arms}), tmp_path)
    assert "The test rows have no slice labels" in page.text
    assert "The test split chose nothing" not in page.text
    assert "No checkpoint was scored on validation." in page.text


def test_a_diverged_curve_says_so(result: ExperimentResult, tmp_path: Path) -> None:
    def diverged(arm: ArmResult) -> ArmResult:
        if not arm.tuning:
            return arm
        points = [point for point in arm.tuning.curves if point.name == "train_total_loss"]
        broken = tuple(type(p)(p.name, p.step, math.nan, p.time_ms) for p in points)
        raw = {name: getattr(arm.tuning, name) for name in type(arm.tuning).__dataclass_fields__}
        return arm.model_copy(update={"tuning": type(arm.tuning)(**{**raw, "curves": broken})})

    arms = [diverged(arm) for arm in result.arms]
    page = written(result.model_copy(update={"arms": arms}), tmp_path)
    assert "No value of this curve is a number: the loss diverged." in page.text
    assert "Not recorded." in page.text


def test_files_that_are_gone_are_named(result: ExperimentResult, tmp_path: Path) -> None:
    arms = [
        arm.model_copy(
            update={"predictions": {"test": "gone.jsonl"}, "artifacts": {"prepare": "gone"}}
        )
        for arm in result.arms
    ]
    page = written(result.model_copy(update={"arms": arms}), tmp_path)
    assert "The prediction files of these arms are not there any more" in page.text
    assert "The artifact folders of these arms are not there any more" in page.text


@pytest.mark.parametrize("primary", ["bleu", "ter"])
def test_scores_up_to_a_hundred_get_one_decimal(
    result: ExperimentResult, tmp_path: Path, primary: str
) -> None:
    def scaled(arm: ArmResult, value: float) -> ArmResult:
        scale = EDITS if primary == "ter" else POINTS
        score = Score(value=value, low=value - 2, high=value + 2, n=80, scale=scale)
        test = arm.test and arm.test.model_copy(update={"overall": {primary: score}})
        return arm.model_copy(update={"test": test, "validation": None, "checkpoints": []})

    arms = [scaled(arm, 20.0 + 10 * index) for index, arm in enumerate(result.arms)]
    changed = {"arms": arms, "primary": primary, "differences": [], "verdict": None}
    page = written(result.model_copy(update=changed), tmp_path)
    shown = [cells[TEST].text for cells in arm_rows(page).values()]
    values = [text.split("[")[0] for text in shown if text != "–"]
    assert sorted(values) == ["20.0", "30.0", "40.0", "50.0", "60.0"]
    # TER counts errors: there the best arm is the one with the fewest.
    assert values[0] == ("20.0" if primary == "ter" else "60.0")
    assert shown[-1] == "–"


def test_a_page_is_never_seen_half_written(result: ExperimentResult, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "report.html"
    write_report(result, out)
    write_report(result, out)
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]


def test_scores_say_how_their_intervals_were_made(result: ExperimentResult, tmp_path: Path) -> None:
    """The page in a title, the terminal below the table; scores of old ledgers say nothing."""
    primary = result.primary

    def told(arm: ArmResult) -> ArmResult:
        if arm.test is None or primary not in arm.test.overall:
            return arm
        found = {"method": "Wilson, effective rows", "groups": 12}
        score = arm.test.overall[primary].model_copy(update=found)
        overall = {**arm.test.overall, primary: score}
        return arm.model_copy(update={"test": arm.test.model_copy(update={"overall": overall})})

    grouped = result.model_copy(update={"arms": [told(arm) for arm in result.arms]})
    folder = tmp_path / "grouped"
    folder.mkdir()
    write_report(grouped, folder / "page.html")
    page = (folder / "page.html").read_text()
    assert "in 12 groups; interval: Wilson, effective rows" in page
    shown = plain_leaderboard(grouped)
    assert "Wilson, effective rows; by group, 12 groups" in " ".join(shown.split())
    old = grouped.arms[0].model_dump(mode="json")
    for scores in (old["test"], old["validation"]):
        for score in (scores or {"overall": {}})["overall"].values():
            del score["method"], score["groups"]
    assert ArmResult.model_validate(old).digest == old["digest"]


def test_rows_fixed_and_regressed_are_counted_and_the_first_are_shown(
    page: Path, result: ExperimentResult
) -> None:
    root = read(page)
    table, rivals = root.all("table", "changes")
    cells = [[cell.text for cell in row.all("td", "number")] for row in table.all("tr")][1:]
    counts = [[fixed, regressed, unchanged] for fixed, regressed, _, unchanged in cells]
    by_gain = sorted(result.row_changes, key=lambda item: -(item.fixed - item.regressed))
    assert counts == [[str(c.fixed), str(c.regressed), str(c.unchanged)] for c in by_gain]
    main = next(item for item in result.row_changes if item.arm == result.leading)
    shown = [row.attributes["data-kind"] for row in root.all("article", "changed")]
    assert shown == ["regressed"] * main.regressed + ["fixed"] * 40 + ["unchanged"] * 10
    assert f"40 of {main.fixed} fixed" in root.text
    links = {a.attributes["href"] for a in root.all("a")}
    assert f"./rows/{main.arm[:12]}-{main.against[:12]}.jsonl" in links
    assert f"./rows/{main.arm[:12]}-{main.against[:12]}.json" in links
    # The winner against all others but the untuned one it is held against.
    others = {arm.digest for arm in result.arms if arm.test} - {main.arm, main.against}
    assert {item.against for item in result.row_rivals} == others
    named = [row.children[0].text.strip() for row in list(rivals.all("tr"))[1:]]
    assert named == [result.arm(item.against).name for item in result.row_rivals]


def test_changed_rows_that_are_gone_or_damaged_are_said_to_be(
    result: ExperimentResult, tmp_path: Path
) -> None:
    damaged = tmp_path / "x.jsonl"
    damaged.write_text('{"id": ')
    for table in (str(tmp_path / "gone"), str(damaged)):
        changes = [c.model_copy(update={"table": table, "file": ""}) for c in result.row_changes]
        root = written(result.model_copy(update={"row_changes": changes}), tmp_path)
        assert "cannot be shown: there are none, or their file is not there any more" in root.text
        assert not list(root.all("article", "changed"))


def test_only_what_differs_between_two_answers_is_marked() -> None:
    before, after = marked("It is <b>red</b> now", "It is <b>blue</b> now")
    assert before == "It is &lt;b&gt;<mark>red</mark>&lt;/b&gt; now"
    assert after == "It is &lt;b&gt;<mark>blue</mark>&lt;/b&gt; now"
    assert marked("東京です", "東京だ") == ("東京<mark>です</mark>", "東京<mark>だ</mark>")
    assert marked("yes", "a long story") == ("yes", "a long story")
