"""The figures: they are images, they can be read aloud, and they leave nothing behind."""

import subprocess
import sys
from functools import cache
from io import BytesIO

import pytest
import torch
from PIL import Image

from course_lib import figures
from course_lib.figures.model import NOTEBOOK
from course_lib.positions import sinusoids

ROWS, COLUMNS = ["Der", "Hund", "schläft"], ["The", "dog", "sleeps"]
WEIGHTS = torch.tensor([[0.9, 0.05, 0.05], [0.0, 1.0, 0.0], [0.2, 0.2, 0.6]])
LINE = torch.linspace(-1, 1, 21)
DRAWN = {
    "positions": lambda: figures.position_table(sinusoids(64, 128)),
    "one loss": lambda: figures.loss_curve([6.0]),
    "losses": lambda: figures.loss_curve([6.0 - i / 500 for i in range(1000)], [(500, 5.2), (1000, 4.5)]),
    "attention": lambda: figures.attention_map(WEIGHTS, ROWS, COLUMNS, "a head"),
    "saturation": lambda: figures.softmax_saturation(
        [4, 64], torch.tensor([[0.6, 0.4], [0.9, 0.1]]), torch.tensor([[0.6, 0.4], [0.6, 0.4]])
    ),
    "the model": lambda: figures.the_model(["masking"]),
    "heads": lambda: figures.head_maps(torch.stack([WEIGHTS, WEIGHTS]), ROWS, COLUMNS, ["first", "second"], "heads"),
    "hinges": lambda: figures.sum_of_hinges(LINE, {"up": LINE.relu(), "down": -(LINE - 0.5).relu()}, "a sum"),
    "bent lines": lambda: figures.bent_lines(LINE, LINE.square(), {2: LINE.abs()}, {2: 0.25}),
    "activations": lambda: figures.activations(LINE, {"ReLU": LINE.relu()}, {"ReLU": (LINE > 0).float()}, [-1.0, 1.0]),
    "statistics": lambda: figures.shared_statistics([["a", "dog", "sleeps"], ["it", "barks"]]),
    "by layer": lambda: figures.by_layer({"with": [1.0, 0.9], "without": [1.0, 0.1]}, "gradients", "length"),
    "batch noise": lambda: figures.batch_noise([2, 8, 32], [0.5, 0.26, 0.12], [0.5, 0.25, 0.125]),
    "words and places": lambda: figures.word_or_place({"sum": torch.randn(2, 3, 8)}, ["dog", "cat"], [0, 1, 2]),
    "products": lambda: figures.place_products({"every place": torch.cos(LINE)}, len(LINE) // 2),
    "step errors": lambda: figures.step_errors(torch.full((50,), 1e-7), torch.rand(50), 20),
    "masks": lambda: figures.masks_joined(
        torch.tensor([[[[True, True, False]]]]), torch.ones(3, 3, dtype=torch.bool).tril(), [["a", "dog", "PAD"]]
    ),
    "losses and floor": lambda: figures.losses_and_floor({"masked": [3.0, 2.0, 1.9], "open": [3.0, 1.0, 0.1]}, 1.8),
    "reach": lambda: figures.reach({"honest": torch.ones(4, 4, dtype=torch.bool).tril()}),
    "influence": lambda: figures.influence(WEIGHTS, ROWS, COLUMNS, "gradients"),
    "smoothing": lambda: figures.smoothing([0.0, 2.0, 4.0], [2.0, 0.5, 0.1], [2.0, 0.8, 0.9], 0.1),
    "learning rates": lambda: figures.learning_rates([1, 50, 100], {"base": [0.001, 0.002, 0.001]}),
    "search tree": lambda: figures.search_tree(
        {("a",): (0.6, "kept"), ("b",): (0.4, "dropped"), ("a", "c"): (1.0, "ended")}
    ),
}


@pytest.fixture(scope="module", params=DRAWN)
def picture(request):
    return DRAWN[request.param]()


def test_a_picture_is_an_image_as_wide_as_a_page_at_most_and_sharp(picture):
    image = Image.open(BytesIO(picture.png))
    assert image.format == "PNG"
    assert picture.width <= 700
    assert image.size == (pytest.approx(2 * picture.width, abs=2), pytest.approx(2 * picture.height, abs=2))
    assert len(image.getcolors(256)) > 5, "something was drawn"


def test_a_picture_can_be_read_aloud(picture):
    data, metadata = picture._repr_mimebundle_()
    assert data == {"image/png": picture.png, "text/plain": picture.alt}
    assert metadata["image/png"]["alt"] == picture.alt
    assert 40 < len(picture.alt) < 900 and picture.alt.endswith(".")


def test_a_picture_is_small_enough_for_a_notebook(picture):
    assert len(picture.png) < 100_000


def test_nothing_but_the_drawing_decides_the_bytes():
    assert DRAWN["attention"]().png == DRAWN["attention"]().png
    assert not Image.open(BytesIO(DRAWN["attention"]().png)).info.keys() & {"Software", "Creation Time", "date"}


def test_the_readers_own_style_changes_nothing():
    import matplotlib

    before = DRAWN["one loss"]().png
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "lines.linewidth": 9}):
        assert DRAWN["one loss"]().png == before


