"""From scores to weights: the masks, and the mistakes that every kind of attention can make with them."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.catalogue.signs import Signs, alike, raises, raises_anywhere, tensor
from course_lib.exercises.exercise import Mistake, Observations
from course_lib.exercises.trial import random

Share = Callable[[Tensor, Tensor | None], Tensor]  # scores and mask to weights
Build = Callable[[Share], Callable[..., Any]]  # an attention that makes its weights so

T_Q, T_K, B, H = 2, 3, 4, 5  # all different: axes are told apart


def mask_2x3() -> Tensor:
    """In each row something is permitted and something forbidden.

    So it is in all masks here: read the other way round they leave no row empty, and show the same whatever forbidden
    scores are filled with.
    """
    return torch.tensor([[True, True, False], [False, True, True]])


def mask_4x4() -> Tensor:
    """Neither symmetric nor empty in a row or a column."""
    return torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1]], dtype=torch.bool)


def causal_and_padding() -> Tensor:
    return torch.ones(4, 4, dtype=torch.bool).tril() & torch.tensor([True, True, True, False])


def mask_forms() -> dict[str, Tensor]:
    """The shapes of masks that broadcast to (B, h, T_q, T_k)."""
    rows = torch.tensor([[1, 0, 1], [1, 1, 0], [0, 1, 1], [0, 0, 1]], dtype=torch.bool)  # one for each sentence
    full = torch.rand(B, H, T_Q, T_K, generator=torch.Generator().manual_seed(2)) < 0.5
    full[..., 1], full[..., 2] = True, False
    full[::2, :, 0] = full[::2, :, 0].flip(-1)
    return {
        "mask (T_k,)": torch.tensor([True, True, False]),
        "mask (T_q, T_k)": mask_2x3(),
        "mask (B, 1, 1, T_k)": rows[:, None, None],
        "mask (B, 1, T_q, T_k)": torch.stack([rows, rows.flip(0)], 1)[:, None],
        "mask (h, T_q, T_k)": full[0],
        "mask (B, h, T_q, T_k)": full,
    }


MASK_FORMS = tuple(mask_forms())
WITHOUT_MASK = ("plain", "batch", "heads", "square")


def gradients_of(out: Tensor, inputs: dict[str, Tensor]) -> dict[str, Tensor | None]:
    """Of a random mixture of the output, with respect to each input; None where it does not depend on it."""
    if not out.requires_grad:
        return {f"gradient of {name}": None for name in inputs}
    mixture = (out * random(*out.shape, seed=6, dtype=out.dtype)).sum()
    found = torch.autograd.grad(mixture, list(inputs.values()), allow_unused=True)
    return {f"gradient of {name}": gradient for name, gradient in zip(inputs, found, strict=True)}


# --- ways to get the weights wrong ---


def fill(scores: Tensor, mask: Tensor | None, number: float = -math.inf) -> Tensor:
    return scores if mask is None else scores.masked_fill(~mask, number)


def masked_softmax(scores: Tensor, mask: Tensor | None) -> Tensor:
    return fill(scores, mask).softmax(-1)


def over_axis(scores: Tensor, mask: Tensor | None, axis: int) -> Tensor:
    return fill(scores, mask, -1e9).softmax(axis)


def over_torchs_choice(scores: Tensor, mask: Tensor | None) -> Tensor:
    return fill(scores, mask, -1e9).softmax(0 if scores.dim() in (0, 1, 3) else 1)


def over_the_whole_matrix(scores: Tensor, mask: Tensor | None) -> Tensor:
    return fill(scores, mask).flatten(-2).softmax(-1).unflatten(-1, scores.shape[-2:])


def over_everything(scores: Tensor, mask: Tensor | None) -> Tensor:
    return fill(scores, mask).flatten().softmax(-1).reshape(scores.shape)


def inverted(scores: Tensor, mask: Tensor | None) -> Tensor:
    return (scores if mask is None else scores.masked_fill(mask, -1e9)).softmax(-1)


def unmasked(scores: Tensor, mask: Tensor | None) -> Tensor:
    return scores.softmax(-1)


def masked_late(scores: Tensor, mask: Tensor | None) -> Tensor:
    weights = scores.softmax(-1)
    return weights if mask is None else weights * mask


def masked_late_and_normalised(scores: Tensor, mask: Tensor | None) -> Tensor:
    weights = masked_late(scores, mask)
    return weights / weights.sum(-1, keepdim=True)


def times_mask(scores: Tensor, mask: Tensor | None) -> Tensor:
    return (scores if mask is None else scores * mask).softmax(-1)


def times_mask_zero_forbidden(scores: Tensor, mask: Tensor | None) -> Tensor:
    scores = scores if mask is None else scores * mask
    return scores.masked_fill(scores == 0, -math.inf).softmax(-1)


def plus_mask(scores: Tensor, mask: Tensor | None) -> Tensor:
    return (scores if mask is None else scores + mask).softmax(-1)


def weakly_masked(scores: Tensor, mask: Tensor | None) -> Tensor:
    return fill(scores, mask, -100.0).softmax(-1)


def transposed_mask(scores: Tensor, mask: Tensor | None) -> Tensor:
    return fill(scores, None if mask is None else mask.mT, -1e9).softmax(-1)


def causal_without_mask(scores: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None and scores.size(-1) == scores.size(-2):
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    return masked_softmax(scores, mask)


def infinity_times_zero(scores: Tensor, mask: Tensor | None) -> Tensor:
    return (scores if mask is None else scores + (~mask).to(scores.dtype) * -math.inf).softmax(-1)


def unshared(scores: Tensor, mask: Tensor | None) -> Tensor:
    return scores if mask is None else scores * mask


def divided_by_sum(scores: Tensor, mask: Tensor | None) -> Tensor:
    scores = fill(scores, mask, 0.0)
    return scores / scores.sum(-1, keepdim=True)


def sigmoid(scores: Tensor, mask: Tensor | None) -> Tensor:
    return fill(scores, mask).sigmoid()


def logarithms(scores: Tensor, mask: Tensor | None) -> Tensor:
    return fill(scores, mask, -1e9).log_softmax(-1)


def softmin(scores: Tensor, mask: Tensor | None) -> Tensor:
    return fill(-scores, mask).softmax(-1)


def twice(scores: Tensor, mask: Tensor | None) -> Tensor:
    return masked_softmax(masked_softmax(scores, mask), None)


def hard(scores: Tensor, mask: Tensor | None) -> Tensor:
    return torch.nn.functional.one_hot(fill(scores, mask).argmax(-1), scores.size(-1)).to(scores.dtype)


def powers_of_two(scores: Tensor, mask: Tensor | None) -> Tensor:
    return masked_softmax(scores * math.log(2), mask)


def exponential_as_it_is(scores: Tensor, mask: Tensor | None) -> Tensor:
    weights = fill(scores, mask).exp()
    return weights / weights.sum(-1, keepdim=True)


def one_maximum_for_all(scores: Tensor, mask: Tensor | None) -> Tensor:
    scores = fill(scores, mask)
    return exponential_as_it_is(scores - scores.max(), None)


def clamped(scores: Tensor, mask: Tensor | None) -> Tensor:
    return masked_softmax(scores.clamp(-10, 10), mask)


# --- signs ---


def scores_found(seen: Observations, scores: Tensor) -> Tensor | None:
    """The scores that the softmax got with a mask; None if nothing leaks or permitted ones were changed."""
    mask, weights = mask_2x3(), tensor(seen["masked"], "weights").double()
    if not alike(weights.sum(-1), torch.ones(T_Q)) or not (weights > 1e-25).all():
        return None
    found = weights.log() + (scores - weights.log())[:, 1:2]  # the middle key is permitted in both rows
    return found if alike(found[mask], scores[mask], 0.005) else None


def fill_found(seen: Observations, scores: Tensor) -> float | None:
    """The number that stands in the place of each forbidden score, if it is one and the same."""
    return _one_number(scores_found(seen, scores), mask_2x3())


def amount_found(seen: Observations, scores: Tensor) -> float | None:
    """The amount by which each forbidden score is lowered, if it is one and the same."""
    found = scores_found(seen, scores)
    return None if found is None else _one_number(scores - found, mask_2x3())


def _one_number(numbers: Tensor | None, mask: Tensor) -> float | None:
    if numbers is None or numbers[~mask].max() - numbers[~mask].min() > 0.01:
        return None
    return float(numbers[~mask].mean())


def overflowed(seen: Observations, signs: Signs) -> bool:
    """Not a number where scores are large."""
    return signs.right(seen, "plain") and bool(tensor(seen["large"], "weights")[0].isnan().any())


def underflowed(seen: Observations, signs: Signs) -> bool:
    """Nothing, or not a number, in a row that lies far below another."""
    high, low = tensor(seen["large"], "weights").sum(-1)
    return signs.right(seen, "plain") and alike(high, torch.ones(())) and not abs(float(low)) > 0.01


def flattened(seen: Observations, signs: Signs, scores: Tensor) -> bool:
    """Rows of large scores sum to 1, and are not as sharp as they should be; small scores come out nearly right."""
    weights = tensor(seen["large"], "weights")
    blunt = alike(weights.sum(-1), torch.ones(T_Q)) and bool((weights.amax(-1) < 0.99).any())
    return blunt and signs.wrong(seen, "large") and small_scores_kept(seen, scores)


def small_scores_kept(seen: Observations, scores: Tensor) -> bool:
    return alike(tensor(seen["masked"], "weights"), masked_softmax(scores, mask_2x3()).float(), 0.02)


def nothing_left(seen: Observations, signs: Signs, scores: Tensor) -> bool:
    """Where forbidden scores are far above the permitted ones nothing remains to be divided by."""
    sums = tensor(seen["large and masked"], "weights").sum(-1)
    return signs.right(seen, "large") and small_scores_kept(seen, scores) and not bool((sums.abs() > 0.01).any())


def too_weak(seen: Observations, signs: Signs, scores: Tensor) -> bool:
    """A number that is low, but another score may be lower."""
    number = fill_found(seen, scores)
    if number is not None:
        return number < -0.05
    lowered = amount_found(seen, scores)
    if lowered is not None:
        return lowered > 1.05  # less is what a mask that is added makes
    weights = tensor(seen["large and masked"], "weights")
    return signs.right(seen, "masked") and bool((weights[~mask_2x3()] > 0.01).all())


def applied_late(seen: Observations, scores: Tensor) -> bool:
    """Permitted keys have the weights that they have without a mask, forbidden ones have others."""
    mask, weights, free = mask_2x3(), tensor(seen["masked"], "weights"), scores.softmax(-1).float()
    return alike(weights[mask], free[mask]) and bool(((weights - free)[~mask].abs() > 1e-3).all())


def full_masks_only(seen: Observations, signs: Signs) -> bool:
    return signs.right(seen, *WITHOUT_MASK, "masked", MASK_FORMS[-1]) and signs.wrong(seen, *MASK_FORMS[:-1])


def two_axes_are_padding(seen: Observations, signs: Signs) -> bool:
    return signs.right(seen, *WITHOUT_MASK, *MASK_FORMS[2:4]) and signs.wrong(seen, "mask (T_q, T_k)", "causal")


def some_forms_only(seen: Observations, signs: Signs) -> bool:
    """Whether it goes wrong depends on the mask's shape, or axes do not fit. Misread everywhere is another matter."""
    forms = ("masked", "square mask", *MASK_FORMS)
    right = [name for name in forms if signs.right(seen, name)]
    odd = [name for name in forms if name not in right]
    return (
        signs.right(seen, *WITHOUT_MASK) and bool(odd) and (bool(right) or all(other_axes(seen, name) for name in odd))
    )


