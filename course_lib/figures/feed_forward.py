"""Pictures of section 3.3: what a hidden unit does, and what many of them do together."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from course_lib.figures.picture import Picture
from course_lib.figures.style import CURVES, GREY, INK, PALE, sheet

STROKES = ["solid", (0, (5, 2)), (0, (2, 1.2)), (0, (7, 2, 1.5, 2)), (0, (1, 1)), (0, (9, 3))]


def sum_of_hinges(x: Tensor, hinges: Mapping[str, Tensor], title: str = "") -> Picture:
    """Hidden units of one input as curves, each as W_2 weighs it, and below them their sum.

    Args:
        x: where they are drawn (n,)
        hinges: name -> the unit's contribution there (n,)
        title: of the lower panel
    """
    places, total = x.tolist(), sum(hinges.values(), x * 0)
    with sheet(height=4.2) as figure:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1.25, 1])
        figure.subplots_adjust(left=0.09, right=0.78, bottom=0.13, top=0.91, hspace=0.4)
        for (name, hinge), colour, stroke in zip(hinges.items(), CURVES, STROKES):
            above.plot(places, hinge.tolist(), color=colour, linestyle=stroke)
            above.text(1.02, hinge[-1].item(), name, color=colour, va="center", transform=above.get_yaxis_transform())
        above.set(ylabel="contribution", title=f"{len(hinges)} hidden units")
        below.plot(places, total.tolist(), color=INK, linewidth=2.5)
        below.set(xlabel="x", ylabel="output", title=title or "their sum")
        for axes in (above, below):
            axes.grid(axis="y")
            axes.set_xlim(places[0], places[-1])
        names = "; ".join(f"{name} ends at {hinge[-1]:.1f}" for name, hinge in hinges.items())
        return Picture.of(
            figure,
            f"Above, {len(hinges)} hinges over x from {x[0]:.0f} to {x[-1]:.0f}, each flat at 0 up to its bend and "
            f"straight after it: {names}. Below, their sum: it starts at {total[0]:.1f}, its highest point is "
            f"{total.max():.1f} at x = {x[total.argmax()]:.1f}, it ends at {total[-1]:.1f}.",
        )


def bent_lines(x: Tensor, curve: Tensor, lines: Mapping[int, Tensor], errors: Mapping[int, float]) -> Picture:
    """A curve with the bent lines that so many hinges make of it; and how the largest error falls.

    Args:
        x: where they are drawn (n,)
        curve: what is to be met there (n,)
        lines: number of hinges -> the bent line (n,)
        errors: number of hinges -> the largest distance between line and curve
    """
    with sheet(height=3.3) as figure:
        left, right = figure.subplots(1, 2, width_ratios=[1.4, 1])
        figure.subplots_adjust(left=0.09, right=0.97, bottom=0.17, top=0.88, wspace=0.3)
        left.plot(x.tolist(), curve.tolist(), color=PALE, linewidth=7, label="the curve")
        for (n, line), colour, stroke in zip(lines.items(), CURVES, STROKES):
            left.plot(x.tolist(), line.tolist(), color=colour, linestyle=stroke, label=f"{n} hinges")
        left.set(xlabel="x", ylabel="output", title="a bent line", xlim=(x[0].item(), x[-1].item()))
        left.grid(axis="y")
        left.legend(frameon=False)
        right.plot(list(errors), list(errors.values()), color=INK, marker="o", markersize=5)
        right.set(xscale="log", yscale="log", xlabel="hinges", ylabel="largest error", title="the more, the nearer")
        right.set_xticks(list(errors), [str(n) for n in errors])
        right.minorticks_off()
        right.grid(axis="y")
        shown = ", ".join(f"{error:.4f} ({n})" for n, error in errors.items())
        return Picture.of(
            figure,
            f"Left, a curve from {curve[0]:.1f} by {curve.max():.1f} and {curve.min():.1f} to {curve[-1]:.1f}, and "
            f"bent lines of {' and '.join(map(str, lines))} hinges that follow it; with more hinges they can hardly "
            f"be told from it. Right, on two logarithmic scales, a falling straight line: the largest error by the "
            f"number of hinges is {shown}.",
        )


def activations(x: Tensor, values: Mapping[str, Tensor], slopes: Mapping[str, Tensor], at: Sequence[float]) -> Picture:
    """Activation functions beside each other, and their derivatives.

    Args:
        x: where they are drawn (n,)
        values: name -> the function there (n,)
        slopes: name -> its derivative there (n,)
        at: inputs whose derivatives the words for the picture name
    """
    with sheet(height=3.4) as figure:
        sides = figure.subplots(1, 2)
        figure.subplots_adjust(left=0.07, right=0.98, bottom=0.16, top=0.88, wspace=0.17)
        for axes, curves, title in zip(sides, (values, slopes), ("the function", "its slope: what the gradient gets")):
            for (name, curve), colour, stroke in zip(curves.items(), CURVES, STROKES):
                axes.plot(x.tolist(), curve.tolist(), color=colour, linestyle=stroke, label=name)
            axes.axhline(0, color=GREY, linewidth=0.8)
            axes.set(xlabel="hidden unit before the activation", title=title, xlim=(x[0].item(), x[-1].item()))
            axes.grid(axis="y")
            axes.legend(frameon=False)
        near = [(place, (x - place).abs().argmin()) for place in at]
        told = ". ".join(
            f"{name}: " + ", ".join(f"{slope[i]:.2f} at {place:g}" for place, i in near)
            for name, slope in slopes.items()
        )
        return Picture.of(
            figure,
            f"Two panels over x from {x[0]:.0f} to {x[-1]:.0f}: left {', '.join(values)} as curves, right their "
            f"slopes. ReLU has a corner at 0, its slope jumps there from 0 to 1; the others are smooth. "
            f"Slopes: {told}.",
        )
