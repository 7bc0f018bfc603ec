"""The curves of `benchmarks/scaling.py` as one picture."""

from typing import TYPE_CHECKING, Any

from benchmarks.scaling import growth
from course_lib.figures.picture import Picture
from course_lib.figures.style import CURVES, GREY, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def scaling_picture(result: dict[str, Any]) -> Picture:
    """Time and memory of a training step, and time of writing, against what grows; both axes logarithmic."""
    with sheet(width=10, height=3.6) as figure:
        panels: list[Axes] = figure.subplots(1, 3)
        _draw(panels[0], "a training step, seconds", result["training"], "seconds")
        _draw(panels[1], "its memory, MB", result["training"], "megabytes")
        _draw(panels[2], "writing, seconds", result["decoding"], "seconds")
        panels[0].set_xlabel("times the smallest value")
        panels[1].set_xlabel("times the smallest value")
        panels[2].set_xlabel("words written, times 16")
        figure.tight_layout()
        return Picture.of(figure, alternative(result))


def _draw(axes: "Axes", title: str, curves: dict[str, list[dict[str, float]]], quantity: str) -> None:
    from matplotlib.ticker import FuncFormatter

    for colour, marker, (name, points) in zip(CURVES, "os^Dv", curves.items()):
        x = [point["x"] / points[0]["x"] for point in points]
        axes.plot(x, [point[quantity] for point in points], color=colour, marker=marker, markersize=4, label=name)
    axes.set_title(title, fontsize=10)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(axis="y")
    axes.legend(frameon=False, fontsize=8, labelcolor=GREY)


def alternative(result: dict[str, Any]) -> str:
    """What is seen, with the exponents."""
    time = ", ".join(f"{name} {growth(points):.1f}" for name, points in result["training"].items())
    memory = ", ".join(f"{name} {growth(points, 'megabytes'):.1f}" for name, points in result["training"].items())
    writing = ", ".join(f"{name} {growth(points):.1f}" for name, points in result["decoding"].items())
    return (
        f"Three panels of curves, both axes logarithmic. At their end they grow with these powers. Time of a training "
        f"step: {time}. Its memory: {memory}. Time of writing: {writing}."
    )
