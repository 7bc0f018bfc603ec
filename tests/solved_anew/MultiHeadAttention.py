import torch
from torch import nn


class MultiHeadAttention(nn.Module):
    """One matrix for queries, keys and values of all heads; one head after the other."""

    def __init__(self, d_model, h, dropout=0.0):
        super().__init__()
        self.h, self.width = h, d_model // h
        self.in_projection = nn.Parameter(nn.init.xavier_uniform_(torch.empty(3 * d_model, d_model)))
        self.out = nn.Linear(d_model, d_model)
        nn.init.zeros_(self.out.bias)
        self.drop = nn.Dropout(dropout)

    def forward(self, query, key, value, mask=None):
        matrices = self.in_projection.chunk(3)
        q, k, v = (x @ w.T for x, w in zip((query, key, value), matrices))
        if mask is not None and mask.dim() == 4:
            masks = mask.expand(-1, self.h, -1, -1).unbind(1)
        else:
            masks = [mask] * self.h
        heads = []
        for i, (q_i, k_i, v_i) in enumerate(zip(*(x.split(self.width, dim=-1) for x in (q, k, v)))):
            head, _ = scaled_dot_product_attention(q_i, k_i, v_i, masks[i], self.drop)
            heads.append(head)
        return self.out(torch.cat(heads, dim=-1))
