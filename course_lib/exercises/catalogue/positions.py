"""Sinusoidal positional encoding (3.5)."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.exercises.catalogue.dropped import P, near, spread, words
from course_lib.exercises.catalogue.modules import MODULE_MISTAKES, LeftBehind, facts, fresh, runs, trained
from course_lib.exercises.exercise import Card, Exercise, Mistake, Observation, Observations, Probe
from course_lib.exercises.trial import Trial, gradient_of, random, tensors
from course_lib.positions import SinusoidalPositionalEncoding, sinusoids

# --- the probes: always with a new module, since nothing in it is to be trained ---


def out_of(trial: Trial, x: Tensor, max_len: int, dropout: float = 0.0) -> Observation:
    return trial.seen(out=tensors(trial.call(fresh(trial, x.size(-1), max_len, dropout), x), 1)[0])


def table(trial: Trial) -> Observation:
    x = torch.zeros(1, 3, 4)
    found = out_of(trial, x, 5)
    return {**found, "_another": tensors(trial.once(fresh(trial, 4, 5, 0.0), torch.zeros(1, 3, 4)), 1)[0].detach()}


def added(trial: Trial) -> Observation:
    return out_of(trial, random(2, 3, 4), 5)


def wider(trial: Trial) -> Observation:
    return out_of(trial, random(3, 7, 10, seed=10), 9)


def weights(trial: Trial) -> Observation:
    module = fresh(trial, 4, 6, 0.0)
    return {**trial.seen(numbers_that_are_trained=trained(module)), **facts(module)}


def all_positions(trial: Trial) -> Observation:
    return out_of(trial, random(2, 6, 4, seed=20), 6)


def one_position(trial: Trial) -> Observation:
    return trial.seen(
        out_of_one_position=tensors(trial.call(fresh(trial, 4, 8, 0.0), random(1, 1, 4, seed=30)), 1)[0],
        out_of_a_batch_of_one=tensors(trial.call(fresh(trial, 4, 8, 0.0), random(1, 5, 4, seed=31)), 1)[0],
        out_of_many_short_ones=tensors(trial.call(fresh(trial, 4, 8, 0.0), random(7, 2, 4, seed=32)), 1)[0],
    )


def as_many_sentences(trial: Trial) -> Observation:
    return out_of(trial, random(4, 4, 4, seed=40), 4)


def zeros(trial: Trial) -> Observation:
    x = random(2, 4, 6, seed=50)
    x[0, 2:], x[1, :, 1] = 0, 0
    return out_of(trial, x, 7)


def long(trial: Trial) -> Observation:
    """Positions that have more than eight binary digits."""
    return out_of(trial, random(1, 300, 6, seed=60), 300)


def longer_table(trial: Trial) -> Observation:
    return out_of(trial, random(2, 3, 6, seed=70), 1000)


def several_calls(trial: Trial) -> Observation:
    module = fresh(trial, 4, 8, 0.0)
    found = {}
    for name, shape in (("first", (2, 4, 4)), ("second", (2, 4, 4)), ("shorter", (3, 2, 4)), ("longer", (1, 7, 4))):
        found[f"out_of_the_{name}_input"] = tensors(trial.call(module, random(*shape, seed=80 + len(name))), 1)[0]
    return trial.seen(**found)


def large(trial: Trial) -> Observation:
    return out_of(trial, 100 * random(2, 3, 4, seed=90), 5)


def double(trial: Trial) -> Observation:
    """Large, so that the digits of x show which the table need not have."""
    module = fresh(trial, 4, 5, 0.0)
    x = 1e4 * random(2, 3, 4, seed=100, dtype=torch.float64)
    return trial.seen(out=tensors(trial.call(module.double(), x), 1)[0])


def views(trial: Trial) -> Observation:
    x = random(3, 2, 4, seed=110)
    return trial.seen(
        out_of_a_transposed_tensor=tensors(trial.call(fresh(trial, 4, 5, 0.0), x.transpose(0, 1)), 1)[0],
        out_of_an_expanded_tensor=tensors(trial.call(fresh(trial, 4, 5, 0.0), x[:1, :1].expand(2, 3, 4)), 1)[0],
    )


def gradient(trial: Trial) -> Observation:
    x = random(2, 3, 4, seed=120, grad=True)
    module = fresh(trial, 4, 5, 0.0, train=True)
    out = tensors(trial.once(module, 1.0 * x), 1)[0]  # no leaf, so that an operation in place is no error
    return trial.seen(out=out, gradient_of_x=gradient_of(out, x))


def moved(trial: Trial) -> Observation:
    """Whether all that is added to x would follow `module.to(device)`."""
    module = fresh(trial, 4, 5, 0.0)
    with LeftBehind(module) as behind:
        trial.once(module, random(2, 3, 4, seed=130))
    return trial.seen(the_table_stays_behind_when_the_module_is_moved=behind.met)


def dropout(trial: Trial) -> Observation:
    """Words for what was dropped; by trying which of the numbers that were added explain the answer."""
    x = 1.5 + spread(4, 20, 16, seed=140)
    encoding = sinusoids(25, 16)[:20].expand_as(x)
    module = fresh(trial, 16, 25, P, train=True)
    given = x.clone()
    first, second = (tensors(trial.once(module, given), 1)[0].detach().clone() for _ in range(2))
    if first.shape != x.shape or second.shape != x.shape:
        return trial.seen(out=first)
    found: dict[str, Any] = {"dropped_is": told(first, x, encoding)}
    if found["dropped_is"] in {"the sum", "something else"}:
        found |= words(first / (x + encoding), second / (x + encoding))
    if not torch.equal(given, x):
        found["changes its input"] = True
    return trial.seen(**found)


def told(out: Tensor, x: Tensor, encoding: Tensor) -> str:
    """What dropout was put on, if it is the usual one."""
    scale, total = 1 / (1 - P), x + encoding
    zero = near(out, 0.0)
    if (zero | near(out, total) | near(out / total, out[~zero].div(total[~zero]).median())).all():
        return "the sum"
    parts = [near(out, a * x + b * encoding) for a in (0.0, scale) for b in (0.0, scale)]
    if torch.stack(parts).any(0).all():
        return "x and the encoding, each by itself"
    if (near(out, encoding) | near(out, scale * x + encoding)).all():
        return "x alone"
    if (near(out, x) | near(out, x + scale * encoding)).all():
        return "the encoding alone"
    if (zero | near(out, scale * encoding) | near(out, scale * (scale * x + encoding))).all():
        return "x, and then the sum"
    return "something else"


def in_evaluation(trial: Trial) -> Observation:
    """Words as well: a probability of 0.8 is seen in any answer."""
    return out_of(trial, random(2, 5, 6, seed=150), 9, 0.8)


def back_and_forth(trial: Trial) -> Observation:
    """Training, evaluation, training; and no dropout at a probability of 0."""
    x = random(2, 5, 6, seed=160)
    module, without = fresh(trial, 6, 9, 0.4), fresh(trial, 6, 9, 0.0, train=True)
    module.train()
    trial.once(module, x.clone())
    module.eval()
    return trial.seen(
        out_in_evaluation_after_training=tensors(trial.call(module, x), 1)[0],
        out_in_training_with_probability_0=tensors(trial.call(without, x), 1)[0],
    )


def bf16(trial: Trial) -> Observation:
    x = random(2, 3, 4, seed=170, dtype=torch.bfloat16)
    return trial.seen(out=tensors(trial.call(fresh(trial, 4, 5, 0.0).bfloat16(), x), 1)[0])


PROBES = (
    Probe("table", table, "The table is not that of section 3.5.", "x (1, 3, 4), all 0, max_len 5"),
    Probe("added", added, "The result is not x + PE.", "x (2, 3, 4), max_len 5"),
    Probe("one position", one_position, "With one position, or one sentence, the result is not right.", "max_len 8"),
    Probe("wider", wider, "With d_model = 10 the result is not right.", "x (3, 7, 10), max_len 9"),
    Probe("weights", weights, "The encoding is fixed: nothing in it is trained."),
    Probe("all positions", all_positions, "With T = max_len it does not work.", "x (2, 6, 4), max_len 6"),
    Probe("square", as_many_sentences, "With as many sentences as positions the result is not right.", "x (4, 4, 4)"),
    Probe("zeros", zeros, "Where x is 0 the result is not right.", "x (2, 4, 6) with zeros, max_len 7"),
    Probe(
        "long", long, "At later positions the result is not right.", "x (1, 300, 6), max_len 300", atol=3e-4, rtol=1e-3
    ),
    Probe("longer table", longer_table, "The result depends on max_len.", "x (2, 3, 6), max_len 1000"),
    Probe("several calls", several_calls, "The result depends on earlier calls.", "four inputs, one after the other"),
    Probe("large", large, "With large numbers the result is not right.", "x (2, 3, 4), about 100"),
    Probe("float64", double, "In double precision the result is not right.", "float64 input", atol=1e-9, rtol=1e-9),
    Probe(
        "views", views, "With a view (an input that is not contiguous) the result is not right.", "a transposed tensor"
    ),
    Probe("gradient", gradient, "The gradient does not come back to x as it should.", "x (2, 3, 4) in training mode"),
    Probe("evaluation", in_evaluation, "In evaluation something is dropped or scaled.", "x (2, 5, 6), dropout 0.8"),
    Probe("modes", back_and_forth, "The mode, or a dropout of 0, does not have its effect.", "x (2, 5, 6)"),
    Probe("dropout", dropout, "Dropout is not put on the sum x + PE as it should.", "x (4, 20, 16), dropout 0.3"),
    Probe(
        "moved", moved, "The table stays behind when the module is moved: register it as a buffer.", "module.to(device)"
    ),
    Probe("bfloat16", bf16, "bfloat16 gives something else", "bfloat16 input", robust=True, atol=0.02, rtol=0.03),
)


# --- the known mistakes ---


def with_table(make: Callable[[int, int], Tensor]) -> type[nn.Module]:
    """Another table (max_len, d_model)."""

    class Wrong(SinusoidalPositionalEncoding):
        def __init__(self, d_model: int, max_len: int, dropout: float = 0.0) -> None:
            super().__init__(d_model, max_len, dropout)
            self.table = make(max_len, d_model)

    return Wrong


def with_sum(add: Callable[[Tensor, Tensor], Tensor]) -> type[nn.Module]:
    """The right table, added in another way."""

    class Wrong(SinusoidalPositionalEncoding):
        def forward(self, x: Tensor) -> Tensor:
            return self.dropout(add(x, self.table))

    return Wrong


def with_forward(forward: Callable[..., Tensor]) -> type[nn.Module]:
    class Wrong(SinusoidalPositionalEncoding):
        def forward(self, x: Tensor) -> Tensor:
            return forward(self, x)

    return Wrong


def waves(position: Tensor, rate: Tensor) -> Tensor:
    angle = position.double()[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1).float()


def rates(d: int, base: float = 10_000.0) -> Tensor:
    return base ** (-even(d) / d)


def even(d: int) -> Tensor:
    return torch.arange(0, d, 2).double()


def with_rates(of: Callable[[int], Tensor]) -> type[nn.Module]:
    return with_table(lambda n, d: waves(torch.arange(n), of(d)))


def with_positions(of: Callable[[int], Tensor]) -> type[nn.Module]:
    return with_table(lambda n, d: waves(of(n), rates(d)))


def pairs(first, second, together=False):  # type: ignore[no-untyped-def]
    """Other functions than sine and cosine, or all of one kind together."""

    def make(n: int, d: int) -> Tensor:
        angle = torch.arange(n).double()[:, None] * rates(d)
        both = [first(angle), second(angle)]
        return (torch.cat(both, -1) if together else torch.stack(both, -1).flatten(1)).float()

    return with_table(make)


def to_the_end(d: int) -> Tensor:
    """The last frequency is 1/10000."""
    return 10_000 ** (-torch.arange(d // 2).double() / max(d // 2 - 1, 1))


def own_rates(n: int, d: int, shift: int = 0) -> Tensor:
    """The cosines do not share the sines' frequencies."""
    exponent = torch.arange(d).double()
    exponent[1::2] += shift
    angle = torch.arange(n).double()[:, None] / 10_000 ** (exponent / d)
    return torch.where(torch.arange(d) % 2 == 0, angle.sin(), angle.cos()).float()


