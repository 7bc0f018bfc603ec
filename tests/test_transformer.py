"""The model: equal to PyTorch's layers, causal, of the paper's sizes."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from course_lib.decoding import CachedDecoder, PrefixDecoder, words_only
from course_lib.masks import causal_mask
from course_lib.transformer import (
    BASE,
    PRESETS,
    Config,
    Decoder,
    DecoderLayer,
    Encoder,
    EncoderLayer,
    Transformer,
    shift_right,
)

TOLERANCE = {"atol": 1e-5, "rtol": 0.0}
SMALL = Config(N=2, d_model=16, d_ff=32, h=4, vocab=29, p_drop=0.0, max_len=30)
REAL = torch.arange(6) < torch.tensor([6, 3, 1])[:, None]  # (3, 6): which places of a source are no padding


def model_of(config: Config = SMALL, seed: int = 0) -> Transformer:
    torch.manual_seed(seed)
    return Transformer(config)


# --- parity with torch.nn ---


def attention_parameters(
    ours: nn.Module, theirs: nn.MultiheadAttention
) -> list[tuple[list[nn.Parameter], nn.Parameter]]:
    return [
        ([ours.W_Q.weight, ours.W_K.weight, ours.W_V.weight], theirs.in_proj_weight),
        ([ours.W_O.weight], theirs.out_proj.weight),
    ]


def counterparts(ours: nn.Module, theirs: nn.Module) -> list[tuple[list[nn.Parameter], nn.Parameter]]:
    """Our parameters, and the one of PyTorch's layer that holds the same numbers."""
    pairs = attention_parameters(ours.self_attention, theirs.self_attn)
    if isinstance(ours, DecoderLayer):
        pairs += attention_parameters(ours.cross_attention, theirs.multihead_attn)
    for mine, other in ((ours.feed_forward.W_1, theirs.linear1), (ours.feed_forward.W_2, theirs.linear2)):
        pairs += [([mine.weight], other.weight), ([mine.bias], other.bias)]
    for i, sublayer in enumerate(ours.sublayers, 1):
        other = getattr(theirs, f"norm{i}")
        pairs += [([sublayer.norm.gain], other.weight), ([sublayer.norm.bias], other.bias)]
    return pairs


def twins(kind: type[nn.Module], training: bool) -> tuple[nn.Module, nn.Module, list]:
    """A layer of ours, PyTorch's with the same random weights (its attention biases are zero), and their parameters."""
    torch.manual_seed(0)
    ours = kind(16, 4, 32)
    peer = nn.TransformerEncoderLayer if kind is EncoderLayer else nn.TransformerDecoderLayer
    theirs = peer(16, 4, 32, dropout=0.0, activation="relu", batch_first=True, norm_first=False)
    pairs = counterparts(ours, theirs)
    assert len({id(p) for mine, _ in pairs for p in mine}) == len(list(ours.parameters())), "all are compared"
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
        for mine, other in pairs:
            other.copy_(torch.cat(mine))
    return ours.train(training), theirs.train(training), pairs


def assert_agreement(mine, other, inputs, pairs, where=None):
    """Outputs and all gradients, of inputs and parameters."""
    noise = torch.randn(mine.shape)
    if where is not None:
        mine, other, noise = mine[where], other[where], noise[where]
    assert_close(mine, other, **TOLERANCE)
    ours = torch.autograd.grad((mine * noise).sum(), [*inputs, *(p for group, _ in pairs for p in group)])
    theirs = torch.autograd.grad((other * noise).sum(), [*inputs, *(p for _, p in pairs)])
    rest = iter(ours)
    for gradient in theirs[: len(inputs)]:
        assert_close(next(rest), gradient, **TOLERANCE)
    for (group, _), gradient in zip(pairs, theirs[len(inputs) :], strict=True):
        assert_close(torch.cat([next(rest) for _ in group]), gradient, **TOLERANCE)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("case", ["plain", "padded", "causal", "padded and causal"])
def test_encoder_layer_parity(case, training):
    ours, theirs, pairs = twins(EncoderLayer, training)
    x = torch.randn(3, 6, 16, requires_grad=True)
    padded, causal = "padded" in case, "causal" in case
    mask = torch.ones(3, 1, 1, 6, dtype=torch.bool)
    if padded:
        mask = mask & REAL[:, None, None, :]
    if causal:
        mask = mask & causal_mask(6)
    other = theirs(x, src_mask=~causal_mask(6) if causal else None, src_key_padding_mask=~REAL if padded else None)
    assert_agreement(ours(x, mask), other, [x], pairs)


