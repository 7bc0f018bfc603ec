"""Loss, schedule, optimiser."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from course_lib.batching import Batch, collate
from course_lib.tokenizer import PAD_ID
from course_lib.training import (
    PAPER,
    RECIPES,
    Recipe,
    Trainer,
    average,
    deviations,
    label_smoothing_loss,
    noam_lr,
    recipe_for,
    smoothed_loss,
    validation_loss,
)
from course_lib.transformer import Config, Transformer, shift_right

TOLERANCE = {"atol": 1e-5, "rtol": 0.0}
SMALL = Config(N=1, d_model=16, d_ff=32, h=2, vocab=12, p_drop=0.0, max_len=20)
FAST = Recipe(max_tokens=100, warmup=10, peak_lr=3e-3)


def model_of(seed: int = 0, config: Config = SMALL) -> Transformer:
    torch.manual_seed(seed)
    return Transformer(config)


def copy_task() -> Batch:
    """Say again what was said: EOS (2) at the end."""
    rows = torch.randint(3, 12, (16, 4), generator=torch.Generator().manual_seed(0)).tolist()
    return collate([([*row, 2], [*row, 2]) for row in rows])


# --- the loss ---


@pytest.mark.parametrize("eps", [0.0, 0.1, 0.9])
def test_label_smoothing_parity_with_torch(eps):
    torch.manual_seed(0)
    logits = (3 * torch.randn(3, 5, 11)).requires_grad_()
    target = torch.randint(1, 11, (3, 5))
    target[0, 3:] = target[1, 1:] = 0
    mine = label_smoothing_loss(logits, target, 0, eps)
    other = F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=0, label_smoothing=eps)
    assert_close(mine, other, **TOLERANCE)
    one, two = (torch.autograd.grad(loss, logits)[0] for loss in (mine, other))
    assert_close(one, two, **TOLERANCE)
    assert (one[0, 3:] == 0).all() and (one[1, 1:] == 0).all(), "padding teaches nothing"


@given(st.integers(0, 999), st.sampled_from([0.0, 0.1, 0.4]))
def test_the_loss_by_hand(seed, eps):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, 5, generator=generator, dtype=torch.float64)
    target = torch.tensor([[4, 1, 3], [2, 0, 0]])
    total = 0.0
    for b, t in ((0, 0), (0, 1), (0, 2), (1, 0)):
        log_p = logits[b, t].log_softmax(-1).tolist()
        for token, value in enumerate(log_p):
            total -= ((1 - eps) * (token == target[b, t]) + eps / 5) * value
    assert label_smoothing_loss(logits, target, 0, eps).item() == pytest.approx(total / 4)


def test_the_best_prediction_is_the_smoothed_target():
    """The loss is smallest, and its gradient zero, where the model says (1 - eps) one-hot + eps / V."""
    wanted = torch.full((1, 1, 5), 0.1 / 5)
    wanted[0, 0, 3] += 0.9
    logits = wanted.log().requires_grad_()
    loss = label_smoothing_loss(logits, torch.tensor([[3]]), 0, 0.1)
    assert_close(loss, -(wanted * wanted.log()).sum())
    assert torch.autograd.grad(loss, logits)[0].abs().max() < 1e-6


def test_the_models_own_smoothing_is_used():
    batch = copy_task()
    for eps in (0.0, 0.2):
        model = model_of(config=replace(SMALL, eps_ls=eps))
        logits = model(batch.src, shift_right(batch.tgt, 1))
        assert_close(smoothed_loss(model, batch), label_smoothing_loss(logits, batch.tgt, PAD_ID, eps))


# --- the learning rate ---


def test_the_schedule_of_the_paper():
    assert noam_lr(4000, 512, 4000) == pytest.approx(6.987712e-4, rel=1e-6)
    assert noam_lr(1, 512, 4000) == pytest.approx(6.987712e-4 / 4000, rel=1e-6)
    assert noam_lr(16_000, 512, 4000) == pytest.approx(6.987712e-4 / 2, rel=1e-6)
    rates = [noam_lr(step, 512, 4000) for step in range(1, 12_000)]
    assert max(rates) == rates[3999]
    assert rates[:4000] == sorted(rates[:4000]) and rates[3999:] == sorted(rates[3999:], reverse=True)


def test_the_paper_recipe_follows_it():
    assert RECIPES["paper"] == PAPER == Recipe()
    assert (PAPER.betas, PAPER.eps, PAPER.max_tokens, PAPER.warmup) == ((0.9, 0.98), 1e-9, 25_000, 4000)
    for step, progress in ((1, 0.0), (4000, 0.5), (100_000, 1.0)):
        assert PAPER.learning_rate(step, progress, 512) == noam_lr(step, 512, 4000)


def test_the_quick_recipe_goes_up_stays_and_falls():
    quick = Recipe(peak_lr=1e-3, warmup=400, decay_from=0.4)
    assert quick.learning_rate(1, 0.0, 256) == pytest.approx(1e-3 / 400)
    assert quick.learning_rate(200, 0.1, 256) == pytest.approx(5e-4)
    assert quick.learning_rate(400, 0.2, 256) == quick.learning_rate(3000, 0.4, 512) == pytest.approx(1e-3)
    assert quick.learning_rate(3000, 0.7, 256) == pytest.approx(5e-4)
    assert quick.learning_rate(5000, 1.0, 256) == pytest.approx(0.0)


def test_the_quick_recipe_has_all_three():
    quick = RECIPES["quick"]
    early, middle, late = (quick.learning_rate(step, at, 128) for step, at in ((10, 0.01), (400, 0.1), (2000, 0.9)))
    assert 0 < early < late < middle == quick.peak_lr


def test_a_wider_model_makes_smaller_steps():
    quick = recipe_for("quick", 96)
    assert quick == RECIPES["quick"]
    wide = recipe_for("quick", 384)
    assert wide.max_tokens == quick.max_tokens and wide.peak_lr == pytest.approx(quick.peak_lr / 4)
    assert recipe_for("paper", 512) == recipe_for("paper", 128) == RECIPES["paper"]


def test_a_recipe_that_never_falls():
    constant = Recipe(peak_lr=1e-3, warmup=10)
    assert constant.learning_rate(10, 1.0, 16) == constant.learning_rate(999, 0.3, 16) == 1e-3


def test_the_rate_is_never_negative():
    """A run of so many minutes ends after a whole step, so that progress may be a little more than 1."""
    assert RECIPES["quick"].learning_rate(5000, 1.01, 256) == 0.0


# --- what deviates is said ---


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"max_tokens": 2048}, ["2,048", "25,000", "5.1"]),
        ({"peak_lr": 1e-3, "warmup": 400, "decay_from": 0.4}, ["0.001", "400 steps", "40%", "5.3"]),
        ({"ema": 0.998}, ["0.998", "last checkpoints", "6.1"]),
        ({"warmup": 8000}, ["8,000", "5.3"]),
        ({"betas": (0.9, 0.999)}, ["0.999", "5.3"]),
        ({"eps": 1e-8}, ["1e-08", "5.3"]),
        ({"averaged_checkpoints": 20}, ["20", "6.1"]),
    ],
)
def test_each_deviation_is_said(change, words):
    said = "\n".join(deviations(Recipe(**change)))
    assert all(word in said for word in words), said


def test_deviations_of_the_recipes():
    assert deviations(PAPER) == []
    assert len(deviations(RECIPES["quick"])) == 3


# --- the trainer ---


def test_the_loss_falls():
    trainer, batch = Trainer(model_of(config=replace(SMALL, eps_ls=0.0)), FAST), copy_task()
    losses = [trainer.step(batch).item() for _ in range(150)]
    assert abs(losses[0] - math.log(12)) < 1.5
    assert losses[-1] < 0.3 * losses[0]
    assert not trainer.step(batch).requires_grad


def test_a_step_is_adams():
    """The same as torch's own loop over the paper's Adam, with the schedule's rates."""
    recipe, batch = Recipe(max_tokens=100, warmup=5), copy_task()
    trainer, twin = Trainer(model_of(), recipe), model_of()
    adam = torch.optim.Adam(twin.parameters(), betas=(0.9, 0.98), eps=1e-9)
    for step in range(1, 8):
        for group in adam.param_groups:
            group["lr"] = 16**-0.5 * min(step**-0.5, step * 5**-1.5)
        adam.zero_grad()
        smoothed_loss(twin, batch).backward()
        adam.step()
        trainer.step(batch)
        assert trainer.steps == step
    for mine, other in zip(trainer.model.parameters(), twin.parameters(), strict=True):
        assert_close(mine, other, atol=1e-4, rtol=0.0)


