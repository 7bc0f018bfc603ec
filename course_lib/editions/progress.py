"""What is done in a workspace: exercises and questions notebook by notebook, and whose code each part is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from course_lib.app.overlay import whose
from course_lib.editions.student import roles
from course_lib.editions.workspace import Workspace, complete_edition, read_notebook

if TYPE_CHECKING:
    from rich.console import Console

SIGNS = {"yours": "✓", "given": "+", "tried": "✗", "open": "·"}
NOTHING_YET = "all of it is the course's"
LEGEND = "✓ done   + filled in by catch-up   ✗ tried   · open   ★ part of your library"


@dataclass(frozen=True)
class Item:
    """An exercise, a hunt or a question, and how it stands.

    Attributes:
        kind: "exercises" or "questions"
        state: a key of SIGNS
        mistake: of an exercise that was tried, the one that was found last, if it has a name
    """

    notebook: str
    kind: str
    name: str
    state: str
    mistake: str | None = None


def items(workspace: Workspace) -> Iterator[Item]:
    """All there is to do, in the order of the course."""
    for path in complete_edition():
        for cell in read_notebook(path).cells:
            what = roles(cell)
            if name := what.get("exercise"):
                found = workspace.recorded("exercises", name)
                yield Item(path.stem, "exercises", name, _state(found, "passed"), found.get("mistake"))
            elif name := what.get("question"):
                yield Item(path.stem, "questions", name, _state(workspace.recorded("questions", name), "right"))


def _state(found: dict, done: str) -> str:
    if found.get(done):
        return "given" if found.get("given") else "yours"
    return "tried" if found else "open"


def show(workspace: Workspace, console: "Console") -> None:
    """The map, for a person."""
    from rich.table import Table

    all_items = list(items(workspace))
    table = Table(title=f"{workspace.folder.name}: {_counted(all_items)}", title_justify="left", caption=LEGEND)
    for heading in ("notebook", "exercises", "questions"):
        table.add_column(heading)
    for notebook in dict.fromkeys(item.notebook for item in all_items):
        here = [item for item in all_items if item.notebook == notebook]
        exercises = "\n".join(_line(item, workspace) for item in here if item.kind == "exercises")
        questions = "  ".join(f"{SIGNS[item.state]} {item.name}" for item in here if item.kind == "questions")
        table.add_row(notebook, exercises, questions)
    console.print(table)
    console.print(f"\nYour course_lib: {whose(tuple(workspace.parts)) if workspace.parts else NOTHING_YET}")


def _line(item: Item, workspace: Workspace) -> str:
    if item.state == "tried" and item.mistake:
        return f"{SIGNS[item.state]} {item.name} ({item.mistake})"
    return f"{SIGNS[item.state]} {item.name}" + (" ★" if item.name in workspace.parts else "")


def _counted(all_items: list[Item]) -> str:
    words = []
    for kind in ("exercises", "questions"):
        some = [item for item in all_items if item.kind == kind]
        done = sum(item.state in ("yours", "given") for item in some)
        words.append(f"{done} of {len(some)} {kind}")
    return ", ".join(words)
