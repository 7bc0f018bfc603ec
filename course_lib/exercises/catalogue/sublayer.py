"""The residual connection around a sub-layer: LayerNorm(x + dropout(sublayer(x))) (3.1, 5.4)."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.exercises.catalogue.dropped import P, near, spread, words
from course_lib.exercises.catalogue.layer_norm import affine
from course_lib.exercises.catalogue.modules import MODULE_MISTAKES, facts, fresh, runs, says, trained
from course_lib.exercises.exercise import Card, Exercise, Mistake, Observation, Observations, Probe, Weights
from course_lib.exercises.trial import Trial, gradient_of, gradients, random, tensors
from course_lib.normalization import SublayerConnection

# The norm's eps is free: all sums here spread much further than the root of any usual one, or not at all.


def layouts(weights: Weights, args: tuple) -> dict[str, dict[str, Tensor]]:
    return {
        name: {f"norm.{part}": weight for part, weight in state.items()}
        for name, state in affine(weights, args[0]).items()
    }


# --- sub-layers that are known ---


def square(x: Tensor) -> Tensor:
    return x * x / 2


def turned(x: Tensor) -> Tensor:
    """A map that mixes the features, for any number of axes."""
    return 0.7 * x.flip(-1) + x.roll(1, -1) * x


def zeros(x: Tensor) -> Tensor:
    return torch.zeros_like(x)


def identity(x: Tensor) -> Tensor:
    return x


class Recorded:
    """A function that notes how it is called."""

    def __init__(self, f: Callable[[Tensor], Tensor]) -> None:
        self.f, self.received, self.arguments, self.graph = f, [], [], []  # type: ignore[var-annotated]

    def __call__(self, *args: Any, **options: Any) -> Tensor:
        self.arguments.append(len(args) + len(options))
        self.received.append(args[0].detach().clone())
        self.graph.append(torch.is_grad_enabled() and args[0].requires_grad)
        return self.f(args[0])


class Linear(nn.Module):
    """A sub-layer that is a module, with a weight."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.W = nn.Parameter(random(d, d, seed=7))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.W.to(x.dtype)


# --- the probes ---


def new(trial: Trial, x: Tensor, sublayer: Callable[[Tensor], Tensor], dropout: float = 0.0) -> Tensor:
    """What a new module answers, in evaluation."""
    return tensors(trial.call(fresh(trial, x.size(-1), dropout), x, sublayer), 1)[0]


def plain(trial: Trial) -> Observation:
    return trial.seen(out=new(trial, torch.tensor([[1.0, 2.0, 6.0], [-1.0, 3.0, 0.0]]), square))


def gain_and_bias(trial: Trial) -> Observation:
    return trial.seen(out=tensors(trial.call(trial.build(4, 0.0), 2 * random(2, 3, 4), Linear(4)), 1)[0])


def weights(trial: Trial) -> Observation:
    modules = {d: fresh(trial, d, 0.0) for d in (3, 5)}
    numbers = {f"numbers trained with a width of {d}": trained(module) for d, module in modules.items()}
    return {**trial.seen(**numbers), **facts(modules[5], fresh(trial, 5, 0.0))}


def nothing_added(trial: Trial) -> Observation:
    return trial.seen(out=new(trial, 3 * random(2, 3, 4, seed=10), zeros))


def itself(trial: Trial) -> Observation:
    """A sub-layer that gives back its input, not a copy of it; in training too."""
    x = 2 * random(2, 3, 4, seed=20)
    out = new(trial, x, identity)
    given = x.clone()
    trial.once(fresh(trial, 4, 0.5, train=True), given, identity)
    return trial.seen(out=out, **({} if torch.equal(given, x) else {"changes_its_input": True}))


def calls(trial: Trial) -> Observation:
    """How the sub-layer is called, in either mode."""
    found: dict[str, Any] = {}
    for mode in ("evaluation", "training"):
        sublayer, x = Recorded(square), 2 * random(2, 3, 4, seed=30, grad=True)
        trial.once(fresh(trial, 4, 0.4, train=mode == "training"), x, sublayer)
        found[f"calls_in_{mode}"] = len(sublayer.received)
        found[f"arguments_in_{mode}"] = sublayer.arguments[:1]
        found[f"received_in_{mode}"] = sublayer.received[:1]
        found[f"part_of_the_graph_in_{mode}"] = sublayer.graph[:1]
    return trial.seen(**found)


def shapes(trial: Trial) -> Observation:
    sizes = ((1, 1, 4), (1, 5, 4), (3, 1, 4), (4, 4, 4))
    return trial.seen(
        **{f"out_of_x_{size}": new(trial, 2 * random(*size, seed=40 + i), turned) for i, size in enumerate(sizes)}
    )


def more_axes(trial: Trial) -> Observation:
    sizes = ((3, 4), (2, 3, 2, 4))
    return trial.seen(
        **{f"out_of_x_{size}": new(trial, 2 * random(*size, seed=50 + i), turned) for i, size in enumerate(sizes)}
    )


