"""The student edition: the same notebooks with blanks to fill, and results that stay shut until they are guessed.

Solutions are taken out by nbgrader's own preprocessor, between its own markers. What a cell is, one tag says:
`exercise: NAME`, `check: NAME`, `question: N` or `sealed: NAME`.
"""

import copy
import re

import nbformat
from nbformat import NotebookNode
from nbgrader.preprocessors import ClearSolutions

ROLE = re.compile(r"(exercise|check|question|sealed|hunt): ([\w.-]+)")
TO_WRITE = {"python": "# YOUR CODE HERE\nraise NotImplementedError()"}
TO_ANSWER = {"python": "# YOUR ANSWER IN PLACE OF THE DOTS"}


def roles(cell: NotebookNode) -> dict[str, str]:
    """What a cell is, by its tags: {"exercise": "causal_mask"}."""
    return {match[1]: match[2] for tag in cell.metadata.get("tags", []) if (match := ROLE.fullmatch(tag))}


def student_edition(notebook: NotebookNode) -> NotebookNode:
    """A copy without solutions, without the outputs that would tell them, and with sealed cells shut."""
    edition = copy.deepcopy(notebook)
    edition.cells = [_for_students(cell) for cell in edition.cells]
    return edition


def _for_students(cell: NotebookNode) -> NotebookNode:
    what = roles(cell)
    if "sealed" in what:
        cell = shut(cell, what["sealed"])
    if "exercise" in what:
        _clear_solution(cell, TO_WRITE)
    if "question" in what:
        clear_answer(cell)
    if cell.cell_type == "code" and what.keys() & {"exercise", "check", "question", "sealed"}:
        cell.outputs, cell.execution_count = [], None
    return cell


def _clear_solution(cell: NotebookNode, stub: dict[str, str]) -> None:
    """Raises RuntimeError where a marker has no partner."""
    clear = ClearSolutions(code_stub=stub, enforce_metadata=False)
    clear.preprocess_cell(cell, {"language": "python"}, 0)


def clear_answer(cell: NotebookNode) -> None:
    """The dots of a study question, in place of the answer."""
    _clear_solution(cell, TO_ANSWER)


def shut(cell: NotebookNode, name: str) -> NotebookNode:
    """Code that runs, or a text that is shown, once there is a guess for `name`."""
    if cell.cell_type == "code":
        cell.source = f"%%sealed {name}\n{cell.source}"
        return cell
    hidden = {"source_hidden": True}
    metadata = nbformat.from_dict({**cell.metadata, "jupyter": hidden})
    return nbformat.v4.new_code_cell(f"%%sealed {name} --text\n{cell.source}", id=cell.id, metadata=metadata)
