"""Mistakes inside the parts of a layer, and in how it treats masks: common to the encoder's and the decoder's."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.attention import MultiHeadAttention
from course_lib.exercises.exercise import Mistake, Observations
from course_lib.feed_forward import PositionwiseFeedForward
from course_lib.normalization import LayerNorm

LOWEST = -1e30


class Open(MultiHeadAttention):
    """The reference's attention, in pieces that can be got wrong one by one."""

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        return q @ k.mT / math.sqrt(q.size(-1))

    def fill(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        return scores if mask is None else scores.masked_fill(~mask, LOWEST)

    def weigh(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        return self.fill(scores, mask).softmax(-1)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k = self.split_heads(self.W_Q(query)), self.split_heads(self.W_K(key))
        weights = self.weigh(self.scores(q, k), mask)
        return self.W_O(self.merge_heads(weights @ self.split_heads(self.W_V(value))))


class Unscaled(Open):
    def scores(self, q, k):  # type: ignore[no-untyped-def]
        return q @ k.mT


class ScaledByModel(Open):
    def scores(self, q, k):  # type: ignore[no-untyped-def]
        return q @ k.mT / math.sqrt(self.h * q.size(-1))


class ScaledWithoutRoot(Open):
    def scores(self, q, k):  # type: ignore[no-untyped-def]
        return q @ k.mT / q.size(-1)


class Inverted(Open):
    def fill(self, scores, mask):  # type: ignore[no-untyped-def]
        return scores if mask is None else scores.masked_fill(mask, LOWEST)


class Filled(Open):
    number = 0.0

    def fill(self, scores, mask):  # type: ignore[no-untyped-def]
        return scores if mask is None else scores.masked_fill(~mask, self.number)


class Weak(Filled):
    number = -10.0


class Late(Open):
    def weigh(self, scores, mask):  # type: ignore[no-untyped-def]
        return scores.softmax(-1) if mask is None else scores.softmax(-1) * mask


class Added(Open):
    def fill(self, scores, mask):  # type: ignore[no-untyped-def]
        return scores if mask is None else scores + mask


class FirstMask(Open):
    def fill(self, scores, mask):  # type: ignore[no-untyped-def]
        while mask is not None and mask.dim() > 2:
            mask = mask[0]
        return super().fill(scores, mask)


class MaskOfOneHead(Open):
    def fill(self, scores, mask):  # type: ignore[no-untyped-def]
        if mask is not None:
            mask = mask.reshape(-1, mask.size(-2), mask.size(-1)).unsqueeze(1)
        return super().fill(scores, mask)


class Flipping(Open):
    def fill(self, scores, mask):  # type: ignore[no-untyped-def]
        return scores if mask is None else scores.masked_fill(mask.logical_not_(), LOWEST)


class OverQueries(Open):
    def weigh(self, scores, mask):  # type: ignore[no-untyped-def]
        return self.fill(scores, mask).softmax(-2)


class OverHeads(Open):
    def weigh(self, scores, mask):  # type: ignore[no-untyped-def]
        return self.fill(scores, mask).softmax(1)


class NoSoftmax(Open):
    def weigh(self, scores, mask):  # type: ignore[no-untyped-def]
        return scores if mask is None else scores * mask


class Overflows(Open):
    def weigh(self, scores, mask):  # type: ignore[no-untyped-def]
        e = scores.exp() if mask is None else scores.exp() * mask
        return e / e.sum(-1, keepdim=True)


class Viewed(Open):
    def split_heads(self, x):  # type: ignore[no-untyped-def]
        return x.reshape(x.size(0), self.h, x.size(1), -1)


class ViewedAndBack(Viewed):
    def merge_heads(self, x):  # type: ignore[no-untyped-def]
        return x.reshape(x.size(0), x.size(2), -1)


class Unjoined(Open):
    def merge_heads(self, x):  # type: ignore[no-untyped-def]
        return x.reshape(x.size(0), x.size(2), -1)


class OneHead(Open):
    def __init__(self, d_model, h, dropout=0.0):  # type: ignore[no-untyped-def]
        super().__init__(d_model, 1, dropout)


class EightHeads(Open):
    def __init__(self, d_model, h, dropout=0.0):  # type: ignore[no-untyped-def]
        super().__init__(d_model, 8, dropout)


class NoOutput(Open):
    def forward(self, query, key, value, mask=None):  # type: ignore[no-untyped-def]
        q, k, v = (self.split_heads(W(x)) for W, x in ((self.W_Q, query), (self.W_K, key), (self.W_V, value)))
        return self.merge_heads(self.weigh(self.scores(q, k), mask) @ v)


class FrozenKeys(Open):
    def forward(self, query, key, value, mask=None):  # type: ignore[no-untyped-def]
        q, k, v = (self.split_heads(W(x)) for W, x in ((self.W_Q, query), (self.W_K, key), (self.W_V, value)))
        return self.W_O(self.merge_heads(self.weigh(self.scores(q, k.detach()), mask) @ v))


class DetachedWeights(Open):
    def weigh(self, scores, mask):  # type: ignore[no-untyped-def]
        return super().weigh(scores, mask).detach()


class SingleWeights(Open):
    def weigh(self, scores, mask):  # type: ignore[no-untyped-def]
        return self.fill(scores, mask).softmax(-1, dtype=torch.float32)


class Activated(PositionwiseFeedForward):
    activation: Callable[[Tensor], Tensor] = staticmethod(F.gelu)

    def forward(self, x):  # type: ignore[no-untyped-def]
        return self.W_2(self.activation(self.W_1(x)))


class Linear(Activated):
    activation = staticmethod(lambda x: x)


class Leaky(Activated):
    activation = staticmethod(F.leaky_relu)


class Silu(Activated):
    activation = staticmethod(F.silu)


class Tanh(Activated):
    activation = staticmethod(torch.tanh)


class ReluTwice(PositionwiseFeedForward):
    def forward(self, x):  # type: ignore[no-untyped-def]
        return super().forward(x).relu()


class ReluLast(PositionwiseFeedForward):
    def forward(self, x):  # type: ignore[no-untyped-def]
        return self.W_2(self.W_1(x)).relu()


class ResidualInside(PositionwiseFeedForward):
    def forward(self, x):  # type: ignore[no-untyped-def]
        return x + super().forward(x)


class Unbiased(LayerNorm):
    def forward(self, x):  # type: ignore[no-untyped-def]
        return self.gain * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + self.eps) + self.bias


class OverSentence(LayerNorm):
    def forward(self, x):  # type: ignore[no-untyped-def]
        c = x - x.mean((-2, -1), keepdim=True)
        return self.gain * c * torch.rsqrt(c.square().mean((-2, -1), keepdim=True) + self.eps) + self.bias


class RootMeanSquare(LayerNorm):
    def forward(self, x):  # type: ignore[no-untyped-def]
        return self.gain * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) + self.bias


