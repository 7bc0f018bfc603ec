"""What `course train` ends with: scores, translations beside their references, two pictures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from course_lib.app.devices import pick_device
from course_lib.app.evaluation import evaluate, show
from course_lib.app.inspection import cross_attention_picture
from course_lib.app.overlay import whose
from course_lib.app.prepare import choose_split, load_corpus
from course_lib.app.runs import Run
from course_lib.app.translator import Translator
from course_lib.figures import loss_curve

if TYPE_CHECKING:
    from datasets import Dataset

EXAMPLES = 5
BEAM = 4  # (6.1)


def report(run: Run, device: str, console: Console) -> None:
    """Score the trained weights on the test split, show some translations, draw, and say where everything is."""
    corpus = load_corpus(run.settings.corpus)
    test = choose_split(corpus, "test")
    translator = Translator.load(run.folder)
    translator.model.to(pick_device(device))
    scores, translations = evaluate(translator, test, corpus.name, "test", BEAM)
    if run.yours:
        console.print(f"parts              {whose(run.yours)}", soft_wrap=True)
    show(scores, console)
    for line in examples(test, translations):
        console.print(line, soft_wrap=True)
    curve, picture = run.folder / "loss.png", run.folder / "attention.png"
    losses = [loss for _, some in run.curve("losses") for loss in some]
    loss_curve(losses, list(run.curve("validation_loss"))).save(curve)
    attention = cross_attention_picture(translator, chosen_sentence(run, test))
    if attention:
        attention.save(picture)
    console.print(f"\ncheckpoint         {run.checkpoints[-1]}", soft_wrap=True)
    console.print(f"loss curve         {curve}", soft_wrap=True)
    where = str(picture) if attention else "none: MultiHeadAttention is yours, and its weights cannot be watched"
    console.print(f"attention picture  {where}", soft_wrap=True)
    console.print(f"\nTranslate:  course translate {run.folder} {chosen_sentence(run, test)!r}", soft_wrap=True)


def examples(test: "Dataset", translations: Sequence[str]) -> list[str]:
    """Some translations, evenly spaced, each below its source and its reference."""
    lines = []
    for i in range(0, len(test), max(1, len(test) // EXAMPLES))[:EXAMPLES]:
        mark = "=" if translations[i] == test[i]["tgt"] else "≠"
        lines += ["", f"  source       {escape(test[i]['src'])}", f"  reference    {escape(test[i]['tgt'])}"]
        lines += [f"{mark} translation  {escape(translations[i])}"]
    return lines


def chosen_sentence(run: Run, test: "Dataset") -> str:
    """The sentence that the course follows from its first notebook to its last, where the model can know it."""
    if run.settings.corpus != "embedded":
        return test[0]["src"]
    from course_lib.corpora.grammar import COURSE_SENTENCE

    return COURSE_SENTENCE.en
