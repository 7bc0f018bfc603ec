"""A learner's workspace: blanks to fill, a library that becomes theirs, a model made of it, and nothing lost."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from course_lib.app.errors import UserError
from course_lib.app.overlay import yours
from course_lib.editions import workspace as module
from course_lib.editions.build import BuildError
from course_lib.editions.definitions import Definition, DefinitionError, definition_of
from course_lib.editions.progress import items
from course_lib.editions.student import roles
from course_lib.editions.update import merged
from course_lib.editions.workspace import Workspace
from tests.solved_anew import CELLS

ROOT = Path(__file__).resolve().parent.parent
COURSE = [sys.executable, "-m", "course_lib.app.cli"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    return Workspace.start(tmp_path_factory.mktemp("fresh") / "mine")


@pytest.fixture
def workspace(fresh, tmp_path):
    return Workspace(Path(shutil.copytree(fresh.folder, tmp_path / "mine")))


def adopted(workspace, *names):
    """Let the definitions of another person take the places of the course's, as if each had been checked."""
    history = [CELLS[name] for name in names]
    workspace.adopt({name: definition_of(name, history, workspace.owned) for name in names})


def run_in(workspace, code):
    """What a script prints that is started in the workspace, as a notebook's kernel is."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=workspace.folder, capture_output=True, text=True, env=ENVIRONMENT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def course(workspace, *arguments):
    # -P: as the installed command, which does not look into the current folder
    command = [sys.executable, "-P", *COURSE[1:], *map(str, arguments)]
    return subprocess.run(command, cwd=workspace.folder, capture_output=True, text=True, env=ENVIRONMENT)


def exercise_cells(notebook):
    return {roles(cell)["exercise"]: cell for cell in notebook.cells if "exercise" in roles(cell)}


def notebook_of(workspace, name):
    return workspace.folder / module.exercise_in(name).name


# --- starting ---


def test_a_workspace_has_both_editions(workspace):
    for path in module.complete_edition():
        whole, blank = nbformat.read(path, 4), nbformat.read(workspace.folder / path.name, 4)
        assert (workspace.folder / "complete" / path.name).read_bytes() == path.read_bytes()
        for name, cell in exercise_cells(blank).items():
            assert "NotImplementedError" in cell.source, name
            assert "NotImplementedError" not in exercise_cells(whole)[name].source
    assert yours(workspace.folder / "course_lib") == ()
    assert "course progress" in (workspace.folder / "README.md").read_text()


def test_it_does_not_write_over_what_is_there(workspace, tmp_path):
    with pytest.raises(UserError, match="already a workspace"):
        Workspace.start(workspace.folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        Workspace.start(tmp_path / "other")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["thesis.txt"]


def test_outside_of_a_workspace_it_says_so(tmp_path):
    with pytest.raises(UserError, match="course start"):
        Workspace.at(tmp_path)


# --- a library of one's own ---


def test_python_finds_the_learners_definition_first_and_the_courses_else(workspace):
    adopted(workspace, "LayerNorm")
    said = run_in(
        workspace,
        "import course_lib, course_lib.attention as a, course_lib.normalization as n;"
        "print(course_lib.YOURS, sorted(n.LayerNorm(3).state_dict()), a.__file__, n.__file__)",
    )
    assert "('LayerNorm',) ['beta', 'gamma']" in said
    assert str(ROOT / "course_lib" / "attention.py") in said and str(workspace.folder) in said


def test_what_stands_in_the_same_module_uses_the_learners_definition(workspace):
    adopted(workspace, "LayerNorm")
    code = "from course_lib.normalization import SublayerConnection as S; print(sorted(S(3).state_dict()))"
    assert run_in(workspace, code) == "['norm.beta', 'norm.gamma']\n"


def test_the_courses_own_comes_back(workspace):
    adopted(workspace, "LayerNorm", "causal_mask")
    assert workspace.restore("LayerNorm") and not workspace.restore("LayerNorm")
    assert yours(workspace.folder / "course_lib") == ("causal_mask",)
    assert not (workspace.folder / "course_lib" / "normalization.py").exists()


def test_all_exercises_together_make_a_library(workspace):
    adopted(workspace, *CELLS)
    code = "import course_lib; from course_lib.transformer import *; print(len(course_lib.YOURS), Transformer(TINY))"
    assert run_in(workspace, code).startswith(f"{len(CELLS)} Transformer(")
    assert set(CELLS) == {name for name in workspace.owned if name in {i.name for i in items(workspace)}}


def test_a_definition_that_does_not_fit_changes_nothing(workspace):
    adopted(workspace, "causal_mask")
    before = {path: path.read_bytes() for path in workspace.folder.rglob("*.py")}
    with pytest.raises(BuildError, match="masked_softmax is already defined"):
        text = "def masked_softmax(x):\n    return x\n\n\ndef additive_attention():\n    return masked_softmax(1)\n"
        workspace.adopt({"additive_attention": Definition.parse(text)})
    assert {path: path.read_bytes() for path in workspace.folder.rglob("*.py")} == before


def test_two_parts_may_share_a_helper(workspace):
    helper = "def rows(x):\n    return x"
    padding = "def padding_mask(ids, pad_id):\n    return rows(ids)"
    history = [helper, "def causal_mask(n):\n    return rows(n)", padding]
    for name in ("causal_mask", "padding_mask"):
        workspace.adopt({name: definition_of(name, history, workspace.owned)})
    assert (workspace.folder / "course_lib" / "masks.py").read_text().count("def rows") == 1


# --- taking a definition out of a notebook ---

OWNED = {"LayerNorm": "normalization", "first_rows": "positions"}
ONE, TWO = "def f(x):\n    return 1", "def f(x):\n    return 2"
EXP = "def f(x):\n    return t.exp(x)"
EPS = "def f(x):\n    return x + EPS"
NORM = "def f(x):\n    return LayerNorm(x)"
ROWS = "def f(x):\n    return first_rows(x)\n\n\ndef first_rows(x):\n    return x"
WRAP, WRAPPED = "def wrap(x):\n    return x", "@wrap\nclass f:\n    a = 1"


@pytest.mark.parametrize(
    ("cells", "source", "imports"),
    [
        (["import torch as t", EXP], EXP, {"import torch as t"}),
        (["EPS = 1e-5\nother = 3", EPS], f"EPS = 1e-5\n\n\n{EPS}", set()),
        ([ONE, TWO], TWO, set()),
        ([ONE, 'f = use("f", f)'], ONE, set()),
        ([f"%matplotlib inline\n{ONE}\nprint(f(2))"], ONE, set()),
        (["@wrap\nclass f:\n    pass", WRAP, WRAPPED], f"{WRAP}\n\n\n{WRAPPED}", set()),
        ([NORM], NORM, {"from course_lib.normalization import LayerNorm"}),
        ([ROWS], ROWS, set()),
        (["def f(x:"], None, "was not defined"),
        (["def f(x):\n    return unknown(x)"], None, "uses unknown"),
    ],
)
def test_a_definition_is_taken_with_all_that_it_needs(cells, source, imports):
    if source is None:
        with pytest.raises(DefinitionError, match=imports):
            definition_of("f", cells, OWNED)
        return
    found = definition_of("f", cells, OWNED)
    assert (found.source, set(found.imports.values())) == (source, imports)
    assert Definition.parse(found.as_file) == found


def test_it_may_have_another_name_in_the_notebook():
    assert definition_of("LayerNorm", ["class Mine:\n    pass"], OWNED, "Mine").source.endswith("LayerNorm = Mine")


# --- in a notebook ---


def execute(workspace, *cells):
    """What cells show, run one after the other in a kernel of the workspace."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    path = {"metadata": {"path": str(workspace.folder)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=path).execute()
    return [
        "".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in c.outputs) for c in notebook.cells
    ]


