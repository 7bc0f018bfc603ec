"""The position-wise feed-forward network (section 3.3).

Built from the notebooks: edit the cell named above a definition, then run `course build`.
"""

from torch import Tensor, nn

__all__ = ["PositionwiseFeedForward"]


# Explained in notebooks/05_feed_forward.ipynb
class PositionwiseFeedForward(nn.Module):
    """W_2 relu(W_1 x + b_1) + b_2, at every position alike (equation 2).

    Args:
        d_model: width of input and output
        d_ff: width between the two maps, four times d_model in the paper
        dropout: share dropped after the ReLU in training; 0 in the paper (5.4)
    """

    def __init__(self, d_model: int, d_ff: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.W_1 = nn.Linear(d_model, d_ff)
        self.W_2 = nn.Linear(d_ff, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(..., d_model) -> (..., d_model)"""
        return self.W_2(self.dropout(self.W_1(x).relu()))
