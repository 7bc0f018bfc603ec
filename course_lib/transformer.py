"""The Transformer: layers, stacks, the model, and the sizes of Table 3 (section 3).

Built from the notebooks: edit the cell named above a definition, then run `course build`.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from course_lib.attention import MultiHeadAttention
from course_lib.embeddings import Embeddings
from course_lib.feed_forward import PositionwiseFeedForward
from course_lib.masks import causal_mask, padding_mask
from course_lib.normalization import SublayerConnection
from course_lib.positions import LearnedPositionalEncoding, SinusoidalPositionalEncoding

__all__ = [
    "BASE",
    "BIG",
    "Config",
    "Decoder",
    "DecoderLayer",
    "Encoder",
    "EncoderLayer",
    "PRESETS",
    "SMALL",
    "TABLE_3",
    "TINY",
    "Transformer",
    "shift_right",
]


# Explained in notebooks/10_encoder_and_decoder.ipynb
class EncoderLayer(nn.Module):
    """Self-attention, then the feed-forward network, each in a residual connection (3.1).

    Args:
        d_model, h, d_ff: as in Table 3
        dropout: on the output of each sub-layer (5.4)
        d_k, d_v: widths of a head, d_model / h unless given
    """

    def __init__(
        self, d_model: int, h: int, d_ff: int, dropout: float = 0.0, d_k: int | None = None, d_v: int | None = None
    ) -> None:
        super().__init__()
        widths = {name: width for name, width in (("d_k", d_k), ("d_v", d_v)) if width is not None}
        self.self_attention = MultiHeadAttention(d_model, h, 0.0, **widths)
        self.feed_forward = PositionwiseFeedForward(d_model, d_ff, 0.0)
        self.sublayers = nn.ModuleList(SublayerConnection(d_model, dropout) for _ in range(2))

    def forward(self, x: Tensor, src_mask: Tensor | None = None) -> Tensor:
        """x (B, S, d_model), src_mask (B, 1, 1, S) -> (B, S, d_model)"""
        x = self.sublayers[0](x, lambda x: self.self_attention(x, x, x, src_mask))
        return self.sublayers[1](x, self.feed_forward)


# Explained in notebooks/10_encoder_and_decoder.ipynb
class Encoder(nn.Module):
    """N layers, one after the other; what comes out is the decoder's memory. Arguments as for a layer."""

    def __init__(self, N: int, d_model: int, h: int, d_ff: int, dropout: float = 0.0, **widths: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(d_model, h, d_ff, dropout, **widths) for _ in range(N))

    def forward(self, x: Tensor, src_mask: Tensor | None = None) -> Tensor:
        """(B, S, d_model) -> (B, S, d_model)"""
        for layer in self.layers:
            x = layer(x, src_mask)
        return x


# Explained in notebooks/10_encoder_and_decoder.ipynb
class DecoderLayer(nn.Module):
    """Masked self-attention, attention to the memory, feed-forward network (3.1). Arguments as for `EncoderLayer`."""

    def __init__(
        self, d_model: int, h: int, d_ff: int, dropout: float = 0.0, d_k: int | None = None, d_v: int | None = None
    ) -> None:
        super().__init__()
        widths = {name: width for name, width in (("d_k", d_k), ("d_v", d_v)) if width is not None}
        self.self_attention = MultiHeadAttention(d_model, h, 0.0, **widths)
        self.cross_attention = MultiHeadAttention(d_model, h, 0.0, **widths)
        self.feed_forward = PositionwiseFeedForward(d_model, d_ff, 0.0)
        self.sublayers = nn.ModuleList(SublayerConnection(d_model, dropout) for _ in range(3))

    def forward(
        self, x: Tensor, memory: Tensor, src_mask: Tensor | None = None, tgt_mask: Tensor | None = None
    ) -> Tensor:
        """x (B, T, d_model), memory (B, S, d_model), src_mask (B, 1, 1, S), tgt_mask (B, 1, T, T) -> (B, T, d_model)"""
        x = self.sublayers[0](x, lambda x: self.self_attention(x, x, x, tgt_mask))
        x = self.sublayers[1](x, lambda x: self.cross_attention(x, memory, memory, src_mask))
        return self.sublayers[2](x, self.feed_forward)


# Explained in notebooks/10_encoder_and_decoder.ipynb
class Decoder(nn.Module):
    """N layers, each of which looks at the whole memory. Arguments as for a layer."""

    def __init__(self, N: int, d_model: int, h: int, d_ff: int, dropout: float = 0.0, **widths: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(d_model, h, d_ff, dropout, **widths) for _ in range(N))

    def forward(
        self, x: Tensor, memory: Tensor, src_mask: Tensor | None = None, tgt_mask: Tensor | None = None
    ) -> Tensor:
        """x (B, T, d_model), memory (B, S, d_model) -> (B, T, d_model)"""
        for layer in self.layers:
            x = layer(x, memory, src_mask, tgt_mask)
        return x


# Explained in notebooks/11_the_transformer.ipynb
def shift_right(target_ids: Tensor, bos_id: int) -> Tensor:
    """(B, T) -> (B, T): BOS, then all targets but the last: the decoder's input for these targets (3.1)."""
    return torch.cat([torch.full_like(target_ids[:, :1], bos_id), target_ids[:, :-1]], dim=1)


