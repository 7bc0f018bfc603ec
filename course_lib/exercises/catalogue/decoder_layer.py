"""The decoder's layer (3.1)."""

from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.catalogue.encoder_layer import any_mask, is_padding, lengths, probe, triangle
from course_lib.exercises.catalogue.layer_mistakes import by_count, by_errors, counted, in_parts
from course_lib.exercises.exercise import Card, Exercise, Mistake, Observation
from course_lib.exercises.layers import Sort, build, count, states
from course_lib.exercises.trial import Trial, random, tensors
from course_lib.normalization import LayerNorm
from course_lib.transformer import DecoderLayer

SMALL, MAIN = (8, 4, 5), (12, 6, 10)  # d_model, h, d_ff; all that a weight's shape may hold differs
COUNTED = (30, 3, 15)  # works with h and d_ff exchanged, too
FUTURE_AND_LAST = triangle(4) & torch.tensor([True, True, True, False])  # even inverted it leaves every query a key
SORT = Sort(
    ("self_attention", "cross_attention"),
    lambda layer, x, memory, own, other: layer(x, memory) if own is None else layer(x, memory, other, own),
)


def sees(trial: Trial, layer: Any, x: Tensor, memory: Tensor, *masks: Tensor | None, **named: Tensor) -> Observation:
    (out,) = tensors(trial.call(layer.module, x, memory, *masks, **named), 1)
    return trial.seen(out=out)


def both(*shape: int, seed: int, **options: Any) -> tuple[Tensor, Tensor]:
    """x (B, T, d) and memory (B, S, d), of shape (B, T, S, d)."""
    B, T, S, d = shape
    return 2 * random(B, T, d, seed=seed, **options), 2 * random(B, S, d, seed=seed + 100, **options)


def weights(trial: Trial) -> Observation:
    d_model, _, d_ff = COUNTED
    found = count(trial.once(trial.make, *COUNTED, 0.0), d_model, d_ff)
    numbers = found.pop("_numbers")
    return {**trial.seen(**found), "_numbers": numbers}


def norms_alone(trial: Trial) -> Observation:
    return sees(trial, build(trial, SORT, *SMALL, parts=()), *both(1, 2, 3, 8, seed=1))


def ffn_alone(trial: Trial) -> Observation:
    return sees(trial, build(trial, SORT, *SMALL, parts=("ffn",)), *both(1, 2, 3, 8, seed=2))


def attention_alone(trial: Trial) -> Observation:
    return sees(trial, build(trial, SORT, *SMALL, parts=("attention",)), *both(1, 3, 2, 8, seed=3))


def batch(trial: Trial) -> Observation:
    return sees(trial, build(trial, SORT, *MAIN), *both(2, 4, 6, 12, seed=4))


def as_long(trial: Trial) -> Observation:
    """Where everything fits: what is exchanged shows as a wrong result rather than as an error."""
    layer = build(trial, SORT, *MAIN)
    return sees(trial, layer, *both(2, 5, 5, 12, seed=5), lengths(3, 4, size=5), triangle(5) & lengths(4, 3, size=5))


def padding(trial: Trial) -> Observation:
    return sees(trial, build(trial, SORT, *MAIN), *both(2, 4, 6, 12, seed=6), lengths(3, 5, size=6))


def causal(trial: Trial) -> Observation:
    return sees(trial, build(trial, SORT, *MAIN), *both(2, 4, 6, 12, seed=7), None, triangle(4))


def by_name(trial: Trial) -> Observation:
    src, tgt = lengths(5, 4, size=6), lengths(2, 3, size=4) & triangle(4)
    return sees(trial, build(trial, SORT, *MAIN), *both(2, 4, 6, 12, seed=8), src_mask=src, tgt_mask=tgt)


def masks(trial: Trial) -> Observation:
    """Forms that broadcast to (B, h, T, S) and (B, h, T, T)."""
    layer = build(trial, SORT, *MAIN)
    x, memory = both(2, 4, 6, 12, seed=9)
    forms = [
        (any_mask(*lead, 4, 6, seed=i), any_mask(*lead, 4, 4, seed=i + 5))
        for i, lead in enumerate(((2, 1), (), (1, 1)))
    ]
    return trial.seen(
        **{
            f"out_with_masks_{tuple(src.shape)}_{tuple(tgt.shape)}": tensors(
                trial.call(layer.module, x, memory, src, tgt), 1
            )[0]
            for src, tgt in forms
        }
    )


def masks_of_heads(trial: Trial) -> Observation:
    src, tgt = any_mask(2, 6, 4, 6, seed=8), any_mask(2, 6, 4, 4, seed=9)
    return sees(trial, build(trial, SORT, *MAIN), *both(2, 4, 6, 12, seed=21), src, tgt)


