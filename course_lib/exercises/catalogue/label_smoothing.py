"""The loss with label smoothing (5.4)."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.exercises.catalogue.truth import Truth, returns
from course_lib.exercises.exercise import Card, Exercise, Mistake, Observation, Observations, Probe
from course_lib.exercises.trial import Trial, gradient_of, random, tensors
from course_lib.training import label_smoothing_loss

Definition = Callable[..., Any]


def batch(b: int, t: int, v: int, pad_id: int, seed: int, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """Logits, and targets without padding."""
    logits = scale * random(b, t, v, seed=seed)
    target = torch.randint(0, v - 1, (b, t), generator=torch.Generator().manual_seed(seed + 50))
    return logits, target + (target >= pad_id)


def padded(target: Tensor, pad_id: int, *lengths: int) -> Tensor:
    """The sentences cut to these lengths, the rest filled with padding."""
    keep = torch.arange(target.size(1)) < torch.tensor(lengths)[:, None]
    return target.masked_fill(~keep, pad_id)


def sees(trial: Trial, logits: Tensor, target: Tensor, pad_id: int, *eps: float) -> Observation:
    return trial.seen(loss=tensors(trial.call(None, logits, target, pad_id, *eps), 1)[0])


def one_token(trial: Trial) -> Observation:
    return sees(trial, torch.tensor([[[1.0, 2.0, 4.0]]]), torch.tensor([[1]]), 0)


def two_tokens(trial: Trial) -> Observation:
    return sees(trial, torch.tensor([[[1.0, 2.0, 4.0], [0.0, 3.0, -1.0]]]), torch.tensor([[1, 2]]), 0)


def with_padding(trial: Trial) -> Observation:
    logits, target = batch(2, 3, 4, 0, seed=1)
    return sees(trial, logits, padded(target, 0, 3, 1), 0)


def no_smoothing(trial: Trial) -> Observation:
    logits, target = batch(2, 3, 7, 0, seed=2)
    return sees(trial, logits, padded(target, 0, 3, 2), 0, 0.0)


def another_eps(trial: Trial) -> Observation:
    """Of no other probe are there eight classes: a table kept for each number of classes does not show here."""
    logits, target = batch(2, 3, 8, 0, seed=3)
    return sees(trial, logits, padded(target, 0, 2, 3), 0, 0.4)


def another_padding_id(trial: Trial) -> Observation:
    """Ids below and above it are tokens, 0 and 1 too."""
    logits = random(2, 4, 6, seed=4)
    return sees(trial, logits, torch.tensor([[0, 5, 1, 3], [4, 2, 3, 3]]), 3)


def last_id_is_padding(trial: Trial) -> Observation:
    logits, target = batch(2, 3, 5, 4, seed=5)
    return sees(trial, logits, padded(target, 4, 3, 2), 4)


def padding_anywhere(trial: Trial) -> Observation:
    logits = random(3, 4, 6, seed=6)
    return sees(trial, logits, torch.tensor([[0, 0, 5, 1], [4, 0, 3, 2], [2, 5, 0, 1]]), 0)


def many(trial: Trial) -> Observation:
    """Sentences of very different lengths."""
    logits, target = batch(4, 7, 5, 0, seed=7)
    return sees(trial, logits, padded(target, 0, 7, 1, 4, 2), 0)


def padding_is_predicted(trial: Trial) -> Observation:
    """Where a token should be, the model says padding; where padding is, it says something else."""
    logits, target = batch(2, 3, 5, 0, seed=8)
    logits[0, :2, 0] += 4.0
    logits[1, 1:, 3] += 4.0
    return sees(trial, logits, padded(target, 0, 3, 1), 0)


def square(trial: Trial) -> Observation:
    logits, target = batch(4, 4, 4, 0, seed=9)
    return sees(trial, logits, padded(target, 0, 4, 2, 3, 1), 0)


def one_sentence(trial: Trial) -> Observation:
    logits, target = batch(1, 4, 5, 0, seed=10)
    return sees(trial, logits, padded(target, 0, 3), 0)


def length_one(trial: Trial) -> Observation:
    return sees(trial, *batch(3, 1, 5, 0, seed=11), 0)


def double(trial: Trial) -> Observation:
    """Far from 0, where float32 has only three digits after the point left."""
    logits = 1e4 + random(2, 3, 5, seed=13, dtype=torch.float64)
    return sees(trial, logits, torch.tensor([[2, 4, 1], [3, 1, 0]]), 0)


def views(trial: Trial) -> Observation:
    """Not contiguous: length first and then transposed, and a part of something longer."""
    logits, target = batch(3, 4, 5, 0, seed=14)
    target = padded(target, 0, 3, 2, 4)
    first = trial.call(None, random(4, 3, 5, seed=15).transpose(0, 1), target.t().contiguous().t(), 0)
    second = trial.call(None, logits[:, 1:], target[:, 1:], 0)
    return trial.seen(loss_of_transposed_tensors=tensors(first, 1)[0], loss_of_slices=tensors(second, 1)[0])


def gradient(trial: Trial) -> Observation:
    logits, target = batch(2, 3, 4, 0, seed=16)
    logits.requires_grad_()
    loss = tensors(trial.once(None, logits, padded(target, 0, 3, 1), 0, 0.3), 1)[0]
    return trial.seen(gradient_of_logits=gradient_of(loss, logits))


def unlikely(trial: Trial) -> Observation:
    """One token that the model thinks impossible: the loss is 40, and 90."""
    far = torch.tensor([[[0.0, -40.0, -1.0]]])
    farther = torch.tensor([[[0.0, -90.0, -1.0]]])
    one = torch.tensor([[1]])
    return trial.seen(
        loss_of_a_token_40_below=tensors(trial.call(None, far, one, 0, 0.0), 1)[0],
        loss_of_a_token_90_below=tensors(trial.call(None, farther, one, 0, 0.0), 1)[0],
    )


def large(trial: Trial) -> Observation:
    logits, target = batch(2, 3, 5, 0, seed=17, scale=1e3)
    return sees(trial, logits, padded(target, 0, 3, 2), 0)


def large_gradient(trial: Trial) -> Observation:
    logits, target = batch(2, 3, 5, 0, seed=18, scale=300.0)
    logits.requires_grad_()
    loss = tensors(trial.once(None, logits, padded(target, 0, 3, 2), 0), 1)[0]
    return trial.seen(gradient_of_large_logits=gradient_of(loss, logits))


def two_calls(trial: Trial) -> Observation:
    """The same batch with one smoothing and then with another. No other probe has nine classes."""
    logits, target = batch(2, 3, 9, 0, seed=19)
    return trial.seen(
        first=tensors(trial.once(None, logits, target, 0, 0.1), 1)[0].clone(),
        second=tensors(trial.once(None, logits, target, 0, 0.5), 1)[0].clone(),
    )


def many_classes(trial: Trial) -> Observation:
    logits, target = batch(2, 5, 1100, 0, seed=20)
    return sees(trial, logits, padded(target, 0, 5, 3), 0)


def bf16(trial: Trial) -> Observation:
    logits, target = batch(2, 3, 5, 0, seed=21)
    loss = tensors(trial.once(None, logits.bfloat16(), padded(target, 0, 3, 2), 0), 1)[0]
    return trial.seen(loss=float(loss))


PROBES = (
    Probe(
        "one token",
        one_token,
        "For a single token the loss is not right.",
        "the logits [[[1, 2, 4]]], the target [[1]] and eps = 0.1",
    ),
    Probe(
        "two tokens",
        two_tokens,
        "For two tokens the loss is not right.",
        "the logits [[[1, 2, 4], [0, 3, -1]]], the targets [[1, 2]] and eps = 0.1",
    ),
    Probe(
        "padding", with_padding, "With padding the loss is not right.", "logits (2, 3, 4), sentences of 3 and 1 tokens"
    ),
    Probe("no smoothing", no_smoothing, "Without smoothing it is not the cross-entropy.", "logits (2, 3, 7), eps = 0"),
    Probe("another eps", another_eps, "With another eps the loss is not right.", "logits (2, 3, 8), eps = 0.4"),
    Probe(
        "another padding id",
        another_padding_id,
        "With another padding id the loss is not right.",
        "logits (2, 4, 6), the targets [[0, 5, 1, 3], [4, 2, 3, 3]], pad_id = 3",
    ),
    Probe(
        "last id is padding",
        last_id_is_padding,
        "With the last id as padding it is not right.",
        "5 classes, pad_id = 4",
    ),
    Probe(
        "padding anywhere",
        padding_anywhere,
        "With padding in front or in between the loss is not right.",
        "logits (3, 4, 6), the targets [[0, 0, 5, 1], [4, 0, 3, 2], [2, 5, 0, 1]], pad_id = 0",
    ),
    Probe("many", many, "For sentences of different lengths it is not right.", "logits (4, 7, 5), lengths 7, 1, 4, 2"),
    Probe(
        "padding is predicted",
        padding_is_predicted,
        "Where the model predicts padding, the loss is not right.",
        "logits (2, 3, 5) that favour padding where tokens are",
    ),
    Probe("square", square, "With as many sentences as tokens and classes it is not right.", "logits (4, 4, 4)"),
    Probe("one sentence", one_sentence, "For a single sentence the loss is not right.", "logits (1, 4, 5)"),
    Probe("length one", length_one, "For sentences of length one the loss is not right.", "logits (3, 1, 5)"),
    Probe(
        "float64",
        double,
        "In double precision the loss is not right.",
        "float64 logits (2, 3, 5) near 10,000",
        atol=2e-6,
        rtol=2e-6,
    ),
    Probe(
        "views", views, "With views (inputs that are not contiguous) it is not right.", "transposed logits (3, 4, 5)"
    ),
    Probe(
        "gradient", gradient, "The gradient is not right.", "logits (2, 3, 4), sentences of 3 and 1 tokens, eps = 0.3"
    ),
    Probe(
        "unlikely",
        unlikely,
        "For a very unlikely token it is not right.",
        "the logits [[[0, -40, -1]]], the target [[1]]",
    ),
    Probe("large", large, "With large logits the loss is not right.", "logits (2, 3, 5) of about 1,000"),
    Probe("large gradient", large_gradient, "With large logits the gradient is not right.", "logits of about 300"),
    Probe("two calls", two_calls, "A second call, with another eps, is not right.", "eps = 0.1 and then eps = 0.5"),
    Probe("many classes", many_classes, "With many classes the loss is not right.", "logits (2, 5, 1100)"),
    Probe("bfloat16", bf16, "bfloat16 gives something else", "bfloat16 logits", robust=True, atol=0.05, rtol=0.05),
)
TRUTH = Truth(label_smoothing_loss, PROBES)


# --- the known mistakes ---

PerToken = Callable[[Tensor, Tensor, int, float], Tensor]  # (B, T, V), (B, T), pad_id, eps -> (B, T)
Keep = Callable[[Tensor, Tensor, int], Tensor]  # logits, target, pad_id -> (B, T), true where a token counts
Reduce = Callable[[Tensor, Tensor], Tensor]  # the tokens' losses and which of them count -> the loss


def hit(log_p: Tensor, target: Tensor) -> Tensor:
    return log_p.gather(-1, target.unsqueeze(-1)).squeeze(-1)


def smoothed(logits: Tensor, target: Tensor, pad_id: int, eps: float) -> Tensor:
    log_p = logits.log_softmax(-1)
    return -(1 - eps) * hit(log_p, target) - eps * log_p.mean(-1)


def real(logits: Tensor, target: Tensor, pad_id: int) -> Tensor:
    return target != pad_id


def mean(loss: Tensor, keep: Tensor) -> Tensor:
    return loss.masked_fill(~keep, 0.0).sum() / keep.sum()


def build(per_token: PerToken = smoothed, keep: Keep = real, reduce: Reduce = mean) -> Definition:
    """The loss with one of its three parts exchanged."""

    def loss(logits: Tensor, target: Tensor, pad_id: int, eps: float = 0.1) -> Tensor:
        return reduce(per_token(logits, target, pad_id, eps), keep(logits, target, pad_id))

    return loss


right = build()  # with no help from the reference: what is known must not depend on what is looked for


def with_log_p(log_p_of: Callable[[Tensor], Tensor]) -> Definition:
    """With another logarithm of the probabilities."""

    def per_token(logits: Tensor, target: Tensor, pad_id: int, eps: float) -> Tensor:
        log_p = log_p_of(logits)
        return -(1 - eps) * hit(log_p, target) - eps * log_p.mean(-1)

    return build(per_token)


def mixed(how: Callable[[Tensor, Tensor, float, int], Tensor]) -> Definition:
    """With another mixture of two parts: of the target's log-probability, and of all of them."""

    def per_token(logits: Tensor, target: Tensor, pad_id: int, eps: float) -> Tensor:
        log_p = logits.log_softmax(-1)
        return -how(hit(log_p, target), log_p, eps, pad_id)

    return build(per_token)


