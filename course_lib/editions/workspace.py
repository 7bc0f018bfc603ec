"""A learner's workspace: the notebooks with blanks, a `course_lib` that becomes theirs, and what they have done.

00_start_here.ipynb ...   the student edition
complete/                 the complete edition
course_lib/               the modules in which something is the learner's own; all others are the course's
.course/                  records of what was done, the learner's parts, the notebooks as they were handed out
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import nbformat

import course_lib
from course_lib.app.errors import UserError
from course_lib.app.files import drafted, to_json, write_atomically
from course_lib.app.overlay import OVERLAY, WORKSPACE, find_workspace, init_file
from course_lib.editions.build import ModuleCell, build_overlay, module_cells, owned_names, without_markers
from course_lib.editions.definitions import Definition
from course_lib.editions.source import notebooks_dir
from course_lib.editions.student import roles, student_edition
from course_lib.editions.update import merged

COMPLETE = "complete"
README = """# Your workspace

Open it with `jupyter lab` and begin with 00_start_here.ipynb.

- The notebooks have blanks. The cell below a blank checks what you wrote, and says what is wrong.
- What is right becomes part of your own library, `course_lib/` in this folder: later notebooks, and the model
  that you train with `course train`, are made of it.
- `complete/` has the same notebooks with all solutions and results.

In a terminal, in this folder:

    course progress            what is done, and whose code each part of your model is
    course restore NAME        the course's own part again, in your library
    course reset NAME          the blank again, in the notebook; what you wrote is kept in .course/kept
    course catch-up 06         all that comes before notebook 06, filled in
    course update              a newer course, with your work in it
    course train --preset tiny --minutes 4
