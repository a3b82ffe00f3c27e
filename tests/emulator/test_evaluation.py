"""Evaluation of checkpoints by the service while it tunes."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import errors, types

from runner.emulator import Emulator
from tests.emulator.asking import MODEL, animals, client, tune, tuned, upload

OLDER = "gemini-2.5-flash"


def config() -> types.EvaluationConfig:
    metric = types.UnifiedMetric(
        computation_based_metric_spec=types.ComputationBasedMetricSpec(type="EXACT_MATCH")
    )
    place = types.GcsDestination(output_uri_prefix="gs://sft-emulator/evaluation")
    return types.EvaluationConfig(
        metrics=[metric],
        output_config=types.OutputConfig(gcs_destination=place),
        inference_generation_config=types.GenerationConfig(temperature=0, max_output_tokens=8),
    )


def test_each_checkpoint_gets_the_score_that_its_answers_have(emulator: Emulator) -> None:
    job = tuned(emulator, base_model=OLDER, evaluation_config=config())
    assert job.has_succeeded, job.error
    assert [run.checkpoint_id for run in job.evaluate_dataset_runs] == ["1", "2", "3"]
    ask = client(emulator)
    for run, checkpoint in zip(job.evaluate_dataset_runs, job.tuned_model.checkpoints, strict=True):
        right = 0
        for row in animals():
            question, answer = (one["parts"][0]["text"] for one in row["contents"])
            settings = {"temperature": 0, "max_output_tokens": 8}
            said = ask.models.generate_content(
                model=checkpoint.endpoint, contents=question, config=settings
            )
            right += said.text == answer
        average, spread = run.evaluate_dataset_response.aggregation_output.aggregation_results
        assert average.aggregation_metric.value == "AVERAGE"
        assert average.exact_match_metric_value.score == right / 24
        assert spread.exact_match_metric_value.score >= 0
    assert emulator.overview()["violations"] == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"base_model": MODEL}, "has it in nowhere"),
        ({"base_model": OLDER, "validation_dataset": None}, "needs a validation dataset"),
    ],
)
def test_evaluation_has_rules(emulator: Emulator, settings: dict[str, Any], said: str) -> None:
    uri = upload(emulator, list(animals()))
    data = types.TuningValidationDataset(gcs_uri=uri)
    asked = {"validation_dataset": data, "evaluation_config": config(), **settings}
    with pytest.raises(errors.ClientError, match=said):
        tune(emulator, uri, **asked)


def test_the_usual_metrics_in_one_job(emulator: Emulator) -> None:
    asked = config()
    asked.metrics = [types.Metric(name=name) for name in ("exact_match", "bleu", "rouge_1")]
    job = tuned(emulator, base_model=OLDER, evaluation_config=asked)
    found = job.evaluate_dataset_runs[-1].evaluate_dataset_response.aggregation_output
    exact, bleu, rouge = found.aggregation_results[::2]
    assert exact.exact_match_metric_value.score == rouge.rouge_metric_value.score > 0
    assert 0 < bleu.bleu_metric_value.score <= 1
    assert emulator.overview()["violations"] == []


def test_other_metrics_are_not_passed_over(emulator: Emulator) -> None:
    uri = upload(emulator, list(animals()))
    data = types.TuningValidationDataset(gcs_uri=uri)
    asked = {"base_model": OLDER, "validation_dataset": data}
    judged = config()
    spec = types.PredefinedMetricSpec(metric_spec_name="fluency_v1")
    judged.metrics = [types.UnifiedMetric(predefined_metric_spec=spec)]
    with pytest.raises(errors.ServerError, match="exactMatch, bleu, rouge only"):
        tune(emulator, uri, evaluation_config=judged, **asked)
