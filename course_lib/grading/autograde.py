"""nbgrader's autograding, without running the notebook.

A submission is read, not executed: the definition that an exercise asks for is taken out of it as text, with the
helpers and imports that it needs, and goes to the judge, which runs it shut in. What a submission has written over the
checks, or prints, or does elsewhere in the notebook, has no part in this.
"""

import ast
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from nbformat import NotebookNode, v4
from nbgrader.preprocessors import NbGraderPreprocessor

from course_lib.app.overlay import INSTALLED
from course_lib.editions.build import module_cells, owned_names
from course_lib.editions.definitions import DefinitionError, definition_of, parse_leniently
from course_lib.editions.source import notebooks_dir
from course_lib.exercises.answers import verdict
from course_lib.exercises.client import JUDGE
from course_lib.exercises.confine import why_not
from course_lib.exercises.names import HUNTS
from course_lib.exercises.questions import QUESTIONS
from course_lib.exercises.verdict import as_text


class CannotGrade(RuntimeError):
    """Nothing is graded: the message says what is in the way."""


class Judge(NbGraderPreprocessor):
    """Gives each graded cell the output from which nbgrader reads the points."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        root = Path(resources.get("metadata", {}).get("path", ".")).resolve()
        sources: list[str] = []
        for cell in nb.cells:
            if cell.cell_type != "code":
                continue
            kind, _, name = cell.metadata.get("nbgrader", {}).get("grade_id", "").partition("-")
            cell.outputs = []
            if kind == "check":
                cell.outputs = outputs(*self.checked(name, sources, cell.source, root))
            elif kind == "answer":
                cell.outputs = outputs(*answered(name, sources))
            elif cell.metadata.get("nbgrader", {}).get("grade"):
                raise CannotGrade(f"{kind}-{name} is no check of the course's; grade it with nbgrader's own Execute")
            elif not cell.metadata.get("nbgrader", {}).get("locked"):
                sources.append(cell.source)
        return nb, resources

    def checked(self, exercise: str, sources: Sequence[str], check: str, root: Path) -> tuple[bool, str]:
        """Whether what the cells define is right, and what to say."""
        if reason := why_not():
            raise CannotGrade(
                f"a submission cannot be shut in on this system ({reason}): see the guide for instructors"
            )
        called = asked_about(check) or exercise
        try:
            part = definition_of(called, sources, {} if exercise in HUNTS else self.owned)
        except DefinitionError as error:
            return False, f"✗ {exercise}: {error}."
        hidden = [INSTALLED, notebooks_dir(), course_root(root), *private_folders()]
        parts = JUDGE.ask_about_source(HUNTS.get(exercise, exercise), part.as_file, called, hidden)
        parts |= {"exercise": exercise, "hint": "", "printed": ""}  # what it read and printed is not for the feedback
        return parts["passed"], as_text(parts)

    @cached_property
    def owned(self) -> dict[str, str]:
        return owned_names(module_cells(notebooks_dir()))


def answered(number: str, sources: Sequence[str]) -> tuple[bool, str]:
    """Whether the last value that a cell gives `mine` is right; it must be a number or a word, as it stands."""
    for source in reversed(sources):
        for node in reversed(parse_leniently(source)):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "mine":
                try:
                    given = ast.literal_eval(node.value)
                except ValueError:
                    return False, f"✗ Question {number}: {ast.unparse(node.value)[:50]} is no number and no letter."
                if given is ...:
                    return False, f"✗ Question {number} is open."
                right, words = verdict(QUESTIONS[number], given)
                return right, f"{'✓' if right else '✗'} Question {number}: {words}"
    return False, f"✗ Question {number} is open."


def asked_about(check: str) -> str:
    """The learner's name in `use("hunt_divided", mended)`."""
    for node in parse_leniently(check):
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and len(call.args) == 2 and isinstance(call.args[1], ast.Name):
                return call.args[1].id
    return ""


def course_root(place: Path) -> Path:
    """nbgrader's course folder, where solutions and grades are."""
    return next((one for one in (place, *place.parents) if (one / "nbgrader_config.py").is_file()), place)


SYSTEM = {"bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "proc", "run", "sbin", "sys", "usr"}


def private_folders() -> list[Path]:
    """Every folder in which neither the system nor this Python has anything that a definition might need."""
    needed = {Path(sys.prefix), Path(sys.base_prefix), *(Path(one) for one in sys.path if one)}
    needed = {one.resolve() for one in needed} | needed
    top = [one for one in Path("/").iterdir() if one.name not in SYSTEM]
    return [folder for one in top for folder in _without(one, needed)]


def _without(folder: Path, needed: set[Path]) -> Iterator[Path]:
    """`folder` if nothing needed is in it, else those of its folders for which that is so."""
    if folder in needed or folder.is_symlink() or not folder.is_dir():
        return
    if not any(one.is_relative_to(folder) for one in needed):
        yield folder
        return
    with suppress(OSError):
        for inner in folder.iterdir():
            yield from _without(inner, needed)


def outputs(passed: bool, words: str) -> list[NotebookNode]:
    """What nbgrader reads as all points, or as none."""
    said = v4.new_output("stream", name="stdout", text=f"{words}\n")
    if passed:
        return [said]
    return [said, v4.new_output("error", ename="NotYet", evalue=words.splitlines()[0][:200], traceback=[])]
