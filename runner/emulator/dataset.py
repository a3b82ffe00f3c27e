"""Reading the rows of a tuning job as the service does: strictly, dropping what is too long."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.emulator.refusals import Refusal, Violation
from runner.emulator.schema import Api, read_body
from runner.records import Example, Origin, Turn
from runner.records.rows import parts_text

SFT_KEYS = ("contents", "systemInstruction", "tools", "toolConfig", "generationConfig")
REMOTE = ("gs://", "https://", "http://")
"""What the service can read files from."""
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Dataset:
    """The rows of one file; `numbers` are their 1-based lines."""

    rows: tuple[Example, ...]
    numbers: tuple[int, ...]


def read_dataset(api: Api, content: bytes, uri: str, *, preference: bool) -> Dataset:
    """All rows. Raises a 400 Refusal that names each faulty line."""
    import orjson

    faults: list[Violation] = []
    rows, numbers = [], []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            raw = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            faults.append(Violation(f"line {number}", f"not JSON: {error}"))
            continue
        found = row_faults(api, raw, preference=preference)
        if found:
            faults += [Violation(f"line {number}: {v.field}", v.description) for v in found]
        else:
            rows.append(example(raw, number, uri))
            numbers.append(number)
    if faults or not rows:
        raise _bad(uri, faults)
    return Dataset(tuple(rows), tuple(numbers))


def _bad(uri: str, faults: Sequence[Violation]) -> Refusal:
    if not faults:
        return Refusal(400, f"Dataset {uri} holds no examples.")
    first = "; ".join(f"{fault.field}: {fault.description}" for fault in faults[:3])
    more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
    return Refusal(400, f"Dataset {uri} is not valid: {first}{more}", faults[:SHOWN])


def row_faults(api: Api, raw: Any, *, preference: bool) -> list[Violation]:
    """What Google's schema and its row checks say against a row."""
    if not isinstance(raw, Mapping):
        return [Violation("", "a row has to be a JSON object")]
    row = dict(raw)
    answers = row.pop("completions", None) if preference else None
    _, faults = read_body(api, api.full_name("GenerateContentRequest"), row, required=True)
    known = {*SFT_KEYS, "system_instruction", "tool_config", "generation_config"}
    faults += [
        Violation(key, "this field has no meaning in a tuning row")
        for key in row
        if key not in known and not any(f'"{key}"' in f.description for f in faults)
    ]
    return faults or [*_turn_faults(row["contents"], preference), *_answers(answers, preference)]


def _turn_faults(contents: Sequence[Mapping[str, Any]], preference: bool) -> Iterable[Violation]:
    """Roles alternate from user to model; the last turn is what is learned."""
    roles = [content.get("role", "user") for content in contents]
    for number, (role, content) in enumerate(zip(roles, contents, strict=True)):
        if role not in ("user", "model"):
            yield Violation(f"contents[{number}].role", f"unrecognized_role: {role!r}")
        elif number and role == roles[number - 1]:
            yield Violation(f"contents[{number}].role", f"consecutive_turns: {role!r} twice")
        if not content.get("parts"):
            yield Violation(f"contents[{number}].parts", "missing_or_invalid_parts")
        for at, part in enumerate(content.get("parts") or ()):
            file = part.get("fileData") or part.get("file_data") or {}
            uri = str(file.get("fileUri", file.get("file_uri", "gs://")))
            if not uri.startswith(REMOTE):
                where = f"contents[{number}].parts[{at}].fileData.fileUri"
                yield Violation(where, f"{uri} is neither a gs:// nor an http(s):// address")
    last = "user" if preference else "model"
    if roles[-1] != last:
        yield Violation(f"contents[{len(roles) - 1}].role", f"the last turn has to be {last}")


def _answers(answers: Any, preference: bool) -> Iterable[Violation]:
    """A preference row has two completions, one of score 1 and one of score 0."""
    if not preference:
        return
    try:
        scores = sorted(float(answer["score"]) for answer in answers)
        texts = [answer["completion"]["parts"][0]["text"] for answer in answers]
    except (TypeError, KeyError, IndexError, ValueError):
        scores, texts = [], []
    if scores != [0.0, 1.0] or not all(isinstance(text, str) for text in texts):
        yield Violation("completions", "needs two completions of text, with scores 1 and 0")


def example(raw: Mapping[str, Any], number: int, uri: str) -> Example:
    """A good row as the record that trainers take."""
    contents = [turn(content) for content in raw["contents"]]
    target = ""
    rejected = ""
    if "completions" in raw:
        best, worst = sorted(raw["completions"], key=lambda answer: -float(answer["score"]))
        target, rejected = (said(answer["completion"]) for answer in (best, worst))
    else:
        target = contents.pop().text
    return Example(
        id=f"row-{number}",
        contents=tuple(contents),
        target=target,
        origin=Origin(uri, number),
        system=said(raw.get("systemInstruction") or raw.get("system_instruction") or {}),
        rejected=rejected,
    )


def turn(content: Mapping[str, Any]) -> Turn:
    """One Gemini `Content`; parts that are not text stand as JSON in the turn's text."""
    return Turn("model" if content.get("role") == "model" else "user", said(content))


