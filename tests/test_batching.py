"""Batches: each pair once an epoch, within the budget, the same again for the same seed."""

import itertools
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.batching import Batch, batches, bucket, collate, encode_pairs, one_pass, pad
from course_lib.tokenizer import EOS_ID, PAD_ID, train_tokenizer

BUDGET = 60
lengths = st.lists(st.tuples(st.integers(1, 25), st.integers(1, 25)), min_size=1, max_size=60)


def pairs_of(sizes: list[tuple[int, int]]) -> list[tuple[list[int], list[int]]]:
    """Pairs of these lengths; the first id of each side tells which pair it is."""
    return [([10 + i] + [5] * (s - 1), [10 + i] + [6] * (t - 1)) for i, (s, t) in enumerate(sizes)]


def some_pairs(n: int = 200, seed: int = 0) -> list[tuple[list[int], list[int]]]:
    rng = random.Random(seed)
    return pairs_of([(rng.randint(1, 25), rng.randint(1, 25)) for _ in range(n)])


def members(batch: Batch) -> list[int]:
    assert torch.equal(batch.src[:, 0], batch.tgt[:, 0]), "source and target stay together"
    return (batch.src[:, 0] - 10).tolist()


def epoch(pairs, seed=0, start=0) -> list[Batch]:
    """As many batches as one epoch has."""
    count = len(bucket(pairs, BUDGET, random.Random(f"{seed}/0")))
    return list(itertools.islice(batches(pairs, BUDGET, seed, start), count))


def same(one: Batch, other: Batch) -> bool:
    return torch.equal(one.src, other.src) and torch.equal(one.tgt, other.tgt)


@given(lengths, st.integers(0, 99))
def test_the_budget_holds_on_either_side_and_every_pair_comes_once(sizes, seed):
    pairs = pairs_of(sizes)
    groups = bucket(pairs, BUDGET, random.Random(seed))
    assert sorted(i for group in groups for i in group) == list(range(len(pairs)))
    for group in groups:
        batch = collate([pairs[i] for i in group])
        assert 0 < batch.src.numel() <= BUDGET and 0 < batch.tgt.numel() <= BUDGET
        assert members(batch) == group


def test_every_epoch_has_every_pair_once_in_another_order():
    pairs = some_pairs()
    stream = batches(pairs, BUDGET, seed=3)
    orders = []
    for _ in range(3):
        seen: list[int] = []
        while len(seen) < len(pairs):
            seen += members(next(stream))
        assert sorted(seen) == list(range(len(pairs)))
        orders.append(seen)
    assert orders[0] != orders[1] != orders[2]


def test_the_same_seed_gives_the_same_batches():
    pairs = some_pairs()
    assert all(map(same, epoch(pairs, 1), epoch(pairs, 1)))
    assert not all(map(same, epoch(pairs, 1), epoch(pairs, 2)))


@pytest.mark.parametrize("start", [0, 1, 17, 49, 50, 51, 52, 53, 100, 137, 200])
def test_going_on_is_the_same_as_never_having_stopped(start):
    pairs = some_pairs()
    whole = list(itertools.islice(batches(pairs, BUDGET, seed=5), start + 60))
    resumed = list(itertools.islice(batches(pairs, BUDGET, seed=5, start=start), 60))
    assert all(map(same, whole[start:], resumed))


def test_sorting_saves_padding():
    pairs = some_pairs(500)

    def padding(groups) -> float:
        made = [collate(group) for group in groups]
        cells = sum(batch.src.numel() + batch.tgt.numel() for batch in made)
        return 1 - sum(len(s) + len(t) for s, t in pairs) / cells

    sorted_ = padding([[pairs[i] for i in group] for group in bucket(pairs, 500, random.Random(0))])
    size = len(pairs) // len(bucket(pairs, 500, random.Random(0)))
    unsorted = padding([pairs[i : i + size] for i in range(0, len(pairs), size)])
    assert sorted_ < 0.75 * unsorted, f"{sorted_:.0%} of padding, {unsorted:.0%} in the order given"


def test_few_batches_are_wasted():
    """No two neighbours in length could have been one batch: groups are filled as far as the budget allows."""
    pairs = pairs_of([(5, 5)] * 100)
    assert sorted(len(group) for group in bucket(pairs, BUDGET, random.Random(0))) == [4] + [12] * 8


def test_a_pair_over_the_budget_is_named():
    pairs = pairs_of([(3, 3), (3, BUDGET + 1), (2, 2)])
    with pytest.raises(ValueError, match=r"pair 1 has 61 tokens on one side, more than a batch may hold \(60\)"):
        bucket(pairs, BUDGET, random.Random(0))
    assert len(bucket(pairs_of([(BUDGET, 1)]), BUDGET, random.Random(0))) == 1


def test_padding():
    padded = pad([[7, 8, 2], [7], [9, 2]])
    assert padded.tolist() == [[7, 8, 2], [7, PAD_ID, PAD_ID], [9, 2, PAD_ID]]
    assert padded.dtype == torch.long


def test_target_tokens_are_counted_without_padding():
    batch = collate([([5, 2], [6, 6, 6, 2]), ([5, 5, 5, 5, 2], [2])])
    assert batch.tokens == 5
    moved = batch.to("meta")
    assert moved.src.device.type == moved.tgt.device.type == "meta"


def test_encoded_pairs_end_in_eos():
    tokenizer = train_tokenizer(["ein Hund sieht eine Katze", "a dog sees a cat"] * 20, 290)
    [(src, tgt)] = encode_pairs(tokenizer, ["a dog"], ["ein Hund"])
    assert src == tokenizer.encode("a dog") + [EOS_ID] and tgt == tokenizer.encode("ein Hund") + [EOS_ID]
    with pytest.raises(ValueError):
        encode_pairs(tokenizer, ["one", "two"], ["eins"])


def test_one_pass_is_every_pair_once_and_always_the_same():
    pairs = some_pairs()
    first, second = one_pass(pairs, BUDGET), one_pass(pairs, BUDGET)
    assert all(map(same, first, second)) and len(first) == len(second)
    assert sorted(i for batch in first for i in members(batch)) == list(range(len(pairs)))
