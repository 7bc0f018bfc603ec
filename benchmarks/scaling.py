"""How time and memory grow: with length, tokens of a batch, depth, vocabulary; in decoding, with output length.

Memory is what the process itself allocated (RssAnon): pages of files that are only mapped do not count.
"""

import ctypes
import math
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import seconds
from course_lib.app.devices import pick_device
from course_lib.batching import Batch
from course_lib.decoding import CachedDecoder, PrefixDecoder
from course_lib.fast.decoding import FastDecoder
from course_lib.fast.training import FastLoss
from course_lib.tokenizer import EOS_ID
from course_lib.transformer import Config, Transformer

BASE = Config(N=2, d_model=256, d_ff=1024, h=8, vocab=4000, max_len=4096)  # what is varied starts from here
BATCH_TOKENS, LENGTH = 1024, 32
CURVES: dict[str, Sequence[int]] = {
    "sequence length": (64, 128, 256, 512, 1024, 2048, 4096),
    "batch tokens": (256, 512, 1024, 2048, 4096, 8192),
    "depth": (1, 2, 4, 8),
    "vocabulary": (1000, 2000, 4000, 8000, 16000, 32000),
}
OUTPUT_LENGTHS = (16, 32, 64, 128, 256)
DECODERS = {"fast, cache": FastDecoder, "readable, cache": CachedDecoder, "readable, no cache": PrefixDecoder}


def curve(name: str, values: Sequence[int]) -> list[dict[str, float]]:
    """A training step at each value: seconds, and megabytes above what was there before it."""
    points = []
    for value in values:
        config, rows, length = BASE, BATCH_TOKENS // LENGTH, LENGTH
        if name == "sequence length":
            rows, length = max(1, BATCH_TOKENS // value), value
        elif name == "batch tokens":
            rows = value // LENGTH
        elif name == "depth":
            config = replace(BASE, N=value)
        else:
            config = replace(BASE, vocab=value)
        work = training_step(config, rows, length)
        work()
        release()
        with PeakMemory() as memory:
            took = min(seconds(work), seconds(work))
        points.append({"x": value, "seconds": took, "megabytes": memory.megabytes, "tokens": rows * length})
    return points


def training_step(config: Config, rows: int, length: int) -> Callable[[], None]:
    model, loss = Transformer(config).train(), FastLoss()
    ids = torch.randint(4, config.vocab, (2, rows, length))
    batch = Batch(ids[0], ids[1])

    def step() -> None:
        model.zero_grad()
        loss(model, batch).backward()

    return step


def decoding_curve(kind: type) -> list[dict[str, float]]:
    """Seconds to write so many words, none of which ends the sentence."""
    torch.manual_seed(0)
    model = Transformer(BASE).eval()
    src = torch.randint(4, BASE.vocab, (8, 16))
    points = []
    for length in OUTPUT_LENGTHS:
        work = writing(kind, model, src, length)
        points.append({"x": length, "seconds": min(seconds(work), seconds(work))})
    return points


def writing(kind: type, model: Transformer, src: torch.Tensor, length: int) -> Callable[[], None]:
    @torch.inference_mode()
    def write() -> None:
        decoder = kind(model, src)
        ids = torch.ones(len(src), 1, dtype=torch.long)
        for _ in range(length):
            logits = decoder(ids)[:, -1]
            logits[:, EOS_ID] = -torch.inf
            ids = torch.cat([ids, logits.argmax(-1, keepdim=True)], dim=1)

    return write


class PeakMemory:
    """The largest RssAnon while it lasts, above what it was at the beginning; 0 where the system does not tell."""

    megabytes = 0.0

    def __enter__(self) -> "PeakMemory":
        self.begin = rss_anon()
        self.ended = threading.Event()
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.watcher.start()
        return self

    def _watch(self) -> None:
        while not self.ended.wait(0.003):
            self.megabytes = max(self.megabytes, rss_anon() - self.begin)

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.watcher.join()


def rss_anon() -> float:
    path = Path("/proc/self/status")
    if not path.exists():
        return 0.0
    line = next(line for line in path.read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


def release() -> None:
    """Give freed memory back to the system, or the next step would hide in it."""
    with suppress(AttributeError):  # of another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


def growth(points: list[dict[str, float]], quantity: str = "seconds") -> float:
    """The exponent e of quantity ~ x^e between the two largest values: 1 is linear, 2 quadratic."""
    one, other = points[-2:]
    return math.log(other[quantity] / one[quantity]) / math.log(other["x"] / one["x"])


def measure() -> dict[str, Any]:
    pick_device("cpu")
    return {
        "training": {name: curve(name, values) for name, values in CURVES.items()},
        "decoding": {name: decoding_curve(kind) for name, kind in DECODERS.items()},
    }
