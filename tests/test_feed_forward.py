"""The feed-forward network: equation 2, at each position alike."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from course_lib.feed_forward import PositionwiseFeedForward

TOLERANCE = {"atol": 1e-5, "rtol": 0.0}


def parts(dropout: float = 0.0) -> tuple[PositionwiseFeedForward, torch.Tensor]:
    torch.manual_seed(0)
    return PositionwiseFeedForward(8, 32, dropout), torch.randn(2, 5, 8, requires_grad=True)


def test_parity_with_torch():
    ours, x = parts()
    theirs = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 8))
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    mine, other = ours(x), theirs(x)
    assert_close(mine, other, **TOLERANCE)
    noise = torch.randn_like(mine)
    for one, two in zip(
        torch.autograd.grad((mine * noise).sum(), [x, *ours.parameters()]),
        torch.autograd.grad((other * noise).sum(), [x, *theirs.parameters()]),
        strict=True,
    ):
        assert_close(one, two, **TOLERANCE)


def test_it_is_two_convolutions_of_width_one():
    ours, x = parts()
    first, second = nn.Conv1d(8, 32, 1), nn.Conv1d(32, 8, 1)
    with torch.no_grad():
        for convolution, linear in ((first, ours.W_1), (second, ours.W_2)):
            convolution.weight.copy_(linear.weight[..., None])
            convolution.bias.copy_(linear.bias)
    assert_close(ours(x), second(first(x.transpose(1, 2)).relu()).transpose(1, 2), **TOLERANCE)


@given(position=st.integers(0, 4), seed=st.integers(0, 99))
def test_no_position_sees_another(position, seed):
    ours, x = parts()
    changed = x.detach().clone()
    changed[:, position] = torch.randn(8, generator=torch.Generator().manual_seed(seed))
    difference = (ours(x) != ours(changed)).any(-1)
    assert difference[:, position].all() and difference.sum() == 2


def test_dropout_comes_after_the_relu_and_in_training_only():
    ours, x = parts(dropout=1.0)
    assert_close(ours(x), ours.W_2.bias.expand_as(x)), "all hidden units dropped: only b_2 is left"
    undropped, _ = parts()
    assert torch.equal(ours.eval()(x), undropped(x))
    # a hidden unit is kept whole or dropped: with W_2 = identity, outputs are relu / (1 - p) or 0
    torch.manual_seed(0)
    square = PositionwiseFeedForward(64, 64, 0.25)
    with torch.no_grad():
        square.W_2.weight.copy_(torch.eye(64))
        square.W_2.bias.zero_()
    x = torch.randn(40, 64)
    hidden = square.W_1(x).relu()
    out = square(x)
    kept = out != 0
    assert_close(out[kept], hidden[kept] / 0.75)
    assert abs(kept.sum() / (hidden > 0).sum() - 0.75) < 0.05
