"""Findings in the scores of a tuned arm: what they are worth, and whether to believe them."""

from __future__ import annotations

import math
from statistics import fmean, stdev

from runner.base.text import plural
from runner.config.diagnosis import (
    BaseKnows,
    CostHigh,
    LeakSuspicious,
    MetricsDisagree,
    SliceLags,
    SmallGain,
    ValidationUnlikeTest,
)
from runner.diagnosis.compared import SHOWN, Compared, error, primary
from runner.diagnosis.outcome import Clear, Outcome, Unseen, percent, sure
from runner.records import ScoredRow
from runner.records.findings import Finding
from runner.records.results import Score

NO_TEST = "the arm has no score on test"
NO_BAR = "there is no untuned arm on the same rows"
NO_BOUNDS = "the metric has no bounds, so that no difference is large or small"


def small_gain(compared: Compared, limits: SmallGain) -> Outcome:
    """Better than the bar beyond luck, and by so little that a prompt is the cheaper model."""
    found = compared.difference
    if found is None:
        return Unseen(NO_BAR)
    if compared.margin is None and math.isnan(compared.width):
        return Unseen(f"{NO_BOUNDS}; say in suite.margin what matters")
    least = compared.margin if compared.margin is not None else limits.gain * compared.width
    if not found.clear or not 0 < found.gain < least:
        return Clear()
    top = found.scale.gain(found.high if found.scale.higher_is_better else found.low)
    return Finding(
        id="small_gain",
        severity="warning",
        confidence=sure((top < least, 0.8)),
        title="The gain is too small to matter",
        evidence=(
            f"{found.metric} is {compared.signed(found.value)} "
            f"[{compared.signed(found.low)}, {compared.signed(found.high)}] against the best "
            f"untuned arm; {least:g} would matter"
        ),
        cause="the untuned model does nearly as well, or the rows teach what it knows",
        advice="Keep the untuned model with its prompt, or tune on rows that it gets wrong.",
        numbers={"gain": found.gain, "least": least},
    )


def validation_unlike_test(compared: Compared, limits: ValidationUnlikeTest) -> Outcome:
    """The score that chose the checkpoint and the score on test are further apart than rows drawn
    alike would make them."""
    validation, test = primary(compared.arm.validation, compared.primary), compared.test
    if validation is None or test is None:
        return Unseen("the arm has no score on validation and test")
    apart, spread = validation.value - test.value, math.hypot(error(validation), error(test))
    if not abs(apart) >= limits.least * compared.width or not abs(apart) > limits.errors * spread:
        return Clear() if not math.isnan(compared.width) else Unseen(NO_BOUNDS)
    few = min(validation.n, test.n)
    return Finding(
        id="validation_unlike_test",
        severity="warning",
        confidence=sure((abs(apart) > 2 * limits.errors * spread, 0.6), (few >= 100, 0.3)),
        title="Validation does not stand for test",
        evidence=(
            f"{compared.primary} is {compared.text(validation.value)} on {validation.n} validation "
            f"rows and {compared.text(test.value)} on {test.n} test rows: "
            f"{abs(apart) / spread:.1f} standard errors apart; "
            f"{len(compared.arm.checkpoints) or 1} checkpoints were chosen among"
        ),
        cause="the two splits hold other kinds of rows"
        + (", or so few rows chose that luck was chosen" if validation.n < 100 else ""),
        advice="Draw both splits from one pool, grouped and stratified alike, and look at the "
        "slices.",
        numbers={"validation": validation.value, "test": test.value, "errors": apart / spread},
    )