def behind_the_mask(trial: Trial) -> Observation:
    """What stands at masked positions is large: it would show."""
    layer = build(trial, SORT, *MAIN, parts=("attention",))
    x, memory = both(2, 4, 6, 12, seed=10)
    src, tgt = lengths(2, 5, size=6), lengths(3, 2, size=4)
    x = x * torch.where(tgt[:, 0, 0, :, None], 1.0, 100.0)
    memory = memory * torch.where(src[:, 0, 0, :, None], 1.0, 100.0)
    (out,) = tensors(trial.call(layer.module, x, memory, src, tgt), 1)
    return trial.seen(out=[out[0, :3], out[1, :2]])


def one_token(trial: Trial) -> Observation:
    return sees(trial, build(trial, SORT, *SMALL), *both(1, 1, 3, 8, seed=11))


def one_source_token(trial: Trial) -> Observation:
    return sees(trial, build(trial, SORT, *SMALL), *both(1, 5, 1, 8, seed=12), None, triangle(5))


def several_calls(trial: Trial) -> Observation:
    """Equal shapes, other numbers: nothing may be left of the call before."""
    module = build(trial, SORT, *MAIN).module
    (x, memory), (y, other) = both(2, 4, 5, 12, seed=13), both(2, 4, 5, 12, seed=14)
    outs = [
        module(x, memory, lengths(2, 4, size=5), FUTURE_AND_LAST[None, None]),
        module(y, other, lengths(3, 1, size=5), any_mask(1, 1, 4, 4, seed=4)),
        module(x, other, lengths(4, 3, size=5), any_mask(1, 1, 4, 4, seed=3)),
        module(x, other),
    ]
    return trial.seen(**{f"out_of_call_{i}": tensors(out, 1)[0] for i, out in enumerate(outs, 1)})


def training(trial: Trial) -> Observation:
    layer = build(trial, SORT, *MAIN, train=True)
    return sees(trial, layer, *both(2, 4, 6, 12, seed=15), lengths(3, 5, size=6), FUTURE_AND_LAST)


def double(trial: Trial) -> Observation:
    layer = build(trial, SORT, *SMALL, dtype=torch.float64)
    return sees(
        trial, layer, *both(2, 3, 4, 8, seed=16, dtype=torch.float64), lengths(3, 2, size=4), any_mask(3, 3, seed=2)
    )


def views(trial: Trial) -> Observation:
    x, memory = (one.transpose(0, 1) for one in both(4, 2, 2, 12, seed=17))
    return sees(trial, build(trial, SORT, *MAIN), x, memory, lengths(3, 2, size=4), FUTURE_AND_LAST)


def gradient(trial: Trial) -> Observation:
    layer = build(trial, SORT, *MAIN)
    x, memory = both(2, 4, 5, 12, seed=18)
    x.requires_grad_()
    memory.requires_grad_()
    (out,) = tensors(trial.once(layer.module, x, memory, lengths(3, 4, size=5), FUTURE_AND_LAST), 1)
    silent = layer.without_gradient(out)
    return trial.seen(
        parts_that_no_gradient_reaches=silent,
        gradient_of_x=gradient_of_kept(out, x),
        gradient_of_memory=gradient_of_kept(out, memory),
    )


def gradient_of_kept(out: Tensor, x: Tensor) -> Tensor | None:
    """The gradient of a random mixture of `out`; the graph is needed again."""
    if not out.requires_grad:
        return None
    mixture = (out * random(*out.shape, seed=6, dtype=out.dtype)).sum()
    return torch.autograd.grad(mixture, x, allow_unused=True, retain_graph=True)[0]


def large(trial: Trial) -> Observation:
    x, memory = both(2, 4, 6, 12, seed=19)
    return sees(trial, build(trial, SORT, *MAIN), 15 * x, 60 * memory, lengths(3, 5, size=6), FUTURE_AND_LAST)


def bf16(trial: Trial) -> Observation:
    layer = build(trial, SORT, *SMALL, parts=("ffn", "norms"), dtype=torch.bfloat16)
    return sees(trial, layer, *both(2, 3, 4, 8, seed=20, dtype=torch.bfloat16), lengths(3, 2, size=4))


