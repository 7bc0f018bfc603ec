"""The embeddings: scaled by sqrt(d_model), and one matrix for three uses."""

import math

import torch
from torch.testing import assert_close

from course_lib.embeddings import Embeddings
from course_lib.transformer import Config, Transformer

SMALL = Config(N=1, d_model=16, d_ff=32, h=2, vocab=23, p_drop=0.0, max_len=20)


def test_rows_times_the_root_of_the_width():
    embed = Embeddings(10, 16)
    ids = torch.tensor([[3, 9, 3], [0, 1, 2]])
    assert_close(embed(ids), embed.table.weight[ids] * 4)
    assert embed(ids).shape == (2, 3, 16)


def test_rows_start_with_length_one():
    torch.manual_seed(0)
    for d_model in (16, 512):
        rows = Embeddings(2000, d_model).table.weight
        assert abs(rows.norm(dim=-1).mean() - 1) < 0.03 and abs(rows.mean()) < 0.01
        assert abs(rows.std() * math.sqrt(d_model) - 1) < 0.03


def test_the_gradient_reaches_the_rows_that_were_used():
    embed = Embeddings(10, 16)
    embed(torch.tensor([3, 3, 5])).sum().backward()
    assert_close(embed.table.weight.grad[[3, 5]], torch.stack([torch.full((16,), 8.0), torch.full((16,), 4.0)]))
    assert embed.table.weight.grad.count_nonzero() == 32


def test_one_matrix_for_source_target_and_output():
    torch.manual_seed(0)
    model = Transformer(SMALL).eval()
    assert sum(p.shape == (23, 16) for p in model.parameters()) == 1
    with_it, without = torch.tensor([[4, 7, 5]]), torch.tensor([[4, 8, 5]])
    tgt_with, tgt_without = torch.tensor([[1, 7, 6]]), torch.tensor([[1, 8, 6]])
    states = torch.randn(1, 3, 16)

    def uses() -> list[torch.Tensor]:
        memory = model.encode(without)
        return [
            model.encode(with_it),
            memory,
            model.decode(tgt_with, memory, without),
            model.decode(tgt_without, memory, without),
            model.logits(states),
        ]

    before = uses()
    with torch.no_grad():
        model.embed.table.weight[7] += 1.0
    after = uses()
    changed = [not torch.equal(one, two) for one, two in zip(before, after, strict=True)]
    assert changed == [True, False, True, False, True], (
        "source, target and logits follow row 7, and only where it is used"
    )
    differs = (before[4] != after[4]).any(1).squeeze(0)
    assert differs.nonzero().flatten().tolist() == [7]


def test_the_output_layer_is_the_matrix_without_its_scale():
    model = Transformer(SMALL)
    states = torch.randn(2, 3, 16)
    assert_close(model.logits(states), states @ model.embed.table.weight.T, atol=1e-5, rtol=0.0)
