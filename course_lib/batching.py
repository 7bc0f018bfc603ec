"""Sentence pairs to tensors: buckets of similar length under a token budget (section 5.1).

Built from the notebooks: edit the cell named above a definition, then run `course build`.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.tokenizer import EOS_ID, PAD_ID, Tokenizer

__all__ = ["Batch", "Pair", "batches", "bucket", "collate", "encode_pairs", "one_pass", "pad"]


# Explained in notebooks/02_text_to_tensors.ipynb
Pair = tuple[list[int], list[int]]  # ids of source and target, each ending in EOS


class Batch(NamedTuple):
    """Pairs side by side, each row filled up with padding."""

    src: Tensor  # (B, S)
    tgt: Tensor  # (B, T): what the decoder shall predict

    @property
    def tokens(self) -> int:
        """Target tokens without padding: what the loss is a mean over."""
        return int((self.tgt != PAD_ID).sum())

    def to(self, device: torch.device | str) -> "Batch":
        return Batch(self.src.to(device), self.tgt.to(device))


def encode_pairs(tokenizer: Tokenizer, src: Iterable[str], tgt: Iterable[str]) -> list[Pair]:
    """Encode both sides and end each in EOS."""
    return [
        (tokenizer.encode(one) + [EOS_ID], tokenizer.encode(other) + [EOS_ID])
        for one, other in zip(src, tgt, strict=True)
    ]


def pad(rows: Sequence[Sequence[int]]) -> Tensor:
    """Rows of different length -> (rows, longest row), padded on the right."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[PAD_ID] * (longest - len(row))] for row in rows])


def collate(pairs: Sequence[Pair]) -> Batch:
    return Batch(pad([src for src, _ in pairs]), pad([tgt for _, tgt in pairs]))


# Explained in notebooks/02_text_to_tensors.ipynb
def bucket(pairs: Sequence[Pair], max_tokens: int, rng: random.Random) -> list[list[int]]:
    """Group the pairs' numbers so that no side of a group has more than `max_tokens` tokens, padding included.

    Raises:
        ValueError: there are no pairs, or one alone is over the budget.
    """
    if not pairs:
        raise ValueError("no pairs to make batches of")
    order = list(range(len(pairs)))
    rng.shuffle(order)
    order.sort(key=lambda i: (len(pairs[i][1]), len(pairs[i][0])))
    groups: list[list[int]] = [[]]
    widest = 0
    for i in order:
        length = max(map(len, pairs[i]))
        if length > max_tokens:
            raise ValueError(f"pair {i} has {length} tokens on one side, more than a batch may hold ({max_tokens})")
        widest = max(widest, length)
        if widest * (len(groups[-1]) + 1) > max_tokens:
            groups.append([])
            widest = length
        groups[-1].append(i)
    rng.shuffle(groups)
    return groups


def batches(pairs: Sequence[Pair], max_tokens: int, seed: int = 0, start: int = 0) -> Iterator[Batch]:
    """Batches without end, epoch after epoch, from the `start`-th on; the same ones for the same seed."""
    epoch = 0
    while True:
        groups = bucket(pairs, max_tokens, random.Random(f"{seed}/{epoch}"))
        for group in groups[start:]:
            yield collate([pairs[i] for i in group])
        start = max(0, start - len(groups))
        epoch += 1


def one_pass(pairs: Sequence[Pair], max_tokens: int) -> list[Batch]:
    """Every pair once, in a fixed order: for validation."""
    return [collate([pairs[i] for i in group]) for group in bucket(pairs, max_tokens, random.Random(0))]
