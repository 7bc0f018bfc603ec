"""What the benchmarks compare is comparable, and their table says what was measured."""

import json
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

pytest.importorskip("transformers", reason="the peers of the benchmarks are not installed: `make bench` does it")
pytest.importorskip("x_transformers")

from benchmarks import __main__ as command
from benchmarks import decode, picture, scaling, table, text, train
from benchmarks.machine import AS_WRITTEN, ONE_DNN, Setting, peak_gflops, processor
from benchmarks.peers import TRAINING_PEERS, Marian, TorchTransformer
from course_lib.app.translator import Translator
from course_lib.batching import Batch
from course_lib.corpora.resources import data_dir
from course_lib.fast.training import FastLoss
from course_lib.tokenizer import BOS_ID, PAD_ID
from course_lib.training import smoothed_loss
from course_lib.transformer import Config, Transformer, shift_right

CONFIG = Config(N=2, d_model=24, d_ff=40, h=3, vocab=50, p_drop=0.0, max_len=64)
BATCH = Batch(
    torch.tensor([[5, 6, 7, 8, 2], [9, 10, 2, 0, 0], [11, 2, 0, 0, 0]]),
    torch.tensor([[12, 13, 2, 0], [14, 15, 16, 2], [2, 0, 0, 0]]),
)


@pytest.fixture
def embedded(monkeypatch):
    """Runs that take seconds."""
    monkeypatch.setattr(text, "PIECES", 1500)
    monkeypatch.setattr(text, "SIZES", {"small": CONFIG})
    monkeypatch.setattr(train, "MAX_TOKENS", {"small": 200})
    monkeypatch.setattr(train, "ROUNDS", {"small": 2})
    monkeypatch.setattr(decode, "ROUNDS", 1)
    monkeypatch.setattr(decode, "SENTENCES", 40)
    text.training_text.cache_clear()
    yield "embedded"
    text.training_text.cache_clear()


