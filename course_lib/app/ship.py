"""Make the small trained model that comes with the course: `python -m course_lib.app.ship RUN`.

Weights are shipped as float16, half the size; it is checked, and written down, what that changes.
"""

import argparse
import shutil
import sys
from pathlib import Path

from course_lib.app.errors import UserError
from course_lib.app.evaluation import Scores, evaluate
from course_lib.app.files import drafted, write_bytes
from course_lib.app.prepare import choose_split, load_corpus
from course_lib.app.runs import Run
from course_lib.app.tensors import tensors_from_bytes, tensors_to_bytes
from course_lib.app.translator import Translator
from course_lib.corpora.resources import data_dir

BEAM = 4


def ship(run: Run, target: Path) -> str:
    """Write the run's model to `target`, with a README that says how good it is. Returns the README."""
    corpus = load_corpus(run.settings.corpus)
    test = choose_split(corpus, "test")
    _, before = evaluate(Translator.load(run.folder), test, corpus.name, "test", BEAM)
    with drafted(target) as draft:
        for name in ("config.json", "tokenizer.model"):
            shutil.copyfile(run.folder / name, draft / name)
        weights = tensors_from_bytes((run.folder / "weights.safetensors").read_bytes())
        half = tensors_to_bytes({name: tensor.half() for name, tensor in weights.items()})
        write_bytes(draft / "weights.safetensors", half)
        scores, after = evaluate(Translator.load(draft), test, corpus.name, "test", BEAM)
        changed = sum(one != other for one, other in zip(before, after, strict=True))
        text = readme(run, scores, changed)
        (draft / "README.md").write_text(text)
        shutil.rmtree(target, ignore_errors=True)  # all is there: now the old one may go
    return text


def readme(run: Run, scores: Scores, changed: int) -> str:
    """What this model is, how good it is, and how to make it again."""
    s = run.settings
    return f"""# The trained model that comes with the course

The preset `{s.preset}` with {run.model.vocab:,} pieces, trained on the corpus `{s.corpus}` for {s.budget} by the recipe
`{s.recipe}`, seed {s.seed}. The notebooks put the reader's parts into it.

| on {scores.sentences:,} test sentences, beam {scores.beam} | |
|---|---|
| BLEU (`{scores.bleu_signature}`) | {scores.bleu:.2f} |
| chrF (`{scores.chrf_signature}`) | {scores.chrf:.2f} |
| exactly the reference | {scores.exact or "not counted"} |

The weights are stored as float16; against float32 that changes {changed} of these translations.

To make it again: `make model`, or

    course train --corpus {s.corpus} --preset {s.preset} --vocab {s.vocab} --recipe {s.recipe} \\
        --{s.budget.unit} {s.budget.amount:g} --seed {s.seed} --out runs/model
    python -m course_lib.app.ship runs/model

Another kind of processor rounds otherwise: it makes other weights, and about as good ones.
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m course_lib.app.ship", description=__doc__)
    parser.add_argument("run", type=Path, help="the folder of a run, as `course train` wrote it")
    try:
        print(ship(Run.open(parser.parse_args().run), data_dir() / "model"))
    except (UserError, OSError) as error:
        print(f"ship: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
