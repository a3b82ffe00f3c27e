"""Findings in the answers of a tuned arm, and in the rows it learnt them from."""

from __future__ import annotations

from statistics import median

from runner.config.diagnosis import (
    AnswersCut,
    Check,
    LengthDrift,
    MemorisedDuplicates,
    OneClass,
    RareLabels,
    Regressions,
)
from runner.diagnosis.compared import SHOWN, Compared, answer, commonest
from runner.diagnosis.outcome import Clear, Outcome, Unseen, percent, sure
from runner.diagnosis.tuned import removes_near_duplicates, without_duplicates
from runner.records import ScoredRow
from runner.records.findings import Finding

NO_ROWS = "the answers are not there (any more)"
FEW_ROWS = "fewer than {} test rows were answered"
FEW_LABELS = 50
LEAST = 10
"""Answered rows below which nothing is said about all of them."""


def one_class(compared: Compared, limits: OneClass) -> Outcome:
    """One answer to everything."""
    rows = compared.answered
    if not rows:
        return Unseen(NO_ROWS)
    if len(rows) < LEAST:
        return Unseen(FEW_ROWS.format(LEAST))
    text, share = commonest([answer(row) for row in rows])
    _, right = commonest([row.target.strip() for row in rows])
    if share < limits.share or share - right < limits.over:
        return Clear()
    return Finding(
        id="one_class",
        severity="severe",
        confidence=sure((share > 0.97, 0.6), (len(rows) >= 50, 0.6)),
        title="Nearly all answers are the same",
        evidence=(
            f"{percent(share)} of {len(rows)} answers are {_short(text)!r}; no target is more than "
            f"{percent(right)} of the rows"
        ),
        cause="one label outweighs the training rows, or nothing was learnt and the commonest "
        "answer is the safest",
        advice="Balance the training rows by label, and read some as rendered.",
        override=_balanced(compared),
        numbers={"share": share, "targets": right},
        rows=[row.id for row in rows if answer(row) == text][:SHOWN],
    )


def _balanced(compared: Compared) -> str:
    """The override that tunes on as many rows of every label as the rarest one has; empty where
    that would leave too few, or targets are no labels."""
    targets = compared.train.targets if compared.train else {}
    size = len(targets) * min(targets.values(), default=0)
    if size < LEAST * len(targets) or not 1 < len(targets) <= FEW_LABELS:
        return ""
    return f"prepare/select=balanced prepare.select.size={size}"


def regressions(compared: Compared, limits: Regressions) -> Outcome:
    """Rows that the best untuned arm got right and the tuned one does not."""
    before = {row.id: row for row in compared.bar_rows}
    if not before or not compared.rows:
        return Unseen("there is no untuned arm on the same rows" if compared.rows else NO_ROWS)
    pairs = [(before[row.id], row) for row in compared.rows if row.id in before]
    right = [pair for pair in pairs if _way(pair[0], compared) > 0.999]
    if not right:
        return Unseen("the untuned arm got no row fully right, so none could be lost")
    lost = [row.id for was, row in right if _way(row, compared) < 0.5]
    share = len(lost) / len(right)
    if len(lost) < limits.rows or share < limits.share:
        return Clear()
    return Finding(
        id="regressions",
        severity="warning",
        confidence=sure((len(lost) > 3 * limits.rows, 0.5), (share > 2 * limits.share, 0.4)),
        title="Tuning lost rows that were right",
        evidence=f"{len(lost)} of {len(right)} rows ({percent(share)}) that the best untuned arm "
        "got right are wrong",
        cause="training rows that contradict what the model knew, or too high a rate or too many "
        "passes",
        advice="Read these rows beside the training rows nearest to them; a lower learning rate "
        "forgets less.",
        override="",
        numbers={"lost": float(len(lost)), "right": float(len(right))},
        rows=lost[:SHOWN],
    )


def _way(row: ScoredRow, compared: Compared) -> float:
    value = row.scores.get(compared.primary)
    if row.unanswered or value is None:
        return 0.0
    return compared.way(value)


def length_drift(compared: Compared, limits: LengthDrift) -> Outcome:
    """Answers that are longer or shorter than targets, or in another form."""
    rows = compared.answered
    if not rows:
        return Unseen(NO_ROWS)
    pairs = [(row.text.strip(), row.target.strip()) for row in rows if row.target.strip()]
    if len(pairs) < LEAST:
        return Unseen(FEW_ROWS.format(LEAST))
    long = median(len(text) for text, _ in pairs)
    due = median(len(target) for _, target in pairs)
    off = max(long / due, due / long) if long else float(due)
    other = sum(_form(text) != _form(target) for text, target in pairs) / len(pairs)
    said = []
    if off > limits.times:
        said.append(f"the median answer has {long:g} characters, the median target {due:g}")
    if other > limits.form:
        said.append(f"{percent(other)} of the answers are of another form than their target")
    if not said:
        return Clear()
    drifted = [
        row.id
        for row in rows
        if _form(row.text.strip()) != _form(row.target.strip())
        or len(row.text) > limits.times * len(row.target)
    ]
    return Finding(
        id="length_drift",
        severity="warning",
        confidence=sure((off > 2 * limits.times, 0.5), (other > 2 * limits.form, 0.5)),
        title="Answers have another length or form than the targets",
        evidence="; ".join(said),
        cause="training targets of another length or form, or too little training to have learnt "
        "where to stop",
        advice="Compare the targets of training and test, then train longer.",
        override="",
        numbers={"length": long, "target": due, "other_form": other},
        rows=drifted[:SHOWN],
    )


