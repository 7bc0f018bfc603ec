"""Which of a learner's weights is which part of multi-head attention, however they are laid out.

A weight is read as a product of axes: the role r (which of W_Q, W_K, W_V, W_O), the head h, the feature k within a
head, the model's feature m. All orders of the axes that fit its shape are candidates. Trying all combinations would
take too long, but attention comes apart: with a single key it is W_O W_V value + bias, whatever the queries and keys
are. So the probes keep two answers of the module beside its weights: `ONE_KEY` decides on values and output, `SEVERAL`
on queries and keys.
Nothing is fitted: each number of ours is one of the learner's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations, product

import torch
from torch import Tensor

from course_lib.exercises.exercise import Weights
from course_lib.exercises.trial import random

ONE_KEY, SEVERAL = "its answer to one key", "its answer to several keys"
TOLERANCE = 1e-3  # of the largest number
State = dict[str, Tensor]
# orders in which people write the four down, the usual one first
ORDERS = ("QKVO", "VKQO", "KQVO", "QVKO", "KVQO", "VQKO", "OQKV")


def questions(d_model: int, dtype: torch.dtype = torch.float32) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Queries, keys and values whose answers tell the weights apart; those to one key differ in the value only."""
    one = random(1, 1, d_model, seed=901, dtype=dtype).expand(3, 1, d_model)
    query, key = (0.7 * random(2, n, d_model, seed=903 + n, dtype=dtype) for n in (2, 3))
    return {
        ONE_KEY: (one, one.flip(-1), random(3, 1, d_model, seed=902, dtype=dtype)),
        SEVERAL: (query, key, random(2, 3, d_model, seed=909, dtype=dtype)),
    }


# --- from tensors to candidates ---


@dataclass(frozen=True)
class Part:
    """One reading of a weight, or of a third of one.

    Attributes:
        source: which weight, in order of registration
        index: which slice of it, where it holds several roles
        order: of the axes
        numbers: (h, k, m); of a bias (h, k)
    """

    source: int
    index: int
    order: str
    numbers: Tensor

    @property
    def place(self) -> tuple[int, int]:
        return self.source, self.index

    def goes_with(self, other: "Part") -> bool:
        """Whether both can be meant at once: of one weight, different slices in the same order."""
        return self.source != other.source or (self.index != other.index and self.order == other.order)


@cache
def orders(shape: tuple[int, ...], sizes: tuple[tuple[str, int], ...]) -> tuple[str, ...]:
    """The orders of axes whose neighbours can be joined to give this shape."""
    size = dict(sizes)
    flat = "".join(axis for axis in size if size[axis] == 1)
    real = [axis for axis in size if size[axis] > 1]
    found = [flat + "".join(order) for order in permutations(real) if _joins([size[a] for a in order], shape)]
    return tuple(sorted(found, key=lambda order: (order.find("k") < order.find("h"), "rhk" not in order)))


def _joins(sizes: Sequence[int], shape: Sequence[int]) -> bool:
    left = list(sizes)
    for wanted in shape:
        n = 1
        while n < wanted and left:
            n *= left.pop(0)
        if n != wanted:
            return False
    return not left


def readings(tensor: Tensor, source: int, roles: int, axes: dict[str, int]) -> list[Part]:
    sizes = {"r": roles, **axes}
    shape = tuple(n for n in tensor.shape if n != 1)
    found = []
    for order in orders(shape, tuple(sizes.items())):
        moved = tensor.reshape([sizes[axis] for axis in order]).permute([order.index(axis) for axis in sizes])
        found += [Part(source, index, order, moved[index]) for index in range(roles)]
    return found


def stacked(tensors: Sequence[Tensor], small: int, h: int) -> Iterator[list[Tensor]]:
    """The h small tensors of each role as one, in all the ways in which they may stand in a row.

    Args:
        small: size of what belongs to one head and one role
    """
    groups: dict[tuple, list[int]] = {}
    for i, tensor in enumerate(tensors):
        if h > 1 and tensor.numel() != h * small and tensor.numel() in (small, 2 * small, 3 * small):
            groups.setdefault(tuple(tensor.shape), []).append(i)
    ways = [list(_rows(places, h)) for places in groups.values()]
    if not all(ways):
        return
    grouped = {i for places in groups.values() for i in places}
    for way in product(*ways):
        rows = [[i] for i in range(len(tensors)) if i not in grouped] + [row for rows in way for row in rows]
        rows.sort(key=lambda row: row[0])
        yield [tensors[r[0]] if r[0] not in grouped else torch.stack([tensors[i].squeeze() for i in r]) for r in rows]


