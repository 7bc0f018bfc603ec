"""Scaled dot-product attention (3.2.1)."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.attention import scaled_dot_product_attention
from course_lib.exercises.catalogue.signs import Signs, alike, raises, raises_anywhere, tensor
from course_lib.exercises.catalogue.weights import (
    MASK_FORMS,
    T_K,
    T_Q,
    B,
    H,
    Share,
    another_type,
    causal_and_padding,
    fill,
    gradients_of,
    mask_2x3,
    mask_4x4,
    mask_forms,
    masked_softmax,
    share_mistakes,
)
from course_lib.exercises.exercise import Card, Exercise, Mistake, Observation, Observations, Probe
from course_lib.exercises.trial import Trial, random, tensors

D_K, D_V = 6, 7  # neither equals another axis; the root of 6 is no whole number and not its half


def sees(trial: Trial, q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Observation:
    out, weights = tensors(trial.call(None, q, k, v, **options), 2)
    return trial.seen(weights=weights, out=out)


def qkv(*lead: int, seed: int = 0, scale: float = 1.0, dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    q, k = random(*lead, T_Q, D_K, seed=seed, dtype=dtype), random(*lead, T_K, D_K, seed=seed + 1, dtype=dtype)
    return scale * q, scale * k, random(*lead, T_K, D_V, seed=seed + 2, dtype=dtype)


def four_by_four(*lead: int, seed: int) -> tuple[Tensor, ...]:
    """All axes alike, so that what is taken for another thing does not fail but shows."""
    q, k, v = (random(*lead, 4, 4, seed=seed + i) for i in range(3))
    return q, k, v


def plain(trial: Trial) -> Observation:
    return sees(trial, *qkv())


def masked(trial: Trial) -> Observation:
    return sees(trial, *qkv(seed=30), mask=mask_2x3())


def batch(trial: Trial) -> Observation:
    return sees(trial, *qkv(B, seed=10))


def heads(trial: Trial) -> Observation:
    return sees(trial, *qkv(B, H, seed=15))


def square(trial: Trial) -> Observation:
    return sees(trial, *four_by_four(4, seed=20))


def mask_form(name: str) -> Probe:
    def run(trial: Trial) -> Observation:
        return sees(trial, *qkv(B, H, seed=40), mask=mask_forms()[name])

    shape = tuple(mask_forms()[name].shape)
    return Probe(
        name, run, f"A mask of shape {shape} is not broadcast to (..., T_q, T_k).", f"q (4, 5, 2, 6), mask {shape}"
    )


def square_mask(trial: Trial) -> Observation:
    return sees(trial, *four_by_four(seed=45), mask=mask_4x4())


def causal(trial: Trial) -> Observation:
    q, k, v = random(2, 4, 11, seed=50), random(2, 4, 11, seed=51), random(2, 4, 3, seed=52)
    return sees(trial, q, k, v, mask=causal_and_padding())


def one_key(trial: Trial) -> Observation:
    """Axes of length one, each in turn."""
    seen = {}
    for b, h, t_q, t_k in ((1, 1, 1, 1), (1, 2, 3, 4), (2, 1, 3, 4), (2, 3, 1, 4), (2, 3, 4, 1)):
        q, k, v = random(b, h, t_q, 3, seed=60), random(b, h, t_k, 3, seed=61), random(b, h, t_k, 2, seed=62)
        answer = trial.call(None, q, k, v, mask=torch.ones(t_q, t_k, dtype=torch.bool))
        seen[f"out with {b} sentences, {h} heads, {t_q} queries, {t_k} keys"] = tensors(answer, 2)[0]
    return trial.seen(**seen)


def after_a_mask(trial: Trial) -> Observation:
    q, k, v = qkv(seed=65)
    trial.once(None, q, k, v, mask=mask_2x3())
    return sees(trial, q, k, v)


def zeros(trial: Trial) -> Observation:
    """Scores of 0 that are permitted."""
    q, k, v = qkv(seed=68)
    q[0], k[1] = 0, 0
    return sees(trial, q, k, v, mask=mask_2x3())


def with_dropout(trial: Trial) -> Observation:
    """A dropout that leaves nothing to chance; it may be called for all rows at once, or row by row."""
    received: list[Tensor] = []

    def dropout(weights: Tensor) -> Tensor:
        received.append(weights.detach().flatten())
        return torch.where(weights > 0.3, 2 * weights, 0 * weights)

    answer = trial.once(None, *qkv(seed=73), mask=mask_2x3(), dropout=dropout)
    out, weights = tensors(answer, 2)
    numbers = torch.cat(received).sort().values if received else None
    return trial.seen(weights=weights, out=out, numbers_that_went_through_dropout=numbers)


def with_chance(trial: Trial) -> Observation:
    """Whatever a real dropout does, the weights returned are those that were multiplied with the values."""
    q, k, v = random(3, 9, 6, seed=75), random(3, 11, 6, seed=76), random(3, 11, 4, seed=77)
    out, weights = tensors(trial.once(None, q, k, v, dropout=nn.Dropout(0.4)), 2)
    return trial.seen(the_weights_returned_times_v_are_the_output=alike(weights @ v, out))


def double(trial: Trial) -> Observation:
    return sees(trial, *qkv(3, seed=80, dtype=torch.float64), mask=torch.tensor([True, False, True]))


def views(trial: Trial) -> Observation:
    """Not contiguous: heads as a view leaves them."""
    q, k, v = (random(2, t, 3, d, seed=90 + t + d).transpose(1, 2) for t, d in ((T_Q, 4), (T_K, 4), (T_K, 5)))
    return sees(trial, q, k, v)


def gradient(trial: Trial) -> Observation:
    q, k, v = (x.requires_grad_() for x in qkv(2, seed=100))
    out, _ = tensors(trial.once(None, q, k, v, mask=mask_2x3()), 2)
    return trial.seen(**gradients_of(out, {"q": q, "k": k, "v": v}))


def large(trial: Trial) -> Observation:
    """Scores of some hundred in the first row, of some hundred below zero in the second."""
    q, k, v = qkv(seed=110, scale=25.0)
    return sees(trial, torch.tensor([[1.0], [-1.0]]) * q.abs(), k.abs(), v)


def large_and_masked(trial: Trial) -> Observation:
    """Permitted scores of about -3,000, forbidden ones of about +3,000."""
    q, k, v = qkv(seed=120)
    sign = torch.tensor([[-1.0, 1.0], [-1.2, -1.0], [1.0, -1.2]])
    q = torch.cat([90 * torch.eye(2), q[:, 2:]], 1)
    return sees(trial, q, torch.cat([90 * sign, k[:, 2:]], 1), v, mask=mask_2x3())


def huge(trial: Trial) -> Observation:
    return sees(trial, *qkv(seed=130, scale=3e3), mask=torch.tensor([True, True, False]))


def bf16(trial: Trial) -> Observation:
    return sees(trial, *qkv(2, seed=140, dtype=torch.bfloat16), mask=torch.tensor([True, True, False]))


def half(trial: Trial) -> Observation:
    return sees(trial, *qkv(2, seed=150, dtype=torch.float16), mask=torch.tensor([True, True, False]))


MASK = "the mask [[1, 1, 0], [0, 1, 1]]"
SHAPES = "q (2, 6), k (3, 6), v (3, 7)"
PROBES = (
    Probe("plain", plain, "Without a mask the result is not that of equation (1).", SHAPES),
    Probe("masked", masked, "With a mask the result is not right.", f"{SHAPES} and {MASK}"),
    Probe("batch", batch, "With a batch in front the result is not right.", "q (4, 2, 6), k (4, 3, 6)"),
    Probe("heads", heads, "With a batch and heads in front the result is not right.", "q (4, 5, 2, 6), k (4, 5, 3, 6)"),
    Probe("square", square, "With as many queries as keys the result is not right.", "q, k and v (4, 4, 4)"),
    *(mask_form(name) for name in MASK_FORMS),
    Probe(
        "square mask", square_mask, "A mask (T_q, T_k) is not read as it should be.", "q, k and v (4, 4), a mask (4, 4)"
    ),
    Probe(
        "causal", causal, "With a causal mask the result is not right.", "q, k (2, 4, 11), a causal mask and padding"
    ),
    Probe("one key", one_key, "With an axis of length one the result is not right.", "axes of length one"),
    Probe("after a mask", after_a_mask, "After a call with a mask, one without it is not right.", SHAPES),
    Probe(
        "zeros", zeros, "Where a score is 0 the result is not right.", f"a query of zeros, a key of zeros and {MASK}"
    ),
    Probe(
        "dropout",
        with_dropout,
        "Dropout is not put on the weights that are used and returned.",
        "a function that doubles weights above 0.3 and drops others",
    ),
    Probe(
        "chance",
        with_chance,
        "With dropout, the weights returned are not those that were multiplied with v.",
        "nn.Dropout(0.4) in training mode",
    ),
    Probe("float64", double, "In double precision the result is not right.", "float64 input", atol=1e-8, rtol=1e-8),
    Probe("views", views, "With an input that is not contiguous the result is not right.", "transposed tensors"),
    Probe("gradient", gradient, "The gradient does not flow back as it should.", "q (2, 2, 6), k (2, 3, 6)"),
    Probe(
        "large",
        large,
        "With larger numbers the result is not right.",
        "scores of several hundred",
        atol=1e-3,
        rtol=1e-3,
    ),
    Probe(
        "large and masked",
        large_and_masked,
        "With larger numbers the mask does not hold.",
        "scores of ±3,000 and a mask",
        atol=1e-3,
        rtol=1e-3,
    ),
    Probe("huge", huge, "scores in the millions give something else", "q and k 3,000 times as large", robust=True),
    Probe("bfloat16", bf16, "bfloat16 gives something else", "bfloat16 input", robust=True, atol=0.03, rtol=0.05),
    Probe(
        "float16",
        half,
        "half precision gives something else: is the number for forbidden scores too large for it?",
        "float16 input",
        robust=True,
        atol=4e-3,
        rtol=0.01,
    ),
)
SIGNS = Signs(scaled_dot_product_attention, PROBES)


# --- the known mistakes ---


def scores_of(q: Tensor, k: Tensor) -> Tensor:
    return q @ k.mT / math.sqrt(q.size(-1))


def mixture(weights: Tensor, v: Tensor, dropout: Callable[[Tensor], Tensor] | None) -> tuple[Tensor, Tensor]:
    weights = weights if dropout is None else dropout(weights)
    return weights @ v, weights


def with_scores(score: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Any]:
    """Attention with other scores, made of q, k and v."""

    def attention(q, k, v, mask=None, dropout=None):  # type: ignore[no-untyped-def]
        return mixture(masked_softmax(score(q, k, v), mask), v, dropout)

    return attention


def scaled_by(factor: Callable[[Tensor, Tensor, Tensor], float]) -> Callable[..., Any]:
    return with_scores(lambda q, k, v: q @ k.mT * factor(q, k, v))


def with_weights(share: Share) -> Callable[..., Any]:
    """Attention that makes its weights in another way."""

    def attention(q, k, v, mask=None, dropout=None):  # type: ignore[no-untyped-def]
        return mixture(share(scores_of(q, k), mask), v, dropout)

    return attention


def with_answer(answer: Callable[..., Any]) -> Callable[..., Any]:
    """Attention that makes something else of the right weights (before dropout), q, k, v and dropout."""

    def attention(q, k, v, mask=None, dropout=None):  # type: ignore[no-untyped-def]
        return answer(masked_softmax(scores_of(q, k), mask), q, k, v, dropout or (lambda weights: weights))

    return attention


def scale_after_softmax(q, k, v, mask=None, dropout=None):  # type: ignore[no-untyped-def]
    return mixture(masked_softmax(q @ k.mT, mask) / math.sqrt(q.size(-1)), v, dropout)


def masked_values(q, k, v, mask=None, dropout=None):  # type: ignore[no-untyped-def]
    return scaled_dot_product_attention(q, k, v, mask, dropout)[0], scores_of(q, k).softmax(-1)


def cosine(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q / q.norm(dim=-1, keepdim=True)) @ (k / k.norm(dim=-1, keepdim=True)).mT


def dropout_on_scores(q, k, v, mask=None, dropout=None):  # type: ignore[no-untyped-def]
    scores = scores_of(q, k)
    return mixture(masked_softmax(scores if dropout is None else dropout(scores), mask), v, None)


def dropout_on_masked_scores(q, k, v, mask=None, dropout=None):  # type: ignore[no-untyped-def]
    scores = fill(scores_of(q, k), mask, -1e9)
    return mixture((scores if dropout is None else dropout(scores)).softmax(-1), v, None)


def renormalised(weights, q, k, v, dropout):  # type: ignore[no-untyped-def]
    dropped = dropout(weights)
    dropped = dropped / dropped.sum(-1, keepdim=True)
    return dropped @ v, dropped


def single_precision(q, k, v, mask=None, dropout=None):  # type: ignore[no-untyped-def]
    return scaled_dot_product_attention(q.float(), k.float(), v.float(), mask, dropout)


def over_heads(weights: Tensor, reduce: Callable[..., Tensor]) -> Tensor:
    return reduce(weights, 1) if weights.dim() == 4 else weights


# --- signs ---


def raw_scores(seed: int) -> Tensor:
    q, k, _ = qkv(seed=seed, dtype=torch.float64)
    return q @ k.mT


def square_scores() -> Tensor:
    q, k, _ = (x.double() for x in four_by_four(seed=45))
    return scores_of(q, k)


def factors(seen: Observations) -> list[tuple[float, int]]:
    """By what the products of queries and keys were multiplied, and d_k, in three probes; none if by nothing single."""
    found = []
    causal_q, causal_k = random(2, 4, 11, seed=50).double(), random(2, 4, 11, seed=51).double()
    products = {
        "plain": raw_scores(0),
        "square": four_by_four(4, seed=20)[0].double() @ four_by_four(4, seed=20)[1].double().mT,
        "causal": (causal_q @ causal_k.mT)[:, 2:, :3],  # there the first three keys are permitted
    }
    for name, raw in products.items():
        weights = tensor(seen[name], "weights").double()
        logs = (weights[:, 2:, :3] if name == "causal" else weights).log()
        x, y = raw - raw.mean(-1, keepdim=True), logs - logs.mean(-1, keepdim=True)
        factor = float((x * y).sum() / (x * x).sum())
        if not alike(y, factor * x, 2e-3):
            return []
        found.append((factor, {"plain": D_K, "square": 4, "causal": 11}[name]))
    return found


def scale_is(seen: Observations, *scales: Callable[[int], float]) -> bool:
    found = factors(seen)
    return bool(found) and any(all(math.isclose(f, scale(d), rel_tol=2e-3) for f, d in found) for scale in scales)


def constant_scale(seen: Observations) -> bool:
    found = [factor for factor, _ in factors(seen)]
    return (
        bool(found) and max(found) - min(found) < 2e-3 * abs(found[0]) and not math.isclose(found[0], 1, rel_tol=0.01)
    )


def another_scale(seen: Observations) -> bool:
    """A positive factor, for which no other entry stands."""
    found = factors(seen)
    weights = seen["plain"]["weights"]
    if not found or not isinstance(weights, Tensor) or not alike(weights.sum(-1), torch.ones(T_Q)):
        return False
    right = math.isclose(found[0][0] * math.sqrt(D_K), 1, rel_tol=2e-3)
    if right or any(factor <= 0 for factor, _ in found) or changes_input(seen):
        return False
    known: tuple[Callable[[int], float], ...] = (
        lambda d: 1.0,
        lambda d: 1 / d,
        math.sqrt,
        lambda d: math.log(2) / math.sqrt(d),
    )
    first = found[0][0]
    sizes = [1 / math.sqrt(n) for n in (T_Q, T_K, D_V)]
    return not scale_is(seen, *known) and not any(math.isclose(first, size, rel_tol=2e-3) for size in sizes)


def by_distance(seen: Observations) -> bool:
    """The softmax of distances or their squares, scaled or not."""
    q, k, _ = qkv(dtype=torch.float64)
    weights, apart = tensor(seen["plain"], "weights").double(), torch.cdist(q, k)
    kinds = (-apart, -apart / math.sqrt(D_K), -(apart**2), -(apart**2) / math.sqrt(D_K), -(apart**2) / 2, apart)
    return any(alike(weights, scores.softmax(-1)) for scores in kinds)


def returns_scores(seen: Observations) -> bool:
    """Beside a right output stand numbers that a softmax would turn into weights."""
    found, raw = tensor(seen["plain"], "weights").double(), raw_scores(0)
    is_scores = alike(found, raw / math.sqrt(D_K)) or alike(found, raw)
    return is_scores and alike(tensor(seen["plain"], "out").double(), scaled_mixture(raw))


def scaled_mixture(raw: Tensor) -> Tensor:
    return (raw / math.sqrt(D_K)).softmax(-1) @ qkv(dtype=torch.float64)[2]


def graph_cut(seen: Observations) -> bool:
    if raises(seen, "gradient", "numpy()", "does not require grad"):
        return True
    gradients = [found for key, found in seen["gradient"].items() if key.startswith("gradient")]
    return SIGNS.right(seen, "plain") and any(found is None for found in gradients)


def graph_damaged(seen: Observations) -> bool:
    """Not, however, by changing the caller's tensors: this is worse, and is told first."""
    return raises(seen, "gradient", "inplace operation", "in-place operation") and not changes_input(seen)


