from torch import nn


class SublayerConnection(nn.Module):
    def __init__(self, d_model, dropout=0.0):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.after = LayerNorm(d_model)

    def forward(self, x, sublayer):
        return self.after(self.drop(sublayer(x)) + x)
