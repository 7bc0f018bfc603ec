"""The student edition: what is to be written is blank, what is to be guessed is shut, all else is as it was."""

import ast
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from course_lib.editions.build import MARKER
from course_lib.editions.student import roles, student_edition
from course_lib.exercises import examine
from course_lib.exercises.names import HUNTS, NAMES
from course_lib.exercises.predictions import PREDICTIONS
from course_lib.exercises.questions import QUESTIONS

ROOT = Path(__file__).resolve().parent.parent
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in PATHS}
EXERCISES = [
    (stem, cell.id, roles(cell)["exercise"])
    for stem, notebook in NOTEBOOKS.items()
    for cell in notebook.cells
    if "exercise" in roles(cell)
]


def named(role):
    """What the notebooks hold in this role, in order."""
    return [roles(cell)[role] for notebook in NOTEBOOKS.values() for cell in notebook.cells if role in roles(cell)]


def cells(stem):
    """Pairs of the same cell in the complete and the student edition."""
    edition = student_edition(NOTEBOOKS[stem])
    assert [cell.id for cell in edition.cells] == [cell.id for cell in NOTEBOOKS[stem].cells]
    nbformat.validate(edition)
    return list(zip(NOTEBOOKS[stem].cells, edition.cells, strict=True))


def solution(source):
    """The lines between the markers."""
    lines, inside = [], False
    for line in source.splitlines():
        if MARKER.match(line):
            inside = "BEGIN" in line
        elif inside and line.strip():
            lines.append(line)
    return lines


def test_every_exercise_hunt_question_and_prediction_has_its_cells():
    assert sorted(named("exercise")) == sorted([*NAMES, *HUNTS])
    assert named("exercise") == named("check")
    assert sorted(named("hunt")) == sorted(HUNTS)
    assert set(named("sealed")) == set(PREDICTIONS)
    assert sorted(named("question"), key=int) == [n for n in QUESTIONS if n != "10"], "10 is asked in notebook 18"


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_nothing_else_is_touched(stem):
    for whole, blank in cells(stem):
        if not roles(whole).keys() & {"exercise", "check", "question", "sealed"}:
            assert whole == blank
        elif blank.cell_type == "code":
            assert not blank.outputs and blank.execution_count is None


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_a_cell_has_markers_if_it_is_to_be_written(stem):
    for cell in NOTEBOOKS[stem].cells:
        assert bool(MARKER.search(cell.source)) == bool(roles(cell).keys() & {"exercise", "question"}), cell.id


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_no_solution_is_left(stem):
    pairs = cells(stem)
    everything = "\n".join(blank.source for _, blank in pairs if blank.cell_type == "code")
    for whole, blank in pairs:
        if roles(whole).keys() & {"exercise", "question"}:
            assert not MARKER.search(blank.source)
            lines = {line.strip() for line in solution(whole.source)}
            assert any(line not in everything for line in lines), f"{whole.id}: all of it stands elsewhere, too"
            assert "\n".join(solution(whole.source)) not in everything


def definition(stem, cell_id, source):
    """What a cell defines last, with the notebook's imports and the cells of the library above it."""
    code = [cell for cell in NOTEBOOKS[stem].cells if cell.cell_type == "code"]
    above = code[: [cell.id for cell in code].index(cell_id)]
    names = {}
    for cell in above:
        for node in ast.parse(cell.source).body:
            if isinstance(node, ast.Import | ast.ImportFrom) or cell.source.startswith("# course_lib/"):
                exec(compile(ast.Module([node], []), f"<{stem}>", "exec"), names)
    exec(compile(source, f"<{stem}>", "exec"), names)
    return names[ast.parse(source).body[-1].name]


@pytest.mark.parametrize(("stem", "cell_id", "exercise"), EXERCISES, ids=[name for *_, name in EXERCISES])
def test_a_stub_fails_its_check_and_is_called_a_stub(stem, cell_id, exercise):
    [blank] = [blank for whole, blank in cells(stem) if whole.id == cell_id]
    result = examine(exercise, definition(stem, cell_id, blank.source))
    assert not result.passed and result.mistake == "not_written"


@pytest.mark.parametrize("hunt", HUNTS)
def test_the_suspect_of_a_hunt_is_rejected_by_name(hunt):
    [(stem, cell)] = [
        (stem, cell)
        for stem, notebook in NOTEBOOKS.items()
        for cell in notebook.cells
        if roles(cell).get("hunt") == hunt
    ]
    result = examine(hunt, definition(stem, cell.id, cell.source))
    assert not result.passed and result.mistake


@pytest.mark.long
@pytest.mark.parametrize("stem", [stem for stem in NOTEBOOKS if any(name == stem for name, *_ in EXERCISES)])
def test_all_of_it_runs_with_nothing_filled_in(stem, tmp_path):
    """Whoever is stuck goes on with the course's own."""
    edition = student_edition(NOTEBOOKS[stem])
    NotebookClient(
        edition, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