Wanted = Callable[[Tensor, int, int, float], Tensor]  # target, V, pad_id, eps -> the distribution (B, T, V)


def against(wanted: Wanted, kl: bool = False, reduce: Reduce = mean) -> Definition:
    """Cross-entropy, or the divergence, against another distribution."""

    def per_token(logits: Tensor, target: Tensor, pad_id: int, eps: float) -> Tensor:
        q = wanted(target, logits.size(-1), pad_id, eps).to(logits.dtype)
        constant = torch.xlogy(q, q).sum(-1) if kl else 0.0
        return constant - (q * logits.log_softmax(-1)).sum(-1)

    return build(per_token, reduce=reduce)


def one_hot(target: Tensor, v: int) -> Tensor:
    return F.one_hot(target, v).double()


def even(target: Tensor, v: int, pad_id: int, eps: float) -> Tensor:
    return (1 - eps) * one_hot(target, v) + eps / v


def over_the_others(target: Tensor, v: int, pad_id: int, eps: float) -> Tensor:
    hot = one_hot(target, v)
    return (1 - eps) * hot + (1 - hot) * eps / (v - 1)


def over_the_others_but_padding(target: Tensor, v: int, pad_id: int, eps: float) -> Tensor:
    """The Annotated Transformer's."""
    hot = one_hot(target, v)
    return without_class((1 - eps) * hot + (1 - hot) * eps / max(1, v - 2), pad_id)


