"""Signs in what was seen: which probes went right, and where an error arose."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.differences import differences
from course_lib.exercises.exercise import Observation, Observations, Probe
from course_lib.exercises.trial import Trial


class Signs:
    """Questions to the observations of one exercise.

    Args:
        reference: our definition; what it shows is looked up when first asked for
        probes: the exercise's
    """

    def __init__(self, reference: Callable[..., Any], probes: Sequence[Probe]) -> None:
        self._reference = reference
        self._probes = {probe.name: probe for probe in probes}
        self._expected: dict[str, Observation] = {}

    def right(self, seen: Observations, *names: str) -> bool:
        """All these probes saw what they see of the reference."""
        return all(self._same(name, seen[name]) for name in names)

    def wrong(self, seen: Observations, *names: str) -> bool:
        """None of these probes did."""
        return not any(self._same(name, seen[name]) for name in names)

    def right_apart_from(self, seen: Observations, *names: str) -> bool:
        """These probes saw something else, and all others (but for those of unusual input) what they should."""
        others = [name for name, probe in self._probes.items() if not probe.robust and name not in names]
        return self.wrong(seen, *names) and self.right(seen, *others)

    def _same(self, name: str, observation: Observation) -> bool:
        if name not in self._expected:
            torch.manual_seed(7)
            self._expected[name] = self._probes[name].run(Trial(self._reference))
        return not differences(self._probes[name], observation, self._expected[name])


def raises(seen: Observations, name: str, *texts: str) -> bool:
    """This probe ended in an error of the definition's whose text has one of these in it (none given: any text)."""
    found = seen[name]
    if "error" not in found or found["error"] in ("missing", "time", "died", "forbidden", "Answer", "ReturnsNothing"):
        return False
    return not texts or any(text in str(found.get("_text")) for text in texts)


def raises_anywhere(*texts: str) -> Callable[[Observations], bool]:
    return lambda seen: any(raises(seen, name, *texts) for name in seen)


def tensor(observation: Observation, key: str) -> Tensor:
    """The tensor seen under this key.

    Raises:
        KeyError: there is none.
    """
    found = observation[key]
    if not isinstance(found, Tensor):
        raise KeyError(key)
    return found


def alike(a: Tensor, b: Tensor, atol: float = 1e-4) -> bool:
    return a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=1e-4, atol=atol)
