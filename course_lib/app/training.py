"""`course train`: from a corpus to a folder with a translator in it, in one sitting or in several."""

import math
import random
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from course_lib.app.checkpoints import Checkpoint, Position, newest_intact, states_to_average
from course_lib.app.devices import describe, pick_device
from course_lib.app.errors import Interrupted, UserError
from course_lib.app.header import header
from course_lib.app.prepare import Pairs, encode_corpus, learn_tokenizer, load_corpus
from course_lib.app.progress import Display, display
from course_lib.app.runs import Run, refuse_to_overwrite
from course_lib.app.settings import Request, check_same_run, chosen_recipe, latest_folder, new_folder, new_settings
from course_lib.batching import Batch, batches, bucket
from course_lib.fast.choice import pick_loss
from course_lib.fast.training import FastLoss
from course_lib.training import Trainer, average, validation_loss
from course_lib.transformer import PRESETS, Transformer

if TYPE_CHECKING:
    from course_lib.corpora import Corpus

LOG_EVERY = 20  # steps
VALIDATIONS = 10  # a run
# The paper wrote a checkpoint every 10 minutes (6.1), of big in 3.5 days, of base in 12 hours (5.2): so many in a run.
CHECKPOINTS = {"big": 504}
CHECKPOINTS_OF_BASE = 72
LEAST_INTERVAL = 10  # steps between the checkpoints that are averaged
CHECKPOINT_SECONDS = {"quick": 180.0, "paper": 600.0}


def train(request: Request, say: Callable[[str], None]) -> Run:
    """Train a model, or go on training it; `say` gets the lines that a person reads.

    Raises:
        UserError: what was asked for cannot be done.
        Interrupted: the user stopped it; all is saved.
    """
    clock = Clock()
    if request.threads:
        torch.set_num_threads(request.threads)
    device = pick_device(request.device)
    run, corpus, pairs = _resumed_run(request) if request.resume else _new_run(request)
    session = _begin(run, corpus, pairs, device, clock, say)
    with stop_signals() as stopped, display() as shown:
        session.learn(shown, stopped)
    return run


def _new_run(request: Request) -> tuple[Run, "Corpus", Pairs]:
    settings = new_settings(request)
    folder = request.out or new_folder(settings)
    refuse_to_overwrite(folder)
    corpus = load_corpus(settings.corpus)
    tokenizer = learn_tokenizer(corpus, settings.vocab)
    model = replace(PRESETS[settings.preset], vocab=len(tokenizer))
    recipe = chosen_recipe(settings)
    pairs = encode_corpus(corpus, tokenizer, model, recipe)
    return Run.create(folder, settings, model, recipe, tokenizer), corpus, pairs


def _resumed_run(request: Request) -> tuple[Run, "Corpus", Pairs]:
    run = Run.open(request.out or latest_folder(new_settings(request)))
    check_same_run(request, run)
    run.check_parts()
    if request.budget:
        run = run.with_budget(request.budget)
    corpus = load_corpus(run.settings.corpus)
    return run, corpus, encode_corpus(corpus, run.tokenizer(), run.model, run.recipe)


def _begin(
    run: Run, corpus: "Corpus", pairs: Pairs, device: torch.device, clock: "Clock", say: Callable[[str], None]
) -> "Session":
    """Build the model, or restore it from the newest intact checkpoint, and say what is going to be trained."""
    checkpoint, notes = newest_intact(run)
    position = checkpoint.position if checkpoint else Position(threads=torch.get_num_threads())
    torch.manual_seed(run.settings.seed)
    model = Transformer(run.model).to(device).train()
    precision = getattr(torch, position.precision) if checkpoint else None  # a probe may come out otherwise now
    loss, loss_description = pick_loss(model, device, precision)
    trainer = Trainer(model, run.recipe, loss)
    if checkpoint:
        checkpoint.restore(trainer)
    run.forget_after(position.step)
    if position.threads != torch.get_num_threads():
        notes.append(f"begun with {position.threads} threads: with another number the last digits come out otherwise")
    clock.add(position.seconds)
    for line in header(run, corpus, pairs, model, f"{describe(device)}; {loss_description}"):
        say(line)
    for note in [*notes, *([f"going on from step {position.step:,}"] if position.step else [])]:
        say(f"note: {note}")
    return Session(run, trainer, pairs, device, clock, position)


class Clock:
    """Seconds of the run: of this sitting, and of those before."""

    def __init__(self) -> None:
        self.begin = time.monotonic()

    def add(self, seconds: float) -> None:
        self.begin -= seconds

    def seconds(self) -> float:
        return time.monotonic() - self.begin