def constant(trial: Trial) -> Observation:
    """The sum has no variance."""
    x = torch.tensor([[1.0, 2.0, -3.0, 0.5]])
    return trial.seen(out=new(trial, x, lambda x: 2.0 - x))


def two_sublayers(trial: Trial) -> Observation:
    """One module, several sub-layers and inputs."""
    module = fresh(trial, 4, 0.0)
    found = {
        f"out_with_the_{name}_sublayer": tensors(trial.call(module, 2 * random(2, 3, 4, seed=60 + i), f), 1)[0]
        for i, (name, f) in enumerate((("first", square), ("second", turned), ("third", torch.tanh)))
    }
    return trial.seen(**found)


def a_module(trial: Trial) -> Observation:
    """A sub-layer that is a module stays what it was, and does not become a part."""
    module, sublayer = fresh(trial, 4, 0.0), Linear(4)
    before = trained(module)
    out = tensors(trial.call(module, 2 * random(2, 3, 4, seed=70), sublayer), 1)[0]
    return {"_before": before} | trial.seen(
        out=out,
        the_sublayer_is_in_training_mode=sublayer.training,
        numbers_trained_after_the_call=trained(module),
    )


def two_modules(trial: Trial) -> Observation:
    x = 2 * random(2, 4, seed=80)
    first = trial.build(4, 0.0, seed=1)
    trial.build(4, 0.0, seed=2)
    return trial.seen(out_of_the_first=tensors(trial.call(first, x, square), 1)[0])


def double(trial: Trial) -> Observation:
    """So large that no usual eps is seen."""
    x = 1e5 * random(2, 3, 4, seed=90, dtype=torch.float64)
    module = fresh(trial, 4, 0.0).double()
    return trial.seen(out=tensors(trial.call(module, x, lambda x: 0.5 * x.flip(-1)), 1)[0])


def views(trial: Trial) -> Observation:
    x = 2 * random(4, 3, 2, seed=100)
    return trial.seen(
        out_of_a_transposed_tensor=new(trial, x.transpose(0, 2), turned),
        out_of_an_expanded_tensor=new(trial, x[:, 0, 0].expand(3, 2, 4), turned),
    )


def gradient(trial: Trial) -> Observation:
    module, x, sublayer = trial.build(4, 0.0, train=True), 3 * random(2, 3, 4, seed=110), Linear(4)
    x.requires_grad_()
    out = tensors(trial.once(module, x, sublayer), 1)[0]
    found = {"gradient_of_x": gradient_of(out, x)} if out.requires_grad else {"gradient_of_x": None}
    out = tensors(trial.once(module, x, sublayer), 1)[0]
    of_sublayer = gradient_of(out, sublayer.W)
    out = tensors(trial.once(module, x.detach(), sublayer), 1)[0]
    return trial.seen(
        **found,
        gradient_of_the_sublayers_weight=of_sublayer,
        weights_without_a_gradient=len(gradients(module, out)),
    )


def large(trial: Trial) -> Observation:
    return trial.seen(out=new(trial, 1e3 * random(2, 3, 4, seed=120), lambda x: 0.5 * x.flip(-1)))


def evaluation(trial: Trial) -> Observation:
    """Nothing is dropped in evaluation, before or after training; nor in training with a probability of 0."""
    x = 2 * random(2, 3, 6, seed=130)
    module = fresh(trial, 6, 0.8)
    found = {"out_in_evaluation": tensors(trial.call(module, x, square), 1)[0]}
    module.train()
    trial.once(module, x, square)
    module.eval()
    found["out_after_training"] = tensors(trial.call(module, x, square), 1)[0]
    return trial.seen(**found)


def without_dropout(trial: Trial) -> Observation:
    x = 2 * random(2, 3, 6, seed=140)
    return trial.seen(out_in_training=tensors(trial.call(fresh(trial, 6, 0.0, train=True), x, square), 1)[0])


def dropout(trial: Trial) -> Observation:
    """What was dropped, in words. Two features on which the sub-layer gives 0 tell what the norm did to the sum."""
    sizes = (4, 12, 34)
    x, y = spread(*sizes, seed=150), spread(*sizes, seed=151)
    x[..., 0], x[..., 1], y[..., :2] = -4.0, 4.0, 0.0
    module = fresh(trial, sizes[-1], P, train=True)
    found: dict[str, Any] = {"the_residual": residual(trial, module, x)}
    kept = []
    for _ in range(2):
        out = tensors(trial.once(module, x, lambda _: y.clone()), 1)[0].detach()
        if out.shape != x.shape:
            return trial.seen(out=out)
        kept.append(((undone(out, x) - x) / y)[..., 2:])
    found |= words(kept[0], kept[1])
    out = tensors(trial.once(module, torch.zeros(sizes), lambda _: y.clone()), 1)[0]
    found["where_x_is_0_the_sublayers_output"] = "is dropped" if some_alike(out[..., 2:]) else "is not dropped"
    total = tensors(trial.once(module, x, torch.neg), 1)[0]
    found["the_sum_of_x_and_minus_x"] = "is 0" if near(total, 0.0).all() else "is not 0"
    return trial.seen(**found)


