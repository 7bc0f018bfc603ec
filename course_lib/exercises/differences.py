"""Whether two things that were seen agree; if not, the smallest piece that shows it."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.exercises.exercise import Observation, Probe, Value

WINDOW = (3, 4)  # rows and columns of an example at most


@dataclass(frozen=True)
class Difference:
    """What is wrong with one thing that was seen."""

    probe: str
    key: str
    reason: str  # words, for "shape", "type", "values"
    got: str = ""  # the piece that shows it
    expected: str = ""
    worst: float = 0.0


def differences(probe: Probe, got: Observation, expected: Observation) -> list[Difference]:
    """What differs between two observations of one probe, in the order of the expected one."""
    if "error" in got or "error" in expected:
        if got.get("error") == expected.get("error"):
            return []
        return [Difference(probe.name, "error", str(got.get("error", "no error, where one was expected")))]
    keys = [key for key in {**expected, **got} if not key.startswith("_")]
    found = [difference(probe, key, got.get(key), expected.get(key)) for key in keys]
    return [one for one in found if one]


def difference(probe: Probe, key: str, got: Value, expected: Value) -> Difference | None:
    """None if they agree."""
    if isinstance(expected, Tensor) and isinstance(got, Tensor):
        return _tensors_differ(probe, key, got, expected)
    if isinstance(expected, list) and isinstance(got, list) and len(got) == len(expected):
        for one, other in zip(got, expected, strict=True):
            if found := difference(probe, key, one, other):
                return (
                    found if isinstance(one, Tensor) else Difference(probe.name, key, "is", shown(got), shown(expected))
                )
        return None
    if _is_number(got) and _is_number(expected):
        a, b = float(got), float(expected)  # type: ignore[arg-type]
        close = (
            a == b or (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=probe.rtol, abs_tol=probe.atol)
        )
        return None if close else Difference(probe.name, key, "is", shown(got), shown(expected), abs(a - b))
    if type(got) is type(expected) and got == expected:
        return None
    return Difference(probe.name, key, "is", shown(got), shown(expected))


def _is_number(thing: Value) -> bool:
    return isinstance(thing, int | float) and not isinstance(thing, bool)


def _tensors_differ(probe: Probe, key: str, got: Tensor, expected: Tensor) -> Difference | None:
    if got.shape != expected.shape:
        return Difference(probe.name, key, "has the shape", str(tuple(got.shape)), str(tuple(expected.shape)))
    if got.dtype != expected.dtype:
        return Difference(probe.name, key, "has the type", str(got.dtype)[6:], str(expected.dtype)[6:])
    a, b = got.double(), expected.double()
    scale = b[b.isfinite()].abs().max() if b.isfinite().any() else torch.tensor(1.0)
    close = torch.isclose(a, b, rtol=probe.rtol, atol=probe.atol * max(1.0, float(scale)), equal_nan=True)
    if close.all():
        return None
    finite = (a - b)[(a - b).isfinite()]
    worst = float(finite.abs().max()) if finite.numel() else math.inf
    return Difference(probe.name, key, "differs", *example(got, expected, ~close), worst=worst)


def example(got: Tensor, expected: Tensor, wrong: Tensor) -> tuple[str, str]:
    """A window of the last two axes around the first entry that differs; such entries are marked with *."""
    if got.dim() == 0:
        return entry(got, True), entry(expected, False)
    while got.dim() > 2:
        first = int(wrong.flatten(1).any(1).nonzero()[0])
        got, expected, wrong = got[first], expected[first], wrong[first]
    if got.dim() == 1:
        got, expected, wrong = got[None], expected[None], wrong[None]
    row, column = (int(i) for i in wrong.nonzero()[0])
    rows = _range(row, got.size(0), WINDOW[0])
    columns = _range(column, got.size(1), WINDOW[1])
    cells = [[entry(got[i, j], bool(wrong[i, j])) for j in columns] for i in rows]
    right = [[entry(expected[i, j], False) for j in columns] for i in rows]
    return grid(cells), grid(right)


def _range(first: int, size: int, window: int) -> range:
    begin = max(0, min(first, size - window))
    return range(begin, min(size, begin + window))


def entry(x: Tensor, wrong: bool) -> str:
    number = x.item()
    text = (
        f"{number:.3f}"
        if isinstance(number, float) and abs(number) < 1e4
        else f"{number:.3g}"
        if isinstance(number, float)
        else str(number)
    )
    return text + ("*" if wrong else " ")


def grid(rows: list[list[str]]) -> str:
    width = max(len(cell) for row in rows for cell in row)
    return "\n".join("  ".join(cell.rjust(width) for cell in row).rstrip() for row in rows)


def shown(thing: Value) -> str:
    """A value in at most a line or two."""
    if isinstance(thing, Tensor):
        return f"a tensor of shape {tuple(thing.shape)}"
    if isinstance(thing, float):
        return f"{thing:.6g}"
    text = str(thing)
    return text if len(text) < 160 else text[:157] + "..."
