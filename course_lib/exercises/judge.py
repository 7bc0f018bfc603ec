"""The warm process behind `check`: it forks a runner for each definition, compares, and names the mistake.

It never loads what a learner wrote: only its forks do. What comes back is tensors, numbers and words; the reference,
the known mistakes and the verdict stay here. Started by `client.py`; reads jobs from standard input.
"""

import json
import math
import os
import select
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from io import BytesIO
from typing import Any, BinaryIO

import torch
from torch import Tensor

from course_lib.exercises import runner
from course_lib.exercises.catalogue import EXERCISES
from course_lib.exercises.common import COMMON, sentence_for_error
from course_lib.exercises.confine import run_confined
from course_lib.exercises.differences import Difference, differences
from course_lib.exercises.exercise import Exercise, Mistake, Observation, Observations, Probe
from course_lib.exercises.trial import Trial

TIME_LIMIT = 20.0  # seconds on the clock, for what sleeps
FRAME_LIMIT = 64 * 2**20  # bytes that a probe may report
LIKELY = 8  # layouts of weights that are tried against the known mistakes
NEAR = 20  # of the mistakes that do not explain all, those that go furthest are looked at closely

State = Mapping[str, Tensor]


@dataclass
class Verdict:
    """What the learner is told, in the order in which it is shown."""

    exercise: str
    passed: bool
    robust: bool = False
    mistake: str | None = None
    sentence: str = ""
    given: str = ""
    what: str = ""  # of what was seen, the thing that differs
    got: str = ""
    expected: str = ""
    misconception: str = ""
    convention: bool = False
    source: str = ""
    notebook: str = ""
    section: str = ""
    notes: list[str] = field(default_factory=list)
    hints: tuple[str, ...] = ()
    printed: str = ""


def judge(exercise: Exercise, pickled: bytes, path: Sequence[str] = (), hidden: Sequence[str] | None = None) -> Verdict:
    """Accept first; diagnose only what is not accepted.

    Args:
        path: where modules are looked for when it is unpickled
        hidden: shut the runner in, these folders hidden from it (`confine`); None leaves it as it is
    """
    seen = run_apart(exercise, pickled, path, hidden)
    case = Case(exercise, seen)
    failed, layout = case.compared(exercise.reference)
    card = exercise.card
    verdict = Verdict(exercise.name, not failed, notebook=card.notebook, section=card.section, hints=exercise.hints)
    verdict.printed = next((str(one["_printed"]) for one in seen.values() if one.get("_printed")), "")
    if not failed:
        loose = case.failures(exercise.reference, layout, robust=True)
        verdict.robust = not loose
        by_name = {probe.name: probe for probe in exercise.probes}
        verdict.notes = list(dict.fromkeys(by_name[one.probe].says for one in loose))
        return verdict
    explain(case, failed, layout, verdict)
    return verdict


class Case:
    """A learner's observations, and comparing them with those of a definition of ours."""

    def __init__(self, exercise: Exercise, seen: Observations) -> None:
        self.exercise = exercise
        self.seen = seen
        self.layouts = self._layouts()

    def _layouts(self) -> dict[str, dict[str, list[State]]]:
        """Name of a layout -> probe -> state of each module built; a single nameless one where there are no weights."""
        if self.exercise.layouts is None:
            return {"": {}}
        found: dict[str, dict[str, list[State]]] = {}
        for probe, observation in self.seen.items():
            for built in observation.get("_built", []):  # type: ignore[union-attr]
                weights = list(zip(built["names"], built["weights"], strict=True))  # type: ignore[index]
                for name, state in self.exercise.layouts(weights, tuple(built["args"])).items():  # type: ignore[index]
                    found.setdefault(name, {}).setdefault(probe, []).append(state)
        return found

    def compared(self, make: Callable[..., Any]) -> tuple[list[Difference], str]:
        """The differences under the layout that gets furthest, and that layout; none if one explains everything."""
        best: tuple[int, list[Difference], str] | None = None
        for name in self.layouts or [""]:
            failed = self.failures(make, name, stop=True)
            if not failed:
                return [], name
            reached = [probe.name for probe in self.probes()].index(failed[0].probe)
            if best is None or reached > best[0]:
                best = reached, failed, name
        assert best is not None
        return self.failures(make, best[2]), best[2]

    def probes(self, robust: bool = False) -> list[Probe]:
        return [probe for probe in self.exercise.probes if probe.robust == robust]

    def failures(
        self, make: Callable[..., Any], layout: str, robust: bool = False, stop: bool = False, most: float = math.inf
    ) -> list[Difference]:
        """Where the learner's observations are not those of `make`; `stop` after the first such probe.

        More than `most` differences need not be known.
        """
        found: list[Difference] = []
        for probe in self.probes(robust):
            got = self.seen.get(probe.name, {"error": "missing"})
            if "error" in got:
                states = None
            else:
                states = self.layouts.get(layout, {}).get(probe.name, [])
            expected = record(self.exercise, make, probe) if not states else self.replay(make, probe, states)
            found += differences(probe, *(read(probe, one, states or []) for one in (got, expected)))
            if (stop and found) or len(found) > most:
                break
        return found

    def replay(self, make: Callable[..., Any], probe: Probe, states: list[State]) -> Observation:
        return observe(make, probe, lambda i: states[i] if i < len(states) else {})


