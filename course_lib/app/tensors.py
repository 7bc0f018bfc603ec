"""Weights: as the bytes of a safetensors file, and into a module."""

from collections.abc import Collection

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn


def tensors_to_bytes(tensors: dict[str, Tensor]) -> bytes:
    # Written by Python, not by safetensors: then a full disk is an OSError that names the file.
    return safetensors.torch.save({name: tensor.detach().contiguous() for name, tensor in tensors.items()})


def tensors_from_bytes(content: bytes) -> dict[str, Tensor]:
    """Raises ValueError where this is no safetensors file."""
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise ValueError(f"no safetensors file: {error}") from None


def load_by_name(module: nn.Module, weights: dict[str, Tensor], without: Collection[str] = ()) -> None:
    """Give a module trained weights; what it holds besides, fixed tables and masks of somebody's own, stays.

    Raises:
        ValueError: there is none for one of its parameters, except `without` these parts; or one too many, or of
            another shape.
    """
    try:
        missing, unknown = module.load_state_dict({name: w.float() for name, w in weights.items()}, strict=False)
    except RuntimeError as error:
        raise ValueError(str(error)) from None
    trained = {
        name for name, _ in module.named_parameters() if not name.startswith(tuple(f"{one}." for one in without))
    }
    if (lacking := trained & set(missing)) or unknown:
        raise ValueError(f"without weights: {', '.join(lacking) or 'none'}; too many: {', '.join(unknown) or 'none'}")
