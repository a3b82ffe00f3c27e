"""Inference: from examples to requests, from requests to answers, each asked once."""

from runner.inference.cache import PredictionCache
from runner.inference.engine import Call, Classify, Failure, ask_all
from runner.inference.predict import PREDICT_VERSION, predict, unanswered
from runner.inference.question import Question
from runner.inference.requests import requests_for
from runner.inference.sample import sample
from runner.inference.shots import draw_shots
from runner.inference.stored import stored_answers

__all__ = [
    "PREDICT_VERSION",
    "Call",
    "Classify",
    "Failure",
    "PredictionCache",
    "Question",
    "ask_all",
    "draw_shots",
    "predict",
    "requests_for",
    "sample",
    "stored_answers",
    "unanswered",
]
