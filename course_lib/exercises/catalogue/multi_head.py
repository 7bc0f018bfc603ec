"""Multi-head attention (3.2.2)."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.attention import MultiHeadAttention
from course_lib.exercises.catalogue.head_layouts import is_bias, layouts, questions
from course_lib.exercises.differences import differences
from course_lib.exercises.exercise import Card, Exercise, Mistake, Observation, Observations, Probe
from course_lib.exercises.runner import Forbidden
from course_lib.exercises.trial import Trial, gradient_of, random, tensors

P = 0.3  # of dropout: no 0.5, so that the share dropped and the share kept are told apart
T_Q, T_K = 2, 3


class Reference(MultiHeadAttention):
    """The course's, with biases, which the contract leaves open; a learner's that has none gives zeros."""

    def __init__(self, d_model: int, h: int, dropout: float) -> None:
        super().__init__(d_model, h, dropout)
        for linear in (self.W_Q, self.W_K, self.W_V, self.W_O):
            linear.bias = nn.Parameter(torch.zeros(d_model))


# --- what is looked at ---


class Bench:
    """A trial whose modules are asked, in the end, what `layouts` needs to know."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.modules: list[nn.Module] = []
        self.hidden: list[str] = []

    def build(self, d_model: int, h: int, dropout: float = 0.0, train: bool = False) -> nn.Module:
        module = self.trial.build(d_model, h, dropout, train=train)
        if not isinstance(module, Reference | Ours) and isinstance(module, nn.Module):
            if any(isinstance(part, MultiHeadAttention) for part in module.modules()):
                raise Forbidden("the course's own MultiHeadAttention")
            self.hidden += hidden(module)
        self.modules.append(module)
        return module

    def call(self, module: nn.Module, *args: Any, **options: Any) -> Tensor:
        """Twice, and watched; `once` where enough other probes have watched."""
        if isinstance(module, Reference | Ours):  # known to change nothing and to remember nothing
            return self.once(module, *args, **options)
        return tensors(self.trial.call(module, *args, **options), 1)[0]

    def once(self, module: nn.Module, *args: Any, **options: Any) -> Tensor:
        return tensors(self.trial.once(module, *args, **options), 1)[0]

    def seen(self, found: dict[str, Any]) -> Observation:
        observation = {**self.trial.seen(**found), "_hidden": list(self.hidden)}
        for one, module in zip(observation["_built"], self.modules, strict=True):  # type: ignore[arg-type]
            if one.get("names"):  # type: ignore[union-attr]
                told = asked(module, *one["args"][:2])  # type: ignore[index, call-overload]
                one["names"] = [*one["names"], *told]  # type: ignore[index, call-overload]
                one["weights"] = [*one["weights"], *told.values()]  # type: ignore[index, call-overload]
        return observation


def look(run: Callable[[Bench], dict[str, Any]]) -> Callable[[Trial], Observation]:
    def with_bench(trial: Trial) -> Observation:
        bench = Bench(trial)
        return bench.seen(run(bench))

    return with_bench


_asked: dict[tuple, dict[str, Tensor]] = {}  # modules made alike have the same weights here


def asked(module: nn.Module, d_model: int, h: int) -> dict[str, Tensor]:
    key = type(module), d_model, h
    if key not in _asked:
        _asked[key] = answers(module, d_model)
    return _asked[key]


@torch.no_grad()
def answers(module: nn.Module, d_model: int) -> dict[str, Tensor]:
    """In evaluation mode, to the questions of `head_layouts`; empty where it cannot answer."""
    found = {}
    try:
        dtype = next(module.parameters()).dtype
        module.eval()
        for name, inputs in questions(d_model, dtype).items():
            out = module(*inputs)
            if isinstance(out, tuple | list):
                out = out[0]
            if out.shape == inputs[0].shape:
                found[name] = out.detach().clone()
    except Exception:
        return found
    return found


def hidden(module: nn.Module) -> list[str]:
    """What looks like weights and is not registered as such."""
    found = ["frozen" for weight in module.parameters() if not weight.requires_grad]
    found += ["buffer" for x in module.buffers() if x.is_floating_point() and x.dim() > 1]
    for part in module.modules():
        for name, thing in vars(part).items():
            if name in {"_modules", "_parameters", "_buffers"}:
                continue
            things = list(thing.values()) if isinstance(thing, dict) else thing
            for one in things if isinstance(things, list | tuple) else [things]:
                if isinstance(one, nn.Module) and any(True for _ in one.parameters()):
                    found.append("in a list")
                elif isinstance(one, Tensor) and one.is_floating_point() and one.dim() > 1:
                    found.append("a plain tensor")
    return found


def inputs(
    d_model: int, seed: int, B: int = 2, T_q: int = T_Q, T_k: int = T_K, dtype: torch.dtype = torch.float32
) -> list[Tensor]:
    """Queries, keys and values, of moderate size: no score should settle everything."""
    sizes = ((B, T_q, d_model), (B, T_k, d_model), (B, T_k, d_model))
    return [0.7 * random(*size, seed=seed + i, dtype=dtype) for i, size in enumerate(sizes)]


@look
def one_key(bench: Bench) -> dict[str, Any]:
    return {"out": bench.call(bench.build(8, 2), *inputs(8, 10, B=1, T_q=2, T_k=1))}


@look
def itself(bench: Bench) -> dict[str, Any]:
    x = random(1, 3, 8, seed=20)
    return {"out": bench.call(bench.build(8, 2), x, x, x)}


@look
def crossed(bench: Bench) -> dict[str, Any]:
    return {"out": bench.call(bench.build(20, 4), *inputs(20, 30))}


@look
def same_length(bench: Bench) -> dict[str, Any]:
    """Three sentences of the same length that are not one another."""
    return {"out": bench.once(bench.build(20, 4), *inputs(20, 40, B=3, T_q=5, T_k=5))}


@look
def memory(bench: Bench) -> dict[str, Any]:
    """As in the decoder: keys and values are the same tensor; more queries than keys."""
    query, key, _ = inputs(20, 50, B=5, T_q=4, T_k=2)
    return {"out": bench.once(bench.build(20, 4), query, key, key)}


@look
def masked(bench: Bench) -> dict[str, Any]:
    mask = torch.tensor([[True, True, False], [False, True, True]])
    return {"out": bench.call(bench.build(8, 2), *inputs(8, 60, B=1), mask)}


@look
def causal(bench: Bench) -> dict[str, Any]:
    x = random(2, 4, 20, seed=70)
    return {"out": bench.call(bench.build(20, 4), x, x, x, mask=torch.ones(4, 4, dtype=torch.bool).tril())}


@look
def padding(bench: Bench) -> dict[str, Any]:
    """(B, 1, 1, T_k), as `padding_mask` gives it; for several queries, and for one."""
    keys = torch.tensor([[True, True, False], [True, False, False]])[:, None, None]
    module = bench.build(20, 4)
    query, key, value = inputs(20, 80)
    return {
        "out": bench.call(module, query, key, value, mask=keys),
        "out for one query": bench.call(module, query[:, :1], key, value, mask=keys),
    }


def full_mask(B: int, h: int, T_q: int, T_k: int) -> Tensor:
    mask = torch.rand(B, h, T_q, T_k, generator=torch.Generator().manual_seed(3)) < 0.5
    mask[..., 1] = True
    mask[..., 2] = False
    return mask


@look
def padding_and_causal(bench: Bench) -> dict[str, Any]:
    """(B, 1, T, T), as the decoder has it."""
    x = 0.7 * random(2, 4, 20, seed=90)
    mask = torch.ones(4, 4, dtype=torch.bool).tril() & torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]]).bool()[:, None, None]
    return {"out": bench.call(bench.build(20, 4), x, x, x, mask=mask)}


@look
def mask_of_heads(bench: Bench) -> dict[str, Any]:
    return {"out": bench.once(bench.build(20, 4), *inputs(20, 100), mask=full_mask(2, 4, T_Q, T_K))}


@look
def other_masks(bench: Bench) -> dict[str, Any]:
    module, given, full = bench.build(20, 4), inputs(20, 110, B=3), full_mask(3, 4, T_Q, T_K)
    forms = (full[0, 0, :1], full[0, 0], full[:1, :1], full[:1], full[:, :1], full[1:2, :1, :1])
    return {f"out with a mask {tuple(mask.shape)}": bench.once(module, *given, mask=mask) for mask in forms}


@look
def other_sizes(bench: Bench) -> dict[str, Any]:
    return {
        "out of 2 heads": bench.once(bench.build(10, 2), *inputs(10, 120, B=3, T_q=4, T_k=2)),
        "out of 5 heads": bench.once(bench.build(30, 5), *inputs(30, 130, B=3, T_q=2, T_k=4)),
        "out of 1 head": bench.once(bench.build(5, 1), *inputs(5, 140)),
    }


@look
def shortest(bench: Bench) -> dict[str, Any]:
    module = bench.build(20, 4)
    x = 0.7 * random(1, 1, 20, seed=150)
    query, key, value = inputs(20, 160, B=1, T_q=1)
    long = inputs(20, 165, B=1, T_q=7, T_k=9)
    return {
        "out of one token": bench.once(module, x, x, x, mask=torch.ones(1, 1, 1, 1, dtype=torch.bool)),
        "out of one query": bench.once(module, query, key, value),
        "out of long ones": bench.once(module, *long),
    }


@look
def one_after_the_other(bench: Bench) -> dict[str, Any]:
    """Nothing may be kept: neither the mask nor keys and values."""
    module = bench.build(20, 4)
    mask = torch.tensor([True, False, True])[None, None, None]
    first = bench.once(module, *inputs(20, 170), mask=mask)
    second = bench.once(module, *inputs(20, 180))
    return {"first out": first, "second out": second}


