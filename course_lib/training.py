"""The loss, the learning rate and the optimiser's step (sections 5.2 to 5.4).

Built from the notebooks: edit the cell named above a definition, then run `course build`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from course_lib.batching import Batch
from course_lib.tokenizer import BOS_ID, PAD_ID
from course_lib.transformer import Transformer, shift_right

__all__ = [
    "PAPER",
    "QUICK",
    "RECIPES",
    "Recipe",
    "Trainer",
    "average",
    "deviations",
    "label_smoothing_loss",
    "noam_lr",
    "recipe_for",
    "smoothed_loss",
    "validation_loss",
]


# Explained in notebooks/12_training.ipynb
def label_smoothing_loss(logits: Tensor, target: Tensor, pad_id: int, eps: float = 0.1) -> Tensor:
    """Cross-entropy against (1 - eps) one-hot + eps / V, the mean over all targets that are no padding (5.4).

    Args:
        logits: (B, T, V)
        target: ids (B, T)
        pad_id: the id that is no target
        eps: probability mass spread evenly over all V classes

    Returns:
        a scalar, in nats per token
    """
    log_p = logits.log_softmax(-1)  # (B, T, V)
    hit = log_p.gather(-1, target.unsqueeze(-1)).squeeze(-1)  # (B, T)
    per_token = -(1 - eps) * hit - eps * log_p.mean(-1)
    real = target != pad_id
    return (per_token * real).sum() / real.sum()


# Explained in notebooks/12_training.ipynb
def noam_lr(step: int, d_model: int, warmup: int) -> float:
    """The learning rate at `step` >= 1: d_model^-0.5 min(step^-0.5, step warmup^-1.5) (equation 3)."""
    return d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)


# Explained in notebooks/12_training.ipynb
@dataclass(frozen=True)
class Recipe:
    """How a model is trained. The defaults are the paper's (5.1 to 5.4, 6.1)."""

    max_tokens: int = 25_000  # a side of a batch, padding included (5.1)
    warmup: int = 4000  # steps (5.3)
    peak_lr: float | None = None  # None: the paper's schedule decides (5.3)
    decay_from: float = 1.0  # share of the run after which the rate falls to 0 in a straight line
    betas: tuple[float, float] = (0.9, 0.98)  # (5.3)
    eps: float = 1e-9  # (5.3)
    ema: float | None = None  # None: the mean of the last checkpoints is used at the end (6.1)
    averaged_checkpoints: int = 5  # (6.1)

    def learning_rate(self, step: int, progress: float, d_model: int) -> float:
        """The rate at `step` >= 1, when the share `progress` of the run is over."""
        if self.peak_lr is None:
            return noam_lr(step, d_model, self.warmup)
        progress = min(progress, 1.0)  # the last step of a run by the clock ends a little late
        falling = (1 - progress) / (1 - self.decay_from) if progress > self.decay_from else 1.0
        return self.peak_lr * min(1.0, step / self.warmup) * falling


# Explained in notebooks/12_training.ipynb
PAPER = Recipe()
QUICK = Recipe(max_tokens=400, warmup=250, peak_lr=2.8e-3, decay_from=0.1, ema=0.995)  # for d_model = 96
RECIPES = {"paper": PAPER, "quick": QUICK}


def recipe_for(name: str, d_model: int) -> Recipe:
    """The recipe of this name for a model of this width: `quick` gives a wider one smaller steps."""
    recipe = RECIPES[name]
    return recipe if recipe.peak_lr is None else replace(recipe, peak_lr=recipe.peak_lr * 96 / d_model)