def test_what_passes_its_check_becomes_part_of_the_library_and_what_fails_does_not(workspace):
    *_, right, wrong, question, guess = execute(
        workspace,
        "from course_lib.exercises import answer, predict, use",
        CELLS["causal_mask"],
        'use("causal_mask", causal_mask)(3)',
        'def padding_mask(ids, pad_id):\n    return ids == pad_id\n\nuse("padding_mask", padding_mask)',
        'answer("3", 64)',
        'predict("03.variance", 500)',
    )
    assert "✓ causal_mask" in right and "is yours now in course_lib/masks.py" in right
    assert "✗ padding_mask" in wrong and "goes on with the course's own" in wrong
    assert "✓ Question 3" in question and "500" in guess
    assert yours(workspace.folder / "course_lib") == ("causal_mask",)
    states = {item.name: item.state for item in items(workspace)}
    assert (states["causal_mask"], states["padding_mask"], states["LayerNorm"]) == ("yours", "tried", "open")
    assert states["3"] == "yours"

    imported, sealed, back = execute(
        workspace,
        "import inspect, course_lib\nfrom course_lib.masks import causal_mask\n"
        "from course_lib.exercises import committed, reference, use\n"
        'print(inspect.getsource(causal_mask), reference("causal_mask") is causal_mask)',
        'print(committed("03.variance"), committed("03.best"))',
        'use("causal_mask", None)(2)',
    )
    assert "place[None, :] <= place[:, None]" in imported and "False" in imported
    assert sealed == "True False\n"
    assert "the course's again" in back and "tensor" in back
    assert yours(workspace.folder / "course_lib") == ()