@look
def double(bench: Bench) -> dict[str, Any]:
    module = bench.build(20, 4).double()
    mask = torch.tensor([True, False, True])[None, None, None]
    given = inputs(20, 190, dtype=torch.float64)
    return {"out": bench.once(module, *given, mask=mask), "out without a mask": bench.once(module, *given)}


@look
def views(bench: Bench) -> dict[str, Any]:
    """Not contiguous: positions first in memory, every second feature of a wider tensor."""
    query, key = random(T_Q, 4, 20, seed=200).transpose(0, 1), random(4, T_K, 40, seed=201)[..., ::2]
    value = random(4, 20, T_K, seed=202).transpose(1, 2)
    mask = torch.ones(T_K, T_Q, dtype=torch.bool).triu(-1).T
    return {"out": bench.call(bench.build(20, 4), query, key, value, mask=mask)}


@look
def gradient(bench: Bench) -> dict[str, Any]:
    module = bench.build(20, 4)
    query, key, value = (x.requires_grad_() for x in inputs(20, 210))
    out = bench.once(module, query, key, value)
    found = {
        f"gradient of {n}": g for n, g in zip(("query", "key", "value"), grads(out, query, key, value), strict=True)
    }
    (found["gradient of memory"],) = grads(bench.once(module, query, key, key), key)
    x = (0.7 * random(2, 3, 20, seed=213)).requires_grad_()
    (found["gradient of x"],) = grads(bench.once(module, x, x, x), x)
    return found


def grads(out: Tensor, *xs: Tensor) -> list[Tensor | None]:
    if not out.requires_grad:
        return [None for _ in xs]
    return [gradient_of(out, x) if i == len(xs) - 1 else _kept(out, x) for i, x in enumerate(xs)]


def _kept(out: Tensor, x: Tensor) -> Tensor | None:
    mixture = (out * random(*out.shape, seed=5, dtype=out.dtype)).sum()
    return torch.autograd.grad(mixture, x, allow_unused=True, retain_graph=True)[0]


@look
def learning(bench: Bench) -> dict[str, Any]:
    """Whether a loss reaches every number of every matrix, and everything may be trained."""
    module = bench.build(20, 4, train=True)
    out = bench.once(module, *inputs(20, 220, B=3, T_q=4, T_k=5))
    if out.requires_grad:
        (out * random(*out.shape, seed=5)).sum().backward()
    matrices = [w for w in module.parameters() if not is_bias(w, 20)]
    unreached = sum(w.numel() if w.grad is None else int((w.grad == 0).sum()) for w in matrices)
    return {
        "numbers in weights that no gradient reaches": unreached,
        "some weights are frozen": any(not w.requires_grad for w in module.parameters()),
    }


@look
def training_without_dropout(bench: Bench) -> dict[str, Any]:
    module, given = bench.build(20, 4, 0.0, train=True), inputs(20, 230)
    return {
        "out": bench.call(module, *given),
        "out with a mask": bench.call(module, *given, mask=full_mask(2, 4, T_Q, T_K)),
    }


@look
def evaluation(bench: Bench) -> dict[str, Any]:
    module, given = bench.build(20, 4, P), inputs(20, 240, B=3, T_q=4, T_k=5)
    out = bench.once(module, *given)
    return {"the same each time": torch.equal(out, bench.once(module, *given)), "out": out}


D, H = 24, 4  # of the probe of dropout: heads wider than there are keys, so that weights can be found again


@look
def dropped(bench: Bench) -> dict[str, Any]:
    module, given = bench.build(D, H, P).double(), inputs(D, 250, B=6, T_q=40, T_k=5, dtype=torch.float64)
    calm = bench.once(module, *given)
    module.train()
    return {"calm": calm, "out": bench.once(module, *given), "again": bench.once(module, *given)}


def read_dropped(observation: Observation, states: list) -> Observation:
    """From the outputs back to the weights, by the inverses of W_O and of the values; in words what became of them."""
    state = states[0] if states else {}
    calm, out, again = (observation[name] for name in ("calm", "out", "again"))
    kept = {name: thing for name, thing in observation.items() if name not in ("calm", "out", "again")}
    assert isinstance(calm, Tensor) and isinstance(out, Tensor) and isinstance(again, Tensor)
    if torch.equal(calm, out):
        return {**kept, "in training": "nothing is dropped"}
    if (
        not {"W_O.weight", "W_V.weight"} <= set(state)
        or state["W_O.weight"].shape != (D, D)
        or not out.shape == calm.shape == (6, 40, D)
    ):
        return {**kept, "in training": "something is dropped"}
    w_o, w_v = state["W_O.weight"].double(), state["W_V.weight"].double()
    value = inputs(D, 250, B=6, T_q=40, T_k=5, dtype=torch.float64)[2]
    v = cut(value @ w_v.T + state.get("W_V.bias", torch.zeros(D)).double())
    shift, inverse = state.get("W_O.bias", torch.zeros(D)).double(), torch.linalg.inv(w_o)
    heads, calm_heads = (cut((x - shift) @ inverse.T) for x in (out, calm))
    weights, calm_weights = (x @ torch.linalg.pinv(v) for x in (heads, calm_heads))
    told: Observation = {"different in each call": not torch.equal(out, again)}
    if fits(weights @ v, heads):
        told |= fate("weights", weights, calm_weights)
    elif fits(mixed := torch.linalg.pinv(calm_weights) @ heads, mixed) and fits(calm_weights @ mixed, heads):
        told |= {"what is dropped": "values"}
    elif share(heads.abs() < 1e-6) > 0.05:
        told |= {"what is dropped": "features of the heads' results"}
    elif share(out == 0) > 0.05:
        ratio = (out / calm)[out != 0]
        alone = bool((ratio - ratio[0]).abs().max() < 1e-6)
        told |= {"what is dropped": "features of the output" if alone else "features of the output, and more"}
    else:
        told |= {"what is dropped": "something else"}
    return {**kept, **told}


def cut(x: Tensor) -> Tensor:
    return x.unflatten(-1, (H, -1)).transpose(1, 2)


def fits(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).abs().max() < 1e-5 * b.abs().max().clamp(min=1.0))


def share(where: Tensor) -> float:
    return float(where.double().mean())


def fate(what: str, weights: Tensor, calm: Tensor) -> Observation:
    """In words: which weights were dropped, and what happened to the others."""
    large = calm.abs() > 0.01  # so wide apart are the cases that rounding plays no part
    gone = weights.abs() < 2e-4
    part = share(gone[large])
    if part < 0.03:  # some weights are small by themselves
        return {"what is dropped": "nothing: the weights are others"}
    told: Observation = {"what is dropped": what}
    axes = {"sentences": 0, "heads": 1, "queries": 2, "keys": 3}
    told["the same for all"] = [n for n, axis in axes.items() if alike_along(axis, gone, large)]
    if not told["the same for all"]:
        near = abs(part - P) < 5 * math.sqrt(P * (1 - P) / int(large.sum()))
        told["share that is dropped"] = "as asked for" if near else f"about {round(part, 1):.0%}"
    ratio = (weights / calm)[large & ~gone]
    for name, factor in {
        "1 / (1 - p)": 1 / (1 - P),
        "1": 1.0,
        "1 - p": 1 - P,
        "1 / (1 - p), twice": (1 - P) ** -2,
    }.items():
        if (ratio - factor).abs().max() < 0.05:
            told["the others are multiplied by"] = name
            return told
    whole = (weights.sum(-1) - 1).abs() < 1e-3
    told["the others are multiplied by"] = (
        "what makes rows sum to 1" if share(whole | gone.all(-1)) > 0.99 else "something else"
    )
    return told


def alike_along(axis: int, gone: Tensor, large: Tensor) -> bool:
    """The same pattern everywhere along this axis, as far as weights are large enough to tell."""
    first, told = gone.narrow(axis, 0, 1), large & large.narrow(axis, 0, 1)
    return bool(((gone == first) | ~told).all())


@look
def large(bench: Bench) -> dict[str, Any]:
    """Scores in the hundreds."""
    query, key, value = inputs(20, 260)
    mask = torch.tensor([[True, False, True], [False, True, True]])
    module = bench.build(20, 4)
    return {
        "out": bench.once(module, 15 * query, 15 * key, value),
        "out with a mask": bench.once(module, 15 * query, 15 * key, value, mask=mask),
    }


@look
def huge(bench: Bench) -> dict[str, Any]:
    query, key, value = inputs(20, 270)
    mask = torch.tensor([True, True, False])
    return {"out": bench.once(bench.build(20, 4), 1e3 * query, 1e3 * key, value, mask=mask)}


@look
def bf16(bench: Bench) -> dict[str, Any]:
    module, given = bench.build(20, 4).bfloat16(), inputs(20, 280, dtype=torch.bfloat16)
    return {"out": bench.once(module, *given, mask=torch.tensor([True, True, False]))}


