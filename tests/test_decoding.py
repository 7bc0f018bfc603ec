"""Decoding: against brute force, with and without a cache, alone and in batches."""

import itertools
import math
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from course_lib.attention import scaled_dot_product_attention
from course_lib.decoding import (
    CachedDecoder,
    PrefixDecoder,
    attend_step,
    beam_search,
    beam_search_batch,
    greedy_decode,
    length_penalty,
    translate,
    words_only,
)
from course_lib.masks import causal_mask
from course_lib.tokenizer import BOS_ID, EOS_ID, PAD_ID, train_tokenizer
from course_lib.transformer import Config, Transformer

TOLERANCE = {"atol": 1e-5, "rtol": 0.0}
SMALL = Config(N=2, d_model=16, d_ff=32, h=4, vocab=13, p_drop=0.0, max_len=40)


class Table:
    """A model that is a table: each prefix has its own random logits, in double precision, always the same.

    `eos` is added to the logit of EOS; -inf for one that never ends.
    """

    def __init__(self, vocab: int, seed: int, eos: float = 0.0, sharpness: float = 1.0) -> None:
        self.vocab, self.seed, self.eos, self.sharpness = vocab, seed, eos, sharpness
        self.calls: list[torch.Size] = []

    def log_p(self, prefix: tuple[int, ...]) -> torch.Tensor:
        generator = torch.Generator().manual_seed(random.Random(f"{self.seed}/{prefix}").getrandbits(40))
        logits = self.sharpness * torch.randn(self.vocab, generator=generator, dtype=torch.float64)
        logits[EOS_ID] += self.eos
        return logits.log_softmax(-1)

    def __call__(self, prefix: torch.Tensor) -> torch.Tensor:
        self.calls.append(prefix.shape)
        return torch.stack([self.log_p(tuple(row)) for row in prefix.tolist()])[:, None]


class Tables:
    """One table for each sentence, as a decoder of many rows; it remembers how many rows each call had."""

    def __init__(self, tables: list[Table]) -> None:
        self.rows, self.sizes = tables, []

    def __call__(self, prefix: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(prefix))
        return torch.cat([table(row[None]) for table, row in zip(self.rows, prefix, strict=True)])

    def select(self, rows: torch.Tensor) -> None:
        self.rows = [self.rows[i] for i in rows.tolist()]


def brute_force(table: Table, max_len: int, alpha: float) -> tuple[list[int], float]:
    """The best of all sequences there are, written apart from the library."""

    def score(ids: tuple[int, ...]) -> float:
        prefixes = ((BOS_ID, *ids[:i]) for i in range(len(ids)))
        log_p = sum(table.log_p(prefix)[token].item() for prefix, token in zip(prefixes, ids))
        return log_p / ((5 + len(ids)) / 6) ** alpha

    others = [token for token in range(table.vocab) if token != EOS_ID]
    ended = [(*ids, EOS_ID) for length in range(max_len) for ids in itertools.product(others, repeat=length)]
    unfinished = itertools.product(others, repeat=max_len)
    best = max(unfinished if table.eos == -math.inf else ended, key=score)
    return list(best), score(best)


# --- greedy ---


def test_greedy_takes_the_most_probable_token():
    tables = [Table(5, seed, eos=0.5) for seed in range(6)]
    out = greedy_decode(Tables(tables), 6, BOS_ID, EOS_ID, PAD_ID, max_len=8)
    for table, row in zip(tables, out.tolist(), strict=True):
        expected: list[int] = []
        while len(expected) < 8 and expected[-1:] != [EOS_ID]:
            expected.append(int(table.log_p((BOS_ID, *expected)).argmax()))
        assert row == expected + [PAD_ID] * (out.size(1) - len(expected))


def test_greedy_stops_when_all_have_ended():
    decoder = Tables([Table(5, seed, eos=100.0) for seed in range(3)])
    assert greedy_decode(decoder, 3, BOS_ID, EOS_ID, PAD_ID, 50).tolist() == [[EOS_ID]] * 3
    assert len(decoder.sizes) == 1


def test_greedy_respects_the_limit():
    decoder = Tables([Table(5, seed, eos=-math.inf) for seed in range(3)])
    out = greedy_decode(decoder, 3, BOS_ID, EOS_ID, PAD_ID, 7)
    assert out.shape == (3, 7) and not (out == EOS_ID).any() and len(decoder.sizes) == 7


