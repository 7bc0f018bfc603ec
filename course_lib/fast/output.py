"""The output layer and the loss in one (sections 3.4 and 5.4), a chunk of positions at a time.

With p = softmax(logits), the gradient of the smoothed cross-entropy by the logits is p - (1 - eps) one-hot - eps / V.
So it is at hand when the loss is, is multiplied back at once, and no chunk's logits outlive the chunk. Its last part
is the same for all positions and words: instead of an array as large as the logits it takes two sums over rows.
"""

from typing import Any

import torch
from torch import Tensor

CHUNK = 1024  # positions whose logits are held at a time


class OutputLoss(torch.autograd.Function):
    """Mean smoothed cross-entropy of states (n, d_model) against target (n,), with logits = states @ table.T"""

    @staticmethod
    def forward(ctx: Any, states: Tensor, table: Tensor, target: Tensor, eps: float) -> Tensor:
        """states (n, d_model), table (V, d_model), target (n,) -> mean loss"""
        n, vocab = len(target), len(table)
        weight = table.to(states.dtype)
        all_words = weight.float().sum(0)  # (d_model,): states @ all_words is the sum of a position's logits
        d_states, d_table = torch.empty_like(states), torch.zeros_like(table)
        total = torch.zeros((), device=states.device)
        for x, y, d_x in zip(states.split(CHUNK), target.split(CHUNK), d_states.split(CHUNK), strict=True):
            logits = (x @ weight.T).float()
            p = logits.softmax(-1)
            log_z = logits.amax(-1) - p.amax(-1).log()  # by the likeliest word: its probability is at least 1 / V
            said = logits.gather(-1, y[:, None])
            total += log_z.sum() - (1 - eps) * said.sum() - eps / vocab * (x.float() @ all_words).sum()
            p.scatter_add_(-1, y[:, None], torch.full_like(said, eps - 1))
            p = p.to(states.dtype)
            torch.mm(p, weight, out=d_x)
            d_table += p.T @ x
        d_states -= (eps / vocab * all_words).to(states.dtype)
        d_table -= eps / vocab * states.float().sum(0)
        ctx.save_for_backward(d_states.div_(n), d_table.div_(n))
        return total / n

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        d_states, d_table = ctx.saved_tensors
        return d_states * grads[0].to(d_states.dtype), d_table * grads[0], None, None
