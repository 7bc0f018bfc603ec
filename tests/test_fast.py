"""The fast paths compute what the readable functions do."""

from dataclasses import replace

import pytest
import torch

from course_lib.batching import Batch
from course_lib.fast import choice, output
from course_lib.fast.add_norm import AddNorm
from course_lib.fast.attention import CrossAttention, SelfAttention
from course_lib.fast.choice import bf16_is_faster, pick_loss
from course_lib.fast.dropout import dropout, keep_mask
from course_lib.fast.packing import Places
from course_lib.fast.training import FastLoss, additive
from course_lib.training import smoothed_loss
from course_lib.transformer import PRESETS, Config, Transformer

TINY = Config(N=2, d_model=24, d_ff=40, h=3, vocab=50, p_drop=0.0)


def model_of(config: Config = TINY) -> Transformer:
    torch.manual_seed(0)
    model = Transformer(config)
    with torch.no_grad():
        for parameter in model.parameters():  # gains and biases too, so that none is 1 or 0 by chance
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def batch() -> Batch:
    src = torch.tensor([[5, 6, 7, 8, 2], [9, 10, 2, 0, 0], [11, 2, 0, 0, 0]])
    tgt = torch.tensor([[12, 13, 2, 0], [14, 15, 16, 2], [2, 0, 0, 0]])
    return Batch(src, tgt)


@pytest.mark.parametrize(
    "changes", [{}, {"eps_ls": 0.0}, {"eps_ls": 0.3}, {"positions": "learned"}, {"d_k": 5, "d_v": 7}, {"N": 1, "h": 8}]
)
@pytest.mark.parametrize("chunk", [1, 3, 1024])
def test_loss_and_gradients_are_those_of_the_readable_path(changes, chunk, monkeypatch):
    monkeypatch.setattr(output, "CHUNK", chunk)
    model = model_of(replace(TINY, **changes))
    parameters = list(model.parameters())
    plain, quick = smoothed_loss(model, batch()), FastLoss()(model, batch())
    torch.testing.assert_close(quick, plain, rtol=0, atol=1e-5)
    expected = torch.autograd.grad(plain, parameters)
    for one, other in zip(expected, torch.autograd.grad(3 * quick, parameters), strict=True):
        torch.testing.assert_close(other / 3, one, rtol=0, atol=1e-5)


# --- the functions with a gradient of their own, in double precision ---


def doubles(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    torch.manual_seed(4)
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


def test_the_gradient_of_self_attention():
    [qkv] = doubles((2, 5, 3 * (4 + 4 + 2)))
    mask = additive(torch.rand(2, 1, 5, 5) < 0.7, torch.float64)
    assert torch.autograd.gradcheck(lambda x: SelfAttention.apply(x, mask, 3, 4), [qkv])


def test_the_gradient_of_cross_attention():
    inputs = doubles((2, 3, 12), (2, 5, 3 * (4 + 2)))
    mask = additive(torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)[:, None, None], torch.float64)
    assert torch.autograd.gradcheck(lambda q, kv: CrossAttention.apply(q, kv, mask, 3), inputs)


@pytest.mark.parametrize("p", [0.0, 0.4])
def test_the_gradient_of_dropout_sum_and_norm(p):
    def with_one_draw(*tensors: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(5)
        return AddNorm.apply(*tensors, 1e-5, p)

    assert torch.autograd.gradcheck(with_one_draw, doubles((3, 7), (3, 7), (7,), (7,)))


def test_packing_and_its_gradient():
    ids = torch.tensor([[5, 6, 0, 0], [7, 0, 0, 0], [8, 9, 10, 11]])
    places = Places.of(ids, pad_id=0)
    assert places.pack(ids).tolist() == [5, 6, 7, 8, 9, 10, 11]
    there = (ids != 0)[:, :, None]
    assert (places.unpack(places.pack(ids)) == ids)[there[:, :, 0]].all()
    [x] = doubles((3, 4, 2))
    [rows] = doubles((7, 2))
    assert torch.autograd.gradcheck(places.pack, [x])
    assert torch.autograd.gradcheck(lambda rows: places.unpack(rows) * there, [rows])


def test_a_batch_without_padding_is_not_copied():
    ids = torch.tensor([[5, 6], [7, 8]])
    places, x = Places.of(ids, pad_id=0), torch.randn(2, 2, 3)
    assert places.full and places.pack(x).data_ptr() == x.data_ptr()


# --- precision, dropout, choice ---


def test_bfloat16_is_near():
    model = model_of()
    plain, quick = smoothed_loss(model, batch()), FastLoss(torch.bfloat16)(model, batch())
    assert quick.dtype == torch.float32
    assert abs((plain - quick).item()) < 0.02 * plain.item()
    one, other = (
        torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))]) for loss in (plain, quick)
    )
    assert torch.cosine_similarity(one, other, dim=0) > 0.99