@pytest.mark.parametrize("padded", [False, True])
def test_encoder_layer_parity_with_torchs_fast_path(padded):
    """Without gradients, PyTorch's layer in eval mode runs other code, whose padded places are undefined."""
    ours, theirs, _ = twins(EncoderLayer, training=False)
    x = torch.randn(3, 6, 16)
    with torch.inference_mode():
        mine = ours(x, REAL[:, None, None, :] if padded else None)
        other = theirs(x, src_key_padding_mask=~REAL if padded else None)
    where = REAL if padded else slice(None)
    assert_close(mine[where], other[where], **TOLERANCE)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("case", ["plain", "padded source", "causal", "padded source, causal, padded target"])
def test_decoder_layer_parity(case, training):
    ours, theirs, pairs = twins(DecoderLayer, training)
    x, memory = torch.randn(3, 5, 16, requires_grad=True), torch.randn(3, 6, 16, requires_grad=True)
    source, causal, target = "padded source" in case, "causal" in case, "padded target" in case
    tgt_real = torch.arange(5) < torch.tensor([2, 5, 4])[:, None]
    tgt_mask = torch.ones(1, 1, 5, 5, dtype=torch.bool)
    if causal:
        tgt_mask = tgt_mask & causal_mask(5)
    if target:
        tgt_mask = tgt_mask & tgt_real[:, None, None, :]
    other = theirs(
        x,
        memory,
        tgt_mask=~causal_mask(5) if causal else None,
        memory_key_padding_mask=~REAL if source else None,
        tgt_key_padding_mask=~tgt_real if target else None,
    )
    assert_agreement(ours(x, memory, REAL[:, None, None, :] if source else None, tgt_mask), other, [x, memory], pairs)


@pytest.mark.parametrize("stack", [Encoder, Decoder])
def test_a_stack_is_its_layers_one_after_the_other(stack):
    torch.manual_seed(0)
    layers = stack(3, 16, 4, 32)
    x, memory = torch.randn(2, 5, 16), torch.randn(2, 6, 16)
    others = () if stack is Encoder else (memory,)
    expected = x
    for layer in layers.layers:
        expected = layer(expected, *others)
    assert len(layers.layers) == 3 and torch.equal(layers(x, *others), expected)


def test_rows_with_no_permitted_key_stay_finite():
    """A source of nothing but padding: cross-attention has no key at all."""
    model = model_of()
    src = torch.tensor([[5, 6, 7], [0, 0, 0]])
    logits = model(src, torch.tensor([[1, 8, 9], [1, 8, 9]]))
    assert logits.isfinite().all()
    logits.sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


# --- nothing sees the future ---


@settings(max_examples=30)
@given(
    seed=st.integers(0, 999),
    length=st.integers(2, 9),
    data=st.data(),
    training=st.booleans(),
    positions=st.sampled_from(["sinusoidal", "learned"]),
)
def test_no_future_token_changes_an_earlier_output(seed, length, data, training, positions):
    """Teacher-forced. In train mode with dropout, the same units are dropped: the same seed before each pass."""
    model = model_of(replace(SMALL, p_drop=0.2, positions=positions)).train(training)
    generator = torch.Generator().manual_seed(seed)
    src = torch.randint(3, 29, (2, 5), generator=generator)
    tgt_in = torch.randint(3, 29, (2, length), generator=generator)
    cut = data.draw(st.integers(1, length - 1))
    changed = tgt_in.clone()
    changed[:, cut:] = torch.randint(0, 29, (2, length - cut), generator=generator)  # padding among them

    def run(ids):
        torch.manual_seed(seed)
        return model(src, ids)

    assert torch.equal(run(tgt_in)[:, :cut], run(changed)[:, :cut])


@settings(max_examples=15)
@given(seed=st.integers(0, 999), length=st.integers(2, 8), data=st.data(), training=st.booleans())
def test_no_future_token_changes_an_earlier_output_with_a_cache(seed, length, data, training):
    """The cached decoder gets token by token what the other gets at once, and says the same before any token came."""
    model = model_of().train(training)
    generator = torch.Generator().manual_seed(seed)
    src = torch.randint(3, 29, (2, 5), generator=generator)
    tgt_in = torch.randint(3, 29, (2, length), generator=generator)
    cut = data.draw(st.integers(1, length - 1))
    changed = tgt_in.clone()
    changed[:, cut:] = torch.randint(3, 29, (2, length - cut), generator=generator)
    with torch.no_grad():
        for decoder in (CachedDecoder, PrefixDecoder):
            one, other = (
                [step(ids[:, :t]) for step in [decoder(model, src)] for t in range(1, length + 1)]
                for ids in (tgt_in, changed)
            )
            assert all(map(torch.equal, one[:cut], other[:cut]))
            assert_close(torch.cat(one, 1), words_only(model(src, tgt_in)), **TOLERANCE)


