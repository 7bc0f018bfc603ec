from torch import nn


class PositionwiseFeedForward(nn.Module):
    """Two convolutions of width one."""

    def __init__(self, d_model, d_ff, dropout=0.0):
        super().__init__()
        self.expand = nn.Conv1d(d_model, d_ff, 1)
        self.contract = nn.Conv1d(d_ff, d_model, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        rows = x.reshape(1, -1, x.shape[-1]).transpose(1, 2)
        hidden = self.dropout(self.expand(rows).clamp(min=0))
        return self.contract(hidden).transpose(1, 2).reshape(x.shape)
