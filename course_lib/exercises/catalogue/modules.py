"""What the probes of small modules share: a module as its constructor leaves it, and facts about it."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from course_lib.exercises.exercise import Mistake, Observation, Observations
from course_lib.exercises.trial import Trial


def fresh(trial: Trial, *args: Any, train: bool = False) -> Any:
    """As the constructor leaves it: no weight is drawn."""
    module = trial.once(trial.make, *args)
    return module.train(train) if isinstance(module, nn.Module) else module


def trained(module: Any) -> int | str:
    """How many numbers an optimiser would change."""
    if not isinstance(module, nn.Module):
        return f"none: it is a {type(module).__name__}, not an nn.Module"
    return sum(weight.numel() for weight in module.parameters() if weight.requires_grad)


def facts(module: Any, other: Any = None) -> Observation:
    """What hints at why weights are missing, or shared with another module; never compared."""
    if not isinstance(module, nn.Module):
        return {"_no module": True}
    others = {id(weight) for weight in other.parameters()} if isinstance(other, nn.Module) else set()
    return {
        "_shared": any(id(weight) in others for weight in module.parameters()),
        "_frozen": sum(weight.numel() for weight in module.parameters() if not weight.requires_grad),
        "_buffers": sum(buffer.numel() for buffer in module.buffers()),
        "_loose": sum(tensor.numel() for tensor in loose(module)),
        "_modules in lists": sum(isinstance(thing, nn.Module) for thing in _attributes(module)),
        "_start": sorted(
            {number for weight in module.parameters() for number in weight.detach().flatten()[:5].tolist()}
        ),
        "_parts": [type(part).__name__ for part in module.modules()],
    }


def loose(module: nn.Module) -> list[Tensor]:
    """Tensors that a module, or one in a list of it, holds without having registered them."""
    found = []
    for thing in _attributes(module):
        if isinstance(thing, nn.Module):
            found += [*thing.parameters(), *thing.buffers()]
        elif isinstance(thing, Tensor) and thing.dim() > 0:
            found.append(thing)
    return found


def _attributes(module: nn.Module) -> Iterator[Any]:
    for part in module.modules():
        for name, thing in vars(part).items():
            if name not in {"_modules", "_parameters", "_buffers"}:
                yield from _flat(thing)


def _flat(thing: Any) -> Iterator[Any]:
    if isinstance(thing, dict):
        thing = list(thing.values())
    if isinstance(thing, list | tuple):
        for one in thing:
            yield from _flat(one)
    else:
        yield thing


class LeftBehind(TorchFunctionMode):
    """Notes where a tensor that `module.to(device)` does not move meets the input.

    Whoever asks for such a tensor's device, or sends it somewhere, is taken to know what to do.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.behind = loose(module)
        self.met = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = [x for x in _flat([list(args), kwargs]) if isinstance(x, Tensor)]
        found = func(*args, **kwargs)
        behind = [x for x in given if self._is_behind(x)]
        name = getattr(func, "__name__", "")
        if not behind:
            return found
        if self._knows(func, name, args, kwargs):
            self.behind = [x for x in self.behind if not any(x is y for y in behind)]
            return found
        if len(behind) < len([x for x in given if x.dim() > 0]) and name != "__getitem__":
            self.met = True
        self.behind += [x for x in _flat(found) if isinstance(x, Tensor)]
        return found

    def _knows(self, func: Any, name: str, args: Any, kwargs: Any) -> bool:
        """It asks for the tensor's device, or sends it to one."""
        asks = func == Tensor.device.__get__  # type: ignore[attr-defined]
        if asks or name in {"type_as", "cuda", "new_tensor", "copy_"}:
            return True
        places = [*args[1:], *kwargs.values()]
        return name == "to" and any(isinstance(x, torch.device | str | Tensor) for x in places)

    def _is_behind(self, x: Tensor) -> bool:
        return x.dim() > 0 and any(x is y for y in self.behind)


# --- signs ---


def text_of_errors(seen: Observations) -> str:
    """All that errors said."""
    return "\n".join(f"{one['error']}: {one.get('_text', '')}" for one in seen.values() if "error" in one)


def says(*texts: str):  # type: ignore[no-untyped-def]
    """The sign of a mistake: an error that says one of these."""
    return lambda seen: any(text in text_of_errors(seen) for text in texts)


def runs(seen: Observations, name: str) -> bool:
    return name in seen and "error" not in seen[name]


MODULE_MISTAKES = (
    Mistake(
        "no_super_init",
        "The constructor does not begin with `super().__init__()`. nn.Module sets up there what registers parameters, "
        "buffers and parts.",
        seen=says("before Module.__init__() call", "object has no attribute '_parameters'"),
    ),
    Mistake(
        "not_a_module",
        "The class is no subclass of nn.Module: nobody finds its weights, and train, eval and to do not exist.",
        seen=lambda seen: any(one.get("_no module") for one in seen.values()),
    ),
    Mistake(
        "view_of_a_view",
        "`view` works only where the numbers lie in memory in order; a transposed input does not. `reshape`, or no "
        "reshaping "
        "at all, works on every tensor.",
        seen=says("view size is not compatible"),
    ),
    Mistake(
        "returns_more",
        "It returns several things. The next layer expects one tensor, the result.",
        seen=says("Answer: It returns a tuple", "Answer: It returns a list"),
    ),
)
