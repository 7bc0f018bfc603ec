"""Attention: equal to PyTorch's own, forwards and backwards; nothing looks where it may not."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from course_lib.attention import (
    MultiHeadAttention,
    additive_attention,
    masked_softmax,
    scaled_dot_product_attention,
)
from course_lib.masks import causal_mask, padding_mask

TOLERANCE = {"atol": 1e-5, "rtol": 0.0}
LENGTHS = torch.tensor([7, 4, 1])


def padding(n: int) -> torch.Tensor:
    """(3, 1, 1, n): the first LENGTHS keys of each sentence are real."""
    return (torch.arange(n) < LENGTHS[:, None])[:, None, None, :]


MASKS = {
    "none": None,
    "padded": padding(7),
    "causal": causal_mask(7),
    "causal and padded": causal_mask(7) & padding(7),
    "a mask for each head": torch.rand(3, 4, 7, 7, generator=torch.Generator().manual_seed(1)) > 0.3,
}


def leaves(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(shape, requires_grad=True) for shape in shapes]


def gradients(out: torch.Tensor, *wanted: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The gradients of a loss that treats every place of the output differently."""
    torch.manual_seed(1)
    return torch.autograd.grad((out * torch.randn(out.shape)).sum(), wanted)


# --- scaled dot-product attention ---


def test_equation_1_word_by_word():
    q, k, v = leaves((2, 3, 4), (2, 5, 4), (2, 5, 6))
    out, weights = scaled_dot_product_attention(q, k, v)
    for b in range(2):
        for i in range(3):
            scores = [sum(q[b, i, d] * k[b, j, d] for d in range(4)).item() / 2.0 for j in range(5)]
            total = sum(map(math.exp, scores))
            for j in range(5):
                assert weights[b, i, j].item() == pytest.approx(math.exp(scores[j]) / total, abs=1e-6)
            for d in range(6):
                mixed = sum(weights[b, i, j].item() * v[b, j, d].item() for j in range(5))
                assert out[b, i, d].item() == pytest.approx(mixed, abs=1e-5)


@pytest.mark.parametrize("name", MASKS)
def test_parity_with_torch(name):
    mask = MASKS[name]
    q, k, v = leaves((3, 4, 7, 8), (3, 4, 7, 8), (3, 4, 7, 5))
    out, weights = scaled_dot_product_attention(q, k, v, mask)
    theirs = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    assert_close(out, theirs, **TOLERANCE)
    for mine, other in zip(gradients(out, q, k, v), gradients(theirs, q, k, v), strict=True):
        assert_close(mine, other, **TOLERANCE)
    if mask is not None:
        assert (weights.masked_select(~mask.expand_as(weights)) == 0).all(), "exactly zero where the mask forbids"


def test_rows_with_no_permitted_key_give_zeros_and_finite_gradients():
    mask = torch.ones(3, 4, 7, 7, dtype=torch.bool)
    mask[0, :, 2] = False
    mask[1] = False
    q, k, v = leaves((3, 4, 7, 8), (3, 4, 7, 8), (3, 4, 7, 8))
    out, weights = scaled_dot_product_attention(q, k, v, mask)
    assert (out[0, :, 2] == 0).all() and (out[1] == 0).all() and (weights[1] == 0).all()
    assert_close(out, F.scaled_dot_product_attention(q, k, v, attn_mask=mask), **TOLERANCE)
    for gradient in gradients(out, q, k, v):
        assert gradient.isfinite().all()
        assert (gradient[1] == 0).all()