def over_all_but_padding(target: Tensor, v: int, pad_id: int, eps: float) -> Tensor:
    return without_class((1 - eps) * one_hot(target, v) + eps / (v - 1), pad_id)


def without_class(q: Tensor, pad_id: int) -> Tensor:
    return q * (torch.arange(q.size(-1)) != pad_id)


def class_zeroed(target: Tensor, v: int, pad_id: int, eps: float) -> Tensor:
    return without_class(even(target, v, pad_id, eps), pad_id)


def over_v_minus_2(target: Tensor, v: int, pad_id: int, eps: float) -> Tensor:
    hot = one_hot(target, v)
    return (1 - eps) * hot + (1 - hot) * eps / max(1, v - 2)


def even_and_v_minus_1(target: Tensor, v: int, pad_id: int, eps: float) -> Tensor:
    return (1 - eps) * one_hot(target, v) + eps / (v - 1)


def overwritten(target: Tensor, v: int, pad_id: int, eps: float) -> Tensor:
    hot = one_hot(target, v)
    return (1 - eps) * hot + (1 - hot) * eps / v


def target_keeps_one(target: Tensor, v: int, pad_id: int, eps: float) -> Tensor:
    return one_hot(target, v) + eps / v


def eps_on_each(target: Tensor, v: int, pad_id: int, eps: float) -> Tensor:
    return (1 - eps) * one_hot(target, v) + eps


def eps_on_each_other(target: Tensor, v: int, pad_id: int, eps: float) -> Tensor:
    hot = one_hot(target, v)
    return (1 - eps) * hot + (1 - hot) * eps


def scaled_only(target: Tensor, v: int, pad_id: int, eps: float) -> Tensor:
    return (1 - eps) * one_hot(target, v)


def smoothed_twice(target: Tensor, v: int, pad_id: int, eps: float) -> Tensor:
    return (1 - eps) * even(target, v, pad_id, eps) + eps / v


def over_the_length(target: Tensor, v: int, pad_id: int, eps: float) -> Tensor:
    return (1 - eps) * one_hot(target, v) + eps / target.size(1)


def frequencies(logits, target, pad_id, eps=0.1):  # type: ignore[no-untyped-def]
    counts = torch.bincount(target[target != pad_id], minlength=logits.size(-1)).to(logits.dtype)
    log_p = logits.log_softmax(-1)
    per_token = -(1 - eps) * hit(log_p, target) - eps * (log_p * (counts / counts.sum())).sum(-1)
    return mean(per_token, target != pad_id)


def entropy_bonus(logits: Tensor, target: Tensor, pad_id: int, eps: float, weight: float = 1.0) -> Tensor:
    log_p = logits.log_softmax(-1)
    return -weight * hit(log_p, target) + eps * (log_p.exp() * log_p).sum(-1)


def two_reductions(of_hits: Reduce, of_smooth: Reduce) -> Definition:
    """The two parts reduced differently."""

    def loss(logits: Tensor, target: Tensor, pad_id: int, eps: float = 0.1) -> Tensor:
        log_p, keep = logits.log_softmax(-1), target != pad_id
        return (1 - eps) * of_hits(-hit(log_p, target), keep) + eps * of_smooth(-log_p.mean(-1), keep)

    return loss


def weight_of_0_for_padding(logits, target, pad_id, eps=0.1):  # type: ignore[no-untyped-def]
    weight = (torch.arange(logits.size(-1)) != pad_id).to(logits.dtype)
    flat = logits.flatten(0, 1)
    return F.cross_entropy(flat, target.flatten(), weight=weight, label_smoothing=eps)


def over_all(loss: Tensor, keep: Tensor) -> Tensor:
    return loss.mean()


def zeroed_then_mean(loss: Tensor, keep: Tensor) -> Tensor:
    return (loss * keep).mean()


def summed(loss: Tensor, keep: Tensor) -> Tensor:
    return (loss * keep).sum()


def a_sentence(loss: Tensor, keep: Tensor) -> Tensor:
    return (loss * keep).sum() / len(loss)


def a_place(loss: Tensor, keep: Tensor) -> Tensor:
    return (loss * keep).sum() / loss.size(1)


def mean_of_means(loss: Tensor, keep: Tensor) -> Tensor:
    return ((loss * keep).sum(1) / keep.sum(1).clamp(min=1)).mean()


def one_more(loss: Tensor, keep: Tensor) -> Tensor:
    return (loss * keep).sum() / (keep.sum() + 1)


def for_the_longest(loss: Tensor, keep: Tensor) -> Tensor:
    return (loss * keep).sum() / keep.sum(1).max()


def by_length(logits: Tensor, target: Tensor, pad_id: int) -> Tensor:
    return torch.arange(target.size(1)) < (target != pad_id).sum(1, keepdim=True)


def until_first_pad(logits: Tensor, target: Tensor, pad_id: int) -> Tensor:
    return (target != pad_id).long().cumprod(1).bool()


def without_first(logits: Tensor, target: Tensor, pad_id: int) -> Tensor:
    return (target != pad_id) & (torch.arange(target.size(1)) > 0)


def without_last(logits: Tensor, target: Tensor, pad_id: int) -> Tensor:
    return (target != pad_id) & (torch.arange(target.size(1)) < target.size(1) - 1)


