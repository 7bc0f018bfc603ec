"""The command `course` as a stranger meets it: help, translation, mistakes, and a kill at any moment."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import course_lib
from course_lib import corpora
from course_lib.app import cli
from course_lib.app.files import read_lines
from course_lib.app.runs import Budget, Run, Settings
from course_lib.editions import build as editions
from course_lib.tokenizer import train_tokenizer
from course_lib.training import RECIPES
from course_lib.transformer import Config, Transformer

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ["train", "evaluate", "translate", "export", "build"]


def course(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "course_lib.app.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, **options)


@pytest.fixture
def run(tmp_path) -> Run:
    """A model of a few untrained weights."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["the old man reads a letter", "a small dog"] * 5, 285)
    config = Config(N=1, d_model=16, d_ff=32, h=2, vocab=len(tokenizer), max_len=128)
    settings = Settings("embedded", "tiny", "quick", 285, 0, Budget("steps", 1))
    run = Run.create(tmp_path / "run", settings, config, RECIPES["quick"], tokenizer)
    run.write_weights(Transformer(config).state_dict())
    return run


@pytest.fixture
def echo(monkeypatch):
    """In place of the model's translation: the sentence backwards."""
    from course_lib.app.translator import Translator

    monkeypatch.setattr(
        Translator, "translate_all", lambda self, sentences, beam=4, workers=1: [s[::-1] for s in sentences]
    )


# --- help ---


