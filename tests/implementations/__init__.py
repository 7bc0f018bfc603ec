"""Implementations of the exercises, right and wrong, as people write them: what the checks are tested against."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Implementation:
    exercise: str
    right: bool
    label: str  # unique within the exercise
    about: str  # of a wrong one: what is wrong, in words; of a right one: how it is written
    definition: Any  # the function or class


ALL: list[Implementation] = []


def right(exercise: str, label: str, about: str) -> Callable[[Any], Any]:
    return _register(exercise, True, label, about)


def wrong(exercise: str, label: str, about: str) -> Callable[[Any], Any]:
    return _register(exercise, False, label, about)


def _register(exercise: str, is_right: bool, label: str, about: str) -> Callable[[Any], Any]:
    def keep(definition: Any) -> Any:
        ALL.append(Implementation(exercise, is_right, label, about, definition))
        return definition

    return keep