class BatchNorm(LayerNorm):
    def forward(self, x):  # type: ignore[no-untyped-def]
        running = x / math.sqrt(1 + self.eps)
        if self.training:
            c = x - x.mean((0, 1))
            running = c * torch.rsqrt(c.square().mean((0, 1)) + self.eps)
        return self.gain * running + self.bias


class NoRoot(LayerNorm):
    def forward(self, x):  # type: ignore[no-untyped-def]
        c = x - x.mean(-1, keepdim=True)
        return self.gain * c / (c.square().mean(-1, keepdim=True) + self.eps) + self.bias


def altered(base: type, attention: type | None = None, ffn: type | None = None, norm: type | None = None) -> type:
    """A layer in which every part of a kind is replaced."""

    class Altered(base):  # type: ignore[misc, valid-type]
        def __init__(self, d_model: int, h: int, d_ff: int, dropout: float = 0.0) -> None:
            super().__init__(d_model, h, d_ff, dropout)
            for name, part in list(self.named_children()):
                if attention and isinstance(part, MultiHeadAttention):
                    setattr(self, name, attention(d_model, h))
                if ffn and isinstance(part, PositionwiseFeedForward):
                    setattr(self, name, ffn(d_model, d_ff))
                if norm and isinstance(part, nn.ModuleList):
                    for connection in part:
                        connection.norm = norm(d_model)

    return Altered


