"""A run: the folder that holds everything about one training, and from which it can go on.

config.json           what was asked for, the model's size, the recipe
tokenizer.model       the vocabulary
weights.safetensors   the weights to translate with
metrics.jsonl         a line every few steps
course_lib/           the parts that are a learner's own, if any are
checkpoints/step-...  what is needed to go on
"""

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import torch

import course_lib
from course_lib.app.errors import UserError
from course_lib.app.files import append_line, drafted, naming, read_lines, to_json, write_atomically
from course_lib.app.overlay import OVERLAY, active, sources, yours
from course_lib.app.tensors import tensors_to_bytes
from course_lib.tokenizer import Tokenizer
from course_lib.training import Recipe
from course_lib.transformer import Config


@dataclass(frozen=True)
class Budget:
    """How long to train: `amount` minutes, steps or passes over the training data."""

    unit: Literal["minutes", "steps", "epochs"]
    amount: float

    def total_steps(self, steps_per_epoch: int) -> int | None:
        """The number of the last step, where the clock does not decide it."""
        if self.unit == "minutes":
            return None
        return int(self.amount) if self.unit == "steps" else math.ceil(self.amount * steps_per_epoch)

    def __str__(self) -> str:
        return f"{self.amount:,g} {self.unit if self.amount != 1 else self.unit[:-1]}"


@dataclass(frozen=True)
class Settings:
    """What a run was asked to be."""

    corpus: str
    preset: str
    recipe: str
    vocab: int
    seed: int
    budget: Budget


@dataclass(frozen=True)
class Run:
    """One training, as its folder describes it."""

    folder: Path
    settings: Settings
    model: Config
    recipe: Recipe

    @classmethod
    def create(cls, folder: Path, settings: Settings, model: Config, recipe: Recipe, tokenizer: Tokenizer) -> Self:
        """A new run with nothing trained yet. `folder` must not exist, or be empty."""
        with drafted(folder) as draft:
            with naming(draft / "tokenizer.model"):
                tokenizer.save(draft / "tokenizer.model")
            if overlay := active():
                shutil.copytree(overlay, draft / OVERLAY, ignore=shutil.ignore_patterns("__pycache__"))
            cls(draft, settings, model, recipe).write_config()
        return cls(folder, settings, model, recipe)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The run in this folder."""
        path = folder / "config.json"
        if not path.is_file():
            raise UserError(f"{folder} holds no run: there is no config.json in it")
        try:
            saved = json.loads(path.read_text())
            settings = Settings(**{**saved["settings"], "budget": Budget(**saved["settings"]["budget"])})
            recipe = Recipe(**{**saved["recipe"], "betas": tuple(saved["recipe"]["betas"])})
            return cls(folder, settings, Config(**saved["model"]), recipe)
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path} is damaged, or of another version of the course: {error}") from None

    def write_config(self) -> None:
        content = {
            "version": course_lib.__version__,
            "torch": torch.__version__,
            "settings": asdict(self.settings),
            "recipe": asdict(self.recipe),
            "model": asdict(self.model),
        }
        write_atomically(self.folder / "config.json", to_json(content))

    def with_budget(self, budget: Budget) -> Self:
        """The same run, to be trained longer or shorter."""
        changed = replace(self, settings=replace(self.settings, budget=budget))
        changed.write_config()
        return changed

    @property
    def yours(self) -> tuple[str, ...]:
        """The parts that are a learner's own."""
        return yours(self.folder / OVERLAY)

    def check_parts(self) -> None:
        """Raises UserError where this process has other parts than the run was begun with."""
        begun, now = sources(self.folder / OVERLAY), sources(active())
        if changed := sorted(name for name in {*begun, *now} if begun.get(name) != now.get(name)):
            raise UserError(
                f"{self.folder} was begun with other parts of yours ({', '.join(changed)} differ): it translates as it "
                "is, with the parts it was begun with; to train with those of now, begin a new run"
            )

    def tokenizer(self) -> Tokenizer:
        return Tokenizer.load(self.folder / "tokenizer.model")

    def write_weights(self, weights: dict[str, torch.Tensor]) -> None:
        content = tensors_to_bytes({name: tensor.float().cpu() for name, tensor in weights.items()})
        write_atomically(self.folder / "weights.safetensors", content)

    # --- metrics ---

    def log(self, **record: Any) -> None:
        append_line(self.folder / "metrics.jsonl", record)

    def metrics(self) -> list[dict[str, Any]]:
        return read_lines(self.folder / "metrics.jsonl")

    def curve(self, name: str) -> Iterator[tuple[int, Any]]:
        """(step, value) of one quantity in the metrics."""
        return ((record["step"], record[name]) for record in self.metrics() if name in record)

    # --- checkpoints ---

    @property
    def checkpoints(self) -> list[Path]:
        """The folders of the checkpoints, the oldest first."""
        return sorted((self.folder / "checkpoints").glob("step-*"))

    def forget_after(self, step: int) -> None:
        """Drop the metrics of steps that are going to be made again, and checkpoints of them: they are damaged."""
        lines = [json.dumps(record) + "\n" for record in self.metrics() if record["step"] <= step]
        write_atomically(self.folder / "metrics.jsonl", "".join(lines).encode())
        for path in self.checkpoints:
            if path.name > checkpoint_name(step):
                shutil.rmtree(path)


def checkpoint_name(step: int) -> str:
    return f"step-{step:07}"


def refuse_to_overwrite(folder: Path) -> None:
    """A new run must have a folder of its own."""
    if (folder / "config.json").exists():
        raise UserError(f"{folder} already holds a run: go on with it by --resume, or choose another folder by --out")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there and not empty: choose another folder by --out")
