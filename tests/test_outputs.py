"""How stored and fresh outputs are compared: what may differ between machines does not count, all else does."""

import base64
import io
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from PIL import Image, ImageDraw

from course_lib import figures
from course_lib.editions.outputs import disagreement, image_difference, text_difference, tolerance

ROOT = Path(__file__).resolve().parent.parent
ATTENTION = ROOT / "notebooks" / "03_attention.ipynb"


# --- numbers and words ---


@pytest.mark.parametrize(
    ("stored", "fresh"),
    [
        ("loss 2.31", "loss 2.32"),
        ("loss -0.01", "loss 0.00"),
        ("tensor([0.0120, 1e-7])", "tensor([0.0121, 2e-07])"),
        ("1,234.5 tokens", "1,234.6 tokens"),
        ("  9.99 %\n 10.0", "10.00 %\n10.0"),
        ("a   b", "a b"),
    ],
)
def test_a_last_digit_and_the_width_of_a_column_may_differ(stored, fresh):
    assert text_difference(stored, fresh) == ""


@pytest.mark.parametrize(
    ("stored", "fresh", "named"),
    [
        ("loss 2.31", "loss 2.33", "2.33"),
        ("7 heads", "8 heads", "8"),
        ("63,045,632 parameters", "63,045,633 parameters", "63,045,633"),
        ("1e-07", "1e-05", "1e-05"),
        ("Der Hund schläft.", "Der Hund schlief.", "schlief"),
        ("version 2.13.0", "version 2.13.1", "2.13.1"),
        ("nb03-07", "nb03-08", "nb03-08"),
        ("one\ntwo", "one two", "two"),
        ("one", "one two", "two"),
        ("one two", "one", "two"),
        ("0.50", "nan", "nan"),
    ],
)
def test_any_other_difference_is_named(stored, fresh, named):
    assert named in text_difference(stored, fresh)


def test_a_cell_says_how_far_its_numbers_may_move():
    assert tolerance(["core", "within-5%"]) == 0.05
    assert tolerance(["core"]) == 0
    assert text_difference("loss 2.00", "loss 2.09", 0.05) == ""
    assert "2.11" in text_difference("loss 2.00", "loss 2.11", 0.05)
    assert text_difference("200 of 300", "205 of 300", 0.05) == ""


# --- pictures ---


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def curve():
    return figures.loss_curve([6.0 - step / 200 for step in range(800)], [(400, 4.2), (800, 3.1)]).png


def test_a_picture_is_like_itself_and_like_itself_redrawn_a_little_differently(curve):
    assert image_difference(curve, curve) == ""
    pixels = Image.open(io.BytesIO(curve)).convert("RGB")
    smoothed = pixels.resize([2 * side for side in pixels.size]).resize(pixels.size)
    assert png(smoothed) != png(pixels)
    assert image_difference(curve, png(smoothed)) == ""


def test_a_changed_curve_a_painted_digit_and_another_size_are_noticed(curve):
    steeper = figures.loss_curve([6.0 - step / 180 for step in range(800)], [(400, 4.2), (800, 3.1)]).png
    assert "looks different" in image_difference(curve, steeper)

    painted = Image.open(io.BytesIO(curve)).convert("RGB")
    ImageDraw.Draw(painted).text((800, 320), "8", fill="black", font_size=25)  # as large as the labels of the axes
    assert "most of all near x = 800, y = 3" in image_difference(curve, png(painted))

    assert "pixels" in image_difference(curve, png(painted.crop((0, 0, 300, 200))))


# --- outputs ---


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def shown(data):
    return nbformat.v4.new_output("display_data", data=data)


