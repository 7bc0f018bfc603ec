"""What every function of this package returns: a picture that can also be read aloud."""

import io
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PIXELS_PER_INCH = 100  # on a page
SHARPNESS = 2  # image pixels per page pixel, for dense screens and projectors
COLOURS = 256  # in an image: a byte a pixel, enough for a drawing, and notebooks stay small


@dataclass(frozen=True)
class Picture:
    """A drawing as PNG, with the words for those who do not see it.

    The last line of a notebook cell shows it. `alt` is a real alternative: what is seen, with the key numbers.
    """

    alt: str
    png: bytes = field(repr=False)
    width: int  # on a page, in pixels
    height: int

    @classmethod
    def of(cls, figure: "Figure", alt: str) -> Self:
        """Draw a matplotlib figure; the bytes depend on nothing but the drawing: no date, no name of a program."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from PIL import Image

        canvas, file = FigureCanvasAgg(figure), io.BytesIO()
        canvas.draw()
        image = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB")
        image = image.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        image.save(file, format="png", optimize=True)
        width, height = (round(side * PIXELS_PER_INCH) for side in figure.get_size_inches())
        return cls(alt, file.getvalue(), width, height)

    def save(self, path: str | Path) -> Path:
        """Write the PNG file and return where it is."""
        path = Path(path)
        path.write_bytes(self.png)
        return path

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The image, the alternative text as plain text, and the same text and the size as the image's metadata."""
        data = {"image/png": self.png, "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, "width": self.width, "height": self.height}}
