"""Layer normalisation (Ba et al. 2016), as section 3.1 uses it."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises.catalogue.modules import MODULE_MISTAKES, facts, fresh, runs, says, trained
from course_lib.exercises.exercise import Card, Exercise, Mistake, Observation, Observations, Probe, Weights
from course_lib.exercises.trial import Trial, gradient_of, gradients, random, tensors
from course_lib.normalization import LayerNorm

EPS = 1e-5


def affine(weights: Weights, d: int) -> dict[str, dict[str, Tensor]]:
    """Every way in which weights may be gain and bias: in either order, in one tensor or many, gain minus one."""
    if not weights:
        return {}
    flat = torch.cat([weight.flatten() for _, weight in weights])
    if flat.numel() != 2 * d:
        return too_few(flat, d)
    halves, pairs = flat.reshape(2, d), flat.reshape(d, 2).T
    forms = {"one after the other": halves, "in pairs": pairs}
    if len(weights) == 2 and d > 1:
        del forms["in pairs"]
    elif weights[0][1].shape[-1:] == (2,) or len(weights) > 2:
        forms = dict(reversed(forms.items()))
    found = {}
    for offset in (0, 1):
        for name, (first, second) in forms.items():
            of = f"{name}, gain minus one" if offset else name
            found[f"gain and bias {of}"] = {"gain": first + offset, "bias": second}
            found[f"bias and gain {of}"] = {"gain": second + offset, "bias": first}
    return found


def too_few(flat: Tensor, d: int) -> dict[str, dict[str, Tensor]]:
    """Wrong numbers of weights that are known: how they act can be told all the same."""
    one, zero = torch.ones(d), torch.zeros(d)
    if flat.numel() == d:
        return {"a gain": {"gain": flat, "bias": zero}, "a bias": {"gain": one, "bias": flat}}
    if flat.numel() == 2:
        return {"two numbers": {"gain": flat[0].expand(d), "bias": flat[1].expand(d)}}
    if flat.numel() == 2 * d + 1:
        return {
            "two and a factor": {"gain": flat[:d], "bias": flat[d:-1], "factor": flat[-1]},
            "a factor and two": {"gain": flat[1 : d + 1], "bias": flat[d + 1 :], "factor": flat[0]},
        }
    return {}


def layouts(weights: Weights, args: tuple) -> dict[str, dict[str, Tensor]]:
    return affine(weights, args[0])


# --- the probes ---


def plain(trial: Trial) -> Observation:
    x = torch.tensor([[1.0, 2.0, 6.0], [-1.0, 0.5, 0.0]])
    return trial.seen(out=tensors(trial.call(fresh(trial, 3, EPS), x), 1)[0])


def weights(trial: Trial) -> Observation:
    modules = {d: fresh(trial, d, EPS) for d in (3, 5)}
    numbers = {f"numbers trained when made with d = {d}": trained(module) for d, module in modules.items()}
    return {**trial.seen(**numbers), **facts(modules[5], fresh(trial, 5, EPS))}


def built(trial: Trial, x: Tensor) -> Observation:
    """With weights at random."""
    return trial.seen(out=tensors(trial.call(trial.build(x.size(-1), EPS), x), 1)[0])


def new(trial: Trial, x: Tensor) -> Observation:
    """With the weights that a new module has: what ours show is then the same for every learner, and remembered."""
    return trial.seen(out=tensors(trial.call(fresh(trial, x.size(-1), EPS), x), 1)[0])


def gain_and_bias(trial: Trial) -> Observation:
    return built(trial, random(2, 4))


def negative(trial: Trial) -> Observation:
    """The gain less than 0."""
    module = trial.build(4, EPS)
    for record in trial._built[-1:]:
        if "names" in record:  # the learner's: ours are given the same weights already
            numbers = [weight.data.sub_(2.0) for weight in module.parameters() if weight.is_floating_point()]
            record["weights"] = [number.clone() for number in numbers]
    return trial.seen(out=tensors(trial.call(module, random(2, 4, seed=15)), 1)[0])


def batch(trial: Trial) -> Observation:
    return built(trial, 1 + 2 * random(2, 3, 4, seed=10))


def vector(trial: Trial) -> Observation:
    return new(trial, random(5, seed=20))


def four_axes(trial: Trial) -> Observation:
    return new(trial, random(2, 3, 4, 6, seed=30))


def square(trial: Trial) -> Observation:
    return new(trial, random(4, 4, 4, seed=40))


def single(trial: Trial) -> Observation:
    return new(trial, random(1, 1, 4, seed=50))


def eps(trial: Trial) -> Observation:
    """So large that its place shows, and so small that its size does."""
    x = random(2, 4, seed=60)
    found = {}
    for name, number, scale in (("0.5", 0.5, 1.0), ("2", 2.0, 1.0), ("1e-3, x a hundredth", 1e-3, 0.01)):
        found[f"out with eps = {name}"] = tensors(trial.call(fresh(trial, 4, number), scale * x), 1)[0]
    return trial.seen(**found)


def tiny(trial: Trial) -> Observation:
    """Variance far below eps."""
    return trial.seen(out=tensors(trial.call(fresh(trial, 4, EPS), 1e-3 * random(2, 4, seed=70)), 1)[0])


def constant(trial: Trial) -> Observation:
    return new(trial, torch.tensor([[2.0, 2.0, 2.0, 2.0], [0.0, 0.0, 0.0, 0.0]]))


def zeros(trial: Trial) -> Observation:
    return new(trial, torch.tensor([[0.0, 1.0, 0.0, 4.0, -2.0], [3.0, 0.0, 0.0, 0.0, 0.0]]))


FAR = 2048 + 0.5 * torch.tensor([[0.0, 1.0, 3.0, 2.0, 5.0, 1.0, 0.0, 4.0], [1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0]])


def far(trial: Trial) -> Observation:
    """All sums of these are exact in single precision; their squares are not."""
    return trial.seen(out=tensors(trial.call(fresh(trial, 8, EPS), FAR), 1)[0])


def outlier(trial: Trial) -> Observation:
    x = random(2, 16, seed=80)
    x[0, 5] = 1e4
    return new(trial, x)


def double(trial: Trial) -> Observation:
    module = fresh(trial, 4, EPS).double()
    return trial.seen(out=tensors(trial.call(module, random(2, 3, 4, seed=90, dtype=torch.float64)), 1)[0])


def views(trial: Trial) -> Observation:
    module, x = fresh(trial, 4, EPS), random(4, 3, 2, seed=100)
    return trial.seen(
        out_of_a_transposed_tensor=tensors(trial.call(module, x.transpose(0, 2)), 1)[0],
        out_of_an_expanded_tensor=tensors(trial.call(module, x[:, 0, 0].expand(3, 2, 4)), 1)[0],
    )


def training(trial: Trial) -> Observation:
    """In training mode, then in evaluation; other numbers of the same shape, and other shapes, in between."""
    module = fresh(trial, 4, EPS, train=True)
    first, second = random(2, 3, 4, seed=110), 5 + 3 * random(2, 3, 4, seed=111)
    found = {
        "out": tensors(trial.call(module, first), 1)[0],
        "out_of_the_next_input": tensors(trial.call(module, second), 1)[0],
        "out_of_a_longer_input": tensors(trial.call(module, random(2, 7, 4, seed=112)), 1)[0],
    }
    module.eval()
    return trial.seen(**found, out_in_evaluation=tensors(trial.call(module, second), 1)[0])


def gradient(trial: Trial) -> Observation:
    module, x = trial.build(4, EPS, train=True), random(2, 3, 4, seed=120, grad=True)
    out = tensors(trial.once(module, x), 1)[0]
    of_x = gradient_of(out, x)
    out = tensors(trial.once(module, x.detach()), 1)[0]
    return trial.seen(gradient_of_x=of_x, weights_without_a_gradient=len(gradients(module, out)))


def two_modules(trial: Trial) -> Observation:
    """Weights of their own."""
    x = random(2, 4, seed=130)
    first = trial.build(4, EPS, seed=1)
    trial.build(4, EPS, seed=2)
    return trial.seen(out_of_the_first=tensors(trial.call(first, x), 1)[0])


def low_precision(dtype: torch.dtype):  # type: ignore[no-untyped-def]
    def run(trial: Trial) -> Observation:
        module = fresh(trial, 8, 1e-3).to(dtype)
        return trial.seen(out=tensors(trial.call(module, random(2, 8, seed=140, dtype=dtype)), 1)[0])

    return run


def empty(trial: Trial) -> Observation:
    return new(trial, torch.zeros(0, 4))


PROBES = (
    Probe(
        "plain", plain, "A new module does not bring each vector to mean 0 and variance 1.", "x (2, 3), gain 1, bias 0"
    ),
    Probe(
        "gain and bias",
        gain_and_bias,
        "With other gains than 1 and other biases than 0 the result is not right.",
        "x (2, 4), gain and bias at random",
    ),
    Probe(
        "weights",
        weights,
        "A gain and a bias for each feature are to be trained, 2 d numbers: found by module.parameters(), and not "
        "frozen.",
    ),
    Probe("batch", batch, "With a batch the result is not right: each vector is normalised by itself.", "x (2, 3, 4)"),
    Probe("negative gain", negative, "With gains less than 0 the result is not right.", "x (2, 4), gains about -1"),
    Probe("eps", eps, "eps does not act as it should: it is added to the variance, inside the root.", "x (2, 4)"),
    Probe(
        "constant",
        constant,
        "Where all features are equal, the result should be the bias.",
        "x (2, 4), rows of 2 and of 0",
    ),
    Probe("vector", vector, "A single vector is not normalised as it should be.", "x (5,)"),
    Probe("single", single, "With a batch of one and one position the result is not right.", "x (1, 1, 4)"),
    Probe("square", square, "Where all axes have one size, another axis than the last is taken.", "x (4, 4, 4)"),
    Probe("four axes", four_axes, "With four axes the result is not right.", "x (2, 3, 4, 6)"),
    Probe("zeros", zeros, "Where some features are 0 the result is not right.", "x (2, 5) with zeros"),
    Probe(
        "outlier",
        outlier,
        "With one large feature among small ones the result is not right.",
        "x (2, 16) with 10,000 in it",
    ),
    Probe(
        "tiny",
        tiny,
        "Where the variance is smaller than eps the result is not right.",
        "x (2, 4), about 0.001",
        rtol=1e-3,
    ),
    Probe(
        "far from zero",
        far,
        "Where the mean is large against the spread, digits are lost: take the mean of (x - mean)².",
        "x (2, 8), about 2,048",
        atol=2e-3,
        rtol=5e-3,
    ),
    Probe("float64", double, "In double precision the result is not right.", "float64 input", atol=1e-9, rtol=1e-9),
    Probe(
        "views", views, "With a view (an input that is not contiguous) the result is not right.", "a transposed tensor"
    ),
    Probe(
        "training", training, "The result depends on the mode or on earlier calls.", "x (2, 3, 4), one after the other"
    ),
    Probe("gradient", gradient, "The gradient does not flow back as it should.", "x (2, 3, 4)", atol=1e-4, rtol=1e-3),
    Probe("two modules", two_modules, "Two modules of one width share their weights.", "two modules with d = 4"),
    Probe("empty", empty, "no vectors at all give something else", "x (0, 4)", robust=True),
    Probe(
        "bfloat16",
        low_precision(torch.bfloat16),
        "bfloat16 gives something else",
        "bfloat16 input",
        robust=True,
        atol=0.03,
        rtol=0.05,
    ),
    Probe(
        "float16",
        low_precision(torch.float16),
        "half precision gives something else",
        "float16 input",
        robust=True,
        atol=4e-3,
        rtol=0.01,
    ),
)


# --- the known mistakes ---

Formula = Callable[[Tensor, Tensor, Tensor, float], Tensor]


def norm(formula: Formula) -> type[LayerNorm]:
    """A norm with this formula of x, gain, bias and eps."""

    class Wrong(LayerNorm):
        def forward(self, x: Tensor) -> Tensor:
            return formula(x, self.gain, self.bias, self.eps)

    return Wrong


def mean(x: Tensor, axes: Any = -1) -> Tensor:
    return x.mean(axes, keepdim=True)


def variance(x: Tensor, axes: Any = -1, correction: int = 0) -> Tensor:
    return x.var(axes, keepdim=True, correction=correction)


def divided(by: Callable[[Tensor, float], Tensor]) -> type[LayerNorm]:
    """The centred vector is divided by something else."""
    return norm(lambda x, g, b, e: g * (x - mean(x)) / by(x, e) + b)


def over(axes: Callable[[Tensor], Any], variance_axes: Callable[[Tensor], Any] | None = None) -> type[LayerNorm]:
    """Statistics over other axes."""

    def formula(x, g, b, e):  # type: ignore[no-untyped-def]
        centred = x - mean(x, axes(x))
        return g * centred / (mean(centred.square(), (variance_axes or axes)(x)) + e).sqrt() + b

    return norm(formula)


def right(x: Tensor, e: float) -> Tensor:
    return (x - mean(x)) / (variance(x) + e).sqrt()


def finished(change: Callable[[Tensor], Tensor]) -> type[LayerNorm]:
    """Something is done to the normalised vector before gain and bias."""
    return norm(lambda x, g, b, e: g * change(right(x, e)) + b)


def last_two(x: Tensor) -> tuple[int, ...]:
    return (-2, -1) if x.dim() > 1 else (-1,)


def uncentred(x: Tensor, e: float) -> Tensor:
    return (x.square().mean(-1, keepdim=True) + e).sqrt()


def one_pass(x: Tensor, e: float) -> Tensor:
    return (x.square().mean(-1, keepdim=True) - mean(x).square() + e).sqrt()


def no_keepdim(x, g, b, e):  # type: ignore[no-untyped-def]
    return g * (x - x.mean(-1)) / (x.var(-1, correction=0) + e).sqrt() + b


def in_two_groups(x, g, b, e):  # type: ignore[no-untyped-def]
    groups = 2 if x.size(-1) % 2 == 0 and x.size(-1) > 2 else 1
    return g * right(x.unflatten(-1, (groups, -1)), e).flatten(-2) + b


def min_max(x, g, b, e):  # type: ignore[no-untyped-def]
    low, high = x.amin(-1, keepdim=True), x.amax(-1, keepdim=True)
    return g * (x - low) / (high - low + e) + b


def zeros_left_out(x, g, b, e):  # type: ignore[no-untyped-def]
    there = (x != 0).to(x.dtype)
    n = there.sum(-1, keepdim=True).clamp(min=1)
    average = x.sum(-1, keepdim=True) / n
    return g * (x - average) / (((x - average) * there).square().sum(-1, keepdim=True) / n + e).sqrt() + b


def small_variance_kept(x, g, b, e):  # type: ignore[no-untyped-def]
    return g * torch.where(variance(x) < e, x - mean(x), right(x, e)) + b


def stopped(x, g, b, e, centre=True):  # type: ignore[no-untyped-def]
    fixed = x.detach()
    return g * (x - mean(fixed if centre else x)) / (variance(fixed) + e).sqrt() + b


class Lacking(LayerNorm):
    """Without the bias, or without the gain."""

    def __init__(self, d: int, eps: float = EPS, lacks: str = "bias") -> None:
        super().__init__(d, eps)
        number = getattr(self, lacks).detach()
        delattr(self, lacks)
        self.register_buffer(lacks, number, persistent=False)


class NoGain(Lacking):
    def __init__(self, d: int, eps: float = EPS) -> None:
        super().__init__(d, eps, "gain")


class NoAffine(nn.Module):
    def __init__(self, d: int, eps: float = EPS) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return right(x, self.eps)


class Tied(nn.Module):
    """One row of numbers is the bias, and one more than it the gain."""

    def __init__(self, d: int, eps: float = EPS) -> None:
        super().__init__()
        self.bias, self.eps = nn.Parameter(torch.zeros(d)), eps

    def forward(self, x: Tensor) -> Tensor:
        return (1 + self.bias) * right(x, self.eps) + self.bias


class StartsAt(LayerNorm):
    gain_at, bias_at = 0.0, 0.0

    def __init__(self, d: int, eps: float = EPS) -> None:
        super().__init__(d, eps)
        nn.init.constant_(self.gain, self.gain_at)
        nn.init.constant_(self.bias, self.bias_at)


class Swapped(StartsAt):
    bias_at = 1.0


class Exponential(StartsAt):
    """The parameter is the gain's logarithm."""

    def forward(self, x: Tensor) -> Tensor:
        return self.gain.exp() * right(x, self.eps) + self.bias


