"""Mistakes that can be made in every exercise."""

from course_lib.exercises.exercise import Mistake, Observation, Observations, Probe


def errors(seen: Observations) -> list[Observation]:
    return [one for one in seen.values() if "error" in one]


def first_error(seen: Observations) -> str:
    return next((str(one["error"]) for one in errors(seen) if one["error"] != "missing"), "")


def _says_error(*kinds: str, text: str = ""):  # type: ignore[no-untyped-def]
    return lambda seen: any(one["error"] in kinds and text in str(one.get("_text", "")) for one in errors(seen))


def _is_blank(seen: Observation) -> bool:
    """`raise NotImplementedError`, and not torch's own for a module that has no `forward`."""
    return seen.get("error") == "NotImplementedError" and 'required "forward"' not in str(seen.get("_text"))


COMMON = (
    Mistake(
        "not_written",
        "The body still raises NotImplementedError: this is the stub. Write your code there and run the cell again.",
        seen=lambda seen: any(map(_is_blank, seen.values())),
    ),
    Mistake(
        "calls_what_is_asked_for",
        "The exercise is to write this very thing, so calling one that exists does not count. It is a fine way to test "
        "yours: compare the two.",
        seen=_says_error("forbidden"),
    ),
    Mistake(
        "too_much_memory",
        "Much more memory was asked for than inputs of this size need. Look for a tensor that has one axis too "
        "many, or a list "
        "that grows for ever.",
        seen=lambda seen: _says_error("MemoryError")(seen) or _says_error("RuntimeError", text="allocate memory")(seen),
    ),
    Mistake(
        "does_not_end",
        "A loop does not come to its end, or takes far too long. Look at what changes from one round to the next, "
        "and at the condition that should stop it.",
        seen=_says_error("time"),
    ),
    Mistake(
        "leaves_python",
        "The code ended the whole process: by sys.exit, os._exit, or a crash. A function should return or raise.",
        seen=_says_error("died", "SystemExit"),
    ),
    Mistake(
        "wrong_arguments",
        "The function is called as the exercise says, and does not take these arguments. Compare its first line "
        "with the "
        "signature in the text.",
        seen=lambda seen: any(
            one["error"] == "TypeError"
            and any(part in str(one.get("_text")) for part in ("positional argument", "unexpected keyword", "takes "))
            for one in errors(seen)
        ),
    ),
    Mistake(
        "returns_nothing",
        "The function comes to its end without `return`, so its answer is None.",
        seen=_says_error("ReturnsNothing"),
    ),
    Mistake(
        "changes_its_input",
        "The caller's tensor is changed by an operation in place (one that ends in an underscore, `+=`, or an "
        "assignment to a "
        "part of it). The caller may need it again: in this model the residual connection does.",
        seen=lambda seen: any("changes its input" in one for one in seen.values()),
    ),
    Mistake(
        "remembers_the_last_call",
        "The same call gives another answer the second time: something is kept from one call to the next, or "
        "chance plays "
        "a part where it should not.",
        seen=lambda seen: any("answers differently the second time" in one for one in seen.values()),
    ),
)


def sentence_for_error(observation: Observation, probe: Probe) -> str:
    """One sentence on an error that the learner's code raised, or did not raise."""
    kind, text, where = (str(observation.get(key, "")) for key in ("error", "_text", "_where"))
    fixed = {
        "time": "It did not come to an end in time.",
        "died": "It ended the process that ran it.",
        "SystemExit": "It left Python (sys.exit).",
        "NotImplementedError": "This is not written yet.",
        "forbidden": f"It calls {observation.get('_name')}, which does what the exercise asks you to write.",
        "ReturnsNothing": "It returns nothing.",
        "missing": "It could not be run.",
        "Answer": text,
    }
    at = f", in {where}" if where else ""
    with_what = f" with {probe.given}" if probe.given else ""
    return fixed.get(kind, f"It raises {kind}{with_what}{at}: {text}" if text else f"It raises {kind}{with_what}{at}.")