def _rows(places: list[int], h: int) -> Iterator[list[list[int]]]:
    """n h numbers as n rows of h: head by head, kind by kind, or the heads' own first and their outputs after."""
    n, rest = divmod(len(places), h)
    if rest:
        return
    interleaved = [places[i::n] for i in range(n)]
    yield interleaved
    if n > 1:
        yield [places[i * h : (i + 1) * h] for i in range(n)]
    if n == 4:
        first, last = places[: 3 * h], places[3 * h :]
        yield [*(first[i::3] for i in range(3)), last]
        first, last = places[:h], places[h:]
        yield [first, *(last[i::3] for i in range(3))]


# --- the search ---


@dataclass(frozen=True)
class Found:
    """A meaning of every weight."""

    q: Part
    k: Part
    v: Part
    o: Part
    b_q: Part | None = None
    b_k: Part | None = None
    b_v: Part | None = None
    b_o: Tensor | None = None

    def state(self) -> State:
        parts = (("Q", self.q, self.b_q), ("K", self.k, self.b_k), ("V", self.v, self.b_v))
        state = {f"W_{name}.weight": weight.numbers.flatten(0, 1) for name, weight, _ in parts}
        for name, weight, bias in parts:
            state[f"W_{name}.bias"] = (
                bias.numbers.flatten() if bias else weight.numbers.new_zeros(weight.numbers[..., 0].numel())
            )
        state["W_O.weight"] = self.o.numbers.flatten(0, 1).T
        state["W_O.bias"] = self.o.numbers.new_zeros(self.o.numbers.size(-1)) if self.b_o is None else self.b_o
        return {name: tensor.contiguous() for name, tensor in state.items()}


