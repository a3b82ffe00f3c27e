"""Which hyperparameters are recommended for some data and a model, by the rules of `conf/advice/`.

Pure functions: `recommend` finds the rule that fires, `profile_of` puts the data in numbers,
`earlier_settings` looks for what experiments on like data found, `shared_advice` says it all.
"""

from runner.advice.alike import earlier_settings
from runner.advice.profile import profile_of, task_of
from runner.advice.recommend import recommend, recommend_beside
from runner.advice.shared import AdviceOnData, SharedAdvice, shared_advice
from runner.advice.words import profile_words, value_words, values_words

__all__ = [
    "AdviceOnData",
    "SharedAdvice",
    "earlier_settings",
    "profile_of",
    "profile_words",
    "recommend",
    "recommend_beside",
    "shared_advice",
    "task_of",
    "value_words",
    "values_words",
]