@pytest.mark.parametrize("size", [1e-6, 1.0, 100.0, 1e6])
def test_no_score_is_too_large(size):
    scores = torch.tensor([[1.0, -1.0, 0.5]]) * size
    weights = masked_softmax(scores, torch.tensor([[True, True, False]]))
    assert weights.isfinite().all() and weights[0, 2] == 0
    assert weights.sum().item() == pytest.approx(1.0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions_mask_exactly(dtype):
    q, k, v = (x.detach().to(dtype) for x in leaves((2, 3, 4), (2, 3, 4), (2, 3, 4)))
    out, weights = scaled_dot_product_attention(q, k, v, causal_mask(3))
    assert out.dtype == dtype and (weights.triu(1) == 0).all()


def test_the_weights_returned_are_those_that_were_used():
    q, k, v = leaves((2, 3, 4), (2, 5, 4), (2, 5, 6))
    torch.manual_seed(3)
    out, weights = scaled_dot_product_attention(q, k, v, dropout=nn.Dropout(0.5))
    assert (weights == 0).any()
    assert_close(out, weights @ v)


@given(seed=st.integers(0, 999), t=st.integers(1, 6), data=st.data())
def test_a_forbidden_key_changes_nothing(seed, t, data):
    """Whatever a forbidden key and its value become, not one bit of the output moves."""
    generator = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(2, t, 4, generator=generator) for _ in range(3))
    hidden = data.draw(st.integers(0, t - 1))
    mask = torch.ones(t, dtype=torch.bool)
    mask[hidden] = False
    before, _ = scaled_dot_product_attention(q, k, v, mask)
    k[:, hidden], v[:, hidden] = data.draw(st.sampled_from([0.0, 1e3, -1e30])), 1e6
    after, _ = scaled_dot_product_attention(q, k, v, mask)
    assert torch.equal(before, after)


@given(seed=st.integers(0, 999))
def test_the_order_of_the_keys_does_not_matter(seed):
    generator = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(2, 6, 4, generator=generator) for _ in range(3))
    order = torch.randperm(6, generator=generator)
    shuffled, weights = scaled_dot_product_attention(q, k[:, order], v[:, order])
    out, straight = scaled_dot_product_attention(q, k, v)
    assert_close(out, shuffled, **TOLERANCE)
    assert_close(straight[..., order], weights, **TOLERANCE)


# --- additive attention ---


def test_additive_attention_word_by_word():
    q, k, v, W_q, W_k, w_v = leaves((2, 3, 4), (2, 5, 6), (2, 5, 7), (8, 4), (8, 6), (8,))
    mask = torch.tensor([True, True, False, True, True])
    out, weights = additive_attention(q, k, v, W_q, W_k, w_v, mask)
    assert out.shape == (2, 3, 7) and weights.shape == (2, 3, 5)
    for b in range(2):
        for i in range(3):
            scores = torch.stack([w_v @ torch.tanh(W_q @ q[b, i] + W_k @ k[b, j]) for j in (0, 1, 3, 4)])
            assert_close(weights[b, i, [0, 1, 3, 4]], scores.softmax(0), **TOLERANCE)
            assert weights[b, i, 2] == 0
    assert_close(out, weights @ v)


def test_additive_attention_learns():
    parts = leaves((2, 3, 4), (2, 5, 6), (2, 5, 7), (8, 4), (8, 6), (8,))
    out, _ = additive_attention(*parts)
    assert all(gradient.abs().sum() > 0 for gradient in gradients(out, *parts))


# --- multi-head attention ---