def test_greedy_works_with_other_special_ids():
    def decoder(prefix):  # counts down from BOS = 9 to EOS = 6
        return torch.nn.functional.one_hot(prefix - 1, 10).float()

    assert greedy_decode(decoder, 2, 9, 6, 0, 10).tolist() == [[8, 7, 6]] * 2


# --- beam search ---


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0])
def test_the_length_penalty(alpha):
    assert length_penalty(1, alpha) == 1.0
    assert length_penalty(7, alpha) == pytest.approx(2.0**alpha)
    assert_close(length_penalty(torch.tensor([1, 7]), alpha), torch.tensor([1.0, 2.0**alpha]))


CASES = [
    (vocab, max_len, alpha, eos, seed)
    for (vocab, max_len), alpha, eos, seed in itertools.product(
        [(4, 4), (3, 5)], [0.0, 0.6, 1.5], [-3.0, 0.0, 2.0], [0, 1, 2]
    )
]


@pytest.mark.parametrize(("vocab", "max_len", "alpha", "eos", "seed"), CASES)
def test_an_exhaustive_beam_finds_the_best_of_all(vocab, max_len, alpha, eos, seed):
    """A beam that holds every hypothesis loses none; nor may stopping early, which brute force does not do."""
    table = Table(vocab, seed, eos, sharpness=2.0)
    everything = vocab * (vocab - 1) ** (max_len - 1)
    expected_ids, expected_score = brute_force(table, max_len, alpha)
    ids, score = beam_search(table, BOS_ID, EOS_ID, max_len, everything, alpha)
    assert ids == expected_ids and score == pytest.approx(expected_score, abs=1e-5)
    [batched] = beam_search_batch(Tables([table]), torch.tensor([max_len]), everything, alpha)
    assert batched == expected_ids


@pytest.mark.parametrize("alpha", [0.0, 0.6])
def test_an_impossible_end_is_no_end(alpha):
    table = Table(4, 0, eos=-math.inf, sharpness=2.0)
    assert beam_search(table, BOS_ID, EOS_ID, 4, 108, alpha)[0] == brute_force(table, 4, alpha)[0]


@pytest.mark.parametrize("alpha", [0.0, 0.6])
def test_an_exhaustive_batched_beam_finds_the_best_unfinished_one(alpha):
    table = Table(4, 0, eos=-math.inf, sharpness=2.0)
    expected, _ = brute_force(table, 4, alpha)
    assert beam_search_batch(Tables([table]), torch.tensor([4]), 108, alpha) == [expected]


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.5])
@pytest.mark.parametrize("beam_size", [1, 2, 4, 7])
def test_batched_beams_equal_single_ones(beam_size, alpha):
    tables = [Table(9, seed, eos=1.0 - 0.4 * (seed % 5), sharpness=2.0) for seed in range(24)]
    limits = torch.tensor([1 + seed % 9 for seed in range(24)])
    found = beam_search_batch(Tables(tables), limits, beam_size, alpha)
    for table, limit, ids in zip(tables, limits.tolist(), found, strict=True):
        expected, _ = beam_search(table, BOS_ID, EOS_ID, limit, beam_size, alpha)
        assert ids == expected
        assert 1 <= len(ids) <= limit and (ids[-1] == EOS_ID or len(ids) == limit)
        assert EOS_ID not in ids[:-1]


def test_a_beam_of_one_without_penalty_is_greedy():
    for seed in range(10):
        table = Table(9, seed, eos=1.0, sharpness=2.0)
        ids, _ = beam_search(table, BOS_ID, EOS_ID, 12, 1, 0.0)
        greedy = greedy_decode(table, 1, BOS_ID, EOS_ID, PAD_ID, 12)[0].tolist()
        assert ids == greedy


def test_the_score_belongs_to_the_ids():
    for seed in range(10):
        table = Table(9, seed, eos=0.5)
        ids, score = beam_search(table, BOS_ID, EOS_ID, 8, 3, 0.6)
        log_p = sum(table.log_p((BOS_ID, *ids[:i]))[token].item() for i, token in enumerate(ids))
        assert score == pytest.approx(log_p / ((5 + len(ids)) / 6) ** 0.6, abs=1e-5)


