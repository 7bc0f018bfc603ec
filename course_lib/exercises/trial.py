"""A definition on trial: calling it while watching what it does besides its answer."""

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises.exercise import Observation, Value, Weights


class ReturnsNothing(Exception):
    """A definition ended without `return`."""


class Answer(Exception):
    """An answer that is not what was asked for: the text says how."""


def tensors(answer: Any, n: int) -> tuple[Tensor, ...]:
    """The answer as n tensors.

    Raises:
        Answer: it is something else.
    """
    if isinstance(answer, Tensor):
        if n == 1:
            return (answer,)
        raise Answer(f"It returns one tensor of shape {tuple(answer.shape)}, where {n} things are asked for.")
    if n == 1 or not isinstance(answer, tuple | list):
        raise Answer(f"It returns {_kind(answer)}, where {'a tensor is' if n == 1 else f'{n} things are'} asked for.")
    if len(answer) != n or not all(isinstance(one, Tensor) for one in answer):
        raise Answer(f"It returns {_kind(answer)}, where {n} tensors are asked for.")
    return tuple(answer)


def _kind(answer: Any) -> str:
    if isinstance(answer, tuple | list):
        return f"a {type(answer).__name__} of {len(answer)}"
    return f"a {type(answer).__name__}"


class Trial:
    """Calls a definition for a probe and notes what it changes that is not its own.

    Args:
        make: the learner's function or class, or one of ours
        weights: of a module of ours: from its number among those built to the state that it shall have; None for the
            learner's, whose weights are drawn at random
    """

    def __init__(self, make: Callable[..., Any], weights: Callable[[int], Mapping[str, Tensor]] | None = None) -> None:
        self.make = make
        self._weights = weights
        self._built: list[Observation] = []
        self._notes: Observation = {}

    def call(self, function: Callable[..., Any] | None, *args: Any, **options: Any) -> Any:
        """Call it (None: the function on trial) twice; note whether it changed an input or answers differently."""
        function = function or self.make
        given = [(x, x._version, x.detach().clone()) for x in _tensors([args, options])]
        answer = self.once(function, *args, **options)
        again = function(*args, **options)
        if any(x._version != version or not same(x.detach(), before) for x, version, before in given):
            self._notes["changes its input"] = True
        if not same(value(answer), value(again)):
            self._notes["answers differently the second time"] = True
        return answer

    def once(self, function: Callable[..., Any] | None, *args: Any, **options: Any) -> Any:
        """Call it once, as it is."""
        answer = (function or self.make)(*args, **options)
        if answer is None:
            raise ReturnsNothing
        return answer

    def build(self, *args: Any, train: bool = False, seed: int = 0) -> nn.Module:
        """A module made with these arguments, in evaluation mode unless `train`; its weights drawn anew."""
        module = self.make(*args)
        if not isinstance(module, nn.Module):
            if not callable(module):
                raise TypeError(f"{type(module).__name__} object cannot be called: a subclass of nn.Module is needed")
            self._built.append({"args": list(args), "names": [], "weights": []})
            return module
        if self._weights is None:
            drawn = draw(module, seed)
            self._built.append({"args": list(args), "names": [n for n, _ in drawn], "weights": [w for _, w in drawn]})
        else:
            with torch.no_grad():
                state = dict(self._weights(len(self._built)))
                module.load_state_dict(
                    {name: state[name] for name in module.state_dict() if name in state}, strict=False
                )
            self._built.append({})
        return module.train(train)

    def seen(self, **found: Any) -> Observation:
        """What the probe returns: these, and what was noted on the way."""
        return {
            **{name.replace("_", " "): value(thing) for name, thing in found.items()},
            **self._notes,
            **({"_built": [dict(one) for one in self._built]} if self._built else {}),
        }


def draw(module: nn.Module, seed: int) -> Weights:
    """Give every weight a random value: a zero or a one could hide a mistake. Gains stay near one."""
    rng = torch.Generator().manual_seed(seed + 17)
    drawn = []
    with torch.no_grad(), torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():  # ours: needs no guard
        for name, weight in module.named_parameters():
            if not weight.is_floating_point():
                continue
            noise = torch.randn(weight.shape, generator=rng, dtype=torch.float64).to(weight.dtype)
            is_gain = weight.numel() > 0 and bool((weight == 1).all())
            weight.copy_(1 + 0.3 * noise if is_gain else (0.3 if weight.dim() < 2 else 0.4) * noise)
            drawn.append((name, weight.detach().clone()))
    return drawn


def gradients(module: nn.Module, out: Tensor) -> list[str]:
    """Names of the weights that a loss on `out` does not reach."""
    weights = dict(module.named_parameters())
    for weight in weights.values():
        weight.grad = None
    if out.requires_grad:
        rng = torch.Generator().manual_seed(5)
        (out * torch.randn(out.shape, generator=rng, dtype=torch.float64).to(out.dtype)).sum().backward()
    return [name for name, weight in weights.items() if weight.grad is None or not weight.grad.abs().sum() > 0]


def gradient_of(out: Tensor, x: Tensor) -> Tensor | None:
    """The gradient of a random mixture of `out` with respect to `x`; None where `out` does not depend on it."""
    if not out.requires_grad:
        return None
    rng = torch.Generator().manual_seed(6)
    mixture = (out * torch.randn(out.shape, generator=rng, dtype=torch.float64).to(out.dtype)).sum()
    return torch.autograd.grad(mixture, x, allow_unused=True)[0]


def plain(x: Tensor) -> Tensor:
    """The numbers alone: no subclass, no graph, in memory of their own."""
    with torch._C.DisableTorchFunctionSubclass():
        return x.detach().as_subclass(Tensor).clone()


def value(thing: Any) -> Value:
    """What can be sent and compared: tensors, numbers, words, lists of these."""
    if isinstance(thing, Tensor):
        return plain(thing)
    if isinstance(thing, tuple | list):
        return [value(one) for one in thing]
    if thing is None or isinstance(thing, bool | int | float | str):
        return thing
    return f"an object of type {type(thing).__name__}"


def same(a: Any, b: Any) -> bool:
    """Bit for bit, NaN included."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and a.dtype == b.dtype and torch.allclose(a, b, rtol=1e-6, atol=1e-7, equal_nan=True)
    return bool(a == b)


def _tensors(things: Any) -> list[Tensor]:
    if isinstance(things, Tensor):
        return [things]
    if isinstance(things, dict):
        things = list(things.values())
    if isinstance(things, list | tuple):
        return [x for thing in things for x in _tensors(thing)]
    return []


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32, grad: bool = False) -> Tensor:
    """Normal numbers, the same in every run."""
    rng = torch.Generator().manual_seed(seed + 1)
    return torch.randn(shape, generator=rng, dtype=torch.float64).to(dtype).requires_grad_(grad)


@contextmanager
def default_dtype(dtype: torch.dtype):  # type: ignore[no-untyped-def]
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
