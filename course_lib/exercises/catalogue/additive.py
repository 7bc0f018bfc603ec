"""Additive attention (the alternative that 3.2.1 compares with)."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_lib.attention import additive_attention
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
    fill_found,
    gradients_of,
    mask_2x3,
    mask_4x4,
    mask_forms,
    masked_softmax,
    share_mistakes,
)
from course_lib.exercises.exercise import Card, Exercise, Mistake, Observation, Observations, Probe
from course_lib.exercises.trial import Trial, random, tensors

D_Q, D_K, D_V, A = 6, 8, 7, 9  # neither equals another axis
NAMES = ("q", "k", "v", "W_q", "W_k", "w_v")
Six = tuple[Tensor, ...]  # q, k, v, W_q, W_k, w_v


def six(*lead: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Six:
    """Hidden units of about the size of one, where the tanh bends, and scores of about one."""
    return (
        random(*lead, T_Q, D_Q, seed=seed, dtype=dtype),
        random(*lead, T_K, D_K, seed=seed + 1, dtype=dtype),
        random(*lead, T_K, D_V, seed=seed + 2, dtype=dtype),
        *weights(D_Q, D_K, A, seed=seed + 3, dtype=dtype),
    )


def weights(d_q: int, d_k: int, a: int, seed: int, dtype: torch.dtype = torch.float32) -> Six:
    return (
        0.4 * random(a, d_q, seed=seed, dtype=dtype),
        0.4 * random(a, d_k, seed=seed + 1, dtype=dtype),
        0.6 * random(a, seed=seed + 2, dtype=dtype),
    )


def four_by_four(*lead: int, seed: int) -> Six:
    """All axes alike, so that what is taken for another thing does not fail but shows."""
    return *(random(*lead, 4, 4, seed=seed + i) for i in range(3)), *weights(4, 4, 4, seed=seed + 3)


def sees(trial: Trial, given: Six, **options: Any) -> Observation:
    out, weights = tensors(trial.call(None, *given, **options), 2)
    return trial.seen(weights=weights, out=out)


def plain(trial: Trial) -> Observation:
    return sees(trial, six())


def masked(trial: Trial) -> Observation:
    return sees(trial, six(seed=30), mask=mask_2x3())


def batch(trial: Trial) -> Observation:
    return sees(trial, six(B, seed=10))


def heads(trial: Trial) -> Observation:
    return sees(trial, six(B, H, seed=20))


def square(trial: Trial) -> Observation:
    return sees(trial, four_by_four(4, seed=40))


def mask_form(name: str) -> Probe:
    def run(trial: Trial) -> Observation:
        return sees(trial, six(B, H, seed=50), mask=mask_forms()[name])

    shape = tuple(mask_forms()[name].shape)
    says = f"A mask of shape {shape} is not broadcast to (..., T_q, T_k)."
    return Probe(name, run, says, f"q (4, 5, 2, 6), k (4, 5, 3, 8), a mask {shape}")


def square_mask(trial: Trial) -> Observation:
    return sees(trial, four_by_four(seed=60), mask=mask_4x4())


def causal(trial: Trial) -> Observation:
    q, k, v = random(2, 4, 5, seed=70), random(2, 4, 5, seed=71), random(2, 4, 3, seed=72)
    return sees(trial, (q, k, v, *weights(5, 5, 11, seed=73)), mask=causal_and_padding())


def one_of_each(trial: Trial) -> Observation:
    """Axes of length one, each in turn."""
    seen = {}
    for b, t_q, t_k, a in ((1, 1, 1, 1), (1, 3, 4, 2), (2, 1, 4, 3), (2, 3, 1, 4), (2, 3, 4, 1)):
        q, k, v = random(b, t_q, 3, seed=80), random(b, t_k, 5, seed=81), random(b, t_k, 6, seed=82)
        mask = torch.ones(t_q, t_k, dtype=torch.bool)
        answer = trial.call(None, q, k, v, *weights(3, 5, a, seed=83), mask=mask)
        seen[f"out with {b} sentences, {t_q} queries, {t_k} keys, {a} hidden units"] = tensors(answer, 2)[0]
    return trial.seen(**seen)


def after_a_mask(trial: Trial) -> Observation:
    given = six(seed=90)
    trial.once(None, *given, mask=mask_2x3())
    return sees(trial, given)


def zeros(trial: Trial) -> Observation:
    """A query and a key of zeros: tanh(0) = 0, so their score is 0."""
    given = six(seed=100)
    given[0][0], given[1][1] = 0, 0
    return sees(trial, given, mask=mask_2x3())


def double(trial: Trial) -> Observation:
    return sees(trial, six(3, seed=110, dtype=torch.float64), mask=torch.tensor([True, False, True]))


def views(trial: Trial) -> Observation:
    """Nothing is contiguous: heads as a view leaves them, matrices transposed, every second number of a vector."""
    q, k, v = (random(2, t, 3, d, seed=120 + d).transpose(1, 2) for t, d in ((T_Q, D_Q), (T_K, D_K), (T_K, D_V)))
    W_q, W_k, w_v = 0.4 * random(D_Q, A, seed=123).T, 0.4 * random(D_K, A, seed=124).T, random(2 * A, seed=125)[::2]
    return sees(trial, (q, k, v, W_q, W_k, w_v))


def gradient(trial: Trial) -> Observation:
    given = [x.requires_grad_() for x in six(2, seed=130)]
    out, _ = tensors(trial.once(None, *given, mask=mask_2x3()), 2)
    return trial.seen(**gradients_of(out, dict(zip(NAMES, given, strict=True))))


def large(trial: Trial) -> Observation:
    """Scores far above zero in the first row, far below it in the second."""
    q, k, v, W_q, W_k, w_v = six(seed=140)
    hidden = random(A, seed=147).sign()
    W_q = torch.cat([hidden[:, None], W_q[:, 1:]], 1)
    q = torch.cat([torch.tensor([[3.0], [-3.0]]), 0.1 * q[:, 1:]], 1)
    return sees(trial, (q, k, v, W_q, W_k, 300 * hidden * w_v.abs()))


def large_and_masked(trial: Trial) -> Observation:
    """Permitted scores of about -3,000, forbidden ones of about +3,000."""
    v = random(T_K, D_V, seed=150)
    q, k, W_q, W_k, w_v = (torch.zeros(*shape) for shape in ((T_Q, D_Q), (T_K, D_K), (A, D_Q), (A, D_K), (A,)))
    for unit in range(3):  # each looks at one feature of the query and the same of the key; the last one is always 1
        W_q[unit, unit] = W_k[unit, unit] = 1
    q[:, :3] = torch.tensor(
        [[0.0, -9.0, 9.0], [-9.0, 0.0, 9.0]]
    )  # the first query leaves unit 0 to the keys, the other 1
    k[:, :2] = torch.tensor([[-1.5, 2.0], [-2.0, -1.5], [2.0, -2.5]])
    w_v[:3] = 3000
    return sees(trial, (q, k, v, W_q, W_k, w_v), mask=mask_2x3())


def huge(trial: Trial) -> Observation:
    q, k, v, W_q, W_k, w_v = six(seed=160)
    return sees(trial, (q, k, v, W_q, W_k, 1e6 * w_v), mask=torch.tensor([True, True, False]))


def bf16(trial: Trial) -> Observation:
    return sees(trial, six(2, seed=170, dtype=torch.bfloat16), mask=torch.tensor([True, True, False]))


def half(trial: Trial) -> Observation:
    return sees(trial, six(2, seed=180, dtype=torch.float16), mask=torch.tensor([True, True, False]))


MASK = "the mask [[1, 1, 0], [0, 1, 1]]"
SHAPES = "q (2, 6), k (3, 8), v (3, 7), W_q (9, 6), W_k (9, 8)"
PROBES = (
    Probe("plain", plain, "Without a mask the result is not right.", SHAPES),
    Probe("masked", masked, "With a mask the result is not right.", f"{SHAPES} and {MASK}"),
    Probe("batch", batch, "With a batch in front the result is not right.", "q (4, 2, 6), k (4, 3, 8)"),
    Probe("heads", heads, "With two axes in front the result is not right.", "q (4, 5, 2, 6), k (4, 5, 3, 8)"),
    Probe(
        "square", square, "With all sizes alike the result is not right.", "q, k and v (4, 4, 4), W_q and W_k (4, 4)"
    ),
    *(mask_form(name) for name in MASK_FORMS),
    Probe(
        "square mask", square_mask, "A mask (T_q, T_k) is not read as it should be.", "q, k and v (4, 4), a mask (4, 4)"
    ),
    Probe("causal", causal, "With a causal mask the result is not right.", "q, k (2, 4, 5), a causal mask and padding"),
    Probe("one of each", one_of_each, "With an axis of length one the result is not right.", "axes of length one"),
    Probe("after a mask", after_a_mask, "After a call with a mask, one without it is not right.", SHAPES),
    Probe(
        "zeros", zeros, "Where a score is 0 the result is not right.", f"a query of zeros, a key of zeros and {MASK}"
    ),
    Probe("float64", double, "In double precision the result is not right.", "float64 input", atol=1e-8, rtol=1e-8),
    Probe("views", views, "With an input that is not contiguous the result is not right.", "transposed tensors"),
    Probe("gradient", gradient, "The gradient does not flow back as it should.", "q (2, 2, 6), k (2, 3, 8)"),
    Probe(
        "large",
        large,
        "With larger numbers the result is not right.",
        "scores of more than a thousand",
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
    Probe("huge", huge, "scores in the millions give something else", "w_v a million times as large", robust=True),
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
SIGNS = Signs(additive_attention, PROBES)


# --- the known mistakes ---


def pairs(q: Tensor, k: Tensor, W_q: Tensor, W_k: Tensor) -> Tensor:
    """W_q q + W_k k for every query and key: (..., T_q, T_k, a)"""
    return (q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3)


def scores_of(q: Tensor, k: Tensor, W_q: Tensor, W_k: Tensor, w_v: Tensor) -> Tensor:
    return pairs(q, k, W_q, W_k).tanh() @ w_v


def with_scores(score: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Any]:
    """Attention with other scores, made of q, k, W_q, W_k and w_v."""

    def attention(q, k, v, W_q, W_k, w_v, mask=None):  # type: ignore[no-untyped-def]
        weights = masked_softmax(score(q, k, W_q, W_k, w_v), mask)
        return weights @ v, weights

    return attention


def with_units(units: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Any]:
    """Attention whose hidden units are made in another way, of W_q q (..., T_q, 1, a) and W_k k (..., 1, T_k, a)."""
    return with_scores(
        lambda q, k, W_q, W_k, w_v: units((q @ W_q.T).unsqueeze(-2), (k @ W_k.T).unsqueeze(-3)) @ w_v,
    )


def with_weights(share: Share) -> Callable[..., Any]:
    """Attention that makes its weights in another way."""

    def attention(q, k, v, W_q, W_k, w_v, mask=None):  # type: ignore[no-untyped-def]
        weights = share(scores_of(q, k, W_q, W_k, w_v), mask)
        return weights @ v, weights

    return attention


def with_answer(answer: Callable[..., Any]) -> Callable[..., Any]:
    """Attention that makes something else of the right weights, of q, k and v."""

    def attention(q, k, v, W_q, W_k, w_v, mask=None):  # type: ignore[no-untyped-def]
        return answer(masked_softmax(scores_of(q, k, W_q, W_k, w_v), mask), q, k, v, W_k)

    return attention


def keys_first(q: Tensor, k: Tensor, W_q: Tensor, W_k: Tensor, w_v: Tensor) -> Tensor:
    """Keys and queries side by side, in the other order than the matrices."""
    lead = (*q.shape[:-2], q.size(-2), k.size(-2))
    both = [k.unsqueeze(-3).expand(*lead, k.size(-1)), q.unsqueeze(-2).expand(*lead, q.size(-1))]
    return (torch.cat(both, -1) @ torch.cat([W_q, W_k], 1).T).tanh() @ w_v


def side_by_side(q: Tensor, k: Tensor, W_q: Tensor, W_k: Tensor, w_v: Tensor) -> Tensor:
    """The i-th query with the i-th key, and the same for every query."""
    scores = (q @ W_q.T + k @ W_k.T).tanh() @ w_v
    return scores.unsqueeze(-2).expand(*scores.shape[:-1], q.size(-2), scores.size(-1))


def one_query(which: int) -> Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]:
    def scores(q: Tensor, k: Tensor, W_q: Tensor, W_k: Tensor, w_v: Tensor) -> Tensor:
        return scores_of(q[..., which, :].unsqueeze(-2).expand_as(q), k, W_q, W_k, w_v)

    return scores


def mask_before_tanh(q, k, v, W_q, W_k, w_v, mask=None):  # type: ignore[no-untyped-def]
    hidden = pairs(q, k, W_q, W_k)
    if mask is not None:
        hidden = hidden.masked_fill(~mask.unsqueeze(-1), -1e9)
    weights = (hidden.tanh() @ w_v).softmax(-1)
    return weights @ v, weights


def masked_values(q, k, v, W_q, W_k, w_v, mask=None):  # type: ignore[no-untyped-def]
    scores = scores_of(q, k, W_q, W_k, w_v)
    return masked_softmax(scores, mask) @ v, scores.softmax(-1)


def single_precision(q, k, v, W_q, W_k, w_v, mask=None):  # type: ignore[no-untyped-def]
    q, k, v, W_q, W_k, w_v = (x.float() for x in (q, k, v, W_q, W_k, w_v))
    return additive_attention(q, k, v, W_q, W_k, w_v, mask)


def squeezes(q, k, v, W_q, W_k, w_v, mask=None):  # type: ignore[no-untyped-def]
    return tuple(x.squeeze() for x in additive_attention(q, k, v, W_q, W_k, w_v, mask))


# --- signs ---


def masked_scores() -> Tensor:
    q, k, _, W_q, W_k, w_v = six(seed=30, dtype=torch.float64)
    return scores_of(q, k, W_q, W_k, w_v)


def square_scores() -> Tensor:
    q, k, _, W_q, W_k, w_v = (x.double() for x in four_by_four(seed=60))
    return scores_of(q, k, W_q, W_k, w_v)


def another_scale(seen: Observations) -> bool:
    """Scores times a number; those for which other entries stand are left to them."""
    q, k, _, W_q, W_k, w_v = six(dtype=torch.float64)
    raw, weights = scores_of(q, k, W_q, W_k, w_v), tensor(seen["plain"], "weights").double()
    x, y = (z - z.mean(-1, keepdim=True) for z in (raw, weights.log()))
    factor = float((x * y).sum() / (x * x).sum())
    known = (1.0, A**-0.5, 1 / A, float(1 / w_v.norm()), D_Q**-0.5, D_K**-0.5, math.log(2))
    fits = alike(y, factor * x, 1e-3) and alike(weights.sum(-1), torch.ones(T_Q))
    return fits and factor > 0 and not any(math.isclose(factor, one, rel_tol=2e-3) for one in known)


def returns_scores(seen: Observations) -> bool:
    """Beside a right output stand numbers that a softmax would turn into weights."""
    q, k, v, W_q, W_k, w_v = six(dtype=torch.float64)
    raw = scores_of(q, k, W_q, W_k, w_v)
    out = tensor(seen["plain"], "out").double()
    return alike(tensor(seen["plain"], "weights").double(), raw) and alike(out, raw.softmax(-1) @ v)


def filled_before_tanh(seen: Observations) -> bool:
    """Forbidden scores are what w_v makes of hidden units that are all -1."""
    number = fill_found(seen, masked_scores())
    return number is not None and math.isclose(number, -float(six(seed=30)[5].sum()), abs_tol=0.01)


def graph_cut(seen: Observations) -> bool:
    if raises(seen, "gradient", "numpy()", "does not require grad"):
        return True
    gradients = [found for key, found in seen["gradient"].items() if key.startswith("gradient")]
    return SIGNS.right(seen, "plain") and any(found is None for found in gradients)


def graph_damaged(seen: Observations) -> bool:
    """Not, however, by changing the caller's tensors: this is worse, and is told first."""
    changes = any("changes its input" in one for one in seen.values())
    return raises(seen, "gradient", "inplace operation", "in-place operation") and not changes


