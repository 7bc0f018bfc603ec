"""The position-wise feed-forward network (3.3)."""

import math
from collections.abc import Callable, Iterator
from itertools import permutations, product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.exercises.catalogue.own_weights import (
    SUPER_FORGOTTEN,
    as_matrix,
    count,
    failed,
    gradients_by_name,
    inside,
    learn,
    shapes,
    sizes,
    squeezed,
)
from course_lib.exercises.exercise import Card, Exercise, Mistake, Observation, Observations, Probe, Weights
from course_lib.exercises.trial import Trial, random, tensors
from course_lib.feed_forward import PositionwiseFeedForward

D, F_ = 3, 8  # d_model and d_ff of most probes
NARROW = (9, 4)  # fewer hidden units than features: then W_2 can be undone, and the hidden units seen
P = 0.35  # a share that nobody writes down by chance

State = dict[str, Tensor]


# --- which of the learner's weights is which ---


def layouts(weights: Weights, args: tuple) -> dict[str, State]:
    """Every way in which the weights may be W_1, b_1, W_2, b_2; what is too much is left over as extra."""
    d_model, d_ff = args[:2]
    given = [weight for _, weight in weights]
    found: dict[str, State] = {}
    for name, pieces in arrangements(given, d_model, d_ff):
        for label, state in assigned(pieces, d_model, d_ff):
            found.setdefault(name + label, state)
    if not found and 4 < len(given) <= 9:
        for name, pieces, extra in without_some(given):
            for label, state in assigned(pieces, d_model, d_ff):
                found[name + label] = {**state, **{f"extra_{i}": one for i, one in enumerate(extra)}}
    return found


def arrangements(given: list[Tensor], d_model: int, d_ff: int) -> Iterator[tuple[str, list[Tensor]]]:
    """As registered; with joint parameters taken apart; and, of blocks one after the other, part by part."""
    yield "", given
    for name, take_apart in (("bias last", bias_last), ("bias first", bias_first)):
        pieces = [piece for weight in given for piece in take_apart(weight, d_model, d_ff)]
        if len(pieces) > len(given):
            yield f"{name}: ", pieces
            for i, one in enumerate(pieces):  # both biases in one row of numbers
                if one.dim() == 1 and one.numel() == d_model + d_ff:
                    for size in (d_ff, d_model):
                        yield f"{name}, {size == d_ff}: ", [*pieces[:i], one[:size], one[size:], *pieces[i + 1 :]]
    for i, one in enumerate(given):
        if one.numel() == d_model + d_ff:
            row = one.flatten()
            for size in (d_ff, d_model):
                yield f"biases joined, {size == d_ff}: ", [*given[:i], row[:size], row[size:], *given[i + 1 :]]
    if len(given) == 1 and given[0].numel() == 2 * d_model * d_ff + d_model + d_ff:
        both = d_model * d_ff
        row = given[0].flatten()
        yield "one row, biases between: ", list(row.split([both, d_ff, both, d_model]))
        yield "one row, biases last: ", list(row.split([both, both, d_ff, d_model]))
    for name, pieces in part_by_part(given):
        yield name, pieces


def bias_last(weight: Tensor, d_model: int, d_ff: int) -> list[Tensor]:
    return taken_apart(weight, d_model, d_ff, last=True)


def bias_first(weight: Tensor, d_model: int, d_ff: int) -> list[Tensor]:
    return taken_apart(weight, d_model, d_ff, last=False)


def taken_apart(weight: Tensor, d_model: int, d_ff: int, last: bool) -> list[Tensor]:
    """Two stacked matrices, or a matrix with one row or column more, its bias."""
    shape = squeezed(weight)
    weight = weight.reshape(shape)
    if weight.dim() == 3 and shape[0] == 2 and set(shape[1:]) == {d_model, d_ff}:
        return [weight[0], weight[1]]
    if shape in {(2 * d_ff, d_model), (2 * d_model, d_ff)}:
        return list(weight.chunk(2))
    for matrix in (weight, weight.mT) if weight.dim() == 2 else ():
        if tuple(matrix.shape) in {(d_ff, d_model + 1), (d_model, d_ff + 1)}:
            return [matrix[:, :-1], matrix[:, -1]] if last else [matrix[:, 1:], matrix[:, 0]]
    return [weight]


