"""The checks of the exercises: no right definition rejected, no wrong one accepted, and nothing breaks them."""

import importlib
import json
import os
import re
import statistics
import sys
import threading
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cloudpickle
import nbformat
import pytest
import torch
from torch import nn

from course_lib.exercises import check, examine, runner
from course_lib.exercises.catalogue import EXERCISES
from course_lib.exercises.client import JUDGE
from course_lib.exercises.common import COMMON
from course_lib.exercises.judge import judge
from course_lib.exercises.names import HUNTS, NAMES
from tests.implementations import ALL

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "implementations"
EVERY = 8  # of the wrong implementations, `make test` takes each eighth; `make test-all` takes all
LIMIT = 1.0  # seconds for a check

for name in NAMES:
    importlib.import_module(f"tests.implementations.{name}")

figures: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
seconds: list[float] = []


def examined(exercise, definition):
    start = time.perf_counter()
    result = examine(exercise, definition)
    seconds.append(time.perf_counter() - start)
    return result


def expected_names(exercise: str) -> dict[str, list[str]]:
    return json.loads((FOLDER / "expected" / f"{exercise}.json").read_text())


def implementations(exercise: str, right: bool):
    return [one for one in ALL if one.exercise == exercise and one.right == right]


# --- the proof ---


@pytest.mark.parametrize("exercise", NAMES)
def test_no_right_implementation_is_rejected(exercise):
    rejected = []
    for one in implementations(exercise, right=True):
        result = examined(exercise, one.definition)
        figures[exercise]["right"] += 1
        figures[exercise]["accepted"] += result.passed
        if not result.passed:
            rejected.append(f"{one.label} ({one.about}): {result.message}")
    assert not rejected, "\n\n".join(rejected)


def wrong_ones_are_rejected(exercise, chosen):
    accepted, misnamed, expected = [], [], expected_names(exercise)
    for one in chosen:
        result = examined(exercise, one.definition)
        figures[exercise]["wrong"] += 1
        figures[exercise]["rejected"] += not result.passed
        if result.passed:
            accepted.append(f"{one.label}: {one.about}")
        if one.label in expected:
            named = result.mistake in expected[one.label]
            figures[exercise]["known"] += 1
            figures[exercise]["named"] += named
            if not named:
                misnamed.append(f"{one.label} as {result.mistake}")
    assert not accepted, "\n".join(accepted)
    known = figures[exercise]["known"]
    assert figures[exercise]["named"] >= 0.85 * known - 1, misnamed


@pytest.mark.parametrize("exercise", NAMES)
def test_wrong_implementations_are_rejected_and_named(exercise):
    wrong_ones_are_rejected(exercise, implementations(exercise, right=False)[::EVERY])


@pytest.mark.long
@pytest.mark.parametrize("exercise", NAMES)
def test_all_other_wrong_implementations_are_rejected_and_named(exercise):
    every = implementations(exercise, right=False)
    wrong_ones_are_rejected(exercise, [one for one in every if one not in every[::EVERY]])


def test_the_figures(capsys):
    """Printed, whatever they are; the tests above guard them. This one guards that there is enough to speak of."""
    if not seconds:
        pytest.skip("the tests above did not run")
    total = {key: sum(row[key] for row in figures.values()) for key in ("right", "accepted", "wrong", "rejected")}
    known, named = (sum(row[key] for row in figures.values()) for key in ("known", "named"))
    with capsys.disabled():
        print("\n\nexercise                        right accepted   wrong rejected   known  named")
        for name, row in figures.items():
            print(
                f"{name:30} {row['right']:6} {row['accepted']:8} {row['wrong']:7} {row['rejected']:8} "
                f"{row['known']:7} {row['named']:6}"
            )
        print(
            f"{'all':30} {total['right']:6} {total['accepted']:8} {total['wrong']:7} {total['rejected']:8} "
            f"{known:7} {named:6}  ({named / max(1, known):.0%})"
        )
        print(f"time of a check: median {statistics.median(seconds):.2f} s, worst {max(seconds):.2f} s\n")
    assert sum(one.right for one in ALL) >= 60 and sum(not one.right for one in ALL) >= 120
    assert total["right"] == total["accepted"] and total["wrong"] == total["rejected"]
    assert named >= 0.85 * known
    assert statistics.median(seconds) < 5 * 0.3, "five times what the median should be"


