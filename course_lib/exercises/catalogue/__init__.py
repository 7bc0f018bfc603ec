"""Every exercise: its probes, its reference, its known mistakes. One module holds one, or two that are alike."""

from importlib import import_module
from importlib.util import find_spec

from course_lib.exercises.exercise import Exercise
from course_lib.exercises.names import NAMES

EXERCISES: dict[str, Exercise] = {}
for _module in dict.fromkeys(NAMES.values()):
    if find_spec(f"{__name__}.{_module}"):
        for _exercise in import_module(f"{__name__}.{_module}").EXERCISES:
            EXERCISES[_exercise.name] = _exercise
