"""`torch.nn.Transformer`, with the embeddings, positions and masks that its users write around it."""

import math
from typing import Any, Self

import torch
from torch import Tensor, nn

from benchmarks.peers.base import Peer, copy_linear, copy_norm, layers_of
from course_lib.positions import sinusoids
from course_lib.tokenizer import PAD_ID
from course_lib.transformer import Config, Transformer


class TorchTransformer(Peer):
    name = "torch.nn.Transformer"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        c = config
        self.embed = nn.Embedding(c.vocab, c.d_model)
        self.dropout = nn.Dropout(c.p_drop)
        self.register_buffer("positions", sinusoids(c.max_len, c.d_model))
        self.transformer = nn.Transformer(
            c.d_model, c.h, c.N, c.N, c.d_ff, c.p_drop, batch_first=True, activation="relu"
        )
        # nn.Transformer ends each stack in one LayerNorm more than the paper's figure 1
        self.transformer.encoder.norm = self.transformer.decoder.norm = None
        self.output = nn.Linear(c.d_model, c.vocab, bias=False)
        self.output.weight = self.embed.weight
        nn.init.normal_(self.embed.weight, std=c.d_model**-0.5)

    def predict(self, src: Tensor, tgt_in: Tensor) -> Tensor:
        return self.logits(self.decode(tgt_in, self.encode(src), src))

    def logits(self, states: Tensor) -> Tensor:
        return self.output(states)

    def encode(self, src: Tensor) -> Tensor:
        return self.transformer.encoder(self._input(src), src_key_padding_mask=src == PAD_ID)

    def decode(self, tgt_in: Tensor, memory: Tensor, src: Tensor) -> Tensor:
        length = tgt_in.size(1)
        return self.transformer.decoder(
            self._input(tgt_in),
            memory,
            tgt_mask=torch.ones(length, length, dtype=torch.bool).triu(1),
            tgt_key_padding_mask=tgt_in == PAD_ID,
            memory_key_padding_mask=src == PAD_ID,
        )

    def _input(self, ids: Tensor) -> Tensor:
        positions = self.get_buffer("positions")[: ids.size(1)]
        return self.dropout(self.embed(ids) * math.sqrt(self.config.d_model) + positions)

    @classmethod
    def with_weights_of(cls, model: Transformer) -> Self:
        peer = cls(model.config)
        with torch.no_grad():
            peer.embed.weight.copy_(model.embed.table.weight)
        for theirs, ours in zip(peer.transformer.encoder.layers, layers_of(model, "encoder"), strict=True):
            _copy_layer(theirs, ours, {"self_attn": "self_attention"})
        for theirs, ours in zip(peer.transformer.decoder.layers, layers_of(model, "decoder"), strict=True):
            _copy_layer(theirs, ours, {"self_attn": "self_attention", "multihead_attn": "cross_attention"})
        return peer


def _copy_layer(theirs: Any, ours: Any, attentions: dict[str, str]) -> None:
    for their_name, our_name in attentions.items():
        target, source = getattr(theirs, their_name), getattr(ours, our_name)
        with torch.no_grad():
            target.in_proj_weight.copy_(torch.cat([source.W_Q.weight, source.W_K.weight, source.W_V.weight]))
            target.in_proj_bias.zero_()
        copy_linear(target.out_proj, source.W_O.weight)
    copy_linear(theirs.linear1, ours.feed_forward.W_1.weight, ours.feed_forward.W_1.bias)
    copy_linear(theirs.linear2, ours.feed_forward.W_2.weight, ours.feed_forward.W_2.bias)
    for number, sublayer in enumerate(ours.sublayers, 1):
        copy_norm(getattr(theirs, f"norm{number}"), sublayer.norm)