PROBES = (
    probe(
        "norms",
        norms_alone,
        "With both attentions and the feed-forward network giving 0, x normalised three times must be left.",
        "x (1, 2, 8), memory (1, 3, 8), all weights 0, gains 1",
    ),
    probe("weights", weights, "It has not the weights that such a layer needs.", "DecoderLayer(30, 3, 15, 0.0)"),
    probe(
        "feed-forward",
        ffn_alone,
        "With both attentions giving 0, LayerNorm(y + FFN(y)) must come out, where y is x after two norms.",
        "x (1, 2, 8), memory (1, 3, 8), weights only in the feed-forward network",
    ),
    probe(
        "attention",
        attention_alone,
        "With the feed-forward network giving 0, the two attentions, one after the other, do not give "
        "what they should.",
        "x (1, 3, 8), memory (1, 2, 8), weights only in the attentions",
    ),
    probe("batch", batch, "With all weights and a batch the result is not right.", "x (2, 4, 12), memory (2, 6, 12)"),
    probe(
        "padding",
        padding,
        "With a mask for the memory's padding the result is not right.",
        "x (2, 4, 12), memory (2, 6, 12), src_mask (2, 1, 1, 6)",
    ),
    probe(
        "causal",
        causal,
        "With a causal mask for the target the result is not right.",
        "x (2, 4, 12), memory (2, 6, 12), tgt_mask (4, 4)",
    ),
    probe(
        "as long",
        as_long,
        "With a target as long as the source and both masks the result is not right.",
        "x and memory (2, 5, 12), src_mask (2, 1, 1, 5), tgt_mask (2, 1, 5, 5)",
    ),
    probe(
        "by name",
        by_name,
        "With src_mask=... and tgt_mask=... the result is not right.",
        "x (2, 4, 12), memory (2, 6, 12), both masks by name",
    ),
    probe(
        "behind the mask",
        behind_the_mask,
        "What stands at masked positions changes the result at the others.",
        "x (2, 4, 12), memory (2, 6, 12), 100 times as large where their masks are False",
    ),
    probe(
        "masks", masks, "Not every mask that broadcasts to (B, h, T_q, T_k) works.", "x (2, 4, 12), memory (2, 6, 12)"
    ),
    probe(
        "one token",
        one_token,
        "With a single token or other sizes the result is not right.",
        "x (1, 1, 8), memory (1, 3, 8)",
    ),
    probe(
        "masks of heads",
        masks_of_heads,
        "With a mask that differs from head to head the result is not right.",
        "x (2, 4, 12), memory (2, 6, 12), masks (2, 6, 4, 6) and (2, 6, 4, 4)",
    ),
    probe(
        "one source token",
        one_source_token,
        "With a memory of a single token the result is not right.",
        "x (1, 5, 8), memory (1, 1, 8)",
    ),
    probe(
        "several calls",
        several_calls,
        "Something is kept from one call to the next.",
        "x (2, 4, 12), memory (2, 5, 12), one call after the other",
    ),
    probe(
        "training",
        training,
        "In training, with a dropout of 0, the result is not the same as in evaluation.",
        "x (2, 4, 12), memory (2, 6, 12)",
    ),
    probe(
        "views", views, "With views (inputs that are not contiguous) the result is not right.", "two transposed tensors"
    ),
    probe("float64", double, "In double precision the result is not right.", "a layer and inputs in float64"),
    probe("gradient", gradient, "The gradient does not flow back as it should.", "x (2, 4, 12), memory (2, 5, 12)"),
    probe("large", large, "With larger numbers the result is not right.", "x 30 times and memory 120 times as large"),
    probe(
        "bfloat16",
        bf16,
        "bfloat16 gives something else",
        "a layer and inputs in bfloat16",
        robust=True,
        atol=0.06,
        rtol=0.06,
    ),
)


# --- the known mistakes ---


