"""Take a whole layer apart: which of its weights is what, told by shapes and by behaviour, never by names.

A layer has too many weights to try all the ways in which they may be meant. But with everything else at zero each part
shows itself alone: gains are ones when a layer is new, the feed-forward network has an axis of width d_ff, and
of what is left the matrices are attention's. `build` does this where the learner's code runs and sends what attention
alone gives; `states` finds the meaning of attention's matrices from it, on the judge's side.

Biases inside attention are free in the contract; they are set to zero.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice, permutations, product
from math import prod, sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

from course_lib.exercises.exercise import Observation, Weights
from course_lib.exercises.trial import Trial, random, tensors

ALL = ("attention", "ffn", "norms")
CLOSE = 4e-3  # an eps of 1e-3 in the norms is nobody's mistake here
GUESSES = 24  # of roles that are tried
ROLES = ("W_Q", "W_K", "W_V", "W_O")


@contextmanager
def unwatched():  # type: ignore[no-untyped-def]
    """Our own bookkeeping need not pass the guards of a learner's code: they make an operator ten times slower."""
    with torch._C.DisableTorchFunction(), _disable_current_modes():
        yield


@dataclass(frozen=True)
class Sort:
    """What kind of layer it is.

    Args:
        attentions: their names in the reference
        run: calls a layer: (layer, x, memory, all of x permitted as a mask, all of memory permitted as a mask)
    """

    attentions: tuple[str, ...]
    run: Callable[..., Any]

    @property
    def norms(self) -> int:
        return len(self.attentions) + 1


@dataclass(frozen=True)
class Piece:
    """A weight, or one row of it: `numbers` is a view on the layer's own memory."""

    name: str
    place: int  # in the order of registration
    numbers: Tensor
    shape: tuple[int, ...]  # without axes of one


@dataclass
class Anatomy:
    """What kinds of weights a layer has."""

    gains: list[Piece] = field(default_factory=list)
    vectors: list[Piece] = field(default_factory=list)  # of which some are biases of norms
    inner_biases: list[Piece] = field(default_factory=list)  # of width d_ff
    ffn: list[Piece] = field(default_factory=list)
    attention: list[Piece] = field(default_factory=list)


@unwatched()
def anatomy(module: nn.Module, d_model: int, d_ff: int) -> Anatomy:
    """Of a layer that is new: gains are still ones."""
    found = Anatomy()
    for place, (name, weight) in enumerate(module.named_parameters()):
        if not weight.is_floating_point() or weight.numel() == 0:
            continue
        if not weight.is_contiguous():
            weight.data = weight.data.contiguous()
        shape = tuple(size for size in weight.shape if size != 1)
        whole = Piece(name, place, weight.data.view(-1), shape)
        small = weight.numel() < 2 * d_model or (weight.numel() <= 4 * d_model and not weight.data.any())
        if bool((weight == 1).all()) and weight.numel() % d_model == 0:
            found.gains += rows(whole, d_model)
        elif shape == (d_ff,):
            found.inner_biases.append(whole)
        elif d_ff in shape:
            found.ffn += halves(whole, 2)
        elif len(shape) <= 1 or small:
            found.vectors += rows(whole, d_model)
        else:
            found.attention += halves(whole, 8) if len(shape) > 2 and shape[0] == 8 else halves(whole, 2)
    return found


def rows(piece: Piece, width: int) -> list[Piece]:
    if piece.numbers.numel() % width:
        return [piece]
    return [replace(piece, numbers=row, shape=(width,)) for row in piece.numbers.view(-1, width)]


def halves(piece: Piece, n: int) -> list[Piece]:
    """Matrices that stand in one tensor along a first axis of n, one by one."""
    if len(piece.shape) < 3 or piece.shape[0] != n:
        return [piece]
    return [replace(piece, numbers=part, shape=piece.shape[1:]) for part in piece.numbers.view(n, -1)]


@dataclass(frozen=True)
class Roles:
    """Which piece is what, by its number in the list of its kind; None where there is none."""

    gains: tuple[int, ...]
    biases: tuple[int | None, ...]
    matrices: tuple[int, int]
    outer_bias: int | None
    crossing: tuple[bool, ...] = ()  # of each matrix of attention: whether it belongs to the second one
    confirmed: bool = False


