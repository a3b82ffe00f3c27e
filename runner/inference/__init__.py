"""Inference: from examples to requests, from requests to answers, each asked once."""

from runner.inference.cache import PredictionCache
from runner.inference.engine import Call, Classify, Failure, ask_all
from runner.inference.predictions import PREDICT_VERSION, predict, stored_answers, unanswered
from runner.inference.requests import Question, draw_shots, requests_for, sample

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
