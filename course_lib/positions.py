"""Positional encodings: the sinusoids of section 3.5, and the learned ones that it compares with.

Built from the notebooks: edit the cell named above a definition, then run `course build`.
"""

import math

import torch
from torch import Tensor, nn

__all__ = ["LearnedPositionalEncoding", "SinusoidalPositionalEncoding", "first_rows", "sinusoids"]


# Explained in notebooks/08_positional_encoding.ipynb
def first_rows(table: Tensor, n: int) -> Tensor:
    """The encodings of the first n positions, or an error that says how many there are."""
    if n > len(table):
        raise ValueError(f"{n} positions asked for, but the encoding has max_len = {len(table)}")
    return table[:n]


# Explained in notebooks/08_positional_encoding.ipynb
def sinusoids(max_len: int, d_model: int) -> Tensor:
    """The table (max_len, d_model): sine on even features, cosine on odd ones, wavelengths from 2 pi to 20000 pi."""
    position = torch.arange(max_len, dtype=torch.float64).unsqueeze(1)
    even = torch.arange(0, d_model, 2, dtype=torch.float64)
    angle = position / 10_000 ** (even / d_model)  # (max_len, d_model / 2)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :d_model].float()


class SinusoidalPositionalEncoding(nn.Module):
    """dropout(x + PE): a fixed vector for every position is added (3.5), then dropped out (5.4).

    Args:
        d_model: width of x
        max_len: number of positions
        dropout: share of the sum dropped in training
    """

    def __init__(self, d_model: int, max_len: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.table: Tensor
        self.register_buffer("table", sinusoids(max_len, d_model), persistent=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, d_model) -> (B, T, d_model)

        Raises:
            ValueError: x is longer than max_len.
        """
        return self.dropout(x + first_rows(self.table, x.size(-2)))


# Explained in notebooks/08_positional_encoding.ipynb
class LearnedPositionalEncoding(nn.Module):
    """dropout(x + a trained vector for each position): row E of Table 3. Arguments as for the sinusoids."""

    def __init__(self, d_model: int, max_len: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(max_len, d_model) * math.sqrt(0.5))  # as long as the sinusoids
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, d_model) -> (B, T, d_model)"""
        return self.dropout(x + first_rows(self.table, x.size(-2)))