# What is found of a layer is remembered: in a process that runs a learner's code there is only that one definition.
_roles: dict[tuple, Roles] = {}
_alone: dict[tuple, Weights] = {}


@dataclass
class Layer:
    """A layer to call, and the kind of each of its weights."""

    module: nn.Module
    kinds: dict[str, str]

    def without_gradient(self, out: Tensor) -> list[str]:
        """The kinds of weights that a loss on `out` does not reach."""
        weights = dict(self.module.named_parameters())
        for weight in weights.values():
            weight.grad = None
        if out.requires_grad:
            (out * random(*out.shape, seed=5, dtype=out.dtype)).sum().backward(retain_graph=True)
        silent = {
            kind
            for name, kind in self.kinds.items()
            if (grad := weights[name].grad) is None or not grad.abs().sum() > 0
        }
        return sorted(silent)


def build(
    trial: Trial,
    sort: Sort,
    *args: Any,
    parts: Sequence[str] = ALL,
    train: bool = False,
    dtype: torch.dtype | None = None,
) -> Layer:
    """A layer with these arguments (and no dropout), in which `parts` are drawn at random and the rest does nothing."""
    if trial._weights is not None:  # one of ours: the judge knows its state
        module = trial.build(*args, 0.0, train=train)
        kinds = {name: kind_of_ours(name) for name, _ in module.named_parameters()}
    else:
        module = trial.once(trial.make, *args, 0.0)
        if not isinstance(module, nn.Module):
            raise TypeError(f"{type(module).__name__} object cannot be called: a subclass of nn.Module is needed")
        sent, kinds = dissect(module, trial.make, sort, args, parts)
        trial._built.append({"args": list(args), "names": [n for n, _ in sent], "weights": [w for _, w in sent]})
        module.train(train)
    return Layer(module if dtype is None else module.to(dtype), kinds)


def kind_of_ours(name: str) -> str:
    return "attention" if "attention" in name else "feed-forward network" if "feed_forward" in name else "norms"


def dissect(
    module: nn.Module, make: Callable[..., Any], sort: Sort, args: tuple, parts: Sequence[str]
) -> tuple[Weights, dict[str, str]]:
    """Set the layer's weights; what they are, by the reference's names, and attention's as they stand."""
    d_model, _, d_ff = args
    body = anatomy(module, d_model, d_ff)
    kinds = {
        **{piece.name: "norms" for piece in body.gains},
        **{piece.name: "feed-forward network" for piece in (*body.ffn, *body.inner_biases)},
        **{piece.name: "attention" for piece in body.attention},
    }
    enough = bool(body.gains) and [p.numbers.numel() for p in body.ffn] == 2 * [d_model * d_ff]
    if not enough or sum(p.numbers.numel() for p in body.attention) != 4 * d_model**2 * len(sort.attentions):
        for piece in (*body.vectors, *body.inner_biases, *body.ffn, *body.attention):
            piece.numbers.copy_(drawn(piece.shape, f"{piece.place}").reshape(-1))
        return [], kinds
    if args not in _roles:
        with unwatched():  # what decides runs under the guards, later
            scout = make(*args, 0.0).eval()  # another one: what a layer may remember of being looked at stays with it
            seen = anatomy(scout, d_model, d_ff)
            _roles[args] = find_roles(scout, seen, sort, args)
            _alone[args] = attentions_alone(scout, seen, _roles[args], sort, args)
    roles = _roles[args]
    kinds |= {body.vectors[i].name: "norms" for i in roles.biases if i is not None}
    if roles.outer_bias is not None:
        kinds[body.vectors[roles.outer_bias].name] = "feed-forward network"
    sent: Weights = []
    if "attention" in parts:
        sent += _alone[args]
    sent += fill(body, roles, sort, args, parts)
    return sent, kinds


@unwatched()
def drawn(shape: Sequence[int], what: str) -> Tensor:
    """Random numbers that depend on nothing but what they are for."""
    seed = sum(ord(letter) * 31**i for i, letter in enumerate(what[:6] + what[-6:])) % 2**31
    noise = random(*shape, seed=seed)
    if "gain" in what:
        return 1 + 0.3 * noise
    return noise / sqrt(shape[-1]) * 1.2 if len(shape) > 1 else 0.4 * noise