PROBES = (
    Probe(
        "one key",
        one_key,
        "With a single key there is nothing to choose: the result must be W_O W_V value, in every head.",
        "d_model 8, h 2, two queries and one key",
    ),
    Probe("itself", itself, "Self-attention gives something else.", "d_model 8, h 2, query = key = value (1, 3, 8)"),
    Probe(
        "masked",
        masked,
        "With a mask the result is not right.",
        "d_model 8, h 2, one sentence and the mask [[1, 1, 0], [0, 1, 1]]",
    ),
    Probe(
        "crossed",
        crossed,
        "With other keys and values than queries the result is not right.",
        "d_model 20, h 4, query (2, 2, 20), key and value (2, 3, 20)",
    ),
    Probe(
        "same length",
        same_length,
        "With three different tensors of the same length the result is not right.",
        "d_model 20, h 4, query, key and value (4, 5, 20)",
    ),
    Probe(
        "memory",
        memory,
        "Where keys and values are one tensor, as in the decoder, the result is not right.",
        "d_model 20, h 4, query (5, 4, 20), key = value (5, 2, 20)",
    ),
    Probe("causal", causal, "With a causal mask the result is not right.", "x (2, 4, 20) and a causal mask (4, 4)"),
    Probe(
        "padding",
        padding,
        "With a padding mask the result is not right.",
        "query (2, 2, 20), key (2, 3, 20), a mask (2, 1, 1, 3)",
    ),
    Probe(
        "padding and causal",
        padding_and_causal,
        "With a mask for each sentence the result is not right.",
        "x (2, 4, 20) and a mask (2, 1, 4, 4)",
    ),
    Probe(
        "mask of heads",
        mask_of_heads,
        "With a mask that differs by head the result is not right.",
        "query (2, 2, 20), key (2, 3, 20), a mask (2, 4, 2, 3)",
    ),
    Probe(
        "other masks",
        other_masks,
        "Not every mask that broadcasts to (B, h, T_q, T_k) works.",
        "query (3, 2, 20), key (3, 3, 20), h 4",
    ),
    Probe(
        "other sizes", other_sizes, "It does not work for other sizes.", "d_model 10, 30 and 5, with 2, 5 and 1 heads"
    ),
    Probe(
        "shortest",
        shortest,
        "With a batch of one, or a single token, the result is not right.",
        "d_model 20, h 4, a batch of one",
    ),
    Probe(
        "one after the other",
        one_after_the_other,
        "A second call with other input is not right: something was kept.",
        "two calls, the first with a mask, the second without",
    ),
    Probe(
        "float64",
        double,
        "In double precision the result is not right.",
        "float64 weights and input",
        atol=1e-7,
        rtol=1e-7,
    ),
    Probe("views", views, "With an input that is not contiguous the result is not right.", "transposed tensors"),
    Probe(
        "gradient",
        gradient,
        "The gradient does not flow back to the inputs as it should.",
        "query (2, 2, 20), key (2, 3, 20)",
    ),
    Probe("learning", learning, "Not all weights can learn.", "a loss on the output"),
    Probe(
        "training without dropout",
        training_without_dropout,
        "In training with dropout = 0 the result is not that of evaluation.",
        "dropout = 0 and train()",
    ),
    Probe("evaluation", evaluation, "In evaluation mode dropout should do nothing.", f"dropout = {P} and eval()"),
    Probe(
        "dropout",
        dropped,
        "In training, dropout is not what it should be: on the weights after the softmax, each for itself.",
        f"dropout = {P} and train()",
        read=read_dropped,
    ),
    Probe(
        "large",
        large,
        "With larger numbers the result is not right.",
        "query and key 15 times as large",
        atol=2e-3,
        rtol=1e-2,
    ),
    Probe(
        "huge",
        huge,
        "scores in the millions give something else",
        "query and key 1,000 times as large",
        robust=True,
        atol=0.02,
        rtol=0.02,
    ),
    Probe("bfloat16", bf16, "bfloat16 gives something else", "bfloat16 input", robust=True, atol=0.1, rtol=0.1),
)


# --- the known mistakes ---


