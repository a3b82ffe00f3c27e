"""Reading the rows of a tuning job as the service does: strictly, dropping what is too long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.emulator.discovery import Api
from runner.emulator.refusals import Refusal, Violation
from runner.emulator.schema import read_body
from runner.records import Example, Origin, Turn
from runner.records.parts import parts_text

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
