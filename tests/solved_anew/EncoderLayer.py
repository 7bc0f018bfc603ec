from torch import nn


class EncoderLayer(nn.Module):
    """Without the course's frame: sum and norm are written out."""

    def __init__(self, d_model, h, d_ff, dropout=0.0):
        super().__init__()
        self.look = MultiHeadAttention(d_model, h)
        self.norm1 = nn.ModuleDict({"n": LayerNorm(d_model)})
        self.think = PositionwiseFeedForward(d_model, d_ff)
        self.norm2 = LayerNorm(d_model)
        self.drop = nn.Dropout(dropout)

    def forward(self, x, src_mask=None):
        x = self.norm1["n"](x + self.drop(self.look(x, x, x, src_mask)))
        return self.norm2(x + self.drop(self.think(x)))