# --- progress, and going back ---


def test_the_map_says_what_is_done_and_whose_the_parts_are(workspace):
    workspace.record("exercises", "causal_mask", passed=True)
    workspace.record("exercises", "padding_mask", passed=False, mistake="inverted")
    adopted(workspace, "causal_mask")
    said = course(workspace, "progress").stdout
    assert "✓ causal_mask ★" in said
    assert "✗ padding_mask" in said and "· additive_attention" in said
    assert "yours: causal_mask; the course's: all others" in said


def test_a_record_that_is_damaged_counts_as_none(workspace):
    workspace.record("questions", "3", right=True)
    (workspace.folder / ".course" / "questions" / "3.json").write_text("{")
    assert workspace.recorded("questions", "3") == {}


def write_solution(workspace, name, source):
    path = notebook_of(workspace, name)
    notebook = nbformat.read(path, 4)
    exercise_cells(notebook)[name].source = source
    nbformat.write(notebook, path)


def test_an_exercise_can_be_emptied_and_what_was_there_is_kept(workspace):
    blank = exercise_cells(nbformat.read(notebook_of(workspace, "causal_mask"), 4))["causal_mask"].source
    write_solution(workspace, "causal_mask", CELLS["causal_mask"])
    adopted(workspace, "causal_mask")
    kept = workspace.reset("causal_mask")
    assert kept.read_text() == CELLS["causal_mask"]
    assert exercise_cells(nbformat.read(notebook_of(workspace, "causal_mask"), 4))["causal_mask"].source == blank
    assert yours(workspace.folder / "course_lib") == ()
    assert workspace.reset("causal_mask") is None
    with pytest.raises(UserError, match="no exercise LayerNom"):
        workspace.reset("LayerNom")


def test_catching_up_fills_in_what_is_not_solved_before_a_notebook(workspace):
    write_solution(workspace, "scaled_dot_product_attention", "# solved by hand")
    workspace.record("exercises", "scaled_dot_product_attention", passed=True)
    filled = workspace.catch_up("04")
    assert "additive_attention" in filled and "scaled_dot_product_attention" not in filled
    cells = exercise_cells(nbformat.read(notebook_of(workspace, "additive_attention"), 4))
    assert cells["scaled_dot_product_attention"].source == "# solved by hand"
    assert "NotImplementedError" not in cells["additive_attention"].source
    assert "SOLUTION" not in cells["additive_attention"].source
    later = exercise_cells(nbformat.read(notebook_of(workspace, "MultiHeadAttention"), 4))
    assert "NotImplementedError" in later["MultiHeadAttention"].source
    assert {item.name: item.state for item in items(workspace)}["additive_attention"] == "given"


def test_a_class_at_a_glance(workspace, tmp_path):
    folder = tmp_path / "class"
    for name in ("ada", "bela"):
        shutil.copytree(workspace.folder, folder / name)
    Workspace(folder / "ada").record("exercises", "causal_mask", passed=True)
    for name in ("ada", "bela"):
        Workspace(folder / name).record("exercises", "padding_mask", passed=False, mistake="inverted")
    said = course(workspace, "overview", folder).stdout
    assert "ada" in said and "09_masking" in said
    assert "1 of 2" in said and "inverted (2)" in said
    assert course(workspace, "overview", tmp_path / "nowhere").returncode == 2


