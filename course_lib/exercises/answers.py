"""`answer` a study question, `predict` a measurement before it is made."""

import math
from html import escape
from types import EllipsisType

from course_lib.exercises.keeping import note, noted
from course_lib.exercises.predictions import PREDICTIONS
from course_lib.exercises.questions import QUESTIONS, Question
from course_lib.exercises.show import show

NUMBERS = (int, float)
_guesses: dict[str, float | str | None] = {}


def question(name: str) -> None:
    """Show a study question, with its choices if it has any."""
    if (asked := QUESTIONS.get(name)) is None:
        show(f"There is no question {name!r}. There are: {', '.join(QUESTIONS)}.")
        return
    show(
        "\n".join(
            [f"Question {name}. {asked.asks}", *(f"  {letter}) {text}" for letter, text in asked.choices.items())]
        )
    )


def answer(name: str, given: float | str | EllipsisType = ...) -> None:
    """Check an answer to a study question: a number, or the letter of a choice. Says what is behind a wrong one."""
    if (asked := QUESTIONS.get(name)) is None:
        show(f"There is no question {name!r}. There are: {', '.join(QUESTIONS)}.")
    elif given is ...:
        show(f"Question {name} is open. Put your answer in the place of the dots and run the cell again.")
    else:
        right, words = verdict(asked, given)
        note("questions", name, right=right, answer=given if isinstance(given, NUMBERS) else str(given))
        show(f"{'✓' if right else '✗'} Question {name}: {words}", good=right)


def verdict(asked: Question, given: float | str) -> tuple[bool, str]:
    """Whether it is right, and what to say."""
    if isinstance(asked.right, str):
        letter = str(given).strip().lower()
        if letter not in asked.choices:
            return False, f"answer with one of the letters {', '.join(asked.choices)}."
        if letter == asked.right:
            return True, asked.why
        return False, str(asked.others.get(letter, f"look again at notebook {asked.notebook}."))
    number = _number(given)
    if number is None:
        return False, f"answer with a number, not {given!r}."
    if _near(number, asked.right, asked.within):
        return True, asked.why
    for other, words in asked.others.items():
        if not isinstance(other, str) and _near(number, other, asked.within):
            return False, words
    return False, f"not {given}. It is measured in notebook {asked.notebook}."


def _number(given: object) -> float | None:
    if isinstance(given, bool):
        return None
    try:
        number = float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _near(a: float, b: float, within: float) -> bool:
    return abs(a - b) <= (within * abs(b) if b else within)


def predict(name: str, guess: float | str | EllipsisType | None = ...) -> None:
    """Commit a guess before a measurement is made; `None` skips it, `...` only asks.

    A later cell, `compare(name, measured)`, says how near it was. A second guess does not replace the first.
    """
    if name not in PREDICTIONS:
        show(f"There is no prediction {name!r}. There are: {', '.join(PREDICTIONS)}.")
        return
    if not committed(name) and guess is ...:
        show(f"{PREDICTIONS[name]} Put your guess in the place of the dots, or None to skip, and run the cell again.")
        return
    if guess is ... or (committed(name) and _guesses[name] is not None):
        show(f"Your guess stays {_guesses[name]}: what is guessed after the measurement is none.")
        return
    if isinstance(guess, NUMBERS) and not isinstance(guess, bool) and not math.isfinite(guess):
        show("A guess is a finite number, or a word.")
        return
    _guesses[name] = guess
    note("predictions", name, guess=guess if guess is None or isinstance(guess, NUMBERS) else str(guess))
    show(f"{PREDICTIONS[name]} " + ("Skipped." if guess is None else f"Your guess: {guess}."))


def committed(name: str) -> bool:
    """Whether a guess was committed or skipped, in this session or an earlier one of this workspace."""
    if name not in _guesses and "guess" in (earlier := noted("predictions", name)):
        _guesses[name] = earlier["guess"]
    return name in _guesses


def compare(name: str, measured: float | str) -> None:
    """Say how near the guess was."""
    if not committed(name) or (guess := _guesses[name]) is None:
        return
    if isinstance(guess, NUMBERS) and isinstance(measured, NUMBERS) and not isinstance(guess, bool):
        if guess == measured or (measured and abs(guess / measured - 1) < 0.1):
            words = "near enough"
        elif measured and guess / measured > 0:
            factor = max(guess / measured, measured / guess)
            words = f"{'too large' if guess > measured else 'too small'}, {factor:.1f} times"
        else:
            words = "another sign, or zero against something"
        show(f"Guessed {guess:g}, measured {measured:g}: {words}.")
    else:
        agrees = str(guess).strip().lower() == str(measured).strip().lower()
        show(f"Guessed {escape(str(guess))}, measured {measured}: {'as you said' if agrees else 'otherwise'}.")