def weights_of_its_own(seen: Observations) -> bool:
    """Something is drawn anew in each call: weights or biases that are not the caller's."""
    return "answers differently the second time" in seen["plain"]


def answers(one: bool) -> Callable[[Observations], bool]:
    def sign(seen: Observations) -> bool:
        return seen["plain"].get("error") == "Answer" and ("one tensor" in str(seen["plain"]["_text"])) == one

    return sign


MISTAKES = (
    Mistake(
        "scaled_by_hidden_units",
        "The scores are divided by the root of the number of hidden units. That is what the dot product needs; here "
        "the tanh keeps what is summed between -1 and 1, and w_v is learned.",
        with_scores(lambda q, k, W_q, W_k, w_v: scores_of(q, k, W_q, W_k, w_v) / math.sqrt(w_v.size(-1))),
    ),
    Mistake(
        "scaled_by_width_of_keys",
        "The scores are divided by the root of the width of the keys, as in dot-product attention. Here they are "
        "not scaled: the tanh bounds what is summed.",
        with_scores(lambda q, k, W_q, W_k, w_v: scores_of(q, k, W_q, W_k, w_v) / math.sqrt(k.size(-1))),
    ),
    Mistake(
        "scaled_by_width_of_queries",
        "The scores are divided by the root of the width of the queries, as in dot-product attention. Here they are "
        "not scaled: the tanh bounds what is summed.",
        with_scores(lambda q, k, W_q, W_k, w_v: scores_of(q, k, W_q, W_k, w_v) / math.sqrt(q.size(-1))),
    ),
    Mistake(
        "mean_of_hidden_units",
        "The hidden units are averaged; w_v sums them: w_v · tanh(...) is a dot product.",
        with_scores(lambda q, k, W_q, W_k, w_v: scores_of(q, k, W_q, W_k, w_v) / w_v.size(-1)),
    ),
    Mistake(
        "w_v_normalised",
        "w_v is divided by its length. That is a later variant; here w_v is taken as it is.",
        with_scores(lambda q, k, W_q, W_k, w_v: scores_of(q, k, W_q, W_k, w_v / w_v.norm())),
        source="normed Bahdanau attention in TensorFlow's seq2seq (Salimans & Kingma 2016)",
        convention=True,
    ),
    Mistake(
        "another_scale",
        "The scores are multiplied by some number. They are w_v · tanh(W_q q + W_k k), as they are.",
        seen=another_scale,
    ),
    Mistake(
        "no_tanh",
        "There is no tanh. Without it the score is a sum of one number from the query and one from the key; the "
        "softmax over the keys cancels the query's, and all queries get the same weights.",
        with_units(lambda q, k: q + k),
    ),
    Mistake(
        "relu_for_tanh",
        "The hidden units go through a ReLU; here it is a tanh.",
        with_units(lambda q, k: (q + k).relu()),
    ),
    Mistake(
        "sigmoid_for_tanh",
        "The hidden units go through a sigmoid; here it is a tanh, which is centred at 0.",
        with_units(lambda q, k: (q + k).sigmoid()),
    ),
    Mistake(
        "gelu_for_tanh",
        "The hidden units go through a GELU; here it is a tanh.",
        with_units(lambda q, k: torch.nn.functional.gelu(q + k)),
    ),
    Mistake(
        "tanh_outside",
        "The tanh is taken of the score, after w_v. It belongs to the hidden units, before w_v sums them: else "
        "there is no hidden layer, and scores beyond 1 are impossible.",
        with_scores(lambda q, k, W_q, W_k, w_v: (pairs(q, k, W_q, W_k) @ w_v).tanh()),
    ),
    Mistake(
        "tanh_twice",
        "A second tanh is taken of the score. Only the hidden units go through one.",
        with_scores(lambda q, k, W_q, W_k, w_v: scores_of(q, k, W_q, W_k, w_v).tanh()),
    ),
    Mistake(
        "tanh_of_each",
        "The tanh is not taken of W_q q and W_k k together, but of each apart (or the query is left out). What the "
        "query adds is then the same for all keys, and the softmax cancels it: only a tanh of the sum lets a hidden "
        "unit answer to a query and a key together.",
        with_units(lambda q, k: q.tanh() + k.tanh()),
    ),
    Mistake(
        "multiplied_for_added",
        "W_q q and W_k k are multiplied. They are added, hence the name.",
        with_units(lambda q, k: (q * k).tanh()),
        source="multiplicative attention (Luong et al. 2015) multiplies, without tanh",
    ),
    Mistake(
        "subtracted_for_added",
        "W_k k is subtracted from W_q q. They are added.",
        with_units(lambda q, k: (q - k).tanh()),
    ),
    Mistake(
        "subtracted_the_other_way_round",
        "W_q q is subtracted from W_k k. They are added.",
        with_units(lambda q, k: (k - q).tanh()),
    ),
    Mistake(
        "dot_product_of_projections",
        "The score is the dot product of W_q q and W_k k: this is the other kind of attention. Additive attention "
        "adds them, takes the tanh, and then the dot product with w_v.",
        with_scores(lambda q, k, W_q, W_k, w_v: (q @ W_q.T) @ (k @ W_k.T).mT),
        source="general attention (Luong et al. 2015)",
        convention=True,
    ),
    Mistake(
        "scaled_dot_product_of_projections",
        "The score is the scaled dot product of W_q q and W_k k: this is the other kind of attention. Additive "
        "attention adds them, takes the tanh, and then the dot product with w_v.",
        with_scores(lambda q, k, W_q, W_k, w_v: (q @ W_q.T) @ (k @ W_k.T).mT / math.sqrt(w_v.size(-1))),
        source="section 3.2.1",
        convention=True,
    ),
    Mistake(
        "w_v_forgotten",
        "The hidden units are summed without w_v. It weighs them, and lets some count against a key.",
        with_scores(lambda q, k, W_q, W_k, w_v: pairs(q, k, W_q, W_k).tanh().sum(-1)),
    ),
    Mistake(
        "mean_without_w_v",
        "The hidden units are averaged without w_v. It weighs them, and lets some count against a key.",
        with_scores(lambda q, k, W_q, W_k, w_v: pairs(q, k, W_q, W_k).tanh().mean(-1)),
    ),
    Mistake(
        "w_v_inside_tanh",
        "The hidden units are multiplied with w_v before the tanh. First the tanh, then the dot product with w_v.",
        with_scores(lambda q, k, W_q, W_k, w_v: (pairs(q, k, W_q, W_k) * w_v).tanh().sum(-1)),
    ),
    Mistake(
        "key_left_out",
        "The scores depend on the queries alone, so that all keys get the same weight.",
        with_scores(lambda q, k, W_q, W_k, w_v: pairs(q, 0 * k, W_q, W_k).tanh() @ w_v),
    ),
    Mistake(
        "matrices_not_transposed",
        "The product is q @ W_q. W_q has the shape (a, d_q), as the weight of nn.Linear: rows times its transpose, "
        "`q @ W_q.T`, or `F.linear(q, W_q)`.",
        with_scores(lambda q, k, W_q, W_k, w_v: ((q @ W_q).unsqueeze(-2) + (k @ W_k).unsqueeze(-3)).tanh() @ w_v),
    ),
    Mistake(
        "matrices_swapped",
        "W_k is applied to the queries and W_q to the keys. Where both are of the same width nothing fails loudly.",
        with_scores(lambda q, k, W_q, W_k, w_v: scores_of(q, k, W_k, W_q, w_v)),
    ),
    Mistake(
        "queries_and_keys_swapped",
        "W_q is applied to the keys, W_k to the queries, and the scores are transposed: the keys ask, the queries "
        "answer.",
        with_scores(lambda q, k, W_q, W_k, w_v: scores_of(k, q, W_q, W_k, w_v)),
    ),
    Mistake(
        "side_by_side_in_the_wrong_order",
        "Queries and keys are put side by side in one order, the two matrices in the other. The sizes fit, the "
        "features do not.",
        with_scores(keys_first),
    ),
    Mistake(
        "query_map_for_both",
        "W_q is applied to the keys as well. They have a matrix of their own, W_k.",
        with_scores(lambda q, k, W_q, W_k, w_v: scores_of(q, k, W_q, W_q, w_v)),
    ),
    Mistake(
        "key_map_for_both",
        "W_k is applied to the queries as well. They have a matrix of their own, W_q.",
        with_scores(lambda q, k, W_q, W_k, w_v: scores_of(q, k, W_k, W_k, w_v)),
    ),
    Mistake(
        "keys_for_queries",
        "The keys are compared with themselves: both matrices are applied to them.",
        with_scores(lambda q, k, W_q, W_k, w_v: scores_of(k, k, W_q, W_k, w_v)),
    ),
    Mistake(
        "position_by_position",
        "The i-th query is added to the i-th key only. Every query is compared with every key: one gets a new axis "
        "at -2, the other one at -3, and broadcasting makes the pairs.",
        with_scores(side_by_side),
    ),
    Mistake(
        "last_query_for_all",
        "Only the last query is asked, as in a decoder that has one state at a time. Here there are T_q of them, "
        "each with weights of its own.",
        with_scores(one_query(-1)),
    ),
    Mistake(
        "first_query_for_all",
        "Only the first query is asked. There are T_q of them, each with weights of its own.",
        with_scores(one_query(0)),
    ),
    Mistake(
        "scores_transposed",
        "The new axes are the other way round: the scores are (T_k, T_q). Queries get theirs at -2, keys at -3.",
        with_scores(lambda q, k, W_q, W_k, w_v: scores_of(q, k, W_q, W_k, w_v).mT),
    ),
    Mistake(
        "scores_reshaped",
        "The scores come as (T_k, T_q) and are reshaped to (T_q, T_k), which keeps the numbers in their order and "
        "so mixes them. Transpose them, or put the new axes the other way round.",
        with_scores(
            lambda q, k, W_q, W_k, w_v: scores_of(q, k, W_q, W_k, w_v).mT.reshape(*q.shape[:-1], k.size(-2)),
        ),
    ),
    Mistake(
        "mask_before_the_tanh",
        "The mask is put on the hidden units, before the tanh, which turns -1e9 into -1: an ordinary score comes "
        "out. Mask the scores, just before the softmax.",
        mask_before_tanh,
        seen=filled_before_tanh,
        section="mask",
    ),
    *share_mistakes(with_weights, SIGNS, masked_scores, square_scores),
    Mistake(
        "weights_returned_unmasked",
        "The output is made with masked weights, but the weights that are returned are others. Return those that "
        "multiplied v.",
        masked_values,
        section="mask",
    ),
    Mistake(
        "keys_as_values",
        "The keys are mixed instead of the values.",
        with_answer(lambda w, q, k, v, W_k: (w @ k, w)),
    ),
    Mistake(
        "projected_keys_as_values",
        "What is mixed are the projected keys, W_k k. It should be the values.",
        with_answer(lambda w, q, k, v, W_k: (w @ (k @ W_k.T), w)),
    ),
    Mistake(
        "queries_as_values",
        "The queries are mixed instead of the values.",
        with_answer(lambda w, q, k, v, W_k: (w @ q, w)),
    ),
    Mistake(
        "weights_transposed",
        "The weights are transposed before they meet the values. Row i says what query i takes of each value: "
        "weights times v.",
        with_answer(lambda w, q, k, v, W_k: (w.mT @ v, w)),
    ),
    Mistake(
        "results_swapped",
        "The weights come first and the output second; the contract is (out, weights).",
        with_answer(lambda w, q, k, v, W_k: (w, w @ v)),
    ),
    Mistake(
        "returns_scores",
        "The second thing returned are the scores before the softmax; asked for are the weights.",
        seen=returns_scores,
    ),
    Mistake(
        "returns_one_thing",
        "Only one tensor is returned; asked for are two: `return out, weights`.",
        seen=answers(one=True),
    ),
    Mistake(
        "returns_other_things",
        "What is returned is not a pair of tensors. The contract is `return out, weights`.",
        seen=answers(one=False),
    ),
    Mistake(
        "weights_of_its_own",
        "Something is drawn anew in each call: a layer made inside the function (nn.Linear, nn.Parameter, a bias, a "
        "dropout). All weights are given: W_q, W_k and w_v, and nothing else.",
        seen=weights_of_its_own,
    ),
    Mistake(
        "graph_cut",
        "A part is cut off from the graph: by detach, no_grad, numpy, or by wrapping what was given in a new "
        "nn.Parameter. What is before the cut never learns. Use the tensors as they come.",
        with_scores(lambda q, k, W_q, W_k, w_v: scores_of(q, k, W_q, W_k, w_v).detach()),
        seen=graph_cut,
    ),
    Mistake(
        "changed_what_the_gradient_needs",
        "An operation in place changes a tensor that the backward pass still needs. Make a new one: `masked_fill` "
        "without the underscore, `x = x + y` instead of `x += y`.",
        seen=graph_damaged,
    ),
    Mistake(
        "precision_lost",
        "The result has another type than the input, or was computed with less precision on the way (`torch.zeros` "
        "without `dtype`, `.float()`).",
        single_precision,
        seen=lambda seen: another_type(seen, SIGNS),
    ),
    Mistake(
        "only_without_a_batch",
        "It works for matrices only (axes 0 and 1). In front of the last two axes there may be others: count axes "
        "from the back.",
        seen=lambda seen: SIGNS.right(seen, "plain") and raises(seen, "heads") and SIGNS.wrong(seen, "batch"),
    ),
    Mistake(
        "only_with_a_batch",
        "It works for three axes only (`bmm`, axes 1 and 2). There may be more in front of the last two, or none: "
        "count axes from the back.",
        seen=lambda seen: SIGNS.right(seen, "batch") and SIGNS.wrong(seen, "plain", "heads"),
    ),
    Mistake(
        "only_with_four_axes",
        "It works for four axes only. In front of the last two there may be others or none: count axes from the back.",
        seen=lambda seen: SIGNS.right(seen, "heads") and SIGNS.wrong(seen, "plain", "batch"),
    ),
    Mistake(
        "not_with_four_axes",
        "It works with one axis in front and fails with two. What stands before the last two axes is no concern of "
        "attention: count axes from the back, and multiply with `@`.",
        seen=lambda seen: SIGNS.right(seen, "plain", "batch") and raises(seen, "heads"),
    ),
    Mistake(
        "view_of_what_is_not_contiguous",
        "`view` needs numbers that lie in memory in order. After a transpose they do not: `reshape` copies where it "
        "must.",
        seen=raises_anywhere("view size is not compatible"),
    ),
    Mistake(
        "only_as_many_queries_as_keys",
        "It works only where there are as many queries as keys, and their widths are the same. They need not be.",
        seen=lambda seen: SIGNS.right(seen, "square") and raises(seen, "plain") and raises(seen, "batch"),
    ),
    Mistake(
        "fixed_sizes",
        "Sizes are written down as numbers, or taken from the wrong tensor, and fit one input only.",
        seen=raises_anywhere("is invalid for input of size"),
    ),
    Mistake(
        "squeezed",
        "`squeeze` takes away every axis of length one, also those that mean something: a batch of one, a single "
        "query. Say which: `squeeze(-1)`.",
        squeezes,
        seen=lambda seen: SIGNS.right_apart_from(seen, "one of each"),
    ),
)

EXERCISES = [
    Exercise(
        "additive_attention",
        Card(
            3,
            20,
            "What attention looked like before the dot product, and why that one won.",
            "03_attention",
            "additive",
        ),
        additive_attention,
        PROBES,
        MISTAKES,
        (
            "Every query meets every key: W_q q has the shape (..., T_q, a), W_k k (..., T_k, a), and their sum "
            "should have (..., T_q, T_k, a). Where must each get a new axis?",
            "hidden = tanh of the sum, with a new axis at -2 for the queries and at -3 for the keys; scores = "
            "hidden · w_v, which takes the last axis away; mask; softmax over the keys; times v.",
            "`torch.tanh((q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3)) @ w_v`, then fill where the mask is "
            "False, `.softmax(-1)`, and `return weights @ v, weights`.",
        ),
    )
]
