"""noam_lr: right and wrong implementations."""

import math

import torch

from tests.implementations import right, wrong

EX = "noam_lr"


# ---------------------------------------------------------------- right


@right(EX, "formula", "the paper's formula in one line")
def noam(step, d_model, warmup):
    return d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)


@right(EX, "step_guarded", "in the style of the Annotated Transformer: step 0 is taken for 1, a factor of 1.0")
def rate(step, d_model, warmup):
    factor = 1.0
    if step == 0:
        step = 1
    return factor * (d_model ** (-0.5) * min(step ** (-0.5), step * warmup ** (-1.5)))


@right(EX, "two_branches", "if and else with math.sqrt")
def learning_rate(step, d_model, warmup):
    if step < warmup:
        return step / (warmup * math.sqrt(warmup) * math.sqrt(d_model))
    return 1 / math.sqrt(step * d_model)


@right(EX, "peak_times_shape", "the peak, times a linear rise or a root's decay, whichever is lower")
def schedule(step, d_model, warmup):
    peak = 1.0 / math.sqrt(d_model * warmup)
    rise = step / warmup
    decay = math.sqrt(warmup / step)
    return peak * min(rise, decay)


@right(EX, "tensor_inside", "float64 tensors inside, a Python number outside")
def get_lr(step, d_model, warmup):
    s = torch.tensor(float(step), dtype=torch.float64)
    lr = torch.minimum(s.rsqrt(), s * float(warmup) ** -1.5) / math.sqrt(d_model)
    return lr.item()


@right(EX, "logarithms", "added up in logarithms, one exp at the end")
def log_lr(step, d_model, warmup):
    log_step, log_warm = math.log(step), math.log(warmup)
    exponent = -0.5 * log_step if step > warmup else log_step - 1.5 * log_warm
    return math.exp(exponent - 0.5 * math.log(d_model))


# ---------------------------------------------------------------- wrong


@wrong(EX, "max", "max instead of min")
def noam_max(step, d_model, warmup):
    return d_model**-0.5 * max(step**-0.5, step * warmup**-1.5)


@wrong(EX, "no_d_model", "the factor d_model^-0.5 is missing")
def no_width(step, d_model, warmup):
    return min(step**-0.5, step * warmup**-1.5)


@wrong(EX, "d_model_positive_root", "multiplied by sqrt(d_model) instead of divided")
def times_root(step, d_model, warmup):
    return d_model**0.5 * min(step**-0.5, step * warmup**-1.5)


@wrong(EX, "d_model_without_root", "divided by d_model, no root")
def over_width(step, d_model, warmup):
    return min(step**-0.5, step * warmup**-1.5) / d_model


@wrong(EX, "d_model_512", "d_model is taken to be 512")
def base_model(step, d_model=512, warmup=4000):
    return 512**-0.5 * min(step**-0.5, step * warmup**-1.5)


@wrong(EX, "warmup_4000", "warmup is taken to be 4000")
def paper_warmup(step, d_model, warmup=4000):
    return d_model**-0.5 * min(step**-0.5, step * 4000**-1.5)


@wrong(EX, "warmup_to_minus_half", "step * warmup^-0.5: the exponent of the second argument is wrong")
def half_exponent(step, d_model, warmup):
    return d_model**-0.5 * min(step**-0.5, step * warmup**-0.5)


@wrong(EX, "warmup_to_minus_one", "step / warmup: the rise ends at 1, so the two curves cross too early")
def linear_to_one(step, d_model, warmup):
    return d_model**-0.5 * min(step**-0.5, step / warmup)


@wrong(EX, "warmup_branch_jumps", "step / warmup up to warmup, then step^-0.5: a jump where the branches meet")
def jumping(step, d_model, warmup):
    if step < warmup:
        return d_model**-0.5 * step / warmup
    return d_model**-0.5 * step**-0.5


@wrong(EX, "counted_from_zero", "step - 1 is used: the first step has rate 0, the peak is one step late")
def zero_based(step, d_model, warmup):
    step = step - 1
    if step == 0:
        return 0.0
    return d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)


@wrong(EX, "step_plus_one", "step + 1 is used, for a step that is counted from zero")
def plus_one(step, d_model, warmup):
    step += 1
    return d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)


@wrong(EX, "decay_one_late", "the rise is right, the decay is that of step - 1")
def late_decay(step, d_model, warmup):
    if step <= warmup:
        return d_model**-0.5 * step * warmup**-1.5
    return d_model**-0.5 * (step - 1) ** -0.5


@wrong(EX, "inverse_decay", "decays with 1 / step instead of its root")
def fast_decay(step, d_model, warmup):
    return d_model**-0.5 * min(warmup**0.5 / step, step * warmup**-1.5)


@wrong(EX, "decay_since_warmup", "after warmup the root is taken of the steps since then")
def restarted_decay(step, d_model, warmup):
    peak = (d_model * warmup) ** -0.5
    if step <= warmup:
        return peak * step / warmup
    return peak * (step - warmup + 1) ** -0.5


