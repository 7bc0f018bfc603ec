"""Where a trained model looks: its attention weights, caught while it computes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from course_lib import attention
from course_lib.app.translator import Translator
from course_lib.batching import pad
from course_lib.figures import Picture, attention_map
from course_lib.tokenizer import BOS_ID, EOS_ID
from course_lib.transformer import Transformer, shift_right

MOST = 60  # tokens of a side that a picture shows


@torch.inference_mode()
def attention_weights(
    model: Transformer, src: Tensor, tgt_in: Tensor, module: ModuleType = attention
) -> dict[str, Tensor]:
    """The weights of every attention in one pass, without dropout.

    Args:
        src, tgt_in: ids (B, S) and (B, T)
        module: the one whose attention the model is made of

    Returns:
        (B, h, T_q, T_k) for each, by the attention's name in the model: "decoder.layers.1.cross_attention"
    """
    training = model.training
    model.eval()
    with _recorded(model, module) as weights:
        model(src, tgt_in)
    model.train(training)
    return weights


@contextmanager
def _recorded(model: nn.Module, module: ModuleType) -> Iterator[dict[str, Tensor]]:
    """While it lasts, scaled dot-product attention notes its weights under the name of the module that called it."""
    weights: dict[str, Tensor] = {}
    callers: list[str] = []
    attend = module.scaled_dot_product_attention

    def recorder(*args: Any, **options: Any) -> tuple[Tensor, Tensor]:
        out, seen = attend(*args, **options)
        weights[callers[-1] if callers else ""] = seen
        return out, seen

    def note_caller(name: str) -> Callable[..., None]:
        return lambda module, args: callers.append(name)

    with ExitStack() as stack:
        stack.enter_context(patch.object(module, "scaled_dot_product_attention", recorder))
        for name, part in model.named_modules():
            if name.endswith("attention"):
                stack.callback(part.register_forward_pre_hook(note_caller(name)).remove)
        yield weights


def cross_attention_picture(translator: Translator, sentence: str) -> Picture | None:
    """What the last decoder layer looks at while it writes each token of the translation, the mean of all heads.

    None where its attention is a learner's own and does not go through `scaled_dot_product_attention`, head by head.
    """
    tokenizer, model = translator.tokenizer, translator.model
    translation = translator.translate(sentence)
    device = next(model.parameters()).device
    src, tgt = (pad([tokenizer.encode(text)[:MOST] + [EOS_ID]]).to(device) for text in (sentence, translation))
    weights = attention_weights(model, src, shift_right(tgt, BOS_ID), translator.library.modules["attention"])
    last = weights.get(f"decoder.layers.{model.config.N - 1}.cross_attention")
    if last is None or last.shape != (1, model.config.h, tgt.size(1), src.size(1)):
        return None
    mean = last[0].mean(0)
    rows, columns = ([*tokenizer.pieces(text)[:MOST], "EOS"] for text in (translation, sentence))
    return attention_map(mean, rows, columns, "what the last layer reads (columns) while it writes (rows)")
