"""Every exercise whose solution goes into the library, solved as another person would: the cells of their notebooks."""

from pathlib import Path

CELLS = {path.stem: path.read_text() for path in sorted(Path(__file__).parent.glob("[!_]*.py"))}