@unwatched()
def distinct(sizes: Sequence[int]) -> Sequence[Tensor]:
    """Rows of numbers of these sizes, spread as random ones are, no two alike, not even in different rows."""
    rng = torch.Generator().manual_seed(100)
    n = sum(sizes)
    share = (torch.randperm(n, generator=rng, dtype=torch.float64) + 0.5) / max(1, n)
    return (torch.special.erfinv(2 * share - 1) * sqrt(2)).float().split(list(sizes))


@unwatched()
def fill(
    body: Anatomy,
    roles: Roles,
    sort: Sort,
    args: tuple,
    parts: Sequence[str],
    only: int | None = None,
    given: Mapping[str, Tensor] | None = None,
) -> Weights:
    """Draw these parts of the layer's weights, and let the others do nothing; `only` one of two attentions.

    `given`, by the reference's names, are taken in place of what would be drawn for norms and feed-forward network.

    Returns: norms and feed-forward network by the reference's names.
    """
    d_model, _, d_ff = args
    for piece in (*body.vectors, *body.inner_biases, *body.ffn, *body.attention):
        piece.numbers.zero_()
    for piece in body.gains:
        piece.numbers.fill_(1)
    if "attention" in parts:
        marks = distinct([piece.numbers.numel() for piece in body.attention])
        for i, (piece, mark) in enumerate(zip(body.attention, marks)):
            if only is None or bool(only) == roles.crossing[i]:
                piece.numbers.copy_(mark / sqrt(d_model) * 1.3)
    sent: Weights = []

    def put(name: str, shape: tuple[int, ...], piece: Piece | None, is_drawn: bool, like: str = "") -> None:
        if given is not None:
            weight = given[name]
        else:
            weight = drawn(shape, like or name) if is_drawn else torch.full(shape, 1.0 if "gain" in name else 0.0)
        sent.append((name, weight))
        if piece is not None:
            turned = weight.mT if len(shape) == 2 and piece.shape != shape else weight
            piece.numbers.copy_(turned.reshape(-1))

    for i in range(len(roles.gains)):
        name = f"sublayers.{i}.norm" if i < sort.norms else "last"
        bias, first_use = roles.biases[i], roles.gains.index(roles.gains[i])
        put(f"{name}.gain", (d_model,), body.gains[roles.gains[i]], "norms" in parts, f"gain {first_use}")
        put(
            f"{name}.bias",
            (d_model,),
            None if bias is None else body.vectors[bias],
            "norms" in parts,
            f"bias {first_use}",
        )
    first, second = (body.ffn[i] for i in roles.matrices)
    inner = body.inner_biases[0] if body.inner_biases else None
    outer = None if roles.outer_bias is None else body.vectors[roles.outer_bias]
    put("feed_forward.W_1.weight", (d_ff, d_model), first, "ffn" in parts)
    put("feed_forward.W_1.bias", (d_ff,), inner, "ffn" in parts)
    put("feed_forward.W_2.weight", (d_model, d_ff), second, "ffn" in parts)
    put("feed_forward.W_2.bias", (d_model,), outer, "ffn" in parts)
    return sent


