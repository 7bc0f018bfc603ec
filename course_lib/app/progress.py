"""What a person sees while a model trains: a bar on a terminal, now and then a line elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn


class Display(Protocol):
    """Takes the news of a training."""

    def update(self, share: float, seconds: float, text: str) -> None:
        """The share of the run that is over, the seconds that it took, and what to say about it."""

    def note(self, text: str) -> None:
        """A line that stays."""


@contextmanager
def display() -> Iterator[Display]:
    """A bar on standard error if that is a terminal, else plain lines there."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (BarColumn(bar_width=None), TextColumn("{task.percentage:3.0f} %"), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bar(progress)


def time_left(share: float, seconds: float) -> str:
    """Minutes and seconds to go, at the speed so far."""
    if not share:
        return "-:--"
    left = round(seconds * (1 / share - 1))
    return f"{left // 60}:{left % 60:02}"


class _Bar:
    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.task = progress.add_task("", total=1.0)

    def update(self, share: float, seconds: float, text: str) -> None:
        description = f"{text} · {time_left(share, seconds)} left"
        self.progress.update(self.task, completed=share, description=description)

    def note(self, text: str) -> None:
        self.progress.console.print(text)


class _Lines:
    EVERY = 30.0  # seconds

    def __init__(self, console: Console) -> None:
        self.console = console
        self.last = 0.0

    def update(self, share: float, seconds: float, text: str) -> None:
        if seconds - self.last >= self.EVERY:
            self.last = seconds
            self.note(f"{share:4.0%} · {text} · {time_left(share, seconds)} left")

    def note(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)