def first_row_zero(n: int, d: int) -> Tensor:
    found = sinusoids(n, d)
    found[0] = 0
    return found


def standardised(n: int, d: int) -> Tensor:
    found = sinusoids(n, d)
    return (found - found.mean(0)) / (found.var(0, unbiased=False) + 1e-5).sqrt()


def rows(x: Tensor, pe: Tensor) -> Tensor:
    return pe[: x.size(1)]


def normalised(x: Tensor, pe: Tensor) -> Tensor:
    total = x + rows(x, pe)
    return F.layer_norm(total, total.shape[-1:])


def padded(x: Tensor, pe: Tensor) -> Tensor:
    return F.pad(x, (0, 0, 0, len(pe) - x.size(1))) + pe


def spread_over_the_table(x: Tensor, pe: Tensor) -> Tensor:
    return x + pe[torch.linspace(0, len(pe) - 1, x.size(1)).round().long()]


def next_rows(x: Tensor, pe: Tensor) -> Tensor:
    return x + pe[torch.arange(1, x.size(1) + 1).clamp(max=len(pe) - 1)]


def counted_on(x: Tensor, pe: Tensor) -> Tensor:
    return x + pe[torch.arange(x.size(0) * x.size(1)) % len(pe)].reshape(x.shape)


def first_sentence(x: Tensor, pe: Tensor) -> Tensor:
    return torch.cat([x[:1] + rows(x, pe), x[1:]])