class Matrix(nn.Module):
    """nn.Linear without the time that drawing its weights takes."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(n_out, n_in)), nn.Parameter(torch.zeros(n_out))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class Ours(nn.Module):
    """The reference in small steps, each of which a mistake can replace."""

    names: tuple[str, ...] = ("W_Q", "W_K", "W_V", "W_O")
    W_Q: nn.Module
    W_K: nn.Module
    W_V: nn.Module
    W_O: nn.Module

    def __init__(self, d_model: int, h: int, dropout: float) -> None:
        super().__init__()
        self.d_model, self.h, self.p = d_model, h, dropout
        self.d_k = d_model // h
        for name in self.names:
            setattr(self, name, Matrix(d_model, d_model))

    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.h, -1)).transpose(1, 2)

    def join(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(2)

    def project(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.W_Q(query), self.W_K(key), self.W_V(value)

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        return q @ k.mT / math.sqrt(q.size(-1))

    def share(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        return self.hide(scores, mask).softmax(-1)

    def hide(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        return scores if mask is None else scores.masked_fill(~mask, -1e9)

    def drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training)

    def weigh(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        return self.drop(self.share(scores, mask))

    def heads(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        return self.weigh(self.scores(q, k), mask) @ v

    def mix(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        q, k, v = (self.split(x) for x in self.project(query, key, value))
        return self.join(self.heads(q, k, v, mask))

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.W_O(self.mix(query, key, value, mask))


def but(**steps: Callable[..., Any]) -> type[Ours]:
    """`Ours` with some steps replaced: name of a step -> function of (module, and what the step takes)."""
    return type("Wrong", (Ours,), dict(steps))


def scaled(factor: Callable[[Any, Tensor, Tensor], float]) -> type[Ours]:
    return but(scores=lambda m, q, k: q @ k.mT * factor(m, q, k))


def filled(number: float) -> type[Ours]:
    return but(hide=lambda m, s, mask: s if mask is None else s.masked_fill(~mask, number))


def with_mask(change: Callable[[Tensor, Tensor], Tensor | None]) -> type[Ours]:
    """The mask is another one: a function of scores and mask."""
    return but(hide=lambda m, s, mask: Ours.hide(m, s, None if mask is None else change(s, mask)))


def filled_before_scale(number: float) -> type[Ours]:
    return but(
        scores=lambda m, q, k: q @ k.mT,
        hide=lambda m, s, mask: (s if mask is None else s.masked_fill(~mask, number)) / math.sqrt(m.d_k),
    )


def weak_masks(number: float) -> tuple[type[Ours], ...]:
    """Forbidden scores become this number, before or after the scale, or it is added to them.

    To add -1 to what is forbidden, or 1 to the rest, is the same: another mistake.
    """
    added = but(hide=lambda m, s, mask: s if mask is None else s + number * ~mask)
    return filled(number), filled_before_scale(number), *([added] if number < -1 else [])


def infinite(change: Callable[[Tensor, Tensor], Tensor]) -> type[Ours]:
    """Another mask, and minus infinity for forbidden scores: NaN where nothing is permitted."""
    return but(hide=lambda m, s, mask: s if mask is None else s.masked_fill(~change(s, mask), -math.inf))


def square_transposed(scores: Tensor, mask: Tensor) -> Tensor:
    return mask.mT if mask.dim() > 1 and mask.size(-1) == mask.size(-2) else mask


def no_transpose(m, x):  # type: ignore[no-untyped-def]
    return x.reshape(x.size(0), m.h, x.size(1), -1)


def no_transpose_back(m, x):  # type: ignore[no-untyped-def]
    return x.reshape(x.size(0), x.size(2), -1)


def mix_split_apart(m, query, key, value, mask, which=2):  # type: ignore[no-untyped-def]
    """Some of the three are split without the transpose."""
    parts = [(no_transpose(m, x) if i == which else m.split(x)) for i, x in enumerate(m.project(query, key, value))]
    return m.join(m.heads(*parts, mask))


def mix_over_heads(m, query, key, value, mask):  # type: ignore[no-untyped-def]
    q, k, v = (x.unflatten(-1, (m.h, -1)) for x in m.project(query, key, value))
    return m.heads(q, k, v, None).flatten(2)


def mix_over_heads_masked(m, query, key, value, mask):  # type: ignore[no-untyped-def]
    q, k, v = (x.unflatten(-1, (m.h, -1)) for x in m.project(query, key, value))
    return m.heads(q, k, v, mask).flatten(2)


class BatchSecond(Ours):
    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.h, -1)).permute(1, 2, 0, 3)

    def join(self, x: Tensor) -> Tensor:
        return x.permute(2, 0, 1, 3).flatten(2)


def heads_first(m: Ours, x: Tensor) -> Tensor:
    """(B, T, d_model) -> (h B, T, d_k)"""
    return torch.cat(x.chunk(m.h, -1), 0)


def mix_batch_first(m, query, key, value, mask):  # type: ignore[no-untyped-def]
    """Heads before the batch in one axis, taken out the other way round."""
    B, h = query.size(0), m.h
    q, k, v = (heads_first(m, x) for x in m.project(query, key, value))
    weights = m.weigh(m.scores(q, k).unflatten(0, (h, B)).transpose(0, 1), mask).transpose(0, 1).flatten(0, 1)
    return m.join((weights @ v).unflatten(0, (B, h)))


def mix_mask_order(m, query, key, value, mask):  # type: ignore[no-untyped-def]
    B, h = query.size(0), m.h
    q, k, v = (heads_first(m, x) for x in m.project(query, key, value))
    if mask is not None:
        mask = mask.expand(B, h, query.size(1), key.size(1)).flatten(0, 1)
    return torch.cat(m.heads(q, k, v, mask).chunk(h, 0), -1)


class OneHead(Ours):
    def __init__(self, d_model: int, h: int, dropout: float) -> None:
        super().__init__(d_model, 1, dropout)


class NarrowOutput(Ours):
    def __init__(self, d_model: int, h: int, dropout: float) -> None:
        super().__init__(d_model, h, dropout)
        self.W_O = Matrix(self.d_k, d_model)


class Averaged(NarrowOutput):
    def join(self, x: Tensor) -> Tensor:
        return x.mean(1)


class Summed(NarrowOutput):
    def join(self, x: Tensor) -> Tensor:
        return x.sum(1)


class NotJoined(NarrowOutput):
    def join(self, x: Tensor) -> Tensor:
        return x


def last_head_only(m, q, k, v, mask):  # type: ignore[no-untyped-def]
    return Ours.heads(m, q, k, v, mask)[:, -1:].expand(-1, m.h, -1, -1)


def first_head_only(m, q, k, v, mask):  # type: ignore[no-untyped-def]
    return Ours.heads(m, q, k, v, mask)[:, :1].expand(-1, m.h, -1, -1)


def weights_of_head(i: int) -> type[Ours]:
    return but(weigh=lambda m, s, mask: Ours.weigh(m, s, mask)[:, [i]].expand_as(s))


def averaged_weights(m, scores, mask):  # type: ignore[no-untyped-def]
    return Ours.weigh(m, scores, mask).mean(1, keepdim=True).expand_as(scores)


class Shared(Ours):
    """One matrix for queries, keys and values."""

    names: tuple[str, ...] = ("shared", "W_O")
    shared: nn.Module

    def project(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.shared(query), self.shared(key), self.shared(value)


class Cloned(Shared):
    names = ("shared",)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.shared(self.mix(query, key, value, mask))


class NoOutput(Ours):
    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.mix(query, key, value, mask)


class NoOutputAtAll(NoOutput):
    names = ("W_Q", "W_K", "W_V")


def of_activation(activation: Callable[[Tensor], Tensor], n: int = 3) -> type[Ours]:
    def project(m, *given):  # type: ignore[no-untyped-def]
        return tuple(activation(x) if i < n else x for i, x in enumerate(Ours.project(m, *given)))

    return but(project=project)


def output(change: Callable[..., Tensor]) -> type[Ours]:
    """The answer is changed: a function of (module, answer, query)."""

    def forward(m, query, key, value, mask=None):  # type: ignore[no-untyped-def]
        return change(m, Ours.forward(m, query, key, value, mask), query)

    return but(forward=forward)


def reading_inputs(pick: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]) -> type[Ours]:
    return but(mix=lambda m, query, key, value, mask: Ours.mix(m, *pick(query, key, value), mask))


def hidden_values(m, q, k, v, mask):  # type: ignore[no-untyped-def]
    if mask is not None:
        v = v * mask.expand(q.size(0), q.size(1), q.size(2), k.size(2))[:, :, :1].mT
    return m.drop(m.scores(q, k).softmax(-1)) @ v


def hidden_values_too(m, q, k, v, mask):  # type: ignore[no-untyped-def]
    if mask is not None:
        v = v * mask.expand(q.size(0), q.size(1), q.size(2), k.size(2))[:, :, :1].mT
    return Ours.heads(m, q, k, v, mask)


def after_softmax(m, scores, mask):  # type: ignore[no-untyped-def]
    weights = scores.softmax(-1)
    return weights if mask is None else weights * mask


def after_softmax_filled(m, scores, mask):  # type: ignore[no-untyped-def]
    weights = scores.softmax(-1)
    return weights if mask is None else weights.masked_fill(~mask, -1e9)


def by_exponentials(m, scores, mask):  # type: ignore[no-untyped-def]
    weights = Ours.hide(m, scores, mask).exp()
    return weights / weights.sum(-1, keepdim=True)


def over_axis(axis: int) -> type[Ours]:
    return but(share=lambda m, s, mask: m.hide(s, mask).softmax(axis))


def norm(x: Tensor) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()


def two_axes_are_padding(m, scores, mask):  # type: ignore[no-untyped-def]
    return Ours.hide(m, scores, mask[:, None, None] if mask is not None and mask.dim() == 2 else mask)


def mask_unsqueezed(m, scores, mask):  # type: ignore[no-untyped-def]
    return Ours.hide(m, scores, None if mask is None else mask.unsqueeze(1))


def causal_by_itself(square: bool, also: bool, number: float) -> type[Ours]:
    """Later keys are forbidden without a word: for all lengths or only equal ones, with a mask as well or not."""

    def hide(m, scores, mask):  # type: ignore[no-untyped-def]
        T_q, T_k = scores.shape[-2:]
        if (mask is None or also) and (T_q == T_k or not square):
            causal = torch.ones(T_q, T_k, dtype=torch.bool).tril()
            mask = causal if mask is None else mask & causal
        return scores if mask is None else scores.masked_fill(~mask, number)

    return but(hide=hide)


CAUSAL_WITHOUT_MASK = [causal_by_itself(square, False, -math.inf) for square in (True, False)]
CAUSAL_ALWAYS = [causal_by_itself(square, True, n) for square in (True, False) for n in (-math.inf, -1e9)]


def first_head_masked(m, scores, mask):  # type: ignore[no-untyped-def]
    return torch.cat([Ours.hide(m, scores, mask)[:, :1], scores[:, 1:]], 1)


def forgets_keys(m, query, key, value):  # type: ignore[no-untyped-def]
    if key is not query:
        key, value = key.detach(), value.detach()
    return Ours.project(m, query, key, value)


# --- signs in what was seen ---


def builds(seen: Observations) -> list[tuple[list[Tensor], list[tuple[int, ...]], int, int]]:
    """Of each module that was built: its weights without its biases, all their shapes, d_model, h."""
    found = []
    for observation in seen.values():
        for one in built_in(observation):
            d, h = one["args"][:2]
            pairs = zip(one["names"], one["weights"], strict=True)
            own = [w for name, w in pairs if not name.startswith("its answer")]
            found.append(([w for w in own if not is_bias(w, d)], [tuple(w.shape) for w in own], d, h))
    return found


def as_many(size: Callable[[int, int], int]) -> Callable[[Observations], bool]:
    """So many numbers in the matrices, for every d_model and h."""

    def sign(seen: Observations) -> bool:
        all_built = builds(seen)
        return len(all_built) > 0 and all(
            sum(w.numel() for w in own) == size(d, h) for own, _, d, h in all_built if h > 1
        )

    return sign


def fewer_keys_and_values(seen: Observations) -> bool:
    """Two whole matrices, and two of fewer heads."""

    def sign(own: list[Tensor], d: int, h: int) -> bool:
        small = [w.numel() for w in own if w.numel() < d * d]
        per_head = d * d // h
        both = sum(small) == sum(w.numel() for w in own) - 2 * d * d and len(small) <= 2
        return both and sum(small) % (2 * per_head) == 0 and 0 < sum(small) < 2 * d * d

    found = [sign(own, d, h) for own, _, d, h in builds(seen) if h in (2, 4)]
    return len(found) > 0 and all(found)


def hides(kind: str) -> Callable[[Observations], bool]:
    """Weights are missing, and something of this kind looks like them."""

    def sign(seen: Observations) -> bool:
        few = any(sum(w.numel() for w in own) < 4 * d * d for own, _, d, _ in builds(seen))
        return few and any(kind in one.get("_hidden", []) for one in seen.values())  # type: ignore[operator]

    return sign


def frozen(seen: Observations) -> bool:
    return seen["learning"].get("some weights are frozen") is True


WRONG_SIZE = ("is invalid for input of size", "unflatten", "split_with_sizes")


def raises(seen: Observations, name: str, *texts: str) -> bool:
    one = seen[name]
    text = str(one.get("_text", ""))
    return (
        "error" in one
        and one["error"] not in ("missing", "time", "died", "forbidden")
        and (not texts or any(t in text for t in texts))
    )


def fine(seen: Observations, *names: str) -> bool:
    return all("error" not in seen[name] for name in names)


def raises_anywhere(*texts: str) -> Callable[[Observations], bool]:
    return lambda seen: any(raises(seen, name, *texts) for name in seen)


def returns_more(seen: Observations) -> bool:
    return seen["itself"].get("error") == "Answer" and "a tuple of 2" in str(seen["itself"]["_text"])


def not_the_same_twice(seen: Observations) -> bool:
    return bool(seen["itself"].get("answers differently the second time"))


def made_in_forward(seen: Observations) -> bool:
    few = any(sum(w.numel() for w in own) < 4 * d * d for own, _, d, _ in builds(seen))
    unused = seen["learning"].get("numbers in weights that no gradient reaches") not in (0, None)
    return not_the_same_twice(seen) and (few or unused)


def drops_in_evaluation(seen: Observations) -> bool:
    return seen["evaluation"].get("the same each time") is False and not not_the_same_twice(seen)


def drops_a_fixed_share(seen: Observations) -> bool:
    one = seen["training without dropout"]
    if "changes its input" in one:
        return False
    return bool(one.get("answers differently the second time")) and seen["evaluation"].get("the same each time") is True


def shape_of(seen: Observations, name: str, key: str = "out") -> tuple[int, ...]:
    found = seen[name][key]
    assert isinstance(found, Tensor)
    return tuple(found.shape)


def squeezed(seen: Observations) -> bool:
    return (
        fine(seen, "crossed", "shortest")
        and shape_of(seen, "crossed") == (2, 2, 20)
        and shape_of(seen, "shortest", "out of one token") != (1, 1, 20)
    )


def no_gradient(key: str, *reached: str, also: tuple[str, ...] = ()) -> Callable[[Observations], bool]:
    """An input that the answer was right about, and that no gradient reaches."""

    def none(thing: object) -> bool:
        return thing is None or (isinstance(thing, Tensor) and not bool(thing.any()))

    def sign(seen: Observations) -> bool:
        one = seen["gradient"]
        if not right(seen, "crossed"):
            return False
        return all(none(one[name]) for name in (key, *also)) and not any(none(one[name]) for name in reached)

    return sign


def states_of(observation: Observation) -> list[dict[str, Tensor]]:
    """The likeliest meaning of the weights of each module that a probe built."""
    found = []
    for one in built_in(observation):
        pairs = list(zip(one["names"], one["weights"], strict=True))
        found.append(layouts(pairs, tuple(one["args"])).get("1", {}))
    return found


def built_in(observation: Observation) -> list[dict[str, Any]]:
    return observation.get("_built", [])  # type: ignore[return-value]


def explains(make: Callable[..., Any], seen: Observations, *names: str) -> bool:
    """All these probes (none named: all) saw what they see of this definition with the learner's weights."""
    return not any(
        "error" in seen[probe.name] or unlike(make, seen, probe)
        for probe in PROBES
        if (probe.name in names if names else not probe.robust)
    )


