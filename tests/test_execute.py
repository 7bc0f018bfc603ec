"""Re-execution: reproducible to the byte, and nothing lost where a cell fails."""

import nbformat
import pytest

from course_lib.editions import execute

SOURCES = [
    "import torch",
    "for i in range(3):\n    print(i, flush=True)",
    "from course_lib import figures\nfigures.loss_curve([3.0, 2.0, 1.0])",
    "torch.randn(3, generator=torch.Generator().manual_seed(0))",
]


@pytest.fixture
def notebook(tmp_path):
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in SOURCES]
    notebook.metadata["language_info"] = {"name": "python", "version": "3.1.4"}
    path = tmp_path / "small.ipynb"
    nbformat.write(notebook, path)
    return path


def test_a_second_run_changes_no_byte(notebook, capsys):
    assert execute.main([str(notebook)]) == 0
    first = notebook.read_bytes()
    assert execute.main([str(notebook)]) == 0
    assert notebook.read_bytes() == first
    cells = nbformat.read(notebook, as_version=4).cells
    assert [cell.execution_count for cell in cells] == [1, 2, 3, 4]
    assert [output.text for output in cells[1].outputs] == ["0\n1\n2\n"], "one stream, however it came"
    assert "image/png" in cells[2].outputs[0].data
    assert b"3.1.4" not in first and first.endswith(b"}\n")
    assert [path.name for path in notebook.parent.iterdir()] == ["small.ipynb"]
    assert "s  " in capsys.readouterr().out


def test_a_notebook_that_fails_stays_as_it_was(notebook, capsys):
    broken = nbformat.read(notebook, as_version=4)
    broken.cells[3].source = "1 / 0"
    nbformat.write(broken, notebook)
    before = notebook.read_bytes()
    assert execute.main([str(notebook)]) == 1
    assert notebook.read_bytes() == before
    message = capsys.readouterr().err
    assert "small.ipynb is as it was" in message and "ZeroDivisionError" in message
