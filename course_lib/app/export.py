"""A trained model for an engine that is made for production: `course export RUN --to ctranslate2`.

CTranslate2 (https://opennmt.net/CTranslate2) runs the same network in C++, with several workers and 8-bit weights. Its
length penalty is another than the paper's: it divides by length^alpha, not by ((5 + length) / 6)^alpha.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sentencepiece import SentencePieceProcessor
from torch import Tensor

from course_lib.app.errors import UserError
from course_lib.app.files import drafted, naming, write_bytes
from course_lib.app.translator import Translator
from course_lib.attention import MultiHeadAttention
from course_lib.normalization import LayerNorm
from course_lib.tokenizer import BOS_ID, PAD_ID
from course_lib.transformer import DecoderLayer, EncoderLayer, Transformer

if TYPE_CHECKING:
    from ctranslate2.specs import TransformerSpec

README = """# A translator for CTranslate2

Trained by the course on "Attention Is All You Need". To translate with it (`pip install ctranslate2 sentencepiece`), in
this folder:

```python
import ctranslate2, sentencepiece

translator = ctranslate2.Translator(".", inter_threads=2, intra_threads=1)  # compute_type="int8": smaller
pieces = sentencepiece.SentencePieceProcessor(model_file="tokenizer.model")
tokens = [pieces.encode(" " + sentence, out_type=str) for sentence in ["The dog sleeps."]]
results = translator.translate_batch(tokens, beam_size=4, length_penalty=0.6, min_decoding_length=0)
print([pieces.decode(result.hypotheses[0]).strip() for result in results])
```

Its length penalty divides by length^alpha; the paper's (section 6.1) by ((5 + length) / 6)^alpha.
"""
NEVER = -1e9  # added to the logits of PAD and BOS, which are no words


def export_ctranslate2(translator: Translator, folder: Path) -> None:
    """Write the model, its vocabulary and its tokenizer to a new folder.

    Raises:
        UserError: CTranslate2 is not installed, the folder is taken, the model's heads have a width of their own, or
            it has parts that are not the course's.
    """
    if folder.exists():
        raise UserError(f"{folder} is there already: remove it, or give another --out")
    if translator.others:
        raise UserError(f"only the course's own parts can be exported, and not {', '.join(sorted(translator.others))}")
    pieces = SentencePieceProcessor(model_proto=translator.tokenizer.model)
    spec = to_spec(translator.model, [pieces.id_to_piece(i) for i in range(len(pieces))])
    with drafted(folder) as draft, naming(folder):
        spec.save(str(draft))
        write_bytes(draft / "tokenizer.model", translator.tokenizer.model)
        write_bytes(draft / "README.md", README.encode())


def to_spec(model: Transformer, vocabulary: list[str]) -> "TransformerSpec":
    """The model as CTranslate2 describes one."""
    try:
        from ctranslate2.specs import TransformerSpec
    except ImportError:
        raise UserError("this needs CTranslate2: pip install ctranslate2") from None
    c = model.config
    if c.widths:
        raise UserError(f"CTranslate2 has heads of d_model / h only, and this model has {c.widths}")
    spec = TransformerSpec.from_config(c.N, c.h, pre_norm=False)
    spec.config.layer_norm_epsilon = model.encoder.get_submodule("layers.0.sublayers.0.norm").eps
    spec.config.add_source_eos = True
    table = model.embed.table.weight
    no_words = torch.zeros(c.vocab)
    no_words[[PAD_ID, BOS_ID]] = NEVER
    for stack, embeddings in ((spec.encoder, spec.encoder.embeddings[0]), (spec.decoder, spec.decoder.embeddings)):
        embeddings.weight = to_array(table)  # CTranslate2 multiplies by sqrt(d_model) itself
        stack.position_encodings.encodings = to_array(model.position.table)
    spec.decoder.projection.weight, spec.decoder.projection.bias = to_array(table), to_array(no_words)
    for target, layer in zip(spec.encoder.layer, model.encoder.layers, strict=True):
        assert isinstance(layer, EncoderLayer)
        _self_attention(target.self_attention, layer)
        _feed_forward(target.ffn, layer, 1)
    for target, layer in zip(spec.decoder.layer, model.decoder.layers, strict=True):
        assert isinstance(layer, DecoderLayer)
        _self_attention(target.self_attention, layer)
        _cross_attention(target.attention, layer)
        _feed_forward(target.ffn, layer, 2)
    spec.register_source_vocabulary(vocabulary)
    spec.register_target_vocabulary(vocabulary)
    spec.validate()
    return spec


def _self_attention(target: Any, layer: EncoderLayer | DecoderLayer) -> None:
    a = layer.self_attention
    assert isinstance(a, MultiHeadAttention)
    _linear(target.linear[0], torch.cat([a.W_Q.weight, a.W_K.weight, a.W_V.weight]))
    _linear(target.linear[1], a.W_O.weight)
    _norm(target.layer_norm, layer, 0)


def _cross_attention(target: Any, layer: DecoderLayer) -> None:
    a = layer.cross_attention
    assert isinstance(a, MultiHeadAttention)
    _linear(target.linear[0], a.W_Q.weight)
    _linear(target.linear[1], torch.cat([a.W_K.weight, a.W_V.weight]))
    _linear(target.linear[2], a.W_O.weight)
    _norm(target.layer_norm, layer, 1)


def _feed_forward(target: Any, layer: EncoderLayer | DecoderLayer, number: int) -> None:
    _linear(target.linear_0, layer.feed_forward.W_1.weight, layer.feed_forward.W_1.bias)
    _linear(target.linear_1, layer.feed_forward.W_2.weight, layer.feed_forward.W_2.bias)
    _norm(target.layer_norm, layer, number)


def _linear(target: Any, weight: Tensor, bias: Tensor | None = None) -> None:
    target.weight = to_array(weight)
    if bias is not None:
        target.bias = to_array(bias)


def _norm(target: Any, layer: EncoderLayer | DecoderLayer, number: int) -> None:
    norm = layer.get_submodule(f"sublayers.{number}.norm")
    assert isinstance(norm, LayerNorm)
    target.gamma, target.beta = to_array(norm.gain), to_array(norm.bias)


def to_array(x: Tensor) -> np.ndarray:
    return x.detach().float().cpu().contiguous().numpy()