def unlike(make: Callable[..., Any], seen: Observations, probe: Probe) -> list[str]:
    """What this probe saw otherwise than it sees it of this definition."""
    states = states_of(seen[probe.name])
    torch.default_generator.manual_seed(7)
    both = seen[probe.name], probe.run(Trial(make, lambda i: states[i]))
    if probe.read is not None:
        both = probe.read(both[0], states), probe.read(both[1], states)
    return [difference.key for difference in differences(probe, *both)]


_right: dict[str, tuple[Observation, bool]] = {}  # of the last observations: many signs begin by asking for this


def right(seen: Observations, *names: str) -> bool:
    for name in names:
        if name not in _right or _right[name][0] is not seen[name]:
            _right[name] = seen[name], explains(Reference, seen, name)
    return all(_right[name][1] for name in names)


def kept_from_before(seen: Observations) -> bool:
    """The first call is answered rightly, and the second, with other input, is not; alone it would be."""
    name = "one after the other"
    if "error" in seen[name] or not right(seen, "crossed", "padding"):
        return False
    return unlike(Reference, seen, next(probe for probe in PROBES if probe.name == name)) == ["second out"]


def leaks(seen: Observations) -> bool:
    """Right as long as there is no mask; with one, as if forbidden scores were a number that is low, not very low."""
    if not right(seen, "crossed") or right(seen, "large"):
        return False
    for number in (1.0, 2.0, 3.0, 5.0, 9.0, 10.0, 20.0, 30.0, 50.0, 100.0, 1e3, 1e4):
        if any(explains(make, seen, "masked", "large") for make in weak_masks(-number)):
            return True
    return False


_told: list[tuple[Observation, Observation]] = []  # the last one: each sign of dropout asks for the same


def dropout_told(key: str, word: str | list[str]) -> Callable[[Observations], bool]:
    """What is right without dropout, and of which the probe of dropout told this."""

    def sign(seen: Observations) -> bool:
        found = seen["dropout"]
        if "error" in found or not right(seen, "crossed"):
            return False
        if not _told or _told[0][0] is not found:
            _told[:] = [(found, read_dropped(found, states_of(found)))]
        return _told[0][1].get(key) == word

    return sign


def normalised(seen: Observations) -> bool:
    """Every row has, but for a gain and a shift that are among the weights, a mean of 0 and a variance of 1."""
    out = seen["same length"]["out"]
    assert isinstance(out, Tensor)
    rows = out.flatten(0, 1).double()
    vectors = [w.flatten().double() for w in built_in(seen["same length"])[0]["weights"] if w.numel() == rows.size(-1)]
    pairs = [(gain, shift) for gain in vectors for shift in vectors if gain is not shift]
    pairs += [(torch.ones(1), torch.zeros(1)), *((gain, torch.zeros(1)) for gain in vectors)]
    return any(_is_normal((rows - shift) / gain) for gain, shift in pairs)


def _is_normal(rows: Tensor) -> bool:
    return bool(rows.mean(-1).abs().max() < 1e-3 and (rows.var(-1, unbiased=False) - 1).abs().max() < 0.01)


def result_is_single(seen: Observations) -> bool:
    found = seen["float64"].get("out")
    return isinstance(found, Tensor) and found.dtype == torch.float32


