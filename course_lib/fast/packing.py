"""Rows without padding.

A batch is as wide as its longest sentence, so part of it is padding. Only attention needs to know which tokens stand in
one sentence; all else works on single positions, and is spared those that are none.
"""

from typing import Any, NamedTuple, Self

import torch
from torch import Tensor


class Places(NamedTuple):
    """Where the n real tokens of a padded batch (B, T) stand."""

    shape: torch.Size  # (B, T)
    real: Tensor  # (n,) the number of each real token's place in the batch
    row: Tensor  # (B T,) for each place the row that is its token's; any row where there is only padding

    @classmethod
    def of(cls, ids: Tensor, pad_id: int) -> Self:
        there = (ids != pad_id).flatten()
        return cls(ids.shape, there.nonzero().squeeze(1), (there.cumsum(0) - 1).clamp_(min=0))

    def pack(self, x: Tensor) -> Tensor:
        """(B, T, ...) -> (n, ...)"""
        x = x.flatten(0, 1)
        return x if self.full else _Pack.apply(x, self.real)

    def unpack(self, rows: Tensor) -> Tensor:
        """(n, ...) -> (B, T, ...). Padding becomes a copy of a real row: nothing may look at it."""
        return (rows if self.full else _Unpack.apply(rows, self.row, self.real)).unflatten(0, self.shape)

    @property
    def full(self) -> bool:
        return len(self.real) == len(self.row)


class _Pack(torch.autograd.Function):
    """Take rows; no row is taken twice, so the gradient is put back instead of added up."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, real: Tensor) -> Tensor:
        ctx.save_for_backward(real)
        ctx.places = len(x)
        return x.index_select(0, real)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        [real] = ctx.saved_tensors
        return grads[0].new_zeros(ctx.places, *grads[0].shape[1:]).index_copy_(0, real, grads[0]), None


class _Unpack(torch.autograd.Function):
    """Put rows into their places; what stands in the others is not looked at, so it has no gradient."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, row: Tensor, real: Tensor) -> Tensor:
        ctx.save_for_backward(real)
        return rows.index_select(0, row)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        [real] = ctx.saved_tensors
        return grads[0].index_select(0, real), None, None
