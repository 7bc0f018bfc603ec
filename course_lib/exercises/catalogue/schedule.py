"""The learning rate (5.3, equation 3)."""

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

from course_lib.exercises.exercise import Card, Exercise, Mistake, Observation, Observations, Probe
from course_lib.exercises.trial import Answer, Trial
from course_lib.training import noam_lr

Asked = tuple[int, int, int]  # step, d_model, warmup
Rates = dict[Asked, float]


def number(answer: Any) -> float:
    """A number, also as a tensor or array without axes.

    Raises:
        Answer: it is something else.
    """
    shape = getattr(answer, "shape", ())
    kind = f"a tensor of shape {tuple(shape)}" if isinstance(answer, Tensor) else f"a {type(answer).__name__}"
    if isinstance(answer, str | bytes | bool) or tuple(shape) != () or not hasattr(answer, "__float__"):
        raise Answer(f"It returns {kind}, where a number is asked for.")
    return float(answer)


def key(asked: Asked) -> str:
    return "rate at step {}, width {}, warm-up {}".format(*asked)


def sees(*asked: Asked) -> Callable[[Trial], Observation]:
    def run(trial: Trial) -> Observation:
        return trial.seen(**{key(one): number(trial.call(counted(trial), *one)) for one in asked})

    return run


def counted(trial: Trial) -> Callable[..., Any]:
    """What it returns as a plain number, so that the trial can compare two answers of any kind."""

    def rate(*asked: int) -> Any:
        answer = trial.make(*asked)
        return answer if answer is None else number(answer)

    return rate


TINY = tuple((step, 16, 4) for step in (1, 2, 4, 16))
RISE = tuple((step, 512, 4000) for step in (1, 2, 100, 3000))
PEAK = tuple((step, 512, 4000) for step in (3998, 3999, 4000, 4001, 4002))
FALL = tuple((step, 512, 4000) for step in (4500, 8000, 20_000, 100_000))
LONG = tuple((step, 512, 4000) for step in (1_000_000, 30_000_000))
WIDTHS = tuple((step, width, 4000) for width in (64, 1024) for step in (1000, 9000))
WARMUPS = tuple((step, 512, warmup) for warmup in (100, 8000) for step in (50, 300, 10_000))
EVERY = tuple((step, 3, 5) for step in range(1, 12))
ONE = tuple((step, 512, 1) for step in (1, 2, 7))
# Widths and warm-ups change from one call to the next at a step that no other probe asks for.
SWITCH = ((77, 128, 200), (77, 256, 200), (77, 128, 50), (91, 256, 200), (91, 128, 200))


def probe(name: str, asked: tuple[Asked, ...], says: str, given: str) -> Probe:
    return Probe(name, sees(*asked), says, given, atol=0.0, rtol=1e-6)


ASKED = {
    "tiny": TINY,
    "rise": RISE,
    "peak": PEAK,
    "fall": FALL,
    "widths": WIDTHS,
    "warm-ups": WARMUPS,
    "every step": EVERY,
    "warm-up of one step": ONE,
    "switch": SWITCH,
    "long": LONG,
}
PROBES = (
    probe("tiny", TINY, "The rate is not that of equation (3).", "d_model = 16, warmup = 4"),
    probe("rise", RISE, "Before the peak the rate is not right.", "d_model = 512, warmup = 4000"),
    probe("peak", PEAK, "Around the peak the rate is not right.", "d_model = 512, warmup = 4000"),
    probe("fall", FALL, "After the peak the rate is not right.", "d_model = 512, warmup = 4000"),
    probe("widths", WIDTHS, "For another width the rate is not right.", "d_model = 64 or 1024, warmup = 4000"),
    probe("warm-ups", WARMUPS, "For another warm-up the rate is not right.", "d_model = 512, warmup = 100 or 8000"),
    probe("every step", EVERY, "Step by step the rate is not right.", "d_model = 3, warmup = 5, steps 1 to 11"),
    probe("warm-up of one step", ONE, "With a warm-up of one step the rate is not right.", "d_model = 512, warmup = 1"),
    probe("switch", SWITCH, "Asked for two models in turn, it is not right.", "another model at the same step"),
    probe("long", LONG, "After very many steps the rate is not right.", "d_model = 512, warmup = 4000"),
)


# --- signs in the numbers ---


