"""The model of the course as one drawing, read from above like a page: English goes in, German comes out."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from course_lib.figures.picture import Picture
from course_lib.figures.style import GREY, INK, PAGE, PAPER, blank_axes, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NOTEBOOK = {
    "tokenizer": 2,
    "attention": 3,
    "multi_head_attention": 4,
    "feed_forward": 5,
    "residual_and_layer_norm": 6,
    "embeddings": 7,
    "positions": 8,
    "masking": 9,
    "encoder": 10,
    "decoder": 10,
    "transformer": 11,
    "training": 12,
    "decoding": 13,
}
OUTSIDE = {"tokenizer", "training", "decoding"}  # of the model itself

State = Literal["lit", "built", "later"]


@dataclass(frozen=True)
class Look:
    """How a part is drawn. The three differ in line and weight too, not in colour alone."""

    fill: str
    edge: str
    ink: str
    line: float
    dash: str
    weight: str


LOOKS: dict[State, Look] = {
    "lit": Look("#FFC857", "#7A4E00", INK, 2.2, "-", "bold"),
    "built": Look("#E4EFF7", "#4F86AE", INK, 1.0, "-", "normal"),
    "later": Look(PAPER, "#A3A9B4", GREY, 1.0, (0, (3, 2)), "normal"),  # type: ignore[arg-type]
}
FRAME_FILL: dict[State, str] = {"lit": "#FFF0CC", "built": "#F6FAFD", "later": PAPER}

HEIGHT = 6.95
LEFT, RIGHT = 1.8, 5.2  # the middles of the two columns, in inches
WIDE = 2.3  # a box


def the_model(lit: Collection[str] = ()) -> Picture:
    """The encoder-decoder with the parts named in `lit` highlighted; what later notebooks build is dashed.

    Args:
        lit: names of `NOTEBOOK`; "transformer" is all that the model consists of. With none, all is drawn as built
    """
    if unknown := sorted(set(lit) - set(NOTEBOOK)):
        raise ValueError(f"the drawing has no part named {unknown[0]!r}; it has {', '.join(NOTEBOOK)}")
    states = _states(lit)
    with sheet(PAGE, HEIGHT) as figure:
        _Drawing(blank_axes(figure), states).draw()
        return Picture.of(figure, _alt(lit, states))


def _states(lit: Collection[str]) -> dict[str, State]:
    """The state of each part, seen from the latest notebook that is lit."""
    now = max((NOTEBOOK[part] for part in lit), default=max(NOTEBOOK.values()))
    whole = set(NOTEBOOK) - OUTSIDE if "transformer" in lit else set()
    return {
        part: "lit" if part in lit or part in whole else "built" if number <= now else "later"
        for part, number in NOTEBOOK.items()
    }


@dataclass
class _Drawing:
    """Boxes and arrows on axes measured in inches."""

    axes: "Axes"
    states: dict[str, State]

    def draw(self) -> None:
        for x, text in ((LEFT, "an English sentence"), (RIGHT, "its German so far")):
            self._words(x, 6.75, text)
            self._arrow((x, 6.63), (x, 6.47))
            self._before_the_layers(x)
        self._encoder()
        self._decoder()
        self._memory()
        self._output()
        self.axes.text(0.4, 0.45, "the numbers: the notebook that builds it", fontsize=8.5, color=GREY, va="center")
        if "lit" in self.states.values():
            self._legend()

    def _before_the_layers(self, x: float) -> None:
        """What turns words into vectors, the same on both sides."""
        self._box("tokenizer", x, 6.32, "tokenizer")
        self._arrow((x, 6.17), (x, 6.03))
        self._box("embeddings", x, 5.88, r"embeddings · $\sqrt{d_{model}}$")
        self._arrow((x, 5.73), (x, 5.59))
        self._box("positions", x, 5.44, "+ positions")

    def _encoder(self) -> None:
        self._frame("encoder", LEFT, top=5.14, bottom=2.82)
        self._arrow((LEFT, 5.29), (LEFT, 4.72))
        self._attention(LEFT, 4.4, "self-attention", "padding")
        self._norm(LEFT, 3.87, around=4.4, half=0.32)
        self._arrow((LEFT, 3.74), (LEFT, 3.58))
        self._box("feed_forward", LEFT, 3.43, "feed-forward")
        self._norm(LEFT, 3.03, around=3.43, half=0.15)

    def _decoder(self) -> None:
        self._frame("decoder", RIGHT, top=5.14, bottom=1.71)
        self._arrow((RIGHT, 5.29), (RIGHT, 4.72))
        self._attention(RIGHT, 4.4, "self-attention", "causal")
        self._norm(RIGHT, 3.87, around=4.4, half=0.32)
        self._arrow((RIGHT, 3.74), (RIGHT, 3.61))
        self._attention(RIGHT, 3.29, "cross-attention", "padding")
        self._norm(RIGHT, 2.76, around=3.29, half=0.32)
        self._arrow((RIGHT, 2.63), (RIGHT, 2.47))
        self._box("feed_forward", RIGHT, 2.32, "feed-forward")
        self._norm(RIGHT, 1.92, around=2.32, half=0.15)

    def _memory(self) -> None:
        """From the encoder's end to the keys and values of the cross-attention."""
        look = LOOKS[self.states["decoder"]]
        x = (LEFT + RIGHT) / 2
        self.axes.plot([LEFT, LEFT, x, x], [2.9, 2.58, 2.58, 3.22], color=look.edge, linewidth=1.6, zorder=1)
        self._arrow((x, 3.22), (RIGHT - WIDE / 2, 3.22), look.edge)
        self.axes.text(LEFT + 0.1, 2.68, "keys and values", fontsize=8, color=GREY, va="center")

    def _output(self) -> None:
        self._arrow((RIGHT, 1.79), (RIGHT, 1.47))
        self._box("transformer", RIGHT, 1.32, "output layer, softmax")
        self._arrow((RIGHT, 1.17), (RIGHT, 0.92))
        self._box("decoding", RIGHT, 0.73, "beam search", height=0.38)
        self._arrow((RIGHT, 0.54), (RIGHT, 0.36))
        self._words(RIGHT, 0.22, "the next German word")
        self._arrow((RIGHT - WIDE / 2, 1.32), (LEFT + WIDE / 2, 1.32))
        self._box("training", LEFT, 1.32, "loss, learning rate", height=0.38)
        self._words(LEFT, 1.77, "in training: the true word")
        self._arrow((LEFT, 1.66), (LEFT, 1.52))
        # what was translated comes back as "its German so far"
        x = PAGE - 0.14
        path = ([RIGHT + 0.85, x, x, RIGHT + 0.72], [0.22, 0.22, 6.75, 6.75])
        self.axes.plot(*path, color=GREY, linewidth=1, linestyle=(0, (1, 2)), zorder=0)
        self._arrow((RIGHT + 0.8, 6.75), (RIGHT + 0.7, 6.75), GREY)

    def _legend(self) -> None:
        entries: list[tuple[State, str]] = [("lit", "this part"), ("built", "built before"), ("later", "to come")]
        x = 0.4
        for state, text in entries:
            if state in self.states.values():
                self._patch(LOOKS[state], x + 0.12, 0.73, 0.24, 0.16)
                self.axes.text(x + 0.32, 0.73, text, fontsize=8.5, va="center", weight=LOOKS[state].weight)
                x += 0.55 + 0.072 * len(text)

    # --- pieces ---

    def _box(self, part: str, x: float, y: float, text: str, height: float = 0.3) -> None:
        look = LOOKS[self.states[part]]
        self._patch(look, x, y, WIDE, height)
        self.axes.text(x, y - 0.01, text, ha="center", va="center", color=look.ink, weight=look.weight, fontsize=9.5)
        self._number(part, x + WIDE / 2 - 0.07, y - 0.01)

    def _attention(self, x: float, y: float, kind: str, mask: str) -> None:
        """A multi-head attention with the attention itself inside, and its mask."""
        look, inner = LOOKS[self.states["multi_head_attention"]], LOOKS[self.states["attention"]]
        self._patch(look, x, y, WIDE, 0.64)
        words: dict[str, Any] = {
            "ha": "center",
            "va": "center",
            "color": look.ink,
            "weight": look.weight,
            "fontsize": 9,
        }
        self.axes.text(x - 0.12, y + 0.18, f"multi-head {kind}", **words)
        self._number("multi_head_attention", x + WIDE / 2 - 0.07, y + 0.18)
        self._patch(inner, x - 0.34, y - 0.11, 1.46, 0.31)
        formula = r"softmax($QK^\top\!/\!\sqrt{d_k}$)$V$"
        self.axes.text(x - 0.44, y - 0.12, formula, ha="center", va="center", color=inner.ink, fontsize=8)
        self._number("attention", x + 0.35, y - 0.12)
        self._mask(x + 0.63, y - 0.11, mask)
        self._number("masking", x + WIDE / 2 - 0.07, y - 0.12)

    def _mask(self, x: float, y: float, kind: str) -> None:
        """A little mask of 4 x 4: filled where a query (row) may look at a key (column)."""
        from matplotlib.patches import Rectangle

        look, side = LOOKS[self.states["masking"]], 0.075
        filled = {"lit": "#7A4E00", "built": "#4F86AE", "later": "#C9CDD5"}[self.states["masking"]]
        self._patch(look, x, y, 0.36, 0.36, round=0.02)
        for i in range(4):
            for j in range(4):
                allowed = j <= i if kind == "causal" else j < 3
                corner = (x + (j - 2) * side, y + (1 - i) * side)
                fill = filled if allowed else look.fill
                self.axes.add_patch(
                    Rectangle(corner, side, side, facecolor=fill, edgecolor=look.fill, linewidth=0.7, zorder=4)
                )

    def _norm(self, x: float, y: float, around: float, half: float) -> None:
        """Add and normalise, with the residual line around the box whose middle is `around`."""
        look = LOOKS[self.states["residual_and_layer_norm"]]
        self._arrow((x, around - half), (x, y + 0.13))
        start, side = around + half + 0.085, x - WIDE / 2 - 0.16
        line: dict[str, Any] = {
            "color": look.edge,
            "linewidth": max(1.1, look.line),
            "linestyle": look.dash,
            "zorder": 1,
        }
        self.axes.plot([x, side, side, x - WIDE / 2], [start, start, y, y], **line)
        self._box("residual_and_layer_norm", x, y, "add, then LayerNorm", height=0.26)

    def _frame(self, part: str, x: float, top: float, bottom: float) -> None:
        look = LOOKS[self.states[part]]
        frame = Look(FRAME_FILL[self.states[part]], look.edge, look.ink, look.line, look.dash, look.weight)
        self._patch(frame, x - 0.08, (top + bottom) / 2, WIDE + 0.52, top - bottom, zorder=0, round=0.08)
        words: dict[str, Any] = {"color": look.ink, "weight": look.weight, "fontsize": 9.5, "va": "center"}
        self.axes.text(x - WIDE / 2 - 0.2, top - 0.14, part, **words)
        self.axes.text(x + 0.1, top - 0.14, "N layers", **words)
        self._number(part, x + WIDE / 2 - 0.07, top - 0.14)

    def _patch(
        self, look: Look, x: float, y: float, width: float, height: float, zorder: int = 3, round: float = 0.06
    ) -> None:
        from matplotlib.patches import FancyBboxPatch

        self.axes.add_patch(
            FancyBboxPatch(
                (x - width / 2, y - height / 2), width, height, boxstyle=f"round,pad=0,rounding_size={round}",
                facecolor=look.fill, edgecolor=look.edge, linewidth=look.line, linestyle=look.dash, zorder=zorder,
            )
        )  # fmt: skip

    def _number(self, part: str, x: float, y: float) -> None:
        look = LOOKS[self.states[part]]
        self.axes.text(
            x, y, f"{NOTEBOOK[part]:02}", ha="right", va="center", fontsize=7, color=look.ink, weight=look.weight
        )

    def _words(self, x: float, y: float, text: str) -> None:
        self.axes.text(x, y, text, ha="center", va="center", fontsize=9.5, style="italic", color=INK)

    def _arrow(self, start: tuple[float, float], end: tuple[float, float], color: str = GREY) -> None:
        style = {"arrowstyle": "-|>,head_width=0.18,head_length=0.3", "color": color, "linewidth": 1.3}
        style |= {"shrinkA": 0, "shrinkB": 0}
        self.axes.annotate("", end, start, arrowprops=style, zorder=2)


def _alt(lit: Collection[str], states: dict[str, State]) -> str:
    text = (
        "The Transformer, read from above. Left, an English sentence passes the tokenizer, embeddings, positions and N "
        "encoder layers (self-attention, feed-forward); right, its German so far passes the same and N decoder layers, "
        "which also attend to the encoder. Below: output layer, loss, beam search, the next German word."
    )
    if lit:
        text += f" Lit: {', '.join(_spoken(part) for part in NOTEBOOK if part in lit)}."
    if later := [_spoken(part) for part, state in states.items() if state == "later"]:
        text += f" Dashed, to come: {', '.join(later)}."
    return text


def _spoken(part: str) -> str:
    return f"{part.replace('_', ' ')} (notebook {NOTEBOOK[part]:02})"