def other_axes(seen: Observations, name: str) -> bool:
    """It raised, or has more or fewer axes than it should."""
    axes = 4 if name in MASK_FORMS else 2
    return raises(seen, name) or tensor(seen[name], "out").dim() != axes


def causal_of_itself(seen: Observations) -> bool:
    weights = tensor(seen["square"], "weights")
    future = torch.ones(4, 4, dtype=torch.bool).triu(1)
    return bool((weights[..., future].abs() < 1e-6).all() and (weights[..., ~future] > 1e-6).all())


def mask_turned(seen: Observations, scores: Tensor) -> bool:
    """Of the square mask the last two axes are exchanged."""
    return alike(tensor(seen["square mask"], "weights"), fill(scores, mask_4x4().mT).softmax(-1).float())


def another_type(seen: Observations, signs: Signs) -> bool:
    """Right in single precision; in double it fails, or what it returns is not of that type."""
    found = seen["float64"]
    types = {one.dtype for one in found.values() if isinstance(one, Tensor)}
    odd = bool(types - {torch.float64}) or raises(seen, "float64", "dtype", "scalar type")
    return odd and signs.right(seen, "plain", "masked")


def not_a_number(seen: Observations) -> bool:
    """NaN wherever there is a mask, and only there."""
    masked = tensor(seen["masked"], "out").isnan().all() and tensor(seen["causal"], "out").isnan().all()
    return bool(masked) and not tensor(seen["plain"], "out").isnan().any()