def test_the_rate_in_use_is_the_recipes():
    trainer, batch = Trainer(model_of(), replace(FAST, decay_from=0.5)), copy_task()
    for progress, rate in ((0.0, 3e-4), (0.1, 6e-4), (0.75, 4.5e-4), (1.0, 0.0)):
        trainer.step(batch, progress)
        assert [group["lr"] for group in trainer.optimizer.param_groups] == [pytest.approx(rate)]


def test_at_rate_zero_nothing_moves():
    trainer, batch = Trainer(model_of(), replace(FAST, decay_from=0.5)), copy_task()
    before = [p.detach().clone() for p in trainer.model.parameters()]
    trainer.step(batch, progress=1.0)
    assert all(map(torch.equal, before, trainer.model.parameters()))


def test_the_running_mean_of_the_weights():
    trainer, batch = Trainer(model_of(), replace(FAST, peak_lr=0.1, ema=0.55)), copy_task()
    expected = [p.detach().clone() for p in trainer.model.parameters()]
    for step in range(1, 15):
        trainer.step(batch)
        decay = min(0.55, (1 + step) / (10 + step))
        expected = [decay * m + (1 - decay) * p for m, p in zip(expected, trainer.model.parameters(), strict=True)]
    averaged = trainer.averaged_weights()
    assert list(averaged) == [name for name, _ in trainer.model.named_parameters()]
    for mean, mine in zip(expected, averaged.values(), strict=True):
        assert_close(mine, mean.detach(), **TOLERANCE)
    twin = model_of(seed=1)
    twin.load_state_dict(averaged)
    assert not torch.equal(next(twin.parameters()), next(trainer.model.parameters())), "the mean is another model"


