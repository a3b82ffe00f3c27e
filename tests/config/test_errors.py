"""Every mistake a user can make in a configuration, and the message that answers it.

Each case names the file and line (or the override), the bad value, what is allowed, and what was
probably meant. Messages are compared whole: this file is where they are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.base.errors import ConfigError
from runner.compose import compose
from tests.compose.composing import MINIMAL, problems_of, write

SOURCE = "source: {train: a.csv}\n"
TINY = "defaults: [{override /model: tiny_random}]\n"
GOOD = TINY + SOURCE


def outside(resolver: str) -> str:
    return (
        f"'${{{resolver}:...}}' is refused: an experiment must not read what is outside of it; "
        "write the value itself, or give it on the command line"
    )


@dataclass(frozen=True)
class Case:
    """A faulty experiment, its command line, and the messages, in order."""

    text: str
    expected: list[str]
    argv: tuple[str, ...] = ()


CASES = {
    # --- values -----------------------------------------------------------------------------
    "whole number": Case(
        GOOD + "tuning:\n  epochs: three\n",
        ["exp.yaml:4: tuning.epochs: 'three' is not a whole number, null or recommended"],
    ),
    "name of a list's item": Case(
        GOOD + "suite: {metrics: [{kind: exact_match}]}\n",
        [
            "override suite.metrics.x=1: suite.metrics.x: a list's items go by number, from 0 to"
            " the last: give the whole list instead"
        ],
        argv=("++suite.metrics.x=1",),
    ),
    "no such item": Case(
        GOOD + "suite: {metrics: [{kind: exact_match}]}\n",
        [
            "override suite.metrics.7=1: suite.metrics.7: a list's items go by number, from 0 to"
            " the last: give the whole list instead"
        ],
        argv=("suite.metrics.7=1",),
    ),
    "fraction": Case(GOOD + "seed: 1.5\n", ["exp.yaml:3: seed: 1.5 is not a whole number"]),
    "number": Case(
        GOOD + "tuning: {learning_rate_multiplier: fast}\n",
        [
            "exp.yaml:3: tuning.learning_rate_multiplier: 'fast' is not a number, "
            "null or recommended"
        ],
    ),
    "ledger that is no Postgres": Case(
        GOOD + "store: {ledger: 'mysql://host/base'}\n",
        ["exp.yaml:3: store.ledger: must be null or a URL that begins with postgresql://"],
    ),
    "true or false": Case(
        GOOD + "baseline: {zero_shot: maybe}\n",
        ["exp.yaml:3: baseline.zero_shot: 'maybe' is not true or false"],
    ),
    "bounds": Case(
        GOOD + "prepare:\n  leakage:\n    max_share: 5\nbackend:\n  warmup: -0.5\n",
        [
            "exp.yaml:5: prepare.leakage.max_share: 5 is not allowed; it has to be at most 1",
            "exp.yaml:7: backend.warmup: -0.5 is not allowed; it has to be at least 0",
        ],
    ),
    "bound from the command line": Case(
        GOOD,
        [
            "override tuning.epochs=0: tuning.epochs: 0 is not allowed; it has to be at least 1",
            "override tuning.learning_rate_multiplier=0: tuning.learning_rate_multiplier: "
            "0 is not allowed; it has to be greater than 0",
        ],
        ("tuning.epochs=0", "tuning.learning_rate_multiplier=0"),
    ),
    "one of several": Case(
        GOOD
        + "tuning: {adapter_size: 7}\nsource: {train: a.csv, format: jsnl}\n".split("source")[0],
        [
            "exp.yaml:3: tuning.adapter_size: 7 is not allowed; "
            "allowed are 1, 2, 4, 8, 16, 32 or 'recommended'"
        ],
    ),
    "one of several texts": Case(
        TINY + "source:\n  train: a.csv\n  format: jsnl\n",
        [
            "exp.yaml:4: source.format: 'jsnl' is not allowed; "
            "allowed are 'auto', 'jsonl', 'csv', 'tsv' or 'parquet'\n"
            "      did you mean 'jsonl'?"
        ],
    ),
    "in a list": Case(
        GOOD + "suite:\n  normalize:\n    - unicode\n    - Case\n",
        [
            "exp.yaml:6: suite.normalize.1: 'Case' is not allowed; allowed are 'unicode', 'case', "
            "'lower', 'whitespace', 'punctuation', 'ascii_punctuation', 'final_punctuation', "
            "'articles' or 'alphanumeric'\n"
            "      did you mean 'case'?"
        ],
    ),
    "text": Case(
        GOOD + "question: 5\n",
        ["exp.yaml:3: question: 5 is not text\n      put it in quotes"],
    ),
    "list": Case(
        GOOD + "baseline:\n  few_shot: 3\n",
        ["exp.yaml:4: baseline.few_shot: 3 is not a list\n      write `[3]`"],
    ),
    "text or list": Case(
        TINY + "source: {train: 5}\n",
        ["exp.yaml:2: source.train: 5 is not text or a list\n      put it in quotes"],
    ),
    "mapping": Case(
        GOOD + "tuning: 5\n",
        [
            "exp.yaml:3: tuning: 5 is not a mapping\n"
            "      its keys are method, epochs, max_epochs, learning_rate_multiplier, "
            "adapter_size, beta, start_from"
        ],
    ),
    "too few": Case(
        GOOD + "suite: {metrics: []}\n",
        ["exp.yaml:3: suite.metrics: [] is not allowed; it needs at least 1 item"],
    ),
    "pattern": Case(
        GOOD + "name: a/b\n",
        [
            "exp.yaml:3: name: 'a/b' is not allowed: letters, digits, blanks, dots, dashes and "
            "underscores, up to 100 of them; the name of the experiment's file unless it says "
            "another one"
        ],
    ),
    "combination": Case(
        GOOD + "baseline: {zero_shot: false, few_shot: []}\n",
        [
            "exp.yaml:3: baseline: zero_shot is false and few_shot is empty: "
            "say why in baseline.skip_reason"
        ],
    ),
    "null": Case(GOOD + "paths: {home: null}\n", ["exp.yaml:3: paths.home: null is not text"]),
    # --- keys -------------------------------------------------------------------------------
    "slip in a key": Case(
        GOOD + "tuning:\n  lerning_rate_multiplier: 2\n",
        [
            "exp.yaml:4: tuning.lerning_rate_multiplier: unknown key\n"
            "      did you mean `tuning.learning_rate_multiplier`?"
        ],
    ),
    "slip in a group": Case(
        GOOD + "tunning: {epochs: 3}\n",
        ["exp.yaml:3: tunning: unknown key\n      did you mean `tuning`?"],
    ),
    "key of another group": Case(
        GOOD + "epochs: 3\nsuite: {exact: true}\n",
        [
            "exp.yaml:3: epochs: unknown key\n      did you mean `tuning.epochs`?",
            "exp.yaml:4: suite.exact: unknown key\n      did you mean `suite.extract`?",
        ],
    ),
    "key like nothing": Case(
        GOOD + "store: {zzz: 1}\n",
        ["exp.yaml:3: store.zzz: unknown key\n      the keys in `store` are root, ledger"],
    ),
    "unknown override, never advised to add it": Case(
        GOOD,
        [
            "override tuning.epoch=3: tuning.epoch: unknown key\n"
            "      did you mean `tuning.epochs`?",
            "override +tuning.rank=3: tuning.rank: unknown key\n"
            "      the keys in `tuning` are method, epochs, max_epochs, learning_rate_multiplier, "
            "adapter_size, beta, start_from",
        ],
        ("tuning.epoch=3", "+tuning.rank=3"),
    ),
    "key of another kind": Case(
        GOOD + "backend: {options: {}}\n",
        ["exp.yaml:3: backend.options: unknown key of kind 'local'; it belongs to 'plugin'"],
    ),
    "key in a list": Case(
        GOOD + "suite:\n  metrics:\n    - kind: rouge\n      typs: [rouge1]\n",
        [
            "exp.yaml:6: suite.metrics.0.typs: unknown key\n"
            "      did you mean `suite.metrics.0.types`?"
        ],
    ),
    "weight of a file": Case(
        TINY + "source:\n  train:\n    - path: a.csv\n      wieght: 2\n",
        [
            "exp.yaml:5: source.train.0.wieght: unknown key\n"
            "      did you mean `source.train.0.weight`?"
        ],
    ),
    # --- kinds ------------------------------------------------------------------------------
    "no such kind": Case(
        GOOD + "suite:\n  extract:\n    kind: regexp\n",
        [
            "exp.yaml:5: suite.extract.kind: there is no kind 'regexp'; "
            "the kinds are none, regex, choice, json\n      did you mean `regex`?"
        ],
    ),
    "no kind": Case(
        GOOD + "suite:\n  metrics:\n    - stem: true\n",
        [
            "exp.yaml:5: suite.metrics.0.kind: no kind is named; the kinds are exact_match, "
            "classification, token_f1, sacrebleu, rouge, json_fields, number, "
            "constraints, plugin"
        ],
    ),
    "missing key of a kind": Case(
        GOOD + "suite:\n  extract:\n    kind: regex\n",
        [
            "exp.yaml:4: suite.extract.pattern: is required\n"
            "      set it in exp.yaml, or type suite.extract.pattern=VALUE"
        ],
    ),
    "kind on top of an option of another kind": Case(
        SOURCE + "model:\n  kind: gguf\n  path: x.gguf\n",
        [
            "exp.yaml:3: model.kind: 'gguf' stands on top of the option 'smollm2_135m', which is "
            "of kind 'wheel' and has other keys\n"
            "      choose its option under defaults: `- override /model: gguf`"
        ],
    ),
    # --- what is not there ------------------------------------------------------------------
    "no value yet": Case(
        TINY,
        [
            "conf/source/files.yaml:4: source.train: has no value yet: "
            "training rows: a path, a glob, or a list of paths with weights\n"
            "      set it in exp.yaml, or type source.train=VALUE"
        ],
    ),
    "no value yet, of something in capitals": Case(
        SOURCE + TINY + "skew: {kind: file}\n",
        [
            "exp.yaml:3: skew.production: is required: JSONL; a row has `text`, `contents` "
            "(Gemini's form, also inside `request`) or `messages`, and may have `system` or "
            "`systemInstruction`, `id` and `label`\n"
            "      set it in exp.yaml, or type skew.production=VALUE"
        ],
    ),
    "no value in the experiment": Case(
        GOOD + "suite:\n  extract:\n    kind: regex\n    pattern: ???\n",
        [
            "exp.yaml:6: suite.extract.pattern: has no value yet\n"
            "      set it in exp.yaml, or type suite.extract.pattern=VALUE"
        ],
    ),
    "group deselected": Case(
        "defaults:\n  - override /model: tiny_random\n  - override /suite: null\n" + SOURCE,
        [
            "exp.yaml: suite: is required\n      set it in exp.yaml, or type suite=VALUE",
        ],
    ),
    "reference to nothing": Case(
        GOOD + "question: costs ${amount}\n",
        [
            "exp.yaml:3: question: Interpolation key 'amount' not found\n"
            "      for the text ${ itself write \\${"
        ],
    ),
    "broken reference": Case(
        GOOD + 'template: {prompt: "costs ${"}\n',
        [
            "exp.yaml:3: template.prompt: 'costs ${' is no reference to a value; "
            "for the text write \\${"
        ],
    ),
    "environment": Case(
        GOOD + "question: my ${oc.env:HOME}\nname: \"${oc.select:seed,'${oc.env:HOME}'}\"\n",
        [
            f"exp.yaml:3: question: {outside('oc.env')}",
            f"exp.yaml:4: name: {outside('oc.env')}",
        ],
    ),
    "environment in an override": Case(
        GOOD,
        [f"override question=${{oc.env:HOME}}: question: {outside('oc.env')}"],
        ("question=${oc.env:HOME}",),
    ),
    "environment in a swept override": Case(
        GOOD,
        [f"override question=a,${{oc.env:HOME}}: question: {outside('oc.env')}"],
        ("-m", "question=a,${oc.env:HOME}"),
    ),
    "environment in a grid": Case(
        GOOD + "sweep:\n  grid:\n    question: [a, '${oc.env:HOME}']\n",
        [f"exp.yaml:5: sweep.grid.question.1: {outside('oc.env')}"],
    ),
    "environment by detours": Case(
        GOOD
        + "question: '${oc.${name}:HOME}'\nname: env\n"
        + "template: {prompt: '${oc.create:${name}}'}\n",
        [
            f"exp.yaml:3: question: {outside('oc.${name}')}",
            f"exp.yaml:5: template.prompt: {outside('oc.create')}",
        ],
    ),
    # --- the defaults list ------------------------------------------------------------------
    "no such option": Case(
        "defaults:\n  - override /model: smollm2\n" + SOURCE,
        [
            "exp.yaml:2: model: there is no option 'smollm2'; the options are OPTIONS(model)\n"
            "      did you mean `smollm2_135m`?"
        ],
    ),
    "no such group": Case(
        "defaults:\n  - override /modle: tiny_random\n" + SOURCE,
        [
            "exp.yaml:2: modle: there is no group 'modle'; the groups are GROUPS\n"
            "      did you mean `model`?"
        ],
    ),
    "group without a slash": Case(
        "defaults:\n  - override model: tiny_random\n" + SOURCE,
        [
            "exp.yaml:2: model: the name of a group starts with a slash in an experiment\n"
            "      write `- override /model: tiny_random`"
        ],
    ),
    "group without override": Case(
        "defaults:\n  - /model: tiny_random\n" + SOURCE,
        [
            "exp.yaml:2: model: is chosen already and has to be overridden\n"
            "      write `- override /model: tiny_random`"
        ],
    ),
    "override above the rest": Case(
        "defaults:\n  - override /model: tiny_random\n  - base\n" + SOURCE,
        [
            "exp.yaml:3: defaults: there is no file 'base.yaml' to build on",
        ],
    ),
    "launcher": Case(
        "defaults:\n  - override /model: tiny_random\n  - override /hydra/launcher: joblib\n"
        + SOURCE,
        ["exp.yaml:3: hydra/launcher: cannot be chosen in a YAML; only hydra/sweeper can"],
    ),
    "no list": Case(
        "defaults: {model: tiny_random}\n" + SOURCE,
        [
            "exp.yaml:1: defaults: has to be a list\n"
            "      one entry a line, such as `- override /model: smollm2_135m`"
        ],
    ),
    "no entry": Case(
        "defaults:\n  - override /model: tiny_random\n  - 5\n" + SOURCE,
        ["exp.yaml:3: defaults: 5 is not `group: option`"],
    ),
    "no such sweeper": Case(
        "defaults:\n  - override /model: tiny_random\n  - override /hydra/sweeper: optunna\n"
        + SOURCE,
        ["exp.yaml: hydra/sweeper: there is no option 'optunna'; the options are arms, basic"],
    ),
    "option where its content belongs": Case(
        GOOD + "prepare:\n  dedup: fuzy\n",
        [
            "exp.yaml:4: prepare.dedup: 'fuzy' is not a mapping\n"
            "      to choose an option: `- override /prepare/dedup: fuzzy` or prepare/dedup=fuzzy"
        ],
    ),
    # --- code -------------------------------------------------------------------------------
    "target": Case(
        GOOD + "template:\n  _target_: os.system\n",
        [
            "exp.yaml:4: template._target_: is refused: a YAML must not be able to run code; "
            "`kind:` chooses what is used"
        ],
    ),
    "target in a list": Case(
        GOOD + "suite:\n  metrics:\n    - kind: exact_match\n      _target_: os.system\n",
        [
            "exp.yaml:6: suite.metrics.0._target_: is refused: a YAML must not be able to run "
            "code; `kind:` chooses what is used"
        ],
    ),
    "callbacks": Case(
        GOOD + "hydra:\n  calbacks: {}\n  swep: {}\n",
        [
            "exp.yaml:4: hydra.calbacks: cannot be set in a YAML; "
            "below hydra there may be mode, sweeper, sweep, run, output_subdir",
            "exp.yaml:5: hydra.swep: cannot be set in a YAML; "
            "below hydra there may be mode, sweeper, sweep, run, output_subdir\n"
            "      did you mean `sweep`?",
        ],
    ),
    "target by reference": Case(
        GOOD + "hydra:\n  sweeper:\n    x: '${oc.decode:\"{_target_: os.getcwd}\"}'\n",
        [f"exp.yaml:5: hydra.sweeper.x: {outside('oc.decode')}"],
    ),
    "sweeper by reference": Case(
        GOOD + "hydra:\n  sweeper:\n    x: ${seed}\n",
        ["exp.yaml:4: hydra.sweeper: must not refer to other values with ${...}"],
    ),
    # --- sweeps -----------------------------------------------------------------------------
    "swept value": Case(
        GOOD + "sweep:\n  grid:\n    tuning.epochs: [3, 0, -1]\n",
        [
            "exp.yaml:5: tuning.epochs: 0 is not allowed; it has to be at least 1",
            "exp.yaml:5: tuning.epochs: -1 is not allowed; it has to be at least 1",
        ],
    ),
    "swept key": Case(
        GOOD + "sweep:\n  grid:\n    prepare.select.sise: [80, 240]\n",
        ["exp.yaml:5: prepare.select.sise: unknown key\n      did you mean `prepare.select.size`?"],
    ),
    "swept option": Case(
        GOOD + "sweep:\n  grid:\n    template: [plain, plane]\n",
        [
            "exp.yaml:5: template: there is no option 'plane'; "
            "the options are OPTIONS(template)\n      did you mean `plain`?"
        ],
    ),
    "swept option with dots": Case(
        GOOD + "sweep:\n  grid:\n    prepare.dedup: [exact, fuzzy]\n",
        [
            "exp.yaml:5: prepare.dedup: 'exact' is not a mapping\n"
            "      to sweep over options, write the key with a slash: `prepare/dedup`",
            "exp.yaml:5: prepare.dedup: 'fuzzy' is not a mapping\n"
            "      to sweep over options, write the key with a slash: `prepare/dedup`",
        ],
    ),
    "no values": Case(
        GOOD + "sweep:\n  grid:\n    seed: []\n",
        ["exp.yaml:5: sweep.grid.seed: [] is not allowed; it needs at least 1 item"],
    ),
    "one value": Case(
        GOOD + "sweep:\n  grid:\n    seed: 5\n",
        ["exp.yaml:5: sweep.grid.seed: 5 is not a list\n      write `[5]`"],
    ),
    "nested keys": Case(
        GOOD + "sweep:\n  grid:\n    tuning:\n      epochs: [1, 3]\n",
        [
            'exp.yaml:5: sweep.grid.tuning: {"epochs": [1, 3]} is not a list\n'
            "      write the swept key with dots: `tuning.epochs`"
        ],
    ),
    "other sweep": Case(
        GOOD + "sweep:\n  gird: {seed: [1, 2]}\n",
        ["exp.yaml:4: sweep.gird: unknown key\n      did you mean `sweep.grid`?"],
    ),
    "below a value": Case(
        GOOD + "sweep:\n  grid:\n    seed.x: [1]\n",
        ['exp.yaml:5: seed: {"x": 1} is not a whole number'],
    ),
    "params": Case(
        GOOD + "hydra:\n  sweeper:\n    params:\n      tuning.epoch: 1,2\n      suite: txt,text\n",
        [
            "exp.yaml:6: tuning.epoch: unknown key\n      did you mean `tuning.epochs`?",
            "exp.yaml:7: suite: there is no option 'txt'; the options are OPTIONS(suite)\n"
            "      did you mean `text`?",
        ],
    ),
    "unreadable params": Case(
        GOOD
        + "hydra:\n  mode: x\n  sweeper:\n    max_batch_size: 2\n    params:\n      seed: '[1'\n",
        [
            "exp.yaml:4: hydra.mode: 'x' is not allowed; allowed are 'RUN' or 'MULTIRUN'",
            "exp.yaml:6: hydra.sweeper.max_batch_size: unknown key; the only one is params",
            "exp.yaml:8: hydra.sweeper.params.seed: '[1' cannot be read: "
            "no viable alternative at input '[1'",
        ],
    ),
    "no params": Case(
        GOOD + "hydra: {sweeper: {params: 5}}\n",
        ["exp.yaml:3: hydra.sweeper.params: 5 is not a mapping"],
    ),
    "no settings": Case(GOOD + "hydra: 5\n", ["exp.yaml:3: hydra: 5 is not a mapping"]),
    "interval in params": Case(
        GOOD + "hydra:\n  sweeper:\n    params:\n      seed: interval(0,1)\n",
        [
            "exp.yaml:6: seed: an interval has no end of values; list them, or use "
            "range(start, stop, step)\n      an optimising sweeper may search an interval: "
            "`- override /hydra/sweeper: optuna`"
        ],
    ),
    "interval": Case(
        GOOD,
        [
            "override seed=interval(0,1): seed: an interval has no end of values; list them, or "
            "use range(start, stop, step)\n      an optimising sweeper may search an interval: "
            "`- override /hydra/sweeper: optuna`"
        ],
        ("-m", "seed=interval(0,1)"),
    ),
    "sweep without -m": Case(
        GOOD,
        [
            "override tuning.epochs=1,2: tuning.epochs: '1,2' reads as several values\n"
            '      type -m to sweep over them, "tuning.epochs=[...]" for a list, '
            "or \"tuning.epochs='...'\" for one text"
        ],
        ("tuning.epochs=1,2",),
    ),
    # --- the command line -------------------------------------------------------------------
    "option": Case(
        GOOD,
        [
            "override suite=txt: suite: there is no option 'txt'; the options are OPTIONS(suite)\n"
            "      did you mean `text`?"
        ],
        ("suite=txt",),
    ),
    "swept options": Case(
        GOOD,
        [
            "override suite=txt,text: suite: there is no option 'txt'; "
            "the options are OPTIONS(suite)\n      did you mean `text`?"
        ],
        ("-m", "suite=txt,text"),
    ),
    "group": Case(
        GOOD,
        [
            "override prepare/dedupe=fuzzy: prepare/dedupe: there is no group 'prepare/dedupe'; "
            "the groups are GROUPS\n      did you mean `prepare/dedup`?"
        ],
        ("prepare/dedupe=fuzzy",),
    ),
    "no override": Case(
        GOOD,
        [
            "override tuning.epochs: is no override\n"
            "      `tuning.epochs=VALUE` sets a key, `group=option` chooses an option"
        ],
        ("tuning.epochs",),
    ),
    "flag": Case(
        GOOD,
        [
            "there is no flag --multi-run; the flags are -m, --multirun, --cfg, -c, --info, "
            "-i, --package, -p, --resolve\n      did you mean `--multirun`?"
        ],
        ("--multi-run",),
    ),
    "unreadable": Case(
        GOOD,
        [
            "override question=[who: question: cannot be read: "
            "no viable alternative at input '[who'\n"
            "      for plain text type \"question='[who'\""
        ],
        ("question=[who",),
    ),
    "null for a group": Case(
        GOOD,
        [
            "override suite=null: suite: null is no option\n"
            "      to do without the group type ~suite"
        ],
        ("suite=null",),
    ),
    "flag without its value": Case(
        GOOD,
        ["the flag --cfg needs job or hydra or all behind it"],
        ("--cfg",),
    ),
    "ours": Case(
        GOOD,
        [
            "override hydra/launcher=basic: hydra/launcher: cannot be set: "
            "arms are launched by sft itself",
            "override experiment=other: experiment: cannot be set: "
            "the experiment is the file that was named first",
        ],
        ("hydra/launcher=basic", "experiment=other"),
    ),
    "nothing to delete": Case(
        GOOD,
        ["exp.yaml: Could not delete from config. 'tuning.nope' does not exist."],
        ("~tuning.nope",),
    ),
    # --- the file ---------------------------------------------------------------------------
    "indentation": Case(
        "source:\n  train: a.csv\n   test: b.csv\n",
        [
            "exp.yaml:3: is not valid YAML: mapping values are not allowed in this context\n"
            "      put a value with `: ` in quotes, or check the indentation"
        ],
    ),
    "tab": Case(
        "source:\n\ttrain: a.csv\n",
        [
            "exp.yaml:2: is not valid YAML: found character that cannot start any token\n"
            "      indent with spaces; YAML knows no tabs"
        ],
    ),
    "braces": Case(
        GOOD + "template:\n  prompt: {{ message }}\n",
        [
            "exp.yaml:4: is not valid YAML: found unhashable key\n"
            "      put a value with braces in quotes"
        ],
    ),
    "key twice": Case(
        GOOD + "seed: 1\nseed: 2\n",
        ["exp.yaml:4: is not valid YAML: the key 'seed' stands here a second time"],
    ),
    "object tag": Case(
        GOOD + "seed: !!python/object/apply:os.getpid []\n",
        [
            "exp.yaml:3: is not valid YAML: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object/apply:os.getpid'"
        ],
    ),
    "aliases without end": Case(
        GOOD + "a: &x [*x]\n",
        ["exp.yaml:3: is not valid YAML: it nests too deep or has too many keys"],
    ),
    "null key": Case(GOOD + "null: 3\n", ["exp.yaml:3: null: is no key; put it in quotes"]),
    "no mapping": Case(
        "- a\n- b\n",
        [
            'exp.yaml:1: holds ["a", "b"]; an experiment is a mapping, lines of `key: value`',
        ],
    ),
}


@pytest.fixture(autouse=True)
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start beside the experiment, so that places read ``exp.yaml:3``."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", CASES)
def test_the_message(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    problems = problems_of(tmp_path, case.text, *case.argv, file="exp.yaml")
    assert [_shortened(str(problem)) for problem in problems] == case.expected


def _shortened(message: str) -> str:
    """Packaged files without their folder, and lists that grow with `conf/` as one word."""
    from runner.compose.folders import groups, options, packaged_conf

    message = message.replace(f"{packaged_conf()}/", "conf/")
    message = message.replace(", ".join(groups(())), "GROUPS")
    for group in ("model", "suite", "template"):
        message = message.replace(", ".join(options(group, ())), f"OPTIONS({group})")
    return message


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    text = """\
defaults:
  - override /modle: tiny_random
  - override /tuning: quik