def changes_input(seen: Observations) -> bool:
    return any("changes its input" in one for one in seen.values())


def squeezed(seen: Observations) -> bool:
    return SIGNS.right_apart_from(seen, "one key")


def drops_unasked(seen: Observations) -> bool:
    """Without being given a dropout, some weights are 0."""
    weights = tensor(seen["heads"], "weights")
    differs = any("answers differently the second time" in seen[name] for name in ("heads", "batch", "plain"))
    return differs and bool((weights == 0).any()) and not bool((weights == 0).all())


def answers_one_tensor(seen: Observations) -> bool:
    return seen["plain"].get("error") == "Answer" and "one tensor" in str(seen["plain"]["_text"])


def answers_otherwise(seen: Observations) -> bool:
    return seen["plain"].get("error") == "Answer" and "one tensor" not in str(seen["plain"]["_text"])


MISTAKES = (
    Mistake(
        "no_scale",
        "The scores are not divided by the square root of d_k. Their variance grows with d_k; the softmax of large "
        "scores gives all to one key, and its gradient vanishes.",
        scaled_by(lambda q, k, v: 1.0),
        section="scale",
    ),
    Mistake(
        "divided_by_d_k",
        "The scores are divided by d_k, not by its square root (it may be that queries and keys are each divided by "
        "the root). Then they have a variance of 1/d_k: every query looks at everything a little, and nothing fails "
        "loudly.",
        scaled_by(lambda q, k, v: 1 / q.size(-1)),
        section="scale",
    ),
    Mistake(
        "multiplied_by_root",
        "The scores are multiplied by the square root of d_k, where they should be divided by it.",
        scaled_by(lambda q, k, v: math.sqrt(q.size(-1))),
        section="scale",
    ),
    Mistake(
        "scaled_by_number_of_keys",
        "The root is taken of the number of keys, not of their width: the last axis of k, `k.size(-1)`.",
        scaled_by(lambda q, k, v: 1 / math.sqrt(k.size(-2))),
        section="scale",
    ),
    Mistake(
        "scaled_by_number_of_queries",
        "The root is taken of the number of queries, not of their width: the last axis of q, `q.size(-1)`.",
        scaled_by(lambda q, k, v: 1 / math.sqrt(q.size(-2))),
        section="scale",
    ),
    Mistake(
        "scaled_by_width_of_values",
        "The root is taken of the width of the values. It is the width of queries and keys, over which the dot "
        "product sums; the two are often the same, and need not be.",
        scaled_by(lambda q, k, v: 1 / math.sqrt(v.size(-1))),
        section="scale",
    ),
    Mistake(
        "scaled_by_an_axis_from_the_front",
        "The root is taken of an axis counted from the front. With a batch and heads in front it is another one; "
        "count from the back: `q.size(-1)`.",
        scaled_by(lambda q, k, v: 1 / math.sqrt(q.size(1))),
        section="scale",
    ),
    Mistake(
        "scaled_by_width_of_model",
        "The root is taken of the width of all heads together, d_model. Each head's dot product sums over d_k "
        "numbers only.",
        scaled_by(lambda q, k, v: 1 / math.sqrt(q.size(-1) * (q.size(1) if q.dim() == 4 else 1))),
        section="scale",
    ),
    Mistake(
        "power_before_division",
        "`d_k ** 1 / 2` is half of d_k: the power binds more strongly than the division. The root is `d_k ** 0.5` or "
        "`math.sqrt(d_k)`.",
        seen=lambda seen: scale_is(seen, lambda d: 2 / d, lambda d: 0.5 / d),
        section="scale",
    ),
    Mistake(
        "root_cut_off",
        "The root is cut off to a whole number. It is one for 64 and for few other widths.",
        seen=lambda seen: scale_is(seen, lambda d: 1 / math.isqrt(d), lambda d: 1 / round(math.sqrt(d))),
        section="scale",
    ),
    Mistake(
        "fixed_scale",
        "The divisor is always the same number, written down or kept from another call. Take the width from the "
        "input each time.",
        seen=constant_scale,
        section="scale",
    ),
    Mistake(
        "another_scale",
        "The scores are multiplied by some number other than 1 / sqrt(d_k).",
        seen=another_scale,
        section="scale",
    ),
    Mistake(
        "scaled_after_softmax",
        "The weights are divided, not the scores: then each row sums to 1/sqrt(d_k) rather than 1, and the softmax "
        "has already saturated.",
        scale_after_softmax,
        section="scale",
    ),
    Mistake(
        "output_scaled",
        "The output is divided by the root of d_k as well. Only the scores are scaled.",
        with_answer(lambda w, q, k, v, dropout: (dropout(w) @ v / math.sqrt(q.size(-1)), dropout(w))),
        section="scale",
    ),
    *share_mistakes(with_weights, SIGNS, lambda: raw_scores(30) / math.sqrt(D_K), square_scores),
    Mistake(
        "weights_returned_unmasked",
        "The output is made with masked weights, but the weights that are returned are others. Return those that "
        "multiplied v.",
        masked_values,
        section="mask",
    ),
    Mistake(
        "cosine_similarity",
        "Queries and keys are brought to length 1. That is cosine similarity; the paper's dot product lets the "
        "length say how sure a query is.",
        with_scores(lambda q, k, v: cosine(q, k, v) / math.sqrt(q.size(-1))),
        source="cosine attention (Graves et al. 2014, Neural Turing Machines)",
        section="formula",
        convention=True,
    ),
    Mistake(
        "cosine_without_scale",
        "Queries and keys are brought to length 1, and the scores are not divided. That is cosine similarity; the "
        "paper takes the dot product and divides it by the root of d_k.",
        with_scores(cosine),
        section="formula",
    ),
    Mistake(
        "distance_for_dot_product",
        "The scores are distances between queries and keys. The paper compares by the dot product.",
        with_scores(lambda q, k, v: -torch.cdist(q, k) / math.sqrt(q.size(-1))),
        seen=by_distance,
        section="formula",
    ),
    Mistake(
        "keys_reshaped",
        "The keys are reshaped to (d_k, T_k), which keeps the numbers in their order and so mixes the keys. They "
        "should be transposed: `k.transpose(-2, -1)`.",
        with_scores(lambda q, k, v: q @ k.reshape(*k.shape[:-2], k.size(-1), -1) / math.sqrt(q.size(-1))),
        section="formula",
    ),
    Mistake(
        "keys_not_transposed",
        "Queries are multiplied with the keys as they are. The sum must run over the features of both: q times k "
        "transposed.",
        with_scores(lambda q, k, v: q @ k / math.sqrt(q.size(-1))),
        section="formula",
    ),
    Mistake(
        "queries_and_keys_swapped",
        "The scores are transposed: keys ask and queries answer. Rows are queries: q times k transposed.",
        with_scores(lambda q, k, v: scores_of(k, q)),
        section="formula",
    ),
    Mistake(
        "keys_with_themselves",
        "The keys are compared with themselves; the queries have no say.",
        with_scores(lambda q, k, v: scores_of(k, k)),
        section="formula",
    ),
    Mistake(
        "queries_with_themselves",
        "The queries are compared with themselves; the keys have no say.",
        with_scores(lambda q, k, v: scores_of(q, q)),
        section="formula",
    ),
    Mistake(
        "keys_as_values",
        "The keys are mixed instead of the values.",
        lambda q, k, v, mask=None, dropout=None: scaled_dot_product_attention(q, k, k, mask, dropout),
        section="formula",
    ),
    Mistake(
        "queries_as_values",
        "The queries are mixed instead of the values.",
        lambda q, k, v, mask=None, dropout=None: scaled_dot_product_attention(q, k, q, mask, dropout),
        section="formula",
    ),
    Mistake(
        "keys_and_values_swapped",
        "Keys and values have changed places: the query is compared with the keys, and what is mixed are the values.",
        lambda q, k, v, mask=None, dropout=None: scaled_dot_product_attention(q, v, k, mask, dropout),
        section="formula",
    ),
    Mistake(
        "weights_transposed",
        "The weights are transposed before they meet the values. Row i of the weights says what query i takes of "
        "each value: weights times v.",
        with_answer(lambda w, q, k, v, dropout: (dropout(w).mT @ v, dropout(w))),
        section="formula",
    ),
    Mistake(
        "queries_added",
        "The queries are added to the output. The residual connection does this, around the sub-layer; attention "
        "does not.",
        with_answer(lambda w, q, k, v, dropout: (dropout(w) @ v + q, dropout(w))),
        section="formula",
    ),
    Mistake(
        "results_swapped",
        "The weights come first and the output second; the contract is (out, weights).",
        lambda q, k, v, mask=None, dropout=None: scaled_dot_product_attention(q, k, v, mask, dropout)[::-1],
        section="formula",
    ),
    Mistake(
        "returns_scores",
        "The second thing returned are the scores before the softmax; asked for are the weights.",
        seen=returns_scores,
        section="formula",
    ),
    Mistake(
        "returns_one_thing",
        "Only one tensor is returned; asked for are two: `return out, weights`.",
        seen=answers_one_tensor,
        section="formula",
    ),
    Mistake(
        "returns_other_things",
        "What is returned is not a pair of tensors. The contract is `return out, weights`.",
        seen=answers_otherwise,
        section="formula",
    ),
    Mistake(
        "weights_averaged_over_heads",
        "The weights returned are averaged over the heads. Asked for are those of each head, which multiplied v.",
        with_answer(lambda w, q, k, v, dropout: (dropout(w) @ v, over_heads(dropout(w), torch.mean))),
        source="torch.nn.MultiheadAttention with average_attn_weights=True",
        section="formula",
        convention=True,
    ),
    Mistake(
        "dropout_ignored",
        "The dropout that was given is not used.",
        with_answer(lambda w, q, k, v, dropout: (w @ v, w)),
        section="mask",
    ),
    Mistake(
        "dropout_on_scores",
        "Dropout is put on the scores. A score of 0 is an ordinary score; what should be dropped is a weight, after "
        "the softmax.",
        dropout_on_scores,
        section="mask",
    ),
    Mistake(
        "dropout_on_masked_scores",
        "Dropout is put on the masked scores: a forbidden score that is dropped to 0 is permitted again.",
        dropout_on_masked_scores,
        section="mask",
    ),
    Mistake(
        "dropout_on_the_output",
        "Dropout is put on the output. It is meant for the weights: dropping a weight makes a query overlook a key.",
        with_answer(lambda w, q, k, v, dropout: (dropout(w @ v), w)),
        section="mask",
    ),
    Mistake(
        "dropout_on_the_values",
        "Dropout is put on the values. It is meant for the weights: dropping a weight makes a query overlook a key.",
        with_answer(lambda w, q, k, v, dropout: (w @ dropout(v), w)),
        section="mask",
    ),
    Mistake(
        "dropout_on_weights_and_output",
        "Dropout is put on the weights and once more on the output. Once is asked for: on the weights.",
        with_answer(lambda w, q, k, v, dropout: (dropout(dropout(w) @ v), dropout(w))),
        section="mask",
    ),
    Mistake(
        "dropout_called_twice",
        "Dropout is called once for the output and once more for the weights that are returned. Each call draws "
        "anew, so the two differ. Call it once and keep the result.",
        with_answer(lambda w, q, k, v, dropout: (dropout(w) @ v, dropout(w))),
        section="mask",
    ),
    Mistake(
        "weights_returned_without_dropout",
        "The weights returned are those before dropout; the contract returns those that were multiplied with v.",
        with_answer(lambda w, q, k, v, dropout: (dropout(w) @ v, w)),
        source="torch.nn.MultiheadAttention returns them after dropout",
        section="mask",
        convention=True,
    ),
    Mistake(
        "output_made_without_dropout",
        "The weights that are returned went through dropout, but the output was made with those before it.",
        with_answer(lambda w, q, k, v, dropout: (w @ v, dropout(w))),
        section="mask",
    ),
    Mistake(
        "normalised_after_dropout",
        "After dropout the rows are brought back to a sum of 1. Dropout keeps the sum in the mean already, by its "
        "factor 1 / (1 - p).",
        with_answer(renormalised),
        section="mask",
    ),
    Mistake(
        "dropout_taken_for_something_else",
        "`dropout` is used as a probability or a module (`F.dropout(weights, dropout)`, `dropout.p`). It is "
        "something that can be called, nothing more: `dropout(weights)`.",
        seen=lambda seen: raises(seen, "dropout") and SIGNS.right(seen, "plain", "masked", "batch"),
        section="mask",
    ),
    Mistake(
        "drops_unasked",
        "Weights are dropped although no dropout was given. The caller decides on it: without `dropout`, none.",
        seen=drops_unasked,
        section="mask",
    ),
    Mistake(
        "weights_detached",
        "A part is cut off from the graph (detach, no_grad, data, item, numpy): what is before it never learns.",
        with_answer(lambda w, q, k, v, dropout: mixture(w.detach(), v, dropout)),
        seen=graph_cut,
        section="formula",
    ),
    Mistake(
        "changed_what_the_gradient_needs",
        "An operation in place changes a tensor that the backward pass still needs. Make a new one: `masked_fill` "
        "without the underscore, `x = x / y` instead of `x /= y`.",
        seen=graph_damaged,
        section="formula",
    ),
    Mistake(
        "precision_lost",
        "The result has another type than the input, or was computed with less precision on the way (`torch.zeros` "
        "without `dtype`, `.float()`).",
        single_precision,
        seen=lambda seen: another_type(seen, SIGNS),
        section="formula",
    ),
    Mistake(
        "only_without_a_batch",
        "It works for matrices only (`.T`, `mm`, axes 0 and 1). In front of the last two axes there may be others, "
        "batch and heads: count axes from the back, and multiply with `@`.",
        seen=lambda seen: SIGNS.right(seen, "plain") and raises(seen, "batch") and raises(seen, "heads"),
        section="formula",
    ),
    Mistake(
        "only_with_a_batch",
        "It works for three axes only (`bmm`, axes 1 and 2). There may be more in front of the last two, batch and "
        "heads, or none: count axes from the back, and multiply with `@`.",
        seen=lambda seen: SIGNS.right(seen, "batch") and SIGNS.wrong(seen, "plain", "heads"),
        section="formula",
    ),
    Mistake(
        "only_with_batch_and_heads",
        "It works for four axes only. In front of the last two there may be others or none: count axes from the "
        "back, and multiply with `@`.",
        seen=lambda seen: SIGNS.right(seen, "heads") and SIGNS.wrong(seen, "plain", "batch"),
        section="formula",
    ),
    Mistake(
        "not_with_heads",
        "It works with a batch in front and fails with batch and heads. What stands before the last two axes is no "
        "concern of attention: count axes from the back, and multiply with `@`.",
        seen=lambda seen: SIGNS.right(seen, "plain", "batch") and raises(seen, "heads"),
        section="formula",
    ),
    Mistake(
        "view_of_what_is_not_contiguous",
        "`view` needs numbers that lie in memory in order. After a transpose, as when heads are split, they do not: "
        "`reshape` copies where it must.",
        seen=raises_anywhere("view size is not compatible"),
        section="formula",
    ),
    Mistake(
        "fixed_sizes",
        "Sizes are written down as numbers and fit one input only. Take them from the input.",
        seen=raises_anywhere("is invalid for input of size"),
        section="formula",
    ),
    Mistake(
        "only_as_many_queries_as_keys",
        "It works only where there are as many queries as keys. Where the decoder looks at the encoder, there are not.",
        seen=lambda seen: SIGNS.right(seen, "square") and raises(seen, "plain") and raises(seen, "batch"),
        section="formula",
    ),
    Mistake(
        "squeezed",
        "`squeeze` takes away every axis of length one, also those that mean something: a batch of one, a single "
        "query.",
        lambda q, k, v, mask=None, dropout=None: tuple(
            x.squeeze() for x in scaled_dot_product_attention(q, k, v, mask, dropout)
        ),
        seen=squeezed,
        section="formula",
    ),
)

EXERCISES = [
    Exercise(
        "scaled_dot_product_attention",
        Card(2, 15, "The one operation that the whole model is made of.", "03_attention", "formula"),
        scaled_dot_product_attention,
        PROBES,
        MISTAKES,
        (
            "Write down the shapes first: q (..., T_q, d_k) and k (..., T_k, d_k) should give scores (..., T_q, "
            "T_k). Which axis is shared out?",
            "scores = q k^T / sqrt(d_k); fill where the mask is False; softmax over the last axis; dropout; times v.",
            "`k.transpose(-2, -1)`, `math.sqrt(q.size(-1))`, `scores.masked_fill(~mask, "
            "torch.finfo(scores.dtype).min)`, `.softmax(-1)`, `dropout(weights)` if there is one, and `return "
            "weights @ v, weights`.",
        ),
        forbidden=(
            "*scaled_dot_product_attention*",
            "*multi_head_attention*",
            "*_scaled_dot_product*",
            "*transformer_encoder_layer*",
        ),
    )
]
