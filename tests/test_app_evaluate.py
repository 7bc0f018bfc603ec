"""Scores, attention weights, the shipped model: all on a model of a few weights."""

import json

import pytest
import safetensors.torch
import torch

from course_lib import attention
from course_lib.app import inspection
from course_lib.app import ship as shipping
from course_lib.app.errors import UserError
from course_lib.app.evaluation import check_length, evaluate, score, show
from course_lib.app.inspection import attention_weights, cross_attention_picture
from course_lib.app.runs import Budget, Run, Settings
from course_lib.app.translator import Translator
from course_lib.corpora import Corpus
from course_lib.tokenizer import PAD_ID, train_tokenizer
from course_lib.training import RECIPES
from course_lib.transformer import Config, Transformer

SENTENCES = ["the old man reads a letter", "a small dog", "the dog reads", "a man"]
TAGS = [["long", "letters"], ["animals"], ["animals", "letters"], []]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(SENTENCES * 5, 285)


@pytest.fixture
def translator(tokenizer) -> Translator:
    torch.manual_seed(0)
    config = Config(N=2, d_model=16, d_ff=32, h=4, vocab=len(tokenizer), max_len=128)
    return Translator(Transformer(config).eval(), tokenizer)


@pytest.fixture
def split():
    import datasets

    return datasets.Dataset.from_dict({"src": SENTENCES, "tgt": SENTENCES, "tags": TAGS})


@pytest.fixture
def run(tmp_path, translator) -> Run:
    settings = Settings("embedded", "tiny", "quick", 285, 0, Budget("minutes", 3))
    run = Run.create(
        tmp_path / "run", settings, translator.model.config, RECIPES["quick"], translator.tokenizer
    )  # fmt: skip
    run.write_weights(translator.model.state_dict())
    return run


# --- scores ---


def test_exact_match_is_counted_overall_and_by_phenomenon():
    translations = [SENTENCES[0], "a small hound", SENTENCES[2], "A man"]
    scores = score(translations, SENTENCES, TAGS, corpus="c", split="test", beam=4, seconds=2.0)
    assert str(scores.exact) == "50.0% (2 of 4)"
    assert {tag: (share.exact, share.of) for tag, share in scores.by_phenomenon.items()} == {
        "animals": (1, 2), "letters": (2, 2), "long": (1, 1),
    }  # fmt: skip
    assert scores.sentences_per_second == 2.0
    assert 0 < scores.bleu < 100 and 0 < scores.chrf < 100


def test_a_perfect_translation_has_bleu_and_chrf_100():
    scores = score(SENTENCES, SENTENCES, [], corpus="c", split="test", beam=1, seconds=1.0)
    assert scores.bleu == pytest.approx(100) and scores.chrf == pytest.approx(100)
    assert scores.exact is None and scores.by_phenomenon == {}


def test_the_signature_says_cased_and_how_it_was_tokenised():
    scores = score(SENTENCES, SENTENCES, [], corpus="c", split="test", beam=1, seconds=1.0)
    assert "case:mixed" in scores.bleu_signature and "tok:13a" in scores.bleu_signature
    assert scores.chrf_signature.startswith("nrefs:1")


def test_evaluation_translates_what_it_is_told(translator, split):
    scores, translations = evaluate(translator, split, "c", "test", beam=2, limit=3)
    assert scores.sentences == 3 and scores.beam == 2
    assert translations == translator.translate_all(SENTENCES[:3], 2)
    assert scores.to_dict()["sentences_per_second"] > 0


def test_scores_are_shown_as_a_table(capsys):
    from rich.console import Console

    show(score(SENTENCES, SENTENCES, TAGS, corpus="c", split="test", beam=1, seconds=1.0), Console())
    out = capsys.readouterr().out
    assert "100.00" in out and "animals" in out and "greedy" in out and "tok:13a" in out


def test_a_sentence_that_does_not_fit_is_named(translator):
    check_length(translator, "a man " * 2, "f.en, line 7")
    with pytest.raises(UserError, match="line 7: more than the 78 tokens"):
        check_length(translator, "q" * 90, "f.en, line 7")


def test_the_longest_sentence_that_is_allowed_can_be_translated(translator):
    longest = "q" * (128 - 50 - 2)  # with the space in front and EOS: 78 tokens
    assert len(translator.tokenizer.encode(longest)) + 1 == 78
    check_length(translator, longest, "here")
    translator.translate(longest, 2)


