"""Layer normalisation and the residual connection around every sub-layer (section 3.1).

Built from the notebooks: edit the cell named above a definition, then run `course build`.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["LayerNorm", "SublayerConnection"]


# Explained in notebooks/06_residual_and_layer_norm.ipynb
class LayerNorm(nn.Module):
    """Normalise the last axis to mean 0 and variance 1, then scale and shift each feature (Ba et al. 2016).

    Args:
        d: size of the last axis
        eps: added to the variance, inside the root
    """

    def __init__(self, d: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(d))
        self.bias = nn.Parameter(torch.zeros(d))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., d) -> (..., d)"""
        centred = x - x.mean(-1, keepdim=True)
        variance = centred.square().mean(-1, keepdim=True)
        return self.gain * centred * torch.rsqrt(variance + self.eps) + self.bias


# Explained in notebooks/06_residual_and_layer_norm.ipynb
class SublayerConnection(nn.Module):
    """LayerNorm(x + dropout(sublayer(x))): post-LN, as in the paper (3.1, 5.4).

    Args:
        d_model: width of x
        dropout: share of the sub-layer's output dropped in training
    """

    def __init__(self, d_model: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """x (..., d_model) and a map that keeps its shape -> (..., d_model)"""
        return self.norm(x + self.dropout(sublayer(x)))
