"""Answers to the study questions, guesses before a measurement, and hints."""

import pytest
from IPython.core.interactiveshell import InteractiveShell

from course_lib.exercises import answer, card, compare, hint, predict, question
from course_lib.exercises.answers import verdict
from course_lib.exercises.names import HUNTS, NAMES
from course_lib.exercises.predictions import PREDICTIONS
from course_lib.exercises.questions import QUESTIONS
from course_lib.exercises.sealing import sealed


@pytest.fixture(autouse=True)
def no_guesses(monkeypatch):
    monkeypatch.setattr("course_lib.exercises.answers._guesses", {})


def test_there_are_nineteen_questions():
    assert list(QUESTIONS) == [str(n) for n in range(1, 20)]


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_right_answer_is_right_and_every_known_wrong_one_is_explained(name):
    asked = QUESTIONS[name]
    assert verdict(asked, asked.right) == (True, asked.why)
    for other, words in asked.others.items():
        assert verdict(asked, other) == (False, words)
    if asked.choices:
        assert set(asked.others) == set(asked.choices) - {asked.right}


@pytest.mark.parametrize("given", ["", "no idea", True, float("nan"), float("inf"), [1], 123456.7])
@pytest.mark.parametrize("name", ["4", "9"])
def test_an_odd_answer_is_wrong_and_raises_nothing(name, given, capsys):
    answer(name, given)
    assert f"✗ Question {name}" in capsys.readouterr().out


def test_a_number_may_come_as_text_and_a_letter_in_capitals(capsys):
    answer("4", "64")
    answer("9", " C ")
    out = capsys.readouterr().out
    assert "✓ Question 4" in out and "✓ Question 9" in out


def test_an_open_question_is_open(capsys):
    answer("4", ...)
    assert "open" in capsys.readouterr().out
    question("9")
    assert "c) the distance" in capsys.readouterr().out
    answer("20", 1)
    assert "There are: 1, 2" in capsys.readouterr().out


def test_the_first_guess_stays(capsys):
    predict("03.variance", 100)
    predict("03.variance", 512)
    compare("03.variance", 512.0)
    out = capsys.readouterr().out
    assert "stays 100" in out and "too small, 5.1 times" in out


def test_a_cell_is_sealed_until_a_guess_is_committed_or_skipped(capsys, monkeypatch):
    shell = InteractiveShell()
    monkeypatch.setattr("course_lib.exercises.sealing.get_ipython", lambda: shell)
    predict("03.variance", ...)
    sealed("03.variance", "seen = 1 / 0")
    assert "in the place of the dots" in (out := capsys.readouterr().out) and "Sealed" in out
    predict("03.variance", None)
    sealed("03.variance", "seen = 7")
    assert shell.user_ns["seen"] == 7
    sealed("03.variance --text", "**bold**")
    compare("03.variance", 512.0)
    out = capsys.readouterr().out
    assert "Markdown" in out and "Guessed" not in out


def test_an_unknown_prediction_is_named(capsys):
    predict("03.nothing", 1)
    assert next(iter(PREDICTIONS)) in capsys.readouterr().out


def test_hints_come_one_after_the_other(capsys, monkeypatch):
    monkeypatch.setattr("course_lib.exercises.checking._hints_shown", {})
    for _ in range(4):
        hint("causal_mask")
    numbers = [line.split(":")[0] for line in capsys.readouterr().out.splitlines() if line.startswith("Hint")]
    assert numbers == ["Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3", "Hint 3 of 3"]
    hint("causal_mask", 7)
    hint("nothing")
    assert "hints 1 to 3" in (out := capsys.readouterr().out) and "no exercise 'nothing'" in out


@pytest.mark.parametrize("name", NAMES)
def test_every_exercise_has_a_card(name, capsys):
    card(name)
    assert "minutes" in capsys.readouterr().out


def test_a_bug_hunt_is_checked_as_its_exercise():
    assert set(HUNTS.values()) <= set(NAMES) and not set(HUNTS) & set(NAMES)
