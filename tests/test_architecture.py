"""The rule of the house: the top level is the course's subject, folders are its furniture."""

import ast
import sys
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[1] / "course_lib"
MODULES = sorted(path.stem for path in LIBRARY.glob("*.py") if path.stem != "__init__")
# the model's files, from the ground up: each may import those before it
MODEL = ["attention", "feed_forward", "normalization", "masks", "embeddings", "positions", "transformer"]
FOUNDATIONS = MODEL[:-1]  # of which each stands by itself
# everything that a built module may import from outside
ALLOWED_OUTSIDE = {"torch", "sentencepiece", "numpy", *sys.stdlib_module_names}
FURNITURE = {"app", "corpora", "editions", "exercises", "figures"}  # all folders but `fast`


def imported(path: Path) -> set[str]:
    """Full names of the modules that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            names |= {f"course_lib.{a.name}" for a in node.names} if node.module == "course_lib" else {node.module}
    return names


def inside(names: set[str]) -> set[str]:
    """What is imported from this library: the first name below it."""
    return {name.split(".")[1] for name in names if name.startswith("course_lib.")}


GRAPH = {module: inside(imported(LIBRARY / f"{module}.py")) for module in MODULES}


def test_the_model_is_there():
    assert set(MODEL) <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_a_built_module_imports_little_from_outside(module):
    outside = {name.split(".")[0] for name in imported(LIBRARY / f"{module}.py")} - {"course_lib"}
    assert outside <= ALLOWED_OUTSIDE
    if module in MODEL:
        assert outside <= {"torch", *sys.stdlib_module_names}


@pytest.mark.parametrize("module", FOUNDATIONS)
def test_the_foundations_stand_by_themselves(module):
    assert GRAPH[module] <= set(MODEL[: MODEL.index(module)])


def test_the_model_knows_nothing_of_training():
    assert GRAPH["transformer"] <= {*FOUNDATIONS, "fast"}


@pytest.mark.parametrize("module", MODULES)
def test_the_subject_does_not_import_the_furniture(module):
    assert not GRAPH[module] & FURNITURE


def test_no_circle_of_imports():
    """Among all files of the library, folders included."""
    paths = {
        ".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in LIBRARY.rglob("*.py")
    }
    graph = {name: module_level_imports(path, set(paths)) - {name} for name, path in paths.items()}
    finished: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle: {' -> '.join([*path[path.index(name) :], name])}"
        if name not in finished:
            for other in sorted(graph[name]):
                visit(other, (*path, name))
            finished.add(name)

    for name in sorted(graph):
        visit(name, ())


def module_level_imports(path: Path, library: set[str]) -> set[str]:
    """The library's modules that a file imports at once: not in functions, not for type checkers alone."""
    found: set[str] = set()
    todo: list[ast.AST] = [ast.parse(path.read_text())]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                found.add(submodule if submodule in library else str(node.module))
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not is_for_type_checkers(node):
            todo += ast.iter_child_nodes(node)
    return found & library - {"course_lib"}


def is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