def _form(text: str) -> str:
    """JSON object, list, several lines, or one line of text."""
    if text[:1] in ("{", "["):
        return text[0]
    return "lines" if "\n" in text else "line"


def answers_cut(compared: Compared, limits: AnswersCut) -> Outcome:
    """Answers that end at the token limit, or go round in circles."""
    test = compared.arm.test
    if test is None or not test.rows:
        return Unseen("the arm has no score on test")
    counts = {cause: test.unanswered.get(cause, 0) for cause in ("cut", "looping")}
    share = sum(counts.values()) / test.rows
    if share < limits.share:
        return Clear()
    loops = counts["looping"] > counts["cut"]
    most = _at(compared.arm.config, "suite", "generation", "max_tokens")
    longer = f"suite.generation.max_tokens={2 * most}" if isinstance(most, int) else ""
    return Finding(
        id="answers_cut",
        severity="severe" if share > 4 * limits.share else "warning",
        confidence=sure((share > 2 * limits.share, 0.6), (test.rows >= 50, 0.4)),
        title="Answers go round in circles" if loops else "Answers are cut",
        evidence=f"of {test.rows} test answers {counts['cut']} end at the token limit and "
        f"{counts['looping']} repeat themselves ({percent(share)})",
        cause="too little training, or targets without an end, so that the model does not stop"
        if loops
        else "a token limit below the length of the answers, or a model that does not stop",
        advice="Train longer or with clean targets."
        if loops
        else "Raise the token limit; where targets fit into it, train longer.",
        override="" if loops else longer,
        numbers={"cut": float(counts["cut"]), "looping": float(counts["looping"]), "share": share},
        rows=[row.id for row in compared.rows if row.unanswered in ("cut", "looping")][:SHOWN],
    )


def _at(config: object, *keys: str) -> object:
    for key in keys:
        config = config.get(key) if isinstance(config, dict) else None
    return config


def rare_labels(compared: Compared, limits: RareLabels) -> Outcome:
    """Labels of test that training hardly has, and how they do."""
    train = compared.train
    if train is None or not train.rows:
        return Unseen("the training rows are gone")
    if len(train.targets) > min(limits.labels, train.rows / 2):
        return Unseen("the targets are no labels: too many of them are different")
    rare = {
        label
        for label in {row.target for row in compared.rows} | set(train.targets)
        if train.targets.get(label, 0) < limits.rows
    }
    if not rare:
        return Clear()
    named = ", ".join(
        f"{_short(label)!r} {train.targets.get(label, 0)}" for label in sorted(rare)[:5]
    )
    hit = [row for row in compared.rows if row.target in rare]
    wrong = [row.id for row in hit if _way(row, compared) < 0.5]
    missed = len(wrong) / len(hit) if hit else 0.0
    return Finding(
        id="rare_labels",
        severity="warning" if missed > 0.5 else "note",
        confidence=sure((missed > 0.5, 0.5), (len(hit) >= 10, 0.5)),
        title="Some labels have hardly any training rows",
        evidence=(
            f"{len(rare)} labels have fewer than {limits.rows} training rows ({named}); of "
            f"{len(hit)} test rows with them {len(wrong)} are wrong"
        ),
        cause="labels that are rare in the data",
        advice="Collect rows for these labels, or balance by label.",
        numbers={"labels": float(len(rare)), "rows": float(len(hit)), "wrong": float(len(wrong))},
        rows=wrong[:SHOWN],
    )


def repeated_rows(compared: Compared, limits: MemorisedDuplicates) -> Outcome:
    """The rows themselves, counted; what curves show of them is `rows.memorised_duplicates`."""
    train = compared.train
    if train is None or not train.rows:
        return Unseen("the training rows are gone")
    share = train.repeats / train.rows
    if share < limits.share:
        return Clear()
    return Finding(
        id="memorised_duplicates",
        severity="warning",
        confidence=0.95,
        title="Training rows repeat each other",
        evidence=f"{train.repeats} of {train.rows} tuned rows ({percent(share)}) stand in an "
        "earlier one word by word",
        cause="rows that were collected or joined several times",
        advice="Remove duplicates and tune again: they cost time and outweigh the other rows.",
        override=without_duplicates(removes_near_duplicates(compared.arm)),
        numbers={"repeats": float(train.repeats), "share": share},
    )


def prompts_differ(compared: Compared, limits: Check) -> Outcome:
    """What the comparison of tuning prompts with production's warned of."""
    if compared.skew is None:
        return Unseen("there is no sample of production prompts; see skew")
    if not compared.skew:
        return Clear()
    return Finding(
        id="prompts_differ",
        severity="warning",
        confidence=0.9,
        title="Production prompts are unlike the tuning prompts",
        evidence="; ".join(compared.skew[:3]),
        cause="another template, system instruction or mix of topics in production",
        advice="Tune on what production sends; the skew page shows where they differ.",
        numbers={"warnings": float(len(compared.skew))},
    )


def _short(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:29]}…"