class Session:
    """One sitting of a training: the loop, and what happens beside it now and then."""

    def __init__(
        self, run: Run, trainer: Trainer, pairs: Pairs, device: torch.device, clock: Clock, position: Position
    ) -> None:
        self.run, self.trainer, self.pairs, self.device, self.clock = run, trainer, pairs, device, clock
        self.steps_per_epoch = len(bucket(pairs.train, run.recipe.max_tokens, random.Random(0)))
        self.total_steps = run.settings.budget.total_steps(self.steps_per_epoch)
        self.tokens = position.tokens
        self.saved_step, self.saved_at = position.step, clock.seconds()
        self.validations = int(self.progress() * VALIDATIONS)
        self.window = Window()
        self.news = "the first steps"

    def learn(self, shown: Display, stopped: threading.Event) -> None:
        """Train until the budget is used up, or until someone stops it; save in either case."""
        recipe = self.run.recipe
        data = batches(self.pairs.train, recipe.max_tokens, self.run.settings.seed, start=self.trainer.steps)
        while (progress := self.progress()) < 1 and not stopped.is_set():
            self.step(next(data), progress)
            self.beside_the_loop(shown)
        self.save(averaged=not stopped.is_set())
        if stopped.is_set() and self.progress() < 1:
            how = f"course train --out {self.run.folder} --resume"
            raise Interrupted(f"stopped at step {self.trainer.steps:,}; all is saved. To go on: {how}")

    def progress(self) -> float:
        """The share of the run that is over."""
        if self.total_steps is not None:
            return self.trainer.steps / self.total_steps
        return self.clock.seconds() / (60 * self.run.settings.budget.amount)

    def step(self, batch: Batch, progress: float) -> None:
        begin = time.perf_counter()
        loss = self.trainer.step(batch.to(self.device), progress)
        self.tokens += batch.tokens
        self.window.add(loss, batch.tokens, time.perf_counter() - begin)

    def beside_the_loop(self, shown: Display) -> None:
        """Log, validate, save: each when it is due."""
        if self.trainer.steps % LOG_EVERY == 0:
            self.log()
        progress = self.progress()
        if int(progress * VALIDATIONS) > self.validations:
            self.validations = int(progress * VALIDATIONS)
            self.log()
            self.validate(shown)
        late = self.clock.seconds() - self.saved_at > CHECKPOINT_SECONDS[self.run.settings.recipe]
        if progress < 1 and (late or self.at_interval()):
            self.save(averaged=True)
        shown.update(min(progress, 1.0), self.clock.seconds(), f"step {self.trainer.steps:,} · {self.news}")

    def log(self) -> None:
        """A line of metrics about the steps since the last one."""
        if not self.window.losses:
            return
        losses: list[float] = torch.stack(self.window.losses).tolist()
        steps, loss, speed = self.trainer.steps, statistics.fmean(losses), self.window.tokens / self.window.seconds
        if not math.isfinite(loss):
            raise UserError(f"step {steps:,}: the loss is {loss}; the checkpoints in {self.run.folder} are from before")
        self.run.log(
            step=steps,
            epoch=round(steps / self.steps_per_epoch, 4),
            seconds=round(self.clock.seconds(), 2),
            tokens=self.tokens,
            loss=loss,
            lr=self.trainer.optimizer.param_groups[0]["lr"],
            tokens_per_second=round(speed, 1),
            losses=[round(loss, 4) for loss in losses],
        )
        self.window = Window()
        self.news = f"loss {loss:.3f} · {speed:,.0f} tokens/s"

    def validate(self, shown: Display) -> None:
        if not self.pairs.validation:
            return
        loss = validation_loss(self.trainer.model, (batch.to(self.device) for batch in self.pairs.validation))
        seconds = self.clock.seconds()
        self.run.log(step=self.trainer.steps, seconds=round(seconds, 2), validation_loss=loss)
        shown.note(f"{seconds / 60:5.1f} min, step {self.trainer.steps:6,}: {self.news}, validation loss {loss:.3f}")

    # --- checkpoints ---

    def at_interval(self) -> bool:
        """Whether this is a step whose weights will be averaged: in a run of so many steps, at equal distances."""
        if self.total_steps is None or self.run.recipe.ema:
            return False
        checkpoints = CHECKPOINTS.get(self.run.settings.preset, CHECKPOINTS_OF_BASE)
        interval = max(LEAST_INTERVAL, self.total_steps // checkpoints)
        return self.trainer.steps % interval == 0 or self.trainer.steps == self.total_steps

    def save(self, averaged: bool) -> None:
        """A checkpoint, if there is none of this step, with the metrics up to it, and the weights to translate with.

        In a run of so many steps the step alone decides which checkpoints are averaged, or a run that was stopped
        would end otherwise than one that was not; in a run of so many minutes they are all but those of a stop.
        """
        if self.total_steps is not None:
            averaged = self.at_interval()
        self.log()
        if self.saved_step != self.trainer.steps:
            precision = self.trainer.loss.precision if isinstance(self.trainer.loss, FastLoss) else torch.float32
            position = Position(
                step=self.trainer.steps,
                tokens=self.tokens,
                seconds=self.clock.seconds(),
                averaged=averaged,
                threads=torch.get_num_threads(),
                precision=str(precision).removeprefix("torch."),
            )
            Checkpoint.of(self.trainer, position).write(self.run)
        self.saved_step, self.saved_at = self.trainer.steps, self.clock.seconds()
        self.run.write_weights(self.weights())

    def weights(self) -> dict[str, Tensor]:
        """The weights to translate with: a mean of those of the last steps, or of the last checkpoints."""
        states = [] if self.run.recipe.ema else states_to_average(self.run)
        return average(states) if states else self.trainer.averaged_weights()


class Window:
    """The steps since the last line of metrics. Losses stay on the device until they are asked for."""

    def __init__(self) -> None:
        self.losses: list[Tensor] = []
        self.tokens = 0
        self.seconds = 0.0

    def add(self, loss: Tensor, tokens: int, seconds: float) -> None:
        self.losses.append(loss)
        self.tokens += tokens
        self.seconds += seconds


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Ctrl-C, or a polite kill, sets the event instead of tearing a step apart; the second time it ends at once."""
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
