"""Pictures of training: how the loss falls, what smoothing asks for, how the learning rate runs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from course_lib.figures.picture import Picture
from course_lib.figures.style import BLUE, CURVES, GREY, INK, ORANGE, sheet

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


def smoothing(gaps: Sequence[float], plain: Sequence[float], smoothed: Sequence[float], eps: float) -> Picture:
    """The loss of one token against how far the model puts the right word above all others.

    Args:
        gaps: logit of the right word minus that of each other word
        plain, smoothed: the loss for each of them, without label smoothing and with `eps`
    """
    best = min(range(len(gaps)), key=lambda i: smoothed[i])
    with sheet(height=3.4) as figure:
        axes = figure.add_axes((0.085, 0.17, 0.72, 0.72))
        axes.grid(axis="y")
        axes.set(xlabel="logit of the right word, above all others", xlim=(gaps[0], gaps[-1]))
        axes.set_xticks([tick for tick in axes.get_xticks() if tick < gaps[-1]])  # a label stands there
        axes.set_ylim(0, 1.05 * max(*plain, *smoothed))
        axes.set_title("loss of one token, nats")
        axes.plot(gaps, plain, color=ORANGE)
        axes.plot(gaps, smoothed, color=BLUE)
        axes.plot([gaps[best]], [smoothed[best]], color=BLUE, marker="o", markersize=6)
        axes.annotate(
            f"lowest: {smoothed[best]:.2f}", (gaps[best], smoothed[best]), (0, 22), textcoords="offset points",
            ha="center", color=INK, fontsize=9.5, arrowprops={"arrowstyle": "-", "color": GREY},
        )  # fmt: skip
        _label_ends(axes, [("not smoothed", plain[-1], ORANGE), (f"ε = {eps:g}", smoothed[-1], BLUE)])
        alt = (
            f"Two curves of the loss against the right word's lead. Without smoothing it falls on and on, from "
            f"{plain[0]:.1f} to {plain[-1]:.2f}. With eps = {eps:g} it falls to {smoothed[best]:.2f} at a lead of "
            f"{gaps[best]:.0f} and rises again, to {smoothed[-1]:.2f} at {gaps[-1]:.0f}."
        )
        return Picture.of(figure, alt)


def learning_rates(steps: Sequence[int], rates: Mapping[str, Sequence[float]]) -> Picture:
    """The learning rate against the step, a curve for each name."""
    peaks = {name: max(zip(curve, steps, strict=True)) for name, curve in rates.items()}
    with sheet(height=3.4) as figure:
        axes = figure.add_axes((0.085, 0.17, 0.86, 0.72))
        axes.grid(axis="y")
        axes.set(xlabel="optimiser step", xlim=(0, steps[-1]))
        axes.set_title("learning rate, in thousandths")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        for (name, curve), colour, style in zip(rates.items(), CURVES, ("-", "--", ":"), strict=False):
            axes.plot(steps, [1000 * rate for rate in curve], color=colour, linestyle=style, label=name)
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, labelcolor="linecolor")
        tops = "; ".join(f"{name}: {rate:.1e} at step {step:,}" for name, (rate, step) in peaks.items())
        return Picture.of(
            figure,
            f"{len(rates)} curves of the learning rate over {steps[-1]:,} steps: each rises in a straight line to a "
            f"peak and falls ever more slowly after it. The peaks: {tops}.",
        )


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
