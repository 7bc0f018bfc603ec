"""The round trip with nbgrader: handed out, handed in, graded; and nothing gained by cheating."""

import os
import socket
import sys
import threading
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config, PyFileConfigLoader

from course_lib.app.errors import UserError
from course_lib.app.overlay import INSTALLED
from course_lib.editions.student import roles
from course_lib.exercises.confine import why_not
from course_lib.exercises.questions import QUESTIONS
from course_lib.grading.autograde import answered
from course_lib.grading.release import MODEL_ANSWER, POINTS_OF_AN_ANSWER, POINTS_OF_WORDS, points_of, release
from course_lib.grading.rubrics import RUBRICS
from course_lib.grading.similar import similar

NAME = "03_attention"
EXERCISES = ("scaled_dot_product_attention", "additive_attention", "hunt_divided")
ANSWERS = ("3", "4")
ALL = sum(map(points_of, EXERCISES)) + len(ANSWERS) * POINTS_OF_AN_ANSWER
confined = pytest.mark.skipif(bool(why_not()), reason=f"this system cannot shut a process in: {why_not()}")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """nbgrader's course folder, with one assignment released."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)  # nbgrader calls alembic
        yield made(tmp_path_factory)


def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class") / "course"
    names = release(folder)
    assert NAME in names
    result = api(folder).generate_assignment(NAME)
    assert result["success"], result["log"]
    return folder


def api(folder):
    config = Config(PyFileConfigLoader("nbgrader_config.py", path=str(folder)).load_config())
    config.CourseDirectory.root = str(folder)
    return NbGraderAPI(config=config)


def cells(notebook):
    return {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if "nbgrader" in cell.metadata}


def read(folder, step, student=None):
    path = folder / step / (f"{student}/{NAME}" if student else NAME) / f"{NAME}.ipynb"
    return nbformat.read(path, as_version=4)


def hand_in(folder, student, notebook):
    target = folder / "submitted" / student / NAME
    target.mkdir(parents=True)
    nbformat.write(notebook, target / f"{NAME}.ipynb")


def graded(folder, student):
    """Points of each graded cell."""
    result = api(folder).autograde(NAME, student, force=True)
    assert result["success"], result["log"]
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as gradebook:
        submission = gradebook.find_submission(NAME, student)
        return {grade.name: grade.auto_score for notebook in submission.notebooks for grade in notebook.grades}


def filled_in(course, **sources):
    """The release with these cells filled in, by their grade ids; answers by their tags."""
    notebook = read(course, "release")
    for grade_id, source in sources.items():
        cells(notebook)[grade_id.replace("__", "-")].source = source
    return notebook


def solved(course, names):
    solutions = cells(read(course, "source"))
    notebook = read(course, "release")
    blanks = cells(notebook)
    for name in names:
        blanks[f"exercise-{name}"].source = solutions[f"exercise-{name}"].source
    return notebook


def answer(notebook, number, value):
    [cell] = [cell for cell in notebook.cells if roles(cell).get("question") == number]
    cell.source = cell.source.replace("mine = ...", f"mine = {value!r}")


# --- handed out ---


def test_the_release_has_no_solution_no_rubric_and_no_model_answer(course):
    text = "\n".join(cell.source for cell in read(course, "release").cells)
    source = read(course, "source")
    assert "MARK SCHEME" not in text and "BEGIN SOLUTION" not in text and not MODEL_ANSWER.search(text)
    assert all(mark not in text for _, marks in RUBRICS.values() for mark in marks)
    for grade_id, cell in cells(source).items():
        if grade_id.startswith("exercise-"):
            assert "raise NotImplementedError()" in cells(read(course, "release"))[grade_id].source
        if grade_id.startswith("words-"):
            assert "MARK SCHEME" in cell.source
    assert "mine = 64" not in text


def test_points(course):
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        assignment = gradebook.find_assignment(NAME)
        assert assignment.max_code_score == ALL
        assert assignment.max_task_score == len(ANSWERS) * POINTS_OF_WORDS


def test_every_question_has_a_rubric_of_three_marks():
    assert set(RUBRICS) == set(QUESTIONS) - {"10"}
    assert all(len(marks) == POINTS_OF_WORDS for _, marks in RUBRICS.values())


# --- handed in, and graded ---


@confined
def test_all_points_for_what_is_right_and_none_for_what_is_open(course):
    right = solved(course, EXERCISES)
    for number in ANSWERS:
        answer(right, number, QUESTIONS[number].right)
    hand_in(course, "ada", right)
    points = graded(course, "ada")
    assert sum(score or 0 for score in points.values()) == ALL
    hand_in(course, "empty", read(course, "release"))
    assert not any(graded(course, "empty").values())


@confined
def test_half_of_it_right(course):
    half = solved(course, ["scaled_dot_product_attention"])
    cells(half)[
        "exercise-additive_attention"
    ].source = "def additive_attention(q, k, v, W_q, W_k, w_v, mask=None):\n    return v, q"
    answer(half, "3", 1)
    answer(half, "4", QUESTIONS["4"].right)
    hand_in(course, "half", half)
    points = graded(course, "half")
    assert points["check-scaled_dot_product_attention"] == points_of("scaled_dot_product_attention")
    assert (points["check-additive_attention"], points["answer-3"], points["answer-4"]) == (0, 0, POINTS_OF_AN_ANSWER)


@confined
def test_feedback_says_what_was_wrong(course):
    wrong = solved(course, [])
    cells(wrong)["exercise-scaled_dot_product_attention"].source = (
        "def scaled_dot_product_attention(q, k, v, mask=None, dropout=None):\n"
        "    w = (q @ k.transpose(-2, -1)).softmax(-1)\n    return w @ v, w\n"
    )
    hand_in(course, "wrong", wrong)
    graded(course, "wrong")
    result = api(course).generate_feedback(NAME, "wrong", force=True)
    assert result["success"], result["log"]
    feedback = (course / "feedback" / "wrong" / NAME / f"{NAME}.html").read_text()
    assert "scaled_dot_product_attention" in feedback and "✗" in feedback


RIGHT = """
def scaled_dot_product_attention(q, k, v, mask=None, dropout=None):
    s = q @ k.transpose(-2, -1) / q.size(-1) ** 0.5
    w = (s if mask is None else s.masked_fill(~mask, -1e30)).softmax(-1)
    w = w if dropout is None else dropout(w)
    return w @ v, w
