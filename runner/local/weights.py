"""From `model:` in the config to a folder with config, tokenizer and safetensors.

Folders are made once in the models cache, under a temporary name and then renamed, with a lock
around it: a killed or a racing process leaves nothing half-made.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from runner.config import (
    Experiment,
    FolderModel,
    GeminiModel,
    GgufModel,
    ModelBase,
    OpenModel,
    RandomModel,
    WheelModel,
)
from runner.errors import BackendError, ConfigError, Problem
from runner.local.digests import file_digest
from runner.manifest import damage_of, facts_of
from runner.records import Progress

CONVERTER_VERSION = "1"
DEFAULT_CACHE = "~/.cache/sft/models"
MANIFEST = "manifest.json"

log = logging.getLogger(__name__)


class Weights:
    """Finds or makes the folder of one configured model."""

    def __init__(self, model: OpenModel, cache: Path) -> None:
        self.model = model
        self.cache = cache

    @classmethod
    def of(cls, experiment: Experiment) -> Weights:
        cache = Path(experiment.paths.models or DEFAULT_CACHE).expanduser().resolve()
        assert not isinstance(experiment.model, GeminiModel)  # the schema keeps those out
        return cls(experiment.model, cache)

    def digest(self) -> str:
        """What the weights are, known without fetching them: 16 hex digits."""
        return hashlib.sha256(json.dumps(self._facts(), sort_keys=True).encode()).hexdigest()[:16]

    def folder(self, progress: Progress) -> Path:
        """The model folder, made when it is missing. Raises BackendError, and ConfigError when
        terms of use were not accepted."""
        check_terms(self.model)
        match self.model:
            case FolderModel():
                from runner.local.hub import hub_folder

                return hub_folder(self.model, progress)
            case RandomModel() as model:
                from runner.local.tiny import build_tiny

                return self._made(partial(build_tiny, model), progress)
            case GgufModel() as model:
                from runner.local.convert import convert_file

                return self._made(partial(convert_file, model, progress), progress)
            case WheelModel() as model:
                from runner.local.wheel import convert_wheel

                return self._made(partial(convert_wheel, model, self.cache, progress), progress)

    def _made(self, build: Callable[[Path], None], progress: Progress) -> Path:
        from filelock import FileLock

        target = self.cache / f"{_slug(self.model.name)}-{self.digest()}"
        if target.is_dir() and not _damage(target):
            return target
        self.cache.mkdir(parents=True, exist_ok=True)
        progress(0, 1, f"waiting for {target.name}")
        with FileLock(f"{target}.lock"):
            if target.is_dir():
                if not (fault := _damage(target)):
                    return target
                aside = target.with_name(f"{target.name}.damaged-{time.time_ns()}")
                target.rename(aside)
                log.warning("%s was damaged (%s): it is kept as %s", target, fault, aside)
            partial = target.with_name(f".{target.name}.partial")
            # Whoever left this behind is dead: we hold the lock.
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            build(partial)
            facts = json.dumps(facts_of(partial), indent=1)
            (partial / MANIFEST).write_text(facts, encoding="utf-8")
            partial.rename(target)
        progress(1, 1, f"{target.name} is ready")
        return target

    def _facts(self) -> dict[str, Any]:
        match self.model:
            case RandomModel() as model:
                from runner.local.tiny import TINY_VERSION

                shape = (model.hidden, model.layers, model.context_tokens)
                return {"tiny": TINY_VERSION, "shape": shape, "seed": model.seed}
            case WheelModel() as model:
                return {"gguf": model.sha256, **_made_with(model.chat_template)}
            case GgufModel() as model:
                source = model.sha256 or file_digest(_existing(model.path), self.cache)
                return {"gguf": source, **_made_with(model.chat_template)}
            case FolderModel() as model:
                from runner.local.hub import hub_facts

                return hub_facts(model, self.cache)


def check_terms(model: ModelBase) -> None:
    """Raise ConfigError unless the model's terms, if it has any, were accepted."""
    if model.terms and not model.accept_terms:
        raise ConfigError(
            [
                Problem(
                    key="model.accept_terms",
                    message=f"{model.name} comes with terms of use you have to accept first: "
                    f"{model.terms.strip()}",
                    hint="once you have read and accepted them, type: model.accept_terms=true",
                )
            ]
        )


def _damage(folder: Path) -> str:
    """What is wrong with a folder of weights, in words; empty when it is as it was made. One of
    an older version has no manifest and is taken as it is."""
    try:
        raw = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        facts = {name: (size, digest) for name, (size, digest) in raw.items()}
    except FileNotFoundError:
        return ""
    except (ValueError, TypeError, AttributeError):
        return f"{MANIFEST} cannot be read"
    return damage_of(folder, facts, contents=True)


def _made_with(template: str | None) -> dict[str, str]:
    return {"converter": CONVERTER_VERSION, "template": template or ""}


def _existing(text: str) -> Path:
    path = Path(text).expanduser().resolve()
    if not path.is_file():
        raise BackendError(f"model.path: there is no file {path}")
    return path


def _slug(name: str) -> str:
    return "".join(char if char.isalnum() or char in "._" else "_" for char in name.lower())
