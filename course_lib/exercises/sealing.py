"""`%%sealed NAME`: a cell of the student edition that stays shut until a guess was committed or skipped."""

from IPython.core.getipython import get_ipython
from IPython.display import Markdown, display

from course_lib.exercises.answers import committed
from course_lib.exercises.show import show


def sealed(line: str, cell: str) -> None:
    """Run the cell once a guess for `line` is there; with `--text` the cell is Markdown, and is shown."""
    name = line.split()[0] if line.split() else ""
    if not committed(name):
        show(f"Sealed. First predict({name!r}, your guess), or predict({name!r}, None) to skip; then run this cell.")
    elif "--text" in line.split():
        display(Markdown(cell))
    elif (shell := get_ipython()) is not None:
        shell.run_cell(cell).raise_error()


def register() -> None:
    """Make the magic known to the notebook that runs."""
    if (shell := get_ipython()) is not None:
        shell.register_magic_function(sealed, "cell")  # type: ignore[arg-type]
