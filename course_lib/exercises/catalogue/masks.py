"""Which keys a query may attend to: the causal mask and the padding mask (3.1, 3.2.3)."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.catalogue.truth import Sign, Truth, equal, number_for_tensor, returns, tensor
from course_lib.exercises.exercise import Card, Exercise, Mistake, Observation, Observations, Probe
from course_lib.exercises.trial import Answer, Trial, tensors, value
from course_lib.masks import causal_mask, padding_mask

QUICK = 0.005  # seconds: who is slower than that for a small mask (two loops over a tensor) is not asked for large ones


# --- the causal mask ---


def matrix(answer: Any) -> Tensor:
    """The mask without leading axes of size one: (n, n), (1, n, n) and (1, 1, n, n) broadcast alike."""
    (mask,) = tensors(answer, 1)
    while mask.dim() > 2 and mask.size(0) == 1:
        mask = mask[0]
    return mask


def sees(n: int) -> Callable[[Trial], Observation]:
    return lambda trial: trial.seen(mask=matrix(trial.call(None, n)))


def truth_values(answer: Any) -> Tensor:
    (mask,) = tensors(answer, 1)
    if mask.dtype != torch.bool:
        raise Answer(f"The mask is of type {str(mask.dtype)[6:]}, where truth values are asked for.")
    return mask


def forty(trial: Trial) -> Observation:
    return trial.seen(mask=matrix(trial.once(None, 40)))


def in_turn(trial: Trial) -> Observation:
    """A larger one, a smaller one, and the larger one again: nothing may be left over."""
    masks = {
        f"mask_of_{n}_{when}": value(matrix(trial.once(None, n)))
        for n, when in ((6, "first"), (4, "then"), (6, "at last"))
    }
    return trial.seen(**masks)


def in_use(trial: Trial) -> Observation:
    """As it is used: joined with a padding mask, inverted, filled into scores."""
    mask = truth_values(trial.once(None, 3))
    real = torch.tensor([[True, True, False], [True, True, True]])[:, None, None, :]
    scores = torch.zeros(2, 2, 3, 3).masked_fill(~(mask & real), -math.inf)
    return trial.seen(attention_weights=scores.softmax(-1))


def large(trial: Trial) -> Observation:
    """Sizes that a table of fixed size does not have; the first that is wrong."""
    wrong: int | str = 0
    if min(timed(trial, 20)[0] for _ in range(2)) < QUICK:
        wrong = wrong_entries(timed(trial, 130)[1], 130) or wrong_entries(timed(trial, 1100)[1], 1100)
    return trial.seen(wrong_entries=wrong)


def timed(trial: Trial, n: int) -> tuple[float, Tensor]:
    began = time.perf_counter()
    mask = matrix(trial.once(None, n))
    return time.perf_counter() - began, mask


def wrong_entries(mask: Tensor, n: int) -> int | str:
    if mask.shape != (n, n):
        return f"the shape {tuple(mask.shape)}"
    place = torch.arange(n)
    return int((mask != (place[None, :] <= place[:, None])).sum())


CAUSAL_PROBES = (
    Probe("three", sees(3), "The mask is not right.", "n = 3"),
    Probe("two", sees(2), "For two places the mask is not right.", "n = 2"),
    Probe("one", sees(1), "For a single place the mask is not right.", "n = 1"),
    Probe("five", sees(5), "For five places the mask is not right.", "n = 5"),
    Probe("in use", in_use, "Joined with a padding mask it does not give the right weights.", "n = 3"),
    Probe("in turn", in_turn, "Asked for several sizes in turn, it is not right.", "n = 6, then 4, then 6"),
    Probe("forty", forty, "For forty places the mask is not right.", "n = 40"),
    Probe("large", large, "For many places the mask is not right.", "n = 130 or 1100"),
)
CAUSAL = Truth(causal_mask, CAUSAL_PROBES)


def ones(n: int) -> Tensor:
    return torch.ones(n, n, dtype=torch.bool)


def first_row_patched(n):  # type: ignore[no-untyped-def]
    mask = ones(n).tril(-1)
    mask[0, 0] = True
    return mask


def first_column_hidden(n):  # type: ignore[no-untyped-def]
    mask = ones(n).tril()
    mask[1:, 0] = False
    return mask


def last_row_empty(n):  # type: ignore[no-untyped-def]
    mask = ones(n).tril()
    mask[-1] = False
    return mask


def first_row_empty(n):  # type: ignore[no-untyped-def]
    mask = ones(n).tril()
    mask[0] = False
    return mask


def every_other(n):  # type: ignore[no-untyped-def]
    place = torch.arange(n)
    return ((place[:, None] - place) % 2 == 0).tril()


def eight_bits(n):  # type: ignore[no-untyped-def]
    place = torch.arange(n).to(torch.int8)
    return place[None, :] <= place[:, None]


def all_but_itself(n):  # type: ignore[no-untyped-def]
    return ~torch.eye(n, dtype=torch.bool)


def band(seen: Observations) -> bool:
    """Nothing of the future, and of the past only so many places."""
    mask = tensor(seen, "forty", "mask")
    width = int(mask[-1].sum()) if mask.shape == (40, 40) else 0
    return 1 < width < 40 and equal(mask, ones(40).tril() & ones(40).triu(1 - width))


def neighbours(seen: Observations) -> bool:
    """So many places to both sides."""
    mask = tensor(seen, "forty", "mask")
    width = int(mask[0].sum()) if mask.shape == (40, 40) else 0
    return 1 < width < 40 and equal(mask, ones(40).tril(width - 1) & ones(40).triu(1 - width))


def prefix(seen: Observations) -> bool:
    """Some first columns are visible to everyone."""
    mask = tensor(seen, "forty", "mask")
    width = int(mask[0].sum()) if mask.shape == (40, 40) else 0
    return 1 < width < 40 and equal(mask, ones(40).tril() | (torch.arange(40) < width))


def size_is(other: Callable[[int], tuple[int, ...]]) -> Sign:
    """Each mask has another shape than (n, n)."""
    return lambda seen: all(
        tuple(tensor(seen, name, "mask").shape) == other(n) for name, n in (("three", 3), ("five", 5), ("forty", 40))
    )


def fixed_size(seen: Observations) -> bool:
    """One and the same shape for all, and not that of the first mask that was asked for."""
    shapes = {tuple(tensor(seen, name, "mask").shape) for name in ("three", "five", "forty")}
    return len(shapes) == 1 and (3, 3) not in shapes


def limited_size(seen: Observations) -> bool:
    """Small ones are right; a large one is cut, or fails."""
    found = seen["large"]
    cut = any(isinstance(one, str) for key, one in found.items() if not key.startswith("_"))
    return CAUSAL.right(seen, "three", "five") and (cut or "error" in found)


def left_over(seen: Observations) -> bool:
    """The mask that was asked for first is right, and comes back whatever is asked for later."""
    return CAUSAL.right(seen, "three") and equal(tensor(seen, "two", "mask"), ones(3).tril())


def mixed_up_in_turn(seen: Observations) -> bool:
    return CAUSAL.wrong(seen) == {"in turn"}


# --- signs of both masks ---


def no_truth_values(probe: str, *types: torch.dtype) -> Sign:
    """Two numbers of such a type (none given: of any but the eight-bit ones)."""

    def sign(seen: Observations) -> bool:
        mask = tensor(seen, probe, "mask")
        wanted = mask.dtype in types if types else mask.dtype not in (torch.bool, torch.uint8, torch.int8)
        return wanted and len(mask.unique()) <= 2

    return sign


def additive(probe: str) -> Sign:
    """Zeros, and numbers so low that the softmax makes nothing of them."""

    def sign(seen: Observations) -> bool:
        mask = tensor(seen, probe, "mask")
        return mask.is_floating_point() and bool(((mask == 0) | (mask < -999)).all()) and bool((mask != 0).any())

    return sign


def both(probe: str) -> tuple[Mistake, ...]:
    """What can be wrong with any mask."""
    return (
        Mistake(
            "returns_a_numpy_array",
            "The mask is a numpy array. Scores are torch tensors: torch.from_numpy makes a tensor of it.",
            seen=returns("ndarray"),
        ),
        Mistake(
            "returns_a_list",
            "The mask is a list of Python lists. `masked_fill` and `&` need a tensor: torch.tensor(rows) makes one.",
            seen=returns("list"),
        ),
        Mistake(
            "returns_several_things",
            "More than the mask is returned. One tensor is asked for.",
            seen=returns("tuple", "dict"),
        ),
        Mistake(
            "additive_mask",
            "The mask is 0 where one may look, and minus infinity or a very low number elsewhere, to be "
            "added to the scores. Here a mask is boolean, True where one may look; who uses it fills the "
            "scores.",
            seen=additive(probe),
            source="nn.Transformer.generate_square_subsequent_mask; the additive masks of Hugging Face Transformers",
            convention=True,
        ),
        Mistake(
            "eight_bit_numbers",
            "The mask is made of numbers of eight bits, as it was before torch had booleans. `~` turns its "
            "1 into 254, not into 0: say dtype=torch.bool, or compare.",
            seen=no_truth_values(probe, torch.uint8, torch.int8),
            source="torch before 1.2, and code written for it",
        ),
        Mistake(
            "numbers_not_truth_values",
            "The mask is made of numbers, 0 and 1 for instance, where truth values are asked for: `~` and "
            "`masked_fill` want booleans. Say dtype=torch.bool, or end with a comparison.",
            seen=no_truth_values(probe),
        ),
    )


CAUSAL_MISTAKES = (
    *both("three"),
    Mistake(
        "axis_behind",
        "The mask is (n, n, 1). Scores are (B, h, T_q, T_k): sizes are matched from the last axis on, "
        "so new axes go in front.",
        seen=lambda seen: size_is(lambda n: (n, n, 1))(seen) or tensor(seen, "three", "mask").shape == (3, 3, 1, 1),
    ),
    Mistake(
        "axis_between",
        "The mask is (n, 1, n): the axes of queries and keys must be the last two, side by side. New axes go in front.",
        seen=lambda seen: (
            tensor(seen, "three", "mask").dim() > 2 and tensor(seen, "three", "mask").shape[-2:] == (1, 3)
        ),
    ),
    Mistake(
        "flat_mask",
        "The mask is a vector. Each pair of a query and a key has an entry: (n, n).",
        seen=lambda seen: tensor(seen, "three", "mask").dim() == 1 and tensor(seen, "three", "mask").numel() in (6, 9),
    ),
    Mistake(
        "one_row",
        "There is only one row. Each of the n queries needs a row of its own: it sees one key more than "
        "the one before.",
        seen=lambda seen: size_is(lambda n: (1, n))(seen) or size_is(lambda n: (n,))(seen),
    ),
    Mistake(
        "one_column",
        "There is only one column. Queries are rows and keys are columns: (n, n).",
        seen=size_is(lambda n: (n, 1)),
    ),
    Mistake(
        "one_too_large",
        "The mask is (n + 1, n + 1). n is the number of places, with BOS in it already: the shifted "
        "input is as long as the target.",
        seen=size_is(lambda n: (n + 1, n + 1)),
    ),
    Mistake(
        "one_too_small",
        "The mask is (n - 1, n - 1). There are n places, the last one included.",
        seen=size_is(lambda n: (n - 1, n - 1)),
    ),
    Mistake(
        "size_written_in",
        "The mask has the same size whatever n is. Make it from n, or cut n rows and n columns out of a larger one.",
        seen=fixed_size,
    ),
    Mistake(
        "size_limited",
        "Masks up to some size are right, larger ones are too small or fail: they are cut from a table "
        "of fixed size. Make the mask for the n that is asked for.",
        seen=limited_size,
    ),
    Mistake(
        "kept_from_an_earlier_call",
        "The mask of an earlier call is given back, though another size is asked for. If masks are "
        "kept, keep one for each n.",
        seen=left_over,
    ),
    Mistake(
        "sizes_get_mixed_up",
        "A small mask after a large one, or the other way round, is not right: something is kept "
        "between calls. Make the mask from n alone.",
        seen=mixed_up_in_turn,
    ),
    Mistake(
        "only_some_of_the_past",
        "Each place sees only the last few places before it. That is local attention, a window; the "
        "paper's decoder sees everything up to itself, however far back.",
        seen=band,
        source="sliding windows, as in Longformer and Mistral",
        convention=True,
    ),
    Mistake(
        "neighbours_on_both_sides",
        "Each place sees a few neighbours on both sides, also later ones. In the decoder nothing that "
        "comes later may be seen, and everything that comes before may.",
        seen=neighbours,
    ),
    Mistake(
        "batch_written_in",
        "The mask has an axis in front that is larger than one: a number of sentences or heads is "
        "written into the code. Leave such axes away, or give them the size one: broadcasting repeats "
        "them.",
        seen=lambda seen: (
            tensor(seen, "three", "mask").dim() > 2 and tensor(seen, "three", "mask").shape[-2:] == (3, 3)
        ),
    ),
    Mistake(
        "first_places_visible_to_all",
        "The first places are visible to everyone, also to those before them. That is a language model "
        "with a prefix; in this decoder place i sees the places j <= i and no others.",
        seen=prefix,
        source="prefix language models, as in T5 and UniLM",
        convention=True,
    ),
    Mistake(
        "inverted",
        "True stands where one may *not* look. Here True means *may*, as in "
        "F.scaled_dot_product_attention; nn.MultiheadAttention and nn.Transformer read it the other way "
        "round.",
        lambda n: ones(n).triu(1),
        source="attn_mask of torch.nn.MultiheadAttention",
        convention=True,
    ),
    Mistake(
        "without_itself",
        "A place does not see itself: j < i. The decoder's input is shifted by one place already, so "
        "itself is the word *before* the one to predict; and the first row would be empty.",
        lambda n: ones(n).tril(-1),
    ),
    Mistake(
        "one_ahead",
        "Place i also sees place i + 1. In the shifted input that is the very word it should predict. "
        "The diagonal is the last that is permitted: `tril` without a second argument.",
        lambda n: ones(n).tril(1),
    ),
    Mistake(
        "transposed",
        "Each place sees itself and the *later* ones: rows and columns are swapped. Row i is the query, "
        "column j the key, and j <= i: the lower triangle.",
        lambda n: ones(n).triu(),
    ),
    Mistake("everything_visible", "Everything may be seen, the future too. Keep only j <= i.", ones),
    Mistake(
        "nothing_visible",
        "Nothing may be seen at all. The triangle of a matrix of zeros is zero: begin with ones.",
        lambda n: ~ones(n),
    ),
    Mistake(
        "only_itself",
        "A place sees only itself. It should see all before it as well: the lower triangle, not the diagonal.",
        lambda n: torch.eye(n, dtype=torch.bool),
    ),
    Mistake(
        "all_but_itself",
        "A place sees all others and not itself. It should see itself and those before it, none after it.",
        all_but_itself,
    ),
    Mistake(
        "inverted_and_one_ahead",
        "True stands for j > i + 1: where one may *not* look, and one place too late besides. Asked for "
        "is True where one may, j <= i.",
        lambda n: ones(n).triu(2),
    ),
    Mistake(
        "first_row_patched",
        "Places do not see themselves, only the first one does, so that its row is not empty. The empty "
        "row was a sign: the diagonal belongs to what may be seen.",
        first_row_patched,
    ),
    Mistake(
        "first_place_hidden",
        "Only the first place sees the first place. BOS, which stands there, may be looked at like all others.",
        first_column_hidden,
    ),
    Mistake(
        "last_row_missing",
        "The last row is empty: a loop ends too early. `range(n)` goes to n - 1, which is the last row already.",
        last_row_empty,
    ),
    Mistake(
        "first_row_missing",
        "The first row is empty: a loop begins with 1. Rows are counted from 0, and the first place sees itself.",
        first_row_empty,
    ),
    Mistake(
        "upside_down",
        "The rows come in reverse order: the first place sees all, the last only the first. The first "
        "row has one True, the last has n.",
        lambda n: ones(n).tril().flip(0),
    ),
    Mistake(
        "mirrored",
        "The columns come in reverse order: the triangle leans on the wrong diagonal. Place i sees the keys 0 to i.",
        lambda n: ones(n).tril().flip(1),
    ),
    Mistake(
        "every_other_place",
        "Only every other place of the past may be seen. The paper's decoder sees all of them.",
        every_other,
        source="strided patterns, as in Sparse Transformers",
        convention=True,
    ),
    Mistake(
        "squeezed",
        "`squeeze()` takes away every axis of size one, and for n = 1 there are no others. The last two "
        "axes are (n, n), also then.",
        lambda n: ones(n).tril().squeeze(),
    ),
    Mistake(
        "places_in_eight_bits",
        "Places are counted in a type that ends at 127: after that they are negative. Leave torch.arange its int64.",
        eight_bits,
    ),
    Mistake(
        "no_single_place",
        "For n = 1 it fails. A mask of one place is [[True]]: BOS, the first input, sees itself.",
        seen=CAUSAL.raises_only_in("one"),
    ),
)


# --- the padding mask ---

SHAPE_PROBE = "two sentences"


def shows(ids: list[list[int]] | Tensor, pad_id: int) -> Callable[[Trial], Observation]:
    def run(trial: Trial) -> Observation:
        given = ids.clone() if isinstance(ids, Tensor) else torch.tensor(ids)
        return trial.seen(mask=tensors(trial.call(None, given, pad_id), 1)[0])

    return run


def large_ids(trial: Trial) -> Observation:
    """Ids that agree in their last eight bits; and Python keeps no second copy of numbers up to 256 only."""
    return trial.seen(
        mask_with_300_as_padding=tensors(trial.call(None, torch.tensor([[300, 44, 556, 300], [7, 300, 0, 8]]), 300), 1)[
            0
        ],
        mask_with_0_as_padding=tensors(
            trial.call(None, torch.tensor([[256, 512, 65_536, 0], [5, 70_000, 0, 0]]), 0), 1
        )[0],
    )


def views(trial: Trial) -> Observation:
    """Not contiguous: (T, B) transposed, and a part of a longer one."""
    ids = torch.tensor([[5, 8, 7], [6, 4, 0], [9, 0, 0], [7, 0, 0]])
    wide = torch.tensor([[5, 1, 6, 1, 0, 1], [7, 1, 0, 1, 0, 1]])
    return trial.seen(
        mask_of_a_transposed_tensor=tensors(trial.call(None, ids.t(), 0), 1)[0],
        mask_of_a_slice=tensors(trial.call(None, wide[:, ::2], 0), 1)[0],
    )


def two_calls(trial: Trial) -> Observation:
    """Two batches of one shape, which no other probe has; the first result is looked at again afterwards."""
    answer = tensors(
        trial.once(None, torch.tensor([[5, 6, 7, 8, 0, 0], [7, 8, 9, 4, 0, 0], [4, 0, 0, 0, 0, 0]]), 0), 1
    )[0]
    first = value(answer)
    batch = torch.tensor([[5, 0, 0, 0, 0, 0], [7, 8, 9, 4, 5, 6], [4, 5, 6, 0, 0, 0]])
    second = tensors(trial.once(None, batch, 0), 1)[0]
    return trial.seen(first=first, second=second, first_after_the_second_call=answer)


def long(trial: Trial) -> Observation:
    """100 tokens, and 2100 if that was quick: with a loop over all entries it would take too long."""
    wrong: int | str = 0
    for length in (100, 2100):
        ids = torch.randint(4, 90, (2, length), generator=torch.Generator().manual_seed(3))
        ids[0, length - 20 :] = ids[1, 3:] = 0
        began = time.perf_counter()
        mask = tensors(trial.once(None, ids, 0), 1)[0]
        took = time.perf_counter() - began
        expected = (ids != 0)[:, None, None, :]
        same_shape = mask.shape == expected.shape
        wrong = int((mask != expected).sum()) if same_shape else f"the shape {tuple(mask.shape)}"
        if wrong or took > QUICK:
            break
    return trial.seen(wrong_entries=wrong)


def in_attention(trial: Trial) -> Observation:
    """As it is used: joined with a causal mask, over scores of two heads."""
    mask = truth_values(trial.once(None, torch.tensor([[5, 6, 0], [7, 8, 9]]), 0))
    scores = torch.arange(36.0).reshape(2, 2, 3, 3).sin()
    return trial.seen(attention_weights=scores.masked_fill(~(mask & ones(3).tril()), -math.inf).softmax(-1))


def only_padding(trial: Trial) -> Observation:
    return trial.seen(mask=tensors(trial.call(None, torch.tensor([[5, 6, 0], [0, 0, 0]]), 0), 1)[0])


WITH_SPECIAL = [[5, 6, 3, 3], [0, 1, 9, 2], [7, 3, 3, 3]]
SOME = torch.tensor([[5, 6, 7, 8, 9, 4], [6, 7, 0, 0, 0, 0], [7, 8, 9, 4, 5, 0], [8, 0, 0, 0, 0, 0]])
PADDING_PROBES = (
    Probe(
        SHAPE_PROBE,
        shows([[5, 6, 0], [7, 8, 9]], 0),
        "The mask is not right.",
        "the ids [[5, 6, 0], [7, 8, 9]], pad_id = 0",
    ),
    Probe(
        "another padding id",
        shows(WITH_SPECIAL, 3),
        "With another padding id the mask is not right.",
        "the ids [[5, 6, 3, 3], [0, 1, 9, 2], [7, 3, 3, 3]], pad_id = 3",
    ),
    Probe("batch", shows(SOME, 0), "For a batch the mask is not right.", "ids (4, 6), pad_id = 0"),
    Probe(
        "square",
        shows([[5, 6, 0], [7, 0, 0], [8, 9, 4]], 0),
        "For as many sentences as tokens it is not right.",
        "(3, 3)",
    ),
    Probe(
        "padding in front",
        shows([[0, 0, 5, 6], [0, 7, 8, 9]], 0),
        "With the padding in front of the sentence the mask is not right.",
        "the ids [[0, 0, 5, 6], [0, 7, 8, 9]], pad_id = 0",
    ),
    Probe(
        "padding in between",
        shows([[5, 0, 6, 0, 7], [8, 9, 0, 0, 4], [0, 5, 0, 6, 0]], 0),
        "With padding between the tokens the mask is not right.",
        "the ids [[5, 0, 6, 0, 7], [8, 9, 0, 0, 4], [0, 5, 0, 6, 0]], pad_id = 0",
    ),
    Probe("no padding", shows([[4, 5], [6, 7], [8, 9]], 0), "Without any padding the mask is not right.", "ids (3, 2)"),
    Probe("one sentence", shows([[5, 6, 7, 0]], 0), "For a single sentence it is not right.", "the ids [[5, 6, 7, 0]]"),
    Probe(
        "one token",
        shows([[5], [6], [7]], 0),
        "For sentences of length one it is not right.",
        "the ids [[5], [6], [7]]",
    ),
    Probe("one by one", shows([[5]], 0), "For a single token the mask is not right.", "the ids [[5]]"),
    Probe("large ids", large_ids, "For ids from 256 on the mask is not right.", "ids up to 70,000"),
    Probe("int32", shows(SOME.int(), 0), "For int32 ids the mask is not right.", "int32 ids (4, 6), pad_id = 0"),
    Probe("views", views, "With a view (an input that is not contiguous) it is not right.", "a transposed tensor"),
    Probe("in attention", in_attention, "Joined with a causal mask it does not give the right weights.", "ids (2, 3)"),
    Probe("two calls", two_calls, "A second call is not independent of the first.", "two batches of ids (3, 6)"),
    Probe("long", long, "For long sentences the mask is not right.", "ids (2, 100) or (2, 2100), pad_id = 0"),
    Probe(
        "only padding", only_padding, "a sentence of nothing but padding gives something else", "(2, 3)", robust=True
    ),
)
PADDING = Truth(padding_mask, PADDING_PROBES)


def wide(real: Tensor) -> Tensor:
    return real[:, None, None, :]


def by_length(ids, pad_id):  # type: ignore[no-untyped-def]
    return wide(torch.arange(ids.size(1)) < (ids != pad_id).sum(1, keepdim=True))


def until_first_pad(ids, pad_id):  # type: ignore[no-untyped-def]
    return wide((ids != pad_id).long().cumprod(1).bool())


def until_last_token(ids, pad_id):  # type: ignore[no-untyped-def]
    return wide((ids != pad_id).flip(1).long().cumsum(1).flip(1) > 0)


def from_first_token(ids, pad_id):  # type: ignore[no-untyped-def]
    return wide((ids != pad_id).long().cumsum(1) > 0)


def last_token_hidden(ids, pad_id):  # type: ignore[no-untyped-def]
    real = ids != pad_id
    return wide(real & torch.cat([real[:, 1:], torch.zeros_like(real[:, :1])], 1))


def last_before_padding_hidden(ids, pad_id):  # type: ignore[no-untyped-def]
    real = ids != pad_id
    return wide(real & torch.cat([real[:, 1:], torch.ones_like(real[:, :1])], 1))


def first_pad_visible(ids, pad_id):  # type: ignore[no-untyped-def]
    real = ids != pad_id
    return wide(real | torch.cat([torch.ones_like(real[:, :1]), real[:, :-1]], 1))


def first_always_visible(ids, pad_id):  # type: ignore[no-untyped-def]
    return wide((ids != pad_id) | (torch.arange(ids.size(1)) == 0))


def first_never_visible(ids, pad_id):  # type: ignore[no-untyped-def]
    return wide((ids != pad_id) & (torch.arange(ids.size(1)) > 0))


def of_the_first_sentence(ids, pad_id):  # type: ignore[no-untyped-def]
    return (ids[0] != pad_id).expand(len(ids), 1, 1, -1)


def over_the_batch(how: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda ids, pad_id: wide(how(ids != pad_id, dim=0, keepdim=True).expand_as(ids))


def same_object(ids, pad_id):  # type: ignore[no-untyped-def]
    return wide(torch.tensor([[token is not pad_id for token in row] for row in ids.tolist()]))


def scrambled(ids, pad_id):  # type: ignore[no-untyped-def]
    return (ids != pad_id).t().reshape(ids.size(0), 1, 1, ids.size(1))


def last_place_hidden(ids, pad_id):  # type: ignore[no-untyped-def]
    return wide((ids != pad_id) & (torch.arange(ids.size(1)) < ids.size(1) - 1))


def before_the_first_padding(ids, pad_id):  # type: ignore[no-untyped-def]
    return wide(torch.arange(ids.size(1)) < (ids == pad_id).int().argmax(1, keepdim=True))


def last_id_is_padding(ids, pad_id):  # type: ignore[no-untyped-def]
    return wide(ids != ids[:, -1:])


def smallest_id_is_padding(ids, pad_id):  # type: ignore[no-untyped-def]
    return wide(ids != ids.min())


def squeezed_on_the_way(ids, pad_id):  # type: ignore[no-untyped-def]
    return (ids != pad_id).squeeze()[:, None, None, :]


def shape_is(shape: tuple[int, ...]) -> Sign:
    return lambda seen: tuple(tensor(seen, SHAPE_PROBE, "mask").shape) == shape


def square_that(holds: Callable[[Tensor], bool]) -> Sign:
    """(B, 1, T, T); the second sentence of the probe has no padding."""

    def sign(seen: Observations) -> bool:
        mask = tensor(seen, SHAPE_PROBE, "mask")
        return mask.shape in ((2, 1, 3, 3), (2, 3, 3)) and holds(mask.reshape(2, 3, 3).bool())

    return sign


def kept_by_shape(seen: Observations) -> bool:
    first, second = (tensor(seen, "two calls", key) for key in ("first", "second"))
    return PADDING.right(seen, SHAPE_PROBE) and equal(first, second)


def result_shared(seen: Observations) -> bool:
    first, later = (tensor(seen, "two calls", key) for key in ("first", "first after the second call"))
    return PADDING.right(seen, SHAPE_PROBE) and not equal(first, later)


def special_tokens_hidden(seen: Observations) -> bool:
    """Besides padding, some of the ids 0 to 3 are hidden, as BOS and EOS often have them; others are right."""
    ids = torch.tensor(WITH_SPECIAL)
    got, expected = tensor(seen, "another padding id", "mask"), (ids != 3)[:, None, None, :]
    if got.shape != expected.shape or not PADDING.right(seen, SHAPE_PROBE, "batch"):
        return False
    large_token = tensor(seen, "large ids", "mask with 300 as padding")[
        0, 0, 0, 1
    ]  # 44, smaller than the padding's 300
    wrong = (got != expected)[:, 0, 0, :]
    return bool(wrong.any()) and bool((ids[wrong] < 3).all()) and bool(large_token)


def sizes_written_in(seen: Observations) -> bool:
    """Right for two sentences of three tokens, which came first, and for no other shape."""
    others = {"another padding id", "batch", "square", "no padding", "one sentence", "one by one", "long"}
    return PADDING.right(seen, SHAPE_PROBE) and others <= PADDING.wrong(seen)


def cut_short(seen: Observations) -> bool:
    return PADDING.wrong(seen) == {"long"}


def few_bits(seen: Observations) -> bool:
    return PADDING.wrong(seen) == {"large ids"} and not PADDING.right({"large ids": small_part(seen)}, "large ids")


def small_part(seen: Observations) -> Observation:
    """What was seen, with the mask for 300 taken as right: what is left is the mask for 0."""
    key = "mask with 300 as padding"
    return {**seen["large ids"], key: PADDING.of("large ids")[key]}


FIRST_ROW = torch.tensor([True, True, False])
PADDING_MISTAKES = (
    *both(SHAPE_PROBE),
    Mistake(
        "arguments_in_another_order",
        "A number is used as if it were the ids. The order is (ids, pad_id).",
        seen=number_for_tensor,
    ),
    Mistake(
        "heads_written_in",
        "The axis of the heads has a size: a number of heads is written into the code. All heads share "
        "the mask; an axis of size one is repeated by broadcasting.",
        seen=lambda seen: (
            tensor(seen, SHAPE_PROBE, "mask").dim() == 4 and tensor(seen, SHAPE_PROBE, "mask").shape[1] > 3
        ),
    ),
    Mistake(
        "sizes_written_in",
        "It is right for two sentences of three tokens only: a size is written into the code, or kept "
        "from the first call. Take both sizes from the ids.",
        seen=sizes_written_in,
    ),
    Mistake(
        "special_tokens_hidden",
        "Besides padding, other small ids are hidden: BOS and EOS perhaps. They may be looked at like "
        "all tokens; only pad_id is hidden.",
        seen=special_tokens_hidden,
    ),
    Mistake(
        "two_axes",
        "The mask is (B, T). Against scores (B, h, T_q, T_k), sizes are matched from the last axis on: "
        "the batch would meet the queries. Put two axes of size one in between: (B, 1, 1, T).",
        seen=shape_is((2, 3)),
    ),
    Mistake(
        "three_axes",
        "The mask is (B, 1, T). Against scores (B, h, T_q, T_k) the batch would meet the heads. One "
        "axis of size one is for the heads, another for the queries: (B, 1, 1, T).",
        seen=shape_is((2, 1, 3)),
        source="(src != pad).unsqueeze(-2) in The Annotated Transformer, which adds that of the heads later",
        convention=True,
    ),
    Mistake(
        "queries_masked",
        "The mask is (B, 1, T, 1): it forbids the *queries* that are padding, and every query still "
        "looks at padded keys. Keys are the last axis: (B, 1, 1, T).",
        seen=lambda seen: shape_is((2, 1, 3, 1))(seen) or shape_is((2, 3, 1))(seen),
    ),
    Mistake(
        "batch_not_in_front",
        "The batch does not stand on the first axis. Scores are (B, h, T_q, T_k), so the mask is (B, 1, 1, T).",
        seen=lambda seen: any(shape_is(shape)(seen) for shape in ((1, 1, 2, 3), (1, 2, 1, 3), (1, 2, 3))),
    ),
    Mistake(
        "axes_behind",
        "The axes of size one stand behind: (B, T, 1, 1). Keys are the last axis of the scores, so T "
        "stands last: (B, 1, 1, T).",
        seen=shape_is((2, 3, 1, 1)),
    ),
    Mistake(
        "length_first",
        "The tokens stand on the first axis and the batch behind. The mask is (B, 1, 1, T).",
        seen=lambda seen: tensor(seen, SHAPE_PROBE, "mask").shape[0] == 3,
    ),
    Mistake(
        "joined_with_causal",
        "The mask is (B, 1, T, T), with a causal mask in it. This function only hides padding; the "
        "encoder, which uses it too, may look ahead. They are joined later, by `&`.",
        seen=square_that(lambda mask: equal(mask[1], ones(3).tril())),
    ),
    Mistake(
        "repeated_for_each_key",
        "The mask is (B, 1, T, T), with the padding on the rows. Rows are queries; the *keys*, the "
        "columns, are to be hidden.",
        seen=square_that(lambda mask: equal(mask[0], mask[0, :, :1].expand(3, 3))),
    ),
    Mistake(
        "pairs",
        "The mask is (B, 1, T, T), with the rows of padded queries forbidden as well. What padding asks "
        "does not matter, nobody reads it; but a row without any permitted key has no softmax. Hide "
        "keys only.",
        seen=square_that(lambda mask: bool(mask[1].all()) and not mask[0, 2].any()),
    ),
    Mistake(
        "repeated_for_each_query",
        "The mask is (B, 1, T, T), the same row for every query. That fits only if there are as many "
        "queries as keys; where the decoder looks at the encoder there are not. Broadcasting repeats "
        "it: (B, 1, 1, T).",
        seen=square_that(
            lambda mask: equal(mask[0], mask[0, :1].expand(3, 3)) and bool((mask[0, 0] == FIRST_ROW).all())
        ),
    ),
    Mistake(
        "sentences_joined",
        "All sentences are put one behind the other. Each has its own mask, on the axis of the batch: (B, 1, 1, T).",
        seen=lambda seen: tensor(seen, SHAPE_PROBE, "mask").shape[-1] == 6,
    ),
    Mistake(
        "first_sentence_only",
        "There is a mask for one sentence only, so the whole batch would share it. Each sentence has "
        "its own padding: (B, 1, 1, T).",
        seen=lambda seen: shape_is((1, 1, 1, 3))(seen) or shape_is((3,))(seen),
    ),
    Mistake(
        "kept_by_shape",
        "The mask of an earlier batch is given back, because that one had the same shape. A mask "
        "depends on the ids themselves: make it anew.",
        seen=kept_by_shape,
    ),
    Mistake(
        "result_shared_between_calls",
        "All masks lie in the same memory: the next call overwrites what was returned before. Return a new tensor.",
        seen=result_shared,
    ),
    Mistake(
        "length_limited",
        "Long sentences are cut, or fail: a length is written into the code. Take it from the ids.",
        seen=cut_short,
    ),
    Mistake(
        "only_contiguous_input",
        "`view` needs numbers that lie one after the other in memory; those of a transposed tensor or a "
        "slice do not. Index with None, `unsqueeze` or `reshape` instead.",
        seen=PADDING.raises_only_in("views"),
    ),
    Mistake(
        "squeezed_on_the_way",
        "`squeeze()` without an axis takes away every axis of size one, also a batch or a length of "
        "one. Then the axes that follow are others than meant.",
        squeezed_on_the_way,
        seen=PADDING.raises_only_in("one sentence", "one token", "one by one"),
    ),
    Mistake(
        "ids_cut_to_few_bits",
        "On the way the ids go through a type that is too small for them, so that 256 looks like 0. A "
        "vocabulary has thousands of ids; compare them as they are.",
        seen=few_bits,
    ),
    Mistake(
        "inverted",
        "True stands where the padding is. Here True means *may be looked at*; nn.MultiheadAttention's "
        "key_padding_mask is the other way round. Compare with `!=`.",
        lambda ids, pad_id: wide(ids == pad_id),
        source="key_padding_mask of torch.nn.MultiheadAttention",
        convention=True,
    ),
    Mistake(
        "padding_taken_to_be_0",
        "The ids are compared with 0, or taken as truth values, whatever pad_id is. Which id is padding "
        "is the tokenizer's choice: use pad_id.",
        lambda ids, pad_id: wide(ids != 0),
    ),
    Mistake(
        "padding_taken_to_be_1",
        "The ids are compared with 1, whatever pad_id is. Which id is padding is the tokenizer's choice: use pad_id.",
        lambda ids, pad_id: wide(ids != 1),
    ),
    Mistake(
        "larger_than_pad",
        "Tokens are taken to be those whose id is larger than pad_id. That holds only if padding is the "
        "smallest id. Ids have no order that means anything: compare with `!=`.",
        lambda ids, pad_id: wide(ids > pad_id),
    ),
    Mistake(
        "smaller_than_pad",
        "Tokens are taken to be those whose id is smaller than pad_id. Ids have no order that means "
        "anything: compare with `!=`.",
        lambda ids, pad_id: wide(ids < pad_id),
    ),
    Mistake(
        "padding_or_larger",
        "With `>=` padding itself is visible. Compare with `!=`.",
        lambda ids, pad_id: wide(ids >= pad_id),
    ),
    Mistake(
        "last_id_taken_for_padding",
        "The last id of each sentence is taken for padding. A sentence that fills its row has none: use pad_id.",
        last_id_is_padding,
    ),
    Mistake(
        "last_place_hidden",
        "The last place is hidden whatever stands there. A sentence that fills its row has a token "
        "there: look at each place by itself.",
        last_place_hidden,
    ),
    Mistake(
        "nothing_visible_without_padding",
        "The place of the first padding is looked for, with argmax perhaps, and for a sentence without "
        "padding that is 0: it is hidden as a whole. Look at each place by itself.",
        before_the_first_padding,
    ),
    Mistake(
        "smallest_id_taken_for_padding",
        "The smallest id of the batch is taken for padding. A batch may have no padding at all: use pad_id.",
        smallest_id_is_padding,
    ),
    Mistake(
        "counted_from_the_left",
        "The tokens are counted, and so many places are opened from the left. Padding may stand in "
        "front or in between as well: look at each place by itself.",
        by_length,
    ),
    Mistake(
        "hidden_from_the_first_padding_on",
        "Everything after the first padding is hidden. A token behind padding is still a token: look at "
        "each place by itself.",
        until_first_pad,
    ),
    Mistake(
        "visible_up_to_the_last_token",
        "Padding before the last token is visible. Wherever it stands, padding is to be hidden: look at "
        "each place by itself.",
        until_last_token,
    ),
    Mistake(
        "visible_from_the_first_token",
        "Everything after the first token is visible, the padding at the end too. Look at each place by itself.",
        from_first_token,
    ),
    Mistake(
        "last_token_hidden",
        "The last token is hidden with the padding: one too few. EOS, which stands there, is a token like the others.",
        last_token_hidden,
    ),
    Mistake(
        "token_before_padding_hidden",
        "The last token before the padding is hidden: one too few. EOS, which stands there, is a token "
        "like the others.",
        last_before_padding_hidden,
    ),
    Mistake(
        "first_padding_visible",
        "The first padding behind the last token is visible: one too many.",
        first_pad_visible,
    ),
    Mistake(
        "first_place_always_visible",
        "The first place is visible whatever stands there, lest a row be empty. Where padding stands in "
        "front, it can be looked at then.",
        first_always_visible,
    ),
    Mistake(
        "first_place_hidden",
        "The first place is hidden whatever stands there. BOS or the first word is a token like the others.",
        first_never_visible,
    ),
    Mistake(
        "first_sentence_for_all",
        "All sentences get the mask of the first one. Each has its own padding.",
        of_the_first_sentence,
    ),
    Mistake(
        "visible_if_in_any_sentence",
        "A place is visible if any sentence of the batch has a token there. Each sentence has its own "
        "padding; reduce over no axis.",
        over_the_batch(torch.any),
    ),
    Mistake(
        "visible_if_in_all_sentences",
        "A place is visible only if all sentences of the batch have a token there: the shortest "
        "decides. Each sentence has its own padding; reduce over no axis.",
        over_the_batch(torch.all),
    ),
    Mistake(
        "is_for_equals",
        "`is` asks whether two things are the same object, not whether they are equal. Python keeps one "
        "object for small numbers only, up to 256: with larger ids every token differs. Write `!=`.",
        same_object,
    ),
    Mistake(
        "everything_visible",
        "Everything is visible, the padding too.",
        lambda ids, pad_id: wide(torch.ones_like(ids, dtype=torch.bool)),
    ),
    Mistake(
        "nothing_visible",
        "Nothing is visible at all, not even the tokens.",
        lambda ids, pad_id: wide(torch.zeros_like(ids, dtype=torch.bool)),
    ),
    Mistake(
        "entries_scrambled",
        "The shape is right, but the entries are in the wrong places: `reshape` after a transposition "
        "deals them out in another order. Add axes with None, and leave B and T as they are.",
        scrambled,
    ),
)

EXERCISES = [
    Exercise(
        "causal_mask",
        Card(1, 5, "It keeps the decoder from reading the answer while it learns.", "09_masking", "masks"),
        causal_mask,
        CAUSAL_PROBES,
        CAUSAL_MISTAKES,
        (
            "Row i is a query, column j a key; True means: may look. What does the first row look like, what the last?",
            "Place i sees itself and all before it: j <= i, the lower triangle with the diagonal.",
            "`torch.ones(n, n, dtype=torch.bool)` and then `.tril()`.",
        ),
    ),
    Exercise(
        "padding_mask",
        Card(1, 5, "It hides what only fills up short sentences.", "09_masking", "masks"),
        padding_mask,
        PADDING_PROBES,
        PADDING_MISTAKES,
        (
            "The scores are (B, h, T_q, T_k). Which of these axes does padding know about, and which are "
            "the same for all?",
            "Compare each id with pad_id: True where it is another. Then put axes of size one where the "
            "heads and the queries are.",
            "`(ids != pad_id)[:, None, None, :]`.",
        ),
    ),
]
