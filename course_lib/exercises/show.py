"""Short words for the learner: in a notebook as a line with a coloured edge, elsewhere as text."""

from html import escape

GOOD, BAD, PLAIN = "#1a7f37", "#b3261e", "#57606a"


def show(text: str, good: bool | None = None, html: str = "") -> None:
    """Show `text`; where HTML can be shown, `html` or the text with its lines kept."""
    try:
        from IPython.core.getipython import get_ipython
        from IPython.display import display
    except ImportError:
        print(text)
        return
    if get_ipython() is None:
        print(text)
        return
    display({"text/plain": text, "text/html": html or framed(escape(text), good)}, raw=True)


def framed(inside: str, good: bool | None = None) -> str:
    """The words carry the meaning; the colour of the edge repeats it."""
    colour = PLAIN if good is None else GOOD if good else BAD
    return (
        f'<div style="border-left:4px solid {colour}; padding:0.4em 0.9em; max-width:60em; white-space:pre-line">'
        f"{inside}</div>"
    )
