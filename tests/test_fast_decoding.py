"""The fast searches find what the readable ones find."""

import threading
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from course_lib import decoding
from course_lib.batching import pad
from course_lib.fast import decoding as fast
from course_lib.fast.decoder import FastDecoder
from course_lib.tokenizer import EOS_ID, PAD_ID, train_tokenizer
from course_lib.transformer import Config, Transformer

CONFIG = Config(N=2, d_model=24, d_ff=40, h=3, vocab=300, p_drop=0.0, max_len=60)
TEXT = ["the old dog sleeps", "a cat", "she reads the long letter to the child", "no", "two red apples and a pear"] * 8


def model_of(config: Config = CONFIG) -> Transformer:
    """Random, but with opinions, or rounding would choose; and with strong layers, or it would repeat itself."""
    torch.manual_seed(0)
    model = Transformer(config).eval()
    with torch.no_grad():
        model.embed.table.weight.mul_(1.5)
        model.embed.table.weight[EOS_ID].mul_(2)
        for parameter in model.decoder.parameters():
            parameter.mul_(1 if parameter.dim() == 1 else 4)
    return model


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXT, 290)


@pytest.mark.parametrize("changes", [{}, {"positions": "learned"}, {"d_k": 5, "d_v": 7}, {"N": 1, "h": 8}])
@pytest.mark.parametrize("beam", [1, 2, 4])
@pytest.mark.parametrize("alpha", [0.0, 0.6])
def test_the_same_translations(tokenizer, changes, beam, alpha):
    model = model_of(replace(CONFIG, vocab=len(tokenizer), **changes))
    expected = decoding.translate(model, tokenizer, TEXT[:11], beam, alpha, batch_size=4)
    assert len(set(expected)) > 3
    assert fast.translate(model, tokenizer, TEXT[:11], beam, alpha, batch_size=4) == expected


def test_workers_change_nothing(tokenizer):
    model, threads = model_of(replace(CONFIG, vocab=len(tokenizer))), torch.get_num_threads()
    one = fast.translate(model, tokenizer, TEXT, 3, batch_size=4)
    assert fast.translate(model, tokenizer, TEXT, 3, batch_size=4, workers=3) == one
    assert torch.get_num_threads() == threads


def test_workers_work_at_the_same_time():
    meet = threading.Barrier(2, timeout=30)
    assert fast.run_all(lambda task: (meet.wait(), task)[1], [1, 2], workers=2) == [1, 2]


def test_nothing_to_translate(tokenizer):
    assert fast.translate(model_of(replace(CONFIG, vocab=len(tokenizer))), tokenizer, []) == []


def test_logits_step_by_step_and_after_a_selection():
    model = model_of()
    src = pad([[5, 6, 7, 8, EOS_ID], [9, 10, EOS_ID], [11, 12, 13, EOS_ID]])
    one, other = FastDecoder(model, src), decoding.CachedDecoder(model, src)
    prefix = torch.ones(3, 1, dtype=torch.long)
    with torch.inference_mode():
        for rows in ([0, 0, 1, 1, 2, 2], [1, 0, 2, 2, 5, 4], [2, 3, 1, 0], [2, 3], [1], *[[0]] * 15):
            got, expected = one(prefix), other(prefix)
            assert_close(got[..., : CONFIG.vocab], expected, atol=1e-4, rtol=0)
            assert (got[..., CONFIG.vocab :] == -torch.inf).all()
            chosen = torch.tensor(rows)
            one.select(chosen), other.select(chosen)
            prefix = torch.cat([prefix[chosen], expected[chosen, -1].argmax(-1, keepdim=True)], dim=1)


@pytest.mark.parametrize(("blocks", "k"), [(1, 1), (1, 8), (5, 1), (5, 8), (20, 8)])
def test_the_likeliest_words(blocks, k):
    torch.manual_seed(1)
    logits = torch.randn(6, blocks * fast.BLOCK)
    logits[0] = logits[0].sort().values  # all the largest in one block
    values, places = fast.likeliest(logits, k)
    expected = logits.topk(k)
    assert_close(values, expected.values)
    assert (places == expected.indices).all()


def test_continuations_are_those_of_the_readable_search():
    torch.manual_seed(2)
    beam = decoding.Beam(torch.arange(3), torch.randint(4, 90, (3, 4, 5)), -torch.rand(3, 4))
    logits = torch.randn(3, 4, 2 * fast.BLOCK)
    logits[..., 200:] = -torch.inf
    for one, other in zip(fast.extend(beam, logits), decoding.extend(beam, logits), strict=True):
        assert_close(one, other)


def test_what_has_ended_is_dropped():
    """Rows that still cost something, call by call: fewer and fewer."""
    model, sizes = model_of(), []
    src = pad([[i, *range(20, 20 + i), EOS_ID] for i in range(5, 21)])

    class Counting(FastDecoder):
        def __call__(self, prefix):
            sizes.append(len(prefix))
            logits = super().__call__(prefix)
            logits[: len(prefix) // 4, :, EOS_ID] = 1e4  # a quarter ends at each step
            return logits

    with torch.inference_mode():
        found = fast.greedy(Counting(model, src), torch.full((len(src),), 30))
    assert sizes[0] == 16 and sizes == sorted(sizes, reverse=True) and sizes[-1] <= 4
    assert all(ids[-1] == EOS_ID or len(ids) == 30 for ids in found) and not any(PAD_ID in ids for ids in found)