"""


@confined
def test_a_hostile_submission_gains_nothing_and_harms_nothing(course, tmp_path):
    victim = tmp_path / "precious.txt"
    victim.write_text("mine")
    server = socket.create_server(("127.0.0.1", 0))
    called = threading.Event()
    threading.Thread(target=lambda: (server.accept(), called.set()), daemon=True).start()
    reference = INSTALLED / "attention.py"
    attacks = {
        "writes": f"done = open({str(victim)!r}, 'w').write('theirs')",
        "connects": f"import socket\ndone = socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 5)",
        "reads": f"done = exec(open({str(reference)!r}).read())",
        "grades": f"done = open({str(course / 'gradebook.db')!r}, 'rb').read()",
    }
    for name, attack in attacks.items():
        hostile = solved(course, [])
        source = f"{attack}\n{RIGHT}".replace("return w @ v, w", "return (w @ v, w, done)[:2]")
        cells(hostile)["exercise-scaled_dot_product_attention"].source = source
        hand_in(course, name, hostile)
        assert not any(graded(course, name).values()), name
    assert victim.read_text() == "mine" and not called.is_set()


@confined
def test_checks_that_were_deleted_or_rewritten_come_back(course):
    hostile = read(course, "release")
    hostile.cells = [cell for cell in hostile.cells if cell is not cells(hostile)["check-additive_attention"]]
    cells(hostile)["check-hunt_divided"].source = "print('all right')"
    hostile.cells.insert(
        0, nbformat.v4.new_code_cell("import course_lib.exercises as e\ne.check = e.use = lambda *a: True")
    )
    hand_in(course, "rewriter", hostile)
    assert not any(graded(course, "rewriter").values())


@confined
def test_what_does_not_end_costs_the_others_nothing(course):
    hostile = solved(course, ["additive_attention"])
    cells(hostile)["exercise-scaled_dot_product_attention"].source = f"{RIGHT}\nwhile True:\n    pass\n"
    cells(hostile)["exercise-hunt_divided"].source = "def mended(*a, **k):\n    while True:\n        pass\n"
    hand_in(course, "endless", hostile)
    points = graded(course, "endless")
    assert points["check-additive_attention"] == points_of("additive_attention")
    assert points["check-hunt_divided"] == 0


@pytest.mark.parametrize(
    ("source", "right"),
    [
        ("mine = 64", True),
        ("mine = ...", False),
        ("mine = 6", False),
        ("mine = __import__('os').getpid()", False),
        ("", False),
    ],
)
def test_an_answer_is_read_and_not_run(source, right):
    assert answered("3", [source])[0] == right


# --- likeness ---


def test_what_was_copied_and_renamed_is_found(course):
    original = solved(course, ["scaled_dot_product_attention"])
    renamed = solved(course, ["scaled_dot_product_attention"])
    cell = cells(renamed)["exercise-scaled_dot_product_attention"]
    cell.source = cell.source.replace("scores", "s").replace("weights", "probabilities").replace("q @ k", "q  @  k")
    other = solved(course, [])
    cells(other)["exercise-scaled_dot_product_attention"].source = RIGHT
    for name, notebook in (("author", original), ("copier", renamed), ("independent", other)):
        hand_in(course, name, notebook)
    found = {(pair.one, pair.other) for pair in similar(course, NAME, 0.95)}
    assert ("author", "copier") in found
    assert ("author", "independent") not in found and ("copier", "independent") not in found


def test_there_must_be_submissions(tmp_path):
    with pytest.raises(UserError, match="holds no submission"):
        similar(tmp_path, NAME, 0.9)
