"""The command `course`. Only what a command needs is imported, when it is needed: help comes at once."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from course_lib.app.defaults import QUICK_MINUTES, VOCAB
from course_lib.app.errors import Interrupted, UserError

if TYPE_CHECKING:
    from course_lib.app.runs import Budget
    from course_lib.app.translator import Translator

STOPPED = 130  # the exit code of what ctrl-C ended
MISTAKE = 2  # that of a user's mistake

app = typer.Typer(
    help="Train a Transformer whose every part is defined in a notebook of the course, and translate with it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Beam = Annotated[int, typer.Option(min=1, help="Hypotheses kept in beam search; 1 is greedy decoding.")]
InWorkspace = Annotated[Path, typer.Option("--in", metavar="DIR", help="The workspace. [default: this folder's]")]
PartName = Annotated[str, typer.Argument(metavar="NAME", help="An exercise, as LayerNorm.")]
RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a run, as `course train` wrote it.")]


@app.command()
def train(
    corpus: Annotated[
        str | None,
        typer.Option(
            metavar="C",
            help="What to learn from: `embedded` (the course's own corpus; needs no network), a folder or a Hugging "
            "Face name with columns en and de, wmt/wmt14:de-en, wmt/wmt14:fr-en, or two text files a.en,a.de. "
            "[default: embedded]",
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="P",
            help="Size of the model: tiny, small, base, big, or a row of Table 3. [default: small]",
        ),
    ] = None,
    vocab: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help=f"Pieces in the vocabulary. [default: {VOCAB['embedded']:,} if embedded, {VOCAB['wmt']:,} for wmt, "
            f"else {VOCAB['else']:,}]",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="R", help="quick, or the paper's: paper. [default: quick for tiny and small, paper for all others]"
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to write the run. [default: runs/<corpus>-<preset>]")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            metavar="M",
            help="Train for so long, preparation included. [default with the quick recipe: "
            f"{QUICK_MINUTES['embedded']:g} if embedded, else {QUICK_MINUTES['else']:g}]",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Train for so many steps. [default with the paper's recipe: the paper's]",
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, metavar="E", help="Train for so many passes over the training data.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    seed: Annotated[int | None, typer.Option(min=0, metavar="S", help="Of all that is random. [default: 0]")] = None,
    threads: Annotated[int | None, typer.Option(min=1, metavar="T", help="CPU threads. [default: all cores]")] = None,
    device: Annotated[str, typer.Option(metavar="D", help="auto (the best there is), cuda, mps or cpu.")] = "auto",
    report: Annotated[bool, typer.Option(help="Score the model on the test split at the end.")] = True,
) -> None:
    """Train a translator.

    Ctrl-C stops and saves; --resume goes on. At the end it prints the scores on the test split, some translations,
    and where it wrote the model, the loss curve and a picture of attention.

    Example: course train --corpus embedded --preset small --minutes 3
    """
    _with_own_parts()
    budget = _budget(minutes, steps, epochs)
    from rich.console import Console

    from course_lib.app.report import report as final_report
    from course_lib.app.settings import Request
    from course_lib.app.training import train as train_run

    request = Request(corpus, preset, vocab, recipe, out, budget, resume, seed, threads, device)
    run = train_run(request, _say)
    if report:
        final_report(run, device, Console(highlight=False))


def _with_own_parts() -> None:
    """In a workspace, what is trained is made of what the learner wrote."""
    from course_lib.app.overlay import OVERLAY, activate, find_workspace, yours

    if (workspace := find_workspace(Path.cwd())) and yours(workspace / OVERLAY):
        activate(workspace / OVERLAY)


def _budget(minutes: float | None, steps: int | None, epochs: int | None) -> "Budget | None":
    if sum(given is not None for given in (minutes, steps, epochs)) > 1:
        raise UserError("--minutes, --steps and --epochs exclude one another: give one")
    if minutes is not None and not 0 < minutes < float("inf"):
        raise UserError(f"--minutes {minutes:g}: give a number above 0")
    from course_lib.app.runs import Budget

    if minutes is not None:
        return Budget("minutes", minutes)
    if steps is not None:
        return Budget("steps", steps)
    return Budget("epochs", epochs) if epochs is not None else None


@app.command()
def evaluate(
    folder: RunFolder,
    corpus: Annotated[
        str | None, typer.Option(metavar="C", help="As for `course train`. [default: what the run was trained on]")
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            help="test, validation or train; of the embedded corpus also test_long, test_combinations, test_pronouns."
        ),
    ] = "test",
    beam: Beam = 4,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the first N sentences.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Score a trained translator: BLEU and chrF, and on the embedded corpus how often it is exactly right.

    Example: course evaluate runs/embedded-small --split test_pronouns
    """
    from rich.console import Console

    from course_lib.app.evaluation import evaluate as score_split
    from course_lib.app.evaluation import show
    from course_lib.app.prepare import choose_split, load_corpus
    from course_lib.app.runs import Run

    translator = _translator(folder)
    chosen = load_corpus(corpus or Run.open(folder).settings.corpus)
    scores, _ = score_split(translator, choose_split(chosen, split), chosen.name, split, beam, limit)
    if as_json:
        _say(json.dumps(scores.to_dict(), indent=2))
    else:
        show(scores, Console(highlight=False))


