"""Pictures of what a softmax makes of its scores."""

from collections.abc import Sequence

from torch import Tensor

from course_lib.figures.picture import Picture
from course_lib.figures.style import BLUE, ORANGE, sheet


def softmax_saturation(d_k: Sequence[int], unscaled: Tensor, scaled: Tensor) -> Picture:
    """How decided a softmax is, for queries and keys of d_k features: sorted weights, without and with the division.

    Args:
        d_k: the sizes that were tried
        unscaled, scaled: for each of them the mean weights of the keys, largest first (len(d_k), keys)
    """
    if not len(d_k) == len(unscaled) == len(scaled):
        raise ValueError(f"{len(d_k)} sizes, but {len(unscaled)} and {len(scaled)} rows of weights")
    keys = range(1, unscaled.size(1) + 1)
    with sheet(height=3.3) as figure:
        sides = figure.subplots(1, 2, sharey=True)
        figure.subplots_adjust(left=0.09, right=0.97, bottom=0.17, top=0.86, wspace=0.08)
        for axes, weights, name, colour in zip(
            sides, (unscaled, scaled), ("scores as they are", "divided by √d_k"), (ORANGE, BLUE), strict=True
        ):
            for i, size in enumerate(d_k):
                strength = 0.3 + 0.7 * i / max(1, len(d_k) - 1)
                axes.plot(keys, weights[i].tolist(), color=colour, alpha=strength, label=f"d_k = {size}")
            axes.set(xscale="log", xlabel="key, best first", ylim=(0, 1), title=name)
            axes.set_xticks([1, 2, 4, 8, 16, 32, 64], [str(key) for key in (1, 2, 4, 8, 16, 32, 64)])
            axes.minorticks_off()
            axes.grid(axis="y")
            axes.legend(frameon=False, labelcolor="linecolor")
        sides[0].set_ylabel("weight, mean of many queries")
        return Picture.of(figure, _alt(d_k, unscaled, scaled))


def _alt(d_k: Sequence[int], unscaled: Tensor, scaled: Tensor) -> str:
    sides = [
        f"{name}, the best key has {', '.join(f'{row[0]:.2f} (d_k = {size})' for size, row in zip(d_k, weights))}"
        for name, weights in (("With the scores as they are", unscaled), ("Divided by the root of d_k", scaled))
    ]
    return (
        f"Two panels of curves: the mean weight of {unscaled.size(1)} keys, from the best to the worst. "
        f"{'. '.join(sides)}. Left the curves grow steeper with d_k, right they lie on one another."
    )
