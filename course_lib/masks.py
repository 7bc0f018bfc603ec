"""Which keys a query may attend to (sections 3.1, 3.2.3). True = may.

Built from the notebooks: edit the cell named above a definition, then run `course build`.
"""

import torch
from torch import Tensor

__all__ = ["causal_mask", "padding_mask"]


# Explained in notebooks/09_masking.ipynb
def padding_mask(ids: Tensor, pad_id: int) -> Tensor:
    """ids (B, T) -> (B, 1, 1, T): every query of a sentence may look at its real tokens."""
    return (ids != pad_id)[:, None, None, :]


# Explained in notebooks/09_masking.ipynb
def causal_mask(n: int) -> Tensor:
    """(n, n), true where the key's place j is not after the query's place i."""
    return torch.ones(n, n, dtype=torch.bool).tril()
