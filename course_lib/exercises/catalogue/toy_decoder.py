"""Decoders that are small tables: what the checks of greedy and beam search decode with."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from random import Random
from typing import Any

import torch
from torch import Tensor

Logits = Sequence[float]
NextLogits = Callable[[int, tuple[int, ...]], Logits]  # of a row of the batch and its prefix


class Tree:
    """The logits after all prefixes that were asked for, so that none is computed twice."""

    def __init__(self, next_logits: NextLogits) -> None:
        self.next_logits = next_logits
        self._nodes: dict[tuple[int, int], int] = {}  # (node of what comes before, token) -> node
        self._logits: list[Logits] = []  # by node

    def along(self, row: int, prefix: Sequence[int]) -> list[Logits]:
        """The logits after each token of a prefix."""
        found, node = [], -1 - row
        for t, token in enumerate(prefix):
            key = node, token
            if key not in self._nodes:
                self._nodes[key] = len(self._logits)
                self._logits.append(self.next_logits(row, tuple(map(int, prefix[: t + 1]))))
            node = self._nodes[key]
            found.append(self._logits[node])
        return found


class ToyDecoder:
    """prefix (B, t) -> logits (B, t, V): a pure function of each row's prefix, and causal like a real decoder.

    It notes what it was called with. It keeps no cache, so the prefixes may come in any order and number.

    Args:
        next_logits: the row's number in the batch and its prefix (a tuple, BOS first) -> V logits; or a tree of them,
            which several decoders can share
    """

    def __init__(self, next_logits: NextLogits | Tree, dtype: torch.dtype = torch.float32) -> None:
        self.tree = next_logits if isinstance(next_logits, Tree) else Tree(next_logits)
        self.dtype = dtype
        self.longest = 0
        self.most_rows = 0
        self.first: set[Any] = set()
        self.whole_numbers = True

    def __call__(self, prefix: Tensor) -> Tensor:
        if not isinstance(prefix, Tensor):
            raise TypeError(f"the decoder takes a tensor of ids (B, t), and was given a {type(prefix).__name__}")
        if prefix.dim() != 2 or prefix.size(1) == 0:
            shape = tuple(prefix.shape)
            raise ValueError(f"the decoder takes ids (B, t) that begin with BOS, and was given the shape {shape}")
        rows = prefix.tolist()
        self.longest = max(self.longest, prefix.size(1))
        self.most_rows = max(self.most_rows, len(rows))
        self.first.update(row[0] for row in rows)
        self.whole_numbers &= not (prefix.is_floating_point() or prefix.dtype == torch.bool)
        if not rows:
            return torch.empty(0, prefix.size(1), 1, dtype=self.dtype)
        return torch.tensor([self.tree.along(i, row) for i, row in enumerate(rows)], dtype=self.dtype)

    def noted(self, bos_id: int, max_len: int) -> dict[str, bool]:
        """What it was called with, in words; nothing of what is free, as the number of calls."""
        return {
            "every prefix begins with BOS": self.first <= {bos_id},
            "the decoder was given whole numbers": self.whole_numbers,
            "the decoder was given more than max_len tokens": self.longest > max_len,
        }


@lru_cache(maxsize=4096)
def noise(seed: int, prefix: tuple[int, ...], vocab: int) -> tuple[float, ...]:
    """V normal numbers, the same in every process."""
    rng = Random(f"{seed} {prefix}")
    return tuple(rng.gauss(0.0, 1.0) for _ in range(vocab))


@lru_cache(maxsize=4096)
def ranks(seed: int, prefix: tuple[int, ...], vocab: int) -> tuple[int, ...]:
    """0 to V - 1 in a random order: numbers that are as far apart as can be."""
    order = list(range(vocab))
    Random(f"{seed} {prefix}").shuffle(order)
    return tuple(order)