def by_batch(x: Tensor, pe: Tensor) -> Tensor:
    return x + pe[None, : x.size(0)]


def eval_scaled(self, x):  # type: ignore[no-untyped-def]
    total = x + rows(x, self.table)
    p = self.dropout.p
    return total * (torch.rand_like(total) >= p) if self.training else total * (1 - p)


class KeepsRows(SinusoidalPositionalEncoding):
    def forward(self, x: Tensor) -> Tensor:
        self.kept = getattr(self, "kept", self.table[: x.size(1)])
        return self.dropout(x + self.kept)


class KeepsResult(SinusoidalPositionalEncoding):
    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return super().forward(x)
        self.results = getattr(self, "results", {})
        return self.results.setdefault(x.shape, super().forward(x))


def random_start(self, x):  # type: ignore[no-untyped-def]
    start = int(torch.randint(len(self.table) - x.size(1) + 1, ())) if self.training else 0
    return self.dropout(x + self.table[start : start + x.size(1)])


# --- signs ---


def saw(**words_seen: str):  # type: ignore[no-untyped-def]
    """These words in what dropout did, where the sum itself is right."""

    def sign(seen: Observations) -> bool:
        found = seen["dropout"]
        told_so = all(text in str(found.get(key.replace("_", " "))) for key, text in words_seen.items())
        return told_so and agrees(seen, "added")

    return sign


