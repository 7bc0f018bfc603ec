"""What users get wrong, through the command line: one line that says what and where, exit code 2, nothing left behind.

`pytest tests/test_bad_input.py -s` prints all messages.
"""

import ctypes
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.app import cli

ROOT = Path(__file__).resolve().parent.parent
GOOD = [
    f"the {adjective} dog {verb}" for adjective in ("old", "small", "red") for verb in ("eats", "runs", "is", "has")
]
SMALL = ["--preset", "tiny", "--vocab", "285", "--steps", "2", "--threads", "1", "--no-report"]


def train(*arguments):
    return ["train", *SMALL, *map(str, arguments)]


def message_of(capsys, arguments):
    code = cli.main(arguments)
    message = capsys.readouterr().err
    print(message, end="")
    assert_is_one_line(code, message)
    return message


def assert_is_one_line(code, message):
    assert (code, message.count("\n")) == (2, 1), message
    assert message.startswith("course: error: ")
    assert "Traceback" not in message and len(message) < 400


def write(folder, name, lines):
    path = folder / name
    path.write_bytes(b"".join(line if isinstance(line, bytes) else line.encode() for line in lines))
    return path


def pair(folder, en, de=None):
    good = [f"{line}\n" for line in GOOD]
    return f"{write(folder, 'text.en', good if en is None else en)},{write(folder, 'text.de', de or good)}"


def with_line_3(line):
    lines = [f"{good}\n" for good in GOOD]
    return [*lines[:2], line, *lines[3:]]


BAD_TEXTS = {
    "sides of different length": ([f"{line}\n" for line in GOOD[:-1]], ["text.en has 11 lines", "text.de has 12"]),
    "an empty line": (with_line_3("\n"), ["text.en, line 3 is empty"]),
    "a line of blanks": (with_line_3(" \t \n"), ["text.en, line 3 is empty"]),
    "invalid UTF-8": (with_line_3(b"caf\xe9\n"), ["text.en, line 3", "byte 4 (0xE9)"]),
    "NUL": (with_line_3("a\0b\n"), ["text.en, line 3", "NUL"]),
    "a control character": (with_line_3("a\x1bb\n"), ["text.en, line 3", "U+001B"]),
    "a line of a million characters": (with_line_3("q" * 1_000_000 + "\n"), ["text.en, line 3", "longer than"]),
    "an empty file": ([], ["text.en is empty"]),
    "one sentence only": (["the old dog\n"], ["too few sentence pairs, 1; at least 10"]),
}


@pytest.mark.parametrize("kind", BAD_TEXTS)
def test_a_corpus_that_cannot_be_used(kind, tmp_path, capsys):
    en, named = BAD_TEXTS[kind]
    corpus = pair(tmp_path, en, ["der alte Hund\n"] if kind == "one sentence only" else None)
    message = message_of(capsys, train("--corpus", corpus, "--out", tmp_path / "run"))
    assert all(part in message for part in named), message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.de", "text.en"]


def test_a_vocabulary_larger_than_the_text_allows(tmp_path, capsys):
    arguments = train("--corpus", pair(tmp_path, None), "--vocab", 5000, "--out", tmp_path / "run")
    assert "--vocab 5000: cannot learn 5000 pieces" in message_of(capsys, arguments)
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    assert cli.main(train("--corpus", pair(folder, None), "--out", folder / "run")) == 0
    return folder / "run"


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


BAD_LINES = {
    "invalid UTF-8": (b"caf\xe9\n", "line 2: byte 4 is not UTF-8"),
    "a line of a million characters": (b"q" * 1_000_000, "line 2: more than the"),
}


@pytest.mark.parametrize("kind", BAD_LINES)
def test_a_text_that_cannot_be_translated(kind, run, tmp_path, capsys):
    line, named = BAD_LINES[kind]
    path = write(tmp_path, "text.en", ["the old dog\n", line])
    assert named in message_of(capsys, ["translate", str(run), "--file", str(path)])