class Search:
    """For one way to stack the weights.

    Args:
        matrices, biases: of all heads together
    """

    def __init__(self, matrices: Sequence[Tensor], biases: Sequence[Tensor], d_model: int, h: int) -> None:
        self.d, self.h, self.k = d_model, h, d_model // h
        self.matrices = [w.double() for w in matrices]
        self.biases = [b.double() for b in biases]
        self.roles = [w.numel() // d_model**2 for w in matrices]
        axes = {"h": h, "k": self.k, "m": d_model}
        self.parts = [p for i, w in enumerate(self.matrices) for p in readings(w, i, self.roles[i], axes)]
        axes = {"h": h, "k": self.k}
        self.bias_parts = [
            p
            for i, b in enumerate(self.biases)
            if b.numel() % d_model == 0
            for p in readings(b, i, b.numel() // d_model, axes)
        ]

    def complete(self) -> bool:
        return sum(self.roles) == 4 and sum(w.numel() for w in self.matrices) == 4 * self.d**2

    def values_and_outputs(self, answer: Tensor) -> list[tuple[Part, Part]]:
        """The pairs for which W_O W_V explains how the answer to one key changes with the value."""
        if not self.parts:
            return []
        value = questions(self.d, torch.float64)[ONE_KEY][2]
        change, wanted = (value[1:] - value[:1]).squeeze(1), (answer[1:] - answer[:1]).squeeze(1).double()
        w = torch.stack([part.numbers for part in self.parts]).flatten(1, 2)  # (N, h k, m)
        heads = w @ change.T  # (N, h k, 2)
        outs = torch.einsum("oem,ven->ovnm", w, heads)
        off = (outs - wanted).abs().amax((-1, -2)) / wanted.abs().max().clamp(min=1e-9)
        pairs = [(self.parts[v], self.parts[o]) for o, v in (off < TOLERANCE).nonzero().tolist()]
        return [(v, o) for v, o in pairs if v.goes_with(o)]

    def their_biases(self, v: Part, o: Part, answer: Tensor) -> list[tuple[Part | None, Tensor | None, tuple]]:
        """(b_V, b_O, places that this uses up) for which the answer to one key is explained."""
        value = questions(self.d, torch.float64)[ONE_KEY][2][0, 0]
        w_o = o.numbers.flatten(0, 1)
        left = answer[0, 0].double() - (v.numbers.flatten(0, 1) @ value) @ w_o
        scale = left.abs().max().clamp(min=1.0)
        found = []
        for part in (None, *self.bias_parts):
            rest = left - (part.numbers.flatten() @ w_o if part else 0.0)
            for out, places in self.output_biases():
                if part and part.place in places:
                    continue
                if (rest - (0.0 if out is None else out)).abs().max() < TOLERANCE * scale:
                    found.append((part, out, (*places, *([part.place] if part else []))))
        return found

    def output_biases(self) -> Iterator[tuple[Tensor | None, tuple]]:
        """None, each one, each slice of one, and the sum of h of them (one for each head's output)."""
        yield None, ()
        for i, bias in enumerate(self.biases):
            if bias.numel() % self.d == 0:
                for index, row in enumerate(bias.reshape(-1, self.d)):
                    yield row, ((i, index),)
        whole = [i for i, bias in enumerate(self.biases) if bias.numel() == self.d]
        for first in range(len(whole) - self.h + 1):
            window = whole[first : first + self.h]
            if self.h > 1:
                yield torch.stack([self.biases[i].flatten() for i in window]).sum(0), tuple((i, 0) for i in window)

    def queries_and_keys(self, v: Part, o: Part, biases: tuple, answer: Tensor) -> tuple[bool, Found] | None:
        """What explains the answer to several keys; whether it does so with the right scale."""
        b_v, b_o, used = biases
        rest = [p for p in self.parts if p.goes_with(v) and p.goes_with(o)]
        free = [b for b in self.bias_parts if b.place not in used]
        if len({b.place for b in free}) > 2 or any(b.numel() % self.d for b in self.biases):
            return None  # a bias that has no place
        shifts: list[Part | None] = [None, *free]
        query, key, value = questions(self.d, torch.float64)[SEVERAL]
        w = torch.stack([p.numbers for p in rest])  # (N, h, k, m)
        b = torch.stack([torch.zeros(self.h, self.k).double(), *(s.numbers for s in shifts if s)])
        q = torch.einsum("btm,nhkm->nbhtk", query, w)[:, None] + b[None, :, None, :, None]  # (N, biases, B, h, T, k)
        k = torch.einsum("btm,nhkm->nbhtk", key, w)
        scores = torch.einsum("nsbhtk,lbhuk->nslbhtu", q, k)
        mix = torch.einsum("bum,hkm->bhuk", value, v.numbers) + (b_v.numbers[None, :, None] if b_v else 0.0)
        mix = torch.einsum("bhuk,hkm->bhum", mix, o.numbers)
        wanted = answer.double() - (0.0 if b_o is None else b_o)
        pairs = torch.tensor([[a.goes_with(c) and a.place != c.place for c in rest] for a in rest])
        for i, scale in enumerate(self.scales()):
            out = torch.einsum("nslbhtu,bhum->nslbtm", (scores * scale).softmax(-1), mix)
            off = (out - wanted).abs().amax((-1, -2, -3)) / wanted.abs().max().clamp(min=1e-9)
            hits = ((off < TOLERANCE) & pairs[:, None]).nonzero().tolist()
            if hits:
                n, s, m = hits[0]
                b_q = shifts[s]
                others = [x for x in free if b_q is None or (x.goes_with(b_q) and x.place != b_q.place)]
                if len({x.place for x in others}) <= 1:
                    return i == 0, Found(rest[n], rest[m], v, o, b_q, others[0] if others else None, b_v, b_o)
        return None

    def scales(self) -> tuple[float, ...]:
        """The right one, and wrong ones: a wrong scale should not hide which weight is which."""
        return self.k**-0.5, 1.0, 1 / self.k, self.d**-0.5, self.h**-0.5, self.k**0.5, 1 / self.d, 3**-0.5

    def usual(self) -> Iterator[Found]:
        """As people mostly write: in these orders, for (d_out, d_in) and for (d_in, d_out)."""
        slots = [(i, index) for i, n in enumerate(self.roles) for index in range(n)]
        for roles in ORDERS:
            place = {role: slots[i] for i, role in enumerate(roles)}
            for inward, outward in ((True, False), (False, True), (True, True), (False, False)):
                chosen = {}
                for role in roles:
                    source, index = place[role]
                    same = [p for p in self.parts if p.place == (source, index)]
                    last = outward if role == "O" else inward
                    chosen[role] = next((p for p in same if p.order.endswith("m") == last), same[0] if same else None)
                if all(chosen.values()):
                    yield Found(*(chosen[r] for r in "QKVO"), *self.usual_biases(roles))  # type: ignore[arg-type]

    def usual_biases(self, roles: str) -> tuple:
        """Registered in the order of their weights; three belong to the inner matrices, a single one to the output."""
        places = list(dict.fromkeys(part.place for part in self.bias_parts))
        owners = {4: roles, 3: roles.replace("O", ""), 1: "O"}.get(len(places), "")
        first = {place: next(p for p in self.bias_parts if p.place == place) for place in places}
        found = {role: first[place] for role, place in zip(owners, places, strict=False)}
        output = found["O"].numbers.flatten() if "O" in found else None
        return found.get("Q"), found.get("K"), found.get("V"), output

    def run(self, answers: dict[str, Tensor]) -> tuple[bool, list[Found]]:
        """Whether an answer to several keys is explained; else what is likely."""
        found: list[Found] = []
        pairs = []
        if ONE_KEY in answers:
            pairs = self.values_and_outputs(answers[ONE_KEY])
        for v, o in pairs:
            for biases in self.their_biases(v, o, answers[ONE_KEY]):
                if SEVERAL in answers and (hit := self.queries_and_keys(v, o, biases, answers[SEVERAL])):
                    if hit[0]:
                        return True, [hit[1]]
                    found.append(hit[1])
        if found:
            return True, found[:1]
        usual = list(self.usual())
        told = {(v.place, v.order, o.place, o.order) for v, o in pairs}
        fitting = [one for one in usual if (one.v.place, one.v.order, one.o.place, one.o.order) in told]
        likely = (*fitting[:2], *usual[:1]) if fitting else usual[:2]
        return False, list({id(one): one for one in likely}.values())


_known: dict[tuple, dict[str, State]] = {}


def layouts(weights: Weights, args: tuple) -> dict[str, State]:
    """The likely meanings of a module's weights, as states of ours; one only where its answers leave no doubt."""
    key = (*args[:2], *((name, tuple(w.shape), w.double().numpy().tobytes()) for name, w in weights))
    if key not in _known:
        if len(_known) > 50:
            _known.clear()
        _known[key] = search(weights, *args[:2])
    return _known[key]


def search(weights: Weights, d_model: int, h: int) -> dict[str, State]:
    answers = {name: tensor for name, tensor in weights if name in (ONE_KEY, SEVERAL)}
    own = [tensor for name, tensor in weights if name not in answers]
    matrices = [w for w in own if not is_bias(w, d_model)]
    biases = [w for w in own if is_bias(w, d_model)]
    likely: list[State] = []
    for whole in stacked(matrices, d_model * d_model // h, h):
        for shifts in stacked_biases(biases, d_model, h):
            one = Search(whole, shifts, d_model, h)
            if one.complete():
                sure, found = one.run(answers)
                states = [meaning.state() for meaning in found]
                if sure:
                    return {"1": states[0]}
                likely += states
    likely = likely or list(incomplete(matrices, biases, d_model, h))
    return {str(i + 1): state for i, state in enumerate(likely[:3])}


def is_bias(weight: Tensor, d_model: int) -> bool:
    """Heads are at least 4 wide in the probes, so that a matrix of one head is larger than three biases."""
    return weight.squeeze().dim() <= 1 or weight.numel() <= 3 * d_model


def stacked_biases(biases: Sequence[Tensor], d_model: int, h: int) -> Iterator[list[Tensor]]:
    return stacked(biases, d_model // h, h) if biases else iter([[]])


def incomplete(matrices: Sequence[Tensor], biases: Sequence[Tensor], d_model: int, h: int) -> Iterator[State]:
    """Where weights are missing: states that the reference cannot use, and a known mistake can.

    A weight that stands for several is called "shared"; one that is missing is left out.
    """
    square = [w.reshape(d_model, d_model) for w in matrices if w.numel() == d_model**2]
    small = [w for w in matrices if h > 1 and w.squeeze().shape == (d_model, d_model // h)]
    shifts = [b.flatten() for b in biases]
    same = len(shifts) == len(matrices)

    def state(*names: str) -> State:
        parts = dict(zip(names, square + small, strict=False))
        found = {f"W_{name}.weight" if name != "shared" else "shared.weight": w for name, w in parts.items()}
        if same:
            for name, bias in zip(names, shifts, strict=False):
                found[f"W_{name}.bias" if name != "shared" else "shared.bias"] = bias
        return found

    if len(square) + len(small) != len(matrices):
        return
    if len(square) == 3 and len(small) == 1:
        yield state("Q", "K", "V", "O")
    elif len(square) == 3:
        for names in (("Q", "K", "O"), ("Q", "K", "V"), ("Q", "V", "O")):
            yield state(*names)
    elif len(square) == 2:
        yield state("shared", "O")
    elif len(square) == 1:
        yield state("shared")
        yield state("O")
