"""Evaluation of checkpoints by the service while it tunes (`evaluationConfig`): exact match.

The other metrics exist in the API, but not here; a job that asks for one is refused with 501,
so that nobody takes silence for a score.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from runner.config import GeminiModel
from runner.emulator.answering import generation_of
from runner.emulator.refusals import Refusal, Violation
from runner.emulator.registry import Resource
from runner.records import Request

if TYPE_CHECKING:
    from runner.emulator.service import Service
    from runner.emulator.trainer import Saved
    from runner.records import Example

WHERE = "tuning_job.supervised_tuning_spec.evaluation_config"


def evaluation_faults(spec: dict[str, Any], model: GeminiModel, place: str) -> Iterator[Violation]:
    """What the service says against a job's evaluation. Raises a 501 Refusal for metrics that
    are not emulated."""
    config = spec.get("evaluationConfig")
    if config is None:
        return
    if not model.auto_evaluation or place not in model.auto_evaluation_locations:
        places = ", ".join(model.auto_evaluation_locations) or "nowhere"
        said = f"Evaluation while tuning is not supported: {model.id} has it in {places}."
        yield Violation(WHERE, said)
    if not spec.get("validationDatasetUri"):
        yield Violation(WHERE, "Evaluation while tuning needs a validation dataset.")
    if not all(map(_is_exact_match, config["metrics"])):
        raise Refusal(501, "This emulator evaluates with exact match only.")


def _is_exact_match(metric: dict[str, Any]) -> bool:
    computed = metric.get("computationBasedMetricSpec", {}).get("type")
    return "exactMatchSpec" in metric or computed == "EXACT_MATCH"


def evaluate(
    service: Service, job: Resource, saved: Sequence[Saved], rows: Sequence[Example]
) -> list[dict[str, Any]]:
    """`evaluateDatasetRuns`: one a checkpoint, with the share of validation rows that it
    answers exactly. Empty when the job asks for no evaluation."""
    config = job.body.get("supervisedTuningSpec", {}).get("evaluationConfig")
    if config is None:
        return []
    folder = config["outputConfig"]["gcsDestination"]["outputUriPrefix"].rstrip("/")
    settings = generation_of({"generationConfig": config.get("inferenceGenerationConfig", {})})
    asked = [Request(row.id, row.contents, row.system) for row in rows]
    runs = []
    for number, one in enumerate(saved, 1):
        answers = service.trainer.answer(one.handle, asked, settings)
        right = sum(said.text == row.target for said, row in zip(answers, rows, strict=True))
        value = {"score": right / len(rows)}
        result = {"aggregationMetric": "AVERAGE", "exactMatchMetricValue": value}
        runs.append(
            {
                "checkpointId": str(number),
                "operationName": service.new_name(job.name, "operations"),
                "evaluateDatasetResponse": {
                    "aggregationOutput": {"aggregationResults": [result]},
                    "outputInfo": {"gcsOutputDirectory": f"{folder}/checkpoint-{number}"},
                },
            }
        )
    return runs