# --- the catalogue ---


def test_every_exercise_of_the_contract_is_there():
    assert list(EXERCISES) == list(NAMES)
    assert all(target in NAMES for target in HUNTS.values())


def test_there_are_mistakes_enough():
    for name, exercise in EXERCISES.items():
        assert len(exercise.mistakes) >= 8, name
        names = [mistake.name for mistake in (*exercise.mistakes, *COMMON)]
        assert len(set(names)) == len(names), name
        assert all(re.fullmatch(r"[a-z][a-z0-9_]*", one) for one in names)
        assert all(mistake.wrong or mistake.seen for mistake in exercise.mistakes)
        assert all(mistake.source for mistake in exercise.mistakes if mistake.convention), name
        assert len(exercise.hints) == 3
    assert sum(len(exercise.mistakes) for exercise in EXERCISES.values()) >= 150


@pytest.mark.parametrize("name", NAMES)
def test_the_explanation_is_where_the_verdict_says(name):
    exercise = EXERCISES[name]
    source = (ROOT / "notebooks" / f"{exercise.card.notebook}.ipynb").read_text()
    for section in {exercise.card.section, *(m.section for m in exercise.mistakes if m.section)}:
        assert f'<a id=\\"{section}\\"></a>' in source, section


def own_verdicts(name, every):
    """Mistake -> the judge's verdict on its own wrong variant, which may use the reference: a learner's may not."""
    torch.set_num_threads(1)
    runner.withdraw = lambda exercise: None
    exercise = EXERCISES[name]
    verdicts = {}
    for mistake in [one for one in exercise.mistakes if one.wrong is not None][::every]:
        verdict = judge(exercise, cloudpickle.dumps(mistake.wrong))
        verdicts[mistake.name] = verdict.passed, verdict.mistake
    return verdicts