MISTAKES = (
    # what the code did not do, or hides
    Mistake(
        "returns_weights_too",
        "It returns a pair, the output and the weights. The contract asks for the output alone: the layers around "
        "add it to their input.",
        seen=returns_more,
        source="torch.nn.MultiheadAttention returns the pair",
        convention=True,
    ),
    Mistake(
        "layers_made_in_forward",
        "A layer is made inside `forward`: it is another one, with new random weights, in each call, and none of "
        "them is ever trained. Make layers in `__init__`.",
        seen=made_in_forward,
    ),
    Mistake(
        "weights_in_a_list",
        "Layers or parameters are kept in an ordinary list or dictionary. `parameters()` does not look into these, "
        "so the optimizer never sees them. Use nn.ModuleList or nn.ParameterList.",
        seen=hides("in a list"),
    ),
    Mistake(
        "weights_in_buffers",
        "Weights are registered as buffers. A buffer is saved, and not trained; a weight is an nn.Parameter.",
        seen=hides("buffer"),
    ),
    Mistake(
        "weights_as_plain_tensors",
        "Weights are plain tensors. Only an nn.Parameter (or a module that has some) is found by `parameters()` and "
        "trained.",
        seen=hides("a plain tensor"),
    ),
    Mistake(
        "weights_frozen",
        "Some weights do not require a gradient, so they stay what they were at the beginning. All of attention is "
        "learned.",
        seen=frozen,
    ),
    Mistake(
        "heads_as_wide_as_the_model",
        "Each head is d_model wide. Then h heads cost h times as much. In the paper they share the width: d_k = "
        "d_model / h.",
        seen=as_many(lambda d, h: 4 * h * d * d),
    ),
    Mistake(
        "keys_and_values_shared_by_heads",
        "The heads have queries of their own, but share one set of keys and values. That is multi-query attention, "
        "which makes decoding cheaper; in the paper every head projects its own.",
        seen=fewer_keys_and_values,
        source="multi-query attention, Shazeer 2019",
        convention=True,
    ),
    Mistake(
        "same_projection_in_every_head",
        "All heads share one small projection to d_k features, so they all see the same, and h heads say what one "
        "says. Project to h * d_k features, and cut.",
        seen=lambda seen: (
            as_many(lambda d, h: d * d + 3 * d * (d // h))(seen)
            and any(8 // 2 in shape for shape in builds(seen)[0][1])
        ),
    ),
    Mistake(
        "heads_averaged",
        "The heads are averaged. What each one found is mixed up by that; the paper puts them next to each other, "
        "and W_O decides what becomes of each.",
        Averaged,
    ),
    Mistake(
        "heads_summed",
        "The heads are added up. The paper puts them next to each other (then W_O, d_model x d_model, has a part for "
        "each).",
        Summed,
    ),
    Mistake(
        "heads_not_joined",
        "The heads are still apart in the result, which has an axis too many. Put them next to each other before W_O: "
        "`.transpose(1, 2).flatten(2)`.",
        NotJoined,
        seen=lambda seen: fine(seen, "itself") and len(shape_of(seen, "itself")) == 4,
    ),
    Mistake(
        "shape_squeezed",
        "`squeeze()` takes away every axis of size 1: with a batch of one, or a single token, the result has another "
        "shape.",
        seen=squeezed,
    ),
    Mistake(
        "view_after_transpose",
        "`view` cannot read a tensor whose axes were exchanged: it needs the numbers in order in memory. Use "
        "`reshape`, or `.contiguous()` before it.",
        seen=lambda seen: raises(seen, "crossed", "view size is not compatible", "is not contiguous"),
    ),
    Mistake(
        "view_of_the_input",
        "`view` is used on an input. The caller may give a transposed tensor, which is not in order in memory; use "
        "`reshape`.",
        seen=lambda seen: fine(seen, "crossed") and raises(seen, "views", "view size is not compatible", "contiguous"),
    ),
    Mistake(
        "only_float32",
        "Somewhere on the way numbers are made float32. With a model in float64 the types then do not match. Make "
        "new tensors with the type of those that are there.",
        seen=lambda seen: (
            result_is_single(seen)
            or (fine(seen, "crossed") and raises(seen, "float64", "dtype", "scalar type", "Float", "float"))
        ),
    ),
    Mistake(
        "arguments_in_another_order",
        "The constructor is MultiHeadAttention(d_model, h, dropout), in this order; this one takes h first.",
        seen=lambda seen: (
            any(raises(seen, "one key", f"({a}x{b} and {c}x{d})") for a, b, c, d in ((2, 8, 2, 2), (1, 8, 2, 2)))
            or (raises(seen, "one key", "divi") and raises(seen, "crossed", "divi"))
        ),
    ),
    Mistake(
        "number_of_heads_fixed",
        "The number of heads is written into the code. Take h, and d_k = d_model // h, from the arguments.",
        seen=lambda seen: all(raises(seen, name, *WRONG_SIZE) for name in ("same length", "crossed", "other sizes")),
    ),
    Mistake(
        "same_lengths_only",
        "It works only where there are as many queries as keys. In the decoder's second attention they differ: take "
        "T_q from the query, and T_k from the key.",
        seen=lambda seen: fine(seen, "itself", "same length") and raises(seen, "crossed", *WRONG_SIZE),
    ),
    Mistake(
        "mask_asked_for_truth",
        "`if mask:` asks a whole tensor whether it is true, which PyTorch refuses. Ask `if mask is not None:`.",
        seen=raises_anywhere("Boolean value of Tensor"),
    ),
    Mistake(
        "arithmetic_with_booleans",
        "The mask is of booleans: `1 - mask` and `-mask` are not defined for them. The opposite of a mask is `~mask`.",
        seen=raises_anywhere("with a bool tensor is not supported", "with two bool tensors is not supported"),
    ),
    Mistake(
        "mask_of_full_shape_only",
        "The mask is used as an index, and so must have the full shape (B, h, T_q, T_k). It may be given with fewer or "
        "shorter axes and is to be broadcast: `masked_fill` and `where` do.",
        seen=lambda seen: (
            fine(seen, "crossed", "mask of heads")
            and raises(seen, "masked")
            and raises(seen, "padding")
            and raises(seen, "causal")
        ),
    ),
    Mistake(
        "dropout_in_evaluation",
        "Dropout works in evaluation mode, too. F.dropout drops always, unless it is told `training=self.training`; an "
        "nn.Dropout made in `__init__` knows by itself.",
        seen=drops_in_evaluation,
    ),
    Mistake(
        "dropout_of_another_probability",
        "The probability of dropout is a constant in the code. Take the argument: with dropout = 0 nothing may be "
        "dropped.",
        seen=drops_a_fixed_share,
    ),
    Mistake(
        "cut_off_from_the_graph",
        "The output is cut off from the graph (by detach, no_grad, numpy, or a new tensor): nothing learns.",
        seen=no_gradient("gradient of query", also=("gradient of key", "gradient of value")),
    ),
    Mistake(
        "queries_and_keys_never_learn",
        "The weights are cut off from the graph (detach, no_grad, numpy): W_Q and W_K never get a gradient.",
        seen=no_gradient("gradient of query", "gradient of value"),
    ),
    Mistake(
        "memory_gets_no_gradient",
        "Keys and values are cut off from the graph: what made them (the encoder, in cross-attention) learns nothing.",
        but(project=forgets_keys),
        seen=no_gradient("gradient of key", "gradient of query", also=("gradient of value",)),
    ),
    Mistake(
        "values_get_no_gradient",
        "The values are cut off from the graph (detach, no_grad): W_V never learns.",
        seen=no_gradient("gradient of value", "gradient of query", "gradient of key"),
    ),
    Mistake(
        "mask_or_memory_remembered",
        "Something of the first call (a mask, or keys and values) is used again in the second. Nothing may be kept "
        "from one call to the next.",
        seen=lambda seen: kept_from_before(seen),
    ),
    Mistake(
        "weights_besides_the_four",
        "There are more weights than W_Q, W_K, W_V and W_O: something else is learned and plays a part, such as a "
        "bias for each position. Where a word stands is told to the model elsewhere.",
        seen=lambda seen: (
            bool(builds(seen)) and all(sum(w.numel() for w in own) > 4 * d * d for own, _, d, _ in builds(seen))
        ),
    ),
    Mistake(
        "base_class_not_initialised",
        "`super().__init__()` is missing: a module must be set up before parts are given to it.",
        seen=raises_anywhere("before Module.__init__", "super().__init__"),
    ),
    Mistake(
        "width_of_a_head_is_no_integer",
        "`d_model / h` is a float, even where nothing is left over. Sizes are integers: `d_model // h`.",
        seen=raises_anywhere("type float", "'float' object cannot be interpreted"),
    ),
    Mistake(
        "mask_always_needed",
        "It fails without a mask. The mask is optional: None means that everything may be looked at.",
        seen=lambda seen: raises(seen, "itself", "NoneType") and fine(seen, "masked"),
    ),
    # the scores
    Mistake(
        "no_scale",
        "The scores are not divided by the square root of d_k. Their variance grows with d_k; the softmax of large "
        "scores gives all to one key, and its gradient vanishes.",
        scaled(lambda m, q, k: 1.0),
    ),
    Mistake(
        "scaled_by_d_model",
        "The scores are divided by the root of d_model. A head's queries and keys are d_k = d_model / h wide: that "
        "is how many products are added up.",
        scaled(lambda m, q, k: m.d_model**-0.5),
    ),
    Mistake(
        "divided_by_d_k",
        "The scores are divided by d_k, not by its square root (or by the root twice). Then every query looks at "
        "everything a little, and nothing fails loudly.",
        scaled(lambda m, q, k: 1 / q.size(-1)),
    ),
    Mistake(
        "scaled_by_number_of_heads",
        "The root is taken of h, the number of heads. What grows is the sum over a head's d_k features.",
        scaled(lambda m, q, k: m.h**-0.5),
    ),
    Mistake(
        "scaled_by_number_of_keys",
        "The root is taken of the number of keys, not of d_k, the width of a head.",
        scaled(lambda m, q, k: k.size(-2) ** -0.5),
    ),
    Mistake(
        "scaled_by_number_of_queries",
        "The root is taken of the number of queries, not of d_k, the width of a head.",
        scaled(lambda m, q, k: q.size(-2) ** -0.5),
    ),
    Mistake(
        "multiplied_by_root",
        "The scores are multiplied by the square root of d_k, where they should be divided by it.",
        scaled(lambda m, q, k: q.size(-1) ** 0.5),
    ),
    Mistake(
        "fixed_scale",
        "The divisor is a constant, 8: right for d_k = 64 only. Take d_k = d_model // h.",
        scaled(lambda m, q, k: 1 / 8),
    ),
    Mistake(
        "divided_by_d_model",
        "The scores are divided by d_model itself. It is the root, and of the width of one head: d_k = d_model / h.",
        scaled(lambda m, q, k: 1 / m.d_model),
    ),
    Mistake(
        "scaled_after_softmax",
        "The weights are divided, not the scores: then each row sums to 1/sqrt(d_k) rather than 1.",
        but(
            scores=lambda m, q, k: q @ k.mT,
            share=lambda m, s, mask: m.hide(s, mask).softmax(-1) / math.sqrt(m.d_k),
        ),
    ),
    Mistake(
        "keys_reshaped",
        "The keys are brought to (d_k, T_k) by `view` or `reshape`. That renames the axes and leaves the numbers "
        "where they are: exchange them with `transpose(-2, -1)`.",
        but(scores=lambda m, q, k: q @ k.reshape(*k.shape[:-2], k.size(-1), k.size(-2)) / math.sqrt(m.d_k)),
    ),
    Mistake(
        "softmax_over_queries",
        "The softmax runs over the queries (axis -2). Each *query* shares itself out among the keys, so each row "
        "must sum to 1: axis -1.",
        over_axis(-2),
    ),
    Mistake(
        "softmax_over_heads",
        "The softmax runs over axis 1, which here is the heads: they compete with each other. Each query shares "
        "itself out among the keys: axis -1.",
        over_axis(1),
    ),
    Mistake(
        "softmax_over_the_batch",
        "The softmax runs over the first axis, the batch: sentences compete with each other. Axis -1 is the keys.",
        over_axis(0),
    ),
    Mistake(
        "no_softmax",
        "The scores themselves are used as weights. They may be negative and need not sum to 1.",
        but(share=lambda m, s, mask: s if mask is None else s * mask),
    ),
    Mistake(
        "softmax_twice",
        "The softmax is taken of weights that a softmax has made already. They lie between 0 and 1, so that the "
        "second one makes them nearly equal, and forbidden keys get weight again.",
        but(share=lambda m, s, mask: Ours.share(m, s, mask).softmax(-1)),
    ),
    Mistake(
        "log_softmax",
        "log_softmax returns logarithms of the weights; the values need the weights.",
        but(share=lambda m, s, mask: m.hide(s, mask).log_softmax(-1)),
    ),
    Mistake(
        "sigmoid_for_softmax",
        "A sigmoid looks at each score alone. Attention shares 1 out among the keys: a softmax.",
        but(share=lambda m, s, mask: m.hide(s, mask).sigmoid()),
    ),
    Mistake(
        "exponential_overflows",
        "The exponential is taken as it stands: exp(89) is infinite in float32. Subtract the row's largest score "
        "first, or leave it to softmax.",
        but(share=by_exponentials),
    ),
    # the heads
    Mistake(
        "split_without_transpose",
        "The heads are cut by one `view` or `reshape` to (B, h, T, d_k). The shapes fit, but a head is now a slice "
        "of *time*. Cut to (B, T, h, d_k) and exchange the axes with `transpose(1, 2)`.",
        but(split=no_transpose),
    ),
    Mistake(
        "joined_without_transpose",
        "The heads are put together by one `view` or `reshape` from (B, h, T, d_k) to (B, T, d_model). Positions and "
        "heads are mixed by that: exchange the axes first, `transpose(1, 2)`.",
        but(join=no_transpose_back),
    ),
    Mistake(
        "split_and_joined_without_transpose",
        "Neither splitting nor joining exchanges the axes. All shapes fit, and each head sees only a part of the "
        "sentence, with all its features. Use `transpose(1, 2)` both times.",
        but(split=no_transpose, join=no_transpose_back),
    ),
    Mistake(
        "values_split_without_transpose",
        "The values are cut into heads otherwise than queries and keys: by a `view` without `transpose(1, 2)`.",
        but(mix=mix_split_apart),
    ),
    Mistake(
        "keys_split_without_transpose",
        "The keys are cut into heads otherwise than queries and values: by a `view` without `transpose(1, 2)`.",
        but(mix=lambda m, q, k, v, mask: mix_split_apart(m, q, k, v, mask, 1)),
    ),
    Mistake(
        "queries_split_without_transpose",
        "The queries are cut into heads otherwise than keys and values: by a `view` without `transpose(1, 2)`.",
        but(mix=lambda m, q, k, v, mask: mix_split_apart(m, q, k, v, mask, 0)),
    ),
    Mistake(
        "attends_over_heads",
        "The heads stand behind the positions, (B, T, h, d_k), when the scores are made: at each position the heads "
        "look at one another, and no word sees another. `transpose(1, 2)` first.",
        but(mix=mix_over_heads_masked),
    ),
    Mistake(
        "attends_over_heads_without_mask",
        "The heads stand behind the positions, (B, T, h, d_k), when the scores are made: at each position the heads "
        "look at one another, and no word sees another (and no mask fits). `transpose(1, 2)` first.",
        but(mix=mix_over_heads),
    ),
    Mistake(
        "batch_taken_for_time",
        "The first axis is taken for time and the second for the batch: sentences attend to each other. Here the batch "
        "comes first.",
        BatchSecond,
        source="the default of torch.nn.MultiheadAttention, batch_first=False",
        convention=True,
    ),
    Mistake(
        "heads_and_batch_mixed_up",
        "Heads and batch share one axis, put in as (h, B) and taken out as (B, h): heads of one sentence end up in "
        "another.",
        but(mix=mix_batch_first),
    ),
    Mistake(
        "mask_in_another_order_than_the_heads",
        "Heads and batch share one axis in the scores, and the mask has them in the other order: the mask of one "
        "sentence falls upon another.",
        but(mix=mix_mask_order),
    ),
    Mistake(
        "one_head",
        "h makes no difference: it is one head, d_model wide.",
        OneHead,
    ),
    Mistake(
        "last_head_for_all",
        "All heads' results are those of the last one. In a loop, what is appended must be the head of this round.",
        but(heads=last_head_only),
    ),
    Mistake(
        "first_head_for_all",
        "All heads' results are those of the first one.",
        but(heads=first_head_only),
    ),
    Mistake(
        "weights_of_the_first_head",
        "The weights of the first head are used in all. Each head has its own.",
        weights_of_head(0),
    ),
    Mistake(
        "weights_of_the_last_head",
        "The weights of the last head are used in all. Each head has its own.",
        weights_of_head(-1),
    ),
    Mistake(
        "weights_averaged_over_heads",
        "The weights are averaged over the heads before the values are mixed. Then all heads look at the same; each "
        "should mix by its own.",
        but(weigh=averaged_weights),
    ),
    # the projections
    Mistake(
        "no_output_projection",
        "W_O is missing, or made and not used: the heads stand next to each other and are never mixed. Multiply by "
        "W_O.",
        NoOutput,
    ),
    Mistake(
        "no_output_projection_at_all",
        "W_O is missing: the heads stand next to each other and are never mixed. Multiply by W_O, (d_model, d_model).",
        NoOutputAtAll,
    ),
    Mistake(
        "no_projections",
        "Queries, keys and values are cut into heads as they come. Each head should see its own projection: W_Q, "
        "W_K, W_V.",
        type("Wrong", (Ours,), {"names": ("W_O",), "project": lambda m, *given: given}),
    ),
    Mistake(
        "no_projection_is_used",
        "W_Q, W_K and W_V are there and not used: queries, keys and values are cut into heads as they come.",
        but(project=lambda m, *given: given),
    ),
    Mistake(
        "values_not_projected",
        "The values are not multiplied by W_V; only queries and keys are projected.",
        type("Wrong", (Ours,), {"names": ("W_Q", "W_K", "W_O"), "project": lambda m, q, k, v: (m.W_Q(q), m.W_K(k), v)}),
    ),
    Mistake(
        "one_matrix_for_three",
        "One matrix makes queries, keys and values. Then what a word asks for and what it offers is the same, and "
        "each finds itself. They need three.",
        Shared,
    ),
    Mistake(
        "the_same_layer_four_times",
        "`[layer] * 4` is one layer, named four times: all four projections share their weights. Make four, "
        "`[nn.Linear(...) for _ in range(4)]`.",
        Cloned,
    ),
    Mistake(
        "one_matrix_for_keys_and_values",
        "Keys and values come from the same matrix, and there is none for the values. What a word is found by and "
        "what it then gives need not be the same.",
        type(
            "Wrong",
            (Ours,),
            {"names": ("W_Q", "W_K", "W_O"), "project": lambda m, q, k, v: (m.W_Q(q), m.W_K(k), m.W_K(v))},
        ),
    ),
    Mistake(
        "one_matrix_for_queries_and_keys",
        "Queries and keys come from the same matrix. Then the scores are symmetric: a verb cannot look for its noun "
        "without being found by it.",
        type(
            "Wrong",
            (Ours,),
            {"names": ("W_Q", "W_V", "W_O"), "project": lambda m, q, k, v: (m.W_Q(q), m.W_Q(k), m.W_V(v))},
        ),
        source="shared-QK attention of the Reformer",
        convention=True,
    ),
    Mistake(
        "values_by_the_keys_matrix",
        "The values are multiplied by W_K; W_V is there and never used.",
        but(project=lambda m, q, k, v: (m.W_Q(q), m.W_K(k), m.W_K(v))),
    ),
    Mistake(
        "keys_by_the_queries_matrix",
        "The keys are multiplied by W_Q; W_K is there and never used.",
        but(project=lambda m, q, k, v: (m.W_Q(q), m.W_Q(k), m.W_V(v))),
    ),
    Mistake(
        "keys_as_values",
        "The values are made from `key`, and `value` is never used.",
        reading_inputs(lambda q, k, v: (q, k, k)),
    ),
    Mistake(
        "values_as_keys",
        "The keys are made from `value`, and `key` is never used.",
        reading_inputs(lambda q, k, v: (q, v, v)),
    ),
    Mistake(
        "query_for_all",
        "Queries, keys and values are all made from `query`. That is self-attention only; in the decoder's second "
        "attention keys and values come from the encoder.",
        reading_inputs(lambda q, k, v: (q, q, q)),
    ),
    Mistake(
        "keys_and_values_exchanged",
        "Keys are made from `value`, and values from `key`. The order of the arguments is query, key, value.",
        reading_inputs(lambda q, k, v: (q, v, k)),
        source="the order values, keys, query of some tutorials",
        convention=True,
    ),
    Mistake(
        "keys_ask_and_queries_answer",
        "The scores are transposed, or query and key exchanged: keys ask, and queries answer. Rows are queries: q "
        "times k transposed.",
        but(scores=lambda m, q, k: k @ q.mT / math.sqrt(m.d_k)),
    ),
    Mistake(
        "relu_after_projections",
        "Queries, keys and values go through a ReLU. The projections are linear; what is not linear here is the "
        "softmax.",
        of_activation(F.relu),
    ),
    Mistake(
        "relu_after_queries_and_keys",
        "Queries and keys go through a ReLU. The projections are linear; what is not linear here is the softmax.",
        of_activation(F.relu, 2),
    ),
    Mistake(
        "relu_at_the_end",
        "The output goes through a ReLU (or another function). W_O comes last; what is not linear comes in the "
        "feed-forward network.",
        output(lambda m, out, query: F.relu(out)),
    ),
    Mistake(
        "tanh_after_projections",
        "Queries, keys and values go through a tanh. The projections are linear.",
        of_activation(torch.tanh),
    ),
    # the mask
    Mistake(
        "mask_inverted",
        "The mask is read the other way round. Here True means *may be looked at*; in nn.MultiheadAttention's masks "
        "True means the opposite.",
        with_mask(lambda s, mask: ~mask),
        seen=lambda seen: explains(infinite(lambda s, mask: ~mask), seen),
        source="torch.nn.MultiheadAttention's attn_mask, against that of F.scaled_dot_product_attention",
        convention=True,
    ),
    Mistake(
        "mask_ignored",
        "The mask makes no difference: forbidden keys are looked at like all others.",
        with_mask(lambda s, mask: None),
    ),
    Mistake(
        "mask_ignored_in_training",
        "The mask is used in evaluation mode only.",
        but(hide=lambda m, s, mask: Ours.hide(m, s, None if m.training else mask)),
    ),
    Mistake(
        "mask_used_in_training_only",
        "The mask is used in training mode only. In evaluation padding is still no word.",
        but(hide=lambda m, s, mask: Ours.hide(m, s, mask if m.training else None)),
    ),
    Mistake(
        "mask_after_softmax",
        "The mask is applied to the weights, after the softmax. The forbidden keys have taken their share by then: "
        "the rows no longer sum to 1.",
        but(share=after_softmax),
    ),
    Mistake(
        "filled_after_softmax",
        "Weights, not scores, are filled with a very low number. After the softmax a forbidden weight would have to "
        "be 0; fill the scores before it.",
        but(share=after_softmax_filled),
    ),
    Mistake(
        "forbidden_scores_set_to_zero",
        "Forbidden scores are set to 0 (or nearly: by a product with the mask, by 1e-9 in place of -1e9, by "
        "`finfo.tiny`). But exp(0) = 1: a score of 0 is no refusal.",
        but(hide=lambda m, s, mask: s if mask is None else s * mask),
    ),
    Mistake(
        "forbidden_scores_raised",
        "Forbidden scores get a very large number, not a very low one: a sign is missing, and all weight goes to "
        "what is forbidden.",
        filled(1e9),
    ),
    Mistake(
        "infinity_times_zero",
        "The mask is multiplied by minus infinity. Where it is 0, the product is not 0 but NaN, and one NaN makes "
        "the whole row NaN. Use `masked_fill` or `where`.",
        but(hide=lambda m, s, mask: s if mask is None else s + (~mask).to(s.dtype) * -math.inf),
    ),
    Mistake(
        "mask_for_self_attention_only",
        "The mask is left out where keys come from elsewhere. The source has padding, too.",
        but(mix=lambda m, q, k, v, mask: Ours.mix(m, q, k, v, mask if k is q else None)),
    ),
    Mistake(
        "mask_added_to_scores",
        "The boolean mask is added to the scores, which makes permitted ones larger by 1. Adding works for masks of "
        "0 and minus infinity.",
        but(hide=lambda m, s, mask: s if mask is None else s + mask),
    ),
    Mistake(
        "mask_not_strong_enough",
        "Forbidden scores get a number that is low but not low enough: where the permitted scores are low, too, "
        "weight leaks. Use minus infinity, or the lowest number of the type.",
        filled(-10.0),
        seen=lambda seen: leaks(seen),
    ),
    Mistake(
        "mask_transposed",
        "The last two axes of the mask are exchanged: what it says about query i and key j is taken for query j and "
        "key i. Rows are queries.",
        with_mask(square_transposed),
        seen=lambda seen: explains(infinite(square_transposed), seen),
    ),
    Mistake(
        "mask_transposed_always",
        "The last two axes of the mask are exchanged. Rows are queries: it comes as (..., T_q, T_k) and fits the "
        "scores.",
        with_mask(lambda s, mask: mask.mT if mask.dim() > 1 else mask),
    ),
    Mistake(
        "mask_of_two_axes_taken_for_padding",
        "A mask of two axes is taken for one (B, T_k). The last two axes of a mask are always queries and keys; one "
        "about sentences comes as (B, 1, 1, T_k).",
        but(hide=two_axes_are_padding),
    ),
    Mistake(
        "mask_gets_an_axis_too_many",
        "`mask.unsqueeze(1)` is right for masks (B, T_q, T_k) only. Here masks come ready to be broadcast to "
        "(B, h, T_q, T_k): use them as they are.",
        but(hide=mask_unsqueezed),
        source="The Annotated Transformer, whose masks are (B, T_q, T_k)",
        convention=True,
    ),
    Mistake(
        "mask_of_the_first_query",
        "The first row of the mask is used for all queries. That is enough for padding; a causal mask differs by row.",
        with_mask(lambda s, mask: mask[..., :1, :]),
    ),
    Mistake(
        "mask_of_the_last_query",
        "The last row of the mask is used for all queries. That is enough for padding; a causal mask differs by row.",
        with_mask(lambda s, mask: mask[..., -1:, :]),
    ),
    Mistake(
        "mask_of_the_first_sentence",
        "The mask of the first sentence is used for the whole batch. The sentences have different lengths.",
        with_mask(lambda s, mask: mask[:1] if mask.dim() == 4 else mask),
    ),
    Mistake(
        "mask_of_the_first_head",
        "Where a mask differs by head, that of the first head is used for all.",
        with_mask(lambda s, mask: mask[..., :1, :, :] if mask.dim() > 2 else mask),
    ),
    Mistake(
        "first_head_masked_only",
        "Only the first head is masked; the others see everything.",
        but(hide=first_head_masked),
    ),
    Mistake(
        "single_query_not_masked",
        "With a single query the mask is left out. One step of decoding needs no causal mask, but padding is still "
        "padding.",
        with_mask(lambda s, mask: None if s.size(-2) == 1 else mask),
    ),
    Mistake(
        "always_causal",
        "Later keys are forbidden though no mask says so. The encoder sees the whole sentence: what is forbidden is "
        "for the caller to say.",
        seen=lambda seen: any(explains(make, seen) for make in CAUSAL_WITHOUT_MASK),
    ),
    Mistake(
        "causal_whatever_the_mask",
        "Later keys are forbidden, whatever the mask says. The encoder sees the whole sentence: what is forbidden is "
        "for the caller to say.",
        seen=lambda seen: any(explains(make, seen) for make in CAUSAL_ALWAYS),
    ),
    Mistake(
        "values_masked",
        "The mask is laid on the values, not on the scores: a forbidden key still takes its share of the weights.",
        but(heads=hidden_values),
    ),
    Mistake(
        "values_masked_too",
        "The scores are masked, and the values as well, by one row of the mask. What one query may not see another "
        "may: the weights are enough.",
        but(heads=hidden_values_too),
    ),
    # dropout
    Mistake(
        "no_dropout",
        "The dropout is not used.",
        seen=dropout_told("in training", "nothing is dropped"),
    ),
    Mistake(
        "dropout_on_the_output",
        "Dropout is put on the output. That is the sub-layer connection's; here it belongs on the weights.",
        seen=dropout_told("what is dropped", "features of the output"),
    ),
    Mistake(
        "dropout_on_weights_and_output",
        "Dropout is put on the weights, and on the output as well. The second is the sub-layer connection's.",
        seen=dropout_told("what is dropped", "features of the output, and more"),
    ),
    Mistake(
        "dropout_on_scores",
        "Dropout is put on scores, queries or keys, before the softmax. A score of 0 is an ordinary score; what "
        "should be dropped is a weight, after the softmax.",
        seen=dropout_told("what is dropped", "nothing: the weights are others"),
    ),
    Mistake(
        "dropout_on_values",
        "The values are dropped, not the weights.",
        seen=dropout_told("what is dropped", "values"),
    ),
    Mistake(
        "dropout_on_joined_heads",
        "Dropout is put on what the heads found, before W_O. It belongs on the weights.",
        seen=dropout_told("what is dropped", "features of the heads' results"),
    ),
    Mistake(
        "dropout_before_the_scores",
        "Dropout is put on the inputs, or on queries, keys and values. It belongs on the weights, after the softmax.",
        seen=dropout_told("what is dropped", "something else"),
    ),
    Mistake(
        "dropout_twice_on_the_weights",
        "The weights go through dropout twice, so more of them are dropped than was asked for.",
        seen=dropout_told("the others are multiplied by", "1 / (1 - p), twice"),
    ),
    Mistake(
        "dropout_not_scaled",
        "Weights are dropped and the others left as they are. They must be divided by 1 - p, so that the mean stays "
        "the same in training and evaluation.",
        seen=dropout_told("the others are multiplied by", "1"),
    ),
    Mistake(
        "dropout_scaled_down",
        "What is left is multiplied by 1 - p, where it should be divided by it: so that the mean stays the same.",
        seen=dropout_told("the others are multiplied by", "1 - p"),
    ),
    Mistake(
        "normalised_after_dropout",
        "After dropout the rows are brought back to a sum of 1. Dropout keeps the sum in the mean already, by its "
        "factor 1 / (1 - p).",
        seen=dropout_told("the others are multiplied by", "what makes rows sum to 1"),
    ),
    Mistake(
        "dropout_taken_for_share_kept",
        "The number given is taken for the share that is kept. It is the share that is dropped.",
        seen=dropout_told("share that is dropped", f"about {1 - P:.0%}"),
        source="keep_prob of TensorFlow 1",
        convention=True,
    ),
    Mistake(
        "same_dropout_in_all_heads",
        "One pattern is drawn and used in all heads. Each weight is dropped for itself.",
        seen=dropout_told("the same for all", ["heads"]),
    ),
    Mistake(
        "same_dropout_in_all_sentences",
        "One pattern is drawn and used in all sentences. Each weight is dropped for itself.",
        seen=dropout_told("the same for all", ["sentences"]),
    ),
    Mistake(
        "same_dropout_for_all_queries",
        "One pattern is drawn and used for all queries: keys are dropped, not weights. Each weight is dropped for "
        "itself.",
        seen=dropout_told("the same for all", ["queries"]),
    ),
    Mistake(
        "heads_dropped",
        "Whole heads are dropped, not single weights.",
        seen=dropout_told("the same for all", ["queries", "keys"]),
    ),
    # the rest of the layer
    Mistake(
        "time_before_batch",
        "The result comes as (T, B, d_model). Here the batch comes first, in the output as in the inputs.",
        output(lambda m, out, query: out.transpose(0, 1)),
        source="the default of torch.nn.MultiheadAttention, batch_first=False",
        convention=True,
    ),
    Mistake(
        "residual_inside",
        "The query is added to the output. The residual connection belongs to the sub-layer connection around it.",
        output(lambda m, out, query: query + out),
    ),
    Mistake(
        "normalised_at_the_end",
        "The output is normalised (with the query added to it, perhaps). Layer normalisation belongs to the sub-layer "
        "connection around it, and so does the residual.",
        output(lambda m, out, query: norm(out)),
        seen=lambda seen: normalised(seen),
    ),
)

EXERCISES = [
    Exercise(
        "MultiHeadAttention",
        Card(
            3,
            25,
            "Several things are looked for at once, each in a subspace of its own.",
            "04_multi_head_attention",
            "heads",
        ),
        Reference,
        PROBES,
        MISTAKES,
        (
            "How many features does each head have, and what is the shape of the queries once the heads have an axis "
            "of their own? Which axes does your attention function leave alone?",
            "Project (three matrices d_model x d_model), cut (B, T, d_model) into (B, T, h, d_k), exchange the axes to "
            "(B, h, T, d_k), attend, exchange back, put the heads next to each other, multiply by W_O.",
            "`q = W_Q(query).unflatten(-1, (h, d_k)).transpose(1, 2)`, the same for k and v; `heads, _ = "
            "scaled_dot_product_attention(q, k, v, mask, dropout)`; `return W_O(heads.transpose(1, 2).flatten(2))`.",
        ),
        layouts=layouts,
        forbidden=("*multi_head_attention*", "*_native_multi_head_attention*", "*transformer_encoder_layer*"),
        forbidden_modules=("nn.MultiheadAttention", "nn.TransformerEncoderLayer", "nn.TransformerDecoderLayer"),
    )
]
