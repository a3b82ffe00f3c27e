"""What a row that arrives as turns is read into, and how it says that it is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.records import Turn, parts_text, plain_text


@dataclass(frozen=True, slots=True)
class Conversation:
    """System instruction and turns, the answer last."""

    system: str
    turns: tuple[Turn, ...]
    rejected: str = ""
    """The worse of two answers, for preference tuning."""
    extras: Mapping[str, Any] = field(default_factory=dict)
    """``tools``, ``toolConfig`` and ``generationConfig``, in Gemini's spelling."""


class BadTurns(Exception):
    """A row that is no conversation: rule, message and the place in the row."""


def entries(value: Any, place: str) -> Sequence[Any]:
    """A list with something in it. Raises BadTurns."""
    if not isinstance(value, list) or not value:
        raise BadTurns("bad_turns", "a list with at least one entry is expected", place)
    return value


def check_order(turns: Sequence[Turn]) -> None:
    """User and model take turns, the user begins and the model has the last word. Raises
    BadTurns."""
    for at, turn in enumerate(turns):
        expected = "model" if at % 2 else "user"
        if turn.role != expected:
            place = f"turn {at + 1}"
            raise BadTurns("bad_order", f"{turn.role} where {expected} is expected", place)
    if len(turns) % 2 or not turns:
        raise BadTurns("bad_order", "the last turn has to be the model's answer", "")
    if not turns[-1].text.strip():
        raise BadTurns("empty_target", "there is no answer", "")
    if not turns[-2].text.strip():
        raise BadTurns("empty_input", "the last user turn is empty", "")


# Rows in Gemini's own form: `contents` of turns of parts, or two `completions` to choose from.
#
# Read as the service reads them (camelCase or snake_case); what supervised tuning has no place
# for is refused here, since leaving it out in silence would tune on something else.

EXTRAS = ("tools", "toolConfig", "generationConfig")
REFUSED = {
    "cachedContent": "cached content cannot be tuned on: put the text into the row",
    "labels": "labels are set for the whole job (backend.labels), not for rows",
    "model": "the model is chosen by the group `model`, not by rows",
    "safetySettings": "safety settings have no place in tuning rows",
}
KINDS = ("text", "fileData", "functionCall", "functionResponse")
NOT_TAKEN = {
    "inlineData": "media is given by fileData with a gs:// URI, not inline",
    "thought": "supervised tuning leaves thoughts out; remove the part",
    "thoughtSignature": "supervised tuning leaves thoughts out; remove the key",
}


def gemini_turns(record: Mapping[str, Any]) -> Conversation:
    """The conversation of a row in Gemini's form. Raises BadTurns."""
    if "contents" not in record:
        hint = "; rows with `messages` are read by source.kind: chat" * ("messages" in record)
        raise BadTurns("missing_column", f"the row has no 'contents'{hint}", "contents")
    row = {camel(key): value for key, value in record.items()}
    for key, why in REFUSED.items():
        if row.get(key):
            raise BadTurns("unsupported_key", why, key)
    turns = [
        _turn(content, f"contents[{at}]")
        for at, content in enumerate(entries(row["contents"], "contents"))
    ]
    extras = {key: row[key] for key in EXTRAS if row.get(key)}
    system = _system(row.get("systemInstruction"))
    if "completions" not in row:
        _check_answer(turns[-1])
        return Conversation(system, tuple(turns), extras=extras)
    better, worse = _completions(row["completions"])
    return Conversation(system, (*turns, better), worse.text, extras)


def camel(name: str) -> str:
    """``file_data`` as ``fileData``."""
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest) if head else name


def _turn(content: Any, place: str) -> Turn:
    if not isinstance(content, Mapping):
        raise BadTurns("bad_role", "each turn has a role, user or model", place)
    if "weight" in content:
        raise BadTurns("unsupported_key", "per-turn weights do not exist for Gemini", place)
    role = content.get("role")
    parts = _parts(content.get("parts"), f"{place}.parts")
    if role is None and any("functionResponse" in part for part in parts):
        role = "user"
    if role == "user":
        return made_turn("user", parts)
    if role == "model":
        return made_turn("model", parts)
    raise BadTurns("bad_role", "each turn has a role, user or model", place)


