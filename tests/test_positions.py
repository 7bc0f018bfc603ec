"""Positional encodings, against the formula written a second time, with Python's own numbers."""

import math

import pytest
import torch
from torch.testing import assert_close

from course_lib.positions import LearnedPositionalEncoding, SinusoidalPositionalEncoding, sinusoids

BOTH = [SinusoidalPositionalEncoding, LearnedPositionalEncoding]


@pytest.mark.parametrize("d_model", [2, 6, 7, 64])
def test_the_formula(d_model):
    table = sinusoids(1001, d_model)
    assert table.shape == (1001, d_model) and table.dtype == torch.float32
    for position in (0, 1, 2, 50, 1000):
        for feature in range(d_model):
            angle = position / 10_000 ** (2 * (feature // 2) / d_model)
            expected = math.sin(angle) if feature % 2 == 0 else math.cos(angle)
            assert table[position, feature].item() == pytest.approx(expected, abs=1e-6)


def test_a_shift_is_a_rotation():
    """Section 3.5: PE[pos + k] is a linear function of PE[pos], the same one for every pos."""
    table = sinusoids(200, 32).double()
    for k in (1, 7, 50):
        solution = torch.linalg.lstsq(table[: 200 - k], table[k:]).solution
        assert_close(table[: 200 - k] @ solution, table[k:], atol=1e-4, rtol=0.0)


def test_sinusoids_are_added_and_not_trained():
    encoding = SinusoidalPositionalEncoding(16, 30)
    x = torch.randn(2, 5, 16)
    assert_close(encoding(x), x + sinusoids(5, 16))
    assert not list(encoding.parameters()) and not encoding.state_dict(), "nothing to train or to store"


def test_learned_vectors_are_added_and_trained():
    torch.manual_seed(0)
    encoding = LearnedPositionalEncoding(16, 300)
    x = torch.randn(2, 5, 16)
    assert_close(encoding(x), x + encoding.table[:5])
    encoding(x).sum().backward()
    assert (encoding.table.grad[:5] == 2).all() and (encoding.table.grad[5:] == 0).all()
    assert abs(encoding.table.norm(dim=-1).mean() / sinusoids(300, 16).norm(dim=-1).mean() - 1) < 0.05


@pytest.mark.parametrize("encoding", BOTH)
def test_too_long_an_input_is_told(encoding):
    assert encoding(16, 5)(torch.zeros(1, 5, 16)).shape == (1, 5, 16)
    with pytest.raises(ValueError, match="6 positions asked for, but the encoding has max_len = 5"):
        encoding(16, 5)(torch.zeros(1, 6, 16))


@pytest.mark.parametrize("encoding", BOTH)
def test_dropout_falls_on_the_sum(encoding):
    torch.manual_seed(0)
    module = encoding(64, 50, dropout=0.25)
    x = torch.randn(4, 50, 64)
    whole = module.eval()(x)
    dropped = module.train()(x)
    kept = dropped != 0
    assert_close(dropped[kept], whole[kept] / 0.75)
    assert abs(kept.float().mean() - 0.75) < 0.02