def said(content: Mapping[str, Any]) -> str:
    """What a Gemini `Content` says, as text."""
    return parts_text(content.get("parts", ()))


# `tuningDataStats` of a job: what became of its rows, and how long they are.

Counts = list[tuple[int, int]]
"""Prompt and target tokens of each row."""
LISTED = 20
"""Dropped rows that are named; the service gives a sample, too."""
SAMPLES = 3
BUCKETS = 10


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that is neither trained nor paid for; `number` is its 1-based place."""

    number: int
    reason: str


def drop_long(
    data: Dataset, counts: Counts, limit: int, forced: float
) -> tuple[Dataset, Counts, list[RefusedRow]]:
    """Drop rows of more than `limit` tokens, and by plan a share `forced` from the start."""
    bad = math.ceil(forced * len(data.rows))
    dropped, kept = [], []
    for place, (number, pair) in enumerate(zip(data.numbers, counts, strict=True)):
        if sum(pair) > limit:
            said = f"The example has {sum(pair)} tokens, which is above the limit of {limit}."
            dropped.append(RefusedRow(number, said))
        elif place < bad:
            dropped.append(RefusedRow(number, "The example could not be processed."))
        else:
            kept.append(place)
    rows = tuple(data.rows[place] for place in kept)
    numbers = tuple(data.numbers[place] for place in kept)
    return Dataset(rows, numbers), [counts[place] for place in kept], dropped


def statistics(
    kept: Dataset, counts: Counts, dropped: Sequence[RefusedRow], epochs: int, preference: bool
) -> dict[str, Any]:
    """The statistics. Billable tokens are those of all epochs."""
    tokens = sum(map(sum, counts)) * epochs
    shared: dict[str, Any] = {
        "tuningDatasetExampleCount": str(len(kept.rows)),
        "totalBillableTokenCount": str(tokens),
        "userDatasetExamples": [row.to_gemini()["contents"][0] for row in kept.rows[:SAMPLES]],
        "droppedExampleReasons": [row.reason for row in dropped[:LISTED]],
    }
    indices = [str(row.number) for row in dropped[:LISTED]]
    ins, outs = [pair[0] for pair in counts], [pair[1] for pair in counts]
    if preference:
        shared |= {
            "droppedExampleIndices": indices,
            "userInputTokenDistribution": distribution(ins),
            "userOutputTokenDistribution": distribution(outs),
        }
        return {"preferenceOptimizationDataStats": shared}
    shared |= {
        "totalTruncatedExampleCount": str(len(dropped)),
        "truncatedExampleIndices": indices,
        "totalTuningCharacterCount": str(sum(len(r.prompt) + len(r.target) for r in kept.rows)),
        "userInputTokenDistribution": _billed(ins),
        "userOutputTokenDistribution": _billed(outs),
        "userMessagePerExampleDistribution": _billed([len(r.contents) + 1 for r in kept.rows]),
    }
    return {"supervisedTuningDataStats": shared}


def _billed(values: Sequence[int]) -> dict[str, Any]:
    """The supervised form of a distribution, whose sums are int64."""
    found = distribution(values)
    whole = str(sum(values))
    return {**found, "sum": whole, "billableSum": whole} if values else found


def distribution(values: Sequence[int]) -> dict[str, Any]:
    """Sum, range, quantiles (nearest rank) and histogram; empty for no values."""
    if not values:
        return {}
    ordered = sorted(values)
    low, high = ordered[0], ordered[-1]
    width = (high - low) / BUCKETS or 1.0

    def rank(share: float) -> float:
        return float(ordered[max(0, math.ceil(share * len(ordered)) - 1)])

    buckets = [0] * BUCKETS
    for value in ordered:
        buckets[min(BUCKETS - 1, int((value - low) / width))] += 1
    return {
        "sum": float(sum(ordered)),
        "min": float(low),
        "max": float(high),
        "mean": sum(ordered) / len(ordered),
        "median": rank(0.5),
        "p5": rank(0.05),
        "p95": rank(0.95),
        "buckets": [
            {"count": float(count), "left": low + n * width, "right": low + (n + 1) * width}
            for n, count in enumerate(buckets)
            if count
        ],
    }


def billed_tokens(job: Mapping[str, Any]) -> int:
    """Tokens of all epochs on the bill of a job as it stands. Google does not say what a job costs
    that was stopped or failed (read 2026-11-26): here, the share of its epochs that were done."""
    spec = job.get("supervisedTuningSpec") or job.get("preferenceOptimizationSpec") or {}
    stats: Mapping[str, Any] = next(iter((job.get("tuningDataStats") or {}).values()), {})
    total = int(stats.get("totalBillableTokenCount") or 0)
    if job.get("state") in ("JOB_STATE_SUCCEEDED", "JOB_STATE_PARTIALLY_SUCCEEDED"):
        return total
    done = int((job.get("tuningJobMetadata") or {}).get("completedEpochCount") or 0)
    epochs = int((spec.get("hyperParameters") or {}).get("epochCount") or 0)
    return total * done // epochs if epochs else 0
