"""Pictures of section 3.5: where a word stands, as a vector."""

from typing import TYPE_CHECKING

from torch import Tensor

from course_lib.figures.picture import Picture
from course_lib.figures.style import CURVES, GREY, PALE, blue_to_orange, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def position_table(table: Tensor) -> Picture:
    """The positional encoding (positions, features) as an image, and four of its columns as curves beside it."""
    values = table.detach().cpu().float()
    shown = _spread(values.size(1))
    with sheet(height=4.0) as figure:
        image, *curves = figure.subplots(
            1, 1 + len(shown), sharey=True, width_ratios=[4.2] + [0.75] * len(shown), gridspec_kw={"wspace": 0.16}
        )
        figure.subplots_adjust(left=0.085, right=0.985, top=0.87, bottom=0.13)
        limit = max(1.0, values.abs().max().item())
        image.imshow(
            values.numpy(), cmap=blue_to_orange(), vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest"
        )
        image.set(xlabel="feature", ylabel="position")
        image.set_title("one row, one position", pad=15)
        for axes, column, colour in zip(curves, shown, CURVES):
            _mark_column(image, column, colour)
            _draw_column(axes, values[:, column], colour, limit)
            axes.set_title(f"feature {column}", fontsize=9, weight="normal", pad=15, loc="center")
        return Picture.of(figure, _alt(values, shown))


def _spread(features: int) -> list[int]:
    """Up to four even features, from the first, where neighbours still differ to the eye."""
    return sorted({2 * round(features * share / 2) for share in (0, 0.125, 0.25, 0.5)})


def _mark_column(image: "Axes", column: int, colour: str) -> None:
    _triangle(image, column, colour)
    image.axvline(column, color=colour, linewidth=1, alpha=0.6)


def _draw_column(axes: "Axes", column: Tensor, colour: str, limit: float) -> None:
    _triangle(axes, 0, colour)
    axes.axvline(0, color=PALE, linewidth=1)
    axes.plot(column.tolist(), range(len(column)), color=colour, linewidth=1.8)
    axes.set(xlim=(-1.15 * limit, 1.15 * limit), xticks=[-round(limit), round(limit)])
    axes.tick_params(left=False, labelleft=False, labelsize=9, color=GREY)
    axes.spines["left"].set_visible(False)


def _triangle(axes: "Axes", x: float, colour: str) -> None:
    """The sign by which a column and its curve find each other."""
    axes.plot([x], [1.025], marker="v", markersize=8, color=colour, transform=axes.get_xaxis_transform(), clip_on=False)


def _alt(values: Tensor, shown: list[int]) -> str:
    turns = [int((column[1:] * column[:-1] < 0).sum()) for column in values[:, shown].T]
    curves = ", ".join(f"feature {column}: {n}" for column, n in zip(shown, turns))
    return (
        f"The positional encoding: {values.size(0)} positions as rows, {values.size(1)} features as columns, values "
        f"from {values.min():.1f} (blue) to {values.max():.1f} (orange). Beside it {len(shown)} columns as curves over "
        f"the positions. How often each crosses zero: {curves}."
    )
