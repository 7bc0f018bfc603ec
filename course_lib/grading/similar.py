"""Which submissions are nearly the same: their code compared as syntax, whatever its names, comments and spacing."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path

from course_lib.app.errors import UserError
from course_lib.editions.definitions import parse_leniently
from course_lib.editions.workspace import read_notebook

LEAST = 60  # nodes of syntax: what is shorter can hardly be written in two ways


@dataclass(frozen=True)
class Pair:
    """Two submissions of one exercise, and how much of their syntax is the same, from 0 to 1."""

    exercise: str
    one: str
    other: str
    share: float


def similar(course: Path, assignment: str, least: float) -> list[Pair]:
    """The pairs of submissions that share at least so much, the most similar first.

    Args:
        course: nbgrader's folder
    """
    folders = sorted(course.glob(f"submitted/*/{assignment}"))
    if not folders:
        raise UserError(f"{course / 'submitted'} holds no submission of {assignment}")
    shapes: dict[str, dict[str, list[str]]] = {}
    for folder in folders:
        for exercise, source in written(folder / f"{assignment}.ipynb"):
            if len(found := shape(source)) >= LEAST:
                shapes.setdefault(exercise, {})[folder.parent.name] = found
    pairs = [
        Pair(exercise, one, other, share)
        for exercise, by_student in shapes.items()
        for one, other in combinations(by_student, 2)
        if (share := alike(by_student[one], by_student[other])) >= least
    ]
    return sorted(pairs, key=lambda pair: (-pair.share, pair.exercise, pair.one))


def written(path: Path) -> Iterator[tuple[str, str]]:
    """Each exercise of a submission, with what was written."""
    for cell in read_notebook(path).cells:
        kind, _, name = cell.metadata.get("nbgrader", {}).get("grade_id", "").partition("-")
        if kind == "exercise":
            yield name, cell.source


def shape(source: str) -> list[str]:
    """The kinds of syntax nodes in order, without names and texts; numbers stay."""
    found = []
    for statement in parse_leniently(source):
        for node in ast.walk(statement):
            number = isinstance(node, ast.Constant) and isinstance(node.value, int | float)
            found.append(f"{type(node).__name__} {node.value}" if number else type(node).__name__)  # type: ignore[attr-defined]
    return found


def alike(one: list[str], other: list[str]) -> float:
    if one == other:
        return 1.0
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.ratio() if matcher.real_quick_ratio() > 0.5 else 0.0
