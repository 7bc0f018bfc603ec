"""What an exercise is: probes that look at a definition, the reference, and the mistakes that are known.

A probe runs a definition, the learner's or ours, and returns what it saw: an *observation*, a dictionary of tensors,
numbers and words. Right is what shows the same observations as the reference. A known mistake is itself a definition,
a wrong one: it is recognised by showing the same observations as the learner's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Value = Tensor | float | int | bool | str | list | None
Observation = dict[str, Value]  # a key that begins with "_" is kept, and not compared
Observations = dict[str, Observation]  # by the name of the probe
Weights = list[tuple[str, Tensor]]  # of a module, in the order in which it registered them


@dataclass(frozen=True)
class Card:
    """What a learner wants to know before beginning."""

    difficulty: int  # 1 to 5
    minutes: int
    purpose: str  # what it is good for, one sentence
    notebook: str  # the file's name without its ending
    section: str  # the anchor in it that explains the matter


@dataclass(frozen=True)
class Probe:
    """One look at a definition.

    Args:
        name: short, unique within the exercise
        run: takes a `Trial`, returns what it saw
        says: one sentence, shown if what it saw is not what the reference shows
        given: the input of the example that is then shown, in words
        robust: extreme or unusual input: a failure is told, and does not fail the exercise
        read: where what was seen can only be understood with the weights: from the observation and the state of each
            module that was built to the observation that is compared
        atol, rtol: how far numbers may differ
    """

    name: str
    run: Callable[[Any], Observation]
    says: str
    given: str = ""
    robust: bool = False
    read: Callable[[Observation, list], Observation] | None = None
    atol: float = 2e-5
    rtol: float = 1e-4


@dataclass(frozen=True)
class Mistake:
    """A misunderstanding that is known, and how it shows.

    Args:
        name: words joined by underscores
        says: what was misunderstood, in two or three sentences
        wrong: a definition that makes this mistake; recognised by equal observations
        seen: or a sign in the observations themselves
        source: where it is known from, if from public history
        section: an anchor in the exercise's notebook, if another than the card's explains it
        convention: it is a published convention, merely not this one's
    """

    name: str
    says: str
    wrong: Callable[..., Any] | None = None
    seen: Callable[[Observations], bool] | None = None
    source: str = ""
    section: str = ""
    convention: bool = False


@dataclass(frozen=True)
class Exercise:
    """All that a check needs.

    Args:
        reference: our definition
        probes: in order, the simplest first: the first one that fails makes the example
        layouts: of a module with weights: from the learner's weights and the constructor's arguments to all the ways in
            which they may be meant, each a state for the reference's module; the likely ones first
        forbidden: patterns of names of torch functions and operators that would do the exercise
        forbidden_modules: classes of torch that would
        hints: from a nudge to nearly the answer
    """

    name: str
    card: Card
    reference: Callable[..., Any]
    probes: Sequence[Probe]
    mistakes: Sequence[Mistake]
    hints: tuple[str, str, str]
    layouts: Callable[[Weights, tuple], Mapping[str, dict[str, Tensor]]] | None = None
    forbidden: tuple[str, ...] = ()
    forbidden_modules: tuple[str, ...] = ()