def what(text: str, evaluation_right: bool = True):  # type: ignore[no-untyped-def]
    """These words on the numbers in training."""
    return lambda seen: saw(in_training_numbers_are=text)(seen) and evaluation_is_right(seen) == evaluation_right


def close(found: Any, x: Tensor) -> bool:
    same_shape = isinstance(found, Tensor) and found.shape == x.shape
    return same_shape and torch.allclose(found.double(), x.double(), atol=1e-4)


def agrees(seen: Observations, name: str) -> bool:
    """A probe saw what the reference shows."""
    probe = next(probe for probe in PROBES if probe.name == name)
    expected = probe.run(Trial(SinusoidalPositionalEncoding))
    return all(close(seen[name][key], x) for key, x in expected.items() if isinstance(x, Tensor))


def evaluation_is_right(seen: Observations) -> bool:
    return agrees(seen, "evaluation")


def steady(found: Observation) -> bool:
    return "answers differently the second time" not in found


def dropped_in_evaluation(seen: Observations) -> bool:
    found = seen["evaluation"]
    return steady(seen["added"]) and not steady(found) and "changes its input" not in found and agrees(seen, "added")


def only_in_evaluation(seen: Observations) -> bool:
    return dropped_in_evaluation(seen) and saw(in_training_numbers_are="never dropped")(seen)


def learned(numbers: Callable[[int], bool], table_right: bool):  # type: ignore[no-untyped-def]
    def sign(seen: Observations) -> bool:
        found = seen["weights"]["numbers that are trained"]
        return isinstance(found, int) and found > 0 and numbers(found) and agrees(seen, "table") == table_right

    return sign


def too_few_rows(seen: Observations) -> bool:
    """It fails only where all of max_len positions are asked for."""
    return runs(seen, "added") and not runs(seen, "all positions") and agrees(seen, "added")


def fixed_rows(seen: Observations) -> bool:
    return not runs(seen, "long") and agrees(seen, "all positions")


def random_numbers(seen: Observations) -> bool:
    """Each new module has another table, though nothing in it is trained."""
    one, other = seen["table"]["out"], seen["table"]["_another"]
    if not steady(seen["table"]) or "changes its input" in seen["table"]:
        return False
    if seen["weights"]["numbers that are trained"] != 0:
        return False
    return not torch.equal(one, other)  # type: ignore[arg-type]


def no_width_fits(seen: Observations) -> bool:
    names = ("table", "added", "wider", "all positions", "one position")
    return all(seen[name].get("error") == "RuntimeError" for name in names)


def starts_anywhere(seen: Observations) -> bool:
    """Chance in training, though nothing is dropped."""
    chance = "answers differently the second time" in seen["modes"]
    return chance and saw(dropped_is="something else")(seen) and evaluation_is_right(seen)


