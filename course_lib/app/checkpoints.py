"""Stop and go on: everything that changes in training, in files that are checked before they are believed."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from course_lib.app.errors import UserError
from course_lib.app.files import checksum, drafted, to_json, write_bytes
from course_lib.app.runs import Run, checkpoint_name
from course_lib.app.tensors import tensors_from_bytes, tensors_to_bytes
from course_lib.training import Trainer

NEWEST = 2  # are kept in any case: should one be damaged, there is another


class DamagedError(ValueError):
    """A checkpoint that is not what was written."""


@dataclass(frozen=True)
class Position:
    """Where a run is."""

    step: int = 0  # optimiser steps made, each with one batch: so many batches of the data are used up
    tokens: int = 0  # target tokens learned from
    seconds: float = 0.0
    averaged: bool = True  # one of those that a mean of checkpoints is made of (6.1)
    threads: int = 1
    precision: str = "float32"


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint, read and found intact."""

    position: Position
    model: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    mean: dict[str, Tensor]
    random: dict[str, Tensor]

    @classmethod
    def of(cls, trainer: Trainer, position: Position) -> Self:
        states = trainer.optimizer.state_dict()["state"]
        return cls(
            position,
            model=trainer.model.state_dict(),
            optimizer={f"{number}.{key}": value for number, state in states.items() for key, value in state.items()},
            mean={str(number): tensor for number, tensor in enumerate(trainer.mean)},
            random=_random_states(),
        )

    @property
    def tensors(self) -> dict[str, dict[str, Tensor]]:
        return {"model": self.model, "optimizer": self.optimizer, "mean": self.mean, "random": self.random}

    def write(self, run: Run) -> None:
        """Into the run's folder, whole or not at all; older ones that nothing needs go."""
        target = run.folder / "checkpoints" / checkpoint_name(self.position.step)
        with drafted(target) as draft:
            sums = {}
            for name, tensors in self.tensors.items():
                content = tensors_to_bytes(tensors)
                write_bytes(draft / f"{name}.safetensors", content)
                sums[name] = checksum(content)
            write_bytes(draft / "state.json", _sealed({"position": asdict(self.position), "sha256": sums}))
        _remove_old(run)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises DamagedError where one bit is not as it was written."""
        try:
            state = _unsealed((folder / "state.json").read_bytes())
            tensors = {name: _read_tensors(folder, name, state) for name in state["sha256"]}
            return cls(Position(**state["position"]), **tensors)
        except FileNotFoundError as error:
            raise DamagedError(f"{Path(error.filename).name} is missing") from None
        except (ValueError, TypeError, KeyError) as error:
            raise DamagedError(str(error)) from None

    def restore(self, trainer: Trainer) -> None:
        """Put the trainer, and the random generators, where they were."""
        states: dict[int, dict[str, Tensor]] = {}
        for name, tensor in self.optimizer.items():
            number, key = name.split(".", 1)
            states.setdefault(int(number), {})[key] = tensor
        groups = trainer.optimizer.state_dict()["param_groups"]
        try:
            trainer.model.load_state_dict(self.model)
            trainer.optimizer.load_state_dict({"state": states, "param_groups": groups})
            for index, mean in enumerate(trainer.mean):
                mean.copy_(self.mean[str(index)])
        except (RuntimeError, ValueError, KeyError):
            raise UserError("the checkpoint is one of another model than config.json describes") from None
        trainer.steps = self.position.step
        _set_random_states(self.random)


def _random_states() -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states |= {f"cuda.{number}": state for number, state in enumerate(torch.cuda.get_rng_state_all())}
    if torch.backends.mps.is_available():
        states["mps"] = torch.mps.get_rng_state()
    return states


def _set_random_states(states: dict[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    for name, state in states.items():
        if name.startswith("cuda.") and int(name[5:]) < torch.cuda.device_count():
            torch.cuda.set_rng_state(state, int(name[5:]))
    if "mps" in states and torch.backends.mps.is_available():
        torch.mps.set_rng_state(states["mps"])


def _sealed(state: dict[str, Any]) -> bytes:
    return to_json({"state": state, "sha256": checksum(to_json(state))})


def _unsealed(content: bytes) -> dict[str, Any]:
    sealed = json.loads(content)
    if checksum(to_json(sealed["state"])) != sealed["sha256"]:
        raise DamagedError("state.json is not what was written")
    return sealed["state"]


def _read_tensors(folder: Path, name: str, state: dict[str, Any]) -> dict[str, Tensor]:
    content = (folder / f"{name}.safetensors").read_bytes()
    if checksum(content) != state["sha256"][name]:
        raise DamagedError(f"{name}.safetensors is not what was written")
    return tensors_from_bytes(content)


def _is_averaged(folder: Path) -> bool:
    try:
        return Position(**_unsealed((folder / "state.json").read_bytes())["position"]).averaged
    except (OSError, ValueError, TypeError, KeyError):
        return False


def newest_intact(run: Run) -> tuple[Checkpoint | None, list[str]]:
    """The checkpoint to go on from, and a line about each newer one that is damaged.

    None stands for the beginning: a run that was killed before its first checkpoint has none.
    """
    complaints: list[str] = []
    for folder in reversed(run.checkpoints):
        try:
            return Checkpoint.read(folder), complaints
        except DamagedError as error:
            complaints.append(f"{folder} is damaged ({error}): using the one before")
    if complaints:
        raise UserError(f"{run.folder / 'checkpoints'} holds no intact checkpoint: train anew with another --out")
    return None, complaints


def states_to_average(run: Run) -> list[dict[str, Tensor]]:
    """The weights of the last checkpoints that the recipe averages, damaged ones left out."""
    states = []
    for folder in [path for path in run.checkpoints if _is_averaged(path)][-run.recipe.averaged_checkpoints :]:
        try:
            states.append(_read_tensors(folder, "model", _unsealed((folder / "state.json").read_bytes())))
        except (OSError, ValueError):
            continue
    return states


def _remove_old(run: Run) -> None:
    """Keep the newest and, where the recipe averages checkpoints, the weights of those that it will average."""
    newest = run.checkpoints[-NEWEST:]
    averaged = [] if run.recipe.ema else [path for path in run.checkpoints if _is_averaged(path)]
    for path in run.checkpoints:
        if path in averaged[-run.recipe.averaged_checkpoints :] and path not in newest:
            (path / "optimizer.safetensors").unlink(missing_ok=True)  # two thirds of it
        elif path not in newest:
            shutil.rmtree(path)