def undone(out: Tensor, x: Tensor) -> Tensor:
    """The sum before the norm, from the features 0 and 1, where it is x."""
    first, second = out[..., :1], out[..., 1:2]
    return x[..., :1] + (out - first) / (second - first) * (x[..., 1:2] - x[..., :1])


def residual(trial: Trial, module: Any, x: Tensor) -> str:
    """What dropout does where the sub-layer gives nothing."""
    out = tensors(trial.once(module, x, zeros), 1)[0]
    if out.shape != x.shape:
        return "has another shape"
    if near(out, F.layer_norm(x, x.shape[-1:])).all():
        return "is not dropped"
    if (out == 0).double().mean() > 0.02:
        return "is dropped, after the norm"
    return "is dropped" if some_alike(out[..., 2:]) else "is changed"


def some_alike(out: Tensor) -> bool:
    """Whether numbers that were all different have become the same, in each row: 0, before the norm."""
    values = out.detach().sort(-1).values
    return bool((values.diff() < 1e-6).any(-1).all())


def low_precision(dtype: torch.dtype):  # type: ignore[no-untyped-def]
    def run(trial: Trial) -> Observation:
        module, x = fresh(trial, 8, 0.0).to(dtype), random(2, 8, seed=160, dtype=dtype)
        return trial.seen(out=tensors(trial.call(module, x, square), 1)[0])

    return run


loosely = partial(Probe, atol=1e-4, rtol=1e-3)
PROBES = (
    loosely("plain", plain, "The result is not LayerNorm(x + sublayer(x)).", "x (2, 3) and a sub-layer x²/2"),
    loosely(
        "gain and bias",
        gain_and_bias,
        "With a trained gain and bias the result is not right.",
        "x (2, 3, 4) and a linear sub-layer, gain and bias at random",
    ),
    loosely(
        "nothing added",
        nothing_added,
        "With a sub-layer that gives zeros the result should be the norm of x.",
        "x (2, 3, 4)",
    ),
    Probe(
        "weights",
        weights,
        "What is trained are the norm's gain and bias, 2 d_model numbers, found by module.parameters().",
    ),
    Probe(
        "calls", calls, "The sub-layer should be called once, with x alone, and be a part of the graph.", "x (2, 3, 4)"
    ),
    loosely(
        "identity",
        itself,
        "With a sub-layer that gives back its input the result is not right.",
        "x (2, 3, 4)",
    ),
    loosely(
        "constant",
        constant,
        "Where the sum is the same for all features, the result should be the bias.",
        "x + sublayer(x) = 2",
    ),
    loosely("shapes", shapes, "Not every batch and length works.", "x (1, 1, 4), (1, 5, 4), (3, 1, 4), (4, 4, 4)"),
    loosely(
        "more axes",
        more_axes,
        "With fewer or more axes than three it does not work.",
        "x (3, 4), (2, 3, 2, 4)",
    ),
    loosely("large", large, "With large numbers the result is not right.", "x (2, 3, 4), about 1,000"),
    loosely("two sub-layers", two_sublayers, "The result depends on earlier calls.", "three sub-layers in turn"),
    loosely(
        "a module",
        a_module,
        "A sub-layer that is a module is changed, or becomes a part.",
        "a linear sub-layer",
    ),
    Probe("float64", double, "In double precision the result is not right.", "float64 input", atol=1e-8, rtol=1e-8),
    loosely(
        "views",
        views,
        "With a view (an input that is not contiguous) the result is not right.",
        "a transposed tensor",
    ),
    Probe(
        "gradient",
        gradient,
        "The gradient does not flow back as it should: through x and through the sub-layer.",
        "x (2, 3, 4) and a linear sub-layer",
        atol=3e-4,
        rtol=3e-3,
    ),
    loosely(
        "two modules",
        two_modules,
        "Two modules of one width share their weights.",
        "two modules with d_model = 4",
    ),
    loosely("evaluation", evaluation, "In evaluation something is dropped or scaled.", "x (2, 3, 6), dropout 0.8"),
    loosely("no dropout", without_dropout, "In training with dropout 0 the result is not right.", "x (2, 3, 6)"),
    Probe(
        "dropout", dropout, "Dropout is not put on the sub-layer's output as it should.", "x (4, 12, 34), dropout 0.3"
    ),
    Probe(
        "bfloat16",
        low_precision(torch.bfloat16),
        "bfloat16 gives something else",
        "bfloat16 input",
        robust=True,
        atol=0.05,
        rtol=0.05,
    ),
)


# --- the known mistakes ---

Forward = Callable[[Any, Tensor, Callable[[Tensor], Tensor]], Tensor]


def with_forward(forward: Forward, norm: type[nn.Module] | None = None) -> type[SublayerConnection]:
    """The parts as they are (or another norm), put together in another way."""

    class Wrong(SublayerConnection):
        def __init__(self, d_model: int, dropout: float = 0.0) -> None:
            super().__init__(d_model, dropout)
            if norm is not None:
                self.norm = norm(d_model)  # type: ignore[assignment]

        def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
            return forward(self, x, sublayer)

    return Wrong


