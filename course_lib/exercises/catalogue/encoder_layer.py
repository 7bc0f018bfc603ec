"""The encoder's layer (3.1)."""

from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.catalogue.layer_mistakes import by_count, by_errors, in_parts
from course_lib.exercises.exercise import Card, Exercise, Mistake, Observation, Probe
from course_lib.exercises.layers import Sort, build, count, states
from course_lib.exercises.trial import Trial, gradient_of, random, tensors
from course_lib.normalization import LayerNorm
from course_lib.transformer import EncoderLayer

SMALL, MAIN = (8, 4, 5), (12, 6, 10)  # d_model, h, d_ff; all that a weight's shape may hold differs
COUNTED = (30, 3, 15)  # works with h and d_ff exchanged, too
SORT = Sort(
    ("self_attention",),
    lambda layer, x, memory, own, other: layer(x) if own is None else layer(x, own),
)


def sees(trial: Trial, layer: Any, x: Tensor, *mask: Tensor) -> Observation:
    (out,) = tensors(trial.call(layer.module, x, *mask), 1)
    return trial.seen(**apart(out, *mask))


def apart(out: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
    """The output at real positions and at padded ones: a mistake with the mask may show at one of them alone."""
    if mask is None or mask.size(-2) > 1 or out.shape[:2] != (mask.size(0), mask.size(-1)):
        return {"out": out}
    real = mask[:, 0, 0]
    return {"out": out[real], "out_at_padding": out[~real]}


def sees_real(trial: Trial, layer: Any, x: Tensor, mask: Tensor) -> Observation:
    """As `sees`, without what comes out at padded positions."""
    (out,) = tensors(trial.call(layer.module, x, mask), 1)
    return trial.seen(out=apart(out, mask)["out"])


def weights(trial: Trial) -> Observation:
    d_model, _, d_ff = COUNTED
    found = count(trial.once(trial.make, *COUNTED, 0.0), d_model, d_ff)
    numbers = found.pop("_numbers")
    return {**trial.seen(**found), "_numbers": numbers}


def norms_alone(trial: Trial) -> Observation:
    return sees(trial, build(trial, SORT, *SMALL, parts=()), 2 * random(1, 2, 8, seed=1))


def ffn_alone(trial: Trial) -> Observation:
    return sees(trial, build(trial, SORT, *SMALL, parts=("ffn",)), 2 * random(1, 2, 8, seed=2))


def attention_alone(trial: Trial) -> Observation:
    return sees(trial, build(trial, SORT, *SMALL, parts=("attention",)), 2 * random(1, 3, 8, seed=3))


def batch(trial: Trial) -> Observation:
    return sees(trial, build(trial, SORT, *MAIN), 2 * random(2, 5, 12, seed=4))


def lengths(*real: int, size: int) -> Tensor:
    """Padding masks (B, 1, 1, size) of sentences with so many real tokens."""
    return (torch.arange(size) < torch.tensor(real)[:, None])[:, None, None]


def padding(trial: Trial) -> Observation:
    return sees(trial, build(trial, SORT, *MAIN), 2 * random(2, 5, 12, seed=5), lengths(3, 4, size=5))


def any_mask(*shape: int, seed: int) -> Tensor:
    """A mask that permits and forbids something in every row and column: even inverted or turned it leaves a key."""
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.5
    row, keys = torch.arange(shape[-2]), shape[-1]
    mask[..., row, row] = mask[..., row, (row + 2) % keys] = True
    mask[..., row, (row + 1) % keys] = False
    return mask


def masks(trial: Trial) -> Observation:
    """Forms that broadcast to (B, h, T, T)."""
    layer = build(trial, SORT, *MAIN)
    x = 2 * random(2, 5, 12, seed=6)
    forms = [any_mask(*shape, seed=i) for i, shape in enumerate([(2, 1, 5, 5), (5, 5), (1, 1, 5, 5)])]
    return trial.seen(
        **{f"out_with_a_mask_{tuple(m.shape)}": tensors(trial.call(layer.module, x, m), 1)[0] for m in forms}
    )


def masks_of_heads(trial: Trial) -> Observation:
    return sees(trial, build(trial, SORT, *MAIN), 2 * random(2, 5, 12, seed=21), any_mask(2, 6, 5, 5, seed=9))


def behind_the_mask(trial: Trial) -> Observation:
    """What stands at masked positions is large: it would show."""
    layer = build(trial, SORT, *MAIN, parts=("attention",))
    x, mask = 2 * random(2, 5, 12, seed=7), lengths(2, 4, size=5)
    x = x * torch.where(mask[:, 0, 0, :, None], 1.0, 100.0)
    (out,) = tensors(trial.call(layer.module, x, src_mask=mask), 1)
    return trial.seen(out=[out[0, :2], out[1, :4]])


def one_token(trial: Trial) -> Observation:
    return sees(trial, build(trial, SORT, *SMALL), 2 * random(1, 1, 8, seed=8))


def one_sentence(trial: Trial) -> Observation:
    return sees(trial, build(trial, SORT, *SMALL), 2 * random(1, 7, 8, seed=9), lengths(6, size=7))


def several_calls(trial: Trial) -> Observation:
    """Equal shapes, other numbers: nothing may be left of the call before."""
    module = build(trial, SORT, *MAIN).module
    x, y = 2 * random(2, 5, 12, seed=10), 2 * random(2, 5, 12, seed=11)
    given = [(x, lengths(2, 4, size=5)), (y, lengths(3, 1, size=5)), (x, lengths(4, 3, size=5))]
    outs = [tensors(module(z, mask), 1)[0] for z, mask in given]
    found = {f"out_of_call_{i}": apart(out, mask)["out"] for i, (out, (_, mask)) in enumerate(zip(outs, given), 1)}
    return trial.seen(**found, out_of_call_4_without_a_mask=tensors(module(x), 1)[0])


def training(trial: Trial) -> Observation:
    return sees_real(trial, build(trial, SORT, *MAIN, train=True), 2 * random(2, 5, 12, seed=12), lengths(3, 4, size=5))


def double(trial: Trial) -> Observation:
    layer = build(trial, SORT, *SMALL, dtype=torch.float64)
    return sees_real(trial, layer, 2 * random(2, 3, 8, seed=13, dtype=torch.float64), lengths(2, 1, size=3))


def views(trial: Trial) -> Observation:
    return sees_real(
        trial, build(trial, SORT, *MAIN), 2 * random(5, 2, 12, seed=14).transpose(0, 1), lengths(3, 4, size=5)
    )


def gradient(trial: Trial) -> Observation:
    layer = build(trial, SORT, *MAIN)
    x = 2 * random(2, 4, 12, seed=15)
    x.requires_grad_()
    (out,) = tensors(trial.once(layer.module, x, lengths(3, 2, size=4)), 1)
    return trial.seen(parts_that_no_gradient_reaches=layer.without_gradient(out), gradient_of_x=gradient_of(out, x))


def large(trial: Trial) -> Observation:
    return sees_real(trial, build(trial, SORT, *MAIN), 30 * random(2, 5, 12, seed=16), lengths(3, 4, size=5))


def bf16(trial: Trial) -> Observation:
    layer = build(trial, SORT, *SMALL, parts=("ffn", "norms"), dtype=torch.bfloat16)
    return sees(trial, layer, 2 * random(2, 3, 8, seed=17, dtype=torch.bfloat16), lengths(2, 1, size=3))


def probe(name: str, run: Any, says: str, given: str, **options: Any) -> Probe:
    """With a tolerance that leaves room for any eps in the norms."""
    return Probe(name, run, says, given, **{"atol": 2e-3, "rtol": 2e-3, **options})


PROBES = (
    probe(
        "norms",
        norms_alone,
        "With attention and feed-forward network giving 0, LayerNorm(LayerNorm(x)) must be left.",
        "x (1, 2, 8), all weights 0, gains 1",
    ),
    probe("weights", weights, "It has not the weights that such a layer needs.", "EncoderLayer(30, 3, 15, 0.0)"),
    probe(
        "feed-forward",
        ffn_alone,
        "With attention giving 0, LayerNorm(y + FFN(y)) of y = LayerNorm(x) must come out.",
        "x (1, 2, 8), weights only in the feed-forward network",
    ),
    probe(
        "attention",
        attention_alone,
        "With the feed-forward network giving 0, LayerNorm(x + attention(x, x, x)) must come out.",
        "x (1, 3, 8), weights only in attention",
    ),
    probe("batch", batch, "With all weights and a batch the result is not right.", "x (2, 5, 12)"),
    probe("padding", padding, "With a padding mask the result is not right.", "x (2, 5, 12), a mask (2, 1, 1, 5)"),
    probe(
        "behind the mask",
        behind_the_mask,
        "What stands at masked positions changes the result at the others.",
        "x (2, 5, 12), 100 times as large where the mask is False",
    ),
    probe("masks", masks, "Not every mask that broadcasts to (B, h, T, T) works.", "x (2, 5, 12)"),
    probe(
        "masks of heads",
        masks_of_heads,
        "With a mask that differs from head to head the result is not right.",
        "x (2, 5, 12), a mask (2, 6, 5, 5)",
    ),
    probe("one token", one_token, "With a single token the result is not right.", "x (1, 1, 8)"),
    probe(
        "one sentence", one_sentence, "With a single sentence or other sizes the result is not right.", "x (1, 7, 8)"
    ),
    probe(
        "several calls",
        several_calls,
        "Something is kept from one call to the next.",
        "x (2, 5, 12), one call after the other",
    ),
    probe(
        "training",
        training,
        "In training, with a dropout of 0, the result is not the same as in evaluation.",
        "x (2, 5, 12)",
    ),
    probe(
        "views",
        views,
        "With a view (an input that is not contiguous) the result is not right.",
        "a transposed tensor (2, 5, 12)",
    ),
    probe("float64", double, "In double precision the result is not right.", "a layer and an input in float64"),
    probe("gradient", gradient, "The gradient does not flow back as it should.", "x (2, 4, 12)"),
    probe("large", large, "With larger numbers the result is not right.", "x (2, 5, 12), 30 times as large"),
    probe(
        "bfloat16",
        bf16,
        "bfloat16 gives something else",
        "a layer and an input in bfloat16",
        robust=True,
        atol=0.06,
        rtol=0.06,
    ),
)


# --- the known mistakes ---


class Open(EncoderLayer):
    """The reference, with short names for its parts."""

    def attend(self, x: Tensor, mask: Tensor | None = None, y: Tensor | None = None) -> Tensor:
        y = x if y is None else y
        out: Tensor = self.self_attention(x, y, y, mask)
        return out

    def norm(self, i: int, x: Tensor) -> Tensor:
        out: Tensor = self.sublayers[i].norm(x)  # type: ignore[union-attr, operator]
        return out

    def first(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.norm(0, x + self.attend(x, mask))

    def second(self, x: Tensor) -> Tensor:
        return self.norm(1, x + self.feed_forward(x))


class WithLastNorm(Open):
    def __init__(self, d_model: int, h: int, d_ff: int, dropout: float = 0.0) -> None:
        super().__init__(d_model, h, d_ff, dropout)
        self.last = LayerNorm(d_model)


class PreLN(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        x = x + self.attend(self.norm(0, x), src_mask)
        return x + self.feed_forward(self.norm(1, x))


class PreLNLast(WithLastNorm):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        x = x + self.attend(self.norm(0, x), src_mask)
        return self.last(x + self.feed_forward(self.norm(1, x)))


class NormShared(Open):
    def __init__(self, d_model: int, h: int, d_ff: int, dropout: float = 0.0) -> None:
        super().__init__(d_model, h, d_ff, dropout)
        self.sublayers[1] = self.sublayers[0]


class OneNormAtTheEnd(NormShared):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return self.second(x + self.attend(x, src_mask))


class NormTwice(WithLastNorm):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return self.last(super().forward(x, src_mask))


class PreAndPost(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        x = self.norm(0, x + self.attend(self.norm(0, x), src_mask))
        return self.norm(1, x + self.feed_forward(self.norm(1, x)))


class QueryNormalised(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return self.second(self.norm(0, x + self.attend(self.norm(0, x), src_mask, x)))


class NormInside(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        x = x + self.norm(0, self.attend(x, src_mask))
        return x + self.norm(1, self.feed_forward(x))


class NoResidualAttention(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return self.second(self.norm(0, self.attend(x, src_mask)))


class NoResidualFFN(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return self.norm(1, self.feed_forward(self.first(x, src_mask)))


class NoResiduals(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return self.norm(1, self.feed_forward(self.norm(0, self.attend(x, src_mask))))


class ResidualFromInput(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return self.norm(1, x + self.feed_forward(self.first(x, src_mask)))


class ResidualBeforeNorm(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        x = x + self.attend(x, src_mask)
        return self.norm(1, x + self.feed_forward(self.norm(0, x)))


class ResidualTwice(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        x = x + self.first(x, src_mask)
        return x + self.second(x)


class ResidualInside(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return self.second(self.norm(0, 2 * x + self.attend(x, src_mask)))


class ResidualInsideFFN(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        x = self.first(x, src_mask)
        return self.norm(1, 2 * x + self.feed_forward(x))


class ResidualInsideBoth(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        x = self.norm(0, 2 * x + self.attend(x, src_mask))
        return self.norm(1, 2 * x + self.feed_forward(x))


class FFNFirst(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return self.first(self.second(x), src_mask)


class FFNFirstNormsInOrder(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        x = self.norm(0, x + self.feed_forward(x))
        return self.norm(1, x + self.attend(x, src_mask))


class Parallel(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return self.norm(0, x + self.attend(x, src_mask) + self.feed_forward(x))


class ParallelLastNorm(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return self.norm(1, x + self.attend(x, src_mask) + self.feed_forward(x))


class ParallelBranches(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return self.first(x, src_mask) + self.second(x)


class OnlyLastNorm(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return self.second(x + self.attend(x, src_mask))


class NoLastNorm(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        x = self.first(x, src_mask)
        return x + self.feed_forward(x)


class NoNorms(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        x = x + self.attend(x, src_mask)
        return x + self.feed_forward(x)


class FirstNormTwice(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        x = self.first(x, src_mask)
        return self.norm(0, x + self.feed_forward(x))


class NormsExchanged(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        x = self.norm(1, x + self.attend(x, src_mask))
        return self.norm(0, x + self.feed_forward(x))


class NoFFN(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return self.first(x, src_mask)


class NoAttention(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return self.second(x)


class AttentionTwice(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return self.second(self.first(self.first(x, src_mask), src_mask))


class FFNOfAttention(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        a = self.attend(x, src_mask)
        return self.norm(1, self.norm(0, x + a) + self.feed_forward(a))


class FFNOfInput(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return self.norm(1, self.first(x, src_mask) + self.feed_forward(x))


class MaskUnused(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x)


class MaskUnusedInEvaluation(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, src_mask if self.training else None)


def square(mask: Tensor, n: int) -> Tensor:
    return mask.expand(*mask.shape[:-2], n, n)


class MaskTransposed(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, None if src_mask is None else square(src_mask, x.size(1)).mT)


class MaskOnBoth(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        if src_mask is not None:
            full = square(src_mask, x.size(1))
            src_mask = full & full.mT | torch.eye(x.size(1), dtype=torch.bool)
        return super().forward(x, src_mask)


class SeesItself(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, None if src_mask is None else src_mask | torch.eye(x.size(1), dtype=torch.bool))


class NeverItself(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        others = ~torch.eye(x.size(1), dtype=torch.bool)
        if x.size(1) > 1:
            src_mask = others if src_mask is None else src_mask & others
        return super().forward(x, src_mask)


def triangle(n: int) -> Tensor:
    return torch.ones(n, n, dtype=torch.bool).tril()


class Causal(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        past = triangle(x.size(1))
        return super().forward(x, past if src_mask is None else src_mask & past)


class CausalWithoutMask(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, triangle(x.size(1)) if src_mask is None else src_mask)


def is_padding(mask: Tensor | None) -> bool:
    return mask is not None and mask.dim() == 4 and mask.size(-2) == 1


class ZeroedAfter(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        y = super().forward(x, src_mask)
        return y * src_mask[:, 0, 0, :, None] if is_padding(src_mask) else y


class ZeroedBefore(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        if is_padding(src_mask):
            return super().forward(x * src_mask[:, 0, 0, :, None])
        return super().forward(x, src_mask)


class PaddingOnly(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        if src_mask is not None:
            src_mask = src_mask.reshape(x.size(0), -1)[:, None, None, -x.size(1) :]
        return super().forward(x, src_mask)


class FirstMaskKept(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        kept = self.__dict__.setdefault("kept", {})
        if src_mask is not None:
            src_mask = kept.setdefault(tuple(src_mask.shape), src_mask)
        return super().forward(x, src_mask)


class LastMaskKept(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        last = self.__dict__.get("last_mask")
        if src_mask is not None:
            self.__dict__["last_mask"] = src_mask
        elif last is not None and last.size(-1) == x.size(1):
            src_mask = last
        return super().forward(x, src_mask)


class ValuesKept(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        known = self.__dict__.setdefault("kept", {}).setdefault((tuple(x.shape), x.dtype), x.detach().clone())
        known = x if torch.equal(known, x) else known
        return self.second(self.norm(0, x + self.attend(x, src_mask, known)))


class SequenceFirst(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x.transpose(0, 1)).transpose(0, 1)


class BatchAsSentence(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        if src_mask is not None:
            return super().forward(x, src_mask)
        return super().forward(x.reshape(1, -1, x.size(-1))).reshape(x.shape)


class FirstSentence(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return self.second(self.norm(0, x + self.attend(x, src_mask, x[:1].expand_as(x))))


class AttentionDetached(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return self.second(self.norm(0, x + self.attend(x, src_mask).detach()))


class ResidualsDetached(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        x = self.norm(0, x.detach() + self.attend(x, src_mask))
        return self.norm(1, x.detach() + self.feed_forward(x))


class Squeezed(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, src_mask).squeeze()


class AppliedTwice(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(super().forward(x, src_mask), src_mask)


class Pooled(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, src_mask).mean(1)


class FirstTokenOnly(Open):
    def forward(self, x, src_mask=None):  # type: ignore[no-untyped-def]
        return super().forward(x, src_mask)[:, 0]


PRE_LN = "GPT-2, and nn.TransformerEncoderLayer with norm_first=True"
OWN = (
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
        "post-LN: LayerNorm(x + sublayer(x)), two norms in all.",
        PreLNLast,
        source=PRE_LN,
        convention=True,
    ),
    Mistake(
        "one_norm_too_many",
        "Another norm, with its own gain and bias, stands after the second sub-layer's. Each of the two "
        "sums is normalised once.",
        NormTwice,
    ),
    Mistake(
        "norms_before_and_after",
        "Each sub-layer's norm is applied to its input and to the sum. In post-LN the sub-layer gets x as it is.",
        PreAndPost,
    ),
    Mistake(
        "query_normalised",
        "The query is normalised before attention, the keys and values are not. In post-LN all three "
        "are the layer's input as it is.",
        QueryNormalised,
    ),
    Mistake(
        "norm_inside_the_sum",
        "The norm is put on the sub-layer's output, and x is added after it: x + "
        "LayerNorm(sublayer(x)). The paper normalises the sum.",
        NormInside,
    ),
    Mistake(
        "no_residual_around_attention",
        "x is not added to attention's output: LayerNorm(x + attention(x, x, x)).",
        NoResidualAttention,
    ),
    Mistake(
        "no_residual_around_feed_forward",
        "The feed-forward network's input is not added to its output: LayerNorm(x + FFN(x)).",
        NoResidualFFN,
    ),
    Mistake(
        "no_residuals",
        "There is no residual connection: each sub-layer's input is added to its output before the norm.",
        NoResiduals,
    ),
    Mistake(
        "residual_from_the_layers_input",
        "The second residual adds the layer's input. It should add what goes into the second sub-layer: "
        "the first one's result. Mind which `x` is meant.",
        ResidualFromInput,
    ),
    Mistake(
        "residual_before_the_norm",
        "The second residual adds the first sum before its norm, while the network gets it after. Both "
        "should be the normalised one.",
        ResidualBeforeNorm,
    ),
    Mistake(
        "residual_added_twice",
        "x is added again outside the residual connection, which has added it already.",
        ResidualTwice,
    ),
    Mistake(
        "residual_inside_attention",
        "x is added twice around attention: by the function given to the connection, and by the connection.",
        ResidualInside,
    ),
    Mistake(
        "residual_inside_feed_forward",
        "x is added twice around the feed-forward network: inside it, and by the connection.",
        ResidualInsideFFN,
    ),
    Mistake("residuals_doubled", "Both sub-layers' inputs are added twice before the norm.", ResidualInsideBoth),
    Mistake(
        "feed_forward_first",
        "The feed-forward network comes before attention. Attention is the first sub-layer.",
        FFNFirst,
    ),
    Mistake(
        "feed_forward_before_attention",
        "The two sub-layers are exchanged: attention comes first, then the feed-forward network.",
        FFNFirstNormsInOrder,
    ),
    Mistake(
        "sublayers_side_by_side",
        "Both sub-layers start from the layer's input and are added up. The second one should start "
        "from the first one's result.",
        Parallel,
        source="GPT-J",
        convention=True,
    ),
    Mistake(
        "sublayers_added_under_one_norm",
        "Both sub-layers start from the layer's input, under the second norm. The second should start "
        "from the first one's normalised sum.",
        ParallelLastNorm,
        source="GPT-J",
        convention=True,
    ),
    Mistake(
        "two_branches_added",
        "Each sub-layer is computed from the layer's input, and the two results are added. They come "
        "one after the other.",
        ParallelBranches,
    ),
    Mistake(
        "first_norm_missing", "There is no norm after the first sum. Each of the two sums is normalised.", OnlyLastNorm
    ),
    Mistake(
        "last_norm_missing", "There is no norm after the second sum. Each of the two sums is normalised.", NoLastNorm
    ),
    Mistake(
        "norms_shared",
        "One norm serves both sub-layers: one gain and one bias, where each sub-layer should learn its "
        "own. `[module] * 2` gives two names for one module: build a second one.",
        NormShared,
    ),
    Mistake(
        "one_norm_for_both_sums",
        "There is one norm, after both sums. Each of the two sums is normalised, by a norm of its own.",
        OneNormAtTheEnd,
    ),
    Mistake("norms_unused", "The sums are not normalised at all.", NoNorms),
    Mistake(
        "first_norm_used_twice",
        "The first norm is used after both sums; the second one is never called.",
        FirstNormTwice,
    ),
    Mistake(
        "feed_forward_unused", "The feed-forward network is not called: it is the layer's second sub-layer.", NoFFN
    ),
    Mistake("attention_unused", "Attention is not called: the positions do not see each other.", NoAttention),
    Mistake(
        "attention_twice",
        "The same attention is called twice. Once, and then the feed-forward network.",
        AttentionTwice,
    ),
    Mistake(
        "feed_forward_of_the_bare_attention",
        "The feed-forward network gets attention's output without the residual and the norm. Its input "
        "is the whole result of the first sub-layer.",
        FFNOfAttention,
    ),
    Mistake(
        "feed_forward_of_the_layers_input",
        "The feed-forward network gets the layer's input. Its input is the result of the first sub-layer.",
        FFNOfInput,
    ),
    Mistake("mask_unused", "The mask is not handed on to attention: padding is seen.", MaskUnused),
    Mistake(
        "mask_unused_in_evaluation",
        "The mask is handed on in training only. Padding is padding in evaluation, too.",
        MaskUnusedInEvaluation,
    ),
    Mistake(
        "mask_on_the_queries",
        "The mask is turned: it hides queries, not keys. Its last axis are the keys, and so it should stay.",
        MaskTransposed,
    ),
    Mistake(
        "mask_on_queries_and_keys",
        "The padding mask is applied to the queries as well. What a padded position asks for does not "
        "matter; only keys are hidden.",
        MaskOnBoth,
    ),
    Mistake(
        "always_sees_itself",
        "Every position may look at itself, whatever the mask says. A padded key must not be seen, not even by itself.",
        SeesItself,
    ),
    Mistake("never_sees_itself", "No position may look at itself. It may: the mask alone forbids.", NeverItself),
    Mistake(
        "causal",
        "The future is hidden, asked for or not. In the encoder every word may look at all: only the mask forbids.",
        Causal,
    ),
    Mistake(
        "causal_without_mask",
        "Without a mask the future is hidden. None means that all keys are permitted.",
        CausalWithoutMask,
    ),
    Mistake(
        "padding_set_to_zero_after",
        "The output at padded positions is set to 0. The layer leaves them alone: nobody looks at them, "
        "because of the mask.",
        ZeroedAfter,
    ),
    Mistake(
        "padding_set_to_zero_before",
        "Padded positions are set to 0 in the input instead of being masked. A key of 0 still gets its "
        "share of the weights.",
        ZeroedBefore,
    ),
    Mistake(
        "padding_masks_only",
        "The mask's shape is changed to (B, 1, 1, T), so that one with a row for each query is misread. "
        "Hand it on as it is.",
        PaddingOnly,
    ),
    Mistake("first_mask_kept", "A mask is kept, and used again for every later one of the same shape.", FirstMaskKept),
    Mistake(
        "last_mask_kept",
        "Without a mask, the one of the call before is used. None means that all keys are permitted.",
        LastMaskKept,
    ),
    Mistake("keys_and_values_kept", "Keys and values of the first call are kept and used in later ones.", ValuesKept),
    Mistake(
        "sequence_first",
        "x is taken as (T, B, d_model), as nn.MultiheadAttention does by default: sentences attend to "
        "each other. Here the batch comes first.",
        SequenceFirst,
        convention=True,
        source="torch.nn.MultiheadAttention, batch_first=False",
    ),
    Mistake(
        "batch_as_one_sentence", "Without a mask the whole batch is treated as one long sentence.", BatchAsSentence
    ),
    Mistake(
        "keys_of_the_first_sentence", "Keys and values of the first sentence serve the whole batch.", FirstSentence
    ),
    Mistake(
        "attention_detached", "Attention's output is cut off from the graph: it would never learn.", AttentionDetached
    ),
    Mistake(
        "residuals_detached",
        "The residuals are cut off from the graph: the gradient's shortest way to the layers below is gone.",
        ResidualsDetached,
    ),
    Mistake(
        "squeezed",
        "Axes of size one are removed from the result: a batch of one, or a sentence of one token, loses its axis.",
        Squeezed,
    ),
    Mistake(
        "applied_twice",
        "The layer is applied twice. Layers are stacked by the encoder, each with its own weights.",
        AppliedTwice,
    ),
    Mistake(
        "positions_averaged",
        "The mean over positions is returned. A layer returns one vector for each position.",
        Pooled,
    ),
    Mistake(
        "first_position_only",
        "Only the first position is returned. A layer returns one vector for each.",
        FirstTokenOnly,
    ),
)


EXERCISES = [
    Exercise(
        "EncoderLayer",
        Card(3, 20, "Six of these, one after the other, are the encoder.", "10_encoder_and_decoder", "encoder"),
        EncoderLayer,
        PROBES,
        (*by_count(1, COUNTED), *by_errors(("norms", "batch")), *OWN, *in_parts(Open)),
        (
            "Two sub-layers, one after the other, and around each the same frame. What is the frame, and "
            "what goes into it?",
            "x = LayerNorm(x + attention(x, x, x, mask)), then LayerNorm(x + FFN(x)): two norms, each with "
            "its own gain and bias. SublayerConnection does the frame.",
            "`x = self.sublayers[0](x, lambda x: self.self_attention(x, x, x, src_mask))` and `return "
            "self.sublayers[1](x, self.feed_forward)`, with two connections in an nn.ModuleList.",
        ),
        layouts=lambda weights, args: states(SORT, weights, args),
        forbidden=("*transformer_encoder_layer*",),
        forbidden_modules=("nn.Transformer", "nn.TransformerEncoder*", "nn.TransformerDecoder*"),
    )
]
