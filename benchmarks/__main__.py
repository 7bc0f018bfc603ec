"""`make bench`: everything that is timed, in one table. `make bench-quality`: BLEU after 10 and 20 minutes."""

import argparse
import json
import re
import shutil
import sys
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import datasets

from benchmarks import checks, decode, quality, scaling, train
from benchmarks.machine import describe
from benchmarks.picture import scaling_picture
from benchmarks.table import markdown
from benchmarks.text import MULTI30K
from course_lib.app.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
WEIGHTS = ROOT / "runs" / "bench"
WEIGHTS_MINUTES = 3.0
QUALITY_MINUTES = (10.0, 20.0)
PICTURE = "docs/images/scaling.png"
PARTS = ("train-small", "train-base", "decode", "scaling", "checks")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--corpus", default=MULTI30K, help="a name on the Hugging Face hub, or a folder [%(default)s]")
    parser.add_argument("--run", type=Path, help="the run whose weights decode [one trained here for 3 minutes]")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="measure these parts again")
    parser.add_argument("--quality", action="store_true", help="BLEU after 10 and 20 minutes, and nothing else")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    options = parser.parse_args()
    datasets.disable_progress_bars()
    try:
        for name, measure in chosen(options):
            print(f"{name} …", flush=True)
            save(name, measure())
    except UserError as error:
        print(f"benchmarks: error: {error}", file=sys.stderr)
        return 2
    table = markdown(load())
    print(f"\n{table}")
    if options.readme:
        into_readme(table, load().get("scaling"))
    return 0


def chosen(options: argparse.Namespace) -> list[tuple[str, Callable[[], dict[str, Any]]]]:
    if options.quality:
        return [(f"quality-{m:g}", partial(quality_run, options.corpus, m)) for m in QUALITY_MINUTES]
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "train-small": partial(train.race, options.corpus, "small"),
        "train-base": partial(train.race, options.corpus, "base"),
        "decode": lambda: decode.race(options.run or weights(options.corpus), options.corpus),
        "scaling": scaling.measure,
        "checks": checks.measure,
    }
    return [(name, parts[name]) for name in options.only]


def quality_run(corpus: str, minutes: float) -> dict[str, Any]:
    folder = ROOT / "runs" / f"bench-{minutes:g}"
    shutil.rmtree(folder, ignore_errors=True)
    return quality.reached(corpus, minutes, folder)


def weights(corpus: str) -> Path:
    """Trained ones, of the size that the training race has: what a search costs depends on what it finds."""
    if not (WEIGHTS / "weights.safetensors").exists():
        shutil.rmtree(WEIGHTS, ignore_errors=True)
        decode.train_weights(corpus, WEIGHTS_MINUTES, WEIGHTS)
    return WEIGHTS


def save(name: str, result: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    about = {"date": date.today().isoformat(), "time": time.strftime("%H:%M"), "machine": describe()}
    (RESULTS / f"{name}.json").write_text(json.dumps(about | result, indent=2) + "\n")


def load() -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}


def into_readme(table: str, scaling_result: dict[str, Any] | None) -> None:
    path = ROOT / "README.md"
    if scaling_result:
        picture = scaling_picture(scaling_result)
        picture.save(ROOT / PICTURE)
        table += f"\n\n![{picture.alt}]({PICTURE})"
    block = f"<!-- bench -->\n{table}\n<!-- /bench -->"
    text, found = re.subn(r"<!-- bench -->.*<!-- /bench -->", lambda _: block, path.read_text(), flags=re.DOTALL)
    if not found:
        raise UserError("README.md has no lines <!-- bench --> and <!-- /bench -->")
    path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
