"""Which API methods are emulated, and what answers each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runner.emulator import answering, batch, embedding, endpoints, jobs, models, tensorboard
from runner.emulator.call import Call
from runner.emulator.service import Service

Handler = Callable[[Service, Call], dict[str, Any]]

PLACE = "projects.locations."
RUNS = f"{PLACE}tensorboards.experiments.runs."

ROUTES: dict[str, Handler] = {
    f"{PLACE}tuningJobs.create": jobs.create,
    f"{PLACE}tuningJobs.get": jobs.get,
    f"{PLACE}tuningJobs.list": jobs.listing,
    f"{PLACE}tuningJobs.cancel": jobs.cancel,
    f"{PLACE}models.get": models.get,
    f"{PLACE}models.list": models.listing,
    f"{PLACE}models.patch": models.patch,
    f"{PLACE}models.delete": models.delete,
    f"{PLACE}models.listCheckpoints": models.checkpoints,
    f"{PLACE}models.listVersions": models.versions,
    f"{PLACE}models.operations.get": models.get_operation,
    f"{PLACE}endpoints.get": endpoints.get,
    f"{PLACE}endpoints.list": endpoints.listing,
    f"{PLACE}endpoints.undeployModel": endpoints.undeploy,
    f"{PLACE}endpoints.delete": endpoints.delete,
    f"{PLACE}endpoints.operations.get": models.get_operation,
    f"{PLACE}endpoints.generateContent": answering.generate,
    f"{PLACE}endpoints.countTokens": answering.count_tokens,
    f"{PLACE}publishers.models.generateContent": answering.generate,
    f"{PLACE}publishers.models.countTokens": answering.count_tokens,
    f"{PLACE}publishers.models.predict": embedding.predict,
    "publishers.models.get": models.publisher,
    "publishers.models.list": models.publishers,
    f"{PLACE}metadataStores.contexts.get": tensorboard.context,
    f"{PLACE}metadataStores.contexts.delete": tensorboard.drop_context,
    f"{PLACE}tensorboards.get": tensorboard.board,
    f"{PLACE}tensorboards.list": tensorboard.boards,
    f"{PLACE}tensorboards.batchRead": tensorboard.batch_read,
    f"{PLACE}tensorboards.experiments.get": tensorboard.experiment,
    f"{PLACE}tensorboards.experiments.list": tensorboard.experiments,
    f"{RUNS}get": tensorboard.run,
    f"{RUNS}list": tensorboard.runs,
    f"{RUNS}timeSeries.get": tensorboard.series,
    f"{RUNS}timeSeries.list": tensorboard.all_series,
    f"{RUNS}timeSeries.read": tensorboard.read,
    f"{PLACE}batchPredictionJobs.create": batch.create,
    f"{PLACE}batchPredictionJobs.get": batch.get,
    f"{PLACE}batchPredictionJobs.list": batch.listing,
    f"{PLACE}batchPredictionJobs.cancel": batch.cancel,
    f"{PLACE}batchPredictionJobs.delete": batch.delete,
}
"""By the method's id in the discovery document."""
