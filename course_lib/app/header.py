"""The lines above a training: what is trained, on what, and where it is not as in the paper."""

from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING

import torch
from torch import nn

from course_lib.app.overlay import whose
from course_lib.app.prepare import Pairs
from course_lib.app.runs import Run
from course_lib.training import deviations
from course_lib.transformer import BASE, Config, Transformer

if TYPE_CHECKING:
    from course_lib.corpora import Corpus


def header(run: Run, corpus: "Corpus", pairs: Pairs, model: Transformer, machine: str) -> Iterator[str]:
    """A few lines for a person to read."""
    sizes = ", ".join(f"{len(split):,} {name}" for name, split in corpus.splits.items())
    yield f"corpus   {corpus.name}, {corpus.src_lang} to {corpus.tgt_lang}: {sizes}"
    if pairs.dropped:
        yield f"         {pairs.dropped:,} training pairs are left out: longer than {pairs.limit:,} tokens"
    yield f"model    {run.settings.preset}: {parameters(model):,} parameters (the paper's base: {base_parameters():,})"
    yield from (f"         - {line}" for line in size_deviations(run.model))
    if run.yours:
        yield f"parts    {whose(run.yours)}"
    different = deviations(run.recipe)
    yield f"recipe   {run.settings.recipe}" + (
        ", which differs from the paper's:" if different else ", as in sections 5 and 6.1"
    )
    yield from (f"         - {line}" for line in different)
    yield f"device   {machine}"
    yield f"run      {run.folder}, for {run.settings.budget}, seed {run.settings.seed}"


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def base_parameters() -> int:
    """Of the paper's base, counted without making them."""
    with torch.device("meta"):
        return parameters(Transformer(BASE))


def size_deviations(config: Config) -> list[str]:
    """Each difference to the paper's base, in words."""
    values = [(field.name, getattr(config, field.name), getattr(BASE, field.name)) for field in fields(Config)]
    return [f"{name} = {own} instead of {base}" for name, own, base in values if own != base and name != "train_steps"]
