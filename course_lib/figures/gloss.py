"""A German line that can be read without German: each word with its meaning beneath."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from html import escape

LINE = 88  # characters of plain text


@dataclass(frozen=True)
class Gloss:
    """Pairs of a word and its gloss; a notebook shows them as a small table."""

    pairs: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """Two lines, the words above their glosses; where they get too long, two more."""
        blocks: list[tuple[str, str]] = []
        above = below = ""
        for word, gloss in self.pairs:
            width = max(len(word), len(gloss)) + 2
            if above and len(above) + width - 2 > LINE:
                blocks.append((above, below))
                above = below = ""
            above, below = above + word.ljust(width), below + gloss.ljust(width)
        blocks.append((above, below))
        return "\n\n".join(f"{above.rstrip()}\n{below.rstrip()}" for above, below in blocks)

    def html(self) -> str:
        """A table of two rows, German and English, that a screen reader pronounces as such."""
        cell = "text-align:left; padding:0 0.9em 0 0; border:none; background:none"
        words = "".join(f'<th scope="col" style="{cell}; font-size:110%">{escape(word)}</th>' for word, _ in self.pairs)
        glosses = "".join(f'<td style="{cell}; font-style:italic">{escape(gloss)}</td>' for _, gloss in self.pairs)
        return (
            '<table style="border:none; margin:0.4em 0; background:none">'
            f'<tr lang="de" style="background:none">{words}</tr>'
            f'<tr lang="en" style="background:none">{glosses}</tr></table>'
        )

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": str(self)}


def gloss_table(pairs: Sequence[tuple[str, str]]) -> Gloss:
    """An interlinear gloss: the words above, their glosses beneath, as linguists write it."""
    return Gloss(tuple(pairs))