def slice_lags(compared: Compared, limits: SliceLags) -> Outcome:
    """The slice that is furthest behind, or that tuning made worse."""
    if compared.arm.test is None or compared.test is None:
        return Unseen(NO_TEST)
    slices = compared.arm.test.slices
    if not slices:
        return Unseen("the rows have no slices; see source.slices")
    if math.isnan(compared.width):
        return Unseen(NO_BOUNDS)
    untuned = compared.bar.test.slices if compared.bar and compared.bar.test else {}
    found: list[tuple[float, str, bool, str]] = []
    for label, scores in slices.items():
        own = scores.get(compared.primary)
        if own is None or own.n < limits.rows or not math.isfinite(own.value):
            continue
        before = untuned.get(label, {}).get(compared.primary)
        if before is not None and math.isfinite(before.value):
            loss = compared.scale.gain(before.value - own.value)
            if loss > limits.errors * math.hypot(error(own), error(before)):
                said = f"{compared.text(before.value)} untuned, {compared.text(own.value)} tuned"
                found.append((1 + loss, label, True, said))
        rest, spread = _rest(compared, label, compared.test)
        behind = compared.scale.gain(rest - own.value)
        spread = math.hypot(error(own), spread)
        if behind >= limits.behind * compared.width and behind > limits.errors * spread:
            said = f"{compared.text(own.value)} against {compared.text(rest)} elsewhere"
            found.append((behind / compared.width, label, False, said))
    if not found:
        return Clear()
    found.sort(reverse=True)
    _, label, lost, _ = found[0]
    wrong = [row.id for row in _of(compared, label) if _wrong(row, compared)]
    listed = "; ".join(
        f"{name}: {said} ({slices[name][compared.primary].n} rows)"
        for _, name, _, said in found[:3]
    )
    return Finding(
        id="slice_lags",
        severity="severe" if lost else "warning",
        confidence=sure((len(found) > 1, 0.2), (lost, 0.3), base=0.7),
        title=f"{label} {'got worse' if lost else 'lags behind'}",
        evidence=f"{compared.primary} by slice: {listed}",
        cause="too few training rows like these, or rows that contradict them",
        advice=f"Add training rows with {label}, or look at those that are wrong first.",
        numbers={name: slices[name][compared.primary].value for _, name, _, _ in found},
        rows=wrong[:SHOWN],
    )


def _rest(compared: Compared, label: str, test: Score) -> tuple[float, float]:
    """Mean and standard error of the rows outside a slice; the score of all rows, without an error
    of its own, where rows have none."""
    name, _, value = label.partition("=")
    values = [
        row.scores[compared.primary]
        for row in compared.rows
        if row.slices.get(name) != value and compared.primary in row.scores
    ]
    if len(values) < 2:
        return test.value, 0.0
    return fmean(values), stdev(values) / math.sqrt(len(values))


def _of(compared: Compared, label: str) -> list[ScoredRow]:
    name, _, value = label.partition("=")
    return [row for row in compared.rows if row.slices.get(name) == value]


def _wrong(row: ScoredRow, compared: Compared) -> bool:
    value = row.scores.get(compared.primary)
    return value is not None and compared.way(value) < 0.5


def leak_suspicious(compared: Compared, limits: LeakSuspicious) -> Outcome:
    """Test rows that stand in the training rows, or a score too good to be true."""
    test, validation = compared.test, primary(compared.arm.validation, compared.primary)
    if test is None:
        return Unseen(NO_TEST)
    shared: list[str] = []
    if compared.train is not None:
        known = compared.train.prompts
        shared = [row for row, prompt in compared.test_prompts.items() if prompt in known]
    share = len(shared) / len(compared.test_prompts) if compared.test_prompts else 0.0
    said = []
    if share > limits.shared_rows:
        said.append(
            f"{plural(len(shared), 'test prompt')} ({percent(share)}) also among the training rows"
        )
    way = compared.way(test.value)
    kinds = len({row.target for row in compared.rows})
    if way >= limits.near_perfect and kinds > len(compared.rows) / 2:
        said.append(
            f"{compared.primary} is {compared.text(test.value)} on answers that are nearly all "
            "different"
        )
    if validation is not None:
        ahead = compared.scale.gain(test.value - validation.value)
        spread = math.hypot(error(validation), error(test))
        if ahead > limits.test_over_validation * compared.width and ahead > limits.errors * spread:
            said.append(f"test is {compared.signed(ahead)} better than validation, which chose")
    if not said:
        return Clear() if compared.train is not None else Unseen("the training rows are gone")
    return Finding(
        id="leak_suspicious",
        severity="severe"
        if share > 5 * limits.shared_rows
        else "warning"
        if share > limits.shared_rows
        else "note",
        confidence=sure((share > limits.shared_rows, 0.9), (len(said) > 1, 0.4), base=0.3),
        title="Test rows may be known from training"
        if share <= limits.shared_rows
        else "Test rows stand in the training rows",
        evidence="; ".join(said),
        cause="rows of test, or near-duplicates of them, among the training rows",
        advice="Search for near-duplicates between the splits before believing the score.",
        override="prepare/leakage=firewall",
        numbers={"shared": share, "score": test.value},
        rows=shared[:SHOWN],
    )