def test_a_sentence_that_is_too_long_for_the_model_is_an_error_in_a_notebook_too(run):
    from course_lib.app.translator import Translator

    with pytest.raises(ValueError, match="positions asked for"):
        Translator.load(run).translate("the old dog " * 5000)


@pytest.mark.parametrize("text", [b"", b"\n", b"\0\x07 \n", "字 \U0001f600\n".encode()])
def test_odd_text_is_translated_line_by_line(text, run, tmp_path, capsys):
    path = write(tmp_path, "text.en", [text])
    assert cli.main(["translate", str(run), "--file", str(path), "--beam", "1"]) == 0
    assert capsys.readouterr().out.count("\n") == text.count(b"\n")


def test_a_checkpoint_of_another_model(run, tmp_path, capsys):
    arguments = train("--corpus", pair(tmp_path, None), "--vocab", "286", "--out", tmp_path / "run")
    assert cli.main(arguments) == 0
    capsys.readouterr()
    weights, other = (folder / "weights.safetensors" for folder in (run, tmp_path / "run"))
    kept = weights.read_bytes()
    weights.write_bytes(other.read_bytes())
    try:
        assert "is of another model" in message_of(capsys, ["translate", str(run), "the old dog"])
    finally:
        weights.write_bytes(kept)


# --- what only a real process meets ---


def course(*arguments, **options):
    command = [sys.executable, "-m", "course_lib.app.cli", *map(str, arguments)]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, **{"cwd": ROOT, **options})


def obey_permissions():
    """Before a process begins: root gives up that every folder is open to it (Linux: PR_CAPBSET_DROP, DAC_OVERRIDE)."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(24, 1)


def test_no_write_permission(tmp_path):
    corpus = pair(tmp_path, None)
    (tmp_path / "closed").mkdir(mode=0o555)
    probe = [sys.executable, "-c", "import sys; open(sys.argv[1], 'w')", tmp_path / "closed" / "probe"]
    if subprocess.run(probe, capture_output=True, preexec_fn=obey_permissions).returncode == 0:
        pytest.skip("nothing is closed to this user, who may not give that up either")
    environment = {**os.environ, "HOME": str(tmp_path / "closed"), "COURSE_CACHE": str(tmp_path / "closed" / "cache")}
    done = course(
        *train("--corpus", corpus, "--out", tmp_path / "closed" / "run"), env=environment, preexec_fn=obey_permissions
    )
    print(done.stderr, end="")
    assert_is_one_line(done.returncode, done.stderr)
    assert "closed" in done.stderr and "Permission denied" in done.stderr
    assert list((tmp_path / "closed").iterdir()) == []


def test_a_full_disk(tmp_path):
    """A limit on the size of files stands for it: the writing begins, and fails in the middle."""
    limit = 200_000  # bytes: more than the tokenizer needs, less than the weights
    done = course(
        *train("--corpus", pair(tmp_path, None), "--out", tmp_path / "run"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    print(done.stderr, end="")
    last = done.stderr.splitlines()[-1] + "\n"
    assert_is_one_line(done.returncode, last)
    assert "File too large" in last and ".safetensors" in last
    assert not [path for path in (tmp_path / "run").rglob("*") if "safetensors" in path.name or "draft" in path.name]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full on this system")
def test_output_onto_a_full_disk(run):
    with open("/dev/full", "w") as full:
        done = course("translate", run, "the old dog", "--beam", 1, stdout=full)
    print(done.stderr, end="")
    assert_is_one_line(done.returncode, done.stderr)
    assert "standard output: No space left on device" in done.stderr


def test_a_reader_who_stops_reading_is_no_error(run, tmp_path):
    path = write(tmp_path, "text.en", ["the old dog\n"] * 50)
    command = f"'{sys.executable}' -m course_lib.app.cli translate '{run}' --file '{path}' --beam 1 | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stderr == ""


def test_nothing_else_in_the_run_changes(run):
    before = files(run)
    assert cli.main(["translate", str(run), "the old dog", "--beam", "1"]) == 0
    assert files(run) == before