def frozen(base: type, part: str) -> type:
    """A layer in which parameters of one part ask for no gradient."""

    class Frozen(base):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            for name, weight in self.named_parameters():
                weight.requires_grad_(part not in name)

    return Frozen


def dropping(base: type, wanted: Callable[[float], float]) -> type:
    """A layer whose dropout is not the one that was asked for."""

    def make(d_model: int, h: int, d_ff: int, dropout: float = 0.0) -> nn.Module:
        module: nn.Module = base(d_model, h, d_ff, wanted(dropout))
        return module

    return make  # type: ignore[return-value]


def fails_only(seen: Observations, *names: str) -> bool:
    """An error in these probes, and in no other."""
    failed = {name: one["error"] for name, one in seen.items() if "error" in one}
    return set(failed) == set(names) and not {"time", "died", "missing"} & set(failed.values())


def by_count(attentions: int, sizes: tuple[int, int, int]) -> tuple[Mistake, ...]:
    """What the numbers of weights show; `sizes`: what the layers are made with that are counted."""
    d_model, h, _ = sizes
    projections = 4 * attentions * d_model**2

    def matrices(seen: Observations) -> float:
        return float(seen["weights"]["attention matrices"])  # type: ignore[arg-type]

    def no_ffn(seen: Observations) -> bool:
        return counted(seen, "feed-forward matrices") == 0

    def beyond(seen: Observations) -> int:
        """Numbers in matrices on top of attention's."""
        return int(seen["weights"]["_numbers"]) - projections  # type: ignore[arg-type]

    return (
        Mistake(
            "norms_without_weights",
            "The norms have no gain and bias that are trained: they are missing, or the norms stand in a "
            "plain Python list, where a module does not see them. Use nn.ModuleList and nn.Parameter.",
            seen=lambda seen: counted(seen, "norms with a gain") == 0,
        ),
        Mistake(
            "constructor_order",
            "The constructor's arguments are taken in another order: (d_model, h, d_ff, dropout) is asked "
            "for, and the number of heads has become the width of the feed-forward network.",
            seen=lambda seen: no_ffn(seen) and beyond(seen) == 2 * d_model * h,
        ),
        Mistake(
            "feed_forward_of_one_map",
            "There is only one linear map where the feed-forward network should be: it needs two, with a "
            "ReLU between them and d_ff features inside.",
            seen=lambda seen: no_ffn(seen) and beyond(seen) == d_model**2,
        ),
        Mistake(
            "width_of_feed_forward_fixed",
            "The inner width of the feed-forward network is not the d_ff that was asked for (four times "
            "d_model, say). Four is the paper's ratio, and d_ff an argument.",
            seen=lambda seen: no_ffn(seen) and beyond(seen) > d_model**2 and beyond(seen) % (2 * d_model) == 0,
        ),
        Mistake(
            "no_feed_forward",
            "The feed-forward network is missing: it is the layer's last sub-layer, at every position alike.",
            seen=lambda seen: no_ffn(seen) and beyond(seen) == 0,
        ),
        Mistake(
            "feed_forward_twice",
            "There is more than one feed-forward network. A layer has a single one, its last sub-layer.",
            seen=lambda seen: (
                counted(seen, "feed-forward matrices") == 4 and counted(seen, "norms with a gain") > attentions + 1
            ),
            source="Macaron networks have two (Lu et al. 2019)",
        ),
        Mistake(
            "kernel_wider_than_one",
            "The feed-forward network is a convolution that looks at neighbours. It should treat each "
            "position alone: kernel_size=1.",
            seen=lambda seen: counted(seen, "feed-forward matrices") > 2,
        ),
        Mistake(
            "heads_not_registered",
            "The weights of the heads are not among the module's parameters: they stand in a plain Python "
            "list, which a module does not look into. Use nn.ModuleList or nn.ParameterList.",
            seen=lambda seen: 0 < matrices(seen) <= attentions,
        ),
        Mistake(
            "heads_share_their_weights",
            "All heads are the same module, so they all see the same. `[head] * h` repeats the name, not "
            "the head: build a new one for each.",
            seen=lambda seen: abs(matrices(seen) - attentions * (1 + 3 / h)) < 1e-3,
        ),
        Mistake(
            "projection_shared_or_missing",
            "Of the four projections W_Q, W_K, W_V, W_O of an attention one is missing, or one serves as two.",
            seen=lambda seen: matrices(seen) in {4 * attentions - n for n in range(1, 2 * attentions + 1)} - {4},
        ),
        Mistake(
            "too_many_attention_weights",
            "Attention has more weights than its four projections: something was added to the scores or "
            "after the heads (a bias for each pair of positions, say), which also ties it to a length.",
            seen=lambda seen: not no_ffn(seen) and matrices(seen) > 4 * attentions,
        ),
    )


