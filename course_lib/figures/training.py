"""Pictures of a run: how the loss falls."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from course_lib.figures.picture import Picture
from course_lib.figures.style import BLUE, ORANGE, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MANY_STEPS = 200  # from here on single steps are noise, and their running mean is what one wants to see


def loss_curve(losses: Sequence[float], validation: Sequence[tuple[int, float]] | None = None) -> Picture:
    """The loss, in nats per token, against the optimiser's step.

    Args:
        losses: the training loss of every step, from step 1
        validation: (step, loss) wherever it was measured on pairs that the model does not learn from
    """
    if not losses:
        raise ValueError("no losses to draw: has the run made a step?")
    with sheet(height=3.4) as figure:
        axes = figure.add_axes((0.085, 0.15, 0.76, 0.74))
        axes.grid(axis="y")
        axes.set(xlabel="optimiser step", xlim=(0, max(len(losses), *(step for step, _ in validation or [(0, 0.0)]))))
        axes.set_title("loss, nats per token")
        smooth = _running_mean(losses)
        steps = range(1, len(losses) + 1)
        if smooth != list(losses):
            axes.plot(steps, losses, color=BLUE, alpha=0.25, linewidth=0.8)
        axes.plot(steps, smooth, color=BLUE)
        labels = [("training", smooth[-1], BLUE)]
        if validation:
            axes.plot(*zip(*validation), color=ORANGE, marker="o", markersize=5, clip_on=False)
            labels.append(("validation", validation[-1][1], ORANGE))
        axes.set_ylim(bottom=0, top=1.05 * max([*losses, *(loss for _, loss in validation or [])]))
        _label_ends(axes, labels)
        return Picture.of(figure, _alt(losses, validation))


def _running_mean(losses: Sequence[float]) -> list[float]:
    """The mean of each step and its neighbours, where there are so many that single ones are noise."""
    reach = len(losses) // MANY_STEPS * 2
    around = [losses[max(0, i - reach) : i + reach + 1] for i in range(len(losses))]
    return [sum(near) / len(near) for near in around]


def _label_ends(axes: "Axes", labels: list[tuple[str, float, str]]) -> None:
    """The name and the last value of each curve at its right end, pushed apart where they would overlap."""
    low, high = axes.get_ylim()
    above = -1.0
    for name, value, colour in sorted(labels, key=lambda label: label[1]):
        place = max((value - low) / (high - low), above + 0.13)
        axes.text(
            1.02, place, f"{name}\n{value:.2f}", color=colour, weight="bold", va="center", fontsize=9.5,
            linespacing=1.1, transform=axes.transAxes,
        )  # fmt: skip
        above = place


def _alt(losses: Sequence[float], validation: Sequence[tuple[int, float]] | None) -> str:
    steps = f"{len(losses):,} step" + "s" * (len(losses) > 1)
    text = f"The training loss over {steps}: from {losses[0]:.1f} to {_running_mean(losses)[-1]:.1f} nats per token."
    if validation:
        first, last = validation[0], validation[-1]
        text += f" The validation loss: {first[1]:.1f} at step {first[0]:,}, {last[1]:.1f} at step {last[0]:,}."
    return text