"""


@dataclass(frozen=True)
class Workspace:
    """The folder of one learner."""

    folder: Path

    @classmethod
    def start(cls, folder: Path) -> Self:
        """A new one. `folder` must not exist, or be empty."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            what = "already a workspace: open it" if (folder / WORKSPACE).is_dir() else "there and not empty"
            raise UserError(f"{folder} is {what}, or choose another folder for a new one")
        with drafted(folder) as draft:
            made = cls(draft)
            (draft / WORKSPACE).mkdir()
            (draft / COMPLETE).mkdir()
            made._hand_out({path.name: _student(path) for path in complete_edition()})
            made._write_overlay({})
        return cls(folder)

    @classmethod
    def at(cls, place: Path) -> Self:
        """The workspace that `place` is in.

        Raises:
            UserError: it is in none.
        """
        if (found := find_workspace(place.resolve())) is None:
            raise UserError(f"{place.resolve()} is in no workspace; `course start DIR` makes one")
        return cls(found)

    def _hand_out(self, notebooks: Mapping[str, nbformat.NotebookNode]) -> None:
        """Write the notebooks, and keep them as they are handed out, for the next update."""
        kept = self.folder / WORKSPACE / "handed_out"
        kept.mkdir(exist_ok=True)
        for name, notebook in notebooks.items():
            content = content_of(notebook)
            write_atomically(self.folder / name, content)
            write_atomically(kept / name, content)
        for path in complete_edition():
            shutil.copyfile(path, self.folder / COMPLETE / path.name)
        write_atomically(self.folder / "README.md", README.encode())
        write_atomically(self.folder / WORKSPACE / "workspace.json", to_json({"version": course_lib.__version__}))

    # --- what was done ---

    def record(self, kind: str, name: str, **facts: Any) -> None:
        """Note facts about an exercise, a question or a prediction; what was noted of it before stays beside them."""
        path = self.folder / WORKSPACE / kind / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        now = datetime.now().isoformat(timespec="seconds")
        write_atomically(path, to_json({**self.recorded(kind, name), **facts, "at": now}))

    def recorded(self, kind: str, name: str) -> dict[str, Any]:
        """What is known of it; empty if nothing is."""
        try:
            return dict(json.loads((self.folder / WORKSPACE / kind / f"{name}.json").read_text()))
        except (OSError, ValueError):  # a record that was damaged is one that has to be made again
            return {}

    # --- the learner's library ---

    @property
    def parts(self) -> dict[str, Definition]:
        """The learner's own definitions, by their names in the library."""
        folder = self.folder / WORKSPACE / "parts"
        return {path.stem: Definition.parse(path.read_text()) for path in sorted(folder.glob("*.py"))}

    @cached_property
    def cells(self) -> list[ModuleCell]:
        """The cells that build the library."""
        return module_cells(notebooks_dir())

    @cached_property
    def owned(self) -> dict[str, str]:
        """Name -> module, of all that the library defines."""
        return owned_names(self.cells)

    def adopt(self, definitions: Mapping[str, Definition]) -> None:
        """The learner's definitions take the places of the course's, by their names there.

        Raises:
            BuildError: one does not fit in with the others; nothing has changed.
        """
        self._write_overlay({**self.parts, **definitions})
        folder = self.folder / WORKSPACE / "parts"
        folder.mkdir(exist_ok=True)
        for name, definition in definitions.items():
            write_atomically(folder / f"{name}.py", definition.as_file.encode())

    def restore(self, name: str) -> bool:
        """The course's own again; False if it was the course's."""
        parts = self.parts
        if parts.pop(name, None) is None:
            return False
        self._write_overlay(parts)
        (self.folder / WORKSPACE / "parts" / f"{name}.py").unlink()
        return True

    def _write_overlay(self, parts: Mapping[str, Definition]) -> None:
        modules = build_overlay(self.cells, parts) if parts else {}
        overlay = self.folder / OVERLAY
        overlay.mkdir(exist_ok=True)
        for path in overlay.glob("*.py"):
            if path.name not in modules and path.name != "__init__.py":
                path.unlink()
        for file, text in {"__init__.py": init_file(tuple(sorted(parts))), **modules}.items():
            write_atomically(overlay / file, text.encode())

    # --- a newer course, an older state ---

    def update(self) -> list[str]:
        """Bring in the course as it is installed now, and keep what the learner wrote; returns what was kept.

        Where both have changed a cell, the learner's stays.
        """
        notes = []
        for path in complete_edition():
            theirs, base = self.folder / path.name, self.folder / WORKSPACE / "handed_out" / path.name
            new = _student(path)
            result = new
            if theirs.exists():
                old = read_notebook(base) if base.exists() else nbformat.v4.new_notebook()
                result, kept = merged(old, read_notebook(theirs), new)
                notes += [f"{path.name}, cell {cell}: yours stays, the course has another one now" for cell in kept]
            write_atomically(theirs, content_of(result))
            write_atomically(base, content_of(new))
        self._hand_out({})
        self._write_overlay(self.parts)
        return notes

    def reset(self, name: str) -> Path | None:
        """The blank again, in the notebook and in the library; returns where what was there is kept."""
        source = exercise_in(name)
        blank = _exercises(_student(source))[name]
        path = self.folder / source.name
        notebook = read_notebook(path)
        kept = None
        if (cell := _exercises(notebook).get(name)) and cell.source != blank.source:
            kept = self._keep(name, cell.source)
            cell.source, cell.outputs, cell.execution_count = blank.source, [], None
            write_atomically(path, content_of(notebook))
        self.restore(name)
        self.record("exercises", name, passed=False)
        return kept

    def catch_up(self, number: str) -> list[str]:
        """Fill in what is not solved in the notebooks before `number`; returns the names of these exercises."""
        filled = []
        for path in complete_edition():
            if path.name[:2] >= number:
                break
            solutions = _exercises(read_notebook(path))
            theirs = self.folder / path.name
            notebook = read_notebook(theirs)
            for name, cell in _exercises(notebook).items():
                if name in solutions and not self.recorded("exercises", name).get("passed"):
                    self._keep(name, cell.source)
                    cell.source, cell.outputs = without_markers(solutions[name].source), []
                    self.record("exercises", name, passed=True, given=True)
                    filled.append(name)
            write_atomically(theirs, content_of(notebook))
        return filled

    def _keep(self, name: str, source: str) -> Path:
        folder = self.folder / WORKSPACE / "kept"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}-{len(list(folder.glob(f'{name}-*.py'))) + 1}.py"
        write_atomically(path, source.encode())
        return path


# --- the notebooks ---


def complete_edition() -> list[Path]:
    """The notebooks with all solutions, in order."""
    return sorted(notebooks_dir().glob("[0-9][0-9]_*.ipynb"))


def exercise_in(name: str) -> Path:
    """The notebook, in the complete edition, that has the exercise.

    Raises:
        UserError: there is no such exercise.
    """
    names: dict[str, Path] = {}
    for path in complete_edition():
        names |= dict.fromkeys(_exercises(read_notebook(path)), path)
    if name not in names:
        raise UserError(f"there is no exercise {name}. There are: {', '.join(names)}")
    return names[name]


def _exercises(notebook: nbformat.NotebookNode) -> dict[str, nbformat.NotebookNode]:
    """The cells to be written, by the exercise's name."""
    return {roles(cell)["exercise"]: cell for cell in notebook.cells if "exercise" in roles(cell)}


def _student(path: Path) -> nbformat.NotebookNode:
    return student_edition(read_notebook(path))


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """Raises UserError where this is no notebook."""
    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `course update` writes it anew") from None
    except (ValueError, nbformat.reader.NotJSONError) as error:
        raise UserError(f"{path} is no notebook that can be read: {str(error).splitlines()[0][:200]}") from None


def content_of(notebook: nbformat.NotebookNode) -> bytes:
    """A notebook as the bytes of its file."""
    return nbformat.writes(notebook).encode() + b"\n"