def counted(seen: Observations, key: str) -> float:
    return float(seen["weights"][key])  # type: ignore[arg-type]


def by_errors(without_mask: tuple[str, ...]) -> tuple[Mistake, ...]:
    return (
        Mistake(
            "mask_required",
            "It cannot be called without a mask. Every mask has the default None, which means that all keys "
            "are permitted.",
            seen=lambda seen: all("error" in seen[name] for name in without_mask) and "error" not in seen["padding"],
        ),
        Mistake(
            "returns_more_than_one_thing",
            "It returns a tuple. A layer returns one tensor (B, T, d_model), ready for the next layer.",
            seen=lambda seen: any(
                one["error"] == "Answer" and "tuple" in str(one["_text"]) for one in seen.values() if "error" in one
            ),
        ),
        Mistake(
            "view_of_an_input_that_is_not_contiguous",
            "`view` needs a tensor whose numbers lie in order in memory, and a transposed one has them "
            "otherwise. Use `reshape`.",
            seen=lambda seen: fails_only(seen, "views"),
        ),
        Mistake(
            "types_mixed",
            "It works in float32 only: somewhere a type is fixed (`.float()`, dtype=torch.float32, a new "
            "tensor without dtype). Take the type from the input: a layer in float64 must work, too.",
            seen=lambda seen: (
                fails_only(seen, "float64")
                or fails_only(seen, "float64", "bfloat16")
                or getattr(seen["float64"].get("out"), "dtype", None) is torch.float32
            ),
        ),
        Mistake(
            "mask_as_two_axes_only",
            "Masks come ready to broadcast to (B, h, T_q, T_k), the padding mask as (B, 1, 1, T). No axes "
            "are to be added or taken away.",
            seen=lambda seen: (
                "error" in seen["padding"]
                and "error" in seen.get("as long", seen["padding"])  # of the decoder: masks exchanged fit there
                and "error" not in seen["attention"]
                and "error" not in seen["batch"]
            ),
        ),
        Mistake(
            "one_form_of_mask_only",
            "One form of mask works, and another that broadcasts to (B, h, T_q, T_k) raises an error: leave "
            "the mask's shape alone, and let it broadcast against the scores.",
            seen=lambda seen: "error" in seen["masks"] and "error" not in seen["padding"],
        ),
    )


