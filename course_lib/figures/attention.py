"""Pictures of who looks at whom."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from course_lib.figures.picture import Picture
from course_lib.figures.style import GREY, INK, PAGE, PALE, blues, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CELL = 0.56  # inches, the largest
NUMBERS_FROM = 0.40  # inches: in smaller cells numbers cannot be read


def attention_map(weights: Tensor, rows: Sequence[str], columns: Sequence[str], title: str = "") -> Picture:
    """Attention weights (T_q, T_k) as a grid: each row is a query, and shows how it shares itself out over the keys.

    Args:
        weights: one head, or the mean of several
        rows: the tokens that ask
        columns: the tokens that are looked at
        title: what is shown, in a few words
    """
    values = weights.detach().cpu().float()
    if values.shape != (len(rows), len(columns)):
        raise ValueError(
            f"weights are {tuple(values.shape)}, but there are {len(rows)} rows and {len(columns)} columns"
        )
    slanted = _length(columns) > min(CELL, (PAGE - 1.5) / len(columns))
    left, right = 0.25 + _length(rows), (0.75 * _length(columns) if slanted else 0.35)
    top = (0.2 + 0.75 * _length(columns) if slanted else 0.4) + (0.4 if title else 0.0)
    bottom = 0.35
    cell = min(CELL, (PAGE - left - right) / len(columns))
    width, height = left + cell * len(columns) + right, top + cell * len(rows) + bottom
    with sheet(max(width, 3.5, left + 0.1 * len(title)), height) as figure:
        page = figure.get_size_inches()[0]
        axes = figure.add_axes(
            (left / page, bottom / height, (width - left - right) / page, (height - top - bottom) / height)
        )
        axes.pcolormesh(values.numpy(), cmap=blues(), vmin=0, vmax=1, edgecolors="white", linewidth=1.5)
        _label(axes, rows, columns, slanted)
        if cell >= NUMBERS_FROM:
            _write_numbers(axes, values)
        else:
            figure.text(left / page, 0.12 / height, "white: 0, darkest: 1", fontsize=8.5, color=GREY)
        if title:
            figure.text(0.1 / page, 1 - 0.3 / height, title, weight="bold", fontsize=11)
        return Picture.of(figure, _alt(values, rows, columns, title))


def _length(words: Sequence[str]) -> float:
    """Inches that the longest of the words takes at 10 points, about."""
    return 0.088 * max(map(len, words))


def _label(axes: "Axes", rows: Sequence[str], columns: Sequence[str], slanted: bool) -> None:
    axes.invert_yaxis()
    axes.xaxis.tick_top()
    slant: dict[str, Any] = {"rotation": 45, "ha": "left", "rotation_mode": "anchor"} if slanted else {}
    axes.set_xticks([i + 0.5 for i in range(len(columns))], columns, **slant)
    axes.set_yticks([i + 0.5 for i in range(len(rows))], rows, va="center_baseline")
    axes.tick_params(length=0, pad=5)
    for side in axes.spines.values():
        side.set(visible=True, color=PALE)


def _write_numbers(axes: "Axes", values: Tensor) -> None:
    """The weight in each cell, as hundredths; what rounds to nothing stays empty."""
    for i, row in enumerate(values.tolist()):
        for j, weight in enumerate(row):
            if weight >= 0.005:
                text = f"{weight:.2f}".removeprefix("0")
                colour = "white" if weight > 0.6 else INK
                axes.text(j + 0.5, i + 0.5, text, ha="center", va="center", color=colour, fontsize=9)


def _alt(values: Tensor, rows: Sequence[str], columns: Sequence[str], title: str) -> str:
    top, best = values.max(-1)
    looks = [f"{row} at {columns[j]} ({weight:.2f})" for row, j, weight in zip(rows, best.tolist(), top.tolist())]
    more = f", and {len(looks) - 12} rows more" if len(looks) > 12 else ""
    return (
        f"{title + ': a' if title else 'A'} grid of attention weights, {len(rows)} rows that look at {len(columns)} "
        f"columns. Most of all look {', '.join(looks[:12])}{more}."
    )