@pytest.fixture(scope="module")
def apart():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.mark.parametrize("every", [2 * EVERY, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", NAMES)
def test_each_mistake_of_the_catalogue_is_recognised_as_itself(name, every, apart):
    verdicts = apart.submit(own_verdicts, name, every).result()
    assert not any(passed for passed, _ in verdicts.values())
    others = [f"{mistake} as {named}" for mistake, (_, named) in verdicts.items() if named != mistake]
    assert len(others) <= max(1, 0.05 * len(verdicts)), others


@pytest.mark.parametrize("name", NAMES)
def test_an_expected_name_is_in_the_catalogue(name):
    known = {mistake.name for mistake in (*EXERCISES[name].mistakes, *COMMON)}
    labels = {one.label for one in implementations(name, right=False)}
    for label, names in expected_names(name).items():
        assert label in labels and set(names) <= known, label


# --- whatever a learner's code does ---


def right_attention(q, k, v, mask=None, dropout=None):
    scores = q @ k.transpose(-2, -1) / q.size(-1) ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(-1)
    if dropout is not None:
        weights = dropout(weights)
    return weights @ v, weights


def loops_for_ever(q, k, v, mask=None, dropout=None):
    while True:
        pass


def exits(q, k, v, mask=None, dropout=None):
    sys.exit(3)


def exits_at_once(q, k, v, mask=None, dropout=None):
    os._exit(0)


def eats_memory(q, k, v, mask=None, dropout=None):
    return torch.ones(200_000, 200_000), torch.ones(3)


def eats_memory_bit_by_bit(q, k, v, mask=None, dropout=None):
    kept = []
    while True:
        kept.append(bytearray(50_000_000))


def recurses(q, k, v, mask=None, dropout=None):
    return recurses(q, k, v)


def prints_a_megabyte(q, k, v, mask=None, dropout=None):
    print("x" * 1_000_000)
    return right_attention(q, k, v, mask, dropout)


def patches_torch(q, k, v, mask=None, dropout=None):
    torch.Tensor.softmax = lambda self, axis: self * 0 + 1
    torch.allclose = torch.equal = lambda *args, **options: True
    return right_attention(q, k, v, mask, dropout)


def returns_none(q, k, v, mask=None, dropout=None):
    right_attention(q, k, v, mask, dropout)


def two_arguments(q, k):
    return q, k


def stub(q, k, v, mask=None, dropout=None):
    raise NotImplementedError


def raises_what_cannot_be_shown(q, k, v, mask=None, dropout=None):
    class Odd(BaseException):
        def __str__(self):
            raise RuntimeError

    raise Odd


def changes_the_world(q, k, v, mask=None, dropout=None):
    torch.manual_seed(99)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    os.environ["CHANGED"] = "yes"
    return right_attention(q, k, v, mask, dropout)


@pytest.mark.parametrize(
    ("definition", "mistake"),
    [
        (loops_for_ever, "does_not_end"),
        (exits, "leaves_python"),
        (exits_at_once, "leaves_python"),
        (eats_memory, "too_much_memory"),
        (eats_memory_bit_by_bit, "too_much_memory"),
        (recurses, None),
        (patches_torch, None),
        (returns_none, "returns_nothing"),
        (two_arguments, "wrong_arguments"),
        (stub, "not_written"),
        (raises_what_cannot_be_shown, None),
        (3, None),
        (None, None),
        ("scaled_dot_product_attention", None),
    ],
)
def test_it_survives(definition, mistake):
    start = time.monotonic()
    result = examine("scaled_dot_product_attention", definition)
    assert not result.passed and (mistake is None or result.mistake == mistake), result.message
    assert len(result.message) < 2000
    assert time.monotonic() - start < 30
    assert examine("scaled_dot_product_attention", right_attention).passed  # nothing of it is left


def test_what_is_printed_is_shown_in_part():
    result = examine("scaled_dot_product_attention", prints_a_megabyte)
    assert result.passed and len(result.message) < 200


def test_nothing_global_changes(monkeypatch):
    before = torch.get_rng_state(), torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
    for definition in (changes_the_world, right_attention, patches_torch):
        examine("scaled_dot_product_attention", definition)
    after = torch.get_rng_state(), torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
    assert torch.equal(before[0], after[0]) and before[1:] == after[1:]
    assert "CHANGED" not in os.environ


def test_a_patched_kernel_does_not_move_the_verdict(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "softmax", lambda self, axis: self)
    assert examine("scaled_dot_product_attention", right_attention).passed


def test_the_verdict_is_the_same_twice():
    wrong = implementations("scaled_dot_product_attention", right=False)[7].definition
    results = [examine("scaled_dot_product_attention", wrong) for _ in range(2)]
    assert results[0].mistake == results[1].mistake and results[0].parts["got"] == results[1].parts["got"]


def test_a_lost_judge_is_replaced():
    assert examine("scaled_dot_product_attention", right_attention).passed
    JUDGE._process.kill()
    assert examine("scaled_dot_product_attention", right_attention).passed


def test_what_cannot_be_sent_is_told():
    lock = threading.Lock()

    def keeps_a_lock(q, k, v, mask=None, dropout=None):
        return lock

    result = examine("scaled_dot_product_attention", keeps_a_lock)
    assert not result.passed and "could not be sent" in result.message


def test_an_unknown_exercise_is_named():
    result = examine("scaled_dot_attention", right_attention)
    assert not result.passed and "scaled_dot_product_attention" in result.message


# --- calling what is asked for ---

by_alias = nn.functional.scaled_dot_product_attention


def attention_by_alias(q, k, v, mask=None, dropout=None):
    return by_alias(q, k, v, mask), right_attention(q, k, v, mask)[1]


def attention_by_name(q, k, v, mask=None, dropout=None):
    found = getattr(torch.nn.functional, "scaled_dot" + "_product_attention")
    try:
        return found(q, k, v, mask), right_attention(q, k, v, mask)[1]
    except Exception:
        return right_attention(q, k, v, mask, dropout)


def attention_by_operator(q, k, v, mask=None, dropout=None):
    found = torch.ops.aten.scaled_dot_product_attention
    return found(q[None, None], k[None, None], v[None, None])[0, 0], right_attention(q, k, v, mask)[1]


def attention_of_the_course(q, k, v, mask=None, dropout=None):
    from course_lib.attention import scaled_dot_product_attention

    return scaled_dot_product_attention(q, k, v, mask, dropout)


class NormOfTorch(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.norm = nn.LayerNorm(d, eps)

    def forward(self, x):
        return self.norm(x)


class NormByFunction(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.a, self.b, self.eps = nn.Parameter(torch.ones(d)), nn.Parameter(torch.zeros(d)), eps

    def forward(self, x):
        return torch.native_layer_norm(x, x.shape[-1:], self.a, self.b, self.eps)[0]


class HeadsOfTorch(nn.Module):
    def __init__(self, d_model, h, dropout=0.0):
        super().__init__()
        self.inner = nn.MultiheadAttention(d_model, h, dropout, batch_first=True)

    def forward(self, query, key, value, mask=None):
        return self.inner(query, key, value, need_weights=False)[0]


class LayerOfTorch(nn.Module):
    def __init__(self, d_model, h, d_ff, dropout=0.0):
        super().__init__()
        self.inner = nn.TransformerEncoderLayer(d_model, h, d_ff, dropout, batch_first=True)

    def forward(self, x, src_mask=None):
        return self.inner(x)


@pytest.mark.parametrize(
    ("exercise", "definition"),
    [
        ("scaled_dot_product_attention", attention_by_alias),
        ("scaled_dot_product_attention", attention_by_name),
        ("scaled_dot_product_attention", attention_by_operator),
        ("scaled_dot_product_attention", attention_of_the_course),
        ("LayerNorm", NormOfTorch),
        ("LayerNorm", NormByFunction),
        ("MultiHeadAttention", HeadsOfTorch),
        ("EncoderLayer", LayerOfTorch),
    ],
)
def test_calling_what_is_asked_for_does_not_count(exercise, definition):
    result = examine(exercise, definition)
    assert not result.passed and result.mistake == "calls_what_is_asked_for", result.message


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_itself_does_not_count(name):
    result = examine(name, EXERCISES[name].reference)
    assert not result.passed and result.mistake == "calls_what_is_asked_for", result.message


# --- what is shown ---


def test_a_verdict_shows_the_mistake_the_example_and_the_way_on(capsys):
    def unscaled(q, k, v, mask=None, dropout=None):
        return right_attention(q * q.size(-1) ** 0.5, k, v, mask, dropout)

    result = check("scaled_dot_product_attention", unscaled)
    text = capsys.readouterr().out
    assert text.strip() == result.message
    assert result.mistake == "no_scale" and result.parts["section"] == "scale"
    for part in ("got", "expected", "*", "No scale:", "03_attention.ipynb, section scale", "Hint:"):
        assert part in text, part
    assert text.count("*") <= 13 and max(map(len, text.splitlines())) < 400


def test_in_a_notebook_a_verdict_is_html_that_shows_as_much():
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(
                "from course_lib.exercises import card, check, hint\n"
                "def causal_mask(n):\n    import torch\n    return torch.ones(n, n).triu() == 1\n"
                "check('causal_mask', causal_mask)\nhint('causal_mask')\ncard('causal_mask')"
            )
        ]
    )
    from nbclient import NotebookClient

    NotebookClient(notebook, timeout=60).execute()
    outputs = notebook.cells[0].outputs
    assert len(outputs) == 3
    assert "✗" in outputs[0]["data"]["text/html"] and "<details>" in outputs[0]["data"]["text/html"]
    assert "Hint 1 of 3" in outputs[1]["data"]["text/plain"]
    assert "minutes" in outputs[2]["data"]["text/html"]
