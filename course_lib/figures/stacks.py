"""Pictures of what reaches what: through the layers of a stack, and from the encoder into the decoder."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from course_lib.figures.picture import Picture
from course_lib.figures.style import BLUE, GREY, INK, ORANGE, PAGE, PALE, blues, sheet


def reach(grids: Mapping[str, Tensor]) -> Picture:
    """Which inputs reach which outputs, one grid for each stack; what comes from later places is crossed.

    Args:
        grids: title -> boolean (n, n), [t, s] true where the output at t depends on the input at s
    """
    width, height = PAGE, PAGE / len(grids) + 0.75
    with sheet(width, height) as figure:
        sides = figure.subplots(1, len(grids), squeeze=False)[0]
        figure.subplots_adjust(left=0.07, right=0.99, bottom=0.17, top=0.86, wspace=0.16)
        for axes, (title, grid) in zip(sides, grids.items(), strict=True):
            n = grid.size(0)
            for t in range(n):
                for s in range(n):
                    later = s > t
                    colour = (ORANGE if later else BLUE) if grid[t, s] else "white"
                    axes.fill([s, s + 1, s + 1, s], [t, t, t + 1, t + 1], facecolor=colour, edgecolor=PALE, lw=0.8)
                    if later and grid[t, s]:
                        axes.text(s + 0.5, t + 0.52, "×", ha="center", va="center", color="white", fontsize=11)
            ticks = [i + 0.5 for i in range(n)]
            axes.set(xlim=(0, n), ylim=(n, 0), aspect="equal", title=title, xlabel="input at place")
            axes.set_xticks(ticks, [str(i) for i in range(n)])
            axes.set_yticks(ticks, [str(i) for i in range(n)])
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
        sides[0].set_ylabel("output at place")
        return Picture.of(figure, _alt_reach(grids))


def _alt_reach(grids: Mapping[str, Tensor]) -> str:
    counts = [f"{title}: {int(grid.triu(1).sum())}" for title, grid in grids.items()]
    n = next(iter(grids.values())).size(0)
    return (
        f"{len(grids)} grids of {n} outputs (rows) by {n} inputs (columns), filled where the output depends on the "
        f"input. Of the {n * (n - 1) // 2} squares above the diagonal, where the input is later than the output, "
        f"so many are filled: {'; '.join(counts)}."
    )


def influence(strength: Tensor, rows: Sequence[str], columns: Sequence[str], title: str = "") -> Picture:
    """How strongly each output (row) answers to each place of the memory (column); exact zeros are hatched.

    Args:
        strength: sizes of gradients (T, S), not negative
        rows: what is written
        columns: what is read
        title: what is shown, in a few words
    """
    values = strength.detach().cpu().float()
    if values.shape != (len(rows), len(columns)):
        raise ValueError(f"sizes are {tuple(values.shape)}, but there are {len(rows)} rows, {len(columns)} columns")
    left, cell, top, bottom = 0.25 + 0.09 * max(map(len, rows)), 0.36, 1.15, 0.35
    width, height = min(PAGE, left + cell * len(columns) + 0.7), top + cell * len(rows) + bottom
    with sheet(width, height) as figure:
        page = figure.get_size_inches()[0]
        size = (page - left - 0.7) / page, cell * len(rows) / height
        axes = figure.add_axes((left / page, bottom / height, *size))
        axes.pcolormesh(values.numpy(), cmap=blues(), vmin=0, edgecolors="white", linewidth=1.5)
        for t, row in enumerate(values.tolist()):
            for s, number in enumerate(row):
                if number == 0:
                    square = [s, s + 1, s + 1, s], [t, t, t + 1, t + 1]
                    axes.fill(*square, facecolor="white", edgecolor=PALE, hatch="////", lw=0)
                elif number >= 0.1:
                    ink = "white" if number > 0.6 * values.max() else INK
                    axes.text(s + 0.5, t + 0.5, f"{number:.1f}", ha="center", va="center", color=ink, fontsize=8.5)
        axes.invert_yaxis()
        axes.xaxis.tick_top()
        places = [s + 0.5 for s in range(len(columns))]
        axes.set_xticks(places, columns, rotation=45, ha="left", rotation_mode="anchor")
        axes.set_yticks([t + 0.5 for t in range(len(rows))], rows, va="center_baseline")
        axes.tick_params(length=0, pad=4)
        axes.spines[:].set_visible(False)
        words = "size of the gradient, from 0.1 on; hatched: exactly 0"
        figure.text(left / page, 0.12 / height, words, fontsize=8.5, color=GREY)
        if title:
            figure.text(0.1 / page, 1 - 0.25 / height, title, weight="bold", fontsize=11)
        return Picture.of(figure, _alt_influence(values, rows, columns, title))


def _alt_influence(values: Tensor, rows: Sequence[str], columns: Sequence[str], title: str) -> str:
    best = [f"{row} to {columns[s]}" for row, s in zip(rows, values.argmax(-1).tolist(), strict=True)]
    silent = [column for column, strongest in zip(columns, values.amax(0).tolist(), strict=True) if strongest == 0]
    none = f"{len(silent)} columns are exactly 0 for every row: {', '.join(silent)}." if silent else "No column is 0."
    return (
        f"{title + ': a' if title else 'A'} grid of gradients, {len(rows)} outputs by {len(columns)} places of the "
        f"memory. Most strongly answer {', '.join(best)}. {none}"
    )
