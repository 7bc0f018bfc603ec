"""Whether what a cell gives now is what is stored, on another machine too.

Bit-for-bit equality does not survive another processor. What has to agree: words exactly; whole numbers exactly;
numbers with decimals or an exponent within one unit of their last printed digit; pictures as the eye sees them. A cell
whose numbers depend on many steps of arithmetic says how far they may move by a tag such as `within-5%`.
"""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import zip_longest
from typing import Any

import numpy as np

# not in a name (B-dk16, nb03) nor in a version (2.13.0)
NUMBER = re.compile(r"(?<![\w.-])[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w]|\.\d)")
WITHIN = re.compile(r"within-(\d+(?:\.\d+)?)%")
IGNORED = {"application/vnd.jupyter.widget-view+json"}  # its ids are drawn by chance

BLOCK = 16  # pixels, the side of the squares in which pictures are compared
ALIKE = 0.75  # structural similarity, 1 = the same


def tolerance(tags: Sequence[str]) -> float:
    """The share of a number by which it may move, from a cell's tags: 0.05 for `within-5%`, 0 without such a tag."""
    return max((float(match[1]) / 100 for tag in tags if (match := WITHIN.fullmatch(tag))), default=0.0)


def disagreement(stored: Sequence[Mapping[str, Any]], fresh: Sequence[Mapping[str, Any]], within: float = 0.0) -> str:
    """The first difference between the outputs of a cell that counts, in words; empty if there is none."""
    for number, (old, new) in enumerate(zip_longest(_contents(stored), _contents(fresh)), 1):
        if old is None or new is None:
            return f"output {number} ({(old or new)[0]}) is {'new' if old is None else 'missing'}"
        (kind, old_content), (new_kind, new_content) = old, new
        if kind != new_kind:
            return f"output {number} is {new_kind}, stored is {kind}"
        if kind in ("image/png", "image/jpeg"):
            difference = image_difference(base64.b64decode(old_content), base64.b64decode(new_content))
        else:
            difference = text_difference(old_content, new_content, within)
        if difference:
            return f"output {number} ({kind}): {difference}"
    return ""


def _contents(outputs: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Kind and content of everything that the outputs hold, the alternatives of a picture one after the other."""
    contents: list[tuple[str, str]] = []
    for output in outputs:
        if output["output_type"] == "stream":
            if contents and contents[-1][0] == output["name"]:  # how a stream is cut into pieces is a matter of chance
                contents[-1] = (output["name"], contents[-1][1] + output["text"])
            else:
                contents.append((output["name"], output["text"]))
        elif output["output_type"] == "error":
            contents.append(("error", f"{output['ename']}: {output['evalue']}"))
        else:
            contents += sorted((kind, str(content)) for kind, content in output["data"].items() if kind not in IGNORED)
    return contents


def text_difference(stored: str, fresh: str, within: float = 0.0) -> str:
    """The first word or number that differs, in words; empty if there is none."""
    old, new = ([" ".join(part.split(" ")) for part in _pieces(text)] for text in (stored, fresh))
    for old_piece, new_piece in zip_longest(old, new, fillvalue=""):
        both_numbers = NUMBER.fullmatch(old_piece) and NUMBER.fullmatch(new_piece)
        if old_piece != new_piece and not (both_numbers and _close(old_piece, new_piece, within)):
            return f"{new_piece!r} is not the stored {old_piece!r}"
    return ""


def _pieces(text: str) -> list[str]:
    """Numbers, words and line ends. Blanks do not count: a column is as wide as its longest number."""
    return [piece for part in re.split(f"({NUMBER.pattern})", text) for piece in _words(part)]


def _words(part: str) -> list[str]:
    return [part] if NUMBER.fullmatch(part) else re.findall(r"\n|[^\s]+", part)


def _close(stored: str, fresh: str, within: float) -> bool:
    old, new = (Decimal(number.replace(",", "")) for number in (stored, fresh))
    unit = Decimal(0) if stored.lstrip("-+").replace(",", "").isdigit() else _unit(stored)
    return abs(old - new) <= max(unit, Decimal(within) * abs(old))


def _unit(number: str) -> Decimal:
    """The value of the last printed digit: 0.01 of 3.14, 1e-8 of 6e-08."""
    exponent = Decimal(number.replace(",", "")).as_tuple().exponent
    assert isinstance(exponent, int)
    return Decimal(1).scaleb(exponent)


def image_difference(stored: bytes, fresh: bytes) -> str:
    """Where two pictures do not look alike, in words; empty if they do.

    The measure is structural similarity (Wang et al. 2004), in squares of 16 pixels, so that neither a hair's breadth
    in how a line is smoothed counts, nor a changed digit is lost in a large picture.
    """
    from PIL import Image
    from skimage.metrics import structural_similarity

    old, new = (np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) for png in (stored, fresh))
    if old.shape != new.shape:
        return "{1} x {0} pixels".format(*new.shape) + ", stored are {1} x {0}".format(*old.shape)
    _, similarity = structural_similarity(old, new, channel_axis=-1, full=True)
    height, width = old.shape[:2]
    # whole squares only: at the right and at the lower edge the picture is continued as alike
    squares = np.pad(similarity.mean(-1), [(0, -height % BLOCK), (0, -width % BLOCK)], constant_values=1.0)
    blocks = squares.reshape(squares.shape[0] // BLOCK, BLOCK, -1, BLOCK).mean((1, 3))
    worst = np.unravel_index(blocks.argmin(), blocks.shape)
    if blocks[worst] >= ALIKE:
        return ""
    y, x = (int(index) * BLOCK for index in worst)
    return f"looks different, most of all near x = {x}, y = {y} (similarity {blocks[worst]:.2f}, not {ALIKE})"
