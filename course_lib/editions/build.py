"""Build `course_lib/` from the notebooks: one source, the cell in which a part is explained.

A code cell whose first line is `# course_lib/attention.py` defines part of that module. The builder gathers such
cells in notebook order, adds the imports that they need, and formats the result with ruff.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat

from course_lib.editions.definitions import Definition, bound_names, imports_of, text_of, uses

MARKER = re.compile(r"^[ \t]*### (?:BEGIN|END) (?:SOLUTION|HIDDEN TESTS)[ \t]*\n?", re.MULTILINE)  # nbgrader's
MODULE_LINE = re.compile(r"# course_lib/(\w+)\.py\s*\n")
RUFF_OPTIONS = ("--isolated", "--line-length", "120", "--stdin-filename", "module.py", "-")
SORT_IMPORTS = ("check", "--select", "I", "--fix", "--quiet", "--config", 'lint.isort.known-first-party=["course_lib"]')
FORMAT = ("format", "--quiet")
HEADER = "\n\nBuilt from the notebooks: edit the cell named above a definition, then run `course build`.\n"
HEADER_OF_YOURS = "\n\nBuilt from the course's notebooks and yours: edit your cell, and run its check again.\n"


class BuildError(ValueError):
    """A module cell that cannot be built: the message names notebook, cell and what to do."""


@dataclass(frozen=True)
class ModuleCell:
    """One notebook cell that defines part of a library module."""

    module: str
    notebook: str
    number: int  # of the code cell, from 1, as its execution count in a clean run
    source: str  # without the line that names the module
    imports: dict[str, str]  # name -> import statement, for every import of the notebook
    replaced: frozenset[str] = frozenset()  # what the course defined here, if a learner's has taken its place

    @property
    def place(self) -> str:
        return f"notebooks/{self.notebook}, code cell {self.number}"

    @property
    def defines(self) -> list[str]:
        """Names bound by the cell at its top level, in order."""
        return [name for node in ast.parse(self.source).body for name in bound_names(node)]

    @property
    def uses(self) -> set[str]:
        """Global names that the cell reads and that Python does not provide."""
        return uses(self.source)


def without_markers(source: str) -> str:
    """A cell as it is meant to be read: without the lines that say to nbgrader where a solution begins and ends."""
    return MARKER.sub("", source)


def module_cells(notebooks: Path) -> list[ModuleCell]:
    """All cells under `notebooks` that build the library, in the order in which a reader meets them."""
    cells = []
    for path in sorted(notebooks.glob("[0-9][0-9]_*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        sources = [without_markers(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
        imports = imports_of(sources)
        for number, source in enumerate(sources, 1):
            if match := MODULE_LINE.match(source):
                cells.append(ModuleCell(match[1], path.name, number, source[match.end() :], imports))
    return cells


def build(notebooks: Path) -> dict[str, str]:
    """The library that the notebooks define: file name -> text.

    Raises:
        BuildError: a cell does not parse, defines a name a second time, or uses a name that nothing defines.
    """
    cells = module_cells(notebooks)
    if not cells:
        raise BuildError(f"{notebooks}: no cell begins with a line such as '# course_lib/attention.py'")
    owners = _owners(cells)
    modules = dict.fromkeys(cell.module for cell in cells)
    return {f"{module}.py": _module([c for c in cells if c.module == module], owners) for module in modules}


def build_overlay(cells: Sequence[ModuleCell], parts: Mapping[str, Definition]) -> dict[str, str]:
    """The modules that change where a learner's definitions take the place of the course's: file name -> text.

    Args:
        cells: all that build the library, `module_cells(...)`
        parts: name in the library -> the learner's definition of it

    Raises:
        BuildError: a definition uses a name that it does not bring, or brings one that the library has elsewhere.
    """
    known: dict[tuple[str, str], str] = {}
    for name, part in parts.items():
        cells = [_replaced(cell, name, part, known) if name in cell.defines else cell for cell in cells]
    owners = _owners(cells)
    changed = dict.fromkeys(cell.module for cell in cells if cell.replaced)
    return {f"{module}.py": _module([c for c in cells if c.module == module], owners) for module in changed}


def _replaced(cell: ModuleCell, name: str, part: Definition, known: dict[tuple[str, str], str]) -> ModuleCell:
    """The learner's definition, before it what else the cell has for others: its docstring, its other functions.

    `known` are the statements that earlier parts brought: a helper that two of them share is written once.
    """
    nodes = ast.parse(part.source).body
    theirs = {bound for node in nodes for bound in bound_names(node)}
    if name not in theirs:
        raise BuildError(f"{name} is not among what was written: {', '.join(sorted(theirs)) or 'nothing'}")
    kept = [node for node in ast.parse(cell.source).body if not set(bound_names(node)) & theirs]
    texts = [text_of(node, cell.source) for node in kept]
    for node in nodes:
        text = text_of(node, part.source)
        if known.setdefault((cell.module, text), name) == name:
            texts.append(text)
    return replace(
        cell,
        source="\n\n\n".join(texts),
        imports={**cell.imports, **part.imports},
        replaced=cell.replaced | set(cell.defines),
    )


def owned_names(cells: Sequence[ModuleCell]) -> dict[str, str]:
    """Name -> module, of all that the library defines."""
    return {name: cell.module for name, cell in _owners(cells).items()}


def _owners(cells: Sequence[ModuleCell]) -> dict[str, ModuleCell]:
    """Who defines what. A learner's helpers are not for others: two modules may have one of the same name."""
    owners: dict[str, ModuleCell] = {}
    helpers: dict[tuple[str, str], ModuleCell] = {}
    for cell in cells:
        for name in _checked_definitions(cell):
            private = bool(cell.replaced) and name not in cell.replaced
            known = helpers.get((cell.module, name)) or owners.get(name)
            if known and (not private or known.module == cell.module):
                raise BuildError(f"{cell.place}: {name} is already defined in {known.place}; rename one")
            if private:
                helpers[cell.module, name] = cell
            else:
                owners[name] = cell
    return owners


