"""A `course_lib` of one's own over the course's: a folder with the modules in which something is the learner's.

Python finds it first where it stands beside a notebook; the command line is told to.
"""

import ast
from pathlib import Path

import course_lib

OVERLAY = "course_lib"  # its name, beside a notebook and in a run
INSTALLED = Path(__file__).resolve().parents[1]  # the course's own
WORKSPACE = ".course"  # in a learner's workspace: what the course keeps there
INIT = '''"""Your course_lib: what you wrote stands in the course's place, all else is the course's."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
__version__ = {version!r}
YOURS: tuple[str, ...] = {yours!r}  # what is your own
'''


def yours(overlay: Path | None) -> tuple[str, ...]:
    """The names whose definition is the learner's."""
    if overlay is None or not overlay.is_dir():
        return ()
    for node in ast.parse((overlay / "__init__.py").read_text()).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "YOURS" and node.value:
            return tuple(ast.literal_eval(node.value))
    return ()


def sources(overlay: Path | None) -> dict[str, str]:
    """Module -> its text, of those in which something is the learner's."""
    if overlay is None:
        return {}
    return {path.stem: path.read_text() for path in overlay.glob("*.py") if path.stem != "__init__"}


def find_workspace(place: Path) -> Path | None:
    """The workspace that `place` is in, or None."""
    return next((folder for folder in (place, *place.parents) if (folder / WORKSPACE).is_dir()), None)


def whose(names: tuple[str, ...]) -> str:
    """Who wrote the parts, in a line."""
    return f"yours: {', '.join(names)}; the course's: all others"


def init_file(names: tuple[str, ...]) -> str:
    return INIT.format(version=course_lib.__version__, yours=names)


def active() -> Path | None:
    """The overlay that this process imports from, or None."""
    first = Path(course_lib.__path__[0]).resolve()
    return None if first == INSTALLED else first


def activate(overlay: Path) -> None:
    """From here on this process imports from it. What was imported before stays as it is: call it first."""
    course_lib.__path__.insert(0, str(overlay))
    course_lib.YOURS = yours(overlay)
