"""Time to quality: `course train` with a clock, everything included, then BLEU on the test set."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

COURSE = [sys.executable, "-m", "course_lib.app.cli"]


def reached(corpus: str, minutes: float, folder: Path) -> dict[str, Any]:
    """Train for so many minutes, in a process of its own, and score with beam 4."""
    start = time.monotonic()
    train = ["train", "--corpus", corpus, "--minutes", f"{minutes:g}", "--out", str(folder), "--no-report"]
    subprocess.run([*COURSE, *train], check=True)
    took = (time.monotonic() - start) / 60
    score = ["evaluate", str(folder), "--json"]
    scores = json.loads(subprocess.run([*COURSE, *score], check=True, capture_output=True, text=True).stdout)
    return {"asked": minutes, "minutes": took, "bleu": scores["bleu"], "signature": scores["bleu_signature"]}
