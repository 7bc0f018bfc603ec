"""What a peer must be able to do: turn a batch into logits."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.batching import Batch
from course_lib.tokenizer import BOS_ID, PAD_ID
from course_lib.transformer import Config, Transformer, shift_right


class Peer(nn.Module, ABC):
    """Somebody else's encoder-decoder, with the size and the regularisation of `config`."""

    name: str

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def predict(self, src: Tensor, tgt_in: Tensor) -> Tensor:
        """src (B, S), tgt_in (B, T) -> (B, T, vocab)"""

    def loss(self, batch: Batch) -> Tensor:
        """The smoothed loss as the tutorials write it: all logits, then `cross_entropy`."""
        logits = self.predict(batch.src, shift_right(batch.tgt, BOS_ID))
        return F.cross_entropy(
            logits.flatten(0, 1), batch.tgt.flatten(), ignore_index=PAD_ID, label_smoothing=self.config.eps_ls
        )


def copy_linear(target: nn.Linear, weight: Tensor, bias: Tensor | None = None) -> None:
    """Our map into a peer's; what ours has no bias for gets zeros."""
    with torch.no_grad():
        target.weight.copy_(weight)
        if target.bias is not None:
            target.bias.zero_() if bias is None else target.bias.copy_(bias)


def copy_norm(target: nn.LayerNorm, norm: nn.Module) -> None:
    with torch.no_grad():
        target.weight.copy_(norm.get_parameter("gain"))
        target.bias.copy_(norm.get_parameter("bias"))


def layers_of(model: Transformer, stack: str) -> list[nn.Module]:
    return list(model.get_submodule(f"{stack}.layers").children())
