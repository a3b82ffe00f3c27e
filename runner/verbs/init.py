"""`sft init`: a commented, runnable experiment for the user's own file."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.errors import ConfigError

if TYPE_CHECKING:
    from runner.guess import Guess

LOOKED_AT = 20_000
"""Rows that are looked at."""

MOST_LISTED = 20
"""Labels that a system instruction lists."""

SUITES = {
    "classification": "classification",
    "json_record": "json_record",
    "qa": "qa",
    "generation": "generation",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the experiment's name; NAME.yaml is written")
    parser.add_argument("--data", required=True, metavar="FILE", help="JSONL, CSV, TSV or Parquet")
    parser.add_argument("--test", metavar="FILE", help="held-out rows, when you have them")
    parser.add_argument("--force", action="store_true", help="write over an existing file")


def main(options: argparse.Namespace) -> int:
    from runner.guess import guess

    page = Path(f"{options.name}.yaml")
    if page.suffix != ".yaml" or page.name != str(page):
        raise ConfigError(f"NAME must be a plain word, not {options.name!r}")
    if page.exists() and not options.force:
        raise ConfigError(f"{page} exists; type --force to write over it")
    rows = _rows(Path(options.data))
    found = guess(rows)
    page.write_text(_yaml(options, found, len(rows)), encoding="utf-8")
    print(f"wrote {page}")
    for key, reason in found.reasons.items():
        print(f"  {key:<7} {_shown(found, key)}: {reason}")
    print(f"next: sft check {page}   then: sft run {page}")
    return 0


def _rows(path: Path) -> list[dict[str, Any]]:
    from runner.sources.sample import sample

    if not path.is_file():
        raise ConfigError(f"--data: no file {str(path)!r}")
    rows = sample(path, LOOKED_AT)
    if not rows:
        raise ConfigError(f"--data: no readable rows in {str(path)!r}")
    return rows


def _shown(found: Guess, key: str) -> str:
    shown = {"target": found.target, "input": ", ".join(found.input), "suite": found.task}
    return shown.get(key, found.kind)


def _yaml(options: argparse.Namespace, found: Guess, rows: int) -> str:
    return "\n".join(
        [*_head(options, found, rows), *_source(options, found), *_template(found), *_tail(found)]
    )


def _head(options: argparse.Namespace, found: Guess, rows: int) -> list[str]:
    looked = f"the first {rows} rows" if rows == LOOKED_AT else f"{rows} rows"
    return [
        "# @package _global_",
        "#",
        f"# Question   {_question(options)}",
        f"# Command    sft run {options.name}.yaml",
        "# Cost       type: sft plan " + options.name + ".yaml",
        "# Expected   <fill in after the first run>",
        f"# Guessed by sft init from {looked} of {Path(options.data).name}; correct what is wrong.",
        "defaults:",
        f"  - override /source: {found.kind}",
        f"  - override /suite: {SUITES[found.task]}   # {found.reasons.get('suite', 'free text')}",
        "",
        f"name: {options.name}",
        f"question: {_question(options)}",
        "",
    ]


def _question(options: argparse.Namespace) -> str:
    return f"Does tuning on {Path(options.data).name} beat the untuned model?"


def _source(options: argparse.Namespace, found: Guess) -> list[str]:
    lines = ["source:", f"  train: {_path(options.data)}"]
    if options.test:
        lines.append(f"  test: {_path(options.test)}")
    else:
        lines.append("  # test: held-out rows; without it, a tenth of train is cut off for it")
    if found.kind == "files":
        lines += [
            f"  input: [{', '.join(map(_word, found.input))}]   # {found.reasons['input']}",
            f"  target: {_word(found.target)}   # {found.reasons['target']}",
        ]
        if found.repeated:
            by = _word(found.input[0])
            lines += [
                f"  group: {by}            # rows with one {by} never straddle a split",
                f"  references_by: {by}    # in evaluation, one row with all its answers",
            ]
        if found.id:
            lines.append(f"  id: {_word(found.id)}   # duplicate keys are reported")
    return [*lines, ""]


def _template(found: Guess) -> list[str]:
    if found.kind != "files":
        return ["# The rows bring their own prompts: no template is applied to them.", ""]
    parts = [f"{{{{ {_jinja(name)} }}}}" for name in found.input] or ["{{ input }}"]
    prompt = (
        parts[0]
        if len(parts) == 1
        else "\n    ".join(f"{name}: {part}" for name, part in zip(found.input, parts, strict=True))
    )
    return [
        "template:",
        f"  name: {found.task}",
        "  # What holds for every row: say what the answer has to look like.",
        f"  system: {_word(_system(found))}",
        "  prompt: |-",
        f"    {prompt}",
        "",
    ]


def _system(found: Guess) -> str:
    """A plain instruction for the task, to be improved by someone who knows it."""
    if found.task == "classification" and len(found.labels) <= MOST_LISTED:
        return f"Answer with one of: {', '.join(found.labels)}."
    if found.task == "json_record":
        return f"Answer with JSON that has the keys {', '.join(found.keys)}."
    names = {
        "classification": f"Answer with the {found.target} of the text.",
        "qa": "Answer in as few words as possible.",
    }
    return names.get(found.task, f"Write the {found.target}.")


def _tail(found: Guess) -> list[str]:
    data = []
    if found.repeated:
        data = [
            "prepare:",
            "  dedup: {exact: false}   # several answers to one input are meant",
            "  split: {stratify: null}",
            "",
        ]
    return [
        *data,
        "suite:",
        "  generation:",
        f"    max_tokens: {found.answer_tokens}   # enough for the longest answer",
        "",
        "# Two arms, to see what more examples buy; the untuned model joins by itself.",
        "# Other knobs: tuning.epochs, tuning.learning_rate_multiplier, tuning.adapter_size.",
        "sweep:",
        "  grid:",
        "    prepare.select.size: [100, null]   # about 100 examples first, then all",
        "",
    ]


def _path(text: str) -> str:
    """The path as seen from the YAML, which is written into the current folder."""
    path = Path(text).expanduser()
    return _word(path.as_posix() if path.is_absolute() else os.path.relpath(path))


def _word(text: str) -> str:
    """The text as a YAML scalar, quoted when it has to be."""
    import yaml

    dumped: str = yaml.safe_dump(text, allow_unicode=True, width=10_000)
    return dumped.removesuffix("\n").removesuffix("\n...")


def _jinja(name: str) -> str:
    """The column in a Jinja template: by name, or through `row` when it is no plain word."""
    return name if name.isidentifier() else f"row[{name!r}]"