@wrong(EX, "constant_after_warmup", "the rate stays at its peak after warmup")
def plateau(step, d_model, warmup):
    return (d_model * warmup) ** -0.5 * min(1.0, step / warmup)


@wrong(EX, "no_warmup", "decay only: the rate of step 1 is the highest")
def decay_only(step, d_model, warmup):
    return d_model**-0.5 * step**-0.5


@wrong(EX, "constant_then_decay", "max(step, warmup)^-0.5: constant until warmup, as in rsqrt_decay of Tensor2Tensor")
def rsqrt_decay(step, d_model, warmup):
    return d_model**-0.5 * max(step, warmup) ** -0.5


@wrong(EX, "root_of_rise", "the rise goes with the root of the step")
def root_rise(step, d_model, warmup):
    return (d_model * warmup) ** -0.5 * min((step / warmup) ** 0.5, (warmup / step) ** 0.5)


@wrong(EX, "cosine", "linear warmup, then a cosine to zero at ten times warmup")
def cosine(step, d_model, warmup):
    peak = (d_model * warmup) ** -0.5
    if step <= warmup:
        return peak * step / warmup
    progress = min(1.0, (step - warmup) / (9 * warmup))
    return peak * 0.5 * (1 + math.cos(math.pi * progress))


@wrong(EX, "linear_decay", "linear warmup, then linear decay, as in BERT")
def bert(step, d_model, warmup):
    peak = (d_model * warmup) ** -0.5
    if step <= warmup:
        return peak * step / warmup
    return peak * max(0.0, (10 * warmup - step) / (9 * warmup))


@wrong(EX, "factor_two", "times two, the factor of an early version of the Annotated Transformer")
def noam_opt(step, d_model, warmup, factor=2):
    return factor * d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)


@wrong(EX, "tensor2tensor_constant", "times 5000, as a constant in Tensor2Tensor has it with another optimizer")
def t2t(step, d_model, warmup):
    return 5000.0 * d_model**-0.5 * min((step + 1) * warmup**-1.5, (step + 1) ** -0.5)


@wrong(EX, "warmup_from_1e_minus_7", "the rise starts at 1e-7, as in fairseq's inverse_sqrt, instead of 0")
def inverse_sqrt(step, d_model, warmup):
    warmup_init_lr = 1e-7
    peak = (d_model * warmup) ** -0.5
    if step < warmup:
        return warmup_init_lr + step * (peak - warmup_init_lr) / warmup
    return peak * warmup**0.5 * step**-0.5


@wrong(EX, "peak_given", "the peak is 1e-3 for every d_model and warmup, the shape is right")
def fixed_peak(step, d_model, warmup):
    return 1e-3 * min(step / warmup, math.sqrt(warmup / step))


@wrong(EX, "precedence", "-1.5 is applied to step * warmup, a bracket too many")
def bracketed(step, d_model, warmup):
    return d_model**-0.5 * min(step**-0.5, (step * warmup) ** -1.5)


@wrong(EX, "integer_division", "step // warmup: the rate is 0 all through the warmup")
def floor_rise(step, d_model, warmup):
    return (d_model * warmup) ** -0.5 * min(step // warmup, (warmup / step) ** 0.5)


@wrong(EX, "rounded", "rounded to six digits after the point: early steps come out as 0")
def rounded(step, d_model, warmup):
    return round(d_model**-0.5 * min(step**-0.5, step * warmup**-1.5), 6)


@wrong(EX, "floor_1e_minus_5", "never below 1e-5")
def with_floor(step, d_model, warmup):
    return max(1e-5, d_model**-0.5 * min(step**-0.5, step * warmup**-1.5))


@wrong(EX, "swapped_arguments", "the signature is (step, warmup, d_model)")
def swapped(step, warmup, d_model):
    return d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)


_seen = {}


@wrong(EX, "kept_by_step", "rates are kept by step alone: another model's rate comes back")
def memoised(step, d_model, warmup):
    if step not in _seen:
        _seen[step] = d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)
    return _seen[step]


_count = [0]


@wrong(EX, "own_counter", "counts its calls instead of reading the step")
def counting(step, d_model, warmup):
    _count[0] += 1
    n = _count[0]
    return d_model**-0.5 * min(n**-0.5, n * warmup**-1.5)


@wrong(EX, "multiplier", "relative to the peak, what LambdaLR wants with lr=peak: 1 at step = warmup")
def multiplier(step, d_model, warmup):
    return min(step / warmup, (warmup / step) ** 0.5)


@wrong(EX, "half_precision", "computed with half precision tensors: three digits")
def half(step, d_model, warmup):
    s = torch.tensor(float(step))
    lr = torch.minimum(s.rsqrt(), s * float(warmup) ** -1.5) * d_model**-0.5
    return lr.half().item()
