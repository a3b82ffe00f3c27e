"""What is diagnosed of an experiment: its results and rows are gathered, and the gate on findings.

Everything is read off the result and the files that it names, so that an experiment of an older
version, or one that is not done, can be diagnosed as well.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from runner.base.errors import GateError, SftError
from runner.config import Diagnosis
from runner.diagnosis.compared import Compared, TrainRows, primary
from runner.diagnosis.diagnose import Patient, diagnose
from runner.diagnosis.tuned import tuned_arm
from runner.experiment.stage import ArmRun
from runner.records import ScoredRow, read_jsonl
from runner.records.experiments import ExperimentResult
from runner.records.findings import Finding, Findings
from runner.records.results import ArmResult
from runner.store.artifacts import sound
from runner.verdict.same_rows import rows_by_split

NAME = "findings.json"


def find_all(
    result: ExperimentResult,
    limits: Diagnosis,
    skew: Mapping[str, Sequence[str]] | None = None,
) -> Findings:
    """Diagnose the tuned arms of a result. `skew` has, by arm, what the comparison with production
    prompts warned of."""
    tuned = [arm for arm in result.arms if arm.kind == "tuned" and arm.status != "skipped"]
    files = _Files()
    patients = [_patient(arm, result, (skew or {}).get(arm.digest), files) for arm in tuned]
    return diagnose(patients, _focus(tuned, result), limits)


def diagnosed(
    result: ExperimentResult, limits: Diagnosis, runs: Mapping[str, ArmRun], folder: Path
) -> ExperimentResult:
    """The result with its findings, which are also written to `folder`, beside the report."""
    from runner.base.files import replace_text

    findings = find_all(result, limits, skew_warnings(runs, folder))
    replace_text(folder / NAME, findings.model_dump_json(indent=1) + "\n")
    return result.model_copy(update={"findings": findings})


def told_by(limits: Diagnosis) -> list[object]:
    """What of the thresholds decides what is found; what is refused changes no finding."""
    return [limits.model_dump(mode="json", exclude={"refuse"})]


def limits_of(result: ExperimentResult) -> Diagnosis:
    """The thresholds that the experiment was run with; today's own where it had none, or those of
    another version."""
    from pydantic import ValidationError

    kept = (arm.config.get("diagnosis") for arm in result.arms)
    try:
        return Diagnosis.model_validate(next(filter(None, kept), {}))
    except ValidationError:
        return Diagnosis()


def skew_warnings(runs: Mapping[str, ArmRun], folder: Path) -> dict[str, list[str]]:
    """Warnings by arm, where production prompts were compared; that was done before tuning, so it
    is only read here."""
    from runner.experiment.skew import find_skew

    found = {}
    for digest, run in runs.items():
        if run.kind == "tuned" and run.experiment.skew.kind != "none":
            try:
                one = find_skew(run, folder)
            except SftError:
                continue  # told where the arm ran
            if one:
                found[digest] = one.warnings
    return found


def gate_findings(result: ExperimentResult, limits: Diagnosis) -> None:
    """Raise GateError when the arm in focus has a finding that `diagnosis.refuse` names, or when it
    could not be looked for."""
    findings = result.findings
    if findings is None or not limits.refuse:
        return
    lines = [
        f"{each.id}: {each.title} in {each.arm_name!r}: {each.evidence}"
        for each in _in_focus(findings)
        if each.id in limits.refuse
    ]
    lines += [
        f"{check.id}: could not be looked for in {check.arm_name!r}: {check.why}"
        for check in findings.checks
        if check.id in limits.refuse
        and check.outcome == "not_looked_at"
        and check.arm == findings.focus
    ]
    if lines:
        what = "what diagnosis.refuse names was found:"
        hint = f"  mend it (sft diagnose {result.name} says how), or take it off diagnosis.refuse"
        raise GateError("\n".join([what, *(f"  {line}" for line in lines), hint]))


def _in_focus(findings: Findings) -> Iterable[Finding]:
    return (each for each in findings.found if each.arm == findings.focus)


def _focus(tuned: Sequence[ArmResult], result: ExperimentResult) -> str:
    """The arm that people look at first; while there are no differences to go by, the tuned arm
    that scores best."""
    if result.leading:
        return result.leading
    done = [arm for arm in tuned if arm.status == "done"] or list(tuned)

    def worth(arm: ArmResult) -> tuple[bool, float]:
        score = primary(arm.validation or arm.test, result.primary)
        return score is not None, score.scale.gain(score.value) if score else 0.0

    return max(done, key=worth).digest if done else ""


def _patient(
    arm: ArmResult, result: ExperimentResult, skew: Sequence[str] | None, files: _Files
) -> Patient:
    if arm.status not in ("done", "failed"):
        return Patient(arm.digest, arm.name, status=arm.status)
    found = next((each for each in result.differences if each.arm == arm.digest), None)
    bar = next((each for each in result.arms if found and each.digest == found.against), None)
    score = primary(bar.test if bar else None, result.primary)
    rows = files.rows(arm)
    tuned = tuned_arm(arm, result.primary, score, [row.target for row in rows])
    if arm.status == "failed":
        return Patient(arm.digest, arm.name, tuned, status="failed")
    first = tuned.train.first if len(tuned.train) else None
    compared = Compared(
        arm=arm,
        primary=result.primary,
        bar=bar,
        difference=found,
        margin=_margin(arm),
        rows=rows,
        bar_rows=files.rows(bar) if bar else (),
        train=files.train(arm),
        test_prompts=files.test_prompts(arm),
        skew=skew,
        first_loss=first,
        usd=None if arm.rehearsal else arm.usd,
    )
    return Patient(arm.digest, arm.name, tuned, compared)


def _margin(arm: ArmResult) -> float | None:
    suite: Mapping[str, Any] = arm.config.get("suite") or {}
    return suite.get("margin")


class _Files:
    """The rows that arms name. What several arms have in common is read once: the rows of the arm
    to beat, and the prompts of one data treatment."""

    def __init__(self) -> None:
        self._untuned: dict[str, Sequence[ScoredRow]] = {}
        self._train: dict[str, TrainRows | None] = {}
        self._test: dict[str, Mapping[str, str]] = {}

    def rows(self, arm: ArmResult) -> Sequence[ScoredRow]:
        """The arm's test rows; empty where they are gone or damaged."""
        if arm.digest in self._untuned:
            return self._untuned[arm.digest]
        try:
            found = rows_by_split(arm)
        except SftError:  # damaged; the next run makes them anew
            found = []
        if arm.kind != "tuned":
            self._untuned[arm.digest] = found
        return found

    def train(self, arm: ArmResult) -> TrainRows | None:
        """None where the rendered rows are gone."""
        folder = arm.artifacts.get("render", "")
        if folder not in self._train:
            self._train[folder] = _train(folder)
        return self._train[folder]

    def test_prompts(self, arm: ArmResult) -> Mapping[str, str]:
        folder = arm.artifacts.get("render", "")
        if folder not in self._test:
            examples = _examples(folder, "test") or ()
            self._test[folder] = {str(row.get("id", "")): _prompt(row) for row in examples}
        return self._test[folder]


def _train(folder: str) -> TrainRows | None:
    if (examples := _examples(folder, "train")) is None:
        return None
    prompts: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    targets: Counter[str] = Counter()
    rows = 0
    for example in examples:
        prompt, target = _prompt(example), str(example.get("target", ""))
        rows += 1
        prompts.add(prompt)
        pairs.add((prompt, target))
        targets[target] += 1
    return TrainRows(frozenset(prompts), rows, rows - len(pairs), targets)


def _examples(folder: str, split: str) -> Iterable[Mapping[str, Any]] | None:
    """Rendered rows (`records.Example`) as they stand in the file: there may be very many, and only
    what is asked and answered counts here."""
    file = Path(folder) / f"{split}.jsonl"
    try:
        return read_jsonl(sound(file)) if folder and file.is_file() else None
    except SftError:  # damaged; the next run makes it anew
        return None


def _prompt(example: Mapping[str, Any]) -> str:
    """A digest of everything that is asked."""
    asked = json.dumps([example.get("system", ""), example.get("contents")])
    return blake2b(asked.encode(), digest_size=12).hexdigest()