# --- a newer course ---


def notebook(**cells):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text, id=name) for name, text in cells.items()])


def test_a_newer_notebook_keeps_what_the_learner_did():
    base = notebook(a="1", b="2", c="3", d="4", e="5")
    theirs = notebook(a="1", mine="own", b="2, solved", c="3, solved", d="4, solved", e="5")
    new = notebook(x="new", a="1, better", b="2", c="3, better", e="5")
    result, conflicts = merged(base, theirs, new)
    assert [(cell.id, cell.source) for cell in result.cells] == [
        ("x", "new"),
        ("a", "1, better"),
        ("mine", "own"),
        ("b", "2, solved"),
        ("c", "3, solved"),
        ("d", "4, solved"),
        ("e", "5"),
    ]
    assert conflicts == ["c"]


def test_a_newer_course_comes_into_a_workspace(workspace, tmp_path, monkeypatch):
    write_solution(workspace, "causal_mask", CELLS["causal_mask"])
    adopted(workspace, "causal_mask")
    newer = tmp_path / "newer"
    newer.mkdir()
    for path in module.complete_edition():
        changed = nbformat.read(path, 4)
        changed.cells[0].source += "\n\nSecond edition."
        nbformat.write(changed, newer / path.name)
    monkeypatch.setattr(module, "notebooks_dir", lambda: newer)
    notes = Workspace(workspace.folder).update()
    assert notes == []
    updated = nbformat.read(notebook_of(workspace, "causal_mask"), 4)
    assert "Second edition." in updated.cells[0].source
    assert exercise_cells(updated)["causal_mask"].source == CELLS["causal_mask"]
    assert yours(workspace.folder / "course_lib") == ("causal_mask",)


# --- your code is the model ---

TRAIN = ("train", "--preset", "tiny", "--steps", "12", "--no-report", "--out")


def test_a_model_is_trained_on_the_learners_parts_and_translates_with_them(workspace):
    adopted(workspace, *CELLS)
    trained = course(workspace, *TRAIN, "run")
    assert trained.returncode == 0, trained.stderr
    assert f"parts    yours: {', '.join(sorted(CELLS))}; the course's: all others" in " ".join(
        trained.stdout.split("\n")
    )
    weights = workspace.folder / "run" / "weights.safetensors"
    assert b"in_projection" in weights.read_bytes() and b"W_Q" not in weights.read_bytes()

    for beam in (1, 2):
        translated = course(workspace, "translate", "run", "The dog sleeps.", "--beam", beam)
        assert translated.returncode == 0, translated.stderr
        assert "parts    yours: DecoderLayer" in translated.stderr

    # an old run keeps the code that it was trained with
    for name in CELLS:
        workspace.restore(name)
    assert course(workspace, "translate", "run", "The dog sleeps.", "--beam", 1).returncode == 0
    refused = course(workspace, "train", "--resume", "--out", "run", "--steps", "14", "--no-report")
    assert refused.returncode == 2 and "was begun with other parts of yours" in refused.stderr
    exported = course(workspace, "export", "run", "--to", "ctranslate2")
    assert exported.returncode == 2 and "only the course's own parts can be exported" in exported.stderr


@pytest.mark.long
def test_it_learns_as_the_courses_own_does(workspace):
    """The same steps on the same batches: the losses on unseen sentences end within a tenth of each other."""
    losses = {}
    for name in ("theirs", "ours"):
        if name == "theirs":
            adopted(workspace, *CELLS)
        else:
            for part in CELLS:
                workspace.restore(part)
        arguments = ("train", "--preset", "tiny", "--steps", "500", "--no-report", "--out", name)
        done = course(workspace, *arguments)
        assert done.returncode == 0, done.stderr
        lines = (workspace.folder / name / "metrics.jsonl").read_text().splitlines()
        losses[name] = [r["validation_loss"] for r in map(json.loads, lines) if "validation_loss" in r][-1]
    print(losses)
    assert losses["theirs"] == pytest.approx(losses["ours"], rel=0.1)
