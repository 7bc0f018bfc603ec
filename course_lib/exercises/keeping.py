"""In a workspace: note what was done, and let what is right become part of the learner's own library.

Elsewhere, in the complete edition or a script, nothing is noted. A notebook belongs to a workspace if it lies in its
folder; there the records are files, which the next session finds.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_lib.app.overlay import WORKSPACE

if TYPE_CHECKING:
    from course_lib.editions.workspace import Workspace


def workspace() -> "Workspace | None":
    """The one that this notebook lies in."""
    if not (Path.cwd() / WORKSPACE).is_dir():
        return None
    from course_lib.editions.workspace import Workspace  # it imports much that is not needed elsewhere

    return Workspace(Path.cwd())


def note(kind: str, name: str, **facts: Any) -> None:
    """Record facts about an exercise, a question or a prediction."""
    if here := workspace():
        here.record(kind, name, **facts)


def noted(kind: str, name: str) -> dict[str, Any]:
    return here.recorded(kind, name) if (here := workspace()) else {}


def adopt(name: str, definition: Any) -> str:
    """Let a definition that is right take the course's place; returns what the learner is told, if anything.

    What is adopted is the source, as the notebook's cells say it: it is checked once more by itself, for a notebook can
    hold what no cell says any more.
    """
    if (here := workspace()) is None or name not in here.owned:
        return ""
    from course_lib.editions.build import BuildError
    from course_lib.editions.definitions import DefinitionError, definition_of
    from course_lib.exercises.checking import examine
    from course_lib.exercises.client import defined

    try:
        part = definition_of(name, _cells(), here.owned, getattr(definition, "__name__", ""))
        if here.parts.get(name) == part:
            return ""
        again = examine(name, defined(part.as_file, name))
        if not again.passed:
            return f"It is right, and yet not part of your library: run by itself it is not. {again.message}"
        here.adopt({name: part})
    except (DefinitionError, BuildError) as error:
        return f"It is right, and yet not part of your library: {error}."
    return (
        f"{name} is yours now in course_lib/{here.owned[name]}.py: what starts from here on is made of it. "
        f'The course\'s comes back by use("{name}", None).'
    )


def give_back(name: str) -> str:
    """The course's own again; returns what the learner is told."""
    here = workspace()
    if here and here.restore(name):
        return f"{name} is the course's again, in course_lib/{here.owned[name]}.py."
    return f"{name} is the course's."


def _cells() -> list[str]:
    """What was run in this notebook, in order."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return [] if shell is None else list(shell.user_ns.get("In", []))
