"""The web site: the notebooks and these pages as they are stored. Nothing is executed, nothing is fetched."""

import shutil
import sys
from pathlib import Path

import nbformat

from course_lib.editions.build import without_markers

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "Attention Is All You Need, built cell by cell"
author = "the authors of the course"
copyright = "the authors of the course; code MIT, text and figures CC BY 4.0"

extensions = ["myst_nb", "alternative_text", "mathml"]
html_theme = "furo"
html_title = "Attention, cell by cell"
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_show_sphinx = False
html_math_renderer = "mathml"

nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
suppress_warnings = ["mystnb.unknown_mime_type"]

# Sphinx reads only what lies below this folder.
shutil.rmtree(HERE / "notebooks", ignore_errors=True)
(HERE / "notebooks").mkdir()
for path in (HERE.parent / "notebooks").glob("*.ipynb"):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = without_markers(cell.source)
    nbformat.write(notebook, HERE / "notebooks" / path.name)
