"""Build `course_lib/` from the notebooks: one source, the cell in which a part is explained.

A code cell whose first line is `# course_lib/attention.py` defines part of that module. The builder gathers such
cells in notebook order, adds the imports that they need, and formats the result with ruff.
"""

import ast
import builtins
import re
import subprocess
import symtable
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

MAGIC = re.compile(r"^[%!].*$", re.MULTILINE)
MARKER = re.compile(r"^[ \t]*### (?:BEGIN|END) (?:SOLUTION|HIDDEN TESTS)[ \t]*\n?", re.MULTILINE)  # nbgrader's
MODULE_LINE = re.compile(r"# course_lib/(\w+)\.py\s*\n")
RUFF_OPTIONS = ("--isolated", "--line-length", "120", "--stdin-filename", "module.py", "-")
SORT_IMPORTS = ("check", "--select", "I", "--fix", "--quiet", "--config", 'lint.isort.known-first-party=["course_lib"]')
FORMAT = ("format", "--quiet")
HEADER = "\n\nBuilt from the notebooks: edit the cell named above a definition, then run `course build`.\n"


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

    @property
    def place(self) -> str:
        return f"notebooks/{self.notebook}, code cell {self.number}"

    @property
    def defines(self) -> list[str]:
        """Names bound by the cell at its top level, in order."""
        return [name for node in ast.parse(self.source).body for name in _bound_names(node)]

    @property
    def uses(self) -> set[str]:
        """Global names that the cell reads and that Python does not provide."""
        table = symtable.symtable(self.source, self.place, "exec")
        return set(_global_names(table)) - set(dir(builtins))


def _bound_names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        targets = [name for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        return [name.id for name in targets if isinstance(name.ctx, ast.Store)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def _global_names(table: symtable.SymbolTable) -> Iterator[str]:
    at_top = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (at_top or symbol.is_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _global_names(child)


def _imports(sources: Iterable[str]) -> dict[str, str]:
    """Every name that the notebook's cells import, with the statement that binds it."""
    found = {}
    for source in sources:
        for node in _parse_leniently(source):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    one = ast.Import([alias]) if isinstance(node, ast.Import) else _import_from(node, alias)
                    found[alias.asname or alias.name.split(".")[0]] = ast.unparse(one)
    return found


def _import_from(node: ast.ImportFrom, alias: ast.alias) -> ast.ImportFrom:
    return ast.ImportFrom(node.module, [alias], node.level)


def _parse_leniently(source: str) -> list[ast.stmt]:
    """The statements of a cell, without its magics; none if it is no Python even so."""
    try:
        return ast.parse(MAGIC.sub("pass", source)).body
    except SyntaxError:
        return []


def without_markers(source: str) -> str:
    """A cell as it is meant to be read: without the lines that say to nbgrader where a solution begins and ends."""
    return MARKER.sub("", source)


def module_cells(notebooks: Path) -> list[ModuleCell]:
    """All cells under `notebooks` that build the library, in the order in which a reader meets them."""
    cells = []
    for path in sorted(notebooks.glob("[0-9][0-9]_*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        sources = [without_markers(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
        imports = _imports(sources)
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
    owners: dict[str, ModuleCell] = {}
    for cell in cells:
        for name in _checked_definitions(cell):
            if name in owners:
                raise BuildError(f"{cell.place}: {name} is already defined in {owners[name].place}; rename one")
            owners[name] = cell
    modules = dict.fromkeys(cell.module for cell in cells)
    return {f"{module}.py": _module([c for c in cells if c.module == module], owners) for module in modules}


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
        f'"""{docstring}{HEADER}"""',
        "\n".join(sorted(imports)),
        f"__all__ = {sorted(name for name in own_names if not name.startswith('_'))}",
        *(
            f"# Explained in notebooks/{cell.notebook}\n{body.strip()}"
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