def not_predicted(logits: Tensor, target: Tensor, pad_id: int) -> Tensor:
    return logits.argmax(-1) != pad_id


def only_padding(logits: Tensor, target: Tensor, pad_id: int) -> Tensor:
    return target == pad_id


def shifted_again(logits, target, pad_id, eps=0.1):  # type: ignore[no-untyped-def]
    return right(logits[:, :-1], target[:, 1:], pad_id, eps)


def classes_mixed(logits, target, pad_id, eps=0.1):  # type: ignore[no-untyped-def]
    mixed_up = logits.transpose(1, 2).reshape(1, -1, logits.size(-1))
    return right(mixed_up, target.reshape(1, -1), pad_id, eps)


def viewed_with_classes_first(logits, target, pad_id, eps=0.1):  # type: ignore[no-untyped-def]
    b, t, v = logits.shape
    return right(logits.reshape(b, v, t).transpose(1, 2), target, pad_id, eps)


def tokens_mixed(logits, target, pad_id, eps=0.1):  # type: ignore[no-untyped-def]
    return right(logits.flatten(0, 1)[None], target.t().reshape(1, -1), pad_id, eps)


def over_all_tokens(logits: Tensor) -> Tensor:
    return logits.flatten(0, 1).log_softmax(0).view_as(logits)


def softmax_of_softmax(logits: Tensor) -> Tensor:
    return logits.softmax(-1).log_softmax(-1)


def class_never_predicted(logits, target, pad_id, eps=0.1):  # type: ignore[no-untyped-def]
    inside = torch.arange(logits.size(-1)) != pad_id
    log_p = logits.masked_fill(~inside, -1e30).log_softmax(-1)
    return mean(-(1 - eps) * hit(log_p, target) - eps * log_p[..., inside].mean(-1), target != pad_id)


def class_hidden(logits, target, pad_id, eps=0.1):  # type: ignore[no-untyped-def]
    inside = torch.arange(logits.size(-1)) != pad_id
    log_p = logits.masked_fill(~inside, -1e4).log_softmax(-1)
    return mean(-(1 - eps) * hit(log_p, target) - eps * log_p.mean(-1), target != pad_id)


def smooth_detached(hits: Tensor, log_p: Tensor, eps: float, pad_id: int) -> Tensor:
    return (1 - eps) * hits + eps * log_p.mean(-1).detach()


def hits_detached(hits: Tensor, log_p: Tensor, eps: float, pad_id: int) -> Tensor:
    return (1 - eps) * hits.detach() + eps * log_p.mean(-1)


def normaliser_detached(logits: Tensor) -> Tensor:
    return logits - logits.logsumexp(-1, keepdim=True).detach()


def probabilities(logits: Tensor, target: Tensor, pad_id: int, eps: float) -> Tensor:
    p = logits.softmax(-1)
    return -(1 - eps) * hit(p, target) - eps * p.mean(-1)


def squares(logits: Tensor, target: Tensor, pad_id: int, eps: float) -> Tensor:
    return (logits.softmax(-1) - even(target, logits.size(-1), pad_id, eps).to(logits.dtype)).square().sum(-1)


def each_class_alone(logits: Tensor, target: Tensor, pad_id: int, eps: float, divide: bool = False) -> Tensor:
    q = even(target, logits.size(-1), pad_id, eps).to(logits.dtype)
    loss = F.binary_cross_entropy_with_logits(logits, q, reduction="none")
    return loss.mean(-1) if divide else loss.sum(-1)


def over_the_classes_too(logits: Tensor, target: Tensor, pad_id: int, eps: float) -> Tensor:
    return smoothed(logits, target, pad_id, eps) / logits.size(-1)


def kl_over_the_classes_too(logits: Tensor, target: Tensor, pad_id: int, eps: float) -> Tensor:
    q = even(target, logits.size(-1), pad_id, eps).to(logits.dtype)
    return (torch.xlogy(q, q) - q * logits.log_softmax(-1)).mean(-1)


def kl_turned_round(logits: Tensor, target: Tensor, pad_id: int, eps: float) -> Tensor:
    q = even(target, logits.size(-1), pad_id, eps).to(logits.dtype)
    log_p = logits.log_softmax(-1)
    return (log_p.exp() * (log_p - q.log())).sum(-1)


def perplexity(logits, target, pad_id, eps=0.1):  # type: ignore[no-untyped-def]
    return right(logits, target, pad_id, eps).exp()


def pad_is(number: int) -> Keep:
    return lambda logits, target, pad_id: target != number


def eps_is(number: float) -> Definition:
    return lambda logits, target, pad_id, eps=0.1: right(logits, target, pad_id, number)


def default_is(number: float) -> Definition:
    return lambda logits, target, pad_id, eps=number: right(logits, target, pad_id, eps)


# --- signs ---


def number(seen: Observations, probe: str, key: str = "loss") -> float:
    found = seen[probe][key]
    if not isinstance(found, Tensor) or found.numel() != 1:
        raise KeyError(key)
    return float(found)


def no_graph(seen: Observations) -> bool:
    return "gradient of logits" in seen["gradient"] and seen["gradient"]["gradient of logits"] is None


def another_type(seen: Observations) -> bool:
    """float64 goes in; what comes out is of another type, or has only the digits of one."""
    if not TRUTH.right(seen, "one token", "two tokens", "padding", "another padding id", "unlikely", "two calls"):
        return False
    loss, expected = number(seen, "float64"), number({"": TRUTH.of("float64")}, "")
    return "float64" in TRUTH.wrong(seen) and math.isclose(loss, expected, rel_tol=1e-3)


def not_reduced(seen: Observations) -> bool:
    loss = seen["two tokens"]["loss"]
    return isinstance(loss, Tensor) and loss.dim() > 0 and loss.numel() > 1


def an_axis_too_many(seen: Observations) -> bool:
    loss = seen["two tokens"]["loss"]
    return isinstance(loss, Tensor) and loss.dim() > 0 and loss.numel() == 1


def guarded_logarithm(seen: Observations) -> bool:
    """An impossible token costs the logarithm of a round number, or of the smallest difference of float32."""
    small = number(seen, "unlikely", "loss of a token 90 below")
    guards = [n * math.log(10) for n in range(3, 31)] + [-math.log(torch.finfo(torch.float32).eps)]
    return TRUTH.right(seen, "one token", "two tokens") and any(
        math.isclose(small, guard, rel_tol=1e-3) for guard in guards
    )


def cut_off(seen: Observations) -> bool:
    """An impossible token costs no more than some bound."""
    keys = ("loss of a token 40 below", "loss of a token 90 below")
    lower, upper = (number(seen, "unlikely", key) for key in keys)
    return TRUTH.right(seen, "one token", "two tokens", "padding") and 2 < upper < 90 and (upper == lower or lower > 39)


