"""After the last arm: differences, what holds of recipes, the verdict, and the data cards."""

from __future__ import annotations

from pathlib import Path

from runner.config import Experiment, RowsGuard
from runner.experiment.looks import with_looks
from runner.records.experiments import ExperimentResult
from runner.records.gates import GateResult, GuardResult
from runner.store.ledger import Ledger, now_ms
from runner.verdict.baseline_choice import choose_baselines
from runner.verdict.gates import Judged, gate_results, gated
from runner.verdict.guard import guard_results, guarded, required
from runner.verdict.recipe_claims import decide
from runner.verdict.recipes import earlier_spreads, recipes
from runner.verdict.same_rows import on_common_rows, reading_once
from runner.verdict.treatment_effects import treatment_differences
from runner.verdict.verdict import candidate, differences, verdict


@reading_once()
def concluded(result: ExperimentResult, experiment: Experiment, ledger: Ledger) -> ExperimentResult:
    """The result with differences, verdict, versions and an end."""
    from runner.experiment.versions import versions

    suite, seed = experiment.suite, experiment.seed
    same = on_common_rows(result.arms, suite, seed)
    earlier = (
        earlier_spreads(ledger.experiments(), result.digest, same)
        if any(arm.replicate > 1 for arm in same)
        else []
    )
    choices = choose_baselines(same, suite, seed, experiment.baseline.chosen_on)
    decided = decide(same, recipes(same, suite, seed), suite, earlier, choices)
    found = differences(same, choices, suite, seed, decided.recipes)
    arms = [
        arm.model_copy(update={"baseline": item.against})
        if (item := next((d for d in found if d.arm == arm.digest), None))
        else arm
        for arm in same
    ]
    gates: list[GateResult] = []
    guards: list[GuardResult] = []
    chosen = candidate(arms, suite, seed, decided)
    if suite.not_worse and chosen:
        judged = Judged(arms, *chosen, decided, ledger, result.digest, earlier)
        gates = gate_results(judged, suite)
    shipped = chosen[0] if chosen else None
    if isinstance(experiment.guard, RowsGuard):
        guards = guard_results(arms, experiment.guard)
        gates += required(guards, experiment.guard, shipped.digest) if shipped else []
    whole = result.model_copy(
        update={
            "arms": arms,
            "baselines": choices,
            "differences": found,
            "treatments": treatment_differences(same, suite, seed, decided.recipes, decided.spread),
            "recipes": decided.recipes,
            "recipe_differences": decided.differences,
            "tied": decided.tied,
            "spread": decided.spread,
            "gates": gates,
            "guards": guards,
            "verdict": guarded(
                gated(verdict(arms, found, suite, seed, decided, choices), gates),
                guards,
                shipped,
            ),
            "versions": versions(Path(result.file).parent),
            "ended_ms": now_ms(),
        }
    )
    return with_looks(whole, ledger, suite)


def data_cards(result: ExperimentResult, folder: Path) -> dict[str, Path]:
    """One data card per distinct data treatment, beside the report, and the pages of its leaks
    and its skew where there are some."""
    from runner.report import write_data_card
    from runner.report.leaks import leaks_page
    from runner.report.page import card_name, skew_name

    pages: dict[str, Path] = {}
    seen: set[tuple[str, str]] = set()
    for arm in result.arms:
        made = arm.artifacts
        pair = (made.get("prepare", ""), made.get("render", ""))
        if not all(pair) or pair in seen:
            continue
        seen.add(pair)
        page = folder / card_name(Path(pair[1]))
        if not page.exists():
            write_data_card(Path(pair[0]), Path(pair[1]), page)
        beside = (page, leaks_page(page), page.with_name(skew_name(Path(pair[1]))))
        pages |= {file.name: file for file in beside if file.is_file()}
    return pages