def test_without_a_running_mean_the_weights_themselves():
    trainer = Trainer(model_of(), FAST)
    trainer.step(copy_task())
    for name, parameter in trainer.model.named_parameters():
        assert torch.equal(trainer.averaged_weights()[name], parameter)


def test_another_loss_can_be_plugged_in():
    seen = []

    def loss(model, batch):
        seen.append(batch)
        return smoothed_loss(model, batch) * 0 + model.embed.table.weight.square().sum()

    trainer, batch = Trainer(model_of(), FAST, loss), copy_task()
    before = trainer.model.embed.table.weight.norm().item()
    for _ in range(20):
        trainer.step(batch)
    assert len(seen) == 20 and trainer.model.embed.table.weight.norm().item() < before


# --- checkpoints' mean, validation ---


def test_the_mean_of_checkpoints():
    states = [model_of(seed).state_dict() for seed in range(3)]
    mean = average(states)
    for name in states[0]:
        assert_close(mean[name], sum(state[name] for state in states) / 3, **TOLERANCE)


def test_validation_is_per_token_unsmoothed_and_without_dropout():
    model = model_of(config=replace(SMALL, p_drop=0.5, eps_ls=0.3)).train()
    torch.manual_seed(0)
    whole = [
        ([*torch.randint(3, 12, (n,)).tolist(), 2], [*torch.randint(3, 12, (n,)).tolist(), 2]) for n in (2, 5, 7, 3)
    ]
    first = validation_loss(model, [collate(whole[:1]), collate(whole[1:])])
    assert first == pytest.approx(validation_loss(model, [collate(whole)]), abs=1e-5), "however it is batched"
    assert model.training, "the model goes on as it was"
    model.eval()
    batch = collate(whole)
    with torch.no_grad():
        logits = model(batch.src, shift_right(batch.tgt, 1))
    expected = F.cross_entropy(logits.flatten(0, 1), batch.tgt.flatten(), ignore_index=PAD_ID)
    assert first == pytest.approx(expected.item(), abs=1e-5)
    assert validation_loss(model, [batch]) == pytest.approx(first, abs=1e-5) and not model.training
