"""Attention Is All You Need, built part by part in the notebooks.

The modules at this level are built from notebook cells; the folders hold what the notebooks lean on.
"""

__version__ = "0.1.0"
YOURS: tuple[str, ...] = ()  # the names that a learner's own definitions have taken over, in a library of theirs