def rates(seen: Observations) -> Rates:
    """All that were seen; KeyError (no sign then) where one is missing."""
    found = {one: seen[name][key(one)] for name, asked in ASKED.items() for one in asked}
    return {one: float(rate) for one, rate in found.items() if isinstance(rate, int | float)}


def right(step: int, d_model: int, warmup: int) -> float:
    """As it should be, with no help from the reference: what is known must not depend on what is looked for."""
    return d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)


def truth(asked: Asked) -> float:
    return right(*asked)


def close(a: float, b: float, precision: float = 2e-6) -> bool:
    return math.isclose(a, b, rel_tol=precision, abs_tol=0.0)


def all_close(found: Rates, expected: Callable[[Asked], float]) -> bool:
    return bool(found) and all(close(rate, expected(asked)) for asked, rate in found.items())


def constant(found: Rates, unit: Callable[[Asked], float]) -> float:
    """The one factor by which all rates differ from the units; 0 if there is none."""
    ratios = [rate / unit(asked) for asked, rate in found.items()]
    return ratios[0] if all(close(one, ratios[0]) for one in ratios) else 0.0


def relative(asked: Asked) -> float:
    """1 at the peak."""
    step, _, warmup = asked
    return min(step / warmup, math.sqrt(warmup / step))


def without_width(asked: Asked) -> float:
    step, _, warmup = asked
    return min(step**-0.5, step * warmup**-1.5)


def factor(seen: Observations) -> bool:
    found = constant(rates(seen), truth)
    return found > 0 and not close(found, 1)


def fixed_peak(seen: Observations) -> bool:
    found = constant(rates(seen), relative)
    return found != 0 and not close(found, 1)


def fixed_width(seen: Observations) -> bool:
    found = constant(rates(seen), without_width)
    return found != 0 and not close(found, 1)


def fixed_warmup(seen: Observations) -> bool:
    """Right for some warm-up, whatever was asked for. At the first step the rate is d_model^-0.5 warmup^-1.5."""
    found = rates(seen)
    first = found[1, 16, 4] * 4
    warmup = round(first ** (-2 / 3)) if 1e-12 < first <= 1 else 4
    return warmup not in (1, 4) and all_close(found, lambda asked: right(asked[0], asked[1], warmup))


def limit(seen: Observations) -> tuple[float, Rates]:
    """The one number that all wrong rates are, and the rates that should be there; 0 if there is none."""
    found = rates(seen)
    wrong = {asked: rate for asked, rate in found.items() if not close(rate, truth(asked))}
    one = len(set(wrong.values())) == 1 and 1 < len(wrong) < 0.75 * len(found)
    return (next(iter(wrong.values())) if one else 0.0), {asked: truth(asked) for asked in wrong}


def never_below(seen: Observations) -> bool:
    floor, expected = limit(seen)
    return floor > 0 and all(rate < floor for rate in expected.values())


def never_above(seen: Observations) -> bool:
    ceiling, expected = limit(seen)
    return ceiling > 0 and all(rate > ceiling for rate in expected.values())


def rounded(seen: Observations) -> bool:
    """The right rates, to so many digits after the point."""
    found = rates(seen)
    return any(all(abs(rate - round(truth(a), n)) < 1e-12 for a, rate in found.items()) for n in range(2, 12))


def imprecise(seen: Observations) -> bool:
    found = rates(seen)
    small = all(math.isclose(rate, truth(asked), rel_tol=0.02, abs_tol=1e-7) for asked, rate in found.items())
    return small and not all_close(found, truth) and not rounded(seen) and not named(found)


def zero_while_it_rises(seen: Observations) -> bool:
    return all(rate == 0 for (step, _, warmup), rate in rates(seen).items() if step < warmup)


def kept(seen: Observations) -> bool:
    """At a step that is asked for the first time it is right; for another model at the same step it is not."""
    found = {one: seen["switch"][key(one)] for one in SWITCH}
    values = [float(found[one]) for one in SWITCH]  # type: ignore[arg-type]
    fine = [close(value, truth(one)) for value, one in zip(values, SWITCH, strict=True)]
    return fine[0] and fine[3] and not all(fine) and (values[0] == values[1] or values[0] == values[2])


def part(found: Rates, rising: bool) -> Rates:
    return {asked: rate for asked, rate in found.items() if (asked[0] <= asked[2]) == rising}


def other_decay(seen: Observations) -> bool:
    found = rates(seen)
    return all_close(part(found, True), truth) and not all_close(part(found, False), truth) and not named(found)