@pytest.mark.parametrize(
    ("stored", "fresh", "named"),
    [
        ([stream("a")], [], "output 1 (stdout) is missing"),
        ([], [stream("a", "stderr")], "output 1 (stderr) is new"),
        ([stream("a")], [shown({"text/plain": "a"})], "output 1 is text/plain, stored is stdout"),
        (
            [stream("a\n"), stream("1.5")],
            [stream("a\n"), stream("1.8")],
            "output 1 (stdout): '1.8' is not the stored '1.5'",
        ),
        ([shown({"text/html": "<b>1</b>"})], [shown({"text/html": "<i>1</i>"})], "'<i>' is not the stored '<b>'"),
        ([stream("a")], [nbformat.v4.new_output("error", ename="E", evalue="no", traceback=[])], "error"),
    ],
)
def test_the_first_difference_between_the_outputs_of_a_cell(stored, fresh, named):
    assert disagreement(stored, stored) == disagreement(fresh, fresh) == ""
    assert named in disagreement(stored, fresh)


def test_how_a_stream_is_cut_into_pieces_does_not_count():
    assert disagreement([stream("a b\nc")], [stream("a "), stream("b\n"), stream("c")]) == ""
    assert disagreement([stream("a b")], [stream("a "), stream("b", "stderr")])


def test_a_picture_is_compared_and_not_only_its_text(curve):
    def output(content):
        return [shown({"image/png": base64.b64encode(content).decode(), "text/plain": "A curve."})]

    blank = png(Image.new("RGB", Image.open(io.BytesIO(curve)).size, "white"))
    assert disagreement(output(curve), output(curve)) == ""
    assert "image/png" in disagreement(output(curve), output(blank))


# --- by nbval, on a real notebook ---


def nbval(notebook, limit="600.0"):
    """What `make test-notebooks` says of it, in a folder with the same conftest."""
    conftest = (ROOT / "notebooks" / "conftest.py").read_text()
    assert "LIMIT = 600.0" in conftest
    (notebook.parent / "conftest.py").write_text(conftest.replace("LIMIT = 600.0", f"LIMIT = {limit}"))
    command = [sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", "--rootdir", notebook.parent]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run([*command, notebook], capture_output=True, text=True, env=environment, cwd=notebook.parent)


SOURCES = [
    "print('The dog sleeps, 3 words')",
    "print(f'variance {2 ** 0.5:.3f}')",
    "from course_lib import figures\nfigures.loss_curve([3.0, 2.0, 1.0])",
    "import time\nprint(time.time())",
    "",
]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A notebook with a word, a number, a figure and a cell that varies, executed."""
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in SOURCES]
    notebook.cells[3].metadata["tags"] = ["varies"]
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    return notebook


def test_an_untouched_notebook_passes_and_the_share_is_printed(small, tmp_path):
    path = tmp_path / "small.ipynb"
    nbformat.write(small, path)
    result = nbval(path)
    assert result.returncode == 0, result.stdout
    assert "outputs compared: 3 of 4 cells (75%)" in result.stdout
    assert "s  small.ipynb" in result.stdout


def test_a_tampered_word_number_and_figure_fail_each(small, tmp_path):
    tampered = nbformat.from_dict(small)
    tampered.cells[0].outputs[0].text = tampered.cells[0].outputs[0].text.replace("dog", "cat")
    tampered.cells[1].outputs[0].text = tampered.cells[1].outputs[0].text.replace("1.414", "1.417")
    data = tampered.cells[2].outputs[0].data
    size = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).size
    data["image/png"] = base64.b64encode(png(Image.new("RGB", size, "white"))).decode()
    path = tmp_path / "small.ipynb"
    nbformat.write(tampered, path)
    result = nbval(path)
    assert "3 failed, 2 passed" in result.stdout
    for reason in ("'dog' is not the stored 'cat'", "'1.414' is not the stored '1.417'", "looks different"):
        assert reason in result.stdout


def test_a_notebook_that_takes_too_long_fails(small, tmp_path):
    path = tmp_path / "small.ipynb"
    nbformat.write(small, path)
    result = nbval(path, limit="0.0")
    assert result.returncode == 1
    assert "this notebook has taken more than 0 s already" in result.stdout
