"""Scaled dot-product, additive and multi-head attention (section 3.2).

Built from the notebooks: edit the cell named above a definition, then run `course build`.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["MultiHeadAttention", "additive_attention", "masked_softmax", "scaled_dot_product_attention"]


# Explained in notebooks/03_attention.ipynb
def masked_softmax(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax over the last axis, among the keys that `mask` permits (True = may attend).

    A row with no permitted key gives zeros: the finite fill keeps NaN out of the forward and the backward pass.
    """
    if mask is None:
        return scores.softmax(-1)
    weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1)
    return weights.masked_fill(~mask, 0.0)


# Explained in notebooks/03_attention.ipynb
def scaled_dot_product_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    dropout: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Mix the values by how well their keys match each query: equation (1), section 3.2.1.

    Args:
        q: queries (..., T_q, d_k)
        k: keys (..., T_k, d_k)
        v: values (..., T_k, d_v)
        mask: boolean, broadcast to (..., T_q, T_k); True = may attend
        dropout: applied to the weights, for those who want it; the paper does not (5.4)

    Returns:
        the mixtures (..., T_q, d_v), and the weights they were made with (..., T_q, T_k)
    """
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))  # (..., T_q, T_k)
    weights = masked_softmax(scores, mask)
    if dropout is not None:
        weights = dropout(weights)
    return weights @ v, weights


# Explained in notebooks/03_attention.ipynb
def additive_attention(
    q: Tensor, k: Tensor, v: Tensor, W_q: Tensor, W_k: Tensor, w_v: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Attention whose scores are w_v . tanh(W_q q + W_k k), the alternative that section 3.2.1 compares with.

    Args:
        q: queries (..., T_q, d_q)
        k: keys (..., T_k, d_k)
        v: values (..., T_k, d_v)
        W_q, W_k, w_v: weights (a, d_q), (a, d_k), (a,)
        mask: boolean, broadcast to (..., T_q, T_k); True = may attend

    Returns:
        the mixtures (..., T_q, d_v), and the weights (..., T_q, T_k)
    """
    hidden = torch.tanh((q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3))  # (..., T_q, T_k, a)
    weights = masked_softmax(hidden @ w_v, mask)
    return weights @ v, weights


# Explained in notebooks/04_multi_head_attention.ipynb
class MultiHeadAttention(nn.Module):
    """h attentions side by side, each in a subspace of its own (section 3.2.2).

    Args:
        d_model: width of input and output
        h: number of heads
        dropout: share of the attention weights dropped in training; 0 in the paper (5.4)
        d_k, d_v: widths of a head's keys and values; d_model / h unless given
    """

    def __init__(
        self, d_model: int, h: int, dropout: float = 0.0, d_k: int | None = None, d_v: int | None = None
    ) -> None:
        super().__init__()
        if d_model % h and (d_k is None or d_v is None):
            raise ValueError(f"d_model = {d_model} cannot be split evenly into h = {h} heads")
        self.h = h
        self.W_Q = nn.Linear(d_model, h * (d_k or d_model // h), bias=False)
        self.W_K = nn.Linear(d_model, h * (d_k or d_model // h), bias=False)
        self.W_V = nn.Linear(d_model, h * (d_v or d_model // h), bias=False)
        self.W_O = nn.Linear(h * (d_v or d_model // h), d_model, bias=False)
        self.dropout = nn.Dropout(dropout)

    def split_heads(self, x: Tensor) -> Tensor:
        """(B, T, h d) -> (B, h, T, d)"""
        return x.unflatten(-1, (self.h, -1)).transpose(1, 2)

    def merge_heads(self, x: Tensor) -> Tensor:
        """(B, h, T, d) -> (B, T, h d)"""
        return x.transpose(1, 2).flatten(-2)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """query (B, T_q, d_model), key and value (B, T_k, d_model), mask (..., T_q, T_k) -> (B, T_q, d_model)"""
        q = self.split_heads(self.W_Q(query))  # (B, h, T_q, d_k)
        k = self.split_heads(self.W_K(key))  # (B, h, T_k, d_k)
        v = self.split_heads(self.W_V(value))  # (B, h, T_k, d_v)
        heads, _ = scaled_dot_product_attention(q, k, v, mask, self.dropout)  # (B, h, T_q, d_v)
        return self.W_O(self.merge_heads(heads))