def read(probe: Probe, observation: Observation, states: list[State]) -> Observation:
    """What a probe saw, where this needs the weights' meaning to be understood."""
    if probe.read is None or "error" in observation:
        return observation
    return probe.read(observation, states)


@cache
def _recorded(exercise: str, probe: str, make: Callable[..., Any]) -> Observation:
    found = EXERCISES[exercise]
    one = next(one for one in found.probes if one.name == probe)
    return observe(make, one, (lambda i: {}) if found.layouts else None)


def record(exercise: Exercise, make: Callable[..., Any], probe: Probe) -> Observation:
    """What a probe sees of a definition of ours; remembered."""
    return _recorded(exercise.name, probe.name, make)


def observe(make: Callable[..., Any], probe: Probe, weights: Callable[[int], State] | None) -> Observation:
    torch.default_generator.manual_seed(7)  # of the CPU alone: torch.manual_seed takes a millisecond
    try:
        return probe.run(Trial(make, weights))
    except Exception as error:
        return runner.failure(error)


def explain(case: Case, failed: list[Difference], layout: str, verdict: Verdict) -> None:
    """Fill in what is wrong: the sentence, the example, the mistake."""
    exercise, first = case.exercise, failed[0]
    probe = next(probe for probe in exercise.probes if probe.name == first.probe)
    observation = case.seen.get(first.probe, {"error": "missing"})
    if first.key == "error" and "error" in observation:
        verdict.sentence = sentence_for_error(observation, probe)
    elif exercise.layouts and not case.layouts:
        verdict.sentence = f"Its weights cannot be those of the exercise: {weights_found(case.seen)}."
    else:
        verdict.sentence = probe.says
        verdict.given, verdict.got, verdict.expected = probe.given, first.got, first.expected
        verdict.what = f"{first.key} {first.reason}" if first.reason.startswith("has") else first.key
    mistake = recognise(case, failed, layout)
    if mistake:
        verdict.mistake, verdict.misconception, verdict.source = mistake.name, mistake.says, mistake.source
        verdict.convention = mistake.convention
        verdict.section = mistake.section or verdict.section


def weights_found(seen: Observations) -> str:
    """The shapes of the first module that was built."""
    for observation in seen.values():
        for built in observation.get("_built", []):  # type: ignore[union-attr]
            shapes = [f"{name} {tuple(w.shape)}" for name, w in zip(built["names"], built["weights"], strict=True)]  # type: ignore[index]
            made = ", ".join(map(str, built["args"]))  # type: ignore[index]
            return f"made with ({made}) it has {', '.join(shapes) if shapes else 'none that are trained'}"
    return "nothing was built"


def recognise(case: Case, failed: list[Difference], layout: str) -> Mistake | None:
    """The known mistake that shows the same: by a sign, by all observations, or by most of those that are wrong."""
    exercise = case.exercise
    for mistake in (*exercise.mistakes, *COMMON):
        if mistake.seen is not None and _signs(mistake, case.seen):
            return mistake
    tried: list[tuple[int, Mistake, Callable[..., Any], str]] = []  # the first is the probe that it fails to explain
    order = [probe.name for probe in case.probes()]
    for mistake in exercise.mistakes:
        if mistake.wrong is None:
            continue
        for name in likely(case, layout):
            left = case.failures(mistake.wrong, name, stop=True)
            if not left:
                return mistake
            tried.append((order.index(left[0].probe), mistake, mistake.wrong, name))
    wrong = {(one.probe, one.key) for one in failed}
    nearest: tuple[float, Mistake] | None = None
    for _, mistake, make, name in sorted(tried, key=lambda one: -one[0])[:NEAR]:
        best = nearest[0] if nearest else 0.6  # beyond this many differences the share cannot be larger
        left = case.failures(make, name, most=(1 - best) * len(wrong))
        unexplained = {(one.probe, one.key) for one in left}
        share = len(wrong - unexplained) / len(wrong)
        extra = len(unexplained - wrong) / max(1, len(wrong))
        if share - extra > best:
            nearest = share - extra, mistake
    return nearest[1] if nearest else None