def test_help_comes_at_once():
    script = "import sys; from course_lib.app.cli import main; main(['--help']); print('torch' in sys.modules)"
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "False", "help must not wait for torch"
    assert time.perf_counter() - begin < 5, "half a second on an idle machine"
    for command in COMMANDS:
        assert command in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself_with_an_example(command, capsys):
    assert cli.main([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"Example: course {command}" in out
    assert f"Usage: course {command}" in out


def test_the_help_of_train_says_every_default(capsys):
    cli.main(["train", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    for default in (
        "embedded",
        "small",
        "2,300 if embedded",
        "runs/<corpus>-<preset>",
        "3.65 if embedded, else 25",
        "0",
    ):
        assert f"{default}]" in out or default in out


# --- translate ---


def test_a_sentence_is_translated(run, capsys):
    assert cli.main(["translate", str(run.folder), "a small dog", "--beam", "2"]) == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_a_file_is_translated_line_by_line_and_empty_lines_stay(run, echo, tmp_path, capsys):
    path = tmp_path / "text.en"
    path.write_bytes("abc\n\ndé\u2028f\r\n \nlast".encode())
    assert cli.main(["translate", str(run.folder), "--file", str(path)]) == 0
    assert capsys.readouterr().out == "cba\n\nf\u2028éd\n\ntsal\n"


def test_several_workers_translate_a_file(run, tmp_path, capsys):
    path = tmp_path / "text.en"
    path.write_text("the old man\na small dog\n\nthe dog reads\n" * 100)
    for workers in ("1", "3"):
        assert cli.main(["translate", str(run.folder), "--file", str(path), "--beam", "1", "--workers", workers]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 800 and lines[:400] == lines[400:]


def test_standard_input_is_translated(run, echo, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"abc\n\nde\n")))
    assert cli.main(["translate", str(run.folder)]) == 0
    assert capsys.readouterr().out == "cba\n\ned\n"


def test_a_translation_stays_on_its_line(run, monkeypatch, capsys):
    from course_lib.app.translator import Translator

    monkeypatch.setattr(Translator, "translate_all", lambda self, sentences, beam=4, workers=1: ["two\nlines"])
    assert cli.main(["translate", str(run.folder), "abc"]) == 0
    assert capsys.readouterr().out == "two lines\n"


def test_any_text_can_be_given(run, capsys):
    assert cli.main(["translate", str(run.folder), "ﬁ\x00\x07 ▁ 字 \U0001f600\t  x", "--beam", "1"]) == 0


# --- evaluate ---


def test_a_run_is_evaluated_on_its_own_corpus(run, echo, monkeypatch, capsys):
    import datasets

    split = datasets.Dataset.from_dict({"src": ["ab", "cd", "ef"], "tgt": ["ba", "dc", "xx"]})
    asked = []
    monkeypatch.setattr(
        corpora, "load_corpus", lambda spec: asked.append(spec) or corpora.Corpus(spec, "en", "de", {"dev": split})
    )
    assert cli.main(["evaluate", str(run.folder), "--split", "dev", "--limit", "2", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert asked == ["embedded"]
    assert scores["sentences"] == 2 and scores["beam"] == 4 and scores["bleu_signature"]
    assert scores["chrf"] == pytest.approx(100), "echo translates the first two right"
    assert cli.main(["evaluate", str(run.folder), "--corpus", "x/y", "--split", "dev"]) == 0
    assert asked[-1] == "x/y" and "BLEU" in capsys.readouterr().out
    assert "it has dev" in error_of(capsys, "evaluate", run.folder, "--split", "test")


# --- mistakes ---


def error_of(capsys, *arguments: object) -> str:
    code = cli.main([str(argument) for argument in arguments])
    message = capsys.readouterr().err
    assert code == 2, message
    assert message.startswith("course: error: ") and message.count("\n") == 1
    return message


def test_mistakes_are_one_line(run, tmp_path, capsys):
    assert "holds no trained model" in error_of(capsys, "translate", tmp_path / "nowhere", "abc")
    assert "holds no trained model" in error_of(capsys, "evaluate", tmp_path / "nowhere")
    assert "not both" in error_of(capsys, "translate", run.folder, "abc", "--file", "f")
    assert "No such file" in error_of(capsys, "translate", run.folder, "--file", tmp_path / "nothing.en")
    assert "Is a directory" in error_of(capsys, "translate", run.folder, "--file", tmp_path)
    assert "the sentence: more than the 78 tokens" in error_of(capsys, "translate", run.folder, "q" * 1_000_000)
    assert "--beam" in error_of(capsys, "translate", run.folder, "abc", "--beam", 0)
    assert "--workers is for --file" in error_of(capsys, "translate", run.folder, "abc", "--workers", 2)
    assert "No such command" in error_of(capsys, "teach")
    assert "DIR" in error_of(capsys, "translate")


def test_a_line_that_is_not_utf_8_is_named(run, tmp_path, capsys):
    path = tmp_path / "latin1.en"
    path.write_bytes(b"fine\ncaf\xe9\n")
    message = error_of(capsys, "translate", run.folder, "--file", path)
    assert f"{path}, line 2: byte 4 is not UTF-8" in message


def test_a_line_that_is_too_long_is_named(run, tmp_path, capsys):
    path = tmp_path / "long.en"
    path.write_text("fine\n" + "q" * 1000)
    assert f"{path}, line 2: more than" in error_of(capsys, "translate", run.folder, "--file", path)


# --- build ---


def test_check_names_what_is_stale(monkeypatch, capsys):
    monkeypatch.setattr(editions, "build", lambda notebooks: {"attention.py": "x = 1\n"})
    monkeypatch.setattr(editions, "stale_modules", lambda built, library: ["attention.py"])
    assert cli.main(["build", "--check"]) == 1
    assert "course_lib/attention.py is not what the notebooks define" in capsys.readouterr().out


def test_build_reads_the_notebooks_beside_the_library(monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(editions, "build", lambda notebooks: seen.append(notebooks) or {})
    monkeypatch.setattr(editions, "write_library", lambda built, library: seen.append(library) or [])
    assert cli.main(["build"]) == 0
    library = Path(course_lib.__path__[0])
    assert seen == [library.parent / "notebooks", library]


def test_a_cell_that_cannot_be_built_is_one_line(monkeypatch, capsys):
    def fail(notebooks):
        raise editions.BuildError("notebooks/03_attention.ipynb, code cell 4: invalid syntax")

    monkeypatch.setattr(editions, "build", fail)
    assert "code cell 4" in error_of(capsys, "build")


# --- the real thing, in processes ---


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> str:
    """Two plain text files."""
    folder = tmp_path_factory.mktemp("texts")
    adjectives, nouns, verbs = ("old", "new", "small"), ("man", "dog", "letter"), ("reads", "runs", "falls", "ends")
    lines = [f"the {a} {n} {v}" for a in adjectives for n in nouns for v in verbs]
    for suffix in ("en", "de"):
        (folder / f"text.{suffix}").write_text("".join(f"{line}\n" for line in lines))
    return f"{folder / 'text.en'},{folder / 'text.de'}"


@pytest.fixture(scope="module")
def sixty_steps(texts) -> list[str]:
    arguments = f"train --corpus {texts} --preset tiny --vocab 290 --recipe paper --steps 60 --threads 1 --no-report"
    return arguments.split()


@pytest.fixture(scope="module")
def whole(tmp_path_factory, sixty_steps) -> Path:
    """A run that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert course(*sixty_steps, "--out", folder).returncode == 0
    return folder


@pytest.mark.long
@pytest.mark.parametrize("moment", [1, 25, 50])
def test_a_killed_run_that_goes_on_ends_with_the_same_bits(tmp_path, whole, sixty_steps, moment):
    killed = tmp_path / "run"
    process = start(*sixty_steps, "--out", str(killed))
    wait_for_step(process, killed, moment)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    done = course("train", "--out", killed, "--resume", "--threads", 1, "--no-report")
    assert done.returncode == 0, done.stderr
    assert (whole / "weights.safetensors").read_bytes() == (killed / "weights.safetensors").read_bytes()
    assert list(killed.rglob(".*.draft")) == []


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_stop_saves_and_says_how_to_go_on(tmp_path, sixty_steps, number):
    folder = tmp_path / "run"
    process = start(*sixty_steps, "--out", str(folder))
    wait_for_step(process, folder, 6)
    process.send_signal(number)
    _, message = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "--resume" in message and "Traceback" not in message
    assert any((folder / "checkpoints").iterdir())
    assert course("translate", folder, "the old dog", "--beam", 1).returncode == 0


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "course_lib.app.cli", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for_step(process: subprocess.Popen[str], run: Path, step: int) -> None:
    """Until the run is at this step or a little later."""
    while max((record["step"] for record in read_lines(run / "metrics.jsonl")), default=0) < step:
        assert process.poll() is None, "it ended before it could be stopped"
        time.sleep(0.005)
