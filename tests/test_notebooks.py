"""The notebooks as a reader finds them: executed, short-celled, true to the order of the course.

Nothing is run here; that the stored outputs are what running prints is tested by nbval (`make test-notebooks`).
"""

import ast
import re
from functools import cache
from pathlib import Path

import nbformat
import pytest

from course_lib.editions.build import MODULE_LINE, without_markers

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# Which notebooks define parts of which module; what is not here builds nothing.
BUILDS = {
    "02": {"tokenizer", "batching"},
    "03": {"attention"},
    "04": {"attention"},
    "05": {"feed_forward"},
    "06": {"normalization"},
    "07": {"embeddings"},
    "08": {"positions"},
    "09": {"masks"},
    "10": {"transformer"},
    "11": {"transformer"},
    "12": {"training"},
    "13": {"decoding"},
    "14": {"alignment"},
    "16": {"baselines"},
}
FIRST_BUILT = {module: number for number, modules in reversed(BUILDS.items()) for module in modules}
TAGS = re.compile(r"core|preview|varies|within-\d+(\.\d+)?%|(exercise|check|hunt): \w+|question: \d+|sealed: [\w.-]+")

LONGEST_CELL = 30  # lines, without docstrings
LONGEST_OUTPUT = 40  # lines: a screen
MACHINE_PATH = re.compile(r"/(?:home|root|Users|work|tmp)/|[A-Z]:\\\\?Users|site-packages|ipykernel_\d")
ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@cache
def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def outputs(path):
    return [(cell.id, output) for cell in code_cells(path) for output in cell.outputs]


def tags(cell):
    return set(cell.metadata.get("tags", []))


def printed(output):
    """The text of an output as it is stored."""
    if output.output_type == "stream":
        return output.text
    return output.get("data", {}).get("text/plain", "")


# --- the file ---


def test_name_and_format(path):
    assert re.fullmatch(r"\d\d_[a-z_]+\.ipynb", path.name)
    nbformat.validate(read(path))
    title = read(path).cells[0].source.splitlines()[0]
    assert title.startswith(f"# {path.name[:2]} · "), title


def test_cell_ids_are_unique_and_say_where_they_are(path):
    """Stable ids: a link or a remark that names a cell still finds it after the next edit."""
    ids = [cell.id for cell in read(path).cells]
    assert len(ids) == len(set(ids))
    assert not [cell_id for cell_id in ids if not re.fullmatch(rf"nb{path.name[:2]}-[a-z0-9-]+", cell_id)]


def test_tags_are_known(path):
    assert not {tag for cell in read(path).cells for tag in tags(cell) if not TAGS.fullmatch(tag)}


def test_no_machine_is_named(path):
    """Neither in what is written nor in what is stored: it would be true in one place only."""
    found = [(cell.id, match[0]) for cell in read(path).cells for match in [MACHINE_PATH.search(cell.source)] if match]
    found += [
        (cell_id, match[0])
        for cell_id, output in outputs(path)
        for text in [printed(output), output.get("data", {}).get("text/html", "")]
        for pattern in (MACHINE_PATH, ADDRESS)
        if (match := pattern.search(text))
    ]
    assert not found


# --- executed ---


def test_every_cell_was_executed_once_from_first_to_last(path):
    """A cell without a count is never compared by nbval: a cleared notebook would pass."""
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "run `make notebooks`"


def test_no_errors_and_no_warnings_are_stored(path):
    assert not [cell_id for cell_id, output in outputs(path) if output.output_type == "error"]
    assert not [(cell_id, output.text) for cell_id, output in outputs(path) if output.get("name") == "stderr"]


def test_an_output_fits_a_screen(path):
    assert not {
        cell_id: len(printed(output).splitlines())
        for cell_id, output in outputs(path)
        if len(printed(output).splitlines()) > LONGEST_OUTPUT
    }


def test_every_image_can_be_read_aloud(path):
    for cell_id, output in outputs(path):
        for kind in ("image/png", "image/jpeg"):
            if kind in output.get("data", {}):
                alt = output.metadata.get(kind, {}).get("alt", "")
                assert len(alt) > 40, f"{cell_id}: an image without alternative text; draw it with course_lib.figures"
                assert output.data.get("text/plain") == alt, cell_id
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            assert not re.search(r"!\[\s*\]\(|<img(?![^>]*\balt=\"[^\"]+\")", cell.source), cell.id


def test_nine_of_ten_outputs_are_compared():
    cells = [cell for path in NOTEBOOKS for cell in code_cells(path) if cell.outputs]
    compared = [cell for cell in cells if "varies" not in tags(cell)]
    print(f"compared: {len(compared)} of {len(cells)} cells with output ({len(compared) / len(cells):.0%})")
    assert len(compared) / len(cells) >= 0.9


# --- short cells, in the order of the course ---


def lines_to_read(source):
    """The lines of a cell that are neither empty nor in a docstring."""
    lines = dict(enumerate(source.strip().splitlines(), start=1))
    try:
        tree = ast.parse(source.strip())
    except SyntaxError:  # a magic
        tree = ast.Module([], [])
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body and ast.get_docstring(node):
            for line in range(node.body[0].lineno, node.body[0].end_lineno + 1):
                del lines[line]
    return sum(bool(line.strip()) for line in lines.values())


def test_how_lines_are_counted():
    assert lines_to_read('def f():\n    """One.\n\n    Two.\n    """\n\n    return 1\n') == 2
    assert lines_to_read('# course_lib/a.py\n"""The module."""\n\nx = """no\ndocstring"""') == 3
    assert lines_to_read("%pip list\nx = 1") == 2


def test_cells_are_short(path):
    lengths = {cell.id: lines_to_read(without_markers(cell.source)) for cell in code_cells(path)}
    assert not {cell_id: length for cell_id, length in lengths.items() if length > LONGEST_CELL}


def test_it_builds_what_the_course_says_and_nothing_else(path):
    built = {match[1] for cell in code_cells(path) if (match := MODULE_LINE.match(cell.source))}
    assert built == BUILDS.get(path.name[:2], set())


def modules_used(source):
    """Modules at the top level of course_lib that the cell imports from."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return set()
    names = [
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    ]
    return {name.split(".")[1] for name in names if name.startswith("course_lib.")} & FIRST_BUILT.keys()


def test_every_way_to_import_a_module_is_seen():
    lines = [
        "import course_lib.masks as m",
        "from course_lib import figures, training",
        "from course_lib.decoding import x",
    ]
    assert modules_used("\n".join(lines)) == {"masks", "training", "decoding"}
    assert modules_used("from course_lib.app.translator import Translator") == set()


def test_no_cell_uses_what_a_later_notebook_builds(path):
    """Unless it says so, by the tag `preview`."""
    early = {
        cell.id: late
        for cell in code_cells(path)
        if "preview" not in tags(cell)
        if (late := {module for module in modules_used(cell.source) if FIRST_BUILT[module] > path.name[:2]})
    }
    assert not early
