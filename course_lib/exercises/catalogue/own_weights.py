"""What the probes of modules need to know about a module's own weights, whatever their names and shapes."""

import math

import torch
from torch import Tensor, nn

from course_lib.exercises.exercise import Mistake, Observation, Observations, Value

Shape = tuple[int, ...]


def count(module: nn.Module) -> int:
    """How many numbers training may change: the same for every right way to lay the weights out."""
    return sum(weight.numel() for weight in module.parameters())


def inside(module: nn.Module) -> list[Value]:
    """What a module holds besides its weights: "buffer 8" for one with eight numbers, "modules", "tensor"."""
    found: list[Value] = [f"buffer {buffer.numel()}" for buffer in module.buffers() if buffer.is_floating_point()]
    for part in module.modules():
        for name, thing in vars(part).items():
            if name not in {"_modules", "_parameters", "_buffers"} and (kind := _kind(thing)):
                found.append(kind)
    return found


def _kind(thing: object) -> str:
    things = list(thing.values()) if isinstance(thing, dict) else thing if isinstance(thing, list | tuple) else [thing]
    if any(isinstance(one, nn.Module) for one in things):
        return "modules"
    return "tensor" if any(isinstance(one, Tensor) and one.dim() > 0 for one in things) else ""


def shapes(seen: Observations, probe: str) -> list[list[Shape]]:
    """Of each module that the probe built, the shapes of its weights without axes of size 1."""
    built = seen[probe]["_built"]
    return [[squeezed(weight) for weight in one["weights"]] for one in built]  # type: ignore[union-attr, index, arg-type]


def squeezed(weight: Tensor) -> Shape:
    return tuple(size for size in weight.shape if size != 1)


def as_matrix(weight: Tensor) -> Tensor:
    """Without axes of size 1 beyond the second: the kernel's of a convolution, say."""
    while weight.dim() > 2 and 1 in weight.shape:
        axis = max(i for i, size in enumerate(weight.shape) if size == 1)
        weight = weight.squeeze(axis)
    return weight


def sizes(seen: Observations, probe: str) -> list[list]:
    """The arguments of each module that the probe built."""
    return [list(one["args"]) for one in seen[probe]["_built"]]  # type: ignore[union-attr, index]


def failed(seen: Observations, probe: str, *texts: str, kind: str = "") -> bool:
    """Whether it raised in this probe, and with one of these texts."""
    one = seen[probe]
    text = str(one.get("_text", ""))
    return kind in str(one.get("error", "")) and "error" in one and (not texts or any(part in text for part in texts))


SUPER_FORGOTTEN = Mistake(
    "super_init_forgotten",
    "`__init__` does not begin with `super().__init__()`. It prepares the module for holding weights and other "
    "modules.",
    seen=lambda seen: any("before Module.__init__" in str(one.get("_text")) for one in seen.values()),
)


# --- gradients: told in the reference's own terms ---


def learn(module: nn.Module, out: Tensor) -> Observation:
    """Send the gradient of a random mixture of `out` back; the weights and their gradients as two long rows."""
    weights = list(module.parameters())
    if out.requires_grad:
        rng = torch.Generator().manual_seed(6)
        (out * torch.randn(out.shape, generator=rng, dtype=torch.float64).to(out.dtype)).sum().backward()
    gradients = [torch.zeros_like(w) if w.grad is None else w.grad.to_dense() for w in weights]
    return {"_weights": _row(weights), "_gradients": _row(gradients)}


def _row(tensors: list) -> Tensor:
    return torch.cat([torch.zeros(0), *(tensor.detach().double().flatten() for tensor in tensors)])


def gradients_by_name(observation: Observation, states: list) -> Observation:
    """As `read`: the gradient of each weight of the reference.

    The weights were drawn at random, so each number is found again by its value, wherever the learner keeps it.
    """
    if not states:
        return observation
    weights, gradients = observation["_weights"], observation["_gradients"]
    assert isinstance(weights, Tensor) and isinstance(gradients, Tensor)
    found = dict(observation)
    for name, weight in states[0].items():
        if not name.startswith("extra"):
            found[f"gradient of {told(name)}"] = _looked_up(weight, weights, gradients)
    return found


def told(name: str) -> str:
    """W_1.weight -> W_1, W_1.bias -> b_1."""
    owner, _, kind = name.partition(".")
    return owner.replace("W_", "b_") if kind == "bias" else owner


def _looked_up(weight: Tensor, weights: Tensor, gradients: Tensor) -> Tensor:
    if not weights.numel():
        return torch.full(weight.shape, math.nan)
    wanted = weight.double().flatten().contiguous()
    order = weights.argsort()
    place = torch.searchsorted(weights[order].contiguous(), wanted).clamp(max=weights.numel() - 1)
    place = order[place]
    found = torch.where(weights[place] == wanted, gradients[place], math.nan)
    return found.float().reshape(weight.shape)