def test_every_earlier_token_does_change_the_output():
    model = model_of().eval()
    src, tgt_in = torch.randint(3, 29, (1, 5)), torch.randint(3, 29, (1, 6))
    before = model(src, tgt_in)
    for place in range(6):
        changed = tgt_in.clone()
        changed[0, place] = (changed[0, place] - 3 + 1) % 26 + 3
        assert (model(src, changed) != before).any(-1)[0].tolist() == [t >= place for t in range(6)]


def test_padding_changes_nothing():
    model = model_of().eval()
    src, tgt_in = torch.randint(3, 29, (2, 5)), torch.randint(3, 29, (2, 4))
    padded_src, padded_tgt = nn.functional.pad(src, (0, 3)), nn.functional.pad(tgt_in, (0, 2))
    assert_close(model(padded_src, padded_tgt)[:, :4], model(src, tgt_in), **TOLERANCE)


# --- the sizes of Table 3 ---

# row of the paper: what differs from base, and its parameters in millions where it gives them
TABLE_3 = {
    "base": ({}, 65),
    "A-h1": ({"h": 1, "d_k": 512, "d_v": 512}, None),
    "A-h4": ({"h": 4, "d_k": 128, "d_v": 128}, None),
    "A-h16": ({"h": 16, "d_k": 32, "d_v": 32}, None),
    "A-h32": ({"h": 32, "d_k": 16, "d_v": 16}, None),
    "B-dk16": ({"d_k": 16}, 58),
    "B-dk32": ({"d_k": 32}, 60),
    "C-N2": ({"N": 2}, 36),
    "C-N4": ({"N": 4}, 50),
    "C-N8": ({"N": 8}, 80),
    "C-d256": ({"d_model": 256, "d_k": 32, "d_v": 32}, 28),
    "C-d1024": ({"d_model": 1024, "d_k": 128, "d_v": 128}, 168),
    "C-ff1024": ({"d_ff": 1024}, 53),
    "C-ff4096": ({"d_ff": 4096}, 90),
    "D-drop0.0": ({"p_drop": 0.0}, None),
    "D-drop0.2": ({"p_drop": 0.2}, None),
    "D-eps0.0": ({"eps_ls": 0.0}, None),
    "D-eps0.2": ({"eps_ls": 0.2}, None),
    "E-learned": ({"positions": "learned"}, None),
    "big": ({"d_model": 1024, "d_ff": 4096, "h": 16, "p_drop": 0.3, "train_steps": 300_000}, 213),
}
PAPER_BASE = {
    "N": 6,
    "d_model": 512,
    "d_ff": 2048,
    "h": 8,
    "d_k": 64,
    "d_v": 64,
    "p_drop": 0.1,
    "eps_ls": 0.1,
    "train_steps": 100_000,
    "positions": "sinusoidal",
}


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def expected_parameters(N, d_model, d_ff, h, d_k, d_v, positions, vocab, max_len, **rest) -> int:
    """Counted by hand: attention without biases, feed-forward and layer norms with."""
    attention = 2 * d_model * h * (d_k + d_v)
    feed_forward = 2 * d_model * d_ff + d_ff + d_model
    encoder, decoder = attention + feed_forward + 2 * 2 * d_model, 2 * attention + feed_forward + 3 * 2 * d_model
    return N * (encoder + decoder) + vocab * d_model + (max_len * d_model if positions == "learned" else 0)


@pytest.mark.parametrize("row", TABLE_3)
def test_every_row_of_table_3(row):
    config = PRESETS[row]
    changes, millions = TABLE_3[row]
    wanted = PAPER_BASE | changes
    actual = {name: getattr(config, name) for name in wanted}
    for name in ("d_k", "d_v"):
        actual[name] = actual[name] or config.d_model // config.h
    assert actual == wanted
    with torch.device("meta"):
        model = Transformer(config)
    count = parameters(model)
    assert count == expected_parameters(**wanted, vocab=37_000, max_len=config.max_len)
    attention = model.encoder.layers[0].self_attention
    assert attention.W_K.weight.shape == (wanted["h"] * wanted["d_k"], wanted["d_model"])
    assert attention.W_V.weight.shape == (wanted["h"] * wanted["d_v"], wanted["d_model"])
    if millions is not None:
        assert abs(count / 1e6 - millions) < 0.07 * millions, "near the number that the paper prints"


