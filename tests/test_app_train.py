"""`course train`: it learns, it stops and goes on without a trace, and it says what is wrong in one line."""

import json
import random
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from course_lib import corpora
from course_lib.app import cli, training
from course_lib.app.errors import UserError
from course_lib.app.files import append_line, drafted, read_lines, write_atomically
from course_lib.fast.training import FastLoss
from course_lib.training import RECIPES, Trainer, average, deviations, recipe_for
from course_lib.transformer import PRESETS, Config

ENGLISH, GERMAN = "the old man reads a letter small dog", "der alte mann liest ein brief kleine hund"
WORDS = dict(zip(ENGLISH.split(), GERMAN.split(), strict=True))
MICRO = ["--corpus", "some/corpus", "--preset", "micro", "--recipe", "quick", "--vocab", "290", "--no-report"]


def make_split(size: int, seed: int):
    import datasets

    rng = random.Random(seed)
    sources = [rng.choices(list(WORDS), k=rng.randint(2, 6)) for _ in range(size)]
    columns = {
        "src": [" ".join(words) for words in sources],
        "tgt": [" ".join(WORDS[word] for word in words) for words in sources],
        "tags": [["odd" if len(words) % 2 else "even"] for words in sources],
    }
    return datasets.Dataset.from_dict(columns)


