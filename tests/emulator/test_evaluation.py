"""Evaluation of checkpoints by the service while it tunes."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import errors, types

from runner.emulator import Emulator
from tests.emulator.asking import MODEL, animals, client, tune, tuned, upload

OLDER = "gemini-2.5-flash"


def config(kind: str = "EXACT_MATCH") -> types.EvaluationConfig:
    metric = types.UnifiedMetric(
        computation_based_metric_spec=types.ComputationBasedMetricSpec(type=kind)
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
        (result,) = run.evaluate_dataset_response.aggregation_output.aggregation_results
        assert result.exact_match_metric_value.score == right / 24
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


def test_other_metrics_are_not_passed_over(emulator: Emulator) -> None:
    uri = upload(emulator, list(animals()))
    data = types.TuningValidationDataset(gcs_uri=uri)
    asked = {"base_model": OLDER, "validation_dataset": data}
    with pytest.raises(errors.ServerError, match="exact match only"):
        tune(emulator, uri, evaluation_config=config("BLEU"), **asked)
