"""Evaluation of checkpoints by the service while it tunes (`evaluationConfig`).

Exact match, BLEU and ROUGE of real answers to the validation rows, by the libraries that the
service's metrics are named after. A job that asks for another metric is refused with 501, so
that nobody takes silence for a score.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from runner.config import GeminiModel
from runner.emulator.answering import generation_of
from runner.emulator.refusals import Refusal, Violation
from runner.emulator.registry import Resource
from runner.evaluation.sentence_scores import rouge_f, sentence_bleu
from runner.records import Request

if TYPE_CHECKING:
    from runner.emulator.service import Service
    from runner.emulator.trainer import Saved
    from runner.records import Example

KINDS = ("exactMatch", "bleu", "rouge")
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
    if not all(map(kind_of, config["metrics"])):
        raise Refusal(501, f"This emulator evaluates with {', '.join(KINDS)} only.")


def kind_of(metric: dict[str, Any]) -> str:
    """``exactMatch``, ``bleu`` or ``rouge``; empty for any other metric."""
    computed = metric.get("computationBasedMetricSpec", {}).get("type")
    named = {"EXACT_MATCH": "exactMatch", "BLEU": "bleu", "ROUGE": "rouge"}.get(computed, "")
    return next((kind for kind in KINDS if f"{kind}Spec" in metric), named)


def score(kind: str, metric: dict[str, Any], said: str, wanted: str) -> float:
    """One answer's score, from 0 to 1."""
    if kind == "exactMatch":
        return float(said == wanted)
    if kind == "bleu":
        return sentence_bleu(said, wanted)
    spec = metric.get("rougeSpec", {})
    name, stem = spec.get("rougeType") or "rougeL", spec.get("useStemmer", False)
    return rouge_f(said, wanted, name, stem=stem)


def evaluate(
    service: Service, job: Resource, saved: Sequence[Saved], rows: Sequence[Example]
) -> list[dict[str, Any]]:
    """`evaluateDatasetRuns`: one a checkpoint, with average and deviation of each metric over
    the validation rows. Empty when the job asks for no evaluation."""
    config = job.body.get("supervisedTuningSpec", {}).get("evaluationConfig")
    if config is None:
        return []
    folder = config["outputConfig"]["gcsDestination"]["outputUriPrefix"].rstrip("/")
    settings = generation_of({"generationConfig": config.get("inferenceGenerationConfig", {})})
    asked = [Request(row.id, row.contents, row.system) for row in rows]
    runs = []
    for number, one in enumerate(saved, 1):
        said = [answer.text for answer in service.trainer.answer(one.handle, asked, settings)]
        pairs = [(text, row.target) for text, row in zip(said, rows, strict=True)]
        results = [result for metric in config["metrics"] for result in _results(metric, pairs)]
        response = {
            "aggregationOutput": {"aggregationResults": results},
            "outputInfo": {"gcsOutputDirectory": f"{folder}/checkpoint-{number}"},
        }
        runs.append(
            {
                "checkpointId": str(number),
                "operationName": service.new_name(job.name, "operations"),
                "evaluateDatasetResponse": response,
            }
        )
    return runs


def _results(metric: dict[str, Any], pairs: Sequence[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    kind = kind_of(metric)
    scores = [score(kind, metric, said, wanted) for said, wanted in pairs]
    yield {"aggregationMetric": "AVERAGE", f"{kind}MetricValue": {"score": mean(scores)}}
    if len(scores) > 1:
        spread = {"score": stdev(scores)}
        yield {"aggregationMetric": "STANDARD_DEVIATION", f"{kind}MetricValue": spread}