def with_drop(drop: Callable[[Tensor, float, bool], Tensor]) -> type[SublayerConnection]:
    """Another dropout, of (y, p, training)."""
    return with_forward(lambda self, x, f: self.norm(x + drop(f(x), self.dropout.p, self.training)))


def with_norm(formula: Callable[[Tensor], Tensor]) -> type[SublayerConnection]:
    """Another norm, before gain and bias."""

    class Norm(nn.Module):
        def __init__(self, d: int) -> None:
            super().__init__()
            self.gain, self.bias = nn.Parameter(torch.ones(d)), nn.Parameter(torch.zeros(d))

        def forward(self, x: Tensor) -> Tensor:
            return self.gain * formula(x) + self.bias

    return with_forward(lambda self, x, f: self.norm(x + self.dropout(f(x))), Norm)


def centred(x: Tensor, axes: Any = -1) -> Tensor:
    return x - x.mean(axes, keepdim=True)


def deviation(x: Tensor, axes: Any = -1, eps: float = 1e-5) -> Tensor:
    return (centred(x, axes).square().mean(axes, keepdim=True) + eps).sqrt()


def stopped(x: Tensor) -> Tensor:
    fixed = x.detach()
    return (x - fixed.mean(-1, keepdim=True)) / deviation(fixed)


def over_the_sentence(x: Tensor) -> Tensor:
    return centred(x, (-2, -1)) / deviation(x, (-2, -1))


def over_the_tokens(x: Tensor) -> Tensor:
    axes = tuple(range(x.dim() - 1))
    return centred(x, axes) / deviation(x, axes)


def bernoulli(y: Tensor, p: float) -> Tensor:
    return (torch.rand_like(y) >= p).to(y.dtype)


class NoAffine(nn.Module):
    def __init__(self, d: int) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return centred(x) / deviation(x)


class KeepsFirst(SublayerConnection):
    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        object.__setattr__(self, "kept", getattr(self, "kept", sublayer))
        return super().forward(x, self.kept)  # type: ignore[arg-type]


class DropoutAsEps(SublayerConnection):
    def __init__(self, d_model: int, dropout: float = 0.0) -> None:
        super().__init__(d_model, dropout)
        self.norm.eps = dropout


class KeepProbability(SublayerConnection):
    def __init__(self, d_model: int, dropout: float = 0.0) -> None:
        super().__init__(d_model, 1 - dropout)


def sentence_by_sentence(self, x, f):  # type: ignore[no-untyped-def]
    return self.norm(x + self.dropout(torch.stack([f(row) for row in x])))


def flattened(self, x, f):  # type: ignore[no-untyped-def]
    return self.norm(x + self.dropout(f(x.reshape(-1, x.size(-1))).reshape(x.shape)))


def without_graph(self, x, f):  # type: ignore[no-untyped-def]
    with torch.no_grad():
        y = f(x)
    return self.norm(x + self.dropout(y))


def branch_skipped(self, x, f):  # type: ignore[no-untyped-def]
    return self.norm(x + self.dropout(f(x))) if self.training else self.norm(x)


# --- signs ---


def counts(seen: Observations) -> tuple[Any, Any]:
    found = seen["weights"]
    return tuple(found[f"numbers trained with a width of {d}"] for d in (3, 5))  # type: ignore[return-value]


def counted(*pairs: tuple[int, int]):  # type: ignore[no-untyped-def]
    return lambda seen: counts(seen) in pairs


def untrained(key: str):  # type: ignore[no-untyped-def]
    return lambda seen: counts(seen) == (0, 0) and seen["weights"][key] >= 10


def width_fixed(seen: Observations) -> bool:
    three, five = counts(seen)
    return isinstance(three, int) and three == five > 2


def trained_map(seen: Observations) -> bool:
    """As many numbers as a matrix has, on top of the norm's."""
    three, five = counts(seen)
    return three >= 6 + 9 and five >= 10 + 25


def close(found: Any, x: Tensor) -> bool:
    return isinstance(found, Tensor) and found.shape == x.shape and torch.allclose(found, x, atol=1e-3)


def agrees(seen: Observations, name: str, *keys: str) -> bool:
    """A probe of a new module saw what the reference shows."""
    probe = next(probe for probe in PROBES if probe.name == name)
    expected, found = probe.run(Trial(SublayerConnection)), seen[name]
    return all(
        close(found[key], x) for key, x in expected.items() if isinstance(x, Tensor) and (not keys or key in keys)
    )


def branch(plain_right: bool = True, evaluation_right: bool = True, **texts: str):  # type: ignore[no-untyped-def]
    """These words on what dropout did to the sub-layer's output, and x was left alone."""

    def sign(seen: Observations) -> bool:
        found = seen["dropout"]
        return (
            found["the residual"] == "is not dropped"
            and receives_x(seen, "training")
            and all(text in str(found.get(key.replace("_", " "))) for key, text in texts.items())
            and agrees(seen, "plain") == plain_right
            and agrees(seen, "no dropout")
            and agrees(seen, "two sub-layers")
            and agrees(seen, "evaluation") == evaluation_right
        )

    return sign