@app.command()
def translate(
    folder: RunFolder,
    sentence: Annotated[str | None, typer.Argument(help="What to translate.")] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="F", help="Translate the lines of this file; quicker than line by line.")
    ] = None,
    beam: Beam = 4,
    workers: Annotated[
        int, typer.Option(min=1, metavar="W", help="Translate so many batches of a file at a time, each with one core.")
    ] = 1,
) -> None:
    """Translate a sentence, the lines of a file, or standard input line by line.

    Example: course translate runs/embedded-small "The old man reads the letter."
    """
    if sentence is not None and file is not None:
        raise UserError("give a sentence or --file, not both")
    if workers > 1 and file is None:
        raise UserError("--workers is for --file: a line alone is the work of one")
    from course_lib.app.translate import translate_file, translate_line, translate_stream

    translator = _translator(folder)
    if sentence is not None:
        _say(translate_line(translator, sentence, "the sentence", beam))
        return
    translations: Iterator[str]
    if file is not None:
        translations = translate_file(translator, file, beam, workers)
    else:
        if sys.stdin.isatty():
            typer.echo("One sentence a line; ctrl-D ends.", err=True)
        translations = translate_stream(translator, sys.stdin.buffer, beam)
    for line in translations:
        _say(line)


@app.command()
def export(
    folder: RunFolder,
    to: Annotated[str, typer.Option("--to", metavar="ENGINE", help="For which engine: ctranslate2.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="A new folder. [default: DIR/ctranslate2]")] = None,
) -> None:
    """Write a trained model for an engine that is made for production.

    Example: course export runs/embedded-small --to ctranslate2
    """
    if to != "ctranslate2":
        raise UserError(f"--to {to}: the only engine is ctranslate2")
    from course_lib.app.export import export_ctranslate2
    from course_lib.app.translator import Translator

    target = out or folder / to
    export_ctranslate2(Translator.load(folder), target)
    _say(f"{target}: how to use it is in its README.md")


@app.command()
def start(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is not there yet, or empty.")],
) -> None:
    """Make a workspace: the notebooks with blanks, a library that becomes yours, a record of what you have done.

    Example: course start workspace
    """
    from course_lib.editions.workspace import Workspace

    Workspace.start(folder)
    _say(f"{folder} is ready. Open it:  jupyter lab {folder / '00_start_here.ipynb'}")


@app.command()
def progress(folder: InWorkspace = Path(".")) -> None:
    """Show what is done, and whose code each part of the model is.

    Example: course progress
    """
    from rich.console import Console

    from course_lib.editions.progress import show
    from course_lib.editions.workspace import Workspace

    show(Workspace.at(folder), Console(highlight=False))


@app.command()
def restore(name: PartName, folder: InWorkspace = Path(".")) -> None:
    """Put the course's own part back in the place of yours, in your library. The notebook stays as it is.

    Example: course restore LayerNorm
    """
    from course_lib.editions.workspace import Workspace, exercise_in

    exercise_in(name)
    restored = Workspace.at(folder).restore(name)
    _say(f"{name} is the course's again" if restored else f"{name} is the course's: there was nothing to restore")


@app.command()
def reset(name: PartName, folder: InWorkspace = Path(".")) -> None:
    """Empty an exercise: its cell is as it was handed out. What you wrote is kept. Close the notebook first.

    Example: course reset LayerNorm
    """
    from course_lib.editions.workspace import Workspace

    kept = Workspace.at(folder).reset(name)
    _say(f"{name} is a blank again" + (f"; what was there is in {kept}" if kept else ""))


@app.command("catch-up")
def catch_up(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Of the notebook to begin with, as 06.")],
    folder: InWorkspace = Path("."),
) -> None:
    """Fill in the solutions of all notebooks before this one that are not solved. Close the notebooks first.

    Example: course catch-up 06
    """
    from course_lib.editions.workspace import Workspace

    filled = Workspace.at(folder).catch_up(number.zfill(2))
    _say(f"filled in: {', '.join(filled)}" if filled else "nothing was left to fill in")


@app.command()
def update(folder: InWorkspace = Path(".")) -> None:
    """Bring the course as it is installed now into a workspace, and keep your work. Close the notebooks first.

    Example: course update
    """
    from course_lib.editions.workspace import Workspace

    for note in Workspace.at(folder).update():
        _say(note)
    _say("the notebooks are those of the installed course, with your work in them")


@app.command()
def release(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is not there yet, or empty.")],
) -> None:
    """Make nbgrader's course folder for a class: an assignment for each notebook, with points and rubrics.

    Example: course release class && cd class && nbgrader generate_assignment 03_attention
    """
    from course_lib.grading.release import release as make

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there and not empty: choose another folder")
    names = make(folder)
    _say(f"{folder} is ready, with {len(names)} assignments. Next, in it:  nbgrader generate_assignment {names[0]}")


@app.command()
def overview(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of workspaces that were collected.")],
) -> None:
    """Show how far each learner of a class is, and which exercises and mistakes hold many up.

    Example: course overview collected
    """
    from rich.console import Console

    from course_lib.grading.overview import collected, show

    show(collected(folder), Console(highlight=False))


@app.command()
def similar(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="nbgrader's course folder.")],
    assignment: Annotated[str, typer.Argument(metavar="NAME", help="An assignment, as 03_attention.")],
    least: Annotated[float, typer.Option(min=0, max=1, help="Show pairs that share at least so much.")] = 0.95,
) -> None:
    """List submissions that are nearly the same but for names, comments and spacing.

    What is short has few right ways to be written: likeness is a reason to ask, and proves nothing.

    Example: course similar class 03_attention
    """
    from course_lib.grading.similar import similar as pairs

    for pair in pairs(folder, assignment, least):
        _say(f"{pair.share:.0%}  {pair.exercise}  {pair.one}, {pair.other}")


