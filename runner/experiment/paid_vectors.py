"""Vectors that have to be asked for: each text once, paid for, and kept with the answers.

There is no stage for them: only while data is prepared or selected is it known which texts are
to be encoded. Each vector is an answer of its own, so what was asked before is found again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runner.backends.protocol import Backend, Embedder
from runner.backends.registry import sentence_encoder, sentence_facts
from runner.base.digests import digest_of
from runner.base.errors import BackendError, ConfigError, Problem
from runner.config import Diverse, Encoder, GeminiEncoder, Semantic, SentenceEncoder
from runner.experiment.context import RunContext
from runner.experiment.paid_answers import BookingLabel, calls_of, paid_answers
from runner.inference import Question
from runner.money import MILLION, Account, Band
from runner.records import Generation, Prediction, Request, Turn, unpacked

if TYPE_CHECKING:
    from runner.encoders.lexical import Vectors

WHAT = "embeddings"


class PaidVectors:
    """Encodes texts for one arm's data: on this machine, or by the backend.

    A text's vector is an answer like any other: it is on record as paid before it is kept, it is
    kept before the next one is taken, and a runner that was killed asks for the rest.
    """

    def __init__(self, backend: Backend, context: RunContext, account: Account) -> None:
        self.backend, self.context, self.account = backend, context, account
        self._labels: list[str] = []

    @contextmanager
    def noted(self) -> Iterator[list[str]]:
        """What vectors are paid for under while this is open, so that whoever uses what is made
        of them knows what it rests on."""
        before, self._labels = self._labels, []
        try:
            yield self._labels
        finally:
            self._labels = before

    def identity(self, asked: Semantic | Diverse | None) -> dict[str, object]:
        """What determines vectors and is not in the configuration: the content of a sentence
        model's folder, or whose service answers. Empty where there is no such thing."""
        encoder = asked.encoder if asked else None
        if isinstance(encoder, GeminiEncoder):
            return {"vectors_by": self.backend.identity().get("service", "")}
        if isinstance(encoder, SentenceEncoder):
            return {"vectors_by": sentence_facts(encoder, self.context.home)}
        return {}

    def __call__(self, texts: Sequence[str], encoder: Encoder, key: str) -> Vectors:
        """See `runner.encoders.lexical.encode`.

        Raises:
            BackendError: a text has no vector.
            BudgetError: they cost more than is allowed, or may not be paid for at all.
            ConfigError: the backend has no vectors to give.
        """
        from runner.encoders.lexical import encode, unit

        if not isinstance(encoder, GeminiEncoder):
            return encode(texts, encoder, key, self.context.watch("encode"), sentence_encoder())
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
        model: dict[str, object] = {
            "service": self.backend.identity().get("service", ""),
            "embedding": encoder.model,
            "dimensions": encoder.dimensions,
        }
        label = digest_of({"stage": "embed", "texts": sorted(set(texts)), **model})
        rates = Band(1.0, 1.0) * (encoder.usd_per_million / MILLION), Band()
        requests = [Request(str(at), (Turn("user", text),)) for at, text in enumerate(texts)]

        def generate(missing: Sequence[Request]) -> Iterator[Prediction]:
            self.account.allow(WHAT, calls_of("prepare", WHAT, missing, Band()), rates)
            return backend.embed(encoder, missing)

        self._labels.append(label)
        question, bill = (
            Question(requests, model, Generation(0)),
            BookingLabel(label, WHAT, rates=rates),
        )
        answers = paid_answers(self.context, self.account, question, bill, generate, "embed")
        failed = [answer.error for answer in answers if answer.error]
        if failed:
            raise BackendError(
                f"{len(failed):,} of {len(answers):,} texts have no vector; the first: {failed[0]}"
                "\n  the others are kept; give the same command again to ask for the rest"
            )
        return answers