# Explained in notebooks/11_the_transformer.ipynb
@dataclass(frozen=True)
class Config:
    """One row of Table 3: the size of a model and how it is regularised. The defaults are the paper's base.

    `d_k` and `d_v` are d_model / h unless given. `max_len` limits the positions, in tokens.
    """

    N: int = 6
    d_model: int = 512
    d_ff: int = 2048
    h: int = 8
    d_k: int | None = None
    d_v: int | None = None
    p_drop: float = 0.1
    eps_ls: float = 0.1
    train_steps: int = 100_000
    positions: Literal["sinusoidal", "learned"] = "sinusoidal"
    vocab: int = 37_000
    max_len: int = 1024
    pad_id: int = 0

    @property
    def widths(self) -> dict[str, int]:
        """The widths of a head, where the row gives them."""
        return {name: width for name, width in (("d_k", self.d_k), ("d_v", self.d_v)) if width is not None}


# Explained in notebooks/11_the_transformer.ipynb
BASE = Config()
TABLE_3 = {
    "A-h1": replace(BASE, h=1),
    "A-h4": replace(BASE, h=4),
    "A-h16": replace(BASE, h=16),
    "A-h32": replace(BASE, h=32),
    "B-dk16": replace(BASE, d_k=16),
    "B-dk32": replace(BASE, d_k=32),
    "C-N2": replace(BASE, N=2),
    "C-N4": replace(BASE, N=4),
    "C-N8": replace(BASE, N=8),
    "C-d256": replace(BASE, d_model=256, d_k=32, d_v=32),
    "C-d1024": replace(BASE, d_model=1024, d_k=128, d_v=128),
    "C-ff1024": replace(BASE, d_ff=1024),
    "C-ff4096": replace(BASE, d_ff=4096),
    "D-drop0.0": replace(BASE, p_drop=0.0),
    "D-drop0.2": replace(BASE, p_drop=0.2),
    "D-eps0.0": replace(BASE, eps_ls=0.0),
    "D-eps0.2": replace(BASE, eps_ls=0.2),
    "E-learned": replace(BASE, positions="learned"),
}
TINY = Config(N=2, d_model=96, d_ff=384, h=4, p_drop=0.0)
SMALL = Config(N=2, d_model=256, d_ff=1024, h=8, p_drop=0.0)
BIG = Config(d_model=1024, d_ff=4096, h=16, p_drop=0.3, train_steps=300_000)
PRESETS: dict[str, Config] = {"tiny": TINY, "small": SMALL, "base": BASE, "big": BIG, **TABLE_3}


# Explained in notebooks/11_the_transformer.ipynb
class Transformer(nn.Module):
    """The encoder-decoder of section 3, with three-way weight tying (3.4).

    Ids are (B, S) for the source and (B, T) for the decoder's input, padded with `config.pad_id`.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = c = config
        encoding = SinusoidalPositionalEncoding if c.positions == "sinusoidal" else LearnedPositionalEncoding
        self.embed = Embeddings(c.vocab, c.d_model)
        self.position = encoding(c.d_model, c.max_len, c.p_drop)
        self.encoder = Encoder(c.N, c.d_model, c.h, c.d_ff, c.p_drop, **c.widths)
        self.decoder = Decoder(c.N, c.d_model, c.h, c.d_ff, c.p_drop, **c.widths)
        self._initialise()

    def encode(self, src: Tensor) -> Tensor:
        """src (B, S) -> memory (B, S, d_model)"""
        return self.encoder(self.position(self.embed(src)), padding_mask(src, self.config.pad_id))

    def decode(self, tgt_in: Tensor, memory: Tensor, src: Tensor) -> Tensor:
        """tgt_in (B, T), memory (B, S, d_model), src (B, S) for its padding -> states (B, T, d_model)"""
        tgt_mask = causal_mask(tgt_in.size(1)).to(tgt_in.device) & padding_mask(tgt_in, self.config.pad_id)
        return self.decoder(self.position(self.embed(tgt_in)), memory, padding_mask(src, self.config.pad_id), tgt_mask)

    def logits(self, states: Tensor) -> Tensor:
        """states (..., d_model) -> (..., vocab), by the embeddings' own rows"""
        all_ids = torch.arange(self.config.vocab, device=states.device)
        return states @ self.embed(all_ids).T / math.sqrt(self.config.d_model)

    def forward(self, src: Tensor, tgt_in: Tensor) -> Tensor:
        """src (B, S), tgt_in (B, T) -> logits (B, T, vocab)"""
        return self.logits(self.decode(tgt_in, self.encode(src), src))

    def _initialise(self) -> None:
        """Glorot and Bengio's uniform for all matrices but the embeddings, which bring their own.

        A parameter with more axes, as (h, d_model, d_k) for all heads in one, is a stack of matrices.
        """
        for stack in (self.encoder, self.decoder):
            for parameter in stack.parameters():
                if parameter.dim() > 1:
                    for matrix in parameter.data.view(-1, *parameter.shape[-2:]):
                        nn.init.xavier_uniform_(matrix)
