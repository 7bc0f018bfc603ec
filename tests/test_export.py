"""A model for CTranslate2: the same translations, and clear errors."""

import json
import sys
from dataclasses import replace

import pytest

from course_lib.app.cli import main
from course_lib.app.errors import UserError
from course_lib.app.export import export_ctranslate2, to_spec
from course_lib.app.translator import Translator
from course_lib.corpora.grammar import generate
from course_lib.corpora.resources import data_dir
from course_lib.transformer import TINY, Transformer

SENTENCES = [example.en for example in generate("test", 200)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "ctranslate2"
    export_ctranslate2(Translator.shipped(), folder)
    return folder


def translations(folder, sentences, **options):
    """As the exported README says."""
    ctranslate2 = pytest.importorskip("ctranslate2")
    import sentencepiece

    engine = ctranslate2.Translator(str(folder), intra_threads=1)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    tokens = [pieces.encode(" " + sentence, out_type=str) for sentence in sentences]
    results = engine.translate_batch(tokens, min_decoding_length=0, **options)
    return [pieces.decode(result.hypotheses[0]).removeprefix(" ") for result in results]


@pytest.mark.parametrize("beam", [1, 4])
def test_the_same_translations(exported, beam):
    ours = Translator.shipped().translate_all(SENTENCES, beam, alpha=0.0)
    theirs = translations(exported, SENTENCES, beam_size=beam, length_penalty=0.0)
    same = sum(a == b for a, b in zip(ours, theirs, strict=True))
    assert same >= 0.99 * len(ours), f"{same} of {len(ours)} are the same"


def test_the_readme_runs(exported, monkeypatch, capsys):
    pytest.importorskip("ctranslate2")
    code = (exported / "README.md").read_text().split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(exported)
    exec(code, {})
    assert json.loads(capsys.readouterr().out.replace("'", '"')) == [Translator.shipped().translate("The dog sleeps.")]


def test_the_command(tmp_path, capsys):
    pytest.importorskip("ctranslate2")
    run = str(data_dir() / "model")
    target = tmp_path / "engine"
    assert main(["export", run, "--to", "ctranslate2", "--out", str(target)]) == 0
    assert str(target) in capsys.readouterr().out and (target / "model.bin").is_file()
    assert main(["export", run, "--to", "ctranslate2", "--out", str(target)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["export", run, "--to", "onnx", "--out", str(tmp_path / "x")]) == 2
    assert "--to onnx" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["engine"]


def test_without_ctranslate2_it_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ctranslate2.specs", None)
    with pytest.raises(UserError, match="pip install ctranslate2"):
        export_ctranslate2(Translator.shipped(), tmp_path / "engine")
    assert not list(tmp_path.iterdir())


def test_heads_of_another_width_are_refused():
    pytest.importorskip("ctranslate2")
    model = Transformer(replace(TINY, vocab=300, d_k=5))
    with pytest.raises(UserError, match="d_model / h"):
        to_spec(model, [str(i) for i in range(300)])