def part_by_part(given: list[Tensor]) -> Iterator[tuple[str, list[Tensor]]]:
    """Blocks of hidden units, each with weights of its own: the first weight of all blocks, then the second, ..."""
    for before, after in product(range(3), range(3)):
        middle = given[before : len(given) - after]
        for period in range(2, min(4, len(middle) // 2) + 1):
            if len(middle) % period == 0 and all(
                middle[i].shape[-1:] == middle[i % period].shape[-1:] and middle[i].dim() == middle[i % period].dim()
                for i in range(len(middle))
            ):
                regrouped = [one for part in range(period) for one in middle[part::period]]
                yield (
                    f"blocks of {period} after {before}: ",
                    [*given[:before], *regrouped, *given[len(given) - after :]],
                )


def without_some(given: list[Tensor]) -> Iterator[tuple[str, list[Tensor], list[Tensor]]]:
    """Four are kept: those left out stand side by side, the last ones most likely."""
    extra = len(given) - 4
    for start in range(4, -1, -1):
        yield f"without {start}: ", given[:start] + given[start + extra :], given[start : start + extra]


def assigned(pieces: list[Tensor], d_model: int, d_ff: int) -> Iterator[tuple[str, State]]:
    """The pieces in their order, as runs that fill the four weights."""
    wanted = {"W_1": (d_ff, d_model), "b_1": (d_ff,), "W_2": (d_model, d_ff), "b_2": (d_model,)}
    ends = [0]
    for piece in pieces:
        ends.append(ends[-1] + piece.numel())
    if ends[-1] != sum(math.prod(shape) for shape in wanted.values()):
        return
    for order in permutations(wanted):
        start, parts = 0, []
        for name in order:
            stop = start + math.prod(wanted[name])
            if stop not in ends:
                break
            run = [piece for piece, at in zip(pieces, ends, strict=False) if start <= at < stop]
            parts.append(list(joined(run, wanted[name])))
            start = stop
        if len(parts) < 4:
            continue
        for choice in product(*parts):
            by_name = {name: tensor for name, (_, tensor) in zip(order, choice, strict=True)}
            yield (
                f"{' '.join(order)} ({', '.join(label for label, _ in choice)})",
                {
                    "W_1.weight": by_name["W_1"],
                    "W_1.bias": by_name["b_1"],
                    "W_2.weight": by_name["W_2"],
                    "W_2.bias": by_name["b_2"],
                },
            )


def joined(run: list[Tensor], shape: tuple[int, ...]) -> Iterator[tuple[str, Tensor]]:
    """All ways in which these tensors, side by side, have this shape."""
    if len(shape) == 1:
        yield "", torch.cat([one.flatten() for one in run])
        return
    run = [as_matrix(one) for one in run]
    if len(run) == 1 and 1 in (run[0].dim(), *run[0].shape):
        run = [run[0].flatten()]
        yield "row", run[0].view(shape)
        yield "row of columns", run[0].view(shape[::-1]).mT
        return
    if len(run) == 1 and run[0].dim() == 3:
        for axis, size in enumerate(run[0].shape):
            if size == shape[1]:
                yield f"blocks, {axis} last", run[0].movedim(axis, -1).reshape(shape)
            if size == shape[0]:
                yield f"blocks, {axis} first", run[0].movedim(axis, 0).reshape(shape)
        return
    if len({one.dim() for one in run}) > 1:  # of blocks of unequal size one may have lost an axis
        return
    ways: list[tuple[str, Callable]] = [
        ("one below the other", lambda: torch.cat(run) if run[0].dim() == 2 else torch.stack(run))
    ]
    if len(run) > 1 and run[0].dim() == 2:
        ways.append(("side by side", lambda: torch.cat(run, 1)))
    for name, join in ways:
        try:
            matrix = join()
        except RuntimeError:
            continue
        if matrix.shape == shape:
            yield name, matrix
        elif matrix.mT.shape == shape:
            yield f"{name}, transposed", matrix.mT


# --- the probes ---


def made(trial: Trial) -> Observation:
    """Only built: what can be seen of a module that cannot run."""
    one, two = trial.build(D, F_, 0.0), trial.build(*NARROW, 0.0)
    seen = trial.seen(numbers_that_are_trained=[count(one), count(two)])
    return {**seen, "_inside": inside(one), "_frozen": sum(not w.requires_grad for w in one.parameters())}


def once(trial: Trial, x: Tensor, *args: Any, train: bool = False) -> Observation:
    """One module, one input."""
    module = trial.build(*(args or (D, F_, 0.0)), train=train)
    return trial.seen(out=tensors(trial.call(module, x), 1)[0])


def plain(trial: Trial) -> Observation:
    return once(trial, random(1, 2, D))


def batch(trial: Trial) -> Observation:
    return once(trial, random(4, 5, NARROW[0], seed=10), *NARROW, 0.0)


def one_token(trial: Trial) -> Observation:
    return once(trial, random(1, 1, D, seed=20))


def two_inputs(trial: Trial) -> Observation:
    """The same module again and again."""
    module = trial.build(D, F_, 0.0)
    first, second, third = random(2, 3, D, seed=30), random(2, 3, D, seed=31), random(3, 2, D, seed=32)
    outs = [tensors(trial.call(module, x), 1)[0] for x in (first, second, third)]
    again = bool(torch.equal(outs[0], outs[1]))
    return trial.seen(a_second_input="gets the first one's answer" if again else "gets its own answer", out=outs)


def large(trial: Trial) -> Observation:
    return once(trial, 20 * random(2, 4, D, seed=40))


def long(trial: Trial) -> Observation:
    return once(trial, random(1, 150, D, seed=45))


def evaluation(trial: Trial) -> Observation:
    return once(trial, random(2, 3, D, seed=50), D, F_, P)


def training(trial: Trial) -> Observation:
    return once(trial, random(2, 3, D, seed=55), train=True)


def after_training(trial: Trial) -> Observation:
    """A few rounds of training mode without a step must leave no trace."""
    module, x = trial.build(*NARROW, P), random(2, 4, NARROW[0], seed=60)
    before = tensors(trial.once(module, x), 1)[0].detach().clone()
    module.train()
    for i in range(3):
        trial.once(module, 1 + 3 * random(2, 4, NARROW[0], seed=61 + i))
    module.eval()
    after = tensors(trial.once(module, x), 1)[0]
    same = before.shape == after.shape and torch.allclose(before, after, atol=1e-5)
    return trial.seen(after_training="the same as before" if same else "another answer than before", out=after)


def views(trial: Trial) -> Observation:
    """Not contiguous: sentences and positions exchanged; and one position shown four times."""
    module = trial.build(D, F_, 0.0)
    crossed = random(4, 2, D, seed=70).transpose(0, 1)
    repeated = random(2, 1, D, seed=71).expand(2, 4, D)
    return trial.seen(out=[tensors(trial.call(module, x), 1)[0] for x in (crossed, repeated)])


def double(trial: Trial) -> Observation:
    module = trial.build(D, F_, 0.0).double()
    return trial.seen(out=tensors(trial.call(module, random(2, 3, D, seed=80, dtype=torch.float64)), 1)[0])


def gradient(trial: Trial) -> Observation:
    module, x = trial.build(D, F_, 0.0, train=True), random(2, 6, D, seed=90, grad=True)
    out = tensors(trial.once(module, x), 1)[0]
    learned = learn(module, out)
    return {**trial.seen(gradient_of_x=x.grad), **learned}


def many(seed: int = 100) -> Tensor:
    """Enough for a share to be known within a few hundredths."""
    return random(10, 120, NARROW[0], seed=seed)


def few() -> Tensor:
    return random(3, 8, NARROW[0], seed=105)


def with_dropout(trial: Trial) -> Observation:
    """One call with many numbers, for shares; and several with few, to see what is drawn anew."""
    module = trial.build(*NARROW, P, train=True)
    out = tensors(trial.once(module, many()), 1)[0].detach()
    calls = [tensors(trial.once(module, few()), 1)[0].detach() for _ in range(6)]
    return {**trial.seen(), "_out": out, "_calls": torch.stack(calls)}


def bf16(trial: Trial) -> Observation:
    module = trial.build(D, F_, 0.0).bfloat16()
    return trial.seen(out=tensors(trial.call(module, random(2, 3, D, seed=110, dtype=torch.bfloat16)), 1)[0])


def huge(trial: Trial) -> Observation:
    return once(trial, 1e6 * random(2, 3, D, seed=120))


# --- what was dropped, found out from the output ---


def read_dropout(observation: Observation, states: list[State]) -> Observation:
    """In words, for chance differs: where the dropout is, how much it drops, and by what it scales the rest."""
    out, calls = observation.get("_out"), observation.get("_calls")
    if not states or not isinstance(out, Tensor) or not isinstance(calls, Tensor):
        return observation
    return {**observation, **what_is_dropped(out.double(), calls.double(), states[0])}


def what_is_dropped(out: Tensor, calls: Tensor, state: State) -> Observation:
    x = many().double()
    if out.shape != x.shape or calls.shape[1:] != few().shape:
        return {"what is dropped": "not to be seen"}
    w_1, b_1, w_2, b_2 = (state[f"W_{i}.{kind}"].double() for i in (1, 2) for kind in ("weight", "bias"))
    undone = torch.linalg.pinv(w_2).mT
    hidden = (x @ w_1.mT + b_1).relu()
    full = hidden @ w_2.mT + b_2
    if torch.allclose(out, full, atol=1e-4, rtol=1e-3):
        return {"what is dropped": "nothing"}
    seen = (out - b_2) @ undone
    explained = torch.allclose(seen @ w_2.mT + b_2, out, atol=1e-3, rtol=1e-3)
    if explained and (found := multiple(seen, hidden)):
        again = (few().double() @ w_1.mT + b_1).relu().expand(*calls.shape[:-1], -1)
        pattern = drawn(multiple((calls - b_2) @ undone, again))
        return {"what is dropped": HIDDEN, "drawn": pattern, **(in_words(*found) if pattern == EACH else {})}
    if multiple(out, full):
        return {"what is dropped": "the output"}
    if multiple(out - b_2, full - b_2):
        return {"what is dropped": "the output, before b_2 is added"}
    if explained and before_the_bias(seen, x @ w_1.mT, b_1):
        return {"what is dropped": "W_1 x, before b_1 is added"}
    if (out.abs() < 1e-6).double().mean() > 0.05:
        return {"what is dropped": "the output, and not only that"}
    return {"what is dropped": from_dropped_input(out, x, state)}


def multiple(seen: Tensor, full: Tensor) -> tuple[Tensor, Tensor, float] | None:
    """Whether `seen` is `full` with some entries dropped and the rest times one number: (known, kept, number)."""
    known = full.abs() > 0.05
    if bool((seen[full == 0].abs() > 1e-3).any()):
        return None
    ratio = torch.where(known, seen, 0.0) / torch.where(known, full, 1.0)
    kept = known & (ratio.abs() > 0.02)
    if not kept.any():
        return known, kept, 0.0
    factor = ratio[kept].median()
    even = ((ratio[kept] - factor).abs() < 0.02 * factor.abs()).all()
    return (known, kept, float(factor)) if even else None


def in_words(known: Tensor, kept: Tensor, factor: float) -> Observation:
    n = int(known.sum())
    share = 1 - float(kept.sum()) / n
    asked = abs(share - P) < 5 * math.sqrt(P * (1 - P) / n)
    scale = "1 / (1 - p)" if abs(factor - 1 / (1 - P)) < 0.01 else f"{factor:.2f}"
    about = "as asked" if asked else f"about {round(20 * share) / 20:.2f}"
    return {"the share that is dropped": about, "the rest is multiplied by": scale}


HIDDEN = "the hidden units, after the ReLU"
EACH = "each hidden unit at each position by itself"
PATTERNS = {  # axes of (call, sentence, position, unit) along which there is but one draw
    (0,): "the same at each call",
    (1, 2): "the same units at all positions",
    (2,): "the same units at all positions of a sentence",
    (1,): "the same for all sentences",
    (2, 3): "whole sentences",
    (3,): "whole positions",
}


def drawn(found: tuple[Tensor, Tensor, float] | None) -> str:
    if found is None:
        return "not to be seen"
    known, kept, _ = found
    for axes, words in PATTERNS.items():
        some_kept = (kept & known).sum(axes) > 0
        some_dropped = (~kept & known).sum(axes) > 0
        if not bool((some_kept & some_dropped).any()):
            return words
    return EACH


def before_the_bias(seen: Tensor, product_: Tensor, b_1: Tensor) -> bool:
    """Whether each hidden unit is relu(b_1) or relu(c W_1 x + b_1)."""
    options = [b_1.relu().expand_as(seen), *((c * product_ + b_1).relu() for c in (1.0, 1 / (1 - P)))]
    return bool(torch.stack([(seen - one).abs() < 1e-3 for one in options]).any(0).all())


def from_dropped_input(out: Tensor, x: Tensor, state: State, positions: int = 4) -> str:
    """Whether the first positions come from inputs some of whose features are 0: all choices are tried."""
    w_1, b_1, w_2, b_2 = (state[f"W_{i}.{kind}"].double() for i in (1, 2) for kind in ("weight", "bias"))
    width = x.size(-1)
    masks = (torch.arange(2**width)[:, None] >> torch.arange(width) & 1).double()
    seen = ((out[0, :positions] - b_2) @ torch.linalg.pinv(w_2).mT)[:, None]
    for scale in (1 / (1 - P), 1.0):
        tried = ((scale * masks * x[0, :positions, None]) @ w_1.mT + b_1).relu()
        as_is = (tried - seen).abs() < 1e-3
        if bool(as_is.all(-1).any(1).all()):
            return "the input"
        dropped_too = (seen.abs() < 1e-3) | ((tried * scale - seen).abs() < 1e-3)
        if bool(dropped_too.all(-1).any(1).all()):
            return "the input, and the hidden units"
    return "not to be seen"


PROBES = (
    Probe("made", made, "It does not have the weights W_1, b_1, W_2 and b_2."),
    Probe(
        "plain",
        plain,
        "The result is not that of equation (2).",
        f"d_model = {D}, d_ff = {F_}, x (1, 2, {D}) and no dropout",
    ),
    Probe(
        "batch", batch, "With a batch, and other sizes, the result is not right.", "d_model = 9, d_ff = 4, x (4, 5, 9)"
    ),
    Probe(
        "gradient", gradient, "The gradient does not flow back as it should.", f"x (2, 6, {D})", read=gradients_by_name
    ),
    Probe("one token", one_token, "With a single token the result is not right.", f"x (1, 1, {D})"),
    Probe("large", large, "With larger numbers the result is not right.", f"x (2, 4, {D}), 20 times as large"),
    Probe("two inputs", two_inputs, "When it is called more than once, the result is not right.", "three inputs"),
    Probe("long", long, "With a long sentence the result is not right.", f"x (1, 150, {D})"),
    Probe("evaluation", evaluation, "In evaluation dropout should do nothing.", f"dropout {P}, after .eval()"),
    Probe("training", training, "In training with dropout 0 the result is not right.", "dropout 0, after .train()"),
    Probe(
        "dropout", with_dropout, "In training the dropout is not what it should be.", f"dropout {P}", read=read_dropout
    ),
    Probe(
        "after training", after_training, "Training mode changes what evaluation gives.", "one module, in both modes"
    ),
    Probe("views", views, "With an input that is not contiguous the result is not right.", "a transposed tensor"),
    Probe(
        "float64",
        double,
        "In double precision the result is not right.",
        "float64 weights and input",
        atol=1e-9,
        rtol=1e-9,
    ),
    Probe("huge", huge, "numbers in the millions give something else", "x in the millions", robust=True),
    Probe("bfloat16", bf16, "bfloat16 gives something else", "bfloat16", robust=True, atol=0.05, rtol=0.05),
)


# --- the known mistakes: wrong variants ---


class Wrong(PositionwiseFeedForward):
    """The reference in pieces, to be changed one at a time."""

    def activation(self, h: Tensor) -> Tensor:
        return h.relu()

    def hidden(self, x: Tensor) -> Tensor:
        return self.dropout(self.activation(self.W_1(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self.W_2(self.hidden(x))


def but(**methods: Callable[..., Any]) -> type[Wrong]:
    """Right but for these methods."""
    return type("Variant", (Wrong,), dict(methods))


def with_activation(function: Callable[[Tensor], Tensor]) -> type[Wrong]:
    return but(activation=lambda self, h: function(h))


def with_forward(function: Callable[[Wrong, Tensor], Any]) -> type[Wrong]:
    return but(forward=function)


def normalised(x: Tensor, axis: int = -1) -> Tensor:
    return (x - x.mean(axis, keepdim=True)) / (x.var(axis, unbiased=False, keepdim=True) + 1e-5).sqrt()


class WithNorm(Wrong):
    """A layer normalisation somewhere; gain and bias are those that the learner has too many, if any."""

    place = "output"

    def __init__(self, d_model: int, d_ff: int, dropout: float) -> None:
        super().__init__(d_model, d_ff, dropout)
        width = d_ff if self.place.startswith("hidden") else d_model
        self.register_buffer("extra_0", torch.ones(width))
        self.register_buffer("extra_1", torch.zeros(width))

    def load_state_dict(self, state_dict: Any, *args: Any, **options: Any) -> Any:
        """Where the learner's are trained, so are these."""
        for name in ("extra_0", "extra_1"):
            if name in state_dict:
                delattr(self, name)
                self.register_parameter(name, nn.Parameter(state_dict[name].clone()))
        return super().load_state_dict(state_dict, *args, **options)

    def norm(self, x: Tensor) -> Tensor:
        return normalised(x) * self.extra_0 + self.extra_1  # type: ignore[operator]

    def forward(self, x: Tensor) -> Tensor:
        if self.place == "hidden":
            return self.W_2(self.dropout(self.norm(self.W_1(x)).relu()))
        if self.place == "hidden, after the ReLU":
            return self.W_2(self.dropout(self.norm(self.W_1(x).relu())))
        if self.place == "input":
            return super().forward(self.norm(x))
        if self.place == "sub-layer":
            return self.norm(x + super().forward(x))
        if self.place == "input, and the residual":
            return x + super().forward(self.norm(x))
        return self.norm(super().forward(x))


def norm_at(place: str) -> type[WithNorm]:
    return type("Variant", (WithNorm,), {"place": place})


def bias_after_relu(self: Wrong, x: Tensor) -> Tensor:
    return self.dropout(F.linear(x, self.W_1.weight).relu() + self.W_1.bias)


def biases_unused(self: Wrong, x: Tensor) -> Tensor:
    return F.linear(self.dropout(F.linear(x, self.W_1.weight).relu()), self.W_2.weight)


def first_bias_unused(self: Wrong, x: Tensor) -> Tensor:
    return self.W_2(self.dropout(F.linear(x, self.W_1.weight).relu()))


def second_bias_unused(self: Wrong, x: Tensor) -> Tensor:
    return F.linear(self.hidden(x), self.W_2.weight)


class Straight(torch.autograd.Function):
    """A ReLU whose gradient is that of the identity."""

    @staticmethod
    def forward(ctx: Any, h: Tensor) -> Tensor:
        return h.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def shifted(x: Tensor, by: int) -> Tensor:
    """Each position's neighbour."""
    return F.pad(x, (0, 0, by, 0))[:, : x.size(1)] if by > 0 else F.pad(x, (0, 0, 0, -by))[:, -by:]


# --- signs ---


def parts(seen: Observations) -> tuple[list[tuple[int, ...]], int, int]:
    """The shapes of the first module's weights, d_model and d_ff."""
    d_model, d_ff = sizes(seen, "made")[0][:2]
    return shapes(seen, "made")[0], d_model, d_ff


def matrices(seen: Observations) -> int:
    found, d_model, d_ff = parts(seen)
    return sum(sorted(shape) == sorted((d_model, d_ff)) for shape in found)


def biases(seen: Observations) -> list[int]:
    """Sizes of what is a row of numbers."""
    return [shape[0] if shape else 1 for shape in parts(seen)[0] if len(shape) < 2]


def only_biases(*wanted: int) -> Callable[[Observations], bool]:
    """Two matrices, and these rows of numbers alone (no list of numbers in a buffer)."""
    return lambda seen: (
        matrices(seen) == 2
        and len(parts(seen)[0]) == 2 + len(wanted)
        and sorted(biases(seen)) == sorted(wanted)
        and not buffers(seen)
    )


def buffers(seen: Observations) -> list[int]:
    return [int(str(one).split()[1]) for one in seen["made"]["_inside"] if str(one).startswith("buffer")]  # type: ignore[union-attr]


def biases_as_buffers(seen: Observations) -> bool:
    return matrices(seen) == 2 and len(parts(seen)[0]) < 4 and bool({D, F_} & set(buffers(seen)))


def untrained(seen: Observations) -> bool:
    """No weights, or too few, and some that are kept where nobody finds them."""
    held = {"modules", "tensor"} & set(seen["made"]["_inside"])  # type: ignore[arg-type]
    return bool(held) and count_seen(seen) < 2 * D * F_ + D + F_


def count_seen(seen: Observations) -> int:
    return sum(math.prod(shape) for shape in parts(seen)[0])


def made_in_forward(seen: Observations) -> bool:
    return count_seen(seen) == 0 and "answers differently the second time" in seen["plain"]


def gated(seen: Observations) -> bool:
    found = parts(seen)[0]
    third = matrices(seen) == 3 or any(sorted(shape) == [D, 2 * F_] for shape in found)
    return third and not tells_positions_apart(seen)


def tells_positions_apart(seen: Observations) -> bool:
    """The same vector at each position, and not the same answer; with more weights than two matrices and biases."""
    outs = seen["views"]["out"]
    assert isinstance(outs, list)
    repeated = outs[1]
    assert isinstance(repeated, Tensor)
    return len(parts(seen)[0]) > 4 and not torch.allclose(repeated, repeated[:, :1], atol=1e-4)


def more_layers(seen: Observations) -> bool:
    found = parts(seen)[0]
    square = [shape for shape in found if shape in {(F_, F_), (D, D)}]
    return (matrices(seen) >= 2 and bool(square)) or matrices(seen) > 3


def wide_kernel(seen: Observations) -> bool:
    return any(len(shape) == 3 and {D, F_} <= set(shape) and shape[-1] in {2, 3, 5, 7} for shape in kernels(seen))


def kernels(seen: Observations) -> list[tuple[int, ...]]:
    return [tuple(w.shape) for w in seen["made"]["_built"][0]["weights"] if w.dim() == 3]  # type: ignore[union-attr, index, call-overload]


def other_width(seen: Observations) -> bool:
    """The inner width is the same multiple of d_model in both modules."""
    one, two = (widths(seen, i) for i in (0, 1))
    return any(4 * D in shape for shape in one) and any(4 * NARROW[0] in shape for shape in two)


def widths(seen: Observations, i: int) -> list[tuple[int, ...]]:
    return [shape for shape in shapes(seen, "made")[i] if len(shape) == 2]


def fixed_width(seen: Observations) -> bool:
    """A size that both modules have, though none of their arguments is that."""
    one, two = ({size for shape in widths(seen, i) for size in shape} for i in (0, 1))
    return bool((one & two) - {D, F_, *NARROW})


def no_inner_width(seen: Observations) -> bool:
    return bool(widths(seen, 0)) and all(shape == (D, D) for shape in widths(seen, 0))


def sizes_swapped(seen: Observations) -> bool:
    return matrices(seen) == 2 and biases(seen) == [D, F_] and "error" in seen["plain"]


def does_not_fit(seen: Observations) -> bool:
    words = (
        "shapes cannot be multiplied",
        "size mismatch",
        "must match the size",
        "subscript",
        "inconsistent tensor size",
    )
    return failed(seen, "plain", *words, "same size", "expected input", "doesn't broadcast") and matrices(seen) > 0


def bias_by_position(seen: Observations) -> bool:
    found = [shape for shape in parts(seen)[0] if len(shape) == 2 and sorted(shape) != sorted((D, F_))]
    return matrices(seen) == 2 and any(shape[-1] in {D, F_} and shape[0] > 9 for shape in found)


def single_number(seen: Observations) -> bool:
    return matrices(seen) == 2 and 1 in biases(seen)


def batch_norm(seen: Observations) -> bool:
    """Two running averages, and beside them a gain and a bias, or the count of batches."""
    averages = any(buffers(seen).count(size) == 2 for size in (D, F_))
    return averages and (1 in buffers(seen) or len(parts(seen)[0]) >= 6)


def tied(seen: Observations) -> bool:
    return matrices(seen) == 1 and sorted(biases(seen)) in ([D], [D, F_], [F_], []) and len(parts(seen)[0]) <= 3


def dropped(**wanted: str) -> Callable[[Observations], bool]:
    """A sign in the words on dropout, under any layout."""

    def sign(seen: Observations) -> bool:
        for words in dropout_words(seen):
            if all(words.get(key.replace("_", " ")) == value for key, value in wanted.items()):
                return True
        return False

    return sign


def dropout_words(seen: Observations) -> list[Observation]:
    """Under each layout by which the result without dropout is right."""
    states = states_of(seen, "dropout")
    return [read_dropout(seen["dropout"], [states[name]]) for name in right_layouts(seen) if name in states]


def states_of(seen: Observations, probe: str) -> dict[str, State]:
    built = seen[probe]["_built"][0]  # type: ignore[index]
    weights = list(zip(built["names"], built["weights"], strict=True))  # type: ignore[index, call-overload, arg-type]
    return layouts(weights, tuple(built["args"]))  # type: ignore[index, call-overload, arg-type]


def right_layouts(seen: Observations) -> list[str]:
    return [name for name, state in states_of(seen, "plain").items() if same_as(seen, "plain", state, random(1, 2, D))]


def same_as(seen: Observations, probe: str, state: State, x: Tensor, times: float = 1.0) -> bool:
    """Whether equation (2) with these weights, the hidden units so many times as large, gives what was seen."""
    out = seen[probe]["out"]
    assert isinstance(out, Tensor)
    hidden = F.linear(x, state["W_1.weight"], state["W_1.bias"]).relu() * times
    expected = F.linear(hidden, state["W_2.weight"], state["W_2.bias"])
    return out.shape == expected.shape and torch.allclose(expected, out, atol=1e-4)


def another_share(seen: Observations) -> bool:
    """Hidden units are dropped, but not as many as asked: and not 1 - p."""
    return any(
        str(words.get("the share that is dropped")).startswith("about")
        and words["the share that is dropped"] != KEEP
        and words["the rest is multiplied by"] != "1 / (1 - p)"
        and words["what is dropped"] == HIDDEN
        for words in dropout_words(seen)
    )


def rescaled_otherwise(seen: Observations) -> bool:
    usual = {"1 / (1 - p)", "1.00"}
    return any(words.get("the rest is multiplied by") not in {*usual, None} for words in dropout_words(seen))


KEEP = f"about {1 - P:.2f}"


def scaled_in_evaluation(seen: Observations) -> bool:
    """In evaluation the hidden units are 1 - p of what they are."""
    x = random(2, 3, D, seed=50)
    return any(same_as(seen, "evaluation", state, x, 1 - P) for state in states_of(seen, "evaluation").values())


def chance_in_evaluation(seen: Observations) -> bool:
    again = "answers differently the second time"
    return again in seen["evaluation"] and again not in seen["plain"]


def leaky(seen: Observations) -> bool:
    """Positive hidden units are as they should be, negative ones all times the same number between 0 and 1."""
    x, out = random(4, 5, NARROW[0], seed=10), seen["batch"]["out"]
    assert isinstance(out, Tensor)
    for state in states_of(seen, "batch").values():
        before = F.linear(x, state["W_1.weight"], state["W_1.bias"])
        after = (out - state["W_2.bias"]) @ torch.linalg.pinv(state["W_2.weight"]).mT
        ratio = (after / before)[before.abs() > 0.05]
        positive = (before > 0)[before.abs() > 0.05]
        slope = ratio[~positive].median()
        even = (ratio - torch.where(positive, 1.0, slope)).abs().max() < 1e-2
        if even and 1e-3 < float(slope) < 0.95:
            return True
    return False


def keeps_first_answer(seen: Observations) -> bool:
    return seen["two inputs"]["a second input"] == "gets the first one's answer" and count_seen(seen) > 0


def changed_by_training(seen: Observations) -> bool:
    changed = seen["after training"]["after training"] != "the same as before"
    return changed and not chance_in_evaluation(seen) and "changes its input" not in seen["plain"]


def no_gradient(seen: Observations) -> bool:
    return "error" not in seen["plain"] and seen["gradient"]["gradient of x"] is None


def frozen(seen: Observations) -> bool:
    return bool(seen["made"]["_frozen"])


def returns_more(seen: Observations) -> bool:
    return failed(seen, "plain", "tuple", "list", "dict", kind="Answer")


SHAZEER = "Shazeer (2020), GLU Variants Improve Transformer"

SIGNS = (
    SUPER_FORGOTTEN,
    Mistake(
        "returns_more_than_the_output",
        "Several things are returned. The next layer expects one tensor, of the shape of x: return the output alone.",
        seen=returns_more,
    ),
    Mistake(
        "layers_made_in_forward",
        "The layers are made inside `forward`: at each call new ones, with new random numbers, that no optimizer ever "
        "sees. Make them once, in `__init__`.",
        seen=made_in_forward,
    ),
    Mistake(
        "biases_not_trained",
        "The biases are buffers: numbers that are saved with the module but never trained. b_1 and b_2 are weights "
        "like the matrices: nn.Parameter, or the bias of nn.Linear.",
        seen=biases_as_buffers,
    ),
    Mistake(
        "weights_not_registered",
        "Some weights do not appear in `module.parameters()`: they are plain tensors, or stand in a plain list or "
        "dictionary. An optimizer never sees them. Assign layers to attributes, or use nn.Parameter, nn.ModuleList, "
        "nn.ParameterList.",
        seen=untrained,
    ),
    Mistake(
        "weights_frozen",
        "Some weights have `requires_grad = False`: training passes them by. All of W_1, b_1, W_2 and b_2 are learned.",
        seen=frozen,
    ),
    Mistake(
        "gated_unit",
        "There is a third matrix, whose product is multiplied with the hidden units: a gated linear unit, as in LLaMA "
        "or T5 1.1. Equation (2) has two matrices and a ReLU.",
        seen=gated,
        source=SHAZEER + "; LLaMA",
        section="relu",
        convention=True,
    ),
    Mistake(
        "neighbours_in_the_kernel",
        "The convolution's kernel is wider than 1, so a position sees its neighbours. The paper's network is two "
        "convolutions of kernel size 1: every position by itself.",
        seen=wide_kernel,
        section="positions",
    ),
    Mistake(
        "weights_by_position",
        "Positions have weights of their own. The network is the same at all positions: one W_1, b_1, W_2 and b_2.",
        seen=lambda seen: bias_by_position(seen) or tells_positions_apart(seen),
        section="positions",
    ),
    Mistake(
        "too_many_layers",
        "There is a linear map too many. Equation (2) has two: from d_model to d_ff and back.",
        seen=more_layers,
    ),
    Mistake(
        "d_ff_not_used",
        "The matrices are d_model by d_model: d_ff is not used. The hidden units are d_ff many, in the paper four "
        "times as many as the features.",
        seen=no_inner_width,
    ),
    Mistake(
        "inner_width_always_four_times",
        "The inner width is 4 * d_model whatever d_ff says. In the paper they happen to be 512 and 2,048; take the "
        "one that is given.",
        seen=other_width,
    ),
    Mistake(
        "sizes_fixed",
        "A size is written down as a number. Take the sizes from the arguments d_model and d_ff.",
        seen=fixed_width,
    ),
    Mistake(
        "sizes_in_the_wrong_order",
        "d_model and d_ff have changed places: the first map must take d_model numbers and give d_ff, the second the "
        "other way round. Look at the order of the arguments, too: PositionwiseFeedForward(d_model, d_ff, dropout).",
        seen=sizes_swapped,
    ),
    Mistake(
        "one_matrix_for_both",
        "The second map uses the first matrix, transposed. W_1 and W_2 are two matrices, each with numbers of its own.",
        seen=tied,
    ),
    Mistake(
        "bias_is_a_single_number",
        "A bias is one number for all units. b_1 has d_ff numbers and b_2 has d_model, one for each unit.",
        seen=single_number,
    ),
    Mistake(
        "no_biases",
        "Both biases are missing. Equation (2) has b_1 and b_2; models that came later often leave them out.",
        seen=only_biases(),
        source="T5 and LLaMA have no biases",
        convention=True,
    ),
    Mistake(
        "first_bias_missing",
        "b_1 is missing. Without it all hidden units switch on and off at planes through the origin.",
        seen=only_biases(D),
    ),
    Mistake("second_bias_missing", "b_2 is missing: equation (2) adds it after W_2.", seen=only_biases(F_)),
    Mistake(
        "batch_normalisation",
        "The hidden units are normalised by a mean and variance over the batch, with running averages. Equation (2) "
        "has nothing of the kind, and a token should not depend on other sentences.",
        seen=batch_norm,
        section="positions",
    ),
    Mistake(
        "shapes_do_not_fit",
        "A matrix meets an axis that is not its input. The features are the last axis of x (nn.Conv1d wants them "
        "second); nn.Linear and F.linear keep a matrix as (out, in) and multiply by its transpose.",
        seen=does_not_fit,
    ),
    Mistake(
        "view_on_what_is_not_contiguous",
        "`view` works only where the numbers lie in memory in the order of the axes. After a transpose they do not: "
        "use `reshape`. Mostly none is needed: nn.Linear works on the last axis, however many there are.",
        seen=lambda seen: failed(seen, "views", "view size is not compatible"),
    ),
    Mistake(
        "input_cast_to_float32",
        "The input is cast to another type than the weights have, so that a module in double precision fails. Leave "
        "the type to the caller.",
        seen=lambda seen: failed(seen, "float64", "dtype", "Double", "Float", "double", "float"),
    ),
    Mistake(
        "dropout_in_evaluation",
        "Dropout is active after `.eval()`. `F.dropout(x, p)` does not know the mode by itself: hand it "
        "`training=self.training`, or use nn.Dropout.",
        seen=chance_in_evaluation,
    ),
    Mistake(
        "leaky_relu",
        "Negative hidden units keep a part of their value: a leaky ReLU. max(0, .) sets them to zero.",
        seen=leaky,
        section="relu",
    ),
    Mistake(
        "keeps_the_first_answer",
        "A second input gets the answer of the first: the result is kept and given again. Compute it at every call.",
        seen=keeps_first_answer,
    ),
    Mistake(
        "keeps_statistics",
        "Calls in training mode change what evaluation gives later: something besides the weights is kept. This "
        "network has no memory, only W_1, b_1, W_2 and b_2.",
        seen=changed_by_training,
    ),
    Mistake(
        "dropout_not_used",
        "The dropout that was given has no effect in training. It belongs after the ReLU; and `F.dropout` and "
        "nn.Dropout return their result, they do not change what they are given.",
        seen=dropped(what_is_dropped="nothing"),
    ),
    Mistake(
        "dropout_on_the_output",
        "Dropout is on the output, after W_2. That one belongs to the connection around the sub-layer; the one asked "
        "for here is between the ReLU and W_2.",
        seen=dropped(what_is_dropped="the output"),
    ),
    Mistake(
        "dropout_before_the_last_bias",
        "Dropout is between W_2 and b_2. Asked for is dropout between the ReLU and W_2.",
        seen=dropped(what_is_dropped="the output, before b_2 is added"),
    ),
    Mistake(
        "dropout_twice",
        "The output is dropped as well as the hidden units. Asked for is one dropout, between the ReLU and W_2.",
        seen=dropped(what_is_dropped="the output, and not only that"),
    ),
    Mistake(
        "dropout_on_the_input_too",
        "x is dropped as well as the hidden units. Asked for is one dropout, between the ReLU and W_2.",
        seen=dropped(what_is_dropped="the input, and the hidden units"),
    ),
    Mistake(
        "dropout_on_the_input",
        "Dropout is on x, before W_1. Asked for is dropout on the hidden units, after the ReLU.",
        seen=dropped(what_is_dropped="the input"),
    ),
    Mistake(
        "dropout_before_the_first_bias",
        "Dropout is between W_1 and b_1: a unit that is dropped still gets its bias. Drop after the ReLU.",
        seen=dropped(what_is_dropped="W_1 x, before b_1 is added"),
    ),
    Mistake(
        "same_units_at_all_positions",
        "One choice of hidden units is used at all positions. Dropout chooses anew for each unit at each position and "
        "at each call.",
        seen=lambda seen: any(dropped(drawn=PATTERNS[axes])(seen) for axes in ((1, 2), (1,), (2,))),
    ),
    Mistake(
        "whole_positions_dropped",
        "All hidden units of a position, or of a sentence, are dropped together (nn.Dropout1d and F.dropout1d do "
        "that). nn.Dropout chooses for each unit by itself.",
        seen=lambda seen: any(dropped(drawn=PATTERNS[axes])(seen) for axes in ((2, 3), (3,))),
    ),
    Mistake(
        "same_units_at_each_call",
        "Each call drops the same units: they are chosen once, or the seed is set in `forward`. Choose anew at each "
        "call.",
        seen=dropped(drawn=PATTERNS[0,]),
    ),
    Mistake(
        "share_to_keep",
        "The number given is taken for the share to keep, as in the first version of TensorFlow. Here, as in PyTorch, "
        "it is the share to drop.",
        seen=dropped(what_is_dropped=HIDDEN, the_share_that_is_dropped=KEEP),
        source="tf.nn.dropout(x, keep_prob) in TensorFlow 1",
        convention=True,
    ),
    Mistake(
        "another_share_dropped",
        "Another share of the hidden units is dropped than the argument says: a number written down, or a default of "
        "nn.Dropout (0.5). Hand the argument on.",
        seen=another_share,
    ),
)

VARIANTS = (
    Mistake(
        "no_activation",
        "There is no ReLU between the two maps. Two linear maps in a row are one linear map, so W_1 and W_2 could be "
        "replaced by their product.",
        with_activation(lambda h: h),
        section="relu",
    ),
    Mistake(
        "gelu",
        "The activation is a GELU, as in BERT and GPT. Equation (2) has max(0, .), a ReLU.",
        with_activation(F.gelu),
        source="Hendrycks and Gimpel (2016), Gaussian Error Linear Units; BERT, GPT",
        section="relu",
        convention=True,
    ),
    Mistake(
        "gelu_approximated",
        "The activation is a GELU in its approximation by tanh, as in GPT-2. Equation (2) has max(0, .), a ReLU.",
        with_activation(lambda h: F.gelu(h, approximate="tanh")),
        source="GPT-2",
        section="relu",
        convention=True,
    ),
    Mistake(
        "gelu_by_sigmoid",
        "The activation is x times sigmoid(1.702 x), an approximation of the GELU. Equation (2) has max(0, .), a ReLU.",
        with_activation(lambda h: h * (1.702 * h).sigmoid()),
        source="QuickGELU in CLIP",
        section="relu",
        convention=True,
    ),
    Mistake(
        "silu",
        "The activation is a SiLU (Swish), x times sigmoid(x). Equation (2) has max(0, .), a ReLU.",
        with_activation(F.silu),
        source="Ramachandran et al. (2017), Searching for Activation Functions",
        section="relu",
        convention=True,
    ),
    Mistake(
        "squared_relu",
        "The ReLU is squared. Equation (2) takes it as it is.",
        with_activation(lambda h: h.relu().square()),
        source="So et al. (2021), Primer",
        section="relu",
        convention=True,
    ),
    Mistake(
        "elu",
        "Negative hidden units go to exp(x) - 1: an ELU. max(0, .) sets them to zero.",
        with_activation(F.elu),
        section="relu",
    ),
    Mistake(
        "selu",
        "The activation is a SELU. Equation (2) has max(0, .), a ReLU.",
        with_activation(F.selu),
        section="relu",
    ),
    Mistake(
        "mish",
        "The activation is a Mish. Equation (2) has max(0, .), a ReLU.",
        with_activation(F.mish),
        source="Misra (2019), Mish",
        section="relu",
        convention=True,
    ),
    Mistake(
        "hard_swish",
        "The activation is a hard Swish. Equation (2) has max(0, .), a ReLU.",
        with_activation(F.hardswish),
        section="relu",
    ),
    Mistake(
        "softplus",
        "The activation is a softplus, log(1 + exp(x)): smooth, and never zero. Equation (2) has max(0, .).",
        with_activation(F.softplus),
        section="relu",
    ),
    Mistake(
        "sigmoid",
        "The activation is a sigmoid, which squeezes the hidden units between 0 and 1. Equation (2) has max(0, .), "
        "which lets positive ones through unchanged.",
        with_activation(torch.sigmoid),
        section="relu",
    ),
    Mistake(
        "tanh",
        "The activation is a tanh, which squeezes the hidden units between -1 and 1. Equation (2) has max(0, .), "
        "which lets positive ones through unchanged.",
        with_activation(torch.tanh),
        section="relu",
    ),
    Mistake(
        "softmax_for_relu",
        "The hidden units go through a softmax, and compete with each other. Equation (2) looks at each unit alone: "
        "max(0, .).",
        with_activation(lambda h: h.softmax(-1)),
        section="relu",
    ),
    Mistake(
        "absolute_value",
        "Negative hidden units change their sign. max(0, .) sets them to zero.",
        with_activation(torch.abs),
        section="relu",
    ),
    Mistake(
        "relu_capped_at_six",
        "Hidden units above 6 are cut to 6: that is ReLU6, made for small telephones' integers. max(0, .) has no "
        "upper end.",
        with_activation(F.relu6),
        section="relu",
    ),
    Mistake(
        "relu_capped_at_one",
        "Hidden units above 1 are cut to 1, as by clamp(0, 1). max(0, .) has no upper end.",
        with_activation(lambda h: h.clamp(0, 1)),
        section="relu",
    ),
    Mistake(
        "smaller_of_zero_and_hidden",
        "The negative hidden units are kept and the positive ones set to zero: min(0, .). Equation (2) has max(0, .).",
        with_activation(lambda h: h.clamp(max=0)),
        section="relu",
    ),
    Mistake(
        "relu_at_the_end",
        "The ReLU comes after W_2, and none between the maps: then these are one linear map, and nothing negative can "
        "come out.",
        with_forward(lambda self, x: self.W_2(self.dropout(self.W_1(x))).relu()),
        section="relu",
    ),
    Mistake(
        "relu_on_the_output_too",
        "There is a second ReLU, on the output. Equation (2) ends with b_2: what is added to the residual may be "
        "negative.",
        with_forward(lambda self, x: self.W_2(self.hidden(x)).relu()),
        section="relu",
    ),
    Mistake(
        "gelu_on_the_output_too",
        "There is a second activation, on the output. Equation (2) ends with b_2: what is added to the residual may "
        "be negative.",
        with_forward(lambda self, x: F.gelu(self.W_2(self.hidden(x)))),
        section="relu",
    ),
    Mistake(
        "relu_on_the_input",
        "The ReLU is on x, not on the hidden units. Equation (2) has it around x W_1 + b_1.",
        with_forward(lambda self, x: self.W_2(self.dropout(self.W_1(x.relu())))),
        section="relu",
    ),
    Mistake(
        "relu_on_the_input_too",
        "There is a second ReLU, on x: half of what the layer before has said is lost. Equation (2) has one, between "
        "the maps.",
        with_forward(lambda self, x: self.W_2(self.hidden(x.relu()))),
        section="relu",
    ),
    Mistake(
        "bias_after_the_relu",
        "b_1 is added after the ReLU. Equation (2) adds it before: it decides where a unit switches on.",
        but(hidden=bias_after_relu),
        section="relu",
    ),
    Mistake(
        "biases_not_added",
        "The biases are there but are not added. Equation (2) adds b_1 before the ReLU, and b_2 at the end.",
        but(forward=biases_unused),
    ),
    Mistake(
        "first_bias_not_added",
        "b_1 is there but is not added. Equation (2) adds it before the ReLU.",
        but(forward=first_bias_unused),
    ),
    Mistake(
        "second_bias_not_added",
        "b_2 is there but is not added. Equation (2) adds it at the end.",
        but(forward=second_bias_unused),
    ),
    Mistake(
        "residual_inside",
        "x is added to the result. The residual connection is a part of its own (SublayerConnection), wrapped around "
        "this network; with both x would be added twice.",
        with_forward(lambda self, x: x + self.W_2(self.hidden(x))),
    ),
    Mistake(
        "residual_and_norm_inside",
        "x is added and the sum normalised: that is the whole sub-layer. Both are done by SublayerConnection; here "
        "only equation (2).",
        norm_at("sub-layer"),
        source="PositionwiseFeedForward in jadore801120/attention-is-all-you-need-pytorch",
        convention=True,
    ),
    Mistake(
        "pre_norm_and_residual_inside",
        "The input is normalised first, and x added at the end: a whole sub-layer, with the normalisation before it. "
        "Both belong to SublayerConnection; here only equation (2).",
        norm_at("input, and the residual"),
        source="pre-LN Transformers, as GPT-2",
        convention=True,
    ),
    Mistake(
        "output_normalised",
        "The output is normalised. The layer normalisation belongs to the connection around this network.",
        norm_at("output"),
    ),
    Mistake(
        "input_normalised",
        "The input is normalised first. The layer normalisation belongs to the connection around this network, and in "
        "the paper comes after it.",
        norm_at("input"),
        source="pre-LN Transformers, as GPT-2",
        convention=True,
    ),
    Mistake(
        "hidden_units_normalised",
        "The hidden units are normalised. Equation (2) has only the ReLU there.",
        norm_at("hidden"),
    ),
    Mistake(
        "hidden_units_normalised_after_relu",
        "The hidden units are normalised, after the ReLU. Equation (2) multiplies them with W_2 as they are.",
        norm_at("hidden, after the ReLU"),
    ),
    Mistake(
        "output_divided_by_root_of_d_ff",
        "The output is divided by the square root of d_ff. Equation (2) does not scale: how large the result is is "
        "for W_2 to say.",
        with_forward(lambda self, x: self.W_2(self.hidden(x)) / math.sqrt(self.W_1.out_features)),
    ),
    Mistake(
        "output_divided_by_root_of_d_model",
        "The output is divided by the square root of d_model. Equation (2) does not scale; dividing by a root belongs "
        "to attention.",
        with_forward(lambda self, x: self.W_2(self.hidden(x)) / math.sqrt(self.W_1.in_features)),
    ),
    Mistake(
        "output_times_root_of_d_model",
        "The output is multiplied by the square root of d_model. Equation (2) does not scale; that factor belongs to "
        "the embeddings.",
        with_forward(lambda self, x: self.W_2(self.hidden(x)) * math.sqrt(self.W_1.in_features)),
    ),
    Mistake(
        "mean_over_positions",
        "The hidden units are averaged over the positions: every token gets the same. The network works on each "
        "position by itself.",
        with_forward(lambda self, x: self.W_2(self.hidden(x).mean(1, keepdim=True).expand(-1, x.size(1), -1))),
        section="positions",
    ),
    Mistake(
        "sum_over_positions",
        "The hidden units are summed over the positions: every token gets the same. The network works on each "
        "position by itself.",
        with_forward(lambda self, x: self.W_2(self.hidden(x).sum(1, keepdim=True).expand(-1, x.size(1), -1))),
        section="positions",
    ),
    Mistake(
        "positions_summed_up",
        "A position's hidden units have those of the positions before added (a cumulative sum). The network works on "
        "each position by itself.",
        with_forward(lambda self, x: self.W_2(self.hidden(x).cumsum(1))),
        section="positions",
    ),
    Mistake(
        "position_before",
        "Each position gets the result of the one before. The network works on each position by itself, and in place.",
        with_forward(lambda self, x: self.W_2(self.hidden(shifted(x, 1)))),
        section="positions",
    ),
    Mistake(
        "only_the_first_position",
        "All positions get the result of the first. The network works on each position by itself.",
        with_forward(lambda self, x: self.W_2(self.hidden(x[:, :1])).expand(x.shape)),
        section="positions",
    ),
    Mistake(
        "hidden_units_detached",
        "The hidden units are cut off from the graph (detach, .data, no_grad or numpy): W_1, b_1 and all layers below "
        "never learn.",
        but(hidden=lambda self, x: self.dropout(self.W_1(x).relu()).detach()),
        seen=no_gradient,
    ),
    Mistake(
        "relu_without_its_gradient",
        "The ReLU changes the numbers behind the graph's back (.data or no_grad), so the gradient passes as if it was "
        "not there. Units that are off must get no gradient.",
        with_activation(Straight.apply),
        section="relu",
    ),
    Mistake(
        "axes_squeezed",
        "`squeeze()` takes away every axis of size 1, so a batch of one or a single token loses an axis. The output "
        "has the shape of x.",
        with_forward(lambda self, x: self.W_2(self.hidden(x)).squeeze()),
    ),
    Mistake(
        "positions_flattened",
        "The output has batch and positions as one axis. Give it the shape of x again.",
        with_forward(lambda self, x: self.W_2(self.hidden(x)).flatten(0, 1)),
    ),
    Mistake(
        "features_before_positions",
        "The output is (B, d_model, T), as nn.Conv1d gives it. Transpose it back: (B, T, d_model).",
        with_forward(lambda self, x: self.W_2(self.hidden(x)).mT),
        section="positions",
    ),
    Mistake(
        "transposed_by_view",
        "Positions and features are exchanged by `view` or `reshape`. These only count the numbers off anew and mix "
        "them; `transpose` exchanges axes.",
        with_forward(lambda self, x: self.W_2(self.hidden(x.reshape(x.size(0), x.size(2), -1).mT))),
        section="positions",
    ),
    Mistake(
        "transposed_by_view_and_back",
        "Positions and features are exchanged by `view` or `reshape`, before the network and after it. These only "
        "count the numbers off anew and mix them; `transpose` exchanges axes.",
        with_forward(lambda self, x: self.W_2(self.hidden(x.reshape(x.size(0), x.size(2), -1).mT)).mT.reshape(x.shape)),
        section="positions",
    ),
    Mistake(
        "result_mixed_by_view",
        "The result is brought back to (B, T, d_model) by `view` or `reshape`, where its axes need a `transpose`: the "
        "numbers are all there, in other places.",
        with_forward(lambda self, x: self.W_2(self.hidden(x)).mT.reshape(x.shape)),
        section="positions",
    ),
    Mistake(
        "precision_lost",
        "The result is of type float32 whatever the input is, or was computed with less precision on the way.",
        with_forward(lambda self, x: self.W_2(self.hidden(x)).float()),
    ),
    Mistake(
        "dropout_not_rescaled",
        "The hidden units that stay are not multiplied by 1 / (1 - p), so their sum is smaller in training than in "
        "evaluation, where none are dropped.",
        seen=lambda seen: (
            dropped(what_is_dropped=HIDDEN, the_rest_is_multiplied_by="1.00")(seen) and not scaled_in_evaluation(seen)
        ),
    ),
    Mistake(
        "rescaled_by_another_number",
        "The hidden units that stay are not multiplied by 1 / (1 - p) but by another number: by 1 / p, say, or by 1 - "
        "p. A share of 1 - p stays, so 1 / (1 - p) keeps the sum as it was in the mean.",
        seen=rescaled_otherwise,
    ),
    Mistake(
        "rescaled_in_evaluation",
        "Nothing is rescaled in training; instead everything is multiplied by 1 - p in evaluation. That was the first "
        "dropout; today's divides by 1 - p in training and leaves evaluation alone.",
        seen=scaled_in_evaluation,
        source="Srivastava et al. (2014), Dropout",
        convention=True,
    ),
)


EXERCISES = [
    Exercise(
        "PositionwiseFeedForward",
        Card(1, 10, "What each token does by itself: two thirds of a layer's weights.", "05_feed_forward", "formula"),
        PositionwiseFeedForward,
        PROBES,
        (*SIGNS, *VARIANTS),
        (
            "Equation (2) from the inside out: a linear map, a maximum with 0, a linear map. What are the sizes "
            "before, between and after?",
            "Two nn.Linear: d_model to d_ff, and d_ff to d_model, both with bias. Between them the ReLU, then the "
            "dropout. No residual, no normalisation: these come from outside.",
            "In `__init__`: `self.W_1 = nn.Linear(d_model, d_ff)`, `self.W_2 = nn.Linear(d_ff, d_model)`, "
            "`self.dropout = nn.Dropout(dropout)`. In `forward`: `return self.W_2(self.dropout(self.W_1(x).relu()))`.",
        ),
        layouts=layouts,
        forbidden_modules=("nn.TransformerEncoderLayer", "nn.TransformerDecoderLayer"),
    )
]