def infinite(seen: Observations) -> bool:
    """Right for small logits; for large ones infinite, or no number."""
    fine = TRUTH.right(seen, "one token", "two tokens", "padding", "many", "square")
    found = [number(seen, "large"), number(seen, "unlikely", "loss of a token 90 below")]
    slope = seen["large gradient"].get("gradient of large logits")
    spoilt = isinstance(slope, Tensor) and not bool(slope.isfinite().all())
    return fine and (spoilt or not all(map(math.isfinite, found)))


def table_kept(seen: Observations) -> bool:
    """Whoever is asked for eight classes for the first time is right; with another eps for the same classes is not."""
    return TRUTH.right(seen, "one token", "another eps") and number(seen, "two calls", "first") == number(
        seen, "two calls", "second"
    )


DEFAULT = {"one token": 3, "two tokens": 3, "padding": 4, "another padding id": 6, "many": 5, "many classes": 1100}


@cache
def extreme(name: str, eps: float) -> float:
    """What a probe of the default's shows with eps = 0, the target alone, or with 1, the uniform part alone."""
    probe = next(probe for probe in PROBES if probe.name == name)
    return number({"": probe.run(Trial(eps_is(eps)))}, "")


def share(seen: Observations, name: str) -> float:
    """The weight of the uniform part, if that of the target is what is left of 1."""
    return (number(seen, name) - extreme(name, 0.0)) / (extreme(name, 1.0) - extreme(name, 0.0))


def another_share(seen: Observations) -> bool:
    """eps is multiplied or divided by something before it is used."""
    factors = [share(seen, name) / 0.1 for name in DEFAULT] + [share(seen, "another eps") / 0.4]
    return (
        all(math.isclose(one, factors[0], rel_tol=1e-3) for one in factors) and abs(factors[0] - 1) > 1e-3 < factors[0]
    )


def classes_written_in(seen: Observations) -> bool:
    """The sum over the classes is divided by one and the same number, whatever their number is."""
    uniform = {name: number(seen, name) - 0.9 * extreme(name, 0.0) for name in DEFAULT}
    if min(uniform.values()) < 1e-3:
        return False
    found = [0.1 * v * extreme(name, 1.0) / uniform[name] for name, v in DEFAULT.items()]
    return all(math.isclose(one, found[0], rel_tol=1e-3) for one in found) and found[0] > 1.001


def classes_on_axis_one(seen: Observations) -> bool:
    return any("Expected target size" in str(one.get("_text")) for one in seen.values())


def text_of_error(*parts: str) -> Callable[[Observations], bool]:
    return lambda seen: any(part in str(one.get("_text")) for one in seen.values() if "error" in one for part in parts)