# Explained in notebooks/12_training.ipynb
def deviations(recipe: Recipe) -> list[str]:
    """Each difference between this recipe and the paper's, in words."""
    lines = []
    if recipe.max_tokens != PAPER.max_tokens:
        lines.append(f"batches of {recipe.max_tokens:,} tokens a side instead of about {PAPER.max_tokens:,} (5.1)")
    if recipe.peak_lr is not None:
        lines.append(
            f"learning rate: up to {recipe.peak_lr:g} in {recipe.warmup} steps, constant, from {recipe.decay_from:.0%} "
            "of the run down to 0; the paper's falls as 1 / sqrt(step) after 4000 steps (5.3)"
        )
    elif recipe.warmup != PAPER.warmup:
        lines.append(f"{recipe.warmup:,} steps of warm-up instead of {PAPER.warmup:,} (5.3)")
    if (recipe.betas, recipe.eps) != (PAPER.betas, PAPER.eps):
        lines.append(f"Adam with {recipe.betas}, {recipe.eps} instead of {PAPER.betas}, {PAPER.eps} (5.3)")
    if recipe.ema is not None:
        lines.append(f"weights averaged step by step (decay {recipe.ema}) instead of over the last checkpoints (6.1)")
    elif recipe.averaged_checkpoints != PAPER.averaged_checkpoints:
        lines.append(f"the last {recipe.averaged_checkpoints} checkpoints averaged instead of 5 (6.1)")
    return lines


# Explained in notebooks/12_training.ipynb
def smoothed_loss(model: Transformer, batch: Batch) -> Tensor:
    """The training loss of a batch, teacher-forced: one pass for all target positions."""
    logits = model(batch.src, shift_right(batch.tgt, BOS_ID))
    return label_smoothing_loss(logits, batch.tgt, PAD_ID, model.config.eps_ls)


class Trainer:
    """Adam, the recipe's learning rate and, if the recipe has it, the running mean of the weights.

    `loss` maps model and batch to a scalar; the faster ones of `course_lib.fast` take the same place.
    """

    def __init__(
        self, model: Transformer, recipe: Recipe, loss: Callable[[Transformer, Batch], Tensor] = smoothed_loss
    ) -> None:
        self.model, self.recipe, self.loss = model, recipe, loss
        self.steps = 0
        self.optimizer = torch.optim.Adam(model.parameters(), lr=0.0, betas=recipe.betas, eps=recipe.eps, fused=True)
        self.mean = [p.detach().clone() for p in model.parameters()] if recipe.ema else []

    def step(self, batch: Batch, progress: float = 0.0) -> Tensor:
        """Learn from one batch; `progress` is the share of the run that is over. Returns the loss, detached."""
        self.steps += 1
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate(self.steps, progress, self.model.config.d_model)
        self.optimizer.zero_grad()
        loss = self.loss(self.model, batch)
        loss.backward()
        self.optimizer.step()
        if self.recipe.ema:
            # a young mean forgets faster, or it would be made of the first weights
            decay = min(self.recipe.ema, (1 + self.steps) / (10 + self.steps))
            torch._foreach_lerp_(self.mean, [p.detach() for p in self.model.parameters()], 1 - decay)
        return loss.detach()

    def averaged_weights(self) -> dict[str, Tensor]:
        """The weights to translate with: the running mean, or, without one, the current weights."""
        names = [name for name, _ in self.model.named_parameters()]
        return dict(zip(names, self.mean or [p.detach() for p in self.model.parameters()], strict=True))


# Explained in notebooks/12_training.ipynb
def average(checkpoints: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of several states of one model: the paper translates with that of the last 5 (6.1)."""
    return {name: torch.stack([c[name] for c in checkpoints]).mean(0) for name in checkpoints[0]}


@torch.inference_mode()
def validation_loss(model: Transformer, held_out: Iterable[Batch]) -> float:
    """Mean loss over unseen pairs, in nats per token, without smoothing or dropout; its exp is the perplexity."""
    training = model.training
    model.eval()
    total, tokens = 0.0, 0
    for batch in held_out:
        logits = model(batch.src, shift_right(batch.tgt, BOS_ID))
        total += float(label_smoothing_loss(logits, batch.tgt, PAD_ID, eps=0.0)) * batch.tokens
        tokens += batch.tokens
    model.train(training)
    return total / tokens
