"""Python source taken apart: what a cell defines, what it uses, and a definition with all that it needs."""

import ast
import builtins
import re
import symtable
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

LIBRARY = "course_lib"
MAGIC = re.compile(r"^[%!].*$", re.MULTILINE)


class DefinitionError(ValueError):
    """What a learner wrote cannot be taken out of the notebook: the message says why."""


def bound_names(node: ast.stmt) -> list[str]:
    """Names to which a statement gives a value at the top level, imports left out."""
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


def imports_of(sources: Iterable[str]) -> dict[str, str]:
    """Every name that the notebook's cells import, with the statement that binds it."""
    found = {}
    for source in sources:
        for node in parse_leniently(source):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    one = ast.Import([alias]) if isinstance(node, ast.Import) else _import_from(node, alias)
                    found[alias.asname or alias.name.split(".")[0]] = ast.unparse(one)
    return found


def _import_from(node: ast.ImportFrom, alias: ast.alias) -> ast.ImportFrom:
    return ast.ImportFrom(node.module, [alias], node.level)


def parse_leniently(source: str) -> list[ast.stmt]:
    """The statements of a cell, without its magics; none if it is no Python even so."""
    try:
        return ast.parse(MAGIC.sub("pass", source)).body
    except SyntaxError:
        return []


@dataclass(frozen=True)
class Definition:
    """A learner's definition, with all that it needs from other cells.

    Args:
        source: definitions, in an order in which they run
        imports: name -> import statement
    """

    source: str
    imports: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the text of a file: see `as_file`."""
        nodes = ast.parse(text).body
        rest = [node for node in nodes if not isinstance(node, ast.Import | ast.ImportFrom)]
        return cls("\n\n\n".join(text_of(node, text) for node in rest), imports_of([text]))

    @property
    def as_file(self) -> str:
        """A module that stands alone."""
        return "\n".join([*sorted(set(self.imports.values())), "\n", self.source]) + "\n"


def text_of(node: ast.stmt, source: str) -> str:
    """A statement as it was written, decorators included, with the comment above it."""
    lines = source.splitlines()
    decorators = getattr(node, "decorator_list", [])
    begin = min([node.lineno, *(one.lineno for one in decorators)]) - 1
    while begin and lines[begin - 1].startswith("#") and not lines[begin - 1].startswith(f"# {LIBRARY}/"):
        begin -= 1
    return "\n".join(lines[begin : node.end_lineno])


def definition_of(name: str, sources: Sequence[str], owned: Mapping[str, str], called: str = "") -> Definition:
    """What the cells last run say of `called` (or `name`), with all that it uses, as a definition of `name`.

    Args:
        name: in the library
        sources: of the cells, in the order in which they ran
        owned: name -> module, of what the library defines: unless the cell itself defines it, the library's is meant
        called: the learner's own name for it

    Raises:
        DefinitionError: it, or a name that it uses, was not defined in a cell.
    """
    called = called or name
    statements = [
        (number, node, source)
        for number, source in enumerate(map(_without_magics, sources))
        for node in parse_leniently(source)
    ]
    imports = imports_of(sources)
    taken: dict[tuple[int, int], str] = {}
    used: dict[str, str] = {}
    at = _last(called, statements, len(sources))
    if at is None:
        raise DefinitionError(f"{called} was not defined by `def` or `class` in a cell of this notebook")
    home = at[0]
    wanted = [called]
    while wanted:
        one = wanted.pop()
        found = at if one == called else _last(one, statements, home, only=home if one in owned else None)
        if found is not None:
            number, node, source = found
            if (number, node.lineno) not in taken:
                text = taken[number, node.lineno] = text_of(node, source)
                wanted += sorted(uses(text) - used.keys())
        elif one in owned:
            used[one] = f"from {LIBRARY}.{owned[one]} import {one}"
        elif one in imports:
            used[one] = imports[one]
        else:
            raise DefinitionError(f"{called} uses {one}, which no cell defines by `def`, `class`, `import` or `=`")
    source = "\n\n\n".join(taken[place] for place in sorted(taken))
    if called != name:
        source += f"\n\n\n{name} = {called}"
    return Definition(source, used)


def _without_magics(source: str) -> str:
    return MAGIC.sub("pass", source)


def uses(source: str) -> set[str]:
    """Global names that are read and that Python does not provide."""
    table = symtable.symtable(source, "a cell", "exec")
    return set(_global_names(table)) - set(dir(builtins))


Statement = tuple[int, ast.stmt, str]  # number of the cell, the statement, the cell


def _last(name: str, statements: Sequence[Statement], until: int, only: int | None = None) -> Statement | None:
    """The last statement that gives `name` a value, in the cells up to `until`, or in the cell `only`."""
    for one in reversed(statements):
        if one[0] > until or (only is not None and one[0] != only) or name not in bound_names(one[1]):
            continue
        if not _is_use(one[1]):
            return one
    return None


def _is_use(node: ast.stmt) -> bool:
    """`X = use("X", X)`: the line below an exercise, which defines nothing."""
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "use"
    )
