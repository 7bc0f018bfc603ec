"""Run a learner's definition through the probes, in a process of its own that may be lost.

`run` is called in a fresh fork of the judge. Whatever the definition does (raises, exits, loops, eats memory, patches
torch, prints a megabyte) stays in this process; what was seen goes through a pipe, probe by probe.
"""

import gc
import io
import os
import signal
import struct
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from typing import Any

import cloudpickle
import torch
from torch import nn
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._python_dispatch import TorchDispatchMode

from course_lib.exercises.exercise import Exercise, Observation, Probe
from course_lib.exercises.trial import Trial

CPU_LIMIT = 5  # seconds of computing for all probes together: a busy machine must not cost a right answer
MEMORY = 2 * 2**30  # bytes, on top of what the process has
PRINTED = 2000  # characters that are kept of what a definition prints


class Forbidden(BaseException):
    """What is called does the exercise. No Exception: `except Exception` must not hide it."""


_permitted: set[tuple[Any, tuple[str, ...]]] = set()  # to look at a function's name takes longer than most functions


class FunctionGuard(TorchFunctionMode):
    """Sees torch's Python functions, before they are taken apart."""

    def __init__(self, patterns: Sequence[str]) -> None:
        super().__init__()
        self.patterns = tuple(patterns)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if (func, self.patterns) not in _permitted:
            refuse(resolve_name(func) or getattr(func, "__name__", ""), self.patterns)
            _permitted.add((func, self.patterns))
        return func(*args, **(kwargs or {}))


class DispatchGuard(TorchDispatchMode):
    """Sees the operators that run in the end, however they were reached."""

    def __init__(self, patterns: Sequence[str]) -> None:
        super().__init__()
        self.patterns = tuple(patterns)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # or the first operator imports the compiler, which takes seconds

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if (func, self.patterns) not in _permitted:
            refuse(str(func), self.patterns)
            _permitted.add((func, self.patterns))
        return func(*args, **(kwargs or {}))


def refuse(name: str, patterns: Sequence[str]) -> None:
    if any(fnmatch(name, pattern) for pattern in patterns):
        raise Forbidden(name)


class Printed(io.TextIOBase):
    """Keeps the beginning of what is printed."""

    def __init__(self) -> None:
        self.text = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if len(self.text) < PRINTED:
            self.text += str(text)[: PRINTED - len(self.text)]
        return len(text)


def run(exercise: Exercise, pickled: bytes, probes: Sequence[Probe], pipe: int) -> None:
    """Send one frame a probe: its name and what it saw, or {"error": ...}. Ends the process."""
    printed = Printed()
    shut_in(printed)
    withdraw(exercise)
    try:
        definition = cloudpickle.loads(pickled)
    except Forbidden as error:
        send(pipe, "", failure(error))
    except BaseException as error:
        send(pipe, "", failure(error))
    else:
        for probe in probes:
            send(pipe, probe.name, {**look(exercise, definition, probe), "_printed": printed.text})
    with suppress(BaseException):
        os.close(pipe)
    os._exit(0)


def look(exercise: Exercise, definition: Callable[..., Any], probe: Probe) -> Observation:
    torch.default_generator.manual_seed(7)  # of the CPU alone: torch.manual_seed takes a millisecond
    trial = Trial(guarded(exercise, definition))
    try:
        with FunctionGuard(exercise.forbidden), DispatchGuard(exercise.forbidden):
            return probe.run(trial)
    except BaseException as error:
        return failure(error)


def guarded(exercise: Exercise, definition: Callable[..., Any]) -> Callable[..., Any]:
    """The definition; of a class, what it builds is searched for modules that do the exercise."""
    if not exercise.forbidden_modules:
        return definition

    def build(*args: Any) -> Any:
        module = definition(*args)
        if isinstance(module, nn.Module):
            for part in module.modules():
                for kind in type(part).__mro__:
                    if kind.__module__.startswith("torch."):
                        refuse(f"nn.{kind.__name__}", exercise.forbidden_modules)
        return module

    return build


def failure(error: BaseException) -> Observation:
    """The error in a line, and the line of the learner's code where it arose."""
    if isinstance(error, Forbidden):
        return {"error": "forbidden", "_name": str(error)}
    where = ""
    with suppress(BaseException):
        for frame in traceback.extract_tb(error.__traceback__):
            if not ("course_lib/exercises" in frame.filename or "/torch/" in frame.filename):
                where = f"{frame.name}, line {frame.lineno}" + (f": {frame.line}" if frame.line else "")
    kind = type(error).__name__
    try:
        text = str(error).strip().splitlines()[0][:300] if str(error).strip() else ""
    except BaseException:
        text = ""
    return {"error": kind, "_text": text, "_where": where}


def shut_in(printed: Printed) -> None:
    """Limits, no terminal, nowhere to print to."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        with suppress(OSError):
            with open("/proc/self/statm") as file:
                pages = int(file.read().split()[0])
            limit = pages * resource.getpagesize() + MEMORY
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT + 5, CPU_LIMIT + 5))  # for those who ignore the signal
    signal.setitimer(signal.ITIMER_PROF, CPU_LIMIT)  # its signal ends the process
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    sys.stdin = io.StringIO()
    sys.stdout = sys.stderr = printed
    sys.setrecursionlimit(1000)


def withdraw(exercise: Exercise) -> None:
    """Put a refusal in the place of the reference wherever the library holds it, and let go of what the judge knows."""
    reference = exercise.reference
    stand_in: Any
    if isinstance(reference, type):

        def __init__(self: Any, *args: Any, **options: Any) -> None:
            raise Forbidden("the course's own " + exercise.name)

        stand_in = type(exercise.name, (nn.Module,), {"__init__": __init__})
    else:

        def stand_in(*args: Any, **options: Any) -> Any:
            raise Forbidden("the course's own " + exercise.name)

    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "course_lib":
            for key, thing in list(vars(module).items()):
                if thing is reference:
                    setattr(module, key, stand_in)
    disarm(reference)
    object.__setattr__(exercise, "reference", stand_in)
    object.__setattr__(exercise, "mistakes", ())
    gc.freeze()


def disarm(reference: Any) -> None:
    """Let the reference refuse to work, for whoever finds it by another way than its name."""
    if not isinstance(reference, type):
        with suppress(AttributeError, ValueError):  # no function of Python's, or a closure
            reference.__code__ = refuse_to_work.__code__
        return
    family = {kind for kind in reference.__mro__ if kind.__module__.startswith("course_lib.")}
    for kind in list(family):
        family |= set(kind.__subclasses__())
    for kind in family:
        kind.__init__ = refuse_to_work  # type: ignore[misc]


def refuse_to_work(*args: Any, **options: Any) -> Any:
    from course_lib.exercises.runner import Forbidden  # in a reference's place it has that module's names

    raise Forbidden("the course's own")


def send(pipe: int, name: str, observation: Observation) -> None:
    buffer = io.BytesIO()
    torch.save({"probe": name, "seen": observation}, buffer)
    frame = buffer.getvalue()
    with suppress(OSError):
        rest = memoryview(struct.pack("<Q", len(frame)) + frame)
        while rest:
            rest = rest[os.write(pipe, rest) :]
