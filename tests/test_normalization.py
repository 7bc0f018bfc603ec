"""Layer normalisation and the residual connection around it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from course_lib.normalization import LayerNorm, SublayerConnection

TOLERANCE = {"atol": 1e-5, "rtol": 0.0}


@pytest.mark.parametrize("eps", [1e-6, 1e-5, 0.5])
@pytest.mark.parametrize("shape", [(16,), (5, 16), (2, 3, 16)])
def test_parity_with_torch(shape, eps):
    torch.manual_seed(0)
    ours, theirs = LayerNorm(16, eps), nn.LayerNorm(16, eps)
    with torch.no_grad():
        for mine, other in ((ours.gain, theirs.weight), (ours.bias, theirs.bias)):
            other.copy_(mine.copy_(torch.randn(16)))
    x = (3 + 2 * torch.randn(shape)).requires_grad_()
    mine, other = ours(x), theirs(x)
    assert_close(mine, other, **TOLERANCE)
    noise = torch.randn(shape)
    for one, two in zip(
        torch.autograd.grad((mine * noise).sum(), [x, ours.gain, ours.bias]),
        torch.autograd.grad((other * noise).sum(), [x, theirs.weight, theirs.bias]),
        strict=True,
    ):
        assert_close(one, two, **TOLERANCE)


def test_it_starts_as_a_plain_normalisation():
    out = LayerNorm(64)(5 + 3 * torch.randn(10, 64, generator=torch.Generator().manual_seed(0)))
    assert_close(out.mean(-1), torch.zeros(10), **TOLERANCE)
    assert_close(out.var(-1, unbiased=False), torch.ones(10), atol=1e-4, rtol=0.0)


def test_a_constant_row_and_a_huge_row_stay_finite():
    x = torch.stack([torch.full((8,), 7.0), torch.zeros(8), 1e15 * torch.arange(8.0)]).requires_grad_()
    out = LayerNorm(8)(x)
    assert (out[:2] == 0).all() and out.isfinite().all()
    out.sum().backward()
    assert x.grad.isfinite().all()


@given(seed=st.integers(0, 999), scale=st.floats(0.5, 100), shift=st.floats(-100, 100))
def test_scale_and_shift_of_the_input_do_not_matter(seed, scale, shift):
    x = torch.randn(4, 32, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    norm = LayerNorm(32, eps=0.0).double()
    assert_close(norm(x * scale + shift), norm(x), atol=1e-8, rtol=0.0)


def test_the_connection_is_post_norm():
    torch.manual_seed(0)
    connection, x = SublayerConnection(16), torch.randn(2, 3, 16)
    sublayer = nn.Linear(16, 16)
    assert_close(connection(x, sublayer), nn.functional.layer_norm(x + sublayer(x), (16,)), **TOLERANCE)


def test_dropout_falls_on_the_sublayers_output_alone():
    torch.manual_seed(0)
    connection, x = SublayerConnection(64, dropout=0.25), torch.zeros(50, 64)
    connection.norm = nn.Identity()
    out = connection(x + 10, lambda x: torch.ones_like(x))
    assert_close(out.unique(), torch.tensor([10.0, 10 + 1 / 0.75])), "x is never dropped, what is kept grows"
    assert abs((out == 10).float().mean() - 0.25) < 0.03
    assert (connection.eval()(x + 10, lambda x: torch.ones_like(x)) == 11).all()
