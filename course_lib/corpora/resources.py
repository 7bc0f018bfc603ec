"""Where the course's data files are."""

from pathlib import Path


def data_dir() -> Path:
    """The folder with the grammar's tables: `data/` of a checkout, or `course_lib/_data` where a wheel puts it."""
    library = Path(__file__).resolve().parents[1]
    checkout = library.parent / "data"
    return checkout if (checkout / "lexicon").is_dir() else library / "_data"
