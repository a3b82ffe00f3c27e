"""Which backend a configuration names. The one place that knows them all, each loaded late."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from runner.backends.protocol import Backend, ResourceCleaner, Shipper
from runner.base.errors import ConfigError
from runner.config import Experiment, PluginBackend, SentenceEncoder, VertexBackendSettings
from runner.records import Progress

Factory = Callable[[Experiment, Path], Backend]
"""Makes a backend from the composed experiment and the runner's home folder."""

ENTRY_POINTS = "runner.backends"


def sentence_encoder() -> Callable[[Sequence[str], SentenceEncoder, Progress], Any]:
    """What turns texts into vectors on this machine, for encoders of kind ``sentence``."""

    def vectors(texts: Sequence[str], encoder: SentenceEncoder, progress: Progress) -> Any:
        from runner.backends.local.sentences import sentence_vectors

        return sentence_vectors(texts, encoder, progress)

    return vectors


def sentence_facts(encoder: SentenceEncoder, cache: Path) -> dict[str, Any]:
    """What identifies the model of `sentence_encoder`; digests of files are kept in `cache`."""
    from runner.backends.local.sentences import sentence_facts

    return sentence_facts(encoder, cache)


def make_backend(experiment: Experiment, home: Path) -> Backend:
    """The backend that `backend.kind` names. Raises ConfigError for an unknown plug-in."""
    chosen = experiment.backend
    if isinstance(chosen, PluginBackend):
        known = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
        if chosen.name not in known:
            listed = ", ".join(sorted(known)) or "none is installed"
            raise ConfigError(f"backend.name: no plug-in {chosen.name!r}; installed: {listed}")
        factory: Factory = known[chosen.name].load()
        return factory(experiment, home)
    if isinstance(chosen, VertexBackendSettings):
        from runner.backends.vertex.backend import VertexBackend

        return VertexBackend(experiment, chosen, home)
    from runner.backends.local.backend import LocalBackend

    return LocalBackend(experiment, home)


def leftovers_of(settings: Mapping[str, Any]) -> ResourceCleaner | None:
    """Who can delete what a backend of these settings (as the ledger has them) left; None for one
    that leaves nothing on a service."""
    if settings.get("kind") != "vertex":
        return None
    from runner.backends.vertex.cleaning import VertexCleaner

    return VertexCleaner(VertexBackendSettings.model_validate(settings))


def ship_of(settings: Mapping[str, Any]) -> Shipper | None:
    """How a checkpoint of a backend of these settings is shipped; None where it cannot be."""
    if settings.get("kind") == "vertex":
        from runner.backends.vertex.shipping import ship as on_vertex

        return on_vertex
    if settings.get("kind") == "local":
        from runner.backends.local.shipping import ship as on_this_machine

        return on_this_machine
    return None