def run(module: nn.Module, sort: Sort, d_model: int, T: int = 3, S: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """x, memory, and what the layer makes of them; not a number where it raises."""
    x, memory = 2 * random(1, T, d_model, seed=50), 2 * random(1, S, d_model, seed=51)
    masks = torch.ones(1, 1, T, T, dtype=torch.bool), torch.ones(1, 1, 1, S, dtype=torch.bool)
    for given in ((None, None), masks):
        try:
            with torch.no_grad():
                out = tensors(sort.run(module, x.clone(), memory.clone(), *given), 1)[0]
        except Exception:
            continue
        if out.shape == x.shape:
            return x, memory, out.detach().clone()
    return x, memory, torch.full_like(x, torch.nan)


def norm(x: Tensor, gain: Tensor | float = 1.0, bias: Tensor | float = 0.0) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return gain * centred * torch.rsqrt(centred.square().mean(-1, keepdim=True) + 1e-5) + bias


@unwatched()
def close(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(((a - b).abs().max() < CLOSE * max(1.0, float(b.abs().max()))).item())


def find_roles(module: nn.Module, body: Anatomy, sort: Sort, args: tuple) -> Roles:
    """The first reading of norms and feed-forward network that explains what they do; or else the usual one."""
    usual = usual_roles(body, sort)
    crossing = find_crossing(module, body, usual, sort, args)
    for roles in hypotheses(module, body, usual, sort, args):
        sent = dict(fill(body, roles, sort, args, ("ffn", "norms")))
        x, _, out = run(module, sort, args[0])
        if close(out, without_attention(sent, x, sort)):
            return replace(roles, crossing=crossing, confirmed=True)
    return replace(usual, crossing=crossing)


@unwatched()
def without_attention(state: Mapping[str, Tensor], x: Tensor, sort: Sort) -> Tensor:
    """What the layer should give where attention adds nothing."""
    last = sort.norms - 1
    for i in range(last):
        x = norm(x, state[f"sublayers.{i}.norm.gain"], state[f"sublayers.{i}.norm.bias"])
    hidden = (x @ state["feed_forward.W_1.weight"].mT + state["feed_forward.W_1.bias"]).relu()
    x = x + hidden @ state["feed_forward.W_2.weight"].mT + state["feed_forward.W_2.bias"]
    return norm(x, state[f"sublayers.{last}.norm.gain"], state[f"sublayers.{last}.norm.bias"])


def usual_roles(body: Anatomy, sort: Sort) -> Roles:
    """Norms in the order of their use, each bias after its gain, W_1 before W_2, and their biases after them."""
    width = body.gains[0].numbers.numel()
    free = [i for i, piece in enumerate(body.vectors) if piece.numbers.numel() == width]

    def after(place: int, own: Callable[[int], bool] = lambda i: True) -> int | None:
        able = [i for i in free if own(i)]
        if not able:
            return None
        best = min(able, key=lambda i: (body.vectors[i].place < place, abs(body.vectors[i].place - place), i))
        free.remove(best)
        return best

    # Biases that stand next to their gain first: what is left may be the network's.
    biases: list[int | None] = [
        after(gain.place, lambda i, p=gain.place: 0 < body.vectors[i].place - p <= 1)  # type: ignore[misc]
        for gain in body.gains
    ]
    place = max(body.ffn[1].place, 0)
    outer = after(place, lambda i: body.vectors[i].place == place + 1)
    fresh = {i for i in free if not body.vectors[i].numbers.any()}
    for n, gain in enumerate(body.gains):
        if biases[n] is None:
            biases[n] = after(gain.place, lambda i: i in fresh)
    if outer is None:
        outer = after(place)
    gains = list(range(len(body.gains)))
    while len(gains) < sort.norms:  # one norm in the place of several
        gains.append(gains[-1])
        biases.append(biases[-1])
    return Roles(tuple(gains), tuple(biases), (0, 1), outer)


def hypotheses(module: nn.Module, body: Anatomy, usual: Roles, sort: Sort, args: tuple) -> Iterator[Roles]:
    """The usual roles, then those that follow from moving one row of numbers at a time, the likely ones first."""
    for roles in (usual, *islice(by_response(module, body, usual, sort, args), GUESSES)):
        yield roles
        yield replace(roles, matrices=(1, 0))


def by_response(module: nn.Module, body: Anatomy, usual: Roles, sort: Sort, args: tuple) -> Iterator[Roles]:
    """Roles by what a row of numbers does alone: after the last norm, or before it.

    A norm undoes the gain and the bias of an earlier one only in part, but a norm of a norm changes nothing: which of
    the earlier ones a row belongs to does not show, and all orders are guessed.
    """
    n, d_model = sort.norms, args[0]
    if len(body.gains) != n:
        return
    probe = drawn((d_model,), "gain of a probe")

    def level(piece: Piece, is_gain: bool) -> str:
        fill(body, usual, sort, args, ())
        piece.numbers.copy_(probe)
        x, _, out = run(module, sort, d_model)
        plain = norm(x)
        if close(out, plain * probe if is_gain else plain + probe):
            return "last"
        return "earlier" if close(out, norm(plain * probe if is_gain else plain + probe)) else ""

    gains: dict[str, list[int]] = {"last": [], "earlier": [], "": []}
    for number, piece in enumerate(body.gains):
        gains[level(piece, True)].append(number)
    vectors: dict[str, list[int]] = {"last": [], "earlier": [], "": []}
    for number, piece in enumerate(body.vectors):
        if piece.numbers.numel() == d_model:
            vectors[level(piece, False)].append(number)
    if len(gains["last"]) != 1 or len(gains["earlier"]) != n - 1 or len(vectors["last"]) != 1:
        return
    found: list[tuple[int, int, Roles]] = []
    for order in permutations(gains["earlier"]):
        for outer, *biases in permutations(vectors["earlier"], n):
            far = sum(abs(body.vectors[c].place - body.gains[g].place) for c, g in zip(biases, order))
            far += min(abs(body.vectors[outer].place - piece.place) for piece in body.ffn)
            roles = Roles((*order, *gains["last"]), (*biases, *vectors["last"]), (0, 1), outer)
            found.append((far, len(found), roles))
    for _, _, roles in sorted(found, key=lambda one: one[:2]):
        yield roles


def find_crossing(module: nn.Module, body: Anatomy, usual: Roles, sort: Sort, args: tuple) -> tuple[bool, ...]:
    """Which matrices are of the attention to the memory: those that no gradient reaches while the memory is zero."""
    d_model = args[0]
    if len(sort.attentions) == 1:
        return tuple(False for _ in body.attention)
    sizes = [piece.numbers.numel() for piece in body.attention]
    half = 4 * d_model**2
    later = tuple(sum(sizes[:i]) >= half for i in range(len(sizes)))
    fill(body, replace(usual, crossing=later), sort, args, ("attention",))
    weights = dict(module.named_parameters())
    for weight in weights.values():
        weight.grad = None
    try:
        out = sort.run(module, 2 * random(1, 3, d_model, seed=50), torch.zeros(1, 2, d_model), None, None)
        (out * random(*out.shape, seed=52)).sum().backward()
    except Exception:
        return later

    def silent(piece: Piece) -> bool:
        weight = weights[piece.name]
        if weight.grad is None:
            return True
        begin = piece.numbers.storage_offset() - weight.data.storage_offset()
        grad = weight.grad.reshape(-1)[begin : begin + piece.numbers.numel()]
        return not bool((grad.abs() > 1e-12).any())

    found = tuple(map(silent, body.attention))
    for weight in weights.values():
        weight.grad = None
    return found if sum(size for size, is_cross in zip(sizes, found) if is_cross) == half else later


def attentions_alone(module: nn.Module, body: Anatomy, roles: Roles, sort: Sort, args: tuple) -> Weights:
    """Attention's matrices as they stand, and what the layer gives with each attention alone, from one key and more."""
    found: Weights = [("?confirmed", torch.tensor(float(roles.confirmed)))]
    fill(body, roles, sort, args, ("attention",))
    pieces = [piece.numbers.view(piece.shape).clone() for piece in body.attention]
    for number, name in enumerate(sort.attentions):
        found += [(f"?{name}", one) for one, is_cross in zip(pieces, roles.crossing) if is_cross == bool(number)]
        fill(body, roles, sort, args, ("attention",), only=number)
        for T, S in ((1, 1), (3, 2)):
            found.append((f"?{name} {T}", run(module, sort, args[0], T, S)[2]))
    return found


def carry_over(module: nn.Module, sort: Sort, args: tuple, state: Mapping[str, Tensor]) -> None:
    """Give a new layer the weights that make it the same as ours with this state.

    Args:
        args: d_model, h, d_ff

    Raises:
        ValueError: its weights are not those of such a layer.
    """
    scout = copy.deepcopy(module).eval()
    body = anatomy(scout, args[0], args[2])
    roles = find_roles(scout, body, sort, args)
    found = dict(states(sort, attentions_alone(scout, body, roles, sort, args), args)["as found"])
    fill(body, roles, sort, args, ("attention",))
    marks = [piece.numbers.clone() for piece in body.attention]
    own = anatomy(module, args[0], args[2])
    if not roles.confirmed or len(marks) != len(own.attention):
        raise ValueError("it is not clear which of its weights is which")
    fill(own, roles, sort, args, (), given=state)
    place(found, state, marks, [piece.numbers for piece in own.attention])


def place(
    found: Mapping[str, Tensor], state: Mapping[str, Tensor], marks: Sequence[Tensor], own: Sequence[Tensor]
) -> None:
    """Write each number of ours where its mark stood.

    Args:
        found: marks by the reference's names: which of them is which of our numbers
        state: our numbers by the same names
        marks: of each weight of the learner's, no two alike
        own: these weights, which are written; what has no counterpart is left as it is

    Raises:
        ValueError: a number of ours has no place.
    """
    every = torch.cat([mark.flatten() for mark in marks]).double()
    order = every.argsort()
    numbers = torch.cat([weight.detach().flatten() for weight in own])
    for name, mark in found.items():
        if name not in state:
            continue
        wanted = mark.flatten().double()
        at = order[torch.searchsorted(every[order], wanted).clamp(max=len(order) - 1)]
        if not torch.equal(every[at], wanted):
            raise ValueError(f"{name} has no place among its weights")
        numbers[at] = state[name].flatten().to(numbers.dtype)
    begin = 0
    for weight in own:
        weight.data.copy_(numbers[begin : begin + weight.numel()].view_as(weight))
        begin += weight.numel()


# --- the judge's side ---


def states(sort: Sort, weights: Weights, args: tuple) -> dict[str, dict[str, Tensor]]:
    """The layout that was found: everything by the reference's names."""
    state = {name: weight for name, weight in weights if not name.startswith("?")}
    d_model, h, _ = args
    for number, name in enumerate(sort.attentions):
        pieces = [weight for key, weight in weights if key == f"?{name}"]
        if pieces:
            seen = [weight for key, weight in weights if key in (f"?{name} 1", f"?{name} 3")]
            key = b"".join(one.float().numpy().tobytes() for one in (*pieces, *seen))
            meaning = _meaning(key, tuple(tuple(p.shape) for p in pieces), d_model, h, number, sort.norms)
        else:
            meaning = {role: torch.zeros(d_model, d_model) for role in ROLES}
        state |= {f"{name}.{role}.weight": matrix for role, matrix in meaning.items()}
    return {"as found": state}


@lru_cache(maxsize=64)
def _meaning(
    key: bytes, shapes: tuple[tuple[int, ...], ...], d_model: int, h: int, number: int, norms: int
) -> dict[str, Tensor]:
    """Query's, key's, value's and output's matrices among the learner's, from what they give alone."""
    numbers = torch.frombuffer(bytearray(key), dtype=torch.float32)
    pieces = []
    for shape in shapes:
        pieces.append(numbers[: prod(shape)].view(shape))
        numbers = numbers[prod(shape) :]
    one, three = numbers[:d_model].view(1, 1, d_model), numbers[d_model:].view(1, 3, d_model)

    def expected(q: Tensor | None, k: Tensor | None, v: Tensor, o: Tensor, T: int, S: int) -> Tensor:
        x, memory = 2 * random(1, T, d_model, seed=50), 2 * random(1, S, d_model, seed=51)
        for _ in range(number):
            x = norm(x)
        y = memory if number else x
        mixed = torch.einsum("bsm,hkm->bhsk", y, v)
        if q is not None and k is not None:
            scores = torch.einsum("btm,hkm,bsn,hkn->bhts", x, q, y, k) / sqrt(d_model / h)
            mixed = scores.softmax(-1) @ mixed
        x = x + torch.einsum("bhtk,hkm->btm", mixed, o)
        for _ in range(norms - number):
            x = norm(x)
        return x

    ways = list(candidates(pieces, d_model, h))
    if not ways:
        return {role: torch.zeros(d_model, d_model) for role in ROLES}
    first = ways[0]
    if not one.isnan().any():
        tried: dict[tuple[int, int], bool] = {}
        fitting = []
        for way in ways:
            pair = id(way[2]), id(way[3])
            if pair not in tried:
                tried[pair] = close(one, expected(None, None, way[2], way[3], 1, 1))
            if tried[pair]:
                fitting.append(way)
        first = next((way for way in fitting if close(three, expected(*way, 3, 2))), fitting[0] if fitting else first)
    q, k, v, o = (matrix.reshape(d_model, d_model) for matrix in first)
    return {"W_Q": q, "W_K": k, "W_V": v, "W_O": o.mT.contiguous()}


Way = tuple[Tensor, Tensor, Tensor, Tensor]  # each (h, d_k, d_model)


def candidates(pieces: Sequence[Tensor], d_model: int, h: int) -> Iterator[Way]:
    """All ways in which tensors may hold the four matrices, the likely ones first."""
    for whole in joined(pieces, d_model, h):
        slots = [(i, j) for i, one in enumerate(whole) for j in range(one.numel() // d_model**2)]
        if len(slots) != 4:
            continue
        read = [readings(one, d_model, h) for one in whole]
        turned = [sorted(one, key=lambda r: not r[0].startswith("m")) for one in read]  # W_O: the model's axis first
        for q, k, v, o in permutations(range(4)):
            for orders in same_order([read[slots[s][0]] for s in (q, k, v)], [slots[s] for s in (q, k, v)]):
                for _, out in turned[slots[o][0]]:
                    yield (*orders, out[slots[o][1]])


def same_order(read: list, slots: list) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Readings of the three: the same one for tensors of the same form."""
    kinds = {tuple(name for name, _ in one): one for one in read}
    for choice in product(*(range(len(one)) for one in kinds.values())):
        chosen = dict(zip(kinds, choice))
        yield tuple(  # type: ignore[misc]
            one[chosen[tuple(name for name, _ in one)]][1][j] for one, (_, j) in zip(read, slots)
        )


def joined(pieces: Sequence[Tensor], d_model: int, h: int) -> Iterator[list[Tensor]]:
    """Tensors that hold whole matrices: those of single heads are put together, by heads or by roles.

    With more than three heads, what belongs to one head shows by its size, even with queries, keys and values in one.
    """
    heads = [i for i, one in enumerate(pieces) if one.numel() % d_model**2]
    if not heads:
        yield list(pieces)
        return
    if len(heads) % h:
        return
    kinds = len(heads) // h
    for by_head in (True, False):
        groups = [[heads[i * kinds + j] if by_head else heads[j * h + i] for i in range(h)] for j in range(kinds)]
        if all(len({tuple(pieces[i].shape) for i in group}) == 1 for group in groups):
            stacks = [(group[0], torch.stack([pieces[i] for i in group])) for group in groups]
            rest = [(i, one) for i, one in enumerate(pieces) if i not in heads]
            yield [one for _, one in sorted(stacks + rest, key=lambda pair: pair[0])]


def readings(one: Tensor, d_model: int, h: int) -> list[tuple[str, list[Tensor]]]:
    """Every order of axes (matrix n, head h, width k of a head, width m of the model) that fits its shape."""
    sizes = {"n": one.numel() // d_model**2, "h": h, "k": d_model // h, "m": d_model}
    found = []
    for order in permutations("nhkm" if sizes["n"] > 1 else "hkm"):
        if fits([sizes[axis] for axis in order], tuple(size for size in one.shape if size != 1)):
            axes = one.reshape([sizes[axis] for axis in order])
            whole = axes if sizes["n"] > 1 else axes[None]
            order = order if sizes["n"] > 1 else ("n", *order)
            matrices = whole.permute([order.index(axis) for axis in "nhkm"])
            found.append(("".join(order).lstrip("n"), list(matrices.unbind(0))))
    return found


def fits(sizes: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether neighbours among the sizes multiply to the shape's."""
    rest = list(sizes)
    for size in shape:
        have = 1
        while rest and have < size:
            have *= rest.pop(0)
        if have != size:
            return False
    return not rest


def count(module: nn.Module, d_model: int, d_ff: int) -> Observation:
    """How much of each kind a new layer has."""
    body = anatomy(module, d_model, d_ff)
    return {
        "norms with a gain": len(body.gains),
        "feed-forward matrices": sum(p.numbers.numel() for p in body.ffn) / (d_model * d_ff),
        "attention matrices": sum(p.numbers.numel() for p in body.attention) / d_model**2,
        "_numbers": sum(p.numbers.numel() for p in (*body.ffn, *body.attention)),
    }
