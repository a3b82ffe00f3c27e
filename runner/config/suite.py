"""What is measured, and how: the group `suite`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from runner.config.base import Group, Normalizer


class ExactMatch(Group):
    """1 when the normalised answer equals a normalised reference."""

    kind: Literal["exact_match"]
    squad: Literal["v1.1", "v2.0"] = "v1.1"
    """Every reference counts in v1.1; in v2.0 those of which normalisation leaves nothing only
    where it leaves nothing of any."""


class Classification(Group):
    """Accuracy, micro, macro and weighted F1 over the labels seen in the references. An answer
    that is none of the labels counts against its reference's recall."""

    kind: Literal["classification"]
    outside: Literal["miss", "as_sklearn"] = "miss"
    """What an answer that is none of the references' labels is: only a miss of its reference's
    label (``miss``), or a label of its own with an F1 of 0, which lowers macro and micro F1 as
    scikit-learn does where it is given no list of labels (``as_sklearn``)."""


class TokenF1(Group):
    """F1 over the words that blanks separate after normalisation (SQuAD's rules). Scripts without
    blanks (Han, kana, Thai, Lao, Khmer, Burmese, Tibetan) count by letter, as MLQA's evaluation
    has it."""

    kind: Literal["token_f1"]
    squad: Literal["v2.0", "v1.1"] = "v2.0"
    """Two empty texts agree in v2.0 (F1 1) and do not in v1.1 (0). References of which
    normalisation leaves nothing count in v2.0 only where it leaves nothing of any."""


BleuTokenizer = Literal[
    "auto",
    "13a",
    "intl",
    "zh",
    "ja-mecab",
    "ko-mecab",
    "char",
    "none",
    "spm",
    "flores101",
    "flores200",
    "spBLEU-1K",
]
RougeTokenizer = Literal["auto", "rouge-score", "unicode"]


class Bleu(Group):
    """sacreBLEU's corpus scores, 0 to 100; the signature is stored beside the score."""

    kind: Literal["sacrebleu"]
    scores: list[Literal["bleu", "chrf", "chrf++", "ter"]] = ["bleu", "chrf"]
    tokenize: BleuTokenizer = "auto"
    """BLEU's words, by a tokenizer of sacreBLEU. ``auto`` goes by the script of the references:
    ``zh`` for Chinese, ``ja-mecab`` and ``ko-mecab`` where they are installed, ``flores200`` for
    Thai, Lao, Khmer, Burmese and Tibetan where it is, ``char`` for any of these where it is not,
    else ``13a``. chrF has no words; TER takes each letter of a script without blanks for one."""


class Rouge(Group):
    """ROUGE F-measures as the rouge-score package computes them, 0 to 1."""

    kind: Literal["rouge"]
    types: list[Literal["rouge1", "rouge2", "rougeL", "rougeLsum"]] = ["rouge1", "rougeL"]
    stem: bool = False
    aggregate: Literal["max", "mean"] = "max"
    """Over several references."""
    tokenize: RougeTokenizer = "auto"
    """``rouge-score``: that package's words, runs of a-z and 0-9. ``unicode``: runs of letters and
    digits of any script, and each letter of a script without blanks by itself. ``auto`` takes
    ``unicode`` where most letters of the references are not Latin."""


class JsonFields(Group):
    """JSON validity and one exact-match score per field of the reference object."""

    kind: Literal["json_fields"]
    fields: list[str] | None = None
    """Null takes every key that stands in a reference. Nested keys as ``a.b``."""
    lists: dict[str, Literal["set", "sequence"]] = {}
    """Fields that hold a list, each with an F1 of its own, ``json_field/NAME/f1``: of its items
    without order and repetition (``set``), or of the longest common subsequence (``sequence``).
    ``json_list_f1`` is the mean over these fields. As a ``set`` two lists are also equal in
    another order."""


class NumberMatch(Group):
    """1 when the number in the answer equals the number in a reference: ``10`` is ``10.0``,
    ``1,000`` is ``1000``, ``3/4`` is ``0.75``."""

    kind: Literal["number"]
    which: Literal["first", "last"] = "last"
    """The number that counts where a text has several."""
    absolute_tolerance: float = Field(default=0.0, ge=0)
    """Difference up to which two numbers are equal."""
    relative_tolerance: float = Field(default=0.0, ge=0, lt=1)
    """Difference up to which two numbers are equal, as a share of the reference. The wider of
    both tolerances counts."""
    percent: Literal["number", "share"] = "number"
    """Whether ``50%`` is 50 or 0.5."""
    units: Literal["ignore", "same"] = "ignore"
    """Whether a currency, a percent sign and the word after a number have to be the same,
    wherever the reference has one."""
    fractions: bool = True
    """Whether ``3/4``, ``1 1/2`` and ``½`` are one number."""
    decimal: Literal[".", ","] = "."
    """The decimal mark; the other of the two separates thousands."""


class Constraints(Group):
    """1 when an answer meets every condition that its target names, as a JSON object such as
    ``{"words": [null, 20], "avoids": ["very"]}``: for tasks that have no one right answer."""

    kind: Literal["constraints"]
    refusals: list[str] = []
    """What an answer says that declines to answer, for the condition ``refuses``."""


class PluginMetric(Group):
    """A metric that an installed package adds under the entry point ``runner.metrics``."""

    kind: Literal["plugin"]
    name: str
    """Name of the entry point."""
    options: dict[str, Any] = {}


