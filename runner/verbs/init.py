"""`sft init`: a commented, runnable experiment for the user's own file."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.base.errors import ConfigError
from runner.base.text import plural

if TYPE_CHECKING:
    from runner.sources.guess import Guess

LOOKED_AT = 20_000
"""Rows that are looked at."""

ROWS_FOR_TWO_SIZES = 150
"""More rows than this make 100 examples a smaller arm of its own."""

MOST_LISTED = 20
"""Labels that a system instruction lists."""

NOT_A_NAME = "null true false yes no on off none nan inf".split()
"""Words that YAML or a command line takes for something else than text."""

SUITES = {
    "classification": "classification",
    "json_record": "json_record",
    "qa": "qa",
    "generation": "generation",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name",
        metavar="NAME",
        help="the experiment's name; NAME.yaml is written, and its prompt below conf/template",
    )
    parser.add_argument("--data", required=True, metavar="FILE", help="JSONL, CSV, TSV or Parquet")
    parser.add_argument("--test", metavar="FILE", help="held-out rows, when you have them")
    parser.add_argument("--force", action="store_true", help="write over an existing file")


def main(options: argparse.Namespace) -> int:
    from runner.sources.guess import guess

    _check_name(options.name)
    page, prompts = Path(f"{options.name}.yaml"), _prompts(options.name)
    for file in (page, prompts):
        if file.exists() and not options.force:
            raise ConfigError(f"{file} exists; type --force to write over it")
    rows = _rows(Path(options.data))
    if options.test and not Path(options.test).is_file():
        raise ConfigError(f"--test: no file {options.test!r}")
    found = guess(rows)
    if found.kind == "files" and not found.input:
        raise ConfigError(
            f"--data: {options.data!r} has only the column {found.target!r}; an experiment needs"
            " a column that goes in and one with the answer"
        )
    page.write_text(_yaml(options, found, len(rows), prompts), encoding="utf-8")
    print(f"wrote {page}")
    if _own(found):
        prompts.parent.mkdir(parents=True, exist_ok=True)
        prompts.write_text("\n".join(_template(options, found, prompts)), encoding="utf-8")
        print(f"wrote {prompts}, the prompt: an option of the group template")
    for key, reason in found.reasons.items():
        print(f"  {key:<7} {_shown(found, key)}: {reason}")
    typed = shlex.quote(str(page))
    print(f"next: sft check {typed}   then: sft run {typed}")
    return 0


def _check_name(name: str) -> None:
    """Raise ConfigError for a name that the experiment itself would refuse."""
    from runner.config import Experiment

    rules = [getattr(rule, "pattern", None) for rule in Experiment.model_fields["name"].metadata]
    if not all(re.fullmatch(rule, name) for rule in rules if rule):
        raise ConfigError(
            f"NAME must be letters, digits, blanks, dots, dashes and underscores, up to 100, the"
            f" first one a letter or digit; not {name!r}"
        )


def _rows(path: Path) -> list[dict[str, Any]]:
    from runner.sources.read import sample

    if not path.is_file():
        raise ConfigError(f"--data: no file {str(path)!r}")
    rows = sample(path, LOOKED_AT)
    if not rows:
        raise ConfigError(f"--data: no readable rows in {str(path)!r}")
    return rows


def _shown(found: Guess, key: str) -> str:
    shown = {"target": found.target, "input": ", ".join(found.input), "suite": found.task}
    return shown.get(key, found.kind)


def _prompts(name: str) -> Path:
    """The file of the experiment's own option of the group `template`: beside the experiment, so
    that it can be swept against others. The option has a name of its own that a command line
    takes for text as it is."""
    from runner.compose.folders import option_files

    slug = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    taken = slug.lower() in NOT_A_NAME or slug in option_files("template", ())
    option = slug if slug[0].isalpha() and not taken else f"prompt_{slug}"
    return Path("conf", "template", f"{option}.yaml")


def _yaml(options: argparse.Namespace, found: Guess, rows: int, prompts: Path) -> str:
    return "\n".join(
        [
            *_head(options, found, rows, prompts),
            *_source(options, found),
            *_wording(options, found, prompts),
            *_tail(found),
            *_sweep(rows),
        ]
    )


def _head(options: argparse.Namespace, found: Guess, rows: int, prompts: Path) -> list[str]:
    looked = f"the first {rows} rows" if rows == LOOKED_AT else plural(rows, "row")
    typed = shlex.quote(f"{options.name}.yaml")
    return [
        "# @package _global_",
        *_editor("experiment", Path()),
        "#",
        f"# Question   {_question(options)}",
        f"# Command    sft run {typed}",
        f"# Cost       type: sft plan {typed}",
        "# Expected   <fill in after the first run>",
        f"# Guessed by sft init from {looked} of {one_line(Path(options.data).name)};"
        " correct what is wrong.",
        "defaults:",
        f"  - override /source: {found.kind}",
        *([f"  - override /template: {prompts.stem}   # {prompts}"] if _own(found) else []),
        f"  - override /suite: {SUITES[found.task]}   # {found.reasons.get('suite', 'free text')}",
        "",
        f"name: {yaml_word(options.name)}",
        f"question: {yaml_word(_question(options))}",
        "",
    ]


def _question(options: argparse.Namespace) -> str:
    return f"Does tuning on {one_line(Path(options.data).name)} beat the untuned model?"


def _editor(name: str, folder: Path) -> list[str]:
    """The schema `name` for an editor of a file in `folder`, where it lies at a place that stays:
    within this checkout."""
    from runner.compose.folders import packaged_conf

    schema = packaged_conf() / ".schema" / f"{name}.json"
    if not (schema.is_file() and Path.cwd().is_relative_to(packaged_conf().parent)):
        return []
    return [f"# yaml-language-server: $schema={Path(os.path.relpath(schema, folder)).as_posix()}"]


def _source(options: argparse.Namespace, found: Guess) -> list[str]:
    lines = ["source:", f"  train: {_path(options.data)}"]
    if options.test:
        lines.append(f"  test: {_path(options.test)}")
    else:
        lines.append("  # test: held-out rows; without it, a tenth of train is cut off for it")
    if found.kind == "files":
        lines += [
            f"  input: {yaml_word(found.input)}   # {found.reasons['input']}",
            f"  target: {yaml_word(found.target)}   # {found.reasons['target']}",
        ]
        if _grouped(found):
            by = yaml_word(found.input[0])
            lines += [
                f"  group: {by}            # rows that share it never straddle a split",
                f"  references_by: {by}    # in evaluation, one row with all its answers",
            ]
        elif found.repeated:
            lines += [
                "  # Some inputs stand with several answers: only the first one is kept. To keep",
                "  # them all, name the one column they share as `group` and `references_by`.",
            ]
        if found.id:
            lines.append(f"  id: {yaml_word(found.id)}   # duplicate keys are reported")
    return [*lines, ""]


def _own(found: Guess) -> bool:
    """Whether the rows need a template; others bring their own prompts."""
    return found.kind == "files"


def _wording(options: argparse.Namespace, found: Guess, prompts: Path) -> list[str]:
    """Where the prompt stands, and how to compare it with another one."""
    if not _own(found):
        return ["# The rows bring their own prompts: no template is applied to them.", ""]
    typed = shlex.quote(f"{options.name}.yaml")
    return [
        f"# The prompt stands in {prompts}. To compare it with the bare input:",
        f"# sft run {typed} -m template=plain,{prompts.stem}",
        "",
    ]


def _template(options: argparse.Namespace, found: Guess, prompts: Path) -> list[str]:
    """The option of the group `template` that makes prompts of these rows."""
    typed = shlex.quote(f"{options.name}.yaml")
    parts = [f"{{{{ {jinja_column(name)} }}}}" for name in found.input]
    if len(parts) > 1:
        names = [jinja_verbatim(one_line(name)) for name in found.input]
        parts = [f"{name}: {part}" for name, part in zip(names, parts, strict=True)]
    return [
        *_editor("template", prompts.parent),
        f"# What {options.name}.yaml asks the model for each row. To try another wording, copy",
        f"# this to {prompts.with_name('OTHER.yaml')}, change it there, and compare the two:",
        f"# sft run {typed} -m template={prompts.stem},OTHER",
        f"name: {prompts.stem}",
        "# What holds for every row: say what the answer has to look like.",
        f"system: {yaml_word(jinja_verbatim(_system(found)))}",
        "prompt: |-",
        *(f"  {no_interpolation(part)}" for part in parts),
        "",
    ]


def _grouped(found: Guess) -> bool:
    """Whether the several answers to one input can be told by one column."""
    return found.repeated and len(found.input) == 1


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
    if _grouped(found):
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
    ]


def _sweep(rows: int) -> list[str]:
    knobs = "tuning.epochs, tuning.learning_rate_multiplier, tuning.adapter_size"
    if rows <= ROWS_FOR_TWO_SIZES:
        return [
            "# One tuned arm on all rows; the untuned model joins by itself. To compare several,",
            "# list values of a knob, such as " + knobs + ":",
            "# sweep:",
            "#   grid:",
            "#     tuning.epochs: [1, 3]",
            "",
        ]
    return [
        "# Two arms, to see what more examples buy; the untuned model joins by itself.",
        f"# Other knobs: {knobs}.",
        "sweep:",
        "  grid:",
        "    prepare.select.size: [100, null]   # about 100 examples first, then all",
        "",
    ]


def _path(text: str) -> str:
    """The path as seen from the YAML, which is written into the current folder."""
    path = Path(text).expanduser()
    return yaml_word(path.as_posix() if path.is_absolute() else os.path.relpath(path))


# A user's own words inside a YAML file that holds Jinja templates, meaning just themselves.

JINJA_WORDS = set("and or not in is if else true false none True False None self super".split())
"""Names that a template cannot use for a column."""


def yaml_word(value: str | list[str]) -> str:
    """The text, or the list of texts, as YAML on one line, quoted when it has to be."""
    import yaml

    plain = [value] if isinstance(value, str) else value
    dumped: str = yaml.safe_dump(
        [no_interpolation(text) for text in plain],
        allow_unicode=all(text.isprintable() for text in plain),
        # Quotes of YAML's own choice break long texts and line ends over several lines.
        default_style=None if all(text.isprintable() for text in plain) else '"',
        default_flow_style=True,
        width=float("inf"),
    )
    line = dumped.removesuffix("\n")
    return line[1:-1] if isinstance(value, str) else line


def no_interpolation(text: str) -> str:
    """The text with each ``${`` escaped, which OmegaConf would take for a reference."""
    return re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + r"\${", text)


def jinja_verbatim(text: str) -> str:
    """The text as a Jinja template that gives the text: what opens a tag becomes a string."""
    return re.sub(r"\{[{%#]", lambda found: f"{{{{ '{found[0]}' }}}}", text)


def one_line(text: str) -> str:
    """The text on one line, fit for a comment."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def jinja_column(name: str) -> str:
    """The column in a Jinja template: by name, or through `row` when it is no plain word."""
    plain = name.isidentifier() and name not in JINJA_WORDS
    return name if plain else f"row[{name!r}]"