def _checked_definitions(cell: ModuleCell) -> list[str]:
    try:
        return cell.defines
    except SyntaxError as error:
        raise BuildError(f"{cell.place}, line {(error.lineno or 0) + 1}: {error.msg}") from None


def _module(cells: list[ModuleCell], owners: dict[str, ModuleCell]) -> str:
    docstring, first_body = _split_docstring(cells[0])
    own_names = [name for cell in cells for name in cell.defines]
    imports = {_import_for(name, cell, owners) for cell in cells for name in cell.uses if name not in own_names}
    bodies = [first_body, *(cell.source for cell in cells[1:])]
    parts = [
        f'"""{docstring}{HEADER_OF_YOURS if any(cell.replaced for cell in cells) else HEADER}"""',
        "\n".join(sorted(imports)),
        f"__all__ = {sorted(name for name in own_names if not name.startswith('_'))}",
        *(
            f"# {'Yours, from ' if cell.replaced else 'Explained in notebooks/'}{cell.notebook}\n{body.strip()}"
            for cell, body in zip(cells, bodies, strict=True)
        ),
    ]
    return _ruff("\n\n\n".join(parts) + "\n")


def _split_docstring(cell: ModuleCell) -> tuple[str, str]:
    """A module's docstring stands as a string at the top of its first cell."""
    tree = ast.parse(cell.source)
    docstring = ast.get_docstring(tree)
    if docstring is None:
        raise BuildError(f"{cell.place}: the first cell of {cell.module}.py must begin with the module's docstring")
    return docstring, "\n".join(cell.source.splitlines()[tree.body[0].end_lineno :])


def _import_for(name: str, cell: ModuleCell, owners: dict[str, ModuleCell]) -> str:
    if name in owners:
        return f"from course_lib.{owners[name].module} import {name}"
    if name in cell.imports:
        return cell.imports[name]
    raise BuildError(f"{cell.place}: {name} is neither defined in a module cell nor imported in the notebook")


def _ruff(source: str) -> str:
    """Sort the imports and format, by the pinned ruff and by no other configuration than this."""
    for command in (SORT_IMPORTS, FORMAT):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *RUFF_OPTIONS], input=source, capture_output=True, text=True
        )
        if done.returncode:
            raise BuildError(f"ruff {command[0]} failed: {done.stderr.strip()}")
        source = done.stdout
    return source


def stale_modules(built: dict[str, str], library: Path) -> list[str]:
    """Names of the modules in `library` that differ from what was built, byte for byte, or that nothing builds."""
    on_disk = {path.name: path.read_bytes() for path in library.glob("*.py") if path.name != "__init__.py"}
    return sorted(name for name in {*built, *on_disk} if name not in built or on_disk.get(name) != built[name].encode())


def write_library(built: dict[str, str], library: Path) -> list[str]:
    """Write the modules that changed, remove those that nothing builds any more, and return their names."""
    stale = stale_modules(built, library)
    for name in stale:
        if name in built:
            (library / name).write_bytes(built[name].encode())
        else:
            (library / name).unlink()
    return stale
