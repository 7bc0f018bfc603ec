"""A class at a glance, from the workspaces that were collected: who is where, and what many stumble over."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib.app.errors import UserError
from course_lib.app.overlay import WORKSPACE
from course_lib.editions.progress import Item, items
from course_lib.editions.workspace import Workspace

if TYPE_CHECKING:
    from rich.console import Console

DONE = ("yours", "given")


def collected(folder: Path) -> dict[str, list[Item]]:
    """What each workspace below `folder` has done, by its path there.

    Raises:
        UserError: there is none.
    """
    found = {
        str(place.parent.relative_to(folder)): list(items(Workspace(place.parent)))
        for place in sorted(folder.rglob(WORKSPACE))
        if place.is_dir()
    }
    if not found:
        raise UserError(
            f"{folder} holds no workspace: collect the folders that `course start` made, each with its .course"
        )
    return found


def show(learners: dict[str, list[Item]], console: "Console") -> None:
    """Two tables: learners, and exercises with the mistakes that were met most."""
    from rich.table import Table

    table = Table("learner", "exercises", "questions", "at", title="Who is where", title_justify="left")
    for name, own in learners.items():
        table.add_row(name, share(own, "exercises"), share(own, "questions"), where(own))
    console.print(table)
    table = Table("exercise", "solved", "tried", "mistakes found last", title="What is hard", title_justify="left")
    for exercise in dict.fromkeys(one.name for own in learners.values() for one in own if one.kind == "exercises"):
        same = [one for own in learners.values() for one in own if one.kind == "exercises" and one.name == exercise]
        solved, tried = (sum(one.state in states for one in same) for states in (DONE, ("tried",)))
        mistakes = Counter(one.mistake for one in same if one.state == "tried" and one.mistake).most_common(2)
        words = ", ".join(f"{mistake} ({n})" for mistake, n in mistakes)
        table.add_row(exercise, f"{solved} of {len(same)}", str(tried or ""), words)
    console.print(table)


def share(own: Sequence[Item], kind: str) -> str:
    some = [one for one in own if one.kind == kind]
    return f"{sum(one.state in DONE for one in some)} of {len(some)}"


def where(own: Sequence[Item]) -> str:
    """The last notebook in which anything was done."""
    return next((one.notebook for one in reversed(own) if one.state != "open"), "not begun")
