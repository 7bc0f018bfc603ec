"""The nbgrader release: a notebook's cells with the metadata that nbgrader grades by, made from the tags.

What is graded by the machine: each exercise and each hunt, by its check, and the number or letter of a study question.
What a person grades: a study question in words, by the marks of its rubric.
"""

import copy
import re
from pathlib import Path

from nbformat import NotebookNode, v4

from course_lib.app.files import drafted, write_atomically
from course_lib.editions.student import clear_answer, roles, shut
from course_lib.editions.workspace import complete_edition, content_of, read_notebook
from course_lib.exercises.names import HUNTS
from course_lib.grading.rubrics import RUBRICS

POINTS_OF_A_HUNT, POINTS_OF_AN_ANSWER, POINTS_OF_WORDS = 3, 1, 3
MODEL_ANSWER = re.compile(r"<details><summary>An answer</summary>.*?</details>\n*", re.DOTALL)
CONFIG = '''"""nbgrader's configuration of this course; `course release` wrote it."""

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "attention"
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\\nraise NotImplementedError()"}
c.OverwriteCells.add_missing_cells = True  # a check that was deleted comes back
# Of a submission only the definitions that exercises ask for are run, shut in, in a process of their own.
c.Autograde.autograde_preprocessors = [
    "course_lib.grading.autograde.Judge",
    "nbgrader.preprocessors.IgnorePattern",
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.ClearMetadataPreprocessor.enabled = False
'''


def release(folder: Path) -> list[str]:
    """Make nbgrader's course folder: an assignment for each notebook that has something to do; returns their names.

    `folder` must not exist, or be empty.
    """
    names = []
    with drafted(folder) as draft:
        for path in complete_edition():
            notebook = read_notebook(path)
            if any(roles(cell).keys() & {"exercise", "question"} for cell in notebook.cells):
                target = draft / "source" / path.stem
                target.mkdir(parents=True)
                write_atomically(target / path.name, content_of(assignment(notebook)))
                names.append(path.stem)
        write_atomically(draft / "nbgrader_config.py", CONFIG.encode())
    return names


def assignment(notebook: NotebookNode) -> NotebookNode:
    """A notebook as nbgrader's source: with solutions, points, and rubrics that only graders see."""
    made = copy.deepcopy(notebook)
    made.cells = [cell for one in made.cells for cell in _cells(one)]
    return made


def _cells(cell: NotebookNode) -> list[NotebookNode]:
    """What becomes of a cell: itself, with what is graded of it after it."""
    what = roles(cell)
    if "sealed" in what:
        cell = shut(cell, what["sealed"])
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    else:
        cell.source = MODEL_ANSWER.sub("", cell.source)
    if name := what.get("exercise"):
        _mark(cell, f"exercise-{name}", solution=True)
    elif name := what.get("check"):
        _mark(cell, f"check-{name}", grade=True, locked=True, points=points_of(name))
    elif number := what.get("question"):
        clear_answer(cell)
        graded = v4.new_code_cell(f'answer("{number}", mine)', id=f"{cell.id}-graded")
        _mark(graded, f"answer-{number}", grade=True, locked=True, points=POINTS_OF_AN_ANSWER)
        words = v4.new_markdown_cell(_task(number), id=f"{cell.id}-words")
        _mark(words, f"words-{number}", task=True, locked=True, points=POINTS_OF_WORDS)
        return [cell, graded, words, v4.new_markdown_cell("*Your answer in words:*", id=f"{cell.id}-here")]
    return [cell]


def points_of(name: str) -> int:
    """As many as the card has difficulty; a hunt has its own."""
    from course_lib.exercises.catalogue import EXERCISES

    return POINTS_OF_A_HUNT if name in HUNTS else EXERCISES[name].card.difficulty


def _task(number: str) -> str:
    asked, marks = RUBRICS[number]
    scheme = "\n".join(f"- {mark}" for mark in marks)
    return f"**{number}.** {asked}\n\n=== BEGIN MARK SCHEME ===\n{scheme}\n=== END MARK SCHEME ==="


def _mark(cell: NotebookNode, grade_id: str, **facts: bool | int) -> None:
    cell.metadata["nbgrader"] = {
        "schema_version": 3,
        "grade_id": grade_id,
        "grade": False,
        "solution": False,
        "locked": False,
        "task": False,
        "cell_type": cell.cell_type,
        **facts,
    }
