"""Which device to compute on."""

import torch

from course_lib.app.errors import UserError

KINDS = ("cuda", "mps", "cpu")  # in the order of preference


def pick_device(name: str = "auto") -> torch.device:
    """The device of this name, or with "auto" the first of a GPU, an Apple GPU and the CPU that is there."""
    there = [kind for kind in KINDS if _is_there(kind)]
    name = there[0] if name == "auto" else name
    if name.split(":")[0] not in there:
        raise UserError(f"--device {name}: this machine has {', '.join(there)}")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"--device {name}: write auto, cuda, cuda:1, mps or cpu") from None
    if device.type == "cpu":
        multiply_by_onednn()
    return device


def multiply_by_onednn() -> None:
    """Have float32 matrices multiplied by oneDNN, up to twice as fast as by MKL and as exact.

    "medium" permits it to round to bfloat16, which it does on processors with AMX; these keep the default.
    """
    if not torch.cpu._is_amx_tile_supported():
        torch.set_float32_matmul_precision("medium")


def describe(device: torch.device) -> str:
    """In words, with what its speed depends on."""
    if device.type == "cuda":
        return f"{device}, {torch.cuda.get_device_name(device)}"
    if device.type == "cpu":
        return f"cpu, {torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''}"
    return str(device)


def _is_there(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.is_available()
    return kind == "cpu" or torch.backends.mps.is_available()