def made_turn(role: str, parts: list[dict[str, Any]]) -> Turn:
    """A turn of parts; one of text only needs no parts."""
    if all(part.keys() == {"text"} for part in parts):
        return Turn("model" if role == "model" else "user", plain_text(parts))
    return Turn("model" if role == "model" else "user", parts_text(parts), tuple(parts))


def _parts(parts: Any, place: str) -> list[dict[str, Any]]:
    """Parts in Gemini's spelling. Raises BadTurns for what cannot be tuned on."""
    return [_part(part, f"{place}[{at}]") for at, part in enumerate(entries(parts, place))]


def _part(part: Any, place: str) -> dict[str, Any]:
    if not isinstance(part, Mapping):
        raise BadTurns("bad_part", "a part is an object such as {`text`: ...}", place)
    named = {camel(key): value for key, value in part.items()}
    for key, why in NOT_TAKEN.items():
        if named.get(key):
            raise BadTurns("unsupported_part", why, f"{place}.{key}")
    kinds = [kind for kind in KINDS if kind in named]
    if len(kinds) != 1:
        what = ", ".join(kinds or named) or "nothing"
        raise BadTurns("unsupported_part", f"one of {', '.join(KINDS)}, not {what}", place)
    (kind,) = kinds
    _PAYLOADS[kind](named, f"{place}.{kind}")
    return named


def _text(part: dict[str, Any], place: str) -> None:
    if not isinstance(part["text"], str):
        raise BadTurns("unsupported_part", "the text of a part is a string", place)


def _file(part: dict[str, Any], place: str) -> None:
    data = part["fileData"]
    named = {camel(k): v for k, v in data.items()} if isinstance(data, Mapping) else {}
    if not all(isinstance(named.get(k), str) and named[k] for k in ("mimeType", "fileUri")):
        raise BadTurns("bad_part", "fileData has a mimeType and a fileUri", place)
    part["fileData"] = named


def _function(kind: str, inside: str) -> Any:
    def check(part: dict[str, Any], place: str) -> None:
        data = part[kind]
        if not isinstance(data, Mapping) or not isinstance(data.get("name"), str):
            raise BadTurns("bad_part", f"a {kind} has a name and {inside}", place)
        if not isinstance(data.get(inside, {}), Mapping):
            raise BadTurns("bad_part", f"{inside} is an object", f"{place}.{inside}")

    return check


_PAYLOADS = {
    "text": _text,
    "fileData": _file,
    "functionCall": _function("functionCall", "args"),
    "functionResponse": _function("functionResponse", "response"),
}


def _system(value: Any) -> str:
    """The text of a system instruction; empty when there is none. Its role means nothing."""
    if not value:
        return ""
    if not isinstance(value, Mapping):
        raise BadTurns("bad_turns", "an object with parts is expected", "systemInstruction")
    place = "systemInstruction.parts"
    parts = _parts(value.get("parts"), place)
    if any("text" not in part for part in parts):
        raise BadTurns("unsupported_part", "the system instruction takes text only", place)
    return plain_text(parts)


def _check_answer(turn: Turn) -> None:
    """What is learned is text or function calls."""
    if any("fileData" in part or "functionResponse" in part for part in turn.parts):
        raise BadTurns("unsupported_part", "the answer is text or function calls", "contents[-1]")


def _completions(value: Any) -> tuple[Turn, Turn]:
    """The better and the worse answer of a preference row."""
    place = "completions"
    if not isinstance(value, list) or len(value) != 2:
        raise BadTurns("bad_completions", "exactly two completions are expected", place)
    scored: dict[float, Turn] = {}
    for at, item in enumerate(value):
        score = item.get("score") if isinstance(item, Mapping) else None
        if isinstance(score, bool) or score not in (0, 1):
            raise BadTurns("bad_completions", "a completion has a score, 1 or 0", f"{place}[{at}]")
        scored[score] = _turn(item.get("completion"), f"{place}[{at}].completion")
    if len(scored) != 2:
        raise BadTurns("bad_completions", "one completion has score 1, the other 0", place)
    better, worse = scored[1], scored[0]
    if any(turn.role != "model" or turn.parts or not turn.text.strip() for turn in (better, worse)):
        raise BadTurns("bad_completions", "a completion is a model turn with text", place)
    return better, worse
