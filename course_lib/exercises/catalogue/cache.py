"""Attention one position at a time, with a cache (for decoding)."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_lib.decoding import attend_step
from course_lib.exercises.catalogue.signs import Signs, alike, raises, raises_anywhere, tensor
from course_lib.exercises.exercise import Card, Exercise, Mistake, Observation, Observations, Probe
from course_lib.exercises.trial import Answer, Trial, random

LONG = 66  # beyond the lengths that are written down for a try: 8, 16, 32, 64
Three = tuple[Tensor, Tensor, Tensor]


def qkv(b: int, h: int, n: int, d: int, seed: int, dtype: torch.dtype = torch.float32) -> Three:
    q, k, v = (random(b, h, n, d, seed=seed + i, dtype=dtype) for i in range(3))
    return q, k, v


def step(trial: Trial, *given: Any) -> tuple[Tensor, Any]:
    """One call: the output, and the cache, whatever it is.

    Raises:
        Answer: it is not such a pair.
    """
    answer = trial.once(None, *given)
    if isinstance(answer, Tensor):
        raise Answer(
            f"It returns one tensor of shape {tuple(answer.shape)}, where the output and the cache are asked for."
        )
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        length = f" of {len(answer)}" if isinstance(answer, tuple | list) else ""
        raise Answer(
            f"It returns a {type(answer).__name__}{length}, where a pair is asked for: the output and the cache."
        )
    if not isinstance(answer[0], Tensor):
        raise Answer(f"The first thing it returns is a {type(answer[0]).__name__}, where the output is asked for.")
    return answer[0], answer[1]


def run(trial: Trial, *given: Tensor, part: Callable[[Tensor], Tensor] = Tensor.clone) -> tuple[list[Tensor], bool]:
    """A whole sequence: its outputs as they were when they were returned, and whether an input was changed.

    `part` makes each step's tensors of a slice.
    """
    outs: list[Tensor] = []
    cache: tuple = ()
    changed = False
    for t in range(given[0].size(2)):
        parts = [part(x[:, :, t : t + 1]) for x in given]
        before = [x.clone() for x in parts]
        out, kept = step(trial, *parts, *cache)
        outs.append(out.clone())
        cache = (kept,)
        changed |= not all(torch.equal(x, y) for x, y in zip(parts, before, strict=True))
    return outs, changed


def sees(trial: Trial, *given: Tensor, **options: Any) -> Observation:
    outs, changed = run(trial, *given, **options)
    named = {f"out of step {t + 1}": out for t, out in enumerate(outs)}
    return trial.seen(**named, **({"changes_its_input": True} if changed else {}))


def as_is(x: Tensor) -> Tensor:
    return x


def first_step(trial: Trial) -> Observation:
    return sees(trial, *qkv(1, 1, 1, 3, seed=0))


def two_steps(trial: Trial) -> Observation:
    return sees(trial, *qkv(1, 1, 2, 3, seed=10))


def three_steps(trial: Trial) -> Observation:
    return sees(trial, *qkv(1, 1, 3, 5, seed=20))


def batch(trial: Trial) -> Observation:
    return sees(trial, *qkv(2, 3, 5, 6, seed=30))


def alike_sizes(trial: Trial) -> Observation:
    return sees(trial, *qkv(4, 4, 4, 4, seed=40))


def batch_of_one(trial: Trial) -> Observation:
    return sees(trial, *qkv(1, 3, 3, 2, seed=50))


def one_head(trial: Trial) -> Observation:
    return sees(trial, *qkv(3, 1, 3, 2, seed=60))


def one_feature(trial: Trial) -> Observation:
    return sees(trial, *qkv(2, 3, 3, 1, seed=70))


def none_given(trial: Trial) -> Observation:
    """`cache=None` said, rather than left out."""
    q, k, v = qkv(2, 3, 1, 4, seed=80)
    return trial.seen(out=step(trial, q, k, v, None)[0])


def again(trial: Trial) -> Observation:
    """A second sequence does not know of the first, though it be of the same sizes; nor does the first, done anew."""
    first, second = qkv(2, 3, 3, 6, seed=90), qkv(2, 3, 3, 6, seed=95)
    runs = [torch.cat([out.flatten() for out in run(trial, *one)[0]]) for one in (first, second, first)]
    return trial.seen(first_sequence=runs[0], second_sequence=runs[1], first_sequence_done_again=runs[2])


def interleaved(trial: Trial) -> Observation:
    """Two sequences of the same sizes in turn, each with its own cache."""
    given = [qkv(2, 2, 3, 4, seed=seed) for seed in (100, 105)]
    caches: list[tuple] = [(), ()]
    seen = {}
    for t in range(3):
        for i, name in enumerate(("first", "second")):
            out, found = step(trial, *(x[:, :, t : t + 1].clone() for x in given[i]), *caches[i])
            caches[i] = (found,)
            seen[f"step {t + 1} of the {name} sequence"] = out.clone()
    return trial.seen(**seen)


def long(trial: Trial) -> Observation:
    return trial.seen(outs=torch.cat([out.reshape(1, 1, -1, 3) for out in run(trial, *long_input())[0]], 2))


def long_input(dtype: torch.dtype = torch.float32) -> Three:
    return qkv(1, 1, LONG, 3, seed=110, dtype=dtype)


def double(trial: Trial) -> Observation:
    return sees(trial, *qkv(2, 3, 3, 6, seed=120, dtype=torch.float64))


def views(trial: Trial) -> Observation:
    """Slices of heads that were split by a transpose."""
    q, k, v = (x.transpose(1, 2).contiguous().transpose(1, 2) for x in qkv(2, 3, 4, 6, seed=130))
    return sees(trial, q, k, v, part=as_is)


def gradient(trial: Trial) -> Observation:
    """Of a step's output to its own tensors, and through the cache to those before.

    Taken at once after each step: so the cache may be a tensor that is written into.
    """
    q, k, v = qkv(2, 2, 3, 5, seed=140)
    steps = [[x[:, :, t : t + 1].clone().requires_grad_() for x in (q, k, v)] for t in range(3)]
    cache: tuple = ()
    seen: dict[str, Tensor | None] = {}
    for t in range(3):
        out, kept = step(trial, *steps[t], *cache)
        cache = (kept,)
        if t == 0:
            continue  # a single key gets the weight 1, whatever the query: some do not even look at it
        inputs = {"q": steps[t][0]}  # by their names; of the queries only the last asks
        inputs |= {f"{name} of step {s + 1}": steps[s][i] for s in range(t + 1) for i, name in ((1, "k"), (2, "v"))}
        gradients: tuple = (None,) * len(inputs)
        if out.requires_grad:
            mixture = (out * random(*out.shape, seed=145)).sum()
            gradients = torch.autograd.grad(mixture, list(inputs.values()), allow_unused=True, retain_graph=True)
        for name, found in zip(inputs, gradients, strict=True):
            seen[f"gradient of step {t + 1} to {name}"] = found
    return trial.seen(**seen)


def large(trial: Trial) -> Observation:
    """Scores of several hundred, above zero in one sentence and below it in the other."""
    q, k, v = qkv(2, 1, 4, 6, seed=150)
    return sees(trial, 25 * q.abs() * torch.tensor([1.0, -1.0]).view(2, 1, 1, 1), 25 * k.abs(), v)


def branches(trial: Trial) -> Observation:
    """A cache that was kept is gone on from twice, as a beam search may do."""
    q, k, v = qkv(2, 2, 4, 5, seed=160)
    one, two, three, four = ([x[:, :, t : t + 1].clone() for x in (q, k, v)] for t in range(4))
    _, cache = step(trial, *one)
    _, kept = step(trial, *two, cache)
    first, _ = step(trial, *three, kept)
    second, _ = step(trial, *four, kept)
    return trial.seen(one_continuation=first, another_continuation=second)


def values_of_another_width(trial: Trial) -> Observation:
    q, k, _ = qkv(2, 2, 3, 4, seed=165)
    return sees(trial, q, k, random(2, 2, 3, 6, seed=168))


def half(trial: Trial) -> Observation:
    return sees(trial, *qkv(2, 2, 3, 4, seed=170, dtype=torch.float16))


def bf16(trial: Trial) -> Observation:
    return sees(trial, *qkv(2, 2, 3, 4, seed=180, dtype=torch.bfloat16))


PROBES = (
    Probe(
        "first step",
        first_step,
        "The first step, which has only itself to look at, is not right.",
        "q, k and v (1, 1, 1, 3)",
    ),
    Probe("two steps", two_steps, "The second step is not right.", "q, k and v (1, 1, 1, 3), twice"),
    Probe(
        "three steps",
        three_steps,
        "After three steps the result is not that of full causal attention.",
        "q, k and v (1, 1, 1, 5), three times",
    ),
    Probe("batch", batch, "With a batch and heads the result is not right.", "q, k and v (2, 3, 1, 6), five steps"),
    Probe("alike", alike_sizes, "With all sizes alike the result is not right.", "q, k, v (4, 4, 1, 4), four steps"),
    Probe(
        "batch of one",
        batch_of_one,
        "With a batch of one the result is not right.",
        "q, k, v (1, 3, 1, 2), three steps",
    ),
    Probe("one head", one_head, "With a single head the result is not right.", "q, k, v (3, 1, 1, 2), three steps"),
    Probe(
        "one feature",
        one_feature,
        "With a single feature the result is not right.",
        "q, k, v (2, 3, 1, 1), three steps",
    ),
    Probe(
        "none given",
        none_given,
        "With `cache=None` said, the first step is not right.",
        "q, k and v (2, 3, 1, 4), and None",
    ),
    Probe(
        "again", again, "A new sequence, begun without a cache, is not on its own.", "three sequences of three steps"
    ),
    Probe(
        "interleaved",
        interleaved,
        "Two sequences in turn, each with its own cache, disturb each other.",
        "two sequences",
    ),
    Probe("long", long, "A longer sequence is not right.", f"{LONG} steps"),
    Probe("float64", double, "In double precision the result is not right.", "float64 input", atol=1e-8, rtol=1e-8),
    Probe(
        "views", views, "With an input that is not contiguous the result is not right.", "slices of transposed tensors"
    ),
    Probe(
        "gradient", gradient, "The gradient does not flow back as it should.", "q, k and v (2, 2, 1, 5), three steps"
    ),
    Probe(
        "large",
        large,
        "With larger numbers the result is not right.",
        "scores of several hundred",
        atol=1e-3,
        rtol=1e-3,
    ),
    Probe(
        "branches",
        branches,
        "a cache that is used a second time has changed meanwhile: a beam search may want to",
        robust=True,
    ),
    Probe("width of v", values_of_another_width, "values must be as wide as keys", "v (2, 2, 1, 6)", robust=True),
    Probe("bfloat16", bf16, "bfloat16 gives something else", "bfloat16 input", robust=True, atol=0.03, rtol=0.05),
    Probe("float16", half, "half precision gives something else", "float16 input", robust=True, atol=4e-3, rtol=0.01),
)
SIGNS = Signs(attend_step, PROBES)


# --- the known mistakes: cache (keys, values), unless it says otherwise ---

Cache = tuple[Tensor, Tensor]
Step = Callable[..., tuple[Tensor, Any]]


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT / math.sqrt(q.size(-1))).softmax(-1) @ v


def grown(cache: Cache | None, k: Tensor, v: Tensor, axis: int = 2) -> Cache:
    return (k, v) if cache is None else (torch.cat([cache[0], k], axis), torch.cat([cache[1], v], axis))


def attending(how: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Step:
    """The right cache, but another attention to it."""

    def step(q_t, k_t, v_t, cache=None):  # type: ignore[no-untyped-def]
        cache = grown(cache, k_t, v_t)
        return how(q_t, *cache), cache

    return step


def scoring(score: Callable[[Tensor, Tensor], Tensor]) -> Step:
    return attending(lambda q, k, v: score(q, k).softmax(-1) @ v)


def keeping(keep: Callable[..., Any]) -> Step:
    """The right output, but of (q_t, k_t, v_t, out_t, old cache, right new cache) another thing is kept."""

    def step(q_t, k_t, v_t, cache=None):  # type: ignore[no-untyped-def]
        new = grown(cache, k_t, v_t)
        out = attend(q_t, *new)
        return out, keep(q_t, k_t, v_t, out, cache, new)

    return step


def starting(start: Callable[[Tensor, Tensor], Cache]) -> Step:
    """A cache that begins with something."""

    def step(q_t, k_t, v_t, cache=None):  # type: ignore[no-untyped-def]
        cache = grown(start(k_t, v_t) if cache is None else cache, k_t, v_t)
        return attend(q_t, *cache), cache

    return step


def joining(axis: int) -> Step:
    """New keys and values are put behind the old ones along another axis."""

    def step(q_t, k_t, v_t, cache=None):  # type: ignore[no-untyped-def]
        cache = grown(cache, k_t, v_t, axis)
        return attend(q_t, *cache), cache

    return step


def features_read_as_steps(q_t, k_t, v_t, cache=None):  # type: ignore[no-untyped-def]
    cache = grown(cache, k_t, v_t, 3)
    keys, values = (x.reshape(*q_t.shape[:2], q_t.size(-1), -1).mT for x in cache)
    return attend(q_t, keys, values), cache


def past_only(q_t, k_t, v_t, cache=None):  # type: ignore[no-untyped-def]
    return attend(q_t, *(cache or (k_t, v_t))), grown(cache, k_t, v_t)


def first_forgotten(q_t, k_t, v_t, cache=None):  # type: ignore[no-untyped-def]
    new = grown(cache, k_t, v_t)
    return attend(q_t, *new), new if cache is not None else (k_t[:, :, :0], v_t[:, :, :0])


def new_one_twice(q_t, k_t, v_t, cache=None):  # type: ignore[no-untyped-def]
    new = grown(cache, k_t, v_t)
    return attend(q_t, *grown(new, k_t, v_t)), new


def crossed(q_t, k_t, v_t, cache=None):  # type: ignore[no-untyped-def]
    values = v_t if cache is None else torch.cat([v_t, cache[1]], 2)
    cache = grown(cache, k_t, v_t)[0], values
    return attend(q_t, *cache), cache


def first_query_asks(q_t, k_t, v_t, cache=None):  # type: ignore[no-untyped-def]
    q, *old = (q_t,) if cache is None else cache
    new = grown(tuple(old) or None, k_t, v_t)  # type: ignore[arg-type]
    return attend(q, *new), (q, *new)


def all_queries(q_t, k_t, v_t, cache=None):  # type: ignore[no-untyped-def]
    q = q_t if cache is None else torch.cat([cache[0], q_t], 2)
    new = grown(None if cache is None else cache[1:], k_t, v_t)
    allowed = torch.ones(q.size(2), q.size(2), dtype=torch.bool).tril()
    scores = (q @ new[0].mT / math.sqrt(q.size(-1))).masked_fill(~allowed, -math.inf)
    return scores.softmax(-1) @ new[1], (q, *new)


def earlier_weights(q_t, k_t, v_t, cache=None):  # type: ignore[no-untyped-def]
    one = ((q_t * k_t).sum(-1, keepdim=True) / math.sqrt(q_t.size(-1))).exp()
    above, below = (0, 0) if cache is None else cache
    above, below = above + one * v_t, below + one
    return above / below, (above, below)


def linear(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    weights = (torch.nn.functional.elu(q) + 1) @ (torch.nn.functional.elu(k) + 1).mT
    return weights / weights.sum(-1, keepdim=True) @ v


def scaled_again(q_t, k_t, v_t, cache=None):  # type: ignore[no-untyped-def]
    k, v = grown(cache, k_t, v_t)
    k = k / math.sqrt(k.size(-1))
    return (q_t @ k.mT).softmax(-1) @ v, (k, v)


def first_sentence(q_t, k_t, v_t, cache=None):  # type: ignore[no-untyped-def]
    old = None if cache is None else tuple(x[:1].expand(len(q_t), -1, -1, -1) for x in cache)
    cache = grown(old, k_t, v_t)  # type: ignore[arg-type]
    return attend(q_t, *cache), cache


def first_head(q_t, k_t, v_t, cache=None):  # type: ignore[no-untyped-def]
    old = None if cache is None else tuple(x[:, :1].expand(-1, q_t.size(1), -1, -1) for x in cache)
    cache = grown(old, k_t, v_t)  # type: ignore[arg-type]
    return attend(q_t, *cache), cache


def half_precision(q_t, k_t, v_t, cache=None):  # type: ignore[no-untyped-def]
    old = None if cache is None else (cache[0].to(k_t.dtype), cache[1].to(v_t.dtype))
    k, v = grown(old, k_t, v_t)
    return attend(q_t, k, v), (k.half(), v.half())


def single_precision(q_t, k_t, v_t, cache=None):  # type: ignore[no-untyped-def]
    return attend_step(q_t.float(), k_t.float(), v_t.float(), cache)


def hard(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    best = (q @ k.mT).argmax(-1)
    return torch.nn.functional.one_hot(best, k.size(2)).to(v.dtype) @ v


def plain_exponential(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    e = (q @ k.mT / math.sqrt(q.size(-1))).exp()
    return e / e.sum(-1, keepdim=True) @ v


def nearness(q: Tensor, k: Tensor) -> Tensor:
    ago = torch.arange(k.size(2) - 1, -1, -1).to(q.dtype)
    return q @ k.mT / math.sqrt(q.size(-1)) - 0.1 * ago


def sigmoids(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT / math.sqrt(q.size(-1))).sigmoid() @ v


# --- signs ---


def of_first_step() -> tuple[Tensor, Tensor]:
    """The one score and the one value that there are."""
    q, k, v = qkv(1, 1, 1, 3, seed=0, dtype=torch.float64)
    return (q * k).sum() / math.sqrt(3), v


def blanks(seen: Observations) -> float:
    """How many keys of zeros, with values of zeros, share in the first step; 0 if the output is no multiple of v."""
    score, v = of_first_step()
    out = tensor(seen["first step"], "out of step 1").double()
    share = float((out / v).mean())
    if out.shape != v.shape or not alike(out, share * v) or not 1e-6 < share < 0.9999:
        return 0.0
    return float((1 / share - 1) * score.exp())


def empty_part_of_buffer(seen: Observations) -> bool:
    n = blanks(seen)
    return n > 1.5 and math.isclose(n, round(n), rel_tol=1e-3)


def part_of_the_past(seen: Observations, newest: bool) -> bool:
    """Right over few steps, but the last of many sees only the newest (or the oldest) ones."""
    q, k, v = (x[0, 0] for x in long_input(torch.float64))
    out = tensor(seen["long"], "outs").double()[0, 0, -1]
    scores = k @ q[-1] / math.sqrt(q.size(-1))
    for n in range(3, LONG - 1):
        part = slice(LONG - n, LONG) if newest else slice(0, n)
        if alike(scores[part].softmax(-1) @ v[part], out):
            return True
    return False


def blind_to_itself(seen: Observations) -> bool:
    q, k, v = qkv(1, 1, 3, 5, seed=20)
    return alike(tensor(seen["three steps"], "out of step 3"), attend(q[:, :, 2:], k[:, :, :2], v[:, :, :2]))


def too_long(seen: Observations) -> bool:
    return SIGNS.right(seen, "two steps") and (raises(seen, "long") or part_of_the_past(seen, newest=False))


def sequences_mixed(seen: Observations) -> bool:
    """The very first step was right, but a first step of another sequence shows more than its value.

    Or the same sequence gives something else when it is done again.
    """
    if not SIGNS.right(seen, "first step"):
        return False
    out = seen["two steps"].get("out of step 1")
    if isinstance(out, Tensor) and not alike(out, qkv(1, 1, 2, 3, seed=10)[2][:, :, :1]):
        return True
    found = seen["again"]
    return not alike(tensor(found, "first sequence"), tensor(found, "first sequence done again"))


def by_chance(seen: Observations) -> bool:
    """Numbers of a first step are 0, or larger than the value by one factor: a dropout."""
    v = qkv(4, 4, 4, 4, seed=40)[2][:, :, :1]
    ratio = tensor(seen["alike"], "out of step 1") / v
    kept = ratio[ratio.abs() > 1e-6]
    return kept.numel() > 0 and alike(kept, kept[0].expand_as(kept)) and float(kept[0]) > 1.001


def factors(seen: Observations) -> list[tuple[float, int, int]]:
    """By what the products of queries and keys were multiplied in all steps of three probes, each with d_k and h.

    None if they were not multiplied by one number.
    """
    found = []
    for name, sizes, seed in (
        ("two steps", (1, 1, 2, 3), 10),
        ("batch", (2, 3, 5, 6), 30),
        ("alike", (4, 4, 4, 4), 40),
    ):
        q, k, v = (x.double() for x in qkv(*sizes, seed=seed))
        outs = [tensor(seen[name], f"out of step {t + 1}").double() for t in range(sizes[2])]
        (first, second), out = v[0, 0, :2], outs[1][0, 0, 0]
        share = float((out - first) @ (second - first) / (second - first).square().sum())
        if not 0 < share < 1:
            return []
        factor = math.log(share / (1 - share)) / float(q[0, 0, 1] @ (k[0, 0, 1] - k[0, 0, 0]))
        future = torch.ones(sizes[2], sizes[2], dtype=torch.bool).triu(1)
        whole = (factor * q @ k.mT).masked_fill(future, -math.inf).softmax(-1) @ v
        if not alike(torch.cat(outs, 2), whole, 1e-3):
            return []
        found.append((factor, sizes[3], sizes[1]))
    return found


def another_scale(seen: Observations) -> bool:
    """One number, or a number for each width of keys, that has no entry of its own."""
    found = factors(seen)
    known: tuple[Callable[[int, int], float], ...] = (
        lambda d, h: 1.0,
        lambda d, h: 1 / d,
        lambda d, h: math.sqrt(d),
        lambda d, h: 1 / math.sqrt(d),
        lambda d, h: 1 / math.sqrt(d * h),
    )
    if not found or any(factor <= 0 for factor, _, _ in found):
        return False
    return not any(all(math.isclose(f, scale(d, h), rel_tol=2e-3) for f, d, h in found) for scale in known)


def constant_scale(seen: Observations) -> bool:
    found = [factor for factor, _, _ in factors(seen)]
    return (
        bool(found) and max(found) - min(found) < 2e-3 * abs(found[0]) and not math.isclose(found[0], 1, rel_tol=0.01)
    )


def gradient_cut(seen: Observations) -> bool:
    if raises(seen, "gradient", "numpy()", "does not require grad"):
        return True
    gradients = [found for key, found in seen["gradient"].items() if key.startswith("gradient")]
    return SIGNS.right(seen, "batch") and any(found is None for found in gradients)


def another_type(seen: Observations) -> bool:
    types = {one.dtype for one in seen["float64"].values() if isinstance(one, Tensor)}
    odd = bool(types - {torch.float64}) or raises(seen, "float64", "dtype", "scalar type")
    return odd and SIGNS.right(seen, "two steps", "batch")


def squeezed(seen: Observations) -> bool:
    """It goes wrong only where an axis has the length one."""
    ones = ("first step", "two steps", "three steps", "batch of one", "one head", "one feature")
    changes = any("changes its input" in seen[name] for name in ones)
    return SIGNS.right(seen, "alike", "batch") and not SIGNS.right(seen, *ones) and not changes


def answers(*texts: str) -> Callable[[Observations], bool]:
    def sign(seen: Observations) -> bool:
        first = seen["first step"]
        return first.get("error") == "Answer" and any(text in str(first["_text"]) for text in texts)

    return sign


MISTAKES = (
    Mistake(
        "past_kept_outside_the_cache",
        "The past is kept somewhere else than in the cache: in a global, an attribute, or a default argument, which "
        "Python makes only once. A sequence that begins without a cache then sees the one before it.",
        seen=sequences_mixed,
    ),
    Mistake(
        "sees_only_itself",
        "Each step sees only itself, so that its output is its own value: the cache is not read, or not returned, "
        "or the newest value is weighed by all the weights. Put the new key and value behind those in the cache, "
        "and attend to all.",
        keeping(lambda q, k, v, out, cache, new: None),
    ),
    Mistake(
        "newest_pair_only",
        "What is kept are the newest key and value alone, so that a step sees itself and the one before. Return the "
        "whole, old and new.",
        keeping(lambda q, k, v, out, cache, new: (k, v)),
    ),
    Mistake(
        "first_cache_kept",
        "The cache that was given is returned as it was, without the new key and value: each step sees the first "
        "one and itself.",
        keeping(lambda q, k, v, out, cache, new: cache or new),
    ),
    Mistake(
        "first_step_forgotten",
        "What the first step makes is not kept, so that no later step sees it. Without a cache, return one that "
        "holds this key and this value.",
        first_forgotten,
    ),
    Mistake(
        "first_step_twice",
        "The first key and value are in the cache twice: it begins with them, and then they are added.",
        starting(lambda k, v: (k, v)),
    ),
    Mistake(
        "new_one_twice",
        "The new key and value are attended to twice in each step: they are added to the cache, and once more where "
        "it is used.",
        new_one_twice,
    ),
    Mistake(
        "sees_the_past_only",
        "The new key and value are added after attending: a step does not see itself. In causal attention position "
        "t sees all up to t, itself included.",
        past_only,
        seen=blind_to_itself,
    ),
    Mistake(
        "begins_with_zeros",
        "The cache begins with a key of zeros. Its score is 0, not minus infinity: it takes a share of the "
        "attention. Begin with nothing.",
        starting(lambda k, v: (torch.zeros_like(k), torch.zeros_like(v))),
    ),
    Mistake(
        "empty_part_is_seen",
        "The part of the buffer that is still empty is attended to as well. A key of zeros has a score of 0, and "
        "takes its share: attend to what is filled, `keys[:, :, :n]`, or mask the rest.",
        seen=empty_part_of_buffer,
    ),
    Mistake(
        "cache_is_full",
        "The cache holds so many positions and no more: then it fails, or forgets what is new. Nothing says how "
        "long a sequence gets: let it grow.",
        seen=too_long,
    ),
    Mistake(
        "only_the_newest_are_seen",
        "Only the newest few positions are seen, the older ones are cut off or overwritten. Full causal attention "
        "sees all of them.",
        seen=lambda seen: part_of_the_past(seen, newest=True),
        source="sliding-window attention (Beltagy et al. 2020)",
        convention=True,
    ),
    Mistake(
        "values_in_another_order",
        "Values are put in front and keys behind, or one of them turned round, so that each weight meets another "
        "key's value. Any order will do, but it must be the same for both.",
        crossed,
    ),
    Mistake(
        "keys_and_values_swapped",
        "The cache is returned as (values, keys) and read as (keys, values).",
        keeping(lambda q, k, v, out, cache, new: new[::-1]),
    ),
    Mistake(
        "keys_kept_as_values",
        "Keys are kept where values should be.",
        keeping(lambda q, k, v, out, cache, new: (new[0], new[0])),
    ),
    Mistake(
        "values_kept_as_keys",
        "Values are kept where keys should be.",
        keeping(lambda q, k, v, out, cache, new: (new[1], new[1])),
    ),
    Mistake(
        "new_key_kept_as_value",
        "In place of the new value the new key is kept.",
        keeping(lambda q, k, v, out, cache, new: (new[0], torch.cat([new[1][:, :, :-1], k], 2))),
    ),
    Mistake(
        "query_kept_as_key",
        "In place of the new key the query is kept. Queries ask once and are not needed again.",
        keeping(lambda q, k, v, out, cache, new: (torch.cat([new[0][:, :, :-1], q], 2), new[1])),
    ),
    Mistake(
        "output_kept_as_value",
        "In place of the new value the step's output is kept, so that later steps see mixtures of mixtures. Keep "
        "what came in: v_t.",
        keeping(lambda q, k, v, out, cache, new: (new[0], torch.cat([new[1][:, :, :-1], out], 2))),
    ),
    Mistake(
        "sees_the_first_only",
        "Each step sees the first key only. It may be that new keys are joined to the old ones along axis 1, the "
        "heads, of which the first few are used then (the time is axis 2, or -2); or that a causal mask is made for "
        "one query: its one row is the first. What is in the cache is past, and no mask is needed.",
        attending(lambda q, k, v: v[:, :, :1]),
    ),
    Mistake(
        "joined_along_the_heads",
        "New keys are joined to the old ones along axis 1, the heads. The time is axis 2, or -2.",
        joining(1),
    ),
    Mistake(
        "joined_along_the_batch",
        "New keys are joined to the old ones along axis 0, the sentences. The time is axis 2, or -2.",
        joining(0),
    ),
    Mistake(
        "joined_along_the_features",
        "New keys are joined to the old ones along the last axis, the features. The time is axis 2, or -2.",
        joining(3),
    ),
    Mistake(
        "features_read_as_steps",
        "New keys are joined to the old ones along the last axis, the features, and then read in another order. "
        "Join them along the time: axis 2, or -2.",
        features_read_as_steps,
    ),
    Mistake(
        "first_query_asks",
        "Queries are kept, and the first one asks each time. The one that asks is the new one.",
        first_query_asks,
    ),
    Mistake(
        "all_queries_ask",
        "The outputs of all positions so far are returned. Only the new one is asked for, (B, h, 1, d_v): to spare "
        "the work for the others is what the cache is for.",
        all_queries,
    ),
    Mistake(
        "weights_of_earlier_queries",
        "What is kept is a running sum of values, each weighed by the query of its own time. Every query weighs all "
        "keys anew, so keys and values must be kept apart.",
        earlier_weights,
    ),
    Mistake(
        "mean_of_values",
        "The output is the mean of the values so far: the query has no say.",
        attending(lambda q, k, v: v.mean(2, keepdim=True)),
    ),
    Mistake(
        "sum_of_values",
        "The values are summed with a weight of 1 each, as happens when the softmax runs over the single query "
        "(axis -2). It runs over the keys: axis -1.",
        attending(lambda q, k, v: v.sum(2, keepdim=True)),
    ),
    Mistake(
        "linear_attention",
        "The weights are not those of a softmax but products of elu(q) + 1 and elu(k) + 1. Such attention needs no "
        "cache that grows; but it is another one.",
        attending(linear),
        source="Katharopoulos et al. 2020",
        convention=True,
    ),
    Mistake(
        "best_key_only",
        "The value of the best key is taken alone. Attention mixes: each key gets the share that the softmax gives it.",
        attending(hard),
    ),
    Mistake(
        "sigmoid_for_softmax",
        "A sigmoid looks at each score alone. Attention shares 1 out among the keys: a softmax.",
        attending(sigmoids),
    ),
    Mistake(
        "softmax_over_the_heads",
        "The softmax runs over axis 1, the heads. It runs over the keys: the last axis.",
        attending(lambda q, k, v: (q @ k.mT / math.sqrt(q.size(-1))).softmax(1) @ v),
    ),
    Mistake(
        "softmax_over_the_batch",
        "The softmax runs over axis 0, the sentences. It runs over the keys: the last axis.",
        attending(lambda q, k, v: (q @ k.mT / math.sqrt(q.size(-1))).softmax(0) @ v),
    ),
    Mistake(
        "exponential_overflows",
        "The exponential is taken as it stands: exp(89) is infinite in float32. Subtract the largest score first, "
        "or leave it to softmax.",
        attending(plain_exponential),
    ),
    Mistake(
        "distance_counts",
        "Scores are lowered with the distance. Attention itself does not know of positions.",
        scoring(nearness),
        source="ALiBi (Press et al. 2022)",
        convention=True,
    ),
    Mistake(
        "no_scale",
        "The scores are not divided by the square root of d_k.",
        scoring(lambda q, k: q @ k.mT),
    ),
    Mistake(
        "divided_by_d_k",
        "The scores are divided by d_k, not by its square root.",
        scoring(lambda q, k: q @ k.mT / q.size(-1)),
    ),
    Mistake(
        "multiplied_by_root",
        "The scores are multiplied by the square root of d_k, where they should be divided by it.",
        scoring(lambda q, k: q @ k.mT * math.sqrt(q.size(-1))),
    ),
    Mistake(
        "scaled_by_width_of_model",
        "The root is taken of the width of all heads together. Each head's dot product sums over d_k numbers only.",
        scoring(lambda q, k: q @ k.mT / math.sqrt(q.size(1) * q.size(-1))),
    ),
    Mistake(
        "scaled_by_length",
        "The root is taken of the number of keys, so that the scale changes with each step. It is that of their "
        "width, d_k.",
        scoring(lambda q, k: q @ k.mT / math.sqrt(k.size(2))),
    ),
    Mistake(
        "fixed_scale",
        "The divisor is always the same number. Take the width from the input: sqrt(d_k).",
        seen=constant_scale,
    ),
    Mistake(
        "another_scale",
        "The scores are multiplied by some number other than 1 / sqrt(d_k).",
        seen=another_scale,
    ),
    Mistake(
        "scaled_when_kept",
        "Keys are scaled and then kept; in the next step they are scaled again, the older the more often. Keep them "
        "as they came.",
        scaled_again,
    ),
    Mistake(
        "time_axis_dropped",
        "The output has the shape (B, h, d_v): the axis of length one is gone. The caller joins the outputs along "
        "it: (B, h, 1, d_v).",
        attending(lambda q, k, v: attend(q, k, v).squeeze(2)),
    ),
    Mistake(
        "heads_joined",
        "The heads are put together already. This comes later: here the output is (B, h, 1, d_v), as the input.",
        attending(lambda q, k, v: attend(q, k, v).transpose(1, 2).flatten(2)),
    ),
    Mistake(
        "squeezed",
        "`squeeze` takes away every axis of length one, also those that mean something: a batch of one, a single "
        "head, a single feature.",
        attending(lambda q, k, v: attend(q, k, v).squeeze().unsqueeze(-2)),
        seen=squeezed,
    ),
    Mistake(
        "first_sentence_for_all",
        "The past of the first sentence is used for the whole batch.",
        first_sentence,
    ),
    Mistake(
        "first_head_for_all",
        "The past of the first head is used for all heads.",
        first_head,
    ),
    Mistake(
        "kept_in_half_precision",
        "Keys and values are kept in half precision, and what is lost does not come back.",
        half_precision,
    ),
    Mistake(
        "precision_lost",
        "The result has another type than the input, or was computed with less precision on the way (`torch.zeros` "
        "without `dtype`, `.float()`).",
        single_precision,
        seen=another_type,
    ),
    Mistake(
        "view_of_what_is_not_contiguous",
        "`view` needs numbers that lie in memory in order. A step cut out of a longer tensor, or heads after a "
        "transpose, do not: `reshape` copies where it must.",
        seen=raises_anywhere("view size is not compatible"),
    ),
    Mistake(
        "drops_values",
        "Numbers are dropped at random. In decoding nothing is: the function has no dropout.",
        seen=by_chance,
    ),
    Mistake(
        "gradient_cut",
        "A part is cut off from the graph (detach, no_grad, data, numpy): the present step or the cache. Full "
        "causal attention has a gradient to every key and value, and this is meant to be equal to it.",
        keeping(lambda q, k, v, out, cache, new: (new[0].detach(), new[1].detach())),
        seen=gradient_cut,
    ),
    Mistake(
        "returns_one_thing",
        "The cache is not returned. Two things are asked for: `return out_t, cache`.",
        seen=answers("one tensor"),
    ),
    Mistake(
        "returns_other_things",
        "What is returned is not a pair of the output and the cache: `return out_t, cache`. Keys and values go into "
        "one thing, as a tuple.",
        seen=answers("where a pair is asked", "The first thing"),
    ),
)

EXERCISES = [
    Exercise(
        "attend_step",
        Card(2, 15, "Translating word by word without computing the past anew for each.", "13_decoding", "fast"),
        attend_step,
        PROBES,
        MISTAKES,
        (
            "What does the new query need of all earlier positions, and what of them is never needed again?",
            "If there is a cache, put the new key and value behind those in it, along the time axis; attend with "
            "the one query to all of them; return the output and the longer keys and values.",
            "`k = torch.cat([cache[0], k_t], dim=-2)`, the same for v (or k_t and v_t alone, where the cache is "
            "None); `(q_t @ k.transpose(-2, -1) / math.sqrt(q_t.size(-1))).softmax(-1) @ v`; `return out, (k, v)`. "
            "No mask.",
        ),
    )
]