def test_the_presets_are_those_of_the_paper_and_two_small_ones():
    assert set(PRESETS) == {*TABLE_3, "tiny", "small"}
    assert PRESETS["base"] == BASE == Config()
    with torch.device("meta"):
        assert 62.5e6 < parameters(Transformer(BASE)) < 63.5e6


@pytest.mark.parametrize("name", ["tiny", "small"])
def test_the_small_presets_run(name):
    model = model_of(replace(PRESETS[name], vocab=50))
    assert model(torch.randint(3, 50, (2, 5)), torch.randint(3, 50, (2, 4))).shape == (2, 4, 50)


def test_head_widths_reach_every_attention():
    config = replace(SMALL, d_k=3, d_v=5)
    model = model_of(config)
    assert parameters(model) == expected_parameters(**vars(config) | {"positions": "sinusoidal"})
    assert model(torch.randint(3, 29, (2, 5)), torch.randint(3, 29, (2, 4))).shape == (2, 4, 29)


# --- the whole ---


@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_shapes_and_a_gradient_for_every_parameter(positions):
    model = model_of(replace(SMALL, positions=positions))
    src, tgt_in = torch.randint(3, 29, (3, 7)), torch.randint(3, 29, (3, 5))
    memory = model.encode(src)
    states = model.decode(tgt_in, memory, src)
    assert memory.shape == (3, 7, 16) and states.shape == (3, 5, 16)
    logits = model(src, tgt_in)
    assert logits.shape == (3, 5, 29) and torch.equal(logits, model.logits(states))
    (logits * torch.randn(logits.shape)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.count_nonzero() > 0, name


def test_initial_logits_are_of_a_size_to_learn_from():
    model = model_of(replace(PRESETS["tiny"], vocab=1000)).eval()
    logits = model(torch.randint(3, 1000, (4, 9)), torch.randint(3, 1000, (4, 9)))
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), torch.randint(3, 1000, (36,)))
    assert abs(loss.item() - torch.tensor(1000.0).log().item()) < 1.0


def test_dropout_is_where_the_paper_has_it():
    """Section 5.4: after each sub-layer and on the sums of embeddings and encodings; nowhere else."""
    model = model_of(replace(SMALL, p_drop=0.3))
    dropouts = {name: module.p for name, module in model.named_modules() if isinstance(module, nn.Dropout)}
    active = {name for name, p in dropouts.items() if p}
    assert {dropouts[name] for name in active} == {0.3}
    sublayers = {f"encoder.layers.{n}.sublayers.{i}.dropout" for n in range(2) for i in range(2)}
    sublayers |= {f"decoder.layers.{n}.sublayers.{i}.dropout" for n in range(2) for i in range(3)}
    assert active == {"position.dropout", *sublayers}


def test_dropout_is_really_applied_there():
    """Seen from outside: what each dropout gets and gives, for one source and one target."""
    model = model_of(replace(SMALL, p_drop=0.3))
    shares: dict[str, list[float]] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Dropout) and module.p:
            module.register_forward_hook(
                lambda _, inputs, out, name=name: shares.setdefault(name, []).append(
                    ((out == 0) & (inputs[0] != 0)).float().mean().item()
                )
            )
    model(torch.randint(3, 29, (50, 9)), torch.randint(3, 29, (50, 9)))
    assert len(shares.pop("position.dropout")) == 2, "source and target"
    assert len(shares) == 2 * 2 + 2 * 3 and all(len(share) == 1 for share in shares.values())
    assert all(abs(share - 0.3) < 0.04 for [share] in shares.values())


def test_no_dropout_in_eval_mode():
    model = model_of(replace(SMALL, p_drop=0.3))
    src, tgt_in = torch.randint(3, 29, (3, 7)), torch.randint(3, 29, (3, 5))
    assert not torch.equal(model(src, tgt_in), model(src, tgt_in))
    model.eval()
    assert torch.equal(model(src, tgt_in), model(src, tgt_in))


@given(st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=1, max_size=4))
def test_shift_right(rows):
    shifted = shift_right(torch.tensor(rows), 1)
    assert shifted.tolist() == [[1, *row[:-1]] for row in rows]


def test_shift_right_of_one_token():
    assert shift_right(torch.tensor([[2], [2]]), 1).tolist() == [[1], [1]]


def test_the_state_is_the_parameters_alone():
    model = model_of()
    assert set(model.state_dict()) == {name for name, _ in model.named_parameters()}
    other = model_of(seed=1)
    other.load_state_dict(model.state_dict())
    src, tgt_in = torch.randint(3, 29, (3, 7)), torch.randint(3, 29, (3, 5))
    assert torch.equal(model.eval()(src, tgt_in), other.eval()(src, tgt_in))