def torch_and_ours(d_model: int = 16, h: int = 4) -> tuple[nn.MultiheadAttention, MultiHeadAttention]:
    """The same weights in both."""
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(d_model, h, bias=False, batch_first=True)
    ours = MultiHeadAttention(d_model, h)
    with torch.no_grad():
        for linear, rows in zip((ours.W_Q, ours.W_K, ours.W_V), theirs.in_proj_weight.chunk(3), strict=True):
            linear.weight.copy_(rows)
        ours.W_O.weight.copy_(theirs.out_proj.weight)
    return theirs, ours


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("case", ["plain", "padded", "causal", "causal and padded", "cross"])
def test_multi_head_parity_with_torch(case, training):
    theirs, ours = torch_and_ours()
    theirs.train(training)
    ours.train(training)
    query, key = leaves((3, 5 if case == "cross" else 7, 16), (3, 7, 16))
    key = key if case == "cross" else query
    padded, causal = case in ("padded", "causal and padded", "cross"), "causal" in case
    mask = torch.ones(1, 1, 1, 7, dtype=torch.bool)
    if padded:
        mask = mask & padding(7)
    if causal:
        mask = mask & causal_mask(7)
    mine = ours(query, key, key, mask)
    other, _ = theirs(
        query,
        key,
        key,
        key_padding_mask=~padding(7)[:, 0, 0] if padded else None,
        attn_mask=~causal_mask(7) if causal else None,
    )
    assert_close(mine, other, **TOLERANCE)

    inputs = [query] if key is query else [query, key]
    our_gradients = gradients(mine, *inputs, *(W.weight for W in (ours.W_Q, ours.W_K, ours.W_V, ours.W_O)))
    *of_inputs, of_projections, of_output = gradients(other, *inputs, theirs.in_proj_weight, theirs.out_proj.weight)
    their_gradients = [*of_inputs, *of_projections.chunk(3), of_output]
    for mine, other in zip(our_gradients, their_gradients, strict=True):
        assert_close(mine, other, **TOLERANCE)


def test_multi_head_rows_with_no_permitted_key():
    _, ours = torch_and_ours()
    (x,) = leaves((3, 7, 16))
    mask = torch.ones(3, 1, 7, 7, dtype=torch.bool)
    mask[1] = False
    out = ours(x, x, x, mask)
    assert (out[1] == 0).all() and (out[0] != 0).any()
    assert all(gradient.isfinite().all() for gradient in gradients(out, x, *ours.parameters()))


def test_each_head_is_one_attention_of_its_own():
    """Section 3.2.2: head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V), side by side, times W^O."""
    _, ours = torch_and_ours()
    query, key = leaves((2, 3, 16), (2, 5, 16))
    heads = []
    for i in range(4):
        part = slice(4 * i, 4 * i + 4)
        q, k, v = (x @ W.weight[part].T for x, W in ((query, ours.W_Q), (key, ours.W_K), (key, ours.W_V)))  # (2, T, 4)
        heads.append(((q @ k.transpose(1, 2)) / 2).softmax(-1) @ v)
    assert_close(ours(query, key, key), torch.cat(heads, -1) @ ours.W_O.weight.T, **TOLERANCE)


@pytest.mark.parametrize(("d_k", "d_v"), [(None, None), (3, None), (None, 5), (3, 5)])
def test_heads_of_other_widths(d_k, d_v):
    attention = MultiHeadAttention(16, 4, d_k=d_k, d_v=d_v)
    x = torch.randn(2, 3, 16)
    assert attention(x, x, x).shape == x.shape
    widths = 4 * (d_k or 4), 4 * (d_v or 4)
    assert sum(p.numel() for p in attention.parameters()) == 16 * 2 * sum(widths)


def test_heads_that_do_not_divide_the_width():
    with pytest.raises(ValueError, match="d_model = 10 cannot be split evenly into h = 3 heads"):
        MultiHeadAttention(10, 3)
    assert MultiHeadAttention(10, 3, d_k=4, d_v=4)(*[torch.randn(1, 2, 10)] * 3).shape == (1, 2, 10)


def test_dropout_falls_on_the_weights_in_training_only():
    torch.manual_seed(0)
    attention = MultiHeadAttention(16, 4, dropout=0.5)
    x = torch.randn(2, 30, 16)
    assert not torch.equal(attention(x, x, x), attention(x, x, x))
    attention.eval()
    assert torch.equal(attention(x, x, x), attention(x, x, x))
    attention.train()
    attention.dropout.p = 1.0
    assert (attention(x, x, x) == 0).all(), "all weights dropped: nothing is mixed"


def test_padding_mask_and_causal_mask_fit_every_shape():
    x = torch.randn(2, 4, 16)
    mask = padding_mask(torch.tensor([[5, 6, 7, 0], [5, 0, 0, 0]]), 0) & causal_mask(4)
    assert MultiHeadAttention(16, 4)(x, x, x, mask).shape == x.shape