def metrics_disagree(compared: Compared, limits: MetricsDisagree) -> Outcome:
    """The primary score is better than the bar's, and another one of the suite clearly worse. A
    judge's score is one of the suite's."""
    test, bar = compared.arm.test, compared.bar.test if compared.bar else None
    ours, theirs = compared.test, primary(bar, compared.primary)
    if test is None or ours is None:
        return Unseen(NO_TEST)
    if bar is None or theirs is None:
        return Unseen(NO_BAR)
    others = sorted(set(test.overall) & set(bar.overall) - {compared.primary})
    if not others:
        return Unseen("the suite has one score only: no judge and no second metric to ask")
    sign = compared.scale.gain(ours.value - theirs.value)
    apart = []
    for name in others:
        own, other = test.overall[name], bar.overall[name]
        gain = own.scale.gain(own.value - other.value)
        spread = math.hypot(error(own), error(other))
        if gain * sign < 0 and abs(gain) > limits.errors * spread > 0:
            apart.append(f"{name} went from {other.value:.3g} to {own.value:.3g}")
    if not apart:
        return Clear()
    way = "better" if sign > 0 else "worse"
    return Finding(
        id="metrics_disagree",
        severity="warning",
        confidence=sure((len(apart) > 1, 0.4), base=0.7),
        title="Metrics disagree",
        evidence=(
            f"{compared.primary} is {way} than the best untuned arm's ("
            f"{compared.text(theirs.value)} to {compared.text(ours.value)}), but {'; '.join(apart)}"
        ),
        cause="one of the metrics does not measure what is wanted, or answers traded one for the "
        "other",
        advice="Read answers on which they disagree, and choose as primary what readers agree "
        "with.",
        numbers={name: test.overall[name].value for name in others},
    )


def cost_high(compared: Compared, limits: CostHigh) -> Outcome:
    """Money for each hundredth of the scale that was gained over the bar."""
    if compared.usd is None:
        return Unseen("nothing has a price here")
    if compared.difference is None or math.isnan(compared.width):
        return Unseen(NO_BAR if compared.difference is None else NO_BOUNDS)
    gain = 100 * compared.difference.gain / compared.width
    if compared.usd <= limits.usd_a_point * max(gain, 0.0) or compared.usd < limits.usd_a_point:
        return Clear()
    bought = f"{gain:+.1f} hundredths of the scale"
    return Finding(
        id="cost_high",
        severity="warning",
        confidence=sure((compared.difference.clear, 0.4), (gain <= 0, 0.4)),
        title="It cost more than it bought",
        evidence=f"{compared.usd:,.2f} US dollars for {bought} over the best untuned arm; "
        f"{limits.usd_a_point:g} dollars a hundredth is the limit",
        cause="more rows, passes or a larger model than this task takes",
        advice="Try fewer rows or a smaller model first, and set a budget.",
        override="budget=small",
        numbers={"usd": compared.usd, "gain": gain},
    )


def base_knows(compared: Compared, limits: BaseKnows) -> Outcome:
    """Nothing to learn: the untuned model is nearly perfect, or the targets surprise it hardly."""
    bar = primary(compared.bar.test if compared.bar else None, compared.primary)
    if bar is None and compared.first_loss is None:
        return Unseen("there is neither an untuned score nor a first training loss")
    way = compared.way(bar.value) if bar else math.nan
    known = compared.first_loss is not None and compared.first_loss <= limits.first_loss
    if not way >= limits.score and not known:
        return Clear()
    said = []
    if bar and way >= limits.score:
        said.append(f"the best untuned arm has {compared.primary} {compared.text(bar.value)}")
    if known:
        said.append(f"the first training loss is {compared.first_loss:.2g}")
    return Finding(
        id="base_knows",
        severity="warning",
        confidence=sure((way >= limits.score, 0.7), (known, 0.5), base=0.3),
        title="The untuned model does this already",
        evidence="; ".join(said),
        cause="an easy task, or rows that the model itself has written",
        advice="Ship the prompt, or evaluate and tune on harder rows.",
        numbers={} if math.isnan(way) else {"untuned": way},
    )
