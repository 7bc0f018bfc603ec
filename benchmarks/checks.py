"""Time per check: of right solutions of every exercise, and of the catalogue's own mistakes, in a warm judge."""

import statistics
import time
from collections.abc import Iterator
from typing import Any

import nbformat

from course_lib.editions.build import module_cells, owned_names, without_markers
from course_lib.editions.definitions import definition_of
from course_lib.editions.source import notebooks_dir
from course_lib.editions.student import roles
from course_lib.editions.workspace import complete_edition
from course_lib.exercises import examine
from course_lib.exercises.catalogue import EXERCISES
from course_lib.exercises.client import defined
from course_lib.exercises.names import NAMES

EVERY = 10  # of the known mistakes, each tenth


def measure() -> dict[str, Any]:
    """Seconds of checks, of right and of wrong definitions; by itself the first, which waits for the judge."""
    first = timed("causal_mask", EXERCISES["causal_mask"].mistakes[0].wrong)
    right = [timed(name, definition) for name, definition in solutions()]
    wrong = [
        timed(name, mistake.wrong)
        for name, exercise in EXERCISES.items()
        for mistake in exercise.mistakes[::EVERY]
        if mistake.wrong is not None
    ]
    return {"first": first, "right": summary(right), "wrong": summary(wrong)}


def solutions() -> Iterator[tuple[str, Any]]:
    """The notebooks' own solutions, as a learner would have them."""
    notebooks = [nbformat.read(path, as_version=4) for path in complete_edition()]
    owned = owned_names(module_cells(notebooks_dir()))
    for notebook in notebooks:
        sources = [without_markers(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
        for name in (roles(cell).get("exercise") for cell in notebook.cells):
            if name in NAMES:
                yield name, defined(definition_of(name, sources, owned).as_file, name)


def summary(seconds: list[float]) -> dict[str, float]:
    return {"n": len(seconds), "median": statistics.median(seconds), "worst": max(seconds)}


def timed(name: str, definition: Any) -> float:
    start = time.perf_counter()
    examine(name, definition)
    return time.perf_counter() - start
