"""The service's own evaluation of checkpoints while it tunes: asked for, and read back.

A Preview (About supervised fine-tuning, read 2026-09-25): Gemini 2.5 in us-central1, with a
validation set; billed as batch prediction. Its figures are a second opinion beside ours and
choose nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.config import VertexBackend
from runner.records import Resource
from runner.vertex.jobs import ARM
from runner.vertex.states import Job

METRICS = ("exact_match",)
"""Computed from answer and reference without a judge. Ours are the figures that count, with
normalisation and intervals; this one shows whether the service sees the same order."""
ENDING = "MetricValue"
FOLDER = "/evaluation/{label}/"


def evaluation_config(settings: VertexBackend, label: str, *, validation: bool) -> Any:
    """The `evaluation_config` of a tuning job (google-genai's type), None where none is wanted
    or there is nothing to evaluate on. Its files go where the job's label says whose they are."""
    if not (settings.auto_evaluation and validation):
        return None
    from google.genai import types

    prefix = settings.bucket.rstrip("/") + FOLDER.format(label=label)
    return types.EvaluationConfig(
        metrics=[types.Metric(name=name) for name in METRICS],
        output_config=types.OutputConfig(
            gcs_destination=types.GcsDestination(output_uri_prefix=prefix)
        ),
        inference_generation_config=types.GenerationConfig(temperature=0.0),
    )


def evaluation_findings(job: Job) -> Iterator[str]:
    """One sentence for each checkpoint that the service evaluated, or failed to."""
    for run in job.get("evaluateDatasetRuns") or []:
        who = f"Vertex AI's own evaluation of checkpoint {run.get('checkpointId', '?')}"
        if run.get("error"):
            yield f"{who} failed: {run['error'].get('message', 'no reason given')}"
        elif figures := [*_averages(run)]:
            yield f"{who}: {', '.join(figures)}"


def evaluation_resources(job: Job) -> Iterator[Resource]:
    """The folder of files that the evaluation left, if it is the one that we named."""
    ours = FOLDER.format(label=(job.get("labels") or {}).get(ARM, ""))
    for run in job.get("evaluateDatasetRuns") or []:
        output = (run.get("evaluateDatasetResponse") or {}).get("outputInfo") or {}
        before, found, _ = f"{output.get('gcsOutputDirectory', '')}/".partition(ours)
        if found:
            yield Resource("object", before + found)


def _averages(run: Mapping[str, Any]) -> Iterator[str]:
    """``exactMatch 0.85`` for each metric's average over the rows."""
    output = (run.get("evaluateDatasetResponse") or {}).get("aggregationOutput") or {}
    for result in output.get("aggregationResults") or []:
        if result.get("aggregationMetric") != "AVERAGE":
            continue
        for name, value in result.items():
            score = value.get("score") if isinstance(value, Mapping) else None
            if name.endswith(ENDING) and score is not None:
                yield f"{name.removesuffix(ENDING)} {score:.3g}"
