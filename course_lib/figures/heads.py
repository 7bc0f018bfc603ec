"""Pictures of several heads side by side."""

from collections.abc import Sequence

from torch import Tensor

from course_lib.figures.picture import Picture
from course_lib.figures.style import GREY, PAGE, PALE, blues, sheet

CELL = 0.28  # inches, the largest
GAP = 0.18  # between two heads
LETTER = 0.082  # inches that a letter of a label takes at 9 points, about


def head_maps(
    weights: Tensor, rows: Sequence[str], columns: Sequence[str], names: Sequence[str], title: str = ""
) -> Picture:
    """The attention weights of several heads (h, T_q, T_k), each a grid whose rows are the queries.

    Args:
        weights: one map a head
        rows: the tokens that ask, the same for all heads
        columns: the tokens that are looked at
        names: what stands above each head's map
        title: what is shown, in a few words
    """
    values = weights.detach().cpu().float()
    if values.shape != (len(names), len(rows), len(columns)):
        raise ValueError(
            f"weights are {tuple(values.shape)}, but there are {len(names)} heads, {len(rows)} rows and "
            f"{len(columns)} columns"
        )
    left, right, bottom = 0.2 + LETTER * max(map(len, rows)), 0.15, 0.35
    top = 0.45 + LETTER * max(map(len, columns)) + (0.4 if title else 0.0)
    cell = min(CELL, ((PAGE - left - right + GAP) / len(names) - GAP) / len(columns))
    side, tall = cell * len(columns), cell * len(rows)
    height = top + tall + bottom
    with sheet(PAGE, height) as figure:
        for i, (name, one) in enumerate(zip(names, values, strict=True)):
            place = (left + i * (side + GAP)) / PAGE, bottom / height, side / PAGE, tall / height
            axes = figure.add_axes(place)
            axes.pcolormesh(one.numpy(), cmap=blues(), vmin=0, vmax=1, edgecolors="white", linewidth=0.8)
            axes.invert_yaxis()
            axes.set_xticks([j + 0.5 for j in range(len(columns))], columns, rotation=90, fontsize=9)
            axes.set_yticks([j + 0.5 for j in range(len(rows))], rows if i == 0 else [], fontsize=9)
            axes.tick_params(length=0, pad=3, labeltop=True, labelbottom=False)
            for edge in axes.spines.values():
                edge.set(visible=True, color=PALE)
            above = 1 - (top - 0.2 - LETTER * max(map(len, columns)) - 0.1) / height
            figure.text(place[0], above, name, weight="bold", fontsize=9.5)
        figure.text(left / PAGE, 0.12 / height, "rows look at columns; white: 0, darkest: 1", fontsize=8.5, color=GREY)
        if title:
            figure.text(0.1 / PAGE, 1 - 0.28 / height, title, weight="bold", fontsize=11)
        return Picture.of(figure, _alt(values, rows, columns, names, title))


def _alt(values: Tensor, rows: Sequence[str], columns: Sequence[str], names: Sequence[str], title: str) -> str:
    heads = []
    for name, one in zip(names, values, strict=True):
        top, best = one.max(-1)
        looks = [f"{row} at {columns[j]} ({w:.2f})" for row, j, w in zip(rows, best.tolist(), top.tolist())]
        heads.append(f"{name}: most of all look {', '.join(looks[:12])}")
    return (
        f"{title + ': ' if title else ''}{len(names)} grids of attention weights side by side, {len(rows)} rows that "
        f"look at {len(columns)} columns. {'. '.join(heads)}."
    )
