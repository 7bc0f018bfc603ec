"""The one style of the course: colours, type, and an empty sheet to draw on.

The colours are those of Okabe and Ito, told apart by colour-blind eyes too; no picture speaks by colour alone.
matplotlib is imported when something is drawn, never before: it takes longer than a lesson's other imports.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from course_lib.figures.picture import PIXELS_PER_INCH, SHARPNESS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

INK = "#1F2430"
GREY = "#6B7280"
PALE = "#D5D9E0"
PAPER = "#FFFFFF"

BLUE = "#0072B2"
ORANGE = "#D55E00"
GREEN = "#009E73"
PINK = "#CC79A7"
SKY = "#56B4E9"
AMBER = "#E69F00"
CURVES = [BLUE, ORANGE, GREEN, PINK, SKY, AMBER]

PAGE = 7.0  # inches: 700 pixels, the width of a notebook's column

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # matplotlib brings it along
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlepad": 10,
    "axes.labelcolor": GREY,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#E8EAEE",
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 2,
    "lines.solid_capstyle": "round",
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
}


@contextmanager
def sheet(width: float = PAGE, height: float = 3.6) -> Iterator["Figure"]:
    """An empty figure, in inches, in the style of the course and no other. pyplot does not know it: nothing stays."""
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context(["default", STYLE]):
        yield Figure(figsize=(width, height), dpi=PIXELS_PER_INCH * SHARPNESS)


def blank_axes(figure: "Figure") -> "Axes":
    """Axes over the whole sheet, measured in inches from the lower left corner, with nothing drawn."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    return axes


def blues() -> "Colormap":
    """From white (0) to deep blue (1), for weights."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("course blues", [PAPER, "#CFE5F3", "#6DB1DC", BLUE, "#003B63"])


def blue_to_orange() -> "Colormap":
    """From blue (-1) over white (0) to orange (1), for values with a sign."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("course signs", ["#00507D", "#4B9CCB", PAPER, "#F0A15E", "#B44A00"])
