"""`check`, `use`, `hint` and `card`: what a learner calls."""

from dataclasses import dataclass, field
from html import escape
from typing import Any

from course_lib.app.libraries import the_courses
from course_lib.exercises.client import JUDGE
from course_lib.exercises.keeping import adopt, give_back, note
from course_lib.exercises.names import HUNTS, NAMES
from course_lib.exercises.show import show
from course_lib.exercises.verdict import as_html, as_text

_failures: dict[str, int] = {}  # of an exercise in this session: each moves on to the next hint
_hints_shown: dict[str, int] = {}


@dataclass(frozen=True)
class Result:
    """A verdict.

    Attributes:
        passed: right by the contract
        robust: right on extreme and unusual input, too
        mistake: the known mistake that it makes, or None
        message: what was shown
    """

    exercise: str
    passed: bool
    robust: bool = False
    mistake: str | None = None
    message: str = ""
    parts: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        return self.message

    def _ipython_display_(self) -> None:
        """Nothing: `check` has shown it already."""


def check(exercise: str, definition: Any) -> Result:
    """Run a learner's function or class through the checks of an exercise, show the verdict, and return it.

    It does not raise, whatever the definition does, and it changes nothing in this process.

    Args:
        exercise: a name of the contract, as "scaled_dot_product_attention", or of a bug hunt
        definition: the function or class (not what it returns)
    """
    result = examine(exercise, definition)
    show(result.message, good=result.passed, html=as_html(result.parts) if result.parts else "")
    if result.parts and result.mistake != "not_written":
        note("exercises", exercise, passed=result.passed, mistake=result.mistake)
    return result


def use(exercise: str, definition: Any) -> Any:
    """`check`, and go on with what was checked: the learner's definition if it is right, else the course's own.

    So a notebook runs to its end whatever is still open in it. In a workspace, what is right becomes part of the
    learner's library too; `use(name, None)` takes the course's own back.
    """
    if definition is None and exercise in NAMES:
        show(give_back(exercise))
        return reference(exercise)
    result = check(exercise, definition)
    if exercise not in NAMES | HUNTS:
        return definition
    if not result.passed:
        show(f"Until {exercise} is right, the notebook goes on with the course's own.")
        return reference(exercise)
    if exercise in NAMES and (words := adopt(exercise, definition)):
        show(words)
    return definition


def reference(exercise: str) -> Any:
    """The course's own definition of what an exercise, or a hunt, is about; also where the learner's took its place.

    Raises:
        KeyError: there is no such exercise.
    """
    name = HUNTS.get(exercise, exercise)
    courses = the_courses()
    return courses[name] if name in courses else _exercise(name).reference


def examine(exercise: str, definition: Any) -> Result:
    """`check` without showing."""
    if not isinstance(exercise, str) or exercise not in NAMES | HUNTS:
        return _refused(str(exercise), f"there is no such exercise. There are: {', '.join([*NAMES, *HUNTS])}.")
    if not callable(definition):
        kind = type(definition).__name__
        return _refused(exercise, f"a {kind} was given. Give the function or class by its name, without calling it.")
    try:
        parts = JUDGE.ask(HUNTS.get(exercise, exercise), definition)
    except KeyboardInterrupt:
        return _refused(exercise, "the check was interrupted.")
    except Exception as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        return _refused(exercise, f"this could not be sent to the process that checks ({why}).")
    parts["exercise"] = exercise
    if not parts["passed"]:
        tried = _failures.get(exercise, 0)
        _failures[exercise] = tried + 1
        parts["hint"] = parts["hints"][min(tried, len(parts["hints"]) - 1)] if parts["hints"] else ""
    return Result(exercise, parts["passed"], parts["robust"], parts["mistake"], as_text(parts), parts)


def _refused(exercise: str, why: str) -> Result:
    return Result(exercise, False, message=f"✗ {exercise}: {why}")


def hint(exercise: str, number: int | None = None) -> None:
    """Show a hint, 1 to 3; without a number the next one."""
    if exercise not in NAMES | HUNTS:
        show(f"There is no exercise {exercise!r}. There are: {', '.join([*NAMES, *HUNTS])}.")
        return
    hints = _exercise(exercise).hints
    asked = number if number is not None else min(_hints_shown.get(exercise, 0) + 1, len(hints))
    if asked not in range(1, len(hints) + 1):
        show(f"There are hints 1 to {len(hints)}.")
        return
    _hints_shown[exercise] = asked
    show(f"Hint {asked} of {len(hints)}: {hints[asked - 1]}")


def card(exercise: str) -> None:
    """Show what an exercise is for, how hard it is, how long it takes, and three folded hints."""
    if exercise not in NAMES:
        show(f"There is no exercise {exercise!r}. There are: {', '.join(NAMES)}.")
        return
    found = _exercise(exercise)
    about = found.card
    stars = "●" * about.difficulty + "○" * (5 - about.difficulty)
    line = f"difficulty {about.difficulty} of 5, about {about.minutes} minutes"
    text = f"Exercise: {exercise} ({line})\n{about.purpose}\nHints: hint({exercise!r})"
    folds = "".join(
        f"<details><summary>Hint {number}</summary>{escape(one)}</details>" for number, one in enumerate(found.hints, 1)
    )
    show(
        text,
        html=f'<div style="border:1px solid #d0d7de; border-radius:6px; padding:0.5em 0.9em; max-width:60em">'
        f'<b>Exercise: <code>{exercise}</code></b> <span title="{line}">{stars}</span>, {about.minutes} minutes'
        f"<br>{escape(about.purpose)}{folds}</div>",
    )


def _exercise(name: str) -> Any:
    from course_lib.exercises.catalogue import EXERCISES  # it imports the whole library

    return EXERCISES[HUNTS.get(name, name)]
