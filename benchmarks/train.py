"""Training steps, in target tokens a second, padding not counted: ours against three libraries.

Same batches, same size, same dropout, label smoothing and optimiser, in turn: a noisy machine is noisy for all. First
each peer tries the settings that its users can choose; then its best one runs against ours. `nn.Transformer` runs as
people write it, too.
"""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.machine import AS_WRITTEN, Setting, peak_gflops, seconds, settings
from benchmarks.peers import TRAINING_PEERS, TorchTransformer
from benchmarks.text import training_text
from course_lib.app.devices import pick_device
from course_lib.batching import Batch, batches
from course_lib.fast.choice import pick_loss
from course_lib.fast.training import FastLoss
from course_lib.tokenizer import PAD_ID
from course_lib.training import PAPER, Trainer
from course_lib.transformer import Config, Transformer

MAX_TOKENS = {"small": 2048, "base": 512}  # a side of a batch
TRIES = {"small": 2, "base": 1}  # steps of each peer under each setting, before the race
ROUNDS = {"small": 12, "base": 4}


@dataclass
class Runner:
    """Who runs, under which setting, and the tokens per second of each step."""

    name: str
    setting: Setting
    step: Callable[[Batch], object]
    speeds: list[float] = field(default_factory=list)

    def run(self, batch: Batch) -> None:
        with self.setting.applied():
            self.speeds.append(batch.tokens / seconds(lambda: self.step(batch)))

    @property
    def median(self) -> float:
        return statistics.median(self.speeds)


def adam_step(model: nn.Module, loss: Callable[[Batch], Tensor], **options: Any) -> Callable[[Batch], None]:
    """One step of Adam, with the paper's constants (5.3)."""
    optimizer = torch.optim.Adam(model.train().parameters(), lr=1e-4, betas=PAPER.betas, eps=PAPER.eps, **options)

    def step(batch: Batch) -> None:
        optimizer.zero_grad()
        loss(batch).backward()
        optimizer.step()

    return step


def peer_runners(config: Config, generator: Iterator[Batch], tries: int) -> list[Runner]:
    """`nn.Transformer` as people write it; then each peer at its best setting, optimiser fused."""
    plain = TorchTransformer(config)
    runners = [Runner(plain.name, AS_WRITTEN, adam_step(plain, plain.loss))]
    for kind in TRAINING_PEERS:
        peer = kind(config)
        step = adam_step(peer, peer.loss, fused=True)
        tried = [Runner(peer.name, setting, step) for setting in settings()]
        for batch in [next(generator) for _ in range(tries)]:
            for runner in tried:
                runner.run(batch)
        best = max(tried, key=lambda runner: max(runner.speeds))
        runners.append(Runner(f"{peer.name}, best: {best.setting.name}", best.setting, step))
    return runners


def our_runner(config: Config) -> tuple[Runner, torch.dtype]:
    """As `course train` chooses it."""
    device = pick_device("cpu")
    model = Transformer(config).train()
    loss, _ = pick_loss(model, device)
    assert isinstance(loss, FastLoss)
    setting = Setting("as `course train`", precision=torch.get_float32_matmul_precision())
    return Runner(f"ours ({str(loss.precision)[6:]})", setting, Trainer(model, PAPER, loss).step), loss.precision


def gflop(config: Config, batch: Batch) -> float:
    """What a step must compute: products with weights, forward and twice backward, for real tokens only."""
    c, d = config, config.d_model
    block = 4 * d * d + 2 * d * c.d_ff  # attention and feed-forward network of a position
    per_src = c.N * (block + 2 * d * d)  # and the keys and values that the decoder looks at
    per_tgt = c.N * (block + 2 * d * d) + d * c.vocab
    return 6e-9 * (per_src * int((batch.src != PAD_ID).sum()) + per_tgt * batch.tokens)


def race(corpus: str, size: str) -> dict[str, Any]:
    """Median tokens per second of each, ratios to ours of the same batch, and our share of the machine's peak."""
    text = training_text(corpus)
    config = text.config(size)
    generator = batches(text.pairs, MAX_TOKENS[size])
    torch.manual_seed(0)
    peers = peer_runners(config, generator, TRIES[size])
    ours, dtype = our_runner(config)
    peaks, work = [], []
    for number in range(ROUNDS[size] + 1):  # the first round warms up
        batch = next(generator)
        for runner in (*peers, ours):
            runner.run(batch)
        peaks.append(peak_gflops(dtype, repeats=2))
        work.append(gflop(config, batch) / batch.tokens)
        if number == 0:
            for runner in (*peers, ours):
                runner.speeds.clear()
    shares = [speed * cost / peak for speed, cost, peak in zip(ours.speeds, work[1:], peaks[1:], strict=True)]
    plain, *tuned = peers
    best = max(tuned, key=lambda runner: runner.median)
    return {
        "size": size,
        "rounds": ROUNDS[size],
        "tokens_a_side": MAX_TOKENS[size],
        "speeds": {r.name: (r.median, min(r.speeds), max(r.speeds)) for r in (*peers, ours)},
        "to_nn_transformer": paired(ours, plain),
        "best_peer": best.name,
        "to_best_peer": paired(ours, best),
        "peak_gflops": statistics.median(peaks),
        "peak_dtype": str(dtype).removeprefix("torch."),
        "share_of_peak": statistics.median(shares),
    }


def paired(ours: Runner, other: Runner) -> float:
    """The median of the ratios of two speeds on one batch."""
    return statistics.median(a / b for a, b in zip(ours.speeds, other.speeds, strict=True))
