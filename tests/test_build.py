"""The builder: notebooks in, library out, and errors that name the cell."""

from pathlib import Path

import nbformat
import pytest

from course_lib.editions.build import BuildError, build, module_cells, stale_modules, write_library

ROOT = Path(__file__).resolve().parents[1]
DOC = '"""Things."""\n\n'


def notebook(folder: Path, name: str, *cells: str) -> None:
    """A notebook of these code cells, each with some text before it."""
    made = nbformat.v4.new_notebook()
    for cell in cells:
        made.cells += [nbformat.v4.new_markdown_cell("# course_lib/prose.py"), nbformat.v4.new_code_cell(cell)]
    nbformat.write(made, folder / name)


def module_cell(body: str, module: str = "things") -> str:
    return f"# course_lib/{module}.py\n{body}"


def refusal(folder: Path) -> str:
    with pytest.raises(BuildError) as caught:
        build(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- this course ---


def test_the_library_is_what_the_notebooks_build():
    built = build(ROOT / "notebooks")
    stale = stale_modules(built, ROOT / "course_lib")
    assert not stale, f"run `course build`: {', '.join(stale)}"


def test_every_definition_names_a_notebook_that_exists():
    for cell in module_cells(ROOT / "notebooks"):
        assert cell.defines, cell.place
        text = (ROOT / "course_lib" / f"{cell.module}.py").read_text()
        assert f"# Explained in notebooks/{cell.notebook}\n" in text


# --- what a module is made of ---


def test_a_module_from_two_notebooks(tmp_path):
    notebook(
        tmp_path,
        "02_first.ipynb",
        "import math\nimport os\nfrom torch import Tensor, nn",
        module_cell(DOC + "def area(r: float) -> float:\n    return PI * math.sqrt(r) ** 4\n\nPI = 3.14"),
        "area(2)",
    )
    notebook(
        tmp_path,
        "10_second.ipynb",
        "%matplotlib inline",
        "import math",
        "from course_lib.things import area\nfrom collections.abc import Callable",
        module_cell("class Ring:\n    def area(self, f: Callable) -> float: return area(1) + _hidden()\n"),
        module_cell("def _hidden(): return 1"),
        module_cell(DOC + "def use(ring: Ring):\n    return math.floor(area(1))", "others"),
    )
    built = build(tmp_path)
    assert list(built) == ["things.py", "others.py"]
    assert built["things.py"] == (
        '"""Things.\n\n'
        'Built from the notebooks: edit the cell named above a definition, then run `course build`.\n"""\n\n'
        "import math\nfrom collections.abc import Callable\n\n"
        '__all__ = ["PI", "Ring", "area"]\n\n\n'
        "# Explained in notebooks/02_first.ipynb\n"
        "def area(r: float) -> float:\n    return PI * math.sqrt(r) ** 4\n\n\nPI = 3.14\n\n\n"
        "# Explained in notebooks/10_second.ipynb\n"
        "class Ring:\n    def area(self, f: Callable) -> float:\n        return area(1) + _hidden()\n\n\n"
        "# Explained in notebooks/10_second.ipynb\n"
        "def _hidden():\n    return 1\n"
    )
    assert "import math\n\nfrom course_lib.things import Ring, area\n" in built["others.py"]


def test_drafts_prose_and_other_files_build_nothing(tmp_path):
    notebook(
        tmp_path,
        "02_first.ipynb",
        "def draft(): pass",
        "\n# course_lib/things.py\nx = 1",  # not its first line
        "#course_lib/things.py\nx = 1",
        module_cell(DOC + "x = 1"),
    )
    notebook(tmp_path, "scratch.ipynb", module_cell("x = 2"))
    assert [cell.place for cell in module_cells(tmp_path)] == ["notebooks/02_first.ipynb, code cell 4"]


def test_building_twice_gives_the_same_bytes(tmp_path):
    notebook(tmp_path, "02_a.ipynb", "import math, os", module_cell(DOC + "x = math.pi\ny = os.sep\nz = {1, 2}"))
    assert build(tmp_path) == build(tmp_path)


# --- errors name notebook and cell ---


def test_a_syntax_error(tmp_path):
    notebook(tmp_path, "02_a.ipynb", "x = 1", module_cell(DOC + "def f(:\n    pass"))
    assert refusal(tmp_path) == "notebooks/02_a.ipynb, code cell 2, line 4: invalid syntax"


def test_a_name_defined_twice(tmp_path):
    notebook(tmp_path, "02_a.ipynb", module_cell(DOC + "def f():\n    pass"))
    notebook(tmp_path, "03_b.ipynb", "x = 1", module_cell(DOC + "class f:\n    pass", "others"))
    assert refusal(tmp_path) == (
        "notebooks/03_b.ipynb, code cell 2: f is already defined in notebooks/02_a.ipynb, code cell 1; rename one"
    )


def test_a_name_defined_twice_in_one_cell(tmp_path):
    notebook(tmp_path, "02_a.ipynb", module_cell(DOC + "def f():\n    pass\n\ndef f():\n    pass"))
    assert "f is already defined in notebooks/02_a.ipynb, code cell 1" in refusal(tmp_path)


@pytest.mark.parametrize("body", ["def f():\n    return g(1)", "x = [g for _ in ()]", "class A:\n    y: g = 1"])
def test_an_unknown_name(tmp_path, body):
    notebook(tmp_path, "02_a.ipynb", "g = 1  # not in a module cell", module_cell(DOC + body))
    assert refusal(tmp_path) == (
        "notebooks/02_a.ipynb, code cell 2: g is neither defined in a module cell nor imported in the notebook"
    )


def test_an_import_of_another_notebook_does_not_count(tmp_path):
    notebook(tmp_path, "02_a.ipynb", "import math", module_cell(DOC + "x = math.pi"))
    notebook(tmp_path, "03_b.ipynb", module_cell("y = math.tau"))
    assert "notebooks/03_b.ipynb, code cell 1: math is neither" in refusal(tmp_path)


def test_a_missing_docstring(tmp_path):
    notebook(tmp_path, "02_a.ipynb", module_cell("def f():\n    pass"))
    assert refusal(tmp_path) == (
        "notebooks/02_a.ipynb, code cell 1: the first cell of things.py must begin with the module's docstring"
    )


def test_no_module_cell_at_all(tmp_path):
    notebook(tmp_path, "02_a.ipynb", "x = 1")
    assert "no cell begins with a line such as '# course_lib/attention.py'" in refusal(tmp_path)


# --- what is on disk ---


def test_stale_modules_are_found_and_written(tmp_path):
    built = {"things.py": "x = 1\n", "new.py": "y = 2\n", "same.py": "z = 'ü'\n"}
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "corpora").mkdir()
    (tmp_path / "things.py").write_bytes(b"x = 1\r\n")  # every byte counts
    (tmp_path / "same.py").write_bytes(built["same.py"].encode())
    (tmp_path / "orphan.py").write_text("w = 0\n")
    assert stale_modules(built, tmp_path) == ["new.py", "orphan.py", "things.py"]
    untouched = (tmp_path / "same.py").stat().st_mtime_ns
    assert write_library(built, tmp_path) == ["new.py", "orphan.py", "things.py"]
    assert stale_modules(built, tmp_path) == [] == write_library(built, tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.py")) == ["__init__.py", "new.py", "same.py", "things.py"]
    assert (tmp_path / "same.py").stat().st_mtime_ns == untouched