def test_drawing_leaves_no_style_and_no_open_figure_behind():
    import matplotlib
    from matplotlib import pyplot

    before = dict(matplotlib.rcParams)
    DRAWN["one loss"]()
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == []


def test_matplotlib_is_imported_when_something_is_drawn():
    script = "import sys, course_lib.figures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_save_writes_the_image_and_says_where(tmp_path, picture):
    assert picture.save(tmp_path / "a.png").read_bytes() == picture.png
    assert picture.save(str(tmp_path / "b.png")) == tmp_path / "b.png"


# --- what the words say ---


@cache
def plain_model():
    return figures.the_model()


def test_the_table_of_positions_in_words():
    alt = DRAWN["positions"]().alt
    assert "64 positions as rows, 128 features as columns" in alt
    assert "feature 0: 20" in alt, "sin(t) crosses zero 20 times before t = 64"


def test_a_table_with_few_features():
    assert "2 features" in figures.position_table(torch.randn(4, 2)).alt


def test_the_loss_in_words():
    assert figures.loss_curve([6.0]).alt == "The training loss over 1 step: from 6.0 to 6.0 nats per token."
    assert "4.5 at step 1,000" in DRAWN["losses"]().alt


def test_a_run_without_steps_has_no_curve():
    with pytest.raises(ValueError, match="no losses"):
        figures.loss_curve([])


def test_attention_in_words():
    alt = DRAWN["attention"]().alt
    assert alt.startswith("a head: a grid of attention weights, 3 rows that look at 3 columns.")
    assert "Der at The (0.90), Hund at dog (1.00), schläft at sleeps (0.60)" in alt


def test_attention_of_many_rows_names_the_first_twelve():
    alt = figures.attention_map(torch.eye(30), [f"r{i}" for i in range(30)], [f"column{i}" for i in range(30)]).alt
    assert "r11 at column11 (1.00), and 18 rows more." in alt


def test_labels_that_do_not_fit_the_weights():
    with pytest.raises(ValueError, match=r"weights are \(3, 3\), but there are 3 rows and 2 columns"):
        figures.attention_map(WEIGHTS, ROWS, COLUMNS[:2])


@pytest.mark.parametrize("part", NOTEBOOK)
def test_a_lit_part_is_named_and_seen(part):
    picture = figures.the_model([part])
    assert f"Lit: {part.replace('_', ' ')} (notebook {NOTEBOOK[part]:02})." in picture.alt
    assert picture.png != plain_model().png


def test_what_later_notebooks_build_is_still_to_come():
    assert figures.the_model(["training"]).alt.endswith("Dashed, to come: decoding (notebook 13).")
    assert "to come" not in figures.the_model(["decoding"]).alt
    assert "to come" not in plain_model().alt


def test_an_unknown_part():
    with pytest.raises(ValueError, match="no part named 'attentoin'; it has tokenizer, attention,"):
        figures.the_model(["attentoin"])


# --- the gloss ---


def test_a_gloss_stands_word_above_word():
    gloss = figures.gloss_table([("Der", "the"), ("Hund", "dog"), ("schläft", "sleeps"), (".", ".")])
    assert str(gloss) == "Der  Hund  schläft  .\nthe  dog   sleeps   ."
    assert gloss._repr_mimebundle_() == {"text/html": gloss.html(), "text/plain": str(gloss)}
    assert 'lang="de"' in gloss.html() and ">schläft</th>" in gloss.html()


def test_a_long_gloss_is_broken_into_lines_that_fit():
    text = str(figures.gloss_table([("Donaudampfschiff", "steamer")] * 20))
    assert max(map(len, text.splitlines())) <= 88
    assert text.count("Donaudampfschiff") == text.count("steamer") == 20


def test_no_words_no_gloss():
    assert str(figures.gloss_table([])) == "\n"


def test_a_gloss_is_text_not_markup():
    assert "&lt;b&gt;" in figures.gloss_table([("<b>", "a & b")]).html()
