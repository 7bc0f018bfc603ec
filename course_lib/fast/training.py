"""The training loss, fast: the same mathematics as `course_lib.training.smoothed_loss` on the library's own layers.

What it does differently, and only here: it computes in bfloat16 where the machine is quicker at it, with the weights
kept in float32; it multiplies by W_Q, W_K and W_V in one product; it draws dropout from random bytes; and it never
holds the logits of all positions at once.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.attention import MultiHeadAttention
from course_lib.batching import Batch
from course_lib.fast.dropout import dropout
from course_lib.masks import causal_mask, padding_mask
from course_lib.normalization import SublayerConnection
from course_lib.tokenizer import BOS_ID, PAD_ID
from course_lib.training import smoothed_loss
from course_lib.transformer import DecoderLayer, EncoderLayer, Transformer, shift_right

CHUNK = 1024  # target positions whose logits are held at a time


@dataclass(frozen=True)
class FastLoss:
    """Maps model and batch to the smoothed loss, a scalar in nats per token.

    `precision` is that of the activations and of the weights while they are multiplied.
    """

    precision: torch.dtype = torch.float32

    def __call__(self, model: Transformer, batch: Batch) -> Tensor:
        src_mask = additive(padding_mask(batch.src, PAD_ID), self.precision)
        tgt_in = shift_right(batch.tgt, BOS_ID)
        causal = causal_mask(tgt_in.size(1)).to(tgt_in.device)
        tgt_mask = additive(causal & padding_mask(tgt_in, PAD_ID), self.precision)
        memory = self.embed(model, batch.src)
        for layer in cast(list[EncoderLayer], model.encoder.layers):
            memory = self.encoder_layer(layer, memory, src_mask)
        x = self.embed(model, tgt_in)
        for decoder_layer in cast(list[DecoderLayer], model.decoder.layers):
            x = self.decoder_layer(decoder_layer, x, memory, src_mask, tgt_mask)
        real = batch.tgt != PAD_ID
        return OutputLoss.apply(x[real], model.embed.table.weight, batch.tgt[real], model.config.eps_ls)

    def embed(self, model: Transformer, ids: Tensor) -> Tensor:
        """ids (B, T) -> (B, T, d_model), positions added, dropped out"""
        x = model.embed(ids) + model.position.table[: ids.size(1)]
        return dropout(x.to(self.precision), model.config.p_drop, model.training)

    def encoder_layer(self, layer: EncoderLayer, x: Tensor, mask: Tensor) -> Tensor:
        x = self.connect(layer.sublayers[0], x, self.self_attention(layer.self_attention, x, mask))
        return self.connect(layer.sublayers[1], x, self.feed_forward(layer, x))

    def decoder_layer(
        self, layer: DecoderLayer, x: Tensor, memory: Tensor, src_mask: Tensor, tgt_mask: Tensor
    ) -> Tensor:
        x = self.connect(layer.sublayers[0], x, self.self_attention(layer.self_attention, x, tgt_mask))
        x = self.connect(layer.sublayers[1], x, self.cross_attention(layer.cross_attention, x, memory, src_mask))
        return self.connect(layer.sublayers[2], x, self.feed_forward(layer, x))

    def connect(self, frame: torch.nn.Module, x: Tensor, y: Tensor) -> Tensor:
        assert isinstance(frame, SublayerConnection)
        norm = frame.norm
        y = x + dropout(y, frame.dropout.p, frame.training)
        return F.layer_norm(y, y.shape[-1:], self.cast(norm.gain), self.cast(norm.bias), norm.eps)

    def feed_forward(self, layer: EncoderLayer | DecoderLayer, x: Tensor) -> Tensor:
        f = layer.feed_forward
        hidden = F.linear(x, self.cast(f.W_1.weight), self.cast(f.W_1.bias)).relu()
        return F.linear(hidden, self.cast(f.W_2.weight), self.cast(f.W_2.bias))

    def self_attention(self, a: MultiHeadAttention, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = self.project(x, a.W_Q, a.W_K, a.W_V)
        return self.attend(a, q, k, v, mask)

    def cross_attention(self, a: MultiHeadAttention, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        (q,), (k, v) = self.project(x, a.W_Q), self.project(memory, a.W_K, a.W_V)
        return self.attend(a, q, k, v, mask)

    def project(self, x: Tensor, *maps: torch.nn.Linear) -> tuple[Tensor, ...]:
        """All maps of x in one product."""
        product = F.linear(x, torch.cat([self.cast(m.weight) for m in maps]))
        return product.split([m.out_features for m in maps], dim=-1)

    def attend(self, a: MultiHeadAttention, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        q, k, v = a.split_heads(q), a.split_heads(k), a.split_heads(v)
        scores = (q * (1 / math.sqrt(q.size(-1)))) @ k.transpose(-2, -1) + mask
        return F.linear(a.merge_heads(scores.softmax(-1) @ v), self.cast(a.W_O.weight))

    def cast(self, weight: Tensor) -> Tensor:
        return weight.to(self.precision)


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A boolean mask as what is added to the scores: 0 where one may attend, else a number without a chance."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, torch.finfo(dtype).min / 2)


class OutputLoss(torch.autograd.Function):
    """Output layer, softmax and smoothed cross-entropy, a chunk of positions at a time.

    The gradient of a cross-entropy is the softmax minus the target distribution: it is at hand when the loss is, so it
    is multiplied back at once, and no chunk's logits outlive the chunk.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, table: Tensor, target: Tensor, eps: float) -> Tensor:
        """states (n, d_model), table (V, d_model), target (n,) -> mean loss"""
        n, vocab = len(target), len(table)
        weight = table.to(states.dtype)
        d_states, d_table = torch.empty_like(states), torch.zeros_like(table)
        total = torch.zeros((), device=states.device)
        for x, y, d_x in zip(states.split(CHUNK), target.split(CHUNK), d_states.split(CHUNK), strict=True):
            log_p = (x @ weight.T).float().log_softmax(-1)
            rows = torch.arange(len(y), device=y.device)
            total -= (1 - eps) * log_p[rows, y].sum() + eps / vocab * log_p.sum()
            d_logits = log_p.exp_().sub_(eps / vocab)
            d_logits[rows, y] -= 1 - eps
            d_logits = d_logits.mul_(1 / n).to(states.dtype)
            torch.mm(d_logits, weight, out=d_x)
            d_table += d_logits.T @ x
        ctx.save_for_backward(d_states, d_table)
        return total / n

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        d_states, d_table = ctx.saved_tensors
        return d_states * grads[0].to(d_states.dtype), d_table * grads[0], None, None


