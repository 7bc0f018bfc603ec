"""Hugging Face's `MarianMTModel`, from a fresh config."""

import math
from typing import Any, Self

import torch
from torch import Tensor
from transformers import MarianConfig, MarianMTModel

from benchmarks.peers.base import Peer, copy_linear, copy_norm, layers_of
from course_lib.positions import sinusoids
from course_lib.tokenizer import BOS_ID, EOS_ID, PAD_ID
from course_lib.transformer import Config, Transformer


class Marian(Peer):
    name = "Hugging Face MarianMT"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.marian: Any = MarianMTModel(marian_config(config))

    def predict(self, src: Tensor, tgt_in: Tensor) -> Tensor:
        return self.marian(
            input_ids=src,
            attention_mask=src != PAD_ID,
            decoder_input_ids=tgt_in,
            decoder_attention_mask=tgt_in != PAD_ID,
            use_cache=False,
        ).logits

    @classmethod
    def with_weights_of(cls, model: Transformer) -> Self:
        peer = cls(model.config)
        base = peer.marian.model
        with torch.no_grad():
            base.shared.weight.copy_(model.embed.table.weight)
            for stack in (base.encoder, base.decoder):  # theirs are sines, then cosines: another order of features
                stack.embed_positions.weight.copy_(sinusoids(model.config.max_len, model.config.d_model))
            peer.marian.final_logits_bias[:, [PAD_ID, BOS_ID]] = -math.inf  # they are no words
        for theirs, ours in zip(base.encoder.layers, layers_of(model, "encoder"), strict=True):
            _copy_layer(theirs, ours, ["self_attention"])
        for theirs, ours in zip(base.decoder.layers, layers_of(model, "decoder"), strict=True):
            _copy_layer(theirs, ours, ["self_attention", "cross_attention"])
        return peer


def marian_config(c: Config) -> MarianConfig:
    return MarianConfig(
        vocab_size=c.vocab,
        max_position_embeddings=c.max_len,
        d_model=c.d_model,
        encoder_layers=c.N,
        decoder_layers=c.N,
        encoder_ffn_dim=c.d_ff,
        decoder_ffn_dim=c.d_ff,
        encoder_attention_heads=c.h,
        decoder_attention_heads=c.h,
        activation_function="relu",
        dropout=c.p_drop,
        scale_embedding=True,
        init_std=c.d_model**-0.5,
        pad_token_id=PAD_ID,
        eos_token_id=EOS_ID,
        bos_token_id=BOS_ID,
        decoder_start_token_id=BOS_ID,
        forced_eos_token_id=None,
    )


def _copy_layer(theirs: Any, ours: Any, attentions: list[str]) -> None:
    targets = {"self_attention": ("self_attn", "self_attn_layer_norm")}
    targets["cross_attention"] = ("encoder_attn", "encoder_attn_layer_norm")
    for name, sublayer in zip(attentions, ours.sublayers):
        attention, norm = (getattr(theirs, target) for target in targets[name])
        for theirs_is, ours_is in (("q_proj", "W_Q"), ("k_proj", "W_K"), ("v_proj", "W_V"), ("out_proj", "W_O")):
            copy_linear(getattr(attention, theirs_is), getattr(getattr(ours, name), ours_is).weight)
        copy_norm(norm, sublayer.norm)
    copy_linear(theirs.fc1, ours.feed_forward.W_1.weight, ours.feed_forward.W_1.bias)
    copy_linear(theirs.fc2, ours.feed_forward.W_2.weight, ours.feed_forward.W_2.bias)
    copy_norm(theirs.final_layer_norm, ours.sublayers[-1].norm)
