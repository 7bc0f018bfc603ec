"""Dropout, residual connection and LayerNorm in one: LayerNorm(x + dropout(y)), section 3.1 and 5.4."""

from typing import Any

import torch
from torch import Tensor

from course_lib.fast.dropout import keep_mask


class AddNorm(torch.autograd.Function):
    """One pass for dropout and sum, where autograd would make two and keep the product between them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, gain: Tensor, bias: Tensor, eps: float, p: float) -> Tensor:
        """x, y (..., d), gain and bias (d,); y is dropped out with probability p -> (..., d)"""
        kept = keep_mask(y.shape, p, y.dtype) if p else None
        total = x + y if kept is None else torch.addcmul(x, y, kept)
        out, mean, rstd = torch.native_layer_norm(total, gain.shape, gain, bias, eps)
        ctx.save_for_backward(total, mean, rstd, gain, bias, kept)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        total, mean, rstd, gain, bias, kept = ctx.saved_tensors
        d_total, d_gain, d_bias = torch.ops.aten.native_layer_norm_backward(
            grads[0].contiguous(), total, gain.shape, mean, rstd, gain, bias, [True, True, True]
        )
        return d_total, d_total if kept is None else d_total * kept, d_gain, d_bias, None, None
