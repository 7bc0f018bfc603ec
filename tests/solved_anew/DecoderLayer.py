from torch import nn


class DecoderLayer(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout=0.0):
        super().__init__()
        self.frames = nn.ModuleList([SublayerConnection(d_model, dropout) for _ in "abc"])
        self.itself = MultiHeadAttention(d_model, h)
        self.source = MultiHeadAttention(d_model, h)
        self.think = PositionwiseFeedForward(d_model, d_ff)

    def forward(self, x, memory, src_mask=None, tgt_mask=None):
        first, second, third = self.frames
        x = first(x, lambda y: self.itself(y, y, y, tgt_mask))
        x = second(x, lambda y: self.source(y, memory, memory, src_mask))
        return third(x, self.think)