Metric = Annotated[
    ExactMatch
    | Classification
    | TokenF1
    | Bleu
    | Rouge
    | JsonFields
    | NumberMatch
    | Constraints
    | PluginMetric,
    Field(discriminator="kind"),
]


class NoExtraction(Group):
    """The whole answer is scored."""

    kind: Literal["none"]


class RegexExtraction(Group):
    """A match of `pattern` (its group 1, if it has one) is scored."""

    kind: Literal["regex"]
    pattern: str
    otherwise: list[str] = []
    """Patterns that are tried in their order where `pattern` matches nothing."""
    which: Literal["first", "last"] = "first"
    """The match that counts where a pattern has several."""


class ChoiceExtraction(Group):
    """One of `choices` that stands in the answer as a word is scored."""

    kind: Literal["choice"]
    choices: list[str]
    which: Literal["first", "last"] = "first"
    """The one that counts where several stand in the answer."""


class JsonExtraction(Group):
    """The first JSON value in the answer, rewritten with sorted keys and no blanks; of several
    the first that is an object, list, text ... as the target is."""

    kind: Literal["json"]
    strict: bool = False
    """Only an answer that is JSON as a whole, in a code fence or without."""


Extraction = Annotated[
    NoExtraction | RegexExtraction | ChoiceExtraction | JsonExtraction,
    Field(discriminator="kind"),
]


class GenerationSettings(Group):
    """How answers are generated."""

    max_tokens: int = Field(default=64, gt=0)
    temperature: float = Field(default=0.0, ge=0)
    stop: list[str] = []


class Bootstrap(Group):
    """How sure intervals are, and how the spread of corpus scores (BLEU, macro F1) is found."""

    samples: int = Field(default=2000, ge=100)
    """Resamples of the rows; means of row scores need none."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)


class LookRules(Group):
    """Rules of thumb for a test split that is looked at again and again. The ledger counts the
    looks of all experiments of the home; neither value changes a score."""

    warn: int = Field(default=10, ge=1)
    """From so many comparisons on one test split on, reports and the terminal warn."""
    shared: float = Field(default=0.5, gt=0, le=1)
    """A look at another test split counts as one at this split where it has at least this share of
    this split's rows."""


class NotWorse(Group):
    """A gate: the arm that would be shipped has to be shown not to be worse than another one by
    `margin` (non-inferiority, one-sided, at one minus `suite.bootstrap.confidence`: 5 %)."""

    margin: float = Field(gt=0)
    """The loss that would be too much, in the score's unit."""
    score: str | None = None
    """Any score of the suite; null: the primary one."""
    than: str = "baseline"
    """``baseline``: the untuned arm that has the best such score. Else the name of an earlier
    experiment in the same home: its winner, on the test rows that both have answered."""


class Suite(Group):
    """What is measured, and how."""

    name: str
    metrics: list[Metric] = Field(min_length=1)
    primary: str
    """The score that picks checkpoints and winners, e.g. ``exact_match``, ``macro_f1``,
    ``rougeL``, ``json_field/intent``."""
    normalize: list[Normalizer] = ["unicode", "whitespace"]
    """Applied to answers and references before they are compared (not to BLEU and ROUGE,
    which have rules of their own)."""
    extract: Extraction = NoExtraction(kind="none")
    thinking: Literal["keep", "strip", "after"] = "keep"
    """What of an answer with ``<think>...</think>`` is looked at: all of it, all but the thinking
    (``strip``), or only what follows the last ``</think>``, so that an answer without it is none
    (``after``)."""
    generation: GenerationSettings = GenerationSettings()
    bootstrap: Bootstrap = Bootstrap()
    unanswered: Literal["wrong", "common"] = "wrong"
    """Rows to which the model gave no usable answer (blocked, cut, looping, empty, not to be
    parsed): ``wrong`` counts them with the metric's worst value, ``common`` compares on the rows
    that all arms answered. What the service failed to answer is neither: it is asked again."""
    max_unanswered: float | None = Field(default=None, ge=0, le=1)
    """Share of test rows without a usable answer above which an arm does not win; null: no
    limit."""
    margin: float | None = Field(default=None, gt=0)
    """Two recipes whose scores differ by less are as good as each other, in the primary score's
    unit; null: nothing is called equivalent."""
    checkpoint: Literal["best", "tied", "last"] = "best"
    """Which checkpoint of a tuning job answers test: the ``best`` on validation; the earliest that
    is ``tied`` with it, within one standard error of their paired difference (Breiman and others
    1984), which is tuned less and a little worse on average; or the ``last``, which needs no
    choice, and no answers of the others."""
    not_worse: list[NotWorse] = []
    """Gates that the winner has to pass, all of them. Where one does not hold there is no winner,
    and `sft run` exits with 4."""
    row_tolerance: float = Field(default=0.0, ge=0)
    """A row counts as fixed or regressed when its own score rises or falls by more, in that
    score's unit; it changes no score."""
    max_validation: int | None = Field(default=None, gt=0)
    """Rows that choose the checkpoint; null takes all of the validation split."""
    slice_min: int = Field(default=5, ge=1)
    """Slices with fewer rows are listed but get no interval."""
    sealed: bool = False
    """Whether the test split is answered once, by the finalists alone: the recipe that validation
    chooses and the untuned models it is held against. The other arms have validation scores only.
    Needs validation rows. A later look at the same rows is said in every report."""
    looks: LookRules = LookRules()
