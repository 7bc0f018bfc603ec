"""Pictures of what an embedding with its position is most like: its word, or its place (3.4)."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from course_lib.figures.picture import Picture
from course_lib.figures.style import GREY, INK, PAGE, PALE, PAPER, blues, sheet

LEFT, BOTTOM, TOP, GAP = 0.85, 0.42, 0.5, 0.25  # inches around the grids, and between two


def word_or_place(vectors: Mapping[str, Tensor], words: Sequence[str], places: Sequence[int]) -> Picture:
    """For several ways to embed: the cosine of each pair of vectors, sorted by word and, within a word, by place.

    Blocks along the diagonal are words that stay themselves wherever they stand; diagonals beside them are places that
    stay the same whatever stands there.

    Args:
        vectors: name -> (words, places, d)
        words: one name for each word
        places: where each of them stands in turn
    """
    n, width = len(places), (PAGE - LEFT - 0.1 - GAP * (len(vectors) - 1)) / len(vectors)
    height = BOTTOM + width + TOP
    with sheet(PAGE, height) as figure:
        for number, (name, x) in enumerate(vectors.items()):
            if x.shape[:2] != (len(words), n):
                raise ValueError(f"{name}: {tuple(x.shape)} for {len(words)} words at {n} places")
            left = LEFT + number * (width + GAP)
            axes = figure.add_axes((left / PAGE, BOTTOM / height, width / PAGE, width / height))
            axes.pcolormesh(_cosines(x).numpy(), cmap=blues(), vmin=0, vmax=1, edgecolors=PAPER, linewidth=0.8)
            axes.invert_yaxis()
            for edge in range(n, n * len(words), n):
                axes.axhline(edge, color=INK, linewidth=1)
                axes.axvline(edge, color=INK, linewidth=1)
            middles = [n * (i + 0.5) for i in range(len(words))]
            axes.set_xticks(middles, words)
            axes.set_yticks(middles, words if number == 0 else [""] * len(words))
            axes.tick_params(length=0, pad=5)
            for side in axes.spines.values():
                side.set(visible=True, color=PALE)
            figure.text(left / PAGE, 1 - 0.3 / height, name, weight="bold", fontsize=10.5)
        note = f"cosine, white: 0, darkest: 1    within a word: its places {', '.join(map(str, places))}"
        figure.text(LEFT / PAGE, 0.06 / height, note, fontsize=8.5, color=GREY)
        return Picture.of(figure, _alt(vectors, words, places))


def same_word_same_place(x: Tensor) -> tuple[float, float]:
    """Mean cosine of two vectors of one word at different places, and of two words at one place."""
    words, places, _ = x.shape
    grid = _cosines(x).view(words, places, words, places).double()
    word = sum(grid[i, :, i].sum().item() - places for i in range(words)) / (words * places * (places - 1))
    place = sum(grid[:, j, :, j].sum().item() - words for j in range(places)) / (words * places * (words - 1))
    return word, place


def _cosines(x: Tensor) -> Tensor:
    """(words, places, d) -> (words * places, words * places)"""
    unit = x.detach().float().flatten(0, 1)
    unit = unit / unit.norm(dim=-1, keepdim=True)
    return unit @ unit.T


def _alt(vectors: Mapping[str, Tensor], words: Sequence[str], places: Sequence[int]) -> str:
    means = {name: same_word_same_place(x) for name, x in vectors.items()}
    found = "; ".join(f"{name}: {word:.2f} and {place:.2f}" for name, (word, place) in means.items())
    return (
        f"{len(vectors)} grids side by side with the cosine of each pair of {len(words) * len(places)} vectors: "
        f"{', '.join(words)} at the places {', '.join(map(str, places))} each. Mean cosine of the same word at two "
        f"places, and of two words at the same place: {found}."
    )