MISTAKES = (
    *MODULE_MISTAKES,
    Mistake(
        "learned_positions",
        "The encoding is a trained table that starts at random (nn.Embedding, say). The paper tried that too, with "
        "the same "
        "results; asked for here are the sinusoids.",
        seen=learned(lambda n: n >= 24, table_right=False),
        source="Gehring et al. 2017; BERT, GPT-2",
        convention=True,
    ),
    Mistake(
        "trained_table",
        "The sinusoids are an nn.Parameter, so training changes them. Make the table a buffer: it is moved and saved "
        "with the "
        "module, and stays as it is.",
        seen=learned(lambda n: n >= 24, table_right=True),
    ),
    Mistake(
        "trained_factor",
        "A factor on the encoding is trained. Nothing is, in this module.",
        seen=learned(lambda n: n == 1, table_right=True),
    ),
    Mistake(
        "trained_frequencies",
        "The frequencies are trained. They are fixed numbers: 10000^(-2i/d_model).",
        seen=learned(lambda n: n in (2, 4), table_right=True),
    ),
    Mistake(
        "projected",
        "The encoding, or the sum, goes through trained weights. It is added as it is.",
        seen=learned(lambda n: n in (16, 20), table_right=False),
    ),
    Mistake(
        "dropout_only_in_evaluation",
        "Dropout acts in evaluation and not in training: the wrong way round.",
        with_forward(lambda self, x: F.dropout(x + rows(x, self.table), self.dropout.p, not self.training)),
        seen=only_in_evaluation,
    ),
    Mistake(
        "dropout_in_evaluation",
        "Dropout acts in evaluation too. F.dropout must be told (training=self.training), and an "
        "nn.Dropout must be an attribute of the module, where eval() finds it.",
        seen=dropped_in_evaluation,
    ),
    Mistake("dropout_ignored", "In training nothing is dropped.", seen=what("never dropped")),
    Mistake(
        "dropout_on_x_alone",
        "Dropout is put on x before the encoding is added. The paper drops out the sum.",
        seen=saw(dropped_is="x alone"),
    ),
    Mistake(
        "dropout_on_the_encoding_alone",
        "Dropout is put on the encoding before it is added. The paper drops out the sum.",
        seen=saw(dropped_is="the encoding alone"),
    ),
    Mistake(
        "dropout_on_each_part",
        "x and the encoding are dropped out each by itself. It is done once, on the sum.",
        seen=saw(dropped_is="x and the encoding, each by itself"),
    ),
    Mistake(
        "dropout_twice",
        "Dropout is put on twice (on x and on the sum, or on the sum twice). Once is meant, on the sum.",
        seen=lambda seen: (
            saw(dropped_is="x, and then the sum")(seen) or saw(share_dropped="more than p, as if twice")(seen)
        ),
    ),
    Mistake(
        "scaled_in_evaluation",
        "What is kept is not divided by 1 - p in training, and all is multiplied by 1 - p in evaluation. "
        "It is equal in the mean, and how dropout was first described; torch's, and this one, divide in training.",
        with_forward(eval_scaled),
        seen=what("dropped, or kept and not divided", evaluation_right=False),
        source="Srivastava et al. 2014",
        convention=True,
    ),
    Mistake(
        "dropout_not_scaled",
        "What is kept is not divided by 1 - p, so sums are smaller in training than in evaluation.",
        seen=what("dropped, or kept and not divided"),
    ),
    Mistake(
        "probability_to_keep",
        "The number given is taken for the probability to keep. It is that of dropping.",
        seen=saw(share_dropped="1 - p"),
    ),
    Mistake(
        "dropout_scaled_by_p",
        "What is kept is divided by p. It is kept with probability 1 - p: divide by that.",
        seen=what("dropped, or kept and divided by p"),
    ),
    Mistake(
        "dropout_drawn_once",
        "What is dropped is drawn once and stays the same. It is drawn anew in every call.",
        seen=saw(drawn_anew_in_the_next_call="no"),
    ),
    Mistake(
        "dropout_of_whole_positions",
        "Whole positions are dropped. Each number is dropped or kept by itself.",
        seen=saw(drawn="features"),
    ),
    Mistake(
        "dropout_drawn_for_all_sentences",
        "One draw serves several sentences or positions. Each number is dropped or kept by itself.",
        seen=saw(drawn="once for all"),
    ),
    Mistake(
        "dropout_fixed", "Another probability than the given one is used.", seen=saw(share_dropped="another share")
    ),
    Mistake(
        "noise_for_dropout",
        "The numbers are multiplied with noise, and none is dropped.",
        seen=what("noise"),
    ),
    Mistake(
        "table_stays_behind",
        "The table is a plain attribute. `module.to(device)` moves parameters and buffers only, so on a "
        "GPU x and the table are on different devices: register_buffer.",
        seen=lambda seen: seen["moved"]["the table stays behind when the module is moved"] is True,
    ),
    Mistake(
        "width_fixed",
        "The table's width is written into the code. It should have d_model features.",
        seen=no_width_fits,
    ),
    Mistake("one_row_short", "The table has fewer than max_len rows: with T = max_len it fails.", seen=too_few_rows),
    Mistake("number_of_rows_fixed", "The table has a fixed number of rows. It should have max_len.", seen=fixed_rows),
    Mistake(
        "halves_concatenated",
        "All sines stand in the first half of the features and all cosines in the second. The paper's "
        "formula alternates: sine on even, cosine on odd features.",
        pairs(torch.sin, torch.cos, together=True),
        source="tensor2tensor; fairseq",
        convention=True,
    ),
    Mistake(
        "halves_and_other_frequencies",
        "All sines stand in the first half and all cosines in the second, and the exponents run to "
        "1, so that the last frequency is 1/10000. The paper alternates, with 2i/d_model.",
        with_table(
            lambda n, d: torch.cat(
                [f(torch.arange(n).double()[:, None] * to_the_end(d)) for f in (torch.sin, torch.cos)], -1
            ).float()
        ),
        source="tensor2tensor",
        convention=True,
    ),
    Mistake(
        "sine_and_cosine_swapped",
        "Cosine stands on the even features and sine on the odd ones. Features are counted from 0: "
        "the first is a sine.",
        pairs(torch.cos, torch.sin),
    ),
    Mistake(
        "only_sines",
        "All features are sines. The odd ones are cosines: only with both is a step a rotation.",
        pairs(torch.sin, torch.sin),
    ),
    Mistake("only_cosines", "All features are cosines. The even ones are sines.", pairs(torch.cos, torch.cos)),
    Mistake("odd_features_empty", "The odd features stay 0. They are the cosines.", pairs(torch.sin, torch.zeros_like)),
    Mistake("even_features_empty", "The even features stay 0. They are the sines.", pairs(torch.zeros_like, torch.cos)),
    Mistake(
        "own_frequency_for_each",
        "Each feature j has its own exponent j/d. A sine and the cosine after it share one, 2i/d.",
        with_table(own_rates),
        source="a known slip in many tutorials",
    ),
    Mistake(
        "frequency_of_the_next_pair",
        "The cosines take the frequency of the pair after theirs. A pair shares one: 2i/d for both.",
        with_table(lambda n, d: own_rates(n, d, shift=1)),
    ),
    Mistake(
        "exponent_doubled",
        "i runs in steps of two already, and is doubled again: the exponent is 4i/d.",
        with_rates(lambda d: 10_000 ** (-2 * even(d) / d)),
    ),
    Mistake(
        "exponent_halved",
        "The exponent is i/d for pair i, where 2i/d is meant (or, what is the same, the base is 100): the slowest "
        "clock is far too fast.",
        with_rates(lambda d: 10_000 ** (-even(d) / 2 / d)),
    ),
    Mistake(
        "frequencies_to_the_end",
        "The exponents are spread from 0 to 1, both included: i / (d/2 - 1). The paper's never reach 1: 2i/d.",
        with_rates(lambda d: to_the_end(d)),
        source="tensor2tensor",
        convention=True,
    ),
    Mistake(
        "pairs_counted_from_one",
        "The pairs are counted from 1. The first frequency is 1: i begins at 0.",
        with_rates(lambda d: 10_000 ** (-(even(d) + 2) / d)),
    ),
    Mistake(
        "exponent_counted_from_one",
        "The exponent begins at 1/d, not at 0. The first frequency is 1.",
        with_rates(lambda d: 10_000 ** (-(even(d) + 1) / d)),
    ),
    Mistake(
        "all_frequencies_one",
        "All frequencies are 1, as after a division of integers (2i // d is 0). Use `/`.",
        with_rates(lambda d: torch.ones(d // 2).double()),
    ),
    Mistake("base_too_small", "The base is 1000. It is 10000.", with_rates(lambda d: rates(d, 1000.0))),
    Mistake("base_too_large", "The base is 100000. It is 10000.", with_rates(lambda d: rates(d, 100_000.0))),
    Mistake(
        "decimal_logarithm",
        "exp is used with the decimal logarithm of 10000. It needs the natural one: math.log.",
        with_rates(lambda d: torch.exp(-even(d) * math.log10(10_000) / d)),
    ),
    Mistake(
        "logarithm_forgotten",
        "exp(-2i/d): the 10000 is forgotten. It is exp(-2i/d * log(10000)).",
        with_rates(lambda d: torch.exp(-even(d) / d)),
    ),
    Mistake(
        "multiplied_for_divided",
        "The position is multiplied by 10000^(2i/d), where it should be divided: the sign of the exponent.",
        with_rates(lambda d: 1 / rates(d)),
    ),
    Mistake(
        "slowest_first",
        "The frequencies stand in reverse. The fastest clock is on the first features.",
        with_rates(lambda d: rates(d).flip(0)),
    ),
    Mistake(
        "positions_from_one",
        "The first position is 1. It is 0: its sines are 0 and its cosines 1.",
        with_positions(lambda n: torch.arange(1, n + 1)),
    ),
    Mistake(
        "positions_reversed",
        "The positions are counted from the end of the table.",
        with_positions(lambda n: torch.arange(n).flip(0)),
    ),
    Mistake(
        "positions_divided_by_max_len",
        "The positions are divided by max_len, so a word's place depends on the size of the table.",
        with_positions(lambda n: torch.arange(n) / n),
    ),
    Mistake(
        "degrees",
        "The angles are taken for degrees. torch.sin expects radians, and so does the formula.",
        with_positions(lambda n: torch.arange(n) * math.pi / 180),
    ),
    Mistake(
        "whole_turns",
        "There is a factor 2 pi in the angles. The formula has none.",
        with_positions(lambda n: 2 * math.pi * torch.arange(n).double()),
    ),
    Mistake(
        "first_row_empty",
        "The row of position 0 is all 0, as for padding. Its cosines are 1.",
        with_table(first_row_zero),
    ),
    Mistake(
        "integers",
        "The table is of integers, which cuts off all fractions.",
        with_table(lambda n, d: sinusoids(n, d).long()),
    ),
    Mistake(
        "low_precision_positions",
        "The positions are counted in bfloat16, which cannot tell 256 from 257. Compute the table in float32 at least.",
        with_positions(lambda n: torch.arange(n).bfloat16()),
    ),
    Mistake(
        "width_of_the_paper",
        "512 stands in the exponent, whatever d_model is.",
        with_rates(lambda d: 10_000 ** (-even(d) / 512)),
    ),
    Mistake(
        "max_len_in_the_exponent",
        "max_len stands in the exponent, where d_model belongs: the two were swapped.",
        with_table(lambda n, d: waves(torch.arange(n), 10_000 ** (-even(d) / n))),
    ),
    Mistake(
        "table_scaled",
        "The encoding is divided by the root of d_model. It is added as it is.",
        with_table(lambda n, d: sinusoids(n, d) / math.sqrt(d)),
    ),
    Mistake(
        "table_standardised",
        "The table is brought to mean 0 and variance 1. It is added as it is.",
        with_table(standardised),
    ),
    Mistake(
        "table_in_double_precision",
        "The table is float64 (from numpy, say), and turns a float32 input into a float64 result.",
        with_table(lambda n, d: sinusoids(n, d).double()),
    ),
    Mistake(
        "length_first",
        "The rows are taken by the first axis of x. In this course the batch comes first, (B, T, d_model), as "
        "opposed to torch's own tutorial.",
        with_sum(lambda x, pe: x + pe[: x.size(0), None]),
        source="torch's sequence-to-sequence tutorial",
        convention=True,
    ),
    Mistake(
        "cut_to_the_batch",
        "The table is cut to the size of the batch. It is cut to the length T = x.size(1).",
        with_sum(by_batch),
    ),
    Mistake(
        "table_not_cut",
        "The whole table is added, so T must be max_len. Take its first T rows.",
        with_sum(lambda x, pe: x + pe),
    ),
    Mistake("padded_to_max_len", "The result has max_len positions. It has as many as x.", with_sum(padded)),
    Mistake(
        "last_rows",
        "The last T rows of the table are taken. Sentences begin at position 0: the first T.",
        with_sum(lambda x, pe: x + pe[-x.size(1) :]),
    ),
    Mistake("next_rows", "Rows 1 to T are taken, one further than they should.", with_sum(next_rows)),
    Mistake(
        "one_row_for_all",
        "One row is added at every position: an index where a slice is meant.",
        with_sum(lambda x, pe: x + pe[x.size(1) - 1]),
    ),
    Mistake(
        "stretched",
        "The positions are spread over the whole table. Word t gets row t.",
        with_sum(spread_over_the_table),
    ),
    Mistake("first_sentence_only", "Only the first sentence of the batch gets an encoding.", with_sum(first_sentence)),
    Mistake(
        "counted_through_the_batch",
        "Each sentence goes on counting where the one before it ended. Each begins at 0.",
        with_sum(counted_on),
    ),
    Mistake("multiplied", "x is multiplied by the encoding. It is added.", with_sum(lambda x, pe: x * rows(x, pe))),
    Mistake("subtracted", "The encoding is subtracted. It is added.", with_sum(lambda x, pe: x - rows(x, pe))),
    Mistake(
        "x_forgotten", "The result is the encoding alone, without x.", with_sum(lambda x, pe: rows(x, pe).expand_as(x))
    ),
    Mistake(
        "encoding_alone_without_batch",
        "The result is the table's rows alone, without x and its batch.",
        with_sum(lambda x, pe: rows(x, pe)),
    ),
    Mistake("encoding_forgotten", "The result is x: the sum is not kept.", with_sum(lambda x, pe: x)),
    Mistake(
        "side_by_side",
        "The encoding is put beside x, so there are 2 d_model features. It is added.",
        with_sum(lambda x, pe: torch.cat([x, rows(x, pe).to(x).expand_as(x)], -1)),
    ),
    Mistake(
        "x_scaled",
        "x is multiplied by the root of d_model here. The embedding does that already.",
        with_sum(lambda x, pe: x * math.sqrt(x.size(-1)) + rows(x, pe)),
        source="torch's and TensorFlow's tutorials do it here",
        convention=True,
    ),
    Mistake("half_the_sum", "The sum is halved. It is used as it is.", with_sum(lambda x, pe: (x + rows(x, pe)) / 2)),
    Mistake(
        "sum_normalised",
        "The sum is normalised, as in BERT. In the paper nothing but dropout follows.",
        with_sum(normalised),
        source="BERT",
        convention=True,
    ),
    Mistake(
        "zeros_left_out",
        "Positions where x is all 0 get no encoding. The module does not know about padding; masks do.",
        with_sum(lambda x, pe: x + rows(x, pe) * (x != 0).any(-1, keepdim=True)),
    ),
    Mistake(
        "only_in_training",
        "In evaluation nothing is added. Only dropout depends on the mode.",
        with_forward(lambda self, x: self.dropout(x + rows(x, self.table)) if self.training else x),
    ),
    Mistake(
        "random_start",
        "In training the positions begin anywhere. They begin at 0 in both modes.",
        with_forward(random_start),
        seen=starts_anywhere,
    ),
    Mistake(
        "input_detached",
        "x is detached (detach, no_grad, data, item): the embeddings get no gradient.",
        with_sum(lambda x, pe: x.detach() + rows(x, pe)),
        seen=lambda seen: seen["gradient"]["gradient of x"] is None and agrees(seen, "added"),
    ),
    Mistake("first_length_kept", "The rows of the first call are kept. Other inputs have other lengths.", KeepsRows),
    Mistake("result_kept", "The result for a shape is kept and given again for other inputs.", KeepsResult),
    Mistake(
        "single_precision_result",
        "The result is float32 whatever came in. It should have the type of x.",
        with_forward(lambda self, x: self.dropout(x + rows(x, self.table)).float()),
    ),
    Mistake(
        "single_precision_inside",
        "x is cut to float32 on the way: a float64 input loses half of its digits.",
        with_forward(lambda self, x: self.dropout(x.float() + rows(x, self.table)).to(x.dtype)),
    ),
    Mistake(
        "axes_lost",
        "`squeeze()` takes away every axis of size one, a batch of one too. The shape must stay that of x.",
        with_sum(lambda x, pe: (x + rows(x, pe)).squeeze()),
    ),
    Mistake(
        "one_sentence_only",
        "x is taken for a batch of one: all but the first sentence are gone.",
        with_sum(lambda x, pe: (x[0] + rows(x, pe)).unsqueeze(0)),
    ),
    Mistake(
        "random_table",
        "The table is of random numbers. It is computed from the formula.",
        seen=lambda seen: "out" in seen["table"] and random_numbers(seen),
    ),
)

EXERCISES = [
    Exercise(
        "SinusoidalPositionalEncoding",
        Card(
            3, 20, "It tells attention, which sees a set, where each word stands.", "08_positional_encoding", "formula"
        ),
        SinusoidalPositionalEncoding,
        PROBES,
        MISTAKES,
        (
            "Make the table first, (max_len, d_model), and print it for d_model = 4. Row 0 is 0, 1, 0, 1. What is "
            "row 1?",
            "angle[pos, i] = pos / 10000^(2i / d_model) for i = 0 ... d_model/2 - 1. Sines go to features 0, 2, 4 "
            "..., cosines of the same "
            "angles to 1, 3, 5 ... Keep the table as a buffer; add its first T rows to x; then dropout.",
            "`pos = torch.arange(max_len)[:, None]`; `angle = pos / 10000 ** (torch.arange(0, d_model, 2) / d_model)`; "
            "`pe[:, 0::2] = angle.sin()`; `pe[:, 1::2] = angle.cos()`; `self.register_buffer('pe', pe)`; in forward "
            "`return self.dropout(x + self.pe[: x.size(1)])`.",
        ),
    )
]
