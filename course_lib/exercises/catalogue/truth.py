"""Signs that mistakes of functions without weights share: predicates on what was seen."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.differences import differences
from course_lib.exercises.exercise import Observation, Observations, Probe
from course_lib.exercises.trial import Trial

Sign = Callable[[Observations], bool]
NO_EXCEPTION = {
    "Answer",
    "died",
    "forbidden",
    "missing",
    "time",
    "MemoryError",
    "NotImplementedError",
    "ReturnsNothing",
}


def tensor(seen: Observations, probe: str, key: str) -> Tensor:
    """What was seen there; KeyError (no sign then) if it is no tensor."""
    found = seen[probe][key]
    if not isinstance(found, Tensor):
        raise KeyError(key)
    return found


def returns(*kinds: str) -> Sign:
    """It returns a thing of such a kind ("list", "tuple of 2"), and not the tensor that is asked for."""
    return lambda seen: any(
        one.get("error") == "Answer" and f"returns a {kind}" in str(one.get("_text"))
        for one in seen.values()
        for kind in kinds
    )


def number_for_tensor(seen: Observations) -> bool:
    """Every probe fails because a tensor's method is asked of a number: the arguments are in another order."""
    texts = [str(one.get("_text")) for one in seen.values()]
    return all("'int' object has no attribute" in text or "'int' object is not subscriptable" in text for text in texts)


def equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(torch.equal(a, b))


class Truth:
    """What the reference shows, to say of an observation whether it is right."""

    def __init__(self, reference: Callable[..., Any], probes: Sequence[Probe]) -> None:
        self._reference = reference
        self._probes = {probe.name: probe for probe in probes}
        self._seen: dict[str, Observation] = {}

    def of(self, name: str) -> Observation:
        if name not in self._seen:
            self._seen[name] = self._probes[name].run(Trial(self._reference))
        return self._seen[name]

    def right(self, seen: Observations, *names: str) -> bool:
        """All these probes saw what the reference shows."""
        return not any(differences(self._probes[name], seen[name], self.of(name)) for name in names)

    def wrong(self, seen: Observations) -> set[str]:
        """The names of the probes that saw something else (unusual input aside)."""
        return {name for name in self._names() if not self.right(seen, name)}

    def raises_only_in(self, *names: str) -> Sign:
        """It raises in some of these probes and in no other (unusual input aside)."""

        def sign(seen: Observations) -> bool:
            broken = {name for name in self._names() if seen[name].get("error", "Answer") not in NO_EXCEPTION}
            return bool(broken) and broken <= {*names}

        return sign

    def _names(self) -> list[str]:
        return [name for name, probe in self._probes.items() if not probe.robust]