# --- attention weights ---


def test_attention_weights_have_a_name_a_shape_and_the_sum_one(translator):
    src = torch.tensor([[5, 6, 7, PAD_ID], [5, 6, 7, 8]])
    weights = attention_weights(translator.model, src, torch.tensor([[1, 9, 10], [1, 11, 12]]))
    assert list(weights) == [
        "encoder.layers.0.self_attention",
        "encoder.layers.1.self_attention",
        "decoder.layers.0.self_attention",
        "decoder.layers.0.cross_attention",
        "decoder.layers.1.self_attention",
        "decoder.layers.1.cross_attention",
    ]
    assert weights["encoder.layers.0.self_attention"].shape == (2, 4, 4, 4)
    assert weights["decoder.layers.1.self_attention"].shape == (2, 4, 3, 3)
    cross = weights["decoder.layers.1.cross_attention"]
    assert cross.shape == (2, 4, 3, 4)
    assert torch.allclose(cross.sum(-1), torch.ones(2, 4, 3))
    assert (cross[0, ..., 3] == 0).all(), "nobody looks at padding"
    causal = weights["decoder.layers.0.self_attention"]
    assert (causal.triu(1) == 0).all()


def test_looking_leaves_no_trace(translator):
    plain = attention.scaled_dot_product_attention
    translator.model.train()
    attention_weights(translator.model, torch.tensor([[5, 6]]), torch.tensor([[1, 9]]))
    assert attention.scaled_dot_product_attention is plain
    assert translator.model.training
    assert not any(module._forward_pre_hooks for module in translator.model.modules())


def test_the_attention_picture_has_a_row_for_each_token_written(translator, monkeypatch):
    monkeypatch.setattr(Translator, "translate", lambda self, sentence: "a man")
    drawn = []
    monkeypatch.setattr(inspection, "attention_map", lambda *given: drawn.append(given))
    cross_attention_picture(translator, "a small dog")
    [(weights, rows, columns, _)] = drawn
    assert "".join(rows) == "▁a▁manEOS" and "".join(columns) == "▁a▁small▁dogEOS"
    assert weights.shape == (len(rows), len(columns))
    assert torch.allclose(weights.sum(-1), torch.ones(len(rows)))


# --- what is loaded, what is shipped ---


def test_a_translator_is_what_was_written(run, translator):
    loaded = Translator.load(run.folder)
    assert loaded.model.config == translator.model.config
    assert loaded.translate_all(SENTENCES) == translator.translate_all(SENTENCES)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.model", "weights.safetensors"])
def test_what_is_missing_or_damaged_in_a_model_is_named(run, name):
    path = run.folder / name
    path.write_bytes(b"\0 nonsense")
    with pytest.raises(UserError, match=f"{name} is damaged"):
        Translator.load(run.folder)
    path.unlink()
    with pytest.raises(UserError, match=f"there is no {name} in it"):
        Translator.load(run.folder)


def test_weights_of_another_model_are_refused(run):
    config = json.loads((run.folder / "config.json").read_text())
    config["model"]["d_ff"] = 64
    (run.folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="another model"):
        Translator.load(run.folder)


def test_the_shipped_model_is_half_as_large_and_says_how_good_it_is(run, split, tmp_path, monkeypatch):
    monkeypatch.setattr(shipping, "load_corpus", lambda spec: Corpus("embedded", "en", "de", {"test": split}))
    target = tmp_path / "model"
    target.mkdir()
    (target / "old.txt").write_text("an older model")
    shipping.ship(run, target)
    assert {path.name for path in target.iterdir()} == {
        "config.json", "tokenizer.model", "weights.safetensors", "README.md",
    }  # fmt: skip
    shipped = safetensors.torch.load_file(target / "weights.safetensors")
    assert {tensor.dtype for tensor in shipped.values()} == {torch.float16}
    text = (target / "README.md").read_text()
    assert "course train --corpus embedded --preset tiny" in text and "--minutes 3" in text
    assert "changes 0 of these translations" in text and "BLEU" in text
    assert Translator.load(target).translate_all(SENTENCES) == Translator.load(run.folder).translate_all(SENTENCES)