def never_early(table: Table, max_len: int, beam_size: int, alpha: float) -> list[int]:
    """A beam search that always goes on to the limit, in plain Python."""
    live, ended = [((BOS_ID,), 0.0)], []
    for length in range(1, max_len + 1):
        grown = [
            ((*ids, token), score + log_p)
            for ids, score in live
            for token, log_p in enumerate(table.log_p(ids).tolist())
        ]
        grown.sort(key=lambda pair: -pair[1])
        penalty = ((5 + length) / 6) ** alpha
        ended += [(ids, score / penalty) for ids, score in grown[:beam_size] if ids[-1] == EOS_ID]
        live = [pair for pair in grown if pair[0][-1] != EOS_ID][:beam_size]
    pool = ended or [(ids, score / ((5 + max_len) / 6) ** alpha) for ids, score in live]
    return list(max(pool, key=lambda pair: pair[1])[0][1:])


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.5])
def test_stopping_early_loses_nothing_and_saves_calls(alpha):
    tables = [Table(8, seed, eos=1.0, sharpness=2.5) for seed in range(20)]
    expected = [never_early(table, 15, 3, alpha) for table in tables]
    for table in tables:
        table.calls.clear()
    assert [beam_search(table, BOS_ID, EOS_ID, 15, 3, alpha)[0] for table in tables] == expected
    assert sum(len(table.calls) for table in tables) < 15 * len(tables)
    batch = Tables(tables)
    assert beam_search_batch(batch, torch.full((20,), 15), 3, alpha) == expected
    assert sum(batch.sizes) < 15 * 3 * len(tables)


def test_only_if_nothing_ended_do_the_unfinished_compete():
    """An ending that is very bad still beats every unfinished hypothesis."""

    def decoder(prefix):
        logits = torch.tensor([5.0, 0.0, -1.0, 1.0]).expand(len(prefix), 1, 4)  # EOS is the worst
        return logits

    assert beam_search(decoder, BOS_ID, EOS_ID, 3, 4, 0.0)[0] == [EOS_ID]
    ids, score = beam_search(decoder, BOS_ID, EOS_ID, 3, 2, 0.6)
    assert ids == [0, 0, 0]
    assert score == pytest.approx(3 * torch.tensor([5.0, 0.0, -1.0, 1.0]).log_softmax(-1)[0].item() / (8 / 6) ** 0.6)


def test_sentences_that_are_done_leave_the_batch():
    tables = [Table(6, 0, eos=50.0), Table(6, 1, eos=-math.inf), Table(6, 2, eos=-math.inf)]
    decoder = Tables(tables)
    found = beam_search_batch(decoder, torch.tensor([9, 3, 6]), 2, 0.6)
    assert [len(ids) for ids in found] == [1, 3, 6]
    assert decoder.sizes == [6, 4, 4, 2, 2, 2]


# --- the cache ---


@given(st.integers(0, 999), st.integers(1, 7))
def test_attention_step_by_step_equals_causal_attention(seed, n):
    generator = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(2, 3, n, 4, generator=generator) for _ in range(3))
    cache, outputs = None, []
    for t in range(n):
        out, cache = attend_step(*(x[:, :, t : t + 1] for x in (q, k, v)), cache)
        outputs.append(out)
    assert_close(torch.cat(outputs, 2), scaled_dot_product_attention(q, k, v, causal_mask(n))[0], **TOLERANCE)


def model_of(seed: int = 0, **changes) -> Transformer:
    torch.manual_seed(seed)
    model = Transformer(Config(**vars(SMALL) | changes)).eval()
    with torch.no_grad():  # an untrained model says the same again and again: shake it
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return model


