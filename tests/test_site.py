"""The web site: it builds without a warning, and needs no network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("myst_nb", reason="the extra `site` is not installed")

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", folder / "doctrees"]
    done = subprocess.run([*command, ROOT / "docs", folder / "html"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_every_notebook_has_a_page_that_the_index_names(site):
    index = (site / "index.html").read_text()
    for name in NOTEBOOKS:
        assert (site / "notebooks" / f"{name}.html").is_file()
        assert f'href="notebooks/{name}.html"' in index


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_page_loads_nothing_from_elsewhere_and_can_be_read_aloud(site, name):
    page = (site / "notebooks" / f"{name}.html").read_text()
    loaded = re.findall(r"<(?:script|img|link)[^>]*?(?:src|href)=[\"']([^\"']+)", page)
    assert loaded and not [address for address in loaded if re.match(r"(https?:)?//", address)]
    images = [image for image in re.findall(r"<img[^>]*>", page) if "_images/" in image]
    assert images and all(len(re.search(r'alt="([^"]*)"', image)[1]) > 40 for image in images)


def test_formulas_are_mathml_and_sections_have_stable_addresses(site):
    page = (site / "notebooks" / "03_attention.html").read_text()
    assert "<msqrt>" in page and "softmax" in page
    for anchor in ("loop", "formula", "mask", "scale", "mistakes", "additive", "translator", "questions"):
        assert f'id="{anchor}"' in page
