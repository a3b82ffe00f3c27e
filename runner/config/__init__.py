"""The schema: one pydantic model per `conf/` group, and the only validation there is.

Hydra composes plain YAML; `Experiment.model_validate` judges it. Unknown keys are refused
everywhere (``extra="forbid"``), a `kind:` key picks between alternatives, and no value is ever
imported or executed. Field docstrings become the descriptions of `sft schema`.
"""

from runner.config.backend import (
    Backend,
    LocalBackend,
    PluginBackend,
)
from runner.config.base import (
    Group,
    Share,
)
from runner.config.experiment import (
    Experiment,
    Sweep,
)
from runner.config.model import (
    FolderModel,
    GgufModel,
    Model,
    ModelBase,
    RandomModel,
    WheelModel,
)
from runner.config.prepare import (
    Clean,
    Dedup,
    FuzzyDedup,
    Leakage,
    Prepare,
    Select,
    Split,
)
from runner.config.source import (
    ChatSource,
    ColumnSource,
    FileSource,
    GeminiSource,
    HubSource,
    Paths,
    Source,
    SourceBase,
    WeightedFile,
)
from runner.config.suite import (
    Bleu,
    Bootstrap,
    ChoiceExtraction,
    Classification,
    ExactMatch,
    Extraction,
    GenerationSettings,
    JsonExtraction,
    JsonFields,
    Metric,
    NoExtraction,
    PluginMetric,
    RegexExtraction,
    Rouge,
    Suite,
    TokenF1,
)
from runner.config.template import (
    Template,
)
from runner.config.tracking import (
    MlflowTracking,
    NoTracking,
    PathsGroup,
    Store,
    Tracking,
)
from runner.config.tuning import (
    Baseline,
    Tuning,
)

__all__ = [
    "Backend",
    "Baseline",
    "Bleu",
    "Bootstrap",
    "ChatSource",
    "ChoiceExtraction",
    "Classification",
    "Clean",
    "ColumnSource",
    "Dedup",
    "ExactMatch",
    "Experiment",
    "Extraction",
    "FileSource",
    "FolderModel",
    "FuzzyDedup",
    "GeminiSource",
    "GenerationSettings",
    "GgufModel",
    "Group",
    "HubSource",
    "JsonExtraction",
    "JsonFields",
    "Leakage",
    "LocalBackend",
    "Metric",
    "MlflowTracking",
    "Model",
    "ModelBase",
    "NoExtraction",
    "NoTracking",
    "Paths",
    "PathsGroup",
    "PluginBackend",
    "PluginMetric",
    "Prepare",
    "RandomModel",
    "RegexExtraction",
    "Rouge",
    "Select",
    "Share",
    "Source",
    "SourceBase",
    "Split",
    "Store",
    "Suite",
    "Sweep",
    "Template",
    "TokenF1",
    "Tracking",
    "Tuning",
    "WeightedFile",
    "WheelModel",
]