def likely(case: Case, layout: str) -> Iterator[str]:
    """The layout that went furthest with the reference, then the first few."""
    yield layout
    for name in list(case.layouts)[:LIKELY]:
        if name != layout:
            yield name


def _signs(mistake: Mistake, seen: Observations) -> bool:
    assert mistake.seen is not None
    with suppress(Exception):  # what is seen may have any shape; a sign that does not fit is none
        return bool(mistake.seen(seen))
    return False


# --- the runner's side ---


def run_apart(
    exercise: Exercise, pickled: bytes, path: Sequence[str], hidden: Sequence[str] | None = None
) -> Observations:
    """What the probes see in a fork; {"error": ...} for the probe in which it dies or does not end."""
    probes = sorted(exercise.probes, key=lambda probe: probe.robust)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            os.close(reading)
            os.setsid()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            sys.path[:] = [*path, *(p for p in sys.path if p not in path)]
            _recorded.cache_clear()
            run = partial(runner.run, exercise, pickled, probes, writing)
            run() if hidden is None else run_confined(hidden, run)
        os._exit(1)
    os.close(writing)
    try:
        return collect(probes, reading, time.monotonic() + TIME_LIMIT, child)
    finally:
        os.close(reading)
        if hidden is not None:
            end_politely(child)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(child, 0)


def end_politely(child: int) -> None:
    """A process that has shut another one in ends that one first; who is in there could have left the group."""
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(child, signal.SIGTERM)
        for _ in range(100):
            if os.waitpid(child, os.WNOHANG)[0]:
                return
            time.sleep(0.01)


def collect(probes: Sequence[Probe], pipe: int, deadline: float, child: int) -> Observations:
    seen: Observations = {}
    names = {probe.name for probe in probes}
    end = "died"
    while len(seen) < len(probes):
        try:
            frame = receive(pipe, deadline)
        except TimeoutError:
            end = "time"
            break
        if frame is None:
            end = end_of(child)
            break
        try:
            found = torch.load(BytesIO(frame), weights_only=True)
            name, observation = found["probe"], found["seen"]
        except Exception:
            break
        if name == "":  # nothing could be run at all
            return {probe.name: observation for probe in probes}
        if name in names:
            seen[name] = observation
    for probe in probes:
        if probe.name not in seen:
            seen[probe.name] = {"error": end}
            end = "missing"
    return seen


def end_of(child: int) -> str:
    """How a runner that has closed its pipe came to its end; one that lives on without it is taken for dead."""
    for _ in range(50):
        with suppress(ChildProcessError):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return "time" if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF else "died"
        time.sleep(0.01)
    return "died"


def receive(pipe: int, deadline: float) -> bytes | None:
    """The next frame; None at the end."""
    head = _exactly(pipe, 8, deadline)
    if head is None:
        return None
    (size,) = struct.unpack("<Q", head)
    return _exactly(pipe, size, deadline) if size <= FRAME_LIMIT else None


def _exactly(pipe: int, size: int, deadline: float) -> bytes | None:
    got = bytearray()
    while len(got) < size:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
            raise TimeoutError
        part = os.read(pipe, min(size - len(got), 1 << 20))
        if not part:
            return None
        got += part
    return bytes(got)


# --- the kernel's side ---


def serve(jobs: BinaryIO, replies: BinaryIO) -> None:
    """A job is a line of JSON and then the pickled definition; a reply is a line of JSON."""
    while line := jobs.readline():
        job = json.loads(line)
        pickled = jobs.read(job["size"])
        try:
            reply = asdict(judge(EXERCISES[job["exercise"]], pickled, job["path"], job.get("hidden")))
        except Exception as error:  # a fault of ours must not cost the learner the kernel
            reply = asdict(Verdict(job["exercise"], False, sentence=f"The check itself failed: {error!r}."))
        replies.write(json.dumps(reply).encode() + b"\n")
        replies.flush()


def main() -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the kernel's interrupt is the kernel's
    jobs, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    serve(jobs, replies)


if __name__ == "__main__":
    main()
