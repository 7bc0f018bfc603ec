import torch
from torch import nn


class SinusoidalPositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len, dropout=0.0):
        super().__init__()
        feature = torch.arange(d_model, dtype=torch.float64)
        angle = torch.arange(max_len, dtype=torch.float64)[:, None] / 10_000 ** (feature // 2 * 2 / d_model)
        self.register_buffer("waves", torch.where(feature % 2 == 0, angle.sin(), angle.cos()).float())
        self.drop = nn.Dropout(dropout)

    def forward(self, x):
        return self.drop(x + self.waves[: x.shape[1]].to(x.dtype))