@pytest.fixture(autouse=True)
def small_world(monkeypatch):
    """A corpus of eight words, a model and batches to match."""
    splits = {"train": make_split(80, 0), "validation": make_split(8, 1), "test": make_split(6, 2)}
    corpus = corpora.Corpus("some/corpus", "en", "de", splits)
    monkeypatch.setattr(corpora, "load_corpus", lambda spec: corpus)
    monkeypatch.setitem(PRESETS, "micro", Config(N=1, d_model=16, d_ff=32, h=2, p_drop=0.3, max_len=128))
    monkeypatch.setitem(RECIPES, "quick", replace(RECIPES["quick"], max_tokens=1024, warmup=5))
    monkeypatch.setitem(RECIPES, "paper", replace(RECIPES["paper"], max_tokens=128, warmup=5))
    monkeypatch.setattr(training, "pick_loss", lambda model, device, precision=None: (FastLoss(), "float32"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(run / "weights.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def stop_after(monkeypatch, step: int) -> None:
    """Ctrl-C in the middle of this step."""
    make_step = Trainer.step

    def interrupted(self, batch, progress=0.0):
        if self.steps + 1 == step:
            signal.raise_signal(signal.SIGINT)
        return make_step(self, batch, progress)

    monkeypatch.setattr(Trainer, "step", interrupted)


def die_in(monkeypatch, step: int) -> None:
    """A kill before this step."""
    make_step = Trainer.step

    def dying(self, batch, progress=0.0):
        if self.steps + 1 == step:
            raise SystemExit(137)
        return make_step(self, batch, progress)

    monkeypatch.setattr(Trainer, "step", dying)


def error_of(capsys, *arguments: object) -> str:
    """The one line that a mistake is answered with, below whatever training said before."""
    code = cli.main([str(argument) for argument in arguments])
    printed = capsys.readouterr().err
    assert code == 2, printed
    assert "Traceback" not in printed and printed.count("course: error: ") == 1
    *_, message = printed.splitlines()
    assert message.startswith("course: error: ")
    return message


# --- a run ---


def test_a_run_holds_what_the_design_says(tmp_path, capsys):
    run = tmp_path / "run"
    assert cli.main(["train", *MICRO, "--steps", "45", "--out", str(run)]) == 0
    assert {path.name for path in run.iterdir()} == {
        "config.json", "tokenizer.model", "weights.safetensors", "metrics.jsonl", "checkpoints",
    }  # fmt: skip
    config = json.loads((run / "config.json").read_text())
    assert config["model"]["d_model"] == 16 and config["model"]["vocab"] == 290
    assert config["settings"]["corpus"] == "some/corpus" and config["settings"]["seed"] == 0
    assert {t.dtype for t in weights(run).values()} == {torch.float32}
    metrics = read_lines(run / "metrics.jsonl")
    logged = [record for record in metrics if "loss" in record]
    assert {20, 40, 45} <= {record["step"] for record in logged}
    assert sum(len(record["losses"]) for record in logged) == 45
    assert logged[-1].keys() >= {"step", "epoch", "seconds", "tokens", "loss", "lr", "tokens_per_second"}
    assert logged[-1]["loss"] < logged[0]["loss"]
    validated = [record["step"] for record in metrics if "validation_loss" in record]
    assert len(validated) == 10 and validated[-1] == 45


def test_the_header_names_size_corpus_and_each_deviation(tmp_path, capsys):
    assert cli.main(["train", *MICRO, "--steps", "1", "--out", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    assert "80 train, 8 validation, 6 test" in out
    assert "63,045,632" in out and "N = 1 instead of 6" in out
    for deviation in deviations(recipe_for("quick", PRESETS["micro"].d_model)):
        assert deviation in out
    assert "cpu, 1 thread" in out


def test_long_pairs_are_left_out_and_counted(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(PRESETS, "micro", replace(PRESETS["micro"], max_len=12))
    assert cli.main(["train", *MICRO, "--steps", "2", "--out", str(tmp_path / "run")]) == 0
    assert "training pairs are left out: longer than 12 tokens" in capsys.readouterr().out


def test_epochs_are_passes_over_the_training_data(tmp_path):
    run = tmp_path / "run"
    assert cli.main(["train", *MICRO, "--epochs", "2", "--out", str(run)]) == 0
    assert read_lines(run / "metrics.jsonl")[-2]["epoch"] == 2.0


def test_minutes_are_wall_time(tmp_path):
    run = tmp_path / "run"
    assert cli.main(["train", *MICRO, "--minutes", "0.05", "--out", str(run)]) == 0
    last = [record for record in read_lines(run / "metrics.jsonl") if "loss" in record][-1]
    assert 3.0 <= last["seconds"] < 6.0
    assert last["lr"] < 1e-3 / 4, "at the end of the time the learning rate has fallen"


def test_the_report_shows_scores_examples_and_paths(tmp_path, capsys):
    run = tmp_path / "run"
    arguments = [argument for argument in MICRO if argument != "--no-report"]
    assert cli.main(["train", *arguments, "--steps", "3", "--out", str(run)]) == 0
    out = capsys.readouterr().out
    assert "exact match" in out and "BLEU" in out and "chrF" in out
    assert out.count("reference ") == 5
    for path in (run / "loss.png", run / "attention.png", run / "checkpoints" / "step-0000003"):
        assert str(path) in out and path.exists()


# --- stop and go on ---


@pytest.mark.parametrize("recipe", ["quick", "paper"])
def test_a_stopped_run_ends_as_if_never_stopped(tmp_path, monkeypatch, capsys, recipe):
    arguments = ["train", *MICRO, "--recipe", recipe, "--steps", "12", "--seed", "3"]
    assert cli.main([*arguments, "--out", str(tmp_path / "whole")]) == 0
    with monkeypatch.context() as patched:
        stop_after(patched, 5)
        assert cli.main([*arguments, "--out", str(tmp_path / "halves")]) == 130
    message = capsys.readouterr().err
    assert "stopped at step 5" in message and f"course train --out {tmp_path / 'halves'} --resume" in message
    assert not same(weights(tmp_path / "whole"), weights(tmp_path / "halves"))
    torch.rand(7)  # whatever else the random generator was used for in between
    assert cli.main(["train", "--out", str(tmp_path / "halves"), "--resume", "--no-report"]) == 0
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "halves"))
    assert losses(tmp_path / "whole") == losses(tmp_path / "halves")


def losses(run: Path) -> list[float]:
    return [loss for record in read_lines(run / "metrics.jsonl") for loss in record.get("losses", [])]


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path, monkeypatch):
    arguments = ["train", *MICRO, "--recipe", "paper", "--steps", "25"]  # a checkpoint every 10 steps
    assert cli.main([*arguments, "--out", str(tmp_path / "whole")]) == 0
    with monkeypatch.context() as patched:
        die_in(patched, 24)
        with pytest.raises(SystemExit):
            cli.main([*arguments, "--out", str(tmp_path / "killed")])
    assert cli.main(["train", "--out", str(tmp_path / "killed"), "--resume", "--no-report"]) == 0
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    assert losses(tmp_path / "whole") == losses(tmp_path / "killed")


def test_a_run_killed_before_its_first_checkpoint_begins_anew(tmp_path, monkeypatch):
    arguments = ["train", *MICRO, "--steps", "6"]
    assert cli.main([*arguments, "--out", str(tmp_path / "whole")]) == 0
    with monkeypatch.context() as patched:
        die_in(patched, 4)
        with pytest.raises(SystemExit):
            cli.main([*arguments, "--out", str(tmp_path / "killed")])
    assert cli.main(["train", "--out", str(tmp_path / "killed"), "--resume", "--no-report"]) == 0
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))


def test_the_paper_translates_with_the_mean_of_its_last_checkpoints(tmp_path, monkeypatch):
    monkeypatch.setitem(RECIPES, "paper", replace(RECIPES["paper"], averaged_checkpoints=3))
    run = tmp_path / "run"
    assert cli.main(["train", *MICRO, "--recipe", "paper", "--steps", "45", "--out", str(run)]) == 0
    folders = sorted((run / "checkpoints").iterdir())
    assert [folder.name for folder in folders] == ["step-0000030", "step-0000040", "step-0000045"]
    states = [safetensors.torch.load_file(folder / "model.safetensors") for folder in folders]
    assert same(weights(run), average(states))
    assert not same(weights(run), states[-1])


def test_checkpoints_that_the_clock_asked_for_are_not_averaged(tmp_path, monkeypatch):
    arguments = ["train", *MICRO, "--recipe", "paper", "--steps", "13"]
    assert cli.main([*arguments, "--out", str(tmp_path / "seldom")]) == 0
    monkeypatch.setitem(training.CHECKPOINT_SECONDS, "paper", 0.0)
    assert cli.main([*arguments, "--out", str(tmp_path / "often")]) == 0
    assert {path.name for path in (tmp_path / "often" / "checkpoints").iterdir()} == {
        "step-0000010", "step-0000012", "step-0000013",
    }  # fmt: skip
    assert same(weights(tmp_path / "seldom"), weights(tmp_path / "often"))


@pytest.fixture
def stopped_run(tmp_path, monkeypatch) -> Path:
    """A run of 12 steps, stopped at 5 and at 8."""
    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        stop_after(patched, 5)
        assert cli.main(["train", *MICRO, "--steps", "12", "--out", str(run)]) == 130
    with monkeypatch.context() as patched:
        stop_after(patched, 8)
        assert cli.main(["train", "--out", str(run), "--resume", "--no-report"]) == 130
    assert [path.name for path in sorted((run / "checkpoints").iterdir())] == ["step-0000005", "step-0000008"]
    return run


def resume(run: Path) -> int:
    return cli.main(["train", "--out", str(run), "--resume", "--no-report"])


FILES = ["model.safetensors", "optimizer.safetensors", "mean.safetensors", "random.safetensors", "state.json"]


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_checkpoint_is_noticed_and_the_one_before_used(stopped_run, tmp_path, capsys, name):
    assert cli.main(["train", *MICRO, "--steps", "12", "--out", str(tmp_path / "whole")]) == 0
    path = stopped_run / "checkpoints" / "step-0000008" / name
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 1
    path.write_bytes(content)
    capsys.readouterr()
    assert resume(stopped_run) == 0
    out = capsys.readouterr().out
    assert "step-0000008 is damaged" in out and "going on from step 5" in out
    assert same(weights(tmp_path / "whole"), weights(stopped_run))


def test_a_checkpoint_with_a_file_missing_or_cut_short_is_damaged(stopped_run, capsys):
    (stopped_run / "checkpoints" / "step-0000008" / "model.safetensors").unlink()
    path = stopped_run / "checkpoints" / "step-0000005" / "mean.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    assert "holds no intact checkpoint" in error_of(capsys, "train", "--out", stopped_run, "--resume", "--no-report")


def test_a_checkpoint_of_another_model_is_refused(stopped_run, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(PRESETS, "micro", replace(PRESETS["micro"], d_ff=64))
    other = tmp_path / "other"
    assert cli.main(["train", *MICRO, "--steps", "9", "--out", str(other)]) == 0
    shutil.copytree(other / "checkpoints" / "step-0000009", stopped_run / "checkpoints" / "step-0000009")
    message = error_of(capsys, "train", "--out", stopped_run, "--resume", "--no-report")
    assert "another model" in message


def test_a_finished_run_stays_as_it_is_or_is_trained_longer(tmp_path):
    run = tmp_path / "run"
    assert cli.main(["train", *MICRO, "--steps", "4", "--out", str(run)]) == 0
    before = weights(run)
    assert resume(run) == 0
    assert same(before, weights(run))
    assert cli.main(["train", "--out", str(run), "--resume", "--no-report", "--steps", "6"]) == 0
    assert not same(before, weights(run))
    assert json.loads((run / "config.json").read_text())["settings"]["budget"] == {"unit": "steps", "amount": 6}


# --- mistakes ---


def test_mistakes_in_what_is_asked_for(tmp_path, capsys):
    out = ["--out", tmp_path / "run"]
    assert "choose one of tiny, small, base" in error_of(capsys, "train", "--preset", "huge", *out)
    assert "quick" in error_of(capsys, "train", "--recipe", "slow", *out)
    assert "exclude one another" in error_of(capsys, "train", "--steps", 3, "--minutes", 1, *out)
    assert "--minutes" in error_of(capsys, "train", "--minutes", -1, *out)
    assert "--steps" in error_of(capsys, "train", "--steps", 0, *out)
    assert "this machine has" in error_of(capsys, "train", "--device", "abacus", *out)
    assert "holds no run" in error_of(capsys, "train", "--resume", *out)
    assert "No such option" in error_of(capsys, "train", "--quickly", *out)
    assert "--vocab 100000: cannot learn 100000 pieces" in error_of(capsys, "train", *MICRO, "--vocab", 100_000, *out)
    assert list(tmp_path.iterdir()) == []


def test_what_is_wrong_with_a_corpus_is_said_in_one_line(tmp_path, capsys, monkeypatch):
    def refuse(spec: str):
        raise corpora.CorpusError("a.en, line 3: not UTF-8")

    monkeypatch.setattr(corpora, "load_corpus", refuse)
    assert "a.en, line 3" in error_of(capsys, "train", "--out", tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_not_overwritten_nor_resumed_as_another(stopped_run, tmp_path, capsys):
    message = error_of(capsys, "train", *MICRO, "--out", stopped_run)
    assert "--resume" in message and "--out" in message
    for option, value in (("--preset", "tiny"), ("--corpus", "embedded"), ("--seed", 4), ("--recipe", "paper")):
        message = error_of(capsys, "train", "--out", stopped_run, "--resume", option, value)
        assert option in message and str(value) in message
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    assert "not empty" in error_of(capsys, "train", *MICRO, "--out", tmp_path / "full")


def test_a_loss_that_is_no_number_ends_the_run(tmp_path, capsys, monkeypatch):
    class Broken(FastLoss):
        def __call__(self, model, batch):
            return super().__call__(model, batch) * torch.nan

    monkeypatch.setattr(training, "pick_loss", lambda model, device, precision=None: (Broken(), ""))
    assert "the loss is nan" in error_of(capsys, "train", *MICRO, "--steps", 30, "--out", tmp_path / "run")


def test_a_disk_that_becomes_full_leaves_nothing_half_written(tmp_path, capsys, monkeypatch):
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.name == "optimizer.safetensors":
            write(path, content[:50])
            raise OSError(28, "No space left on device", str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    message = error_of(capsys, "train", *MICRO, "--steps", 3, "--out", tmp_path / "run")
    assert "No space left on device" in message
    assert list((tmp_path / "run" / "checkpoints").iterdir()) == []


# --- files ---


def test_a_draft_takes_its_place_only_when_it_is_whole(tmp_path):
    with pytest.raises(RuntimeError), drafted(tmp_path / "thing") as draft:
        (draft / "part").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with drafted(tmp_path / "thing") as draft:
        (draft / "part").write_text("whole")
    assert (tmp_path / "thing" / "part").read_text() == "whole"


def test_an_atomic_write_keeps_the_old_file_if_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    monkeypatch.setattr(Path, "replace", lambda self, target: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_line_cut_short_is_not_read(tmp_path):
    path = tmp_path / "lines.jsonl"
    append_line(path, {"step": 1})
    with path.open("a") as file:
        file.write('{"step": 2, "lo')
    assert read_lines(path) == [{"step": 1}]
    path.write_text('{"step": 1}\n\x00\x00\n')
    with pytest.raises(UserError, match="line 2: no JSON"):
        read_lines(path)
