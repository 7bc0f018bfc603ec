"""What dropout did, in words: the numbers are chance, the words must not be."""

import math

import torch
from torch import Tensor

P = 0.3  # not one half: p and 1 - p, 1/p and 1/(1 - p) are told apart
NAMES = ("sentences", "positions", "features")
RIGHT = "dropped, or kept and divided by 1 - p"


def near(a: Tensor, b: Tensor | float) -> Tensor:
    return (a - b).abs() < 2e-3


def factors(kept: Tensor, p: float = P) -> str:
    """What the numbers were multiplied with."""
    zero = near(kept, 0.0)
    if near(kept, 1.0).all():
        return "nothing"
    for text, factor in (
        (RIGHT, 1 / (1 - p)),
        ("dropped, or kept and not divided", 1.0),
        ("dropped, or kept and divided by p", 1 / p),
        ("dropped, or kept and divided by 1 - p twice", (1 - p) ** -2),
        ("dropped, or kept and multiplied by 1 - p", 1 - p),
    ):
        if (zero | near(kept, factor)).all():
            return text
    rest = kept[~zero]
    if rest.numel() and near(rest, float(rest.flatten()[0])).all():
        return "dropped, or kept and multiplied by another factor"
    return "noise" if zero.double().mean() < 0.02 else "something else"


def share(zero: Tensor, p: float = P) -> str:
    """How many were dropped; for numbers drawn each for itself."""
    found = float(zero.double().mean())
    for text, q in (("p", p), ("1 - p", 1 - p), ("more than p, as if twice", 1 - (1 - p) ** 2)):
        if abs(found - q) < 5 * math.sqrt(q * (1 - q) / zero.numel()):
            return text
    return "none" if found == 0 else "all" if found == 1 else "another share"


def pattern(kept: Tensor) -> str:
    """Which numbers share a draw, of (sentences, positions, features)."""
    alike = [name for axis, name in enumerate(NAMES) if near(kept, kept.narrow(axis, 0, 1)).all()]
    return "for each number" if not alike else "once for all " + " and ".join(alike)


def words(first: Tensor, second: Tensor, p: float = P) -> dict[str, str]:
    """Of two calls: what each number was multiplied with, how many were dropped, and which were drawn together."""
    what = factors(first, p)
    if what == "nothing":
        return {"in training numbers are": "never dropped"}
    found = {"in training numbers are": what, "drawn": pattern(first)}
    if found["drawn"] == "for each number" and what != "noise":
        found["share dropped"] = share(near(first, 0.0), p)
    found["drawn anew in the next call"] = "no" if first.shape == second.shape and near(first, second).all() else "yes"
    return found


def spread(*shape: int, seed: int) -> Tensor:
    """Numbers between 1 and 2, none alike."""
    return 1 + torch.rand(shape, generator=torch.Generator().manual_seed(seed))