def pick_loss(
    model: Transformer, device: torch.device, precision: torch.dtype | None = None
) -> tuple[Callable[[Transformer, Batch], Tensor], str]:
    """The quickest loss for this model on this device, and a line that says which.

    `precision` may be given, so that a run goes on as it began; else a probe decides.
    """
    if type(model).__module__ != "course_lib.transformer":
        return smoothed_loss, "the plain loss, float32: the model has parts that are not the library's"
    if precision is None:
        precision = torch.bfloat16 if bf16_is_faster(device) else torch.float32
        reason = f"a probe says that bfloat16 is {'' if precision == torch.bfloat16 else 'no '}faster here"
    else:
        reason = "as before"
    name = str(precision).removeprefix("torch.")
    return FastLoss(precision), f"fast paths, {name} ({reason})"


def bf16_is_faster(device: torch.device) -> bool:
    """Try it: where the processor has no instructions for bfloat16, it can be fifty times slower.

    The probe grows, so that a hopeless case is noticed in a few milliseconds.
    """
    return all(
        seconds_of_product(torch.bfloat16, device, size) < slack * seconds_of_product(torch.float32, device, size)
        for size, slack in ((64, 10.0), (512, 1.0))
    )


def seconds_of_product(dtype: torch.dtype, device: torch.device, size: int) -> float:
    """Shortest of a few times for a square matrix product."""
    a, b = torch.ones(2, size, size, dtype=dtype, device=device)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        (a @ b)[0, 0].item()
        times.append(time.perf_counter() - start)
    return min(times)