class Open(DecoderLayer):
    """The reference, with short names for its parts."""

    def own(self, x: Tensor, mask: Tensor | None = None, y: Tensor | None = None) -> Tensor:
        y = x if y is None else y
        out: Tensor = self.self_attention(x, y, y, mask)
        return out

    def cross(self, x: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        out: Tensor = self.cross_attention(x, memory, memory, mask)
        return out

    def norm(self, i: int, x: Tensor) -> Tensor:
        out: Tensor = self.sublayers[i].norm(x)  # type: ignore[union-attr, operator]
        return out

    def first(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.norm(0, x + self.own(x, mask))

    def second(self, x: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.norm(1, x + self.cross(x, memory, mask))

    def third(self, x: Tensor) -> Tensor:
        return self.norm(2, x + self.feed_forward(x))


class WithLastNorm(Open):
    def __init__(self, d_model: int, h: int, d_ff: int, dropout: float = 0.0) -> None:
        super().__init__(d_model, h, d_ff, dropout)
        self.last = LayerNorm(d_model)


class PreLN(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = x + self.own(self.norm(0, x), tgt_mask)
        x = x + self.cross(self.norm(1, x), memory, src_mask)
        return x + self.feed_forward(self.norm(2, x))


class PreLNLast(WithLastNorm):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = x + self.own(self.norm(0, x), tgt_mask)
        x = x + self.cross(self.norm(1, x), memory, src_mask)
        return self.last(x + self.feed_forward(self.norm(2, x)))


class NormTwice(WithLastNorm):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return self.last(super().forward(x, memory, src_mask, tgt_mask))


class NormInside(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = x + self.norm(0, self.own(x, tgt_mask))
        x = x + self.norm(1, self.cross(x, memory, src_mask))
        return x + self.norm(2, self.feed_forward(x))


class NoResidualSelf(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return self.third(self.second(self.norm(0, self.own(x, tgt_mask)), memory, src_mask))


class NoResidualCross(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return self.third(self.norm(1, self.cross(self.first(x, tgt_mask), memory, src_mask)))


class NoResidualFFN(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return self.norm(2, self.feed_forward(self.second(self.first(x, tgt_mask), memory, src_mask)))


class NoResiduals(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = self.norm(0, self.own(x, tgt_mask))
        return self.norm(2, self.feed_forward(self.norm(1, self.cross(x, memory, src_mask))))


class ResidualFromInput(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        y = self.first(x, tgt_mask)
        y = self.norm(1, x + self.cross(y, memory, src_mask))
        return self.norm(2, x + self.feed_forward(y))


class SecondResidualFromInput(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return self.third(self.norm(1, x + self.cross(self.first(x, tgt_mask), memory, src_mask)))


class LastResidualFromInput(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return self.norm(2, x + self.feed_forward(self.second(self.first(x, tgt_mask), memory, src_mask)))


class ResidualOfMemory(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return self.third(self.norm(1, memory + self.cross(self.first(x, tgt_mask), memory, src_mask)))


class ResidualTwice(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = x + self.first(x, tgt_mask)
        x = x + self.second(x, memory, src_mask)
        return x + self.third(x)


class ResidualsDoubled(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = self.norm(0, 2 * x + self.own(x, tgt_mask))
        x = self.norm(1, 2 * x + self.cross(x, memory, src_mask))
        return self.norm(2, 2 * x + self.feed_forward(x))


class CrossFirst(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = self.norm(0, x + self.cross(x, memory, src_mask))
        return self.third(self.norm(1, x + self.own(x, tgt_mask)))


class CrossFirstOwnNorms(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return self.third(self.first(self.second(x, memory, src_mask), tgt_mask))


class FFNSecond(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = self.first(x, tgt_mask)
        x = self.norm(1, x + self.feed_forward(x))
        return self.norm(2, x + self.cross(x, memory, src_mask))


class FFNSecondOwnNorms(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return self.second(self.third(self.first(x, tgt_mask)), memory, src_mask)


class FFNFirst(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return self.second(self.first(self.third(x), tgt_mask), memory, src_mask)


class ParallelAttentions(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return self.third(self.first(x, tgt_mask) + self.second(x, memory, src_mask))


class ParallelUnderOneNorm(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return self.third(self.norm(0, x + self.own(x, tgt_mask) + self.cross(x, memory, src_mask)))


class StaleQuery(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return self.third(self.norm(1, self.first(x, tgt_mask) + self.cross(x, memory, src_mask)))


class SelfLost(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return self.third(self.second(x, memory, src_mask))


class CrossUnused(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return self.third(self.first(x, tgt_mask))


class FFNUnused(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return self.second(self.first(x, tgt_mask), memory, src_mask)


class NormShared(Open):
    def __init__(self, d_model: int, h: int, d_ff: int, dropout: float = 0.0) -> None:
        super().__init__(d_model, h, d_ff, dropout)
        self.sublayers[1] = self.sublayers[2] = self.sublayers[0]


class OneNormAtTheEnd(NormShared):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = x + self.own(x, tgt_mask)
        return self.third(x + self.cross(x, memory, src_mask))


class OnlyLastNorm(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = x + self.own(x, tgt_mask)
        return self.third(x + self.cross(x, memory, src_mask))


class NoFirstNorm(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return self.third(self.second(x + self.own(x, tgt_mask), memory, src_mask))


class NoSecondNorm(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = self.first(x, tgt_mask)
        return self.third(x + self.cross(x, memory, src_mask))


class NoLastNorm(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = self.second(self.first(x, tgt_mask), memory, src_mask)
        return x + self.feed_forward(x)


class NoNorms(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = x + self.own(x, tgt_mask)
        x = x + self.cross(x, memory, src_mask)
        return x + self.feed_forward(x)


class FirstNormThrice(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = self.first(x, tgt_mask)
        x = self.norm(0, x + self.cross(x, memory, src_mask))
        return self.norm(0, x + self.feed_forward(x))


class SameAttention(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = self.first(x, tgt_mask)
        return self.third(self.norm(1, x + self.own(x, src_mask, memory)))


class AttentionsExchanged(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = self.norm(0, x + self.cross(x, x, src_mask))
        return self.third(self.norm(1, x + self.own(x, tgt_mask, memory)))


class MemoryAsks(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = self.first(x, tgt_mask)
        return self.third(self.norm(1, x + self.cross(memory, x, src_mask)))


class MemoryAsksUnmasked(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = self.first(x, tgt_mask)
        return self.third(self.norm(1, x + self.cross(memory, x)))


class ValuesOfTarget(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = self.first(x, tgt_mask)
        return self.third(self.norm(1, x + self.cross_attention(x, memory, x, src_mask)))


class KeysOfTarget(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = self.first(x, tgt_mask)
        return self.third(self.norm(1, x + self.cross_attention(x, x, memory, src_mask)))


class MemoryIgnored(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = self.first(x, tgt_mask)
        return self.third(self.norm(1, x + self.cross(x, x, tgt_mask)))


class MemoryIgnoredUnmasked(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = self.first(x, tgt_mask)
        return self.third(self.norm(1, x + self.cross(x, x)))


class SelfOverMemory(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = self.norm(0, x + self.own(x, src_mask, memory))
        return self.third(self.second(x, memory, src_mask))


class KeysOfBoth(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = self.first(x, tgt_mask)
        (B, T, _), S = x.shape, memory.size(1)
        left = torch.ones(B, 1, T, S, dtype=torch.bool) if src_mask is None else src_mask.expand(B, -1, T, S)
        right = torch.ones(B, 1, T, T, dtype=torch.bool) if tgt_mask is None else tgt_mask.expand(B, left.size(1), T, T)
        return self.third(self.second(x, torch.cat([memory, x], 1), torch.cat([left, right], -1)))


class MemoryDetached(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, memory.detach(), src_mask, tgt_mask)


class MemoryNormalised(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, self.norm(1, memory), src_mask, tgt_mask)


class MemoryAveraged(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, memory.mean(1, keepdim=True), None, tgt_mask)


class LastOfMemory(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, memory[:, -1:], None, tgt_mask)


class FirstMemory(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, memory[:1].expand_as(memory), src_mask, tgt_mask)


class MemoryKept(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        kept = self.__dict__.setdefault("kept", memory)
        if kept.shape != memory.shape:
            kept = self.__dict__["kept"] = memory
        return super().forward(x, kept, src_mask, tgt_mask)


class EqualLengths(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, memory.reshape(x.shape), src_mask, tgt_mask)


class MasksSwapped(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, memory, tgt_mask, src_mask)


class TorchOrder(Open):
    def forward(self, x, memory, tgt_mask=None, src_mask=None):  # type: ignore[no-untyped-def, override]
        return super().forward(x, memory, src_mask, tgt_mask)


class TargetMaskUnused(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, memory, src_mask)


class SourceMaskUnused(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, memory, None, tgt_mask)


class MasksUnused(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, memory)


class SourceMaskTwice(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, memory, src_mask, src_mask)


class TargetMaskTwice(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, memory, tgt_mask, tgt_mask)


class AlwaysCausal(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        past = triangle(x.size(1))
        return super().forward(x, memory, src_mask, past if tgt_mask is None else tgt_mask & past)


class OnlyCausal(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, memory, src_mask, triangle(x.size(1)))


class CausalWithoutMask(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, memory, src_mask, triangle(x.size(1)) if tgt_mask is None else tgt_mask)


class CrossCausal(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        steps = torch.ones(x.size(1), memory.size(1), dtype=torch.bool).tril()
        return super().forward(x, memory, steps if src_mask is None else src_mask & steps, tgt_mask)


class ZeroedMemory(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        if is_padding(src_mask):
            return super().forward(x, memory * src_mask[:, 0, 0, :, None], None, tgt_mask)
        return super().forward(x, memory, src_mask, tgt_mask)


class FirstMaskKept(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        if tgt_mask is not None:
            tgt_mask = self.__dict__.setdefault("kept", {}).setdefault(tuple(tgt_mask.shape), tgt_mask)
        return super().forward(x, memory, src_mask, tgt_mask)


class SourceMaskKept(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        if src_mask is not None:
            src_mask = self.__dict__.setdefault("kept", {}).setdefault(tuple(src_mask.shape), src_mask)
        return super().forward(x, memory, src_mask, tgt_mask)


class SequenceFirst(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x.transpose(0, 1), memory.transpose(0, 1)).transpose(0, 1)


class SelfDetached(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return self.third(self.second(self.norm(0, x + self.own(x, tgt_mask).detach()), memory, src_mask))


class CrossDetached(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = self.first(x, tgt_mask)
        return self.third(self.norm(1, x + self.cross(x, memory, src_mask).detach()))


class ResidualsDetached(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        x = self.norm(0, x.detach() + self.own(x, tgt_mask))
        x = self.norm(1, x.detach() + self.cross(x, memory, src_mask))
        return self.norm(2, x.detach() + self.feed_forward(x))


class Squeezed(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, memory, src_mask, tgt_mask).squeeze()


class LastPosition(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, memory, src_mask, tgt_mask)[:, -1]


class AppliedTwice(Open):
    def forward(self, x, memory, src_mask=None, tgt_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(super().forward(x, memory, src_mask, tgt_mask), memory, src_mask, tgt_mask)


PRE_LN = "GPT-2, and nn.TransformerDecoderLayer with norm_first=True"
OWN = (
    Mistake(
        "attention_to_the_memory_missing",
        "There is one attention where a decoder's layer has two: after the self-attention a second one "
        "looks at the memory, and so at the source.",
        seen=lambda seen: counted(seen, "attention matrices") == 4 and counted(seen, "norms with a gain") == 2,
    ),
    Mistake(
        "equal_lengths_only",
        "It fails where the memory is not as long as the target. Keys and values have the memory's "
        "length, queries the target's: take each length from its own tensor.",
        EqualLengths,
    ),
    Mistake(
        "attention_shared",
        "One attention serves twice, for the target and for the memory: one set of weights, where each "
        "should learn its own. Build two.",
        seen=lambda seen: counted(seen, "attention matrices") == 4,
    ),
    Mistake(
        "pre_ln",
        "The norm stands before each sub-layer, x + sublayer(LayerNorm(x)): pre-LN. The paper's is "
        "post-LN: LayerNorm(x + sublayer(x)), so the sums themselves are normalised.",
        PreLN,
        source=PRE_LN,
        convention=True,
    ),
    Mistake(
        "pre_ln_with_a_last_norm",
        "The norm stands before each sub-layer, and one more at the end: pre-LN. The paper's is "
        "post-LN: LayerNorm(x + sublayer(x)), three norms in all.",
        PreLNLast,
        source=PRE_LN,
        convention=True,
    ),
    Mistake(
        "one_norm_too_many",
        "Another norm, with its own gain and bias, stands after the third sub-layer's. Each of the "
        "three sums is normalised once.",
        NormTwice,
    ),
    Mistake(
        "norm_inside_the_sum",
        "The norm is put on the sub-layer's output, and x is added after it: x + "
        "LayerNorm(sublayer(x)). The paper normalises the sum.",
        NormInside,
    ),
    Mistake(
        "masks_exchanged",
        "src_mask goes to the self-attention and tgt_mask to the attention to the memory. src_mask "
        "tells which positions of the *source*, so of the memory, are real; tgt_mask which of the "
        "target may be seen.",
        MasksSwapped,
    ),
    Mistake(
        "order_of_the_masks",
        "The two masks are taken in the other order, (x, memory, tgt_mask, src_mask). By name they "
        "work; here src_mask comes first.",
        TorchOrder,
        convention=True,
        source="torch.nn.TransformerDecoderLayer",
    ),
    Mistake(
        "target_mask_unused",
        "The self-attention gets no mask: the future is seen, and the model can copy the answer.",
        TargetMaskUnused,
    ),
    Mistake(
        "source_mask_unused",
        "The attention to the memory gets no mask: the source's padding is seen.",
        SourceMaskUnused,
    ),
    Mistake("masks_unused", "Neither of the two masks is used: future and padding are seen.", MasksUnused),
    Mistake(
        "source_mask_for_both",
        "Both attentions get src_mask. The self-attention needs tgt_mask, which hides the future.",
        SourceMaskTwice,
    ),
    Mistake(
        "target_mask_for_both",
        "Both attentions get tgt_mask. The attention to the memory needs src_mask: the memory is the source's.",
        TargetMaskTwice,
    ),
    Mistake(
        "memory_asks",
        "The memory gives the queries and the target keys and values. It is the other way round: each "
        "target position asks the memory.",
        MemoryAsks,
    ),
    Mistake(
        "memory_asks_without_mask",
        "The memory gives the queries and the target keys and values, and no mask is used. Each target "
        "position asks the memory, under src_mask.",
        MemoryAsksUnmasked,
    ),
    Mistake(
        "values_from_the_target",
        "The keys come from the memory and the values from the target. What is mixed should be the "
        "memory: keys and values are both its.",
        ValuesOfTarget,
    ),
    Mistake(
        "keys_from_the_target",
        "The values come from the memory and the keys from the target. Keys and values are both the memory's.",
        KeysOfTarget,
    ),
    Mistake(
        "memory_ignored", "The second attention is a second self-attention: the memory is never read.", MemoryIgnored
    ),
    Mistake(
        "memory_ignored_and_no_mask",
        "The second attention is a second self-attention, without a mask: the memory is never read, and "
        "the future is seen.",
        MemoryIgnoredUnmasked,
    ),
    Mistake(
        "self_attention_to_the_memory",
        "Both attentions look at the memory. The first one's keys and values are the target's own.",
        SelfOverMemory,
    ),
    Mistake(
        "keys_of_both",
        "The second attention looks at memory and target together. Its keys and values are the memory alone.",
        KeysOfBoth,
    ),
    Mistake(
        "memory_averaged",
        "The memory is averaged into one vector first. Attention exists so that this is not needed: "
        "each position of the memory is a key.",
        MemoryAveraged,
    ),
    Mistake(
        "last_position_of_the_memory",
        "Only the memory's last position is looked at, as the last state of a recurrent network was. "
        "All of them are keys.",
        LastOfMemory,
    ),
    Mistake("memory_of_the_first_sentence", "The first sentence's memory serves the whole batch.", FirstMemory),
    Mistake(
        "memory_normalised",
        "The memory is normalised again. It comes out of the encoder's last norm, and is used as it is.",
        MemoryNormalised,
    ),
    Mistake("memory_kept", "The first memory is kept and used in later calls. Each call brings its own.", MemoryKept),
    Mistake("memory_detached", "The memory is cut off from the graph: the encoder would never learn.", MemoryDetached),
    Mistake(
        "memory_first",
        "The attention to the memory comes before the self-attention. First the target looks at itself, "
        "then at the memory.",
        CrossFirst,
    ),
    Mistake(
        "memory_before_self_attention",
        "The first two sub-layers are exchanged. First the target looks at itself, then at the memory.",
        CrossFirstOwnNorms,
    ),
    Mistake(
        "feed_forward_second",
        "The feed-forward network stands between the two attentions. It is the last sub-layer.",
        FFNSecond,
    ),
    Mistake(
        "feed_forward_before_the_memory",
        "The last two sub-layers are exchanged: the feed-forward network comes last.",
        FFNSecondOwnNorms,
    ),
    Mistake("feed_forward_first", "The feed-forward network comes first. It is the last sub-layer.", FFNFirst),
    Mistake(
        "attentions_side_by_side",
        "Both attentions start from the layer's input, and their results are added. The second should "
        "ask with the first one's result.",
        ParallelAttentions,
    ),
    Mistake(
        "attentions_under_one_norm",
        "Both attentions start from the layer's input, in one sum under one norm. They are two "
        "sub-layers, one after the other.",
        ParallelUnderOneNorm,
    ),
    Mistake(
        "query_is_the_layers_input",
        "The second attention asks with the layer's input. It should ask with the first one's result. "
        "Mind which `x` is meant.",
        StaleQuery,
    ),
    Mistake(
        "self_attention_lost",
        "The self-attention's result is not used, or it is not called: the target does not see itself.",
        SelfLost,
    ),
    Mistake(
        "attention_to_the_memory_unused",
        "The attention to the memory is not called, or its result is not used.",
        CrossUnused,
    ),
    Mistake(
        "feed_forward_unused", "The feed-forward network is not called: it is the layer's third sub-layer.", FFNUnused
    ),
    Mistake(
        "attentions_exchanged",
        "The two attentions have changed places with their masks: that with src_mask looks at the target.",
        AttentionsExchanged,
    ),
    Mistake(
        "first_attention_used_twice",
        "The first attention is called for the memory as well; the second one is never used.",
        SameAttention,
    ),
    Mistake("no_residual_around_self_attention", "x is not added to the self-attention's output.", NoResidualSelf),
    Mistake(
        "no_residual_around_the_second_attention",
        "What goes into the attention to the memory is not added to its output.",
        NoResidualCross,
    ),
    Mistake(
        "no_residual_around_feed_forward", "The feed-forward network's input is not added to its output.", NoResidualFFN
    ),
    Mistake(
        "no_residuals",
        "There is no residual connection: each sub-layer's input is added to its output before the norm.",
        NoResiduals,
    ),
    Mistake(
        "residuals_from_the_layers_input",
        "All residuals add the layer's input. Each should add what goes into its own sub-layer.",
        ResidualFromInput,
    ),
    Mistake(
        "second_residual_from_the_layers_input",
        "The second residual adds the layer's input. It should add the first sub-layer's result.",
        SecondResidualFromInput,
    ),
    Mistake(
        "last_residual_from_the_layers_input",
        "The last residual adds the layer's input. It should add the second sub-layer's result.",
        LastResidualFromInput,
    ),
    Mistake(
        "memory_added",
        "The memory is added to the second attention's output. The residual is what asked: the target's states.",
        ResidualOfMemory,
    ),
    Mistake(
        "residual_added_twice",
        "x is added again outside the residual connection, which has added it already.",
        ResidualTwice,
    ),
    Mistake("residuals_doubled", "The sub-layers' inputs are added twice before the norm.", ResidualsDoubled),
    Mistake(
        "norms_shared",
        "One norm serves all sub-layers: one gain and one bias, where each sub-layer should learn its "
        "own. `[module] * 3` gives three names for one module: build three.",
        NormShared,
    ),
    Mistake(
        "one_norm_for_all_sums",
        "There is one norm, after all three sums. Each of the three sums is normalised, by a norm of its own.",
        OneNormAtTheEnd,
    ),
    Mistake("only_the_last_norm_used", "Only the last sum is normalised. Each of the three is.", OnlyLastNorm),
    Mistake(
        "first_norm_missing", "There is no norm after the first sum. Each of the three sums is normalised.", NoFirstNorm
    ),
    Mistake(
        "second_norm_missing",
        "There is no norm after the second sum. Each of the three sums is normalised.",
        NoSecondNorm,
    ),
    Mistake(
        "last_norm_missing", "There is no norm after the last sum. Each of the three sums is normalised.", NoLastNorm
    ),
    Mistake("norms_unused", "The sums are not normalised at all.", NoNorms),
    Mistake(
        "first_norm_used_for_all",
        "The first norm is used after all three sums; the others are never called.",
        FirstNormThrice,
    ),
    Mistake(
        "always_causal",
        "The future is hidden, asked for or not. The layer leaves that to tgt_mask: without one, all is seen.",
        AlwaysCausal,
    ),
    Mistake(
        "only_causal",
        "A causal mask is used in the place of tgt_mask, which may also hide the target's padding. Use what is given.",
        OnlyCausal,
    ),
    Mistake(
        "causal_without_mask",
        "Without a tgt_mask the future is hidden. None means that all keys are permitted.",
        CausalWithoutMask,
    ),
    Mistake(
        "memory_seen_step_by_step",
        "Position i of the target sees only the first i + 1 positions of the memory. The source is "
        "known as a whole: nothing in it is the future.",
        CrossCausal,
    ),
    Mistake(
        "padding_set_to_zero",
        "The memory's padding is set to 0 instead of being masked. A key of 0 still gets its share of the weights.",
        ZeroedMemory,
    ),
    Mistake(
        "target_mask_kept", "A tgt_mask is kept, and used again for every later one of the same shape.", FirstMaskKept
    ),
    Mistake(
        "source_mask_kept", "A src_mask is kept, and used again for every later one of the same shape.", SourceMaskKept
    ),
    Mistake(
        "sequence_first",
        "The inputs are taken as (T, B, d_model), as nn.MultiheadAttention does by default: sentences "
        "attend to each other. Here the batch comes first.",
        SequenceFirst,
        convention=True,
        source="torch.nn.MultiheadAttention, batch_first=False",
    ),
    Mistake(
        "self_attention_detached",
        "The self-attention's output is cut off from the graph: it would never learn.",
        SelfDetached,
    ),
    Mistake(
        "second_attention_detached",
        "The output of the attention to the memory is cut off from the graph: it and the encoder would never learn.",
        CrossDetached,
    ),
    Mistake(
        "residuals_detached",
        "The residuals are cut off from the graph: the gradient's shortest way to the layers below is gone.",
        ResidualsDetached,
    ),
    Mistake(
        "squeezed",
        "Axes of size one are removed from the result: a batch of one, or a target of one token, loses its axis.",
        Squeezed,
    ),
    Mistake(
        "last_position_only", "Only the last position is returned. A layer returns one vector for each.", LastPosition
    ),
    Mistake(
        "applied_twice",
        "The layer is applied twice. Layers are stacked by the decoder, each with its own weights.",
        AppliedTwice,
    ),
)


EXERCISES = [
    Exercise(
        "DecoderLayer",
        Card(3, 25, "Six of these write the translation, word by word.", "10_encoder_and_decoder", "decoder"),
        DecoderLayer,
        PROBES,
        (*OWN[:3], *by_count(2, COUNTED), *by_errors(("norms", "batch")), *OWN[3:], *in_parts(Open)),
        (
            "Three sub-layers, one after the other, and around each the same frame. Which one has its "
            "queries from one place and its keys and values from another?",
            "x = LayerNorm(x + self_attention(x, x, x, tgt_mask)); x = LayerNorm(x + cross_attention(x, "
            "memory, memory, src_mask)); LayerNorm(x + FFN(x)). Two attentions and three norms, each with "
            "its own weights.",
            "`x = self.sublayers[0](x, lambda x: self.self_attention(x, x, x, tgt_mask))`, `x = "
            "self.sublayers[1](x, lambda x: self.cross_attention(x, memory, memory, src_mask))`, `return "
            "self.sublayers[2](x, self.feed_forward)`, with three connections in an nn.ModuleList.",
        ),
        layouts=lambda weights, args: states(SORT, weights, args),
        forbidden=("*transformer_encoder_layer*",),
        forbidden_modules=("nn.Transformer", "nn.TransformerEncoder*", "nn.TransformerDecoder*"),
    )
]
