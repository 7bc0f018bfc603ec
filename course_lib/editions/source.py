"""Where the notebooks of the course are."""

from pathlib import Path

from course_lib.app.overlay import INSTALLED


def notebooks_dir() -> Path:
    """The complete edition: `notebooks/` of a checkout, or `course_lib/_notebooks` where a wheel puts it."""
    checkout = INSTALLED.parent / "notebooks"
    return checkout if checkout.is_dir() else INSTALLED / "_notebooks"
