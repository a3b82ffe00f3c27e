"""What stands at the top of a run's page, as Markdown."""

from __future__ import annotations

import math

from runner.plural import plural
from runner.results import ArmResult, ExperimentResult, Score
from runner.tracking.facts import Places
from runner.tracking.links import run_page, view_page
from runner.tracking.measures import baseline_difference
from runner.tracking.names import MAX_TAG

MAX_ERROR = 3000


def arm_note(result: ExperimentResult, arm: ArmResult, places: Places) -> str:
    """The arm's story: what it is, what it scored, against what, or why it failed."""
    parts = [_what(arm)]
    if arm.status in ("failed", "incomplete"):
        parts.append(_failure(arm))
    elif arm.status != "done":
        parts.append("**Not finished.** Run the same command again to resume.")
    if arm.test and result.primary in arm.test.overall:
        score = arm.test.overall[result.primary]
        parts.append(
            f"**{result.primary} on test: {interval(score)}** over {plural(score.n, 'row')}"
            f"{lost(arm)}."
        )
    if line := _difference(result, arm):
        parts.append(line)
    if chosen := next((item for item in arm.checkpoints if item.id == arm.best), None):
        parts.append(
            f"Checkpoint {chosen.id} of {len(arm.checkpoints)} (epoch {chosen.epoch:g}, step "
            f"{chosen.step}) was chosen by {result.primary} on validation."
        )
    parts.append(_links(arm, places))
    return "\n\n".join(parts)[:MAX_TAG]


def interval(score: Score) -> str:
    """``0.812 (0.74 to 0.88)``, or the words for a score that is not defined."""
    if not math.isfinite(score.value):
        return "not defined"
    if not (math.isfinite(score.low) and math.isfinite(score.high)):
        return f"{score.value:.3f}"
    return f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})"


def lost(arm: ArmResult) -> str:
    """``, 4 % unanswered: cut 4 %``; empty when every test row was answered."""
    found = arm.test.why_unanswered() if arm.test else ""
    return f", {found}" if found else ""


def _what(arm: ArmResult) -> str:
    if arm.kind == "tuned":
        return f"Tuned {code(arm.model)} on {plural(arm.train_examples, 'example')}."
    said = plural(arm.shots, "worked example") if arm.shots else "no worked examples"
    return f"Untuned {code(arm.model)} with {said} in the prompt."


def _difference(result: ExperimentResult, arm: ArmResult) -> str:
    found = baseline_difference(result, arm)
    if found is None:
        return ""
    other = next((item.name for item in result.arms if item.digest == found.against), "")
    return (
        f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f}) {found.metric} over "
        f"{code(other)}, p = {found.p_holm:.3g} after Holm's correction, on "
        f"{plural(found.n, 'paired row')}."
    )


def _failure(arm: ArmResult) -> str:
    """The error in a fence longer than any it contains: error texts are not to be trusted."""
    error = arm.error if len(arm.error) <= MAX_ERROR else arm.error[:MAX_ERROR] + " ..."
    log = f"\n\nLog: {code(arm.log)}" if arm.log else ""
    state = "Failed" if arm.status == "failed" else "Incomplete: the same command goes on"
    return f"**{state}.**\n\n{fence(error)}{log}"


def fence(text: str) -> str:
    """`text` as a code block, whatever back-ticks it holds."""
    ticks = "```"
    while ticks in text:
        ticks += "`"
    return f"{ticks}\n{text}\n{ticks}"


def code(text: str) -> str:
    """`text` as inline code, on one line."""
    return "`" + " ".join(text.split()).replace("`", "'") + "`"


def _links(arm: ArmResult, places: Places) -> str:
    links = [
        ("Leaderboard", view_page(places.experiment, "leaderboard")),
        ("The whole experiment", run_page(places.experiment, places.parent)),
        ("Report", run_page(places.experiment, places.parent, "report.html")),
    ]
    own = places.arms.get(arm.digest, "")
    links += [
        (f"Answers on {split}", run_page(places.experiment, own, f"eval/{split}.json"))
        for split in sorted(arm.predictions)
        if own
    ]
    return " · ".join(f"[{text}]({page})" for text, page in links)
