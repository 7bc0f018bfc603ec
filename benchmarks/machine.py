"""The machine: what it is, how fast it multiplies, and the settings under which a peer may run."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from course_lib.fast.choice import bf16_is_faster

PEAK_SIZE = 2048


@dataclass(frozen=True)
class Setting:
    """How torch computes: which library multiplies float32, whether in bfloat16, with how many threads."""

    name: str
    precision: str = "highest"  # "medium": float32 by oneDNN
    bf16: bool = False
    threads: int | None = None  # None: all cores

    @contextmanager
    def applied(self) -> Iterator[None]:
        before = torch.get_float32_matmul_precision(), torch.get_num_threads()
        torch.set_float32_matmul_precision(self.precision)
        torch.set_num_threads(self.threads or before[1])
        try:
            with torch.autocast("cpu", torch.bfloat16) if self.bf16 else nullcontext():
                yield
        finally:
            torch.set_float32_matmul_precision(before[0])
            torch.set_num_threads(before[1])


AS_WRITTEN = Setting("as written")
ONE_DNN = Setting("oneDNN", precision="medium")


def settings() -> list[Setting]:
    """Those that are tried for each peer. bfloat16 only where a probe finds it faster: elsewhere it takes for ever."""
    tried = [AS_WRITTEN, ONE_DNN]
    if torch.get_num_threads() > 1:
        tried.append(Setting("one thread", threads=1))
    if bf16_is_faster(torch.device("cpu")):
        tried.append(Setting("bf16 autocast", precision="medium", bf16=True))
    return tried


def describe() -> str:
    """Processor, cores, versions: what a figure depends on."""
    bf16 = "bfloat16 faster" if bf16_is_faster(torch.device("cpu")) else "bfloat16 not faster"
    return (
        f"{processor()}, {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}, {bf16}, "
        f"{platform.system()}, Python {platform.python_version()}, torch {torch.__version__}"
    )


def processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_gflops(dtype: torch.dtype, repeats: int = 5) -> float:
    """What the machine reaches in a square matrix product, by the quicker of its two libraries."""
    a = torch.ones(PEAK_SIZE, PEAK_SIZE, dtype=dtype)
    speeds = []
    for setting in (AS_WRITTEN, ONE_DNN):
        with setting.applied():
            speeds.append(2 * PEAK_SIZE**3 / statistics.median(seconds(lambda: a @ a) for _ in range(repeats)) / 1e9)
    return max(speeds)
