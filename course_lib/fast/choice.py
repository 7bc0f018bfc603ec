"""Which loss is the quickest for this model on this device."""

import time
from collections.abc import Callable

import torch
from torch import Tensor

import course_lib
from course_lib.batching import Batch
from course_lib.fast.training import FastLoss
from course_lib.training import smoothed_loss
from course_lib.transformer import Transformer


def pick_loss(
    model: Transformer, device: torch.device, precision: torch.dtype | None = None
) -> tuple[Callable[[Transformer, Batch], Tensor], str]:
    """The quickest loss for this model on this device, and a line that says which.

    `precision` may be given, so that a run goes on as it began; else a probe decides.
    """
    if course_lib.YOURS or type(model).__module__ != "course_lib.transformer":
        return smoothed_loss, "the plain loss, float32: the model has parts that are not the library's"
    if precision is None:
        precision = torch.bfloat16 if bf16_is_faster(device) else torch.float32
        reason = f"a probe says that bfloat16 is {'' if precision == torch.bfloat16 else 'no '}faster here"
    else:
        reason = "as before"
    name = str(precision).removeprefix("torch.")
    return FastLoss(precision), f"fast paths, {name} ({reason})"


def bf16_is_faster(device: torch.device) -> bool:
    """Try it: where the processor has no instructions for bfloat16, it can be fifty times slower.

    The probe grows, so that a hopeless case is noticed in a few milliseconds.
    """
    return all(
        seconds_of_product(torch.bfloat16, device, size) < slack * seconds_of_product(torch.float32, device, size)
        for size, slack in ((64, 10.0), (512, 1.0))
    )


def seconds_of_product(dtype: torch.dtype, device: torch.device, size: int) -> float:
    """Shortest of a few times for a square matrix product."""
    a, b = torch.ones(2, size, size, dtype=dtype, device=device)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        (a @ b)[0, 0].item()
        times.append(time.perf_counter() - start)
    return min(times)
