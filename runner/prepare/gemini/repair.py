"""Rows in other formats, or with the usual mistakes, made rows of Gemini's format.

Every repair is named. Nothing is guessed: a row that is not sound afterwards is not taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.prepare.gemini.finding import camel
from runner.prepare.gemini.row import NO_PLACE

ROLES = {"assistant": "model", "ai": "model", "bot": "model", "gpt": "model", "human": "user"}
PAIRS = (("input_text", "output_text"), ("prompt", "completion"))
SYSTEM = ("system", "developer")


def repaired(row: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A copy of the row with what can be repaired repaired, and each repair in words."""
    work = _Repair()
    return work.row(row), list(dict.fromkeys(work.done))


class _Repair:
    def __init__(self) -> None:
        self.done: list[str] = []

    def row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        out = dict(row)
        self._format(out)
        for key in [key for key in out if camel(key) in NO_PLACE and camel(key) != "cachedContent"]:
            del out[key]
            self.done.append(f"`{key}` removed, it has no place in a tuning row")
        spelled = next((k for k in out if camel(k) == "systemInstruction"), "systemInstruction")
        system = out.get(spelled)
        if system is not None:
            out[spelled] = system = self._system(system)
        contents = out.get("contents")
        if isinstance(contents, list):
            turns, moved = self._out_of_turns(contents)
            out["contents"] = [self._turn(turn) for turn in turns]
            if moved:
                known = self._parts_of(system) if system is not None else []
                out[spelled] = {"role": "system", "parts": [*known, *moved]}
        return out

    def _format(self, row: dict[str, Any]) -> None:
        """Chat messages and pairs of question and answer as `contents`."""
        if "contents" in row:
            return
        if isinstance(row.get("messages"), list):
            row["contents"] = row.pop("messages")
            self.done.append("`messages` made `contents`")
            return
        for asked, answered in PAIRS:
            if isinstance(row.get(asked), str) and isinstance(row.get(answered), str):
                pairs = (("user", row.pop(asked)), ("model", row.pop(answered)))
                row["contents"] = [{"role": role, "parts": [{"text": t}]} for role, t in pairs]
                self.done.append(f"`{asked}` and `{answered}` made a user and a model turn")
                return

    def _out_of_turns(self, contents: list[Any]) -> tuple[list[Any], list[Any]]:
        """The turns without system texts at their head, and the parts of those."""
        turns, moved = list(contents), []
        while len(turns) > 1 and isinstance(turns[0], dict) and self._is_system(turns):
            moved += self._parts_of(self._turn(turns.pop(0)))
            self.done.append("the system text moved from the turns to `systemInstruction`")
        return turns, moved

    @staticmethod
    def _is_system(turns: list[Any]) -> bool:
        """A turn with that role, or without any right before the first user turn."""
        following = turns[1].get("role") if isinstance(turns[1], dict) else None
        role = turns[0].get("role")
        return role in SYSTEM or (role is None and following in ("user", "human"))

    def _system(self, system: Any) -> Any:
        if isinstance(system, str):
            self.done.append("the text of `systemInstruction` made parts")
            return {"role": "system", "parts": [{"text": system}]}
        return self._turn(system)

    def _turn(self, turn: Any) -> Any:
        if not isinstance(turn, dict):
            return turn
        out = dict(turn)
        role = out.get("role")
        if isinstance(role, str) and role in ROLES:
            out["role"] = ROLES[role]
            self.done.append(f"role `{role}` made `{ROLES[role]}`")
        if "content" in out and "parts" not in out:
            out["parts"] = out.pop("content")
            self.done.append("`content` made `parts`")
        if "weight" in out:
            del out["weight"]
            self.done.append("`weight` removed, turns have none")
        if "parts" in out:
            out["parts"] = self._parts(out["parts"])
        return out

    def _parts(self, parts: Any) -> Any:
        if isinstance(parts, str | dict):
            parts = [parts]
            self.done.append("`parts` made a list")
        if not isinstance(parts, list):
            return parts
        return self._without_empty([self._part(part) for part in parts])

    def _part(self, part: Any) -> Any:
        if isinstance(part, str):
            self.done.append("text made a part")
            return {"text": part}
        if not isinstance(part, dict):
            return part
        out = dict(part)
        if out.get("type") == "text" and isinstance(out.get("text"), str):
            del out["type"]
            self.done.append("`type` of a text part removed")
        for key in [key for key in out if camel(key) == "thoughtSignature"]:
            del out[key]
            self.done.append(f"`{key}` removed")
        if out.get("thought") is False:
            del out["thought"]
            self.done.append("`thought` removed")
        return out

    def _without_empty(self, parts: list[Any]) -> list[Any]:
        """Without thoughts and empty texts, as long as another part is left."""
        kept = [part for part in parts if not _says_nothing(part)]
        if kept and len(kept) < len(parts):
            self.done.append("thoughts and empty parts removed")
            return kept
        return parts

    @staticmethod
    def _parts_of(turn: Any) -> list[Any]:
        parts = turn.get("parts") if isinstance(turn, dict) else None
        return list(parts) if isinstance(parts, list) else [turn]


def _says_nothing(part: Any) -> bool:
    if not isinstance(part, dict):
        return False
    text = part.get("text")
    empty = isinstance(text, str) and not text.strip() and len(part) == 1
    return empty or part.get("thought") is True