MISTAKES = (
    Mistake(
        "a_number_without_a_graph",
        "A Python number comes back: `.item()` and float() cut the loss off from the logits. The value "
        "is right, but nothing can be learned from it: return the tensor.",
        seen=returns("float"),
    ),
    Mistake(
        "returns_several_things",
        "More than the loss is returned. One scalar is asked for.",
        seen=returns("tuple", "list", "dict"),
    ),
    Mistake(
        "no_gradient",
        "The loss does not depend on the logits any more: it was detached, or computed under no_grad, "
        "or by way of numpy or a new tensor. Then nothing is learned.",
        seen=no_graph,
    ),
    Mistake(
        "classes_on_axis_one",
        "F.cross_entropy and F.nll_loss look for the classes on axis 1, so with logits (B, T, V) they "
        "take T for the number of classes. Flatten to (B T, V) and (B T), or move the classes forward.",
        seen=classes_on_axis_one,
    ),
    Mistake(
        "only_contiguous_input",
        "`view` needs numbers that lie one after the other in memory; those of a transposed tensor or a "
        "slice do not. Use `reshape` or `flatten`.",
        seen=TRUTH.raises_only_in("views"),
    ),
    Mistake(
        "no_batch_of_one",
        "A single sentence, or a single token, makes it fail. Beware of `squeeze()` without an axis, "
        "and take the sizes from the input.",
        seen=TRUTH.raises_only_in("one token", "two tokens", "one sentence", "length one", "unlikely"),
    ),
    Mistake(
        "dtypes_do_not_fit",
        "Two tensors of different types meet in an operation that wants one: a table of float32 and "
        "logits of float64, say. Take over the type of the logits.",
        seen=TRUTH.raises_only_in("float64"),
    ),
    Mistake(
        "not_reduced",
        "There is one loss for each token. `backward` needs a single number: the mean over the targets "
        "that are no padding.",
        seen=not_reduced,
    ),
    Mistake(
        "an_axis_too_many",
        "The loss has an axis of size one. A scalar has none: reduce with `sum()` or `mean()` without keeping axes.",
        seen=an_axis_too_many,
    ),
    Mistake(
        "table_kept_for_each_number_of_classes",
        "Something is kept from an earlier call, though eps is another one now. Make the distribution "
        "from the arguments each time.",
        seen=table_kept,
    ),
    Mistake(
        "logarithm_guarded_by_a_small_number",
        "A small number is added before the logarithm, or probabilities are kept above it. The loss of "
        "an unlikely token is too small then, and has no gradient just where it is needed most. "
        "log_softmax needs no guard.",
        seen=guarded_logarithm,
    ),
    Mistake(
        "loss_cut_off",
        "The loss of a token cannot go beyond some bound, so very wrong predictions have no gradient. "
        "Let it grow: the gradient of a cross-entropy is never larger than 1.",
        seen=cut_off,
    ),
    Mistake(
        "infinite_for_large_logits",
        "With large logits the loss or its gradient is infinite or no number: the exponential "
        "overflows, or the logarithm of a probability of 0 is taken. log_softmax, or logsumexp, does "
        "both in one stable step.",
        seen=infinite,
    ),
    Mistake(
        "another_type_inside",
        "Inside, something is of a fixed type: float32, for instance. The loss should be as precise as "
        "the logits: use their type, with `logits.dtype` or `full_like`.",
        seen=another_type,
    ),
    Mistake(
        "number_of_classes_written_in",
        "The uniform part is divided by the same number whatever the number of classes is. Take it from "
        "the logits: logits.size(-1), or the mean over the last axis.",
        seen=classes_written_in,
    ),
    Mistake(
        "eps_times_a_factor",
        "Another share than eps is spread over the classes: half of it, say, or twice as much. It is "
        "eps, and the target gets 1 - eps.",
        seen=another_share,
    ),
    Mistake(
        "padding_counted",
        "Padding is a target like any other. It is no word: leave out the places where target == "
        "pad_id, in the sum and in the count.",
        build(reduce=over_all),
    ),
    Mistake(
        "padding_in_the_count",
        "The loss of padding is 0, but the sum is divided by all places. Divide by the number of "
        "targets that are no padding, or the loss depends on how much the batch was filled up.",
        build(reduce=zeroed_then_mean),
    ),
    Mistake(
        "uniform_part_counts_padding",
        "Padding is left out where the target's probability is taken, but not in the uniform part. "
        "Leave it out of both, and divide both by the same number.",
        two_reductions(mean, over_all),
    ),
    Mistake(
        "uniform_part_divided_by_all_places",
        "The uniform part is summed over the tokens and divided by all places. Both parts are means "
        "over the targets that are no padding.",
        two_reductions(mean, zeroed_then_mean),
    ),
    Mistake(
        "target_part_counts_padding",
        "Padding is left out of the uniform part, but not where the target's probability is taken. "
        "Leave it out of both.",
        two_reductions(over_all, mean),
    ),
    Mistake(
        "target_part_divided_by_all_places",
        "The target's part is divided by all places, the uniform part by the tokens. Both are means "
        "over the targets that are no padding.",
        two_reductions(zeroed_then_mean, mean),
    ),
    Mistake(
        "uniform_part_summed",
        "The uniform part is summed over the tokens, the other one averaged. Both are means over the "
        "targets that are no padding.",
        two_reductions(mean, summed),
    ),
    Mistake(
        "sum",
        "The losses of the tokens are added up. Asked for is their mean: a longer batch is not worse.",
        build(reduce=summed),
        source="reduction='sum' in The Annotated Transformer and fairseq, which divide by the number of tokens later",
        convention=True,
    ),
    Mistake(
        "sum_with_padding",
        "The losses of all places are added up, those of padding too. Asked for is the mean over the "
        "targets that are no padding.",
        build(reduce=lambda loss, keep: loss.sum()),
    ),
    Mistake(
        "divided_by_the_sentences",
        "The sum is divided by the number of sentences, as 'batchmean' does. Divide by the number of "
        "targets that are no padding.",
        build(reduce=a_sentence),
    ),
    Mistake(
        "divided_by_the_length",
        "The sum is divided by the length T. Divide by the number of targets that are no padding, in all sentences.",
        build(reduce=a_place),
    ),
    Mistake(
        "divided_by_the_longest_sentence",
        "The sum is divided by the length of the longest sentence. Divide by the number of targets that "
        "are no padding, in all sentences.",
        build(reduce=for_the_longest),
    ),
    Mistake(
        "mean_of_means",
        "Each sentence is averaged, and then these means: a word of a short sentence weighs more than "
        "one of a long sentence. Take one mean over all tokens.",
        build(reduce=mean_of_means),
    ),
    Mistake(
        "count_one_too_large",
        "The sum is divided by the number of tokens plus one. A batch always has a token; if not, clamp "
        "the count at 1.",
        build(reduce=one_more),
    ),
    Mistake(
        "divided_by_the_classes_too",
        "The mean runs over the classes as well, so the loss is V times too small. Sum over the "
        "classes; average over the tokens.",
        build(over_the_classes_too),
    ),
    Mistake(
        "padding_taken_to_be_0",
        "The places where the target is 0 are left out, whatever pad_id is. Use pad_id.",
        build(keep=pad_is(0)),
    ),
    Mistake(
        "padding_taken_to_be_1",
        "The places where the target is 1 are left out, whatever pad_id is. Use pad_id.",
        build(keep=pad_is(1)),
    ),
    Mistake(
        "larger_than_pad",
        "Tokens are taken to be those whose id is larger than pad_id. That holds only if padding is the "
        "smallest id: compare with `!=`.",
        build(keep=lambda logits, target, pad_id: target > pad_id),
    ),
    Mistake(
        "counted_from_the_left",
        "The tokens are counted, and so many places taken from the left. Padding may stand in front as "
        "well: look at each place by itself.",
        build(keep=by_length),
    ),
    Mistake(
        "ends_at_the_first_padding",
        "Everything after the first padding is left out. A token behind padding still counts: look at "
        "each place by itself.",
        build(keep=until_first_pad),
    ),
    Mistake(
        "padding_by_the_prediction",
        "The places are left out where the *model* predicts padding. What counts is the target: a wrong "
        "prediction must cost something.",
        build(keep=not_predicted),
    ),
    Mistake(
        "only_padding_counts",
        "The mask is turned round: only padding counts.",
        build(keep=only_padding),
    ),
    Mistake(
        "shifted_again",
        "The logits of place t are compared with the target of place t + 1. The decoder's input was "
        "shifted already: place t predicts target t.",
        shifted_again,
        source="the losses of decoder-only models in Hugging Face Transformers, which shift inside",
        convention=True,
    ),
    Mistake(
        "first_token_left_out",
        "The first token of each sentence is left out, as if it were BOS. Targets have no BOS here: the "
        "first word counts.",
        build(keep=without_first),
    ),
    Mistake(
        "last_token_left_out",
        "The last place is left out. EOS, which stands there in the longest sentence, counts: the model "
        "must learn to end.",
        build(keep=without_last),
    ),
    Mistake(
        "shared_by_the_others",
        "The target gets 1 - eps, and each of the V - 1 others eps / (V - 1). In this course, as in "
        "PyTorch, eps is spread over all V classes, so the target has 1 - eps + eps / V.",
        against(over_the_others),
        source="newer versions of fairseq; Tensor2Tensor",
        convention=True,
    ),
    Mistake(
        "shared_by_v_minus_2",
        "eps is shared by V - 2 classes, all but the target and padding, which gets nothing. In this "
        "course, as in PyTorch, eps is spread over all V classes.",
        against(over_the_others_but_padding),
        source="LabelSmoothing of The Annotated Transformer; OpenNMT-py",
        convention=True,
    ),
    Mistake(
        "divided_by_v_minus_2",
        "Each class but the target gets eps / (V - 2), padding too: the probabilities do not sum to 1. "
        "Here each of all V classes gets eps / V.",
        against(over_v_minus_2),
    ),
    Mistake(
        "no_mass_for_padding",
        "eps is shared by the V - 1 classes that are no padding. Here padding is a class like the "
        "others when eps is spread: over all V.",
        against(over_all_but_padding),
        convention=True,
        source="label smoothing with a weight of 0 for padding, normalised",
    ),
    Mistake(
        "padding_class_zeroed",
        "The padding class gets nothing, the others eps / V: the probabilities do not sum to 1. Here "
        "all V classes share eps; only *places* whose target is padding are left out.",
        against(class_zeroed),
    ),
    Mistake(
        "weight_of_0_for_padding",
        "Padding is given the weight 0 as a class. That hides it where it is the target, but with label "
        "smoothing its places still count in the uniform part, and the class gets no share of eps. Use "
        "ignore_index=pad_id.",
        weight_of_0_for_padding,
    ),
    Mistake(
        "divided_by_v_minus_1",
        "Every class, the target too, gets eps / (V - 1): the probabilities sum to more than 1. Divide "
        "by V if the target is among them.",
        against(even_and_v_minus_1),
    ),
    Mistake(
        "target_overwritten",
        "The target's eps / V is overwritten by 1 - eps: the probabilities sum to less than 1. Add 1 - "
        "eps to it (`scatter_add_`, or a sum of two parts).",
        against(overwritten),
    ),
    Mistake(
        "target_keeps_one",
        "eps / V is added to a one-hot that still has a 1: the probabilities sum to 1 + eps. Scale the "
        "one-hot by 1 - eps.",
        against(target_keeps_one),
    ),
    Mistake(
        "eps_not_divided",
        "Each class gets eps itself. It is shared out: eps / V for each, the *mean* over the classes, not the sum.",
        against(eps_on_each),
    ),
    Mistake(
        "eps_for_each_other_class",
        "The target gets 1 - eps and each other class eps itself. It is shared out: eps / V for each of all V.",
        against(eps_on_each_other),
    ),
    Mistake(
        "uniform_part_missing",
        "The target's part is scaled by 1 - eps, and nothing is added: what was taken from it belongs "
        "to all the classes, eps / V each.",
        against(scaled_only),
    ),
    Mistake(
        "smoothed_twice",
        "The target is smoothed twice: once by hand and once more by label_smoothing, for instance. Do one of the two.",
        against(smoothed_twice),
    ),
    Mistake(
        "divided_by_the_length_of_the_sentence",
        "eps is divided by the length, axis 1, where the number of classes belongs, the last axis of the logits.",
        against(over_the_length),
    ),
    Mistake(
        "eps_and_1_minus_eps_swapped",
        "The target gets eps, and 1 - eps is spread over the classes. It is the other way round: the "
        "target keeps most.",
        mixed(lambda hits, log_p, eps, pad_id: eps * hits + (1 - eps) * log_p.mean(-1)),
    ),
    Mistake(
        "uniform_part_not_weighted",
        "The uniform part is added as a whole; it has the weight eps.",
        mixed(lambda hits, log_p, eps, pad_id: (1 - eps) * hits + log_p.mean(-1)),
    ),
    Mistake(
        "uniform_part_sign",
        "The uniform part has the wrong sign: it rewards being sure. Both parts are minus a log-probability.",
        mixed(lambda hits, log_p, eps, pad_id: (1 - eps) * hits - eps * log_p.mean(-1)),
    ),
    Mistake(
        "sign",
        "The sign is forgotten: this falls as the model gets worse. The loss is minus the log-likelihood.",
        mixed(lambda hits, log_p, eps, pad_id: -(1 - eps) * hits - eps * log_p.mean(-1)),
    ),
    Mistake(
        "smoothing_ignored",
        "This is the plain cross-entropy: eps makes no difference.",
        eps_is(0.0),
    ),
    Mistake(
        "eps_written_in",
        "eps is always 0.1. The caller may give another one, 0 when a model is measured: use the argument.",
        eps_is(0.1),
    ),
    Mistake(
        "default_is_not_smoothed",
        "Without eps nothing is smoothed; the default is 0.1, the paper's.",
        default_is(0.0),
    ),
    Mistake(
        "default_is_0_2",
        "Without eps it smooths with 0.2; the default is 0.1, the paper's.",
        default_is(0.2),
    ),
    Mistake(
        "kl_divergence",
        "This is the divergence (KL) from the smoothed target. It has the same gradient and is smaller "
        "by a constant, the entropy of the target; asked for is the cross-entropy. Add the entropy, or "
        "leave out q log q.",
        against(even, kl=True),
        source="F.kl_div and nn.KLDivLoss; Tensor2Tensor subtracts the entropy as well",
        convention=True,
    ),
    Mistake(
        "kl_divergence_summed",
        "This is the divergence (KL) from the smoothed target, added up over the tokens. Asked for is "
        "the cross-entropy, which has the entropy of the target in it, and its mean.",
        against(even, kl=True, reduce=summed),
        convention=True,
        source="nn.KLDivLoss(reduction='sum')",
    ),
    Mistake(
        "kl_divergence_a_sentence",
        "This is the divergence (KL) divided by the number of sentences: 'batchmean' counts the first "
        "axis. Asked for is the cross-entropy and its mean over the tokens.",
        against(even, kl=True, reduce=a_sentence),
    ),
    Mistake(
        "kl_divergence_over_the_classes_too",
        "F.kl_div's default divides by the number of all entries, the classes too. Sum over the classes "
        "and average over the tokens; and add the entropy of the target, if the cross-entropy is asked "
        "for.",
        build(kl_over_the_classes_too),
    ),
    Mistake(
        "kl_divergence_turned_round",
        "The divergence is taken the other way round: of the prediction from the target. Cross-entropy "
        "weighs log-probabilities of the model with the target's probabilities.",
        build(kl_turned_round),
    ),
    Mistake(
        "annotated_transformer",
        "This is the Annotated Transformer's: the divergence (KL), with eps shared by V - 2 classes. "
        "Asked for is the cross-entropy, with eps spread over all V.",
        against(over_the_others_but_padding, kl=True),
        source="LabelSmoothing of The Annotated Transformer, divided by the number of tokens",
        convention=True,
    ),
    Mistake(
        "annotated_transformer_summed",
        "This is the Annotated Transformer's: the divergence (KL), with eps shared by V - 2 classes, "
        "and summed. Asked for is the mean of the cross-entropy, with eps spread over all V.",
        against(over_the_others_but_padding, kl=True, reduce=summed),
        source="LabelSmoothing of The Annotated Transformer",
        convention=True,
    ),
    Mistake(
        "tensor2tensor",
        "This is Tensor2Tensor's: eps shared by the V - 1 other classes, and the entropy of the target "
        "subtracted. Asked for is the cross-entropy, with eps spread over all V.",
        against(over_the_others, kl=True),
        source="smoothing_cross_entropy of Tensor2Tensor",
        convention=True,
    ),
    Mistake(
        "sum_shared_by_the_others",
        "The losses are added up, and eps is shared by the V - 1 other classes. Asked for is the mean, "
        "with eps spread over all V.",
        against(over_the_others, reduce=summed),
        source="label_smoothed_nll_loss of newer versions of fairseq",
        convention=True,
    ),
    Mistake(
        "word_frequencies",
        "eps is spread as the words are frequent in the batch. The paper spreads it evenly.",
        frequencies,
        source="unigram label smoothing (Pereyra and others, 2017)",
        convention=True,
    ),
    Mistake(
        "confidence_penalty",
        "eps times the entropy of the prediction is subtracted. That also keeps the model from being "
        "too sure, but it is another method: label smoothing changes the target.",
        build(lambda logits, target, pad_id, eps: entropy_bonus(logits, target, pad_id, eps, 1 - eps)),
        source="the confidence penalty (Pereyra and others, 2017)",
        convention=True,
    ),
    Mistake(
        "entropy_subtracted",
        "eps times the entropy of the prediction is subtracted from the plain cross-entropy. That also "
        "keeps the model from being too sure, but it is another method: label smoothing changes the "
        "target.",
        build(entropy_bonus),
        source="the confidence penalty (Pereyra and others, 2017)",
        convention=True,
    ),
    Mistake(
        "no_softmax",
        "The logits are taken for log-probabilities. They can have any sum: log_softmax makes "
        "log-probabilities of them.",
        with_log_p(lambda logits: logits),
    ),
    Mistake(
        "probabilities_without_logarithm",
        "The probabilities themselves are used, without the logarithm. Cross-entropy is made of "
        "log-probabilities: log_softmax.",
        build(probabilities),
    ),
    Mistake(
        "softmax_twice",
        "A softmax is taken of what is a softmax already: F.cross_entropy and log_softmax want the "
        "logits. All probabilities come out nearly alike.",
        with_log_p(softmax_of_softmax),
    ),
    Mistake(
        "softmax_over_the_places",
        "The softmax runs over axis 1, the places. The classes share the probability: the last axis.",
        with_log_p(lambda logits: logits.log_softmax(1)),
    ),
    Mistake(
        "softmax_over_the_batch",
        "The softmax runs over axis 0, the sentences; without `dim`, torch takes that for a tensor of "
        "three axes. The classes share the probability: the last axis.",
        with_log_p(lambda logits: logits.log_softmax(0)),
    ),
    Mistake(
        "softmax_over_all_tokens",
        "After flattening, the softmax runs over the tokens. The classes share the probability: the last axis.",
        with_log_p(over_all_tokens),
    ),
    Mistake(
        "base_two",
        "The logarithm is to base two: bits rather than nats. Use the natural one.",
        with_log_p(lambda logits: logits.log_softmax(-1) / math.log(2)),
    ),
    Mistake(
        "base_ten",
        "The logarithm is to base ten. Use the natural one.",
        with_log_p(lambda logits: logits.log_softmax(-1) / math.log(10)),
    ),
    Mistake(
        "perplexity",
        "The exponential of the mean loss is returned: that is the perplexity. Asked for is the loss.",
        perplexity,
    ),
    Mistake(
        "each_class_by_itself",
        "Each class has a sigmoid of its own (binary cross-entropy). The classes exclude each other: "
        "one softmax over all.",
        build(each_class_alone),
    ),
    Mistake(
        "each_class_by_itself_averaged",
        "Each class has a sigmoid of its own (binary cross-entropy), averaged over the classes. They "
        "exclude each other: one softmax over all.",
        build(lambda logits, target, pad_id, eps: each_class_alone(logits, target, pad_id, eps, divide=True)),
    ),
    Mistake(
        "squared_error",
        "Squared differences of probabilities are added up. Asked for is the cross-entropy, minus a "
        "mean of log-probabilities.",
        build(squares),
    ),
    Mistake(
        "classes_and_places_mixed",
        "After the classes were moved to axis 1, the logits are flattened to (B T, V) as if they were "
        "still last, so that rows mix places and classes. Flatten before moving, or move back.",
        classes_mixed,
    ),
    Mistake(
        "viewed_with_classes_first",
        "The logits are brought to (B, V, T) by `view` or `reshape`, which deals the numbers out anew: "
        "places and classes get mixed up. Axes change places by `transpose(1, 2)`.",
        viewed_with_classes_first,
    ),
    Mistake(
        "targets_in_another_order",
        "Targets and logits are flattened in different orders, sentence by sentence and place by place, "
        "so that tokens are compared with others' targets.",
        tokens_mixed,
    ),
    Mistake(
        "padding_never_predicted",
        "The padding class is taken out of the softmax, and eps spread over the others. Here it is a "
        "class like the others; the model learns by itself not to say it.",
        class_never_predicted,
    ),
    Mistake(
        "padding_logit_lowered",
        "The logit of padding is set very low, and gets its share of eps: the loss becomes huge. Leave "
        "the logits as they are; only places whose target is padding are left out.",
        class_hidden,
    ),
    Mistake(
        "uniform_part_detached",
        "The value is right, but the uniform part has no gradient (detach, no_grad): the model learns "
        "as without smoothing.",
        mixed(smooth_detached),
    ),
    Mistake(
        "target_part_detached",
        "The value is right, but the target's part has no gradient (detach, no_grad): the model learns "
        "only to be undecided.",
        mixed(hits_detached),
    ),
    Mistake(
        "normaliser_detached",
        "The value is right, but the gradient does not go through the normaliser of the softmax, so "
        "nothing lowers the other classes. Leave logsumexp in the graph.",
        with_log_p(normaliser_detached),
    ),
)

EXERCISES = [
    Exercise(
        "label_smoothing_loss",
        Card(
            2,
            15,
            "What the model is trained to lower: it keeps it from being too sure of itself.",
            "12_training",
            "loss",
        ),
        label_smoothing_loss,
        PROBES,
        MISTAKES,
        (
            "Cross-entropy is minus a sum of q log p over the classes. What is q here, at the target and "
            "elsewhere? And over which places is the mean taken?",
            "Two parts for each token: 1 - eps of minus the target's log-probability, and eps of minus the "
            "*mean* log-probability over all V classes. Sum over the tokens that are no padding, and divide "
            "by their number.",
            "`log_p = logits.log_softmax(-1)`; `log_p.gather(-1, target.unsqueeze(-1)).squeeze(-1)` for the "
            "targets; `log_p.mean(-1)` for the uniform part; `real = target != pad_id`; and `(per_token * "
            "real).sum() / real.sum()`.",
        ),
    )
]