def steady(found: Observation) -> bool:
    return "answers differently the second time" not in found


def dropped_in_evaluation(seen: Observations) -> bool:
    found = seen["evaluation"]
    if not (steady(seen["plain"]) and steady(seen["two sub-layers"])):
        return False
    return not steady(found) and "changes its input" not in found and agrees(seen, "plain")


def only_in_evaluation(seen: Observations) -> bool:
    return dropped_in_evaluation(seen) and seen["dropout"].get("in training numbers are") == "never dropped"


def in_list(seen: Observations) -> bool:
    return dropped_in_evaluation(seen) and int(seen["weights"]["_modules in lists"]) > 0  # type: ignore[arg-type]


def three_arguments(seen: Observations) -> bool:
    found: dict[str, Any] = seen["calls"]
    return any(n > 1 for mode in ("evaluation", "training") for n in found[f"arguments in {mode}"])


def never_called(seen: Observations) -> bool:
    return bool(seen["calls"]["calls in evaluation"] == 0 and seen["calls"]["calls in training"] == 0)


def called(training: int, evaluation: int):  # type: ignore[no-untyped-def]
    return lambda seen: (
        seen["calls"]["calls in training"] == training
        and seen["calls"]["calls in evaluation"] == evaluation
        and receives_x(seen, "training")
        and agrees(seen, "plain")
    )


def without_norms_weights(seen: Observations) -> bool:
    return counts(seen) == (0, 0) and agrees(seen, "plain")


def batch_norm(seen: Observations) -> bool:
    return any("BatchNorm" in str(name) for name in seen["weights"]["_parts"])  # type: ignore[union-attr]


def adopted(seen: Observations) -> bool:
    found: dict[str, Any] = seen["a module"]
    return bool(found["numbers trained after the call"] > found["_before"]) and agrees(seen, "two sub-layers")


def receives_x(seen: Observations, mode: str) -> bool:
    """The sub-layer was first called with x itself."""
    calls_seen: dict[str, Any] = seen["calls"]
    return close(calls_seen[f"received in {mode}"][0], 2 * random(2, 3, 4, seed=30))


def three_axes(seen: Observations) -> bool:
    return runs(seen, "shapes") and agrees(seen, "shapes") and not runs(seen, "more axes")