def other_rise(seen: Observations) -> bool:
    found = {asked: rate for asked, rate in rates(seen).items() if asked[0] != asked[2]}
    return all_close(part(found, False), truth) and not all_close(part(found, True), truth) and not named(found)


def named(found: Rates) -> bool:
    """A known function gives these rates: it names the mistake better than a sign does."""
    return any(all_close(found, lambda asked, f=one.wrong: safe(f, asked)) for one in MISTAKES if one.wrong)  # type: ignore[misc]


def safe(function: Callable[..., float], asked: Asked) -> float:
    try:
        return float(function(*asked))
    except (ArithmeticError, ValueError):
        return math.nan


# --- the known mistakes ---


def product(step: int, d_model: int, warmup: int) -> float:
    return d_model**-0.5 * step**-0.5 * step * warmup**-1.5


def peak(d_model: int, warmup: int) -> float:
    return (d_model * warmup) ** -0.5


def jumping(step, d_model, warmup):  # type: ignore[no-untyped-def]
    return d_model**-0.5 * (step / warmup if step < warmup else step**-0.5)


def jumping_later(step, d_model, warmup):  # type: ignore[no-untyped-def]
    return d_model**-0.5 * (step / warmup if step <= warmup else step**-0.5)


def counted_from_zero(step, d_model, warmup):  # type: ignore[no-untyped-def]
    return 0.0 if step == 1 else right(step - 1, d_model, warmup)


def late_decay(step, d_model, warmup):  # type: ignore[no-untyped-def]
    return right(step, d_model, warmup) if step <= warmup else d_model**-0.5 * (step - 1) ** -0.5


def since_the_peak(step, d_model, warmup):  # type: ignore[no-untyped-def]
    return peak(d_model, warmup) * (step / warmup if step <= warmup else (step - warmup + 1) ** -0.5)


def since_the_peak_absolute(step, d_model, warmup):  # type: ignore[no-untyped-def]
    return right(step, d_model, warmup) if step <= warmup else d_model**-0.5 * (step - warmup) ** -0.5


def cosine(step, d_model, warmup):  # type: ignore[no-untyped-def]
    done = min(1.0, max(0.0, (step - warmup) / (9 * warmup)))
    return peak(d_model, warmup) * (step / warmup if step <= warmup else 0.5 * (1 + math.cos(math.pi * done)))


def straight(step, d_model, warmup):  # type: ignore[no-untyped-def]
    return peak(d_model, warmup) * (step / warmup if step <= warmup else max(0.0, (10 * warmup - step) / (9 * warmup)))


def tensor2tensor(step, d_model, warmup):  # type: ignore[no-untyped-def]
    return 5000 * right(step + 1, d_model, warmup)


def fairseq(step, d_model, warmup, start=1e-7):  # type: ignore[no-untyped-def]
    top = peak(d_model, warmup)
    return start + step * (top - start) / warmup if step < warmup else top * (warmup / step) ** 0.5


def root_in_the_rise(step, d_model, warmup):  # type: ignore[no-untyped-def]
    return peak(d_model, warmup) * min((step / warmup) ** 0.5, (warmup / step) ** 0.5)


def squared_rise(step, d_model, warmup):  # type: ignore[no-untyped-def]
    return peak(d_model, warmup) * min((step / warmup) ** 2, (warmup / step) ** 0.5)


def not_a_number(seen: Observations) -> bool:
    return any(one.get("error") == "Answer" and "number is asked for" in str(one.get("_text")) for one in seen.values())


def overflows(seen: Observations) -> bool:
    return any(one.get("error") in ("OverflowError", "ZeroDivisionError") for one in seen.values())