@pytest.mark.parametrize("kind", [TorchTransformer, Marian])
def test_a_peer_with_our_weights_computes_what_we_do(kind):
    torch.manual_seed(0)
    model = Transformer(CONFIG).eval()
    peer = kind.with_weights_of(model).eval()
    ours = model(BATCH.src, shift_right(BATCH.tgt, BOS_ID))
    theirs = peer.predict(BATCH.src, shift_right(BATCH.tgt, BOS_ID))
    words = [i for i in range(CONFIG.vocab) if i not in (PAD_ID, BOS_ID)]
    real = BATCH.tgt != PAD_ID
    assert_close(theirs[real][:, words], ours[real][:, words], atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", TRAINING_PEERS)
def test_a_peer_is_as_large_as_ours_and_learns(kind):
    torch.manual_seed(0)
    config = replace(CONFIG, vocab=2000, d_model=64, d_ff=256, h=4)
    peer, ours = kind(config), Transformer(config)
    sizes = [sum(p.numel() for p in m.parameters() if p.requires_grad) for m in (peer, ours)]
    assert abs(sizes[0] / sizes[1] - 1) < 0.02 * (2 if kind.name == "x-transformers" else 1) + 0.02
    step = train.adam_step(peer, peer.loss)
    before = peer.loss(BATCH).item()
    for _ in range(20):
        step(BATCH)
    assert peer.loss(BATCH).item() < before - 0.1


def test_the_loss_of_a_peer_is_ours():
    torch.manual_seed(0)
    model = Transformer(CONFIG).eval()
    assert_close(TorchTransformer.with_weights_of(model).eval().loss(BATCH), smoothed_loss(model, BATCH))


def test_the_work_is_counted_right():
    """Against torch's own count of a step, less attention's products of activations, on a batch with no padding."""
    ids = torch.randint(4, 50, (2, 3, 7))
    batch, model = Batch(ids[0], ids[1]), Transformer(CONFIG)
    with FlopCounterMode(display=False) as counter:
        FastLoss()(model, batch).backward()
    attention = 3 * 3 * CONFIG.N * 2 * 2 * 3 * 7 * 7 * CONFIG.d_model  # forward, backward; three uses; two products
    assert train.gflop(CONFIG, batch) == pytest.approx((counter.get_total_flops() - attention) / 1e9, rel=1e-3)


def test_a_setting_is_left_as_it_was_found():
    before = torch.get_float32_matmul_precision(), torch.get_num_threads()
    with Setting("x", precision="medium", threads=1, bf16=True).applied():
        assert torch.get_float32_matmul_precision() == "medium" and torch.is_autocast_enabled("cpu")
    assert (torch.get_float32_matmul_precision(), torch.get_num_threads()) == before
    assert not torch.is_autocast_enabled("cpu")


def test_the_machine_says_what_it_is(monkeypatch):
    assert processor()
    monkeypatch.setattr("benchmarks.machine.PEAK_SIZE", 64)
    assert peak_gflops(torch.float32) > 0


def test_a_race_in_training(embedded, monkeypatch):
    monkeypatch.setattr(train, "settings", lambda: [AS_WRITTEN, ONE_DNN])
    monkeypatch.setattr("benchmarks.machine.PEAK_SIZE", 64)
    result = json.loads(json.dumps(train.race(embedded, "small")))
    assert len(result["speeds"]) == 1 + len(TRAINING_PEERS) + 1
    assert result["to_nn_transformer"] > 0 and result["to_best_peer"] > 0 and result["share_of_peak"] > 0
    assert any(line.startswith("| training, small, float32") for line in table.training(result))


def test_a_race_in_decoding(embedded):
    result = json.loads(json.dumps(decode.race(data_dir() / "model", embedded)))
    assert all(share >= 0.95 for shares in result["same"].values() for share in shares.values()), result["same"]
    assert set(result["ratios"]) == set(result["speeds"])
    assert all(score > 90 for score in result["bleu"].values())
    assert sum("CTranslate2" in line for line in table.decoding(result)) >= 5


def test_weights_are_trained_where_there_are_none(embedded, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "WEIGHTS", tmp_path / "bench")
    monkeypatch.setattr(command, "WEIGHTS_MINUTES", 0.02)
    run = command.weights(embedded)
    assert Translator.load(run).model.config.d_model == CONFIG.d_model
    before = (run / "weights.safetensors").stat().st_mtime_ns
    assert command.weights(embedded) == run and (run / "weights.safetensors").stat().st_mtime_ns == before


def test_the_test_set_is_spread():
    assert decode.evenly([str(i) for i in range(100)], 4) == ["0", "25", "50", "75"]


def test_ratios_are_between_equals():
    """Two workers of ours against two of theirs."""
    names = ("ours, 1 x 2", "ours, 2 x 1", "CTranslate2 int8, 1 x 2", "CTranslate2 int8, 2 x 1")
    engines = [decode.Engine(name, lambda *a: []) for name in names]
    for engine, speed in zip(engines, (10.0, 30.0, 5.0, 10.0), strict=True):
        engine.speeds = {1: [speed], 4: [speed]}
    assert [decode.ratios(engines, engine)[1] for engine in engines[2:]] == [2.0, 3.0]


def test_growth():
    points = [{"x": x, "seconds": 3 * x**2, "megabytes": 5 * x} for x in (1, 2, 8)]
    assert scaling.growth(points) == pytest.approx(2) and scaling.growth(points, "megabytes") == pytest.approx(1)


def test_memory_is_that_of_the_work():
    with scaling.PeakMemory() as memory:
        block = torch.ones(64, 2**20 // 4)  # 64 MB
        memory.ended.wait(0.05)
    assert block.sum() and 50 < memory.megabytes < 90


def test_scaling_measures_every_curve(monkeypatch):
    monkeypatch.setattr(scaling, "BASE", replace(CONFIG, vocab=100))
    monkeypatch.setattr(scaling, "CURVES", dict.fromkeys(scaling.CURVES, (32, 64)) | {"depth": (1, 2)})
    monkeypatch.setattr(scaling, "BATCH_TOKENS", 64)
    monkeypatch.setattr(scaling, "OUTPUT_LENGTHS", (4, 8))
    result = scaling.measure()
    lines = list(table.scaling(result))
    assert len(lines) == len(scaling.CURVES) + len(scaling.DECODERS)
    seen = picture.scaling_picture(result)
    assert seen.png and all(name in seen.alt for name in (*scaling.CURVES, *scaling.DECODERS))


def test_the_command_writes_into_the_readme(tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text("before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    command.into_readme("| new |", None)
    assert (tmp_path / "README.md").read_text() == "before\n<!-- bench -->\n| new |\n<!-- /bench -->\nafter\n"


def test_the_command_names_a_corpus_that_is_not_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["benchmarks", "--corpus", str(tmp_path / "none"), "--only", "train-small"])
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    assert command.main() == 2
    assert "none" in capsys.readouterr().err


def test_translations_do_not_depend_on_the_peer_that_runs_our_search():
    """`PrefixDecoder` over `nn.Transformer` with the shipped weights."""
    translator = Translator.shipped()
    peer = TorchTransformer.with_weights_of(translator.model).eval()
    lines = ["The dog sleeps because it is tired.", "The fathers did not offer her the sour apple."]
    theirs = decode.plain_translate(peer, translator.tokenizer, lines, decoder=decode.PrefixDecoder)
    assert theirs == translator.translate_all(lines)
