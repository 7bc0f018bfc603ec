"""Pictures of section 3.1: who shares a mean and a variance, what a batch does to it, what depth does."""

from collections.abc import Mapping, Sequence

from course_lib.figures.picture import Picture
from course_lib.figures.style import AMBER, BLUE, CURVES, GREY, INK, PALE, PAPER, sheet


def shared_statistics(sentences: Sequence[Sequence[str]], features: int = 6) -> Picture:
    """Three normalisations of the same numbers: with whom the first word's first feature shares mean and variance.

    Args:
        sentences: the words of each sentence of the batch, one row a word
        features: how many columns to draw
    """
    words = [word for sentence in sentences for word in sentence]
    first, total = len(sentences[0]), len(words)
    kinds = {"layer normalisation": (1, features), "per sentence": (first, features), "batch normalisation": (total, 1)}
    with sheet(height=0.9 + 0.27 * total) as figure:
        sides = figure.subplots(1, 3, sharey=True)
        figure.subplots_adjust(left=0.12, right=0.985, bottom=0.42 / (0.9 + 0.27 * total), top=0.86, wspace=0.12)
        for axes, (name, (rows, columns)) in zip(sides, kinds.items(), strict=True):
            for row in range(total):
                for column in range(features):
                    inside = row < rows and column < columns
                    face, hatch = (AMBER, "///") if inside else (PAPER, "")
                    axes.bar(column, 0.9, 0.9, bottom=row - 0.45, facecolor=face, edgecolor=INK if inside else PALE,
                             hatch=hatch, linewidth=0.8)  # fmt: skip
            axes.plot([0], [0], marker="o", markersize=6, color=BLUE)
            axes.axhline(first - 0.5, color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
            axes.set(xlabel="feature", xticks=range(features), xticklabels=range(1, features + 1))
            axes.set(ylim=(total - 0.5, -0.5), yticks=range(total), yticklabels=words, title=name)
            axes.tick_params(length=0)
            for spine in axes.spines.values():
                spine.set_visible(False)
        counts = ", ".join(f"{name} {rows * columns}" for name, (rows, columns) in kinds.items())
        return Picture.of(
            figure,
            f"Three grids of the same numbers: {total} words of {len(sentences)} sentences as rows, {features} "
            "features as columns. In each, a dot on the first word's first feature, and hatched what shares its "
            f"mean and variance: {counts}. In layer normalisation they are the row of the one word, per sentence the "
            "block of all rows of its sentence, in batch normalisation the column of one feature through all "
            "sentences.",
        )


def by_layer(curves: Mapping[str, Sequence[float]], title: str, what: str, start: int = 1, log: bool = True) -> Picture:
    """One quantity, layer by layer, for several ways to build the stack.

    Args:
        curves: name -> a value for each layer, from the bottom
        title: above the picture
        what: the label of the vertical axis
        start: the number of the first value's layer; 0 is the input
        log: whether the vertical axis is logarithmic
    """
    with sheet(height=3.3) as figure:
        axes = figure.add_axes((0.115, 0.16, 0.865, 0.72))
        for (name, values), colour, marker in zip(curves.items(), CURVES, "osD^vP"):
            layers = range(start, start + len(values))
            axes.plot(layers, list(values), color=colour, marker=marker, markersize=5, label=name)
        axes.set(xlabel="layer, from the bottom", ylabel=what, title=title)
        axes.set_xticks(layers)
        if log:
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        axes.grid(axis="y")
        axes.legend(frameon=False, labelcolor="linecolor")
        ends = "; ".join(
            f"{name}: {values[0]:.2g} at layer {start}, {values[-1]:.2g} at layer {start + len(values) - 1}"
            for name, values in curves.items()
        )
        return Picture.of(figure, f"{title}. Curves of the {what} over the layers. {ends}.")


def batch_noise(sizes: Sequence[int], measured: Sequence[float], theory: Sequence[float]) -> Picture:
    """How far batch normalisation's output of one and the same vector spreads, for batches of several sizes."""
    with sheet(height=3.2) as figure:
        axes = figure.add_axes((0.1, 0.17, 0.88, 0.71))
        axes.plot(sizes, theory, color=GREY, linestyle=(0, (5, 3)), linewidth=1.5, label="theory for large batches")
        axes.plot(sizes, measured, color=BLUE, marker="o", markersize=6, linestyle="none", label="measured")
        axes.set(xscale="log", yscale="log", xlabel="size of the batch", ylabel="spread of the output")
        axes.set_title("the same vector in ever new company")
        axes.set_xticks(list(sizes), [str(size) for size in sizes])
        ticks = [0.05, 0.1, 0.2, 0.5, 1.0]
        axes.set_yticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.grid()
        axes.legend(frameon=False, labelcolor="linecolor")
        points = ", ".join(f"{value:.2f} ({size})" for size, value in zip(sizes, measured, strict=True))
        return Picture.of(
            figure,
            "Points that fall on a straight line in logarithmic scales: the standard deviation of batch "
            f"normalisation's output of one vector, by the size of the batch: {points}. A dashed line, one over the "
            "root of the size, lies above the first points and on the last ones.",
        )
