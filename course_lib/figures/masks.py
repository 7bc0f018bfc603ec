"""Pictures of masks, and of what a model learns that looks past them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from course_lib.figures.picture import Picture
from course_lib.figures.style import CURVES, GREY, INK, PAGE, PALE, blank_axes, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDE = 1.5  # inches, of a grid
LEFTS = (1.0, 3.05, 5.1)  # where the three grids begin, in inches
STORED, REPEATED = "#2E86BD", "#BBD9EC"
DASHES = ("-", "--", ":", "-.")
LEAST = 1e-4  # a loss of 0 has no place on a logarithmic scale


def masks_joined(padding: Tensor, causal: Tensor, sentences: Sequence[Sequence[str]]) -> Picture:
    """A padding mask and a causal mask, how broadcasting stretches each of them, and what `&` makes of the two.

    Args:
        padding: boolean (B, 1, 1, T), True = may be looked at
        causal: boolean (T, T), or with axes of size one in front
        sentences: B times T tokens
    """
    causal = causal.reshape(causal.shape[-2:])
    batch, places = len(sentences), len(causal)
    if padding.shape != (batch, 1, 1, places) or any(len(tokens) != places for tokens in sentences):
        raise ValueError(f"padding is {tuple(padding.shape)}, causal {tuple(causal.shape)}, for {batch} sentences")
    joined = padding & causal
    height = 0.42 + batch * (SIDE + 0.6)
    with sheet(PAGE, height) as figure:
        page = blank_axes(figure)
        names = (f"padding ({batch}, 1, 1, {places})", f"causal ({places}, {places})", f"joined {_shape(joined)}")
        for left, name in zip(LEFTS, names):
            page.text(left + SIDE / 2, height - 0.24, name, ha="center", weight="bold", fontsize=10.5)
        for sentence, tokens in enumerate(sentences):
            bottom = height - 0.72 - SIDE - sentence * (SIDE + 0.6)
            grids = (
                (padding[sentence, 0].expand(places, places), lambda row: row == 0),
                (causal, lambda row, first=sentence == 0: first),
                (joined[sentence, 0], lambda row: True),
            )
            for i, (left, (grid, stored)) in enumerate(zip(LEFTS, grids)):
                _grid(page, left, bottom, grid, [stored(row) for row in range(places)])
                _label(page, left, bottom, tokens, rows=i == 0)
            for left, sign in zip(LEFTS[1:], "&="):
                page.text(left - 0.275, bottom + SIDE / 2, sign, ha="center", va="center", fontsize=15)
        words = "dark: stored    pale: repeated by broadcasting    empty: forbidden    rows ask, columns are looked at"
        page.text(PAGE / 2, 0.1, words, ha="center", fontsize=8.5, color=GREY)
        return Picture.of(figure, _masks_alt(joined, sentences))


def _shape(mask: Tensor) -> str:
    return f"({', '.join(map(str, mask.shape))})"


def _grid(page: "Axes", left: float, bottom: float, grid: Tensor, stored: Sequence[bool]) -> None:
    from matplotlib.patches import Rectangle

    cell = SIDE / len(grid)
    for i, row in enumerate(grid.tolist()):
        for j, may in enumerate(row):
            corner = (left + j * cell, bottom + SIDE - (i + 1) * cell)
            fill = "white" if not may else STORED if stored[i] else REPEATED
            page.add_patch(Rectangle(corner, cell, cell, facecolor=fill, edgecolor=PALE, linewidth=1))


def _label(page: "Axes", left: float, bottom: float, tokens: Sequence[str], rows: bool) -> None:
    cell = SIDE / len(tokens)
    for i, token in enumerate(tokens):
        page.text(left + (i + 0.5) * cell, bottom + SIDE + 0.06, token, ha="center", fontsize=8, color=INK)
        if rows:
            page.text(left - 0.08, bottom + SIDE - (i + 0.5) * cell, token, ha="right", va="center", fontsize=8)


def _masks_alt(joined: Tensor, sentences: Sequence[Sequence[str]]) -> str:
    texts = []
    for mask, tokens in zip(joined[:, 0], sentences):
        counts = ", ".join(str(int(row.sum())) for row in mask)
        texts.append(f"For {' '.join(tokens)} the joined rows permit {counts} keys")
    return (
        f"{len(sentences)} rows of three grids, a sentence each: the padding mask, one stored row repeated for every "
        f"query; the causal mask, a lower triangle that all sentences share; and both joined by &. {'. '.join(texts)}."
    )


def losses_and_floor(curves: Mapping[str, Sequence[float]], floor: float) -> Picture:
    """Training losses on a logarithmic scale, and the line below which nobody can get who does not know the future.

    Args:
        curves: a few words -> the loss of every step, in nats
        floor: the lowest loss that can be had honestly
    """
    if not curves or not all(curves.values()):
        raise ValueError("no losses to draw")
    steps = max(map(len, curves.values()))
    with sheet(height=3.5) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.1, right=0.97, bottom=0.15, top=0.88)
        axes.grid(axis="y")
        axes.axhline(floor, color=INK, linewidth=1)
        axes.text(steps, floor * 0.86, "the lowest honest loss", ha="right", va="top", fontsize=9.5)
        for i, (name, losses) in enumerate(curves.items()):
            heights = [max(loss, LEAST) for loss in losses]
            axes.plot(range(1, len(losses) + 1), heights, color=CURVES[i], linestyle=DASHES[i], label=name)
        axes.set(yscale="log", xlim=(0, steps), xlabel="optimiser step", ylabel="loss, nats per letter")
        axes.set_title("training loss, with mask and shift or without")
        axes.legend(frameon=False, labelcolor="linecolor", loc="lower left", handlelength=2.6)
        return Picture.of(figure, _losses_alt(curves, floor))


def _losses_alt(curves: Mapping[str, Sequence[float]], floor: float) -> str:
    ends = [
        f"{name}, which {'stays above it' if min(losses) >= floor else 'falls through it'} and ends at {losses[-1]:.3f}"
        for name, losses in curves.items()
    ]
    return (
        f"{len(curves)} training losses on a logarithmic scale, and a horizontal line at {floor:.2f}, the lowest loss "
        f"that can be had without knowing the future: {'; '.join(ends)}."
    )