def test_dropout_keeps_the_mean_and_drops_its_share():
    torch.manual_seed(1)
    for p in (0.1, 0.3, 0.5):
        out = dropout(torch.ones(1000, 1001), p, training=True)
        rounded = round(256 * p) / 256
        assert abs(float((out == 0).float().mean()) - rounded) < 2e-3 and abs(rounded - p) < 2e-3
        assert abs(float(out.mean()) - 1) < 5e-3
        assert abs(float(out.var()) - rounded / (1 - rounded)) < 1e-2
        assert len(out.unique()) == 2


def test_dropout_drops_each_entry_by_itself():
    """Neighbours share the 64-bit number they are drawn from, and must not share their fate."""
    torch.manual_seed(2)
    dropped = (keep_mask(torch.Size([100_000, 8]), 0.3, torch.float32) == 0).float()
    correlation = torch.corrcoef(dropped.T) - torch.eye(8)
    assert correlation.abs().max() < 0.02


def test_dropout_does_nothing_when_it_should_not():
    x = torch.randn(5, 7)
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0, training=True) is x
    assert keep_mask(torch.Size([3, 5]), 0.2, torch.bfloat16).dtype == torch.bfloat16


def test_dropout_is_where_the_paper_has_it():
    """With dropout on, the two paths drop with the same strength: their mean losses agree over many draws."""
    model = model_of(replace(TINY, p_drop=0.25)).train()
    losses = []
    for loss in (smoothed_loss, FastLoss()):
        torch.manual_seed(3)
        with torch.no_grad():
            draws = torch.stack([loss(model, batch()) for _ in range(400)])
        losses.append((float(draws.mean()), float(draws.std())))
    (plain, spread), (quick, quick_spread) = losses
    assert abs(plain - quick) < 5 * spread / 400**0.5
    assert 0.7 < quick_spread / spread < 1.4


def test_the_choice_is_made_and_said(monkeypatch):
    model = Transformer(replace(PRESETS["tiny"], vocab=300))
    for faster, precision, word in ((True, torch.bfloat16, "bfloat16"), (False, torch.float32, "float32")):
        monkeypatch.setattr(choice, "bf16_is_faster", lambda device, faster=faster: faster)
        loss, line = pick_loss(model, torch.device("cpu"))
        assert isinstance(loss, FastLoss) and loss.precision == precision and word in line


def test_the_probe_follows_the_clock(monkeypatch):
    for bf16, fp32, expected in ((1.0, 2.0, True), (2.0, 1.0, False), (100.0, 1.0, False)):
        seconds = {torch.bfloat16: bf16, torch.float32: fp32}
        monkeypatch.setattr(choice, "seconds_of_product", lambda dtype, device, size, s=seconds: s[dtype])
        assert bf16_is_faster(torch.device("cpu")) is expected


def test_a_model_of_other_parts_gets_the_plain_loss():
    class Mine(Transformer):
        """A learner's."""

    loss, line = pick_loss(Mine(replace(PRESETS["tiny"], vocab=300)), torch.device("cpu"))
    assert loss is smoothed_loss and "plain" in line