def integer_power(seen: Observations) -> bool:
    return any("negative integer powers" in str(one.get("_text")) for one in seen.values())


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "not_a_number",
        "What comes back is no number. The optimiser takes a float, or a tensor without axes: return "
        "one rate for one step.",
        seen=not_a_number,
    ),
    Mistake(
        "integer_to_a_negative_power",
        "An array of integers cannot be raised to a negative whole power. Make a float of the step first.",
        seen=integer_power,
    ),
    Mistake(
        "divides_by_zero",
        "For some step something is divided by zero, or a power of zero is taken, or a number gets too "
        "large. Steps begin with 1: no `step - 1` and no `step - warmup` below a fraction line.",
        seen=overflows,
    ),
    Mistake(
        "kept_from_an_earlier_call",
        "The rate of an earlier call comes back for another d_model or warmup: something is remembered "
        "that does not belong to the step alone. Compute it from all three arguments.",
        seen=kept,
    ),
    Mistake(
        "no_d_model",
        "The factor d_model^-0.5 is missing. Wider models need smaller steps.",
        lambda step, d_model, warmup: without_width((step, d_model, warmup)),
    ),
    Mistake(
        "d_model_written_in",
        "The rate is the same for every width: a number stands where d_model belongs. Use the argument.",
        seen=fixed_width,
    ),
    Mistake(
        "warmup_written_in",
        "The rate is the same for every warm-up: a number, 4000 for instance, stands where warmup "
        "belongs. Use the argument.",
        seen=fixed_warmup,
    ),
    Mistake(
        "relative_to_the_peak",
        "The rate is relative to the peak, 1 at step = warmup: what LambdaLR multiplies a rate with. "
        "Asked for is the rate itself, whose peak is (d_model warmup)^-0.5.",
        lambda step, d_model, warmup: relative((step, d_model, warmup)),
        source="torch.optim.lr_scheduler.LambdaLR, get_inverse_sqrt_schedule of Hugging Face Transformers",
        convention=True,
    ),
    Mistake(
        "peak_written_in",
        "The shape is right, but the peak is the same for every d_model and warmup. In equation (3) it "
        "follows from them: (d_model warmup)^-0.5.",
        seen=fixed_peak,
        source="inverse_sqrt in fairseq, where the peak is given as --lr",
        convention=True,
    ),
    Mistake(
        "times_a_factor",
        "All rates are too large or too small by the same factor. Some libraries have one (2 in the "
        "first Annotated Transformer); equation (3) has none.",
        seen=factor,
        source="NoamOpt of The Annotated Transformer (factor), noam decay of OpenNMT (learning_rate)",
        convention=True,
    ),
    Mistake(
        "tensor2tensor",
        "The rate is 5000 times as large and counts steps from 0, as Tensor2Tensor has it, where "
        "another constant takes the 5000 away again. Here equation (3) holds as printed.",
        tensor2tensor,
        source="learning_rate_schedule of Tensor2Tensor",
        convention=True,
    ),
    Mistake(
        "rise_does_not_begin_at_zero",
        "The rise begins at 1e-7 rather than at 0, so early rates are a little too large. In equation "
        "(3) the rate is proportional to the step.",
        fairseq,
        source="warmup_init_lr of fairseq's inverse_sqrt",
        convention=True,
    ),
    Mistake(
        "rounded",
        "The rate is rounded to so many digits after the point. Rates are small: those of the first "
        "steps become 0. Round when printing, not when computing.",
        seen=rounded,
    ),
    Mistake(
        "never_below_some_rate",
        "Rates below some number are raised to it. Equation (3) has no floor: it begins near 0 on purpose.",
        seen=never_below,
        convention=True,
        source="min_lr of many training scripts",
    ),
    Mistake(
        "never_above_some_rate",
        "Rates above some number are cut to it. Equation (3) has no ceiling; its peak is (d_model warmup)^-0.5.",
        seen=never_above,
    ),
    Mistake(
        "zero_while_it_rises",
        "The rate is 0 through the whole warm-up: `//` and int() throw away the fraction. Divide with `/`.",
        seen=zero_while_it_rises,
    ),
    Mistake(
        "maximum_for_minimum",
        "The larger of the two curves is taken. The rise is the lower one before the peak, the fall "
        "after it: `min`, or two branches the other way round.",
        lambda step, d_model, warmup: d_model**-0.5 * max(step**-0.5, step * warmup**-1.5),
    ),
    Mistake(
        "sum_for_minimum",
        "The two curves are added. Only the lower one counts at each step: `min`.",
        lambda step, d_model, warmup: d_model**-0.5 * (step**-0.5 + step * warmup**-1.5),
    ),
    Mistake(
        "product_for_minimum",
        "The two curves are multiplied. Only the lower one counts at each step: `min`.",
        product,
    ),
    Mistake(
        "multiplied_by_the_root_of_d_model",
        "The rate is multiplied by the square root of d_model. The exponent is -0.5: wider models get smaller rates.",
        lambda step, d_model, warmup: d_model**0.5 * without_width((step, d_model, warmup)),
    ),
    Mistake(
        "divided_by_d_model",
        "The rate is divided by d_model, not by its square root.",
        lambda step, d_model, warmup: without_width((step, d_model, warmup)) / d_model,
    ),
    Mistake(
        "multiplied_by_d_model",
        "The rate is multiplied by d_model; it is to be divided by its square root.",
        lambda step, d_model, warmup: without_width((step, d_model, warmup)) * d_model,
    ),
    Mistake(
        "d_model_on_one_curve_only",
        "The factor d_model^-0.5 is on the fall only. It stands in front of the bracket: both curves have it.",
        lambda step, d_model, warmup: min(d_model**-0.5 * step**-0.5, step * warmup**-1.5),
    ),
    Mistake(
        "d_model_on_the_rise_only",
        "The factor d_model^-0.5 is on the rise only. It stands in front of the bracket: both curves have it.",
        lambda step, d_model, warmup: min(step**-0.5, d_model**-0.5 * step * warmup**-1.5),
    ),
    Mistake(
        "warmup_to_minus_half",
        "The rise is step warmup^-0.5. Its exponent is -1.5: then both curves meet at step = warmup.",
        lambda step, d_model, warmup: d_model**-0.5 * min(step**-0.5, step * warmup**-0.5),
    ),
    Mistake(
        "warmup_to_minus_one",
        "The rise is step / warmup. Its exponent is -1.5, so that it ends at warmup^-0.5, where the "
        "other curve begins; with -1 the two cross much too early.",
        lambda step, d_model, warmup: d_model**-0.5 * min(step**-0.5, step / warmup),
    ),
    Mistake(
        "warmup_to_minus_two",
        "The rise is step warmup^-2. Its exponent is -1.5: then both curves meet at step = warmup.",
        lambda step, d_model, warmup: d_model**-0.5 * min(step**-0.5, step * warmup**-2.0),
    ),
    Mistake(
        "jump_at_the_peak",
        "The rise is step / warmup and ends at 1; the fall begins at warmup^-0.5. The rate jumps down "
        "where they meet. Divide the rise by the root of warmup once more.",
        jumping,
    ),
    Mistake(
        "jump_after_the_peak",
        "The rise is step / warmup up to the peak itself, and ends at 1; the fall begins at "
        "warmup^-0.5. The rate jumps down. Divide the rise by the root of warmup once more.",
        jumping_later,
    ),
    Mistake(
        "counted_from_zero",
        "The rate is that of step - 1: 0 at the first step, and the peak one too late. Steps are counted from 1 here.",
        counted_from_zero,
    ),
    Mistake(
        "step_plus_one",
        "The rate is that of step + 1. That is right for a step that is counted from 0; here the first is 1.",
        lambda step, d_model, warmup: right(step + 1, d_model, warmup),
    ),
    Mistake(
        "fall_one_too_late",
        "The rise is right; the fall is that of step - 1.",
        late_decay,
    ),
    Mistake(
        "falls_with_one_over_step",
        "After the peak the rate falls with 1 / step. It falls with 1 / sqrt(step), more slowly.",
        lambda step, d_model, warmup: d_model**-0.5 * min(warmup**0.5 / step, step * warmup**-1.5),
    ),
    Mistake(
        "curve_of_one_over_step",
        "The second curve is 1 / step. It is 1 / sqrt(step), which meets the rise at step = warmup.",
        lambda step, d_model, warmup: d_model**-0.5 * min(1 / step, step * warmup**-1.5),
    ),
    Mistake(
        "fall_counted_from_the_peak",
        "After the peak the root is taken of the steps since then. Equation (3) has the root of the "
        "step itself: the rate falls slowly, not to a half within four steps.",
        since_the_peak,
    ),
    Mistake(
        "fall_begins_anew",
        "After the peak the rate is that of step - warmup, so it jumps up to d_model^-0.5. Equation (3) "
        "has the root of the step itself.",
        since_the_peak_absolute,
    ),
    Mistake(
        "constant_after_the_peak",
        "The rate stays at its peak. After warmup it falls with 1 / sqrt(step).",
        lambda step, d_model, warmup: peak(d_model, warmup) * min(1.0, step / warmup),
        source="constant schedule with warm-up of many libraries",
        convention=True,
    ),
    Mistake(
        "root_of_the_step",
        "The second curve is the root of the step, which grows; its exponent is -0.5, so that it falls.",
        lambda step, d_model, warmup: d_model**-0.5 * min(step**0.5, step * warmup**-1.5),
    ),
    Mistake(
        "rise_goes_on",
        "The rate never falls: the other curve, step^-0.5, is missing.",
        lambda step, d_model, warmup: d_model**-0.5 * step * warmup**-1.5,
    ),
    Mistake(
        "no_rise",
        "The rate only falls, and is the highest at step 1. The other curve, step warmup^-1.5, keeps it "
        "low at first: Adam's averages know little then.",
        lambda step, d_model, warmup: d_model**-0.5 * step**-0.5,
    ),
    Mistake(
        "constant_until_the_peak",
        "The rate is constant until warmup and falls then. In equation (3) it rises in a straight line from 0.",
        lambda step, d_model, warmup: d_model**-0.5 * max(step, warmup) ** -0.5,
        source="rsqrt_decay of Tensor2Tensor",
        convention=True,
    ),
    Mistake(
        "rises_with_the_root",
        "Before the peak the rate rises with the root of the step. It rises in a straight line.",
        root_in_the_rise,
    ),
    Mistake(
        "rises_with_the_square",
        "Before the peak the rate rises with the square of the step. It rises in a straight line.",
        squared_rise,
    ),
    Mistake(
        "cosine",
        "After the peak the rate falls along a cosine. That is a schedule of later years, which needs "
        "to know when the run ends; the paper's falls with 1 / sqrt(step).",
        cosine,
        source="SGDR; cosine schedules with warm-up",
        convention=True,
    ),
    Mistake(
        "straight_down",
        "After the peak the rate falls in a straight line, as in BERT, which needs to know when the run "
        "ends; the paper's falls with 1 / sqrt(step).",
        straight,
        source="BERT; linear schedules with warm-up",
        convention=True,
    ),
    Mistake(
        "bracket_around_step_and_warmup",
        "The exponent -1.5 is taken of step times warmup. It belongs to warmup alone: step * warmup**-1.5.",
        lambda step, d_model, warmup: d_model**-0.5 * min(step**-0.5, (step * warmup) ** -1.5),
    ),
    Mistake(
        "minimum_in_the_exponent",
        "The minimum is multiplied into the exponent: `**` binds more tightly than `*`. Write "
        "d_model**-0.5 * min(...).",
        lambda step, d_model, warmup: d_model ** (-0.5 * min(step**-0.5, step * warmup**-1.5)),
    ),
    Mistake(
        "arguments_swapped",
        "d_model and warmup are taken for each other. The order is (step, d_model, warmup).",
        lambda step, d_model, warmup: right(step, warmup, d_model),
    ),
    Mistake(
        "step_is_not_first",
        "Step and d_model are taken for each other. The order is (step, d_model, warmup).",
        lambda step, d_model, warmup: right(d_model, step, warmup),
    ),
    Mistake(
        "order_reversed",
        "Step and warmup are taken for each other. The order is (step, d_model, warmup).",
        lambda step, d_model, warmup: right(warmup, d_model, step),
    ),
    Mistake(
        "negative",
        "The sign is wrong: a rate is positive.",
        lambda step, d_model, warmup: -right(step, d_model, warmup),
    ),
    Mistake(
        "precision_lost",
        "The rates are nearly right: some digits are lost on the way, in half precision or by a small "
        "constant that is added. Python's own numbers have sixteen digits.",
        seen=imprecise,
    ),
    Mistake(
        "another_fall",
        "The rise is right, the fall is another one. After warmup equation (3) leaves d_model^-0.5 "
        "step^-0.5, and nothing else.",
        seen=other_decay,
    ),
    Mistake(
        "another_rise",
        "The fall is right, the rise is another one. Before warmup equation (3) leaves d_model^-0.5 "
        "step warmup^-1.5: a straight line from 0.",
        seen=other_rise,
    ),
)

EXERCISES = [
    Exercise(
        "noam_lr",
        Card(1, 5, "It keeps the first steps small and lets the later ones settle.", "12_training", "schedule"),
        noam_lr,
        PROBES,
        MISTAKES,
        (
            "Two curves: one rises with the step in a straight line, one falls with its root. Where do they "
            "meet, and which of them is the lower one before and after?",
            "d_model^-0.5 times the smaller of step^-0.5 and step warmup^-1.5. Python's power is `**`, and "
            "takes -1.5 as well.",
            "`return d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)`",
        ),
    )
]
