"""The training loss, fast: the same mathematics as `course_lib.training.smoothed_loss` on the library's own layers.

What it does differently, and only here: no work for padding; W_Q, W_K and W_V in one product; dropout, residual and
LayerNorm in one pass; output layer and loss a chunk at a time, without all logits; and bfloat16 where the machine is
quicker at it, with the weights kept in float32.
"""

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.attention import MultiHeadAttention
from course_lib.batching import Batch
from course_lib.fast.add_norm import AddNorm
from course_lib.fast.attention import CrossAttention, SelfAttention
from course_lib.fast.dropout import dropout
from course_lib.fast.output import OutputLoss
from course_lib.fast.packing import Places
from course_lib.feed_forward import PositionwiseFeedForward
from course_lib.masks import causal_mask, padding_mask
from course_lib.normalization import SublayerConnection
from course_lib.positions import first_rows
from course_lib.tokenizer import BOS_ID, PAD_ID
from course_lib.transformer import DecoderLayer, EncoderLayer, Transformer, shift_right


@dataclass(frozen=True)
class FastLoss:
    """Maps model and batch to the smoothed loss, a scalar in nats per token.

    `precision` is that of the activations and of the weights while they are multiplied. Inside, a tensor (n, d_model)
    has a row for each token that is no padding.
    """

    precision: torch.dtype = torch.float32

    def __call__(self, model: Transformer, batch: Batch) -> Tensor:
        src, tgt = Places.of(batch.src, PAD_ID), Places.of(batch.tgt, PAD_ID)
        src_mask = additive(padding_mask(batch.src, PAD_ID), self.precision)
        memory = self.encode(model, batch.src, src, src_mask)
        # a real position sees none but real ones: what comes before a token is no padding
        tgt_mask = additive(causal_mask(batch.tgt.size(1)).to(batch.tgt.device), self.precision)[None, None]
        x = self.embed(model, shift_right(batch.tgt, BOS_ID), tgt)
        for decoder_layer in cast(list[DecoderLayer], model.decoder.layers):
            x = self.decoder_layer(decoder_layer, x, tgt, tgt_mask, memory, src, src_mask)
        return OutputLoss.apply(x, model.embed.table.weight, tgt.pack(batch.tgt), model.config.eps_ls)

    def encode(self, model: Transformer, ids: Tensor, places: Places, mask: Tensor) -> Tensor:
        """ids (B, S) and their additive mask -> memory (n, d_model)"""
        x = self.embed(model, ids, places)
        for layer in cast(list[EncoderLayer], model.encoder.layers):
            x = self.encoder_layer(layer, x, places, mask)
        return x

    def embed(self, model: Transformer, ids: Tensor, places: Places) -> Tensor:
        """ids (B, T) -> (n, d_model), positions added, dropped out"""
        position = torch.arange(ids.size(1), device=ids.device).expand_as(ids)
        x = model.embed(places.pack(ids)) + first_rows(model.position.table, ids.size(1))[places.pack(position)]
        return dropout(x.to(self.precision), model.config.p_drop, model.training)

    def encoder_layer(self, layer: EncoderLayer, x: Tensor, places: Places, mask: Tensor) -> Tensor:
        x = self.connect(layer.sublayers[0], x, self.self_attention(layer.self_attention, x, places, mask))
        return self.connect(layer.sublayers[1], x, self.feed_forward(layer.feed_forward, x))

    def decoder_layer(
        self,
        layer: DecoderLayer,
        x: Tensor,
        places: Places,
        mask: Tensor,
        memory: Tensor,
        src_places: Places,
        src_mask: Tensor,
    ) -> Tensor:
        x = self.connect(layer.sublayers[0], x, self.self_attention(layer.self_attention, x, places, mask))
        y = self.cross_attention(layer.cross_attention, x, places, memory, src_places, src_mask)
        x = self.connect(layer.sublayers[1], x, y)
        return self.connect(layer.sublayers[2], x, self.feed_forward(layer.feed_forward, x))

    def connect(self, frame: torch.nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """LayerNorm(x + dropout(y))"""
        frame = cast(SublayerConnection, frame)
        norm, p = frame.norm, frame.dropout.p if frame.training else 0.0
        if x.device.type != "cpu":  # there the library's own dropout is the faster one
            y, p = F.dropout(y, p), 0.0
        return AddNorm.apply(x, y, self.cast(norm.gain), self.cast(norm.bias), norm.eps, p)

    def feed_forward(self, f: PositionwiseFeedForward, x: Tensor) -> Tensor:
        hidden = F.linear(x, self.cast(f.W_1.weight), self.cast(f.W_1.bias)).relu_()
        return F.linear(hidden, self.cast(f.W_2.weight), self.cast(f.W_2.bias))

    def self_attention(self, a: MultiHeadAttention, x: Tensor, places: Places, mask: Tensor) -> Tensor:
        qkv = places.unpack(self.project(x, a.W_Q, a.W_K, a.W_V))
        heads = SelfAttention.apply(qkv, mask, a.h, a.W_K.out_features // a.h)
        return F.linear(places.pack(heads), self.cast(a.W_O.weight))

    def cross_attention(
        self, a: MultiHeadAttention, x: Tensor, places: Places, memory: Tensor, src_places: Places, mask: Tensor
    ) -> Tensor:
        q, kv = places.unpack(self.project(x, a.W_Q)), src_places.unpack(self.project(memory, a.W_K, a.W_V))
        return F.linear(places.pack(CrossAttention.apply(q, kv, mask, a.h)), self.cast(a.W_O.weight))

    def project(self, x: Tensor, *maps: torch.nn.Linear) -> Tensor:
        """All maps of x in one product, side by side."""
        return F.linear(x, torch.cat([self.cast(m.weight) for m in maps]))

    def cast(self, weight: Tensor) -> Tensor:
        return weight.to(self.precision)


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A boolean mask as what is added to the scores: 0 where one may attend, else a number without a chance."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, torch.finfo(dtype).min / 2)
