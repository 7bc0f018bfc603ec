"""Pictures of section 3.5: where a word stands, as a vector."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from course_lib.figures.picture import Picture
from course_lib.figures.style import BLUE, CURVES, GREY, ORANGE, PALE, blue_to_orange, sheet

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


def place_products(products: Mapping[str, Tensor], reach: int) -> Picture:
    """How much a place has in common with those around it: PE(p) . PE(p + k), for k from -reach to reach.

    Args:
        products: a few words -> the products (2 reach + 1,), as shares of the largest, PE(p) . PE(p)
        reach: the largest k
    """
    if wrong := {name: tuple(row.shape) for name, row in products.items() if row.shape != (2 * reach + 1,)}:
        raise ValueError(f"products for k from -{reach} to {reach} have the shape ({2 * reach + 1},), not {wrong}")
    steps = range(-reach, reach + 1)
    with sheet(height=3.3) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.11, right=0.98, bottom=0.16, top=0.88)
        axes.axhline(0, color=PALE, linewidth=1)
        axes.axvline(0, color=PALE, linewidth=1)
        for i, (name, row) in enumerate(products.items()):
            axes.plot(steps, row.tolist(), color=CURVES[i % len(CURVES)], linestyle=("-", ":", "--")[i % 3], label=name)
        axes.set(xlabel="steps k to the other place", ylabel="product, 1 for k = 0", xlim=(-reach, reach))
        axes.set_title("what two places have in common")
        axes.legend(frameon=False, labelcolor="linecolor", loc="upper right")
        return Picture.of(figure, _products_alt(products, reach))


def _products_alt(products: Mapping[str, Tensor], reach: int) -> str:
    at = sorted({1, min(5, reach), reach})
    curves = [
        f"{name}: {', '.join(f'{row[reach + k]:.2f} (k = {k})' for k in at)}, and "
        f"{', '.join(f'{row[reach - k]:.2f} (k = -{k})' for k in at)}"
        for name, row in products.items()
    ]
    return (
        f"Curves of the product of a place's vector with that of the place k steps away, from k = -{reach} to {reach}; "
        f"all have their peak of 1 at k = 0. {'. '.join(curves)}."
    )


def step_errors(exact: Tensor, fitted: Tensor, places: int) -> Picture:
    """How far off two matrices are that shall turn PE(p) into PE(p + k): the closed form, and one that was fitted.

    Args:
        exact, fitted: for each place p how far off, as a share of the vector's length (n,)
        places: how many of the first places were used for fitting
    """
    if exact.shape != fitted.shape:
        raise ValueError(f"{len(exact)} errors of one matrix, but {len(fitted)} of the other")
    floor = 1e-9  # an error of 0 has no place on this scale
    with sheet(height=3.3) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.12, right=0.98, bottom=0.16, top=0.88)
        axes.axvspan(0, places, color=PALE, alpha=0.5, linewidth=0)
        axes.text(places + 0.01 * len(exact), 3e-9, "grey: the places it was fitted to", fontsize=9, color=GREY)
        for name, errors, colour in (("fitted", fitted, ORANGE), ("closed form", exact, BLUE)):
            axes.plot(errors.clamp(min=floor).tolist(), color=colour, label=name)
        axes.set(yscale="log", ylim=(1e-9, 20), xlim=(0, len(exact)), xlabel="place p", ylabel="error / length of PE")
        axes.set_title("one matrix for all places?")
        axes.legend(frameon=False, labelcolor="linecolor", loc="center right")
        return Picture.of(figure, _errors_alt(exact, fitted, places))


def _errors_alt(exact: Tensor, fitted: Tensor, places: int) -> str:
    return (
        f"Two curves over {len(exact)} places, on a logarithmic scale: how far a matrix misses the place it should "
        f"arrive at, as a share of the vector's length. The closed form misses by {exact.mean():.0e} in the mean, "
        f"early and late; the fitted matrix by {fitted[:places].mean():.0e} on the first {places} places, which it was "
        f"fitted to, and by {fitted[places:].mean():.1f} on the later ones."
    )