question: ${nope}
source: {trian: a.csv}
tuning: {epochs: many}
sweep: {grid: {suite: [txt], seed: [-1]}}
"""
    problems = problems_of(tmp_path, text, "stray", "tuning.epoch=1", file="exp.yaml")
    assert [(problem.where, problem.key) for problem in problems] == [
        ("override stray", ""),
        ("override tuning.epoch=1", "tuning.epoch"),
        ("exp.yaml:2", "modle"),
        ("exp.yaml:3", "tuning"),
        ("exp.yaml:4", "question"),
        ("exp.yaml:5", "source.trian"),
        ("exp.yaml:6", "tuning.epochs"),
        ("exp.yaml:7", "suite"),
        ("exp.yaml:7", "seed"),
        (problems[-1].where, "source.train"),
    ]
    message = str(ConfigError(problems))
    assert message.startswith("10 problems in the configuration:\n  - override stray: ")
    assert "Hydra" not in message
    assert "Traceback" not in message


def test_a_key_that_an_option_not_found_might_have_is_not_held_against_the_user(
    tmp_path: Path,
) -> None:
    text = "defaults:\n  - override /source: chatt\nsource: {train: a.jsonl, messages: turns}\n"
    (problem,) = problems_of(tmp_path, text, file="exp.yaml")
    assert problem.key == "source"


def test_a_users_conf_is_held_to_the_same_rules(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "conf/tuning/mine.yaml": "epochs: 0\n_target_: os.system\n",
            "conf/model/mine.yaml": "defaults: [nothing]\nkind: random\nname: m\nlayrs: 1\n",
        },
    )
    found = problems_of(tmp_path, SOURCE, "tuning=mine", "model=mine", file="exp.yaml")
    assert [(problem.where, problem.key) for problem in found] == [
        ("conf/model/mine.yaml:1", "defaults"),
        ("conf/model/mine.yaml:4", "model.layrs"),
        ("conf/tuning/mine.yaml:1", "tuning.epochs"),
        ("conf/tuning/mine.yaml:2", "_target_"),
    ]


@pytest.mark.parametrize("package", ["hydra.callbacks", "_global_.hydra", "hydra"])
def test_a_users_conf_cannot_reach_hydra(tmp_path: Path, package: str) -> None:
    write(tmp_path, {"conf/tuning/mine.yaml": f"# @package {package}\nepochs: 1\n"})
    (problem,) = problems_of(tmp_path, GOOD, "tuning=mine", file="exp.yaml")
    assert "cannot go to the package" in problem.message


def test_a_users_conf_that_is_no_yaml(tmp_path: Path) -> None:
    write(tmp_path, {"conf/tuning/mine.yaml": "epochs: [1\n"})
    (problem,) = problems_of(tmp_path, GOOD, "tuning=mine", file="exp.yaml")
    assert problem.where.startswith("conf/tuning/mine.yaml:")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "exp.yaml"
    file.write_bytes(b"name: x\nquestion: caf\xe9\n")
    with pytest.raises(ConfigError) as caught:
        compose(file, [], lambda composition: [])
    assert str(caught.value) == "exp.yaml:2: is not UTF-8 text (byte 0xe9)"


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no experiment file .*nope\.yaml"):
        compose(tmp_path / "nope.yaml", [], lambda composition: [])


def test_a_second_experiment(tmp_path: Path) -> None:
    write(tmp_path, {"other.yaml": MINIMAL})
    (problem,) = problems_of(tmp_path, GOOD, "other.yaml", file="exp.yaml")
    assert str(problem) == "one experiment at a time; what should become of other.yaml?"


def test_a_place_outside_the_working_directory_is_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "start").mkdir()
    monkeypatch.chdir(tmp_path / "start")
    (problem,) = problems_of(tmp_path, GOOD + "seed: x\n", file="exp.yaml")
    assert problem.where == f"{tmp_path / 'exp.yaml'}:3"
