"""The library's own decoder, one position a call, laid out for speed.

Queries, keys and values come from one product, and those of the memory for all layers from one; the hypotheses of a
sentence look at one memory, not at a copy each; a step's keys and values are appended to the cache as one block, and
attention reads them where they lie.
"""

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.fast.attention import to_heads
from course_lib.fast.packing import Places
from course_lib.fast.training import FastLoss, additive
from course_lib.masks import padding_mask
from course_lib.normalization import SublayerConnection
from course_lib.tokenizer import BOS_ID, PAD_ID
from course_lib.transformer import DecoderLayer, Transformer

BLOCK = 128  # the logits come in whole blocks of words


class FastDecoder:
    """A `StepDecoder` whose rows may be several hypotheses of one sentence, side by side."""

    def __init__(self, model: Transformer, src: Tensor) -> None:
        self.model, self.layers = model, [FastLayer(layer) for layer in cast(list[DecoderLayer], model.decoder.layers)]
        self.table = F.pad(model.embed.table.weight, (0, 0, 0, -len(model.embed.table.weight) % BLOCK))
        places, mask = Places.of(src, PAD_ID), additive(padding_mask(src, PAD_ID), self.table.dtype)
        memory = FastLoss().encode(model, src, places, mask)
        product = places.unpack(memory @ torch.cat([layer.memory_maps for layer in self.layers]).T)  # (B, S, all)
        for layer, own in zip(self.layers, product.chunk(len(self.layers), dim=-1), strict=True):
            layer.look_at(own)
        self.mask = mask.squeeze(1)  # (B, 1, S)
        self.owner = torch.arange(len(src), device=src.device)  # of each row, the sentence it belongs to

    def __call__(self, prefix: Tensor) -> Tensor:
        """prefix (n, t) -> logits (n, 1, V), V rounded up to whole blocks"""
        place = prefix.size(1) - 1
        x = F.embedding(prefix[:, -1], self.table) * self.model.embed.scale + self.model.position.table[place]
        mask = self.mask.repeat_interleave(self.layers[0].h, dim=0)  # (B h, 1, S)
        for layer in self.layers:
            x = layer.step(x, place, mask)
        logits = x @ self.table.T
        logits[:, self.model.config.vocab :] = -math.inf
        logits[:, [PAD_ID, BOS_ID]] = -math.inf  # they are no words
        return logits[:, None]

    def select(self, rows: Tensor) -> None:
        """Go on with these rows, in this order: those of one sentence side by side, equally many of each."""
        sentences, numbers = self.owner[rows].unique_consecutive(return_inverse=True)
        fewer = len(sentences) < len(self.mask)
        self.mask = self.mask[sentences] if fewer else self.mask
        for layer in self.layers:
            layer.select(rows, sentences if fewer else None)
        self.owner = numbers


class FastLayer:
    """A decoder layer with its weights laid out for one position at a time, and its caches."""

    def __init__(self, layer: DecoderLayer) -> None:
        own, cross, f = layer.self_attention, layer.cross_attention, layer.feed_forward
        self.h, self.d_k = own.h, own.W_K.out_features // own.h
        self.qkv = torch.cat([own.W_Q.weight, own.W_K.weight, own.W_V.weight]).T
        self.widths = [own.W_Q.out_features, own.W_K.out_features, own.W_V.out_features]
        self.own_output, self.cross_query, self.cross_output = own.W_O.weight.T, cross.W_Q.weight.T, cross.W_O.weight.T
        self.memory_maps = torch.cat([cross.W_K.weight, cross.W_V.weight])
        self.W_1, self.b_1, self.W_2, self.b_2 = f.W_1.weight.T, f.W_1.bias, f.W_2.weight.T, f.W_2.bias
        self.norms = [sublayer.norm for sublayer in cast(list[SublayerConnection], layer.sublayers)]
        self.cache: tuple[Tensor, Tensor] | None = None  # keys (longest, n, h d_k) and values (longest, n, h d_v)

    def look_at(self, product: Tensor) -> None:
        """product (B, S, h (d_k + d_v)): keys and values of the memory"""
        keys, values = product.split(self.widths[1:], dim=-1)
        self.keys, self.values = to_heads(keys, self.h), to_heads(values, self.h)  # (B h, S, d)

    def step(self, x: Tensor, place: int, mask: Tensor) -> Tensor:
        """x (n, d_model), the hypotheses at this place, mask (B h, 1, S) -> the same shape"""
        q, k, v = (x @ self.qkv).split(self.widths, dim=-1)
        x = self.connect(0, torch.addmm(x, self.attend_to_cache(q, k, v, place), self.own_output))
        x = self.connect(1, torch.addmm(x, self.attend_to_memory(x @ self.cross_query, mask), self.cross_output))
        hidden = torch.addmm(self.b_1, x, self.W_1).relu_()
        return self.connect(2, torch.addmm(x + self.b_2, hidden, self.W_2))

    def connect(self, number: int, total: Tensor) -> Tensor:
        norm = self.norms[number]
        return F.layer_norm(total, norm.gain.shape, norm.gain, norm.bias, norm.eps)

    def attend_to_cache(self, q: Tensor, k: Tensor, v: Tensor, place: int) -> Tensor:
        """Append k and v, each (n, h d), and look at all that is there -> (n, h d_v)"""
        keys, values = self.room_for(k, v, place)
        keys[place], values[place] = k, v
        return self.mix(
            q, *(c[: place + 1].view(place + 1, len(q) * self.h, -1).transpose(0, 1) for c in (keys, values))
        )

    def attend_to_memory(self, q: Tensor, mask: Tensor) -> Tensor:
        """q (B k, h d_k), k hypotheses a sentence -> (B k, h d_v)"""
        B = len(mask) // self.h
        heads = to_heads(q.unflatten(0, (B, -1)), self.h)  # (B h, k, d_k)
        weights = torch.baddbmm(mask, heads, self.keys.transpose(1, 2), alpha=self.d_k**-0.5).softmax(-1)
        return (weights @ self.values).unflatten(0, (B, -1)).transpose(1, 2).flatten(-2).flatten(0, 1)

    def mix(self, q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """q (n, h d_k), keys (n h, t, d_k), values (n h, t, d_v) -> (n, h d_v)"""
        scores = (q * self.d_k**-0.5).view(-1, 1, self.d_k) @ keys.transpose(1, 2)
        return (scores.softmax(-1) @ values).view(len(q), -1)

    def room_for(self, k: Tensor, v: Tensor, place: int) -> tuple[Tensor, Tensor]:
        """The caches, made twice as long when they are full."""
        if self.cache is None:
            self.cache = k.new_empty(16, *k.shape), v.new_empty(16, *v.shape)
        if place == len(self.cache[0]):
            self.cache = cast(tuple[Tensor, Tensor], tuple(torch.cat([c, torch.empty_like(c)]) for c in self.cache))
        return self.cache

    def select(self, rows: Tensor, sentences: Tensor | None) -> None:
        if self.cache is not None:
            self.cache = self.cache[0].index_select(1, rows), self.cache[1].index_select(1, rows)
        if sentences is not None:
            self.keys, self.values = (
                x.unflatten(0, (-1, self.h)).index_select(0, sentences).flatten(0, 1) for x in (self.keys, self.values)
            )
