"""What was typed, completed by what is usual, and what may change when a run goes on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count, takewhile
from pathlib import Path

from course_lib.app.defaults import QUICK_MINUTES, VOCAB
from course_lib.app.errors import UserError
from course_lib.app.prepare import resolved
from course_lib.app.runs import Budget, Run, Settings
from course_lib.training import RECIPES, Recipe, recipe_for
from course_lib.transformer import PRESETS

QUICK_PRESETS = ("tiny", "small")


@dataclass(frozen=True)
class Request:
    """What was typed; None where nothing was."""

    corpus: str | None = None
    preset: str | None = None
    vocab: int | None = None
    recipe: str | None = None
    out: Path | None = None
    budget: Budget | None = None
    resume: bool = False
    seed: int | None = None
    threads: int | None = None
    device: str = "auto"


# --- what was asked for ---


def new_settings(request: Request) -> Settings:
    """The request, completed by what is usual for this corpus and this preset."""
    corpus = resolved(request.corpus or "embedded")
    preset = request.preset or "small"
    _check_choice("--preset", preset, PRESETS)
    recipe = request.recipe or ("quick" if preset in QUICK_PRESETS else "paper")
    _check_choice("--recipe", recipe, RECIPES)
    return Settings(
        corpus=corpus,
        preset=preset,
        recipe=recipe,
        vocab=request.vocab or default_vocab(corpus),
        seed=request.seed or 0,
        budget=request.budget or default_budget(corpus, preset, recipe),
    )


def chosen_recipe(settings: Settings) -> Recipe:
    """The recipe of this name; for big the paper averages 20 checkpoints instead of 5 (6.1)."""
    recipe = recipe_for(settings.recipe, PRESETS[settings.preset].d_model)
    return replace(recipe, averaged_checkpoints=20) if settings.preset == "big" else recipe


def _check_choice(option: str, value: str, choices: Iterable[str]) -> None:
    if value not in choices:
        raise UserError(f"{option} {value}: choose one of {', '.join(choices)}")


def default_vocab(corpus: str) -> int:
    return VOCAB.get(corpus.split("/")[0], VOCAB["else"])


def default_budget(corpus: str, preset: str, recipe: str) -> Budget:
    if recipe == "paper":
        return Budget("steps", PRESETS[preset].train_steps)
    return Budget("minutes", QUICK_MINUTES.get(corpus, QUICK_MINUTES["else"]))


def new_folder(settings: Settings) -> Path:
    """The first of runs/<corpus>-<preset>, runs/<corpus>-<preset>-2, ... that is free."""
    return next(folder for folder in _usual_folders(settings) if not folder.exists())


def latest_folder(settings: Settings) -> Path:
    """The last of them that is there; the first if none is."""
    there = list(takewhile(Path.exists, _usual_folders(settings)))
    return there[-1] if there else next(_usual_folders(settings))


def _usual_folders(settings: Settings) -> Iterator[Path]:
    corpus = Path(settings.corpus.split(",")[0]).stem if "," in settings.corpus else Path(settings.corpus).name
    name = f"{corpus.replace(':', '-')}-{settings.preset}"
    return (Path("runs") / (name if number == 1 else f"{name}-{number}") for number in count(1))


def check_same_run(request: Request, run: Run) -> None:
    """On --resume, everything but the budget must be as it was, where it is given at all."""
    was = run.settings
    for name in ("corpus", "preset", "recipe", "vocab", "seed"):
        asked, had = getattr(request, name), getattr(was, name)
        if asked is not None and (resolved(asked) if name == "corpus" else asked) != had:
            raise UserError(
                f"{run.folder} was begun with --{name} {had}, not {asked}: leave --{name} out, or choose another --out"
            )
