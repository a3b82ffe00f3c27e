"""A key the schema does not know: which one was meant, or why it does not belong there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from runner.compose.faults import Fault
from runner.compose.folders import option_files
from runner.compose.known import KIND, child_at, descriptions, kind_of, kinds_at, models_at
from runner.compose.locate import Places, dotted
from runner.compose.request import Request
from runner.compose.words import did_you_mean, listed, near, quoted
from runner.compose.yaml_files import Key, read_yaml
from runner.errors import Problem


def unknown_key(fault: Fault, config: Any) -> tuple[str, str]:
    """What is wrong with an unknown key, and a hint: another kind that knows it, the nearest
    key of its group, the nearest of the whole schema, or the keys there are."""
    group, name = fault.key[:-1], str(fault.key[-1])
    kind = quoted(child_at(config, (*group, KIND)))
    others = [kind_of(m) for m in kinds_at(group, config) if name in m.model_fields]
    if others:
        return f"unknown key of kind {kind}; it belongs to {listed(map(quoted, others))}", ""
    siblings = dict.fromkeys(key for m in models_at(group, config) for key in m.model_fields)
    if beside := near(name, siblings):
        return "unknown key", did_you_mean(dotted((*group, beside)))
    inside = f"in `{dotted(group)}`" if group else "at the top"
    keys = f"the keys {inside} are {listed(siblings)}"
    return "unknown key", did_you_mean(_nearest(dotted(fault.key))) or keys


def _nearest(key: str) -> str | None:
    """The key of the whole schema that `key` most likely means: of those with its last name, or
    one like it, the one that reads most like `key`; else whatever reads like it as a whole."""
    names = {known.rpartition(".")[2] for known in descriptions()}
    name = near(key.rpartition(".")[2], names, cutoff=0.8)
    same = [known for known in descriptions() if known.rpartition(".")[2] == name]
    return near(key, same, cutoff=0.0) or near(key, descriptions(), cutoff=0.75)


def mixed_kinds(found: Iterable[Fault], config: Any, places: Places) -> dict[Key, Problem]:
    """Groups with unknown keys that come from an option of another kind, since `kind:` was
    changed on top of it instead of choosing another option: one problem for each group."""
    problems: dict[Key, Problem] = {}
    for fault in found:
        group, kind = fault.key[:-1], child_at(config, (*fault.key[:-1], KIND))
        if fault.type != "extra_forbidden" or kind is None:
            continue
        said, key = places.origin((*group, KIND)), places.origin(fault.key)
        if not (said and key and key.layer):
            continue
        under = _kind_in(key.layer.file) if key.layer.package == group else None
        if under not in (None, kind):
            problems[group] = Problem(
                dotted((*group, KIND)),
                f"{quoted(kind)} stands on top of the option '{key.layer.file.stem}', "
                f"which is of kind {quoted(under)} and has other keys",
                said.where,
                _option_of_kind(places.request, "/".join(map(str, group)), kind),
            )
    return problems


def _option_of_kind(request: Request, group: str, kind: Any) -> str:
    """How to start from an option of the kind that is wanted; empty when there is none."""
    files = option_files(group, request.confs)
    fitting = sorted(name for name, file in files.items() if _kind_in(file) == kind)
    best = kind if kind in fitting else next(iter(fitting), None)
    return f"choose its option under defaults: `- override /{group}: {best}`" if best else ""


def _kind_in(file: Any) -> Any:
    content = read_yaml(file)
    return content.get(KIND) if isinstance(content, dict) else None