def sources(n: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    src = torch.randint(3, 13, (n, 7), generator=generator)
    for row in range(n):
        src[row, 7 - row % 4 :] = PAD_ID
    return src


@pytest.mark.parametrize("changes", [{}, {"positions": "learned"}, {"d_k": 3, "d_v": 5}])
@torch.no_grad()
def test_the_cache_changes_no_logit(changes):
    model, src = model_of(**changes), sources()
    tgt_in = torch.randint(3, 13, (8, 9), generator=torch.Generator().manual_seed(1))
    whole = words_only(model(src, tgt_in))
    for decoder in (CachedDecoder(model, src), PrefixDecoder(model, src)):
        steps = torch.cat([decoder(tgt_in[:, : t + 1]) for t in range(9)], 1)
        assert_close(steps, whole, **TOLERANCE)


@pytest.mark.parametrize("seed", range(5))
@torch.no_grad()
def test_the_cache_changes_no_translation(seed):
    model, src = model_of(seed), sources()
    limits = (src != PAD_ID).sum(1) + 8
    greedy, beams = [], []
    for kind in (CachedDecoder, PrefixDecoder):
        greedy.append(greedy_decode(kind(model, src), 8, BOS_ID, EOS_ID, PAD_ID, 15).tolist())
        beams.append(beam_search_batch(kind(model, src), limits, 3, 0.6))
    assert greedy[0] == greedy[1] and beams[0] == beams[1]
    assert len({tuple(ids) for ids in beams[0]}) > 1, "the sentences are not all alike"
    for row, limit, ids in zip(src, limits.tolist(), beams[0], strict=True):

        def alone(prefix, row=row):
            return PrefixDecoder(model, row[row != PAD_ID].expand(len(prefix), -1))(prefix)

        assert ids == beam_search(alone, BOS_ID, EOS_ID, limit, 3, 0.6)[0], "and each is as if it were alone"


@torch.no_grad()
def test_rows_are_selected_with_all_that_belongs_to_them():
    model, src = model_of(), sources()
    tgt_in = torch.randint(3, 13, (8, 6), generator=torch.Generator().manual_seed(1))
    rows = torch.tensor([5, 0, 0, 7])
    for kind in (CachedDecoder, PrefixDecoder):
        decoder = kind(model, src)
        for t in range(3):
            decoder(tgt_in[:, : t + 1])
        decoder.select(rows)
        steps = [decoder(tgt_in[rows][:, : t + 1]) for t in range(3, 6)]
        assert_close(torch.cat(steps, 1), words_only(model(src, tgt_in))[rows][:, 3:], **TOLERANCE)


# --- translate ---

SENTENCES = ["a dog sees the cat", "the cat", "a a a a a a a dog", "", "the dog"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([sentence for sentence in SENTENCES if sentence] * 20, 280)


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    return Transformer(Config(N=1, d_model=16, d_ff=32, h=2, vocab=len(tokenizer), max_len=100))


@pytest.mark.parametrize("beam_size", [1, 3])
def test_translations_come_in_the_order_of_the_sentences(model, tokenizer, beam_size):
    together = translate(model, tokenizer, SENTENCES, beam_size)
    assert len(together) == len(SENTENCES)
    for batch_size in (1, 2):
        assert translate(model, tokenizer, SENTENCES, beam_size, batch_size=batch_size) == together
    assert translate(model, tokenizer, SENTENCES[::-1], beam_size) == together[::-1]
    assert translate(model, tokenizer, [], beam_size) == []


def test_translating_needs_no_gradient_and_no_dropout(model, tokenizer):
    model.train()
    once = translate(model, tokenizer, SENTENCES, 2)
    assert once == translate(model.train(), tokenizer, SENTENCES, 2)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("beam_size", [1, 2])
def test_no_output_is_longer_than_its_input_and_fifty(model, tokenizer, monkeypatch, beam_size):
    """Section 6.1, for each sentence by itself: a long neighbour in the batch gives nobody a higher limit."""
    lengths = []
    monkeypatch.setattr(tokenizer, "decode", lambda ids: lengths.append(sum(i != PAD_ID for i in ids)) or "")
    with torch.no_grad():
        model.embed.table.weight[EOS_ID] = 0.0
        model.embed.table.weight[4] *= 3  # loud, so that EOS is never said
    translate(model, tokenizer, ["the dog sees a cat " * 3, "a"], beam_size)
    limits = [len(tokenizer.encode(text)) + 1 + 50 for text in ("the dog sees a cat " * 3, "a")]
    assert lengths and all(length <= limit for length, limit in zip(lengths, limits, strict=True))


@pytest.mark.parametrize("beam_size", [1, 2])
def test_a_sentence_close_to_the_last_position_is_translated(model, tokenizer, beam_size):
    """Input + 50 may be more places than the model has: the output just ends earlier."""
    text = "the dog " * 30
    length = len(tokenizer.encode(text)) + 1
    assert 50 < length <= model.config.max_len < length + 50
    assert isinstance(translate(model, tokenizer, [text], beam_size)[0], str)
