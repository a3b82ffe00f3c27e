"""Vectors that have to be asked for: each text once, paid for, and kept with the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runner.backend import Backend, Embedder, sentence_facts
from runner.config import Diverse, Encoder, GeminiEncoder, Semantic, SentenceEncoder
from runner.errors import BackendError, ConfigError, Problem
from runner.house import House
from runner.money import MILLION, Band, Purse
from runner.records import Generation, Prediction, Request, Turn, read_record_list, unpacked
from runner.store import Artifact, digest_of
from runner.text_calls import text_calls

if TYPE_CHECKING:
    from runner.prepare.select.encoders import Vectors

WHAT = "embeddings"
NAME = "vectors.json"


class Embedding:
    """Encodes texts for one arm's data: on this machine, or by the backend.

    A text's vector is an answer like any other: it is on record as paid before it is kept, it is
    kept before the next one is taken, and a runner that was killed asks for the rest.
    """

    def __init__(self, backend: Backend, house: House, purse: Purse) -> None:
        self.backend, self.house, self.purse = backend, house, purse
        self._labels: list[str] = []

    def make(
        self, stage: str, key: Mapping[str, object], build: Callable[[Path], None]
    ) -> Artifact:
        """`Store.make` for a stage that may ask for vectors: what they are paid for under is
        written into the artifact, so that whoever uses it knows what it rests on."""

        def noted(out: Path) -> None:
            build(out)
            if self._labels:
                (out / NAME).write_text(json.dumps(self._labels), encoding="utf-8")

        made = self.house.store.make(stage, key, noted)
        if (file := made.path / NAME).is_file():
            self.purse.used.update(read_record_list(file, str))
        return made

    def identity(self, asked: Semantic | Diverse | None) -> dict[str, object]:
        """What determines vectors and is not in the configuration: the content of a sentence
        model's folder, or whose service answers. Empty where there is no such thing."""
        encoder = asked.encoder if asked else None
        if isinstance(encoder, GeminiEncoder):
            return {"vectors_by": self.backend.identity().get("service", "")}
        if isinstance(encoder, SentenceEncoder):
            return {"vectors_by": sentence_facts(encoder, self.house.home)}
        return {}

    def __call__(self, texts: Sequence[str], encoder: Encoder, key: str) -> Vectors:
        """See `runner.prepare.select.encoders.encode`.

        Raises:
            BackendError: a text has no vector.
            BudgetError: they cost more than is allowed, or may not be paid for at all.
            ConfigError: the backend has no vectors to give.
        """
        from runner.prepare.select.encoders import encode, unit

        if not isinstance(encoder, GeminiEncoder):
            return encode(texts, encoder, key, self.house.watch("encode"))
        if not isinstance(self.backend, Embedder):
            message = "is gemini, but this backend cannot be asked for vectors"
            raise ConfigError([Problem(f"{key}.kind", message)])
        import numpy as np

        found = np.zeros((len(texts), encoder.dimensions), np.float32)
        # The service refuses an empty text; it has nothing in common with any other.
        said = [at for at, text in enumerate(texts) if text.strip()]
        answers = self._answers([texts[at] for at in said], encoder, self.backend)
        for at, answer in zip(said, answers, strict=True):
            found[at] = unpacked(answer.text)
        return unit(found)

    def _answers(
        self, texts: Sequence[str], encoder: GeminiEncoder, backend: Embedder
    ) -> list[Prediction]:
        from runner.inference import PredictionCache, predict

        model: dict[str, object] = {
            "service": self.backend.identity().get("service", ""),
            "embedding": encoder.model,
            "dimensions": encoder.dimensions,
        }
        label = digest_of({"stage": "embed", "texts": sorted(set(texts)), **model})
        rates = Band(1.0, 1.0) * (encoder.usd_per_million / MILLION), Band()
        requests = [Request(str(at), (Turn("user", text),)) for at, text in enumerate(texts)]

        def ask(missing: Sequence[Request]) -> Iterator[Prediction]:
            self.purse.allow(WHAT, text_calls(WHAT, missing, 0), rates)
            answers = backend.embed(encoder, missing)
            return self.purse.paying(
                label, WHAT, answers, tuned=False, requests=len(missing), rates=rates
            )

        self._labels.append(label)
        cache = PredictionCache(self.house.home / "predictions.db")
        watch = self.house.watch("embed")
        answers = predict(requests, ask, cache, model, Generation(0), watch)
        failed = [answer.error for answer in answers if answer.error]
        if failed:
            raise BackendError(
                f"{len(failed):,} of {len(answers):,} texts have no vector; the first: {failed[0]}"
                "\n  the others are kept; give the same command again to ask for the rest"
            )
        return answers
