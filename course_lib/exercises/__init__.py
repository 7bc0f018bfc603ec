"""Exercises that name the mistake: `check` a definition, `answer` a question, `predict` a measurement."""

import sys

from course_lib.exercises.answers import answer, committed, compare, predict, question
from course_lib.exercises.checking import Result, card, check, examine, hint, reference, use
from course_lib.exercises.client import JUDGE
from course_lib.exercises.sealing import register

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
    "reference",
    "use",
]

if "ipykernel" in sys.modules:  # in a notebook; the judge itself must not start another
    register()
    JUDGE.start()  # it takes a second or two: by the time of the first check it is warm