MISTAKES = (
    *MODULE_MISTAKES,
    Mistake(
        "constructor_arguments_swapped",
        "The constructor takes its arguments in another order. It is called as SublayerConnection(d_model, dropout).",
        seen=says(
            "argument 'size'",
            "has to be between 0 and 1",
            "received an invalid combination",
            "'float' object cannot be interpreted as an integer",
        ),
    ),
    Mistake(
        "output_for_function",
        "forward takes the sub-layer's output. Asked for is the sub-layer itself, a function that forward "
        "calls: that is how dropout and norm come to stand around it.",
        seen=says(
            "'Tensor' and 'function'",
            "not function",
            "not Linear",
            "'function' object has no attribute 'size'",
            "'function' object has no attribute 'shape'",
        ),
        source="d2l's AddNorm(X, Y)",
        convention=True,
    ),
    Mistake(
        "forward_arguments_swapped",
        "forward takes the sub-layer first. It is called as connection(x, sublayer).",
        seen=says("'Tensor' object is not callable"),
    ),
    Mistake(
        "modules_only",
        "The sub-layer is taken for a module (`.forward`, `.parameters()`). It may be any function of x, and is simply "
        "called: sublayer(x).",
        seen=says(
            "object has no attribute 'forward'",
            "object has no attribute 'parameters'",
            "is not a Module subclass",
            "object has no attribute 'train'",
            "object has no attribute 'eval'",
        ),
    ),
    Mistake(
        "called_with_more_than_x",
        "The sub-layer gets more than x, as if it were always attention. Whoever needs x three times wraps "
        "it: lambda x: attention(x, x, x).",
        seen=lambda seen: three_arguments(seen) or says("positional arguments but")(seen),
    ),
    Mistake(
        "norm_not_registered",
        "The norm, or its weights, is in a Python list or a plain attribute, so module.parameters() does not find it.",
        seen=untrained("_loose"),
    ),
    Mistake("norm_frozen", "The norm's gain and bias do not require a gradient.", seen=untrained("_frozen")),
    Mistake(
        "norm_without_weights",
        "Nothing is trained: the norm has no gain and bias, or is made anew in every call.",
        with_forward(lambda self, x, f: self.norm(x + self.dropout(f(x))), NoAffine),
        seen=without_norms_weights,
    ),
    Mistake(
        "batch_norm",
        "A batch normalisation stands in the place of the layer normalisation: tokens are normalised with each "
        "other's numbers.",
        with_norm(over_the_tokens),
        seen=batch_norm,
    ),
    Mistake(
        "width_fixed",
        "The number of weights does not depend on d_model: a size is written into the code.",
        seen=width_fixed,
    ),
    Mistake(
        "trained_factor",
        "A trained factor stands before the sub-layer's output (ReZero, LayerScale). The paper adds it as it is.",
        seen=counted((7, 11), (9, 15)),
        source="Bachlechner et al. 2020; Touvron et al. 2021",
        convention=True,
    ),
    Mistake("second_norm", "There are two norms. One is meant, after the sum.", seen=counted((12, 20))),
    Mistake(
        "trained_map",
        "A gate or a matrix is trained here. x is added as it is: that is what lets the gradient through.",
        seen=trained_map,
        source="Srivastava et al. 2015, Highway Networks",
    ),
    Mistake(
        "sublayer_adopted",
        "The sub-layer is kept as an attribute, so its weights become this module's too. Call it and forget it.",
        seen=adopted,
    ),
    Mistake(
        "mode_changed",
        "The sub-layer is put into evaluation (or training) mode. That is its owner's business.",
        seen=lambda seen: seen["a module"]["the sublayer is in training mode"] is False,
    ),
    Mistake(
        "called_twice",
        "The sub-layer is called more than once. Once is enough, and with dropout inside it two calls differ.",
        seen=lambda seen: called(2, 2)(seen) or called(2, 1)(seen) or called(1, 2)(seen) or called(3, 3)(seen),
    ),
    Mistake(
        "fixed_number_of_axes",
        "It works for (B, T, d_model) only. Nothing here needs to know the axes in front.",
        seen=three_axes,
    ),
    Mistake(
        "dropout_not_registered",
        "The dropout is in a Python list, where eval() does not reach it: make it an attribute.",
        seen=in_list,
    ),
    Mistake(
        "dropout_only_in_evaluation",
        "Dropout acts in evaluation and not in training: the wrong way round.",
        with_drop(lambda y, p, training: F.dropout(y, p, not training)),
        seen=only_in_evaluation,
    ),
    Mistake(
        "dropout_in_evaluation",
        "Dropout acts in evaluation too. F.dropout must be told: training=self.training.",
        seen=dropped_in_evaluation,
    ),
    Mistake(
        "dropout_on_the_sum",
        "Dropout is put on the sum, so x is dropped too. It belongs on the sub-layer's output, before the "
        "addition (5.4).",
        with_forward(lambda self, x, f: self.norm(self.dropout(x + f(x)))),
    ),
    Mistake(
        "dropout_after_the_norm",
        "Dropout comes after the norm. It belongs on the sub-layer's output, before the addition (5.4).",
        with_forward(lambda self, x, f: self.dropout(self.norm(x + f(x)))),
        seen=lambda seen: seen["dropout"]["the residual"] == "is dropped, after the norm" and agrees(seen, "plain"),
    ),
    Mistake(
        "dropout_before_the_sublayer",
        "Dropout is put on the sub-layer's input. It belongs on its output (5.4).",
        with_forward(lambda self, x, f: self.norm(x + f(self.dropout(x)))),
    ),
    Mistake(
        "dropout_on_x",
        "Dropout is put on x, and not on the sub-layer's output.",
        with_forward(lambda self, x, f: self.norm(self.dropout(x) + f(x))),
    ),
    Mistake(
        "dropout_on_both",
        "Dropout is put on x as well. Only the sub-layer's output is dropped: x should always get through.",
        with_forward(lambda self, x, f: self.norm(self.dropout(x) + self.dropout(f(x)))),
    ),
    Mistake("dropout_twice", "Dropout is put on twice.", seen=branch(share_dropped="twice")),
    Mistake(
        "probability_to_keep",
        "The number given is taken for the probability to keep. It is that of dropping.",
        KeepProbability,
        seen=lambda seen: seen["dropout"].get("share dropped") == "1 - p",
    ),
    Mistake(
        "scaled_in_evaluation",
        "What is kept is not divided by 1 - p in training, and all is multiplied by 1 - p in evaluation. "
        "Equal in the mean, and how dropout was first described; here, as in torch, training divides.",
        seen=branch(evaluation_right=False, in_training_numbers_are="not divided"),
        source="Srivastava et al. 2014",
        convention=True,
    ),
    Mistake(
        "dropout_not_scaled",
        "What is kept is not divided by 1 - p, so the sub-layer says less in training than in evaluation.",
        seen=branch(in_training_numbers_are="not divided"),
    ),
    Mistake(
        "dropout_scaled_by_p",
        "What is kept is divided by p. It is kept with probability 1 - p: divide by that.",
        seen=branch(in_training_numbers_are="divided by p"),
    ),
    Mistake(
        "dropout_drawn_once",
        "What is dropped is drawn once (or from a fixed seed). It is drawn anew in every call.",
        seen=branch(drawn_anew_in_the_next_call="no"),
    ),
    Mistake(
        "whole_branch_dropped",
        "The whole sub-layer is dropped or kept (stochastic depth). Dropout decides for each number.",
        seen=branch(drawn="once for all sentences and positions and features"),
        source="Huang et al. 2016; LayerDrop",
        convention=True,
    ),
    Mistake(
        "dropout_of_whole_positions",
        "Whole positions are dropped. Each number is dropped or kept by itself.",
        seen=branch(drawn="features"),
    ),
    Mistake(
        "one_draw_for_many",
        "One draw serves several sentences or positions. Each number is dropped or kept by itself.",
        seen=branch(drawn="once for all"),
    ),
    Mistake(
        "dropout_fixed",
        "Another probability than the given one is used.",
        seen=lambda seen: (
            seen["dropout"]["the residual"] == "is not dropped"
            and seen["dropout"].get("share dropped") == "another share"
        ),
    ),
    Mistake(
        "alpha_dropout",
        "What is dropped is not set to 0 (nn.AlphaDropout, made for SELU networks).",
        with_drop(lambda y, p, training: F.alpha_dropout(y, p, training)),
    ),
    Mistake(
        "noise_for_dropout",
        "The sub-layer's output is multiplied with noise, and nothing is dropped.",
        seen=branch(in_training_numbers_are="noise"),
    ),
    Mistake("dropout_ignored", "In training nothing is dropped.", seen=branch(in_training_numbers_are="never dropped")),
    Mistake(
        "pre_ln",
        "The norm comes before the sub-layer: x + dropout(sublayer(norm(x))). That is pre-LN, which later models "
        "prefer; the paper's is post-LN, the norm of the sum.",
        with_forward(lambda self, x, f: x + self.dropout(f(self.norm(x)))),
        source="The Annotated Transformer; tensor2tensor; GPT-2",
        convention=True,
    ),
    Mistake(
        "norm_before_and_after",
        "The norm is used twice, before the sub-layer and after the sum. The paper has the one after.",
        with_forward(lambda self, x, f: self.norm(x + self.dropout(f(self.norm(x))))),
    ),
    Mistake(
        "branch_normalised",
        "Only the sub-layer's output is normalised. It is the sum that should be.",
        with_forward(lambda self, x, f: x + self.norm(self.dropout(f(x)))),
        source="Swin Transformer V2's res-post-norm",
    ),
    Mistake(
        "x_normalised",
        "x is normalised before the addition, and the sum is not.",
        with_forward(lambda self, x, f: self.norm(x) + self.dropout(f(x))),
    ),
    Mistake(
        "both_normalised",
        "x and the sub-layer's output are normalised each by itself. It is the sum that should be.",
        with_forward(lambda self, x, f: self.norm(x) + self.norm(self.dropout(f(x)))),
    ),
    Mistake(
        "x_normalised_too",
        "x is normalised before the addition, and the sum again. Only the sum is.",
        with_forward(lambda self, x, f: self.norm(self.norm(x) + self.dropout(f(x)))),
    ),
    Mistake(
        "norm_for_everything",
        "x is replaced by its norm, for the sub-layer and for the addition.",
        with_forward(lambda self, x, f: self.norm(x) + self.dropout(f(self.norm(x)))),
    ),
    Mistake("no_norm", "The norm is never used.", with_forward(lambda self, x, f: x + self.dropout(f(x)))),
    Mistake(
        "norm_used_twice",
        "The result is normalised twice by the same norm.",
        with_forward(lambda self, x, f: self.norm(self.norm(x + self.dropout(f(x))))),
    ),
    Mistake(
        "no_residual",
        "x is not added. Without that way around it, a deep stack forgets its input, and the gradient vanishes.",
        with_forward(lambda self, x, f: self.norm(self.dropout(f(x)))),
    ),
    Mistake(
        "residual_outside",
        "x is added once more, after the norm.",
        with_forward(lambda self, x, f: x + self.norm(x + self.dropout(f(x)))),
    ),
    Mistake(
        "residual_after_the_norm",
        "x is added after the norm: the sum goes on as it is. First add, then normalise.",
        with_forward(lambda self, x, f: x + self.dropout(self.norm(f(x)))),
    ),
    Mistake(
        "x_added_twice",
        "x counts twice as much as the sub-layer's output: it is added twice, or the output is halved.",
        with_forward(lambda self, x, f: self.norm(2 * x + self.dropout(f(x)))),
    ),
    Mistake(
        "subtracted",
        "The sub-layer's output is subtracted. It is added.",
        with_forward(lambda self, x, f: self.norm(x - self.dropout(f(x)))),
    ),
    Mistake(
        "multiplied",
        "x is multiplied by the sub-layer's output. It is added.",
        with_forward(lambda self, x, f: self.norm(x * self.dropout(f(x)))),
    ),
    Mistake(
        "branch_scaled",
        "The sub-layer's output is multiplied by a factor (0.707, say). It is added as it is.",
        with_forward(lambda self, x, f: self.norm(x + math.sqrt(0.5) * self.dropout(f(x)))),
    ),
    Mistake(
        "relu_after_the_sum",
        "A ReLU follows the sum, as in a ResNet block. Only the norm does.",
        with_forward(lambda self, x, f: self.norm(F.relu(x + self.dropout(f(x))))),
    ),
    Mistake(
        "never_called",
        "The sub-layer is not called.",
        with_forward(lambda self, x, f: self.norm(x + self.dropout(x))),
        seen=never_called,
    ),
    Mistake(
        "chained",
        "The sub-layer is applied to its own output.",
        with_forward(lambda self, x, f: self.norm(x + self.dropout(f(f(x))))),
    ),
    Mistake(
        "one_sentence_at_a_time",
        "The sub-layer is called for each sentence by itself. It takes the whole batch.",
        with_forward(sentence_by_sentence),
    ),
    Mistake(
        "flattened",
        "The sub-layer gets all tokens as one matrix. Attention needs to know which are in one sentence: give it x.",
        with_forward(flattened),
    ),
    Mistake(
        "first_sublayer_kept",
        "The sub-layer of the first call is kept and used again. Each call brings its own.",
        KeepsFirst,
    ),
    Mistake(
        "branch_skipped_in_evaluation",
        "In evaluation the sub-layer is left out. Only dropout depends on the mode.",
        with_forward(branch_skipped),
    ),
    Mistake(
        "residual_detached",
        "x is detached before the addition. The residual is there for the gradient to pass.",
        with_forward(lambda self, x, f: self.norm(x.detach() + self.dropout(f(x)))),
    ),
    Mistake(
        "branch_detached",
        "The sub-layer's output is detached: its weights never learn.",
        with_forward(lambda self, x, f: self.norm(x + self.dropout(f(x).detach()))),
    ),
    Mistake(
        "sublayer_without_graph",
        "The sub-layer is called under no_grad: its weights never learn.",
        with_forward(without_graph),
    ),
    Mistake(
        "sublayer_sees_detached",
        "The sub-layer gets a detached x: the layers below miss a part of the gradient.",
        with_forward(lambda self, x, f: self.norm(x + self.dropout(f(x.detach())))),
    ),
    Mistake(
        "input_detached",
        "x is detached for both ways: no gradient comes back to the layers below.",
        with_forward(lambda self, x, f: self.norm(x.detach() + self.dropout(f(x.detach())))),
    ),
    Mistake(
        "norm_statistics_detached", "The norm's mean and variance are constants for the gradient.", with_norm(stopped)
    ),
    Mistake(
        "unbiased_norm",
        "The norm divides by the unbiased standard deviation (d - 1), as x.std() gives it.",
        with_norm(lambda x: centred(x) / (x.std(-1, keepdim=True) + 1e-6)),
        source="The Annotated Transformer",
        convention=True,
    ),
    Mistake(
        "rms_norm",
        "The norm is RMSNorm: no mean is subtracted.",
        with_norm(lambda x: x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()),
        source="Zhang and Sennrich 2019",
        convention=True,
    ),
    Mistake(
        "norm_over_the_sentence",
        "The norm runs over positions and features. Each token is normalised by itself.",
        with_norm(over_the_sentence),
    ),
    Mistake(
        "norm_without_eps",
        "The norm has no eps: where the sum is the same for all features, 0 / 0 is NaN.",
        with_norm(lambda x: centred(x) / deviation(x, eps=0.0)),
    ),
    Mistake("dropout_as_eps", "The dropout is given to the norm as its second argument, the eps.", DropoutAsEps),
    Mistake(
        "norm_shared",
        "All connections of a width share one norm. Each has its own.",
        seen=lambda seen: bool(seen["weights"]["_shared"]),
    ),
    Mistake(
        "axes_lost",
        "`squeeze()` takes away every axis of size one, a batch of one too. The shape must stay that of x.",
        with_forward(lambda self, x, f: self.norm(x + self.dropout(f(x))).squeeze()),
    ),
    Mistake(
        "single_precision_result",
        "The result is float32 whatever came in. It should have the type of x.",
        with_forward(lambda self, x, f: self.norm(x + self.dropout(f(x))).float()),
    ),
    Mistake(
        "single_precision_inside",
        "It is computed in float32 on the way: a float64 input loses half of its digits.",
        with_forward(lambda self, x, f: self.norm((x + self.dropout(f(x))).float()).to(x.dtype)),
    ),
)

EXERCISES = [
    Exercise(
        "SublayerConnection",
        Card(
            2,
            15,
            "The frame around every attention and every feed-forward network: without it nothing deep would train.",
            "06_residual_and_layer_norm",
            "residual",
        ),
        SublayerConnection,
        PROBES,
        MISTAKES,
        (
            "Draw it: x goes two ways, through the sub-layer and around it. Where do they meet again? What happens "
            "before that, and what "
            "after?",
            "Call the sub-layer on x; dropout on what it gives; add x; the norm of the sum, last. The norm and the "
            "dropout are parts of "
            "the module, the sub-layer is an argument.",
            "`self.norm = LayerNorm(d_model)`, `self.dropout = nn.Dropout(dropout)`; `return self.norm(x + "
            "self.dropout(sublayer(x)))`.",
        ),
        layouts=layouts,
    )
]
