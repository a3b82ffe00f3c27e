"""Answering requests: what the cache has is not asked again, equal requests are asked once."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from runner.base.errors import BackendError
from runner.base.text import plural
from runner.inference.cache import PredictionCache
from runner.records import Generation, Prediction, Progress, Request, quiet, read_jsonl

PREDICT_VERSION = "1"
"""Raised when the same request would be put to the model differently; part of every key."""

Pay = Callable[[Iterator[Prediction], int], Iterator[Prediction]]
"""Passes on the answers to so many requests, each of them once it is on record as paid."""

LEFT_OUT = Prediction(
    "", "", "the backend gave no answer to this request", "error", cause="service"
)
GO_ON = "the others are kept; give the same command again to ask for the rest"


def unpaid(answers: Iterator[Prediction], requests: int) -> Iterator[Prediction]:
    """The `Pay` of answers that cost nothing."""
    return answers


def predict(
    requests: Sequence[Request],
    generate: Callable[[Sequence[Request]], Iterator[Prediction]],
    cache: PredictionCache,
    key: Mapping[str, object],
    generation: Generation,
    progress: Progress = quiet,
    pay: Pay = unpaid,
) -> list[Prediction]:
    """One prediction a request, in their order.

    `key` says which model and checkpoint answer, as JSON; with the request's text and
    `generation` it names the answer in the cache. `generate` gets one request for each text
    that the cache lacks and may answer in any order. Every answer goes through `pay` before it is
    stored, and is stored before the next is taken: a kill loses what was being generated, never
    the record of a payment. Raises BackendError for an answer nobody asked for, a transient one
    when the service owes answers (those that came are kept, and the next call asks for the rest),
    and whatever `generate` and `pay` raise.
    """
    digests = _digests(requests, key, generation)
    answers = cache.get(sorted(set(digests)))
    missing = _missing(digests, requests, answers)
    done, note = len(requests), "all from the cache"
    times = Counter(digests)
    if missing:
        done -= sum(times[digest] for digest in missing)
        note = f"{done} of {len(requests)} from the cache"
    progress(done, len(requests), note)
    for digest, answer in _asked(missing, generate, pay, cache, generation.max_tokens):
        answers[digest] = answer
        done += times[digest]
        progress(done, len(requests), note)
    found = [
        replace(answers.get(digest, LEFT_OUT), id=request.id)
        for digest, request in zip(digests, requests, strict=True)
    ]
    refuse_gaps(found)
    return found


def refuse_gaps(answers: Sequence[Prediction], advice: str = GO_ON) -> None:
    """Raise a transient BackendError, with `advice`, when the service owes answers."""
    lost = [answer.error for answer in answers if answer.lost]
    if lost:
        raise BackendError(
            f"{len(lost):,} of {plural(len(answers), 'answer')} did not come, which is the "
            f"service's doing and counts against no model; the first: {lost[0]}\n  {advice}",
            transient=True,
        )


def unanswered(
    requests: Sequence[Request],
    cache: PredictionCache,
    key: Mapping[str, object],
    generation: Generation,
) -> list[Request]:
    """The requests that `predict` would put to the model, in their order."""
    digests = _digests(requests, key, generation)
    return list(_missing(digests, requests, cache.get(sorted(set(digests)))).values())


def _missing(
    digests: Sequence[str], requests: Sequence[Request], answers: Mapping[str, Prediction]
) -> dict[str, Request]:
    """One request for each digest that has no answer."""
    missing: dict[str, Request] = {}
    for digest, request in zip(digests, requests, strict=True):
        if digest not in answers:
            missing.setdefault(digest, request)
    return missing


def _asked(
    missing: Mapping[str, Request],
    generate: Callable[[Sequence[Request]], Iterator[Prediction]],
    pay: Pay,
    cache: PredictionCache,
    max_tokens: int,
) -> Iterator[tuple[str, Prediction]]:
    """Answers with their digests as they come, each stored first."""
    if not missing:
        return
    digest_of = {request.id: digest for digest, request in missing.items()}
    if len(digest_of) != len(missing):
        raise ValueError("different requests share an id, so answers cannot be told apart")
    with cache.writer() as store:
        for answer in pay(generate(list(missing.values())), len(missing)):
            if answer.id not in digest_of:
                raise BackendError(f"the backend answered a request it was not asked: {answer.id}")
            store.put(digest_of[answer.id], answer, max_tokens)
            yield digest_of[answer.id], answer


def _digests(
    requests: Sequence[Request], key: Mapping[str, object], generation: Generation
) -> list[str]:
    """SHA-256 of canonical JSON of everything that determines each answer; the id does not."""
    shared = {"version": PREDICT_VERSION, "model": key, "generation": asdict(generation)}
    return [_digest(request, shared) for request in requests]


def _digest(request: Request, shared: Mapping[str, object]) -> str:
    parts = {
        **shared,
        "contents": [asdict(turn) for turn in request.contents],
        "system": request.system,
        "extras": request.extras,
        **({"files": request.files} if request.files else {}),
    }
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


# Answers that are kept in the store.


def stored_answers(file: Path) -> list[Prediction]:
    """The predictions in their order.

    Raises a transient BackendError for a file of an earlier version that was finished although
    the service owed answers: nobody knows what the model would have said.
    """
    answers = [Prediction.from_json(row) for row in read_jsonl(file)]
    refuse_gaps(answers, f"delete the folder {file.parent} and give the same command again")
    return answers
