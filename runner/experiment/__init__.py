"""One experiment from its arms to its verdict: the stages, their order, and what makes them.

`stages.STAGES` is the whole flow on one screen; `stage.Stage` says what a stage is.
"""
