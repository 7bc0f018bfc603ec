"""Scaled dot-product attention with its gradient by hand (section 3.2.1).

`torch.nn.functional.scaled_dot_product_attention` is made for long sequences; at the length of a sentence the plain
products are quicker. The gradient is written out so that those of queries, keys and values go into one tensor, that
which one product made them in.
"""

from typing import Any

import torch
from torch import Tensor


class SelfAttention(torch.autograd.Function):
    """Of queries, keys and values that stand side by side."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, mask: Tensor, h: int, d_k: int) -> Tensor:
        """qkv (B, T, h (2 d_k + d_v)), mask (B or 1, 1, T or 1, T), added to the scores -> (B, T, h d_v)"""
        q, k, v = (to_heads(x, h) for x in qkv.split(_widths(qkv, h, d_k), dim=-1))
        out, weights = attend(q, k, v, mask)
        ctx.save_for_backward(q, k, v, weights)
        return from_heads(out, len(qkv))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        q, k, v, weights = ctx.saved_tensors
        B, T, _ = grads[0].shape
        h, d_k = len(q) // B, q.size(-1)
        d_qkv = grads[0].new_empty(B, T, h * (2 * d_k + v.size(-1)))
        d_heads = attend_backward(to_heads(grads[0].contiguous(), h), q, k, v, weights)
        for target, source in zip(d_qkv.split(_widths(d_qkv, h, d_k), dim=-1), d_heads, strict=True):
            put_heads(target, source, h)
        return d_qkv, None, None, None


class CrossAttention(torch.autograd.Function):
    """Of queries, and of keys and values that stand side by side."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, kv: Tensor, mask: Tensor, h: int) -> Tensor:
        """q (B, T, h d_k), kv (B, S, h (d_k + d_v)), mask (B or 1, 1, T or 1, S) -> (B, T, h d_v)"""
        d_k = q.size(-1) // h
        k, v = (to_heads(x, h) for x in kv.split([h * d_k, kv.size(-1) - h * d_k], dim=-1))
        q = to_heads(q, h)
        out, weights = attend(q, k, v, mask)
        ctx.save_for_backward(q, k, v, weights)
        return from_heads(out, len(kv))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        q, k, v, weights = ctx.saved_tensors
        B = len(grads[0])
        h, d_k, d_v = len(q) // B, q.size(-1), v.size(-1)
        d_q, d_k_heads, d_v_heads = attend_backward(to_heads(grads[0].contiguous(), h), q, k, v, weights)
        d_kv = grads[0].new_empty(B, k.size(1), h * (d_k + d_v))
        for target, source in zip(d_kv.split([h * d_k, h * d_v], dim=-1), (d_k_heads, d_v_heads), strict=True):
            put_heads(target, source, h)
        return from_heads(d_q, B), d_kv, None, None


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """q (B h, T, d_k), k (B h, S, d_k), v (B h, S, d_v), mask added to the scores -> mixtures and weights"""
    scores = torch.baddbmm(_NOTHING.to(q), q, k.transpose(1, 2), beta=0, alpha=q.size(-1) ** -0.5)
    B = max(1, len(mask))
    weights = scores.view(B, -1, *scores.shape[1:]).add_(mask).view_as(scores).softmax(-1)
    return torch.bmm(weights, v), weights


def attend_backward(d_out: Tensor, q: Tensor, k: Tensor, v: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of queries, keys and values, from that of the mixtures."""
    d_v = torch.bmm(weights.transpose(1, 2), d_out)
    d_weights = torch.bmm(d_out, v.transpose(1, 2))
    d_scores = torch._softmax_backward_data(d_weights, weights, -1, weights.dtype)
    scale, nothing = q.size(-1) ** -0.5, _NOTHING.to(q)
    d_q = torch.baddbmm(nothing, d_scores, k, beta=0, alpha=scale)
    d_k = torch.baddbmm(nothing, d_scores.transpose(1, 2), q, beta=0, alpha=scale)
    return d_q, d_k, d_v


_NOTHING = torch.zeros(1, 1, 1)  # what a scaled product is added to, with factor 0


def to_heads(x: Tensor, h: int) -> Tensor:
    """(B, T, h d) -> (B h, T, d)"""
    return x.unflatten(-1, (h, -1)).transpose(1, 2).flatten(0, 1)


def from_heads(x: Tensor, B: int) -> Tensor:
    """(B h, T, d) -> (B, T, h d)"""
    return x.unflatten(0, (B, -1)).transpose(1, 2).flatten(-2)


def put_heads(target: Tensor, x: Tensor, h: int) -> None:
    """x (B h, T, d) into target (B, T, h d)"""
    target.unflatten(-1, (h, -1)).copy_(x.unflatten(0, (len(target), -1)).transpose(1, 2))


def _widths(qkv: Tensor, h: int, d_k: int) -> list[int]:
    return [h * d_k, h * d_k, qkv.size(-1) - 2 * h * d_k]
