"""Trained weights for a module that is laid out otherwise: found by behaviour, never by names, as in the checks.

Its weights are marked with numbers no two of which are alike. The exercise's layouts then tell which mark is which of
our numbers, and each of ours is written where its mark stood. Every candidate is tried: right is what computes the
same.
"""

import copy
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.app.tensors import load_by_name
from course_lib.exercises.catalogue import EXERCISES, decoder_layer, encoder_layer
from course_lib.exercises.catalogue.multi_head import answers
from course_lib.exercises.exercise import Weights
from course_lib.exercises.layers import carry_over, distinct, place
from course_lib.exercises.trial import random

CLOSE = 1e-4  # of the largest number
SIZES: dict[str, Callable[[Any], tuple[int, ...]]] = {  # what a part of a model is made with
    "Embeddings": lambda c: (c.vocab, c.d_model),
    "MultiHeadAttention": lambda c: (c.d_model, c.h),
    "PositionwiseFeedForward": lambda c: (c.d_model, c.d_ff),
    "LayerNorm": lambda c: (c.d_model,),
    "SublayerConnection": lambda c: (c.d_model,),
    "EncoderLayer": lambda c: (c.d_model, c.h, c.d_ff),
    "DecoderLayer": lambda c: (c.d_model, c.h, c.d_ff),
}
LAYERS = {"EncoderLayer": encoder_layer.SORT, "DecoderLayer": decoder_layer.SORT}


def carry_weights(ours: nn.Module, theirs: nn.Module, parts: Collection[str]) -> None:
    """From a trained Transformer into a new one of the same `config`, in which `parts` are other people's classes.

    A part into which the weights go by their names and which does not compute the same, though by another layout it
    would, gets them by that layout; where none does, it is wrong, and the names stand.

    Raises:
        ValueError: the weights fit neither by names nor by any layout.
    """
    outermost: list[tuple[str, str]] = []
    for path, module in ours.named_modules():
        name = type(module).__name__
        if name in parts and name in SIZES and not any(path.startswith(f"{above}.") for above, _ in outermost):
            outermost.append((path, name))
    weights = {name: weight.detach().float() for name, weight in ours.state_dict().items()}
    for path, name in outermost:
        one, other = ours.get_submodule(path), theirs.get_submodule(path)
        own = {key.removeprefix(f"{path}."): weights.pop(key) for key in list(weights) if key.startswith(f"{path}.")}
        try:
            load_by_name(other, own)
            fits = same(name, one, other, SIZES[name](ours.config))
        except ValueError:
            transplant(name, one, other, SIZES[name](ours.config))
            continue
        if not fits:
            with suppress(ValueError):
                transplant(name, one, other, SIZES[name](ours.config))
    load_by_name(theirs, weights, without=[path for path, _ in outermost])


def transplant(exercise: str, ours: nn.Module, theirs: nn.Module, args: tuple[int, ...]) -> None:
    """Make a learner's new module compute the same as the course's with its trained weights.

    Args:
        exercise: the name of the class in the contract
        args: the sizes that both were made with: all that the contract has before `dropout` or `eps`

    Raises:
        ValueError: no layout of its weights does.
    """
    for candidate in candidates(exercise, ours, theirs, args):
        if same(exercise, ours, candidate, args):
            theirs.load_state_dict(candidate.state_dict())
            return
    raise ValueError(f"the trained weights cannot be carried over: no reading of this {exercise}'s weights fits")


def candidates(exercise: str, ours: nn.Module, theirs: nn.Module, args: tuple[int, ...]) -> Iterator[nn.Module]:
    """Copies of theirs with our numbers, by every layout that is likely."""
    state = ours.state_dict()
    if exercise in LAYERS:
        candidate = copy.deepcopy(theirs)
        with suppress(Exception):  # what is taken apart may be of any form
            carry_over(candidate, LAYERS[exercise], args, state)
            yield candidate
        return
    layouts = EXERCISES[exercise].layouts
    if layouts is None:
        return
    marked, marks = mark(theirs)
    weights: Weights = list(marks.items())
    if exercise == "MultiHeadAttention":
        weights += answers(marked, args[0]).items()
    for found in layouts(weights, args).values():
        candidate = copy.deepcopy(theirs)
        own = [weight.data for name, weight in candidate.named_parameters() if name in marks]
        for weight in own:
            weight.zero_()
        try:
            place(found, state, list(marks.values()), own)
        except ValueError:
            continue
        yield candidate


def mark(module: nn.Module) -> tuple[nn.Module, dict[str, Tensor]]:
    """A copy whose weights are all different numbers, and these; the gains stay near one."""
    marked = copy.deepcopy(module).eval()
    weights = {name: weight for name, weight in marked.named_parameters() if weight.is_floating_point()}
    scale = max((weight.size(-1) for weight in weights.values()), default=1) ** -0.5
    marks = {}
    for (name, weight), numbers in zip(weights.items(), distinct([weight.numel() for weight in weights.values()])):
        is_gain = bool((weight == 1).all())
        numbers = numbers * (0.3 if is_gain else scale) + is_gain
        weight.data.copy_(numbers.view_as(weight))
        marks[name] = weight.detach().clone()
    return marked, marks


@torch.no_grad()
def same(exercise: str, ours: nn.Module, theirs: nn.Module, args: tuple[int, ...]) -> bool:
    """Whether both compute the same, outside of training."""
    try:
        wanted, got = (run(exercise, copy.deepcopy(module).eval(), args) for module in (ours, theirs))
    except Exception:
        return False
    return got.shape == wanted.shape and bool((got - wanted).abs().max() <= CLOSE * wanted.abs().max())


def run(exercise: str, module: Callable[..., Any], args: tuple[int, ...]) -> Tensor:
    """What a module computes on inputs of its size."""
    if exercise == "Embeddings":
        return module(torch.arange(args[0])[None])
    x, memory = random(2, 3, args[0], seed=1), random(2, 4, args[0], seed=2)
    if exercise == "MultiHeadAttention":
        return module(x, memory, memory.flip(-1))
    if exercise == "SublayerConnection":
        return module(x, lambda y: y.flip(-1) * y)
    if exercise == "DecoderLayer":
        return module(x, memory, None, torch.ones(3, 3, dtype=torch.bool).tril())
    return module(x)