@app.command()
def build(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 and name the modules that are not up to date.")
    ] = False,
) -> None:
    """Build course_lib from the cells of the notebooks. It works in a clone of the course.

    Example: course build --check
    """
    from course_lib.app.overlay import INSTALLED as library
    from course_lib.editions.build import BuildError, stale_modules, write_library
    from course_lib.editions.build import build as build_library

    try:
        built = build_library(library.parent / "notebooks")
    except BuildError as error:
        raise UserError(str(error)) from None
    stale = stale_modules(built, library) if check else write_library(built, library)
    for name in stale:
        typer.echo(f"course_lib/{name} {'is not what the notebooks define' if check else 'written'}")
    if check and stale:
        raise typer.Exit(1)


def _translator(folder: Path) -> "Translator":
    from course_lib.app.devices import pick_device
    from course_lib.app.overlay import whose
    from course_lib.app.translator import Translator

    translator = Translator.load(folder)
    translator.model.to(pick_device())
    if translator.library.yours:
        typer.echo(f"parts    {whose(translator.library.yours)}", err=True)
    return translator


def main(arguments: list[str] | None = None) -> int:
    """The entry point of the command: what goes wrong by a user's mistake is one line on standard error."""
    try:
        return app(arguments, prog_name="course", standalone_mode=False) or 0
    except Interrupted as error:
        return _complain(str(error), STOPPED)
    except typer.Abort:
        return _complain("stopped", STOPPED)
    except UserError as error:
        return _complain(f"error: {error}", MISTAKE)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _complain(f"error: {place}{error.strerror or error}", MISTAKE)
    except _usage_error() as error:
        return _complain(f"error: {error.format_message()} (see `course --help`)", MISTAKE)


def _usage_error() -> type[typer.BadParameter]:
    """What the command-line parser raises. It is click's, of which newer typers have a copy of their own."""
    return typer.BadParameter.__mro__[2]


def _say(line: str) -> None:
    """On standard output; where that is full, the error names it."""
    try:
        typer.echo(line)
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from None


def _complain(line: str, code: int) -> int:
    typer.echo(f"course: {' '.join(line.split())}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