def share_mistakes(
    build: Build, signs: Signs, scores: Callable[[], Tensor], square_scores: Callable[[], Tensor]
) -> tuple[Mistake, ...]:
    """The mistakes between scores and weights.

    Args:
        build: makes an attention out of a way to share
        signs: of the exercise
        scores: of the probe "masked", in double precision
        square_scores: of the probe "square mask"
    """
    return (
        Mistake(
            "softmax_over_queries",
            "The softmax runs over the queries (axis -2). Each *query* shares itself out among the keys, so each "
            "row must sum to 1: axis -1.",
            build(partial(over_axis, axis=-2)),
            section="mistakes",
        ),
        Mistake(
            "softmax_over_a_fixed_axis",
            "The softmax runs over an axis counted from the front. With a batch and heads in front it is another "
            "one; count from the back: -1.",
            build(partial(over_axis, axis=1)),
            section="mistakes",
        ),
        Mistake(
            "softmax_over_the_first_axis",
            "The softmax runs over the first axis, the batch: sentences compete with each other. Count from the "
            "back: -1.",
            build(partial(over_axis, axis=0)),
            section="mistakes",
        ),
        Mistake(
            "softmax_without_an_axis",
            "The softmax was not told its axis. Then PyTorch chooses one by the number of axes (and warns): with "
            "three it is the batch. Say `dim=-1`.",
            build(over_torchs_choice),
            section="mistakes",
        ),
        Mistake(
            "softmax_over_the_whole_matrix",
            "The softmax runs over queries and keys together, so that the whole matrix sums to 1. Each row is a "
            "distribution of its own: axis -1.",
            build(over_the_whole_matrix),
            section="mistakes",
        ),
        Mistake(
            "softmax_over_everything",
            "The softmax runs over all numbers there are, those of the other sentences included. Each row is a "
            "distribution of its own: axis -1.",
            build(over_everything),
            section="mistakes",
        ),
        Mistake(
            "mask_inverted",
            "The mask is read the other way round. Here True means *may be looked at*; in nn.MultiheadAttention's "
            "masks True means the opposite.",
            build(inverted),
            source="torch.nn.MultiheadAttention's attn_mask, against that of F.scaled_dot_product_attention",
            section="mask",
            convention=True,
        ),
        Mistake(
            "mask_ignored",
            "The mask makes no difference: forbidden keys are looked at like all others.",
            build(unmasked),
            section="mask",
        ),
        Mistake(
            "mask_after_softmax",
            "The mask is applied to the weights, after the softmax (or after the sum by which they are divided was "
            "taken). The forbidden keys have taken their share by then: the rows no longer sum to 1. Mask the "
            "scores.",
            build(masked_late),
            seen=lambda seen: applied_late(seen, scores()),
            section="mistakes",
        ),
        Mistake(
            "mask_after_softmax_then_normalised",
            "The weights are masked after the softmax and then divided by what is left. That is right as long as "
            "something is left: where a forbidden score is far above the permitted ones, it is 0 / 0. Mask the "
            "scores.",
            build(masked_late_and_normalised),
            seen=lambda seen: nothing_left(seen, signs, scores()),
            section="mistakes",
        ),
        Mistake(
            "forbidden_scores_set_to_zero",
            "Forbidden scores are set to 0 (or nearly: by a product with the mask, by 1e-9 in place of -1e9, by "
            "`finfo.tiny`, which is the smallest *positive* number). But exp(0) = 1: a score of 0 is no refusal, it "
            "may even be the largest of all.",
            build(times_mask),
            section="mask",
        ),
        Mistake(
            "zero_scores_taken_for_forbidden",
            "After a product of scores and mask, every 0 is taken for forbidden. A permitted score may be 0 as well "
            "(that of a zero vector is). Ask the mask, not the scores.",
            build(times_mask_zero_forbidden),
            seen=lambda seen: signs.wrong(seen, "zeros") and signs.right(seen, *WITHOUT_MASK, "masked", *MASK_FORMS),
            section="mask",
        ),
        Mistake(
            "mask_added_to_scores",
            "The boolean mask is added to the scores, which makes permitted ones larger by 1. Adding works for "
            "masks of 0 and minus infinity.",
            build(plus_mask),
            section="mask",
        ),
        Mistake(
            "mask_not_strong_enough",
            "Forbidden scores get a number that is low but not low enough: where the permitted scores are low, too, "
            "weight leaks. Use minus infinity, or the lowest number of the type.",
            build(weakly_masked),
            seen=lambda seen: too_weak(seen, signs, scores()),
            section="mask",
        ),
        Mistake(
            "infinity_times_zero",
            "The mask is multiplied by minus infinity. Where it is 0, the product is not 0 but NaN, and one NaN "
            "makes the whole row NaN. Use `masked_fill` or `where`.",
            build(infinity_times_zero),
            seen=not_a_number,
            section="mistakes",
        ),
        Mistake(
            "mask_transposed",
            "The last two axes of the mask are exchanged: what it says about query i and key j is taken for query j "
            "and key i. Rows are queries.",
            build(transposed_mask),
            seen=lambda seen: mask_turned(seen, square_scores()),
            section="mask",
        ),
        Mistake(
            "always_causal",
            "Later keys are forbidden though no mask says so. The encoder, and the decoder where it looks at the "
            "encoder, see everything: what is forbidden is for the caller to say.",
            build(causal_without_mask),
            seen=causal_of_itself,
            section="mask",
        ),
        Mistake(
            "mask_must_have_every_axis",
            "The mask is used as an index or reshaped, and so must have the full shape of the scores. It may be "
            "given with fewer or shorter axes and is to be broadcast: `masked_fill` and `where` do.",
            seen=lambda seen: full_masks_only(seen, signs),
            section="mask",
        ),
        Mistake(
            "mask_of_two_axes_taken_for_padding",
            "A mask of two axes is taken for one (B, T_k). The last two axes of a mask are always queries and keys, "
            "so it is (T_q, T_k); one about sentences comes as (B, 1, 1, T_k).",
            seen=lambda seen: two_axes_are_padding(seen, signs),
            section="mask",
        ),
        Mistake(
            "mask_asked_for_truth",
            "`if mask:` (or `not mask`, `mask or ...`) asks a whole tensor whether it is true, which PyTorch "
            "refuses. Ask `if mask is not None:`.",
            seen=raises_anywhere("Boolean value of Tensor"),
            section="mask",
        ),
        Mistake(
            "arithmetic_with_booleans",
            "The mask is of booleans: `1 - mask` and `-mask` are not defined for them. The opposite of a mask is "
            "`~mask`.",
            seen=raises_anywhere("with a bool tensor is not supported", "with two bool tensors is not supported"),
            section="mask",
        ),
        Mistake(
            "mask_of_some_shapes_only",
            "Some masks work and others do not, according to their shape: an axis is added, taken away or taken for "
            "granted. All that broadcast to (..., T_q, T_k) should work, and they do if the mask is left as it is.",
            seen=lambda seen: some_forms_only(seen, signs),
            section="mask",
        ),
        Mistake(
            "mask_remembered",
            "A mask of an earlier call is used again where none is given. Nothing may be kept from one call to the "
            "next.",
            seen=lambda seen: signs.wrong(seen, "after a mask") and signs.right(seen, "plain", "masked", "heads"),
            section="mask",
        ),
        Mistake(
            "no_softmax",
            "The scores themselves are used as weights. They may be negative and need not sum to 1.",
            build(unshared),
            section="formula",
        ),
        Mistake(
            "divided_by_the_sum",
            "The scores are divided by their sum without the exponential. They may be negative, so that sum may be "
            "near 0.",
            build(divided_by_sum),
            section="formula",
        ),
        Mistake(
            "sigmoid_for_softmax",
            "A sigmoid looks at each score alone. Attention shares 1 out among the keys: a softmax.",
            build(sigmoid),
            section="formula",
        ),
        Mistake(
            "log_softmax",
            "log_softmax returns logarithms of the weights; v needs the weights.",
            build(logarithms),
            section="formula",
        ),
        Mistake(
            "softmax_of_the_negative",
            "The sign is turned: the key that fits least gets the largest weight.",
            build(softmin),
            section="formula",
        ),
        Mistake(
            "softmax_twice",
            "The softmax is taken of weights that a softmax has made already. They lie between 0 and 1, so that the "
            "second one makes them nearly equal, and forbidden keys get weight again.",
            build(twice),
            section="formula",
        ),
        Mistake(
            "best_key_only",
            "All weight goes to the key with the largest score. Attention mixes: a softmax gives every permitted "
            "key its share, and only so is there a gradient.",
            build(hard),
            section="formula",
        ),
        Mistake(
            "powers_of_two",
            "The powers are those of 2; the softmax is made of powers of e.",
            build(powers_of_two),
            section="formula",
        ),
        Mistake(
            "exponential_overflows",
            "The exponential is taken as it stands: exp(89) is infinite in float32. Subtract the row's largest "
            "score first, or leave it to softmax.",
            build(exponential_as_it_is),
            seen=lambda seen: overflowed(seen, signs),
            section="formula",
        ),
        Mistake(
            "one_maximum_for_all_rows",
            "The largest score of the whole tensor is subtracted before the exponential. In a row that lies far "
            "below it all exponentials are 0, and 0 / 0 is NaN. Each row has its own maximum: `amax(-1, "
            "keepdim=True)`.",
            build(one_maximum_for_all),
            seen=lambda seen: underflowed(seen, signs),
            section="formula",
        ),
        Mistake(
            "scores_clamped",
            "Large scores are cut off (clamp, tanh), so that the softmax cannot become sure of anything. It needs "
            "no such help: subtracting the row's maximum changes nothing and is enough.",
            build(clamped),
            seen=lambda seen: flattened(seen, signs, scores()),
            section="formula",
        ),
    )