class FixedEps(LayerNorm):
    def __init__(self, d: int, eps: float = EPS) -> None:
        super().__init__(d, EPS)


class Running(LayerNorm):
    """Averages of what was seen in training are used in evaluation."""

    def __init__(self, d: int, eps: float = EPS) -> None:
        super().__init__(d, eps)
        self.average, self.spread = torch.zeros(1), torch.ones(1)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self.gain * (x - self.average) / (self.spread + self.eps).sqrt() + self.bias
        self.average = self.average.lerp(mean(x).detach().mean().to(self.average), 0.1)
        self.spread = self.spread.lerp(variance(x).detach().mean().to(self.spread), 0.1)
        return super().forward(x)


class KeepsStatistics(LayerNorm):
    def __init__(self, d: int, eps: float = EPS) -> None:
        super().__init__(d, eps)
        self.kept: dict[Any, Any] = {}

    def forward(self, x: Tensor) -> Tensor:
        m, v = self.kept.setdefault((x.shape, x.dtype), (mean(x).detach(), variance(x).detach()))
        return self.gain * (x - m) / (v + self.eps).sqrt() + self.bias


class OnlyInTraining(LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if self.training else self.gain * x + self.bias


class DynamicTanh(LayerNorm):
    def __init__(self, d: int, eps: float = EPS) -> None:
        super().__init__(d, eps)
        self.factor = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * torch.tanh(self.factor * x) + self.bias


# --- signs ---


def counts(seen: Observations) -> tuple[Any, Any]:
    found = seen["weights"]
    return tuple(found[f"numbers trained when made with d = {d}"] for d in (3, 5))  # type: ignore[return-value]


def untrained(key: str):  # type: ignore[no-untyped-def]
    """Nothing is trained, and numbers of this kind were found instead."""
    return lambda seen: counts(seen) == (0, 0) and seen["weights"][key] >= 10


def counted(*pairs: tuple[int, int]):  # type: ignore[no-untyped-def]
    return lambda seen: counts(seen) in pairs


def for_each_position(seen: Observations) -> bool:
    three, five = counts(seen)
    return three % 3 == 0 and three // 3 == five // 5 > 2


def eps_ignored(seen: Observations) -> bool:
    """A large eps changes nothing, and there is some other one."""
    found: dict[str, Any] = seen["eps"]
    one, two = found["out with eps = 0.5"], found["out with eps = 2"]
    finite = torch.isfinite(seen["constant"]["out"]).all()  # type: ignore[arg-type]
    normalised = (variance(one) - 1).abs().max() < 0.05
    return bool(torch.equal(one, two) and finite and normalised) and agrees(seen, "plain", plain)


def agrees(seen: Observations, name: str, probe: Callable[[Trial], Observation]) -> bool:
    """What a probe of a new module saw is right."""
    found, expected = seen[name]["out"], probe(Trial(LayerNorm))["out"]
    return torch.allclose(found, expected, rtol=5e-3, atol=2e-3)  # type: ignore[arg-type]


def digits_lost(seen: Observations) -> bool:
    if counts(seen) != (6, 10) or not agrees(seen, "plain", plain) or not runs(seen, "outlier"):
        return False
    precise = (seen["float64"]["out"].dtype, seen["plain"]["out"].dtype)  # type: ignore[union-attr]
    return precise == (torch.float64, torch.float32) and not agrees(seen, "far from zero", far) and eps_right(seen)


def eps_right(seen: Observations) -> bool:
    expected = eps(Trial(LayerNorm))
    keys = ("out with eps = 0.5", "out with eps = 2")
    return all(torch.allclose(seen["eps"][key], expected[key], atol=1e-4) for key in keys)  # type: ignore[arg-type]


def fails_only_with(*names: str):  # type: ignore[no-untyped-def]
    """Works on (B, T, d), and raises on fewer or on more axes."""
    return lambda seen: agrees(seen, "training", training) and any(not runs(seen, name) for name in names)


def fixed_width(seen: Observations) -> bool:
    three, five = counts(seen)
    return isinstance(three, int) and three == five > 2


def starts_elsewhere(seen: Observations) -> bool:
    return counts(seen) == (6, 10) and not set(seen["weights"]["_start"]) <= {0.0, 1.0}  # type: ignore[arg-type]


MISTAKES = (
    *MODULE_MISTAKES,
    Mistake(
        "arguments_swapped",
        "The constructor takes its arguments in another order. It is called as LayerNorm(d, eps): the width first.",
        seen=says(
            "ones() received an invalid combination",
            "ones(): argument 'size'",
            "zeros(): argument 'size'",
            "empty(): argument 'size'",
            "'float' object cannot be interpreted as an integer",
        ),
    ),
    Mistake(
        "not_registered",
        "Gain and bias are plain tensors, or parameters in a Python list. Only an nn.Parameter that is an attribute "
        "of the module "
        "(or in an nn.ParameterList) is found by module.parameters() and trained.",
        seen=untrained("_loose"),
    ),
    Mistake(
        "buffers_not_parameters",
        "Gain and bias are buffers: they are saved and moved with the module, and never trained. Make them "
        "nn.Parameter.",
        seen=untrained("_buffers"),
    ),
    Mistake(
        "weights_frozen",
        "Gain and bias do not require a gradient, so no optimiser changes them.",
        seen=untrained("_frozen"),
    ),
    Mistake(
        "one_number_for_all_features",
        "Gain or bias is a single number. Each feature has its own: a vector of length d for each of the two.",
        seen=counted((2, 2), (4, 6), (1, 1)),
    ),
    Mistake(
        "weights_for_each_position",
        "Gain or bias has a row for each position. They belong to the features and are the same at every position, "
        "which is why "
        "a sentence may have any length.",
        seen=for_each_position,
    ),
    Mistake(
        "matrix_for_gain",
        "A full matrix follows the normalisation. The gain scales each feature by itself: a vector of length d, "
        "multiplied "
        "element by element.",
        seen=counted((12, 30), (9, 25), (15, 35)),
    ),
    Mistake(
        "width_fixed",
        "The number of weights does not depend on d: a size is written into the code.",
        seen=fixed_width,
    ),
    Mistake(
        "fixed_number_of_axes",
        "It works for (B, T, d) only. What matters is the last axis, however many there are in front of it: count "
        "from the "
        "back, with dim=-1 and keepdim=True.",
        seen=fails_only_with("vector", "gain and bias", "four axes"),
    ),
    Mistake("no_bias", "There is a gain and no bias. Each feature gets both: gain * normalised + bias.", Lacking),
    Mistake("no_gain", "There is a bias and no gain. Each feature gets both: gain * normalised + bias.", NoGain),
    Mistake(
        "no_gain_no_bias",
        "The vector is normalised and that is all. A gain and a bias for each feature, both trained, let the model "
        "choose another "
        "scale and centre.",
        NoAffine,
    ),
    Mistake(
        "gain_and_bias_tied",
        "Gain and bias are made from the same numbers. They are two vectors that are trained apart.",
        Tied,
    ),
    Mistake(
        "unbiased_variance",
        "The variance is divided by d - 1, which is what torch.var does unless told otherwise. Here it is the mean "
        "of the squares: "
        "unbiased=False (or correction=0).",
        divided(lambda x, e: (variance(x, correction=1) + e).sqrt()),
    ),
    Mistake(
        "unbiased_std_plus_eps",
        "The unbiased standard deviation plus eps: divided by d - 1, and eps outside the root. It works nearly as "
        "well, and is "
        "another function than that of Ba et al. and nn.LayerNorm.",
        divided(lambda x, e: x.std(-1, keepdim=True) + e),
        source="The Annotated Transformer",
        convention=True,
    ),
    Mistake(
        "eps_outside_the_root",
        "eps is added to the standard deviation. It belongs to the variance, inside the root, where it also keeps "
        "the gradient "
        "finite when all features are equal.",
        divided(lambda x, e: variance(x).sqrt() + e),
    ),
    Mistake(
        "eps_squared",
        "eps is squared before it is added to the variance. Add it as it is.",
        divided(lambda x, e: (variance(x) + e**2).sqrt()),
    ),
    Mistake(
        "no_eps",
        "eps is left out. Where all features are equal the variance is 0, and 0 / 0 is NaN.",
        divided(lambda x, e: variance(x).sqrt()),
    ),
    Mistake(
        "eps_fixed",
        "The eps that is given to the constructor is not used: another number stands in the code.",
        FixedEps,
        seen=eps_ignored,
    ),
    Mistake(
        "eps_as_lower_limit",
        "The larger of variance and eps is taken. eps is added to the variance.",
        divided(lambda x, e: variance(x).clamp(min=e).sqrt()),
    ),
    Mistake(
        "std_limited_by_eps",
        "The larger of standard deviation and eps is taken. eps is added to the variance, inside the root.",
        divided(lambda x, e: variance(x).sqrt().clamp(min=e)),
    ),
    Mistake(
        "eps_in_the_numerator",
        "eps is added above the fraction bar too, so every feature is shifted a little.",
        norm(lambda x, g, b, e: g * (x - mean(x) + e) / (variance(x) + e).sqrt() + b),
    ),
    Mistake(
        "eps_subtracted",
        "eps is subtracted from the variance. Where that is small, the root of a negative number is NaN.",
        divided(lambda x, e: (variance(x) - e).sqrt()),
    ),
    Mistake(
        "eps_after_dividing",
        "eps is added to the quotient. Look at the brackets: it must be there before the root is taken and before "
        "the division.",
        norm(lambda x, g, b, e: g * ((x - mean(x)) / variance(x).clamp(min=1e-30).sqrt() + e) + b),
    ),
    Mistake(
        "eps_to_the_sum",
        "eps is added to the sum of the squares, where the mean of them is meant: it counts d times too little.",
        divided(lambda x, e: ((variance(x) * x.size(-1) + e) / x.size(-1)).sqrt()),
    ),
    Mistake(
        "divided_by_the_variance",
        "The root is missing: the vector is divided by the variance, so its variance becomes 1 / variance.",
        divided(lambda x, e: variance(x) + e),
    ),
    Mistake(
        "multiplied_by_the_deviation",
        "The centred vector is multiplied by the standard deviation, where it should be divided by it (sqrt for "
        "rsqrt, say).",
        divided(lambda x, e: (variance(x) + e).rsqrt()),
    ),
    Mistake(
        "variance_in_one_pass",
        "The variance is computed as E[x²] - E[x]². Where the mean is large, that is the difference of two large, "
        "nearly equal "
        "numbers: the digits that matter are gone, and it may even be negative. Take the mean of (x - mean)².",
        divided(one_pass),
        seen=digits_lost,
    ),
    Mistake(
        "unit_length",
        "The vector is brought to length 1. Its variance should be 1: the squares are averaged, not summed.",
        divided(lambda x, e: (variance(x) * x.size(-1) + e).sqrt()),
    ),
    Mistake(
        "absolute_deviation",
        "The mean of the absolute deviations is taken for the standard deviation.",
        divided(lambda x, e: ((x - mean(x)).abs().mean(-1, keepdim=True).square() + e).sqrt()),
    ),
    Mistake("min_max", "The features are scaled by their range. Asked for are mean 0 and variance 1.", norm(min_max)),
    Mistake(
        "rms_norm",
        "The mean is not subtracted: this is RMSNorm, which many later models use. Layer normalisation centres first.",
        norm(lambda x, g, b, e: g * x / uncentred(x, e) + b),
        source="Zhang and Sennrich 2019; T5, Llama",
        convention=True,
    ),
    Mistake(
        "mean_not_subtracted",
        "The vector is divided by its standard deviation, and its mean stays. Subtract the mean from x first.",
        norm(lambda x, g, b, e: g * x / (variance(x) + e).sqrt() + b),
    ),
    Mistake(
        "only_centred",
        "The mean is subtracted and nothing is divided, so the variance stays what it was.",
        norm(lambda x, g, b, e: g * (x - mean(x)) + b),
    ),
    Mistake(
        "variance_not_centred",
        "The mean of x² is taken for the variance. The variance is the mean of (x - mean)².",
        divided(uncentred),
    ),
    Mistake(
        "median",
        "The median is subtracted, where the mean is meant.",
        norm(lambda x, g, b, e: g * (x - x.median(-1, keepdim=True).values) / (variance(x) + e).sqrt() + b),
    ),
    Mistake(
        "mean_added",
        "The mean is added, where it should be subtracted.",
        norm(lambda x, g, b, e: g * (x + mean(x)) / (variance(x) + e).sqrt() + b),
    ),
    Mistake(
        "mean_put_back",
        "The mean is added again at the end. The result's centre is the bias alone.",
        norm(lambda x, g, b, e: g * (right(x, e) + mean(x)) + b),
    ),
    Mistake(
        "axis_one",
        "The statistics run over axis 1, which in (B, T, d) is the positions. Each token is normalised by itself: "
        "the last axis, -1.",
        over(lambda x: 1),
    ),
    Mistake(
        "batch_axis",
        "The statistics run over the first axis, the batch: that is batch normalisation. Each token is normalised by "
        "itself: axis -1.",
        over(lambda x: 0),
    ),
    Mistake(
        "positions_too",
        "Positions and features are normalised together, so a word changes with its neighbours. Each token is "
        "normalised by itself.",
        over(last_two),
    ),
    Mistake(
        "all_but_the_batch",
        "All axes but the first are normalised together, as is done for images. Each token is normalised by itself: "
        "the last axis.",
        over(lambda x: tuple(range(1, x.dim())) or (0,)),
    ),
    Mistake(
        "whole_tensor",
        "One mean and one variance are taken of the whole tensor: no axis was given. Every token has its own: dim=-1.",
        over(lambda x: tuple(range(x.dim()))),
    ),
    Mistake(
        "over_the_tokens",
        "Each feature is normalised over all tokens: that is batch normalisation. Each token is normalised over its "
        "features.",
        over(lambda x: tuple(range(x.dim() - 1)) or (0,)),
        source="Ioffe and Szegedy 2015",
    ),
    Mistake(
        "variance_over_other_axes",
        "The mean is taken over the features, and the variance over the positions as well. Both run over the last "
        "axis only.",
        over(lambda x: -1, last_two),
    ),
    Mistake(
        "no_keepdim",
        "mean and var drop the axis that they run over. Without keepdim=True the result does not line up with x: it "
        "fails, or subtracts "
        "other rows' means where the sizes happen to agree.",
        norm(no_keepdim),
    ),
    Mistake(
        "in_groups",
        "The features are normalised in groups. Layer normalisation takes all d of them together.",
        norm(in_two_groups),
    ),
    Mistake(
        "axes_lost",
        "`squeeze()` takes away every axis of size one, a batch of one too. The shape must stay that of x.",
        norm(lambda x, g, b, e: (g * right(x, e) + b).squeeze()),
    ),
    Mistake(
        "single_vector_unchanged",
        "A single vector is given back as it is. It is normalised like any other.",
        norm(lambda x, g, b, e: x if x.dim() == 1 else g * right(x, e) + b),
    ),
    Mistake(
        "weights_unused",
        "Gain and bias exist and are not used: gain * normalised + bias.",
        norm(lambda x, g, b, e: right(x, e)),
    ),
    Mistake("bias_unused", "The bias exists and is not added.", norm(lambda x, g, b, e: g * right(x, e))),
    Mistake("gain_unused", "The gain exists and is not used.", norm(lambda x, g, b, e: right(x, e) + b)),
    Mistake(
        "affine_before_normalising",
        "Gain and bias are applied to x, and then it is normalised, which undoes much of what they did. They come "
        "last.",
        norm(lambda x, g, b, e: right(g * x + b, e)),
    ),
    Mistake(
        "gain_before_normalising",
        "The gain multiplies x before it is normalised. It comes after.",
        norm(lambda x, g, b, e: right(g * x, e) + b),
    ),
    Mistake(
        "bias_scaled_too",
        "The bias is added before the gain multiplies, so it is scaled as well: gain * normalised + bias.",
        norm(lambda x, g, b, e: (right(x, e) + b) * g),
    ),
    Mistake(
        "bias_inside",
        "The bias is part of the numerator, and is divided by the standard deviation as well. Add it last.",
        norm(lambda x, g, b, e: g * (x - mean(x) + b) / (variance(x) + e).sqrt()),
    ),
    Mistake(
        "bias_used_twice",
        "The bias is subtracted along with the mean and added at the end. It is added once, last.",
        norm(lambda x, g, b, e: g * (x - mean(x) - b) / (variance(x) + e).sqrt() + b),
    ),
    Mistake(
        "bias_subtracted",
        "The bias is subtracted. Training would get used to it; the formula adds it.",
        norm(lambda x, g, b, e: g * right(x, e) - b),
    ),
    Mistake(
        "divided_by_the_gain",
        "The normalised vector is divided by the gain; it is multiplied by it.",
        norm(lambda x, g, b, e: right(x, e) / g + b),
    ),
    Mistake(
        "gain_at_zero",
        "The gain starts at 0, so a new module gives the bias whatever comes in. It starts at 1, the bias at 0.",
        StartsAt,
    ),
    Mistake("start_swapped", "The gain starts at 0 and the bias at 1. It is the other way round.", Swapped),
    Mistake(
        "gain_starts_at_two",
        "The gain that acts is one more than the parameter, which starts at 1: the result is twice too large. "
        "Either let the parameter start at 0, or leave the 1 away.",
        norm(lambda x, g, b, e: (1 + g) * right(x, e) + b),
    ),
    Mistake(
        "gain_squared",
        "The gain is multiplied twice. While it is 1 nobody sees it.",
        norm(lambda x, g, b, e: g * g * right(x, e) + b),
    ),
    Mistake(
        "gain_never_negative",
        "The gain's absolute value is used. It may be negative.",
        norm(lambda x, g, b, e: g.abs() * right(x, e) + b),
    ),
    Mistake(
        "gain_as_exponent",
        "The exponential of the parameter is the gain, which can never be 0 or negative then.",
        Exponential,
    ),
    Mistake(
        "gain_detached",
        "The gain's `data`, or a detached copy, is used: it gets no gradient.",
        norm(lambda x, g, b, e: g.detach() * right(x, e) + b),
    ),
    Mistake(
        "gain_and_bias_detached",
        "Gain and bias are detached (data, no_grad): they get no gradient and stay what they are.",
        norm(lambda x, g, b, e: g.detach() * right(x, e) + b.detach()),
    ),
    Mistake(
        "statistics_detached",
        "Mean and variance are constants for the gradient (detach, no_grad, item). They depend on x, "
        "and the gradient must know: the output does not change with x's scale.",
        norm(stopped),
    ),
    Mistake(
        "variance_detached",
        "The variance is a constant for the gradient. It depends on x, and the gradient must know.",
        norm(lambda x, g, b, e: stopped(x, g, b, e, centre=False)),
    ),
    Mistake(
        "input_detached",
        "The input is detached: no gradient comes back to the layers below.",
        norm(lambda x, g, b, e: g * right(x.detach(), e) + b),
    ),
    Mistake(
        "running_averages",
        "Running averages of mean and variance are used in evaluation, as in batch normalisation. Layer "
        "normalisation does the same in training and evaluation.",
        Running,
    ),
    Mistake(
        "statistics_kept",
        "Mean and variance of an earlier input are used again. Every vector has its own.",
        KeepsStatistics,
    ),
    Mistake(
        "only_in_training",
        "In evaluation nothing is normalised. Layer normalisation does the same in both modes.",
        OnlyInTraining,
    ),
    Mistake(
        "single_precision_result",
        "The result is float32 whatever came in. It should have the type of x.",
        norm(lambda x, g, b, e: (g * right(x, e) + b).float()),
    ),
    Mistake(
        "single_precision_inside",
        "It is computed in float32 on the way: a float64 input loses half of its digits.",
        norm(lambda x, g, b, e: g * right(x.float(), e).to(x.dtype) + b),
    ),
    Mistake(
        "half_precision_inside",
        "It is computed in half precision on the way, which has two or three digits.",
        norm(lambda x, g, b, e: g * right(x.bfloat16(), e).to(x.dtype) + b),
    ),
    Mistake(
        "input_added",
        "The input is added to the result. The residual connection does that, around the sub-layer.",
        norm(lambda x, g, b, e: x + g * right(x, e) + b),
    ),
    Mistake(
        "cut_off",
        "Normalised values are cut off at 3. One large feature among many goes beyond that.",
        finished(lambda y: y.clamp(-3, 3)),
    ),
    Mistake(
        "squashed", "The normalised values go through tanh. Nothing but gain and bias follows.", finished(torch.tanh)
    ),
    Mistake(
        "dynamic_tanh",
        "A tanh with a learned factor stands in the place of the normalisation (DyT).",
        DynamicTanh,
        source="Zhu et al. 2025, Transformers without Normalization",
        convention=True,
    ),
    Mistake(
        "zeros_left_out",
        "Features that are 0 are left out of mean and variance. They count like all others.",
        norm(zeros_left_out),
    ),
    Mistake(
        "small_variance_kept",
        "Vectors with a variance below eps are not divided. The formula has no such case: eps in the root is enough.",
        norm(small_variance_kept),
    ),
    Mistake(
        "divided_by_root_d",
        "The result is divided by the root of d. The mean of the squares is 1 already.",
        finished(lambda y: y / math.sqrt(y.size(-1))),
    ),
    Mistake(
        "weights_shared",
        "All modules of a width have the same gain and bias. Each module has its own.",
        seen=lambda seen: bool(seen["weights"]["_shared"]),
    ),
    Mistake(
        "starts_elsewhere",
        "A new module should do nothing but normalise: the gain starts at 1 and the bias at 0, not at random.",
        seen=starts_elsewhere,
    ),
)

EXERCISES = [
    Exercise(
        "LayerNorm",
        Card(
            2,
            15,
            "It keeps the numbers of a deep model in one range, token by token.",
            "06_residual_and_layer_norm",
            "layer_norm",
        ),
        LayerNorm,
        PROBES,
        MISTAKES,
        (
            "Take one token's vector. Which two numbers do you need of it, and over which axis do they run? They "
            "should still line up "
            "with x afterwards.",
            "Subtract the mean of the last axis; divide by the root of (the mean of the squared deviations plus "
            "eps); multiply "
            "by a gain and add a bias, both parameters of length d, at first ones and zeros.",
            "`self.gain = nn.Parameter(torch.ones(d))`, `self.bias = nn.Parameter(torch.zeros(d))`; "
            "`c = x - x.mean(-1, keepdim=True)`; `var = c.square().mean(-1, keepdim=True)`; "
            "`return self.gain * c / torch.sqrt(var + self.eps) + self.bias`.",
        ),
        layouts=layouts,
        forbidden=(
            "*layer_norm*",
            "*instance_norm*",
            "*group_norm*",
            "*batch_norm*",
        ),
        forbidden_modules=("nn.LayerNorm", "nn.GroupNorm", "nn.InstanceNorm*", "nn.BatchNorm*"),
    )
]
