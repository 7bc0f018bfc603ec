"""Exercises that name the mistake: `check` a definition, `answer` a question, `predict` a measurement."""

import sys

from course_lib.exercises.answers import answer, committed, compare, predict, question, sealed
from course_lib.exercises.checking import Result, card, check, examine, hint
from course_lib.exercises.client import JUDGE

__all__ = [
    "Result",
    "answer",
    "card",
    "check",
    "committed",
    "compare",
    "examine",
    "hint",
    "predict",
    "question",
    "sealed",
]

if "ipykernel" in sys.modules:  # in a notebook; the judge itself must not start another
    JUDGE.start()  # it takes a second or two: by the time of the first check it is warm
