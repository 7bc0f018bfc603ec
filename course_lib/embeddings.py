"""Token embeddings, scaled by sqrt(d_model) (section 3.4).

Built from the notebooks: edit the cell named above a definition, then run `course build`.
"""

import math

from torch import Tensor, nn

__all__ = ["Embeddings"]


# Explained in notebooks/07_embeddings.ipynb
class Embeddings(nn.Module):
    """One trained row for each id, times sqrt(d_model).

    Args:
        vocab: number of rows
        d_model: width of a row
    """

    def __init__(self, vocab: int, d_model: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocab, d_model)
        self.scale = math.sqrt(d_model)
        nn.init.normal_(self.table.weight, std=d_model**-0.5)

    def forward(self, ids: Tensor) -> Tensor:
        """ids (...) -> (..., d_model)"""
        return self.table(ids) * self.scale
