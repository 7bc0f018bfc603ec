"""Pictures of a search: which beginnings were gone on from, and which were not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from course_lib.figures.picture import Picture
from course_lib.figures.style import BLUE, GREEN, GREY, INK, PALE, PAPER, blank_axes, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Path = tuple[str, ...]
Fate = Literal["kept", "ended", "dropped"]
ROOT: Path = ()

STEP, LEAF = 1.75, 0.42  # inches from one token to the next, and from one end to the next
HEAD, FOOT, SIDE = 0.75, 0.3, 0.75


@dataclass(frozen=True)
class Look:
    """How a node is drawn. The three differ in line and weight too, not in colour alone."""

    edge: str
    ink: str
    line: float
    dash: str
    weight: str


LOOKS: dict[Fate, Look] = {
    "kept": Look(BLUE, INK, 1.6, "-", "normal"),
    "ended": Look(GREEN, INK, 2.6, "-", "bold"),
    "dropped": Look(PALE, GREY, 1.0, "--", "normal"),
}


def search_tree(nodes: Mapping[Path, tuple[float, Fate]], start: str = "BOS", title: str = "") -> Picture:
    """The beginnings that a beam search saw, as a tree that grows to the right.

    Args:
        nodes: by what was said so far: its probability, and whether the search went on from it ("kept"), noted it as
            a sentence ("ended") or gave it up ("dropped"). What it goes on from must be there as well
        start: what stands at the root
    """
    if not nodes:
        raise ValueError("no nodes to draw: has the search made a step?")
    for path in nodes:
        if not path or (path[:-1] and path[:-1] not in nodes):
            raise ValueError(f"what {path} goes on from is not among the nodes")
    places = _places(nodes)
    deepest, lowest = (max(place[i] for place in places.values()) for i in (0, 1))
    width, height = 2 * SIDE + STEP * deepest, HEAD + LEAF * lowest + FOOT + 0.2
    with sheet(max(width, 5.0), height) as figure:
        axes = blank_axes(figure)
        at = {path: (SIDE + STEP * x, height - HEAD - LEAF * y) for path, (x, y) in places.items()}
        for path, (_, fate) in nodes.items():
            look = LOOKS[fate]
            axes.plot(
                *zip(at[path[:-1]], at[path], strict=True),
                color=look.edge, linewidth=look.line, linestyle=look.dash, zorder=1,
            )  # fmt: skip
        _write(axes, at[ROOT], start, Look(INK, INK, 1.0, "-", "bold"))
        for path, (probability, fate) in nodes.items():
            mark = ", ended" if fate == "ended" else ""
            _write(axes, at[path], f"{path[-1]}  {_short(probability)}{mark}", LOOKS[fate])
        axes.text(0.15, height - 0.25, title, weight="bold", fontsize=11, va="center")
        return Picture.of(figure, _alt(nodes, title))


def _places(nodes: Mapping[Path, Any]) -> dict[Path, tuple[int, float]]:
    """Depth and height of each node: ends in rows, what branches in the middle of its branches, likelier ones above."""
    places: dict[Path, tuple[int, float]] = {}
    rows = 0

    def put(path: Path) -> float:
        nonlocal rows
        below = sorted((one for one in nodes if one[:-1] == path), key=lambda one: -nodes[one][0])
        if below:
            heights = [put(one) for one in below]
            row = (heights[0] + heights[-1]) / 2
        else:
            row, rows = float(rows), rows + 1
        places[path] = len(path), row
        return row

    put(ROOT)
    return places


def _write(axes: "Axes", place: tuple[float, float], text: str, look: Look) -> None:
    box = {"boxstyle": "round,pad=0.25", "facecolor": PAPER, "edgecolor": look.edge, "linewidth": look.line}
    axes.text(
        *place, text, color=look.ink, weight=look.weight, fontsize=9.5, ha="center", va="center",
        bbox=box | {"linestyle": look.dash}, zorder=2,
    )  # fmt: skip


def _short(probability: float) -> str:
    return f"{probability:.4g}".removeprefix("0")


def _alt(nodes: Mapping[Path, tuple[float, Fate]], title: str) -> str:
    def named(fate: Fate) -> str:
        some = [f"{' '.join(path)} ({_short(p)})" for path, (p, found) in nodes.items() if found == fate]
        return ", ".join(some[:8]) + (f" and {len(some) - 8} more" if len(some) > 8 else "") if some else "none"

    return (
        f"{title + ': a' if title else 'A'} tree of {len(nodes)} beginnings with their probabilities. "
        f"Gone on from: {named('kept')}. Ended: {named('ended')}. Given up: {named('dropped')}."
    )