def in_parts(base: type) -> tuple[Mistake, ...]:
    """Mistakes inside attention, the feed-forward network and the norms."""

    def attention(part: type) -> type:
        return altered(base, attention=part)

    def ffn(part: type) -> type:
        return altered(base, ffn=part)

    def norm(part: type) -> type:
        return altered(base, norm=part)

    return (
        Mistake(
            "mask_inverted",
            "The mask is read the other way round. Here True means *may be looked at*; in "
            "nn.MultiheadAttention's masks True means the opposite.",
            attention(Inverted),
            source="torch.nn.MultiheadAttention's attn_mask and key_padding_mask",
            convention=True,
        ),
        Mistake(
            "no_scale", "Inside attention the scores are not divided by the square root of d_k.", attention(Unscaled)
        ),
        Mistake(
            "scaled_by_d_model",
            "The scores are divided by the square root of d_model. Each head's queries and keys have d_k = "
            "d_model / h features: that is the width to take the root of.",
            attention(ScaledByModel),
        ),
        Mistake(
            "scaled_without_root",
            "The scores are divided by d_k, not by its square root.",
            attention(ScaledWithoutRoot),
        ),
        Mistake(
            "heads_split_by_view",
            "The heads are split by a reshape to (B, h, T, d_k) alone: that cuts sentences into pieces. "
            "First (B, T, h, d_k), then exchange the two axes.",
            attention(Viewed),
        ),
        Mistake(
            "heads_split_and_joined_by_view",
            "Heads are split and joined by a reshape alone, without exchanging axes: each 'head' then holds "
            "some of the positions. (B, T, h, d_k), then transpose(1, 2).",
            attention(ViewedAndBack),
        ),
        Mistake(
            "heads_joined_without_transpose",
            "The heads are joined by a reshape alone. Move the axis of heads back beside d_k first, or positions mix.",
            attention(Unjoined),
        ),
        Mistake(
            "softmax_over_queries",
            "The softmax runs over the queries. Each query shares 1 out among the keys: the last axis.",
            attention(OverQueries),
        ),
        Mistake(
            "softmax_over_heads",
            "The softmax runs over the heads: they compete with each other. Count from the back: -1.",
            attention(OverHeads),
        ),
        Mistake("no_softmax", "The scores are used as weights without a softmax.", attention(NoSoftmax)),
        Mistake(
            "no_output_projection", "The heads are put side by side, but not multiplied by W_O.", attention(NoOutput)
        ),
        Mistake(
            "one_head", "The number of heads is ignored: there is one head as wide as the model.", attention(OneHead)
        ),
        Mistake(
            "eight_heads",
            "The number of heads is fixed at 8, the paper's. Take it from the argument.",
            attention(EightHeads),
        ),
        Mistake(
            "mask_filled_with_a_number_near_0",
            "Forbidden scores are set to a number near 0 (1e-9 where -1e9 was meant, or by multiplying with "
            "the mask). exp(0) = 1: they take part like any other.",
            attention(Filled),
        ),
        Mistake(
            "mask_not_strong_enough",
            "Forbidden scores get a number that is low but not low enough: what lies behind the mask still "
            "leaks in. Use the lowest number of the type.",
            attention(Weak),
        ),
        Mistake(
            "mask_after_softmax",
            "The mask is multiplied in after the softmax: forbidden keys have taken their share by then, "
            "and the weights no longer sum to 1.",
            attention(Late),
        ),
        Mistake(
            "mask_added_to_scores",
            "The boolean mask is added to the scores, which makes permitted ones larger by 1. Adding works "
            "for masks of 0 and minus infinity.",
            attention(Added),
        ),
        Mistake(
            "mask_of_the_first_sentence",
            "The first sentence's mask serves for the whole batch. Each sentence has its own padding.",
            attention(FirstMask),
        ),
        Mistake(
            "mask_alike_for_all_heads",
            "The mask's shape is changed so that a mask that differs from head to head is misread. Leave "
            "its shape alone: it broadcasts.",
            attention(MaskOfOneHead),
        ),
        Mistake(
            "mask_changed_in_place",
            "The caller's mask is inverted in place (`logical_not_`): the next layer, which gets the same "
            "mask, sees the opposite. Use `~mask`.",
            attention(Flipping),
        ),
        Mistake(
            "exponential_overflows",
            "The exponential is taken as it stands: exp(89) is infinite in float32. Subtract the row's "
            "largest score first, or leave it to softmax.",
            attention(Overflows),
        ),
        Mistake(
            "no_relu",
            "Between the feed-forward network's two maps there is no ReLU: two linear maps are one.",
            ffn(Linear),
        ),
        Mistake(
            "gelu_for_relu",
            "The activation is GELU. The paper's is ReLU: max(0, x).",
            ffn(Activated),
            convention=True,
            source="BERT, GPT-2",
        ),
        Mistake(
            "silu_for_relu",
            "The activation is SiLU. The paper's is ReLU: max(0, x).",
            ffn(Silu),
            convention=True,
            source="LLaMA",
        ),
        Mistake(
            "leaky_relu",
            "The activation lets negative numbers through in part. The paper's is ReLU: max(0, x).",
            ffn(Leaky),
        ),
        Mistake("tanh_for_relu", "The activation is tanh. The paper's is ReLU: max(0, x).", ffn(Tanh)),
        Mistake(
            "relu_twice",
            "There is a second ReLU after W_2: the sub-layer could only ever add, never take away.",
            ffn(ReluTwice),
        ),
        Mistake("relu_at_the_end", "The ReLU stands after the second map. It belongs between the two.", ffn(ReluLast)),
        Mistake(
            "unbiased_deviation",
            "The norms divide by the unbiased standard deviation (d - 1 in the denominator), as x.std() "
            "gives it. Layer normalisation takes the mean of the squares over all d features.",
            norm(Unbiased),
            convention=True,
            source="The Annotated Transformer",
        ),
        Mistake(
            "norm_over_the_sentence",
            "Mean and variance are taken over positions and features together: so positions see each other "
            "through the norm, padding and future as well. Only the last axis.",
            norm(OverSentence),
        ),
        Mistake(
            "rms_norm",
            "The mean is not subtracted in the norms: that is RMSNorm.",
            norm(RootMeanSquare),
            convention=True,
            source="Zhang and Sennrich 2019, LLaMA",
        ),
        Mistake(
            "divided_by_the_variance", "The norms divide by the variance. Divide by its square root.", norm(NoRoot)
        ),
        Mistake(
            "batch_norm",
            "These are batch normalisations: over the batch, with running means in evaluation. Layer "
            "normalisation looks at one position's features, always alike.",
            norm(BatchNorm),
        ),
        Mistake(
            "dropout_fixed",
            "Dropout does something although 0 was asked for: its probability is fixed. Take it from the argument.",
            seen=drops,
        ),
        Mistake(
            "probability_to_keep",
            "The dropout given is taken for the probability to *keep*. It is the share that is dropped: "
            "with 0, nothing is.",
            dropping(base, lambda p: 1 - p),
        ),
        Mistake(
            "keys_without_gradient",
            "The keys are computed without a gradient: W_K never learns, though the output is right.",
            attention(FrozenKeys),
        ),
        Mistake(
            "attention_weights_detached",
            "Attention's weights are cut off from the graph: W_Q and W_K never learn.",
            attention(DetachedWeights),
        ),
        Mistake(
            "feed_forward_frozen",
            "The feed-forward network gets no gradient: it is frozen or detached, and would never learn.",
            frozen(base, "feed_forward"),
        ),
        Mistake(
            "norms_frozen", "The norms' gains or biases get no gradient, and would never learn.", frozen(base, "norm")
        ),
    )


def drops(seen: Observations) -> bool:
    """Chance plays a part in training, and in nothing else."""
    differing = {name for name, one in seen.items() if "answers differently the second time" in one}
    return differing == {"training"} and "changes its input" not in seen["training"]
